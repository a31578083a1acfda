/* grpc_write.c: Upsert, Delete and Patch of lode.v1.Vectors. */
#include "server/grpc_write.h"

#include "server/answers.h"
#include "server/grpc_methods.h"

#include <string.h>

/* --- Operations ---------------------------------------------------------------------------------- */

size_t grpc_points_max(const struct call *call)
{
    return (size_t)asked_limit(call->who ? call->who->limits.points : 0, LODE_BATCH_MAX);
}

lode_write_op *grpc_ops(struct call *call, size_t count)
{
    lode_error error;
    lode_write_op *ops = arena_alloc_zero(&call->memory, (count ? count : 1) * sizeof *ops);
    if (ops)
        return ops;
    (void)error_nomem(&error, "operations", count * sizeof *ops);
    call_fail(call, &error, NULL, -1);
    return NULL;
}

static bool check_count(struct call *call, const char *list, size_t count)
{
    size_t most = grpc_points_max(call);
    lode_error error;
    if (count == 0) {
        grpc_invalid(call, list, "%s: there are none", list);
        return false;
    }
    if (count <= most)
        return true;
    (void)error_set(&error, LODE_LIMIT, "%s: %zu of them; at most %zu", list, count, most);
    call_fail(call, &error, list, -1);
    return false;
}

static void set_condition(lode_write_op *op, Lode__V1__Condition condition, uint64_t version)
{
    op->condition = (lode_condition)condition; /* the numbers are the same */
    op->if_version = version;
}

bool grpc_upsert_op(struct call *call, const Lode__V1__Point *point, size_t i, uint32_t dim,
                    lode_write_op *ret_op)
{
    const struct grpc_floats floats = {&point->vector, point->values, point->n_values};
    lode_point *to = &ret_op->point;
    *ret_op = (lode_write_op){.kind = LODE_WRITE_UPSERT};
    if (!grpc_id(call, grpc_field("points", i, "id").text, point->id, &to->id) ||
        !grpc_vector(call, grpc_field("points", i, "vector").text, &floats, dim, &to->vector))
        return false;
    to->metadata = grpc_text(point->metadata);
    to->metadata_size = strlen(point->metadata);
    to->text = grpc_text(point->text);
    to->text_size = strlen(point->text);
    to->expires_at_ms = point->expires_at_ms;
    set_condition(ret_op, point->condition, point->if_version);
    return true;
}

bool grpc_write_head(struct call *call, Lode__V1__Ack ack, const char *key,
                     struct write_head *ret_head)
{
    *ret_head = (struct write_head){.options.ack = (lode_ack)ack};
    return !*key || idempotency_set(call, "idempotency_key", key, ret_head);
}

/* --- Writing ------------------------------------------------------------------------------------- */

static void reply(struct call *call, const lode_write_info *info)
{
    Lode__V1__WriteResponse message = LODE__V1__WRITE_RESPONSE__INIT;
    message.sequence = info->sequence;
    message.upserted = info->upserted;
    message.deleted = info->deleted;
    message.patched = info->patched;
    message.missing = info->missing;
    message.repeated = info->repeated;
    answer_write_done(call, info);
    grpc_reply(call, &message.base);
}

/* A batch that is to be written, as one. */
struct batch {
    const char *list; /* name of the field that it comes from */
    const lode_write_op *ops;
    size_t count;
    Lode__V1__Ack ack;
    const char *key;
};

static void write_batch(struct call *call, const struct asked *asked, const struct batch *batch)
{
    struct write_head head;
    lode_write_info info;
    lode_error error;
    if (!grpc_write_head(call, batch->ack, batch->key, &head))
        return;
    if (lode_write(asked->handle->collection, batch->ops, batch->count, &head.options, &info,
                   &error))
        asked_fail_at(call, &error, batch->list, 0);
    else
        reply(call, &info);
}

/* By a filter: several batches. What was done before one failed stays. */
static void write_filtered(struct call *call, const struct asked *asked, const lode_write_op *patch)
{
    lode_collection *collection = asked->handle->collection;
    lode_write_info info = {0};
    lode_error error = {0};
    lode_status status = patch
                             ? lode_patch_filtered(collection, asked->filter, patch, &info, &error)
                             : lode_delete_filtered(collection, asked->filter, &info, &error);
    if (!status) {
        reply(call, &info);
        return;
    }
    answer_write_done(call, &info);
    if (call->points)
        error_prefix(&error, "after %llu points: ", (unsigned long long)call->points);
    asked_fail(call, &error);
}

/* Just one of a list and a filter, and no key for what a filter matches, which changes in between. */
static bool check_choice(struct call *call, const char *list, size_t count, const char *filter,
                         const char *key)
{
    if (count && *filter) {
        grpc_invalid(call, "filter", "%s and filter: one of them", list);
        return false;
    }
    if (*filter && *key) {
        grpc_invalid(call, "idempotency_key",
                     "idempotency_key: what a filter matches changes in between; name ids instead");
        return false;
    }
    return *filter || check_count(call, list, count);
}

/* --- Upsert -------------------------------------------------------------------------------------- */

void grpc_upsert(struct call *call, const void *message)
{
    const Lode__V1__UpsertRequest *request = message;
    const struct grpc_target target = {.index = request->index, .namespace_ = request->namespace_};
    struct asked asked = {.call = call};
    lode_write_op *ops = NULL;
    size_t i = 0;
    if (check_count(call, "points", request->n_points) && grpc_open(call, &target, &asked))
        ops = grpc_ops(call, request->n_points);
    while (ops && i < request->n_points &&
           grpc_upsert_op(call, request->points[i], i, asked.handle->schema->dim, &ops[i]))
        i++;
    if (ops && i == request->n_points)
        write_batch(call, &asked,
                    &(struct batch){"points", ops, i, request->ack, request->idempotency_key});
    asked_close(&asked);
}

/* --- Delete -------------------------------------------------------------------------------------- */

static void delete_ids(struct call *call, const struct asked *asked,
                       const Lode__V1__DeleteRequest *request)
{
    lode_id *ids;
    lode_write_op *ops = grpc_ops(call, request->n_ids);
    if (!ops || !grpc_ids(call, request->ids, request->n_ids, &ids))
        return;
    for (size_t i = 0; i < request->n_ids; i++)
        ops[i] = (lode_write_op){.kind = LODE_WRITE_DELETE, .point.id = ids[i]};
    write_batch(
        call, asked,
        &(struct batch){"ids", ops, request->n_ids, request->ack, request->idempotency_key});
}

void grpc_delete(struct call *call, const void *message)
{
    const Lode__V1__DeleteRequest *request = message;
    const struct grpc_target target = {
        .index = request->index, .namespace_ = request->namespace_, .filter = request->filter};
    struct asked asked = {.call = call};
    if (check_choice(call, "ids", request->n_ids, request->filter, request->idempotency_key) &&
        grpc_open(call, &target, &asked)) {
        if (*request->filter)
            write_filtered(call, &asked, NULL);
        else
            delete_ids(call, &asked, request);
    }
    asked_close(&asked);
}

/* --- Patch --------------------------------------------------------------------------------------- */

static bool patch_op(struct call *call, const char *field, const Lode__V1__Change *change,
                     lode_write_op *ret_op)
{
    lode_point *point = &ret_op->point;
    *ret_op = (lode_write_op){.kind = LODE_WRITE_PATCH};
    if (!change) {
        grpc_invalid(call, field, "%s: it is missing", field);
        return false;
    }
    if ((*change->text && change->remove_text) ||
        (change->expires_at_ms && change->never_expires)) {
        grpc_invalid(call, field, "%s: it both sets and removes a %s", field,
                     change->remove_text ? "text" : "moment");
        return false;
    }
    point->metadata = grpc_text(change->metadata);
    point->metadata_size = strlen(change->metadata);
    point->text = change->remove_text ? "" : grpc_text(change->text);
    point->text_size = strlen(change->text);
    point->expires_at_ms = change->never_expires ? LODE_EXPIRES_NEVER : change->expires_at_ms;
    ret_op->patch = (lode_patch_mode)change->mode; /* the numbers are the same */
    ret_op->fields = (const char *const *)change->remove;
    ret_op->field_count = change->n_remove;
    return true;
}

static bool point_change_op(struct call *call, const Lode__V1__PointChange *change, size_t i,
                            lode_write_op *ret_op)
{
    lode_id id;
    if (!grpc_id(call, grpc_field("changes", i, "id").text, change->id, &id) ||
        !patch_op(call, grpc_field("changes", i, "change").text, change->change, ret_op))
        return false;
    ret_op->point.id = id;
    set_condition(ret_op, change->condition, change->if_version);
    return true;
}

static void patch_points(struct call *call, const struct asked *asked,
                         const Lode__V1__PatchRequest *request)
{
    lode_write_op *ops = grpc_ops(call, request->n_changes);
    size_t i = 0;
    while (ops && i < request->n_changes && point_change_op(call, request->changes[i], i, &ops[i]))
        i++;
    if (ops && i == request->n_changes)
        write_batch(call, asked,
                    &(struct batch){"changes", ops, i, request->ack, request->idempotency_key});
}

void grpc_patch(struct call *call, const void *message)
{
    const Lode__V1__PatchRequest *request = message;
    const struct grpc_target target = {
        .index = request->index, .namespace_ = request->namespace_, .filter = request->filter};
    struct asked asked = {.call = call};
    lode_write_op patch;
    if (check_choice(call, "changes", request->n_changes, request->filter,
                     request->idempotency_key) &&
        grpc_open(call, &target, &asked)) {
        if (!*request->filter)
            patch_points(call, &asked, request);
        else if (patch_op(call, "change", request->change, &patch))
            write_filtered(call, &asked, &patch);
    }
    asked_close(&asked);
}
