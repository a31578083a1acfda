/* index_kit.h: seeded vectors, rows encoded from them, and exact answers, for the tests of indexes. */
#ifndef TESTS_INDEX_KIT_H
#define TESTS_INDEX_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "base/random.h"
#include "index/index.h"

enum data_kind {
    DATA_CLUSTERED,  /* 20 centres, chosen at random */
    DATA_UNIFORM,    /* one Gaussian */
    DATA_EQUAL,      /* all the same */
    DATA_DUPLICATES, /* 50 different vectors */
    DATA_ZEROS,      /* as clustered, but a third are the same vector */
    DATA_GRID,       /* small integers: most distances are ties */
    DATA_ONE_HOT,    /* unit vectors along an axis: all equally far from each other */
    DATA_TIGHT,    /* 50 clusters, far apart: near rows differ by a fiftieth of a typical length */
    DATA_DENSE,    /* one Gaussian, and one in four as near together as a thousandth of it */
    DATA_LOW_RANK, /* clustered in 12 directions, and a little noise in all */
    DATA_OUTLIERS, /* one Gaussian, and one in a hundred is a thousand times as far */
    DATA_LENGTHS,  /* clustered, of spread lengths; one in 1,000 zero */
    DATA_LONG,     /* the same, but one in 1,000 is 100 times as long */
};

struct data {
    struct space space;
    struct rows rows;
    uint8_t *bytes; /* `count` rows, then `query_count` queries */
    uint32_t count, query_count;
};

struct space data_space(lode_metric metric, lode_scalar scalar, size_t dim);
void data_init(struct data *data, enum data_kind kind, struct space space, uint32_t count,
               uint32_t query_count);
void data_release(struct data *data);
const void *data_query(const struct data *data, uint32_t i);

/* Search; asserts that hits are allowed, in order, distinct and truly at their distances. Sets the
 * query's topk and counts. */
void data_search(const struct data *data, const struct index *index, struct index_query *query,
                 struct topk *topk);

/* Mean share of the true 10 nearest found, counting by distance so that ties do not matter. Asserts
 * that every search returns 10 hits, or as many as there are allowed rows. */
double data_recall(const struct data *data, const struct index *index, uint32_t ef,
                   uint32_t row_limit, const uint64_t *allowed);

#endif
