/* json_query.c: see json_query.h. A batch's queries and the call itself share one table: its first members are those of a
 * query, its last those of a call alone. */
#include "server/json_query.h"

#include "base/array.h"

#include <stdlib.h>
#include <string.h>

#define NAMED(n) (1u << (n))

/* --- Members ------------------------------------------------------------------------------------- */

static lode_status read_vector(struct json_input *input, void *target)
{
    struct query *query = target;
    return json_input_vector(input, &query->all->dim, &query->search.request.vector);
}

static lode_status read_id(struct json_input *input, void *target)
{
    struct query *query = target;
    return json_input_id(input, &query->like);
}

static lode_status read_text(struct json_input *input, void *target)
{
    struct query *query = target;
    return json_input_string(input, LODE_TEXT_SIZE_MAX, &query->search.request.text,
                             &query->search.request.text_size);
}

static lode_status read_k(struct json_input *input, void *target)
{
    struct query *query = target;
    return json_input_u64(input, 1, LODE_K_MAX, &query->k);
}

static lode_status read_filter(struct json_input *input, void *target)
{
    struct query *query = target;
    return json_input_filter(input, &query->search.request.filter,
                             &query->search.request.filter_size);
}

static lode_status read_ef_search(struct json_input *input, void *target)
{
    struct query *query = target;
    return json_input_u64(input, 1, LODE_EF_MAX, &query->ef_search);
}

static lode_status read_exact(struct json_input *input, void *target)
{
    struct query *query = target;
    return json_input_bool(input, &query->search.request.exact);
}

static lode_status read_with(struct json_input *input, void *target)
{
    struct query *query = target;
    return json_input_with(input, &query->search.request.with);
}

static lode_status read_fields(struct json_input *input, void *target)
{
    struct query *query = target;
    return json_input_names(input, 256, "fields", &query->fields);
}

static lode_status read_explain(struct json_input *input, void *target)
{
    struct query *query = target;
    return json_input_bool(input, &query->search.is_explained);
}

static lode_status read_group_by(struct json_input *input, void *target)
{
    struct query *query = target;
    return json_input_name(input, LODE_METADATA_SIZE_MAX, &query->search.group_by);
}

static lode_status read_per_group(struct json_input *input, void *target)
{
    struct query *query = target;
    return json_input_u64(input, 1, LODE_K_MAX, &query->per_group);
}

static lode_status read_one_per(struct json_input *input, void *target)
{
    struct query *query = target;
    return json_input_name(input, LODE_NAME_SIZE_MAX, &query->search.request.one_per);
}

static lode_status read_allow_damaged(struct json_input *input, void *target)
{
    struct query *query = target;
    return json_input_bool(input, &query->search.request.allow_damaged);
}

static struct asked *asked_of(void *target)
{
    struct query *query = target;
    return &query->all->asked;
}

static lode_status read_namespace(struct json_input *input, void *target)
{
    return asked_read_namespace(input, asked_of(target));
}

static lode_status read_snapshot(struct json_input *input, void *target)
{
    return asked_read_snapshot(input, asked_of(target));
}

static lode_status read_deadline(struct json_input *input, void *target)
{
    return asked_read_deadline(input, asked_of(target));
}

static lode_status read_compact(struct json_input *input, void *target)
{
    return asked_read_compact(input, asked_of(target));
}

static lode_status read_queries(struct json_input *input, void *target);

enum member {
    MEMBER_VECTOR,
    MEMBER_ID,
    MEMBER_TEXT,
    MEMBER_K,
    MEMBER_FILTER,
    MEMBER_EF_SEARCH,
    MEMBER_EXACT,
    MEMBER_WITH,
    MEMBER_FIELDS,
    MEMBER_EXPLAIN,
    MEMBER_GROUP_BY,
    MEMBER_PER_GROUP,
    MEMBER_ONE_PER,
    MEMBER_ALLOW_DAMAGED,
    MEMBER_QUERY_COUNT
};

static const struct json_member members[] = {
    {"vector", read_vector, false},
    {"id", read_id, false},
    {"text", read_text, false},
    {"k", read_k, false},
    {"filter", read_filter, false},
    {"ef_search", read_ef_search, false},
    {"exact", read_exact, false},
    {"with", read_with, false},
    {"fields", read_fields, false},
    {"explain", read_explain, false},
    {"group_by", read_group_by, false},
    {"per_group", read_per_group, false},
    {"one_per", read_one_per, false},
    {"allow_damaged", read_allow_damaged, false},
    /* Of a call alone: */
    {"namespace", read_namespace, false},
    {"snapshot", read_snapshot, false},
    {"deadline_ms", read_deadline, false},
    {"compact", read_compact, false},
    {"queries", read_queries, false},
};
static const struct json_members of_query = {members, MEMBER_QUERY_COUNT, "a query of a batch"};
static const struct json_members of_call = {members, sizeof members / sizeof *members, "a query"};

/* --- Batches ------------------------------------------------------------------------------------- */

static struct query *add_query(struct queries *queries, lode_error *error)
{
    struct query *items = queries->items;
    if (queries->count == queries->capacity) {
        items =
            array_grow(items, queries->count, &queries->capacity, sizeof *items, "queries", error);
        if (!items)
            return NULL;
        queries->items = items;
    }
    if (!items)
        return NULL;
    struct query *query = &items[queries->count++];
    *query = (struct query){.all = queries};
    return query;
}

static lode_status read_query(struct json_input *input, void *target)
{
    lode_error error = {0};
    struct query *query = add_query(target, &error);
    if (!query)
        return json_input_fail(input, LODE_NOMEM, "%s", error.message);
    return json_input_object(input, &of_query, query, &query->given);
}

static lode_status read_queries(struct json_input *input, void *target)
{
    struct query *base = target;
    struct queries *queries = base->all;
    const struct call *call = queries->asked.call;
    uint64_t own = call && call->who ? call->who->limits.batch : 0;
    queries->is_batch = 1;
    return json_input_array(input, asked_limit(own, LODE_SEARCH_BATCH_MAX), "queries", read_query,
                            queries);
}

/* What the call says of all its queries, where one does not say otherwise. */
static void inherit(struct query *query, const struct query *base)
{
    uint64_t missing = base->given & ~query->given;
    lode_search_request *to = &query->search.request;
    const lode_search_request *from = &base->search.request;
    if (missing & NAMED(MEMBER_K))
        query->k = base->k;
    if (missing & NAMED(MEMBER_FILTER)) {
        to->filter = from->filter;
        to->filter_size = from->filter_size;
    }
    if (missing & NAMED(MEMBER_EF_SEARCH))
        query->ef_search = base->ef_search;
    if (missing & NAMED(MEMBER_EXACT))
        to->exact = from->exact;
    if (missing & NAMED(MEMBER_WITH))
        to->with = from->with;
    if (missing & NAMED(MEMBER_FIELDS))
        query->fields = base->fields;
    if (missing & NAMED(MEMBER_EXPLAIN))
        query->search.is_explained = base->search.is_explained;
    if (missing & NAMED(MEMBER_GROUP_BY))
        query->search.group_by = base->search.group_by;
    if (missing & NAMED(MEMBER_PER_GROUP))
        query->per_group = base->per_group;
    if (missing & NAMED(MEMBER_ONE_PER))
        to->one_per = from->one_per;
    if (missing & NAMED(MEMBER_ALLOW_DAMAGED))
        to->allow_damaged = from->allow_damaged;
    query->given |= missing & ~(NAMED(MEMBER_VECTOR) | NAMED(MEMBER_ID) | NAMED(MEMBER_TEXT));
}

/* --- What queries are as requests ---------------------------------------------------------------- */

#define SOURCES (NAMED(MEMBER_VECTOR) | NAMED(MEMBER_ID) | NAMED(MEMBER_TEXT))

/* One of vector, id and text; else what is wrong. */
static const char *source_fault(const struct query *query)
{
    switch (__builtin_popcountll(query->given & SOURCES)) {
    case 0: return "one of \"vector\", \"id\" and \"text\" must be given";
    case 1: return NULL;
    default: return "only one of \"vector\", \"id\" and \"text\" may be given";
    }
}

static const char *query_fault(const struct query *query)
{
    const char *fault = source_fault(query);
    if (!fault && query->per_group && !query->search.group_by)
        fault = "\"per_group\" is of \"group_by\", which is missing";
    if (!fault && query->search.group_by && query->search.request.one_per)
        fault = "only one of \"group_by\" and \"one_per\" may be given";
    if (!fault && query->search.group_by && query->all->asked.is_compact)
        fault = "answers by groups are not \"compact\"";
    return fault;
}

static void finish_query(struct query *query)
{
    lode_search_request *request = &query->search.request;
    if (query->given & NAMED(MEMBER_ID))
        request->like = &query->like;
    request->k = (size_t)query->k;
    request->ef_search = (uint32_t)query->ef_search;
    query->search.per_group = (size_t)query->per_group;
    if (query->fields.items)
        request->with |= LODE_WITH_METADATA;
}

lode_status queries_read_json(struct json_input *input, struct queries *queries)
{
    struct query *base = &queries->base;
    lode_status status = json_input_object(input, &of_call, base, &base->given);
    if (!status)
        status = json_input_end(input);
    if (status)
        return status;
    if (queries->is_batch && (base->given & SOURCES))
        return json_input_fail(input, LODE_INVALID,
                               "\"vector\", \"id\" and \"text\" belong into \"queries\"");
    for (size_t i = 0; queries->is_batch && i < queries->count; i++) {
        inherit(&queries->items[i], base);
        finish_query(&queries->items[i]);
        const char *fault = query_fault(&queries->items[i]);
        if (fault)
            return json_input_fail(input, LODE_INVALID, "queries[%zu]: %s", i, fault);
    }
    if (queries->is_batch)
        return LODE_OK;
    finish_query(base);
    queries->items = base;
    queries->count = 1;
    const char *fault = query_fault(base);
    return fault ? json_input_fail(input, LODE_INVALID, "%s", fault) : LODE_OK;
}

/* --- Raw floats ---------------------------------------------------------------------------------- */

static bool query_numbers(struct call *call, struct query *base)
{
    return call_query_u64(call, "k", 1, LODE_K_MAX, 0, &base->k) &&
           call_query_u64(call, "ef_search", 1, LODE_EF_MAX, 0, &base->ef_search) &&
           call_query_u64(call, "per_group", 1, LODE_K_MAX, 0, &base->per_group) &&
           asked_query_bool(call, "exact", &base->search.request.exact) &&
           asked_query_bool(call, "explain", &base->search.is_explained) &&
           asked_query_bool(call, "allow_damaged", &base->search.request.allow_damaged);
}

static bool read_parameters(struct queries *queries)
{
    static const char *const names[] = {
        "batch",    "k",      "ef_search", "exact",         "explain", "group_by",    "per_group",
        "one_per",  "filter", "namespace", "allow_damaged", "with",    "deadline_ms", "compact",
        "snapshot", "fields", NULL};
    struct call *call = queries->asked.call;
    struct query *base = &queries->base;
    struct asked *asked = &queries->asked;
    if (!call_query_only(call, names) || !asked_of_query(asked) || !query_numbers(call, base) ||
        !asked_query_bool(call, "batch", &queries->is_batch))
        return false;
    base->search.group_by = call_query(call, "group_by");
    base->search.request.one_per = call_query(call, "one_per");
    base->search.request.filter = asked->filter.text;
    base->search.request.filter_size = asked->filter.size;
    base->search.request.with = asked->with;
    base->fields = asked->fields;
    base->given = NAMED(MEMBER_VECTOR);
    finish_query(base);
    const char *fault = query_fault(base);
    if (fault)
        call_refuse(call, 400, "invalid", NULL, "%s", fault);
    return !fault;
}

/* The body as floats at an address for floats; NULL: the call has failed. */
static const float *body_floats(struct call *call)
{
    if ((uintptr_t)call->body % _Alignof(float) == 0)
        return (const float *)(const void *)call->body;
    return (const float *)(const void *)call_copy(call, call->body, call->body_size);
}

static bool cut_body(struct queries *queries)
{
    struct call *call = queries->asked.call;
    size_t vector_size = queries->asked.handle->schema->dim * sizeof(float);
    size_t count = call->body_size / vector_size;
    if (call->body_size % vector_size != 0 || (!queries->is_batch && count != 1)) {
        call_refuse(call, 422, "schema", NULL,
                    "a body of %zu bytes; a vector of this index has %zu%s", call->body_size,
                    vector_size, queries->is_batch ? "" : ", and without batch=true there is one");
        return false;
    }
    if (!searches_count_fits(call, count))
        return false;
    if (count == 0)
        return true;
    const float *floats = body_floats(call);
    queries->items = queries->is_batch ? NULL : &queries->base;
    queries->count = queries->is_batch ? 0 : 1;
    queries->base.search.request.vector = floats;
    for (size_t i = 0; floats && queries->is_batch && i < count; i++) {
        struct query *query = add_query(queries, NULL);
        if (!query) {
            call_refuse(call, 503, "no_memory", NULL, "no memory for %zu queries", count);
            return false;
        }
        *query = queries->base;
        query->search.request.vector = floats + i * queries->asked.handle->schema->dim;
    }
    return floats != NULL;
}

/* --- Reading ------------------------------------------------------------------------------------- */

static bool read_json(struct queries *queries)
{
    static const char *const none[] = {NULL};
    struct call *call = queries->asked.call;
    struct json_input input;
    if (!call_query_only(call, none))
        return false;
    json_input_init(&input, (const char *)call->body, call->body_size, &call->memory);
    if (!queries_read_json(&input, queries))
        return true;
    call_fail(call, &input.fault.error, input.fault.field[0] ? input.fault.field : NULL,
              input.fault.position);
    return false;
}

bool queries_read(struct call *call, struct queries *queries)
{
    bool is_json = call->body_kind != BODY_BINARY;
    *queries = (struct queries){.asked.call = call};
    queries->base.all = queries;
    if (!(is_json ? read_json(queries) : read_parameters(queries)))
        return false;
    if (!asked_open(&queries->asked))
        return false;
    if (!is_json && !cut_body(queries))
        return false;
    return asked_check_dim(&queries->asked, queries->dim, "vector");
}

void queries_release(struct queries *queries)
{
    asked_close(&queries->asked);
    if (queries->items != &queries->base)
        free(queries->items);
    queries->items = NULL;
}
