/* keep_log.c: `lode keep-log`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/keys.h"
#include "cmd/output.h"
#include "cmd/session.h"
#include "cmd/table.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "off", or bytes with k, M, G or T for powers of a thousand; 0 when it is neither. */
static uint64_t parse_size(const char *text)
{
    static const char units[] = "kmgt";
    char *end;
    if (strcmp(text, "off") == 0)
        return LODE_LOG_KEEP_NONE;
    if (!isdigit((unsigned char)*text))
        return 0;
    uint64_t bytes = strtoull(text, &end, 10);
    const char *unit = *end ? strchr(units, tolower((unsigned char)*end)) : NULL;
    for (const char *u = units; unit && u <= unit; u++)
        bytes = bytes > UINT64_MAX / 1000 ? 0 : bytes * 1000;
    if (unit)
        end++;
    if (*end == 'B')
        end++;
    return *end || bytes >= LODE_LOG_KEEP_NONE ? 0 : bytes;
}

/* Each collection's kept logs; the collections are open, so the figures hold. */
static void write_collection(struct document *document, const char *name, const lode_stats *stats)
{
    json_write_object(&document->json);
    document_key_text(document, "collection", name);
    document_key_u64(document, "kept_log_bytes", stats->kept_log_bytes);
    document_key_u64(document, "oldest_sequence", stats->kept_log_sequence);
    document_key_u64(document, "sequence", stats->sequence);
    json_write_object_end(&document->json);
}

static void add_row(struct table *table, const char *name, const lode_stats *stats)
{
    table_text(table, name, strlen(name));
    table_bytes(table, stats->kept_log_bytes);
    if (stats->kept_log_sequence)
        table_count(table, stats->kept_log_sequence);
    else
        table_printf(table, "-");
    table_count(table, stats->sequence);
}

static lode_status look(struct session *session, const char *name, lode_stats **ret_stats,
                        lode_error *error)
{
    lode_collection *collection = NULL;
    lode_status status = lode_collection_open(session->db, name, &collection, error);
    if (status == LODE_OK)
        status = lode_stats_get(collection, ret_stats, error);
    lode_collection_close(collection);
    return status;
}

struct shown {
    struct document document;
    struct table table;
};

static lode_status show_each(struct session *session, struct shown *shown, lode_error *error)
{
    lode_catalog *catalog = NULL;
    lode_status status = lode_catalog_list(session->db, &catalog, error);
    for (size_t i = 0; status == LODE_OK && i < catalog->entry_count; i++) {
        lode_stats *stats = NULL;
        const char *name = catalog->entries[i].name;
        if (catalog->entries[i].target)
            continue;
        status = look(session, name, &stats, error);
        if (status)
            break;
        if (output_json())
            write_collection(&shown->document, name, stats);
        else
            add_row(&shown->table, name, stats);
        lode_stats_free(stats);
    }
    lode_catalog_free(catalog);
    return status;
}

static void begin(struct session *session, struct shown *shown)
{
    uint64_t keep = lode_db_log_keep_bytes(session->db);
    char text[AMOUNT_TEXT_MAX];
    document_begin(&shown->document);
    document_key_u64(&shown->document, "log_keep_bytes", keep);
    json_write_key(&shown->document.json, "collections");
    json_write_array(&shown->document.json);
    table_init(&shown->table);
    table_column(&shown->table, "collection", 0);
    table_column(&shown->table, "kept logs", 1);
    table_column(&shown->table, "from batch", 1);
    table_column(&shown->table, "now at", 1);
    if (!output_json())
        printf("of each collection's logs, %s is kept\n", keep ? amount_bytes(keep, text) : "none");
}

static int show(struct session *session)
{
    struct shown shown;
    lode_error error = {0};
    begin(session, &shown);
    lode_status status = show_each(session, &shown, &error);
    if (status || !output_json())
        document_release(&shown.document);
    if (status || output_json())
        table_release(&shown.table);
    if (status)
        return output_error(&error, CAUSE_ARGUMENTS);
    if (!output_json()) {
        table_print(&shown.table);
        return EXIT_OK;
    }
    json_write_array_end(&shown.document.json);
    return document_end(&shown.document);
}

int keep_log_run(int argc, char **argv)
{
    const struct arg_spec spec = {
        .command = "keep-log",
        .usage = "DIR [SIZE|off]",
        .about =
            "A log is removed once its batches are in segments, unless it is to be kept: of each "
            "collection, the newest logs that fit into SIZE. 'lode backup' takes them along, and "
            "'lode restore --to-seq' then restores to any batch in them. The database remembers "
            "the setting; a new one keeps none. Without SIZE: shows it, and what is kept.",
        .details = "SIZE: bytes, or with k, M, G or T thousands, millions and so on.\n"
                   "To have every batch since the backup before, keep what is written between two "
                   "backups, and a\ngrowing segment (64 MiB) more.\n",
        .examples = "  lode keep-log films.lode 2G\n"
                    "  lode keep-log films.lode\n"
                    "  lode keep-log films.lode off\n",
        .operand_names = "DIR",
        .operands_min = 1,
        .operands_max = 2,
    };
    struct args args;
    struct session session = {.db = NULL};
    lode_error error = {0};
    int code = EXIT_OK;
    if (!args_parse(&spec, argc, argv, &args, &code))
        return code;
    lode_db_options options = {
        .must_exist = 1, .maintenance = LODE_MAINTAIN_ON_REQUEST, .key = keys_given()};
    if (args.operand_count > 1)
        options.log_keep_bytes = parse_size(args.operands[1]);
    if (args.operand_count > 1 && options.log_keep_bytes == 0)
        return output_usage("keep-log", "'%s' is no size: bytes, as 500M or 2G, or off",
                            args.operands[1]);
    lode_status status = lode_db_open(args.operands[0], &options, &session.db, &error);
    if (status)
        return output_fail(&(struct output_failure){
            .error = &error, .hint = session_open_hint(args.operands[0], status)});
    code = show(&session);
    session_close(&session);
    return code;
}
