/* observe.c: see observe.h. */
#include "server/observe.h"

#include "os/clock.h"
#include "server/service.h"
#include "server/slow.h"

#include <string.h>

#define EXPLAIN_PERIOD_US UINT64_C(100000) /* explaining must not make an overload worse */
#define SEGMENT_SPANS_MAX 16

void observe_search(struct call *call, const lode_search_info *info)
{
    call->searches++;
    call->distances += info->distances;
    call->hops += info->hops;
    call->last_search = *info;
}

/* Whether it is this call's turn. */
static bool may_explain(struct server *server, uint64_t now_us)
{
    uint64_t next_us = atomic_load_explicit(&server->explain_next_us, memory_order_relaxed);
    return now_us >= next_us && atomic_compare_exchange_strong_explicit(
                                    &server->explain_next_us, &next_us, now_us + EXPLAIN_PERIOD_US,
                                    memory_order_relaxed, memory_order_relaxed);
}

static const char *plan_name(lode_plan plan)
{
    switch (plan) {
    case LODE_PLAN_SKIP: return "skip";
    case LODE_PLAN_SCAN: return "scan";
    case LODE_PLAN_WALK: return "walk";
    case LODE_PLAN_CONFINED: return "confined";
    }
    return "";
}

/* The segments one after the other, as they were searched, the last ending now. */
static void trace_segments(struct call *call, const lode_explanation *explanation)
{
    struct trace_attribute attributes[SEGMENT_SPANS_MAX][4];
    struct trace_span spans[SEGMENT_SPANS_MAX];
    size_t count = explanation->segment_count < SEGMENT_SPANS_MAX ? explanation->segment_count
                                                                  : SEGMENT_SPANS_MAX;
    uint64_t end_us = clock_wall_us(&clock_system);
    for (size_t i = count; i-- > 0;) {
        const lode_explain_segment *segment = &explanation->segments[i];
        struct trace_attribute *of = attributes[i];
        of[0] =
            (struct trace_attribute){.name = "lode.segment", .number = (int64_t)segment->number};
        of[1] = (struct trace_attribute){.name = "lode.plan", .text = plan_name(segment->plan)};
        of[2] = (struct trace_attribute){.name = "lode.allowed_rows",
                                         .number = (int64_t)segment->allowed_rows};
        of[3] = (struct trace_attribute){.name = "lode.distances",
                                         .number = (int64_t)segment->distances};
        spans[i] = (struct trace_span){.name = "segment",
                                       .start_us = end_us - segment->us,
                                       .end_us = end_us,
                                       .attributes = of,
                                       .attribute_count = 4};
        memcpy(spans[i].parent_id, call->trace.span_id, sizeof spans[i].parent_id);
        trace_new_span_id(call->server->tracer, spans[i].span_id);
        end_us -= segment->us;
    }
    trace_spans(call->server->tracer, &call->trace, spans, count);
}

static void log_slow(struct call *call, const lode_search_request *first,
                     const lode_explanation *explanation, uint64_t took_us)
{
    char trace_id[TRACE_ID_TEXT_SIZE];
    uint64_t arrived_us = exchange_request(call->exchange)->arrived_us;
    trace_id_text(&call->trace, trace_id);
    metrics_slow(call->server->metrics);
    slow_query_log(
        call->server->log,
        &(struct slow_query){.operation = call->route->operation,
                             .collection = call->collection,
                             .namespace_ = call->namespace_,
                             .key_id = call->who ? call->who->id : NULL,
                             .trace_id = trace_id,
                             .by = first->vector ? "vector"
                                   : first->text ? "text"
                                                 : "like",
                             .k = first->k ? first->k : 10,
                             .ef_search = first->exact       ? 0
                                          : first->ef_search ? first->ef_search
                                                             : 64,
                             .filter = first->filter,
                             .filter_size = first->filter_size,
                             .took_us = took_us,
                             .waited_us = exchange_started_us(call->exchange) - arrived_us,
                             .info = call->searches ? &call->last_search : NULL,
                             .explanation = explanation});
}

void observe_queries(struct call *call, lode_collection *collection,
                     const lode_search_request *first)
{
    struct server *server = call->server;
    uint64_t now_us = clock_now_us(&clock_system);
    uint64_t took_us = now_us - exchange_request(call->exchange)->arrived_us;
    uint64_t slow_us = server->config->log.slow_query_ms * 1000;
    bool is_slow = slow_us && took_us >= slow_us;
    lode_explanation *explanation = NULL;
    metrics_queries(server->metrics, call->searches, call->distances, call->hops);
    if (!is_slow && !call->trace.is_sampled)
        return;
    bool is_wanted = !call_is_cancelled(call);
    call_answer(call);
    if (is_wanted && may_explain(server, now_us) &&
        lode_explain(collection, first, &explanation, NULL))
        explanation = NULL;
    if (is_slow)
        log_slow(call, first, explanation, took_us);
    if (explanation && call->trace.is_sampled)
        trace_segments(call, explanation);
    lode_explanation_free(explanation);
}
