/* flat.c: exact scan. Without a filter, blocks of rows are scanned with one kernel call each. Under one,
 * so are 64 rows of which enough are allowed: reading on in order costs less than choosing. Where few
 * are, each is compared alone, those behind it being asked for meanwhile. */
#include "index/index.h"

#include <string.h>

#include "base/bitset.h"
#include "os/stop.h"

#define BLOCK_ROWS 256u /* distances kept on the stack between kernel and top-k */
#define DENSE_BITS 16   /* of 64 allowed: scan them all (measured: docs/decisions/0017) */
#define ALL_BITS   (~(uint64_t)0)
#define GLANCE     16u /* distances compared with the bound at once */

#define ROWS_AHEAD 8u /* rows asked for before they are compared */

/* Between two looks at the caller's wish: */
#define LOOK_BYTES ((uint64_t)1 << 20) /* of rows */
#define LOOK_WORDS 32768u              /* of which few rows are allowed */

/* A scan at work. */
struct scan {
    const struct rows *rows;
    const struct index_query *query;
    uint64_t looked; /* distances at the last look */
    /* Rows that have been asked for and wait to be compared: few and far between, each would be waited for. A ring. */
    uint32_t waiting[ROWS_AHEAD];
    uint32_t begin, end; /* numbers of those in it */
};

static lode_status look(struct scan *scan, lode_error *error)
{
    uint64_t done = scan->query->counts->distances - scan->looked;
    if (!scan->query->stop || done * scan->rows->stride < LOOK_BYTES)
        return LODE_OK;
    scan->looked += done;
    return stop_look(scan->query->stop, error);
}

static void push(const struct index_query *query, float distance, uint32_t row)
{
    if (distance <= topk_bound(query->topk))
        topk_push(query->topk, distance, row);
}

static lode_status scan_block(const struct rows *rows, const struct index_query *query,
                              uint32_t first, uint32_t last, float *ret_distances,
                              lode_error *error)
{
    const struct space *space = rows->space;
    lode_status status = rows_touch(rows, first, last - first, error);
    if (status)
        return status;
    space->scan(space, query->query, rows_at(rows, first), rows->stride, last - first,
                ret_distances);
    query->counts->distances += last - first;
    return LODE_OK;
}

/* Nearly always no row of a block is near: 1 ns a row to find that out one by one is a twentieth of what
 * reading it takes. */
static int none_near(const float *distances, float bound)
{
    typedef float floats __attribute__((vector_size(16)));
    typedef int32_t truths __attribute__((vector_size(16)));
    const floats bounds = {bound, bound, bound, bound};
    truths near = {0};
    for (uint32_t i = 0; i < GLANCE; i += 4) {
        floats four;
        memcpy(&four, distances + i, sizeof four);
        near |= four <= bounds;
    }
    return !(near[0] | near[1] | near[2] | near[3]);
}

static void push_block(const struct index_query *query, const float *distances, uint32_t first,
                       uint32_t last)
{
    for (uint32_t row = first; row < last;) {
        if (last - row >= GLANCE && none_near(distances + (row - first), topk_bound(query->topk))) {
            row += GLANCE;
            continue;
        }
        uint32_t end = last - row < GLANCE ? last : row + GLANCE;
        for (; row < end; row++)
            push(query, distances[row - first], row);
    }
}

static lode_status scan_range(struct scan *scan, uint32_t first, uint32_t last, lode_error *error)
{
    float distances[BLOCK_ROWS];
    for (uint32_t end; first < last; first = end) {
        end = last - first > BLOCK_ROWS ? first + BLOCK_ROWS : last;
        lode_status status = look(scan, error);
        if (!status)
            status = scan_block(scan->rows, scan->query, first, end, distances, error);
        if (status)
            return status;
        push_block(scan->query, distances, first, end);
    }
    return LODE_OK;
}

/* 64 rows from `base`, or fewer at the end; those in `word` are kept. */
static lode_status scan_dense(const struct rows *rows, const struct index_query *query,
                              uint32_t base, uint64_t word, lode_error *error)
{
    float distances[64];
    uint32_t last = query->row_limit - base < 64 ? query->row_limit : base + 64;
    lode_status status = scan_block(rows, query, base, last, distances, error);
    if (status)
        return status;
    for (; word; word &= word - 1) {
        int bit = __builtin_ctzll(word);
        push(query, distances[bit], base + (uint32_t)bit);
    }
    return LODE_OK;
}

static lode_status compare_next(struct scan *scan, lode_error *error)
{
    const struct rows *rows = scan->rows;
    const struct space *space = rows->space;
    uint32_t row = scan->waiting[scan->begin++ % ROWS_AHEAD];
    lode_status status = rows_touch(rows, row, 1, error);
    if (!status)
        push(scan->query, space->distance(space, scan->query->query, rows_at(rows, row)), row);
    return status;
}

static lode_status scan_sparse(struct scan *scan, uint32_t base, uint64_t word, lode_error *error)
{
    lode_status status = LODE_OK;
    scan->query->counts->distances += (unsigned)__builtin_popcountll(word);
    for (; !status && word; word &= word - 1) {
        uint32_t row = base + (uint32_t)__builtin_ctzll(word);
        if (scan->end - scan->begin == ROWS_AHEAD)
            status = compare_next(scan, error);
        rows_prefetch(scan->rows, row);
        scan->waiting[scan->end++ % ROWS_AHEAD] = row;
    }
    return status;
}

/* The bits of rows [first, row_limit) that fall into the word of row `base`. */
static uint64_t word_of(const struct index_query *query, uint32_t first, uint32_t base)
{
    uint64_t word = query->allowed[base / 64];
    if (first > base)
        word &= ALL_BITS << (first - base);
    if (query->row_limit - base < 64)
        word &= ((uint64_t)1 << (query->row_limit - base)) - 1;
    return word;
}

static lode_status scan_word(struct scan *scan, uint32_t base, uint64_t word, lode_error *error)
{
    if (word == ALL_BITS)
        return scan_range(scan, base, base + 64, error);
    lode_status status = look(scan, error);
    if (status)
        return status;
    if (__builtin_popcountll(word) >= DENSE_BITS)
        return scan_dense(scan->rows, scan->query, base, word, error);
    return scan_sparse(scan, base, word, error);
}

lode_status flat_search(const struct rows *rows, uint32_t first, const struct index_query *query,
                        lode_error *error)
{
    struct scan scan = {.rows = rows, .query = query, .looked = query->counts->distances};
    lode_status status = LODE_OK;
    if (!query->allowed)
        return scan_range(&scan, first, query->row_limit, error);
    for (uint32_t base = first & ~63u; !status && base < query->row_limit; base += 64) {
        uint64_t word = word_of(query, first, base);
        if (base / 64 % LOOK_WORDS == LOOK_WORDS - 1)
            status = stop_look(query->stop, error);
        if (word && !status)
            status = scan_word(&scan, base, word, error);
    }
    while (!status && scan.begin < scan.end)
        status = compare_next(&scan, error);
    return status;
}
