/* chunks.h: a queue of bytes between two threads, in pieces that can be given away whole. Whoever shares one guards it. */
#ifndef NET_CHUNKS_H
#define NET_CHUNKS_H

#include "base/error.h"

#include <stdbool.h>
#include <stdint.h>

#define CHUNK_CAPACITY_MIN ((size_t)16 << 10) /* a frame of HTTP/2 */

struct chunk {
    struct chunk *next;
    size_t begin, end, capacity; /* data[begin, end) is filled */
    uint8_t data[];
};

struct chunks {
    struct chunk *first, *last;
    size_t size; /* bytes in all */
};

NODISCARD lode_status chunks_append(struct chunks *chunks, const void *data, size_t size,
                                    lode_error *error);
/* Move at most `size` bytes out. */
size_t chunks_read(struct chunks *chunks, void *data, size_t size);
/* The first chunk, to be freed by the caller; NULL: empty. */
struct chunk *chunks_take(struct chunks *chunks);
void chunks_release(struct chunks *chunks);

#endif
