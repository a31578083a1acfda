/* columns.h: the columns of a segment's metadata, used where they lie: mapped, or in memory.
 *
 * A column answers for the rows that are not in its COLUMN_UNKNOWN set; for those the documents do. Nothing here
 * trusts the bytes: the directory is checked when it is opened, everything else when it is read, so that the worst
 * that bytes of the right checksum can do is a wrong answer or LODE_CORRUPT. */
#ifndef COLUMN_COLUMNS_H
#define COLUMN_COLUMNS_H

#include <stdatomic.h>

#include "column/format.h"
#include "column/remembered.h"
#include "filter/fields.h"
#include "os/guard.h"

struct column {
    struct field field; /* as it was known when the columns were made; path NUL-terminated */
    enum column_kind kind;
    int is_given_up; /* nothing is known */
    uint8_t ord_width;
    uint32_t value_count, pair_count, dense_count;
    uint32_t exists_count, null_count, unknown_count;
    struct {
        const uint8_t *data;
        uint64_t size;
    } blobs[COLUMN_BLOBS];
};

struct columns {
    _Atomic uint32_t refs;
    uint32_t row_count;
    int incomplete; /* a field that is not here may be in a document all the same */
    uint32_t count;
    struct column *items; /* by path */
    char *paths;
    struct guard *guard;          /* of the blobs; NULL: of memory */
    void *memory;                 /* owned: where the blobs lie, when that is memory */
    uint64_t held;                /* of the memory budget: BUDGET_SCRATCH */
    struct remembered remembered; /* of all its rows, living or not */
};

struct value_range { /* places, [begin, end) */
    uint32_t begin, end;
};
struct value_ranges {
    const struct value_range *ranges;
    size_t count;
};

struct column_bytes {
    const uint8_t *data; /* aligned to 8 bytes */
    uint64_t size;
    struct guard *guard;      /* touched before data is read; NULL: of memory */
    const uint8_t *directory; /* touched already */
    uint64_t directory_size;
};

/* Borrows data and guard, not the directory. LODE_CORRUPT says what is wrong; LODE_NOMEM. */
NODISCARD lode_status columns_open(const struct column_bytes *bytes, uint32_t row_count,
                                   struct columns **ret_columns, lode_error *error);
struct columns *columns_ref(struct columns *columns); /* NULL gives NULL */
void columns_unref(struct columns *columns);          /* NULL is allowed */
size_t columns_memory(struct columns *columns);       /* bytes owned */
const struct column *columns_find(const struct columns *columns, const char *path, size_t size);
/* Whether the column holds the values that a field of that type has, but for those of COLUMN_UNKNOWN. One without
 * values need not have been of that type when it was made: then its documents hold none that it could not keep. */
int column_answers(const struct column *column, enum field_type type);

/* --- One column: all LODE_CORRUPT, LODE_IO and LODE_NOMEM --------------------------------------- */

/* Add the rows of COLUMN_EXISTS, _NULLS or _UNKNOWN to words. */
NODISCARD lode_status column_set(const struct columns *columns, const struct column *column,
                                 enum column_blob set, uint64_t *words, lode_error *error);
/* The value of a place: strings as VALUE_STRING borrowed, UUIDs, moments and so on as they are bound. */
NODISCARD lode_status column_value(const struct columns *columns, const struct column *column,
                                   uint32_t place, struct value *ret_value, lode_error *error);
/* <0, 0, >0: the value of a place against `value`. */
NODISCARD lode_status column_compare(const struct columns *columns, const struct column *column,
                                     uint32_t place, const struct value *value, int *ret_order,
                                     lode_error *error);
/* The first place from `from` on whose value is not below `value`, that of `from` - 1 being below it, found the sooner the
 * nearer it is; *ret_found: whether it has that value. */
NODISCARD lode_status column_seek(const struct columns *columns, const struct column *column,
                                  const struct value *value, uint32_t from, uint32_t *ret_place,
                                  int *ret_found, lode_error *error);
/* The first place whose value is not below `value`, or, `above`, whose value is above it. */
NODISCARD lode_status column_bound(const struct columns *columns, const struct column *column,
                                   const struct value *value, int above, uint32_t *ret_place,
                                   lode_error *error);
/* Of strings: the places that begin with it. */
NODISCARD lode_status column_prefix(const struct columns *columns, const struct column *column,
                                    const char *text, size_t size, struct value_range *ret_places,
                                    lode_error *error);
/* How many pairs of value and row places [begin, end) have: of rows with one value each, rows. */
NODISCARD lode_status column_count(const struct columns *columns, const struct column *column,
                                   uint32_t begin, uint32_t end, uint32_t *ret_count,
                                   lode_error *error);
/* Add the rows that have a value of these places to words. */
NODISCARD lode_status column_rows(const struct columns *columns, const struct column *column,
                                  struct value_range range, uint64_t *words, lode_error *error);
/* The rows of one value, ascending, u32 each, little-endian; *ret_rows NULL: they are many, and column_rows tells. */
NODISCARD lode_status column_list(const struct columns *columns, const struct column *column,
                                  uint32_t place, const uint8_t **ret_rows, uint32_t *ret_count,
                                  lode_error *error);
/* Of rows with one value at most (ord_width not 0): the place of a row's value; value_count: it has none. */
NODISCARD lode_status column_place(const struct columns *columns, const struct column *column,
                                   uint32_t row, uint32_t *ret_place, lode_error *error);
/* Of rows with one value at most (ord_width not 0): take those out of words whose value is not of these places.
 * Takes less time the fewer rows there are, and reads one value after another where they are many. */
NODISCARD lode_status column_probe(const struct columns *columns, const struct column *column,
                                   struct value_range range, uint64_t *words, lode_error *error);
/* Of rows with one value at most (ord_width not 0): add those that have a value of these places, which ascend, to words, in
 * one pass over the values of all rows. stop: NULL, or LODE_CANCELLED, LODE_TIMEOUT. */
NODISCARD lode_status column_pick(const struct columns *columns, const struct column *column,
                                  const struct value_ranges *ranges, uint64_t *words,
                                  const lode_stop *stop, lode_error *error);
/* counts[place]: how many rows of `words` have that value. Room for value_count. stop: NULL, or LODE_CANCELLED,
 * LODE_TIMEOUT. */
NODISCARD lode_status column_counts(const struct columns *columns, const struct column *column,
                                    const uint64_t *words, uint32_t *counts, const lode_stop *stop,
                                    lode_error *error);
enum namespace_rows { NAMESPACE_UNKNOWN, NAMESPACE_EMPTY, NAMESPACE_HAS_ROWS };
/* Add the rows of a namespace to words; size 0: those of none. *ret_rows: whether there are any, or the columns cannot
 * tell. */
NODISCARD lode_status columns_namespace(const struct columns *columns, const char *name,
                                        size_t size, uint64_t *words, enum namespace_rows *ret_rows,
                                        lode_error *error);
/* 1: it is of no field. */
int column_is_of_namespaces(const struct column *column);
/* The column of namespaces, whose values are their names; NULL: no row has one, or, *ret_know 0, the columns cannot
 * tell. */
const struct column *columns_namespaces(const struct columns *columns, int *ret_know);
/* Of COLUMN_POINTS: point i of pair_count, and its row. */
NODISCARD lode_status column_points(const struct columns *columns, const struct column *column,
                                    const uint8_t **ret_points, const uint8_t **ret_rows,
                                    lode_error *error);
/* Check every byte's meaning, as far as answers depend on it. */
NODISCARD lode_status columns_check(const struct columns *columns, lode_error *error);

/* How values of such a field are kept. */
enum column_kind column_kind_of(enum field_type type);

#endif
