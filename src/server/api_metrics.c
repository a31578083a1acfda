/* api_metrics.c: GET /metrics. On a lane of its own: with 1,000 collections it is some megabytes of text, and it must be
 * answered when all other lanes are full. */
#include "server/api.h"
#include "server/service.h"

#define CACHE_COUNT 2

/* Whoever is narrowed to a part of a collection is told nothing of the whole; what is of the server is shown to everybody who
 * may read. */
static void collect_seen(struct call *call, const struct collected *collected,
                         struct metrics_sources *sources)
{
    struct metrics_collection *seen =
        arena_alloc(&call->memory, (collected->count + 1) * sizeof *seen);
    size_t count = 0;
    for (size_t i = 0; seen && i < collected->count; i++)
        if (!principal_may(call->who, ROLE_READ, collected->collections[i].name, NULL, NULL))
            seen[count++] = collected->collections[i];
    sources->collections = seen;
    sources->collection_count = count;
}

/* What is there since the database was opened; handles NULL: it was not. */
static void count_caches(struct server *server, struct handles *handles,
                         struct metrics_cache caches[CACHE_COUNT], struct metrics_sources *sources)
{
    caches[0].name = "tokens";
    access_token_counts(server->access, &caches[0].hits, &caches[0].misses);
    caches[1].name = "handles";
    if (handles)
        handles_counts(handles, &caches[1].hits, &caches[1].misses);
    sources->caches = caches;
    sources->cache_count = CACHE_COUNT;
}

static lode_status tell(struct call *call, const struct collected *collected, bool is_ready)
{
    struct server *server = call->server;
    struct metrics_cache caches[CACHE_COUNT] = {{.name = ""}};
    struct net_stats net;
    net_server_stats(server->net, &net);
    struct metrics_sources sources = {.net = &net,
                                      .data = server->config->data,
                                      .is_ready = is_ready,
                                      .traces_dropped = tracer_dropped(server->tracer),
                                      .traces_sent = tracer_sent(server->tracer),
                                      .log_suppressed = log_suppressed(server->log)};
    sources.is_audit_failing = audit_error(server->audit, NULL) != LODE_OK;
    sources.audit_failures = audit_failures(server->audit);
    count_caches(server, collected ? server->handles : NULL, caches, &sources);
    if (collected) {
        sources.recall_skipped = recall_sampler_skipped(server->recall);
        sources.unopened = collected->unopened;
        collect_seen(call, collected, &sources);
    }
    return metrics_text(server->metrics, &sources, &call->out, &call->error);
}

void api_metrics(struct call *call)
{
    struct server *server = call->server;
    const struct collected *collected = NULL;
    enum server_state state = atomic_load_explicit(&server->state, memory_order_acquire);
    if (state == SERVER_READY || state == SERVER_STOPPING)
        collected = collector_take(server->collector);
    lode_status status = tell(call, collected, state == SERVER_READY);
    collected_give(collected);
    call->content_type = METRICS_CONTENT_TYPE;
    if (status) {
        lode_error error = call->error;
        call->error.status = LODE_OK;
        call_fail(call, &error, NULL, -1);
    }
}
