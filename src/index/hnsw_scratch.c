/* hnsw_scratch.c: what one search or insert works in. */
#include "index/hnsw.h"

#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "os/budget.h"
#include "os/memory.h"

static void scratch_free(struct hnsw_scratch *scratch)
{
    if (!scratch)
        return;
    budget_give(BUDGET_SCRATCH, scratch->counted);
    memory_unreserve(scratch->visited.bits, scratch->visited.bits_size);
    free(scratch->visited.met);
    free(scratch->beam.items);
    free(scratch->frontier.items);
    free(scratch->chosen);
    free(scratch->closest);
    free(scratch->decoded);
    free(scratch->code);
    free(scratch);
}

static int visited_init(struct hnsw_visited *visited, const struct hnsw *hnsw)
{
    visited->bits_size = bitset_words(hnsw->capacity) * sizeof *visited->bits;
    visited->bits = memory_reserve(visited->bits_size);
    visited->met = malloc((HNSW_MET_MAX + 2 * (size_t)hnsw->m) * sizeof *visited->met);
    return visited->bits && visited->met;
}

static void visited_clear(struct hnsw_visited *visited)
{
    if (visited->overflowed)
        memset(visited->bits, 0, visited->bits_size);
    for (uint32_t i = 0; i < visited->met_count; i++)
        visited->bits[visited->met[i] / 64] = 0;
    visited->met_count = 0;
    visited->overflowed = 0;
}

/* What only inserts need. */
static int lists_init(struct hnsw_scratch *scratch, const struct hnsw *hnsw)
{
    size_t degree = 2 * (size_t)hnsw->m;
    size_t closest = hnsw->ef_construction > degree ? hnsw->ef_construction : degree + 1;
    size_t chosen = (HNSW_LAYER_MAX + 1) * degree;
    scratch->chosen = malloc(chosen * sizeof *scratch->chosen);
    scratch->closest = malloc(closest * sizeof *scratch->closest);
    scratch->size += chosen * sizeof *scratch->chosen + closest * sizeof *scratch->closest;
    return scratch->chosen && scratch->closest;
}

static int code_init(struct hnsw_scratch *scratch, const struct hnsw *hnsw)
{
    size_t decoded = hnsw->rows.space->dim * sizeof *scratch->decoded;
    scratch->decoded = malloc(decoded);
    scratch->code = malloc(hnsw->codes.space.row_size);
    scratch->size += decoded + hnsw->codes.space.row_size;
    return scratch->decoded && scratch->code;
}

static struct hnsw_scratch *scratch_new(struct hnsw *hnsw)
{
    struct hnsw_scratch *scratch = calloc(1, sizeof *scratch);
    if (!scratch)
        return NULL;
    scratch->beam.rows = &hnsw->rows;
    int whole = visited_init(&scratch->visited, hnsw);
    scratch->size =
        sizeof *scratch + scratch->visited.bits_size + HNSW_MET_MAX * sizeof *scratch->visited.met;
    if (hnsw->codes.mean)
        whole = code_init(scratch, hnsw) && whole;
    if (!hnsw->mapped)
        whole = lists_init(scratch, hnsw) && whole;
    if (!whole) {
        scratch_free(scratch);
        return NULL;
    }
    atomic_fetch_add_explicit(&hnsw->scratch_size, scratch->size, memory_order_relaxed);
    scratch->counted = scratch->size;
    budget_take(BUDGET_SCRATCH, scratch->counted);
    return scratch;
}

struct hnsw_scratch *hnsw_scratch_take(struct hnsw *hnsw)
{
    struct hnsw_scratch *scratch = idle_take(&hnsw->idle);
    return scratch ? scratch : scratch_new(hnsw);
}

void hnsw_scratch_give(struct hnsw *hnsw, struct hnsw_scratch *scratch)
{
    if (!scratch || idle_give(&hnsw->idle, scratch))
        return;
    atomic_fetch_sub_explicit(&hnsw->scratch_size, scratch->size, memory_order_relaxed);
    scratch_free(scratch);
}

void hnsw_scratch_free_all(struct hnsw *hnsw)
{
    struct hnsw_scratch *scratch;
    while ((scratch = idle_take(&hnsw->idle)) != NULL)
        scratch_free(scratch);
}

int hnsw_scratch_begin(struct hnsw_scratch *scratch, uint32_t ef, size_t copies_max)
{
    if (ef > scratch->beam.capacity) {
        uint64_t *items = realloc(scratch->beam.items, ef * sizeof *items);
        if (!items)
            return -1;
        scratch->beam.items = items;
        scratch->beam.capacity = ef;
    }
    scratch->failure.status = LODE_OK;
    scratch->beam.limit = ef;
    scratch->beam.copies_max = copies_max;
    scratch->beam.count = 0;
    scratch->beam.next = 0;
    scratch->frontier.count = 0;
    visited_clear(&scratch->visited);
    return 0;
}

void hnsw_visited_entry(struct hnsw_visited *visited, uint32_t row)
{
    bitset_set(visited->bits, row);
    visited->met[visited->met_count] = row;
    hnsw_visited_add(visited, 1);
}

/* --- The beam ---------------------------------------------------------------------------------- */

/* The number of items before `item`. Halving by conditional moves: which way is a coin's toss. */
static uint32_t beam_position(const struct hnsw_beam *beam, uint64_t item)
{
    const uint64_t *base = beam->items;
    uint32_t left = beam->count;
    if (left == 0)
        return 0;
    while (left > 1) {
        uint32_t half = left / 2;
        base += base[half - 1] < item ? half : 0;
        left -= half;
    }
    return (uint32_t)(base - beam->items) + (*base < item);
}

/* Whether the item, whose place is `at`, is one copy too many of a vector in the beam. A beam full of the
 * copies of one vector would see nothing beyond them. */
static int is_superfluous(const struct hnsw_beam *beam, uint64_t item, uint32_t at)
{
    if (at < beam->copies_max)
        return 0;
    uint64_t other = beam->items[at - beam->copies_max];
    return other >> 32 == item >> 32 &&
           memcmp(rows_at(beam->rows, hnsw_item_row(other)),
                  rows_at(beam->rows, hnsw_item_row(item)), beam->rows->space->row_size) == 0;
}

int hnsw_beam_push(struct hnsw_beam *beam, uint64_t item)
{
    if (item >= hnsw_beam_bound(beam))
        return 0;
    uint32_t at = beam_position(beam, item);
    if (is_superfluous(beam, item, at))
        return 0;
    beam->count -= beam->count == beam->limit;
    memmove(beam->items + at + 1, beam->items + at, (beam->count - at) * sizeof item);
    beam->items[at] = item;
    beam->count++;
    if (at > beam->next)
        return 0;
    beam->next = at;
    return 1;
}

uint32_t hnsw_beam_peek(struct hnsw_beam *beam)
{
    while (beam->next < beam->count && (beam->items[beam->next] & 1))
        beam->next++;
    return beam->next < beam->count ? hnsw_item_row(beam->items[beam->next]) : HNSW_NONE;
}

uint32_t hnsw_beam_take(struct hnsw_beam *beam)
{
    uint32_t row = hnsw_beam_peek(beam);
    if (row != HNSW_NONE)
        beam->items[beam->next++] |= 1;
    return row;
}

/* --- The frontier ------------------------------------------------------------------------------ */

static int frontier_grow(struct hnsw_frontier *frontier)
{
    size_t capacity = frontier->capacity ? 2 * frontier->capacity : 1024;
    uint64_t *items = realloc(frontier->items, capacity * sizeof *items);
    if (!items)
        return -1;
    frontier->items = items;
    frontier->capacity = capacity;
    return 0;
}

int hnsw_frontier_push(struct hnsw_frontier *frontier, uint64_t item)
{
    if (frontier->count == frontier->capacity && frontier_grow(frontier))
        return -1;
    uint64_t *heap = frontier->items;
    size_t i = frontier->count++;
    for (; i && heap[(i - 1) / 2] > item; i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = item;
    return 0;
}

uint64_t hnsw_frontier_pop(struct hnsw_frontier *frontier)
{
    uint64_t *heap = frontier->items, top = heap[0];
    size_t count = --frontier->count;
    uint64_t last = heap[count];
    size_t i = 0;
    for (size_t child = 1; child < count; child = 2 * i + 1) {
        if (child + 1 < count)
            child += heap[child + 1] < heap[child];
        if (heap[child] >= last)
            break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return top;
}
