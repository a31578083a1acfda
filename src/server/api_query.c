/* api_query.c: POST /indices/{name}/query. A single query, or queries that are answered of one state: together where none
 * is by groups. */
#include "server/answers.h"
#include "server/json_query.h"
#include "server/query_seen.h"
#include "server/service.h"

#include <stdlib.h>
#include <string.h>

static struct answer_form form_of(const struct queries *queries, const struct query *query)
{
    return (struct answer_form){.with = query->request.with,
                                .fields = query->fields,
                                .dim = queries->asked.handle->schema->dim,
                                .has_score = 1,
                                .is_compact = queries->asked.is_compact};
}

/* --- Explanations -------------------------------------------------------------------------------- */

static void write_u64(struct json_writer *json, const char *key, uint64_t value)
{
    json_write_key(json, key);
    json_write_u64(json, value);
}

static const char *plan_name(lode_plan plan)
{
    switch (plan) {
    case LODE_PLAN_SKIP: return "skip";
    case LODE_PLAN_SCAN: return "scan";
    case LODE_PLAN_WALK: return "walk";
    case LODE_PLAN_CONFINED: return "confined";
    }
    return "unknown";
}

static const char *reason_name(lode_plan_reason reason)
{
    switch (reason) {
    case LODE_PLAN_CHEAPEST: return "cheapest";
    case LODE_PLAN_FAR: return "far";
    case LODE_PLAN_LONG: return "long";
    case LODE_PLAN_SHORT: return "short";
    }
    return "unknown";
}

static void write_segment(struct json_writer *json, const lode_explain_segment *segment)
{
    json_write_object(json);
    write_u64(json, "segment", segment->number);
    json_write_text(json, "plan", plan_name(segment->plan));
    json_write_text(json, "first", plan_name(segment->first));
    json_write_text(json, "reason", reason_name(segment->reason));
    write_u64(json, "rows", segment->rows);
    write_u64(json, "live_rows", segment->live_rows);
    write_u64(json, "allowed_rows", segment->allowed_rows);
    write_u64(json, "estimated_rows", segment->estimated_rows);
    write_u64(json, "column_rows", segment->column_rows);
    write_u64(json, "document_rows", segment->document_rows);
    json_write_key(json, "expected_us");
    json_write_object(json);
    for (unsigned plan = LODE_PLAN_SCAN; plan <= LODE_PLAN_CONFINED; plan++) {
        json_write_key(json, plan_name((lode_plan)plan));
        json_write_f64(json, segment->expected_us[plan]); /* null: not possible */
    }
    json_write_object_end(json);
    write_u64(json, "distances", segment->distances);
    write_u64(json, "hops", segment->hops);
    write_u64(json, "us", segment->us);
    json_write_object_end(json);
}

static void write_explanation(struct json_writer *json, const lode_explanation *explanation)
{
    json_write_key(json, "explain");
    json_write_object(json);
    if (explanation->filter)
        json_write_text(json, "filter", explanation->filter);
    write_u64(json, "allowed_rows", explanation->allowed_rows);
    write_u64(json, "filter_us", explanation->filter_us);
    json_write_key(json, "segments");
    json_write_array(json);
    for (size_t i = 0; i < explanation->segment_count; i++)
        write_segment(json, &explanation->segments[i]);
    json_write_array_end(json);
    json_write_object_end(json);
}

static lode_status explain(struct json_writer *json, const struct queries *queries,
                           const struct query *query, lode_error *error)
{
    lode_explanation *explanation;
    lode_status status =
        lode_explain(queries->asked.handle->collection, &query->request, &explanation, error);
    if (status)
        return status;
    write_explanation(json, explanation);
    lode_explanation_free(explanation);
    return LODE_OK;
}

/* --- Answers ------------------------------------------------------------------------------------- */

static void write_info(struct json_writer *json, const lode_search_info *info)
{
    write_u64(json, "sequence", info->sequence);
    if (info->segments_damaged)
        write_u64(json, "segments_damaged", info->segments_damaged);
}

static lode_status write_result(struct json_writer *json, const struct queries *queries,
                                const struct query *query, const lode_result *result,
                                lode_error *error)
{
    struct answer_form form = form_of(queries, query);
    json_write_object(json);
    answer_points(json, "hits", result->hits, result->hit_count, &form);
    write_info(json, &result->info);
    lode_status status = query->is_explained ? explain(json, queries, query, error) : LODE_OK;
    json_write_object_end(json);
    return status;
}

static void write_groups(struct json_writer *json, const lode_groups *groups,
                         const struct answer_form *form)
{
    json_write_key(json, "groups");
    json_write_array(json);
    for (size_t i = 0; i < groups->group_count; i++) {
        const lode_group *group = &groups->groups[i];
        json_write_object(json);
        json_write_key(json, "value");
        json_write_raw(json, group->value, group->value_size);
        answer_points(json, "hits", group->hits, group->hit_count, form);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

static lode_status answer_groups(struct json_writer *json, const struct queries *queries,
                                 const struct query *query, lode_error *error)
{
    lode_groups *groups;
    lode_groups_request request = {
        .search = query->request, .by = query->group_by, .per_group = (size_t)query->per_group};
    struct query_seen seen = {0};
    query_seen_begin(&seen, queries->asked.call, queries->asked.handle, &request.search);
    lode_status status =
        lode_search_groups(queries->asked.handle->collection, &request, &groups, error);
    if (status)
        return status;
    struct answer_form form = form_of(queries, query);
    json_write_object(json);
    write_groups(json, groups, &form);
    write_info(json, &groups->info);
    query_seen_end_groups(&seen, &groups->info);
    lode_groups_free(groups);
    status = query->is_explained ? explain(json, queries, query, error) : LODE_OK;
    json_write_object_end(json);
    return status;
}

static lode_status answer_one(struct json_writer *json, const struct queries *queries,
                              const struct query *query, lode_error *error)
{
    lode_result *result = NULL;
    lode_search_request request = query->request;
    const struct server *server = queries->asked.call->server;
    struct query_seen seen = {.recall = server ? server->recall : NULL};
    if (query->group_by)
        return answer_groups(json, queries, query, error);
    query_seen_begin(&seen, queries->asked.call, queries->asked.handle, &request);
    lode_status status = lode_search(queries->asked.handle->collection, &request, &result, error);
    if (!status)
        status = write_result(json, queries, query, result, error);
    query_seen_end(&seen, result);
    return status;
}

/* --- Batches ------------------------------------------------------------------------------------- */

/* Searches of one state, read together where they are scanned. */
static lode_status answer_together(struct json_writer *json, const struct queries *queries,
                                   lode_error *error)
{
    size_t count = queries->count;
    struct arena *memory = &queries->asked.call->memory;
    if (count == 0)
        return LODE_OK;
    lode_search_request *requests = arena_alloc(memory, count * sizeof *requests);
    lode_result **results = arena_alloc(memory, count * sizeof(lode_result *));
    if (!requests || !results)
        return error_nomem(error, "queries", count * sizeof *requests);
    for (size_t i = 0; i < count; i++)
        requests[i] = queries->items[i].request;
    struct query_seen seen = {0};
    query_seen_begin(&seen, queries->asked.call, queries->asked.handle, requests);
    lode_status status =
        lode_search_batch(queries->asked.handle->collection, requests, count, results, error);
    query_seen_end_batch(&seen, results, status ? 0 : count);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++) {
        if (!status)
            status = write_result(json, queries, &queries->items[i], results[i], error);
        lode_result_free(results[i]);
    }
    return status;
}

static lode_status answer_each(struct json_writer *json, const struct queries *queries,
                               lode_error *error)
{
    for (size_t i = 0; i < queries->count; i++) {
        lode_status status = answer_one(json, queries, &queries->items[i], error);
        if (!status && call_is_cancelled(queries->asked.call))
            status = error_set(error, LODE_CANCELLED, "nobody waits for the answer");
        if (status) {
            error_prefix(error, "queries[%zu]: ", i);
            return status;
        }
    }
    return LODE_OK;
}

/* Whether all are of one kind that the engine answers together. */
static bool are_searches(const struct queries *queries)
{
    for (size_t i = 0; i < queries->count; i++)
        if (queries->items[i].group_by)
            return false;
    return true;
}

static lode_status answer_batch(struct json_writer *json, const struct queries *queries,
                                lode_error *error)
{
    json_write_object(json);
    json_write_key(json, "results");
    json_write_array(json);
    lode_status status = are_searches(queries) ? answer_together(json, queries, error)
                                               : answer_each(json, queries, error);
    json_write_array_end(json);
    json_write_object_end(json);
    return status;
}

/* --- The call ------------------------------------------------------------------------------------ */

static bool fits(const struct queries *queries)
{
    uint64_t points = 0, with_vectors = 0;
    for (size_t i = 0; i < queries->count; i++) {
        const struct query *query = &queries->items[i];
        uint64_t hits = (query->k ? query->k : 10) * (query->per_group ? query->per_group : 1);
        points += hits;
        if (query->request.with & LODE_WITH_VECTOR)
            with_vectors += hits;
    }
    struct answer_form form = {.dim = queries->asked.handle->schema->dim};
    if (!answer_fits(queries->asked.call, points, &form))
        return false;
    form.with = LODE_WITH_VECTOR;
    return answer_fits(queries->asked.call, with_vectors, &form);
}

/* All queries of a call are of one state: what needs more than one call of the engine pins it. */
static bool pin(struct queries *queries)
{
    struct asked *asked = &queries->asked;
    bool is_needed = queries->is_batch && !are_searches(queries);
    for (size_t i = 0; !is_needed && i < queries->count; i++)
        is_needed = queries->items[i].is_explained;
    lode_error error = {0};
    if (is_needed && !asked->snapshot &&
        lode_snapshot_open(asked->handle->collection, &asked->snapshot, &error)) {
        call_fail(asked->call, &error, NULL, -1);
        return false;
    }
    for (size_t i = 0; i < queries->count; i++)
        queries->items[i].request.snapshot = asked->snapshot;
    for (size_t i = 0; i < queries->count; i++)
        queries->items[i].request.stop = &asked->stop;
    return true;
}

static void answer(struct call *call, struct queries *queries)
{
    struct json_writer json;
    lode_error error = {0};
    call_json(call, &json);
    lode_status status = queries->is_batch ? answer_batch(&json, queries, &error)
                                           : answer_one(&json, queries, queries->items, &error);
    if (status)
        asked_fail_at(call, &error, "queries", 0);
    else
        call_json_end(call, &json);
}

void api_query(struct call *call)
{
    struct queries queries;
    if (queries_read(call, &queries) && fits(&queries) && pin(&queries))
        answer(call, &queries);
    queries_release(&queries);
}
