/* id_table.c: the ids part. The table is built in memory, 8 bytes a row, while id bytes stream out; the
 * offsets take a second walk over the rows instead of memory. */
#include "storage/id_table.h"

#include "base/le.h"
#include "base/limits.h"
#include "storage/id.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SECTION_INFO = 1, SECTION_BYTES = 2, SECTION_OFFSETS = 3, SECTION_TABLE = 4 };

#define INFO_SIZE       32
#define INFO_NAMESPACES 1 /* a flag: some id is in a namespace */
#define BUCKET_SIZE     64
#define BUCKET_ROWS     12
#define TAGS_AT         48 /* in a bucket: after its rows */
#define COUNT_AT        60
#define OVERFLOW_AT     61
#define BUCKET_FILL     8 /* rows a bucket is made for: one in 20 then overflows */
#define ID_BYTES_LEAST  2

static uint32_t buckets_for(uint32_t row_count)
{
    uint32_t buckets = row_count / BUCKET_FILL + (row_count % BUCKET_FILL != 0);
    return buckets ? buckets : 1;
}

/* The upper half of the hash chooses the bucket, the lowest byte is the tag: independent bits. */
static uint32_t bucket_of(uint64_t id_hash, uint32_t bucket_count)
{
    return (uint32_t)((id_hash >> 32) * bucket_count >> 32);
}

static uint8_t tag_of(uint64_t id_hash)
{
    return (uint8_t)id_hash;
}

/* --- Writing ----------------------------------------------------------------------------------- */

struct writing {
    struct frame_writer *frame;
    const struct live_rows *rows;
    uint8_t *buckets;
    uint32_t bucket_count;
    uint32_t next_row;
    uint64_t bytes_size; /* so far */
    size_t fixed_size;   /* of every id so far, while is_fixed */
    int is_fixed;
    int has_namespaces;
    unsigned offset_size;
};

static void table_add(struct writing *out, uint64_t id_hash, uint32_t row)
{
    uint32_t at = bucket_of(id_hash, out->bucket_count);
    for (;; at = at + 1 < out->bucket_count ? at + 1 : 0) {
        uint8_t *bucket = out->buckets + (size_t)at * BUCKET_SIZE;
        unsigned count = bucket[COUNT_AT];
        if (count < BUCKET_ROWS) {
            le_store_u32(bucket + count * sizeof(uint32_t), row + 1);
            bucket[TAGS_AT + count] = tag_of(id_hash);
            bucket[COUNT_AT]++;
            return;
        }
        bucket[OVERFLOW_AT] = 1;
    }
}

static lode_status write_id(void *context, const struct segment *segment, uint32_t row,
                            lode_error *error)
{
    struct writing *out = context;
    const uint8_t *id;
    size_t size;
    lode_status status = segment->ops->id(segment, row, &id, &size, error);
    if (status)
        return status;
    if (out->next_row == 0)
        out->fixed_size = size;
    out->is_fixed &= size == out->fixed_size;
    out->has_namespaces |= id[0] == ID_IN_NAMESPACE;
    table_add(out, id_hash(id, size), out->next_row++);
    out->bytes_size += size;
    return frame_write(out->frame, id, size, error);
}

static lode_status write_offset(struct writing *out, lode_error *error)
{
    uint8_t offset[sizeof(uint64_t)];
    le_store_u64(offset, out->bytes_size);
    return frame_write(out->frame, offset, out->offset_size, error);
}

static lode_status write_offset_after(void *context, const struct segment *segment, uint32_t row,
                                      lode_error *error)
{
    struct writing *out = context;
    const uint8_t *id;
    size_t size;
    lode_status status = segment->ops->id(segment, row, &id, &size, error);
    if (status)
        return status;
    out->bytes_size += size;
    return write_offset(out, error);
}

static lode_status write_offsets(struct writing *out, lode_error *error)
{
    lode_status status = frame_section(out->frame, SECTION_OFFSETS, error);
    if (status || out->is_fixed)
        return status;
    out->offset_size = out->bytes_size <= UINT32_MAX ? 4 : 8;
    out->bytes_size = 0;
    status = write_offset(out, error);
    return status ? status : live_rows_each(out->rows, write_offset_after, out, error);
}

static lode_status write_info(struct writing *out, lode_error *error)
{
    uint8_t info[INFO_SIZE] = {0};
    le_store_u32(info, out->next_row);
    le_store_u32(info + 4, out->bucket_count);
    le_store_u32(info + 8, out->offset_size);
    le_store_u32(info + 12, out->is_fixed ? (uint32_t)out->fixed_size : 0);
    le_store_u32(info + 16, out->has_namespaces ? INFO_NAMESPACES : 0);
    lode_status status = frame_section(out->frame, SECTION_INFO, error);
    return status ? status : frame_write(out->frame, info, sizeof info, error);
}

lode_status id_table_write(struct frame_writer *writer, const struct live_rows *rows,
                           lode_error *error)
{
    struct writing out = {
        .frame = writer, .rows = rows, .bucket_count = buckets_for(rows->row_count), .is_fixed = 1};
    out.buckets = calloc(out.bucket_count, BUCKET_SIZE);
    if (!out.buckets)
        return error_nomem(error, "a table of ids", (size_t)out.bucket_count * BUCKET_SIZE);
    lode_status status = frame_section(writer, SECTION_BYTES, error);
    if (!status)
        status = live_rows_each(rows, write_id, &out, error);
    if (!status)
        status = write_offsets(&out, error);
    if (!status)
        status = frame_section(writer, SECTION_TABLE, error);
    if (!status)
        status = frame_write(writer, out.buckets, (size_t)out.bucket_count * BUCKET_SIZE, error);
    if (!status)
        status = write_info(&out, error);
    free(out.buckets);
    return status;
}

/* --- Reading ----------------------------------------------------------------------------------- */

static int info_fits(const struct id_table *table, const struct frame_section_view *offsets,
                     const struct frame_section_view *buckets)
{
    uint64_t rows = table->row_count;
    if (table->bucket_count == 0 || buckets->size != (uint64_t)table->bucket_count * BUCKET_SIZE)
        return 0;
    if (table->offset_size == 0)
        return offsets->size == 0 && table->fixed_size >= ID_BYTES_LEAST &&
               table->fixed_size <= ID_BYTES_MAX && table->bytes_size == rows * table->fixed_size;
    return (table->offset_size == 4 || table->offset_size == 8) && table->fixed_size == 0 &&
           offsets->size == (rows + 1) * table->offset_size;
}

static void take_info(const uint8_t *info, struct id_table *table)
{
    table->row_count = le_load_u32(info);
    table->bucket_count = le_load_u32(info + 4);
    table->offset_size = le_load_u32(info + 8);
    table->fixed_size = le_load_u32(info + 12);
    table->has_namespaces = (le_load_u32(info + 16) & INFO_NAMESPACES) != 0;
}

/* The same from the sizes of the sections: ids are not lost with the block that says it. */
static void guess_info(const struct frame_section_view *offsets,
                       const struct frame_section_view *buckets, uint32_t row_count,
                       struct id_table *table)
{
    uint64_t rows = row_count;
    table->has_namespaces = 1;
    table->row_count = row_count;
    table->bucket_count =
        buckets->size / BUCKET_SIZE <= UINT32_MAX ? (uint32_t)(buckets->size / BUCKET_SIZE) : 0;
    if (offsets->size)
        table->offset_size = offsets->size / (rows + 1) == 4 ? 4 : 8;
    else if (rows && table->bytes_size / rows <= ID_BYTES_MAX)
        table->fixed_size = (uint32_t)(table->bytes_size / rows);
}

lode_status id_table_open(const struct frame *frame, uint32_t row_count, struct id_table *ret_table,
                          lode_error *error)
{
    const struct frame_section_view *info = frame_find(frame, SECTION_INFO),
                                    *bytes = frame_find(frame, SECTION_BYTES),
                                    *offsets = frame_find(frame, SECTION_OFFSETS),
                                    *buckets = frame_find(frame, SECTION_TABLE);
    if (!info || !bytes || !offsets || !buckets || info->size != INFO_SIZE)
        return error_set(error, LODE_CORRUPT, "it lacks a section of ids");
    lode_status status = guard_touch(frame->guard, info->data, INFO_SIZE, error);
    if (status && !status_is_damage(status))
        return status;
    struct id_table table = {.bytes = bytes->data,
                             .bytes_size = bytes->size,
                             .offsets = offsets->data,
                             .buckets = buckets->data,
                             .guard = frame->guard};
    if (status)
        guess_info(offsets, buckets, row_count, &table);
    else
        take_info(info->data, &table);
    if (table.row_count != row_count)
        return error_set(error, LODE_CORRUPT, "it holds %u ids for %u rows", table.row_count,
                         row_count);
    if (!info_fits(&table, offsets, buckets))
        return error_set(error, LODE_CORRUPT, "its sections of ids do not fit together");
    *ret_table = table;
    return LODE_OK;
}

static uint64_t load_offset(const struct id_table *table, uint32_t i)
{
    const uint8_t *at = table->offsets + (size_t)i * table->offset_size;
    return table->offset_size == 4 ? le_load_u32(at) : le_load_u64(at);
}

static lode_status is_no_id(uint32_t row, lode_error *error)
{
    return error_set(error, LODE_CORRUPT, "the id of row %u is not one", row);
}

/* Where the id of a row begins and ends, when ids are of many sizes. */
static lode_status range_of(const struct id_table *table, uint32_t row, uint64_t *ret_begin,
                            uint64_t *ret_end, lode_error *error)
{
    const uint8_t *at = table->offsets + (size_t)row * table->offset_size;
    lode_status status = guard_touch(table->guard, at, (size_t)2 * table->offset_size, error);
    if (status)
        return status;
    uint64_t begin = load_offset(table, row), end = load_offset(table, row + 1);
    if (begin > end || end > table->bytes_size || end - begin < ID_BYTES_LEAST ||
        end - begin > ID_BYTES_MAX)
        return is_no_id(row, error);
    *ret_begin = begin;
    *ret_end = end;
    return LODE_OK;
}

lode_status id_table_id(const struct id_table *table, uint32_t row, const uint8_t **ret_id,
                        size_t *ret_size, lode_error *error)
{
    if (row >= table->row_count)
        return is_no_id(row, error);
    uint64_t begin = (uint64_t)row * table->fixed_size, end = begin + table->fixed_size;
    lode_status status = table->offset_size ? range_of(table, row, &begin, &end, error) : LODE_OK;
    if (!status)
        status = guard_touch(table->guard, table->bytes + begin, (size_t)(end - begin), error);
    if (!status) {
        *ret_id = table->bytes + begin;
        *ret_size = (size_t)(end - begin);
    }
    return status;
}

static lode_status find_in_bucket(const struct id_table *table, const uint8_t *bucket,
                                  const struct id_key *id, uint32_t *ret_row, lode_error *error)
{
    *ret_row = ROW_NONE;
    for (size_t i = 0; i < BUCKET_ROWS; i++) {
        if (bucket[TAGS_AT + i] != tag_of(id->hash))
            continue;
        uint32_t row = le_load_u32(bucket + i * sizeof(uint32_t)) - 1;
        if (row == ROW_NONE) /* an empty place */
            continue;
        size_t size = 0;
        const uint8_t *bytes = NULL;
        lode_status status = id_table_id(table, row, &bytes, &size, error);
        if (status)
            return status;
        if (size == id->size && memcmp(bytes, id->bytes, size) == 0) {
            *ret_row = row;
            return LODE_OK;
        }
    }
    return LODE_OK;
}

lode_status id_table_find(const struct id_table *table, const struct id_key *id, uint32_t *ret_row,
                          lode_error *error)
{
    uint32_t at = bucket_of(id->hash, table->bucket_count);
    *ret_row = ROW_NONE;
    /* A table that makes no sense may have every bucket overflow: once around is enough. */
    for (uint32_t seen = 0; seen < table->bucket_count; seen++) {
        const uint8_t *bucket = table->buckets + (size_t)at * BUCKET_SIZE;
        lode_status status = guard_touch(table->guard, bucket, BUCKET_SIZE, error);
        if (!status)
            status = find_in_bucket(table, bucket, id, ret_row, error);
        if (status || *ret_row != ROW_NONE || !bucket[OVERFLOW_AT])
            return status;
        at = at + 1 < table->bucket_count ? at + 1 : 0;
    }
    return LODE_OK;
}

void id_table_expect(const struct id_table *table, uint64_t id_hash)
{
    if (table->bucket_count)
        __builtin_prefetch(table->buckets +
                           (size_t)bucket_of(id_hash, table->bucket_count) * BUCKET_SIZE);
}

/* --- Checking ---------------------------------------------------------------------------------- */

/* Where the offset, or with fixed sizes the id, of a row stands in the frame. */
static uint64_t place_of(const struct id_table *table, const struct frame *frame, uint32_t row)
{
    if (table->offset_size == 0)
        return (uint64_t)(table->bytes - frame->data) + (uint64_t)row * table->fixed_size;
    return (uint64_t)(table->offsets - frame->data) + (uint64_t)row * table->offset_size;
}

lode_status id_table_check(const struct id_table *table, const struct frame *frame,
                           uint64_t *ret_offset, lode_error *error)
{
    for (uint32_t row = 0; row < table->row_count; row++) {
        size_t size;
        const uint8_t *id;
        lode_id decoded;
        uint32_t found;
        *ret_offset = place_of(table, frame, row);
        lode_status status = id_table_id(table, row, &id, &size, error);
        if (!status && id_decode(id, size, &decoded, NULL))
            status = is_no_id(row, error);
        if (!status && id[0] == ID_IN_NAMESPACE && !table->has_namespaces)
            status =
                error_set(error, LODE_CORRUPT,
                          "the id of row %u is in a namespace, and its flags know of none", row);
        struct id_key key = {.bytes = id, .size = size};
        if (!status) {
            key.hash = id_hash(id, size);
            status = id_table_find(table, &key, &found, error);
        }
        if (status)
            return status;
        if (found != row)
            return error_set(error, LODE_CORRUPT,
                             found == ROW_NONE ? "the id of row %u is not in the table"
                                               : "the id of row %u is in the table for another row",
                             row);
    }
    return LODE_OK;
}
