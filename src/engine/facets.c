/* facets.c: counted values, as JSON, most frequent first. */
#include <stdlib.h>

#include "engine/filtering.h"
#include "engine/read.h"
#include "engine/value_json.h"
#include "query/facets.h"

#define LIMIT_DEFAULT 10u

struct result {
    lode_facets head; /* first: both have one address */
    struct arena arena;
};

static lode_status copy_value(struct result *result, const struct facet *facet,
                              lode_facet *ret_facet, lode_error *error)
{
    struct buf out;
    struct json_writer json;
    buf_init(&out, SIZE_MAX / 2);
    json_writer_init(&json, &out, error);
    value_json_write(&json, &facet->value);
    lode_status status = json.status;
    if (!status) {
        ret_facet->value = arena_copy(&result->arena, out.data, out.size);
        ret_facet->value_size = out.size;
        ret_facet->count = facet->count;
        if (!ret_facet->value)
            status = error_nomem(error, "facets", out.size);
    }
    buf_release(&out);
    return status;
}

/* The most frequent first, then by value. */
static int by_count(const void *a, const void *b)
{
    const struct facet *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return value_compare(&x->value, &y->value);
}

static lode_status make_result(struct facets *facets, size_t limit, lode_facets **ret_facets,
                               lode_error *error)
{
    size_t count = facets->count < limit ? facets->count : limit;
    struct result *result = calloc(1, sizeof *result);
    if (!result)
        return error_nomem(error, "facets", sizeof *result);
    arena_init(&result->arena);
    lode_facet *items = arena_alloc_zero(&result->arena, (count + 1) * sizeof *items);
    lode_status status = items ? LODE_OK : error_nomem(error, "facets", count * sizeof *items);
    if (facets->count > 0)
        qsort(facets->items, facets->count, sizeof *facets->items, by_count);
    for (size_t i = 0; !status && i < count; i++)
        status = copy_value(result, &facets->items[i], &items[i], error);
    if (status) {
        facets_free(&result->head);
        return status;
    }
    result->head = (lode_facets){.facets = items,
                                 .facet_count = count,
                                 .distinct = facets->count,
                                 .points = facets->points,
                                 .missing = facets->points - facets->with,
                                 .uncounted = facets->uncounted};
    *ret_facets = &result->head;
    return LODE_OK;
}

lode_status facets_get(const lode_collection *handle, const lode_facet_request *request,
                       lode_facets **ret_facets, lode_error *error)
{
    struct collection *collection = handle->shared;
    struct version *version;
    struct allowed_set *allowed = NULL;
    struct facets facets = {0};
    const struct field *field = NULL;
    lode_status status = snapshot_pin(collection, request->snapshot, &version, error);
    if (status)
        return status;
    struct field_set *known = known_fields_get(&collection->fields);
    struct allowed_request asked = {.version = version};
    status = filtering_find_field(known->fields, request->field, &field, error);
    if (!status)
        status = filtering_allow(handle, request->filter.text, request->filter.size, &asked,
                                 &allowed, error);
    if (!status && !allowed)
        status = allowed_set_all(version, &allowed, error);
    if (!status) {
        status = facets_count(version, allowed, known->fields, field, &facets, error);
        if (!status)
            status = make_result(&facets, request->limit ? request->limit : LIMIT_DEFAULT,
                                 ret_facets, error);
        facets_release(&facets);
    }
    allowed_set_free(allowed);
    field_set_unref(known);
    version_unref(version);
    return status;
}

void facets_free(lode_facets *facets)
{
    if (!facets)
        return;
    arena_release(&((struct result *)facets)->arena);
    free(facets);
}
