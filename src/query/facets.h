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

struct facets_request {
    const struct version *version;
    const struct allowed_set *set; /* of it */
    const struct fields *fields;   /* known: at least as new as the version */
    const struct field *field;     /* one of them */
    const lode_stop *stop;         /* NULL: never */
};

/* Count the values of the field. Views without columns get some, in memory, for the time of the call. LODE_NOMEM,
 * LODE_CORRUPT, LODE_IO, LODE_CANCELLED, LODE_TIMEOUT. Then facets_release, whatever it returns. */
NODISCARD lode_status facets_count(const struct facets_request *request, struct facets *ret_facets,
                                   lode_error *error);
void facets_release(struct facets *facets);

#endif
