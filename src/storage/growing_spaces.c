/* growing_spaces.c: the rows of each namespace of a growing segment, one behind the other from the latest on. A table
 * by hash says which is the latest; as with ids (growing_rows.h), a slot goes from empty to some row and then only to
 * later rows of the same namespace, and who meets rows that his version does not have follows the chain down.
 *
 * A chain has a row for each write of a point: those that were replaced are passed over by whoever knows what lives. */
#include "storage/growing_rows.h"

#include <string.h>

#include "base/bitset.h"
#include "storage/id.h"

static int has_prefix(const struct growing_row *info, const uint8_t *prefix, size_t size)
{
    return info->id_size > size && memcmp(info->bytes, prefix, size) == 0;
}

/* The slot of a namespace, or the empty one where it would be put. */
static _Atomic uint64_t *find_slot(const struct growing *growing, const uint8_t *prefix,
                                   size_t size, uint64_t *ret_value)
{
    uint64_t hash = id_hash(prefix, size);
    for (uint64_t at = hash & growing->table_mask;; at = (at + 1) & growing->table_mask) {
        /* Acquire: pairs with growing_show_space, so that the row's info is there. */
        uint64_t value = atomic_load_explicit(&growing->spaces[at], memory_order_acquire);
        if (value == 0 || (value >> 32 == hash >> 32 &&
                           has_prefix(&growing->infos[(uint32_t)value - 1], prefix, size))) {
            *ret_value = value;
            return &growing->spaces[at];
        }
    }
}

void growing_show_space(struct growing *growing, uint32_t row)
{
    struct growing_row *info = &growing->infos[row];
    struct id_namespace space;
    uint64_t value;
    size_t size = id_namespace_of(info->bytes, info->id_size, &space);
    info->prev_in_space = ROW_NONE;
    if (size == 0)
        return;
    _Atomic uint64_t *slot = find_slot(growing, info->bytes, size, &value);
    if (value)
        info->prev_in_space = (uint32_t)value - 1;
    value = id_hash(info->bytes, size) >> 32 << 32 | (row + 1);
    atomic_store_explicit(slot, value, memory_order_release);
}

uint32_t growing_space_rows(const struct segment_view *view, const struct id_namespace *space,
                            uint64_t *words)
{
    const struct growing *growing = growing_of(view->segment);
    uint8_t prefix[ID_BYTES_MAX];
    uint64_t value;
    size_t size = id_prefix(space, prefix);
    find_slot(growing, prefix, size, &value);
    uint32_t row = value ? (uint32_t)value - 1 : ROW_NONE;
    uint32_t count = 0;
    for (; row != ROW_NONE; row = growing->infos[row].prev_in_space) {
        if (!view_alive(view, row))
            continue;
        bitset_set(words, row);
        count++;
    }
    return count;
}
