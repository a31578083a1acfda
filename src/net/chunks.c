/* chunks.c: a queue of bytes in pieces. */
#include "net/chunks.h"

#include <stdlib.h>
#include <string.h>

/* Fill what room the last chunk has; how many bytes that was. */
static size_t fill_last(struct chunks *chunks, const uint8_t *data, size_t size)
{
    struct chunk *last = chunks->last;
    if (!last || !size)
        return 0;
    size_t room = last->capacity - last->end;
    size_t count = size < room ? size : room;
    memcpy(last->data + last->end, data, count);
    last->end += count;
    return count;
}

static lode_status add_chunk(struct chunks *chunks, const uint8_t *data, size_t size,
                             lode_error *error)
{
    size_t capacity = size < CHUNK_CAPACITY_MIN ? CHUNK_CAPACITY_MIN : size;
    struct chunk *chunk = malloc(sizeof *chunk + capacity);
    if (!chunk)
        return error_nomem(error, "bytes of a stream", capacity);
    *chunk = (struct chunk){.end = size, .capacity = capacity};
    memcpy(chunk->data, data, size);
    if (chunks->last)
        chunks->last->next = chunk;
    else
        chunks->first = chunk;
    chunks->last = chunk;
    return LODE_OK;
}

lode_status chunks_append(struct chunks *chunks, const void *data, size_t size, lode_error *error)
{
    size_t filled = fill_last(chunks, data, size);
    lode_status status = LODE_OK;
    if (filled < size)
        status = add_chunk(chunks, (const uint8_t *)data + filled, size - filled, error);
    chunks->size += status ? filled : size;
    return status;
}

struct chunk *chunks_take(struct chunks *chunks)
{
    struct chunk *chunk = chunks->first;
    if (!chunk)
        return NULL;
    chunks->first = chunk->next;
    if (!chunks->first)
        chunks->last = NULL;
    chunks->size -= chunk->end - chunk->begin;
    return chunk;
}

size_t chunks_read(struct chunks *chunks, void *data, size_t size)
{
    size_t total = 0;
    while (total < size && chunks->size) {
        struct chunk *chunk = chunks->first;
        size_t left = chunk->end - chunk->begin;
        size_t count = size - total < left ? size - total : left;
        memcpy((uint8_t *)data + total, chunk->data + chunk->begin, count);
        chunk->begin += count;
        chunks->size -= count;
        total += count;
        if (count == left)
            free(chunks_take(chunks));
    }
    return total;
}

void chunks_release(struct chunks *chunks)
{
    struct chunk *chunk;
    while ((chunk = chunks_take(chunks)) != NULL)
        free(chunk);
}
