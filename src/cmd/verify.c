/* verify.c: `lode verify`. */
#include "cmd/args.h"
#include "cmd/backups.h"
#include "cmd/command.h"
#include "cmd/output.h"
#include "cmd/progress.h"

#include <stdio.h>

struct verify {
    struct progress progress;
    struct document document; /* the findings, with --json */
    uint64_t findings;
    uint64_t bytes;
};

static void on_finding(void *context, const lode_verify_finding *finding)
{
    struct verify *verify = context;
    verify->findings++;
    if (output_json()) {
        json_write_object(&verify->document.json);
        document_key_text(&verify->document, "file", finding->file);
        document_key_u64(&verify->document, "offset", finding->offset);
        document_key_text(&verify->document, "problem", finding->problem);
        json_write_object_end(&verify->document.json);
        return;
    }
    printf("%s, byte %llu: %s\n", finding->file, (unsigned long long)finding->offset,
           finding->problem);
}

static void on_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
    struct verify *verify = context;
    verify->bytes = done_bytes;
    progress_update(&verify->progress, done_bytes, total_bytes);
}

/* All was read; there may be findings. backups: NULL when it is a database. */
static int report(struct verify *verify, double seconds, const lode_backup_list *backups)
{
    char bytes[AMOUNT_TEXT_MAX], time[AMOUNT_TEXT_MAX];
    int code = verify->findings > 0 ? EXIT_CORRUPT : EXIT_OK;
    if (output_json()) {
        json_write_array_end(&verify->document.json);
        document_key_bool(&verify->document, "sound", verify->findings == 0);
        document_key_u64(&verify->document, "bytes", verify->bytes);
        document_key_f64(&verify->document, "seconds", seconds);
        if (backups)
            backups_write_json(&verify->document, backups);
        json_write_object_end(&verify->document.json);
        int printed = document_finish(&verify->document);
        return code ? code : printed;
    }
    document_release(&verify->document);
    if (verify->findings == 0)
        printf("sound: %s checked in %s\n", amount_bytes(verify->bytes, bytes),
               amount_seconds(seconds, time));
    else if (backups)
        printf("%llu problem%s found\n", (unsigned long long)verify->findings,
               verify->findings == 1 ? "" : "s");
    else
        printf("%llu problem%s found: restore the files named above from a copy, or save what can "
               "still be read with 'lode repair'\n",
               (unsigned long long)verify->findings, verify->findings == 1 ? "" : "s");
    if (backups)
        backups_print_newest(backups);
    return code;
}

static int conclude(struct verify *verify, double seconds, const char *path)
{
    lode_backup_list *backups = backups_find(path);
    int code = report(verify, seconds, backups);
    lode_backup_list_free(backups);
    return code;
}

int verify_run(int argc, char **argv)
{
    const struct arg_spec spec = {
        .command = "verify",
        .usage = "DIR|BACKUP",
        .about = "Reads every file of a database that no process has open, checks every checksum "
                 "and cross-reference, and names each thing that is wrong: file, byte, and what is "
                 "lost. Changes nothing. Of backups it compares every content with its hash.",
        .details = "With --json: {\"findings\": [{\"file\", \"offset\", \"problem\"}], \"sound\", "
                   "\"bytes\", \"seconds\"},\nof backups also \"backups\".\n"
                   "Exit status 6 when anything was found.\n",
        .examples = "  lode verify films.lode\n"
                    "  lode verify /mnt/backups\n"
                    "  lode verify films.lode --json --quiet\n",
        .operand_names = "DIR or BACKUP",
        .operands_min = 1,
        .operands_max = 1,
    };
    struct args args;
    struct verify verify = {.findings = 0};
    lode_error error = {0};
    int code = EXIT_OK;
    if (!args_parse(&spec, argc, argv, &args, &code))
        return code;
    document_init(&verify.document);
    json_write_object(&verify.document.json);
    json_write_key(&verify.document.json, "findings");
    json_write_array(&verify.document.json);
    double begin = clock_wall();
    progress_begin(&verify.progress, "verifying", "bytes");
    const lode_verify_options options = {
        .report = on_finding, .progress = on_progress, .context = &verify};
    lode_status status = lode_verify(args.operands[0], &options, &error);
    progress_end(&verify.progress);
    if (status == LODE_OK || (status == LODE_CORRUPT && verify.findings > 0))
        return conclude(&verify, clock_wall() - begin, args.operands[0]);
    document_release(&verify.document);
    return output_error(&error, CAUSE_ARGUMENTS);
}
