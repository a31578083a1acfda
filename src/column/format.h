/* format.h: the bytes of a segment's columns: docs/format/columns.md. */
#ifndef COLUMN_FORMAT_H
#define COLUMN_FORMAT_H

#include <stdint.h>

#define COLUMNS_HEAD_SIZE 32
#define COLUMN_ENTRY_SIZE 216

#define COLUMN_TEXT_MAX                                                                            \
    1024 /* bytes of a value in a dictionary; rows with longer ones are unknown */
#define ZONE_ROWS  4096u
#define DENSE_ROWS 128u /* a value of so many rows has them as a compressed set */
#define DENSE_SIZE 24   /* bytes of an entry of COLUMN_DENSE_TABLE */

enum { COLUMNS_INCOMPLETE = 1 }; /* flags of the head */
enum {                           /* flags of an entry */
       COLUMN_DECLARED = 1,
       COLUMN_MANY = 2,
       COLUMN_UNINDEXED = 4,
       COLUMN_GIVEN_UP = 8, /* it was too large: not even its sets are known */
};

/* The column of the rows' namespaces, which do not stand in documents: no field's path begins so (filter/path.c). */
#define COLUMN_NAMESPACE ".namespace"

enum column_kind {
    COLUMN_NONE = 0,     /* no values */
    COLUMN_BYTES = 1,    /* strings, and the 16 bytes of UUIDs */
    COLUMN_INTEGERS = 2, /* int64: integers, booleans, moments */
    COLUMN_DOUBLES = 3,
    COLUMN_POINTS = 4,
};

enum column_blob {
    COLUMN_EXISTS,  /* sets of rows: that have the field at all */
    COLUMN_NULLS,   /* in which some value is null */
    COLUMN_UNKNOWN, /* whose values are not, or not all of them, in the column */
    COLUMN_VALUES,  /* ascending, each once; of strings: where each begins in COLUMN_TEXT */
    COLUMN_TEXT,    /* bytes of strings */
    COLUMN_STARTS,  /* u32 for each value, and one more: how many rows the values before it have */
    COLUMN_ROWS,    /* u32: the rows of each value that is not dense, ascending */
    COLUMN_DENSE_TABLE, /* by value: u32 value, u32 rows of dense ones before it, u64 begin and end */
    COLUMN_DENSE,       /* their sets */
    COLUMN_ORDS,        /* the value of each row, where none has two; value_count: it has none */
    COLUMN_ZONES,       /* u32 least, u32 greatest value of each ZONE_ROWS rows */
    COLUMN_BLOBS,
};

#endif
