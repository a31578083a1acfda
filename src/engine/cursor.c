/* cursor.c: whatever the text is, it is refused or stands for a place. */
#include "engine/cursor.h"

#include <math.h>
#include <string.h>

#include "base/base64.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "storage/id.h"

#define CURSOR_VERSION 1u

/* Version, flags and checksum; then three with their sizes, the value with its kind. */
#define CURSOR_BYTES_MAX                                                                           \
    (1 + 1 + 4 + (2 + FIELD_PATH_SIZE_MAX) + (1 + 2 + PAGE_TEXT_MAX) + (2 + ID_BYTES_MAX))
_Static_assert((CURSOR_BYTES_MAX * 4 + 2) / 3 <= LODE_CURSOR_SIZE_MAX, "as base64");

enum { DESCENDING = 1, BY_FIELD = 2, HAS_VALUE = 4, ALL_FLAGS = 7 };

enum cursor_value {
    CURSOR_INTEGER = 1,
    CURSOR_FLOAT = 2,
    CURSOR_BOOLEAN = 3,
    CURSOR_DATETIME = 4,
    CURSOR_UUID = 5,
    CURSOR_STRING = 6,
};

/* --- Writing ------------------------------------------------------------------------------------ */

static lode_status write_bytes(struct buf *out, const void *data, size_t size, lode_error *error)
{
    lode_status status = buf_append_u16(out, (uint16_t)size, error);
    return status || size == 0 ? status : buf_append(out, data, size, error);
}

static lode_status write_value(struct buf *out, const struct value *value, lode_error *error)
{
    static const uint8_t kinds[] = {
        [VALUE_STRING] = CURSOR_STRING,     [VALUE_INTEGER] = CURSOR_INTEGER,
        [VALUE_FLOAT] = CURSOR_FLOAT,       [VALUE_BOOLEAN] = CURSOR_BOOLEAN,
        [VALUE_DATETIME] = CURSOR_DATETIME, [VALUE_UUID] = CURSOR_UUID,
    };
    uint64_t bits;
    lode_status status = buf_append_u8(out, kinds[value->kind], error);
    if (status)
        return status;
    switch (value->kind) {
    case VALUE_STRING: return write_bytes(out, value->text, value->size, error);
    case VALUE_UUID: return buf_append(out, value->uuid, sizeof value->uuid, error);
    case VALUE_BOOLEAN: return buf_append_u8(out, value->integer != 0, error);
    case VALUE_FLOAT: memcpy(&bits, &value->number, sizeof bits); break;
    default: bits = (uint64_t)value->integer; break;
    }
    return buf_append_u64(out, bits, error);
}

static lode_status write_place(const struct cursor_order *order, const struct place *place,
                               struct buf *out, lode_error *error)
{
    const struct field *field = order->field;
    int flags = (order->descending ? DESCENDING : 0) | (field ? BY_FIELD : 0) |
                (place->has_value ? HAS_VALUE : 0);
    lode_status status = buf_append_u8(out, CURSOR_VERSION, error);
    if (!status)
        status = buf_append_u8(out, (uint8_t)flags, error);
    if (!status && field)
        status = write_bytes(out, field->path, field->path_size, error);
    if (!status && place->has_value)
        status = write_value(out, &place->value, error);
    if (!status)
        status = write_bytes(out, place->id, place->id_size, error);
    return status ? status : buf_append_u32(out, (uint32_t)checksum64(out->data, out->size), error);
}

lode_status cursor_write(const struct cursor_order *order, const struct place *place,
                         struct buf *text, lode_error *error)
{
    struct buf bytes;
    buf_init(&bytes, LODE_CURSOR_SIZE_MAX);
    lode_status status = write_place(order, place, &bytes, error);
    if (!status)
        status = base64_append(text, bytes.data, bytes.size, error);
    if (!status)
        status = buf_terminate(text, error);
    buf_release(&bytes);
    return status;
}

/* --- Reading ------------------------------------------------------------------------------------ */

static lode_status is_none(lode_error *error)
{
    return error_set(error, LODE_INVALID, "after: this is not a cursor that lode_scroll has given");
}

/* NULL, and the reader has failed: there are fewer, or too many. */
static const uint8_t *read_bytes(struct reader *reader, size_t size_max, size_t *ret_size)
{
    *ret_size = reader_u16(reader);
    if (*ret_size > size_max)
        reader->failed = 1;
    return reader->failed ? NULL : reader_bytes(reader, *ret_size);
}

/* 0: it is none. */
static int read_value(struct reader *reader, struct value *value)
{
    uint64_t bits;
    const uint8_t *data;
    size_t size;
    switch (reader_u8(reader)) {
    case CURSOR_INTEGER: *value = value_integer((int64_t)reader_u64(reader)); return 1;
    case CURSOR_DATETIME:
        *value = value_integer((int64_t)reader_u64(reader));
        value->kind = VALUE_DATETIME;
        return 1;
    case CURSOR_FLOAT:
        bits = reader_u64(reader);
        *value = value_float(0);
        memcpy(&value->number, &bits, sizeof bits);
        return isfinite(value->number);
    case CURSOR_BOOLEAN:
        size = reader_u8(reader);
        *value = value_boolean(size == 1);
        return size <= 1;
    case CURSOR_STRING:
        data = read_bytes(reader, PAGE_TEXT_MAX, &size);
        *value = value_string((const char *)data, size);
        return 1;
    case CURSOR_UUID:
        data = reader_bytes(reader, sizeof value->uuid);
        *value = (struct value){.kind = VALUE_UUID};
        if (data)
            memcpy(value->uuid, data, sizeof value->uuid);
        return 1;
    default: return 0;
    }
}

/* The value's kind may be that of an earlier type of the field. */
static int is_of_type(const struct value *value, enum field_type type)
{
    switch (value->kind) {
    case VALUE_STRING: return type == FIELD_KEYWORD || type == FIELD_TEXT;
    case VALUE_INTEGER:
    case VALUE_FLOAT: return type == FIELD_INTEGER || type == FIELD_FLOAT;
    case VALUE_BOOLEAN: return type == FIELD_BOOLEAN;
    case VALUE_DATETIME: return type == FIELD_DATETIME;
    case VALUE_UUID: return type == FIELD_UUID;
    }
    return 0;
}

static lode_status check_order(const char *path, size_t size, int descending,
                               const struct cursor_order *order, lode_error *error)
{
    const struct field *field = order->field;
    int same_field =
        field ? path && size == field->path_size && memcmp(path, field->path, size) == 0 : !path;
    if (same_field && !descending == !order->descending)
        return LODE_OK;
    return error_set(error, LODE_INVALID,
                     "after: the cursor is of an order by %.*s, %s; asked is one by %.80s, %s",
                     path ? (int)(size < 80 ? size : 80) : 2, path ? path : "id",
                     descending ? "descending" : "ascending", field ? field->path : "id",
                     order->descending ? "descending" : "ascending");
}

static lode_status read_place(struct cursor *cursor, struct reader *reader,
                              const struct cursor_order *order, lode_error *error)
{
    struct place *place = &cursor->place;
    const uint8_t *path = NULL;
    size_t size = 0;
    lode_id id;
    unsigned version = reader_u8(reader), flags = reader_u8(reader);
    if (version != CURSOR_VERSION || (flags & ~(unsigned)ALL_FLAGS) ||
        (flags & HAS_VALUE && !(flags & BY_FIELD)))
        return is_none(error);
    if (flags & BY_FIELD)
        path = read_bytes(reader, FIELD_PATH_SIZE_MAX, &size);
    if (flags & BY_FIELD && (!path || utf8_valid_prefix((const char *)path, size) != size))
        return is_none(error);
    place->has_value = (flags & HAS_VALUE) != 0;
    if (place->has_value && !read_value(reader, &place->value))
        return is_none(error);
    place->id = read_bytes(reader, ID_BYTES_MAX, &place->id_size);
    if (!place->id || reader_left(reader) > 0 || id_decode(place->id, place->id_size, &id, NULL))
        return is_none(error);
    lode_status status =
        check_order((const char *)path, size, (flags & DESCENDING) != 0, order, error);
    if (!status && place->has_value && !is_of_type(&place->value, order->field->type))
        return error_set(error, LODE_INVALID,
                         "after: the cursor is of a time when field '%.80s' was not %s",
                         order->field->path, field_type_name(order->field->type));
    return status;
}

lode_status cursor_read(struct cursor *cursor, const char *text, const struct cursor_order *order,
                        lode_error *error)
{
    size_t size = strnlen(text, LODE_CURSOR_SIZE_MAX + 1);
    struct reader reader, tail;
    int valid = 0;
    *cursor = (struct cursor){0};
    buf_init(&cursor->bytes, LODE_CURSOR_SIZE_MAX);
    if (size > LODE_CURSOR_SIZE_MAX)
        return is_none(error);
    lode_status status = base64_read(&cursor->bytes, text, size, &valid, error);
    if (status)
        return status;
    if (!valid || cursor->bytes.size < 4)
        return is_none(error);
    size_t sum_at = cursor->bytes.size - 4;
    reader_init(&tail, cursor->bytes.data + sum_at, 4);
    if (reader_u32(&tail) != (uint32_t)checksum64(cursor->bytes.data, sum_at))
        return is_none(error);
    reader_init(&reader, cursor->bytes.data, sum_at);
    return read_place(cursor, &reader, order, error);
}

void cursor_release(struct cursor *cursor)
{
    buf_release(&cursor->bytes);
}
