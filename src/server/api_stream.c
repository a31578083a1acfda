/* api_stream.c: points of any number, one JSON object a line, in bounded memory: in by import, out by export.
 *
 * An import gathers lines into batches, each of which is atomic; batches before a bad line stay applied. A batch that the
 * engine refuses because of one of its points is applied by halves, until the point is found: so all lines before a bad
 * one are applied, and it is named. With an Idempotency-Key each batch has a request id made of the key, its first line
 * and what its lines hold: who sends the same lines again with the same key gets what was applied passed over. */
#include "base/hash.h"
#include "os/clock.h"
#include "os/thread.h"
#include "server/api.h"
#include "server/idempotency.h"
#include "server/json_hits.h"
#include "server/json_points.h"
#include "server/json_values.h"
#include "server/metrics.h"
#include "server/schema_json.h"
#include "server/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_POINTS_MAX 1000
#define BATCH_BYTES_MAX  ((size_t)4 << 20)
#define LINE_BYTES_MAX   ((size_t)16 << 20)
#define READ_BYTES       ((size_t)64 << 10)
#define KEY_SIZE_MAX     256

/* --- Import: lines ------------------------------------------------------------------------------- */

struct import {
    struct call *call;
    const struct handle *handle;
    lode_ack ack;
    bool has_key;
    uint8_t key[SHA256_SIZE]; /* idempotency_id */
    /* Lines: what was read and not taken yet is text.data[begin, text.size). */
    struct buf text;
    size_t begin;
    bool is_ended;
    uint64_t line; /* of the one last taken */
    /* The batch being gathered. */
    struct arena arena;
    struct json_points points;
    size_t batch_bytes;
    uint64_t lines[BATCH_POINTS_MAX];  /* of each point */
    uint64_t hashes[BATCH_POINTS_MAX]; /* of what each line holds */
    /* What was done. */
    uint64_t written, batches, repeated, sequence;
    uint64_t fresh;         /* of those written, how many were not there by an earlier attempt */
    uint64_t applied_lines; /* all up to this one */
};

/* fault NULL: the point could be read, and is not what the collection takes. */
static void fail_import(struct import *import, const lode_error *error, uint64_t line,
                        const struct json_fault *fault)
{
    lode_error told = *error;
    const char *place = strncmp(error->message, "ops[", 4) ? NULL : strchr(error->message, ' ');
    if (place) /* in the batch, of which the client knows nothing */
        (void)error_set(&told, error->status, "%s", place + 1);
    error_prefix(&told, "line %llu: ", (unsigned long long)line);
    call_fail_line(import->call, &told,
                   &(struct call_line){
                       .field = fault && fault->field[0] ? fault->field : NULL,
                       .position = fault ? fault->position : -1,
                       .line = line,
                       .applied_lines = import->applied_lines,
                       .applied_points = import->written,
                       .is_schema = !fault,
                   });
}

/* Who sends faster than his quota waits; so do the bytes behind. */
static void throttle(struct import *import, size_t size)
{
    uint64_t wait_ms = principal_take_bytes(import->call->who, size, clock_us());
    while (wait_ms > 0 && !call_is_cancelled(import->call)) {
        unsigned ms = wait_ms < 100 ? (unsigned)wait_ms : 100;
        thread_sleep_us(ms * 1000);
        wait_ms -= ms;
    }
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
        status = exchange_read(import->call->exchange, text->data + text->size, READ_BYTES, &size,
                               error);
    if (status)
        return status;
    text->size += size;
    import->is_ended = size == 0;
    throttle(import, size);
    return api_may_go_on(import->call)
               ? LODE_OK
               : error_set(error, LODE_CANCELLED, "the key or token is no longer valid");
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

/* Of the points [begin, begin + count) of the batch. */
static lode_status request_id(const struct import *import, size_t begin, size_t count,
                              uint8_t ret_id[SHA256_SIZE], lode_error *error)
{
    struct sha256 sha;
    lode_status status = sha256_init(&sha, error);
    if (status == LODE_OK) {
        sha256_update(&sha, import->key, sizeof import->key);
        sha256_update(&sha, &import->lines[begin], sizeof import->lines[begin]);
        sha256_update(&sha, &import->hashes[begin], count * sizeof *import->hashes);
        sha256_digest(&sha, ret_id);
    }
    sha256_release(&sha);
    return status;
}

static lode_status write_once(struct import *import, size_t begin, size_t count, lode_error *error)
{
    uint8_t id[SHA256_SIZE];
    lode_write_info info = {0};
    lode_write_options options = {.ack = import->ack};
    lode_status status = LODE_OK;
    if (import->has_key) {
        status = request_id(import, begin, count, id, error);
        options.request_id = id;
        options.request_id_size = sizeof id;
    }
    if (status == LODE_OK)
        status = lode_write(import->handle->collection, import->points.ops + begin, count, &options,
                            &info, error);
    if (status)
        return status;
    import->batches++;
    import->repeated += info.repeated ? 1 : 0;
    import->written += count;
    import->fresh += info.repeated ? 0 : count;
    import->sequence = info.sequence;
    import->applied_lines = import->lines[begin + count - 1];
    return LODE_OK;
}

static bool is_of_a_point(lode_status status)
{
    return status == LODE_INVALID || status == LODE_LIMIT || status == LODE_CONFLICT;
}

/* By halves, from the first on: a stack of what is left of each level. */
static lode_status write_halves(struct import *import, size_t *ret_failed, lode_error *error)
{
    size_t begin = 0, total = import->points.count, count = total;
    while (begin < total) {
        lode_status status = write_once(import, begin, count, error);
        if (status && (count == 1 || !is_of_a_point(status))) {
            *ret_failed = begin;
            return status;
        }
        if (status) {
            count /= 2;
        } else {
            begin += count;
            /* Beyond the first half everything that is left is tried at once. */
            count = total - begin;
        }
    }
    return LODE_OK;
}

/* Apply what was gathered; false: the call has failed. */
static bool flush(struct import *import)
{
    size_t failed = 0;
    lode_error error = {.status = LODE_OK};
    lode_status status = import->points.count ? write_halves(import, &failed, &error) : LODE_OK;
    if (status)
        fail_import(import, &error, import->lines[failed], NULL);
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
    (void)error_set(&error, LODE_INVALID, "vector: a vector of %u numbers; this index has %u", dim,
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
    import->lines[import->points.count - 1] = import->line;
    import->hashes[import->points.count - 1] = hash64(line, size, 0);
    import->batch_bytes += size;
    if (import->points.count < BATCH_POINTS_MAX && import->batch_bytes < BATCH_BYTES_MAX)
        return true;
    return flush(import);
}

static bool is_unwanted(struct call *call, const struct handle *handle)
{
    if (!handle_is_unwanted(handle))
        return false;
    call_refuse(call, 409, "busy", NULL, "the index is being deleted");
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
        import->applied_lines = import->line;
}

/* --- Import: the call ---------------------------------------------------------------------------- */

static void answer_import(struct import *import)
{
    struct json_writer json;
    call_json(import->call, &json);
    json_write_object(&json);
    json_write_count(&json, "points", import->written);
    json_write_count(&json, "lines", import->line);
    json_write_count(&json, "batches", import->batches);
    json_write_count(&json, "repeated_batches", import->repeated);
    json_write_count(&json, "sequence", import->sequence);
    json_write_object_end(&json);
    call_json_end(import->call, &json);
}

static bool read_ack(struct call *call, lode_ack *ret_ack)
{
    static const char *const names[] = {"durable", "logged", "applied"};
    const char *text = call_query(call, "ack");
    *ret_ack = LODE_ACK_DURABLE;
    for (int i = 0; text && i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *ret_ack = (lode_ack)i;
            return true;
        }
    if (text)
        call_refuse(call, 400, "invalid", "ack", "ack is '%.40s': durable, logged or applied",
                    text);
    return !text;
}

static bool read_key(struct import *import)
{
    struct call *call = import->call;
    const char *key = net_request_header(exchange_request(call->exchange), "idempotency-key");
    lode_error error = {.status = LODE_OK};
    import->has_key = key && *key;
    if (key && strlen(key) > KEY_SIZE_MAX)
        call_refuse(call, 400, "limit", "idempotency-key",
                    "Idempotency-Key has %zu bytes; at most %d", strlen(key), KEY_SIZE_MAX);
    else if (import->has_key && idempotency_id(call, key, import->key, &error))
        call_fail(call, &error, NULL, -1);
    return !call_has_failed(call);
}

static void run_import(struct import *import)
{
    struct call *call = import->call;
    lode_error error = {.status = LODE_OK};
    buf_init(&import->text, LINE_BYTES_MAX + 2 * READ_BYTES);
    arena_init(&import->arena);
    json_points_init(&import->points, JSON_POINTS_OF_LINES, 0, &import->arena);
    import->points.count_max = BATCH_POINTS_MAX;
    if (buf_reserve(&import->text, READ_BYTES, &error))
        call_fail(call, &error, NULL, -1);
    else
        take_lines(import);
    call->points = import->written;
    call->sequence = import->sequence;
    metrics_points(call->server->metrics, import->fresh, 0);
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
    if (call_query_only(call, names) && read_ack(call, &import->ack) && read_key(import))
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

static int is_cancelled(void *context)
{
    return call_is_cancelled(context);
}

/* Pin the state, and find out which points match. */
static lode_status open_export(struct export *export, lode_error *error)
{
    struct call *call = export->call;
    lode_collection *collection = export->handle->collection;
    const char *name = call_query(call, "snapshot"), *text = call_query(call, "filter");
    const lode_stop stop = {.is_wanted = is_cancelled, .context = call};
    lode_filter filter = {.text = text, .size = text ? strlen(text) : 0, .stop = &stop};
    lode_status status = name ? lode_snapshot_open_named(collection, name, &export->snapshot, error)
                              : lode_snapshot_open(collection, &export->snapshot, error);
    return status ? status
                  : lode_iterator_open_filtered(collection, export->snapshot, filter, export->with,
                                                &export->iterator, error);
}

static lode_status write_out(struct call *call, lode_error *error)
{
    if (!api_may_go_on(call))
        return error_set(error, LODE_CANCELLED, "the key or token is no longer valid");
    lode_status status = exchange_write(call->exchange, call->out.data, call->out.size, error);
    buf_clear(&call->out);
    return status;
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
            status = write_out(call, error);
        if (status == LODE_OK && hit && handle_is_unwanted(export->handle))
            status = error_set(error, LODE_BUSY, "the index is being deleted");
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
    export.handle = api_take(call, call_query(call, "namespace"));
    if (!export.handle)
        return;
    export.options.dim = export.handle->schema->dim;
    run_export(&export);
    lode_iterator_close(export.iterator);
    lode_snapshot_close(export.snapshot);
    api_give(call, export.handle);
}
