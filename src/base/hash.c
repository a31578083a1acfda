/* hash.c: the only file that sees xxhash, which is compiled into it whole: no library to link, and no
 * symbol of its leaves ours. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/hash.h"

uint64_t hash64(const void *data, size_t size, uint64_t seed)
{
    return XXH3_64bits_withSeed(data, size, seed);
}

int hash_stream_init(struct hash_stream *stream)
{
    XXH3_state_t *state = XXH3_createState();
    stream->state = state;
    if (!state)
        return -1;
    XXH3_64bits_reset(state);
    return 0;
}

void hash_stream_update(struct hash_stream *stream, const void *data, size_t size)
{
    if (size)
        XXH3_64bits_update(stream->state, data, size);
}

uint64_t hash_stream_digest(const struct hash_stream *stream)
{
    return XXH3_64bits_digest(stream->state);
}

void hash_stream_release(struct hash_stream *stream)
{
    XXH3_freeState(stream->state);
    stream->state = NULL;
}
