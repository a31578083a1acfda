/* observe.h: what is told of queries beside their answers: counted in metrics, logged with their plan when they are slow, and
 * traced segment by segment when their request is sampled. Called by the handlers of queries, on their worker. */
#ifndef SERVER_OBSERVE_H
#define SERVER_OBSERVE_H

#include "server/call.h"

/* A search has been answered. */
void observe_search(struct call *call, const lode_search_info *info);
/* All queries of the call have; `first` stands for them, without what it matters to nobody: vector and text are not told.
 * Where a plan is to be told and may be asked for now (at most ten times a second), the query is explained, which costs
 * another search; the call is answered before that. */
void observe_queries(struct call *call, lode_collection *collection,
                     const lode_search_request *first);

#endif
