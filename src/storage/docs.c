/* docs.c: the documents part. A document is u32 metadata size, metadata, text; of no bytes at all when
 * a point has neither. */
#include "storage/docs.h"

#include "base/json.h"
#include "base/le.h"

#include <inttypes.h>

enum { SECTION_INFO = 1, SECTION_BYTES = 2, SECTION_OFFSETS = 3 };

#define INFO_SIZE   32
#define PREFIX_SIZE 4 /* the metadata size */
#define OFFSET_SIZE 8

/* --- Writing ----------------------------------------------------------------------------------- */

struct writing {
    struct frame_writer *frame;
    uint64_t bytes_size; /* so far */
};

static size_t stored_size(const struct document *document)
{
    size_t size = document->metadata_size + document->text_size;
    return size ? PREFIX_SIZE + size : 0;
}

static lode_status write_document(void *context, const struct segment *segment, uint32_t row,
                                  lode_error *error)
{
    struct writing *out = context;
    struct document document;
    lode_status status = segment->ops->document(segment, row, &document, error);
    if (status || !stored_size(&document))
        return status;
    uint8_t prefix[PREFIX_SIZE];
    le_store_u32(prefix, (uint32_t)document.metadata_size);
    out->bytes_size += stored_size(&document);
    status = frame_write(out->frame, prefix, sizeof prefix, error);
    if (!status && document.metadata_size)
        status = frame_write(out->frame, document.metadata, document.metadata_size, error);
    if (!status && document.text_size)
        status = frame_write(out->frame, document.text, document.text_size, error);
    return status;
}

static lode_status write_offset(struct writing *out, lode_error *error)
{
    uint8_t offset[OFFSET_SIZE];
    le_store_u64(offset, out->bytes_size);
    return frame_write(out->frame, offset, sizeof offset, error);
}

static lode_status write_offset_after(void *context, const struct segment *segment, uint32_t row,
                                      lode_error *error)
{
    struct writing *out = context;
    struct document document;
    lode_status status = segment->ops->document(segment, row, &document, error);
    if (status)
        return status;
    out->bytes_size += stored_size(&document);
    return write_offset(out, error);
}

/* None at all when no row has a document: then they would be 8 bytes a row of zeros. */
static lode_status write_offsets(struct writing *out, const struct live_rows *rows,
                                 lode_error *error)
{
    lode_status status = frame_section(out->frame, SECTION_OFFSETS, error);
    if (status || out->bytes_size == 0)
        return status;
    out->bytes_size = 0;
    status = write_offset(out, error);
    return status ? status : live_rows_each(rows, write_offset_after, out, error);
}

lode_status docs_write(struct frame_writer *writer, const struct live_rows *rows, lode_error *error)
{
    struct writing out = {.frame = writer};
    uint8_t info[INFO_SIZE] = {0};
    le_store_u32(info, rows->row_count);
    lode_status status = frame_section(writer, SECTION_INFO, error);
    if (!status)
        status = frame_write(writer, info, sizeof info, error);
    if (!status)
        status = frame_section(writer, SECTION_BYTES, error);
    if (!status)
        status = live_rows_each(rows, write_document, &out, error);
    if (!status)
        status = write_offsets(&out, rows, error);
    return status;
}

/* --- Reading ----------------------------------------------------------------------------------- */

lode_status docs_open(const struct frame *frame, uint32_t row_count, struct docs *ret_docs,
                      lode_error *error)
{
    const struct frame_section_view *info = frame_find(frame, SECTION_INFO),
                                    *bytes = frame_find(frame, SECTION_BYTES),
                                    *offsets = frame_find(frame, SECTION_OFFSETS);
    if (!info || !bytes || !offsets || info->size != INFO_SIZE)
        return error_set(error, LODE_CORRUPT, "it lacks a section of documents");
    /* It says nothing that sizes do not: documents behind it are not lost with it. */
    lode_status status = guard_touch(frame->guard, info->data, INFO_SIZE, error);
    if (status && !status_is_damage(status))
        return status;
    if (!status && le_load_u32(info->data) != row_count)
        return error_set(error, LODE_CORRUPT, "it holds documents for %u of %u rows",
                         le_load_u32(info->data), row_count);
    if (bytes->size ? offsets->size != ((uint64_t)row_count + 1) * OFFSET_SIZE : offsets->size != 0)
        return error_set(error, LODE_CORRUPT, "its sections of documents do not fit together");
    *ret_docs = (struct docs){.bytes = bytes->data,
                              .bytes_size = bytes->size,
                              .offsets = bytes->size ? offsets->data : NULL,
                              .row_count = row_count,
                              .guard = frame->guard};
    return LODE_OK;
}

static lode_status damaged(uint32_t row, const char *what, lode_error *error)
{
    return error_set(error, LODE_CORRUPT, "the document of row %u %s", row, what);
}

static lode_status range_of(const struct docs *docs, uint32_t row, uint64_t *ret_begin,
                            uint64_t *ret_size, lode_error *error)
{
    if (row >= docs->row_count)
        return damaged(row, "is beyond the last row", error);
    const uint8_t *at = docs->offsets + (size_t)row * OFFSET_SIZE;
    lode_status status = guard_touch(docs->guard, at, 2 * (size_t)OFFSET_SIZE, error);
    if (status)
        return status;
    uint64_t begin = le_load_u64(at), end = le_load_u64(at + OFFSET_SIZE);
    if (begin > end || end > docs->bytes_size)
        return damaged(row, "lies outside of its file", error);
    *ret_begin = begin;
    *ret_size = end - begin;
    return LODE_OK;
}

lode_status docs_get(const struct docs *docs, uint32_t row, struct document *ret_document,
                     lode_error *error)
{
    *ret_document = (struct document){0};
    if (!docs->offsets)
        return LODE_OK;
    uint64_t begin = 0, size = 0;
    lode_status status = range_of(docs, row, &begin, &size, error);
    if (status || size == 0)
        return status;
    if (size < PREFIX_SIZE)
        return damaged(row, "is cut off", error);
    const uint8_t *bytes = docs->bytes + begin;
    status = guard_touch(docs->guard, bytes, (size_t)size, error);
    if (status)
        return status;
    size_t metadata_size = le_load_u32(bytes), left = (size_t)size - PREFIX_SIZE;
    if (metadata_size > left)
        return damaged(row, "is shorter than its metadata", error);
    const char *metadata = (const char *)bytes + PREFIX_SIZE;
    size_t text_size = left - metadata_size;
    *ret_document = (struct document){.metadata = metadata_size ? metadata : NULL,
                                      .metadata_size = metadata_size,
                                      .text = text_size ? metadata + metadata_size : NULL,
                                      .text_size = text_size};
    return LODE_OK;
}

/* --- Checking ---------------------------------------------------------------------------------- */

lode_status docs_check(const struct docs *docs, const struct frame *frame, uint64_t *ret_offset,
                       lode_error *error)
{
    for (uint32_t row = 0; docs->offsets && row < docs->row_count; row++) {
        struct document document;
        const uint8_t *place = docs->offsets + (size_t)row * OFFSET_SIZE;
        *ret_offset = (uint64_t)(place - frame->data);
        lode_status status = docs_get(docs, row, &document, error);
        if (status)
            return status;
        if (!document.metadata)
            continue;
        *ret_offset = (uint64_t)((const uint8_t *)document.metadata - frame->data);
        if (json_validate(document.metadata, document.metadata_size, JSON_OBJECT, error)) {
            error_prefix(error, "the metadata of row %u: ", row);
            return LODE_CORRUPT;
        }
    }
    return LODE_OK;
}
