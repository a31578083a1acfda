/* qg_filtered.c: the walk confined to rows that are allowed.
 *
 * After Patel, Kraft, Guestrin, Zaharia, "ACORN: Performant and Predicate-Agnostic Search Over Vector Embeddings
 * and Structured Data" (2024), in the form that needs no larger graph (gamma = 1): only allowed rows are
 * expanded; where a row has few allowed links, the links of those that are not allowed are looked at too. Such a row
 * costs two cache lines, many of which are asked for at once, and no distance. What differs: a hop's estimates
 * say which of the rows that are not allowed are near enough to be looked through; and walks begin at several
 * allowed pivots too, since the rows near the query may all be ones that are not allowed. */
#include "index/qg_walk.h"

#include "os/mapped.h"

#define ENTRIES     4u  /* allowed pivots to begin at; QG_ENTRIES_MAX far from the query */
#define WANTED      12u /* allowed links of a hop that suffice */
#define RARE        8 /* times as few allowed rows around the query as elsewhere: they lie far from it */
#define FAR_COST    8  /* of a walk far from the query, in others */
#define BATCH       8u /* lists asked for at once */
#define LEADS       1u /* rows not allowed that lead on where too few are found */
#define FEW         2u
#define FEW_OF_RARE 4u
#define RARE_SHARE  0.04
#define BRIDGES_MAX (2 * LODE_M_MAX)
#define FOUND_MAX   (BATCH * 2 * LODE_M_MAX)

struct bridges {
    struct neighbor rows[BRIDGES_MAX]; /* with their estimates; of compact graphs without */
    uint32_t count;
    uint32_t allowed; /* links that need none */
};

static const uint8_t *own_of(const struct qg_walk *walk, uint32_t row)
{
    const struct qg *qg = walk->qg;
    if (qg_is_compact(qg))
        return qg_row_code(qg, qg_graph_row(walk, row));
    return qg_graph_row(walk, row) + qg->blocks * hop_block_size(qg->dim, qg->bits);
}

static size_t own_size(const struct qg *qg)
{
    if (qg_is_compact(qg))
        return qg->code_size;
    return qg->own_size + (qg_is_lifted(qg) ? 2 : 1) * sizeof(float);
}

/* Into the pool, with the distance of its own vector. */
static void found(struct qg_walk *walk, uint32_t row)
{
    const uint8_t *own = own_of(walk, row);
    if (walk->status || !qg_is_sound(walk, own, own_size(walk->qg)))
        return;
    float distance = qg_walk_measure(walk, own);
    walk->query->counts->distances++;
    if (!(distance < qg_walk_entry_bound(walk)))
        return;
    qg_walk_offer(walk, distance, row);
    qg_pool_push(&walk->scratch->pool, qg_item(qg_key(distance), row));
}

/* Allowed links of a row that were not met before; their vectors are asked for. */
static uint32_t look_through(struct qg_walk *walk, uint32_t row, uint32_t *ret_rows)
{
    const struct qg *qg = walk->qg;
    uint32_t count = 0;
    for (uint32_t b = 0; b < qg->blocks; b++) {
        const uint8_t *links = qg_row_links(qg, qg_graph_row(walk, row), b);
        if (!qg_is_sound(walk, links, HOP_LINKS * sizeof(uint32_t)))
            return 0;
        for (uint32_t i = 0; i < HOP_LINKS; i++) {
            uint32_t link = le_load_u32(links + i * sizeof link);
            if (link >= qg->count || !qg_is_allowed(walk->query, link))
                continue;
            walk->allowed_met++;
            if (!qg_visit(walk->scratch, link))
                continue;
            const uint8_t *own = own_of(walk, link);
            for (size_t at = 0; at < own_size(qg); at += 64)
                __builtin_prefetch(own + at, 0, PREFETCH_L2);
            ret_rows[count++] = link;
        }
    }
    walk->tested += qg_degree(qg);
    return count;
}

static void ask_for_links(const struct qg_walk *walk, const struct bridges *bridges, uint32_t first)
{
    for (uint32_t i = first; i < bridges->count && i < first + BATCH; i++)
        for (uint32_t b = 0; b < walk->qg->blocks; b++) {
            const uint8_t *links =
                qg_row_links(walk->qg, qg_graph_row(walk, bridges->rows[i].row), b);
            __builtin_prefetch(links, 0, PREFETCH_L2);
            __builtin_prefetch(links + 64, 0, PREFETCH_L2);
        }
}

/* The nearest of the rows that were looked through will be expanded as if they were allowed. */
static void push_leads(struct qg_walk *walk, struct neighbor *fresh, uint32_t count)
{
    for (uint32_t i = 0; i < LEADS && i < count; i++) {
        uint32_t best = i;
        for (uint32_t j = i + 1; j < count; j++)
            if (fresh[j].distance < fresh[best].distance)
                best = j;
        struct neighbor lead = fresh[best];
        fresh[best] = fresh[i];
        qg_pool_push(&walk->scratch->pool, qg_item(qg_key(lead.distance), lead.row));
    }
}

/* Until enough was found. */
static void cross(struct qg_walk *walk, struct bridges *bridges, const struct plan_graph *costs)
{
    uint32_t rows[FOUND_MAX], total = bridges->allowed, fresh = 0;
    ask_for_links(walk, bridges, 0);
    for (uint32_t first = 0; first < bridges->count && total < WANTED; first += BATCH) {
        uint32_t count = 0, i = first;
        ask_for_links(walk, bridges, first + BATCH);
        for (; i < bridges->count && i < first + BATCH; i++)
            if (qg_visit(walk->scratch, bridges->rows[i].row)) {
                count += look_through(walk, bridges->rows[i].row, rows + count);
                bridges->rows[fresh++] = bridges->rows[i];
            }
        for (uint32_t f = 0; f < count; f++)
            found(walk, rows[f]);
        total += count;
        walk->spent += (i - first) * PLAN_LIST_NS + count * costs->found_ns;
    }
    if (total < walk->few && !walk->is_far)
        push_leads(walk, bridges->rows, fresh);
}

static void sort_link(struct qg_walk *walk, uint32_t link, float estimate, struct bridges *bridges)
{
    if (link >= walk->qg->count)
        return;
    if (!qg_is_allowed(walk->query, link)) {
        if (bridges->count < BRIDGES_MAX)
            bridges->rows[bridges->count++] = (struct neighbor){estimate, link};
        return;
    }
    bridges->allowed++;
    if (qg_visit(walk->scratch, link))
        qg_pool_push(&walk->scratch->pool, qg_item(qg_key(estimate), link));
}

static void expand_fast(struct qg_walk *walk, uint32_t row, struct bridges *bridges)
{
    const struct qg *qg = walk->qg;
    const uint8_t *block = qg_graph_row(walk, row);
    size_t block_size = hop_block_size(qg->dim, qg->bits);
    float estimates[HOP_LINKS];
    if (!qg_is_sound(walk, block, qg->stride))
        return;
    float distance = qg_walk_measure(walk, own_of(walk, row));
    walk->query->counts->distances++;
    qg_walk_offer(walk, distance, row);
    float bound = qg_walk_entry_bound(walk);
    for (uint32_t b = 0; b < qg->blocks; b++, block += block_size) {
        const uint8_t *links = block + block_size - HOP_LINKS * sizeof(uint32_t);
        uint32_t below = walk->ops->estimate(&walk->hop, block, distance, bound, estimates);
        for (; below; below &= below - 1) {
            unsigned i = (unsigned)__builtin_ctz(below);
            sort_link(walk, le_load_u32(links + (size_t)4 * i), estimates[i], bridges);
        }
    }
}

/* Without estimates: allowed links are compared by their codes, as those found further on are. */
static void expand_compact(struct qg_walk *walk, uint32_t row, struct bridges *bridges)
{
    const struct qg *qg = walk->qg;
    uint32_t rows[BRIDGES_MAX];
    uint32_t count = look_through(walk, row, rows);
    bridges->allowed = count;
    for (uint32_t b = 0; !walk->status && b < qg->blocks; b++)
        for (uint32_t i = 0; i < HOP_LINKS; i++) {
            uint32_t link =
                le_load_u32(qg_row_links(qg, qg_graph_row(walk, row), b) + i * sizeof link);
            if (link < qg->count && !qg_is_allowed(walk->query, link))
                bridges->rows[bridges->count++] = (struct neighbor){0, link};
        }
    for (uint32_t f = 0; f < count; f++)
        found(walk, rows[f]);
}

static void expand(struct qg_walk *walk, uint32_t row, const struct plan_graph *costs)
{
    struct bridges bridges;
    bridges.count = bridges.allowed = 0;
    if (qg_is_compact(walk->qg))
        expand_compact(walk, row, &bridges);
    else
        expand_fast(walk, row, &bridges);
    walk->query->counts->hops++;
    walk->spent += costs->hop_ns;
    if (!walk->status)
        cross(walk, &bridges, costs);
}

static void begin(struct qg_walk *walk)
{
    uint32_t entries[QG_ENTRIES_MAX];
    uint32_t count = qg_pivots_allowed(walk->qg, walk->scratch->code, walk->query, entries,
                                       walk->is_far ? QG_ENTRIES_MAX : ENTRIES);
    for (uint32_t i = 0; i < count; i++)
        if (qg_visit(walk->scratch, entries[i]))
            found(walk, entries[i]);
}

/* What lies around the query tells whether allowed rows do, unless a sieved walk has told: links of links may lead
 * to a few where none is near. If not, there is more to walk around. */
static void look_around(struct qg_walk *walk, const struct plan_graph *costs,
                        const struct index_choice *choice)
{
    struct qg_pool *pool = &walk->scratch->pool;
    uint32_t row = qg_pivots_nearest(walk->qg, walk->scratch->code);
    double share = (double)choice->allowed / walk->qg->count;
    pool->limit /= QG_FAR_EFFORT;
    walk->few = share < RARE_SHARE ? FEW_OF_RARE : FEW;
    walk->is_far = choice->reason == INDEX_REASON_FAR;
    qg_visit(walk->scratch, row);
    expand(walk, row, costs);
    walk->is_far |= (double)walk->allowed_met * RARE < (double)walk->tested * share;
    if (walk->is_far)
        pool->limit *= QG_FAR_EFFORT;
}

enum qg_walk_end qg_walk_confined(struct qg_walk *walk, const struct plan_graph *costs,
                                  const struct index_choice *choice)
{
    struct qg_pool *pool = &walk->scratch->pool;
    uint32_t row, touches = 0;
    look_around(walk, costs, choice);
    if (walk->is_far && FAR_COST * choice->costs[INDEX_PLAN_CONFINED] > choice->budget)
        return QG_WALK_FAR;
    begin(walk);
    while (!walk->status && qg_pool_take(pool, &row)) {
        uint64_t item = pool->items[pool->next - 1];
        if (qg_key_distance((uint32_t)(item >> 32)) > qg_walk_bound(walk))
            break;
        enum plan_verdict verdict = plan_judge(choice, walk->spent, walk->near_count >= walk->k);
        if (verdict != PLAN_GO_ON)
            return verdict == PLAN_LEAVE ? QG_WALK_COST : QG_WALK_ENDED;
        qg_walk_prefetch(walk);
        if (++touches % MAPPED_TOUCHES == 0)
            mapped_look();
        if (touches % QG_HOPS_BETWEEN_LOOKS == 0 &&
            (walk->status = stop_look(walk->query->stop, walk->error)))
            break;
        expand(walk, row, costs);
        qg_walk_prefetch(walk);
    }
    return QG_WALK_ENDED;
}
