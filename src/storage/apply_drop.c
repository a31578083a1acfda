/* apply_drop.c: all points of a namespace die at once. */
#include "storage/apply_ops.h"
#include "storage/namespace_rows.h"

/* The rows of one view that die, in the arena; NULL: none does. */
static lode_status doom_view(struct apply *apply, const struct segment_view *view,
                             const struct id_namespace *space, uint64_t **ret_rows,
                             uint32_t *ret_count, lode_error *error)
{
    const struct segment *segment = view->segment;
    size_t size = bitset_words(view->row_count) * sizeof(uint64_t);
    struct namespace_columns known = {0};
    *ret_rows = NULL;
    *ret_count = 0;
    if (view->live_count == 0 || !segment->ops->has_namespaces(segment))
        return LODE_OK;
    uint64_t *rows = arena_alloc_zero(&apply->arena, size);
    if (!rows)
        return error_nomem(error, "a set of rows", size);
    struct columns *columns = segment->ops->columns(segment, &known.covered);
    known.columns = columns;
    lode_status status = namespace_rows(view, space, &known, rows, ret_count, error);
    columns_unref(columns);
    if (!status && *ret_count > 0)
        *ret_rows = rows;
    return status;
}

/* Where a segment cannot tell, a log goes on without it, as with single ids. */
static lode_status doom_views(struct apply *apply, const struct id_namespace *space,
                              uint64_t *ret_count, lode_error *error)
{
    const struct version *from = apply->from;
    *ret_count = 0;
    apply->doomed = arena_alloc_zero(&apply->arena, from->view_count * sizeof *apply->doomed);
    if (!apply->doomed)
        return error_nomem(error, "a version", from->view_count * sizeof *apply->doomed);
    for (size_t i = 0; i < from->view_count; i++) {
        lode_error reason = {0};
        uint32_t count;
        lode_status status =
            doom_view(apply, &from->views[i], space, &apply->doomed[i], &count, &reason);
        if (status_is_damage(status) && apply->unsure) {
            if (!apply->unsure->status)
                *apply->unsure = reason;
            continue;
        }
        if (status && error)
            *error = reason;
        if (status)
            return status;
        *ret_count += count;
    }
    return LODE_OK;
}

static lode_status read_space(const struct apply *apply, const struct apply_batch *batch,
                              struct id_namespace *ret_space, lode_error *error)
{
    struct batch_reader reader;
    struct op op;
    int more;
    lode_status status = batch_open(&reader, batch->bytes->data, batch->bytes->size,
                                    apply->growing->base.rows.space->row_size, BATCH_OF_LOG, error);
    if (!status)
        status = batch_next(&reader, &op, &more, error);
    if (!status && (!more || !id_namespace_of(op.id, op.id_size, ret_space)))
        status = error_set(error, LODE_CORRUPT, "a batch drops no namespace");
    return status;
}

/* A writer is told that there are none; a log has been right about them once. */
static lode_status drop(struct apply *apply, const struct apply_group *group,
                        struct apply_batch *batch, lode_error *error)
{
    struct id_namespace space;
    uint64_t count = 0;
    lode_status status = read_space(apply, batch, &space, error);
    if (!status)
        status = doom_views(apply, &space, &count, error);
    if (!status && count == 0 && group->requests)
        status = error_set(error, LODE_NOT_FOUND, "namespace '%.*s' has no points", (int)space.size,
                           space.name);
    if (status)
        return status;
    batch->counts.deleted = (uint32_t)count;
    batch->sequence = apply->from->sequence + 1;
    batch->logged = batch->bytes->data;
    batch->logged_size = batch->bytes->size;
    return LODE_OK;
}

lode_status apply_drop(struct apply *apply, struct apply_group *group, lode_error *error)
{
    struct apply_batch *batch = &group->batches[0];
    apply_batch_reset(batch);
    group->count = 1;
    if (!group->first_fits && batch->bytes->size > group->bytes_max) {
        group->count = 0;
        return LODE_OK;
    }
    batch->status = drop(apply, group, batch, &batch->error);
    if (batch->status && (!group->requests || batch->status == LODE_NOMEM)) {
        if (error)
            *error = batch->error;
        return batch->status;
    }
    if (batch->status)
        apply->doomed = NULL;
    group->applied = apply->applied = batch->status == LODE_OK;
    return LODE_OK;
}
