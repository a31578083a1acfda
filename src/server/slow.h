/* slow.h: the slow-query log: one warning, "slow query", of the server's log, with what was asked and how it was carried
 * out. Of what was asked never a vector, a text or a value: of a filter its shape (filter_shape.h). docs/tracing.md. */
#ifndef SERVER_SLOW_H
#define SERVER_SLOW_H

#include "server/log.h"

struct slow_query {
    const char *operation;                                   /* "query" */
    const char *collection, *namespace_, *key_id, *token_id; /* NULL: none */
    const char *trace_id;                                    /* NULL: none */
    const char *by;        /* what is near: "vector", "text", "like" */
    uint64_t queries;      /* of a batch: how many; else 0 or 1 */
    uint64_t k, ef_search; /* ef_search 0: it was exact */
    const char *filter;    /* as it was given; NULL: none */
    size_t filter_size;
    uint64_t took_us, waited_us;         /* all of it; of that, before it began */
    const lode_search_info *info;        /* NULL: it has not been answered */
    const lode_explanation *explanation; /* NULL: its plan is not known */
};

#define SLOW_SEGMENTS_MAX 16 /* of the plan: those that took longest */

void slow_query_log(struct log *log, const struct slow_query *query);

/* The plan as one JSON object, as the log has it: {"filter_us","allowed_rows","segments":N,"longest":[...]}. */
NODISCARD lode_status slow_plan(const lode_explanation *explanation, struct buf *out,
                                lode_error *error);

#endif
