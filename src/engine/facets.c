/* facets.c: counted values, as JSON, most frequent first. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/filtering.h"
#include "engine/read.h"
#include "query/facets.h"

#define LIMIT_DEFAULT 10u

struct result {
    lode_facets head; /* first: both have one address */
    struct arena arena;
};

/* The days since 1970 as a date: Howard Hinnant, chrono-compatible low-level date algorithms. */
static void write_moment(int64_t us, char text[40])
{
    int64_t seconds = us / 1000000, micros = us % 1000000;
    if (micros < 0) {
        micros += 1000000;
        seconds--;
    }
    int64_t days = seconds / 86400, rest = seconds % 86400;
    if (rest < 0) {
        rest += 86400;
        days--;
    }
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097, doe = days - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    int month = (int)(mp < 10 ? mp + 3 : mp - 9);
    int year = (int)(yoe + era * 400 + (month <= 2));
    int size = snprintf(text, 40, "%04d-%02d-%02dT%02d:%02d:%02d", year, month,
                        (int)(doy - (153 * mp + 2) / 5 + 1), (int)(rest / 3600),
                        (int)(rest / 60 % 60), (int)(rest % 60));
    if (micros)
        size += snprintf(text + size, 40 - (size_t)size, ".%06d", (int)micros);
    snprintf(text + size, 40 - (size_t)size, "Z");
}

static void write_uuid(const uint8_t uuid[16], char text[40])
{
    size_t size = 0;
    for (int i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[size++] = '-';
        size += (size_t)snprintf(text + size, 40 - size, "%02x", uuid[i]);
    }
}

static void write_value(struct json_writer *json, const struct value *value)
{
    char text[40];
    switch (value->kind) {
    case VALUE_STRING: json_write_string(json, value->text, value->size); return;
    case VALUE_INTEGER: json_write_i64(json, value->integer); return;
    case VALUE_FLOAT: json_write_f64(json, value->number); return;
    case VALUE_BOOLEAN: json_write_bool(json, value->integer != 0); return;
    case VALUE_DATETIME: write_moment(value->integer, text); break;
    case VALUE_UUID: write_uuid(value->uuid, text); break;
    }
    json_write_string(json, text, strlen(text));
}

static lode_status copy_value(struct result *result, const struct facet *facet,
                              lode_facet *ret_facet, lode_error *error)
{
    struct buf out;
    struct json_writer json;
    buf_init(&out, SIZE_MAX / 2);
    json_writer_init(&json, &out, error);
    write_value(&json, &facet->value);
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

static lode_status find_field(const struct fields *fields, const char *name,
                              const struct field **ret_field, lode_error *error)
{
    struct arena arena;
    const struct path *path;
    arena_init(&arena);
    lode_status status = path_parse(&arena, name, strlen(name), &path, error);
    if (!status)
        *ret_field = fields_find(fields, path->text, path->size);
    if (!status && !*ret_field)
        status = error_set(error, LODE_INVALID, "there is no field '%.80s'", name);
    arena_release(&arena);
    return status;
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
    status = find_field(known->fields, request->field, &field, error);
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
