/* bind.h: a filter made ready for the fields of a collection, and the same filter made simpler. */
#ifndef FILTER_BIND_H
#define FILTER_BIND_H

#include "filter/fault.h"
#include "filter/fields.h"
#include "filter/filter.h"

/* Check a tree against fields, and copy it with its values in the fields' types: strings asked of datetime
 * and uuid fields are read as such (for datetime also a date alone, its first moment in UTC); lists are
 * sorted, duplicates gone; regexes are compiled. Each condition has its field's type and whether there may
 * be several values; of a nested filter, its paths still begin at the element.
 *
 * LODE_SCHEMA: a field that is none (the nearest one is named), a test or value that makes no sense for
 * its type (field, both types, value named). source: where the tree was read, for the place in messages;
 * NULL when it was built. The tree must have been made in `arena` or outlive it. LODE_NOMEM.
 *
 * Fields must be at least as new as the documents: what a document taught them is relied on. */
NODISCARD lode_status filter_bind(const struct filter *filter, const struct fields *fields,
                                  const struct filter_source *source, struct arena *arena,
                                  const struct filter **ret_filter, lode_error *error);

/* A bound tree that matches the same documents, with less to do: no negation above a condition, constants
 * and empty lists folded, groups in groups flattened, duplicates gone, conditions and their negations
 * resolved; of a field with one value, ranges intersected and lists too; = and IN of one field in an OR are
 * one list. In the same arena. LODE_NOMEM, LODE_LIMIT. */
NODISCARD lode_status filter_normalise(const struct filter *filter, struct arena *arena,
                                       const struct filter **ret_filter, lode_error *error);

#endif
