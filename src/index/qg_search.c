/* qg_search.c: finding rows.
 *
 * A walk from the pivot nearest to the query. The pool holds rows by estimated distance; the best one is
 * expanded: its row gives its exact distance and estimates for its neighbours, of which those that may
 * still matter go into the pool. */
#include "index/qg.h"

#include <math.h>
#include <stdlib.h>

#include "base/bitset.h"
#include "base/le.h"
#include "os/mapped.h"

/* What ef means here. The walk ends when the best row left is estimated further than (1 + gamma) times
 * the k-th best distance, with gamma = GAMMA_PER_LOG_EF * ln(ef / k) and the error of estimates; the
 * pool, which bounds the work of queries for which that comes late, holds POOL_PER_EF * ef rows and a
 * few. Both grow with ef, so that a larger ef never does less. Constants: docs/decisions/0052, 0055.
 *
 * The best rows of an inner product are about as far from the query as many others: parts of their distance say
 * little. There the walk ends beyond the ef-th best distance, and by so many errors, which are parts of the
 * mean of that distance and the one between near rows: docs/decisions/0056. */
#define GAMMA_PER_LOG_EF 0.13
#define POOL_PER_EF      3u
#define POOL_MORE        6u
#define ERRORS_LIFTED    2

/* Rows are fetched into the second-level cache, which takes twice as many lines at once as the first. */
#define PREFETCH_L2 1

/* Standard deviation of the squared distance of two rows rounded to multiples of a step, and of one such row
 * and one that is not, over step and distance; the rows compared as stored end so many of them beyond. */
#define ROUNDING_BOTH 0.82f
#define ROUNDING_ONE  0.58f
#define DEVIATIONS    4

#define HOP_COST 8u /* of expanding a row, in distances of stored rows */

struct walk {
    const struct qg *qg;
    const struct index_query *query;
    struct qg_scratch *scratch;
    const struct hop_ops *ops;
    struct hop_query hop;
    uint32_t k;          /* results wanted */
    uint32_t ef;         /* at least k */
    uint32_t near_limit; /* nearest rows kept */
    uint32_t near_count;
    uint32_t prefetched; /* row last asked for */
    uint32_t rank;       /* of the row whose distance bounds the walk */
    float gamma;
    float step;         /* of 8-bit vectors, the largest so far */
    int is_lifted;      /* inner products, see qg_lift.c */
    lode_status status; /* of touching what is read: the walk ends when it fails */
    lode_error *error;
};

/* Rows compared as stored at the end, at most: what is known of them is not exact. */
static uint32_t final_count(const struct walk *walk)
{
    return walk->k + walk->ef / (walk->is_lifted ? 4 : 2) + 4;
}

static int is_allowed(const struct index_query *query, uint32_t row)
{
    return row < query->row_limit && (!query->allowed || bitset_test(query->allowed, row));
}

/* Beyond this distance nothing is worth keeping. */
static float bound_of(const struct walk *walk)
{
    if (walk->near_count < walk->rank)
        return INFINITY;
    float distance = walk->scratch->near[walk->rank - 1].distance;
    if (!walk->is_lifted)
        return distance * (1 + walk->gamma);
    float near = walk->qg->lift.near;
    return distance + walk->gamma * sqrtf(fmaxf(distance, near) * near);
}

/* Beyond this a row need not enter the pool. */
static float entry_bound(const struct walk *walk)
{
    const struct qg_pool *pool = &walk->scratch->pool;
    float bound = bound_of(walk);
    if (pool->count < pool->limit)
        return bound;
    return fminf(bound, qg_key_distance((uint32_t)(pool->items[pool->count - 1] >> 32)));
}

static void offer(struct walk *walk, float distance, uint32_t row)
{
    struct neighbor *near = walk->scratch->near;
    uint32_t at = walk->near_count;
    if (at == walk->near_limit && !(distance < near[at - 1].distance))
        return;
    if (!(distance == distance) || !is_allowed(walk->query, row))
        return;
    if (at == walk->near_limit)
        at--;
    else
        walk->near_count++;
    for (; at && near[at - 1].distance > distance; at--)
        near[at] = near[at - 1];
    near[at] = (struct neighbor){distance, row};
}

static const uint8_t *graph_row(const struct walk *walk, uint32_t row)
{
    return walk->qg->graph + row * walk->qg->stride;
}

/* Before a part of a graph row is read: whether it may be. */
static int is_sound(struct walk *walk, const uint8_t *part, size_t size)
{
    lode_status status = guard_touch(walk->qg->guard, part, size, walk->error);
    if (status)
        walk->status = status;
    return status == LODE_OK;
}

/* Ask for the row that would be expanded next, if it is not the one asked for last. */
static void prefetch_next(struct walk *walk)
{
    const struct qg_pool *pool = &walk->scratch->pool;
    if (pool->next == pool->count)
        return;
    uint32_t next = qg_item_row(pool->items[pool->next]);
    if (next == walk->prefetched)
        return;
    walk->prefetched = next;
    const uint8_t *row = graph_row(walk, next);
    size_t size = walk->qg->stride;
    if (qg_is_compact(walk->qg)) /* the code is here already */
        size = (size_t)walk->qg->blocks * HOP_LINKS * sizeof(uint32_t);
    for (size_t i = 0; i < size; i += 64)
        __builtin_prefetch(row + i, 0, PREFETCH_L2);
}

/* Put the neighbours of a block whose bits are set into the pool. */
static void meet(struct walk *walk, const uint8_t *links, const float *estimates, uint32_t below)
{
    struct qg_scratch *scratch = walk->scratch;
    for (; below; below &= below - 1) {
        unsigned i = (unsigned)__builtin_ctz(below);
        uint32_t link = le_load_u32(links + (size_t)4 * i);
        if (link >= walk->qg->count)
            continue;
        if (!qg_visit(scratch, link)) /* its first estimate counts: docs/decisions/0051 */
            continue;
        qg_pool_push(&scratch->pool, qg_item(qg_key(estimates[i]), link));
    }
}

static void expand_fast(struct walk *walk, uint32_t row)
{
    const struct qg *qg = walk->qg;
    const uint8_t *block = graph_row(walk, row);
    if (!is_sound(walk, block, qg->stride))
        return;
    size_t block_size = hop_block_size(qg->dim, qg->bits);
    const uint8_t *own = block + qg->blocks * block_size;
    float estimates[HOP_LINKS];
    float step = le_load_f32(own + qg->own_size);
    float distance =
        walk->ops->l2_f32_i8(walk->scratch->centred, (const int8_t *)own, step, qg->own_size);
    walk->step = step > walk->step ? step : walk->step;
    if (walk->is_lifted)
        distance += le_load_f32(own + qg->own_size + sizeof(float));
    offer(walk, distance, row);
    float bound = entry_bound(walk);
    for (uint32_t b = 0; b < qg->blocks; b++, block += block_size) {
        uint32_t below = walk->ops->estimate(&walk->hop, block, distance, bound, estimates);
        meet(walk, block + block_size - HOP_LINKS * sizeof(uint32_t), estimates, below);
    }
    walk->query->counts->distances++;
}

/* Those of the row's neighbours that are met for the first time; their codes are asked for. */
static uint32_t meet_compact(struct walk *walk, uint32_t row, uint32_t *ret_rows)
{
    const struct qg *qg = walk->qg;
    uint32_t count = 0;
    if (!is_sound(walk, graph_row(walk, row), qg->stride))
        return 0;
    for (uint32_t b = 0; b < qg->blocks; b++) {
        const uint8_t *links = qg_row_links(qg, graph_row(walk, row), b);
        for (uint32_t i = 0; i < HOP_LINKS; i++) {
            uint32_t link = le_load_u32(links + i * sizeof link);
            if (link >= qg->count || !qg_visit(walk->scratch, link))
                continue;
            const uint8_t *code = qg_row_code(qg, graph_row(walk, link));
            for (size_t at = 0; at < qg->code_size; at += 64)
                __builtin_prefetch(code + at);
            ret_rows[count++] = link;
        }
    }
    return count;
}

static void measure_compact(struct walk *walk, uint32_t row)
{
    const struct qg *qg = walk->qg;
    const uint8_t *code = qg_row_code(qg, graph_row(walk, row));
    if (!is_sound(walk, code, qg->code_size))
        return;
    float unit = 1 / qg->projection.code_scale;
    float distance =
        (float)walk->ops->l2_u7(walk->scratch->code, code, qg->code_size) * unit * unit;
    walk->query->counts->distances++;
    if (!(distance < entry_bound(walk)))
        return;
    offer(walk, distance, row);
    qg_pool_push(&walk->scratch->pool, qg_item(qg_key(distance), row));
}

static void expand_compact(struct walk *walk, uint32_t row)
{
    uint32_t rows[2 * LODE_M_MAX];
    uint32_t count = meet_compact(walk, row, rows);
    for (uint32_t i = 0; i < count && !walk->status; i++)
        measure_compact(walk, rows[i]);
}

static void walk_from(struct walk *walk, uint32_t entry)
{
    struct qg_scratch *scratch = walk->scratch;
    struct qg_pool *pool = &scratch->pool;
    int is_compact = qg_is_compact(walk->qg);
    uint32_t row, touches = 0;
    qg_visit(scratch, entry);
    if (is_compact)
        measure_compact(walk, entry);
    else
        qg_pool_push(pool, qg_item(qg_key(0), entry));
    while (!walk->status && qg_pool_take(pool, &row)) {
        uint64_t item = pool->items[pool->next - 1];
        if (qg_key_distance((uint32_t)(item >> 32)) > bound_of(walk))
            break;
        prefetch_next(walk);
        if (++touches % MAPPED_TOUCHES == 0)
            mapped_look();
        walk->query->counts->hops++;
        if (is_compact)
            expand_compact(walk, row);
        else
            expand_fast(walk, row);
        prefetch_next(walk);
    }
}

static void centre(struct walk *walk)
{
    const struct qg *qg = walk->qg;
    struct qg_scratch *scratch = walk->scratch;
    const void *query = walk->query->query;
    if (walk->is_lifted) {
        space_decode(qg->rows.space, query, scratch->decoded);
        qg_lift_query(qg, scratch->decoded, scratch->centred);
    } else {
        projection_centre(&qg->projection, qg->rows.space, query, scratch->decoded,
                          scratch->centred);
    }
}

/* Coordinates, tables and code of the query. */
static void prepare(struct walk *walk)
{
    const struct qg *qg = walk->qg;
    struct qg_scratch *scratch = walk->scratch;
    float magnitude;
    centre(walk);
    projection_apply(&qg->projection, scratch->centred, scratch->rounded, scratch->query);
    projection_code(&qg->projection, scratch->query, scratch->code);
    walk->ops = hop();
    walk->hop = (struct hop_query){.tables = scratch->tables, .dim = qg->dim, .bits = qg->bits};
    if (qg_is_compact(qg))
        return;
    walk->ops->tables(scratch->query, qg->dim, scratch->tables, &walk->hop.step, &magnitude);
    /* Tables lack their smallest entries, the sum of the negative coordinates; and a level v stands for
     * v - (2^bits - 1)/2. Together, over planes that weigh 2^bits - 1: */
    walk->hop.offset = -(float)((1u << qg->bits) - 1) * magnitude / 2;
}

static void prefetch_stored(const struct walk *walk, uint32_t i)
{
    const struct rows *rows = &walk->qg->rows;
    if (i >= walk->near_count)
        return;
    const uint8_t *row = rows_at(rows, walk->scratch->near[i].row);
    for (size_t at = 0; at < rows->space->row_size; at += 64)
        __builtin_prefetch(row + at, 0, PREFETCH_L2);
}

/* How much longer than the k-th best distance one may seem only for having been rounded. */
static float slack_of(const struct walk *walk, float bound)
{
    const struct qg *qg = walk->qg;
    if (qg_is_compact(qg)) {
        float step = 1 / qg->projection.code_scale;
        return DEVIATIONS * ROUNDING_BOTH * step * sqrtf(bound) + step * step * (float)qg->dim / 6;
    }
    return DEVIATIONS * ROUNDING_ONE * walk->step * sqrtf(bound) +
           walk->step * walk->step * (float)qg->own_size / 12;
}

/* Whether a row that seems so far is too far, and all behind it are. Codes may leave directions out, which
 * makes distances shorter, never longer. An inner product's distance is not that of stored rows. */
static int is_beyond(const struct walk *walk, float distance)
{
    const struct qg *qg = walk->qg;
    float bound = topk_bound(walk->query->topk), scale = qg->projection.scale;
    if (walk->is_lifted)
        return 0;
    if (qg->rows.space->metric == LODE_METRIC_COSINE)
        bound = 2 + 2 * bound; /* of -cos, for vectors of length 1 */
    bound = fmaxf(bound, 0) * scale * scale;
    return distance > bound + slack_of(walk, bound);
}

/* The nearest rows once more, as they are stored: scores are a function of stored rows. */
static void finish(struct walk *walk)
{
    const struct rows *rows = &walk->qg->rows;
    const struct neighbor *near = walk->scratch->near;
    const struct index_query *query = walk->query;
    uint32_t count = walk->near_count < final_count(walk) ? walk->near_count : final_count(walk);
    mapped_look();
    prefetch_stored(walk, 0);
    prefetch_stored(walk, 1);
    for (uint32_t i = 0; i < count; i++) {
        if (i >= walk->k && is_beyond(walk, near[i].distance))
            break;
        if (i % MAPPED_TOUCHES == MAPPED_TOUCHES - 1)
            mapped_look();
        query->counts->distances++;
        prefetch_stored(walk, i + 2);
        walk->status = rows_touch(rows, near[i].row, 1, walk->error);
        if (walk->status)
            return;
        float distance =
            rows->space->distance(rows->space, query->query, rows_at(rows, near[i].row));
        topk_push(query->topk, distance, near[i].row);
    }
}

/* How many rows the pool holds: enough for ef; under a filter, for ef rows that are allowed, if those
 * are spread evenly. 0 when comparing all allowed rows is cheaper than such a walk. */
static uint32_t pool_limit(const struct qg *qg, const struct index_query *query, uint32_t ef)
{
    uint64_t limit = POOL_PER_EF * (uint64_t)ef + POOL_MORE, allowed = query->row_limit;
    if (query->allowed)
        allowed = bitset_count(query->allowed, query->row_limit);
    if (allowed == qg->count)
        return (uint32_t)limit;
    if (allowed == 0)
        return 0;
    limit = limit * qg->count / allowed;
    return limit * HOP_COST < allowed ? (uint32_t)limit : 0;
}

/* When the walk ends, see above. */
static void set_bound(struct walk *walk)
{
    const struct qg *qg = walk->qg;
    uint32_t ef = walk->ef;
    double error = (double)(qg->bits == 1 ? QG_ERROR_1 : QG_ERROR_2) / sqrt((double)qg->dim);
    if (qg_is_compact(qg))
        error = 0;
    else if (projection_is_reduced(&qg->projection))
        error = (double)qg->projection.error;
    walk->rank = walk->is_lifted ? ef : walk->k;
    walk->near_limit = final_count(walk) > walk->rank ? final_count(walk) : walk->rank;
    walk->gamma = (float)(walk->is_lifted ? ERRORS_LIFTED * error
                                          : GAMMA_PER_LOG_EF * log((double)ef / walk->k) + error);
}

static lode_status search(struct qg *qg, struct qg_scratch *scratch,
                          const struct index_query *query, uint32_t *ret_found, lode_error *error)
{
    struct walk walk = {.qg = qg,
                        .query = query,
                        .scratch = scratch,
                        .k = (uint32_t)query->topk->k,
                        .prefetched = QG_NONE,
                        .is_lifted = qg_is_lifted(qg),
                        .error = error};
    walk.ef = query->ef > walk.k ? query->ef : walk.k;
    uint32_t limit = pool_limit(qg, query, walk.ef);
    if (limit == 0)
        return LODE_OK;
    set_bound(&walk);
    if (qg_scratch_begin(scratch, limit, walk.near_limit))
        return error_nomem(error, "search pool", limit * sizeof(uint64_t));
    prepare(&walk);
    walk_from(&walk, qg_pivots_nearest(qg, scratch->code));
    *ret_found = walk.near_count;
    if (!walk.status && walk.near_count >= walk.k)
        finish(&walk);
    return walk.status;
}

lode_status qg_search(const struct index *index, const struct index_query *query, lode_error *error)
{
    struct qg *qg =
        (struct qg *)(uintptr_t)index; /* only idle scratch, and rows made late, change */
    struct index_query bounded = *query;
    uint32_t found = 0;
    if (bounded.row_limit > qg->count)
        bounded.row_limit = qg->count;
    if (query->topk->k == 0 || bounded.row_limit == 0)
        return LODE_OK;
    lode_status status = LODE_OK;
    if (!__atomic_load_n(&qg->graph, __ATOMIC_ACQUIRE))
        status = qg_graph_make(qg, error);
    if (status != LODE_OK)
        return status;
    struct qg_scratch *scratch = qg_scratch_take(qg);
    if (!scratch)
        return error_nomem(error, "search", sizeof *scratch);
    status = search(qg, scratch, &bounded, &found, error);
    qg_scratch_give(qg, scratch);
    if (status == LODE_OK && found < query->topk->k)
        status = flat_search(&qg->rows, 0, &bounded, error);
    return status;
}
