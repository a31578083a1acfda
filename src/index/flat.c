/* flat.c: exact scan. Whole words of the allowed set are scanned with one kernel call, or skipped;
 * in mixed words each allowed row is compared alone, so that a scan of few survivors stays cheap. */
#include "index/index.h"

#include "base/bitset.h"

#define BLOCK_ROWS 256u /* distances kept on the stack between kernel and top-k */

/* Distances of rows [first, last), at most BLOCK_ROWS of them. */
static void scan_block(const struct rows *rows, const struct index_query *query, uint32_t first,
                       uint32_t last)
{
    float distances[BLOCK_ROWS];
    const struct space *space = rows->space;
    space->scan(space, query->query, rows_at(rows, first), rows->stride, last - first, distances);
    query->counts->distances += last - first;
    for (uint32_t row = first; row < last; row++)
        if (distances[row - first] <= topk_bound(query->topk))
            topk_push(query->topk, distances[row - first], row);
}

static void scan_range(const struct rows *rows, const struct index_query *query, uint32_t first,
                       uint32_t last)
{
    while (first < last) {
        uint32_t end = last - first > BLOCK_ROWS ? first + BLOCK_ROWS : last;
        scan_block(rows, query, first, end);
        first = end;
    }
}

/* The allowed rows among base + the bits of `word`. */
static void scan_bits(const struct rows *rows, const struct index_query *query, uint32_t base,
                      uint64_t word)
{
    const struct space *space = rows->space;
    query->counts->distances += (unsigned)__builtin_popcountll(word);
    for (; word; word &= word - 1) {
        uint32_t row = base + (uint32_t)__builtin_ctzll(word);
        topk_push(query->topk, space->distance(space, query->query, rows_at(rows, row)), row);
    }
}

/* The bits of rows [first, row_limit) that fall into the word of row `base`. */
static uint64_t word_of(const struct index_query *query, uint32_t first, uint32_t base)
{
    uint64_t word = query->allowed[base / 64];
    if (first > base)
        word &= ~(uint64_t)0 << (first - base);
    if (query->row_limit - base < 64)
        word &= ((uint64_t)1 << (query->row_limit - base)) - 1;
    return word;
}

void flat_search(const struct rows *rows, uint32_t first, const struct index_query *query)
{
    if (!query->allowed) {
        scan_range(rows, query, first, query->row_limit);
        return;
    }
    for (uint32_t base = first & ~63u; base < query->row_limit; base += 64) {
        uint64_t word = word_of(query, first, base);
        if (word == ~(uint64_t)0)
            scan_range(rows, query, base, base + 64);
        else
            scan_bits(rows, query, base, word);
    }
}
