/* hash.h: XXH3 (xxhash, header-only) for tables and checksums. Stable: values are stored in files. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash64(const void *data, size_t size, uint64_t seed);
static inline uint64_t checksum64(const void *data, size_t size)
{
    return hash64(data, size, 0);
}

/* The same over pieces: init, update any number of times, digest. */
struct hash_stream {
    void *state;
};
int hash_stream_init(struct hash_stream *stream); /* 0, or -1: out of memory */
void hash_stream_update(struct hash_stream *stream, const void *data, size_t size);
uint64_t hash_stream_digest(const struct hash_stream *stream);
void hash_stream_release(struct hash_stream *stream);

#endif
