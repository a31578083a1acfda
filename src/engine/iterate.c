/* iterate.c: every live row of a version, or those that a filter allows, view by view. */
#include <stdlib.h>

#include "engine/filtering.h"
#include "engine/read.h"
#include "os/mapped.h"
#include "query/fetch.h"

#define ROWS_BETWEEN_LOOKS 256u /* at how much memory is mapped */

struct lode_iterator {
    struct collection *collection; /* retained */
    struct version *version;
    struct allowed_set *allowed; /* NULL: all that live */
    unsigned with;
    size_t view;
    uint32_t row;       /* the next to look at */
    struct arena arena; /* holds what `hit` points at */
    lode_hit hit;
};

static lode_status choose(const lode_collection *handle, const lode_filter *filter,
                          lode_iterator *iterator, lode_error *error)
{
    struct allowed_request asked = {.version = iterator->version, .stop = filter->stop};
    return filtering_allow(handle, filter->text, filter->size, &asked, &iterator->allowed, error);
}

lode_status iterator_open(const lode_collection *handle, const lode_snapshot *snapshot,
                          const lode_filter *filter, unsigned with, lode_iterator **ret_iterator,
                          lode_error *error)
{
    struct collection *collection = handle->shared;
    lode_iterator *iterator = calloc(1, sizeof *iterator);
    if (!iterator)
        return error_nomem(error, "an iterator", sizeof *iterator);
    lode_status status = snapshot_pin(collection, snapshot, &iterator->version, error);
    if (!status)
        status = choose(handle, filter, iterator, error);
    if (status) {
        version_unref(iterator->version);
        free(iterator);
        return status;
    }
    db_retain(collection);
    iterator->collection = collection;
    iterator->with = with;
    arena_init(&iterator->arena);
    *ret_iterator = iterator;
    return LODE_OK;
}

/* The rows of word w that are to be given. */
static uint64_t wanted_word(const lode_iterator *iterator, const struct segment_view *view,
                            size_t w)
{
    return iterator->allowed ? iterator->allowed->views[iterator->view].words[w]
                             : view_live_word(view, w);
}

static int has_none(const lode_iterator *iterator, const struct segment_view *view)
{
    return iterator->allowed ? iterator->allowed->views[iterator->view].count == 0
                             : view->live_count == 0;
}

/* Move to the next row of this view, or to its end: 0. */
static int move(lode_iterator *iterator, const struct segment_view *view)
{
    while (iterator->row < view->row_count) {
        if (iterator->row % ROWS_BETWEEN_LOOKS == 0)
            mapped_look();
        uint32_t w = iterator->row / 64;
        uint64_t left = wanted_word(iterator, view, w) & ~(uint64_t)0 << iterator->row % 64;
        if (left) {
            iterator->row = w * 64 + (uint32_t)__builtin_ctzll(left);
            return 1;
        }
        iterator->row = (w + 1) * 64;
    }
    return 0;
}

/* The next row, or NULL at the end. */
static const struct segment_view *advance(lode_iterator *iterator, uint32_t *ret_row)
{
    for (; iterator->view < iterator->version->view_count; iterator->view++, iterator->row = 0) {
        const struct segment_view *view = &iterator->version->views[iterator->view];
        if (has_none(iterator, view) || !move(iterator, view))
            continue;
        *ret_row = iterator->row++;
        return view;
    }
    return NULL;
}

lode_status iterator_next(lode_iterator *iterator, const lode_hit **ret_hit, lode_error *error)
{
    uint32_t row;
    const struct segment_view *view = advance(iterator, &row);
    arena_release(&iterator->arena);
    if (!view) {
        *ret_hit = NULL;
        return LODE_OK;
    }
    lode_status status =
        fetch_hit(view, row, iterator->with, &iterator->arena, &iterator->hit, error);
    if (!status)
        *ret_hit = &iterator->hit;
    return status;
}

void iterator_close(lode_iterator *iterator)
{
    arena_release(&iterator->arena);
    allowed_set_free(iterator->allowed);
    version_unref(iterator->version);
    db_release(iterator->collection);
    free(iterator);
}
