/* hnsw_origin.c: taking over the lists of an earlier graph of some of the rows. Layer 0 is copied under new
 * row numbers; a list that lost rows is chosen anew among what is left and all that the lost ones linked to.
 * Levels are a function of the row's number, so that the layers above are linked anew: one row in m has any.
 * What then is not reachable is for the repair of the build. */
#include "index/hnsw.h"

#include <stdlib.h>

#include "base/bitset.h"
#include "os/mapped.h"

#define ROWS_BETWEEN_LOOKS 256u /* at the cancel flag */

struct taking {
    struct hnsw *hnsw;
    const struct hnsw *from;
    const uint32_t *row_map;
    uint32_t from_count, count;
    const struct index_work *work;
    struct neighbor *candidates; /* room for all there can be */
    uint32_t candidate_count;
};

static uint32_t now_of(const struct taking *taking, uint32_t old_row)
{
    uint32_t row = old_row < taking->from_count ? taking->row_map[old_row] : INDEX_ROW_NONE;
    return row < taking->count ? row : INDEX_ROW_NONE;
}

static uint32_t link_from(const struct taking *taking, uint32_t old_row, uint32_t i)
{
    uint32_t link = hnsw_link(hnsw_list(taking->from, old_row, 0), i);
    return link < taking->from_count ? link : HNSW_NONE;
}

/* Sorted, each row once, never `row` itself. */
static void add_candidate(struct taking *taking, uint32_t row, uint32_t link)
{
    const struct rows *rows = &taking->hnsw->rows;
    if (link == INDEX_ROW_NONE || link == row)
        return;
    for (uint32_t i = 0; i < taking->candidate_count; i++)
        if (taking->candidates[i].row == link)
            return;
    struct neighbor item = {hnsw_distance(rows, rows_at(rows, row), link), link};
    uint32_t at = taking->candidate_count++;
    for (; at > 0 && neighbor_before(item, taking->candidates[at - 1]); at--)
        taking->candidates[at] = taking->candidates[at - 1];
    taking->candidates[at] = item;
}

/* What a row that is gone linked to. */
static void add_beyond(struct taking *taking, uint32_t row, uint32_t gone)
{
    for (uint32_t i = 0; i < hnsw_degree(taking->hnsw, 0); i++) {
        uint32_t beyond = link_from(taking, gone, i);
        if (beyond == HNSW_NONE)
            break;
        add_candidate(taking, row, now_of(taking, beyond));
    }
}

static void mend(struct taking *taking, uint32_t old_row, uint32_t row, uint32_t *list)
{
    struct hnsw *hnsw = taking->hnsw;
    struct neighbor chosen[2 * LODE_M_MAX];
    uint32_t degree = hnsw_degree(hnsw, 0);
    taking->candidate_count = 0;
    for (uint32_t i = 0; i < degree; i++) {
        uint32_t link = link_from(taking, old_row, i);
        if (link == HNSW_NONE)
            break;
        if (now_of(taking, link) != INDEX_ROW_NONE)
            add_candidate(taking, row, now_of(taking, link));
        else
            add_beyond(taking, row, link);
    }
    uint32_t count =
        hnsw_choose_links(&hnsw->rows, taking->candidates, taking->candidate_count, degree, chosen);
    for (uint32_t i = 0; i < degree; i++)
        hnsw_link_set(list, i, i < count ? chosen[i].row : HNSW_NONE);
}

/* The list as it was, where nothing in it is gone: 1. */
static int copy_list(const struct taking *taking, uint32_t old_row, uint32_t row, uint32_t *list)
{
    uint32_t degree = hnsw_degree(taking->hnsw, 0);
    int ended = 0; /* behind its end a damaged list may go on */
    for (uint32_t i = 0; i < degree; i++) {
        uint32_t link = ended ? HNSW_NONE : link_from(taking, old_row, i);
        uint32_t now = link == HNSW_NONE ? HNSW_NONE : now_of(taking, link);
        ended = link == HNSW_NONE;
        if (link != HNSW_NONE && (now == INDEX_ROW_NONE || now == row))
            return 0;
        hnsw_link_set(list, i, now);
    }
    return 1;
}

static lode_status check_cancel(const struct taking *taking, uint32_t row, lode_error *error)
{
    if (row % ROWS_BETWEEN_LOOKS == 0 && cancel_is_wanted(taking->work->cancel))
        return error_set(error, LODE_CANCELLED, "hnsw: build cancelled at row %u", row);
    return LODE_OK;
}

/* Layer 0 of all rows that were there; which they are into known. */
static lode_status take_lists(struct taking *taking, uint64_t *known, lode_error *error)
{
    lode_status status = LODE_OK;
    for (uint32_t old_row = 0; old_row < taking->from_count && status == LODE_OK; old_row++) {
        uint32_t row = now_of(taking, old_row);
        status = check_cancel(taking, old_row, error);
        if (row == INDEX_ROW_NONE || bitset_test(known, row))
            continue;
        mapped_look(); /* the origin may be a mapped file, and vectors are */
        hnsw_graph_add(taking->hnsw, row, hnsw_level(taking->hnsw->seed, taking->hnsw->m, row));
        bitset_set(known, row);
        uint32_t *list = hnsw_list(taking->hnsw, row, 0);
        if (!copy_list(taking, old_row, row, list))
            mend(taking, old_row, row, list);
    }
    return status;
}

static lode_status raise_all(struct taking *taking, const uint64_t *known, lode_error *error)
{
    struct hnsw_scratch *scratch = hnsw_scratch_take(taking->hnsw);
    lode_status status = scratch ? LODE_OK : error_nomem(error, "hnsw graph", sizeof *taking);
    for (uint32_t row = 0; row < taking->count && status == LODE_OK; row++) {
        status = check_cancel(taking, row, error);
        if (status != LODE_OK || !bitset_test(known, row))
            continue;
        status = hnsw_raise(taking->hnsw, scratch, row, error);
        if (taking->work->done)
            atomic_fetch_add_explicit(taking->work->done, 1, memory_order_relaxed);
    }
    hnsw_scratch_give(taking->hnsw, scratch);
    return status;
}

/* A graph made in haste would pass for a better one. */
static int is_usable(const struct hnsw *hnsw, const struct index_origin *origin)
{
    if (!origin || origin->index->ops != &index_hnsw)
        return 0;
    const struct hnsw *from = (const struct hnsw *)origin->index;
    return from->m == hnsw->m && from->ef_construction >= hnsw->ef_construction &&
           origin->index->ops->count(origin->index) > 0;
}

lode_status hnsw_touch_bottom(const struct hnsw *hnsw, lode_error *error)
{
    uint32_t count = atomic_load_explicit(&hnsw->row_end, memory_order_acquire);
    size_t size = (size_t)count * hnsw_degree(hnsw, 0) * sizeof *hnsw->links;
    return hnsw->guard && size ? guard_touch(hnsw->guard, hnsw->links, size, error) : LODE_OK;
}

lode_status hnsw_take_over(struct hnsw *hnsw, uint32_t count, const struct index_work *work,
                           uint64_t **ret_known, lode_error *error)
{
    *ret_known = NULL;
    if (!is_usable(hnsw, work->origin))
        return LODE_OK;
    lode_status status = hnsw_touch_bottom((const struct hnsw *)work->origin->index, error);
    if (status == LODE_CORRUPT || status == LODE_IO)
        return LODE_OK; /* a damaged one helps nobody */
    if (status)
        return status;
    struct taking *taking = calloc(1, sizeof *taking);
    uint64_t *known = calloc(bitset_words(count) + 1, sizeof *known);
    size_t room = (size_t)hnsw_degree(hnsw, 0) * (hnsw_degree(hnsw, 0) + 1);
    struct neighbor *candidates = malloc(room * sizeof *candidates);
    if (taking && known && candidates) {
        taking->candidates = candidates;
        taking->hnsw = hnsw;
        taking->from = (const struct hnsw *)work->origin->index;
        taking->row_map = work->origin->row_map;
        taking->from_count = work->origin->index->ops->count(work->origin->index);
        taking->count = count;
        taking->work = work;
        status = take_lists(taking, known, error);
        if (status == LODE_OK)
            status = raise_all(taking, known, error);
    } else {
        status = error_nomem(error, "hnsw graph", room * sizeof *candidates);
    }
    free(candidates);
    free(taking);
    if (status == LODE_OK)
        *ret_known = known;
    else
        free(known);
    return status;
}
