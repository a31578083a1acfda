/* grpc_lists.c: Get, Scroll, Count, Facets and Sample of lode.v1.Vectors. */
#include "server/answers.h"
#include "server/grpc_methods.h"
#include "server/grpc_write.h"

#include <string.h>

/* Whether an answer may have so many points. */
static bool answer_may_have(const struct asked *asked, uint64_t points)
{
    const struct answer_form form = {.with = asked->with, .dim = asked->handle->schema->dim};
    return answer_fits(asked->call, points, &form);
}

/* Whether a page or a sample may be so large. */
static bool fits(struct call *call, const struct asked *asked, const char *field, uint64_t points)
{
    uint64_t most = asked_limit(call->who ? call->who->limits.k : 0, LODE_K_MAX);
    return grpc_at_most(call, field, points, most) && answer_may_have(asked, points ? points : 10);
}

/* Of a message whose struct has these members. */
#define TARGET(request)                                                                            \
    {                                                                                              \
        .index = (request)->index, .namespace_ = (request)->namespace_,                            \
        .snapshot = (request)->snapshot                                                            \
    }

void grpc_get(struct call *call, const void *message)
{
    const Lode__V1__GetRequest *request = message;
    struct grpc_target target = TARGET(request);
    Lode__V1__GetResponse rest = LODE__V1__GET_RESPONSE__INIT;
    struct asked asked = {.call = call};
    lode_result *result;
    lode_id *ids;
    lode_error error;
    target.with = request->with;
    if (!grpc_at_most(call, "ids", request->n_ids, grpc_points_max(call)) ||
        !grpc_ids(call, request->ids, request->n_ids, &ids) || !grpc_open(call, &target, &asked) ||
        !answer_may_have(&asked, request->n_ids))
        goto out;
    if (lode_get(asked.handle->collection, asked.snapshot, ids, request->n_ids, asked.with, &result,
                 &error)) {
        asked_fail(call, &error);
        goto out;
    }
    grpc_reply_hits(call, &asked, request->with, result->hits, result->hit_count, &rest.base);
    lode_result_free(result);
out:
    asked_close(&asked);
}

/* --- Scroll -------------------------------------------------------------------------------------- */

static void reply_page(struct call *call, const struct asked *asked, const Lode__V1__With *with,
                       const lode_page *page)
{
    Lode__V1__ScrollResponse rest = LODE__V1__SCROLL_RESPONSE__INIT;
    char *next = page->next ? call_copy(call, page->next, strlen(page->next)) : NULL;
    if (next)
        rest.next = next;
    rest.sequence = page->sequence;
    grpc_reply_hits(call, asked, with, page->hits, page->hit_count, &rest.base);
}

void grpc_scroll(struct call *call, const void *message)
{
    const Lode__V1__ScrollRequest *request = message;
    struct grpc_target target = TARGET(request);
    struct asked asked = {.call = call};
    lode_page *page;
    lode_error error;
    target.with = request->with;
    target.filter = request->filter;
    if (!grpc_open(call, &target, &asked) || !fits(call, &asked, "limit", request->limit))
        goto out;
    const lode_scroll_request scroll = {.snapshot = asked.snapshot,
                                        .filter = asked.filter.text,
                                        .filter_size = asked.filter.size,
                                        .by = grpc_text(request->order_by),
                                        .descending = request->descending,
                                        .limit = request->limit,
                                        .after = grpc_text(request->cursor),
                                        .with = asked.with,
                                        .stop = &asked.stop};
    if (lode_scroll(asked.handle->collection, &scroll, &page, &error)) {
        asked_fail(call, &error);
        goto out;
    }
    reply_page(call, &asked, request->with, page);
    lode_page_free(page);
out:
    asked_close(&asked);
}

/* --- Sample -------------------------------------------------------------------------------------- */

void grpc_sample(struct call *call, const void *message)
{
    const Lode__V1__SampleRequest *request = message;
    struct grpc_target target = TARGET(request);
    Lode__V1__SampleResponse rest = LODE__V1__SAMPLE_RESPONSE__INIT;
    struct asked asked = {.call = call};
    lode_result *result;
    lode_error error;
    target.with = request->with;
    target.filter = request->filter;
    if (!grpc_open(call, &target, &asked) || !fits(call, &asked, "count", request->count))
        goto out;
    const lode_sample_request sample = {.snapshot = asked.snapshot,
                                        .filter = asked.filter.text,
                                        .filter_size = asked.filter.size,
                                        .count = request->count,
                                        .seed = request->seed,
                                        .with = asked.with,
                                        .stop = &asked.stop};
    if (lode_sample(asked.handle->collection, &sample, &result, &error)) {
        asked_fail(call, &error);
        goto out;
    }
    grpc_reply_hits(call, &asked, request->with, result->hits, result->hit_count, &rest.base);
    lode_result_free(result);
out:
    asked_close(&asked);
}

/* --- Count and facets ---------------------------------------------------------------------------- */

void grpc_count(struct call *call, const void *message)
{
    const Lode__V1__CountRequest *request = message;
    struct grpc_target target = TARGET(request);
    Lode__V1__CountResponse response = LODE__V1__COUNT_RESPONSE__INIT;
    struct asked asked = {.call = call};
    lode_error error;
    target.filter = request->filter;
    if (grpc_open(call, &target, &asked)) {
        asked.filter.stop = &asked.stop;
        if (lode_count(asked.handle->collection, asked.snapshot, asked.filter, &response.count,
                       &error))
            asked_fail(call, &error);
        else
            grpc_reply(call, &response.base);
    }
    asked_close(&asked);
}

static void reply_facets(struct call *call, const lode_facets *facets)
{
    Lode__V1__FacetsResponse rest = LODE__V1__FACETS_RESPONSE__INIT;
    struct put put;
    lode_error error;
    put_init(&put, &call->out, &error);
    for (size_t i = 0; i < facets->facet_count; i++) {
        size_t begin = put_begin(&put);
        put_bytes(&put, 1, facets->facets[i].value, facets->facets[i].value_size);
        put_u64(&put, 2, facets->facets[i].count);
        put_end(&put, 1, begin);
    }
    rest.distinct = facets->distinct;
    rest.points = facets->points;
    rest.missing = facets->missing;
    rest.uncounted = facets->uncounted;
    put_fields(&put, &rest.base);
    if (put.status)
        call_fail(call, &error, NULL, -1);
}

void grpc_facets(struct call *call, const void *message)
{
    const Lode__V1__FacetsRequest *request = message;
    struct grpc_target target = TARGET(request);
    struct asked asked = {.call = call};
    lode_facets *facets;
    lode_error error;
    target.filter = request->filter;
    if (!grpc_at_most(call, "limit", request->limit, 10000) || !grpc_open(call, &target, &asked))
        goto out;
    const lode_facet_request wanted = {.snapshot = asked.snapshot,
                                       .filter = asked.filter,
                                       .field = request->field,
                                       .limit = request->limit,
                                       .stop = &asked.stop};
    if (lode_facets_get(asked.handle->collection, &wanted, &facets, &error)) {
        asked_fail(call, &error);
        goto out;
    }
    reply_facets(call, facets);
    lode_facets_free(facets);
out:
    asked_close(&asked);
}
