/* hnsw_filtered.c: the walk when not every row may be returned.
 *
 * What is to be expanded and what is found differ: a heap of the one, the beam for the other. On a sieved walk
 * rows not allowed lead on but are never found. A confined one (ACORN, see qg_filtered.c) compares allowed rows
 * alone: through the others it looks at their links, and where that leads to few, some of these lead on. It
 * begins at the nearest of a sample of allowed rows too, since those near the query may all be others. */
#include "index/hnsw.h"

#include <math.h>

#include "base/bitset.h"
#include "os/mapped.h"
#include "os/stop.h"

#define WANTED     12u /* allowed links of a hop that suffice */
#define SHORT      4u  /* fewer: some that are not allowed lead on */
#define LEADS      4u
#define BATCH      8u  /* lists asked for at once */
#define SAMPLE     32u /* allowed rows that a confined walk may begin at */
#define RARE       8 /* times as few allowed rows around the query as elsewhere: they lie far from it */
#define FAR_COST   8  /* of a walk far from the query, in others */
#define FAR_EFFORT 4u /* the beam of such a walk, in others */
#define SHOULD_BE  8  /* allowed rows among those expanded when that is looked at */
#define OVERDUE    4  /* a sieved walk of so many times its expected cost is left */

/* Nanoseconds, docs/decisions/0106. */
#define HOP_NS   150
#define LINE_NS  5
#define FOUND_NS 25

struct filtered_walk {
    const struct hnsw *hnsw;
    struct hnsw_scratch *scratch;
    const struct index_query *query;
    struct index_choice *choice;
    struct plan_graph costs;
    double spent;
    uint64_t tested, allowed_met; /* links looked through, and allowed ones among them */
    uint64_t hops;
    uint64_t allowed_hops; /* of those of late */
    int is_far;
    int out_of_memory;
};

static int is_allowed(const struct index_query *query, uint32_t row)
{
    return row < query->row_limit && (!query->allowed || bitset_test(query->allowed, row));
}

static void meet(struct filtered_walk *walk, float distance, uint32_t row)
{
    struct hnsw_beam *found = &walk->scratch->beam;
    struct hnsw_frontier *frontier = &walk->scratch->frontier;
    uint64_t item = hnsw_item(distance, row);
    if (item >= hnsw_beam_bound(found))
        return;
    if (is_allowed(walk->query, row))
        hnsw_beam_push(found, item);
    if (hnsw_frontier_push(frontier, item)) {
        walk->out_of_memory = 1;
        return;
    }
    if (frontier->items[0] == item)
        hnsw_prefetch_list(walk->hnsw, row, 0);
}

static void measure(struct filtered_walk *walk, const uint32_t *rows, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++)
        meet(walk, hnsw_measure(walk->scratch, rows[i]), rows[i]);
    walk->query->counts->distances += count;
    walk->spent += count * walk->costs.found_ns;
}

static void expand_sieved(struct filtered_walk *walk, uint32_t row)
{
    const struct hnsw *hnsw = walk->hnsw;
    uint32_t count;
    const uint32_t *batch = hnsw_meet_links(hnsw, walk->scratch, row, 0, &count);
    if (walk->scratch->frontier.count)
        hnsw_prefetch_list(hnsw, hnsw_item_row(walk->scratch->frontier.items[0]), 0);
    measure(walk, batch, count);
}

/* 1 the first time. */
static int visit(struct filtered_walk *walk, uint32_t row)
{
    struct hnsw_visited *visited = &walk->scratch->visited;
    if (bitset_test(visited->bits, row))
        return 0;
    bitset_set(visited->bits, row);
    visited->met[visited->met_count] = row;
    hnsw_visited_add(visited, 1);
    return 1;
}

struct links {
    uint32_t found[BATCH * 2 * LODE_M_MAX]; /* allowed ones, met for the first time */
    uint32_t found_count;
    uint32_t others[2 * LODE_M_MAX]; /* of the row itself alone */
    uint32_t other_count;
};

/* Allowed links of the row; its others, too, unless it is one of those. */
static void look_through(struct filtered_walk *walk, uint32_t row, int is_other,
                         struct links *links)
{
    const struct hnsw *hnsw = walk->hnsw;
    if (hnsw_touch_list(hnsw, row, 0, &walk->scratch->failure))
        return;
    const uint32_t *list = hnsw_list(hnsw, row, 0);
    for (uint32_t i = 0; list && i < hnsw_degree(hnsw, 0); i++) {
        uint32_t link = hnsw_link(list, i);
        if (link >= hnsw->capacity)
            break;
        walk->tested++;
        if (!is_allowed(walk->query, link)) {
            if (!is_other)
                links->others[links->other_count++] = link;
            continue;
        }
        walk->allowed_met++;
        if (!visit(walk, link))
            continue;
        rows_prefetch(walk->scratch->rows, link);
        links->found[links->found_count++] = link;
    }
    walk->spent += PLAN_LIST_NS;
}

static void ask_for_lists(const struct filtered_walk *walk, const struct links *links,
                          uint32_t first)
{
    for (uint32_t i = first; i < links->other_count && i < first + BATCH; i++)
        hnsw_prefetch_list(walk->hnsw, links->others[i], 0);
}

static void expand_confined(struct filtered_walk *walk, uint32_t row)
{
    struct links links;
    uint32_t total, fresh = 0;
    links.found_count = links.other_count = 0;
    look_through(walk, row, 0, &links);
    ask_for_lists(walk, &links, 0);
    measure(walk, links.found, links.found_count);
    total = links.found_count;
    for (uint32_t i = 0; i < links.other_count && total < WANTED;) {
        links.found_count = 0;
        ask_for_lists(walk, &links, i + BATCH);
        for (uint32_t end = i + BATCH; i < end && i < links.other_count; i++)
            if (visit(walk, links.others[i])) {
                look_through(walk, links.others[i], 1, &links);
                links.others[fresh++] = links.others[i];
            }
        measure(walk, links.found, links.found_count);
        total += links.found_count;
    }
    if (total < SHORT && !walk->is_far)
        measure(walk, links.others, fresh < LEADS ? fresh : LEADS);
}

/* On a sieved walk: see qg_search.c. */
static int is_far(struct filtered_walk *walk)
{
    double share = (double)walk->choice->allowed / walk->costs.count;
    if (walk->hops % (uint64_t)(SHOULD_BE / share) != 0)
        return 0;
    int far = walk->allowed_hops * RARE < SHOULD_BE;
    walk->allowed_hops = 0;
    return far;
}

static enum hnsw_walk_end end_of(struct filtered_walk *walk, enum index_plan plan)
{
    if (plan == INDEX_PLAN_SIEVE) {
        if (is_far(walk))
            return HNSW_WALK_FAR;
        if (walk->spent > OVERDUE * walk->choice->costs[INDEX_PLAN_SIEVE])
            return HNSW_WALK_TOO_LONG;
    }
    switch (
        plan_judge(walk->choice, walk->spent, walk->scratch->beam.count >= walk->query->topk->k)) {
    case PLAN_LEAVE: return HNSW_WALK_TOO_LONG;
    case PLAN_END: return HNSW_WALK_ENDED;
    default: return HNSW_WALK_GOES_ON;
    }
}

static enum hnsw_walk_end walk_on(struct filtered_walk *walk, enum index_plan plan)
{
    struct hnsw_frontier *frontier = &walk->scratch->frontier;
    enum hnsw_walk_end end = HNSW_WALK_GOES_ON;
    while (end == HNSW_WALK_GOES_ON && frontier->count && !walk->out_of_memory &&
           !walk->scratch->failure.status) {
        uint64_t item = hnsw_frontier_pop(frontier);
        if (item > hnsw_beam_bound(&walk->scratch->beam))
            break;
        if (walk->hnsw->mapped)
            mapped_look();
        walk->query->counts->hops++;
        if (++walk->hops % HNSW_HOPS_BETWEEN_LOOKS == 0 &&
            stop_look(walk->query->stop, &walk->scratch->failure))
            break;
        walk->allowed_hops += (uint64_t)is_allowed(walk->query, hnsw_item_row(item));
        walk->spent += HOP_NS;
        if (plan == INDEX_PLAN_CONFINED)
            expand_confined(walk, hnsw_item_row(item));
        else
            expand_sieved(walk, hnsw_item_row(item));
        end = end_of(walk, plan);
    }
    return end == HNSW_WALK_GOES_ON ? HNSW_WALK_ENDED : end;
}

/* One allowed row from each stretch of the set that has any. */
static void begin_at_sample(struct filtered_walk *walk)
{
    const struct index_query *query = walk->query;
    size_t words = bitset_words(query->row_limit);
    for (uint32_t i = 0; i < SAMPLE; i++)
        for (size_t w = words * i / SAMPLE; w < words * (i + 1) / SAMPLE; w++)
            if (query->allowed[w]) {
                uint32_t row = (uint32_t)(w * 64 + (size_t)__builtin_ctzll(query->allowed[w]));
                if (row < query->row_limit && visit(walk, row))
                    measure(walk, &row, 1);
                break;
            }
}

/* The first hop tells whether allowed rows lie near the query, unless a sieved walk has told. */
static enum hnsw_walk_end walk_confined(struct filtered_walk *walk, struct neighbor entry)
{
    double share = (double)walk->choice->allowed / walk->costs.count;
    walk->is_far = walk->choice->reason == INDEX_REASON_FAR;
    expand_confined(walk, entry.row);
    walk->is_far |= (double)walk->allowed_met * RARE < (double)walk->tested * share;
    if (walk->is_far && FAR_COST * walk->choice->costs[INDEX_PLAN_CONFINED] > walk->choice->budget)
        return HNSW_WALK_FAR;
    if (walk->is_far)
        walk->scratch->beam.limit *= FAR_EFFORT;
    begin_at_sample(walk);
    return walk_on(walk, INDEX_PLAN_CONFINED);
}

uint32_t hnsw_filtered_ef(enum index_plan plan, uint32_t ef)
{
    return plan == INDEX_PLAN_CONFINED ? ef * FAR_EFFORT : ef;
}

struct plan_graph hnsw_filtered_costs(const struct hnsw *hnsw, const struct rows *rows,
                                      const struct index_query *query, uint32_t ef)
{
    double lines = ceil((double)rows->space->row_size / 64);
    double found = FOUND_NS + lines * LINE_NS;
    return (struct plan_graph){.count = query->row_limit,
                               .hops = 1.1 * ef,
                               .hop_ns = HOP_NS + 0.5 * hnsw_degree(hnsw, 0) * found,
                               .found_ns = found};
}

enum hnsw_walk_end hnsw_walk_filtered(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                                      const struct index_query *query, struct index_choice *choice,
                                      struct neighbor entry)
{
    struct filtered_walk walk = {
        .hnsw = hnsw, .scratch = scratch, .query = query, .choice = choice};
    uint32_t ef = scratch->beam.limit;
    if (choice->plan == INDEX_PLAN_CONFINED)
        ef = scratch->beam.limit /= FAR_EFFORT;
    walk.costs = hnsw_filtered_costs(hnsw, scratch->rows, query, ef);
    hnsw_visited_entry(&scratch->visited, entry.row);
    meet(&walk, entry.distance, entry.row);
    enum hnsw_walk_end end = choice->plan == INDEX_PLAN_CONFINED ? walk_confined(&walk, entry)
                                                                 : walk_on(&walk, INDEX_PLAN_SIEVE);
    choice->spent += end == HNSW_WALK_ENDED ? 0 : walk.spent;
    return walk.out_of_memory ? HNSW_WALK_NOMEM : end;
}
