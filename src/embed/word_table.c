/* word_table.c: a hash table over words stored back to back. */
#include "embed/word_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define SLOTS_FIRST 1024u

void word_table_init(struct word_table *table)
{
    memset(table, 0, sizeof *table);
}

void word_table_release(struct word_table *table)
{
    free(table->bytes);
    free(table->ends);
    free(table->slots);
    word_table_init(table);
}

int word_compare(const char *a, size_t a_size, const char *b, size_t b_size)
{
    int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
    return order ? order : (a_size > b_size) - (a_size < b_size);
}

/* The slot of the word, or the free one where it belongs. */
static uint32_t slot_of(const struct word_table *table, const char *word, size_t size)
{
    uint32_t mask = table->slot_count - 1;
    uint32_t slot = (uint32_t)hash64(word, size, 0) & mask;
    for (; table->slots[slot]; slot = (slot + 1) & mask) {
        size_t other_size;
        const char *other = word_table_word(table, table->slots[slot] - 1, &other_size);
        if (other_size == size && memcmp(other, word, size) == 0)
            break;
    }
    return slot;
}

uint32_t word_table_find(const struct word_table *table, const char *word, size_t size)
{
    if (!table->count)
        return WORD_NONE;
    return table->slots[slot_of(table, word, size)] - 1; /* a free slot, 0, gives WORD_NONE */
}

static lode_status grow_slots(struct word_table *table, lode_error *error)
{
    uint32_t wanted = table->slot_count ? table->slot_count * 2 : SLOTS_FIRST;
    uint32_t *slots = calloc(wanted, sizeof *slots);
    if (!slots)
        return error_nomem(error, "a table of words", wanted * sizeof *slots);
    free(table->slots);
    table->slots = slots;
    table->slot_count = wanted;
    for (uint32_t i = 0; i < table->count; i++) {
        size_t size;
        const char *word = word_table_word(table, i, &size);
        table->slots[slot_of(table, word, size)] = i + 1;
    }
    return LODE_OK;
}

/* Room for one more word of `size` bytes. */
static lode_status grow(struct word_table *table, size_t size, lode_error *error)
{
    if (table->count >= (1u << 30) || table->bytes_size + size > UINT32_MAX)
        return error_set(error, LODE_LIMIT, "more than 4 GiB of distinct words");
    if (table->bytes_size + size > table->bytes_capacity) {
        size_t capacity = table->bytes_capacity * 2 + 4096;
        char *bytes = realloc(table->bytes, capacity);
        if (!bytes)
            return error_nomem(error, "words", capacity);
        table->bytes = bytes;
        table->bytes_capacity = capacity;
    }
    if (table->count == table->capacity) {
        uint32_t capacity = table->capacity * 2 + 512;
        uint32_t *ends = realloc(table->ends, capacity * sizeof *ends);
        if (!ends)
            return error_nomem(error, "words", capacity * sizeof *ends);
        table->ends = ends;
        table->capacity = capacity;
    }
    return (table->count + 1) * 2 > table->slot_count ? grow_slots(table, error) : LODE_OK;
}

lode_status word_table_add(struct word_table *table, const char *word, size_t size,
                           uint32_t *ret_number, lode_error *error)
{
    uint32_t number = word_table_find(table, word, size);
    if (number == WORD_NONE) {
        lode_status status = grow(table, size, error);
        if (status)
            return status;
        table->slots[slot_of(table, word, size)] = table->count + 1;
        memcpy(table->bytes + table->bytes_size, word, size);
        table->bytes_size += size;
        table->ends[table->count] = (uint32_t)table->bytes_size;
        number = table->count++;
    }
    *ret_number = number;
    return LODE_OK;
}

size_t word_table_memory(const struct word_table *table)
{
    return table->bytes_capacity + table->capacity * sizeof *table->ends +
           table->slot_count * sizeof *table->slots;
}

struct word_cache_entry *word_cache_at(struct word_cache *cache, const char *word, size_t size)
{
    return &cache->entries[hash64(word, size, 0) % WORD_CACHE_SLOTS];
}

int word_cache_has(const struct word_cache_entry *entry, const char *word, size_t size)
{
    return entry->size == size && memcmp(entry->word, word, size) == 0;
}

void word_cache_put(struct word_cache_entry *entry, const char *word, size_t size, uint32_t number)
{
    if (size > WORD_CACHE_WORD_SIZE_MAX)
        return;
    memcpy(entry->word, word, size);
    entry->size = (uint8_t)size;
    entry->number = number;
}
