/* filtering.h: from a filter as it is written to the rows of a version that it allows; and what is known of the
 * fields that it speaks of. */
#ifndef ENGINE_FILTERING_H
#define ENGINE_FILTERING_H

#include "engine/collection.h"
#include "filter/filter.h"
#include "query/allowed.h"

/* A filter, and those that are bound to the handle, read with what is known of the fields. */
struct filtering {
    struct arena arena;
    const struct filter *filter; /* all of them must hold; NULL: everything is allowed */
    const struct filter *own;    /* the one that was given; NULL: none */
    struct field_set *known;     /* what they were read with */
};

/* Read a filter, text or JSON: what begins with { is JSON. text NULL: none. The version to be read must have been
 * pinned before. LODE_INVALID, LODE_SCHEMA and LODE_LIMIT say where; LODE_NOMEM. On success filtering_release. */
NODISCARD lode_status filtering_read(const lode_collection *handle, const char *text, size_t size,
                                     struct filtering *ret_filtering, lode_error *error);
void filtering_release(struct filtering *filtering);

/* The rows of the request's version that it allows, and that the handle sees. *ret_set is NULL when those are all;
 * else allowed_set_free. */
NODISCARD lode_status filtering_set(const lode_collection *handle,
                                    const struct filtering *filtering,
                                    const struct allowed_request *request,
                                    struct allowed_set **ret_set, lode_error *error);
/* filtering_read, filtering_set, filtering_release. The request's stop is looked at, even if everything is allowed. */
NODISCARD lode_status filtering_allow(const lode_collection *handle, const char *text, size_t size,
                                      const struct allowed_request *request,
                                      struct allowed_set **ret_set, lode_error *error);

/* The field of a path as it is written in filters. LODE_SCHEMA when no point has had it; LODE_NOMEM. */
NODISCARD lode_status filtering_find_field(const struct fields *fields, const char *name,
                                           const struct field **ret_field, lode_error *error);
/* Declare the fields of a schema, of fields that are new. LODE_NOMEM, LODE_LIMIT. */
NODISCARD lode_status filtering_declare(struct fields *fields, const lode_schema *schema,
                                        lode_error *error);
/* Take in what the segments of a version say of the fields that those of the newest version do not have: of
 * a state that was kept. Takes the lane. LODE_NOMEM. */
NODISCARD lode_status filtering_learn(struct collection *collection, const struct version *version,
                                      lode_error *error);

#endif
