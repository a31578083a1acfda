/* restore.c: `lode restore`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/interrupt.h"
#include "cmd/keys.h"
#include "cmd/output.h"
#include "cmd/progress.h"
#include "cmd/session.h"

#include <lode/lode.h>

#include <stdio.h>
#include <string.h>

#define RECALL_NOTED 0.9 /* below this, a word about it */

struct restore {
    struct args args;
    struct arg_texts bases;
    const char *collection;
    uint64_t number, to_sequence, sample;
    struct progress progress;
    double seconds;
};

static int parse(struct restore *job, int argc, char **argv, int *ret_exit)
{
    const struct arg_option options[] = {
        OPTION_UINT("number", &job->number, 1, UINT64_MAX,
                    "Which backup of a directory of backups; the newest by default."),
        OPTION_TEXTS("base", "BACKUP", &job->bases,
                     "What a backup made with --base leaves out, or is damaged in it, is taken "
                     "from here; may be given several times."),
        OPTION_TEXT("collection", "NAME", &job->collection, "Only this one, without aliases."),
        OPTION_UINT("to-seq", &job->to_sequence, 1, UINT64_MAX,
                    "The state after this batch instead, by the logs that the backup holds. Needs "
                    "--collection, unless there is only one."),
        OPTION_UINT("sample", &job->sample, 1, LODE_SEARCH_BATCH_MAX,
                    "How many points of each collection are searched for; 100 by default."),
    };
    const struct arg_spec spec = {
        .command = "restore",
        .usage = "BACKUP DIR [options]",
        .about = "Brings a backup back as the database DIR, which must be missing or empty, and "
                 "proves it: reads every file back from the disk and compares its hash, opens the "
                 "database, counts each collection, and searches for a sample of points by index "
                 "and by scan.",
        .details =
            "A restore that is interrupted or fails leaves a directory that no command takes "
            "for a database.\n\n"
            "With --json: {\"backup\", \"root\", \"collections\", \"points\", \"files\", "
            "\"bytes\", \"replayed\",\n\"searches\", \"recall\", \"seconds\"}; \"root\" is empty "
            "with "
            "--collection or --to-seq.\n",
        .examples = "  lode restore /mnt/backups films.lode\n"
                    "  lode restore /mnt/backups films.lode --collection films --to-seq 41250\n"
                    "  lode restore tuesday.lodebackup films.lode --base full.lodebackup\n",
        .operand_names = "BACKUP DIR",
        .operands_min = 2,
        .operands_max = 2,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    return args_parse(&spec, argc, argv, &job->args, ret_exit);
}

static int on_progress(void *context, const char *stage, uint64_t done_bytes, uint64_t total_bytes)
{
    struct restore *job = context;
    if (strcmp(stage, job->progress.label) != 0)
        progress_stage(&job->progress, stage, "bytes");
    progress_update(&job->progress, done_bytes, total_bytes);
    return interrupt_caught();
}

static int report_json(const struct restore *job, const lode_restore_info *info)
{
    struct document document;
    document_begin(&document);
    document_key_u64(&document, "backup", info->number);
    document_key_text(&document, "root", info->root);
    document_key_u64(&document, "collections", info->collections);
    document_key_u64(&document, "points", info->points);
    document_key_u64(&document, "files", info->files);
    document_key_u64(&document, "bytes", info->bytes);
    document_key_u64(&document, "replayed", info->replayed);
    document_key_u64(&document, "searches", info->searches);
    document_key_f64(&document, "recall", info->recall);
    document_key_f64(&document, "seconds", job->seconds);
    return document_end(&document);
}

static int report(const struct restore *job, const lode_restore_info *info)
{
    char points[AMOUNT_TEXT_MAX], size[AMOUNT_TEXT_MAX], time[AMOUNT_TEXT_MAX];
    if (output_json())
        return report_json(job, info);
    printf("restored backup %llu in %s: %llu collection%s, %s points, %s\n",
           (unsigned long long)info->number, amount_seconds(job->seconds, time),
           (unsigned long long)info->collections, info->collections == 1 ? "" : "s",
           amount_count(info->points, points), amount_bytes(info->bytes, size));
    if (info->replayed)
        printf("replayed %llu batches of its logs\n", (unsigned long long)info->replayed);
    if (info->root[0])
        printf("root hash %s, read back from the disk\n", info->root);
    if (info->searches)
        printf("recall@10 %.4f over %llu searches\n", info->recall,
               (unsigned long long)info->searches);
    if (info->recall < RECALL_NOTED)
        output_note("recall is low; a restored index is the one backed up: compare with --recall "
                    "of lode query on the original");
    return EXIT_OK;
}

/* The library speaks of its options; here they have other names, none of them longer. */
static void name_options(char *message)
{
    static const char *const names[][2] = {{"options.bases", "--base"},
                                           {"options.to_sequence", "--to-seq"},
                                           {"options.collection", "--collection"},
                                           {"options.number", "--number"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        size_t old_size = strlen(names[i][0]), new_size = strlen(names[i][1]);
        for (char *at = message; (at = strstr(at, names[i][0])) != NULL; at += new_size) {
            memcpy(at, names[i][1], new_size);
            memmove(at + new_size, at + old_size, strlen(at + old_size) + 1);
        }
    }
}

static int fail(const struct restore *job, lode_error *error)
{
    const char *dir = job->args.operands[1], *hint = NULL;
    name_options(error->message);
    if (error->status == LODE_CORRUPT)
        hint = "'lode verify BACKUP' lists what is damaged; --base OTHER takes it from another "
               "backup";
    else if (error->status == LODE_EXISTS && session_is_unfinished_restore(dir))
        hint = "DIR is what an unfinished restore left: remove it, and run this again";
    else if (error->status == LODE_EXISTS)
        hint = "restore into a directory that is missing or empty";
    return output_fail(
        &(struct output_failure){.error = error, .cause = CAUSE_ARGUMENTS, .hint = hint});
}

int restore_run(int argc, char **argv)
{
    struct restore job = {.number = 0};
    lode_error error = {0};
    lode_restore_info info;
    int code = EXIT_OK;
    if (!parse(&job, argc, argv, &code))
        return code;
    interrupt_catch();
    double begin = clock_wall();
    progress_begin(&job.progress, "restoring", "bytes");
    const lode_restore_options options = {
        .number = job.number,
        .bases = job.bases.items,
        .base_count = job.bases.count,
        .collection = job.collection,
        .to_sequence = job.to_sequence,
        .sample = (unsigned)job.sample,
        .key = keys_given(),
        .progress = on_progress,
        .context = &job,
    };
    lode_status status =
        lode_restore(job.args.operands[0], job.args.operands[1], &options, &info, &error);
    job.seconds = clock_wall() - begin;
    progress_end(&job.progress);
    return status ? fail(&job, &error) : report(&job, &info);
}
