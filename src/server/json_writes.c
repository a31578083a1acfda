/* json_writes.c: see json_writes.h. */
#include "server/json_writes.h"

#include <string.h>

#define REMOVED_MAX 1024 /* members that one patch removes */

/* --- The head ------------------------------------------------------------------------------------ */

static bool read_ack(struct call *call, lode_ack *ret_ack)
{
    static const char *const names[] = {"durable", "logged", "applied"};
    const char *text = call_query(call, "ack");
    *ret_ack = LODE_ACK_DURABLE;
    if (!text)
        return true;
    for (unsigned i = 0; i < 3; i++) {
        if (strcmp(text, names[i]) == 0) {
            *ret_ack = (lode_ack)i;
            return true;
        }
    }
    call_refuse(call, 400, "invalid", "ack",
                "ack: expected durable, logged or applied, found '%.40s'", text);
    return false;
}

static bool read_key(struct call *call, struct write_head *head)
{
    const char *key = net_request_header(exchange_request(call->exchange), "idempotency-key");
    return !key || idempotency_set(call, "Idempotency-Key", key, head);
}

bool write_head_read(struct call *call, struct write_head *ret_head)
{
    *ret_head = (struct write_head){0};
    return read_ack(call, &ret_head->options.ack) && read_key(call, ret_head);
}

/* --- Members ------------------------------------------------------------------------------------- */

static size_t points_max(const struct call *call)
{
    return (size_t)asked_limit(call && call->who ? call->who->limits.points : 0, LODE_BATCH_MAX);
}

void writes_init(struct writes *writes, struct call *call)
{
    *writes = (struct writes){.asked.call = call};
    json_points_init(&writes->points, JSON_POINTS_OF_BODY, 0, call ? &call->memory : NULL);
    writes->points.count_max = points_max(call);
}

void writes_release(struct writes *writes)
{
    json_points_release(&writes->points);
    asked_close(&writes->asked);
}

static lode_status read_if(struct json_input *input, void *target)
{
    struct writes *writes = target;
    return json_input_condition(input, &writes->op);
}

static lode_status read_id(struct json_input *input, void *target)
{
    lode_write_op *op = json_points_add(target, input);
    return op ? json_input_id(input, &op->point.id) : input->fault.error.status;
}

static lode_status read_ids(struct json_input *input, void *target)
{
    struct writes *writes = target;
    writes->has_ids = true;
    writes->items = "ids";
    return json_input_array(input, writes->points.count_max, "ids", read_id, &writes->points);
}

static lode_status read_vectors(struct json_input *input, void *target)
{
    struct writes *writes = target;
    writes->has_ids = true;
    writes->items = "vectors";
    return json_input_array(input, writes->points.count_max, "points", json_points_read_next,
                            &writes->points);
}

/* What is done to all points, where one does not say otherwise. */
static void spread(struct writes *writes)
{
    for (size_t i = 0; i < writes->points.count; i++) {
        lode_write_op *op = &writes->points.ops[i];
        lode_id id = op->point.id;
        *op = writes->op;
        op->point.id = id;
    }
}

static lode_status check_target(struct json_input *input, const struct writes *writes)
{
    int targets = writes->has_ids + writes->has_patches + (writes->asked.filter.text != NULL);
    if (targets == 1 && writes->asked.filter.text && writes->op.condition)
        return json_input_fail(input, LODE_INVALID,
                               "\"if\" is of \"ids\": a filter is one already");
    if (targets == 1)
        return LODE_OK;
    return json_input_fail(input, LODE_INVALID, "%s of \"ids\"%s and \"filter\" must be given",
                           targets ? "only one" : "one",
                           writes->op.kind == LODE_WRITE_PATCH ? ", \"patches\"" : "");
}

/* --- Upserts and deletes ------------------------------------------------------------------------- */

lode_status writes_read_upsert(struct json_input *input, struct writes *writes)
{
    static const struct json_member items[] = {{"vectors", read_vectors, false},
                                               {"namespace", asked_read_namespace, false},
                                               {"if", read_if, false}};
    static const struct json_members members = {items, 3, "a write"};
    lode_status status = json_input_object(input, &members, writes, NULL);
    if (!status)
        status = json_input_end(input);
    if (!status && !writes->has_ids)
        status = json_input_fail(input, LODE_INVALID, "\"vectors\" is missing");
    for (size_t i = 0; !status && writes->op.condition && i < writes->points.count; i++) {
        lode_write_op *op = &writes->points.ops[i];
        if (op->condition)
            continue;
        op->condition = writes->op.condition;
        op->if_version = writes->op.if_version;
    }
    return status;
}

lode_status writes_read_delete(struct json_input *input, struct writes *writes)
{
    static const struct json_member items[] = {{"ids", read_ids, false},
                                               {"filter", asked_read_filter, false},
                                               {"namespace", asked_read_namespace, false},
                                               {"if", read_if, false}};
    static const struct json_members members = {items, 4, "a delete"};
    writes->op.kind = LODE_WRITE_DELETE;
    lode_status status = json_input_object(input, &members, writes, NULL);
    if (!status)
        status = json_input_end(input);
    if (!status)
        status = check_target(input, writes);
    if (!status)
        spread(writes);
    return status;
}

/* --- Patches ------------------------------------------------------------------------------------- */

/* One patch being read: that of the call, or one of "patches". */
struct patch {
    struct writes *writes; /* first: of the call, target is this too */
    lode_write_op *op;
};

static lode_write_op *op_of(void *target)
{
    struct patch *patch = target;
    return patch->op;
}

static lode_status patch_id(struct json_input *input, void *target)
{
    return json_input_id(input, &op_of(target)->point.id);
}

static lode_status patch_metadata(struct json_input *input, void *target)
{
    lode_point *point = &op_of(target)->point;
    return json_input_raw_object(input, LODE_METADATA_SIZE_MAX, &point->metadata,
                                 &point->metadata_size);
}

static lode_status patch_mode(struct json_input *input, void *target)
{
    static const char *const names[] = {"merge", "merge_deep", "set"};
    const char *text = NULL;
    size_t size = 0;
    lode_status status = json_input_string(input, 64, &text, &size);
    if (status)
        return status;
    for (unsigned i = 0; i < 3; i++) {
        if (strlen(names[i]) == size && memcmp(names[i], text, size) == 0) {
            op_of(target)->patch = (lode_patch_mode)i;
            return LODE_OK;
        }
    }
    return json_input_fail(input, LODE_INVALID,
                           "expected \"merge\", \"merge_deep\" or \"set\", found \"%.*s\"",
                           (int)size, text);
}

static lode_status patch_remove(struct json_input *input, void *target)
{
    struct json_names names;
    lode_status status = json_input_names(input, REMOVED_MAX, "names", &names);
    if (status)
        return status;
    op_of(target)->fields = names.items;
    op_of(target)->field_count = names.count;
    return LODE_OK;
}

/* null: the text is taken away, as by a text of no bytes. */
static lode_status patch_text(struct json_input *input, void *target)
{
    lode_point *point = &op_of(target)->point;
    enum json_token token = json_next(&input->json);
    point->text = "";
    if (token == JSON_NULL)
        return LODE_OK;
    if (token != JSON_STRING)
        return json_input_wrong(input, token, "a string or null");
    lode_status status = json_input_unescaped(input, &point->text, &point->text_size);
    if (!status && point->text_size > LODE_TEXT_SIZE_MAX)
        status = json_input_fail(input, LODE_LIMIT, "a text of %zu bytes; at most %d",
                                 point->text_size, LODE_TEXT_SIZE_MAX);
    return status;
}

static lode_status patch_expires(struct json_input *input, void *target)
{
    return json_input_moment(input, &op_of(target)->point.expires_at_ms);
}

static lode_status patch_if(struct json_input *input, void *target)
{
    return json_input_condition(input, op_of(target));
}

static lode_status patch_filter(struct json_input *input, void *target)
{
    struct patch *patch = target;
    return asked_read_filter(input, &patch->writes->asked);
}

static lode_status patch_namespace(struct json_input *input, void *target)
{
    struct patch *patch = target;
    return asked_read_namespace(input, &patch->writes->asked);
}

static lode_status patch_ids(struct json_input *input, void *target)
{
    struct patch *patch = target;
    return read_ids(input, patch->writes);
}

static lode_status patch_patches(struct json_input *input, void *target);

enum {
    PATCH_METADATA = 1,
    PATCH_MODE = 2,
    PATCH_REMOVE = 4,
    PATCH_TEXT = 8,
    PATCH_EXPIRES = 16,
    PATCH_IF = 32,
    PATCH_ID = 64
};
#define PATCH_CHANGES (PATCH_METADATA | PATCH_MODE | PATCH_REMOVE | PATCH_TEXT | PATCH_EXPIRES)

static const struct json_member patch_one[] = {
    {"metadata", patch_metadata, false},
    {"mode", patch_mode, false},
    {"remove", patch_remove, false},
    {"text", patch_text, true},
    {"expires", patch_expires, true},
    {"if", patch_if, false},
    {"id", patch_id, false},
};
static const struct json_members one_members = {patch_one, 7, "a patch"};

static const struct json_member patch_call[] = {
    {"metadata", patch_metadata, false}, {"mode", patch_mode, false},
    {"remove", patch_remove, false},     {"text", patch_text, true},
    {"expires", patch_expires, true},    {"if", patch_if, false},
    {"ids", patch_ids, false},           {"filter", patch_filter, false},
    {"patches", patch_patches, false},   {"namespace", patch_namespace, false},
};
static const struct json_members call_members = {patch_call, 10, "a patch"};

/* Whether what is changed goes together; sets the mode of a removal. */
static lode_status finish_patch(struct json_input *input, lode_write_op *op, uint64_t given)
{
    if ((given & PATCH_CHANGES & ~(uint64_t)PATCH_MODE) == 0)
        return json_input_fail(input, LODE_INVALID,
                               "the patch changes nothing: it has none of \"metadata\", "
                               "\"remove\", \"text\" and \"expires\"");
    if ((given & PATCH_MODE) && !(given & PATCH_METADATA))
        return json_input_fail(input, LODE_INVALID,
                               "\"mode\" is of \"metadata\", which is missing");
    if ((given & PATCH_REMOVE) && (given & PATCH_METADATA))
        return json_input_fail(input, LODE_INVALID,
                               "only one of \"metadata\" and \"remove\" may be given");
    if (given & PATCH_REMOVE)
        op->patch = LODE_PATCH_REMOVE;
    return LODE_OK;
}

static lode_status read_patch(struct json_input *input, void *target)
{
    struct writes *writes = target;
    uint64_t given = 0;
    lode_write_op op = {.kind = LODE_WRITE_PATCH};
    struct patch patch = {writes, &op};
    lode_status status = json_input_object(input, &one_members, &patch, &given);
    if (!status && !(given & PATCH_ID))
        status = json_input_fail(input, LODE_INVALID, "the patch has no \"id\"");
    if (!status)
        status = finish_patch(input, &op, given);
    lode_write_op *added = status ? NULL : json_points_add(&writes->points, input);
    if (!added)
        return input->fault.error.status;
    *added = op;
    return LODE_OK;
}

static lode_status patch_patches(struct json_input *input, void *target)
{
    struct patch *patch = target;
    struct writes *writes = patch->writes;
    writes->has_patches = true;
    writes->items = "patches";
    return json_input_array(input, writes->points.count_max, "patches", read_patch, writes);
}

lode_status writes_read_patch(struct json_input *input, struct writes *writes)
{
    uint64_t given = 0;
    struct patch patch = {writes, &writes->op};
    writes->op.kind = LODE_WRITE_PATCH;
    lode_status status = json_input_object(input, &call_members, &patch, &given);
    if (!status)
        status = json_input_end(input);
    if (!status)
        status = check_target(input, writes);
    if (status)
        return status;
    if (writes->has_patches) {
        if (given & (PATCH_CHANGES | PATCH_IF))
            return json_input_fail(input, LODE_INVALID,
                                   "what is changed belongs into each of \"patches\"");
        return LODE_OK;
    }
    status = finish_patch(input, &writes->op, given);
    if (!status)
        spread(writes);
    return status;
}
