/* word_table.h: words to numbers 0, 1, 2, ... in the order they are first added. */
#ifndef EMBED_WORD_TABLE_H
#define EMBED_WORD_TABLE_H

#include "base/error.h"
#include "embed/tokens.h"

#define WORD_NONE UINT32_MAX

struct word_table {
    char *bytes; /* the words, one after another */
    size_t bytes_size;
    size_t bytes_capacity;
    uint32_t *ends; /* ends[i]: where word i ends in bytes */
    uint32_t count;
    uint32_t capacity;
    uint32_t *slots; /* open addressing: number + 1, or 0 for free; at most half full */
    uint32_t slot_count;
};

void word_table_init(struct word_table *table);
void word_table_release(struct word_table *table);
/* The number of a word, or WORD_NONE. */
uint32_t word_table_find(const struct word_table *table, const char *word, size_t size);
/* The number of a word of 0 to WORD_SIZE_MAX bytes, added when new. LODE_LIMIT beyond 4 GiB of words. */
NODISCARD lode_status word_table_add(struct word_table *table, const char *word, size_t size,
                                     uint32_t *ret_number, lode_error *error);
size_t word_table_memory(const struct word_table *table);

static inline const char *word_table_word(const struct word_table *table, uint32_t number,
                                          size_t *ret_size)
{
    uint32_t begin = number ? table->ends[number - 1] : 0;
    *ret_size = table->ends[number] - begin;
    return table->bytes + begin;
}

/* By bytes, a word before its continuations: <0, 0, >0. */
int word_compare(const char *a, size_t a_size, const char *b, size_t b_size);

/* What was found for the words last seen, so that a frequent word is stemmed once. Exact: an entry
 * keeps its word. Direct-mapped: a newer word replaces an older one of the same slot. */
#define WORD_CACHE_SLOTS         8192
#define WORD_CACHE_WORD_SIZE_MAX 27 /* longer words are rare and not kept; makes entries 32 bytes */

struct word_cache {
    struct word_cache_entry {
        uint32_t number;
        uint8_t size; /* 0: free */
        char word[WORD_CACHE_WORD_SIZE_MAX];
    } entries[WORD_CACHE_SLOTS];
};

/* The entry where the word is, or would be: compare with word_cache_has, fill with word_cache_put. */
struct word_cache_entry *word_cache_at(struct word_cache *cache, const char *word, size_t size);
int word_cache_has(const struct word_cache_entry *entry, const char *word, size_t size);
void word_cache_put(struct word_cache_entry *entry, const char *word, size_t size, uint32_t number);

#endif
