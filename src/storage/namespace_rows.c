/* namespace_rows.c: damaged columns cost time alone, as everywhere. */
#include "storage/namespace_rows.h"

#include <stdlib.h>
#include <string.h>

#include "os/mapped.h"

#define WORDS_BETWEEN_LOOKS 16u /* at how much memory is mapped */

/* Rows of the columns, which may be more than those of the view; *ret_know 0: they cannot tell. */
static lode_status by_columns(const struct segment_view *view, const struct id_namespace *space,
                              const struct columns *columns, uint64_t *words, int *ret_know,
                              lode_error *error)
{
    size_t count = bitset_words(columns->row_count), view_count = bitset_words(view->row_count);
    if (count <= view_count)
        return columns_namespace(columns, space->name, space->size, words, ret_know, error);
    uint64_t *more = calloc(count, sizeof *more);
    if (!more)
        return error_nomem(error, "a set of rows", count * sizeof *more);
    lode_status status =
        columns_namespace(columns, space->name, space->size, more, ret_know, error);
    memcpy(words, more, view_count * sizeof *words);
    free(more);
    return status;
}

static void keep_living(const struct segment_view *view, uint32_t covered, uint64_t *words)
{
    size_t count = bitset_words(view->row_count);
    for (size_t w = 0; w < count; w++)
        if (words[w])
            words[w] &= view_live_word(view, w);
    if (covered % 64)
        words[covered / 64] &= ((uint64_t)1 << covered % 64) - 1;
}

static lode_status by_ids(const struct segment_view *view, const struct id_namespace *space,
                          uint32_t first, uint64_t *words, lode_error *error)
{
    const struct segment *segment = view->segment;
    size_t count = bitset_words(view->row_count);
    for (size_t w = first / 64; w < count; w++) {
        uint64_t left = view_live_word(view, w);
        if (w == first / 64)
            left &= ~(uint64_t)0 << first % 64;
        if (w % WORDS_BETWEEN_LOOKS == 0)
            mapped_look();
        for (; left; left &= left - 1) {
            uint32_t row = (uint32_t)w * 64 + (uint32_t)__builtin_ctzll(left);
            const uint8_t *id;
            size_t size;
            lode_status status = segment->ops->id(segment, row, &id, &size, error);
            if (status)
                return status;
            if (id_is_in(space, id, size))
                bitset_set(words, row);
        }
    }
    return LODE_OK;
}

/* Of a segment without namespaces. */
static void all_or_none(const struct segment_view *view, const struct id_namespace *space,
                        uint64_t *words)
{
    size_t count = space->size ? 0 : bitset_words(view->row_count);
    for (size_t w = 0; w < count; w++)
        words[w] = view_live_word(view, w);
}

int namespace_asks_columns(const struct segment *segment, const struct id_namespace *space)
{
    return segment->ops->has_namespaces(segment) && !(space->size && segment->ops->space_rows);
}

lode_status namespace_rows(const struct segment_view *view, const struct id_namespace *space,
                           const struct namespace_columns *known, uint64_t *words,
                           lode_error *error)
{
    uint32_t covered = known->covered < view->row_count ? known->covered : view->row_count;
    lode_status status = LODE_OK;
    int knows = 0;
    if (view->row_count == 0)
        return LODE_OK;
    if (!view->segment->ops->has_namespaces(view->segment)) {
        all_or_none(view, space, words);
        return LODE_OK;
    }
    if (space->size && view->segment->ops->space_rows) {
        view->segment->ops->space_rows(view, space, words);
        return LODE_OK;
    }
    if (known->columns)
        status = by_columns(view, space, known->columns, words, &knows, error);
    if (status && !status_is_damage(status))
        return status;
    if (status || !knows) {
        memset(words, 0, bitset_words(view->row_count) * sizeof *words);
        covered = 0;
    }
    keep_living(view, covered, words);
    return covered < view->row_count ? by_ids(view, space, covered, words, error) : LODE_OK;
}
