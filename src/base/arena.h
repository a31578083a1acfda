/* arena.h: many small allocations freed at once. 16-byte aligned. Not thread-safe. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena_block;
struct arena {
    struct arena_block *blocks;
    size_t used_bytes; /* taken from malloc: whole blocks with their headers */
};

void arena_init(struct arena *arena);
void arena_release(struct arena *arena);
void *arena_alloc(struct arena *arena, size_t size); /* uninitialised; NULL: out of memory */
void *arena_alloc_zero(struct arena *arena, size_t size);
char *arena_copy(struct arena *arena, const void *data, size_t size); /* adds a NUL after it */

#endif
