/* namespaces.c: `lode namespaces`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/output.h"
#include "cmd/session.h"
#include "cmd/table.h"

#include <stdio.h>
#include <string.h>

#define PAGE 10000u /* names of one call */

struct namespaces {
    struct args args;
    const char *drop, *after;
    uint64_t limit;
    /* Where they go: */
    struct document document;
    struct table table;
    uint64_t count;
};

static int parse(struct namespaces *asked, int argc, char **argv, int *ret_exit)
{
    const struct arg_option options[] = {
        OPTION_TEXT("drop", "NAME", &asked->drop,
                    "Delete all points of this namespace at once, instead of listing."),
        OPTION_TEXT("after", "NAME", &asked->after, "Only names that come after this one."),
        OPTION_UINT("limit", &asked->limit, 1, UINT64_MAX, "At most so many; default all."),
    };
    const struct arg_spec spec = {
        .command = "namespaces",
        .usage = "DIR COLLECTION [--after NAME] [--limit N] | --drop NAME",
        .about = "Lists the namespaces of a collection that have points, by the bytes of their "
                 "names, or drops one. Points that were written without a namespace are in none.",
        .details = "With --json: {\"namespaces\": [{\"name\", \"points\"}]}, or {\"dropped\",\n"
                   "\"collection\", \"deleted\"}.\n",
        .examples = "  lode import films.lode films films.jsonl --namespace anna\n"
                    "  lode namespaces films.lode films\n"
                    "  lode namespaces films.lode films --drop anna\n",
        .operand_names = "DIR COLLECTION",
        .operands_min = 2,
        .operands_max = 2,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    return args_parse(&spec, argc, argv, &asked->args, ret_exit);
}

static void add(struct namespaces *asked, const lode_namespace_entry *entry)
{
    asked->count++;
    if (!output_json()) {
        table_text(&asked->table, entry->name, strlen(entry->name));
        table_count(&asked->table, entry->points);
        return;
    }
    json_write_object(&asked->document.json);
    document_key_text(&asked->document, "name", entry->name);
    document_key_u64(&asked->document, "points", entry->points);
    json_write_object_end(&asked->document.json);
}

/* Page by page. */
static lode_status gather(struct namespaces *asked, lode_collection *collection, lode_error *error)
{
    char after[LODE_NAMESPACE_SIZE_MAX + 1];
    const char *from = asked->after;
    for (;;) {
        lode_namespace_list *list;
        uint64_t left = asked->limit ? asked->limit - asked->count : PAGE;
        size_t limit = left < PAGE ? (size_t)left : PAGE;
        lode_status status = lode_namespace_list_get(collection, from, limit, &list, error);
        if (status)
            return status;
        size_t count = list->entry_count;
        for (size_t i = 0; i < count; i++)
            add(asked, &list->entries[i]);
        if (count > 0)
            snprintf(after, sizeof after, "%s", list->entries[count - 1].name);
        from = after;
        lode_namespace_list_free(list);
        if (count < limit || asked->count == asked->limit)
            return LODE_OK;
    }
}

static int list(struct namespaces *asked, lode_collection *collection)
{
    lode_error error = {0};
    if (output_json()) {
        document_begin(&asked->document);
        json_write_key(&asked->document.json, "namespaces");
        json_write_array(&asked->document.json);
    } else {
        table_init(&asked->table);
        table_column(&asked->table, "namespace", 0);
        table_column(&asked->table, "points", 1);
    }
    lode_status status = gather(asked, collection, &error);
    if (status && output_json())
        document_release(&asked->document);
    if (status)
        return output_error(&error, CAUSE_ARGUMENTS);
    if (output_json()) {
        json_write_array_end(&asked->document.json);
        return document_end(&asked->document);
    }
    table_print(&asked->table);
    return EXIT_OK;
}

static int drop(const struct namespaces *asked, lode_collection *collection)
{
    lode_error error = {0};
    lode_write_info info = {0};
    char points[AMOUNT_TEXT_MAX];
    if (lode_namespace_drop(collection, asked->drop, &info, &error))
        return output_error(&error, CAUSE_ARGUMENTS);
    if (!output_json()) {
        printf("dropped namespace %s of %s: %s points\n", asked->drop, asked->args.operands[1],
               amount_count(info.deleted, points));
        return EXIT_OK;
    }
    struct document document;
    document_begin(&document);
    document_key_text(&document, "dropped", asked->drop);
    document_key_text(&document, "collection", asked->args.operands[1]);
    document_key_u64(&document, "deleted", info.deleted);
    return document_end(&document);
}

int namespaces_run(int argc, char **argv)
{
    struct namespaces asked = {0};
    struct session session;
    int code = EXIT_OK;
    if (!parse(&asked, argc, argv, &code))
        return code;
    if (asked.drop && (asked.after || asked.limit))
        return output_usage("namespaces", "--drop goes with no other option");
    const char *dir = asked.args.operands[0], *name = asked.args.operands[1];
    code = asked.drop ? session_open(&session, dir, name, LODE_MAINTAIN_ON_REQUEST)
                      : session_read(&session, dir, name);
    if (code)
        return code;
    code = asked.drop ? drop(&asked, session.collection) : list(&asked, session.collection);
    session_close(&session);
    return code;
}
