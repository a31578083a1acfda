/* json_query.h: queries of one call: a single one, or {"queries": [...]} whose members the call's own stand in for; as JSON,
 * or as raw floats with parameters in the query string (docs/api.md#raw-floats). */
#ifndef SERVER_JSON_QUERY_H
#define SERVER_JSON_QUERY_H

#include "server/searches.h"

struct query {
    struct queries *all;
    struct search search;
    lode_id like;
    uint64_t k, ef_search, per_group;
    struct json_names fields;
    uint64_t given; /* parser's own: which members were */
};

struct queries {
    struct query base; /* the single query; of a batch: what stands in */
    struct asked asked;
    struct query *items; /* of a batch; of a single query &base */
    size_t count, capacity;
    int is_batch;
    uint32_t dim; /* of all vectors; 0: there is none */
};

/* False: the call has failed. Then, either way, queries_release. They borrow from the body. queries->asked is open
 * afterwards, and the dimension is checked. */
bool queries_read(struct call *call, struct queries *queries);
void queries_release(struct queries *queries); /* closes asked too */

/* For the fuzzer: what reads the JSON, without a call's collection. */
NODISCARD lode_status queries_read_json(struct json_input *input, struct queries *queries);

#endif
