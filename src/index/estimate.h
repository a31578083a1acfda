/* estimate.h: how much memory an index takes, before it is made: what a memory budget plans with. Never less than
 * what is taken, but for a few percent of what malloc keeps; tests/index/test_estimate.c measures it. */
#ifndef INDEX_ESTIMATE_H
#define INDEX_ESTIMATE_H

#include "index/index.h"

struct estimate {
    uint64_t fixed;   /* bytes, whatever the number of rows */
    uint64_t per_row; /* bytes */
};

/* Of index_qg.build and of writing what it made, on so many threads. */
struct estimate estimate_build(const struct index_params *params, const struct space *space,
                               unsigned threads);
/* Of index_hnsw.create with codes, into which rows are inserted by one thread: an overlay. */
struct estimate estimate_overlay(const struct index_params *params, const struct space *space);

static inline uint64_t estimate_bytes(struct estimate estimate, uint64_t rows)
{
    return estimate.fixed + rows * estimate.per_row;
}

/* As many rows as so many bytes allow; 0: not even one. */
static inline uint64_t estimate_rows(struct estimate estimate, uint64_t bytes)
{
    return bytes > estimate.fixed ? (bytes - estimate.fixed) / estimate.per_row : 0;
}

#endif
