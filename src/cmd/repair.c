/* repair.c: `lode repair`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/ids.h"
#include "cmd/keys.h"
#include "cmd/output.h"

#include <stdio.h>

struct repair {
    struct document document; /* with --json */
    int dry_run;
    int names_lost; /* print each point that is lost */
};

static const char *const kind_names[] = {"", "mended", "lost", "left"};

static void on_step(void *context, const lode_repair_step *step)
{
    struct repair *repair = context;
    if (!output_json()) {
        printf("%-7s %s: %s\n", kind_names[step->kind], step->file, step->text);
        return;
    }
    json_write_object(&repair->document.json);
    document_key_text(&repair->document, "kind", kind_names[step->kind]);
    document_key_text(&repair->document, "file", step->file);
    document_key_text(&repair->document, "text", step->text);
    json_write_object_end(&repair->document.json);
}

/* One line on standard error for each, whatever standard output is: there may be millions. */
static void on_lost(void *context, const char *collection, const lode_id *id)
{
    const struct repair *repair = context;
    char text[LODE_ID_SIZE_MAX + 1] = "?";
    size_t size = id ? id_write_text(id, text) : 1;
    if (repair->names_lost)
        fprintf(stderr, "lost: %s %.*s\n", collection, (int)size, text);
}

static void print_lost(const lode_repair_info *info)
{
    char count[AMOUNT_TEXT_MAX];
    if (info->lost_points)
        printf("lost: %s point%s", amount_count(info->lost_points, count),
               info->lost_points == 1 ? "" : "s");
    if (info->lost_unnamed)
        printf(", of which %s left no id behind", amount_count(info->lost_unnamed, count));
    if (info->lost_points)
        putchar('\n');
    if (info->lost_batches)
        printf("lost: %s batch%s of logs\n", amount_count(info->lost_batches, count),
               info->lost_batches == 1 ? "" : "es");
    if (info->lost)
        printf("lost besides: the %s thing%s marked \"lost\" above\n",
               amount_count(info->lost, count), info->lost == 1 ? "" : "s");
}

static void print_sums(const struct repair *repair, const lode_repair_info *info)
{
    char count[AMOUNT_TEXT_MAX];
    if (info->mended == 0 && info->left == 0)
        printf("sound: nothing to repair\n");
    if (info->mended)
        printf("%s thing%s %s\n", amount_count(info->mended, count), info->mended == 1 ? "" : "s",
               repair->dry_run ? "can be mended" : "mended");
    if (info->left)
        printf("%s thing%s left damaged\n", amount_count(info->left, count),
               info->left == 1 ? "" : "s");
    print_lost(info);
}

static int conclude(struct repair *repair, const lode_repair_info *info)
{
    int code = info->left ? EXIT_CORRUPT : EXIT_OK;
    if (output_json()) {
        struct document *document = &repair->document;
        json_write_array_end(&document->json);
        document_key_bool(document, "dry_run", repair->dry_run);
        document_key_bool(document, "sound",
                          info->left == 0 && (!repair->dry_run || !info->mended));
        document_key_u64(document, "mended", info->mended);
        document_key_u64(document, "left", info->left);
        document_key_u64(document, "lost", info->lost);
        document_key_u64(document, "lost_points", info->lost_points);
        document_key_u64(document, "lost_unnamed", info->lost_unnamed);
        document_key_u64(document, "lost_batches", info->lost_batches);
        int printed = document_end(document);
        return code ? code : printed;
    }
    document_release(&repair->document);
    print_sums(repair, info);
    return code;
}

int repair_run(int argc, char **argv)
{
    int salvage_log = 0;
    struct repair repair = {.dry_run = 0};
    const struct arg_option options[] = {
        OPTION_FLAG("dry-run", &repair.dry_run,
                    "Say what would be done, and what is lost; change nothing."),
        OPTION_FLAG("salvage-log", &salvage_log,
                    "Of a damaged log keep all batches that can be read, and give up the others."),
        OPTION_FLAG("name-lost", &repair.names_lost,
                    "Print the id of each lost point on standard error: lost: COLLECTION ID."),
    };
    const struct arg_spec spec = {
        .command = "repair",
        .usage = "DIR [--dry-run]",
        .about =
            "Makes a damaged database sound again, with all that can still be read: graphs and "
            "tables of ids are made again, points are kept that can be read whole, a lost "
            "catalog or manifest is made from the files there are. What was damaged is kept in "
            "DIR/damaged until you remove it. Restoring a backup brings back more: see "
            "docs/repair.md.",
        .details =
            "With --json: {\"steps\": [{\"kind\": \"mended\"|\"lost\"|\"left\", \"file\", "
            "\"text\"}], \"dry_run\",\n\"sound\", \"mended\", \"left\", \"lost\", \"lost_points\", "
            "\"lost_unnamed\", \"lost_batches\"}.\n"
            "Exit status 6 when something damaged is left.\n",
        .examples = "  lode repair films.lode --dry-run\n"
                    "  lode repair films.lode --name-lost 2> lost.txt\n",
        .operand_names = "DIR",
        .operands_min = 1,
        .operands_max = 1,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    struct args args;
    lode_error error = {0};
    lode_repair_info info = {0};
    int code = EXIT_OK;
    if (!args_parse(&spec, argc, argv, &args, &code))
        return code;
    document_begin(&repair.document);
    json_write_key(&repair.document.json, "steps");
    json_write_array(&repair.document.json);
    const lode_repair_options given = {.dry_run = repair.dry_run,
                                       .salvage_log = salvage_log,
                                       .report = on_step,
                                       .lost = on_lost,
                                       .context = &repair,
                                       .key = keys_given()};
    lode_status status = lode_repair(args.operands[0], &given, &info, &error);
    if (status == LODE_OK || (status == LODE_CORRUPT && info.left > 0))
        return conclude(&repair, &info);
    document_release(&repair.document);
    return output_error(&error, CAUSE_ARGUMENTS);
}
