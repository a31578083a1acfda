/* hnsw_walk.c: the descent to a layer, and the walk on it (the paper's algorithm 2).
 *
 * A walk expands the nearest row it has met and not yet expanded, as long as that is among the ef nearest
 * met. It keeps those in one sorted array, the beam: for the few hundred rows of a usual ef, moving half of
 * them to keep a new one costs less than the two heaps of the paper (docs/decisions/0014).
 *
 * A hop waits for memory: for the list of the row, then for the vectors of its links. Both are asked for
 * as soon as it is known that they will be needed. Vectors are asked for into the second cache: a list of
 * them is more lines than the first has places to wait in (docs/decisions/0062). */
#include "index/hnsw.h"

#include "os/mapped.h"
#include "os/stop.h"

#define HOPS_BETWEEN_LOOKS 2u /* at how much memory is mapped: a hop touches all links of a row */

#include "base/bitset.h"

/* The nearest of the links of nearest->row, if nearer. 1 when there was one. */
static int step_nearer(const struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t layer,
                       struct neighbor *nearest, struct index_counts *counts)
{
    if (hnsw_touch_list(hnsw, nearest->row, layer, &scratch->failure))
        return 0;
    const uint32_t *list = hnsw_list(hnsw, nearest->row, layer);
    uint32_t degree = list ? hnsw_degree(hnsw, layer) : 0;
    int moved = 0;
    counts->hops++;
    for (uint32_t i = 0; i < degree; i++) {
        uint32_t row = hnsw_link(list, i);
        if (row >= hnsw->capacity)
            break;
        float distance = hnsw_measure(scratch, row);
        counts->distances++;
        if (distance < nearest->distance) {
            *nearest = (struct neighbor){distance, row};
            moved = 1;
        }
    }
    return moved;
}

struct neighbor hnsw_descend(const struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t entry,
                             uint32_t layer, struct index_counts *counts)
{
    struct neighbor nearest = {hnsw_measure(scratch, entry), entry};
    counts->distances++;
    for (uint32_t above = hnsw_level(hnsw->seed, hnsw->m, entry); above > layer; above--)
        while (step_nearer(hnsw, scratch, above, &nearest, counts))
            ;
    return nearest;
}

const uint32_t *hnsw_meet_links(const struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t row,
                                uint32_t layer, uint32_t *ret_count)
{
    struct hnsw_visited *visited = &scratch->visited;
    *ret_count = 0;
    if (hnsw_touch_list(hnsw, row, layer, &scratch->failure))
        return visited->met;
    const uint32_t *list = hnsw_list(hnsw, row, layer);
    uint32_t degree = list ? hnsw_degree(hnsw, layer) : 0;
    uint32_t *batch = visited->met + visited->met_count, count = 0;
    for (uint32_t i = 0; i < degree; i++) {
        uint32_t link = hnsw_link(list, i);
        if (link >= hnsw->capacity)
            break;
        if (bitset_test(visited->bits, link))
            continue;
        bitset_set(visited->bits, link);
        rows_prefetch(scratch->rows, link);
        batch[count++] = link;
    }
    hnsw_visited_add(visited, count);
    *ret_count = count;
    return batch;
}

void hnsw_walk(const struct hnsw *hnsw, struct hnsw_scratch *scratch, struct neighbor entry,
               uint32_t layer, struct index_counts *counts)
{
    struct hnsw_beam *beam = &scratch->beam;
    hnsw_visited_entry(&scratch->visited, entry.row);
    hnsw_beam_push(beam, hnsw_item(entry.distance, entry.row));
    uint32_t touches = 0;
    for (uint32_t row; !scratch->failure.status && (row = hnsw_beam_take(beam)) != HNSW_NONE;) {
        uint32_t count;
        /* Rows of a mapped graph lie in a file, as their lists do. */
        if (++touches % HOPS_BETWEEN_LOOKS == 0 && hnsw->mapped)
            mapped_look();
        if (touches % HNSW_HOPS_BETWEEN_LOOKS == 0 && stop_look(scratch->stop, &scratch->failure))
            break;
        const uint32_t *batch = hnsw_meet_links(hnsw, scratch, row, layer, &count);
        uint32_t next = hnsw_beam_peek(beam);
        if (next != HNSW_NONE)
            hnsw_prefetch_list(hnsw, next, layer);
        counts->hops++;
        counts->distances += count;
        for (uint32_t i = 0; i < count; i++) {
            float distance = hnsw_measure(scratch, batch[i]);
            if (hnsw_beam_push(beam, hnsw_item(distance, batch[i])))
                hnsw_prefetch_list(hnsw, batch[i], layer);
        }
    }
}
