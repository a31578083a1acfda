/* qg_search.c: finding rows.
 *
 * A walk from the pivot nearest to the query. The pool holds rows by estimated distance; the best one is
 * expanded: its row gives its exact distance and estimates for its neighbours, of which those that may
 * still matter go into the pool. */
#include "index/qg_walk.h"

#include <stdlib.h>

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

/* Standard deviation of the squared distance of two rows rounded to multiples of a step, and of one such row
 * and one that is not, over step and distance; the rows compared as stored end so many of them beyond. */
#define ROUNDING_BOTH 0.82f
#define ROUNDING_ONE  0.58f
#define DEVIATIONS    4

/* Nanoseconds, docs/decisions/0106. */
#define HOPS_PER_EF 1.1
#define HOP_NS      200
#define HOP_LINE_NS 35
#define FOUND_NS    170

/* See end_of. */
#define SHOULD_BE 8
#define RARE      8
#define OVERDUE   4

/* Rows compared as stored at the end, at most: what is known of them is not exact. */
static uint32_t final_count(const struct qg_walk *walk)
{
    return walk->k + walk->ef / (walk->is_lifted ? 4 : 2) + 4;
}

/* Beyond this distance nothing is worth keeping. */
float qg_walk_bound(const struct qg_walk *walk)
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
float qg_walk_entry_bound(const struct qg_walk *walk)
{
    const struct qg_pool *pool = &walk->scratch->pool;
    float bound = qg_walk_bound(walk);
    if (pool->count < pool->limit)
        return bound;
    return fminf(bound, qg_key_distance((uint32_t)(pool->items[pool->count - 1] >> 32)));
}

void qg_walk_offer(struct qg_walk *walk, float distance, uint32_t row)
{
    struct neighbor *near = walk->scratch->near;
    uint32_t at = walk->near_count, before = at;
    if (at == walk->near_limit && !(distance < near[at - 1].distance))
        return;
    if (!(distance == distance) || !qg_is_allowed(walk->query, row))
        return;
    while (before && near[before - 1].distance >= distance)
        if (near[--before].row == row) /* measured before it was expanded */
            return;
    if (at == walk->near_limit)
        at--;
    else
        walk->near_count++;
    for (; at && near[at - 1].distance > distance; at--)
        near[at] = near[at - 1];
    near[at] = (struct neighbor){distance, row};
}

float qg_walk_measure(struct qg_walk *walk, const uint8_t *own)
{
    const struct qg *qg = walk->qg;
    if (qg_is_compact(qg)) {
        float unit = 1 / qg->projection.code_scale;
        return (float)walk->ops->l2_u7(walk->scratch->code, own, qg->code_size) * unit * unit;
    }
    float step = le_load_f32(own + qg->own_size);
    float distance =
        walk->ops->l2_f32_i8(walk->scratch->centred, (const int8_t *)own, step, qg->own_size);
    walk->step = step > walk->step ? step : walk->step;
    if (walk->is_lifted)
        distance += le_load_f32(own + qg->own_size + sizeof(float));
    return distance;
}

/* Ask for the row that would be expanded next, if it is not the one asked for last. */
void qg_walk_prefetch(struct qg_walk *walk)
{
    const struct qg_pool *pool = &walk->scratch->pool;
    if (pool->next == pool->count)
        return;
    uint32_t next = qg_item_row(pool->items[pool->next]);
    if (next == walk->prefetched)
        return;
    walk->prefetched = next;
    const uint8_t *row = qg_graph_row(walk, next);
    size_t size = walk->qg->stride;
    if (qg_is_compact(walk->qg)) /* the code is here already */
        size = (size_t)walk->qg->blocks * HOP_LINKS * sizeof(uint32_t);
    for (size_t i = 0; i < size; i += 64)
        __builtin_prefetch(row + i, 0, PREFETCH_L2);
}

/* Put the neighbours of a block whose bits are set into the pool. */
static void meet(struct qg_walk *walk, const uint8_t *links, const float *estimates, uint32_t below)
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

static void expand_fast(struct qg_walk *walk, uint32_t row)
{
    const struct qg *qg = walk->qg;
    const uint8_t *block = qg_graph_row(walk, row);
    if (!qg_is_sound(walk, block, qg->stride))
        return;
    size_t block_size = hop_block_size(qg->dim, qg->bits);
    const uint8_t *own = block + qg->blocks * block_size;
    float estimates[HOP_LINKS];
    float distance = qg_walk_measure(walk, own);
    qg_walk_offer(walk, distance, row);
    float bound = qg_walk_entry_bound(walk);
    for (uint32_t b = 0; b < qg->blocks; b++, block += block_size) {
        uint32_t below = walk->ops->estimate(&walk->hop, block, distance, bound, estimates);
        meet(walk, block + block_size - HOP_LINKS * sizeof(uint32_t), estimates, below);
    }
    walk->query->counts->distances++;
}

/* Those of the row's neighbours that are met for the first time; their codes are asked for. */
static uint32_t meet_compact(struct qg_walk *walk, uint32_t row, uint32_t *ret_rows)
{
    const struct qg *qg = walk->qg;
    uint32_t count = 0;
    if (!qg_is_sound(walk, qg_graph_row(walk, row), qg->stride))
        return 0;
    for (uint32_t b = 0; b < qg->blocks; b++) {
        const uint8_t *links = qg_row_links(qg, qg_graph_row(walk, row), b);
        for (uint32_t i = 0; i < HOP_LINKS; i++) {
            uint32_t link = le_load_u32(links + i * sizeof link);
            if (link >= qg->count || !qg_visit(walk->scratch, link))
                continue;
            const uint8_t *code = qg_row_code(qg, qg_graph_row(walk, link));
            for (size_t at = 0; at < qg->code_size; at += 64)
                __builtin_prefetch(code + at);
            ret_rows[count++] = link;
        }
    }
    return count;
}

static void measure_compact(struct qg_walk *walk, uint32_t row)
{
    const struct qg *qg = walk->qg;
    const uint8_t *code = qg_row_code(qg, qg_graph_row(walk, row));
    if (!qg_is_sound(walk, code, qg->code_size))
        return;
    float distance = qg_walk_measure(walk, code);
    walk->query->counts->distances++;
    if (!(distance < qg_walk_entry_bound(walk)))
        return;
    qg_walk_offer(walk, distance, row);
    qg_pool_push(&walk->scratch->pool, qg_item(qg_key(distance), row));
}

static void expand_compact(struct qg_walk *walk, uint32_t row)
{
    uint32_t rows[2 * LODE_M_MAX];
    uint32_t count = meet_compact(walk, row, rows);
    for (uint32_t i = 0; i < count && !walk->status; i++)
        measure_compact(walk, rows[i]);
}

/* On a sieved walk: whether allowed rows are as rare among those expanded as if they were elsewhere, each time when
 * there should be SHOULD_BE more of them; and whether the walk is much longer than it should be. */
static enum qg_walk_end end_of(struct qg_walk *walk, const struct plan_graph *costs,
                               const struct index_choice *choice, uint32_t hops)
{
    double share = (double)choice->allowed / costs->count;
    if (hops % (uint64_t)(SHOULD_BE / share) == 0) {
        if (walk->allowed_met * RARE < SHOULD_BE)
            return QG_WALK_FAR;
        walk->allowed_met = 0;
    }
    if (walk->spent > OVERDUE * choice->costs[INDEX_PLAN_SIEVE])
        return QG_WALK_COST;
    switch (plan_judge(choice, walk->spent, walk->near_count >= walk->k)) {
    case PLAN_LEAVE: return QG_WALK_COST;
    case PLAN_END: return QG_WALK_ENDED;
    default: return QG_WALK_GOES_ON;
    }
}

static enum qg_walk_end walk_from(struct qg_walk *walk, uint32_t entry,
                                  const struct plan_graph *costs, const struct index_choice *choice)
{
    struct qg_scratch *scratch = walk->scratch;
    struct qg_pool *pool = &scratch->pool;
    int is_compact = qg_is_compact(walk->qg), is_sieve = choice->allowed < costs->count;
    uint32_t row, hops = 0;
    qg_visit(scratch, entry);
    if (is_compact)
        measure_compact(walk, entry);
    else
        qg_pool_push(pool, qg_item(qg_key(0), entry));
    while (!walk->status && qg_pool_take(pool, &row)) {
        uint64_t item = pool->items[pool->next - 1];
        if (qg_key_distance((uint32_t)(item >> 32)) > qg_walk_bound(walk))
            break;
        qg_walk_prefetch(walk);
        if (++hops % MAPPED_TOUCHES == 0)
            mapped_look();
        if (hops % QG_HOPS_BETWEEN_LOOKS == 0 &&
            (walk->status = stop_look(walk->query->stop, walk->error)))
            break;
        walk->query->counts->hops++;
        if (is_compact)
            expand_compact(walk, row);
        else
            expand_fast(walk, row);
        qg_walk_prefetch(walk);
        walk->spent = hops * costs->hop_ns;
        walk->allowed_met += (uint64_t)(is_sieve && qg_is_allowed(walk->query, row));
        enum qg_walk_end end = is_sieve ? end_of(walk, costs, choice, hops) : QG_WALK_GOES_ON;
        if (end != QG_WALK_GOES_ON)
            return end;
    }
    return QG_WALK_ENDED;
}

static void centre(struct qg_walk *walk)
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
static void prepare(struct qg_walk *walk)
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

static void prefetch_stored(const struct qg_walk *walk, uint32_t i)
{
    const struct rows *rows = &walk->qg->rows;
    if (i >= walk->near_count)
        return;
    const uint8_t *row = rows_at(rows, walk->scratch->near[i].row);
    for (size_t at = 0; at < rows->space->row_size; at += 64)
        __builtin_prefetch(row + at, 0, PREFETCH_L2);
}

/* How much longer than the k-th best distance one may seem only for having been rounded. */
static float slack_of(const struct qg_walk *walk, float bound)
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
static int is_beyond(const struct qg_walk *walk, float distance)
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
static void finish(struct qg_walk *walk)
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
        if (i % QG_ROWS_BETWEEN_LOOKS == QG_ROWS_BETWEEN_LOOKS - 1)
            walk->status = stop_look(query->stop, walk->error);
        if (!walk->status)
            walk->status = rows_touch(rows, near[i].row, 1, walk->error);
        if (walk->status)
            return;
        float distance =
            rows->space->distance(rows->space, query->query, rows_at(rows, near[i].row));
        topk_push(query->topk, distance, near[i].row);
    }
}

/* When the walk ends, see above. */
static void set_bound(struct qg_walk *walk)
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

/* How many rows the pool holds: enough for ef; on a sieved walk, for ef rows that are allowed, if those are
 * spread evenly. */
static uint32_t pool_limit(const struct qg_walk *walk, const struct index_choice *choice,
                           enum index_plan plan)
{
    uint64_t limit = POOL_PER_EF * (uint64_t)walk->ef + POOL_MORE;
    if (plan == INDEX_PLAN_SIEVE)
        limit = limit * walk->qg->count / choice->allowed;
    else if (plan == INDEX_PLAN_CONFINED)
        return (uint32_t)limit * QG_FAR_EFFORT;
    return limit < walk->qg->count ? (uint32_t)limit : walk->qg->count;
}

static enum qg_walk_end walk_by(struct qg_walk *walk, const struct plan_graph *costs,
                                const struct index_choice *choice, enum index_plan plan)
{
    uint32_t limit = pool_limit(walk, choice, plan);
    walk->near_count = 0;
    walk->prefetched = QG_NONE;
    walk->spent = 0;
    walk->tested = walk->allowed_met = 0;
    if (qg_scratch_begin(walk->scratch, limit, walk->near_limit)) {
        walk->status = error_nomem(walk->error, "search pool", limit * sizeof(uint64_t));
        return QG_WALK_ENDED;
    }
    if (plan == INDEX_PLAN_CONFINED)
        return qg_walk_confined(walk, costs, choice);
    return walk_from(walk, qg_pivots_nearest(walk->qg, walk->scratch->code), costs, choice);
}

static uint32_t ef_of(const struct index_query *query)
{
    return query->ef > query->topk->k ? query->ef : (uint32_t)query->topk->k;
}

static struct plan_graph costs_of(const struct qg *qg, uint32_t ef)
{
    double lines = (double)qg->stride / 64;
    if (qg_is_compact(qg)) /* its links, and the codes of half of them */
        lines = qg->blocks * (2 + HOP_LINKS / 2.0 * (double)qg->code_size / 64);
    return (struct plan_graph){.count = qg->count,
                               .hops = HOPS_PER_EF * ef,
                               .hop_ns = HOP_NS + lines * HOP_LINE_NS,
                               .found_ns = FOUND_NS};
}

void qg_choose(const struct index *index, const struct index_query *query,
               struct index_choice *ret_choice)
{
    const struct qg *qg = (const struct qg *)index;
    struct index_query bounded = *query;
    if (bounded.row_limit > qg->count)
        bounded.row_limit = qg->count;
    struct plan_graph costs = costs_of(qg, ef_of(query));
    plan_choose(&costs, &qg->rows, &bounded, ret_choice);
}

static const enum index_reason reasons[] = {
    [QG_WALK_ENDED] = INDEX_REASON_SHORT,
    [QG_WALK_FAR] = INDEX_REASON_FAR,
    [QG_WALK_COST] = INDEX_REASON_COST,
};

/* By one plan after another. 1 when k rows were found. */
static int walk_on(struct qg_walk *walk, struct index_choice *choice)
{
    struct plan_graph costs = costs_of(walk->qg, walk->ef);
    plan_choose(&costs, &walk->qg->rows, walk->query, choice);
    if (choice->first == INDEX_PLAN_SCAN)
        return 0;
    prepare(walk);
    enum index_plan next = choice->first;
    while (next != INDEX_PLAN_SCAN) {
        choice->plan = next;
        enum qg_walk_end end = walk_by(walk, &costs, choice, next);
        if (walk->status || (end == QG_WALK_ENDED && walk->near_count >= walk->k))
            return 1;
        choice->spent += walk->spent;
        choice->reason = reasons[end];
        next = next == INDEX_PLAN_SIEVE && walk->query->allowed &&
                       choice->costs[INDEX_PLAN_CONFINED] < choice->costs[INDEX_PLAN_SCAN]
                   ? INDEX_PLAN_CONFINED
                   : INDEX_PLAN_SCAN;
    }
    choice->plan = INDEX_PLAN_SCAN;
    return 0;
}

static lode_status search(struct qg *qg, struct qg_scratch *scratch,
                          const struct index_query *query, struct index_choice *choice,
                          lode_error *error)
{
    struct qg_walk walk = {.qg = qg,
                           .query = query,
                           .scratch = scratch,
                           .k = (uint32_t)query->topk->k,
                           .is_lifted = qg_is_lifted(qg),
                           .error = error};
    walk.ef = ef_of(query);
    set_bound(&walk);
    if (walk_on(&walk, choice) && !walk.status)
        finish(&walk);
    return walk.status;
}

lode_status qg_search(const struct index *index, const struct index_query *query, lode_error *error)
{
    struct qg *qg =
        (struct qg *)(uintptr_t)index; /* only idle scratch, and rows made late, change */
    struct index_query bounded = *query;
    struct index_choice choice = {.allowed = 0};
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
    status = search(qg, scratch, &bounded, &choice, error);
    qg_scratch_give(qg, scratch);
    if (status == LODE_OK && choice.plan == INDEX_PLAN_SCAN)
        status = flat_search(&qg->rows, 0, &bounded, error);
    if (query->choice)
        *query->choice = choice;
    return status;
}
