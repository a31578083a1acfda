/* manifest_format.c: encoding and decoding of manifests. */
#include "storage/manifest_format.h"

#include "base/limits.h"
#include "storage/requests.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { SECTION_STATE = 1, SECTION_SCHEMA = 2, SECTION_SEGMENTS = 3, SECTION_REQUESTS = 4 };

#define ENTRY_SIZE 32

/* --- Writing ----------------------------------------------------------------------------------- */

/* Appends whose only failure is memory: the first one sticks. */
struct out {
    struct buf buf;
    lode_status status;
    lode_error *error;
};

static void put(struct out *out, const void *data, size_t size)
{
    if (!out->status)
        out->status = buf_append(&out->buf, data, size, out->error);
}

static void put_u8(struct out *out, uint8_t value)
{
    put(out, &value, sizeof value);
}

static void put_u16(struct out *out, uint16_t value)
{
    if (!out->status)
        out->status = buf_append_u16(&out->buf, value, out->error);
}

static void put_u32(struct out *out, uint32_t value)
{
    if (!out->status)
        out->status = buf_append_u32(&out->buf, value, out->error);
}

static void put_u64(struct out *out, uint64_t value)
{
    if (!out->status)
        out->status = buf_append_u64(&out->buf, value, out->error);
}

static void put_state(struct out *out, const struct manifest *manifest)
{
    put_u64(out, manifest->flushed_sequence);
    put_u64(out, manifest->seen_sequence);
    put_u64(out, manifest->wal_first);
    put_u64(out, manifest->next_number);
    put_u32(out, manifest->text_model_version);
    put_u32(out, 0);
}

static void put_schema(struct out *out, const struct manifest *manifest)
{
    const lode_schema *schema = &manifest->schema;
    put_u32(out, schema->dim);
    put_u8(out, (uint8_t)schema->metric);
    put_u8(out, (uint8_t)schema->scalar);
    put_u8(out, (uint8_t)schema->index);
    put_u8(out, (uint8_t)schema->layout);
    put_u32(out, schema->m);
    put_u32(out, schema->ef_construction);
    put_u64(out, schema->seed);
    put_u32(out, (uint32_t)schema->field_count);
    for (size_t i = 0; i < schema->field_count; i++) {
        size_t size = strlen(schema->fields[i].name);
        put_u8(out, (uint8_t)schema->fields[i].type);
        put_u8(out, 0);
        put_u16(out, (uint16_t)size);
        put(out, schema->fields[i].name, size);
    }
}

static void put_segments(struct out *out, const struct manifest *manifest)
{
    static const uint8_t zeros[7];
    for (size_t i = 0; i < manifest->entry_count; i++) {
        const struct sealed_entry *entry = &manifest->entries[i];
        put_u64(out, entry->number);
        put_u32(out, entry->row_count);
        put_u32(out, entry->live_count);
        put_u64(out, entry->del_generation);
        put_u8(out, entry->has_graph);
        put(out, zeros, sizeof zeros);
    }
}

static void put_requests(struct out *out, const struct manifest *manifest)
{
    put(out, manifest->requests.data, manifest->requests.size);
}

static lode_status write_section(struct frame_writer *writer, uint32_t type,
                                 void (*fill)(struct out *out, const struct manifest *manifest),
                                 const struct manifest *manifest, lode_error *error)
{
    struct out out = {.error = error};
    buf_init(&out.buf, SIZE_MAX / 2);
    fill(&out, manifest);
    lode_status status = out.status;
    if (!status)
        status = frame_section(writer, type, error);
    if (!status)
        status = frame_write(writer, out.buf.data, out.buf.size, error);
    buf_release(&out.buf);
    return status;
}

lode_status manifest_write(struct frame_writer *writer, const struct manifest *manifest,
                           lode_error *error)
{
    lode_status status = write_section(writer, SECTION_STATE, put_state, manifest, error);
    if (!status)
        status = write_section(writer, SECTION_SCHEMA, put_schema, manifest, error);
    if (!status)
        status = write_section(writer, SECTION_SEGMENTS, put_segments, manifest, error);
    if (!status)
        status = write_section(writer, SECTION_REQUESTS, put_requests, manifest, error);
    return status;
}

/* --- Reading ----------------------------------------------------------------------------------- */

struct decoding {
    const struct frame *frame;
    struct manifest *manifest;
    lode_error *error;
};

static lode_status bad(const struct decoding *in, const char *what)
{
    return error_set(in->error, LODE_CORRUPT, "%s", what);
}

static lode_status open_section(const struct decoding *in, uint32_t type, struct reader *reader)
{
    const struct frame_section_view *section = frame_find(in->frame, type);
    if (!section)
        return error_set(in->error, LODE_CORRUPT, "it has no section %u", type);
    reader_init(reader, section->data, section->size);
    return LODE_OK;
}

static lode_status read_state(const struct decoding *in)
{
    struct reader reader;
    lode_status status = open_section(in, SECTION_STATE, &reader);
    if (status)
        return status;
    struct manifest *manifest = in->manifest;
    manifest->flushed_sequence = reader_u64(&reader);
    manifest->seen_sequence = reader_u64(&reader);
    manifest->wal_first = reader_u64(&reader);
    manifest->next_number = reader_u64(&reader);
    manifest->text_model_version = reader_u32(&reader);
    uint32_t zero = reader_u32(&reader);
    if (reader.failed || reader_left(&reader) || zero)
        return bad(in, "its state is not of the right size");
    if (manifest->seen_sequence < manifest->flushed_sequence)
        return bad(in, "it has seen less than was flushed");
    if (manifest->wal_first > manifest->next_number)
        return bad(in, "its first log file is beyond its next number");
    return LODE_OK;
}

static const char *schema_fault(const lode_schema *schema)
{
    if (schema->dim == 0 || schema->dim > LODE_DIM_MAX)
        return "its dimension is out of range";
    if ((unsigned)schema->metric > LODE_METRIC_COSINE)
        return "its metric is unknown";
    if ((unsigned)schema->scalar > LODE_SCALAR_INT8)
        return "its scalar type is unknown";
    if ((unsigned)schema->index > LODE_INDEX_FLAT)
        return "its index is unknown";
    if ((unsigned)schema->layout > LODE_LAYOUT_COMPACT)
        return "its layout is unknown";
    if (schema->m > LODE_M_MAX || schema->ef_construction > LODE_EF_MAX)
        return "its index parameters are out of range";
    if (schema->field_count > LODE_FIELDS_MAX)
        return "it declares too many fields";
    return NULL;
}

static lode_status read_field(const struct decoding *in, struct reader *reader, lode_field *field)
{
    field->type = (lode_field_type)reader_u8(reader);
    uint8_t zero = reader_u8(reader);
    size_t size = reader_u16(reader);
    const uint8_t *name = reader_bytes(reader, size);
    if (!name || zero || size == 0 || size > LODE_NAME_SIZE_MAX || memchr(name, 0, size) ||
        field->type < LODE_FIELD_KEYWORD || field->type > LODE_FIELD_UUID)
        return bad(in, "a declared field makes no sense");
    char *text = malloc(size + 1);
    if (!text)
        return error_nomem(in->error, "a field's name", size + 1);
    memcpy(text, name, size);
    text[size] = '\0';
    field->name = text;
    return LODE_OK;
}

static lode_status read_fields(const struct decoding *in, struct reader *reader, size_t count)
{
    lode_schema *schema = &in->manifest->schema;
    lode_field *fields = calloc(count ? count : 1, sizeof *fields);
    if (!fields)
        return error_nomem(in->error, "declared fields", count * sizeof *fields);
    schema->fields = fields;
    for (schema->field_count = 0; schema->field_count < count; schema->field_count++) {
        lode_status status = read_field(in, reader, &fields[schema->field_count]);
        if (status)
            return status;
    }
    return LODE_OK;
}

static lode_status read_schema(const struct decoding *in)
{
    struct reader reader;
    lode_status status = open_section(in, SECTION_SCHEMA, &reader);
    if (status)
        return status;
    lode_schema schema = {.dim = reader_u32(&reader)};
    schema.metric = (lode_metric)reader_u8(&reader);
    schema.scalar = (lode_scalar)reader_u8(&reader);
    schema.index = (lode_index)reader_u8(&reader);
    schema.layout = (lode_layout)reader_u8(&reader);
    schema.m = reader_u32(&reader);
    schema.ef_construction = reader_u32(&reader);
    schema.seed = reader_u64(&reader);
    schema.field_count = reader_u32(&reader);
    const char *fault = reader.failed ? "its schema is cut off" : schema_fault(&schema);
    if (fault)
        return bad(in, fault);
    size_t field_count = schema.field_count;
    schema.field_count = 0; /* of fields that are there to be freed */
    in->manifest->schema = schema;
    status = read_fields(in, &reader, field_count);
    if (!status && reader_left(&reader))
        status = bad(in, "its schema is not of the right size");
    return status;
}

static void read_entry(struct reader *reader, struct sealed_entry *entry)
{
    entry->number = reader_u64(reader);
    entry->row_count = reader_u32(reader);
    entry->live_count = reader_u32(reader);
    entry->del_generation = reader_u64(reader);
    entry->has_graph = reader_u8(reader);
    (void)reader_bytes(reader, 7);
}

static const char *entry_fault(const struct manifest *manifest, const struct sealed_entry *entry)
{
    if (entry > manifest->entries && entry->number <= entry[-1].number)
        return "its segments are not in order";
    if (entry->number >= manifest->next_number)
        return "a segment's number was not given out yet";
    if (entry->row_count == 0 || entry->row_count > SEGMENT_ROWS_MAX)
        return "a segment's row count is out of range";
    if (entry->live_count > entry->row_count ||
        (entry->live_count != entry->row_count && !entry->del_generation))
        return "a segment's live count is impossible";
    if (entry->del_generation > manifest->generation)
        return "a live set is of a later generation";
    if (entry->has_graph > 1)
        return "a segment's graph mark is neither 0 nor 1";
    return NULL;
}

static lode_status read_segments(const struct decoding *in)
{
    struct reader reader;
    lode_status status = open_section(in, SECTION_SEGMENTS, &reader);
    if (status)
        return status;
    if (reader.size % ENTRY_SIZE)
        return bad(in, "its list of segments is not of the right size");
    struct manifest *manifest = in->manifest;
    size_t count = reader.size / ENTRY_SIZE;
    manifest->entries = calloc(count ? count : 1, sizeof *manifest->entries);
    if (!manifest->entries)
        return error_nomem(in->error, "a list of segments", count * sizeof *manifest->entries);
    manifest->entry_count = count;
    for (size_t i = 0; i < count; i++) {
        read_entry(&reader, &manifest->entries[i]);
        const char *fault = entry_fault(manifest, &manifest->entries[i]);
        if (fault)
            return bad(in, fault);
    }
    return LODE_OK;
}

static lode_status read_requests(const struct decoding *in)
{
    struct reader reader;
    struct manifest *manifest = in->manifest;
    lode_status status = open_section(in, SECTION_REQUESTS, &reader);
    if (status)
        return status;
    buf_init(&manifest->requests, MANIFEST_REQUESTS_SIZE_MAX);
    if (reader.size > MANIFEST_REQUESTS_SIZE_MAX)
        return bad(in, "it remembers too many requests");
    status = buf_append(&manifest->requests, reader.data, reader.size, in->error);
    if (!status)
        status = requests_decode(NULL, &manifest->requests, manifest->flushed_sequence, in->error);
    return status;
}

lode_status manifest_read(const struct frame *frame, uint64_t generation,
                          struct manifest *ret_manifest, lode_error *error)
{
    struct manifest manifest = {.collection_uid = frame->collection_uid, .generation = generation};
    struct decoding in = {.frame = frame, .manifest = &manifest, .error = error};
    lode_status status = read_state(&in);
    if (!status)
        status = read_schema(&in);
    if (!status)
        status = read_segments(&in);
    if (!status)
        status = read_requests(&in);
    if (status)
        manifest_release(&manifest);
    else
        *ret_manifest = manifest;
    return status;
}
