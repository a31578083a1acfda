/* overlay.c: the graph of rows that are still being written: docs/decisions/0062. */
#include "engine/overlay.h"

#include "base/limits.h"

#define SEARCHED_US      ((uint64_t)1000000) /* for so long after a search, writers care for the next */
#define FINISH_ROW_LEAST 512u /* bytes that any row counts for: smaller ones cost as much */
#define PATIENCE_US      ((uint64_t)10000) /* between two looks at a job that may have ended unseen */

static const struct segment_view *growing_view(const struct version *version)
{
    const struct segment_view *last =
        version->view_count ? &version->views[version->view_count - 1] : NULL;
    return last && !last->segment->sealed ? last : NULL;
}

/* Rows of the view that its graph does not hold. */
static uint32_t behind(const struct collection *collection, const struct segment_view *view)
{
    uint32_t covered = 0;
    if (view->row_count < collection->db->overlay_rows_min)
        return 0;
    (void)view->segment->ops->index(view->segment, &covered);
    return covered < view->row_count ? view->row_count - covered : 0;
}

static int is_frozen(const struct jobs *jobs, uint64_t number)
{
    for (size_t i = 0; i < jobs->frozen_count; i++)
        if (jobs->frozen[i].number == number)
            return 1;
    return 0;
}

int overlay_is_due(const struct collection *collection, const struct version *version)
{
    const struct segment_view *view = growing_view(version);
    return collection->store.index == LODE_INDEX_HNSW && view && behind(collection, view) > 0 &&
           !is_frozen(&collection->jobs, view->segment->number);
}

lode_status overlay_slice(struct collection *collection, lode_error *error)
{
    struct version *version = collection_pin(collection);
    const struct segment_view *view = growing_view(version);
    lode_status status = LODE_OK;
    if (view)
        status = growing_index_some(view->segment, view->row_count, OVERLAY_SLICE, error);
    version_unref(version);
    return status;
}

lode_status overlay_finish(const struct collection *collection, const struct segment_view *view,
                           lode_error *error)
{
    uint32_t left = behind(collection, view);
    size_t row_size = view->segment->rows.space->row_size;
    uint64_t bytes = (uint64_t)left * (row_size > FINISH_ROW_LEAST ? row_size : FINISH_ROW_LEAST);
    if (left == 0 || bytes > OVERLAY_FINISH_MAX)
        return LODE_OK;
    return growing_index_some(view->segment, view->row_count, left, error);
}

/* --- Writers ----------------------------------------------------------------------------------- */

void overlay_searched(struct collection *collection)
{
    readers_searched(&collection->db->readers);
    /* Relaxed: a hint. Looked at first, so that searches do not take the line from one another. */
    if (!atomic_load_explicit(&collection->searched, memory_order_relaxed))
        atomic_store_explicit(&collection->searched, 1, memory_order_relaxed);
}

static int is_searched(struct collection *collection)
{
    uint64_t now = clock_now_us(collection->db->clock);
    if (atomic_load_explicit(&collection->searched, memory_order_relaxed)) {
        atomic_store_explicit(&collection->searched, 0, memory_order_relaxed);
        collection->searched_us = now;
    }
    return collection->searched_us && now - collection->searched_us < SEARCHED_US;
}

static int is_far_behind(struct collection *collection)
{
    struct version *version = collection_pin(collection);
    const struct segment_view *view = growing_view(version);
    int far = view && behind(collection, view) > OVERLAY_BEHIND_MAX;
    version_unref(version);
    return far;
}

/* Whether the next slice is on its way, after having slept a little. */
static int wait_for_slice(struct collection *collection)
{
    struct jobs *jobs = &collection->jobs;
    struct slot *slot = &jobs->slots[SLOT_OVERLAY];
    jobs_poke(collection);
    mutex_lock(&jobs->mutex);
    int active = slot->active && !jobs->closing;
    if (active)
        jobs_sleep(collection, PATIENCE_US);
    mutex_unlock(&jobs->mutex);
    return active;
}

void overlay_wait(struct collection *collection)
{
    if (collection->store.index != LODE_INDEX_HNSW ||
        collection->db->maintenance != LODE_MAINTAIN_AUTO || !is_searched(collection))
        return;
    while (is_far_behind(collection) && wait_for_slice(collection))
        ;
}
