/* list.c: `lode list`. */
#include "cmd/args.h"
#include "cmd/backups.h"
#include "cmd/command.h"
#include "cmd/names.h"
#include "cmd/output.h"
#include "cmd/session.h"
#include "cmd/table.h"

#include <string.h>

/* What can be said about a collection; the error instead when it cannot be opened. */
struct facts {
    lode_status status;
    lode_error error;
    lode_schema schema;
    uint64_t points, disk_bytes;
};

static struct facts look_at(struct session *session, const char *name)
{
    struct facts facts = {.status = LODE_OK};
    lode_collection *collection = NULL;
    lode_stats *stats = NULL;
    facts.status = lode_collection_open(session->db, name, &collection, &facts.error);
    if (facts.status == LODE_OK)
        facts.status = lode_stats_get(collection, &stats, &facts.error);
    if (facts.status == LODE_OK) {
        facts.schema = *lode_collection_schema(collection);
        facts.points = stats->points;
        facts.disk_bytes = stats->disk_bytes;
        lode_stats_free(stats);
    }
    lode_collection_close(collection);
    return facts;
}

static void write_entry(struct document *document, struct session *session,
                        const lode_catalog_entry *entry)
{
    json_write_object(&document->json);
    document_key_text(document, "name", entry->name);
    if (entry->target) {
        document_key_text(document, "alias_of", entry->target);
    } else {
        struct facts facts = look_at(session, entry->name);
        if (facts.status) {
            document_key_text(document, "error", facts.error.message);
        } else {
            document_key_u64(document, "points", facts.points);
            document_key_u64(document, "dim", facts.schema.dim);
            document_key_text(document, "metric", metric_names[facts.schema.metric]);
            document_key_text(document, "scalar", scalar_names[facts.schema.scalar]);
            document_key_text(document, "index", index_names[facts.schema.index]);
            document_key_u64(document, "disk_bytes", facts.disk_bytes);
        }
    }
    json_write_object_end(&document->json);
}

static int show_json(struct session *session, const lode_catalog *catalog)
{
    struct document document;
    document_begin(&document);
    json_write_key(&document.json, "entries");
    json_write_array(&document.json);
    for (size_t i = 0; i < catalog->entry_count; i++)
        write_entry(&document, session, &catalog->entries[i]);
    json_write_array_end(&document.json);
    return document_end(&document);
}

static void add_row(struct table *table, struct session *session, const lode_catalog_entry *entry)
{
    table_text(table, entry->name, strlen(entry->name));
    if (entry->target) {
        for (int i = 0; i < 5; i++)
            table_text(table, "", 0);
        table_printf(table, "alias of %s", entry->target);
        return;
    }
    struct facts facts = look_at(session, entry->name);
    if (facts.status) {
        for (int i = 0; i < 5; i++)
            table_text(table, "", 0);
        table_printf(table, "%s", facts.error.message);
        return;
    }
    table_count(table, facts.points);
    table_printf(table, "%lu", (unsigned long)facts.schema.dim);
    table_printf(table, "%s", metric_names[facts.schema.metric]);
    table_printf(table, "%s", scalar_names[facts.schema.scalar]);
    table_bytes(table, facts.disk_bytes);
    table_printf(table, "%s", index_names[facts.schema.index]);
}

static int show_table(struct session *session, const lode_catalog *catalog)
{
    struct table table;
    if (catalog->entry_count == 0) {
        output_note("no collections yet: 'lode create' makes one");
        return EXIT_OK;
    }
    table_init(&table);
    table.last_cell_max = sizeof((lode_error *)NULL)->message;
    table_column(&table, "collection", 0);
    table_column(&table, "points", 1);
    table_column(&table, "dim", 1);
    table_column(&table, "metric", 0);
    table_column(&table, "scalar", 0);
    table_column(&table, "disk", 1);
    table_column(&table, "index", 0);
    for (size_t i = 0; i < catalog->entry_count; i++)
        add_row(&table, session, &catalog->entries[i]);
    table_print(&table);
    return EXIT_OK;
}

int list_run(int argc, char **argv)
{
    const struct arg_spec spec = {
        .command = "list",
        .usage = "DIR",
        .about = "Lists the collections and aliases of a database; or, where backups are, those.",
        .examples = "  lode list films.lode\n"
                    "  lode list /mnt/backups\n"
                    "  lode list films.lode --json\n",
        .operand_names = "DIR",
        .operands_min = 1,
        .operands_max = 1,
    };
    struct args args;
    struct session session;
    lode_catalog *catalog = NULL;
    lode_error error = {0};
    int code = EXIT_OK;
    if (!args_parse(&spec, argc, argv, &args, &code))
        return code;
    lode_backup_list *backups = backups_find(args.operands[0]);
    if (backups) {
        code = backups_show(backups);
        lode_backup_list_free(backups);
        return code;
    }
    code = session_read(&session, args.operands[0], NULL);
    if (code)
        return code;
    if (lode_catalog_list(session.db, &catalog, &error)) {
        code = output_error(&error, CAUSE_ARGUMENTS);
    } else {
        code = output_json() ? show_json(&session, catalog) : show_table(&session, catalog);
        lode_catalog_free(catalog);
    }
    session_close(&session);
    return code;
}
