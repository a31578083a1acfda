/* namespace_rows.c: damaged columns cost time alone, as everywhere. */
#include "storage/namespace_rows.h"

#include <stdlib.h>
#include <string.h>

#include "column/row_walk.h"

/* Rows of the columns, which may be more than those of the view. */
static lode_status by_columns(const struct segment_view *view, const struct id_namespace *space,
                              const struct columns *columns, uint64_t *words,
                              enum namespace_rows *ret_rows, lode_error *error)
{
    size_t count = bitset_words(columns->row_count), view_count = bitset_words(view->row_count);
    if (count <= view_count)
        return columns_namespace(columns, space->name, space->size, words, ret_rows, error);
    uint64_t *more = calloc(count, sizeof *more);
    if (!more)
        return error_nomem(error, "a set of rows", count * sizeof *more);
    lode_status status =
        columns_namespace(columns, space->name, space->size, more, ret_rows, error);
    memcpy(words, more, view_count * sizeof *words);
    free(more);
    return status;
}

/* Of the rows below `covered`; returns how many. */
static uint32_t keep_living(const struct segment_view *view, uint32_t covered, uint64_t *words)
{
    size_t count = bitset_words(covered);
    uint32_t living = 0;
    if (covered % 64)
        words[count - 1] &= ((uint64_t)1 << covered % 64) - 1;
    for (size_t w = 0; w < count; w++) {
        if (!words[w])
            continue;
        words[w] &= view_live_word(view, w);
        living += (uint32_t)__builtin_popcountll(words[w]);
    }
    return living;
}

struct id_check {
    const struct segment *segment;
    const struct id_namespace *space;
    uint64_t *words;
    uint32_t count; /* of rows that are in */
};

static lode_status check_id(void *context, uint32_t row, lode_error *error)
{
    struct id_check *check = context;
    const uint8_t *id = NULL;
    size_t size = 0;
    lode_status status = check->segment->ops->id(check->segment, row, &id, &size, error);
    if (!status && id_is_in(check->space, id, size))
        check->count++;
    else
        bitset_unset(check->words, row);
    return status;
}

/* Rows from `first` on. */
static lode_status by_ids(const struct segment_view *view, struct id_check *check, uint32_t first,
                          const lode_stop *stop, lode_error *error)
{
    uint64_t *words = check->words;
    struct row_walk walk = {.words = words, .begin = first, .end = view->row_count, .stop = stop};
    for (size_t w = first / 64; w < bitset_words(view->row_count); w++)
        words[w] |=
            view_live_word(view, w) & (w == first / 64 ? ~(uint64_t)0 << first % 64 : ~(uint64_t)0);
    return row_walk(&walk, check_id, check, error);
}

/* Of a segment without namespaces. */
static uint32_t all_or_none(const struct segment_view *view, const struct id_namespace *space,
                            uint64_t *words)
{
    size_t count = space->size ? 0 : bitset_words(view->row_count);
    for (size_t w = 0; w < count; w++)
        words[w] = view_live_word(view, w);
    return space->size ? 0 : view->live_count;
}

int namespace_asks_columns(const struct segment *segment, const struct id_namespace *space)
{
    return segment->ops->has_namespaces(segment) && !(space->size && segment->ops->space_rows);
}

/* Of rows [0, *covered), or none at all: then *covered is 0. */
static lode_status covered_rows(const struct segment_view *view, const struct id_namespace *space,
                                const struct namespace_columns *known, uint32_t *covered,
                                uint64_t *words, uint32_t *ret_count, lode_error *error)
{
    enum namespace_rows rows = NAMESPACE_UNKNOWN;
    lode_status status = LODE_OK;
    *covered = known->covered < view->row_count ? known->covered : view->row_count;
    *ret_count = 0;
    if (known->columns)
        status = by_columns(view, space, known->columns, words, &rows, error);
    if (status && !status_is_damage(status))
        return status;
    if (status || rows == NAMESPACE_UNKNOWN) {
        memset(words, 0, bitset_words(view->row_count) * sizeof *words);
        *covered = 0;
    } else if (rows == NAMESPACE_HAS_ROWS) {
        *ret_count = keep_living(view, *covered, words);
    }
    return LODE_OK;
}

lode_status namespace_rows(const struct segment_view *view, const struct id_namespace *space,
                           const struct namespace_columns *known, uint64_t *words,
                           uint32_t *ret_count, lode_error *error)
{
    const struct segment_ops *ops = view->segment->ops;
    uint32_t covered = 0;
    *ret_count = 0;
    if (view->row_count == 0)
        return LODE_OK;
    if (!ops->has_namespaces(view->segment)) {
        *ret_count = all_or_none(view, space, words);
        return LODE_OK;
    }
    if (space->size && ops->space_rows) {
        *ret_count = ops->space_rows(view, space, words);
        return LODE_OK;
    }
    lode_status status = covered_rows(view, space, known, &covered, words, ret_count, error);
    if (status || covered == view->row_count)
        return status;
    struct id_check check = {
        .segment = view->segment, .space = space, .words = words, .count = *ret_count};
    status = by_ids(view, &check, covered, known->stop, error);
    *ret_count = check.count;
    return status;
}
