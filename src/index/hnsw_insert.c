/* hnsw_insert.c: adding a row (the paper's algorithms 1 and 4).
 *
 * An insert first finds neighbours on all its layers, then writes its own lists, and only then lets
 * others link to it: whoever reaches a row finds its lists complete. Each list of another row is
 * changed under that row's stripe lock, one lock at a time. Only a row above all others holds the
 * entry lock too, for its whole insert, so that two of them do not both become the top. */
#include "index/hnsw.h"

/* Algorithm 4: of `candidates`, nearest first, choose up to `limit` such that none is nearer to an
 * already chosen one than to the base. Equals are kept, or rows all alike would end with one link. */
static uint32_t choose_diverse(const struct hnsw *hnsw, const struct neighbor *candidates,
                               uint32_t count, uint32_t limit, struct neighbor *ret_chosen)
{
    uint32_t chosen = 0;
    for (uint32_t i = 0; i < count && chosen < limit; i++) {
        const void *vector = rows_at(&hnsw->rows, candidates[i].row);
        uint32_t other = 0;
        while (other < chosen &&
               !(hnsw_distance(hnsw, vector, ret_chosen[other].row) < candidates[i].distance))
            other++;
        if (other == chosen)
            ret_chosen[chosen++] = candidates[i];
    }
    return chosen;
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

/* The full list of `base` and the new link: keep a diverse choice of them. */
static void shrink_with(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t base,
                        uint32_t layer, struct neighbor new_link)
{
    uint32_t *list = hnsw_list(hnsw, base, layer);
    uint32_t degree = hnsw_degree(hnsw, layer);
    const void *vector = rows_at(&hnsw->rows, base);
    struct neighbor *candidates = scratch->closest;
    struct neighbor kept[2 * LODE_M_MAX];
    for (uint32_t i = 0; i < degree; i++) {
        uint32_t row = hnsw_link(list, i);
        candidates[i] = (struct neighbor){hnsw_distance(hnsw, vector, row), row};
    }
    candidates[degree] = new_link;
    sort_few(candidates, degree + 1);
    uint32_t count = choose_diverse(hnsw, candidates, degree + 1, degree, kept);
    list_write(list, degree, kept, count);
}

/* Let `base` link to link.row, which is link.distance away. */
static void link_back(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t base,
                      uint32_t layer, struct neighbor link)
{
    uint32_t *list = hnsw_list(hnsw, base, layer);
    uint32_t degree = hnsw_degree(hnsw, layer);
    mutex_lock(hnsw_stripe(hnsw, base));
    uint32_t count = 0;
    while (count < degree && hnsw_link(list, count) != HNSW_NONE)
        count++;
    if (count < degree)
        hnsw_link_set(list, count, link.row);
    else
        shrink_with(hnsw, scratch, base, layer, link);
    mutex_unlock(hnsw_stripe(hnsw, base));
}

static uint32_t beam_copy(const struct hnsw_beam *beam, uint32_t row, struct neighbor *ret)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < beam->count; i++)
        if (hnsw_item_row(beam->items[i]) != row)
            ret[count++] = (struct neighbor){hnsw_item_distance(beam->items[i]),
                                             hnsw_item_row(beam->items[i])};
    return count;
}

/* Find the neighbours of `row` on layers [0, layer], and link both ways. */
static lode_status connect(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t row,
                           uint32_t entry, uint32_t top, lode_error *error)
{
    const void *vector = rows_at(&hnsw->rows, row);
    struct index_counts counts = {0, 0};
    uint32_t chosen_count[HNSW_LAYER_MAX + 1];
    struct neighbor nearest = hnsw_descend(hnsw, vector, entry, top, &counts);
    for (uint32_t layer = top + 1; layer-- > 0;) {
        struct neighbor *chosen = scratch->chosen + (size_t)layer * 2 * hnsw->m;
        lode_status status =
            hnsw_walk(hnsw, scratch, vector, nearest, layer, hnsw->ef_construction, &counts, error);
        if (status != LODE_OK)
            return status;
        uint32_t count = beam_copy(&scratch->beam, row, scratch->closest);
        chosen_count[layer] = choose_diverse(hnsw, scratch->closest, count, hnsw->m, chosen);
        if (count)
            nearest = scratch->closest[0];
    }
    for (uint32_t layer = 0; layer <= top; layer++)
        list_write(hnsw_list(hnsw, row, layer), hnsw_degree(hnsw, layer),
                   scratch->chosen + (size_t)layer * 2 * hnsw->m, chosen_count[layer]);
    for (uint32_t layer = 0; layer <= top; layer++)
        for (uint32_t i = 0; i < chosen_count[layer]; i++) {
            struct neighbor to = scratch->chosen[(size_t)layer * 2 * hnsw->m + i];
            link_back(hnsw, scratch, to.row, layer, (struct neighbor){to.distance, row});
        }
    return LODE_OK;
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
    int is_top = is_above(hnsw, level, entry);
    hnsw_graph_add(hnsw, row, level);
    lode_status status = LODE_OK;
    if (entry != HNSW_NONE) {
        uint32_t entry_level = hnsw_level(hnsw->seed, hnsw->m, entry);
        status =
            connect(hnsw, scratch, row, entry, level < entry_level ? level : entry_level, error);
    }
    if (status == LODE_OK)
        publish(hnsw, row, is_top);
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
    lode_status status = insert_with(hnsw, scratch, row, error);
    hnsw_scratch_give(hnsw, scratch);
    return status;
}
