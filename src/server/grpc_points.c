/* grpc_points.c: see grpc_points.h. */
#include "server/grpc_points.h"

#include "base/hex.h"
#include "server/json_hits.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- What is given ------------------------------------------------------------------------------- */

static bool text_id(struct call *call, const char *field, const char *text, lode_id *ret_id)
{
    size_t size = strlen(text);
    if (size == 0 || size > LODE_ID_SIZE_MAX) {
        grpc_invalid(call, field, "%s: an id of %zu bytes: 1 to %d", field, size, LODE_ID_SIZE_MAX);
        return false;
    }
    *ret_id = (lode_id){.kind = LODE_ID_STRING, .string = text, .string_size = size};
    return true;
}

static bool uuid_id(struct call *call, const char *field, const char *text, lode_id *ret_id)
{
    uint8_t uuid[16];
    if (!hex_parse_uuid(text, strlen(text), uuid)) {
        grpc_invalid(call, field, "%s: '%.40s' is no UUID of 8-4-4-4-12 digits", field, text);
        return false;
    }
    *ret_id = lode_id_uuid(uuid);
    return true;
}

bool grpc_id(struct call *call, const char *field, const Lode__V1__Id *id, lode_id *ret_id)
{
    switch (id ? (unsigned)id->kind_case : 0) {
    case LODE__V1__ID__KIND_NUMBER: *ret_id = lode_id_number(id->number); return true;
    case LODE__V1__ID__KIND_UUID: return uuid_id(call, field, id->uuid, ret_id);
    case LODE__V1__ID__KIND_TEXT: return text_id(call, field, id->text, ret_id);
    default: break;
    }
    grpc_invalid(call, field, "%s: an id is missing: one of number, uuid and text", field);
    return false;
}

bool grpc_ids(struct call *call, Lode__V1__Id *const *ids, size_t count, lode_id **ret_ids)
{
    lode_error error;
    *ret_ids = arena_alloc(&call->memory, (count ? count : 1) * sizeof **ret_ids);
    if (!*ret_ids) {
        (void)error_nomem(&error, "ids", count * sizeof **ret_ids);
        call_fail(call, &error, NULL, -1);
        return false;
    }
    for (size_t i = 0; i < count; i++)
        if (!grpc_id(call, grpc_field("ids", i, "").text, ids[i], &(*ret_ids)[i]))
            return false;
    return true;
}

bool grpc_vector(struct call *call, const char *field, const struct grpc_floats *floats,
                 uint32_t dim, const float **ret_vector)
{
    size_t bytes = floats->bytes->len, count = floats->value_count;
    *ret_vector = NULL;
    if (bytes && count) {
        grpc_invalid(call, field, "%s: a vector as bytes and as values: one of them", field);
        return false;
    }
    if (!bytes && !count)
        return true;
    if (bytes % sizeof(float) != 0) {
        grpc_invalid(call, field, "%s: %zu bytes are no float32 numbers of 4 bytes each", field,
                     bytes);
        return false;
    }
    if (bytes)
        count = bytes / sizeof(float);
    if (count != dim) {
        call_refuse(call, 422, "schema", field,
                    "%s: a vector of %zu numbers; the index has %u dimensions", field, count, dim);
        return false;
    }
    /* Memory of an arena is aligned for floats. */
    *ret_vector = bytes ? (const float *)(const void *)floats->bytes->data : floats->values;
    return true;
}

struct grpc_field grpc_field(const char *list, size_t i, const char *member)
{
    struct grpc_field field;
    (void)snprintf(field.text, sizeof field.text, "%.20s[%zu]%s%.20s", list, i, *member ? "." : "",
                   member);
    return field;
}

const char *grpc_text(const char *text)
{
    return *text ? text : NULL;
}

lode_filter grpc_filter(const char *text)
{
    return *text ? lode_filter_text(text) : (lode_filter){0};
}

/* --- Asking -------------------------------------------------------------------------------------- */

unsigned grpc_with(const Lode__V1__With *with)
{
    unsigned flags = 0;
    if (!with)
        return 0;
    if (with->vector || with->values)
        flags |= LODE_WITH_VECTOR;
    if (with->metadata || with->n_fields)
        flags |= LODE_WITH_METADATA;
    if (with->text)
        flags |= LODE_WITH_TEXT;
    if (with->version)
        flags |= LODE_WITH_VERSION;
    if (with->expiry)
        flags |= LODE_WITH_EXPIRY;
    return flags;
}

bool grpc_open(struct call *call, const struct grpc_target *target, struct asked *ret_asked)
{
    *ret_asked = (struct asked){.call = call, .with = grpc_with(target->with)};
    if (!*target->index) {
        grpc_invalid(call, "index", "index: its name is missing");
        return false;
    }
    call->parameters[0] = call_copy(call, target->index, strlen(target->index));
    ret_asked->namespace_ = grpc_text(target->namespace_);
    ret_asked->snapshot_name = target->snapshot ? grpc_text(target->snapshot) : NULL;
    if (target->filter)
        ret_asked->filter = grpc_filter(target->filter);
    return call->parameters[0] && asked_open(ret_asked);
}

/* --- Answering ----------------------------------------------------------------------------------- */

void grpc_form_init(struct grpc_form *form, const Lode__V1__With *with, uint32_t dim)
{
    *form = (struct grpc_form){.with = with, .dim = dim};
    buf_init(&form->scratch, (size_t)2 * LODE_METADATA_SIZE_MAX);
}

void grpc_form_release(struct grpc_form *form)
{
    buf_release(&form->scratch);
}

enum { UUID_TEXT_SIZE = 36 };

static void uuid_text(const uint8_t uuid[16], char text[UUID_TEXT_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *text++ = '-';
        *text++ = digits[uuid[i] >> 4];
        *text++ = digits[uuid[i] & 15];
    }
}

static void put_id(struct put *put, const lode_id *id)
{
    char text[UUID_TEXT_SIZE];
    size_t begin = put_begin(put);
    switch (id->kind) {
    case LODE_ID_NUMBER: put_choice_u64(put, 1, id->number); break;
    case LODE_ID_UUID:
        uuid_text(id->uuid, text);
        put_bytes(put, 2, text, sizeof text);
        break;
    case LODE_ID_STRING: put_bytes(put, 3, id->string, id->string_size); break;
    }
    put_end(put, 1, begin);
}

static void put_metadata(struct put *put, const lode_hit *hit, struct grpc_form *form)
{
    struct json_writer json;
    const Lode__V1__With *with = form->with;
    if (!hit->metadata)
        return;
    if (!with || !with->n_fields) {
        put_bytes(put, 5, hit->metadata, hit->metadata_size);
        return;
    }
    struct json_hit_options options = {.fields = (const char *const *)with->fields,
                                       .field_count = with->n_fields};
    buf_clear(&form->scratch);
    json_writer_init(&json, &form->scratch, put->error);
    json_hit_write_metadata(&json, hit, &options);
    if (json.status && !put->status)
        put->status = json.status;
    put_bytes(put, 5, form->scratch.data, form->scratch.size);
}

void grpc_put_hit(struct put *put, unsigned number, const lode_hit *hit, struct grpc_form *form)
{
    size_t begin = put_begin(put), vector_size = form->dim * sizeof(float);
    put_id(put, &hit->id);
    if (form->has_score)
        put_f32(put, 2, hit->score);
    if (hit->vector && form->with && form->with->vector)
        put_bytes(put, 3, hit->vector, vector_size);
    if (hit->vector && form->with && form->with->values)
        put_bytes(put, 4, hit->vector, vector_size); /* packed: the same bytes */
    put_metadata(put, hit, form);
    put_bytes(put, 6, hit->text, hit->text_size);
    put_u64(put, 7, hit->version);
    put_u64(put, 8, hit->expires_at_ms);
    put_end(put, number, begin);
}

void grpc_reply_hits(struct call *call, const struct asked *asked, const Lode__V1__With *with,
                     const lode_hit *hits, size_t hit_count, const ProtobufCMessage *rest)
{
    struct grpc_form form;
    struct put put;
    lode_error error;
    put_init(&put, &call->out, &error);
    grpc_form_init(&form, with, asked->handle->schema->dim);
    for (size_t i = 0; i < hit_count; i++)
        grpc_put_hit(&put, 1, &hits[i], &form);
    put_fields(&put, rest);
    grpc_form_release(&form);
    if (put.status)
        call_fail(call, &error, NULL, -1);
}
