/* searches.h: the queries of one call, JSON or gRPC, as the engine carries them out: within the caller's limits, of one
 * state, together where none is by groups, and told to logs, traces and metrics. How they are read and how what they find
 * is written is the caller's:
 *     struct searches searches = {.asked = ..., .write = ..., .context = ..., .is_batch = ...};
 *     if (searches_count_fits(call, count) && searches_alloc(&searches, count)) {
 *         ... fill searches.items ...
 *         if (searches_run(&searches)) ... the answer is whole ...
 *     } */
#ifndef SERVER_SEARCHES_H
#define SERVER_SEARCHES_H

#include "server/json_asked.h"

struct search {
    lode_search_request request; /* without snapshot and stop */
    const char *group_by;        /* NULL: by no field */
    size_t per_group;            /* 0: 1 */
    int is_explained;
};

struct found {
    const lode_result *result;           /* NULL: groups */
    const lode_groups *groups;           /* NULL: hits */
    const lode_search_info *info;        /* of either */
    const lode_explanation *explanation; /* NULL: was not asked for */
};

struct searches {
    struct asked *asked; /* open */
    struct search *items;
    size_t count;
    bool is_batch;
    const char *prefix; /* of a single one's members in names of fields: "query." */
    /* Called for each in order, with what items[i] has found, which is borrowed. */
    void (*write)(void *context, size_t i, const struct found *found);
    void *context;
};

/* Functions that return bool: false, and the call has failed. */

/* Whether one call may have so many. */
bool searches_count_fits(struct call *call, size_t count);
/* Room for that many, zeroed, in the call's memory. */
bool searches_alloc(struct searches *searches, size_t count);
/* Check what is asked for, take it out of the quota, and carry it out. When it fails, some may have been written. */
bool searches_run(struct searches *searches);

#endif
