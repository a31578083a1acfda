/* backup.c: `lode backup`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/interrupt.h"
#include "cmd/output.h"
#include "cmd/session.h"

#include <stdio.h>

struct backing_up {
    struct args args;
    const char *base;
    int one_file, verify;
    struct progress progress;
    double seconds;
};

static int parse(struct backing_up *job, int argc, char **argv, int *ret_exit)
{
    const struct arg_option options[] = {
        OPTION_FLAG("file", &job->one_file,
                    "TARGET is to be one file instead of a directory of backups."),
        OPTION_TEXT("base", "BACKUP", &job->base,
                    "With --file: a backup, of either kind, whose contents are left out; restore "
                    "needs it then too."),
        OPTION_FLAG("verify", &job->verify,
                    "Of what TARGET (or the base) has already, read what this backup needs too, "
                    "and write anew what is damaged. Without it only the size is looked at. What "
                    "only other backups need is not read: 'lode verify TARGET' does."),
    };
    const struct arg_spec spec = {
        .command = "backup",
        .usage = "DIR TARGET [options]",
        .about =
            "Backs up every collection of a database as it is at one moment. A directory of "
            "backups "
            "keeps each content once, under its SHA-256: the first backup in it is a full one, "
            "those after it read and write only what is new. Prints one root hash, which stands "
            "for all of it. An interrupted backup is none.",
        .details = "Not part of it: named snapshots. 'lode list TARGET' shows what backups there "
                   "are, 'lode verify\nTARGET' reads and checks all of them, 'lode restore' brings "
                   "one back. A program that has the\ndatabase open backs it up while it is "
                   "written to with lode_backup (lode.h).\n\n"
                   "With --json: {\"backup\", \"root\", \"collections\", \"files\", \"bytes\", "
                   "\"new_files\", \"new_bytes\",\n\"healed_files\", \"seconds\"}.\n",
        .examples = "  lode backup films.lode /mnt/backups\n"
                    "  lode backup films.lode films-full.lodebackup --file\n"
                    "  lode backup films.lode films-tuesday.lodebackup --file --base "
                    "films-full.lodebackup\n",
        .operand_names = "DIR TARGET",
        .operands_min = 2,
        .operands_max = 2,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    return args_parse(&spec, argc, argv, &job->args, ret_exit);
}

static int on_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
    struct backing_up *job = context;
    progress_update(&job->progress, done_bytes, total_bytes);
    return interrupt_caught();
}

static int report_json(const struct backing_up *job, const lode_backup_info *info)
{
    struct document document;
    document_begin(&document);
    document_key_u64(&document, "backup", info->number);
    document_key_text(&document, "root", info->root);
    document_key_u64(&document, "collections", info->collections);
    document_key_u64(&document, "files", info->files);
    document_key_u64(&document, "bytes", info->bytes);
    document_key_u64(&document, "new_files", info->new_files);
    document_key_u64(&document, "new_bytes", info->new_bytes);
    document_key_u64(&document, "healed_files", info->healed_files);
    document_key_f64(&document, "seconds", job->seconds);
    return document_end(&document);
}

static int report(const struct backing_up *job, const lode_backup_info *info)
{
    char files[AMOUNT_TEXT_MAX], size[AMOUNT_TEXT_MAX], new_files[AMOUNT_TEXT_MAX],
        new_size[AMOUNT_TEXT_MAX], time[AMOUNT_TEXT_MAX];
    if (output_json())
        return report_json(job, info);
    printf("backup %llu in %s: %s files, %s; new of them %s files, %s\nroot hash %s\n",
           (unsigned long long)info->number, amount_seconds(job->seconds, time),
           amount_count(info->files, files), amount_bytes(info->bytes, size),
           amount_count(info->new_files, new_files), amount_bytes(info->new_bytes, new_size),
           info->root);
    if (info->healed_files)
        printf("%s damaged content%s %s\n", amount_count(info->healed_files, files),
               info->healed_files == 1 ? "" : "s",
               job->base
                   ? "of the base went into the file: 'lode verify' of the base names what is "
                     "damaged in it"
                   : "replaced by sound ones");
    return EXIT_OK;
}

int backup_run(int argc, char **argv)
{
    struct backing_up job = {.base = NULL};
    struct session session;
    lode_error error = {0};
    lode_backup_info info;
    int code = EXIT_OK;
    if (!parse(&job, argc, argv, &code))
        return code;
    if (job.base && !job.one_file)
        return output_usage("backup", "--base goes with --file: a directory of backups finds the "
                                      "one before by itself");
    code = session_open(&session, job.args.operands[0], NULL, LODE_MAINTAIN_ON_REQUEST);
    if (code)
        return code;
    interrupt_catch();
    progress_begin(&job.progress, "backing up", "bytes");
    const lode_backup_options options = {.one_file = job.one_file,
                                         .verify = job.verify,
                                         .base = job.base,
                                         .progress = on_progress,
                                         .context = &job};
    lode_status status = lode_backup(session.db, job.args.operands[1], &options, &info, &error);
    job.seconds = progress_seconds(&job.progress);
    progress_end(&job.progress);
    session_close(&session);
    return status ? output_error(&error, CAUSE_ARGUMENTS) : report(&job, &info);
}
