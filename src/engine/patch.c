/* patch.c: patches, checked and encoded. Names to remove are encoded as a merge with nulls. */
#include "engine/patch.h"

#include <string.h>

#include "base/json.h"
#include "base/utf8.h"
#include "engine/metadata.h"
#include "engine/text.h"

static lode_status check_fields(const lode_write_op *op, lode_error *error)
{
    if (op->patch != LODE_PATCH_REMOVE) {
        if (op->fields || op->field_count)
            return error_set(error, LODE_INVALID, "fields are for LODE_PATCH_REMOVE alone");
        return LODE_OK;
    }
    if (op->point.metadata || op->point.metadata_size)
        return error_set(error, LODE_INVALID, "LODE_PATCH_REMOVE takes fields, not metadata");
    if (!op->fields || op->field_count == 0)
        return error_set(error, LODE_INVALID, "LODE_PATCH_REMOVE has no fields");
    size_t size = 2;
    for (size_t i = 0; i < op->field_count; i++) {
        if (!op->fields[i])
            return error_set(error, LODE_INVALID, "fields[%zu] is NULL", i);
        size_t length = strlen(op->fields[i]);
        if (utf8_valid_prefix(op->fields[i], length) < length)
            return error_set(error, LODE_INVALID, "fields[%zu] is not UTF-8", i);
        size += length;
        if (size > LODE_METADATA_SIZE_MAX)
            return error_set(error, LODE_LIMIT, "fields of more than %d bytes together",
                             LODE_METADATA_SIZE_MAX);
    }
    return LODE_OK;
}

/* Whether the metadata of the point is touched. */
static int gives_metadata(const lode_write_op *op)
{
    return op->point.metadata || op->patch == LODE_PATCH_SET || op->patch == LODE_PATCH_REMOVE;
}

lode_status patch_check(const lode_schema *schema, const lode_write_op *op, lode_error *error)
{
    if ((unsigned)op->patch > LODE_PATCH_REMOVE)
        return error_set(error, LODE_INVALID, "unknown patch mode %d", (int)op->patch);
    if (op->point.vector)
        return error_set(error, LODE_INVALID, "a patch keeps the vector: vector must be NULL");
    lode_status status = check_fields(op, error);
    if (!status)
        status = metadata_check(schema, op->point.metadata, op->point.metadata_size, error);
    if (!status)
        status = text_check(op->point.text, op->point.text_size, error);
    if (!status)
        status = expiry_check(op->point.expires_at_ms, error);
    if (!status && !gives_metadata(op) && !op->point.text && !op->point.expires_at_ms)
        status = error_set(error, LODE_INVALID, "a patch that changes nothing");
    return status;
}

/* {"name":null,...}: a name of an escape for each byte is the longest there may be. */
static lode_status write_nulls(const lode_write_op *op, struct buf *out, lode_error *error)
{
    struct json_writer writer;
    json_writer_init(&writer, out, error);
    json_write_object(&writer);
    for (size_t i = 0; i < op->field_count; i++) {
        json_write_key(&writer, op->fields[i]);
        json_write_null(&writer);
    }
    json_write_object_end(&writer);
    if (writer.status != LODE_LIMIT)
        return writer.status;
    return error_set(error, LODE_LIMIT, "fields of more than %d bytes, written as JSON",
                     LODE_METADATA_SIZE_MAX);
}

lode_status patch_encode(const lode_write_op *op, struct op *encoded, struct buf *batch,
                         lode_error *error)
{
    struct buf nulls;
    buf_init(&nulls, LODE_METADATA_SIZE_MAX);
    lode_status status = LODE_OK;
    encoded->kind = LODE_WRITE_PATCH;
    encoded->patch_mode = (uint8_t)op->patch;
    encoded->given =
        (uint8_t)((gives_metadata(op) ? PATCH_METADATA : 0) | (op->point.text ? PATCH_TEXT : 0));
    if (op->patch == LODE_PATCH_REMOVE) {
        status = write_nulls(op, &nulls, error);
        encoded->patch_mode = LODE_PATCH_MERGE;
        encoded->metadata = (const char *)nulls.data;
        encoded->metadata_size = nulls.size;
    }
    if (!status)
        status = batch_op(batch, encoded, 0, error);
    buf_release(&nulls);
    return status;
}
