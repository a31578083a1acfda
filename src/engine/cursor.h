/* cursor.h: where a page ended, as text: the order, and the value and id of its last point.
 *
 * Base64 (base/base64.h) of: u8 version, 1; u8 flags: 1 descending, 2 by a field, 4 the point has a value; by a field u16
 * and so many bytes, its path; with a value u8 its kind (enum cursor_value) and the value: i64, f64, u8, i64, 16 bytes, or
 * u16 and so many bytes; u16 and so many bytes, the id as it is stored; u32, the low half of the XXH3 of all before it.
 * Little-endian. Whoever changes it takes another version: callers may keep cursors. */
#ifndef ENGINE_CURSOR_H
#define ENGINE_CURSOR_H

#include "filter/fields.h"
#include "query/page.h"

struct cursor {
    struct buf bytes; /* what the place borrows from */
    struct place place;
};

struct cursor_order {
    const struct field *field; /* NULL: by id */
    int descending;
};

/* Append the text, with a NUL behind it that is not counted. LODE_NOMEM. */
NODISCARD lode_status cursor_write(const struct cursor_order *order, const struct place *place,
                                   struct buf *text, lode_error *error);
/* LODE_INVALID: it is none, or of another order, which is named; LODE_NOMEM. Then cursor_release, whatever it
 * returns. */
NODISCARD lode_status cursor_read(struct cursor *cursor, const char *text,
                                  const struct cursor_order *order, lode_error *error);
void cursor_release(struct cursor *cursor);

#endif
