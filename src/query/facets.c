/* facets.c: the columns of each view count, in the order of values; then the views' counts are merged, two by two. */
#include "query/facets.h"

#include <stdlib.h>
#include <string.h>

#include "column/columns.h"
#include "os/spare.h"
#include "os/stop.h"
#include "storage/columns_part.h"

#define VALUES_BETWEEN_LOOKS 1024u /* at the caller's wish */

struct counting {
    const struct facets_request *request;
    struct facets *facets;
    lode_error *error;
};

static lode_status keep(struct facets *facets, const struct value *value, uint64_t count,
                        lode_error *error)
{
    if (facets->count == facets->capacity) {
        size_t capacity = facets->capacity ? facets->capacity * 2 : 64;
        struct facet *items = realloc(facets->items, capacity * sizeof *items);
        if (!items)
            return error_nomem(error, "facets", capacity * sizeof *items);
        facets->items = items;
        facets->capacity = capacity;
    }
    struct facet *facet = &facets->items[facets->count];
    *facet = (struct facet){.value = *value, .count = count};
    if (value->text) {
        facet->value.text = arena_copy(&facets->arena, value->text, value->size);
        if (!facet->value.text)
            return error_nomem(error, "facets", value->size);
    }
    facets->count++;
    return LODE_OK;
}

static lode_status count_values(const struct counting *counting, const struct columns *columns,
                                const struct column *column, const uint64_t *words)
{
    const lode_stop *stop = counting->request->stop;
    lode_error *error = counting->error;
    size_t size = (size_t)column->value_count * sizeof(uint32_t) + 1;
    uint32_t *counts = spare_take(size);
    if (!counts)
        return error_nomem(error, "facets", column->value_count * sizeof *counts);
    lode_status status = column_counts(columns, column, words, counts, stop, error);
    for (uint32_t place = 0; !status && place < column->value_count; place++) {
        struct value value = {0};
        if (place % VALUES_BETWEEN_LOOKS == 0)
            status = stop_look(stop, error);
        if (status || counts[place] == 0)
            continue;
        status = column_value(columns, column, place, &value, error);
        if (!status)
            status = keep(counting->facets, &value, counts[place], error);
    }
    spare_give(counts, size);
    return status;
}

/* How many rows of `words` are in a set of the column. */
static lode_status count_set(const struct columns *columns, const struct column *column,
                             enum column_blob which, const uint64_t *words, uint64_t *sum,
                             lode_error *error)
{
    size_t count = bitset_words(columns->row_count);
    uint64_t *set = spare_take_zeroed((count + 1) * sizeof *set);
    lode_status status = set ? LODE_OK : error_nomem(error, "a set of rows", count * sizeof *set);
    if (!status)
        status = column_set(columns, column, which, set, error);
    for (size_t w = 0; !status && w < count; w++)
        *sum += (uint64_t)__builtin_popcountll(set[w] & words[w]);
    spare_give(set, (count + 1) * sizeof *set);
    return status;
}

static lode_status count_column(const struct counting *counting, const struct columns *columns,
                                const uint64_t *words)
{
    const struct field *field = counting->request->field;
    struct facets *facets = counting->facets;
    lode_error *error = counting->error;
    const struct column *column = columns_find(columns, field->path, field->path_size);
    if (!column)
        return LODE_OK;
    lode_status status = count_set(columns, column, COLUMN_EXISTS, words, &facets->with, error);
    if (!status)
        status = count_set(columns, column, COLUMN_UNKNOWN, words, &facets->uncounted, error);
    if (!status && column->kind != COLUMN_NONE && column->kind != COLUMN_POINTS)
        status = count_values(counting, columns, column, words);
    return status;
}

/* Columns of all rows of the view, of the types that are known now. */
static lode_status whole_columns(const struct counting *counting, const struct segment_view *view,
                                 struct columns **ret_columns)
{
    const struct facets_request *request = counting->request;
    const struct field *field = request->field;
    uint32_t covered;
    struct columns *columns = view->segment->ops->columns(view->segment, &covered);
    const struct column *column =
        columns ? columns_find(columns, field->path, field->path_size) : NULL;
    int fits = columns && columns->row_count == view->row_count && !columns->incomplete &&
               (!column || (!column->is_given_up && column->field.type == field->type));
    *ret_columns = columns;
    if (fits)
        return LODE_OK;
    columns_unref(columns);
    return columns_of_view(view, request->fields, request->stop, ret_columns, counting->error);
}

/* --- Adding up ---------------------------------------------------------------------------------- */

/* Two runs, one behind the other, each ascending; made one, without equal values, at `to`. */
struct pair_of_runs {
    const struct facet *items;
    size_t begin, middle, end;
};

static lode_status merge(const struct pair_of_runs *runs, const lode_stop *stop, struct facet *to,
                         size_t *ret_count, lode_error *error)
{
    size_t a = runs->begin, b = runs->middle, count = 0;
    while (a < runs->middle || b < runs->end) {
        lode_status status = count % VALUES_BETWEEN_LOOKS ? LODE_OK : stop_look(stop, error);
        if (status)
            return status;
        int order = a == runs->middle ? 1
                    : b == runs->end  ? -1
                                      : value_compare(&runs->items[a].value, &runs->items[b].value);
        to[count] = runs->items[order > 0 ? b++ : a++];
        if (order == 0)
            to[count].count += runs->items[b++].count;
        count++;
    }
    *ret_count = count;
    return LODE_OK;
}

/* Each pair of neighbouring runs, of which there are *run_count that end at ends[]. */
static lode_status merge_pairs(const struct counting *counting, size_t *ends, size_t *run_count,
                               struct facet *to)
{
    size_t begin = 0, count = 0, made = 0;
    lode_status status = LODE_OK;
    for (size_t r = 0; !status && r < *run_count; r += 2) {
        size_t last = r + 1 < *run_count ? r + 1 : r, merged = 0;
        struct pair_of_runs runs = {counting->facets->items, begin, ends[r], ends[last]};
        status = merge(&runs, counting->request->stop, to + count, &merged, counting->error);
        begin = ends[last];
        ends[made++] = count += merged;
    }
    *run_count = made;
    counting->facets->count = count;
    return status;
}

/* One of each value. ends: of the views' runs. */
static lode_status add_up(const struct counting *counting, size_t *ends, size_t run_count)
{
    struct facets *facets = counting->facets;
    lode_status status = LODE_OK;
    if (run_count < 2 || facets->count == 0)
        return LODE_OK;
    struct facet *other = malloc(facets->capacity * sizeof *other);
    if (!other)
        return error_nomem(counting->error, "facets", facets->capacity * sizeof *other);
    while (!status && run_count > 1) {
        struct facet *items = facets->items;
        status = merge_pairs(counting, ends, &run_count, other);
        facets->items = other;
        other = items;
    }
    free(other);
    return status;
}

static lode_status count_view(const struct counting *counting, size_t i)
{
    const struct facets_request *request = counting->request;
    const struct allowed *allowed = &request->set->views[i];
    struct columns *columns = NULL;
    counting->facets->points += allowed->count;
    if (allowed->count == 0)
        return LODE_OK;
    lode_status status = whole_columns(counting, &request->version->views[i], &columns);
    if (status)
        return status;
    status = count_column(counting, columns, allowed->words);
    columns_unref(columns);
    return status;
}

lode_status facets_count(const struct facets_request *request, struct facets *ret_facets,
                         lode_error *error)
{
    size_t view_count = request->version->view_count;
    struct counting counting = {request, ret_facets, error};
    *ret_facets = (struct facets){0};
    arena_init(&ret_facets->arena);
    size_t *ends = malloc((view_count + 1) * sizeof *ends);
    lode_status status = ends ? LODE_OK : error_nomem(error, "facets", view_count * sizeof *ends);
    for (size_t i = 0; !status && i < view_count; i++) {
        status = count_view(&counting, i);
        ends[i] = ret_facets->count;
    }
    if (!status)
        status = add_up(&counting, ends, view_count);
    free(ends);
    return status;
}

void facets_release(struct facets *facets)
{
    arena_release(&facets->arena);
    free(facets->items);
}
