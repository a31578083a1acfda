/* api_lists.c: points in order, at random, counted, and values counted. */
#include "server/answers.h"

#include <string.h>

struct list {
    struct asked asked;
    const char *by, *after; /* of a scroll */
    int is_descending;
    uint64_t limit, seed;
};

static lode_status read_field(struct json_input *input, void *target)
{
    struct list *list = target;
    return json_input_name(input, LODE_METADATA_SIZE_MAX, &list->by);
}

static lode_status read_after(struct json_input *input, void *target)
{
    struct list *list = target;
    return json_input_name(input, LODE_CURSOR_SIZE_MAX, &list->after);
}

static lode_status read_order(struct json_input *input, void *target)
{
    struct list *list = target;
    const char *text = NULL;
    size_t size = 0;
    lode_status status = json_input_string(input, 64, &text, &size);
    list->is_descending = !status && size == 4 && memcmp(text, "desc", 4) == 0;
    if (status || list->is_descending || (size == 3 && memcmp(text, "asc", 3) == 0))
        return status;
    return json_input_fail(input, LODE_INVALID, "expected \"asc\" or \"desc\", found \"%.*s\"",
                           (int)size, text);
}

static lode_status read_limit(struct json_input *input, void *target)
{
    struct list *list = target;
    const struct call *call = list->asked.call;
    return json_input_u64(input, 1, asked_limit(call->who ? call->who->limits.k : 0, LODE_K_MAX),
                          &list->limit);
}

static lode_status read_values_limit(struct json_input *input, void *target)
{
    struct list *list = target;
    return json_input_u64(input, 1, 10000, &list->limit);
}

static lode_status read_seed(struct json_input *input, void *target)
{
    struct list *list = target;
    return json_input_u64(input, 0, UINT64_MAX, &list->seed);
}

#define ASKED_MEMBERS                                                                              \
    {"namespace", asked_read_namespace, false}, {"snapshot", asked_read_snapshot, false},          \
        {"deadline_ms", asked_read_deadline, false},                                               \
    {                                                                                              \
        "filter", asked_read_filter, false                                                         \
    }
#define POINT_MEMBERS                                                                              \
    {"with", asked_read_with, false}, {"fields", asked_read_fields, false},                        \
    {                                                                                              \
        "compact", asked_read_compact, false                                                       \
    }

static const struct json_member scroll_items[] = {
    ASKED_MEMBERS,
    POINT_MEMBERS,
    {"by", read_field, false},
    {"order", read_order, false},
    {"limit", read_limit, false},
    {"after", read_after, false},
};
static const struct json_member sample_items[] = {
    ASKED_MEMBERS,
    POINT_MEMBERS,
    {"count", read_limit, false},
    {"seed", read_seed, false},
};
static const struct json_member count_items[] = {ASKED_MEMBERS};
static const struct json_member facet_items[] = {
    ASKED_MEMBERS,
    {"field", read_field, false},
    {"limit", read_values_limit, false},
};
#define MEMBERS(items, what)                                                                       \
    {                                                                                              \
        items, sizeof(items) / sizeof *(items), what                                               \
    }
static const struct json_members scroll_members = MEMBERS(scroll_items, "a scroll");
static const struct json_members sample_members = MEMBERS(sample_items, "a sample");
static const struct json_members count_members = MEMBERS(count_items, "a count");
static const struct json_members facet_members = MEMBERS(facet_items, "facets");

/* Read the body and take the collection, then do; what was taken is given back. */
static void run(struct call *call, const struct json_members *members,
                lode_status (*answer)(struct list *list, lode_error *error))
{
    static const char *const none[] = {NULL};
    struct list list = {.asked = {.call = call, .with = LODE_WITH_METADATA}};
    lode_error error = {0};
    if (call_query_only(call, none) && asked_read(call, members, &list, NULL) &&
        asked_open(&list.asked) && answer(&list, &error))
        asked_fail(call, &error);
    asked_close(&list.asked);
}

static void write_u64(struct json_writer *json, const char *key, uint64_t value)
{
    json_write_key(json, key);
    json_write_u64(json, value);
}

/* False: so many points are too many, and the call has failed. */
static bool form_of(const struct list *list, struct answer_form *form)
{
    const struct asked *asked = &list->asked;
    *form = (struct answer_form){.with = asked->with,
                                 .fields = asked->fields,
                                 .dim = asked->handle->schema->dim,
                                 .is_compact = asked->is_compact};
    return answer_fits(asked->call, list->limit ? list->limit : 10, form);
}

/* --- Scroll -------------------------------------------------------------------------------------- */

static void write_page(struct call *call, const lode_page *page, const struct answer_form *form)
{
    struct json_writer json;
    call_json(call, &json);
    json_write_object(&json);
    answer_points(&json, "points", page->hits, page->hit_count, form);
    json_write_key(&json, "next");
    if (page->next)
        json_write_string(&json, page->next, strlen(page->next));
    else
        json_write_null(&json);
    write_u64(&json, "sequence", page->sequence);
    json_write_object_end(&json);
    call_json_end(call, &json);
}

static lode_status answer_scroll(struct list *list, lode_error *error)
{
    const struct asked *asked = &list->asked;
    struct answer_form form;
    lode_page *page;
    const lode_scroll_request request = {.snapshot = asked->snapshot,
                                         .filter = asked->filter.text,
                                         .filter_size = asked->filter.size,
                                         .by = list->by,
                                         .descending = list->is_descending,
                                         .limit = (size_t)list->limit,
                                         .after = list->after,
                                         .with = asked->with,
                                         .stop = &asked->stop};
    if (!form_of(list, &form))
        return LODE_OK;
    lode_status status = lode_scroll(asked->handle->collection, &request, &page, error);
    if (status)
        return status;
    write_page(asked->call, page, &form);
    lode_page_free(page);
    return LODE_OK;
}

void api_vectors_scroll(struct call *call)
{
    run(call, &scroll_members, answer_scroll);
}

/* --- Sample -------------------------------------------------------------------------------------- */

static lode_status answer_sample(struct list *list, lode_error *error)
{
    const struct asked *asked = &list->asked;
    struct answer_form form;
    struct json_writer json;
    lode_result *result;
    const lode_sample_request request = {.snapshot = asked->snapshot,
                                         .filter = asked->filter.text,
                                         .filter_size = asked->filter.size,
                                         .count = (size_t)list->limit,
                                         .seed = list->seed,
                                         .with = asked->with,
                                         .stop = &asked->stop};
    if (!form_of(list, &form))
        return LODE_OK;
    lode_status status = lode_sample(asked->handle->collection, &request, &result, error);
    if (status)
        return status;
    call_json(asked->call, &json);
    json_write_object(&json);
    answer_points(&json, "points", result->hits, result->hit_count, &form);
    json_write_object_end(&json);
    lode_result_free(result);
    call_json_end(asked->call, &json);
    return LODE_OK;
}

void api_vectors_sample(struct call *call)
{
    run(call, &sample_members, answer_sample);
}

/* --- Count and facets ---------------------------------------------------------------------------- */

static lode_status answer_count(struct list *list, lode_error *error)
{
    const struct asked *asked = &list->asked;
    struct json_writer json;
    uint64_t count;
    lode_status status =
        lode_count(asked->handle->collection, asked->snapshot, asked->filter, &count, error);
    if (status)
        return status;
    call_json(asked->call, &json);
    json_write_object(&json);
    write_u64(&json, "count", count);
    json_write_object_end(&json);
    call_json_end(asked->call, &json);
    return LODE_OK;
}

void api_vectors_count(struct call *call)
{
    run(call, &count_members, answer_count);
}

static void write_facets(struct call *call, const lode_facets *facets)
{
    struct json_writer json;
    call_json(call, &json);
    json_write_object(&json);
    json_write_key(&json, "values");
    json_write_array(&json);
    for (size_t i = 0; i < facets->facet_count; i++) {
        json_write_object(&json);
        json_write_key(&json, "value");
        json_write_raw(&json, facets->facets[i].value, facets->facets[i].value_size);
        write_u64(&json, "count", facets->facets[i].count);
        json_write_object_end(&json);
    }
    json_write_array_end(&json);
    write_u64(&json, "distinct", facets->distinct);
    write_u64(&json, "points", facets->points);
    write_u64(&json, "missing", facets->missing);
    write_u64(&json, "uncounted", facets->uncounted);
    json_write_object_end(&json);
    call_json_end(call, &json);
}

static lode_status answer_facets(struct list *list, lode_error *error)
{
    const struct asked *asked = &list->asked;
    lode_facets *facets;
    const lode_facet_request request = {.snapshot = asked->snapshot,
                                        .filter = asked->filter,
                                        .field = list->by,
                                        .limit = (size_t)list->limit,
                                        .stop = &asked->stop};
    if (!list->by) {
        call_refuse(asked->call, 400, "invalid", "field", "\"field\" is missing");
        return LODE_OK;
    }
    lode_status status = lode_facets_get(asked->handle->collection, &request, &facets, error);
    if (status)
        return status;
    write_facets(asked->call, facets);
    lode_facets_free(facets);
    return LODE_OK;
}

void api_vectors_facets(struct call *call)
{
    run(call, &facet_members, answer_facets);
}
