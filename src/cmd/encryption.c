/* encryption.c: `lode encryption`: keys made, shown and changed; databases encrypted. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/interrupt.h"
#include "cmd/keys.h"
#include "cmd/output.h"
#include "cmd/session.h"

#include <stdio.h>
#include <string.h>

struct encryption_job {
    struct args args;
    const char *action, *dir;
    const char *out, *new_file, *new_command;
    int data_key, rewrite;
    struct progress progress;
};

static int is_action(const struct encryption_job *job, const char *action)
{
    return strcmp(job->action, action) == 0;
}

static int parse(struct encryption_job *job, int argc, char **argv, int *ret_exit)
{
    const struct arg_option options[] = {
        OPTION_TEXT("out", "FILE", &job->out,
                    "new: where the key is written; the file must not exist."),
        OPTION_TEXT(
            "new-key-file", "FILE", &job->new_file,
            "rotate: the file that holds the new key. Without a new key the old one stays."),
        OPTION_TEXT("new-key-command", "COMMAND", &job->new_command,
                    "rotate: a command that prints the new key."),
        OPTION_FLAG("data-key", &job->data_key,
                    "rotate: what is written from now on is under a new data key."),
        OPTION_FLAG(
            "rewrite", &job->rewrite,
            "rotate: write every file anew under the newest data key, and drop the others."),
    };
    const struct arg_spec spec = {
        .command = "encryption",
        .usage = "new --out FILE | show DIR|BACKUP | rotate DIR [options] | encrypt DIR",
        .about =
            "Keys of encrypted databases. A database created with --key-file or --key-command is "
            "encrypted at rest; whoever loses the key has lost the database.",
        .details =
            "new      makes a key of 32 random bytes\n"
            "show     tells which key a database or backup needs, by its id\n"
            "rotate   changes the key at once; with --data-key and --rewrite also what files are\n"
            "         encrypted under, against somebody who had the old key and a copy of the "
            "files\n"
            "encrypt  encrypts a database that is not; interrupted, the same command goes on\n\n"
            "With --json: new and show {\"key\"}, rotate and encrypt {\"key\", \"data_keys\"}; "
            "\"\": "
            "not encrypted.\n",
        .examples =
            "  lode encryption new --out /etc/lode/films.key\n"
            "  lode create films.lode films --dim 384 --key-file /etc/lode/films.key\n"
            "  lode encryption show films.lode\n"
            "  lode encryption rotate films.lode --key-file old.key --new-key-file new.key\n"
            "  lode encryption rotate films.lode --key-file new.key --data-key --rewrite\n"
            "  lode encryption encrypt films.lode --key-command 'pass show lode/films'\n",
        .operand_names = "new|show|rotate|encrypt DIR",
        .operands_min = 1,
        .operands_max = 2,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    return args_parse(&spec, argc, argv, &job->args, ret_exit);
}

static int check(struct encryption_job *job)
{
    static const char *const actions[] = {"new", "show", "rotate", "encrypt", NULL};
    size_t i = 0;
    job->action = job->args.operands[0];
    job->dir = job->args.operand_count > 1 ? job->args.operands[1] : NULL;
    while (actions[i] && !is_action(job, actions[i]))
        i++;
    if (!actions[i])
        return output_usage("encryption", "'%s' is none of new, show, rotate, encrypt",
                            job->action);
    if (is_action(job, "new") ? !job->out || job->dir : !job->dir || job->out)
        return output_usage("encryption",
                            is_action(job, "new") ? "new takes --out FILE and nothing else"
                                                  : "%s takes a DIR, and no --out",
                            job->action);
    if (!is_action(job, "rotate") &&
        (job->new_file || job->new_command || job->data_key || job->rewrite))
        return output_usage("encryption",
                            "--new-key-file, --new-key-command, --data-key and --rewrite go "
                            "with rotate");
    if (job->new_file && job->new_command)
        return output_usage("encryption",
                            "--new-key-file and --new-key-command exclude one another");
    if ((is_action(job, "rotate") || is_action(job, "encrypt")) && !keys_given())
        return output_usage("encryption", "%s needs --key-file or --key-command", job->action);
    return EXIT_OK;
}

static int report_id(const char *id)
{
    struct document document;
    if (!output_json()) {
        puts(*id ? id : "not encrypted");
        return EXIT_OK;
    }
    document_begin(&document);
    document_key_text(&document, "key", id);
    return document_end(&document);
}

static int run_new(const struct encryption_job *job)
{
    char id[LODE_KEY_ID_TEXT_SIZE];
    lode_error error = {0};
    if (lode_key_new(job->out, id, &error))
        return output_error(&error, CAUSE_ARGUMENTS);
    output_note("keep a copy of %s apart from the database and its backups: without it nothing can "
                "be read",
                job->out);
    return report_id(id);
}

static int run_show(const struct encryption_job *job)
{
    char id[LODE_KEY_ID_TEXT_SIZE];
    lode_error error = {0};
    if (lode_key_needed(job->dir, id, &error))
        return output_error(&error, CAUSE_ARGUMENTS);
    return report_id(id);
}

static int on_progress(void *context, uint64_t done_bytes, uint64_t total_bytes)
{
    struct encryption_job *job = context;
    progress_update(&job->progress, done_bytes, total_bytes);
    return interrupt_caught();
}

static int report_change(const lode_encryption *now, const char *done)
{
    struct document document;
    if (!output_json()) {
        printf("%s: key %s, %u data key%s\n", done, now->key_id, now->data_keys,
               now->data_keys == 1 ? "" : "s");
        return EXIT_OK;
    }
    document_begin(&document);
    document_key_text(&document, "key", now->key_id);
    document_key_u64(&document, "data_keys", now->data_keys);
    return document_end(&document);
}

static int run_rotate(struct encryption_job *job)
{
    struct session session;
    lode_error error = {0};
    lode_encryption now;
    lode_key_source new_key = {.file = job->new_file, .command = job->new_command};
    int code = session_open(&session, job->dir, NULL, LODE_MAINTAIN_ON_REQUEST);
    if (code)
        return code;
    interrupt_catch();
    if (job->rewrite)
        progress_begin(&job->progress, "encrypting", "bytes");
    lode_status status = lode_db_rotate_key(
        session.db,
        &(lode_rotate_options){.key = new_key.file || new_key.command ? &new_key : keys_given(),
                               .new_data_key = job->data_key,
                               .rewrite = job->rewrite,
                               .progress = on_progress,
                               .context = job},
        &error);
    if (job->rewrite)
        progress_end(&job->progress);
    lode_db_encryption(session.db, &now);
    session_close(&session);
    return status ? output_error(&error, CAUSE_ARGUMENTS) : report_change(&now, "changed");
}

static int run_encrypt(struct encryption_job *job)
{
    struct session session;
    lode_error error = {0};
    lode_encryption now;
    interrupt_catch();
    progress_begin(&job->progress, "encrypting", "bytes");
    lode_status status = lode_encrypt(
        job->dir,
        &(lode_encrypt_options){.key = keys_given(), .progress = on_progress, .context = job},
        &error);
    progress_end(&job->progress);
    if (status)
        return output_error(&error, CAUSE_ARGUMENTS);
    int code = session_open(&session, job->dir, NULL, LODE_MAINTAIN_ON_REQUEST);
    if (code)
        return code;
    lode_db_encryption(session.db, &now);
    session_close(&session);
    output_note("what the disk held unencrypted is free, not wiped; backups made before are not "
                "encrypted");
    return report_change(&now, "encrypted");
}

int encryption_run(int argc, char **argv)
{
    struct encryption_job job = {.action = NULL};
    int code = EXIT_OK;
    if (!parse(&job, argc, argv, &code))
        return code;
    code = check(&job);
    if (code)
        return code;
    return is_action(&job, "new")      ? run_new(&job)
           : is_action(&job, "show")   ? run_show(&job)
           : is_action(&job, "rotate") ? run_rotate(&job)
                                       : run_encrypt(&job);
}
