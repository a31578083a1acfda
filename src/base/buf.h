/* buf.h: a growable byte buffer with a declared maximum. Not thread-safe. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/error.h"

struct buf {
    uint8_t *data;
    size_t size;
    size_t capacity;
    size_t size_max; /* growing beyond it is LODE_LIMIT */
};

void buf_init(struct buf *buf, size_t size_max);
void buf_release(struct buf *buf); /* frees; the buf may be used again as after init */
void buf_clear(struct buf *buf);   /* empty, capacity kept */
/* Room for `size` more bytes after data[size]. */
NODISCARD lode_status buf_reserve(struct buf *buf, size_t size, lode_error *error);
NODISCARD lode_status buf_append(struct buf *buf, const void *data, size_t size, lode_error *error);
NODISCARD lode_status buf_append_u8(struct buf *buf, uint8_t value, lode_error *error);
NODISCARD lode_status buf_append_u16(struct buf *buf, uint16_t value, lode_error *error); /* LE */
NODISCARD lode_status buf_append_u32(struct buf *buf, uint32_t value, lode_error *error);
NODISCARD lode_status buf_append_u64(struct buf *buf, uint64_t value, lode_error *error);
NODISCARD lode_status buf_printf(struct buf *buf, lode_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Ends data with a NUL that is not counted in size. */
NODISCARD lode_status buf_terminate(struct buf *buf, lode_error *error);

/* A bounded reader over borrowed bytes: every take checks what is left. After a short read `failed`
 * stays set and all later takes give zeros, so that a decoder may check once at its end. */
struct reader {
    const uint8_t *data;
    size_t size;
    size_t offset;
    int failed;
};

void reader_init(struct reader *reader, const void *data, size_t size);
size_t reader_left(const struct reader *reader);
uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16(struct reader *reader);
uint32_t reader_u32(struct reader *reader);
uint64_t reader_u64(struct reader *reader);
float reader_f32(struct reader *reader);
/* Borrowed pointer to the next `size` bytes, or NULL (and failed). */
const uint8_t *reader_bytes(struct reader *reader, size_t size);

#endif
