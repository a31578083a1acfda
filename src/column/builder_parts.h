/* builder_parts.h: what builder.c and write.c share: the values of fields, gathered. */
#ifndef COLUMN_BUILDER_PARTS_H
#define COLUMN_BUILDER_PARTS_H

#include "column/builder.h"
#include "column/format.h"
#include "column/set.h"
#include "filter/geo.h"

struct pair {     /* a value of a row */
    uint64_t key; /* integers and doubles: in an order of unsigned numbers; strings: which one */
    uint32_t row;
};

struct run_list { /* ascending */
    struct row_run *runs;
    size_t run_count, capacity;
    uint32_t count; /* of rows */
};

enum gathering {
    GATHERING,
    PUT_OFF,  /* to the next pass */
    GIVEN_UP, /* too large: every row is unknown */
    WRITTEN,
};

struct gathered { /* of one field */
    const struct field *field;
    enum column_kind kind;
    enum gathering state;
    int has_values; /* 0: they are not wanted, every row is unknown */
    struct run_list exists, nulls, unknown;
    struct pair *pairs;
    size_t pair_count, pair_capacity;
    /* Strings: each once, one behind the other; a table of them by hash. */
    struct buf text;
    uint64_t *ends; /* of each string in text */
    uint32_t string_count, string_capacity;
    uint32_t *slots; /* number + 1; 0: empty */
    uint32_t slot_count;
    struct geo_point *points;         /* beside pairs */
    uint64_t bytes;                   /* taken by all of this */
    uint8_t entry[COLUMN_ENTRY_SIZE]; /* once it is written, without its path */
};

struct column_builder {
    const struct fields *fields;
    struct gathered *items; /* one for each field, and one of namespaces behind them */
    size_t count;           /* without the last as long as no row has a namespace */
    int has_namespaces;
    uint64_t bytes, bytes_max;
    uint64_t held;   /* of the memory budget: BUDGET_BUILD */
    uint64_t offset; /* written so far */
    int incomplete;  /* some member of a document is no field */
    struct buf path, scratch;
    uint32_t row; /* at hand */
    lode_error *error;
};

/* One of the strings; NULL when it is empty. */
const uint8_t *gathered_string(const struct gathered *gathered, uint32_t number, size_t *ret_size);

/* Free the values, sets included. */
void gathered_release(struct gathered *gathered);

/* Integers and doubles as unsigned numbers of the same order, and back. */
static inline uint64_t key_of_integer(int64_t value)
{
    return (uint64_t)value ^ (uint64_t)1 << 63;
}
static inline int64_t integer_of_key(uint64_t key)
{
    return (int64_t)(key ^ (uint64_t)1 << 63);
}
uint64_t key_of_double(double value);
double double_of_key(uint64_t key);

#endif
