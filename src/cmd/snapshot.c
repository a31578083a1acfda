/* snapshot.c: `lode snapshot`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/output.h"
#include "cmd/session.h"
#include "cmd/table.h"

#include <stdio.h>
#include <string.h>

struct snapshot {
    struct args args;
    const char *action, *dir, *collection, *name;
};

static int parse(struct snapshot *snapshot, int argc, char **argv, int *ret_exit)
{
    const struct arg_spec spec = {
        .command = "snapshot",
        .usage = "create|list|drop DIR COLLECTION [NAME]",
        .about =
            "Keeps states of a collection under names: what a named snapshot shows stays as it "
            "is, whatever is written or deleted afterwards, until it is dropped. query, get and "
            "export read from one with --snapshot NAME.",
        .details =
            "Segments on disk are shared between the collection and its snapshots. \"own\" in "
            "the list is\nwhat is kept on disk for snapshots alone; files that several of them "
            "need count for each.\nA snapshot whose file is damaged is listed by that file's "
            "name, and can be dropped.\n",
        .examples = "  lode snapshot create films.lode films monday\n"
                    "  lode query films.lode films --like 42 --snapshot monday\n"
                    "  lode snapshot list films.lode films\n"
                    "  lode snapshot drop films.lode films monday\n",
        .operand_names = "ACTION DIR COLLECTION",
        .operands_min = 3,
        .operands_max = 4,
    };
    if (!args_parse(&spec, argc, argv, &snapshot->args, ret_exit))
        return 0;
    snapshot->action = snapshot->args.operands[0];
    snapshot->dir = snapshot->args.operands[1];
    snapshot->collection = snapshot->args.operands[2];
    snapshot->name = snapshot->args.operand_count > 3 ? snapshot->args.operands[3] : NULL;
    return 1;
}

static int is_action(const struct snapshot *snapshot, const char *action)
{
    return strcmp(snapshot->action, action) == 0;
}

static int check(const struct snapshot *snapshot)
{
    if (!is_action(snapshot, "create") && !is_action(snapshot, "list") &&
        !is_action(snapshot, "drop"))
        return output_usage("snapshot", "'%s' is none of create, list and drop", snapshot->action);
    if (is_action(snapshot, "list") && snapshot->name)
        return output_usage("snapshot", "list takes no NAME");
    if (!is_action(snapshot, "list") && !snapshot->name)
        return output_usage("snapshot", "%s needs a NAME", snapshot->action);
    return EXIT_OK;
}

static int list_json(const lode_snapshot_list *list)
{
    struct document document;
    char text[AMOUNT_TEXT_MAX];
    document_begin(&document);
    json_write_key(&document.json, "snapshots");
    json_write_array(&document.json);
    for (size_t i = 0; i < list->count; i++) {
        const lode_snapshot_info *info = &list->snapshots[i];
        json_write_object(&document.json);
        document_key_text(&document, "name", info->name);
        document_key_bool(&document, "damaged", info->damaged);
        document_key_u64(&document, "sequence", info->sequence);
        document_key_u64(&document, "generation", info->generation);
        document_key_u64(&document, "points", info->points);
        document_key_text(&document, "created", amount_time(info->created_us, text));
        document_key_u64(&document, "own_bytes", info->own_bytes);
        json_write_object_end(&document.json);
    }
    json_write_array_end(&document.json);
    return document_end(&document);
}

static int list_table(const lode_snapshot_list *list)
{
    struct table table;
    char text[AMOUNT_TEXT_MAX];
    table_init(&table);
    table_column(&table, "snapshot", 0);
    table_column(&table, "points", 1);
    table_column(&table, "sequence", 1);
    table_column(&table, "created", 0);
    table_column(&table, "own", 1);
    for (size_t i = 0; i < list->count; i++) {
        const lode_snapshot_info *info = &list->snapshots[i];
        table_text(&table, info->name, strlen(info->name));
        if (info->damaged)
            table_printf(&table, "damaged");
        else
            table_count(&table, info->points);
        table_count(&table, info->sequence);
        table_printf(&table, "%s", info->damaged ? "" : amount_time(info->created_us, text));
        table_bytes(&table, info->own_bytes);
    }
    table_print(&table);
    return EXIT_OK;
}

static int list(struct session *session)
{
    lode_snapshot_list *found = NULL;
    lode_error error = {0};
    if (lode_snapshot_list_get(session->collection, &found, &error))
        return output_error(&error, CAUSE_ARGUMENTS);
    int code = output_json() ? list_json(found) : list_table(found);
    lode_snapshot_list_free(found);
    return code;
}

static int report(const struct snapshot *snapshot, const char *done, uint64_t sequence,
                  uint64_t points)
{
    char text[AMOUNT_TEXT_MAX];
    int created = is_action(snapshot, "create");
    if (!output_json()) {
        printf("%s snapshot %s of %s", done, snapshot->name, snapshot->collection);
        if (created)
            printf(": %s points, sequence %llu", amount_count(points, text),
                   (unsigned long long)sequence);
        putchar('\n');
        return EXIT_OK;
    }
    struct document document;
    document_begin(&document);
    document_key_text(&document, done, snapshot->name);
    document_key_text(&document, "collection", snapshot->collection);
    if (created) {
        document_key_u64(&document, "points", points);
        document_key_u64(&document, "sequence", sequence);
    }
    return document_end(&document);
}

static int change(const struct snapshot *snapshot, struct session *session)
{
    lode_error error = {0};
    lode_snapshot *made = NULL;
    if (is_action(snapshot, "drop")) {
        if (lode_snapshot_drop(session->collection, snapshot->name, &error))
            return output_error(&error, CAUSE_ARGUMENTS);
        return report(snapshot, "dropped", 0, 0);
    }
    if (lode_snapshot_create(session->collection, snapshot->name, &error) ||
        lode_snapshot_open_named(session->collection, snapshot->name, &made, &error))
        return output_error(&error, CAUSE_ARGUMENTS);
    int code =
        report(snapshot, "created", lode_snapshot_sequence(made), lode_snapshot_point_count(made));
    lode_snapshot_close(made);
    return code;
}

int snapshot_run(int argc, char **argv)
{
    struct snapshot snapshot;
    struct session session;
    int code = EXIT_OK;
    if (!parse(&snapshot, argc, argv, &code))
        return code;
    code = check(&snapshot);
    if (code == EXIT_OK)
        code = session_open(&session, snapshot.dir, snapshot.collection, LODE_MAINTAIN_ON_REQUEST);
    if (code)
        return code;
    code = is_action(&snapshot, "list") ? list(&session) : change(&snapshot, &session);
    session_close(&session);
    return code;
}
