/* facets.c: the columns of each view count, values that several views have are added up. */
#include "query/facets.h"

#include <stdlib.h>
#include <string.h>

#include "column/columns.h"
#include "storage/columns_part.h"

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

static lode_status count_values(struct facets *facets, const struct columns *columns,
                                const struct column *column, const uint64_t *words,
                                lode_error *error)
{
    uint32_t *counts = malloc((size_t)column->value_count * sizeof *counts + 1);
    if (!counts)
        return error_nomem(error, "facets", column->value_count * sizeof *counts);
    lode_status status = column_counts(columns, column, words, counts, error);
    for (uint32_t place = 0; !status && place < column->value_count; place++) {
        struct value value = {0};
        if (counts[place] == 0)
            continue;
        status = column_value(columns, column, place, &value, error);
        if (!status)
            status = keep(facets, &value, counts[place], error);
    }
    free(counts);
    return status;
}

/* How many rows of `words` are in a set of the column. */
static lode_status count_set(const struct columns *columns, const struct column *column,
                             enum column_blob which, const uint64_t *words, uint64_t *sum,
                             lode_error *error)
{
    size_t count = bitset_words(columns->row_count);
    uint64_t *set = calloc(count + 1, sizeof *set);
    lode_status status = set ? LODE_OK : error_nomem(error, "a set of rows", count * sizeof *set);
    if (!status)
        status = column_set(columns, column, which, set, error);
    for (size_t w = 0; !status && w < count; w++)
        *sum += (uint64_t)__builtin_popcountll(set[w] & words[w]);
    free(set);
    return status;
}

static lode_status count_column(struct facets *facets, const struct columns *columns,
                                const struct field *field, const uint64_t *words, lode_error *error)
{
    const struct column *column = columns_find(columns, field->path, field->path_size);
    if (!column)
        return LODE_OK;
    lode_status status = count_set(columns, column, COLUMN_EXISTS, words, &facets->with, error);
    if (!status)
        status = count_set(columns, column, COLUMN_UNKNOWN, words, &facets->uncounted, error);
    if (!status && column->kind != COLUMN_NONE && column->kind != COLUMN_POINTS)
        status = count_values(facets, columns, column, words, error);
    return status;
}

/* Columns of all rows of the view, of the types that are known now. */
static lode_status whole_columns(const struct segment_view *view, const struct fields *fields,
                                 const struct field *field, struct columns **ret_columns,
                                 lode_error *error)
{
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
    return columns_of_view(view, fields, ret_columns, error);
}

static int by_value(const void *a, const void *b)
{
    return value_compare(&((const struct facet *)a)->value, &((const struct facet *)b)->value);
}

/* One of each value. */
static void add_up(struct facets *facets)
{
    size_t kept = 0;
    if (facets->count > 0)
        qsort(facets->items, facets->count, sizeof *facets->items, by_value);
    for (size_t i = 0; i < facets->count; i++) {
        if (kept > 0 && by_value(&facets->items[kept - 1], &facets->items[i]) == 0)
            facets->items[kept - 1].count += facets->items[i].count;
        else
            facets->items[kept++] = facets->items[i];
    }
    facets->count = kept;
}

lode_status facets_count(const struct version *version, const struct allowed_set *set,
                         const struct fields *fields, const struct field *field,
                         struct facets *ret_facets, lode_error *error)
{
    lode_status status = LODE_OK;
    *ret_facets = (struct facets){0};
    arena_init(&ret_facets->arena);
    for (size_t i = 0; !status && i < version->view_count; i++) {
        struct columns *columns = NULL;
        ret_facets->points += set->views[i].count;
        if (set->views[i].count == 0)
            continue;
        status = whole_columns(&version->views[i], fields, field, &columns, error);
        if (status)
            break;
        status = count_column(ret_facets, columns, field, set->views[i].words, error);
        columns_unref(columns);
    }
    add_up(ret_facets);
    return status;
}

void facets_release(struct facets *facets)
{
    arena_release(&facets->arena);
    free(facets->items);
}
