/* field_reader.h: the values that documents have of one field: all that are of its type, as conditions and columns see
 * them. */
#ifndef FILTER_FIELD_READER_H
#define FILTER_FIELD_READER_H

#include "filter/fields.h"

struct field_reader { /* for one thread at a time */
    struct arena arena;
    const struct path *path;
    enum field_type type;
    struct buf scratch; /* an unescaped string */
    struct buf kept;    /* the same: of the value that field_reader_extreme returns */
};

/* Copies what it needs. LODE_NOMEM. */
NODISCARD lode_status field_reader_init(struct field_reader *reader, const struct field *field,
                                        lode_error *error);
void field_reader_release(struct field_reader *reader); /* zeroed is allowed */

/* The value's text is borrowed from the document, or until the next one from the reader. */
typedef lode_status field_value_fn(void *context, const struct value *value, lode_error *error);

/* Call each() for every value of a document, in its order, until it fails. metadata: an object that json_validate
 * accepts; size 0 stands for {}. Of geo fields and objects there are none. LODE_NOMEM. */
NODISCARD lode_status field_reader_each(struct field_reader *reader, const char *metadata,
                                        size_t size, field_value_fn *each, void *context,
                                        lode_error *error);

/* The least, or the greatest, of a document; *ret_has 0: it has none. Its text is borrowed from the document; or,
 * if it was escaped there, from reader->kept, until the reader is used again. LODE_NOMEM. */
NODISCARD lode_status field_reader_extreme(struct field_reader *reader, const char *metadata,
                                           size_t size, int greatest, struct value *ret_value,
                                           int *ret_has, lode_error *error);

#endif
