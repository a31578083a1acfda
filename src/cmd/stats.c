/* stats.c: `lode stats`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/names.h"
#include "cmd/output.h"
#include "cmd/session.h"
#include "cmd/stats_debt.h"
#include "cmd/table.h"

#include <stdio.h>

static void write_schema(struct document *document, const lode_schema *schema)
{
    document_key_u64(document, "dim", schema->dim);
    document_key_text(document, "metric", metric_names[schema->metric]);
    document_key_text(document, "scalar", scalar_names[schema->scalar]);
    document_key_text(document, "index", index_names[schema->index]);
    if (schema->index == LODE_INDEX_HNSW) {
        document_key_u64(document, "m", schema->m);
        document_key_u64(document, "ef_construction", schema->ef_construction);
        document_key_text(document, "layout", layout_names[schema->layout]);
    }
    json_write_key(&document->json, "fields");
    json_write_object(&document->json);
    for (size_t i = 0; i < schema->field_count; i++)
        document_key_text(document, schema->fields[i].name,
                          declared_type_name(schema->fields[i].type));
    json_write_object_end(&document->json);
}

static void write_segment(struct document *document, const lode_segment_stats *segment)
{
    json_write_object(&document->json);
    document_key_u64(document, "number", segment->number);
    document_key_text(document, "state", segment_state_names[segment->state]);
    document_key_u64(document, "rows", segment->rows);
    document_key_u64(document, "dead_rows", segment->dead_rows);
    document_key_u64(document, "graph_rows", segment->graph_rows);
    document_key_u64(document, "disk_bytes", segment->disk_bytes);
    document_key_u64(document, "memory_bytes", segment->memory_bytes);
    if (segment->damage[0])
        document_key_text(document, "damage", segment->damage);
    json_write_object_end(&document->json);
}

/* What a job that runs and one that has ended have in common. */
struct task {
    lode_job_kind kind;
    lode_job_reason reason;
    uint64_t segments, rows, bytes; /* taken in */
};

static void write_task(struct document *document, const struct task *task)
{
    document_key_text(document, "kind", job_names[task->kind]);
    document_key_text(document, "reason", job_reason_names[task->reason]);
    document_key_u64(document, "segments", task->segments);
    document_key_u64(document, "rows_in", task->rows);
    document_key_u64(document, "bytes_in", task->bytes);
}

static void write_job(struct document *document, const lode_job_stats *job)
{
    json_write_object(&document->json);
    write_task(document,
               &(struct task){job->kind, job->reason, job->segments, job->rows_in, job->bytes_in});
    document_key_u64(document, "done", job->done);
    document_key_u64(document, "total", job->total);
    document_key_u64(document, "elapsed_ms", job->elapsed_ms);
    document_key_f64(document, "rate", job->rate);
    if (job->eta_ms != LODE_ETA_UNKNOWN)
        document_key_u64(document, "eta_ms", job->eta_ms);
    if (job->waiting)
        document_key_text(document, "waiting_for", job_wait_names[job->waiting]);
    json_write_object_end(&document->json);
}

static void write_record(struct document *document, const lode_job_record *record)
{
    json_write_object(&document->json);
    write_task(document, &(struct task){record->kind, record->reason, record->segments,
                                        record->rows_in, record->bytes_in});
    document_key_u64(document, "rows_out", record->rows_out);
    document_key_u64(document, "bytes_out", record->bytes_out);
    document_key_u64(document, "duration_ms", record->duration_ms);
    document_key_u64(document, "ended_ms", record->ended_ms);
    if (record->error.status)
        document_key_text(document, "error", record->error.message);
    json_write_object_end(&document->json);
}

static void write_jobs(struct document *document, const lode_stats *stats)
{
    json_write_key(&document->json, "jobs");
    json_write_array(&document->json);
    for (size_t i = 0; i < stats->job_count; i++)
        write_job(document, &stats->jobs[i]);
    json_write_array_end(&document->json);
    json_write_key(&document->json, "history");
    json_write_array(&document->json);
    for (size_t i = 0; i < stats->history_count; i++)
        write_record(document, &stats->history[i]);
    json_write_array_end(&document->json);
    document_key_u64(document, "flushed_bytes", stats->flushed_bytes);
    document_key_u64(document, "rewritten_bytes", stats->rewritten_bytes);
    document_key_u64(document, "merge_debt", stats->merge_debt);
    document_key_u64(document, "delays", stats->delays);
    document_key_u64(document, "delayed_ms", stats->delayed_ms);
    if (stats->job_error.status)
        document_key_text(document, "job_error", stats->job_error.message);
}

/* Of this process, which holds nothing but what it opened to look. */
static void write_memory(struct document *document)
{
    lode_memory_stats memory;
    lode_memory_stats_get(&memory);
    json_write_key(&document->json, "process_memory");
    json_write_object(&document->json);
    document_key_u64(document, "budget_bytes", memory.budget_bytes);
    document_key_u64(document, "used_bytes", memory.used_bytes);
    document_key_u64(document, "growing_bytes", memory.growing_bytes);
    document_key_u64(document, "build_bytes", memory.build_bytes);
    document_key_u64(document, "write_bytes", memory.write_bytes);
    document_key_u64(document, "scratch_bytes", memory.scratch_bytes);
    document_key_u64(document, "decrypted_bytes", memory.decrypted_bytes);
    document_key_u64(document, "other_bytes", memory.other_bytes);
    document_key_u64(document, "peak_bytes", memory.peak_bytes);
    document_key_u64(document, "mapped_bytes", memory.mapped_bytes);
    document_key_u64(document, "resident_bytes", memory.resident_bytes);
    document_key_u64(document, "resident_file_bytes", memory.resident_file_bytes);
    json_write_object_end(&document->json);
}

static void print_memory(void)
{
    char used[AMOUNT_TEXT_MAX], budget[AMOUNT_TEXT_MAX], resident[AMOUNT_TEXT_MAX];
    lode_memory_stats memory;
    lode_memory_stats_get(&memory);
    if (memory.budget_bytes)
        printf("  budget     %s of memory: %s counted, %s resident in this process\n",
               amount_bytes(memory.budget_bytes, budget), amount_bytes(memory.used_bytes, used),
               amount_bytes(memory.resident_bytes, resident));
}

static void write_stats(struct document *document, const char *name, const lode_schema *schema,
                        const lode_stats *stats)
{
    json_write_object(&document->json);
    document_key_text(document, "collection", name);
    write_schema(document, schema);
    document_key_u64(document, "points", stats->points);
    document_key_u64(document, "sequence", stats->sequence);
    document_key_u64(document, "generation", stats->generation);
    document_key_u64(document, "wal_bytes", stats->wal_bytes);
    document_key_u64(document, "kept_log_bytes", stats->kept_log_bytes);
    document_key_u64(document, "kept_log_sequence", stats->kept_log_sequence);
    document_key_u64(document, "named_snapshots", stats->named_snapshots);
    document_key_u64(document, "disk_bytes", stats->disk_bytes);
    document_key_u64(document, "memory_bytes", stats->memory_bytes);
    document_key_u64(document, "mapped_bytes", stats->mapped_bytes);
    write_memory(document);
    document_key_u64(document, "text_model_version", stats->text_model_version);
    json_write_key(&document->json, "segments");
    json_write_array(&document->json);
    for (size_t i = 0; i < stats->segment_count; i++)
        write_segment(document, &stats->segments[i]);
    json_write_array_end(&document->json);
    write_jobs(document, stats);
    json_write_object_end(&document->json);
}

static void print_schema(const lode_schema *schema)
{
    printf("  schema     %lu dimensions, %s, %s, %s", (unsigned long)schema->dim,
           metric_names[schema->metric], scalar_names[schema->scalar], index_names[schema->index]);
    if (schema->index == LODE_INDEX_HNSW)
        printf(" (m %lu, ef_construction %lu, %s)", (unsigned long)schema->m,
               (unsigned long)schema->ef_construction, layout_names[schema->layout]);
    putchar('\n');
    for (size_t i = 0; i < schema->field_count; i++)
        printf("%s%s:%s%s", i ? " " : "  fields     ", schema->fields[i].name,
               declared_type_name(schema->fields[i].type),
               i + 1 == schema->field_count ? "\n" : "");
}

static void print_task(const char *label, const struct task *task)
{
    char rows[AMOUNT_TEXT_MAX], bytes[AMOUNT_TEXT_MAX];
    printf("  %-10s %s (%s) of %llu segment%s, %s rows, %s", label, job_names[task->kind],
           job_reason_names[task->reason], (unsigned long long)task->segments,
           task->segments == 1 ? "" : "s", amount_count(task->rows, rows),
           amount_bytes(task->bytes, bytes));
}

static void print_job(const lode_job_stats *job)
{
    char rate[AMOUNT_TEXT_MAX], eta[AMOUNT_TEXT_MAX];
    print_task("running",
               &(struct task){job->kind, job->reason, job->segments, job->rows_in, job->bytes_in});
    printf(": %.0f%%, %s rows/s", job->total ? 100.0 * (double)job->done / (double)job->total : 0.0,
           amount_count((uint64_t)job->rate, rate));
    if (job->eta_ms != LODE_ETA_UNKNOWN)
        printf(", %s left", amount_seconds((double)job->eta_ms / 1e3, eta));
    if (job->waiting)
        printf("; waits for %s", job_wait_names[job->waiting]);
    putchar('\n');
}

static void print_record(const lode_job_record *record)
{
    char out[AMOUNT_TEXT_MAX], time[AMOUNT_TEXT_MAX];
    print_task("ended", &(struct task){record->kind, record->reason, record->segments,
                                       record->rows_in, record->bytes_in});
    printf(" -> %s in %s", amount_bytes(record->bytes_out, out),
           amount_seconds((double)record->duration_ms / 1e3, time));
    if (record->error.status)
        printf(": %s", record->error.message);
    putchar('\n');
}

static void print_segments(const lode_stats *stats)
{
    struct table table;
    if (stats->segment_count == 0)
        return;
    table_init(&table);
    table_column(&table, "  segment", 1);
    table_column(&table, "state", 0);
    table_column(&table, "rows", 1);
    table_column(&table, "dead", 1);
    table_column(&table, "in graph", 1);
    table_column(&table, "disk", 1);
    table_column(&table, "memory", 1);
    for (size_t i = 0; i < stats->segment_count; i++) {
        const lode_segment_stats *segment = &stats->segments[i];
        table_printf(&table, "%llu", (unsigned long long)segment->number);
        table_printf(&table, "%s", segment_state_names[segment->state]);
        table_count(&table, segment->rows);
        table_count(&table, segment->dead_rows);
        table_count(&table, segment->graph_rows);
        table_bytes(&table, segment->disk_bytes);
        table_bytes(&table, segment->memory_bytes);
    }
    putchar('\n');
    table_print(&table);
    for (size_t i = 0; i < stats->segment_count; i++)
        if (stats->segments[i].damage[0])
            printf("  segment %llu: %s\n", (unsigned long long)stats->segments[i].number,
                   stats->segments[i].damage);
}

static void print_stats(const char *name, const lode_schema *schema, const lode_stats *stats)
{
    char points[AMOUNT_TEXT_MAX], disk[AMOUNT_TEXT_MAX], wal[AMOUNT_TEXT_MAX];
    char memory[AMOUNT_TEXT_MAX], mapped[AMOUNT_TEXT_MAX];
    printf("%s: %s points\n", name, amount_count(stats->points, points));
    print_schema(schema);
    printf("  disk       %s, %s of it log\n", amount_bytes(stats->disk_bytes, disk),
           amount_bytes(stats->wal_bytes, wal));
    printf("  memory     %s, and %s mapped\n", amount_bytes(stats->memory_bytes, memory),
           amount_bytes(stats->mapped_bytes, mapped));
    print_memory();
    printf("  state      sequence %llu, generation %llu\n", (unsigned long long)stats->sequence,
           (unsigned long long)stats->generation);
    if (stats->named_snapshots)
        printf("  snapshots  %lu named\n", (unsigned long)stats->named_snapshots);
    if (stats->kept_log_bytes)
        printf("  kept logs  %s, from batch %llu on\n", amount_bytes(stats->kept_log_bytes, wal),
               (unsigned long long)stats->kept_log_sequence);
    if (stats->text_model_version)
        printf("  text model version %lu\n", (unsigned long)stats->text_model_version);
    for (size_t i = 0; i < stats->job_count; i++)
        print_job(&stats->jobs[i]);
    for (size_t i = 0; i < stats->history_count; i++)
        print_record(&stats->history[i]);
    stats_print_debt(stdout, stats);
    if (stats->job_error.status)
        printf("  stopped    %s\n", stats->job_error.message);
    print_segments(stats);
}

/* One collection: into the document, or printed. */
static int show(struct session *session, const char *name, struct document *document)
{
    lode_error error = {0};
    lode_collection *collection = NULL;
    lode_stats *stats = NULL;
    if (lode_collection_open(session->db, name, &collection, &error) ||
        lode_stats_get(collection, &stats, &error)) {
        lode_collection_close(collection);
        return output_error(&error, CAUSE_ARGUMENTS);
    }
    const lode_schema *schema = lode_collection_schema(collection);
    if (document)
        write_stats(document, name, schema, stats);
    else
        print_stats(name, schema, stats);
    lode_stats_free(stats);
    lode_collection_close(collection);
    return EXIT_OK;
}

static int show_catalog(struct session *session, const lode_catalog *catalog,
                        struct document *document)
{
    int code = EXIT_OK, shown = 0;
    for (size_t i = 0; i < catalog->entry_count && code == EXIT_OK; i++) {
        if (catalog->entries[i].target)
            continue;
        if (shown++ && !document)
            putchar('\n');
        code = show(session, catalog->entries[i].name, document);
    }
    if (!shown)
        output_note("no collections yet: 'lode create' makes one");
    return code;
}

static int show_all(struct session *session, struct document *document)
{
    lode_error error = {0};
    lode_catalog *catalog = NULL;
    if (lode_catalog_list(session->db, &catalog, &error))
        return output_error(&error, CAUSE_ARGUMENTS);
    if (document) {
        json_write_object(&document->json);
        json_write_key(&document->json, "collections");
        json_write_array(&document->json);
    }
    int code = show_catalog(session, catalog, document);
    if (document) {
        json_write_array_end(&document->json);
        json_write_object_end(&document->json);
    }
    lode_catalog_free(catalog);
    return code;
}

int stats_run(int argc, char **argv)
{
    const struct arg_spec spec = {
        .command = "stats",
        .usage = "DIR [COLLECTION]",
        .about = "Shows what a collection, or every one of a database, is made of: points, schema, "
                 "segments and their indexes, disk and memory.",
        .details =
            "With --json: one object for a collection; {\"collections\": [...]} for all.\n"
            "graph_rows is how many rows of a segment are found through its index; the "
            "others\nare scanned. jobs is background work that is running, with its reason, its "
            "pace and\nthe time left; history is what this process has done.\n",
        .examples = "  lode stats films.lode films\n"
                    "  lode stats films.lode --json\n",
        .operand_names = "DIR COLLECTION",
        .operands_min = 1,
        .operands_max = 2,
    };
    struct args args;
    struct session session;
    struct document document;
    int code = EXIT_OK;
    if (!args_parse(&spec, argc, argv, &args, &code))
        return code;
    code = session_read(&session, args.operands[0], NULL);
    if (code)
        return code;
    document_init(&document);
    struct document *to = output_json() ? &document : NULL;
    code = args.operand_count == 2 ? show(&session, args.operands[1], to) : show_all(&session, to);
    session_close(&session);
    if (code == EXIT_OK && to)
        return document_finish(&document);
    document_release(&document);
    return code;
}
