/* verify.c: `lode verify`. */
#include "cmd/args.h"
#include "cmd/backups.h"
#include "cmd/command.h"
#include "cmd/keys.h"
#include "cmd/output.h"
#include "cmd/progress.h"
#include "cmd/session.h"

#include <stdio.h>
#include <string.h>

struct verify {
    struct progress progress;
    struct document document; /* the findings, with --json */
    struct buf unchecked;     /* texts, each with NUL */
    uint64_t findings;
    uint64_t bytes;
};

/* One for which there is no memory goes unsaid: the others say enough. */
static void on_unchecked(void *context, const char *what)
{
    struct verify *verify = context;
    lode_status ignored = buf_append(&verify->unchecked, what, strlen(what) + 1, NULL);
    (void)ignored;
}

static const char *next_unchecked(const struct verify *verify, size_t *at)
{
    if (*at == verify->unchecked.size)
        return NULL;
    const char *text = (const char *)verify->unchecked.data + *at;
    *at += strlen(text) + 1;
    return text;
}

static void write_unchecked(struct verify *verify)
{
    const char *text;
    json_write_key(&verify->document.json, "unchecked");
    json_write_array(&verify->document.json);
    for (size_t at = 0; (text = next_unchecked(verify, &at)) != NULL;)
        json_write_string(&verify->document.json, text, strlen(text));
    json_write_array_end(&verify->document.json);
}

static void print_unchecked(const struct verify *verify)
{
    const char *text;
    for (size_t at = 0; (text = next_unchecked(verify, &at)) != NULL;)
        printf("not checked, %s\n", text);
}

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
static int report(struct verify *verify, double seconds, const char *path,
                  const lode_backup_list *backups)
{
    char bytes[AMOUNT_TEXT_MAX], time[AMOUNT_TEXT_MAX];
    int code = verify->findings > 0 ? EXIT_CORRUPT : EXIT_OK;
    if (output_json()) {
        json_write_array_end(&verify->document.json);
        write_unchecked(verify);
        document_key_bool(&verify->document, "sound", verify->findings == 0);
        document_key_u64(&verify->document, "bytes", verify->bytes);
        document_key_f64(&verify->document, "seconds", seconds);
        if (backups)
            backups_write_json(&verify->document, backups);
        int printed = document_end(&verify->document);
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
        printf("%llu problem%s found: %s\n", (unsigned long long)verify->findings,
               verify->findings == 1 ? "" : "s",
               session_is_unfinished_restore(path)
                   ? "the restore has to be run again"
                   : "restore the files named above from a copy, or save what can still be read "
                     "with 'lode repair'");
    print_unchecked(verify);
    if (backups)
        backups_print_newest(backups);
    return code;
}

static int conclude(struct verify *verify, double seconds, const char *path)
{
    lode_backup_list *backups = backups_find(path);
    int code = report(verify, seconds, path, backups);
    lode_backup_list_free(backups);
    buf_release(&verify->unchecked);
    return code;
}

int verify_run(int argc, char **argv)
{
    const struct arg_spec spec = {
        .command = "verify",
        .usage = "DIR|BACKUP",
        .about = "Reads every file of a database that no process has open, checks every checksum "
                 "and cross-reference, and names each thing that is wrong: file, byte, and what is "
                 "lost. Changes nothing. Of backups it compares every content with its hash; of "
                 "encrypted "
                 "ones, with their key, it also sees whether anybody without it changed them.",
        .details =
            "With --json: {\"findings\": [{\"file\", \"offset\", \"problem\"}], \"unchecked\": "
            "[...], \"sound\", \"bytes\",\n\"seconds\"}, of backups also \"backups\".\n"
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
    buf_init(&verify.unchecked, SIZE_MAX / 2);
    json_write_object(&verify.document.json);
    json_write_key(&verify.document.json, "findings");
    json_write_array(&verify.document.json);
    double begin = clock_wall();
    progress_begin(&verify.progress, "verifying", "bytes");
    const lode_verify_options options = {.report = on_finding,
                                         .progress = on_progress,
                                         .context = &verify,
                                         .key = keys_given(),
                                         .unchecked = on_unchecked};
    lode_status status = lode_verify(args.operands[0], &options, &error);
    progress_end(&verify.progress);
    if (status == LODE_OK || (status == LODE_CORRUPT && verify.findings > 0))
        return conclude(&verify, clock_wall() - begin, args.operands[0]);
    document_release(&verify.document);
    buf_release(&verify.unchecked);
    return output_error(&error, CAUSE_ARGUMENTS);
}
