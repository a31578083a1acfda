/* qg_link.c: finding a row its neighbours, and telling them. Everything here compares 7-bit codes.
 *
 * A neighbour is kept unless one kept before it is nearer to it than the row is, by a factor alpha: the
 * relative neighbourhood rule of HNSW and Vamana, which keeps links in all directions. */
#include "index/qg.h"

#include <stdlib.h>
#include <string.h>

#define ALPHA 1.1f /* on squared distances */

#define SPREAD_NEAR 10u /* ranks of the neighbours that qg_spread compares */
#define SPREAD_FAR  100u
#define BLUR        0.5f /* a coordinate, of squared distances; rounding alone makes 1/6 */

struct candidate {
    uint32_t distance, row;
};

struct qg_linker {
    struct qg_scratch *scratch;
    struct candidate *candidates; /* nearest first; of the row being linked */
    uint32_t candidate_count, candidate_capacity;
    struct candidate *other; /* degree + 1: of a row that gets one more link */
    uint32_t *chosen;        /* degree */
    uint32_t *chosen_other;  /* degree */
    uint32_t *batch;         /* degree */
    uint32_t *refused;       /* degree */
};

void qg_linker_free(struct qg_linker *linker)
{
    if (!linker)
        return;
    qg_scratch_free(linker->scratch);
    free(linker->candidates);
    free(linker->other);
    free(linker->chosen);
    free(linker);
}

/* Rows a walk keeps. The first pass may do with fewer where codes have two bits: 0053. */
static uint32_t beam_of(const struct qg *qg, int again)
{
    int narrow = !again && qg->dim <= QG_BITS_2_DIM_MAX;
    uint32_t beam = narrow ? qg->ef_construction * 3 / 10 : qg->ef_construction / 2;
    return beam > qg_degree(qg) ? beam : qg_degree(qg);
}

/* Candidates of a row some of whose links are gone: those that are left, and the links of the others. */
static uint32_t mended_max(const struct qg *qg)
{
    return qg_degree(qg) * (qg_degree(qg) + 1);
}

static uint32_t candidates_max(const struct qg *qg)
{
    uint32_t walked = beam_of(qg, 1) + qg_degree(qg), mended = mended_max(qg);
    return walked > mended ? walked : mended;
}

struct qg_linker *qg_linker_new(const struct qg *qg)
{
    struct qg_linker *linker = calloc(1, sizeof *linker);
    if (!linker)
        return NULL;
    uint32_t degree = qg_degree(qg);
    linker->candidate_capacity = candidates_max(qg);
    linker->scratch = qg_scratch_new(qg);
    linker->candidates = malloc(linker->candidate_capacity * sizeof *linker->candidates);
    linker->other = malloc((degree + 1) * sizeof *linker->other);
    linker->chosen = malloc((size_t)4 * degree * sizeof *linker->chosen);
    if (!linker->scratch || !linker->candidates || !linker->other || !linker->chosen ||
        qg_scratch_begin(linker->scratch, linker->candidate_capacity, 0)) {
        qg_linker_free(linker);
        return NULL;
    }
    linker->chosen_other = linker->chosen + degree;
    linker->batch = linker->chosen_other + degree;
    linker->refused = linker->batch + degree;
    return linker;
}

/* --- Search ------------------------------------------------------------------------------------ */

static void prefetch_code(const struct qg *qg, uint32_t row)
{
    const uint8_t *code = qg_code(qg, row);
    for (size_t i = 0; i < qg->code_size && i < 512; i += 64)
        __builtin_prefetch(code + i);
}

/* Neighbours of the row that are met for the first time, into linker->batch. */
static uint32_t meet(const struct qg *qg, struct qg_linker *linker, uint32_t row)
{
    const uint32_t *list = qg_list(qg, row);
    uint32_t count = 0;
    for (uint32_t i = 0; i < qg_degree(qg); i++) {
        uint32_t link = qg_link(list, i);
        if (link == QG_NONE)
            break;
        if (!qg_visit(linker->scratch, link))
            continue;
        prefetch_code(qg, link);
        linker->batch[count++] = link;
    }
    return count;
}

static void candidate_add(struct qg_linker *linker, uint32_t distance, uint32_t row)
{
    struct candidate *candidates = linker->candidates;
    if (linker->candidate_count == linker->candidate_capacity)
        return;
    uint32_t at = linker->candidate_count++;
    for (; at && candidates[at - 1].distance > distance; at--)
        candidates[at] = candidates[at - 1];
    candidates[at] = (struct candidate){distance, row};
}

static void prefetch_list(const struct qg *qg, const struct qg_pool *pool)
{
    if (pool->next < pool->count) {
        const uint32_t *list = qg_list(qg, qg_item_row(pool->items[pool->next]));
        __builtin_prefetch(list);
        __builtin_prefetch(list + 16);
    }
}

/* The rows nearest to `row` that a walk from `entry` finds, into the pool. */
static void walk(const struct qg *qg, struct qg_linker *linker, uint32_t row, uint32_t entry,
                 uint32_t beam)
{
    struct qg_scratch *scratch = linker->scratch;
    struct qg_pool *pool = &scratch->pool;
    uint32_t at;
    (void)qg_scratch_begin(scratch, beam, 0); /* has room since it was made */
    qg_visit(scratch, row);
    if (qg_visit(scratch, entry))
        qg_pool_push(pool, qg_item(qg_distance(qg, row, entry), entry));
    while (qg_pool_take(pool, &at)) {
        prefetch_list(qg, pool);
        uint32_t count = meet(qg, linker, at);
        for (uint32_t i = 0; i < count; i++) {
            uint32_t distance = qg_distance(qg, row, linker->batch[i]);
            qg_pool_push(pool, qg_item(distance, linker->batch[i]));
        }
    }
}

/* Whether the walk's nearest rows lie closer than codes can tell, and are not all the same row. */
static int is_blurred(const struct qg *qg, const struct qg_pool *pool, uint32_t row)
{
    const struct rows *rows = &qg->rows;
    if ((float)(pool->items[SPREAD_NEAR - 1] >> 32) > BLUR * (float)qg->dim)
        return 0;
    for (uint32_t i = 0; i < SPREAD_NEAR; i++)
        if (memcmp(rows_at(rows, row), rows_at(rows, qg_item_row(pool->items[i])),
                   rows->space->row_size) != 0)
            return 1;
    return 0;
}

struct qg_spread qg_spread(const struct qg *qg, struct qg_linker *linker, uint32_t row)
{
    const struct qg_pool *pool = &linker->scratch->pool;
    struct qg_spread spread = {0, 0, 0};
    walk(qg, linker, row, qg_pivots_nearest(qg, qg_code(qg, row)), beam_of(qg, 1));
    if (pool->count < SPREAD_NEAR + 1)
        return spread;
    spread.is_blurred = is_blurred(qg, pool, row);
    uint32_t far = pool->count < SPREAD_FAR ? pool->count : SPREAD_FAR;
    spread.near = (float)(pool->items[SPREAD_NEAR - 1] >> 32);
    spread.spread = (float)(pool->items[far - 1] >> 32) / (spread.near + 1) - 1;
    return spread;
}

/* --- Choice ------------------------------------------------------------------------------------ */

/* Whether a chosen row is so near to the candidate that it leads there as well. */
static int is_covered(const struct qg *qg, struct candidate candidate, const uint32_t *chosen,
                      uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        if ((float)qg_distance(qg, candidate.row, chosen[i]) * ALPHA <= (float)candidate.distance)
            return 1;
    return 0;
}

/* Choose at most `degree` of the candidates; then fill up to `least` with the nearest refused ones. */
static uint32_t choose(const struct qg *qg, struct qg_linker *linker,
                       const struct candidate *candidates, uint32_t count, uint32_t least,
                       uint32_t *chosen)
{
    uint32_t degree = qg_degree(qg), chosen_count = 0, refused_count = 0;
    for (uint32_t i = 0; i < count && chosen_count < degree; i++) {
        if (!is_covered(qg, candidates[i], chosen, chosen_count))
            chosen[chosen_count++] = candidates[i].row;
        else if (refused_count < degree)
            linker->refused[refused_count++] = candidates[i].row;
    }
    for (uint32_t i = 0; i < refused_count && chosen_count < least; i++)
        chosen[chosen_count++] = linker->refused[i];
    return chosen_count;
}

/* --- Links ------------------------------------------------------------------------------------- */

static struct mutex *stripe_of(const struct qg *qg, uint32_t row)
{
    return &qg->stripes[row % QG_STRIPES];
}

static void list_set(const struct qg *qg, uint32_t row, const uint32_t *links, uint32_t count)
{
    uint32_t *list = qg_list(qg, row), degree = qg_degree(qg);
    for (uint32_t i = 0; i < count; i++)
        qg_link_set(list, i, links[i]);
    for (uint32_t i = count; i < degree && qg_link(list, i) != QG_NONE; i++)
        qg_link_set(list, i, QG_NONE);
}

/* The row's links into linker->other, sorted; `more` among them. */
static void sort_links(const struct qg *qg, struct qg_linker *linker, uint32_t row,
                       const uint32_t *list, uint32_t more)
{
    struct candidate *other = linker->other;
    for (uint32_t i = 0; i <= qg_degree(qg); i++) {
        uint32_t link = i < qg_degree(qg) ? qg_link(list, i) : more;
        uint32_t distance = qg_distance(qg, row, link), at = i;
        for (; at && other[at - 1].distance > distance; at--)
            other[at] = other[at - 1];
        other[at] = (struct candidate){distance, link};
    }
}

/* Add `link` to the list of `row`; a full list is chosen anew. */
static void link_back(const struct qg *qg, struct qg_linker *linker, uint32_t row, uint32_t link,
                      int again)
{
    uint32_t *list = qg_list(qg, row), degree = qg_degree(qg), count = 0;
    mutex_lock(stripe_of(qg, row));
    while (count < degree && qg_link(list, count) != QG_NONE && qg_link(list, count) != link)
        count++;
    if (count < degree && qg_link(list, count) == QG_NONE) {
        qg_link_set(list, count, link);
    } else if (count == degree) {
        sort_links(qg, linker, row, list, link);
        uint32_t least = again ? degree : 0;
        count = choose(qg, linker, linker->other, degree + 1, least, linker->chosen_other);
        list_set(qg, row, linker->chosen_other, count);
    }
    mutex_unlock(stripe_of(qg, row));
}

/* The pool, and in a later pass the links the row has, as candidates. */
static void gather(const struct qg *qg, struct qg_linker *linker, uint32_t row, int again)
{
    const struct qg_pool *pool = &linker->scratch->pool;
    linker->candidate_count = 0;
    for (uint32_t i = 0; i < pool->count; i++)
        linker->candidates[linker->candidate_count++] =
            (struct candidate){(uint32_t)(pool->items[i] >> 32), qg_item_row(pool->items[i])};
    const uint32_t *list = qg_list(qg, row);
    uint32_t pooled = linker->candidate_count;
    for (uint32_t i = 0; again && i < qg_degree(qg); i++) {
        uint32_t link = qg_link(list, i), known = 0;
        if (link == QG_NONE)
            break;
        uint32_t distance = qg_distance(qg, row, link);
        while (known < pooled + i && known < linker->candidate_count &&
               linker->candidates[known].row != link)
            known++;
        if (known == linker->candidate_count)
            candidate_add(linker, distance, link);
    }
}

void qg_link_row(struct qg *qg, struct qg_linker *linker, uint32_t row, uint32_t entry, int again)
{
    uint32_t degree = qg_degree(qg);
    walk(qg, linker, row, entry, beam_of(qg, again));
    gather(qg, linker, row, again);
    uint32_t count = choose(qg, linker, linker->candidates, linker->candidate_count,
                            again ? degree : degree / 2, linker->chosen);
    mutex_lock(stripe_of(qg, row));
    list_set(qg, row, linker->chosen, count);
    mutex_unlock(stripe_of(qg, row));
    for (uint32_t i = 0; i < count; i++)
        link_back(qg, linker, linker->chosen[i], row, again);
}

/* --- Links of an earlier graph ----------------------------------------------------------------- */

static void offer(const struct qg *qg, struct qg_linker *linker, uint32_t row, uint32_t link)
{
    if (link != QG_NONE && qg_visit(linker->scratch, link))
        qg_pool_push(&linker->scratch->pool, qg_item(qg_distance(qg, row, link), link));
}

/* What a row that is gone linked to, as far as it is not gone too, into the pool. */
static void offer_beyond(const struct qg *qg, struct qg_linker *linker,
                         const struct qg_origin *origin, uint32_t row, uint32_t gone)
{
    for (uint32_t i = 0; i < qg_degree(qg); i++)
        offer(qg, linker, row, qg_origin_now(origin, qg_origin_link(origin, gone, i)));
}

/* The links that are left, into linker->chosen; those that are not, as the rows they were, into
 * linker->refused. */
static uint32_t links_left(const struct qg *qg, struct qg_linker *linker,
                           const struct qg_origin *origin, uint32_t row, uint32_t *ret_lost)
{
    uint32_t was = qg_origin_row(origin, row), count = 0;
    *ret_lost = 0;
    for (uint32_t i = 0; i < qg_degree(qg); i++) {
        uint32_t link = qg_origin_link(origin, was, i);
        if (link == QG_NONE)
            break;
        uint32_t now = qg_origin_now(origin, link);
        if (now == QG_NONE)
            linker->refused[(*ret_lost)++] = link;
        else
            linker->chosen[count++] = now;
    }
    return count;
}

static void pool_to_candidates(struct qg_linker *linker)
{
    const struct qg_pool *pool = &linker->scratch->pool;
    for (uint32_t i = 0; i < pool->count; i++)
        linker->candidates[i] =
            (struct candidate){(uint32_t)(pool->items[i] >> 32), qg_item_row(pool->items[i])};
    linker->candidate_count = pool->count;
}

/* All that the lost ones linked to is looked at, however far: what leads elsewhere must not be forgotten by
 * and by, since walks of later inserts find near rows only. */
void qg_link_again(struct qg *qg, struct qg_linker *linker, const struct qg_origin *origin,
                   uint32_t row)
{
    uint32_t lost, count = links_left(qg, linker, origin, row, &lost);
    if (lost > 0) {
        (void)qg_scratch_begin(linker->scratch, mended_max(qg), 0); /* has room since it was made */
        qg_visit(linker->scratch, row);
        for (uint32_t i = 0; i < count; i++)
            offer(qg, linker, row, linker->chosen[i]);
        for (uint32_t i = 0; i < lost; i++)
            offer_beyond(qg, linker, origin, row, linker->refused[i]);
        pool_to_candidates(linker);
        count = choose(qg, linker, linker->candidates, linker->candidate_count, qg_degree(qg),
                       linker->chosen);
    }
    list_set(qg, row, linker->chosen, count);
}
