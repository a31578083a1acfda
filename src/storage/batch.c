/* batch.c: encoding and decoding of one atomic write. */
#include "storage/batch.h"

#include "base/le.h"
#include "storage/id.h"

#include <string.h>

#define OP_HEADER_SIZE 4 /* kind, 0, id size */
#define ROW_ALIGNMENT  4 /* space_encode's */

lode_status batch_begin(struct buf *batch, lode_error *error)
{
    buf_clear(batch);
    return buf_append_u32(batch, 0, error);
}

/* Room for `more` bytes after header and id has been made; these cannot fail. */
static void put(struct buf *batch, const void *data, size_t size)
{
    if (size)
        memcpy(batch->data + batch->size, data, size);
    batch->size += size;
}

static void put_u32(struct buf *batch, uint32_t value)
{
    le_store_u32(batch->data + batch->size, value);
    batch->size += sizeof value;
}

static lode_status begin_op(struct buf *batch, lode_write_kind kind, const lode_id *id, size_t more,
                            lode_error *error)
{
    uint8_t bytes[ID_BYTES_MAX];
    size_t id_size = id_encode(id, bytes);
    lode_status status = buf_reserve(batch, OP_HEADER_SIZE + id_size + more, error);
    if (status)
        return status;
    uint8_t header[OP_HEADER_SIZE] = {(uint8_t)kind};
    le_store_u16(header + 2, (uint16_t)id_size);
    put(batch, header, sizeof header);
    put(batch, bytes, id_size);
    return LODE_OK;
}

/* Encode at the next aligned place, then move down: the room after the row is that of its sizes. */
static void put_row(struct buf *batch, const struct space *space, const float *vector)
{
    uint8_t *end = batch->data + batch->size;
    uint8_t *aligned = end + (ROW_ALIGNMENT - (uintptr_t)end % ROW_ALIGNMENT) % ROW_ALIGNMENT;
    space_encode(space, vector, aligned);
    if (aligned != end)
        memmove(end, aligned, space->row_size);
    batch->size += space->row_size;
}

lode_status batch_upsert(struct buf *batch, const struct space *space, const lode_point *point,
                         const float *vector, lode_error *error)
{
    size_t metadata_size = point->metadata ? point->metadata_size : 0;
    size_t text_size = point->text ? point->text_size : 0;
    INVARIANT(metadata_size <= LODE_METADATA_SIZE_MAX && text_size <= LODE_TEXT_SIZE_MAX);
    size_t more = space->row_size + 2 * sizeof(uint32_t) + metadata_size + text_size;
    lode_status status = begin_op(batch, LODE_WRITE_UPSERT, &point->id, more, error);
    if (status)
        return status;
    put_row(batch, space, vector);
    put_u32(batch, (uint32_t)metadata_size);
    put_u32(batch, (uint32_t)text_size);
    put(batch, point->metadata, metadata_size);
    put(batch, point->text, text_size);
    return LODE_OK;
}

lode_status batch_delete(struct buf *batch, const lode_id *id, lode_error *error)
{
    return begin_op(batch, LODE_WRITE_DELETE, id, 0, error);
}

void batch_end(struct buf *batch, uint32_t op_count)
{
    le_store_u32(batch->data, op_count);
}

lode_status batch_open(struct batch_reader *reader, const uint8_t *data, size_t size,
                       size_t row_size, lode_error *error)
{
    *reader = (struct batch_reader){.row_size = row_size};
    reader_init(&reader->bytes, data, size);
    reader->op_count = reader_u32(&reader->bytes);
    if (reader->bytes.failed)
        return error_set(error, LODE_CORRUPT, "a batch of %zu bytes has no room for its op count",
                         size);
    if (reader->op_count > LODE_BATCH_MAX)
        return error_set(error, LODE_CORRUPT, "a batch claims %u ops; at most %d", reader->op_count,
                         LODE_BATCH_MAX);
    return LODE_OK;
}

static void read_upsert(struct batch_reader *reader, struct op *op)
{
    struct reader *bytes = &reader->bytes;
    op->row = reader_bytes(bytes, reader->row_size);
    op->metadata_size = reader_u32(bytes);
    op->text_size = reader_u32(bytes);
    op->metadata = (const char *)reader_bytes(bytes, op->metadata_size);
    op->text = (const char *)reader_bytes(bytes, op->text_size);
    if (!op->metadata_size)
        op->metadata = NULL;
    if (!op->text_size)
        op->text = NULL;
}

static const char *op_fault(const struct batch_reader *reader, const struct op *op, uint8_t zero)
{
    lode_id id;
    if (reader->bytes.failed)
        return "is cut off";
    if ((op->kind != LODE_WRITE_UPSERT && op->kind != LODE_WRITE_DELETE) || zero)
        return "is of no known kind";
    if (id_decode(op->id, op->id_size, &id, NULL))
        return "has an id that is none";
    if (op->metadata_size > LODE_METADATA_SIZE_MAX || op->text_size > LODE_TEXT_SIZE_MAX)
        return "has a document over the limit";
    return NULL;
}

lode_status batch_next(struct batch_reader *reader, struct op *ret_op, int *ret_more,
                       lode_error *error)
{
    struct reader *bytes = &reader->bytes;
    if (reader->next == reader->op_count) {
        if (reader_left(bytes))
            return error_set(error, LODE_CORRUPT, "a batch has %zu bytes after its %u ops",
                             reader_left(bytes), reader->op_count);
        *ret_more = 0;
        return LODE_OK;
    }
    size_t offset = bytes->offset;
    struct op op = {.kind = (lode_write_kind)reader_u8(bytes)};
    uint8_t zero = reader_u8(bytes);
    op.id_size = reader_u16(bytes);
    op.id = reader_bytes(bytes, op.id_size);
    if (op.kind == LODE_WRITE_UPSERT)
        read_upsert(reader, &op);
    const char *fault = op_fault(reader, &op, zero);
    if (fault)
        return error_set(error, LODE_CORRUPT, "op %u of a batch, at its byte %zu, %s", reader->next,
                         offset, fault);
    reader->next++;
    *ret_op = op;
    *ret_more = 1;
    return LODE_OK;
}
