/* fields.h: the fields of a collection's metadata: declared, or learnt from what arrives.
 *
 * A field is a path (path.h) and a type. Arrays are passed through: a field of integers may hold one, or
 * several, in arrays of any depth, also because an object above it lies in an array; nulls fit every type.
 *
 * Learning: the first value that is not null settles a field's type: string → keyword, number without
 * fraction and exponent within int64 → integer, other number → float, true and false → boolean, object →
 * object, whose members are fields of their own. An integer field becomes float when a number arrives that
 * is no integer, which changes no comparison (value.h). Datetime, text, uuid and geo are declared: nothing
 * in a string says for sure what is meant by it. Any other value of another type is refused.
 *
 * Not thread-safe: one writer; readers have a copy. */
#ifndef FILTER_FIELDS_H
#define FILTER_FIELDS_H

#include "filter/path.h"
#include "filter/value.h"

#define FIELDS_MAX                                                                                 \
    4096 /* declared and learnt: documents whose keys are data are refused, not learnt */

struct field {
    const char *path; /* canonical, NUL-terminated */
    size_t path_size;
    enum field_type type;
    uint8_t declared; /* not only learnt */
    uint8_t indexed;  /* columns are to be kept; 1 unless it was said otherwise */
    uint8_t many;     /* some document has it in an array, or more than once */
};

struct fields;

NODISCARD lode_status fields_new(struct fields **ret_fields, lode_error *error);
NODISCARD lode_status fields_copy(const struct fields *from, struct fields **ret_fields,
                                  lode_error *error);
void fields_free(struct fields *fields); /* NULL is allowed */

size_t fields_count(const struct fields *fields);
const struct field *fields_at(const struct fields *fields, size_t i); /* in order of arrival */
/* By canonical path; NULL when there is none. Valid until the fields change. */
const struct field *fields_find(const struct fields *fields, const char *path, size_t size);
/* The one whose path is the fewest changes of a character away, of those that a slip of the fingers
 * explains; NULL: none. */
const struct field *fields_nearest(const struct fields *fields, const char *path, size_t size);

/* Declare a field (path as in path_parse). One that was learnt of another type: LODE_CONFLICT, both types
 * named, but for keyword to text, datetime or uuid, integer to float and object to geo: what was learnt as
 * the first may have been the second. Values that turn out not to fit are in no answer.
 * LODE_EXISTS: declared already, of another type. LODE_INVALID, LODE_LIMIT, LODE_NOMEM. */
NODISCARD lode_status fields_declare(struct fields *fields, const char *path, size_t size,
                                     enum field_type type, lode_error *error);
/* Forget a field, by its canonical path, and those below it. Documents keep what they hold: what arrives
 * later is learnt anew. Not to be taken back by fields_undo. LODE_NOT_FOUND. */
NODISCARD lode_status fields_drop(struct fields *fields, const char *path, size_t size,
                                  lode_error *error);
/* Say whether columns are to be kept. LODE_NOT_FOUND; LODE_INVALID for an object. */
NODISCARD lode_status fields_set_indexed(struct fields *fields, const char *path, size_t size,
                                         int indexed, lode_error *error);

/* Learn from one document, an object that json_validate accepts; size 0 stands for {}. LODE_SCHEMA names
 * `point` (as it is to be shown; NULL: the caller names it), the field, its type and the one found; LODE_LIMIT (FIELDS_MAX,
 * FIELD_PATH_SIZE_MAX); LODE_NOMEM. On an error nothing has changed. */
NODISCARD lode_status fields_learn(struct fields *fields, const char *metadata, size_t size,
                                   const char *point, lode_error *error);
/* The same of a document that is there already, whatever it holds: values of another type are passed over, as by
 * conditions, and so are fields beyond the limits, which cannot be asked for. LODE_NOMEM. */
NODISCARD lode_status fields_learn_any(struct fields *fields, const char *metadata, size_t size,
                                       lode_error *error);
/* Take in a field as it was learnt elsewhere, in the same way. LODE_NOMEM. */
NODISCARD lode_status fields_merge(struct fields *fields, const struct field *other,
                                   lode_error *error);
/* For several documents that are one batch: fields_undo takes back all that was learnt since
 * fields_begin. */
void fields_begin(struct fields *fields);
void fields_undo(struct fields *fields);
int fields_changed(const struct fields *fields); /* since fields_begin */

#endif
