/* known_fields.h: what is known of the fields of a collection's metadata, shared by whoever writes and reads it.
 *
 * A set of fields is immutable once it is here: who learns something new puts a changed copy in its place, before
 * the documents that taught it become visible. So who pins a version first and gets the fields afterwards has
 * fields that are at least as new as the documents, which filters rely on (filter/bind.h). */
#ifndef STORAGE_KNOWN_FIELDS_H
#define STORAGE_KNOWN_FIELDS_H

#include <stdatomic.h>

#include "filter/fields.h"
#include "os/thread.h"
#include "storage/version.h"

struct field_set { /* immutable */
    _Atomic uint32_t refs;
    struct fields *fields;
};

void field_set_unref(struct field_set *set); /* NULL is allowed */

struct known_fields {
    struct mutex mutex;    /* guards `set`, for a moment; nothing is taken while it is held */
    struct field_set *set; /* NULL: nothing is known yet */
};

void known_fields_init(struct known_fields *known);
void known_fields_release(struct known_fields *known);

/* Those known now, referenced: field_set_unref. NULL: none. */
struct field_set *known_fields_get(struct known_fields *known);
/* A copy of those known now, or new ones, to be changed. fields_free, or put. LODE_NOMEM. */
NODISCARD lode_status known_fields_copy(struct known_fields *known, struct fields **ret_fields,
                                        lode_error *error);
/* Room for a set, made beforehand where putting must not fail. NULL: out of memory. */
struct field_set *field_set_new(void);
/* From now on these are known. Takes both. */
void known_fields_put(struct known_fields *known, struct field_set *own_set,
                      struct fields *own_fields);

/* Learn from all rows of a view, living or not. Documents that cannot be read are passed over: reads of them
 * will say so. LODE_NOMEM. */
NODISCARD lode_status fields_learn_view(struct fields *fields, const struct segment_view *view,
                                        lode_error *error);

#endif
