/* recall_sample.h: recall as it is, measured on a share of the queries that users ask: such a query is answered once more,
 * exactly and on the same state, and the hits that both answers have are counted. By one thread that gives way to all
 * others and rests nine times as long as it works: at most a tenth of a core. What does not fit into its short queue is
 * skipped and counted. Thread-safe.
 *
 *     if (recall_sample_wants(sampler, &request))
 *         lode_snapshot_open(collection, &snapshot, &error);          // request.snapshot = snapshot
 *     lode_search(collection, &request, &result, &error);
 *     ... answer ...
 *     recall_sample_give(sampler, &(struct recall_sample){...});      // takes snapshot, result and the hold
 */
#ifndef SERVER_RECALL_SAMPLE_H
#define SERVER_RECALL_SAMPLE_H

#include "base/error.h"

struct recall_sampler;

#define RECALL_QUEUE_MAX                                                                           \
    16 /* samples that wait; each holds a snapshot, and so the files of a state */

struct recall_options {
    double share; /* of queries, 0 to 1; 0: none, and no thread */
    /* What was found; on the sampler's thread. hits: of the exact answer; shared: of these, in the query's answer. */
    void (*report)(void *context, const char *collection, uint64_t shared, uint64_t hits);
    void *context;
};

NODISCARD lode_status recall_sampler_new(const struct recall_options *options,
                                         struct recall_sampler **ret_sampler, lode_error *error);
/* Gives up what waits, ends what runs; to be called before handles and the database are closed. NULL is allowed. */
void recall_sampler_free(struct recall_sampler *sampler);
uint64_t recall_sampler_skipped(const struct recall_sampler *sampler);

/* Whether this query, which has not been carried out yet, is to be measured: drawn by the share; never exact ones, those
 * with one_per, or when there is no room. sampler NULL: no. */
int recall_sample_wants(struct recall_sampler *sampler, const lode_search_request *request);

struct recall_sample {
    const char *name; /* of the collection; copied */
    lode_collection *collection;
    size_t dim;
    const lode_search_request
        *request; /* that was carried out; what it points at is copied, but for snapshot and stop */
    lode_snapshot
        *own_snapshot;       /* of request->snapshot; taken. NULL: later writes count as errors */
    lode_result *own_result; /* taken */
    /* Called once, when the collection is not used any more; on any thread. NULL: not needed. */
    void (*release)(void *hold);
    /* Not 0: somebody waits for the collection, and the sample is given up. Asked often while it waits and while it is
     * measured; must return at once. NULL: nobody ever does. */
    int (*is_unwanted)(void *hold);
    void *own_hold;
};

/* Takes what is own, whether it is measured or not. */
void recall_sample_give(struct recall_sampler *sampler, const struct recall_sample *sample);

#endif
