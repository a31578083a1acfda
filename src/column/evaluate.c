/* evaluate.c: sets of rows are plain bits: at a million rows, combining two of them reads 250 kB, which is in the
 * processor's cache. A conjunction asks for the rarest first, and of a few rows that are left, for their values
 * instead of for the rows of all values. */
#include "column/evaluate.h"

#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "base/le.h"
#include "column/leaves.h"
#include "column/set.h"
#include "os/spare.h"
#include "os/stop.h"

/* --- Sets --------------------------------------------------------------------------------------- */

static size_t bounds_size(const struct evaluation *evaluation)
{
    return evaluation->word_count * sizeof(uint64_t) * 2 + 16;
}

static struct bounds *take(struct evaluation *evaluation)
{
    struct bounds *bounds = &evaluation->pool[evaluation->used];
    INVARIANT(evaluation->used < EVALUATION_SETS);
    if (!bounds->must) {
        bounds->must = spare_take(bounds_size(evaluation));
        bounds->may = bounds->must ? bounds->must + evaluation->word_count : NULL;
    }
    if (!bounds->must)
        return NULL;
    evaluation->used++;
    return bounds;
}

static void give(struct evaluation *evaluation)
{
    evaluation->used--;
}

static void set_all(const struct evaluation *evaluation, uint64_t *words, int truth)
{
    memset(words, 0, evaluation->word_count * sizeof *words);
    if (truth)
        words_fill(words, 0, evaluation->columns->row_count);
}

static int is_empty(const struct evaluation *evaluation, const uint64_t *words)
{
    uint64_t any = 0;
    for (size_t w = 0; w < evaluation->word_count; w++)
        any |= words[w];
    return any == 0;
}

static void intersect(const struct evaluation *evaluation, struct bounds *into,
                      const struct bounds *with)
{
    for (size_t w = 0; w < evaluation->word_count; w++) {
        into->must[w] &= with->must[w];
        into->may[w] &= with->may[w];
    }
}

static void unite(const struct evaluation *evaluation, struct bounds *into,
                  const struct bounds *with)
{
    for (size_t w = 0; w < evaluation->word_count; w++) {
        into->must[w] |= with->must[w];
        into->may[w] |= with->may[w];
    }
}

/* --- Groups ------------------------------------------------------------------------------------- */

static lode_status evaluate(struct evaluation *evaluation, const struct filter *filter,
                            struct bounds *bounds);

/* Inside of a nested filter rows stand for their elements: that some element does not match says nothing. */
static lode_status evaluate_not(struct evaluation *evaluation, const struct filter *filter,
                                struct bounds *bounds)
{
    if (evaluation->outer) {
        set_all(evaluation, bounds->must, 0);
        set_all(evaluation, bounds->may, 1);
        return LODE_OK;
    }
    struct bounds *item = take(evaluation);
    if (!item)
        return leaves_nomem(evaluation);
    lode_status status = evaluate(evaluation, filter->group.items[0], item);
    set_all(evaluation, bounds->must, 1);
    set_all(evaluation, bounds->may, 1);
    for (size_t w = 0; !status && w < evaluation->word_count; w++) {
        bounds->must[w] &= ~item->may[w];
        bounds->may[w] &= ~item->must[w];
    }
    give(evaluation);
    return status;
}

static lode_status evaluate_or(struct evaluation *evaluation, const struct filter *filter,
                               struct bounds *bounds)
{
    struct bounds *item = take(evaluation);
    lode_status status = item ? LODE_OK : leaves_nomem(evaluation);
    set_all(evaluation, bounds->must, 0);
    set_all(evaluation, bounds->may, 0);
    for (uint32_t i = 0; !status && i < filter->group.count; i++) {
        status = evaluate(evaluation, filter->group.items[i], item);
        if (!status)
            unite(evaluation, bounds, item);
    }
    if (item)
        give(evaluation);
    return status;
}

struct ranked {
    const struct filter *filter;
    uint64_t rows; /* at most, or how hard it is to tell */
};

static int by_rows(const void *a, const void *b)
{
    uint64_t x = ((const struct ranked *)a)->rows, y = ((const struct ranked *)b)->rows;
    return (x > y) - (x < y);
}

/* One condition more. Where few rows are left, or would be many without it, the values of those that are left are
 * looked at. */
static lode_status narrow(struct evaluation *evaluation, const struct ranked *ranked, uint64_t left,
                          struct bounds *bounds, struct bounds *item)
{
    int done = 0;
    lode_status status = LODE_OK;
    if (left < ranked->rows / 4 || ranked->rows > evaluation->columns->row_count / 8)
        status = leaves_probe(evaluation, ranked->filter, bounds, left, &done);
    if (status || done)
        return status;
    status = evaluate(evaluation, ranked->filter, item);
    if (!status)
        intersect(evaluation, bounds, item);
    return status;
}

static lode_status evaluate_ranked(struct evaluation *evaluation, const struct ranked *ranked,
                                   uint32_t count, struct bounds *bounds)
{
    struct bounds *item = take(evaluation);
    if (!item)
        return leaves_nomem(evaluation);
    lode_status status = evaluate(evaluation, ranked[0].filter, bounds);
    for (uint32_t i = 1; !status && i < count && !is_empty(evaluation, bounds->may); i++)
        status = narrow(evaluation, &ranked[i], ranked[0].rows, bounds, item);
    give(evaluation);
    return status;
}

static lode_status evaluate_and(struct evaluation *evaluation, const struct filter *filter,
                                struct bounds *bounds)
{
    uint32_t count = filter->group.count;
    struct ranked *ranked = malloc(count * sizeof *ranked);
    lode_status status = ranked ? LODE_OK : leaves_nomem(evaluation);
    for (uint32_t i = 0; !status && i < count; i++) {
        ranked[i].filter = filter->group.items[i];
        status = leaves_estimate(evaluation, ranked[i].filter, &ranked[i].rows);
    }
    if (!status) {
        qsort(ranked, count, sizeof *ranked, by_rows);
        status = evaluate_ranked(evaluation, ranked, count, bounds);
    }
    free(ranked);
    return status;
}

static void count_rows(const struct evaluation *evaluation, const uint64_t *words, uint32_t *counts)
{
    for (size_t w = 0; w < evaluation->word_count; w++)
        for (uint64_t left = words[w]; left; left &= left - 1)
            counts[w * 64 + (unsigned)__builtin_ctzll(left)]++;
}

static void at_least(const struct evaluation *evaluation, const uint32_t *counts, uint32_t least,
                     uint64_t *words)
{
    set_all(evaluation, words, 0);
    for (uint32_t row = 0; row < evaluation->columns->row_count; row++)
        if (counts[row] >= least)
            bitset_set(words, row);
}

static lode_status evaluate_at_least(struct evaluation *evaluation, const struct filter *filter,
                                     struct bounds *bounds)
{
    uint32_t rows = evaluation->columns->row_count;
    size_t size = ((size_t)rows * 2 + 1) * sizeof(uint32_t);
    uint32_t *counts = spare_take_zeroed(size);
    struct bounds *item = take(evaluation);
    lode_status status = counts && item ? LODE_OK : leaves_nomem(evaluation);
    for (uint32_t i = 0; !status && i < filter->group.count; i++) {
        status = evaluate(evaluation, filter->group.items[i], item);
        if (status)
            break;
        count_rows(evaluation, item->must, counts);
        count_rows(evaluation, item->may, counts + rows);
    }
    if (!status) {
        at_least(evaluation, counts, filter->group.least, bounds->must);
        at_least(evaluation, counts + rows, filter->group.least, bounds->may);
    }
    spare_give(counts, size);
    if (item)
        give(evaluation);
    return status;
}

/* Rows whose elements together satisfy what one element has to: one of them may. */
static lode_status evaluate_nested(struct evaluation *evaluation, const struct filter *filter,
                                   struct bounds *bounds)
{
    const struct path *outer = evaluation->outer, *inner = filter->path;
    lode_status status = LODE_OK;
    if (outer)
        status = path_join(&evaluation->arena, outer, filter->path, &inner, evaluation->error);
    if (status)
        return status;
    evaluation->outer = inner;
    status = evaluate(evaluation, filter->group.items[0], bounds);
    evaluation->outer = outer;
    struct bounds *exists = take(evaluation);
    if (!status && !exists)
        status = leaves_nomem(evaluation);
    if (!status)
        status = leaves_exists(evaluation, filter, exists);
    for (size_t w = 0; !status && w < evaluation->word_count; w++)
        bounds->may[w] &= exists->may[w];
    set_all(evaluation, bounds->must, 0);
    if (exists)
        give(evaluation);
    return status;
}

static lode_status evaluate(struct evaluation *evaluation, const struct filter *filter,
                            struct bounds *bounds)
{
    lode_status status = stop_look(evaluation->query->stop, evaluation->error);
    if (status)
        return status;
    switch (filter->kind) {
    case FILTER_TRUE:
    case FILTER_FALSE:
        set_all(evaluation, bounds->must, filter->kind == FILTER_TRUE);
        set_all(evaluation, bounds->may, filter->kind == FILTER_TRUE);
        return LODE_OK;
    case FILTER_AND: return evaluate_and(evaluation, filter, bounds);
    case FILTER_OR: return evaluate_or(evaluation, filter, bounds);
    case FILTER_NOT: return evaluate_not(evaluation, filter, bounds);
    case FILTER_AT_LEAST: return evaluate_at_least(evaluation, filter, bounds);
    case FILTER_NESTED: return evaluate_nested(evaluation, filter, bounds);
    default: return leaves_evaluate(evaluation, filter, bounds);
    }
}

/* --- Estimates ---------------------------------------------------------------------------------- */

static lode_status estimate(struct evaluation *evaluation, const struct filter *filter,
                            double *ret_share);

/* As if conditions knew nothing of one another. */
static lode_status estimate_group(struct evaluation *evaluation, const struct filter *filter,
                                  double *ret_share)
{
    double all = 1, none = 1, sum = 0;
    lode_status status = LODE_OK;
    for (uint32_t i = 0; !status && i < filter->group.count; i++) {
        double share = 0;
        status = estimate(evaluation, filter->group.items[i], &share);
        all *= share;
        none *= 1 - share;
        sum += share;
    }
    *ret_share = filter->kind == FILTER_AND  ? all
                 : filter->kind == FILTER_OR ? 1 - none
                                             : sum / (filter->group.least + 1);
    if (*ret_share > 1)
        *ret_share = 1;
    return status;
}

static lode_status estimate_leaf(struct evaluation *evaluation, const struct filter *filter,
                                 double *ret_share)
{
    uint64_t rows;
    lode_status status = leaves_estimate(evaluation, filter, &rows);
    if (!status && evaluation->columns->row_count > 0)
        *ret_share = (double)rows / evaluation->columns->row_count;
    if (*ret_share > 1)
        *ret_share = 0.5; /* it takes long to tell */
    return status;
}

static lode_status estimate(struct evaluation *evaluation, const struct filter *filter,
                            double *ret_share)
{
    lode_status status = LODE_OK;
    switch (filter->kind) {
    case FILTER_TRUE:
    case FILTER_FALSE: *ret_share = filter->kind == FILTER_TRUE; return LODE_OK;
    case FILTER_AND:
    case FILTER_OR:
    case FILTER_AT_LEAST: return estimate_group(evaluation, filter, ret_share);
    case FILTER_NESTED: *ret_share = 0.5; return LODE_OK;
    case FILTER_NOT:
        status = estimate(evaluation, filter->group.items[0], ret_share);
        *ret_share = 1 - *ret_share;
        return status;
    default: return estimate_leaf(evaluation, filter, ret_share);
    }
}

static lode_status begin(const struct column_query *query, struct evaluation **ret_evaluation,
                         lode_error *error)
{
    struct evaluation *evaluation = calloc(1, sizeof *evaluation);
    if (!evaluation)
        return error_nomem(error, "a filter", sizeof *evaluation);
    evaluation->query = query;
    evaluation->columns = query->columns;
    evaluation->word_count = bitset_words(query->columns->row_count);
    evaluation->error = error;
    arena_init(&evaluation->arena);
    *ret_evaluation = evaluation;
    return LODE_OK;
}

static void end(struct evaluation *evaluation)
{
    for (size_t i = 0; i < EVALUATION_SETS; i++)
        spare_give(evaluation->pool[i].must, bounds_size(evaluation));
    arena_release(&evaluation->arena);
    free(evaluation);
}

lode_status columns_estimate(const struct column_query *query, uint32_t *ret_rows,
                             lode_error *error)
{
    struct evaluation *evaluation = NULL;
    double share = 0;
    lode_status status = begin(query, &evaluation, error);
    if (status)
        return status;
    status = estimate(evaluation, query->filter, &share);
    end(evaluation);
    if (!status)
        *ret_rows = (uint32_t)(share * query->columns->row_count + 0.5);
    return status;
}

lode_status columns_evaluate(const struct column_query *query, uint64_t *must, uint64_t *may,
                             lode_error *error)
{
    struct evaluation *evaluation = NULL;
    lode_status status = begin(query, &evaluation, error);
    if (status)
        return status;
    struct bounds bounds = {must, may};
    status = evaluate(evaluation, query->filter, &bounds);
    end(evaluation);
    return status;
}
