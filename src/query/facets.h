/* facets.h: how often each value of a field comes among allowed rows. */
#ifndef QUERY_FACETS_H
#define QUERY_FACETS_H

#include "base/arena.h"
#include "query/allowed.h"

struct facet {
    struct value value; /* its text in the arena */
    uint64_t count;     /* points that have it */
};

struct facets {
    struct arena arena;
    struct facet *items; /* by value at first */
    size_t count, capacity;
    uint64_t points; /* that are allowed */
    uint64_t with;   /* of them, that have the field, if only as null or [] */
    uint64_t
        uncounted; /* of them, some of whose values are not counted: longer than COLUMN_TEXT_MAX, ... */
};

/* Count the values of the field of that canonical path. Views without columns get some, in memory, for the time of
 * the call. LODE_NOMEM, LODE_CORRUPT, LODE_IO. Then facets_release, whatever it returns. */
NODISCARD lode_status facets_count(const struct version *version, const struct allowed_set *set,
                                   const struct fields *fields, const struct field *field,
                                   struct facets *ret_facets, lode_error *error);
void facets_release(struct facets *facets);

#endif
