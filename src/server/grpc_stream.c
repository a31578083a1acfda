/* grpc_stream.c: Import and Export of lode.v1.Vectors: any number of points, in bounded memory.
 *
 * Import gathers messages until they have BATCH_POINTS points or BATCH_BYTES, and writes them as one batch. Which messages
 * are in which batch follows from their sizes alone: who sends the same messages again with the same key finds each batch
 * known. */
#include "base/sha256.h"
#include "os/clock.h"
#include "os/thread.h"
#include "server/answers.h"
#include "server/grpc_methods.h"
#include "server/grpc_write.h"

#include <stdio.h>
#include <string.h>

enum { BATCH_POINTS = 1000, BATCH_BYTES = 4 << 20, EXPORT_BYTES = 64 << 10 };

/* --- Import -------------------------------------------------------------------------------------- */

struct import {
    struct call *call;
    struct frame_reader reader;
    struct asked asked;
    bool is_open; /* the first message has come */
    struct write_head head;
    /* The batch that is being gathered; its messages are in `memory`. */
    lode_write_op *ops;
    size_t ops_max, count, bytes;
    struct arena memory;
    Lode__V1__ImportResponse done;
};

/* Of the batch that comes next: each has a key of its own. */
static lode_status batch_key(const struct import *import, uint8_t key[SHA256_SIZE],
                             lode_error *error)
{
    struct sha256 sha;
    lode_status status = sha256_init(&sha, error);
    if (!status) {
        sha256_update(&sha, "import", sizeof "import");
        sha256_update(&sha, import->head.request_id, sizeof import->head.request_id);
        sha256_update(&sha, &import->done.batches, sizeof import->done.batches);
        sha256_digest(&sha, key);
    }
    sha256_release(&sha);
    return status;
}

static lode_status write_ops(struct import *import, lode_write_info *info, lode_error *error)
{
    lode_write_options options = import->head.options;
    uint8_t key[SHA256_SIZE];
    if (options.request_id_size) {
        lode_status status = batch_key(import, key, error);
        if (status)
            return status;
        options.request_id = key;
        options.request_id_size = sizeof key;
    }
    return lode_write(import->asked.handle->collection, import->ops, import->count, &options, info,
                      error);
}

/* What was gathered becomes a batch. */
static bool write_batch(struct import *import)
{
    struct call *call = import->call;
    lode_write_info info;
    lode_error error;
    if (import->count == 0)
        return true;
    if (write_ops(import, &info, &error)) {
        grpc_write_fail(call, &error, "points", import->done.points);
        return false;
    }
    import->done.points += import->count;
    import->done.batches++;
    import->done.repeated_batches += info.repeated != 0;
    import->done.sequence = info.sequence;
    answer_write_done(call, &info);
    call->points = import->done.points; /* of all batches */
    import->count = import->bytes = 0;
    return true;
}

static bool open_import(struct import *import, const Lode__V1__ImportRequest *request)
{
    struct call *call = import->call;
    if (!grpc_write_head(call, request->ack, request->idempotency_key, &import->head))
        return false;
    import->is_open = true;
    import->ops_max = grpc_points_max(call);
    import->ops = grpc_ops(call, import->ops_max);
    char *namespace_ = call_copy(call, request->namespace_, strlen(request->namespace_));
    if (!import->ops || !namespace_)
        return false;
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
    size_t n = request->n_points;
    if (n > import->ops_max) {
        grpc_invalid(call, "points", "points: %zu in one message; at most %zu", n, import->ops_max);
        return false;
    }
    if (n > import->ops_max - import->count && !write_batch(import))
        return false;
    for (size_t i = 0; i < n; i++)
        if (!grpc_upsert_op(call, request->points[i], import->done.points + import->count + i,
                            import->asked.handle->schema->dim, &import->ops[import->count + i]))
            return false;
    import->count += n;
    import->bytes += import->reader.message.size;
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
    if (import->count < BATCH_POINTS && import->bytes < BATCH_BYTES)
        return true;
    if (!write_batch(import))
        return false;
    arena_release(&import->memory);
    return true;
}

/* Who sends faster than his quota waits; so does what is behind. */
static void throttle(struct call *call, size_t size)
{
    uint64_t wait_ms = principal_take_bytes(call->who, size, clock_us());
    while (wait_ms > 0 && !call_is_cancelled(call)) {
        unsigned ms = wait_ms < 100 ? (unsigned)wait_ms : 100;
        thread_sleep_us(ms * 1000);
        wait_ms -= ms;
    }
}

static bool take_messages(struct import *import)
{
    struct frame_fault fault;
    while (frame_next(&import->reader, &fault)) {
        throttle(import->call, import->reader.message.size);
        if (!api_may_go_on(import->call) || !take_message(import))
            return false;
    }
    if (fault.http_status)
        grpc_fault(import->call, &fault);
    else if (!import->is_open)
        grpc_invalid(import->call, "index", "there is no message: the first names the index");
    else if (call_is_cancelled(import->call)) /* some clients end a stream before they reset it */
        call_refuse(import->call, 503, "cancelled", NULL, "nobody waits for the answer");
    else
        return write_batch(import);
    return false;
}

void grpc_import(struct call *call)
{
    struct import import = {.call = call, .asked.call = call};
    char text[24];
    size_t begin;
    lode_error error;
    lode__v1__import_response__init(&import.done);
    grpc_reader_init(&import.reader, call);
    if (take_messages(&import)) {
        if (frame_begin(&call->out, &begin, &error))
            grpc_fail(call, &error, NULL);
        else
            grpc_reply(call, &import.done.base);
    }
    if (call_has_failed(call)) { /* what was written stays */
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)import.done.points);
        call_header(call, "lode-points-written", text);
    }
    asked_close(&import.asked);
    frame_reader_release(&import.reader);
    arena_release(&import.memory);
}

/* --- Export -------------------------------------------------------------------------------------- */

/* Points in messages of EXPORT_BYTES and a little more. */
static lode_status write_points(struct call *call, lode_iterator *iterator, struct grpc_form *form,
                                lode_error *error)
{
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
        if (!status && call->out.size >= EXPORT_BYTES && !api_may_go_on(call))
            status = error_set(error, LODE_CANCELLED, "the key or token is no longer valid");
        if (!status && call->out.size >= EXPORT_BYTES)
            status = grpc_stream_send(call, error);
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
        grpc_read_fail(call, &error, NULL);
        return;
    }
    grpc_form_init(&form, request->with, asked->handle->schema->dim);
    status = grpc_stream_begin(call, &error);
    if (!status)
        status = write_points(call, iterator, &form, &error);
    if (status)
        grpc_fail(call, &error, NULL);
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
