/* query_seen.h: what is told of a query that a handler carries out: counters, the slow-query log with its plan, spans of a
 * trace, and the sample that recall is measured on. Worker threads.
 *
 *     lode_search_request request = ...;
 *     query_seen_begin(&seen, call, handle, &request);      // may pin a snapshot, and enter it into the request
 *     status = lode_search(handle->collection, &request, &result, &error);
 *     ... write the answer ...
 *     query_seen_end(&seen, status ? NULL : result);        // takes the result
 *
 * What costs more than counting is bounded: a plan is looked up for one slow query a second, without searching; a trace that is
 * sampled repeats its search once, explained. Of a call without a server (handlers alone, in tests) nothing is told. */
#ifndef SERVER_QUERY_SEEN_H
#define SERVER_QUERY_SEEN_H

#include "server/call.h"
#include "server/handles.h"
#include "server/recall_sample.h"

struct query_seen {
    struct call *call;
    const struct handle *handle;
    const lode_search_request *request; /* as it is carried out; all borrowed until the end */
    struct recall_sampler *recall;      /* NULL: recall is not measured */
    uint64_t begun_us, begun_wall_us;   /* monotonic; since 1970 */
    lode_snapshot *own_snapshot;        /* of a sample */
};

/* request->snapshot is set when recall is to be measured and none was set. seen->recall is to be set before, which only
 * query_seen_end measures by: to that of the server, or to NULL. */
void query_seen_begin(struct query_seen *seen, struct call *call, const struct handle *handle,
                      lode_search_request *request);
/* Takes the result; NULL: it failed, which report.c tells. */
void query_seen_end(struct query_seen *seen, lode_result *own_result);
/* Of lode_search_groups; NULL: it failed. */
void query_seen_end_groups(struct query_seen *seen, const lode_search_info *info);
/* Of lode_search_batch: results borrowed, `request` is one of them. Instead of query_seen_end. */
void query_seen_end_batch(struct query_seen *seen, lode_result *const *results, size_t count);

#endif
