/* id.h: point ids as bytes, the form in which they are stored, hashed and ordered.
 *
 * One kind byte (lode_id_kind), then: number, 8 bytes big-endian; UUID, 16 bytes; string, its bytes.
 * memcmp of the common length, then the shorter first, is the order lode.h promises.
 *
 * The id of a point in a namespace is a prefix and then that: one byte ID_IN_NAMESPACE, one byte of the size of the
 * namespace's name, the name. Ids of no namespace, the default one, have no prefix. Files, tables and logs know
 * these bytes and nothing else of namespaces. */
#ifndef STORAGE_ID_H
#define STORAGE_ID_H

#include "base/error.h"

#define ID_IN_NAMESPACE 4 /* beside lode_id_kind */
#define ID_PREFIX_MAX   (2 + LODE_NAMESPACE_SIZE_MAX)
#define ID_BYTES_MAX    (ID_PREFIX_MAX + 1 + LODE_ID_SIZE_MAX)

struct id_namespace {
    const char *name; /* borrowed */
    size_t size;      /* 0: the default one */
};

/* Check a caller's name: 1 to LODE_NAMESPACE_SIZE_MAX bytes of UTF-8 without control characters. LODE_INVALID,
 * LODE_LIMIT. */
NODISCARD lode_status id_namespace_check(const struct id_namespace *space, lode_error *error);
/* Write the prefix of its ids; returns its size, 0 for the default one. */
size_t id_prefix(const struct id_namespace *space, uint8_t bytes[ID_BYTES_MAX]);
/* The namespace of an id, or of a prefix alone, borrowed. Returns the size of the prefix; 0: it has none, or is no
 * id. */
size_t id_namespace_of(const uint8_t *bytes, size_t size, struct id_namespace *ret_space);
/* Whether stored bytes are of an id in this namespace. */
int id_is_in(const struct id_namespace *space, const uint8_t *bytes, size_t size);

/* Check a caller's id: kind, length, UTF-8, no NUL. LODE_INVALID / LODE_LIMIT. */
NODISCARD lode_status id_check(const lode_id *id, lode_error *error);
/* Encode a checked id of the default namespace; returns the bytes written. */
size_t id_encode(const lode_id *id, uint8_t bytes[ID_BYTES_MAX]);
/* The same in any. */
size_t id_encode_in(const struct id_namespace *space, const lode_id *id,
                    uint8_t bytes[ID_BYTES_MAX]);
/* Decode stored bytes, borrowing a string: the id without its prefix. LODE_CORRUPT when they are not an id. */
NODISCARD lode_status id_decode(const uint8_t *bytes, size_t size, lode_id *ret_id,
                                lode_error *error);
uint64_t id_hash(const uint8_t *bytes, size_t size); /* stored in files: never change */
int id_order(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size);
/* For messages: "7", "3f2c...", "'name'" cut to fit. Returns text. */
const char *id_describe(const lode_id *id, char *text, size_t text_size);

#endif
