/* apply_ahead.c: where the ids of a group live, before its operations are read one after another.
 *
 * A look-up is a line of memory in each segment that nothing has asked for yet. So it goes segment by segment, in the
 * order of the tables (id_table.h: by the upper bits of the hash), lines asked for some look-ups ahead: of a large group,
 * as the replay of a log makes them, a table is walked from its beginning to its end once, instead of each table being
 * jumped about in for each id. Whatever has been found is asked for no more. */
#include "storage/apply_ops.h"
#include "storage/id.h"

#include <string.h>

#define AHEAD       16u /* look-ups; about the misses that a core has under way */
#define SORTED_MIN  512u
#define DIGIT_BITS  11
#define DIGIT_COUNT (1u << DIGIT_BITS)

struct probe {
    struct id_key key;
    uint32_t entry;
};

static void gather_op(struct apply *apply, const struct op *op, struct probe *probes)
{
    uint32_t before = apply->entry_count, at = apply_entry(apply, op);
    const struct entry *entry = &apply->entries[at];
    if (at == before)
        probes[at] = (struct probe){{entry->id, entry->id_size, entry->hash}, at};
}

/* Each id once; returns how many there are. Of a batch that makes no sense what comes before that. */
static uint32_t gather(struct apply *apply, const struct apply_group *group, struct probe *probes)
{
    size_t row_size = apply->growing->base.rows.space->row_size;
    for (size_t i = 0; i < group->count; i++) {
        const struct apply_batch *batch = &group->batches[i];
        struct batch_reader reader;
        struct op op;
        int more = 1;
        if (batch_open(&reader, batch->bytes->data, batch->bytes->size, row_size,
                       apply_source(batch), NULL))
            continue;
        while (!batch_next(&reader, &op, &more, NULL) && more)
            gather_op(apply, &op, probes);
    }
    return apply->entry_count;
}

/* By the hash's uppermost bits; stable. */
static void sort(const struct probe *from, struct probe *to, uint32_t count)
{
    uint32_t ends[DIGIT_COUNT] = {0}, sum = 0;
    for (uint32_t i = 0; i < count; i++)
        ends[from[i].key.hash >> (64 - DIGIT_BITS)]++;
    for (uint32_t digit = 0; digit < DIGIT_COUNT; digit++) {
        uint32_t here = ends[digit];
        ends[digit] = sum;
        sum += here;
    }
    for (uint32_t i = 0; i < count; i++)
        to[ends[from[i].key.hash >> (64 - DIGIT_BITS)]++] = from[i];
}

/* Those that have a row in the growing segment live there or nowhere. Returns how many are left. */
static uint32_t ask_growing(struct apply *apply, struct probe *probes, uint32_t count)
{
    uint32_t left = 0, last = (uint32_t)apply->from->view_count - 1;
    const struct segment *segment = &apply->growing->base;
    for (uint32_t i = 0; i < count; i++) {
        struct entry *entry = &apply->entries[probes[i].entry];
        if (i + AHEAD < count)
            segment->ops->expect(segment, probes[i + AHEAD].key.hash);
        entry->latest = growing_latest(apply->growing, entry->id, entry->id_size, entry->hash);
        entry->is_known = 1;
        if (entry->latest == ROW_NONE) {
            probes[left++] = probes[i];
        } else if (view_alive(&apply->from->views[last], entry->latest)) {
            entry->view = last;
            entry->row = entry->latest;
            entry->alive = 1;
        }
    }
    return left;
}

static uint32_t ask_view(struct apply *apply, uint32_t view_index, struct probe *probes,
                         uint32_t count)
{
    const struct segment_view *view = &apply->from->views[view_index];
    const struct segment *segment = view->segment;
    uint32_t left = 0, row;
    for (uint32_t i = 0; i < count; i++) {
        if (i + AHEAD < count)
            segment->ops->expect(segment, probes[i + AHEAD].key.hash);
        if (segment->ops->find(view, &probes[i].key, &row, NULL)) {
            apply->entries[probes[i].entry].is_known = 0; /* whoever reads the op is told why */
        } else if (row == ROW_NONE) {
            probes[left++] = probes[i];
        } else {
            struct entry *entry = &apply->entries[probes[i].entry];
            entry->view = view_index;
            entry->row = row;
            entry->alive = 1;
        }
    }
    return left;
}

/* Of few ids the lines of all segments can be under way at once. */
static void expect_all(const struct apply *apply, const struct probe *probes, uint32_t count)
{
    for (size_t view = 0; view < apply->from->view_count; view++) {
        const struct segment *segment = apply->from->views[view].segment;
        for (uint32_t i = 0; i < count; i++)
            segment->ops->expect(segment, probes[i].key.hash);
    }
}

lode_status apply_look_ahead(struct apply *apply, const struct apply_group *group,
                             lode_error *error)
{
    size_t bytes = apply->op_count * sizeof(struct probe);
    struct probe *probes = arena_alloc(&apply->arena, bytes);
    if (!probes)
        return error_nomem(error, "the look-up of ids", bytes);
    uint32_t count = gather(apply, group, probes);
    if (count >= SORTED_MIN) {
        struct probe *sorted = arena_alloc(&apply->arena, count * sizeof *sorted);
        if (!sorted)
            return error_nomem(error, "the look-up of ids", bytes);
        sort(probes, sorted, count);
        probes = sorted;
    }
    expect_all(apply, probes, count < AHEAD ? count : AHEAD);
    count = ask_growing(apply, probes, count);
    for (uint32_t view = (uint32_t)apply->from->view_count - 1; view-- > 0 && count > 0;)
        count = ask_view(apply, view, probes, count);
    return LODE_OK;
}
