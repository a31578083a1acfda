/* distinct.c: values are kept as bytes (first the kind of JSON, then the text) in a table of open
 * addressing, sized once for all hits. */
#include "query/distinct.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json.h"
#include "os/stop.h"

#define HITS_BETWEEN_LOOKS 64u /* at the caller's wish: of each a document is read */

struct seen_value {
    uint64_t hash;
    size_t offset; /* into values->bytes */
    size_t size;   /* 0: an empty slot; a value has at least its kind */
};

struct values {
    struct buf bytes;
    struct seen_value *slots;
    size_t slot_count; /* a power of two, above twice the hits */
};

static lode_status values_init(struct values *values, size_t hit_count, lode_error *error)
{
    buf_init(&values->bytes, SIZE_MAX / 2);
    values->slot_count = 16;
    while (values->slot_count < hit_count * 2)
        values->slot_count *= 2;
    values->slots = calloc(values->slot_count, sizeof *values->slots);
    return values->slots
               ? LODE_OK
               : error_nomem(error, "distinct values", values->slot_count * sizeof *values->slots);
}

static void values_release(struct values *values)
{
    buf_release(&values->bytes);
    free(values->slots);
}

/* The value that ends at the end of values->bytes: 1 when it is new; an old one is taken off again. */
static int values_insert(struct values *values, size_t offset)
{
    const uint8_t *data = values->bytes.data + offset;
    size_t size = values->bytes.size - offset;
    uint64_t hash = hash64(data, size, 0);
    size_t mask = values->slot_count - 1;
    for (size_t i = (size_t)hash & mask;; i = (i + 1) & mask) {
        struct seen_value *slot = &values->slots[i];
        if (slot->size == 0) {
            *slot = (struct seen_value){.hash = hash, .offset = offset, .size = size};
            return 1;
        }
        if (slot->hash == hash && slot->size == size &&
            memcmp(values->bytes.data + slot->offset, data, size) == 0) {
            values->bytes.size = offset;
            return 0;
        }
    }
}

/* The member's value, whole, after its key was read. */
static lode_status append_value(struct json *json, struct buf *out, int *ret_found,
                                lode_error *error)
{
    const char *text;
    size_t size;
    enum json_token token = json_raw(json, &text, &size);
    if (token == JSON_ERROR)
        return error_set(error, LODE_CORRUPT, "stored metadata is not JSON: %s", json->error);
    if (token == JSON_NULL)
        return LODE_OK;
    *ret_found = 1;
    lode_status status = buf_append_u8(out, (uint8_t)token, error);
    if (status || token != JSON_STRING)
        return status ? status : buf_append(out, text, size, error);
    struct json string;
    json_init(&string, text, size);
    if (json_next(&string) != JSON_STRING)
        return error_set(error, LODE_CORRUPT, "stored metadata is not JSON: %s", string.error);
    return json_unescape(&string, out, error);
}

/* Append the value of member `field` of this object, if it has one that is not null. */
static lode_status append_member(const struct document *document, const char *field,
                                 struct buf *out, int *ret_found, lode_error *error)
{
    *ret_found = 0;
    if (!document->metadata)
        return LODE_OK;
    struct json json;
    json_init(&json, document->metadata, document->metadata_size);
    if (json_next(&json) != JSON_OBJECT)
        return error_set(error, LODE_CORRUPT, "stored metadata is no JSON object");
    enum json_token token;
    while ((token = json_next(&json)) == JSON_KEY) {
        if (json_key_is(&json, field))
            return append_value(&json, out, ret_found, error);
        if (json_skip(&json) == JSON_ERROR)
            break;
    }
    if (token != JSON_OBJECT_END)
        return error_set(error, LODE_CORRUPT, "stored metadata is not JSON: %s", json.error);
    return LODE_OK;
}

static lode_status is_new(struct values *values, const struct query_hit *hit, const char *field,
                          int *ret_new, lode_error *error)
{
    struct document document;
    const struct segment *segment = hit->view->segment;
    lode_status status = segment->ops->document(segment, hit->row, &document, error);
    size_t offset = values->bytes.size;
    int found = 0;
    if (!status)
        status = append_member(&document, field, &values->bytes, &found, error);
    if (!status)
        *ret_new = !found || values_insert(values, offset);
    return status;
}

lode_status distinct_hits(const struct distinct_request *request, struct query_hit *hits,
                          size_t hit_count, size_t *ret_count, lode_error *error)
{
    struct values values;
    lode_status status = values_init(&values, hit_count, error);
    size_t kept = 0;
    for (size_t i = 0; !status && i < hit_count && kept < request->keep; i++) {
        int fresh = 0;
        if (i % HITS_BETWEEN_LOOKS == HITS_BETWEEN_LOOKS - 1)
            status = stop_look(request->stop, error);
        if (!status)
            status = is_new(&values, &hits[i], request->field, &fresh, error);
        if (!status && fresh)
            hits[kept++] = hits[i];
    }
    values_release(&values);
    if (!status)
        *ret_count = kept;
    return status;
}
