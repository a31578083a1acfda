/* leaves.h: single conditions, for evaluate.c. */
#ifndef COLUMN_LEAVES_H
#define COLUMN_LEAVES_H

#include "column/evaluate.h"

#define EVALUATION_SETS (2 * FILTER_DEPTH_MAX + 2) /* one or two at each level */

struct bounds {
    uint64_t *must, *may;
};

struct evaluation {
    const struct column_query *query;
    const struct columns *columns;
    size_t word_count;
    const struct path *outer; /* of the nested filter at hand; NULL: none */
    struct arena arena;       /* of joined paths */
    struct bounds pool[EVALUATION_SETS];
    size_t used;
    lode_error *error;
};

/* All but the last fill both bounds. */
NODISCARD lode_status leaves_evaluate(struct evaluation *evaluation, const struct filter *filter,
                                      struct bounds *bounds);
/* Whether rows have the field of the filter at all. */
NODISCARD lode_status leaves_exists(struct evaluation *evaluation, const struct filter *filter,
                                    struct bounds *bounds);
/* About how many rows, from what is known without reading them; more than there are: it takes long to tell. */
NODISCARD lode_status leaves_estimate(struct evaluation *evaluation, const struct filter *filter,
                                      uint64_t *ret_rows);
/* Take the rows that do not match out of both bounds, at most `left` of which may match so far, if that can be told row by
 * row and takes less time than gathering all that do: *ret_done. */
NODISCARD lode_status leaves_probe(struct evaluation *evaluation, const struct filter *filter,
                                   struct bounds *bounds, uint64_t left, int *ret_done);

lode_status leaves_nomem(struct evaluation *evaluation);
#ifdef __clang_analyzer__ /* as in base/error.h */
#define leaves_nomem(evaluation) ((void)leaves_nomem(evaluation), LODE_NOMEM)
#endif

#endif
