/* facets.c: counted values, as JSON, the most frequent first. */
#include <stdlib.h>

#include "engine/filtering.h"
#include "engine/read.h"
#include "engine/value_json.h"
#include "os/stop.h"
#include "query/facets.h"

#define LIMIT_DEFAULT        10u
#define FACETS_BETWEEN_LOOKS 256u /* at the caller's wish */

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
static int comes_before(const struct facet *a, const struct facet *b)
{
    if (a->count != b->count)
        return a->count > b->count;
    return value_compare(&a->value, &b->value) < 0;
}

static void swap(struct facet *a, struct facet *b)
{
    struct facet facet = *a;
    *a = *b;
    *b = facet;
}

static void sift_down(struct facet *items, size_t i, size_t count)
{
    for (;;) {
        size_t first = i, child = 2 * i + 1;
        for (size_t c = child; c < child + 2 && c < count; c++)
            if (comes_before(&items[c], &items[first]))
                first = c;
        if (first == i)
            return;
        swap(&items[i], &items[first]);
        i = first;
    }
}

/* Put the first `wanted` of them at the end, the very first last: there may be a million, of which ten are wanted. */
static lode_status choose(struct facets *facets, size_t wanted, const lode_stop *stop,
                          lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = facets->count / 2; !status && i-- > 0;) {
        if (i % FACETS_BETWEEN_LOOKS == 0)
            status = stop_look(stop, error);
        sift_down(facets->items, i, facets->count);
    }
    for (size_t i = 0; !status && i < wanted; i++) {
        size_t left = facets->count - 1 - i;
        if (i % FACETS_BETWEEN_LOOKS == 0)
            status = stop_look(stop, error);
        swap(&facets->items[0], &facets->items[left]);
        sift_down(facets->items, 0, left);
    }
    return status;
}

static lode_status copy_values(const struct facets *facets, size_t count, const lode_stop *stop,
                               struct result *result, lode_error *error)
{
    lode_facet *items = arena_alloc_zero(&result->arena, (count + 1) * sizeof *items);
    lode_status status = items ? LODE_OK : error_nomem(error, "facets", count * sizeof *items);
    for (size_t i = 0; !status && i < count; i++) {
        if (i % FACETS_BETWEEN_LOOKS == 0)
            status = stop_look(stop, error);
        if (!status)
            status = copy_value(result, &facets->items[facets->count - 1 - i], &items[i], error);
    }
    result->head.facets = items;
    result->head.facet_count = count;
    return status;
}

static lode_status make_result(struct facets *facets, const lode_facet_request *request,
                               lode_facets **ret_facets, lode_error *error)
{
    size_t limit = request->limit ? request->limit : LIMIT_DEFAULT;
    size_t count = facets->count < limit ? facets->count : limit;
    struct result *result = calloc(1, sizeof *result);
    if (!result)
        return error_nomem(error, "facets", sizeof *result);
    arena_init(&result->arena);
    lode_status status = choose(facets, count, request->stop, error);
    if (!status)
        status = copy_values(facets, count, request->stop, result, error);
    if (status) {
        facets_free(&result->head);
        return status;
    }
    result->head.distinct = facets->count;
    result->head.points = facets->points;
    result->head.missing = facets->points - facets->with;
    result->head.uncounted = facets->uncounted;
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
    struct allowed_request asked = {.version = version, .stop = request->stop};
    status = filtering_find_field(known->fields, request->field, &field, error);
    if (!status)
        status = filtering_allow(handle, request->filter.text, request->filter.size, &asked,
                                 &allowed, error);
    if (!status && !allowed)
        status = allowed_set_all(version, &allowed, error);
    if (!status) {
        struct facets_request counted = {.version = version,
                                         .set = allowed,
                                         .fields = known->fields,
                                         .field = field,
                                         .stop = request->stop};
        status = facets_count(&counted, &facets, error);
        if (!status)
            status = make_result(&facets, request, ret_facets, error);
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
