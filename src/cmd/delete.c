/* delete.c: `lode delete`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/ids.h"
#include "cmd/input.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/session.h"

#include "base/arena.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct deletion {
    struct args args;
    int id_rule;
    const char *ids_path, *filter, *space;
    uint64_t if_version; /* 0: any */
    uint64_t asked, deleted;
};

static int parse(struct deletion *deletion, int argc, char **argv, int *ret_exit)
{
    const struct arg_option options[] = {
        OPTION_TEXT("ids", "FILE", &deletion->ids_path,
                    "Take the ids from the lines of a file; - is standard input."),
        OPTION_UINT("if-version", &deletion->if_version, 1, UINT64_MAX,
                    "Only if the point has this version (get --with-version); else nothing is "
                    "deleted and the exit status is 1. Of ids on the command line."),
        OPTION_FILTER_ALL(&deletion->filter),
        OPTION_NAMESPACE(&deletion->space),
        OPTION_CHOICE("id-kind", "KIND", &deletion->id_rule, id_rule_names,
                      "Force ids to be number, uuid or string; default auto, as below."),
    };
    const struct arg_spec spec = {
        .command = "delete",
        .usage = "DIR COLLECTION ID... | --ids FILE | --filter FILTER",
        .about =
            "Removes points, by id or by filter, and says how many there were. Ids that no "
            "point has are no error, unless --if-version asks for one. The ids of the command "
            "line are removed together or not at all; those of a file, and those that a filter "
            "matches, in batches of 10,000.",
        .details = "Ids: digits only are a number, the 36-character form of a UUID is a UUID, "
                   "everything\nelse is a string. After -- an id may begin with a dash.\n",
        .examples = "  lode delete films.lode films 42 alien\n"
                    "  lode delete films.lode films --ids gone.txt\n"
                    "  lode delete films.lode films 42 --if-version 1207\n"
                    "  lode delete films.lode films --filter 'year < 1920'\n"
                    "  lode delete films.lode films -- -dashed-\n",
        .operand_names = "DIR COLLECTION ID...",
        .operands_min = 2,
        .operands_max = 2 + (size_t)LODE_BATCH_MAX,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    return args_parse(&spec, argc, argv, &deletion->args, ret_exit);
}

static lode_status delete_versions(const struct deletion *deletion, struct session *session,
                                   const lode_id *ids, size_t id_count, lode_write_info *info,
                                   lode_error *error)
{
    lode_write_op *ops = calloc(id_count, sizeof *ops);
    if (!ops)
        return error_nomem(error, "the operations", id_count * sizeof *ops);
    for (size_t i = 0; i < id_count; i++)
        ops[i] = (lode_write_op){.kind = LODE_WRITE_DELETE,
                                 .point.id = ids[i],
                                 .condition = LODE_IF_VERSION,
                                 .if_version = deletion->if_version};
    lode_status status = lode_write(session->collection, ops, id_count, NULL, info, error);
    free(ops);
    return status;
}

static lode_status delete_batch(struct deletion *deletion, struct session *session,
                                const lode_id *ids, size_t id_count, lode_error *error)
{
    lode_write_info info = {0};
    if (id_count == 0)
        return LODE_OK;
    lode_status status = deletion->if_version
                             ? delete_versions(deletion, session, ids, id_count, &info, error)
                             : lode_delete(session->collection, ids, id_count, &info, error);
    if (status == LODE_OK) {
        deletion->asked += id_count;
        deletion->deleted += info.deleted;
    }
    return status;
}

static int delete_operands(struct deletion *deletion, struct session *session, lode_id *ids)
{
    lode_error error = {0};
    size_t id_count = deletion->args.operand_count - 2;
    lode_status status = LODE_OK;
    for (size_t i = 0; i < id_count && status == LODE_OK; i++) {
        const char *text = deletion->args.operands[2 + i];
        status = id_parse(text, strlen(text), (enum id_rule)deletion->id_rule, &ids[i], &error);
    }
    if (status == LODE_OK)
        status = delete_batch(deletion, session, ids, id_count, &error);
    return status ? output_error(&error, CAUSE_ARGUMENTS) : EXIT_OK;
}

/* Up to LODE_BATCH_MAX ids of lines that are not empty. */
static lode_status read_ids(struct deletion *deletion, struct input *input, struct arena *arena,
                            lode_id *ids, size_t *ret_count, lode_error *error)
{
    lode_status status = LODE_OK;
    for (*ret_count = 0; *ret_count < LODE_BATCH_MAX && status == LODE_OK;) {
        char *line = NULL;
        size_t size = 0;
        status = input_line(input, &line, &size, error);
        if (status || !line)
            break;
        if (size == 0)
            continue;
        const char *copy = arena_copy(arena, line, size);
        if (!copy)
            return error_nomem(error, "an id", size);
        status = id_parse(copy, size, (enum id_rule)deletion->id_rule, &ids[(*ret_count)++], error);
    }
    if (status)
        error_prefix(error, "line %llu: ", (unsigned long long)input->line);
    return status;
}

static int delete_file(struct deletion *deletion, struct session *session, lode_id *ids)
{
    struct input input;
    lode_error error = {0};
    lode_status status = input_open(&input, deletion->ids_path, &error);
    if (status)
        return output_error(&error, CAUSE_ARGUMENTS);
    for (size_t count = 1; status == LODE_OK && count > 0;) {
        struct arena arena;
        arena_init(&arena);
        status = read_ids(deletion, &input, &arena, ids, &count, &error);
        if (status == LODE_OK)
            status = delete_batch(deletion, session, ids, count, &error);
        arena_release(&arena);
    }
    input_close(&input);
    if (status == LODE_OK)
        return EXIT_OK;
    char hint[128], count[AMOUNT_TEXT_MAX];
    snprintf(hint, sizeof hint, "the %s ids before are done; running it again is harmless",
             amount_count(deletion->asked, count));
    return output_fail(&(struct output_failure){
        .error = &error, .cause = CAUSE_DATA, .file = deletion->ids_path, .hint = hint});
}

static int delete_filtered(struct deletion *deletion, struct session *session)
{
    lode_error error = {0};
    lode_write_info info = {0};
    lode_status status = lode_delete_filtered(session->collection,
                                              lode_filter_text(deletion->filter), &info, &error);
    deletion->asked = deletion->deleted = info.deleted;
    return status ? output_error(&error, CAUSE_ARGUMENTS) : EXIT_OK;
}

static int report(const struct deletion *deletion)
{
    char deleted[AMOUNT_TEXT_MAX], asked[AMOUNT_TEXT_MAX];
    if (output_json()) {
        struct document document;
        document_begin(&document);
        document_key_u64(&document, "asked", deletion->asked);
        document_key_u64(&document, "deleted", deletion->deleted);
        return document_end(&document);
    }
    printf("deleted %s of %s\n", amount_count(deletion->deleted, deleted),
           amount_count(deletion->asked, asked));
    return EXIT_OK;
}

int delete_run(int argc, char **argv)
{
    struct deletion deletion = {.id_rule = ID_RULE_AUTO};
    struct session session;
    int code = EXIT_OK;
    if (!parse(&deletion, argc, argv, &code))
        return code;
    int has_operands = deletion.args.operand_count > 2;
    int given = has_operands + (deletion.ids_path != NULL) + (deletion.filter != NULL);
    if (given != 1)
        return output_usage("delete", "say the ids, --ids FILE or --filter FILTER%s",
                            given ? ": one of them" : "");
    if (deletion.if_version && !has_operands)
        return output_usage("delete", "--if-version is for ids on the command line");
    code = session_open(&session, deletion.args.operands[0], deletion.args.operands[1],
                        LODE_MAINTAIN_ON_REQUEST);
    if (!code)
        code = session_namespace(&session, deletion.space);
    if (code)
        return code;
    lode_id *ids = calloc(LODE_BATCH_MAX, sizeof *ids);
    if (!ids) {
        lode_error error = {0};
        (void)error_nomem(&error, "the ids", LODE_BATCH_MAX * sizeof *ids);
        code = output_error(&error, CAUSE_ARGUMENTS);
    } else if (deletion.filter) {
        code = delete_filtered(&deletion, &session);
    } else if (has_operands) {
        code = delete_operands(&deletion, &session, ids);
    } else {
        code = delete_file(&deletion, &session, ids);
    }
    free(ids);
    session_close(&session);
    return code ? code : report(&deletion);
}
