/* matches.h: what a filter means, plainly: one document at a time. Used for rows without columns, and what
 * columns are tested against. */
#ifndef FILTER_MATCHES_H
#define FILTER_MATCHES_H

#include "filter/filter.h"

struct matcher; /* for one thread at a time */

/* filter: bound (bind.h); it must outlive the matcher. LODE_NOMEM. */
NODISCARD lode_status matcher_new(const struct filter *filter, struct matcher **ret_matcher,
                                  lode_error *error);
void matcher_free(struct matcher *matcher);          /* NULL is allowed */
int matcher_asks_ids(const struct matcher *matcher); /* 0: it matches whatever the id is */

/* Whether a point matches. metadata: an object that json_validate accepts; size 0 stands for {}. Values that
 * are not of their field's type are passed over, as if they were not there. id may be NULL when ids are not asked
 * for. LODE_NOMEM. */
NODISCARD lode_status matcher_matches(struct matcher *matcher, const char *metadata, size_t size,
                                      const lode_id *id, int *ret_matches, lode_error *error);

/* For columns. Whether a value of the field's type satisfies a condition of the matcher's filter, not of kind
 * FILTER_ALL; whether a point lies in its area. */
int matcher_value(struct matcher *matcher, const struct filter *condition,
                  const struct value *value);
int matcher_point(const struct filter *condition, const struct geo_point *point);

#endif
