/* namespaces.c: the names are the values of the views' columns of namespaces, each in order: they are merged. Of a view
 * whose columns do not know all of its rows, some are made of its ids alone. */
#include "engine/namespaces.h"

#include <stdlib.h>
#include <string.h>

#include "filter/fields.h"
#include "query/allowed.h"
#include "storage/columns_part.h"

struct names { /* of one view */
    const struct segment_view *view;
    struct columns *columns;     /* NULL: none of its rows has a namespace */
    const struct column *column; /* whose values they are */
    uint32_t *counts;            /* of living rows, of each value */
    uint32_t place;              /* the next that has some */
    struct value value;          /* its name */
};

struct listing {
    struct names *names; /* of each view */
    size_t view_count;
    struct buf entries; /* struct lode_namespace_entry */
    struct arena arena; /* their names */
    size_t count, limit;
};

struct result {
    lode_namespace_list head; /* first: both have one address */
    struct buf entries;
    struct arena arena;
};

/* --- Names of a view --------------------------------------------------------------------------- */

static lode_status count_living(struct names *names, lode_error *error)
{
    size_t word_count = bitset_words(names->columns->row_count);
    uint64_t *living = calloc(word_count + 1, sizeof *living);
    names->counts = calloc((size_t)names->column->value_count + 1, sizeof *names->counts);
    lode_status status = living && names->counts
                             ? LODE_OK
                             : error_nomem(error, "namespaces", word_count * sizeof *living);
    for (size_t w = 0; !status && w < bitset_words(names->view->row_count) && w < word_count; w++)
        living[w] = view_live_word(names->view, w);
    if (!status)
        status = column_counts(names->columns, names->column, living, names->counts, NULL, error);
    free(living);
    return status;
}

static void close_names(struct names *names)
{
    columns_unref(names->columns);
    free(names->counts);
    names->columns = NULL;
    names->column = NULL;
    names->counts = NULL;
}

/* *ret_knows 0: the columns that there are do not know all rows. */
static lode_status open_kept(struct names *names, int *ret_knows, lode_error *error)
{
    const struct segment *segment = names->view->segment;
    uint32_t covered;
    *ret_knows = 0;
    names->columns = segment->ops->columns(segment, &covered);
    if (names->columns && covered >= names->view->row_count)
        names->column = columns_namespaces(names->columns, ret_knows);
    return names->column ? count_living(names, error) : LODE_OK;
}

static lode_status open_made(struct names *names, lode_error *error)
{
    struct fields *none;
    int knows;
    lode_status status = fields_new(&none, error);
    if (status)
        return status;
    status = columns_of_view(names->view, none, NULL, &names->columns, error);
    fields_free(none);
    if (!status)
        names->column = columns_namespaces(names->columns, &knows);
    return !status && names->column ? count_living(names, error) : status;
}

static lode_status settle(struct names *names, lode_error *error)
{
    while (names->column && names->place < names->column->value_count &&
           !names->counts[names->place])
        names->place++;
    if (!names->column || names->place == names->column->value_count)
        return LODE_OK;
    return column_value(names->columns, names->column, names->place, &names->value, error);
}

static lode_status begin_at(struct names *names, const struct id_namespace *after,
                            lode_error *error)
{
    struct value value = value_string(after->name, after->size);
    lode_status status = LODE_OK;
    names->place = 0;
    if (names->column && after->size)
        status = column_bound(names->columns, names->column, &value, 1, &names->place, error);
    return status ? status : settle(names, error);
}

static lode_status begin_made(struct names *names, const struct id_namespace *after,
                              lode_error *error)
{
    close_names(names);
    lode_status status = open_made(names, error);
    return status ? status : begin_at(names, after, error);
}

static lode_status open_names(struct names *names, const struct segment_view *view,
                              const struct id_namespace *after, lode_error *error)
{
    int knows = 0;
    names->view = view;
    if (view->live_count == 0 || !view->segment->ops->has_namespaces(view->segment))
        return LODE_OK;
    lode_status status = open_kept(names, &knows, error);
    if (!status && knows)
        status = begin_at(names, after, error);
    if ((!status && knows) || (status && !status_is_damage(status)))
        return status;
    return begin_made(names, after, error);
}

/* The next name, behind `last`. Columns may turn out to be damaged anywhere. */
static lode_status advance(struct names *names, const struct id_namespace *last, lode_error *error)
{
    names->place++;
    lode_status status = settle(names, error);
    return status_is_damage(status) ? begin_made(names, last, error) : status;
}

/* --- Merging ----------------------------------------------------------------------------------- */

static int is_over(const struct names *names)
{
    return !names->column || names->place >= names->column->value_count;
}

static const struct names *least(const struct listing *listing)
{
    const struct names *found = NULL;
    for (size_t i = 0; i < listing->view_count; i++) {
        const struct names *names = &listing->names[i];
        if (!is_over(names) && (!found || value_compare(&names->value, &found->value) < 0))
            found = names;
    }
    return found;
}

/* One more name, with what all views have of it. It is copied first: columns that hold it may be closed. */
static lode_status add(struct listing *listing, const struct value *name, lode_error *error)
{
    lode_namespace_entry entry = {.name = arena_copy(&listing->arena, name->text, name->size)};
    if (!entry.name)
        return error_nomem(error, "namespaces", name->size);
    struct value own = value_string(entry.name, name->size);
    struct id_namespace last = {.name = entry.name, .size = name->size};
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < listing->view_count; i++) {
        struct names *names = &listing->names[i];
        if (is_over(names) || value_compare(&names->value, &own) != 0)
            continue;
        entry.points += names->counts[names->place];
        status = advance(names, &last, error);
    }
    if (!status)
        status = buf_append(&listing->entries, &entry, sizeof entry, error);
    listing->count++;
    return status;
}

static lode_status list_version(struct listing *listing, const struct version *version,
                                const struct id_namespace *after, lode_error *error)
{
    const struct names *names;
    lode_status status = LODE_OK;
    listing->names = calloc(version->view_count + 1, sizeof *listing->names);
    if (!listing->names)
        return error_nomem(error, "namespaces", version->view_count * sizeof *listing->names);
    listing->view_count = version->view_count;
    for (size_t i = 0; !status && i < version->view_count; i++)
        status = open_names(&listing->names[i], &version->views[i], after, error);
    while (!status && listing->count < listing->limit && (names = least(listing)))
        status = add(listing, &names->value, error);
    return status;
}

static lode_status give(struct listing *listing, lode_namespace_list **ret_list, lode_error *error)
{
    struct result *result = malloc(sizeof *result);
    if (!result)
        return error_nomem(error, "namespaces", sizeof *result);
    *result = (struct result){
        .head = {.entries = (const lode_namespace_entry *)(const void *)listing->entries.data,
                 .entry_count = listing->count},
        .entries = listing->entries,
        .arena = listing->arena};
    arena_init(&listing->arena);
    buf_init(&listing->entries, 0);
    *ret_list = &result->head;
    return LODE_OK;
}

lode_status namespaces_list(struct collection *collection, const struct id_namespace *after,
                            size_t limit, lode_namespace_list **ret_list, lode_error *error)
{
    struct listing listing = {.limit = limit};
    struct version *version;
    lode_status status = collection_pin_now(collection, &version, NULL, error);
    if (status)
        return status;
    arena_init(&listing.arena);
    buf_init(&listing.entries, SIZE_MAX / 2);
    status = list_version(&listing, version, after, error);
    for (size_t i = 0; i < listing.view_count; i++)
        close_names(&listing.names[i]);
    free(listing.names);
    if (!status)
        status = give(&listing, ret_list, error);
    buf_release(&listing.entries);
    arena_release(&listing.arena);
    version_unref(version);
    return status;
}

void namespaces_list_free(lode_namespace_list *list)
{
    struct result *result = (struct result *)list;
    if (!result)
        return;
    buf_release(&result->entries);
    arena_release(&result->arena);
    free(result);
}

lode_status namespaces_stats(struct collection *collection, const struct id_namespace *space,
                             lode_namespace_stats *ret_stats, lode_error *error)
{
    struct version *version;
    struct allowed_set *allowed;
    lode_status status = collection_pin_now(collection, &version, NULL, error);
    if (status)
        return status;
    struct field_set *known = known_fields_get(&collection->fields);
    struct allowed_request asked = {.version = version, .space = space, .fields = known->fields};
    status = allowed_set_new(&asked, &allowed, error);
    if (!status) {
        uint64_t points = allowed_set_count(allowed);
        *ret_stats = (lode_namespace_stats){
            .points = points, .vector_bytes = points * collection->store.space.row_size};
        allowed_set_free(allowed);
    }
    field_set_unref(known);
    version_unref(version);
    return status;
}
