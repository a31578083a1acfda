/* audit.c: `lode audit`. */
#include "base/limits.h"
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/output.h"
#include "server/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

struct audit_job {
    struct args args;
    const char *last;
};

static int parse(struct audit_job *job, int argc, char **argv, int *ret_exit)
{
    const struct arg_option options[] = {
        OPTION_TEXT("last", "HASH", &job->last,
                    "A hash that this command printed before: its line must still be there. "
                    "Without it nobody can tell whether lines at the end were cut off."),
    };
    const struct arg_spec spec = {
        .command = "audit",
        .usage = "verify DIR [--last HASH]",
        .about = "Verifies the audit log of a server: that every line follows from the one before, "
                 "and no file is missing. DIR is the database, or the directory of the log itself.",
        .details =
            "It prints the hash of the last line. Keep it where whoever may write to this "
            "disk may not, and\ngive it with --last the next time. "
            "A server may be running meanwhile.\n\n"
            "With --json: {\"sound\", \"files\", \"lines\", \"first_line\", \"torn\", "
            "\"lost\", \"skipped\",\n\"open_bytes\", \"last_hash\"} (docs/format/audit.md).\n",
        .examples = "  lode audit verify films.lode\n"
                    "  lode audit verify films.lode --last \"$(cat last-hash)\"\n"
                    "  lode audit verify /var/log/lode/audit\n",
        .operand_names = "verify DIR",
        .operands_min = 2,
        .operands_max = 2,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    return args_parse(&spec, argc, argv, &job->args, ret_exit);
}

/* DIR/server/audit where that is. */
static const char *find_dir(const char *dir, char path[PATH_SIZE_MAX])
{
    struct stat info;
    int size = snprintf(path, PATH_SIZE_MAX, "%s/server/audit", dir);
    if (size > 0 && size < PATH_SIZE_MAX && stat(path, &info) == 0)
        return path;
    return dir;
}

static int report_json(const struct audit_report *report)
{
    struct document document;
    document_begin(&document);
    document_key_bool(&document, "sound", 1);
    document_key_u64(&document, "files", report->files);
    document_key_u64(&document, "lines", report->lines);
    document_key_u64(&document, "first_line", report->first_line);
    document_key_u64(&document, "torn", report->torn);
    document_key_u64(&document, "lost", report->lost);
    document_key_u64(&document, "skipped", report->skipped);
    document_key_u64(&document, "open_bytes", report->open_bytes);
    document_key_text(&document, "last_hash", report->last_hash);
    return document_end(&document);
}

static int report_text(const struct audit_report *report)
{
    char lines[AMOUNT_TEXT_MAX], files[AMOUNT_TEXT_MAX];
    printf("sound: %s lines in %s files; last %s\n", amount_count(report->lines, lines),
           amount_count(report->files, files), report->last_hash);
    if (report->first_line > 1)
        printf("it begins at line %" PRIu64 ": older files were deleted, as it says\n",
               report->first_line);
    if (report->torn)
        printf("%" PRIu64 " times a crash tore the last line, which was cut off\n", report->torn);
    if (report->lost)
        printf("%" PRIu64 " entries could not be written\n", report->lost);
    if (report->skipped)
        printf("%" PRIu64 " denied requests were counted and have no lines of their own\n",
               report->skipped);
    if (report->open_bytes)
        printf("%" PRIu64 " bytes behind the last line: being written, or torn by a crash\n",
               report->open_bytes);
    return EXIT_OK;
}

int audit_run(int argc, char **argv)
{
    struct audit_job job = {.last = NULL};
    struct audit_report report;
    char path[PATH_SIZE_MAX];
    lode_error error = {0};
    int code = EXIT_OK;
    if (!parse(&job, argc, argv, &code))
        return code;
    if (strcmp(job.args.operands[0], "verify") != 0)
        return output_usage("audit", "'%s' is not verify", job.args.operands[0]);
    if (audit_verify(find_dir(job.args.operands[1], path), job.last, &report, &error))
        return output_fail(&(struct output_failure){
            .error = &error,
            .cause = CAUSE_ARGUMENTS,
            .hint = error.status == LODE_CORRUPT
                        ? "somebody has changed the log, or the disk has: compare it with a copy"
                        : NULL});
    return output_json() ? report_json(&report) : report_text(&report);
}
