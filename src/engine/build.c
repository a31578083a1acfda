/* build.c: pin a version, write files beside everybody, commit the change. */
#include "engine/build.h"

#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "base/limits.h"
#include "engine/change.h"
#include "engine/debt.h"
#include "engine/need.h"
#include "engine/overlay.h"
#include "engine/pressure.h"
#include "engine/room.h"
#include "os/budget.h"
#include "os/mapped.h"
#include "os/memory.h"

/* Merges that are far behind disturb searches longer than they would by not giving way. */
static void give_way(void *context)
{
    struct collection *collection = context;
    if (!debt_is_high(collection))
        readers_give_way(&collection->db->readers);
}

static int is_crowded(void *context)
{
    struct collection *collection = context;
    return !debt_is_high(collection) && readers_crowd(&collection->db->readers);
}

static struct index_work work_of(struct collection *collection, _Atomic uint64_t *done)
{
    return (struct index_work){
        .executor = collection->db->executor,
        .cancel = &collection->jobs.cancel,
        .done = done,
        .give_way = give_way,
        .is_crowded = is_crowded,
        .context = collection,
    };
}

/* --- Graphs ------------------------------------------------------------------------------------ */

int build_wants_graph_of(const struct collection *collection, uint64_t rows)
{
    return collection->store.index == LODE_INDEX_HNSW && rows >= collection->db->index_rows_min;
}

int build_wants_graph(const struct collection *collection, const struct segment_view *view)
{
    uint32_t covered = 0;
    return build_wants_graph_of(collection, view->row_count) && view->segment->sealed &&
           view->segment->ops->index(view->segment, &covered) == NULL &&
           !segment_is_damaged(view->segment, DAMAGE_OF_ROWS, NULL);
}

static int knows_fields(const struct collection *collection)
{
    struct field_set *set = known_fields_get(collection->store.fields);
    int knows = set && fields_count(set->fields) > 0;
    field_set_unref(set);
    return knows;
}

int build_wants_columns(const struct collection *collection, const struct segment_view *view)
{
    return view->segment->sealed && sealed_lacks_columns(view->segment) &&
           !segment_is_damaged(view->segment, DAMAGE_OF_ANY, NULL) && knows_fields(collection);
}

int build_has_hasty_graph(const struct store *store, const struct segment_view *view)
{
    uint32_t covered = 0;
    const struct index *index = view->segment->ops->index(view->segment, &covered);
    return view->segment->sealed && index && index->ops->effort &&
           index->ops->effort(index) < store->params.ef_construction;
}

/* A segment that is to get a graph. */
struct graph_plan {
    struct sealed_entry *entry; /* has_graph is set */
    struct segment *segment;    /* open without one */
    const struct index_origin *origin;
    struct job *job;
};

static lode_status write_graph(struct collection *collection, const struct graph_plan *plan,
                               struct index *own_index, lode_error *error)
{
    struct index_work work = work_of(collection, &plan->job->done[JOB_GRAPH_FILE]);
    if (plan->job->kind == LODE_JOB_FLUSH) /* on its own thread, and not to be cancelled */
        work = (struct index_work){.done = work.done};
    job_enter(collection, plan->job, JOB_GRAPH_FILE);
    lode_status status =
        sealed_write_graph(&collection->store, plan->entry->number, own_index, &work, error);
    own_index->ops->close(own_index);
    plan->entry->has_graph = status == LODE_OK;
    return status;
}

/* Build it, in memory of the budget, and write it. Of a segment for which all of that is not enough, what grows with
 * the rows lies in files (docs/decisions/0092). */
static lode_status make_graph(struct collection *collection, const struct graph_plan *plan,
                              const char *spill_dir, lode_error *error)
{
    struct index_work work = work_of(collection, &plan->job->done[JOB_GRAPH]);
    struct index *index;
    work.origin = plan->origin;
    work.spill_dir = spill_dir;
    job_enter(collection, plan->job, JOB_GRAPH);
    lode_status status = sealed_make_graph(&collection->store, plan->segment,
                                           plan->entry->row_count, &work, &index, error);
    return status ? status : write_graph(collection, plan, index, error);
}

struct estimate build_estimate(const struct collection *collection)
{
    const struct store *store = &collection->store;
    return estimate_build(&store->params, &store->space, executor_width(collection->db->executor));
}

/* Buffers of a MiB and more leave holes that malloc keeps, up to a third of a small budget. */
static void give_back(void)
{
    if (budget_bytes() > 0 && memory_resident() > budget_bytes() / 2)
        memory_trim();
    mapped_look();
}

static lode_status build_within(struct collection *collection, const struct graph_plan *plan,
                                lode_error *error)
{
    const char *spill_dir = NULL;
    struct estimate estimate = build_estimate(collection);
    uint64_t bytes = estimate_bytes(estimate, plan->entry->row_count);
    if (bytes + plan->job->held > budget_share(BUDGET_BUILD)) {
        spill_dir = collection->store.dir;
        bytes = estimate.fixed;
    }
    atomic_store_explicit(&plan->job->is_denied, 1, memory_order_relaxed);
    lode_status status = pressure_admit_build(collection, bytes, plan->job->held, error);
    atomic_store_explicit(&plan->job->is_denied, 0, memory_order_relaxed);
    if (status)
        return status;
    status = make_graph(collection, plan, spill_dir, error);
    pressure_dismiss_build(bytes);
    mapped_look();
    return status;
}

/* The newest version of these segments alone. */
static struct version *pin_part(struct collection *collection, const uint64_t *numbers,
                                size_t count)
{
    struct version *version = collection_pin(collection);
    struct version *part = version_part(version, numbers, count);
    version_unref(version);
    return part;
}

static void expect_graph(struct job *job, uint64_t rows)
{
    atomic_store_explicit(&job->total[JOB_GRAPH], rows, memory_order_relaxed);
    atomic_store_explicit(&job->total[JOB_GRAPH_FILE], rows, memory_order_relaxed);
}

/* Work that only makes queries faster leaves the writers room for another segment. */
static lode_status check_spare_room(const struct collection *collection, const char *what,
                                    uint64_t bytes, lode_error *error)
{
    struct room_need need = {.what = what, .bytes = bytes + collection->db->growing_bytes_max};
    return room_check(collection->db, collection->dir, &need, error);
}

/* The same rows, with a part more: opened anew. */
static lode_status commit_part(struct collection *collection, const struct segment_view *view,
                               const struct sealed_entry *entry, struct job *job, lode_error *error)
{
    struct segment *built = NULL;
    lode_status status = sealed_open(&collection->store, entry, &built, error);
    if (status)
        return status;
    struct change_source source = {.view = view};
    struct change change = {
        .sources = &source, .source_count = 1, .target = built, .entry = *entry};
    if (job) {
        job->rows_out = entry->row_count;
        job->bytes_out = sealed_graph_bytes(built);
    }
    status = change_commit(collection, &change, error);
    segment_unref(built);
    return status;
}

static lode_status commit_graph(struct collection *collection, const struct segment_view *view,
                                struct sealed_entry *entry, struct job *job, lode_error *error)
{
    struct graph_plan plan = {.entry = entry, .segment = view->segment, .job = job};
    lode_status status = check_spare_room(collection, "indexing a segment",
                                          need_of_graph(&collection->store, view), error);
    if (!status)
        status = build_within(collection, &plan, error);
    return status ? status : commit_part(collection, view, entry, job, error);
}

static void add_source(struct job *job, const struct segment_view *view)
{
    uint64_t disk = 0, memory = 0, mapped = 0;
    view->segment->ops->sizes(view->segment, &disk, &memory, &mapped);
    job->segments++;
    job->rows_in += view->live_count;
    job->bytes_in += disk;
}

static lode_status make_missing_graph(struct collection *collection,
                                      const struct segment_view *view, lode_job_reason reason,
                                      lode_error *error)
{
    if (!build_wants_graph(collection, view))
        return LODE_OK;
    struct sealed_entry entry = {.number = view->segment->number, .row_count = view->row_count};
    struct job job = {.kind = LODE_JOB_INDEX, .reason = reason};
    add_source(&job, view);
    expect_graph(&job, view->row_count);
    job_begin(collection, &job);
    lode_status status = commit_graph(collection, view, &entry, &job, error);
    job_end(collection, &job, status, error);
    return status;
}

/* --- Columns ----------------------------------------------------------------------------------- */

static lode_status write_columns(struct collection *collection, const struct segment_view *view,
                                 lode_error *error)
{
    lode_status status =
        check_spare_room(collection, "making columns of metadata", need_of_columns(view), error);
    if (status)
        return status;
    budget_take(BUDGET_BUILD, BUILD_WRITE_BYTES);
    status = sealed_write_columns(&collection->store, view->segment, view->row_count,
                                  &collection->jobs.cancel, error);
    budget_give(BUDGET_BUILD, BUILD_WRITE_BYTES);
    return status;
}

/* Of a segment from before there were any: else each open reads all its documents to learn their fields, and each filter
 * to answer. The graph stays as it is. */
static lode_status make_missing_columns(struct collection *collection,
                                        const struct segment_view *view, lode_job_reason reason,
                                        lode_error *error)
{
    (void)reason; /* no job that is shown */
    uint32_t covered = 0;
    if (!build_wants_columns(collection, view))
        return LODE_OK;
    struct sealed_entry entry = {.number = view->segment->number,
                                 .row_count = view->row_count,
                                 .has_graph =
                                     view->segment->ops->index(view->segment, &covered) != NULL};
    lode_status status = write_columns(collection, view, error);
    return status ? status : commit_part(collection, view, &entry, NULL, error);
}

/* --- Both -------------------------------------------------------------------------------------- */

typedef lode_status make_part(struct collection *collection, const struct segment_view *view,
                              lode_job_reason reason, lode_error *error);

/* Of the segment as it is now. */
static lode_status make_of(struct collection *collection, uint64_t number, make_part *make,
                           lode_job_reason reason, lode_error *error)
{
    struct version *version = pin_part(collection, &number, 1);
    if (!version)
        return error_nomem(error, "a version", sizeof *version);
    lode_status status = make(collection, &version->views[0], reason, error);
    version_unref(version);
    return status;
}

lode_status index_segment(struct collection *collection, uint64_t number, lode_job_reason reason,
                          lode_error *error)
{
    lode_status status = change_check(collection, error);
    if (!status)
        status = make_of(collection, number, make_missing_graph, reason, error);
    if (!status)
        status = make_of(collection, number, make_missing_columns, reason, error);
    give_back();
    return status;
}

/* --- Sealed segments --------------------------------------------------------------------------- */

/* Views on their way into a new sealed segment. */
struct rewrite {
    struct collection *collection;
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
    rewrite->version = pin_part(rewrite->collection, numbers, count);
    rewrite->views = calloc(count, sizeof *rewrite->views);
    rewrite->row_maps = calloc(count, sizeof *rewrite->row_maps);
    rewrite->sources = calloc(count, sizeof *rewrite->sources);
    if (!rewrite->version || !rewrite->views || !rewrite->row_maps || !rewrite->sources)
        return error_nomem(error, "the views of a merge", count * sizeof *rewrite->views);
    struct job *job = &rewrite->job;
    for (size_t i = 0; i < count; i++) {
        rewrite->views[i] = rewrite->version->views[i];
        add_source(job, &rewrite->views[i]);
    }
    rewrite->count = count;
    atomic_init(&job->total[JOB_ROWS], job->rows_in);
    if (job->kind == LODE_JOB_MERGE && build_wants_graph_of(rewrite->collection, job->rows_in))
        expect_graph(job, job->rows_in);
    job->held = job->rows_in * BUILD_ROW_BYTES + BUILD_WRITE_BYTES;
    budget_take(BUDGET_BUILD, job->held); /* what is written out gives more back */
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
    budget_give(BUDGET_BUILD, rewrite->job.held);
    give_back();
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

static int has_dead_rows(const struct rewrite *rewrite)
{
    int dead = 0;
    for (size_t i = 0; i < rewrite->count; i++)
        dead |= rewrite->views[i].live_count < rewrite->views[i].row_count;
    return dead;
}

/* Whether the disk has room for a flush, or for a merge that leaves dead rows behind: as far as that is known
 * for certain, since what they give back is wanted when the disk is nearly full. The reserve is for those
 * alone that take next to nothing: segments in which no row lives. */
static lode_status check_room(const struct rewrite *rewrite, const char *what, lode_error *error)
{
    uint64_t bytes = rewrite_bytes(rewrite);
    struct room_need need = {.what = what, .bytes = bytes, .frees = bytes == 0};
    return room_check(rewrite->collection->db, rewrite->collection->dir, &need, error);
}

static lode_status check_room_of_merge(const struct rewrite *rewrite, lode_error *error)
{
    const struct collection *collection = rewrite->collection;
    if (has_dead_rows(rewrite))
        return check_room(rewrite, "merging segments", error);
    return check_spare_room(collection, "merging segments",
                            need_of_merge(collection, rewrite->views, rewrite->count), error);
}

/* A flush is not to be cancelled: closing waits for it, and it is quick. */
static lode_status write_rows(struct rewrite *rewrite, uint64_t number, int is_flush,
                              lode_error *error)
{
    const struct store *store = &rewrite->collection->store;
    struct index_work work = work_of(rewrite->collection, &rewrite->job.done[JOB_ROWS]);
    if (is_flush)
        work.cancel = NULL;
    job_enter(rewrite->collection, &rewrite->job, JOB_ROWS);
    struct sealed_source source = {.views = rewrite->views,
                                   .view_count = rewrite->count,
                                   .work = &work,
                                   .row_maps = rewrite->row_maps};
    lode_status status = sealed_write(store, number, &source, &rewrite->entry, error);
    if (status || rewrite->entry.row_count == 0)
        return status;
    return sealed_open(store, &rewrite->entry, &rewrite->target, error);
}

/* The largest graph among the sources, whose links the new one takes over; a damaged one helps nobody. */
static int find_origin(const struct rewrite *rewrite, struct index_origin *ret_origin)
{
    const struct segment_view *best = NULL;
    for (size_t i = 0; i < rewrite->count; i++) {
        const struct segment_view *view = &rewrite->views[i];
        uint32_t covered = 0;
        const struct index *index = view->segment->ops->index(view->segment, &covered);
        if (!index || covered < view->row_count || (best && view->live_count <= best->live_count))
            continue;
        best = view;
        *ret_origin = (struct index_origin){.index = index, .row_map = rewrite->row_maps[i]};
    }
    return best && sealed_check_graph(best->segment, NULL) == LODE_OK;
}

static int target_wants_graph(const struct rewrite *rewrite)
{
    struct segment_view view = {.segment = rewrite->target, .row_count = rewrite->entry.row_count};
    return rewrite->target && build_wants_graph(rewrite->collection, &view);
}

/* With the graph that it has by now. */
static lode_status open_target_anew(struct rewrite *rewrite, lode_error *error)
{
    struct segment *opened;
    lode_status status = sealed_open(&rewrite->collection->store, &rewrite->entry, &opened, error);
    if (status)
        return status;
    segment_unref(rewrite->target);
    rewrite->target = opened;
    return LODE_OK;
}

static lode_status add_graph(struct rewrite *rewrite, lode_error *error)
{
    struct index_origin origin;
    if (!target_wants_graph(rewrite))
        return LODE_OK;
    struct graph_plan plan = {.entry = &rewrite->entry,
                              .segment = rewrite->target,
                              .origin = find_origin(rewrite, &origin) ? &origin : NULL,
                              .job = &rewrite->job};
    expect_graph(&rewrite->job, rewrite->entry.row_count);
    lode_status status = build_within(rewrite->collection, &plan, error);
    return status ? status : open_target_anew(rewrite, error);
}

/* The graph that rows grew with, for a flush that leaves dead ones out: the others get new numbers. Else the
 * segment would be scanned until its index is built. As hasty as it was. */
static lode_status build_overlay_again(struct rewrite *rewrite, const struct index *overlay,
                                       struct index **ret_index, lode_error *error)
{
    struct index_origin origin = {.index = overlay, .row_map = rewrite->row_maps[0]};
    struct index_work work = {.done = &rewrite->job.done[JOB_GRAPH], .origin = &origin};
    struct index_params params = rewrite->collection->store.params;
    params.ef_construction = overlay->ops->effort(overlay);
    return index_hnsw.build(&params, &rewrite->target->rows, rewrite->entry.row_count, &work,
                            ret_index, error);
}

/* The overlay, if it holds all rows and half of them are left. */
static const struct index *overlay_left(const struct rewrite *rewrite)
{
    const struct segment_view *view = &rewrite->views[0];
    uint32_t covered = 0;
    const struct index *index = view->segment->ops->index(view->segment, &covered);
    return index && index->ops->effort && covered >= view->row_count &&
                   rewrite->entry.row_count >= view->row_count / 2
               ? index
               : NULL;
}

/* Its memory, until the flush ends: counted and never refused, since flushes give more back. */
static void hold_overlay(struct rewrite *rewrite)
{
    const struct store *store = &rewrite->collection->store;
    struct estimate estimate = estimate_overlay(&store->params, &store->space);
    uint64_t bytes = estimate_bytes(estimate, rewrite->entry.row_count);
    rewrite->job.held += bytes;
    budget_take(BUDGET_BUILD, bytes);
}

static lode_status keep_overlay(struct rewrite *rewrite, lode_error *error)
{
    const struct index *overlay = target_wants_graph(rewrite) ? overlay_left(rewrite) : NULL;
    struct graph_plan plan = {.entry = &rewrite->entry, .job = &rewrite->job};
    struct index *index;
    if (!overlay)
        return LODE_OK;
    expect_graph(&rewrite->job, rewrite->entry.row_count);
    job_enter(rewrite->collection, &rewrite->job, JOB_GRAPH);
    hold_overlay(rewrite);
    lode_status status = build_overlay_again(rewrite, overlay, &index, error);
    if (!status)
        status = write_graph(rewrite->collection, &plan, index, error);
    return status ? status : open_target_anew(rewrite, error);
}

static void count_output(struct rewrite *rewrite)
{
    uint64_t memory = 0, mapped = 0;
    if (!rewrite->target)
        return;
    rewrite->job.rows_out = rewrite->entry.row_count;
    rewrite->target->ops->sizes(rewrite->target, &rewrite->job.bytes_out, &memory, &mapped);
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
    count_output(rewrite);
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
    if (!status)
        status = flushed ? keep_overlay(rewrite, error) : add_graph(rewrite, error);
    if (!status)
        status = rewrite_commit(rewrite, flushed, &unknown, error);
    if (status && rewrite->target && !unknown)
        sealed_retire(rewrite->target);
    return status;
}

lode_status flush_frozen(struct collection *collection, const struct frozen *frozen,
                         lode_error *error)
{
    struct rewrite rewrite = {.collection = collection,
                              .job = {.kind = LODE_JOB_FLUSH, .reason = LODE_REASON_FULL}};
    lode_status status = change_check(collection, error);
    if (status)
        return status;
    status = rewrite_init(&rewrite, &frozen->number, 1, error);
    job_begin(collection, &rewrite.job);
    if (!status && collection->db->maintenance == LODE_MAINTAIN_AUTO)
        status = overlay_finish(collection, &rewrite.views[0], error);
    if (!status)
        status = check_room(&rewrite, "writing out a full segment", error);
    if (!status)
        status = rewrite_segments(&rewrite, frozen->number, frozen, error);
    job_end(collection, &rewrite.job, status, error);
    rewrite_release(&rewrite);
    return status;
}

/* Whether most of the dead rows of a view have expired. Looks at every stamp. */
static int is_mostly_expired(const struct segment_view *view, uint64_t now_ms)
{
    uint64_t *words = malloc((bitset_words(view->row_count) + 1) * sizeof *words);
    if (!words)
        return 0;
    memset(words, 0xff, bitset_words(view->row_count) * sizeof *words);
    struct expiry_range range = {
        .row_count = view->row_count, .from_ms = 1, .to_ms = now_ms, .words = words};
    uint64_t next;
    lode_status status = view->segment->ops->expire(view->segment, &range, &next, NULL);
    uint64_t expired = view->row_count - bitset_count(words, view->row_count);
    free(words);
    return !status && 2 * expired > view->row_count - view->live_count;
}

static void find_reason(struct rewrite *rewrite)
{
    if (rewrite->job.reason == LODE_REASON_DEAD && rewrite->count == 1 &&
        is_mostly_expired(&rewrite->views[0], collection_now_ms(rewrite->collection)))
        rewrite->job.reason = LODE_REASON_EXPIRED;
}

lode_status merge_segments(struct collection *collection, const uint64_t *numbers, size_t count,
                           lode_job_reason reason, lode_error *error)
{
    struct rewrite rewrite = {.collection = collection,
                              .job = {.kind = LODE_JOB_MERGE, .reason = reason}};
    uint64_t target = atomic_fetch_add(&collection->next_number, 1);
    lode_status status = rewrite_init(&rewrite, numbers, count, error);
    if (!status)
        find_reason(&rewrite);
    job_begin(collection, &rewrite.job);
    if (!status)
        status = check_room_of_merge(&rewrite, error);
    if (!status)
        status = rewrite_segments(&rewrite, target, NULL, error);
    job_end(collection, &rewrite.job, status, error);
    rewrite_release(&rewrite);
    return status;
}

/* Write one segment anew without its dead rows, if it has any. Nothing is pinned before or after, so that
 * its files go at once. */
static int shrink(struct collection *collection, uint64_t number)
{
    struct version *version = collection_pin(collection);
    const struct segment_view *view = version_view(version, number);
    int has_dead = view && view->live_count < view->row_count;
    version_unref(version);
    return has_dead && merge_segments(collection, &number, 1, LODE_REASON_DEAD, NULL) == LODE_OK;
}

int merge_each(struct collection *collection, const uint64_t *numbers, size_t count)
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

int merge_fewer(struct collection *collection, const uint64_t *numbers, size_t count,
                lode_job_reason reason)
{
    for (size_t fewer = count - 1; fewer > 1; fewer -= (fewer + 3) / 4)
        if (merge_segments(collection, numbers, fewer, reason, NULL) == LODE_OK)
            return 1;
    return 0;
}
