/* batch.c: encoding and decoding of one atomic write. */
#include "storage/batch.h"

#include "base/le.h"

#include <string.h>

#define BATCH_HEADER_SIZE 8  /* op count, request id size, zeros */
#define COUNTS_SIZE       16 /* struct batch_counts */

#define OP_HEADER_SIZE 4 /* kind, condition and flag, id size */
#define ROW_ALIGNMENT  4 /* space_encode's */

#define PATCH_HEADER_SIZE 4 /* mode, what is given, 0 */

lode_status batch_begin(struct buf *batch, const uint8_t *request_id, size_t request_id_size,
                        lode_error *error)
{
    INVARIANT(request_id_size <= REQUEST_ID_SIZE_MAX);
    uint8_t header[BATCH_HEADER_SIZE + COUNTS_SIZE] = {0};
    header[4] = (uint8_t)request_id_size;
    buf_clear(batch);
    if (request_id_size == 0)
        return buf_append(batch, header, BATCH_HEADER_SIZE, error);
    lode_status status = buf_append(batch, header, sizeof header, error);
    return status ? status : buf_append(batch, request_id, request_id_size, error);
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

static void put_u64(struct buf *batch, uint64_t value)
{
    le_store_u64(batch->data + batch->size, value);
    batch->size += sizeof value;
}

static lode_status put_header(struct buf *batch, const struct op *op, size_t more,
                              lode_error *error)
{
    size_t size =
        OP_HEADER_SIZE + op->id_size + sizeof op->if_version + sizeof op->expires_ms + more;
    lode_status status = buf_reserve(batch, size, error);
    if (status)
        return status;
    int expires = op->kind == LODE_WRITE_PATCH ? op->expiry_given : op->expires_ms != 0;
    uint8_t header[OP_HEADER_SIZE] = {(uint8_t)op->kind,
                                      (uint8_t)(op->condition | (expires ? OP_EXPIRES : 0))};
    le_store_u16(header + 2, (uint16_t)op->id_size);
    put(batch, header, sizeof header);
    put(batch, op->id, op->id_size);
    if (op->condition == LODE_IF_VERSION)
        put_u64(batch, op->if_version);
    if (expires)
        put_u64(batch, op->expires_ms);
    return LODE_OK;
}

static size_t document_size(const struct op *op)
{
    INVARIANT(op->metadata_size <= LODE_METADATA_SIZE_MAX && op->text_size <= LODE_TEXT_SIZE_MAX);
    return 2 * sizeof(uint32_t) + op->metadata_size + op->text_size;
}

static void put_document(struct buf *batch, const struct op *op)
{
    put_u32(batch, (uint32_t)op->metadata_size);
    put_u32(batch, (uint32_t)op->text_size);
    put(batch, op->metadata, op->metadata_size);
    put(batch, op->text, op->text_size);
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

lode_status batch_upsert(struct buf *batch, const struct space *space, const struct op *op,
                         const float *vector, lode_error *error)
{
    lode_status status = put_header(batch, op, space->row_size + document_size(op), error);
    if (status)
        return status;
    put_row(batch, space, vector);
    put_document(batch, op);
    return LODE_OK;
}

lode_status batch_op(struct buf *batch, const struct op *op, size_t row_size, lode_error *error)
{
    if (op->kind == LODE_WRITE_DELETE)
        return put_header(batch, op, 0, error);
    size_t before = op->kind == LODE_WRITE_UPSERT ? row_size : PATCH_HEADER_SIZE;
    lode_status status = put_header(batch, op, before + document_size(op), error);
    if (status)
        return status;
    const uint8_t patch[PATCH_HEADER_SIZE] = {op->patch_mode, op->given};
    put(batch, op->kind == LODE_WRITE_UPSERT ? op->row : patch, before);
    put_document(batch, op);
    return LODE_OK;
}

void batch_end(struct buf *batch, uint32_t op_count)
{
    le_store_u32(batch->data, op_count);
}

void batch_put_counts(struct buf *batch, const struct batch_counts *counts)
{
    INVARIANT(batch->data[4] > 0);
    uint8_t *at = batch->data + BATCH_HEADER_SIZE;
    le_store_u32(at, counts->upserted);
    le_store_u32(at + 4, counts->deleted);
    le_store_u32(at + 8, counts->patched);
    le_store_u32(at + 12, counts->missing);
}

lode_status batch_drop(struct buf *batch, const struct id_namespace *space, lode_error *error)
{
    uint8_t id[ID_BYTES_MAX];
    struct op op = {.kind = OP_DROP, .id = id, .id_size = id_prefix(space, id)};
    lode_status status = batch_begin(batch, NULL, 0, error);
    if (!status)
        status = put_header(batch, &op, 0, error);
    if (!status)
        batch_end(batch, 1);
    return status;
}

int batch_is_drop(const uint8_t *data, size_t size)
{
    return size > BATCH_HEADER_SIZE && data[4] == 0 && data[BATCH_HEADER_SIZE] == OP_DROP;
}

/* Returns 0 when something in it cannot be; that it is cut off is seen by the reader. */
static int read_header(struct batch_reader *reader)
{
    struct reader *bytes = &reader->bytes;
    struct batch_request *request = &reader->request;
    reader->op_count = reader_u32(bytes);
    request->id_size = reader_u8(bytes);
    int zeros = reader_u8(bytes) == 0;
    zeros &= reader_u16(bytes) == 0;
    if (request->id_size == 0)
        return zeros;
    request->counts.upserted = reader_u32(bytes);
    request->counts.deleted = reader_u32(bytes);
    request->counts.patched = reader_u32(bytes);
    request->counts.missing = reader_u32(bytes);
    request->id = reader_bytes(bytes, request->id_size);
    return zeros && request->id_size <= REQUEST_ID_SIZE_MAX;
}

lode_status batch_open(struct batch_reader *reader, const uint8_t *data, size_t size,
                       size_t row_size, enum batch_source source, lode_error *error)
{
    *reader = (struct batch_reader){.row_size = row_size, .source = source};
    reader_init(&reader->bytes, data, size);
    int sound = read_header(reader);
    if (reader->bytes.failed)
        return error_set(error, LODE_CORRUPT, "a batch of %zu bytes has no room for its header",
                         size);
    if (!sound)
        return error_set(error, LODE_CORRUPT, "the header of a batch makes no sense");
    if (reader->op_count > LODE_BATCH_MAX)
        return error_set(error, LODE_CORRUPT, "a batch claims %u ops; at most %d", reader->op_count,
                         LODE_BATCH_MAX);
    return LODE_OK;
}

static void read_document(struct reader *bytes, struct op *op)
{
    op->metadata_size = reader_u32(bytes);
    op->text_size = reader_u32(bytes);
    op->metadata = (const char *)reader_bytes(bytes, op->metadata_size);
    op->text = (const char *)reader_bytes(bytes, op->text_size);
    if (!op->metadata_size)
        op->metadata = NULL;
    if (!op->text_size)
        op->text = NULL;
}

/* What follows the id. Returns what is wrong with it, or NULL; that it is cut off is seen later. */
static const char *read_rest(struct batch_reader *reader, struct op *op)
{
    struct reader *bytes = &reader->bytes;
    if (op->condition > (reader->source == BATCH_OF_WRITER ? LODE_IF_VERSION : LODE_IF_ANY))
        return "has a condition of no known kind";
    if (op->kind == OP_DROP && reader->op_count > 1)
        return "drops a namespace and is not alone";
    if (op->kind == LODE_WRITE_DELETE || op->kind == OP_DROP)
        return NULL;
    if (op->kind == LODE_WRITE_UPSERT) {
        op->row = reader_bytes(bytes, reader->row_size);
    } else if (op->kind == LODE_WRITE_PATCH && reader->source == BATCH_OF_WRITER) {
        op->patch_mode = reader_u8(bytes);
        op->given = reader_u8(bytes);
        if (reader_u16(bytes) || op->patch_mode > LODE_PATCH_SET ||
            op->given > (PATCH_METADATA | PATCH_TEXT))
            return "is a patch of no known mode";
    } else {
        return "is of no known kind";
    }
    read_document(bytes, op);
    return NULL;
}

static int expiry_makes_sense(const struct op *op)
{
    if (!op->expiry_given)
        return 1;
    if (op->kind == LODE_WRITE_DELETE || op->kind == OP_DROP)
        return 0;
    if (op->expires_ms == 0)
        return op->kind == LODE_WRITE_PATCH;
    return op->expires_ms >= LODE_EXPIRES_AT_MIN && op->expires_ms <= LODE_EXPIRES_AT_MAX;
}

static int has_id(const struct op *op)
{
    struct id_namespace space;
    lode_id id;
    if (op->kind == OP_DROP)
        return op->id_size > 0 && op->condition == LODE_IF_ANY &&
               id_namespace_of(op->id, op->id_size, &space) == op->id_size;
    return id_decode(op->id, op->id_size, &id, NULL) == LODE_OK;
}

static const char *op_fault(const struct batch_reader *reader, const struct op *op)
{
    if (reader->bytes.failed)
        return "is cut off";
    if (!has_id(op))
        return "has an id that is none";
    if (!expiry_makes_sense(op))
        return "has an expiry that makes no sense";
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
    uint8_t flags = reader_u8(bytes);
    op.condition = flags & (OP_EXPIRES - 1);
    op.expiry_given = (flags & OP_EXPIRES) != 0;
    op.id_size = reader_u16(bytes);
    op.id = reader_bytes(bytes, op.id_size);
    if (op.condition == LODE_IF_VERSION)
        op.if_version = reader_u64(bytes);
    if (op.expiry_given)
        op.expires_ms = reader_u64(bytes);
    const char *fault = read_rest(reader, &op);
    if (!fault || bytes->failed)
        fault = op_fault(reader, &op);
    if (fault)
        return error_set(error, LODE_CORRUPT, "op %u of a batch, at its byte %zu, %s", reader->next,
                         offset, fault);
    reader->next++;
    *ret_op = op;
    *ret_more = 1;
    return LODE_OK;
}
