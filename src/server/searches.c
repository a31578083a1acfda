/* searches.c: see searches.h. */
#include "server/searches.h"

#include "os/clock.h"
#include "server/answers.h"
#include "server/query_seen.h"
#include "server/service.h"

#include <stdio.h>

#define K_DEFAULT 10u

/* --- Limits -------------------------------------------------------------------------------------- */

bool searches_count_fits(struct call *call, size_t count)
{
    uint64_t most = asked_limit(call->who ? call->who->limits.batch : 0, LODE_SEARCH_BATCH_MAX);
    if (count <= most)
        return true;
    call_refuse(call, 400, "limit", "queries", "queries: %zu of them; at most %llu", count,
                (unsigned long long)most);
    return false;
}

bool searches_alloc(struct searches *searches, size_t count)
{
    struct call *call = searches->asked->call;
    lode_error error;
    searches->items =
        arena_alloc_zero(&call->memory, (count ? count : 1) * sizeof *searches->items);
    searches->count = count;
    if (searches->items)
        return true;
    (void)error_nomem(&error, "queries", count * sizeof *searches->items);
    call_fail(call, &error, NULL, -1);
    return false;
}

static uint64_t hits_max(const struct search *search)
{
    uint64_t k = search->request.k ? search->request.k : K_DEFAULT;
    return k * (search->per_group ? search->per_group : 1);
}

static void refuse_k(const struct searches *searches, size_t i, uint64_t most)
{
    char field[64];
    const struct search *search = &searches->items[i];
    if (searches->is_batch)
        (void)snprintf(field, sizeof field, "queries[%zu].k", i);
    else
        (void)snprintf(field, sizeof field, "%sk", searches->prefix);
    call_refuse(searches->asked->call, 400, "limit", field, "%s%s is %llu; at most %llu", field,
                search->per_group ? " times per_group" : "", (unsigned long long)hits_max(search),
                (unsigned long long)most);
}

/* Whether the caller may ask for so much, and an answer may be so large. */
static bool fits(const struct searches *searches)
{
    struct call *call = searches->asked->call;
    uint64_t most = asked_limit(call->who ? call->who->limits.k : 0, LODE_K_MAX);
    uint64_t points = 0, with_vectors = 0;
    for (size_t i = 0; i < searches->count; i++) {
        uint64_t hits = hits_max(&searches->items[i]);
        if (hits > most) {
            refuse_k(searches, i, most);
            return false;
        }
        points += hits;
        if (searches->items[i].request.with & LODE_WITH_VECTOR)
            with_vectors += hits;
    }
    struct answer_form form = {.dim = searches->asked->handle->schema->dim};
    if (!answer_fits(call, points, &form))
        return false;
    form.with = LODE_WITH_VECTOR;
    return answer_fits(call, with_vectors, &form);
}

/* --- One state ----------------------------------------------------------------------------------- */

/* The engine answers together what is not by groups. */
static bool has_groups(const struct searches *searches)
{
    for (size_t i = 0; i < searches->count; i++)
        if (searches->items[i].group_by)
            return true;
    return false;
}

static bool is_explained(const struct searches *searches)
{
    for (size_t i = 0; i < searches->count; i++)
        if (searches->items[i].is_explained)
            return true;
    return false;
}

/* What needs more than one call of the engine pins the state. */
static bool pin(struct searches *searches)
{
    struct asked *asked = searches->asked;
    lode_error error = {0};
    if (!asked->snapshot &&
        (is_explained(searches) || (searches->is_batch && has_groups(searches))) &&
        lode_snapshot_open(asked->handle->collection, &asked->snapshot, &error)) {
        call_fail(asked->call, &error, NULL, -1);
        return false;
    }
    for (size_t i = 0; i < searches->count; i++) {
        searches->items[i].request.snapshot = asked->snapshot;
        searches->items[i].request.stop = &asked->stop;
    }
    return true;
}

/* --- Searching ----------------------------------------------------------------------------------- */

/* found without its explanation. */
static lode_status give(const struct searches *searches, size_t i, struct found *found,
                        lode_error *error)
{
    lode_explanation *explanation = NULL;
    const struct search *search = &searches->items[i];
    if (search->is_explained) {
        lode_status status = lode_explain(searches->asked->handle->collection, &search->request,
                                          &explanation, error);
        if (status)
            return status;
    }
    found->explanation = explanation;
    searches->write(searches->context, i, found);
    lode_explanation_free(explanation);
    return LODE_OK;
}

static lode_status give_result(const struct searches *searches, size_t i, const lode_result *result,
                               lode_error *error)
{
    return give(searches, i, &(struct found){.result = result, .info = &result->info}, error);
}

static lode_status search_groups(const struct searches *searches, size_t i, lode_error *error)
{
    const struct asked *asked = searches->asked;
    const struct search *search = &searches->items[i];
    lode_groups *groups;
    lode_groups_request request = {
        .search = search->request, .by = search->group_by, .per_group = search->per_group};
    struct query_seen seen = {0};
    query_seen_begin(&seen, asked->call, asked->handle, &request.search);
    lode_status status = lode_search_groups(asked->handle->collection, &request, &groups, error);
    if (status)
        return status;
    query_seen_end_groups(&seen, &groups->info);
    status = give(searches, i, &(struct found){.groups = groups, .info = &groups->info}, error);
    lode_groups_free(groups);
    return status;
}

static lode_status search_one(const struct searches *searches, size_t i, lode_error *error)
{
    const struct asked *asked = searches->asked;
    const struct server *server = asked->call->server;
    lode_search_request request = searches->items[i].request;
    lode_result *result = NULL;
    struct query_seen seen = {.recall = server ? server->recall : NULL};
    if (searches->items[i].group_by)
        return search_groups(searches, i, error);
    query_seen_begin(&seen, asked->call, asked->handle, &request);
    lode_status status = lode_search(asked->handle->collection, &request, &result, error);
    if (!status)
        status = give_result(searches, i, result, error);
    query_seen_end(&seen, result);
    return status;
}

/* Read together where they are scanned. */
static lode_status search_together(const struct searches *searches, lode_error *error)
{
    const struct asked *asked = searches->asked;
    struct arena *memory = &asked->call->memory;
    size_t count = searches->count;
    lode_search_request *requests = arena_alloc(memory, count * sizeof *requests);
    lode_result **results = arena_alloc(memory, count * sizeof(lode_result *));
    if (!requests || !results)
        return error_nomem(error, "queries", count * sizeof *requests);
    for (size_t i = 0; i < count; i++)
        requests[i] = searches->items[i].request;
    struct query_seen seen = {0};
    query_seen_begin(&seen, asked->call, asked->handle, requests);
    lode_status status =
        lode_search_batch(asked->handle->collection, requests, count, results, error);
    query_seen_end_batch(&seen, results, status ? 0 : count);
    if (status)
        return status;
    for (size_t i = 0; i < count; i++) {
        if (!status)
            status = give_result(searches, i, results[i], error);
        lode_result_free(results[i]);
    }
    return status;
}

static lode_status search_each(const struct searches *searches, lode_error *error)
{
    for (size_t i = 0; i < searches->count; i++) {
        lode_status status = search_one(searches, i, error);
        if (status) {
            error_prefix(error, "requests[%zu]: ", i); /* as lode_search_batch has it */
            return status;
        }
    }
    return LODE_OK;
}

static lode_status search(const struct searches *searches, lode_error *error)
{
    if (!searches->is_batch)
        return search_one(searches, 0, error);
    if (searches->count == 0)
        return LODE_OK;
    return has_groups(searches) ? search_each(searches, error) : search_together(searches, error);
}

bool searches_run(struct searches *searches)
{
    struct call *call = searches->asked->call;
    lode_error error = {0};
    if (!fits(searches))
        return false;
    if (call->who)
        principal_take_queries(call->who, searches->count, clock_us());
    if (!pin(searches))
        return false;
    if (!search(searches, &error))
        return true;
    asked_fail_at(call, &error, "queries", 0);
    return false;
}
