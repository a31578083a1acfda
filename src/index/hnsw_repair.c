/* hnsw_repair.c: no row left behind. Lists are shrunk one by one, and now and then the last link to a row
 * is dropped, or duplicates end up linking to each other alone. After a build, one breadth-first pass
 * from the entry finds the rows that layer 0 does not reach; each gets a link from the nearest row that
 * is reached and has room. */
#include "index/hnsw.h"

#include <stdlib.h>

#include "base/bitset.h"

struct reach {
    struct hnsw *hnsw;
    uint64_t *reached; /* bitset of rows */
    uint32_t *queue;   /* reached rows, each once; its first `done` ones have been followed */
    uint32_t done, count;
    uint32_t roomy; /* queue[0, roomy) have full lists */
};

static void reach_row(struct reach *reach, uint32_t row)
{
    if (bitset_test(reach->reached, row))
        return;
    bitset_set(reach->reached, row);
    reach->queue[reach->count++] = row;
}

/* Everything reachable from the rows in the queue. */
static void follow(struct reach *reach)
{
    while (reach->done < reach->count) {
        const uint32_t *list = hnsw_list(reach->hnsw, reach->queue[reach->done++], 0);
        for (uint32_t i = 0; i < hnsw_degree(reach->hnsw, 0); i++) {
            uint32_t link = hnsw_link(list, i);
            if (link == HNSW_NONE)
                break;
            reach_row(reach, link);
        }
    }
}

/* The nearest rows are full, as among thousands of duplicates: take any other. One has room, since the
 * row reached last has been given one link only. */
static void adopt_anywhere(struct reach *reach, uint32_t row)
{
    while (reach->roomy < reach->count &&
           !hnsw_append(reach->hnsw, reach->queue[reach->roomy], row))
        reach->roomy++;
}

static lode_status adopt(struct reach *reach, struct hnsw_scratch *scratch, uint32_t row,
                         lode_error *error)
{
    struct hnsw *hnsw = reach->hnsw;
    uint32_t entry = atomic_load_explicit(&hnsw->entry, memory_order_relaxed);
    hnsw_aim(hnsw, scratch, rows_at(&hnsw->rows, row), NULL);
    struct index_counts counts = {0, 0};
    struct neighbor nearest = hnsw_descend(hnsw, scratch, entry, 0, &counts);
    if (!bitset_test(reach->reached, nearest.row))
        nearest = (struct neighbor){hnsw_distance(&hnsw->rows, scratch->target, entry), entry};
    lode_status status = hnsw_find_near(hnsw, scratch, nearest, 0, error);
    if (status != LODE_OK)
        return status;
    if (!hnsw_adopt(hnsw, &scratch->beam, row))
        adopt_anywhere(reach, row);
    reach_row(reach, row);
    follow(reach);
    return LODE_OK;
}

static lode_status repair_with(struct reach *reach, struct hnsw_scratch *scratch, lode_error *error)
{
    uint32_t rows = atomic_load_explicit(&reach->hnsw->row_end, memory_order_acquire);
    lode_status status = LODE_OK;
    reach_row(reach, atomic_load_explicit(&reach->hnsw->entry, memory_order_relaxed));
    follow(reach);
    for (uint32_t row = 0; row < rows && status == LODE_OK; row++)
        if (!bitset_test(reach->reached, row))
            status = adopt(reach, scratch, row, error);
    return status;
}

lode_status hnsw_repair(struct hnsw *hnsw, lode_error *error)
{
    size_t rows = atomic_load_explicit(&hnsw->row_end, memory_order_acquire);
    if (rows == 0)
        return LODE_OK;
    struct reach reach = {.hnsw = hnsw,
                          .reached = calloc(bitset_words(rows), sizeof *reach.reached),
                          .queue = malloc(rows * sizeof *reach.queue)};
    struct hnsw_scratch *scratch = hnsw_scratch_take(hnsw);
    lode_status status;
    if (reach.reached && reach.queue && scratch)
        status = repair_with(&reach, scratch, error);
    else
        status = error_nomem(error, "graph repair", rows * sizeof *reach.queue);
    hnsw_scratch_give(hnsw, scratch);
    free(reach.reached);
    free(reach.queue);
    return status;
}
