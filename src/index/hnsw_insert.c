/* hnsw_insert.c: adding a row (the paper's algorithms 1 and 4).
 *
 * An insert first finds neighbours on all its layers, then writes its own lists, and only then lets
 * others link to it: whoever reaches a row finds its lists complete. Each list of another row is
 * changed under that row's stripe lock, one lock at a time. Only a row above all others holds the
 * entry lock too, for its whole insert, so that two of them do not both become the top. */
#include "index/hnsw.h"

/* Whether a link to `candidate` is of little use beside one to `other`: the way leads over there. Rows
 * all equally far from each other, as duplicates are, count too, or the links of a row with many
 * duplicates would all stay among them. */
static int is_shadowed(const struct rows *rows, struct neighbor candidate, struct neighbor other)
{
    float between = hnsw_distance(rows, rows_at(rows, candidate.row), other.row);
    return between < candidate.distance ||
           (between == candidate.distance && between == other.distance);
}

/* Add candidates not among the first `chosen`, nearest first, up to `fill` in all. The chosen stand in
 * the order of the candidates. */
static uint32_t choose_nearest(const struct neighbor *candidates, uint32_t count, uint32_t fill,
                               struct neighbor *ret_chosen, uint32_t chosen)
{
    uint32_t diverse = chosen, next = 0;
    for (uint32_t i = 0; i < count && chosen < fill; i++) {
        if (next < diverse && ret_chosen[next].row == candidates[i].row)
            next++;
        else
            ret_chosen[chosen++] = candidates[i];
    }
    return chosen;
}

/* Algorithm 4 with keepPrunedConnections in part: of `candidates`, nearest first, up to `degree` of
 * which none shadows another; then the nearest others, while less than three quarters are taken. */
uint32_t hnsw_choose_links(const struct rows *rows, const struct neighbor *candidates,
                           uint32_t count, uint32_t degree, struct neighbor *ret_chosen)
{
    uint32_t chosen = 0;
    for (uint32_t i = 0; i < count && chosen < degree; i++) {
        uint32_t other = 0;
        while (other < chosen && !is_shadowed(rows, candidates[i], ret_chosen[other]))
            other++;
        if (other == chosen)
            ret_chosen[chosen++] = candidates[i];
    }
    return choose_nearest(candidates, count, degree - degree / 4, ret_chosen, chosen);
}

static void sort_few(struct neighbor *items, uint32_t count)
{
    for (uint32_t i = 1; i < count; i++) {
        struct neighbor item = items[i];
        uint32_t at = i;
        for (; at && neighbor_before(item, items[at - 1]); at--)
            items[at] = items[at - 1];
        items[at] = item;
    }
}

static void list_write(uint32_t *list, uint32_t degree, const struct neighbor *links,
                       uint32_t count)
{
    for (uint32_t i = 0; i < degree; i++)
        hnsw_link_set(list, i, i < count ? links[i].row : HNSW_NONE);
}

/* The full list of `base` and a new link: keep the best of them. 1 when the new one is kept. */
static int shrink_with(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t base,
                       uint32_t layer, struct neighbor new_link)
{
    uint32_t *list = hnsw_list(hnsw, base, layer);
    uint32_t degree = hnsw_degree(hnsw, layer);
    const struct rows *rows = scratch->rows;
    struct neighbor *candidates = scratch->closest, kept[2 * LODE_M_MAX];
    for (uint32_t i = 0; i < degree; i++)
        rows_prefetch(rows, hnsw_link(list, i));
    for (uint32_t i = 0; i < degree; i++) {
        uint32_t row = hnsw_link(list, i);
        candidates[i] = (struct neighbor){hnsw_distance(rows, rows_at(rows, base), row), row};
    }
    candidates[degree] = new_link;
    sort_few(candidates, degree + 1);
    uint32_t count = hnsw_choose_links(rows, candidates, degree + 1, degree, kept);
    list_write(list, degree, kept, count);
    uint32_t at = 0;
    while (at < count && kept[at].row != new_link.row)
        at++;
    return at < count;
}

/* Append a link to a list with room; 0 when it is full. Under the row's stripe lock. */
static int append(struct hnsw *hnsw, uint32_t base, uint32_t layer, uint32_t row)
{
    uint32_t *list = hnsw_list(hnsw, base, layer);
    uint32_t degree = hnsw_degree(hnsw, layer);
    uint32_t count = 0;
    while (count < degree && hnsw_link(list, count) != HNSW_NONE)
        count++;
    if (count < degree)
        hnsw_link_set(list, count, row);
    return count < degree;
}

/* Let `base` link to link.row, which is link.distance away, unless its other links are better. */
static int link_back(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t base, uint32_t layer,
                     struct neighbor link)
{
    mutex_lock(hnsw_stripe(hnsw, base));
    int linked =
        append(hnsw, base, layer, link.row) || shrink_with(hnsw, scratch, base, layer, link);
    mutex_unlock(hnsw_stripe(hnsw, base));
    return linked;
}

int hnsw_append(struct hnsw *hnsw, uint32_t base, uint32_t row)
{
    mutex_lock(hnsw_stripe(hnsw, base));
    int linked = append(hnsw, base, 0, row);
    mutex_unlock(hnsw_stripe(hnsw, base));
    return linked;
}

int hnsw_adopt(struct hnsw *hnsw, const struct hnsw_beam *beam, uint32_t row)
{
    for (uint32_t i = 0; i < beam->count; i++)
        if (hnsw_append(hnsw, hnsw_item_row(beam->items[i]), row))
            return 1;
    return 0;
}

static uint32_t beam_copy(const struct hnsw_beam *beam, struct neighbor *ret)
{
    for (uint32_t i = 0; i < beam->count; i++)
        ret[i] =
            (struct neighbor){hnsw_item_distance(beam->items[i]), hnsw_item_row(beam->items[i])};
    return beam->count;
}

/* What a row will link to: for each layer 2m places of scratch->chosen, of which the first are used. */
struct plan {
    uint32_t top;    /* highest layer on which there is anything to link to */
    uint32_t bottom; /* lowest; 1 where layer 0 is done already */
    uint32_t count[HNSW_LAYER_MAX + 1];
};

static struct neighbor *chosen_on(const struct hnsw *hnsw, const struct hnsw_scratch *scratch,
                                  uint32_t layer)
{
    return scratch->chosen + (size_t)layer * 2 * hnsw->m;
}

lode_status hnsw_find_near(struct hnsw *hnsw, struct hnsw_scratch *scratch, struct neighbor entry,
                           uint32_t layer, lode_error *error)
{
    uint32_t ef = hnsw->ef_construction > hnsw->m ? hnsw->ef_construction : hnsw->m;
    struct index_counts counts = {0, 0};
    if (hnsw_scratch_begin(scratch, ef, hnsw_degree(hnsw, layer)))
        return error_nomem(error, "an insert", ef * sizeof *scratch->beam.items);
    hnsw_walk(hnsw, scratch, entry, layer, &counts);
    return LODE_OK;
}

/* Find neighbours of scratch->target on layers [plan->bottom, plan->top]. The beam ends as the walk on the
 * lowest left it. */
static lode_status find_neighbors(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t entry,
                                  struct plan *plan, lode_error *error)
{
    struct index_counts counts = {0, 0};
    struct neighbor nearest = hnsw_descend(hnsw, scratch, entry, plan->top, &counts);
    for (uint32_t layer = plan->top + 1; layer-- > plan->bottom;) {
        lode_status status = hnsw_find_near(hnsw, scratch, nearest, layer, error);
        if (status != LODE_OK)
            return status;
        uint32_t count = beam_copy(&scratch->beam, scratch->closest);
        plan->count[layer] =
            hnsw_choose_links(scratch->rows, scratch->closest, count, hnsw_degree(hnsw, layer),
                              chosen_on(hnsw, scratch, layer));
        if (count)
            nearest = scratch->closest[0];
    }
    return LODE_OK;
}

static void write_links(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t row,
                        const struct plan *plan)
{
    int linked = 0; /* on layer 0, by any other row */
    for (uint32_t layer = plan->bottom; layer <= plan->top; layer++)
        list_write(hnsw_list(hnsw, row, layer), hnsw_degree(hnsw, layer),
                   chosen_on(hnsw, scratch, layer), plan->count[layer]);
    for (uint32_t layer = plan->bottom; layer <= plan->top; layer++)
        for (uint32_t i = 0; i < plan->count[layer]; i++) {
            struct neighbor to = chosen_on(hnsw, scratch, layer)[i];
            int kept = link_back(hnsw, scratch, to.row, layer, (struct neighbor){to.distance, row});
            linked |= layer == 0 && kept;
        }
    if (!linked && plan->bottom == 0)
        (void)hnsw_adopt(hnsw, &scratch->beam, row);
}

/* The row is in the graph: count it, and let it be the entry when it is the highest. */
static void publish(struct hnsw *hnsw, uint32_t row, int is_top)
{
    uint32_t end = atomic_load_explicit(&hnsw->row_end, memory_order_relaxed);
    while (end <= row &&
           !atomic_compare_exchange_weak_explicit(&hnsw->row_end, &end, row + 1,
                                                  memory_order_release, memory_order_relaxed))
        ;
    if (is_top)
        atomic_store_explicit(&hnsw->entry, row, memory_order_release);
    atomic_fetch_add_explicit(&hnsw->inserted, 1, memory_order_release);
}

static int is_above(const struct hnsw *hnsw, uint32_t level, uint32_t entry)
{
    return entry == HNSW_NONE || level > hnsw_level(hnsw->seed, hnsw->m, entry);
}

/* All that can fail comes before the first change. */
static lode_status insert_below(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t row,
                                uint32_t entry, lode_error *error)
{
    uint32_t level = hnsw_level(hnsw->seed, hnsw->m, row);
    uint32_t entry_level = hnsw_level(hnsw->seed, hnsw->m, entry);
    struct plan plan = {.top = level < entry_level ? level : entry_level};
    const void *vector = rows_at(&hnsw->rows, row);
    lode_status status = find_neighbors(hnsw, scratch, entry, &plan, error);
    if (status == LODE_OK && hnsw_is_blurred(hnsw, scratch, vector)) {
        hnsw_aim(hnsw, scratch, vector, NULL);
        status = find_neighbors(hnsw, scratch, entry, &plan, error);
    }
    if (status != LODE_OK)
        return status;
    hnsw_graph_add(hnsw, row, level);
    write_links(hnsw, scratch, row, &plan);
    return LODE_OK;
}

static lode_status insert_with(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t row,
                               lode_error *error)
{
    uint32_t level = hnsw_level(hnsw->seed, hnsw->m, row);
    uint32_t entry = atomic_load_explicit(&hnsw->entry, memory_order_acquire);
    int locked = is_above(hnsw, level, entry);
    if (locked) {
        mutex_lock(&hnsw->entry_lock);
        entry = atomic_load_explicit(&hnsw->entry, memory_order_acquire);
    }
    lode_status status = LODE_OK;
    if (entry == HNSW_NONE)
        hnsw_graph_add(hnsw, row, level);
    else
        status = insert_below(hnsw, scratch, row, entry, error);
    if (status == LODE_OK)
        publish(hnsw, row, is_above(hnsw, level, entry));
    if (locked)
        mutex_unlock(&hnsw->entry_lock);
    return status;
}

lode_status hnsw_insert(struct index *index, uint32_t row, lode_error *error)
{
    struct hnsw *hnsw = (struct hnsw *)index;
    INVARIANT(!hnsw->mapped);
    if (row >= hnsw->capacity)
        return error_set(error, LODE_LIMIT, "hnsw: row %u is beyond the capacity of %u rows", row,
                         hnsw->capacity);
    struct hnsw_scratch *scratch = hnsw_scratch_take(hnsw);
    if (!scratch)
        return error_nomem(error, "insert", sizeof *scratch);
    const void *vector = rows_at(&hnsw->rows, row);
    uint8_t *code = hnsw_code_of(hnsw, row);
    if (code)
        hnsw_code(hnsw, vector, scratch->decoded, code);
    hnsw_aim(hnsw, scratch, vector, code);
    lode_status status = insert_with(hnsw, scratch, row, error);
    hnsw_scratch_give(hnsw, scratch);
    return status;
}

lode_status hnsw_raise(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t row,
                       lode_error *error)
{
    uint32_t level = hnsw_level(hnsw->seed, hnsw->m, row);
    uint32_t entry = atomic_load_explicit(&hnsw->entry, memory_order_acquire);
    lode_status status = LODE_OK;
    if (entry != HNSW_NONE && level > 0) {
        uint32_t entry_level = hnsw_level(hnsw->seed, hnsw->m, entry);
        struct plan plan = {.top = level < entry_level ? level : entry_level, .bottom = 1};
        hnsw_aim(hnsw, scratch, rows_at(&hnsw->rows, row), NULL);
        status = find_neighbors(hnsw, scratch, entry, &plan, error);
        if (status == LODE_OK)
            write_links(hnsw, scratch, row, &plan);
    }
    if (status == LODE_OK)
        publish(hnsw, row, is_above(hnsw, level, entry));
    return status;
}
