/* query_groups.h: `lode query --group-by`: the search and what it shows. */
#ifndef CMD_QUERY_GROUPS_H
#define CMD_QUERY_GROUPS_H

#include "cmd/query_show.h"

struct grouped_query {
    lode_collection *collection;
    lode_groups_request request;
    const struct shown *shown; /* NULL: all there is */
    uint32_t dim;
};

/* Returns the exit code after reporting. */
int query_groups_run(const struct grouped_query *query);

#endif
