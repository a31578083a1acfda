/* grouping.h: hits, in order, to groups of one value each, until there are so many groups and so many hits in each. */
#ifndef QUERY_GROUPING_H
#define QUERY_GROUPING_H

#include "filter/field_reader.h"
#include "query/execute.h"

struct group {
    struct value value; /* its text in the arena */
    struct query_hit *hits;
    size_t count;
};

struct grouping {
    size_t groups_max, per_group;
    struct field_reader reader;
    struct arena arena;
    struct group *groups;
    size_t count;
    size_t
        missing; /* hits that are wanted yet: of the groups there are, and of those that there may be */
    uint32_t *slots; /* a table of groups by value: number + 1; 0: empty */
    size_t slot_count;
    const struct query_hit *hit; /* at hand */
    const lode_stop *stop;       /* set by the caller, after grouping_init; NULL: never */
};

/* groups_max, per_group: not 0. LODE_NOMEM. Then grouping_release, whatever it returns. */
NODISCARD lode_status grouping_init(struct grouping *grouping, const struct field *field,
                                    size_t groups_max, size_t per_group, lode_error *error);
void grouping_release(struct grouping *grouping); /* zeroed is allowed */
/* Each goes to the groups of its values, if they have room, new ones if there may be more. LODE_NOMEM; LODE_CORRUPT and
 * LODE_IO when a document cannot be read; LODE_CANCELLED, LODE_TIMEOUT. */
NODISCARD lode_status grouping_add(struct grouping *grouping, const struct query_hit *hits,
                                   size_t count, lode_error *error);
/* The values of the groups that have all their hits, or of those that have not, ascending; values: room for as many as
 * there are groups. Returns how many. */
size_t grouping_values(const struct grouping *grouping, int full, struct value *values);
/* Hits of each group by distance and id, groups by their first hit: those that came out of several searches need not have
 * come in order. LODE_CORRUPT, LODE_IO, LODE_CANCELLED, LODE_TIMEOUT. */
NODISCARD lode_status grouping_sort(struct grouping *grouping, lode_error *error);

#endif
