/* grpc_query.c: Query and QueryBatch of lode.v1.Vectors. */
#include "os/clock.h"
#include "server/answers.h"
#include "server/grpc_methods.h"
#include "server/grpc_points.h"
#include "server/query_seen.h"
#include "server/service.h"

#include <stdio.h>
#include <string.h>

/* A query as the engine takes it. */
struct query {
    const Lode__V1__Query *message;
    lode_search_request request;
    lode_id like;
};

/* --- Reading ------------------------------------------------------------------------------------- */

static const char *source_fault(const Lode__V1__Query *query)
{
    int count = (query->vector.len || query->n_values) + (*query->text != '\0') + !!query->like;
    if (count != 1)
        return "just one of vector (or values), text and like must be given";
    if (query->per_group && !*query->group_by)
        return "per_group is of group_by, which is missing";
    if (*query->one_per && *query->group_by)
        return "one_per and group_by: one of them";
    return NULL;
}

static uint64_t hits_of(const Lode__V1__Query *query)
{
    return (uint64_t)(query->k ? query->k : 10) * (query->per_group ? query->per_group : 1);
}

static bool check_k(struct call *call, const char *field, const Lode__V1__Query *query)
{
    uint64_t most = asked_limit(call->who ? call->who->limits.k : 0, LODE_K_MAX);
    uint64_t hits = hits_of(query);
    if (hits <= most)
        return true;
    grpc_invalid(call, field, "%s: %llu hits; at most %llu", field, (unsigned long long)hits,
                 (unsigned long long)most);
    return false;
}

static bool read_query(const struct asked *asked, const char *field, const Lode__V1__Query *from,
                       struct query *query)
{
    struct call *call = asked->call;
    lode_search_request *to = &query->request;
    const char *fault = from ? source_fault(from) : "it is missing";
    *query = (struct query){.message = from};
    if (fault) {
        grpc_invalid(call, field, "%s: %s", field, fault);
        return false;
    }
    const struct grpc_floats floats = {&from->vector, from->values, from->n_values};
    if (!check_k(call, field, from) ||
        !grpc_vector(call, field, &floats, asked->handle->schema->dim, &to->vector) ||
        (from->like && !grpc_id(call, field, from->like, &query->like)))
        return false;
    to->snapshot = asked->snapshot;
    to->text = grpc_text(from->text);
    to->text_size = strlen(from->text);
    to->like = from->like ? &query->like : NULL;
    to->k = from->k;
    to->ef_search = from->ef_search;
    to->exact = from->exact;
    to->one_per = grpc_text(from->one_per);
    to->with = grpc_with(from->with);
    to->filter = grpc_text(from->filter);
    to->filter_size = strlen(from->filter);
    to->allow_damaged = from->allow_damaged;
    to->stop = &asked->stop;
    return true;
}

/* Whether the answer to all of them is one that may be made. */
static bool fits(const struct asked *asked, Lode__V1__Query *const *queries, size_t count)
{
    uint64_t points = 0, with_vectors = 0;
    struct answer_form form = {.dim = asked->handle->schema->dim};
    for (size_t i = 0; i < count; i++) {
        points += hits_of(queries[i]);
        if (grpc_with(queries[i]->with) & LODE_WITH_VECTOR)
            with_vectors += hits_of(queries[i]);
    }
    if (!answer_fits(asked->call, points, &form))
        return false;
    form.with = LODE_WITH_VECTOR;
    return answer_fits(asked->call, with_vectors, &form);
}

/* --- Answering ----------------------------------------------------------------------------------- */

static void put_info(struct put *put, const lode_search_info *info)
{
    size_t begin = put_begin(put);
    put_u64(put, 1, info->distances);
    put_u64(put, 2, info->hops);
    put_u64(put, 3, info->segments_scanned);
    put_u64(put, 4, info->segments_walked);
    put_u64(put, 5, info->segments_damaged);
    put_u64(put, 6, info->sequence);
    put_end(put, 3, begin);
}

static void put_segment(struct put *put, const lode_explain_segment *segment)
{
    Lode__V1__ExplainedSegment message = LODE__V1__EXPLAINED_SEGMENT__INIT;
    size_t begin = put_begin(put);
    message.number = segment->number;
    message.plan = (Lode__V1__Plan)segment->plan;
    message.first = (Lode__V1__Plan)segment->first;
    message.reason = (Lode__V1__PlanReason)segment->reason;
    message.rows = segment->rows;
    message.live_rows = segment->live_rows;
    message.allowed_rows = segment->allowed_rows;
    message.estimated_rows = segment->estimated_rows;
    message.column_rows = segment->column_rows;
    message.document_rows = segment->document_rows;
    message.distances = segment->distances;
    message.hops = segment->hops;
    message.us = segment->us;
    put_fields(put, &message.base);
    put_end(put, 4, begin);
}

static lode_status put_explanation(struct put *put, const struct asked *asked,
                                   const struct query *query)
{
    lode_explanation *explanation;
    lode_status status =
        lode_explain(asked->handle->collection, &query->request, &explanation, put->error);
    if (status)
        return status;
    size_t begin = put_begin(put);
    if (explanation->filter)
        put_bytes(put, 1, explanation->filter, strlen(explanation->filter));
    put_u64(put, 2, explanation->allowed_rows);
    put_u64(put, 3, explanation->filter_us);
    for (size_t i = 0; i < explanation->segment_count; i++)
        put_segment(put, &explanation->segments[i]);
    put_end(put, 4, begin);
    lode_explanation_free(explanation);
    return put->status;
}

static struct grpc_form form_of(const struct asked *asked, const struct query *query)
{
    struct grpc_form form;
    grpc_form_init(&form, query->message->with, asked->handle->schema->dim);
    form.has_score = true;
    return form;
}

/* The fields of a QueryResponse. */
static lode_status put_result(struct put *put, const struct asked *asked, const struct query *query,
                              const lode_result *result)
{
    struct grpc_form form = form_of(asked, query);
    for (size_t i = 0; i < result->hit_count; i++)
        grpc_put_hit(put, 1, &result->hits[i], &form);
    grpc_form_release(&form);
    put_info(put, &result->info);
    return query->message->explain ? put_explanation(put, asked, query) : put->status;
}

static void put_group(struct put *put, const lode_group *group, struct grpc_form *form)
{
    size_t begin = put_begin(put);
    put_bytes(put, 1, group->value, group->value_size);
    for (size_t i = 0; i < group->hit_count; i++)
        grpc_put_hit(put, 2, &group->hits[i], form);
    put_end(put, 2, begin);
}

static lode_status answer_groups(struct put *put, const struct asked *asked,
                                 const struct query *query)
{
    lode_groups_request request = {.search = query->request,
                                   .by = query->message->group_by,
                                   .per_group = query->message->per_group};
    lode_groups *groups;
    struct query_seen seen = {0};
    query_seen_begin(&seen, asked->call, asked->handle, &request.search);
    lode_status status =
        lode_search_groups(asked->handle->collection, &request, &groups, put->error);
    if (status)
        return status;
    struct grpc_form form = form_of(asked, query);
    for (size_t i = 0; i < groups->group_count; i++)
        put_group(put, &groups->groups[i], &form);
    grpc_form_release(&form);
    put_info(put, &groups->info);
    query_seen_end_groups(&seen, &groups->info);
    lode_groups_free(groups);
    return query->message->explain ? put_explanation(put, asked, query) : put->status;
}

static lode_status answer_one(struct put *put, const struct asked *asked, const struct query *query)
{
    lode_result *result = NULL;
    lode_search_request request = query->request;
    struct query_seen seen = {.recall = asked->call->server->recall};
    if (*query->message->group_by)
        return answer_groups(put, asked, query);
    query_seen_begin(&seen, asked->call, asked->handle, &request);
    lode_status status = lode_search(asked->handle->collection, &request, &result, put->error);
    if (!status)
        status = put_result(put, asked, query, result);
    query_seen_end(&seen, result);
    return status;
}

/* All queries of a call are of one state: what takes more than one call of the engine pins it. */
static bool pin(struct asked *asked)
{
    lode_error error;
    if (asked->snapshot || !lode_snapshot_open(asked->handle->collection, &asked->snapshot, &error))
        return true;
    asked->snapshot = NULL;
    call_fail(asked->call, &error, NULL, -1);
    return false;
}

void grpc_query(struct call *call, const void *message)
{
    const Lode__V1__QueryRequest *request = message;
    const struct grpc_target target = {
        .index = request->index, .namespace_ = request->namespace_, .snapshot = request->snapshot};
    struct asked asked = {.call = call};
    struct query query;
    struct put put;
    lode_error error = {0};
    put_init(&put, &call->out, &error);
    if (grpc_open(call, &target, &asked) &&
        (!request->query || !request->query->explain || pin(&asked)) &&
        read_query(&asked, "query", request->query, &query) && fits(&asked, &request->query, 1) &&
        answer_one(&put, &asked, &query))
        asked_fail(call, &error);
    asked_close(&asked);
}

/* --- Batches ------------------------------------------------------------------------------------- */

struct batch {
    struct asked *asked;
    struct query *queries;
    size_t count;
};

static lode_status put_results(struct put *put, const struct batch *batch, lode_result **results)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; i < batch->count && !status; i++) {
        size_t begin = put_begin(put);
        status = put_result(put, batch->asked, &batch->queries[i], results[i]);
        put_end(put, 1, begin);
    }
    return status;
}

/* Searches, read together where they are scanned. */
static lode_status answer_together(struct put *put, const struct batch *batch)
{
    struct arena *memory = &batch->asked->call->memory;
    if (batch->count == 0)
        return LODE_OK;
    lode_search_request *requests = arena_alloc(memory, batch->count * sizeof *requests);
    lode_result **results = arena_alloc(memory, batch->count * sizeof(lode_result *));
    if (!requests || !results)
        return error_nomem(put->error, "queries", batch->count * sizeof *requests);
    for (size_t i = 0; i < batch->count; i++)
        requests[i] = batch->queries[i].request;
    struct query_seen seen = {0};
    query_seen_begin(&seen, batch->asked->call, batch->asked->handle, requests);
    lode_status status = lode_search_batch(batch->asked->handle->collection, requests, batch->count,
                                           results, put->error);
    query_seen_end_batch(&seen, results, status ? 0 : batch->count);
    if (status)
        return status;
    status = put_results(put, batch, results);
    for (size_t i = 0; i < batch->count; i++)
        lode_result_free(results[i]);
    return status;
}

static lode_status answer_each(struct put *put, const struct batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        size_t begin = put_begin(put);
        lode_status status = answer_one(put, batch->asked, &batch->queries[i]);
        put_end(put, 1, begin);
        if (status) {
            error_prefix(put->error, "queries[%zu]: ", i);
            return status;
        }
    }
    return LODE_OK;
}

static void answer_batch(struct batch *batch)
{
    struct call *call = batch->asked->call;
    bool has_groups = false;
    struct put put;
    lode_error error = {0};
    put_init(&put, &call->out, &error);
    for (size_t i = 0; i < batch->count; i++)
        has_groups |= *batch->queries[i].message->group_by != '\0';
    if (has_groups ? answer_each(&put, batch) : answer_together(&put, batch))
        asked_fail_at(call, &error, "queries", 0);
}

static bool read_batch(struct batch *batch, const Lode__V1__QueryBatchRequest *request)
{
    struct call *call = batch->asked->call;
    uint64_t most = asked_limit(call->who ? call->who->limits.batch : 0, LODE_SEARCH_BATCH_MAX);
    if (request->n_queries > most) {
        grpc_invalid(call, "queries", "%zu queries; at most %llu", request->n_queries,
                     (unsigned long long)most);
        return false;
    }
    batch->queries = arena_alloc(&call->memory, (request->n_queries + 1) * sizeof *batch->queries);
    if (!batch->queries) {
        call_refuse(call, 503, "no_memory", NULL, "no memory for %zu queries", request->n_queries);
        return false;
    }
    for (; batch->count < request->n_queries; batch->count++)
        if (!read_query(batch->asked, grpc_field("queries", batch->count, "").text,
                        request->queries[batch->count], &batch->queries[batch->count]))
            return false;
    if (!fits(batch->asked, request->queries, batch->count))
        return false;
    principal_take_queries(call->who, batch->count, clock_us());
    return true;
}

void grpc_query_batch(struct call *call, const void *message)
{
    const Lode__V1__QueryBatchRequest *request = message;
    const struct grpc_target target = {
        .index = request->index, .namespace_ = request->namespace_, .snapshot = request->snapshot};
    struct asked asked = {.call = call};
    struct batch batch = {.asked = &asked};
    if (grpc_open(call, &target, &asked) && pin(&asked) && read_batch(&batch, request))
        answer_batch(&batch);
    asked_close(&asked);
}
