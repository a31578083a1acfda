/* api_vectors.c: points by id, and writes: insert or replace, delete, patch, get. */
#include "server/answers.h"
#include "server/json_points.h"
#include "server/json_writes.h"

#include <string.h>

/* --- Writing ------------------------------------------------------------------------------------- */

static const char *const head_names[] = {"ack", NULL};

/* Read the body of a write. False: the call has failed. */
static bool read_body(struct writes *writes,
                      lode_status (*read)(struct json_input *input, struct writes *writes))
{
    struct call *call = writes->asked.call;
    struct json_input input;
    json_input_init(&input, (const char *)call->body, call->body_size, &call->memory);
    if (!read(&input, writes))
        return true;
    call_fail(call, &input.fault.error, input.fault.field[0] ? input.fault.field : NULL,
              input.fault.position);
    return false;
}

/* The operations of writes as one batch. */
static void write_batch(struct writes *writes, const struct write_head *head)
{
    struct call *call = writes->asked.call;
    lode_write_info info;
    lode_error error = {0};
    if (lode_write(writes->asked.handle->collection, writes->points.ops, writes->points.count,
                   &head->options, &info, &error))
        asked_fail_at(call, &error, writes->items, 0);
    else
        answer_write(call, &info);
}

/* Deletes and patches by a filter are several batches: when one fails, those before it stay. */
static void write_filtered(struct writes *writes)
{
    struct call *call = writes->asked.call;
    lode_collection *collection = writes->asked.handle->collection;
    lode_write_info info = {0};
    lode_error error = {0};
    lode_status status =
        writes->op.kind == LODE_WRITE_DELETE
            ? lode_delete_filtered(collection, writes->asked.filter, &info, &error)
            : lode_patch_filtered(collection, writes->asked.filter, &writes->op, &info, &error);
    if (!status) {
        answer_write(call, &info);
        return;
    }
    answer_write_done(call, &info);
    if (call->points)
        error_prefix(&error, "after %llu points: ", (unsigned long long)call->points);
    asked_fail(call, &error);
}

static void write_body(struct call *call,
                       lode_status (*read)(struct json_input *input, struct writes *writes))
{
    struct writes writes;
    struct write_head head;
    writes_init(&writes, call);
    if (!call_query_only(call, head_names) || !write_head_read(call, &head) ||
        !read_body(&writes, read) || !asked_open(&writes.asked))
        goto out;
    if (!asked_check_dim(&writes.asked, writes.points.dim, "vectors"))
        goto out;
    if (!writes.asked.filter.text)
        write_batch(&writes, &head);
    else if (head.options.request_id_size)
        call_refuse(call, 400, "invalid", "Idempotency-Key",
                    "Idempotency-Key: what a filter matches changes in between; name ids instead");
    else
        write_filtered(&writes);
out:
    writes_release(&writes);
}

void api_vectors_delete(struct call *call)
{
    write_body(call, writes_read_delete);
}

void api_vectors_patch(struct call *call)
{
    write_body(call, writes_read_patch);
}

/* --- Raw floats ---------------------------------------------------------------------------------- */

/* Records of a binary body: an id where they have one, and a vector. */
struct records {
    size_t
        id_size; /* 8: a little-endian number before each vector; 0: ids count from first_id on */
    uint64_t first_id;
    size_t count;
};

static bool read_records(struct writes *writes, struct records *records)
{
    struct call *call = writes->asked.call;
    const char *ids = call_query(call, "ids"), *first = call_query(call, "first_id");
    if ((ids != NULL) == (first != NULL) || (ids && strcmp(ids, "u64") != 0)) {
        call_refuse(call, 400, "invalid", "ids",
                    "just one of ids=u64 and first_id=NUMBER must be given");
        return false;
    }
    *records = (struct records){.id_size = ids ? sizeof(uint64_t) : 0};
    if (!call_query_u64(call, "first_id", 0, UINT64_MAX - LODE_BATCH_MAX, 0, &records->first_id))
        return false;
    size_t size = records->id_size + writes->asked.handle->schema->dim * sizeof(float);
    records->count = call->body_size / size;
    if (call->body_size % size != 0) {
        call_refuse(call, 422, "schema", NULL, "a body of %zu bytes; a record has %zu",
                    call->body_size, size);
        return false;
    }
    if (records->count <= writes->points.count_max)
        return true;
    call_refuse(call, 413, "too_large", NULL, "%zu points; at most %zu", records->count,
                writes->points.count_max);
    return false;
}

/* The records as operations; their vectors stay in the body where they lie at an address for floats. */
static bool add_records(struct writes *writes, const struct records *records)
{
    struct call *call = writes->asked.call;
    size_t vector_size = writes->asked.handle->schema->dim * sizeof(float);
    const uint8_t *body = call->body;
    if ((uintptr_t)body % _Alignof(float) != 0)
        body = (const uint8_t *)call_copy(call, body, call->body_size);
    for (size_t i = 0; body && i < records->count; i++) {
        struct json_input input = {.json.data = ""};
        lode_write_op *op = json_points_add(&writes->points, &input);
        if (!op) {
            call_fail(call, &input.fault.error, NULL, -1);
            return false;
        }
        uint64_t number = records->first_id + i;
        if (records->id_size)
            memcpy(&number, body, sizeof number);
        op->point.id = lode_id_number(number);
        op->point.vector = (const float *)(const void *)(body + records->id_size);
        body += records->id_size + vector_size;
    }
    return body != NULL || records->count == 0;
}

static void upsert_records(struct call *call)
{
    static const char *const names[] = {"ack", "namespace", "ids", "first_id", NULL};
    struct writes writes;
    struct write_head head;
    struct records records;
    writes_init(&writes, call);
    if (call_query_only(call, names) && write_head_read(call, &head)) {
        writes.asked.namespace_ = call_query(call, "namespace");
        writes.items = "vectors";
        if (asked_open(&writes.asked) && read_records(&writes, &records) &&
            add_records(&writes, &records))
            write_batch(&writes, &head);
    }
    writes_release(&writes);
}

void api_vectors_upsert(struct call *call)
{
    if (call->body_kind == BODY_BINARY)
        upsert_records(call);
    else
        write_body(call, writes_read_upsert);
}

/* --- One point ----------------------------------------------------------------------------------- */

static bool path_id(struct call *call, lode_id *ret_id)
{
    const char *text = call->parameters[1], *kind = call_query(call, "id_kind");
    lode_error error = {0};
    lode_status status;
    if (kind && strcmp(kind, "string") != 0) {
        call_refuse(call, 400, "invalid", "id_kind", "id_kind: expected string, found '%.40s'",
                    kind);
        return false;
    }
    if (kind && strlen(text) <= LODE_ID_SIZE_MAX) {
        *ret_id = lode_id_text(text);
        return true;
    }
    status = json_id_of_text(text, strlen(text), ret_id, &error);
    if (status)
        call_fail(call, &error, "id", -1);
    return !status;
}

static struct answer_form form_of(const struct asked *asked)
{
    return (struct answer_form){.with = asked->with,
                                .fields = asked->fields,
                                .dim = asked->handle->schema->dim,
                                .is_compact = asked->is_compact};
}

static void answer_found(struct call *call, const struct asked *asked, const lode_result *result)
{
    struct answer_form form = form_of(asked);
    struct json_writer json;
    if (result->hit_count == 0) {
        call_refuse(call, 404, "not_found", "id", "there is no such point");
        return;
    }
    call_json(call, &json);
    answer_point(&json, &result->hits[0], &form);
    call_json_end(call, &json);
}

void api_vectors_get_one(struct call *call)
{
    static const char *const names[] = {"namespace", "with",        "fields", "snapshot",
                                        "id_kind",   "deadline_ms", NULL};
    struct asked asked = {.call = call, .with = LODE_WITH_METADATA};
    lode_result *result = NULL;
    lode_error error = {0};
    lode_id id;
    if (call_query_only(call, names) && asked_of_query(&asked) && path_id(call, &id) &&
        asked_open(&asked)) {
        if (lode_get(asked.handle->collection, asked.snapshot, &id, 1, asked.with, &result, &error))
            asked_fail(call, &error);
        else
            answer_found(call, &asked, result);
    }
    lode_result_free(result);
    asked_close(&asked);
}

void api_vectors_delete_one(struct call *call)
{
    static const char *const names[] = {"namespace", "ack", "if_version", "id_kind", NULL};
    struct writes writes;
    struct write_head head;
    lode_write_op op = {.kind = LODE_WRITE_DELETE};
    struct json_input input = {.json.data = ""};
    writes_init(&writes, call);
    if (call_query_only(call, names) && write_head_read(call, &head) &&
        path_id(call, &op.point.id) &&
        call_query_u64(call, "if_version", 1, UINT64_MAX, 0, &op.if_version)) {
        op.condition = op.if_version ? LODE_IF_VERSION : LODE_IF_ANY;
        lode_write_op *added = json_points_add(&writes.points, &input);
        writes.asked.namespace_ = call_query(call, "namespace");
        if (!added)
            call_fail(call, &input.fault.error, NULL, -1);
        else if (asked_open(&writes.asked)) {
            *added = op;
            write_batch(&writes, &head);
        }
    }
    writes_release(&writes);
}

/* --- Several by id ------------------------------------------------------------------------------- */

struct get {
    struct asked asked;
    struct json_points ids;
};

static lode_status get_id(struct json_input *input, void *target)
{
    lode_write_op *op = json_points_add(target, input);
    return op ? json_input_id(input, &op->point.id) : input->fault.error.status;
}

static lode_status get_ids(struct json_input *input, void *target)
{
    struct get *get = target;
    return json_input_array(input, get->ids.count_max, "ids", get_id, &get->ids);
}

/* Of the ids in the order asked, those that no hit has; hits are in that order too. */
static void write_missing(struct json_writer *json, const lode_id *ids, size_t count,
                          const lode_result *result)
{
    size_t found = 0;
    json_write_key(json, "missing");
    json_write_array(json);
    for (size_t i = 0; i < count; i++) {
        if (found < result->hit_count && lode_id_compare(&ids[i], &result->hits[found].id) == 0)
            found++;
        else
            json_write_id(json, &ids[i]);
    }
    json_write_array_end(json);
}

static void answer_get(struct get *get, const lode_id *ids)
{
    struct asked *asked = &get->asked;
    struct answer_form form = form_of(asked);
    struct json_writer json;
    lode_result *result;
    lode_error error = {0};
    if (!answer_fits(asked->call, get->ids.count, &form))
        return;
    if (lode_get(asked->handle->collection, asked->snapshot, ids, get->ids.count, asked->with,
                 &result, &error)) {
        asked_fail(asked->call, &error);
        return;
    }
    call_json(asked->call, &json);
    json_write_object(&json);
    answer_points(&json, "points", result->hits, result->hit_count, &form);
    write_missing(&json, ids, get->ids.count, result);
    json_write_object_end(&json);
    lode_result_free(result);
    call_json_end(asked->call, &json);
}

void api_vectors_get(struct call *call)
{
    static const struct json_member items[] = {{"namespace", asked_read_namespace, false},
                                               {"snapshot", asked_read_snapshot, false},
                                               {"deadline_ms", asked_read_deadline, false},
                                               {"with", asked_read_with, false},
                                               {"fields", asked_read_fields, false},
                                               {"compact", asked_read_compact, false},
                                               {"ids", get_ids, false}};
    static const struct json_members members = {items, sizeof items / sizeof *items, "a get"};
    static const char *const none[] = {NULL};
    struct get get = {.asked = {.call = call, .with = LODE_WITH_METADATA}};
    uint64_t given = 0;
    json_points_init(&get.ids, JSON_POINTS_OF_BODY, 0, &call->memory);
    get.ids.count_max =
        (size_t)asked_limit(call->who ? call->who->limits.points : 0, LODE_BATCH_MAX);
    if (call_query_only(call, none) && asked_read(call, &members, &get, &given)) {
        lode_id *ids = arena_alloc(&call->memory, get.ids.count * sizeof *ids);
        for (size_t i = 0; ids && i < get.ids.count; i++)
            ids[i] = get.ids.ops[i].point.id;
        if (!(given >> 6 & 1))
            call_refuse(call, 400, "invalid", "ids", "\"ids\" is missing");
        else if (!ids)
            call_refuse(call, 503, "no_memory", NULL, "no memory for %zu ids", get.ids.count);
        else if (asked_open(&get.asked))
            answer_get(&get, ids);
    }
    json_points_release(&get.ids);
    asked_close(&get.asked);
}
