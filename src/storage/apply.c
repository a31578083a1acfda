/* apply.c: from one version to the next by a group of batches: what apply_ops.c has read becomes rows,
 * deaths and a version. What is left for commit cannot fail: telling the segment's table of the rows. */
#include "storage/apply_ops.h"

#include <stdlib.h>
#include <string.h>

/* --- The next version -------------------------------------------------------------------------- */

static int pending_alive(const struct apply *apply, uint32_t i)
{
    const struct entry *entry = &apply->entries[apply->pending[i].entry];
    return entry->alive && entry->latest == apply->growing->row_count + i;
}

/* Whether the row that the id had before the group dies. Some ids were only looked up. */
static int old_row_dies(const struct entry *entry)
{
    return entry->view != VIEW_NONE && (!entry->alive || entry->last_batch != BATCH_NONE);
}

/* Which views lose rows: those get a live set of their own. */
static void mark_touched(const struct apply *apply, uint8_t *touched, size_t view_count)
{
    for (size_t i = 0; apply->doomed && i < view_count; i++)
        touched[i] = apply->doomed[i] != NULL;
    for (uint32_t i = 0; i < apply->entry_count; i++)
        if (old_row_dies(&apply->entries[i]))
            touched[apply->entries[i].view] = 1;
    for (uint32_t i = 0; i < apply->pending_count; i++)
        if (!pending_alive(apply, i))
            touched[view_count - 1] = 1;
}

/* The growing segment's live set has room for rows to come, or each group would copy it. */
static uint32_t roomy(const struct growing *growing, uint32_t row_count)
{
    uint32_t bits = row_count + row_count / 4 + 1024;
    return bits < growing->capacity ? bits : growing->capacity;
}

static lode_status copy_view(const struct apply *apply, const struct segment_view *from,
                             int touched, struct segment_view *to, lode_error *error)
{
    int growing = from->segment == &apply->growing->base;
    *to = *from;
    to->live = NULL;
    segment_ref(to->segment);
    to->row_count += growing ? apply->pending_count : 0;
    for (uint32_t i = 0; growing && i < apply->pending_count; i++) {
        uint64_t expires = apply->pending[i].stamp.expires_ms;
        if (expires && expires < to->expires_next_ms)
            to->expires_next_ms = expires;
    }
    if (!touched && (!from->live || from->live->bit_count >= to->row_count)) {
        to->live = liveset_ref(from->live);
        return LODE_OK;
    }
    uint32_t bits = growing ? roomy(apply->growing, to->row_count) : to->row_count;
    to->live = liveset_copy(from->live, bits);
    return to->live ? LODE_OK : error_nomem(error, "a live set", bits / 8);
}

static lode_status copy_views(struct apply *apply, const struct version *from, lode_error *error)
{
    uint8_t *touched = arena_alloc_zero(&apply->arena, from->view_count);
    apply->next = touched ? version_new(from->view_count) : NULL;
    if (!apply->next)
        return error_nomem(error, "a version", from->view_count * sizeof from->views[0]);
    apply->next->generation = from->generation;
    apply->next->sequence = from->sequence + apply->applied;
    mark_touched(apply, touched, from->view_count);
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < from->view_count; i++)
        status = copy_view(apply, &from->views[i], touched[i], &apply->next->views[i], error);
    return status;
}

static void kill(struct segment_view *view, uint32_t row)
{
    bitset_unset(view->live->words, row);
    view->live_count--;
}

/* Those of a dropped namespace, of which some are there. */
static void kill_doomed(const struct apply *apply)
{
    for (size_t i = 0; apply->doomed && i < apply->from->view_count; i++) {
        struct segment_view *view = &apply->next->views[i];
        uint32_t row_count = apply->from->views[i].row_count;
        if (!apply->doomed[i])
            continue;
        for (size_t w = 0; w < bitset_words(row_count); w++)
            view->live->words[w] &= ~apply->doomed[i][w];
        view->live_count -= (uint32_t)bitset_count(apply->doomed[i], row_count);
    }
}

static void kill_rows(const struct apply *apply)
{
    struct version *next = apply->next;
    struct segment_view *last = &next->views[next->view_count - 1];
    last->live_count += apply->pending_count;
    for (uint32_t i = 0; i < apply->entry_count; i++)
        if (old_row_dies(&apply->entries[i]))
            kill(&next->views[apply->entries[i].view], apply->entries[i].row);
    for (uint32_t i = 0; i < apply->pending_count; i++)
        if (!pending_alive(apply, i))
            kill(last, apply->growing->row_count + i);
    kill_doomed(apply);
    for (size_t i = 0; i < next->view_count; i++)
        next->point_count += next->views[i].live_count;
}

static lode_status fill_rows(struct apply *apply, lode_error *error)
{
    struct growing *growing = apply->growing;
    if (apply->pending_count > growing->capacity - growing->row_count)
        return error_set(error, LODE_LIMIT,
                         "%u rows do not fit growing segment %llu of %u rows, which has %u",
                         apply->pending_count, (unsigned long long)growing->base.number,
                         growing->capacity, growing->row_count);
    lode_status status = LODE_OK;
    for (uint32_t i = 0; !status && i < apply->pending_count; i++)
        status = growing_fill(growing, growing->row_count + i, &apply->pending[i].op,
                              apply->pending[i].stamp, apply->pending[i].prev, error);
    return status;
}

lode_status apply_prepare(struct version *from, struct segment *growing, struct apply_group *group,
                          struct apply **ret_apply, lode_error *error)
{
    INVARIANT(from->view_count && from->views[from->view_count - 1].segment == growing);
    INVARIANT(from->views[from->view_count - 1].row_count == growing_row_count(growing));
    struct apply *apply = calloc(1, sizeof *apply);
    if (!apply)
        return error_nomem(error, "a group of writes", sizeof *apply);
    arena_init(&apply->arena);
    buf_init(&apply->scratch, LODE_METADATA_SIZE_MAX);
    apply->growing = growing_of(growing);
    apply->from = from;
    apply->now_ms = group->now_ms;
    apply->unsure = group->ret_unsure;
    apply->mark = growing_mark(apply->growing);
    group->learnt = NULL;
    lode_status status = apply_begin(apply, group, error);
    if (!status)
        status = apply_read(apply, group, error);
    if (!status)
        status = fill_rows(apply, error);
    if (!status)
        status = copy_views(apply, from, error);
    if (status) {
        apply_abort(apply);
        return status;
    }
    kill_rows(apply);
    if (apply->learnt) {
        group->learnt = apply->fields;
        apply->fields = NULL;
    }
    *ret_apply = apply;
    return LODE_OK;
}

static void apply_free(struct apply *apply)
{
    fields_free(apply->fields);
    apply_end(apply);
    free(apply);
}

struct version *apply_commit(struct apply *own_apply)
{
    struct growing *growing = own_apply->growing;
    struct version *next = own_apply->next;
    for (uint32_t i = 0; i < own_apply->entry_count; i++)
        if (own_apply->entries[i].last_batch != BATCH_NONE)
            growing_show(growing, own_apply->entries[i].latest, own_apply->entries[i].hash);
    growing_advance(growing, own_apply->pending_count, own_apply->bytes);
    apply_free(own_apply);
    return next;
}

void apply_abort(struct apply *own_apply)
{
    if (!own_apply)
        return;
    growing_take_back(own_apply->growing, own_apply->mark);
    version_unref(own_apply->next);
    apply_free(own_apply);
}
