/* query_seen.c: see query_seen.h. */
#include "server/query_seen.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "server/filter_shape.h"
#include "server/service.h"
#include "server/slow.h"

#define PLAN_REST_US       1000000u /* between two plans that are looked up for the log */
#define TRACE_SEGMENTS_MAX 32u      /* of a trace: those of most segments show all */
#define EF_DEFAULT         64u      /* lode_search_request.ef_search */
#define K_DEFAULT          10u

/* --- Beginning ------------------------------------------------------------------------------------ */

void query_seen_begin(struct query_seen *seen, struct call *call, const struct handle *handle,
                      lode_search_request *request)
{
    seen->call = call;
    seen->handle = handle;
    seen->request = request;
    seen->own_snapshot = NULL;
    if (seen->recall && !request->snapshot && recall_sample_wants(seen->recall, request) &&
        lode_snapshot_open(seen->handle->collection, &seen->own_snapshot, NULL) == LODE_OK)
        request->snapshot = seen->own_snapshot;
    seen->begun_us = clock_us();
    seen->begun_wall_us = clock_wall_us(&clock_system);
}

/* --- Slow queries --------------------------------------------------------------------------------- */

static const char *given_by(const lode_search_request *request)
{
    return request->vector ? "vector" : request->text ? "text" : "like";
}

static uint64_t k_of(const lode_search_request *request)
{
    return request->k ? request->k : K_DEFAULT;
}

static uint64_t ef_of(const lode_search_request *request)
{
    if (request->exact)
        return 0;
    uint64_t ef = request->ef_search ? request->ef_search : EF_DEFAULT;
    return ef > k_of(request) ? ef : k_of(request);
}

/* Whether a plan may be looked up now: one thread a second has it, so that a server that is slow because it has too much to do
 * is not given more. */
static bool may_look_up(uint64_t now_us)
{
    static _Atomic uint64_t next_us; /* relaxed: a limit, which orders nothing */
    uint64_t next = atomic_load_explicit(&next_us, memory_order_relaxed);
    return now_us >= next &&
           atomic_compare_exchange_strong_explicit(&next_us, &next, now_us + PLAN_REST_US,
                                                   memory_order_relaxed, memory_order_relaxed);
}

/* What a search under this filter begins with, without searching; NULL: not known. */
static lode_explanation *plan_of(const struct query_seen *seen)
{
    lode_search_request request = *seen->request;
    lode_explanation *explanation = NULL;
    request.vector = NULL;
    request.text = NULL;
    request.text_size = 0;
    request.like = NULL;
    request.stop = NULL; /* its moment may be past: that is what made it slow */
    if (lode_explain(seen->handle->collection, &request, &explanation, NULL))
        return NULL;
    return explanation;
}

static void log_slow(const struct query_seen *seen, const lode_search_info *info, uint64_t queries,
                     uint64_t now_us)
{
    const struct call *call = seen->call;
    const lode_search_request *request = seen->request;
    char trace_id[TRACE_ID_TEXT_SIZE];
    uint64_t arrived_us = exchange_request(call->exchange)->arrived_us;
    trace_id_text(&call->trace, trace_id);
    lode_explanation *plan = may_look_up(now_us) ? plan_of(seen) : NULL;
    struct slow_query query = {.operation = call->route->operation,
                               .collection = call->collection,
                               .namespace_ = call->namespace_,
                               .key_id = principal_id(call->who, PRINCIPAL_KEY),
                               .token_id = principal_id(call->who, PRINCIPAL_TOKEN),
                               .trace_id = trace_id,
                               .by = given_by(request),
                               .queries = queries,
                               .k = k_of(request),
                               .ef_search = ef_of(request),
                               .filter = request->filter,
                               .filter_size = request->filter_size,
                               .took_us = now_us - arrived_us,
                               .waited_us = seen->begun_us - arrived_us,
                               .info = info,
                               .explanation = plan};
    slow_query_log(seen->call->server->log, &query);
    lode_explanation_free(plan);
}

/* Slow is what the caller has waited for, its time in the queue included. */
static void look_whether_slow(const struct query_seen *seen, const lode_search_info *info,
                              uint64_t queries)
{
    uint64_t now_us = clock_us();
    uint64_t took_us = now_us - exchange_request(seen->call->exchange)->arrived_us;
    uint64_t slow_us = seen->call->server->config->log.slow_query_ms * 1000;
    if (!slow_us || took_us < slow_us)
        return;
    metrics_slow(seen->call->server->metrics);
    log_slow(seen, info, queries, now_us);
}

/* --- Traces --------------------------------------------------------------------------------------- */

static const char *plan_name(lode_plan plan)
{
    static const char *const names[] = {"skip", "scan", "walk", "confined"};
    return (size_t)plan < sizeof names / sizeof *names ? names[plan] : "unknown";
}

static void trace_child(const struct query_seen *seen, struct trace_span *span)
{
    trace_new_span_id(seen->call->server->tracer, span->span_id);
    memcpy(span->parent_id, seen->call->trace.span_id, sizeof span->parent_id);
}

static void trace_search(const struct query_seen *seen, const lode_search_info *info,
                         uint64_t queries, uint64_t end_us)
{
    struct buf shape;
    const char *text = NULL;
    const lode_search_request *request = seen->request;
    buf_init(&shape, FILTER_SHAPE_SIZE_MAX + 8);
    if (request->filter && !filter_shape(request->filter, request->filter_size, &shape, NULL) &&
        !buf_terminate(&shape, NULL))
        text = (const char *)shape.data;
    const struct trace_attribute attributes[] = {
        {.name = "lode.queries", .number = (int64_t)queries},
        {.name = "lode.k", .number = (int64_t)k_of(request)},
        {.name = "lode.ef_search", .number = (int64_t)ef_of(request)},
        {.name = "lode.distances", .number = (int64_t)info->distances},
        {.name = "lode.hops", .number = (int64_t)info->hops},
        {.name = "lode.segments_scanned", .number = info->segments_scanned},
        {.name = "lode.segments_walked", .number = info->segments_walked},
        {.name = "lode.filter", .text = text ? text : ""},
    };
    struct trace_span span = {.name = "search",
                              .start_us = seen->begun_wall_us,
                              .end_us = end_us,
                              .attributes = attributes,
                              .attribute_count = sizeof attributes / sizeof *attributes};
    trace_child(seen, &span);
    trace_spans(seen->call->server->tracer, &seen->call->trace, &span, 1);
    buf_release(&shape);
}

/* Segments one after another, as they were searched, beginning behind the filter. */
static void trace_segments(const struct query_seen *seen, const lode_explanation *explanation,
                           const struct trace_span *plan)
{
    uint64_t at_us = plan->start_us + explanation->filter_us;
    for (size_t i = 0; i < explanation->segment_count && i < TRACE_SEGMENTS_MAX; i++) {
        const lode_explain_segment *segment = &explanation->segments[i];
        const struct trace_attribute attributes[] = {
            {.name = "lode.segment", .number = (int64_t)segment->number},
            {.name = "lode.plan", .text = plan_name(segment->plan)},
            {.name = "lode.rows", .number = (int64_t)segment->rows},
            {.name = "lode.allowed_rows", .number = (int64_t)segment->allowed_rows},
            {.name = "lode.distances", .number = (int64_t)segment->distances},
            {.name = "lode.hops", .number = (int64_t)segment->hops},
        };
        struct trace_span span = {.name = "segment",
                                  .start_us = at_us,
                                  .end_us = at_us + segment->us,
                                  .attributes = attributes,
                                  .attribute_count = sizeof attributes / sizeof *attributes};
        at_us += segment->us;
        trace_new_span_id(seen->call->server->tracer, span.span_id);
        memcpy(span.parent_id, plan->span_id, sizeof span.parent_id);
        trace_spans(seen->call->server->tracer, &seen->call->trace, &span, 1);
    }
}

/* The search once more, to see where its time goes. */
static void trace_plan(const struct query_seen *seen)
{
    lode_explanation *explanation = NULL;
    struct trace_span span = {.name = "plan", .start_us = clock_wall_us(&clock_system)};
    if (lode_explain(seen->handle->collection, seen->request, &explanation, NULL))
        return;
    span.end_us = clock_wall_us(&clock_system);
    const struct trace_attribute attributes[] = {
        {.name = "lode.repeated", .number = 1},
        {.name = "lode.filter_us", .number = (int64_t)explanation->filter_us},
        {.name = "lode.allowed_rows", .number = (int64_t)explanation->allowed_rows},
        {.name = "lode.segments", .number = (int64_t)explanation->segment_count},
    };
    span.attributes = attributes;
    span.attribute_count = sizeof attributes / sizeof *attributes;
    trace_child(seen, &span);
    trace_spans(seen->call->server->tracer, &seen->call->trace, &span, 1);
    trace_segments(seen, explanation, &span);
    lode_explanation_free(explanation);
}

/* --- Recall --------------------------------------------------------------------------------------- */

struct hold {
    struct handles *handles;
    const struct handle *handle;
};

static void let_go(void *context)
{
    struct hold *hold = context;
    handles_give(hold->handles, hold->handle);
    free(hold);
}

static int is_unwanted(void *context)
{
    const struct hold *hold = context;
    return handle_is_unwanted(hold->handle);
}

/* Holds the handle on, apart from the call: NULL when that cannot be. */
static struct hold *hold_on(const struct query_seen *seen)
{
    const struct call *call = seen->call;
    struct hold *hold = calloc(1, sizeof *hold);
    if (!hold)
        return NULL;
    hold->handles = seen->call->server->handles;
    if (handles_take(seen->call->server->handles, call->collection, call->namespace_, call->who,
                     &hold->handle, NULL) == LODE_OK)
        return hold;
    free(hold);
    return NULL;
}

static void give_sample(struct query_seen *seen, lode_result *own_result)
{
    struct hold *hold = own_result ? hold_on(seen) : NULL;
    if (!hold) {
        lode_result_free(own_result);
        lode_snapshot_close(seen->own_snapshot);
        return;
    }
    char name[HANDLES_NAME_SIZE]; /* not that of an alias: metrics are told by collections */
    handles_resolve(hold->handles, seen->call->collection, name);
    struct recall_sample sample = {.name = name,
                                   .collection = hold->handle->collection,
                                   .dim = hold->handle->schema->dim,
                                   .request = seen->request,
                                   .own_snapshot = seen->own_snapshot,
                                   .own_result = own_result,
                                   .release = let_go,
                                   .is_unwanted = is_unwanted,
                                   .own_hold = hold};
    recall_sample_give(seen->recall, &sample);
}

/* --- Ending --------------------------------------------------------------------------------------- */

static void tell(const struct query_seen *seen, const lode_search_info *info, uint64_t queries)
{
    if (!seen->call->server)
        return;
    metrics_queries(seen->call->server->metrics, queries, info->distances, info->hops);
    look_whether_slow(seen, info, queries);
    if (!seen->call->trace.is_sampled)
        return;
    trace_search(seen, info, queries, clock_wall_us(&clock_system));
    if (queries == 1)
        trace_plan(seen);
}

void query_seen_end(struct query_seen *seen, lode_result *own_result)
{
    if (own_result)
        tell(seen, &own_result->info, 1);
    if (seen->own_snapshot)
        give_sample(seen, own_result);
    else
        lode_result_free(own_result);
}

void query_seen_end_groups(struct query_seen *seen, const lode_search_info *info)
{
    if (info)
        tell(seen, info, 1);
}

void query_seen_end_batch(struct query_seen *seen, lode_result *const *results, size_t count)
{
    lode_search_info sum = {0};
    for (size_t i = 0; i < count; i++) {
        const lode_search_info *info = &results[i]->info;
        sum.distances += info->distances;
        sum.hops += info->hops;
        sum.segments_scanned += info->segments_scanned;
        sum.segments_walked += info->segments_walked;
        sum.sequence = info->sequence;
    }
    if (count)
        tell(seen, &sum, count);
    lode_snapshot_close(seen->own_snapshot);
}
