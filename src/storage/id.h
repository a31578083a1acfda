/* id.h: point ids as bytes, the form in which they are stored, hashed and ordered.
 *
 * One kind byte (lode_id_kind), then: number, 8 bytes big-endian; UUID, 16 bytes; string, its bytes.
 * memcmp of the common length, then the shorter first, is the order lode.h promises. */
#ifndef STORAGE_ID_H
#define STORAGE_ID_H

#include "base/error.h"

#define ID_BYTES_MAX (1 + LODE_ID_SIZE_MAX)

/* Check a caller's id: kind, length, UTF-8, no NUL. LODE_INVALID / LODE_LIMIT. */
NODISCARD lode_status id_check(const lode_id *id, lode_error *error);
/* Encode a checked id; returns the bytes written. */
size_t id_encode(const lode_id *id, uint8_t bytes[ID_BYTES_MAX]);
/* Decode stored bytes, borrowing a string. LODE_CORRUPT when they are not an id. */
NODISCARD lode_status id_decode(const uint8_t *bytes, size_t size, lode_id *ret_id,
                                lode_error *error);
uint64_t id_hash(const uint8_t *bytes, size_t size); /* stored in files: never change */
int id_order(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size);
/* For messages: "7", "3f2c...", "'name'" cut to fit. Returns text. */
const char *id_describe(const lode_id *id, char *text, size_t text_size);

#endif
