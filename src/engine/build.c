/* build.c: pin a version, write files beside everybody, commit the change. */
#include "engine/build.h"

#include <stdlib.h>

#include "base/limits.h"
#include "engine/change.h"
#include "engine/overlay.h"

static struct index_work work_of(struct lode_collection *collection, _Atomic uint64_t *done)
{
    return (struct index_work){
        .executor = collection->db->executor,
        .cancel = &collection->jobs.cancel,
        .done = done,
    };
}

/* --- Graphs ------------------------------------------------------------------------------------ */

int build_wants_graph(const struct store *store, const struct segment_view *view)
{
    uint32_t covered = 0;
    return store->index == LODE_INDEX_HNSW && view->segment->sealed &&
           view->row_count >= INDEX_ROWS_MIN &&
           view->segment->ops->index(view->segment, &covered) == NULL;
}

int build_has_hasty_graph(const struct store *store, const struct segment_view *view)
{
    uint32_t covered = 0;
    const struct index *index = view->segment->ops->index(view->segment, &covered);
    return view->segment->sealed && index && index->ops->effort &&
           index->ops->effort(index) < store->params.ef_construction;
}

/* Build the graph of a sealed segment that is open without one, and open it anew. Takes *segment when it
 * succeeds, and gives the one with the graph. */
static lode_status build_graph(struct lode_collection *collection, struct sealed_entry *entry,
                               struct segment *segment, struct job *job,
                               struct segment **ret_segment, lode_error *error)
{
    struct index_work work = work_of(collection, &job->indexed);
    lode_status status =
        sealed_build_graph(&collection->store, segment, entry->row_count, &work, error);
    if (status)
        return status;
    entry->has_graph = 1;
    return sealed_open(&collection->store, entry, ret_segment, error);
}

static lode_status commit_graph(struct lode_collection *collection, const struct segment_view *view,
                                struct sealed_entry *entry, struct job *job, lode_error *error)
{
    struct segment *built = NULL;
    lode_status status = build_graph(collection, entry, view->segment, job, &built, error);
    if (status)
        return status;
    struct change_source source = {.view = view};
    struct change change = {
        .sources = &source, .source_count = 1, .target = built, .entry = *entry};
    status = change_commit(collection, &change, error);
    segment_unref(built);
    return status;
}

lode_status index_segment(struct lode_collection *collection, uint64_t number, lode_error *error)
{
    lode_status status = change_check(collection, error);
    if (status)
        return status;
    struct version *version = collection_pin(collection);
    const struct segment_view *view = version_view(version, number);
    struct sealed_entry entry = {.number = number, .row_count = view->row_count};
    struct job job = {.total = view->row_count};
    job_begin(collection, &job, LODE_JOB_INDEX);
    status = commit_graph(collection, view, &entry, &job, error);
    job_end(collection, &job);
    version_unref(version);
    return status;
}

/* --- Sealed segments --------------------------------------------------------------------------- */

/* Views on their way into a new sealed segment. */
struct rewrite {
    struct lode_collection *collection;
    struct version *version; /* pinned */
    struct segment_view *views;
    uint32_t **row_maps;
    struct change_source *sources;
    size_t count;
    struct sealed_entry entry;
    struct segment *target;
    struct job job;
};

static lode_status rewrite_init(struct rewrite *rewrite, const uint64_t *numbers, size_t count,
                                lode_error *error)
{
    rewrite->version = collection_pin(rewrite->collection);
    rewrite->views = calloc(count, sizeof *rewrite->views);
    rewrite->row_maps = calloc(count, sizeof *rewrite->row_maps);
    rewrite->sources = calloc(count, sizeof *rewrite->sources);
    if (!rewrite->views || !rewrite->row_maps || !rewrite->sources)
        return error_nomem(error, "the views of a merge", count * sizeof *rewrite->views);
    uint64_t total = 0;
    for (size_t i = 0; i < count; i++) {
        rewrite->views[i] = *version_view(rewrite->version, numbers[i]);
        total += rewrite->views[i].live_count;
    }
    rewrite->count = count;
    atomic_init(&rewrite->job.total, total);
    return LODE_OK;
}

static void rewrite_release(struct rewrite *rewrite)
{
    for (size_t i = 0; i < rewrite->count; i++)
        free(rewrite->row_maps[i]);
    free(rewrite->views);
    free(rewrite->row_maps);
    free(rewrite->sources);
    segment_unref(rewrite->target);
    version_unref(rewrite->version);
}

/* At least this much is written: the new segment's rows, ids and documents. */
static uint64_t rewrite_bytes(const struct rewrite *rewrite)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < rewrite->count; i++) {
        const struct segment_view *view = &rewrite->views[i];
        if (view->row_count > 0)
            sum += (uint64_t)view->live_count * view->segment->rows.space->row_size;
    }
    return sum;
}

/* Whether there is room on the disk for what is going to be written, as far as that is known before. The reserve is
 * for those alone that take next to nothing: segments in which no row lives. */
static lode_status check_room(const struct rewrite *rewrite, const char *what, lode_error *error)
{
    uint64_t bytes = rewrite_bytes(rewrite);
    struct room_need need = {.what = what, .bytes = bytes, .frees = bytes == 0};
    return room_check(rewrite->collection->db, rewrite->collection->dir, &need, error);
}

/* A flush is not to be cancelled: closing waits for it, and it is quick. */
static lode_status write_rows(struct rewrite *rewrite, uint64_t number, int is_flush,
                              lode_error *error)
{
    const struct store *store = &rewrite->collection->store;
    struct index_work work = work_of(rewrite->collection, &rewrite->job.written);
    if (is_flush)
        work.cancel = NULL;
    lode_status status = sealed_write(store, number, rewrite->views, rewrite->count, &work,
                                      rewrite->row_maps, &rewrite->entry, error);
    if (status || rewrite->entry.row_count == 0)
        return status;
    return sealed_open(store, &rewrite->entry, &rewrite->target, error);
}

static lode_status add_graph(struct rewrite *rewrite, lode_error *error)
{
    struct segment_view view = {.segment = rewrite->target, .row_count = rewrite->entry.row_count};
    if (!rewrite->target || !build_wants_graph(&rewrite->collection->store, &view))
        return LODE_OK;
    atomic_fetch_add_explicit(&rewrite->job.total, view.row_count, memory_order_relaxed);
    struct segment *built = NULL;
    lode_status status = build_graph(rewrite->collection, &rewrite->entry, rewrite->target,
                                     &rewrite->job, &built, error);
    if (status)
        return status;
    segment_unref(rewrite->target);
    rewrite->target = built;
    return LODE_OK;
}

static lode_status rewrite_commit(struct rewrite *rewrite, const struct frozen *flushed,
                                  int *ret_unknown, lode_error *error)
{
    for (size_t i = 0; i < rewrite->count; i++)
        rewrite->sources[i] = (struct change_source){&rewrite->views[i], rewrite->row_maps[i]};
    struct change change = {
        .sources = rewrite->sources,
        .source_count = rewrite->count,
        .target = rewrite->target,
        .entry = rewrite->entry,
        .flushed = flushed,
    };
    lode_status status = change_commit(rewrite->collection, &change, error);
    *ret_unknown = change.unknown;
    return status;
}

/* On failure the new files go away with their segment. */
static lode_status rewrite_segments(struct rewrite *rewrite, uint64_t target_number,
                                    const struct frozen *flushed, lode_error *error)
{
    int unknown = 0;
    lode_status status = write_rows(rewrite, target_number, flushed != NULL, error);
    if (!status && !flushed)
        status = add_graph(rewrite, error);
    if (!status)
        status = rewrite_commit(rewrite, flushed, &unknown, error);
    if (status && rewrite->target && !unknown)
        sealed_retire(rewrite->target);
    return status;
}

lode_status flush_frozen(struct lode_collection *collection, const struct frozen *frozen,
                         lode_error *error)
{
    struct rewrite rewrite = {.collection = collection};
    lode_status status = change_check(collection, error);
    if (status)
        return status;
    status = rewrite_init(&rewrite, &frozen->number, 1, error);
    job_begin(collection, &rewrite.job, LODE_JOB_FLUSH);
    if (!status && collection->db->maintenance == LODE_MAINTAIN_AUTO)
        status = overlay_finish(&rewrite.views[0], error);
    if (!status)
        status = check_room(&rewrite, "writing out a full segment", error);
    if (!status)
        status = rewrite_segments(&rewrite, frozen->number, frozen, error);
    job_end(collection, &rewrite.job);
    rewrite_release(&rewrite);
    return status;
}

lode_status merge_segments(struct lode_collection *collection, const uint64_t *numbers,
                           size_t count, lode_error *error)
{
    struct rewrite rewrite = {.collection = collection};
    uint64_t target = atomic_fetch_add(&collection->next_number, 1);
    lode_status status = rewrite_init(&rewrite, numbers, count, error);
    job_begin(collection, &rewrite.job, LODE_JOB_MERGE);
    if (!status)
        status = check_room(&rewrite, "merging segments", error);
    if (!status)
        status = rewrite_segments(&rewrite, target, NULL, error);
    job_end(collection, &rewrite.job);
    rewrite_release(&rewrite);
    return status;
}

/* Write one segment anew without its dead rows, if it has any. Nothing is pinned before or after, so that
 * its files go at once. */
static int shrink(struct lode_collection *collection, uint64_t number)
{
    struct version *version = collection_pin(collection);
    const struct segment_view *view = version_view(version, number);
    int has_dead = view && view->live_count < view->row_count;
    version_unref(version);
    return has_dead && merge_segments(collection, &number, 1, NULL) == LODE_OK;
}

int merge_each(struct lode_collection *collection, const uint64_t *numbers, size_t count)
{
    int some = 0, more = 1;
    while (more) { /* what one gave back may be what another needs */
        more = 0;
        for (size_t i = 0; i < count; i++)
            more |= shrink(collection, numbers[i]);
        some |= more;
    }
    return some;
}
