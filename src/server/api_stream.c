/* api_stream.c: points of any number, one JSON object a line, in bounded memory: in by import, out by export. */
#include "base/hash.h"
#include "server/api.h"
#include "server/import_batch.h"
#include "server/json_hits.h"
#include "server/json_values.h"
#include "server/json_writes.h"
#include "server/metrics.h"
#include "server/schema_json.h"
#include "server/service.h"
#include "server/stream.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINE_BYTES_MAX ((size_t)16 << 20)
#define READ_BYTES     ((size_t)64 << 10)

/* --- Import: lines ------------------------------------------------------------------------------- */

struct import {
    struct call *call;
    const struct handle *handle;
    /* Lines: what was read and not taken yet is text.data[begin, text.size). */
    struct buf text;
    size_t begin;
    bool is_ended;
    uint64_t line; /* of the one last taken */
    /* The batch being gathered. */
    struct arena arena;
    struct json_points points;
    size_t batch_bytes;
    struct import_item items[IMPORT_POINTS_MAX]; /* by lines */
    struct import_batch batch;                   /* positions are numbers of lines */
};

/* fault NULL: the point could be read, and is not what the collection takes. */
static void fail_import(struct import *import, const lode_error *error, uint64_t line,
                        const struct json_fault *fault)
{
    lode_error told = *error;
    (void)error_set(&told, error->status, "%s", asked_message(error));
    error_prefix(&told, "line %llu: ", (unsigned long long)line);
    call_fail_line(import->call, &told,
                   &(struct call_line){
                       .field = fault && fault->field[0] ? fault->field : NULL,
                       .position = fault ? fault->position : -1,
                       .line = line,
                       .applied_lines = import->batch.applied,
                       .applied_points = import->batch.points,
                   });
}

/* Read more behind what there is. */
static lode_status read_more(struct import *import, lode_error *error)
{
    struct buf *text = &import->text;
    size_t size = 0;
    if (import->begin > 0) {
        memmove(text->data, text->data + import->begin, text->size - import->begin);
        text->size -= import->begin;
        import->begin = 0;
    }
    if (text->size >= LINE_BYTES_MAX)
        return error_set(error, LODE_LIMIT, "the line has more than %zu bytes", LINE_BYTES_MAX);
    lode_status status = buf_reserve(text, READ_BYTES, error);
    if (status == LODE_OK)
        status = stream_read(import->call, text->data + text->size, READ_BYTES, &size, error);
    if (status)
        return status;
    text->size += size;
    import->is_ended = size == 0;
    return LODE_OK;
}

/* The next line without its end; *ret_line NULL: there is none. Valid until the next call. */
static lode_status next_line(struct import *import, const char **ret_line, size_t *ret_size,
                             lode_error *error)
{
    size_t looked_at = 0;
    for (;;) {
        const char *text = (const char *)import->text.data + import->begin;
        size_t left = import->text.size - import->begin;
        const char *end =
            left > looked_at ? memchr(text + looked_at, '\n', left - looked_at) : NULL;
        if (end || (import->is_ended && left > 0)) {
            *ret_line = text;
            *ret_size = end ? (size_t)(end - text) : left;
            import->begin += end ? *ret_size + 1 : left;
            import->line++;
            return LODE_OK;
        }
        *ret_line = NULL;
        if (import->is_ended)
            return LODE_OK;
        looked_at = left;
        lode_status status = read_more(import, error);
        if (status)
            return status;
    }
}

static bool is_blank(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (text[i] != ' ' && text[i] != '\t' && text[i] != '\r')
            return false;
    return true;
}

/* --- Import: batches ----------------------------------------------------------------------------- */

/* Apply what was gathered; false: the call has failed. */
static bool flush(struct import *import)
{
    size_t failed = 0;
    lode_error error = {.status = LODE_OK};
    const struct import_points points = {import->points.ops, import->items, import->points.count};
    lode_status status =
        import_batch_write(&import->batch, import->handle->collection, &points, &failed, &error);
    if (status)
        fail_import(import, &error, import->items[failed].position, NULL);
    json_points_clear(&import->points);
    arena_release(&import->arena);
    arena_init(&import->arena);
    import->batch_bytes = 0;
    return status == LODE_OK;
}

/* The point last read, if it has a vector. */
static bool has_right_dim(struct import *import)
{
    lode_error error;
    uint32_t dim = import->points.dim, wanted = import->handle->schema->dim;
    if (dim == 0 || dim == wanted)
        return true;
    import->points.count--;
    (void)error_set(&error, LODE_SCHEMA, "vector: a vector of %u numbers; this index has %u", dim,
                    wanted);
    if (flush(import))
        fail_import(import, &error, import->line, NULL);
    return false;
}

static bool take_line(struct import *import, const char *line, size_t size)
{
    struct json_fault fault;
    if (is_blank(line, size))
        return true;
    import->points.dim =
        0; /* as the line has it: whether that is right is not for its reader to tell */
    if (json_point_read(&import->points, line, size, &fault)) {
        if (flush(import))
            fail_import(import, &fault.error, import->line, &fault);
        return false;
    }
    if (!has_right_dim(import))
        return false;
    import->items[import->points.count - 1] =
        (struct import_item){.position = import->line, .hash = hash64(line, size, 0)};
    import->batch_bytes += size;
    if (import->points.count < IMPORT_POINTS_MAX && import->batch_bytes < IMPORT_BYTES_MAX)
        return true;
    return flush(import);
}

static bool is_unwanted(struct call *call, const struct handle *handle)
{
    lode_error error;
    if (!handle_check_wanted(handle, &error))
        return false;
    call_refuse(call, 409, "busy", NULL, "%s", error.message);
    return true;
}

static void take_lines(struct import *import)
{
    const char *line = NULL;
    size_t size = 0;
    lode_error error = {.status = LODE_OK};
    do {
        if (is_unwanted(import->call, import->handle))
            return;
        if (next_line(import, &line, &size, &error)) {
            uint64_t at = import->line + 1;
            const struct json_fault none = {.position = -1};
            if (error.status == LODE_CANCELLED || flush(import))
                fail_import(import, &error, at, &none);
            return;
        }
        if (line && !take_line(import, line, size))
            return;
    } while (line);
    if (flush(import))
        import->batch.applied = import->line;
}

/* --- Import: the call ---------------------------------------------------------------------------- */

static void answer_import(struct import *import)
{
    struct json_writer json;
    call_json(import->call, &json);
    json_write_object(&json);
    json_write_count(&json, "points", import->batch.points);
    json_write_count(&json, "lines", import->line);
    json_write_count(&json, "batches", import->batch.batches);
    json_write_count(&json, "repeated_batches", import->batch.repeated);
    json_write_count(&json, "sequence", import->batch.sequence);
    json_write_object_end(&json);
    call_json_end(import->call, &json);
}

static void run_import(struct import *import)
{
    struct call *call = import->call;
    lode_error error = {.status = LODE_OK};
    buf_init(&import->text, LINE_BYTES_MAX + 2 * READ_BYTES);
    arena_init(&import->arena);
    json_points_init(&import->points, JSON_POINTS_OF_LINES, 0, &import->arena);
    import->points.count_max = IMPORT_POINTS_MAX;
    if (buf_reserve(&import->text, READ_BYTES, &error))
        call_fail(call, &error, NULL, -1);
    else
        take_lines(import);
    call->points = import->batch.points;
    call->sequence = import->batch.sequence;
    metrics_points(call->server->metrics, import->batch.fresh, 0);
    if (!call_has_failed(call))
        answer_import(import);
    json_points_release(&import->points);
    arena_release(&import->arena);
    buf_release(&import->text);
}

void api_import(struct call *call)
{
    static const char *const names[] = {"namespace", "ack", NULL};
    lode_error error = {.status = LODE_OK};
    struct import *import = calloc(1, sizeof *import);
    if (!import) {
        (void)error_nomem(&error, "an import", sizeof *import);
        call_fail(call, &error, NULL, -1);
        return;
    }
    import->call = call;
    if (call_query_only(call, names) && write_head_read(call, &import->batch.head))
        import->handle = api_take(call, call_query(call, "namespace"));
    if (import->handle)
        run_import(import);
    api_give(call, import->handle);
    free(import);
}

/* --- Export -------------------------------------------------------------------------------------- */

struct export
{
    struct call *call;
    const char *snapshot_name, *filter; /* NULL: none */
    const struct handle *handle;
    lode_snapshot *snapshot;
    lode_iterator *iterator;
    unsigned with;
    struct json_hit_options options;
    uint64_t points;
};

/* "vector,metadata,text": LODE_WITH_... */
static bool read_with(struct call *call, unsigned *ret_with)
{
    const char *text = call_query(call, "with");
    *ret_with = LODE_WITH_VECTOR | LODE_WITH_METADATA | LODE_WITH_TEXT | LODE_WITH_EXPIRY;
    if (!text)
        return true;
    *ret_with = 0;
    while (*text) {
        size_t size = strcspn(text, ",");
        unsigned with = json_with_of(text, size);
        if (!with) {
            call_refuse(call, 400, "invalid", "with", "with: '%.*s' is not one of %s",
                        (int)(size < 40 ? size : 40), text, json_with_names);
            return false;
        }
        *ret_with |= with;
        text += size + (text[size] == ',');
    }
    return true;
}

static bool read_vectors(struct call *call, int *ret_is_base64)
{
    const char *text = call_query(call, "vectors");
    *ret_is_base64 = text && strcmp(text, "base64") == 0;
    if (!text || *ret_is_base64 || strcmp(text, "json") == 0)
        return true;
    call_refuse(call, 400, "invalid", "vectors", "vectors is '%.40s': json or base64", text);
    return false;
}

/* Pin the state, and find out which points match. */
static lode_status open_export(struct export *export, lode_error *error)
{
    struct call *call = export->call;
    lode_collection *collection = export->handle->collection;
    const char *name = export->snapshot_name, *text = export->filter;
    const lode_stop stop = call_stop(call);
    lode_filter filter = {.text = text, .size = text ? strlen(text) : 0, .stop = &stop};
    lode_status status = name ? lode_snapshot_open_named(collection, name, &export->snapshot, error)
                              : lode_snapshot_open(collection, &export->snapshot, error);
    return status ? status
                  : lode_iterator_open_filtered(collection, export->snapshot, filter, export->with,
                                                &export->iterator, error);
}

static lode_status append_line(struct export *export, const lode_hit *hit, lode_error *error)
{
    struct json_writer json;
    json_writer_init(&json, &export->call->out, error);
    json_hit_write(&json, hit, &export->options);
    return json.status ? json.status : buf_append_u8(&export->call->out, '\n', error);
}

static lode_status write_points(struct export *export, lode_error *error)
{
    struct call *call = export->call;
    const lode_hit *hit = NULL;
    lode_status status = LODE_OK;
    do {
        status = lode_iterator_next(export->iterator, &hit, error);
        if (status == LODE_OK && hit) {
            status = append_line(export, hit, error);
            export->points++;
        }
        if (status == LODE_OK && (call->out.size >= READ_BYTES || (!hit && call->out.size)))
            status = stream_write(call, error);
        if (status == LODE_OK && hit)
            status = handle_check_wanted(export->handle, error);
    } while (status == LODE_OK && hit);
    return status;
}

static void run_export(struct export *export)
{
    struct call *call = export->call;
    char sequence[24];
    lode_error error = {.status = LODE_OK};
    if (open_export(export, &error)) {
        call_fail(call, &error, NULL, -1);
        return;
    }
    (void)snprintf(sequence, sizeof sequence, "%llu",
                   (unsigned long long)lode_snapshot_sequence(export->snapshot));
    call_header(call, "lode-sequence", sequence);
    call->content_type = "application/x-ndjson";
    lode_status status = call_begin_stream(call, &error);
    if (status == LODE_OK)
        status = write_points(export, &error);
    if (status == LODE_OK)
        exchange_finish(call->exchange, NULL, 0);
    else
        call_fail(call, &error, NULL, -1); /* told to the log: the client sees that it broke off */
    call->points = export->points;
}

void api_export(struct call *call)
{
    static const char *const names[] = {"namespace", "filter", "snapshot", "with", "vectors", NULL};
    struct export export = {.call = call};
    if (!call_query_only(call, names) || !read_with(call, &export.with) ||
        !read_vectors(call, &export.options.is_base64))
        return;
    export.snapshot_name = call_query(call, "snapshot");
    export.filter = call_query(call, "filter");
    export.handle = api_take(call, call_query(call, "namespace"));
    if (!export.handle)
        return;
    export.options.dim = export.handle->schema->dim;
    run_export(&export);
    lode_iterator_close(export.iterator);
    lode_snapshot_close(export.snapshot);
    api_give(call, export.handle);
}
