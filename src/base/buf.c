/* buf.c: growable buffer and bounded reader. Capacity doubles, so that appends cost a constant time
 * each on average; it may exceed size_max by one byte, the room of buf_terminate's NUL. */
#include "base/buf.h"

#include "base/le.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CAPACITY_MIN 64

void buf_init(struct buf *buf, size_t size_max)
{
    *buf = (struct buf){.size_max = size_max};
}

void buf_release(struct buf *buf)
{
    free(buf->data);
    buf_init(buf, buf->size_max);
}

void buf_clear(struct buf *buf)
{
    buf->size = 0;
}

/* Make the capacity at least `wanted`, whatever size_max says. */
static lode_status grow(struct buf *buf, size_t wanted, lode_error *error)
{
    if (wanted <= buf->capacity)
        return LODE_OK;
    size_t capacity = buf->capacity > SIZE_MAX / 2 ? wanted : buf->capacity * 2;
    if (capacity > buf->size_max)
        capacity = buf->size_max;
    if (capacity < CAPACITY_MIN)
        capacity = CAPACITY_MIN;
    if (capacity < wanted)
        capacity = wanted;
    uint8_t *data = realloc(buf->data, capacity);
    if (!data)
        return error_nomem(error, "a buffer", capacity);
    buf->data = data;
    buf->capacity = capacity;
    return LODE_OK;
}

static lode_status check_room(const struct buf *buf, size_t size, lode_error *error)
{
    if (size <= buf->size_max && buf->size <= buf->size_max - size)
        return LODE_OK;
    return error_set(error, LODE_LIMIT, "buffer of %zu bytes and %zu more: over its limit of %zu",
                     buf->size, size, buf->size_max);
}

lode_status buf_reserve(struct buf *buf, size_t size, lode_error *error)
{
    lode_status status = check_room(buf, size, error);
    return status ? status : grow(buf, buf->size + size, error);
}

lode_status buf_append(struct buf *buf, const void *data, size_t size, lode_error *error)
{
    lode_status status = buf_reserve(buf, size, error);
    if (status || size == 0)
        return status;
    memcpy(buf->data + buf->size, data, size);
    buf->size += size;
    return LODE_OK;
}

lode_status buf_append_u8(struct buf *buf, uint8_t value, lode_error *error)
{
    return buf_append(buf, &value, sizeof value, error);
}

lode_status buf_append_u16(struct buf *buf, uint16_t value, lode_error *error)
{
    uint8_t bytes[sizeof value];
    le_store_u16(bytes, value);
    return buf_append(buf, bytes, sizeof bytes, error);
}

lode_status buf_append_u32(struct buf *buf, uint32_t value, lode_error *error)
{
    uint8_t bytes[sizeof value];
    le_store_u32(bytes, value);
    return buf_append(buf, bytes, sizeof bytes, error);
}

lode_status buf_append_u64(struct buf *buf, uint64_t value, lode_error *error)
{
    uint8_t bytes[sizeof value];
    le_store_u64(bytes, value);
    return buf_append(buf, bytes, sizeof bytes, error);
}

lode_status buf_printf(struct buf *buf, lode_error *error, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (size < 0)
        return error_set(error, LODE_INVALID, "cannot format \"%s\"", format);
    lode_status status = check_room(buf, (size_t)size, error);
    if (!status)
        status = grow(buf, buf->size + (size_t)size + 1, error);
    if (status)
        return status;
    va_start(args, format);
    vsnprintf((char *)buf->data + buf->size, (size_t)size + 1, format, args);
    va_end(args);
    buf->size += (size_t)size;
    return LODE_OK;
}

lode_status buf_terminate(struct buf *buf, lode_error *error)
{
    lode_status status = grow(buf, buf->size + 1, error);
    if (!status)
        buf->data[buf->size] = 0;
    return status;
}

void reader_init(struct reader *reader, const void *data, size_t size)
{
    *reader = (struct reader){.data = data, .size = size};
}

size_t reader_left(const struct reader *reader)
{
    return reader->failed ? 0 : reader->size - reader->offset;
}

const uint8_t *reader_bytes(struct reader *reader, size_t size)
{
    if (reader->failed || size > reader->size - reader->offset) {
        reader->failed = 1;
        return NULL;
    }
    /* Never NULL on success, even for no bytes of no data. */
    const uint8_t *bytes = reader->data ? reader->data + reader->offset : (const uint8_t *)"";
    reader->offset += size;
    return bytes;
}

uint8_t reader_u8(struct reader *reader)
{
    const uint8_t *bytes = reader_bytes(reader, sizeof(uint8_t));
    return bytes ? *bytes : 0;
}

uint16_t reader_u16(struct reader *reader)
{
    const uint8_t *bytes = reader_bytes(reader, sizeof(uint16_t));
    return bytes ? le_load_u16(bytes) : 0;
}

uint32_t reader_u32(struct reader *reader)
{
    const uint8_t *bytes = reader_bytes(reader, sizeof(uint32_t));
    return bytes ? le_load_u32(bytes) : 0;
}

uint64_t reader_u64(struct reader *reader)
{
    const uint8_t *bytes = reader_bytes(reader, sizeof(uint64_t));
    return bytes ? le_load_u64(bytes) : 0;
}

float reader_f32(struct reader *reader)
{
    const uint8_t *bytes = reader_bytes(reader, sizeof(float));
    return bytes ? le_load_f32(bytes) : 0.0f;
}
