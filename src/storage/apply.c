/* apply.c: from one version to the next by a group of batches.
 *
 * prepare reads every op, finds what each id was before, writes the new rows beyond those that any
 * version shows, and builds the next version whole. What is left for commit cannot fail: telling the
 * segment's table of the new rows.
 *
 * Rows depend on the batches alone, not on how they were grouped: of one batch an id gets at most one
 * row, of each batch its own. So the replay of the log, a batch at a time, gives the very rows that the
 * group gave, and needs no more room. */
#include "storage/growing_rows.h"

#include "base/arena.h"
#include "storage/id.h"

#include <stdlib.h>
#include <string.h>

struct entry { /* what is known of one id of the group */
    uint64_t hash;
    const uint8_t *id;
    size_t id_size;
    uint32_t view;       /* where it lived before, or VIEW_NONE */
    uint32_t row;        /* there */
    uint32_t latest;     /* its last row in the growing segment, dead or alive, new ones too */
    uint32_t last_batch; /* that gave `latest`; BATCH_NONE: none of the group */
    int alive;           /* after the ops read so far */
};

struct pending { /* a row to be */
    struct op op;
    uint32_t entry;
    uint32_t prev;
};

struct apply {
    struct arena arena; /* holds all of these but the version */
    struct growing *growing;
    struct version *next;
    struct growing_mark mark;
    struct entry *entries;
    uint32_t entry_count;
    uint32_t *map; /* entry + 1, by hash; 0: empty */
    uint32_t map_mask;
    struct pending *pending;
    uint32_t pending_count;
    uint64_t bytes; /* of pending rows */
    struct apply_counts *counts;
    size_t batch_count;
};

#define VIEW_NONE  0xffffffffu
#define BATCH_NONE 0xffffffffu

/* --- Reading the ops --------------------------------------------------------------------------- */

static lode_status count_ops(const struct buf *const *batches, size_t batch_count, size_t row_size,
                             uint32_t *ret_count, lode_error *error)
{
    uint64_t count = 0;
    for (size_t i = 0; i < batch_count; i++) {
        struct batch_reader reader;
        lode_status status =
            batch_open(&reader, batches[i]->data, batches[i]->size, row_size, error);
        if (status)
            return status;
        count += reader.op_count;
    }
    if (count > UINT32_MAX / 4)
        return error_set(error, LODE_LIMIT, "a group of %zu batches has too many ops", batch_count);
    *ret_count = (uint32_t)count;
    return LODE_OK;
}

static lode_status make_room(struct apply *apply, uint32_t op_count, size_t batch_count,
                             lode_error *error)
{
    uint32_t slots = 16;
    while (slots < op_count * 2)
        slots *= 2;
    struct arena *arena = &apply->arena;
    apply->map_mask = slots - 1;
    apply->map = arena_alloc_zero(arena, slots * sizeof *apply->map);
    apply->entries = arena_alloc(arena, op_count * sizeof *apply->entries);
    apply->pending = arena_alloc(arena, op_count * sizeof *apply->pending);
    apply->counts = arena_alloc_zero(arena, batch_count * sizeof *apply->counts);
    apply->batch_count = batch_count;
    if (apply->map && apply->entries && apply->pending && apply->counts)
        return LODE_OK;
    return error_nomem(error, "a group of writes", op_count * sizeof *apply->pending);
}

/* What the id is in `from`. The growing segment knows first: an id that has a row there, even a dead
 * one, lives nowhere else. */
static void look_up(const struct apply *apply, const struct version *from, struct entry *entry)
{
    uint32_t last = (uint32_t)from->view_count - 1;
    entry->latest = growing_latest(apply->growing, entry->id, entry->id_size, entry->hash);
    if (entry->latest != ROW_NONE) {
        if (view_alive(&from->views[last], entry->latest)) {
            entry->view = last;
            entry->row = entry->latest;
        }
        return;
    }
    for (uint32_t i = last; i-- > 0 && entry->view == VIEW_NONE;) {
        const struct segment_view *view = &from->views[i];
        entry->row = view->segment->ops->find(view, entry->id, entry->id_size, entry->hash);
        if (entry->row != ROW_NONE)
            entry->view = i;
    }
}

static uint32_t entry_for(struct apply *apply, const struct version *from, const struct op *op)
{
    uint64_t hash = id_hash(op->id, op->id_size);
    uint32_t at = (uint32_t)hash & apply->map_mask;
    for (; apply->map[at]; at = (at + 1) & apply->map_mask) {
        const struct entry *entry = &apply->entries[apply->map[at] - 1];
        if (entry->hash == hash && entry->id_size == op->id_size &&
            memcmp(entry->id, op->id, op->id_size) == 0)
            return apply->map[at] - 1;
    }
    struct entry *entry = &apply->entries[apply->entry_count];
    *entry = (struct entry){.hash = hash,
                            .id = op->id,
                            .id_size = op->id_size,
                            .view = VIEW_NONE,
                            .last_batch = BATCH_NONE};
    look_up(apply, from, entry);
    entry->alive = entry->view != VIEW_NONE;
    apply->map[at] = ++apply->entry_count;
    return apply->entry_count - 1;
}

/* An id that this batch wrote before keeps its row; the later op fills it. */
static void read_upsert(struct apply *apply, uint32_t index, uint32_t batch, const struct op *op)
{
    struct entry *entry = &apply->entries[index];
    uint32_t base = apply->growing->row_count;
    if (entry->last_batch == batch) {
        struct pending *pending = &apply->pending[entry->latest - base];
        apply->bytes -= growing_op_bytes(apply->growing, &pending->op);
        pending->op = *op;
    } else {
        apply->pending[apply->pending_count] =
            (struct pending){.op = *op, .entry = index, .prev = entry->latest};
        entry->latest = base + apply->pending_count++;
        entry->last_batch = batch;
    }
    apply->bytes += growing_op_bytes(apply->growing, op);
    entry->alive = 1;
    apply->counts[batch].upserted++;
}

static void read_delete(struct apply *apply, uint32_t index, uint32_t batch)
{
    struct entry *entry = &apply->entries[index];
    apply->counts[batch].deleted += (size_t)entry->alive;
    entry->alive = 0;
}

static lode_status read_batch(struct apply *apply, const struct version *from,
                              const struct buf *bytes, uint32_t batch, lode_error *error)
{
    struct batch_reader reader;
    struct op op;
    int more = 1;
    lode_status status = batch_open(&reader, bytes->data, bytes->size,
                                    apply->growing->base.rows.space->row_size, error);
    while (!status && !(status = batch_next(&reader, &op, &more, error)) && more) {
        uint32_t index = entry_for(apply, from, &op);
        if (op.kind == LODE_WRITE_UPSERT)
            read_upsert(apply, index, batch, &op);
        else
            read_delete(apply, index, batch);
    }
    return status;
}

/* --- The next version -------------------------------------------------------------------------- */

static int pending_alive(const struct apply *apply, uint32_t i)
{
    const struct entry *entry = &apply->entries[apply->pending[i].entry];
    return entry->alive && entry->latest == apply->growing->row_count + i;
}

/* Which views lose rows: those get a live set of their own. */
static void mark_touched(const struct apply *apply, uint8_t *touched, size_t view_count)
{
    for (uint32_t i = 0; i < apply->entry_count; i++)
        if (apply->entries[i].view != VIEW_NONE)
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

static void kill_rows(const struct apply *apply)
{
    struct version *next = apply->next;
    struct segment_view *last = &next->views[next->view_count - 1];
    last->live_count += apply->pending_count;
    for (uint32_t i = 0; i < apply->entry_count; i++)
        if (apply->entries[i].view != VIEW_NONE)
            kill(&next->views[apply->entries[i].view], apply->entries[i].row);
    for (uint32_t i = 0; i < apply->pending_count; i++)
        if (!pending_alive(apply, i))
            kill(last, apply->growing->row_count + i);
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
                              apply->pending[i].prev, error);
    return status;
}

lode_status apply_prepare(struct version *from, struct segment *growing,
                          const struct buf *const *batches, size_t batch_count,
                          struct apply **ret_apply, lode_error *error)
{
    INVARIANT(from->view_count && from->views[from->view_count - 1].segment == growing);
    INVARIANT(from->views[from->view_count - 1].row_count == growing_row_count(growing));
    struct apply *apply = calloc(1, sizeof *apply);
    if (!apply)
        return error_nomem(error, "a group of writes", sizeof *apply);
    arena_init(&apply->arena);
    apply->growing = growing_of(growing);
    apply->mark = growing_mark(apply->growing);
    uint32_t op_count = 0;
    lode_status status =
        count_ops(batches, batch_count, growing->rows.space->row_size, &op_count, error);
    if (!status)
        status = make_room(apply, op_count, batch_count, error);
    for (uint32_t i = 0; !status && i < batch_count; i++)
        status = read_batch(apply, from, batches[i], i, error);
    if (!status)
        status = fill_rows(apply, error);
    if (!status)
        status = copy_views(apply, from, error);
    if (status) {
        apply_abort(apply);
        return status;
    }
    kill_rows(apply);
    *ret_apply = apply;
    return LODE_OK;
}

static void apply_free(struct apply *apply)
{
    arena_release(&apply->arena);
    free(apply);
}

struct version *apply_commit(struct apply *own_apply, uint64_t first_sequence,
                             struct apply_counts *counts)
{
    struct growing *growing = own_apply->growing;
    struct version *next = own_apply->next;
    for (uint32_t i = 0; i < own_apply->entry_count; i++)
        if (own_apply->entries[i].last_batch != BATCH_NONE)
            growing_show(growing, own_apply->entries[i].latest, own_apply->entries[i].hash);
    growing_advance(growing, own_apply->pending_count, own_apply->bytes);
    next->sequence = first_sequence + own_apply->batch_count - 1;
    memcpy(counts, own_apply->counts, own_apply->batch_count * sizeof *counts);
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
