/* apply_ops.c: reading a group's batches: what each id was, and what becomes of it.
 *
 * Rows depend on the batches alone, not on how they were grouped: of one batch an id gets at most one
 * row, of each batch its own. So the replay of the log, a batch at a time, gives the very rows that the
 * group gave, and needs no more room.
 *
 * A batch that turns out to be refused is undone from a journal of the entries it touched. */
#include "storage/apply_ops.h"

#include "base/json.h"
#include "base/json_merge.h"
#include "storage/id.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

/* --- Room -------------------------------------------------------------------------------------- */

/* And whose requests the batches are. */
static lode_status count_ops(const struct apply_group *group, size_t row_size, uint32_t *ret_count,
                             lode_error *error)
{
    uint64_t count = 0;
    for (size_t i = 0; i < group->count; i++) {
        struct batch_reader reader;
        const struct buf *bytes = group->batches[i].bytes;
        lode_status status = batch_open(&reader, bytes->data, bytes->size, row_size,
                                        apply_source(&group->batches[i]), error);
        if (status)
            return status;
        count += reader.op_count;
        group->batches[i].request = reader.request;
    }
    if (count > UINT32_MAX / 4)
        return error_set(error, LODE_LIMIT, "a group of %zu batches has too many ops",
                         group->count);
    *ret_count = (uint32_t)count;
    return LODE_OK;
}

lode_status apply_begin(struct apply *apply, const struct apply_group *group, lode_error *error)
{
    uint32_t op_count = 0, slots = 16;
    size_t row_size = apply->growing->base.rows.space->row_size;
    lode_status status = count_ops(group, row_size, &op_count, error);
    if (status)
        return status;
    while (slots < op_count * 2)
        slots *= 2;
    struct arena *arena = &apply->arena;
    apply->op_count = op_count;
    apply->map_mask = slots - 1;
    apply->map = arena_alloc_zero(arena, slots * sizeof *apply->map);
    apply->entries = arena_alloc(arena, op_count * sizeof *apply->entries);
    apply->pending = arena_alloc(arena, op_count * sizeof *apply->pending);
    apply->journal = arena_alloc(arena, op_count * sizeof *apply->journal);
    apply->resolved = arena_alloc(arena, group->count * sizeof *apply->resolved);
    if (!apply->map || !apply->entries || !apply->pending || !apply->journal || !apply->resolved)
        return error_nomem(error, "a group of writes", op_count * sizeof *apply->pending);
    apply->batch_count = group->count;
    for (size_t i = 0; i < group->count; i++)
        buf_init(&apply->resolved[i], LODE_BATCH_SIZE_MAX);
    return LODE_OK;
}

void apply_end(struct apply *apply)
{
    for (size_t i = 0; i < apply->batch_count; i++)
        buf_release(&apply->resolved[i]);
    buf_release(&apply->scratch);
    arena_release(&apply->arena);
}

/* --- Entries ----------------------------------------------------------------------------------- */

/* What the id is in `from`. The growing segment knows first: an id that has a row there, even a dead
 * one, lives nowhere else. */
static lode_status look_up(const struct apply *apply, struct entry *entry, lode_error *error)
{
    const struct version *from = apply->from;
    uint32_t last = (uint32_t)from->view_count - 1;
    entry->latest = growing_latest(apply->growing, entry->id, entry->id_size, entry->hash);
    if (entry->latest != ROW_NONE) {
        if (view_alive(&from->views[last], entry->latest)) {
            entry->view = last;
            entry->row = entry->latest;
        }
        return LODE_OK;
    }
    struct id_key key = {.bytes = entry->id, .size = entry->id_size, .hash = entry->hash};
    for (uint32_t i = last; i-- > 0 && entry->view == VIEW_NONE;) {
        const struct segment_view *view = &from->views[i];
        lode_error reason = {0};
        lode_status status = view->segment->ops->find(view, &key, &entry->row, &reason);
        if (status_is_damage(status) && apply->unsure) {
            if (!apply->unsure->status)
                *apply->unsure = reason;
            continue;
        }
        if (status && error)
            *error = reason;
        if (status)
            return status;
        if (entry->row != ROW_NONE)
            entry->view = i;
    }
    return LODE_OK;
}

/* Where the entry of that id stands in the map, or would. */
static uint32_t place_of(const struct apply *apply, const struct op *op, uint64_t hash)
{
    uint32_t at = (uint32_t)hash & apply->map_mask;
    for (; apply->map[at]; at = (at + 1) & apply->map_mask) {
        const struct entry *entry = &apply->entries[apply->map[at] - 1];
        if (entry->hash == hash && entry->id_size == op->id_size &&
            memcmp(entry->id, op->id, op->id_size) == 0)
            break;
    }
    return at;
}

uint32_t apply_entry(struct apply *apply, const struct op *op)
{
    uint64_t hash = id_hash(op->id, op->id_size);
    uint32_t at = place_of(apply, op, hash);
    if (apply->map[at])
        return apply->map[at] - 1;
    apply->entries[apply->entry_count] = (struct entry){.hash = hash,
                                                        .id = op->id,
                                                        .id_size = op->id_size,
                                                        .view = VIEW_NONE,
                                                        .latest = ROW_NONE,
                                                        .last_batch = BATCH_NONE,
                                                        .noted_in = BATCH_NONE};
    apply->map[at] = ++apply->entry_count;
    return apply->entry_count - 1;
}

/* Where a segment cannot say whether the id lives in it, the op is refused: the point could come to live
 * twice. */
static lode_status entry_for(struct apply *apply, const struct op *op, uint32_t *ret_index,
                             lode_error *error)
{
    *ret_index = apply_entry(apply, op);
    struct entry *entry = &apply->entries[*ret_index];
    if (entry->is_known)
        return LODE_OK;
    lode_status status = look_up(apply, entry, error);
    if (status)
        return status;
    entry->is_known = 1;
    entry->alive = entry->view != VIEW_NONE;
    return LODE_OK;
}

/* --- Patches ----------------------------------------------------------------------------------- */

/* The living point of an entry: as the group wrote it, or as its segment has it. */
static lode_status find_point(const struct apply *apply, const struct entry *entry,
                              struct op *ret_point, lode_error *error)
{
    if (entry->last_batch != BATCH_NONE) {
        *ret_point = apply->pending[entry->latest - apply->growing->row_count].op;
        return LODE_OK;
    }
    const struct segment *segment = apply->from->views[entry->view].segment;
    struct document document = {0};
    struct stamp stamp = {0};
    lode_status status = rows_touch(&segment->rows, entry->row, 1, error);
    if (!status)
        status = segment->ops->document(segment, entry->row, &document, error);
    if (!status)
        status = segment->ops->stamp(segment, entry->row, &stamp, error);
    *ret_point = (struct op){.kind = LODE_WRITE_UPSERT,
                             .row = rows_at(&segment->rows, entry->row),
                             .metadata = document.metadata,
                             .metadata_size = document.metadata_size,
                             .text = document.text,
                             .text_size = document.text_size,
                             .expires_ms = stamp.expires_ms};
    return status;
}

static lode_status merge_metadata(struct apply *apply, const struct op *patch, struct op *point,
                                  lode_error *error)
{
    enum json_merge_depth depth =
        patch->patch_mode == LODE_PATCH_MERGE_DEEP ? JSON_MERGE_DEEP : JSON_MERGE_TOP;
    buf_clear(&apply->scratch);
    if (point->metadata_size &&
        json_validate(point->metadata, point->metadata_size, JSON_OBJECT, NULL))
        return error_set(error, LODE_CORRUPT, "its metadata is damaged");
    lode_status status = json_merge(point->metadata, point->metadata_size, patch->metadata,
                                    patch->metadata_size, depth, &apply->scratch, error);
    if (status == LODE_LIMIT)
        return error_set(error, LODE_LIMIT, "its metadata would be over %d bytes",
                         LODE_METADATA_SIZE_MAX);
    if (status)
        return status;
    size_t size = apply->scratch.size;
    if (size == 2 && !point->metadata_size)
        return LODE_OK; /* nothing was there and nothing came */
    point->metadata = arena_copy(&apply->arena, apply->scratch.data, size);
    point->metadata_size = size;
    return point->metadata ? LODE_OK : error_nomem(error, "metadata", size);
}

/* Make *op, a patch, the upsert of what its point becomes. */
static lode_status resolve_patch(struct apply *apply, const struct entry *entry, struct op *op,
                                 lode_error *error)
{
    struct op point;
    lode_status status = find_point(apply, entry, &point, error);
    if (!status && op->given & PATCH_METADATA) {
        if (op->patch_mode == LODE_PATCH_SET) {
            point.metadata = op->metadata;
            point.metadata_size = op->metadata_size;
        } else {
            status = merge_metadata(apply, op, &point, error);
        }
    }
    if (op->given & PATCH_TEXT) {
        point.text = op->text;
        point.text_size = op->text_size;
    }
    if (op->expiry_given)
        point.expires_ms = op->expires_ms;
    point.id = op->id;
    point.id_size = op->id_size;
    *op = point;
    return status;
}

/* --- One batch --------------------------------------------------------------------------------- */

struct reading {
    struct apply *apply;
    struct apply_batch *batch;
    const struct apply_group *group;
    uint32_t index;       /* of the batch in its group */
    struct buf *resolved; /* NULL: the batch is logged as it is */
    uint32_t resolved_count;
};

/* That the batch being read will have, unless it is refused. */
static uint64_t sequence_of_batch(const struct apply *apply)
{
    return apply->from->sequence + apply->applied + 1;
}

static struct entry *note_entry(struct reading *reading, uint32_t index)
{
    struct apply *apply = reading->apply;
    struct entry *entry = &apply->entries[index];
    if (entry->noted_in != reading->index) {
        apply->journal[apply->note_count++] = (struct note){index, *entry};
        entry->noted_in = reading->index;
    }
    return entry;
}

/* An id that this batch wrote before keeps its row; the later op fills it. */
static void put_row(struct reading *reading, uint32_t index, const struct op *op)
{
    struct apply *apply = reading->apply;
    struct entry *entry = note_entry(reading, index);
    uint32_t base = apply->growing->row_count;
    if (entry->last_batch == reading->index) {
        struct pending *pending = &apply->pending[entry->latest - base];
        apply->bytes -= growing_op_bytes(apply->growing, &pending->op);
        pending->op = *op;
    } else {
        apply->pending[apply->pending_count] =
            (struct pending){.op = *op, .entry = index, .prev = entry->latest};
        entry->latest = base + apply->pending_count++;
        entry->last_batch = reading->index;
    }
    apply->pending[entry->latest - base].stamp =
        (struct stamp){.sequence = sequence_of_batch(apply), .expires_ms = op->expires_ms};
    apply->bytes += growing_op_bytes(apply->growing, op);
    entry->alive = op->expires_ms == 0 || op->expires_ms > apply->now_ms;
}

static void read_delete(struct reading *reading, uint32_t index)
{
    struct entry *entry = note_entry(reading, index);
    reading->batch->counts.deleted += (uint32_t)entry->alive;
    entry->alive = 0;
}

/* An op that has been resolved, for the log. */
static lode_status log_op(struct reading *reading, const struct op *op, lode_error *error)
{
    if (!reading->resolved)
        return LODE_OK;
    size_t row_size = reading->apply->growing->base.rows.space->row_size;
    lode_status status = batch_op(reading->resolved, op, row_size, error);
    reading->resolved_count++;
    if (status == LODE_LIMIT)
        return error_set(error, LODE_LIMIT,
                         "the batch, with what is left of patched points, is over %d bytes",
                         LODE_BATCH_SIZE_MAX);
    return status;
}

/* --- Conditions -------------------------------------------------------------------------------- */

/* The version of an entry's point; 0: there is none. */
static lode_status find_version(const struct apply *apply, const struct entry *entry,
                                uint64_t *ret_version, lode_error *error)
{
    *ret_version = 0;
    if (!entry->alive)
        return LODE_OK;
    if (entry->last_batch != BATCH_NONE) {
        *ret_version = apply->pending[entry->latest - apply->growing->row_count].stamp.sequence;
        return LODE_OK;
    }
    const struct segment *segment = apply->from->views[entry->view].segment;
    struct stamp stamp;
    lode_status status = segment->ops->stamp(segment, entry->row, &stamp, error);
    if (!status)
        *ret_version = stamp.sequence;
    return status;
}

static lode_status conflict(const struct op *op, uint64_t found, lode_error *error)
{
    char expected[48] = "no point", there[48] = "none";
    if (op->condition == LODE_IF_PRESENT)
        snprintf(expected, sizeof expected, "a point");
    if (op->condition == LODE_IF_VERSION)
        snprintf(expected, sizeof expected, "version %" PRIu64, op->if_version);
    if (found)
        snprintf(there, sizeof there, "version %" PRIu64, found);
    return error_set(error, LODE_CONFLICT, "expected %s, found %s", expected, there);
}

static lode_status check_condition(const struct apply *apply, const struct entry *entry,
                                   const struct op *op, lode_error *error)
{
    uint64_t found = 0;
    if (op->condition == LODE_IF_ANY)
        return LODE_OK;
    lode_status status = find_version(apply, entry, &found, error);
    if (status)
        return status;
    int holds = op->condition == LODE_IF_ABSENT    ? found == 0
                : op->condition == LODE_IF_PRESENT ? found != 0
                                                   : found == op->if_version;
    return holds ? LODE_OK : conflict(op, found, error);
}

/* --- Operations -------------------------------------------------------------------------------- */

/* What an upsert's metadata says of the fields; whether it fits them. */
static lode_status learn(struct reading *reading, const struct op *op, lode_error *error)
{
    struct apply *apply = reading->apply;
    lode_status status = LODE_OK;
    if (!reading->group->fields || op->metadata_size == 0)
        return LODE_OK;
    if (!apply->fields) {
        status = fields_copy(reading->group->fields, &apply->fields, error);
        if (status)
            return status;
        fields_begin(apply->fields);
    }
    return reading->group->requests
               ? fields_learn(apply->fields, op->metadata, op->metadata_size, NULL, error)
               : fields_learn_any(apply->fields, op->metadata, op->metadata_size, error);
}

static lode_status read_op(struct reading *reading, struct op *op, lode_error *error)
{
    struct apply *apply = reading->apply;
    struct batch_counts *counts = &reading->batch->counts;
    uint32_t index;
    lode_status status = entry_for(apply, op, &index, error);
    if (!status)
        status = check_condition(apply, &apply->entries[index], op, error);
    if (status)
        return status;
    op->condition = LODE_IF_ANY; /* from here on it is an outcome */
    if (op->kind == LODE_WRITE_PATCH) {
        if (!apply->entries[index].alive) {
            counts->missing++;
            return LODE_OK;
        }
        status = resolve_patch(apply, &apply->entries[index], op, error);
        counts->patched++;
    } else if (op->kind == LODE_WRITE_UPSERT) {
        counts->upserted++;
    }
    if (!status && op->kind == LODE_WRITE_UPSERT)
        status = learn(reading, op, error);
    if (!status)
        status = log_op(reading, op, error);
    if (status)
        return status;
    if (op->kind == LODE_WRITE_UPSERT)
        put_row(reading, index, op);
    else
        read_delete(reading, index);
    return LODE_OK;
}

/* Say which op an error is about. */
static void blame(const struct op *op, uint32_t at, lode_error *error)
{
    lode_id id;
    char text[64];
    if (id_decode(op->id, op->id_size, &id, NULL) == LODE_OK)
        error_prefix(error, "ops[%u] (id %s): ", at, id_describe(&id, text, sizeof text));
}

static lode_status read_ops(struct reading *reading, lode_error *error)
{
    struct batch_reader reader;
    struct op op;
    int more = 1;
    const struct buf *bytes = reading->batch->bytes;
    size_t row_size = reading->apply->growing->base.rows.space->row_size;
    lode_status status = batch_open(&reader, bytes->data, bytes->size, row_size,
                                    apply_source(reading->batch), error);
    while (!status && !(status = batch_next(&reader, &op, &more, error)) && more) {
        struct op asked = op;
        status = read_op(reading, &op, error);
        if (status)
            blame(&asked, reader.next - 1, error);
    }
    return status;
}

static void end_resolved(struct reading *reading)
{
    struct apply_batch *batch = reading->batch;
    batch_end(reading->resolved, reading->resolved_count);
    batch->request.counts = batch->counts;
    if (batch->request.id_size)
        batch_put_counts(reading->resolved, &batch->counts);
    batch->logged = reading->resolved->data;
    batch->logged_size = reading->resolved->size;
}

static lode_status read_batch(struct reading *reading, lode_error *error)
{
    struct apply_batch *batch = reading->batch;
    lode_status status = LODE_OK;
    if (batch->asks) {
        reading->resolved = &reading->apply->resolved[reading->index];
        status = batch_begin(reading->resolved, batch->request.id, batch->request.id_size, error);
    }
    if (!status)
        status = read_ops(reading, error);
    if (status)
        return status;
    batch->sequence = sequence_of_batch(reading->apply);
    batch->logged = batch->bytes->data;
    batch->logged_size = batch->bytes->size;
    if (reading->resolved)
        end_resolved(reading);
    return LODE_OK;
}

/* --- The group --------------------------------------------------------------------------------- */

/* As if the batch had not been read, but for entries that it looked up. */
static void undo(struct apply *apply, uint32_t pending_count, uint64_t bytes)
{
    if (apply->fields)
        fields_undo(apply->fields);
    for (uint32_t i = apply->note_count; i-- > 0;)
        apply->entries[apply->journal[i].index] = apply->journal[i].entry;
    apply->pending_count = pending_count;
    apply->bytes = bytes;
}

/* Memory refused is everybody's trouble, and so is whatever a log cannot repeat; what a writer asks for is its
 * own, and so is damage of what his ids depend on. */
static int is_refusal(const struct apply_group *group, const struct apply_batch *batch)
{
    return (batch->asks || group->requests) && batch->status != LODE_NOMEM;
}

/* Whether a batch of its request id has been applied, then or earlier in the group: it has that result. */
static int find_repeated(const struct apply_group *group, size_t i)
{
    struct apply_batch *batch = &group->batches[i];
    const struct batch_request *request = &batch->request;
    if (!group->requests || request->id_size == 0)
        return 0;
    const struct request *found = requests_find(group->requests, request->id, request->id_size);
    if (found) {
        batch->sequence = found->sequence;
        batch->counts = found->counts;
        return 1;
    }
    for (size_t j = 0; j < i; j++) {
        const struct apply_batch *earlier = &group->batches[j];
        if (!earlier->logged || earlier->request.id_size != request->id_size ||
            memcmp(earlier->request.id, request->id, request->id_size) != 0)
            continue;
        batch->sequence = earlier->sequence;
        batch->counts = earlier->counts;
        return 1;
    }
    return 0;
}

static int fits(const struct apply *apply, const struct apply_group *group, size_t i,
                uint64_t bytes)
{
    if (i == 0 && group->first_fits)
        return 1;
    return bytes <= group->bytes_max &&
           apply->pending_count <= apply->growing->capacity - apply->growing->row_count;
}

void apply_batch_reset(struct apply_batch *batch)
{
    batch->counts = (struct batch_counts){0};
    batch->status = LODE_OK;
    batch->sequence = 0;
    batch->logged = NULL;
    batch->repeats = 0;
}

/* Of all its points at once: what came before must be rows first. */
static int is_drop(const struct apply_batch *batch)
{
    return batch_is_drop(batch->bytes->data, batch->bytes->size);
}

lode_status apply_read(struct apply *apply, struct apply_group *group, lode_error *error)
{
    uint64_t logged = 0;
    lode_status status;
    if (group->count > 0 && is_drop(&group->batches[0]))
        return apply_drop(apply, group, error);
    status = apply_look_ahead(apply, group, error);
    if (status)
        return status;
    for (uint32_t i = 0; i < group->count; i++) {
        struct apply_batch *batch = &group->batches[i];
        struct reading reading = {.apply = apply, .batch = batch, .group = group, .index = i};
        uint32_t pending_count = apply->pending_count;
        uint64_t bytes = apply->bytes;
        apply->note_count = 0;
        apply_batch_reset(batch);
        if (is_drop(batch)) {
            group->count = i;
            break;
        }
        batch->repeats = find_repeated(group, i);
        if (batch->repeats)
            continue;
        if (apply->fields)
            fields_begin(apply->fields);
        batch->status = read_batch(&reading, &batch->error);
        if (batch->status && !is_refusal(group, batch)) {
            if (error)
                *error = batch->error;
            return batch->status;
        }
        if (!batch->status && fits(apply, group, i, logged + batch->logged_size)) {
            logged += batch->logged_size;
            apply->applied++;
            apply->learnt |= apply->fields && fields_changed(apply->fields);
            continue;
        }
        undo(apply, pending_count, bytes);
        batch->sequence = 0;
        batch->logged = NULL;
        if (!batch->status)
            group->count = i; /* it and all behind it are for another segment */
    }
    group->applied = apply->applied;
    return LODE_OK;
}
