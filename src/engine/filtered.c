/* filtered.c: counting, deleting and patching what a filter matches.
 *
 * Writes by filter are writes by id: the ids are gathered from one version, and each operation is conditional on the
 * version of its point, so that a point that somebody changed in between is not taken for what it was. A batch
 * that is refused for that is looked at again: what no longer matches leaves it. */
#include <stdlib.h>

#include "engine/filtering.h"
#include "engine/read.h"
#include "column/row_walk.h"
#include "filter/matches.h"
#include "query/fetch.h"
#include "storage/id.h"

#define TRIES_MAX 100u /* of a batch that others keep changing */

/* --- Counting ----------------------------------------------------------------------------------- */

lode_status filtered_count(const lode_collection *handle, const lode_snapshot *snapshot,
                           const lode_filter *filter, uint64_t *ret_count, lode_error *error)
{
    struct version *version;
    struct allowed_set *allowed = NULL;
    lode_status status = snapshot_pin(handle->shared, snapshot, &version, error);
    if (status)
        return status;
    struct allowed_request asked = {.version = version, .stop = filter->stop};
    status = filtering_allow(handle, filter->text, filter->size, &asked, &allowed, error);
    if (!status)
        *ret_count = allowed ? allowed_set_count(allowed) : version->point_count;
    allowed_set_free(allowed);
    version_unref(version);
    return status;
}

/* --- Writing ------------------------------------------------------------------------------------ */

/* A batch being gathered, carried out, and gathered again. */
struct sweep {
    const lode_collection *handle;
    const lode_filter *filter;
    const lode_write_op *op;
    struct arena arena; /* ids of the batch */
    lode_write_op *ops; /* room for LODE_BATCH_MAX */
    size_t count;
    lode_write_info done;            /* so far */
    const struct segment_view *view; /* whose rows are being gathered */
};

static lode_status add(struct sweep *sweep, const struct segment_view *view, uint32_t row,
                       lode_error *error)
{
    lode_hit hit;
    lode_status status = fetch_hit(view, row, LODE_WITH_VERSION, &sweep->arena, &hit, error);
    if (status)
        return status;
    lode_write_op *op = &sweep->ops[sweep->count++];
    *op = *sweep->op;
    op->point.id = hit.id;
    op->condition = LODE_IF_VERSION;
    op->if_version = hit.version;
    return LODE_OK;
}

/* Keep of the batch what is still there and matches, as it is in the newest version. */
static lode_status look_again(struct sweep *sweep, lode_error *error)
{
    struct version *version;
    struct filtering filtering = {0};
    struct matcher *matcher = NULL;
    size_t count = sweep->count;
    lode_status status = collection_pin_now(sweep->handle->shared, &version, NULL, error);
    if (status)
        return status;
    status =
        filtering_read(sweep->handle, sweep->filter->text, sweep->filter->size, &filtering, error);
    if (!status)
        status = matcher_new(filtering.filter, &matcher, error);
    sweep->count = 0;
    for (size_t i = 0; !status && i < count; i++) {
        const struct segment_view *view;
        uint8_t id[ID_BYTES_MAX];
        uint32_t row;
        int matches = 0;
        size_t size = id_encode_in(&sweep->handle->scope.space, &sweep->ops[i].point.id, id);
        status = version_find(version, id, size, &view, &row, error);
        if (!status && view)
            status = allowed_row(matcher, view->segment, row, &matches, error);
        if (!status && matches)
            status = add(sweep, view, row, error);
    }
    matcher_free(matcher);
    filtering_release(&filtering);
    version_unref(version);
    return status;
}

static void note(struct sweep *sweep, const lode_write_info *info)
{
    sweep->done.sequence = info->sequence;
    sweep->done.deleted += info->deleted;
    sweep->done.patched += info->patched;
    sweep->done.missing += info->missing;
}

static lode_status carry_out(struct sweep *sweep, lode_error *error)
{
    lode_status status = LODE_OK;
    for (unsigned tries = 0; sweep->count > 0; tries++) {
        lode_write_info info = {0};
        struct write_input input = {
            .ops = sweep->ops, .count = sweep->count, .space = sweep->handle->scope.space};
        status = collection_write(sweep->handle->shared, &input, &info, error);
        if (status != LODE_CONFLICT || tries == TRIES_MAX) {
            if (!status)
                note(sweep, &info);
            break;
        }
        status = stop_look(sweep->filter->stop, error);
        if (!status)
            status = look_again(sweep, error);
        if (status)
            break;
    }
    sweep->count = 0;
    arena_release(&sweep->arena);
    return status;
}

static lode_status sweep_row(void *context, uint32_t row, lode_error *error)
{
    struct sweep *sweep = context;
    lode_status status = add(sweep, sweep->view, row, error);
    if (!status && sweep->count == LODE_BATCH_MAX)
        status = carry_out(sweep, error);
    return status;
}

static lode_status sweep_view(struct sweep *sweep, const struct segment_view *view,
                              const struct allowed *allowed, lode_error *error)
{
    struct row_walk walk = {
        .words = allowed->words, .end = view->row_count, .stop = sweep->filter->stop};
    sweep->view = view;
    return row_walk(&walk, sweep_row, sweep, error);
}

static lode_status sweep_version(struct sweep *sweep, const struct version *version,
                                 lode_error *error)
{
    struct allowed_request asked = {.version = version, .stop = sweep->filter->stop};
    struct allowed_set *allowed;
    lode_status status = filtering_allow(sweep->handle, sweep->filter->text, sweep->filter->size,
                                         &asked, &allowed, error);
    for (size_t i = 0; !status && i < version->view_count; i++)
        status = sweep_view(sweep, &version->views[i], &allowed->views[i], error);
    if (!status)
        status = stop_look(sweep->filter->stop, error);
    if (!status)
        status = carry_out(sweep, error);
    allowed_set_free(allowed);
    return status;
}

lode_status filtered_write(const lode_collection *handle, const lode_filter *filter,
                           const lode_write_op *op, lode_write_info *ret_info, lode_error *error)
{
    struct sweep sweep = {.handle = handle, .filter = filter, .op = op};
    struct version *version;
    lode_status status = collection_pin_now(handle->shared, &version, NULL, error);
    if (status)
        return status;
    arena_init(&sweep.arena);
    sweep.done.sequence = version->sequence;
    sweep.ops = malloc(LODE_BATCH_MAX * sizeof *sweep.ops);
    status = sweep.ops ? sweep_version(&sweep, version, error)
                       : error_nomem(error, "a batch", LODE_BATCH_MAX * sizeof *sweep.ops);
    if (ret_info)
        *ret_info = sweep.done;
    arena_release(&sweep.arena);
    free(sweep.ops);
    version_unref(version);
    return status;
}
