/* grpc_stream.c: Import and Export of lode.v1.Vectors: any number of points, in bounded memory.
 * Import gathers whole messages into batches (import_batch.h). Which messages are in which batch follows from their sizes
 * alone: who sends the same messages again with the same key finds each batch known. */
#include "base/hash.h"
#include "server/grpc_methods.h"
#include "server/grpc_write.h"
#include "server/import_batch.h"
#include "server/metrics.h"
#include "server/service.h"

#include <stdio.h>
#include <string.h>

enum { EXPORT_BYTES = 64 << 10 };

/* --- Import -------------------------------------------------------------------------------------- */

struct import {
    struct call *call;
    struct frame_reader reader;
    struct asked asked;
    bool is_open; /* the first message has come */
    /* The batch that is being gathered; its messages are in `memory`. */
    lode_write_op *ops;
    struct import_item *items;
    size_t ops_max, count, bytes;
    struct arena memory;
    struct import_batch batch;
};

/* What was gathered becomes a batch. */
static bool write_batch(struct import *import)
{
    const struct import_points points = {import->ops, import->items, import->count};
    size_t failed = 0;
    lode_error error;
    lode_status status = import_batch_write(&import->batch, import->asked.handle->collection,
                                            &points, &failed, &error);
    if (status)
        asked_fail_at(import->call, &error, "points", import->items[failed].position);
    import->count = import->bytes = 0;
    return !status;
}

static bool open_import(struct import *import, const Lode__V1__ImportRequest *request)
{
    struct call *call = import->call;
    if (!grpc_write_head(call, request->ack, request->idempotency_key, &import->batch.head))
        return false;
    import->is_open = true;
    import->ops_max = grpc_points_max(call);
    import->ops = grpc_ops(call, import->ops_max);
    import->items = arena_alloc(&call->memory, import->ops_max * sizeof *import->items);
    char *namespace_ = call_copy(call, request->namespace_, strlen(request->namespace_));
    if (!import->ops || !import->items || !namespace_) {
        call_refuse(call, 503, "no_memory", NULL, "no memory for %zu points", import->ops_max);
        return false;
    }
    const struct grpc_target target = {.index = request->index, .namespace_ = namespace_};
    return grpc_open(call, &target, &import->asked);
}

/* The head of a later message is empty. */
static bool is_headless(struct call *call, const Lode__V1__ImportRequest *request)
{
    const char *field = *request->index             ? "index"
                        : *request->namespace_      ? "namespace"
                        : *request->idempotency_key ? "idempotency_key"
                        : request->ack              ? "ack"
                                                    : NULL;
    if (field)
        grpc_invalid(call, field, "%s: it belongs into the first message", field);
    return !field;
}

static bool add_points(struct import *import, const Lode__V1__ImportRequest *request)
{
    struct call *call = import->call;
    const struct buf *message = &import->reader.message;
    size_t n = request->n_points;
    if (!grpc_at_most(call, "points", n, import->ops_max))
        return false;
    if (n > import->ops_max - import->count && !write_batch(import))
        return false;
    uint64_t first = import->batch.points + import->count;
    uint64_t hash = hash64(message->data, message->size, 0);
    for (size_t i = 0; i < n; i++) {
        import->items[import->count] = (struct import_item){.position = first + i, .hash = hash};
        if (!grpc_upsert_op(call, request->points[i], first + i, import->asked.handle->schema->dim,
                            &import->ops[import->count]))
            return false;
        import->count++;
    }
    import->bytes += message->size;
    return true;
}

static bool take_message(struct import *import)
{
    const struct buf *message = &import->reader.message;
    const Lode__V1__ImportRequest *request =
        grpc_unpack(import->call, &import->memory, &lode__v1__import_request__descriptor,
                    message->data, message->size);
    if (!request)
        return false;
    if (!(import->is_open ? is_headless(import->call, request) : open_import(import, request)) ||
        !add_points(import, request))
        return false;
    if (import->count < IMPORT_POINTS_MAX && import->bytes < IMPORT_BYTES_MAX)
        return true;
    if (!write_batch(import))
        return false;
    arena_release(&import->memory);
    return true;
}

static bool is_unwanted(struct call *call, const struct handle *handle)
{
    lode_error error;
    if (!handle || !handle_check_wanted(handle, &error))
        return false;
    call_fail(call, &error, NULL, -1);
    return true;
}

static void take_messages(struct import *import)
{
    struct frame_fault fault = {0};
    while (!call_has_failed(import->call) && !is_unwanted(import->call, import->asked.handle) &&
           frame_next(&import->reader, &fault))
        (void)take_message(import);
    if (fault.http_status)
        grpc_fault(import->call, &fault);
    else if (!import->is_open && !call_has_failed(import->call))
        grpc_invalid(import->call, "index", "there is no message: the first names the index");
    if (call_is_cancelled(import->call)) /* some clients end a stream before they reset it */
        call_refuse(import->call, 503, "cancelled", NULL, "nobody waits for the answer");
    else if (import->asked.handle && api_may_go_on(import->call))
        (void)write_batch(import); /* whatever was wrong: what came before it is written */
}

static void reply_import(struct call *call, const struct import_batch *done)
{
    Lode__V1__ImportResponse response = LODE__V1__IMPORT_RESPONSE__INIT;
    size_t begin;
    lode_error error;
    response.points = done->points;
    response.batches = done->batches;
    response.repeated_batches = done->repeated;
    response.sequence = done->sequence;
    if (frame_begin(&call->out, &begin, &error))
        call_fail(call, &error, NULL, -1);
    else
        grpc_reply(call, &response.base);
}

void grpc_import(struct call *call)
{
    struct import import = {.call = call, .asked.call = call};
    char text[24];
    grpc_reader_init(&import.reader, call);
    take_messages(&import);
    call->points = import.batch.points;
    call->sequence = import.batch.sequence;
    metrics_points(call->server->metrics, import.batch.fresh, 0);
    if (!call_has_failed(call))
        reply_import(call, &import.batch);
    if (call_has_failed(call)) { /* what was written stays */
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)import.batch.points);
        call_header(call, "lode-points-written", text);
    }
    asked_close(&import.asked);
    frame_reader_release(&import.reader);
    arena_release(&import.memory);
}

/* --- Export -------------------------------------------------------------------------------------- */

/* Points in messages of EXPORT_BYTES and a little more. */
static lode_status write_points(const struct asked *asked, lode_iterator *iterator,
                                struct grpc_form *form, lode_error *error)
{
    struct call *call = asked->call;
    const lode_hit *hit = NULL;
    struct put put;
    size_t begin;
    put_init(&put, &call->out, error);
    lode_status status = LODE_OK;
    while (!status && !(status = lode_iterator_next(iterator, &hit, error)) && hit) {
        if (call->out.size == 0)
            status = frame_begin(&call->out, &begin, error);
        if (!status)
            grpc_put_hit(&put, 1, hit, form);
        status = status ? status : put.status;
        call->points++;
        if (!status && call->out.size >= EXPORT_BYTES)
            status = grpc_stream_send(call, error);
        if (!status)
            status = handle_check_wanted(asked->handle, error);
    }
    if (!status && call->out.size)
        status = grpc_stream_send(call, error);
    return status;
}

static void export_points(struct call *call, const struct asked *asked,
                          const Lode__V1__ExportRequest *request)
{
    struct grpc_form form;
    lode_iterator *iterator;
    lode_error error;
    lode_status status = lode_iterator_open_filtered(asked->handle->collection, asked->snapshot,
                                                     asked->filter, asked->with, &iterator, &error);
    if (status) {
        asked_fail(call, &error);
        return;
    }
    grpc_form_init(&form, request->with, asked->handle->schema->dim);
    status = grpc_stream_begin(call, &error);
    if (!status)
        status = write_points(asked, iterator, &form, &error);
    if (status)
        call_fail(call, &error, NULL, -1);
    grpc_form_release(&form);
    lode_iterator_close(iterator);
}

void grpc_export(struct call *call)
{
    struct asked asked = {.call = call};
    const Lode__V1__ExportRequest *request =
        grpc_read_single(call, &lode__v1__export_request__descriptor);
    if (request) {
        const struct grpc_target target = {.index = request->index,
                                           .namespace_ = request->namespace_,
                                           .snapshot = request->snapshot,
                                           .with = request->with,
                                           .filter = request->filter};
        if (grpc_open(call, &target, &asked))
            export_points(call, &asked, request);
    }
    asked_close(&asked);
    if (call->is_answered)
        grpc_stream_end(call);
}
