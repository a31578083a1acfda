/* table.h: aligned columns for people. */
#ifndef CMD_TABLE_H
#define CMD_TABLE_H

#include "base/arena.h"

#include <stdint.h>

#define TABLE_COLUMNS_MAX 64
#define TABLE_CELL_MAX    60 /* characters of a cell; longer ones are cut, with an ellipsis */

struct table {
    struct arena arena;
    const char *titles[TABLE_COLUMNS_MAX];
    int right[TABLE_COLUMNS_MAX]; /* aligned to the right: numbers */
    size_t column_count;
    const char **cells; /* row-major, of the arena's texts */
    size_t cell_count, cell_capacity;
    size_t last_cell_max; /* of the last column; 0: TABLE_CELL_MAX */
    int failed;           /* out of memory: nothing is printed but that */
};

void table_init(struct table *table);
/* title is borrowed; numbers are aligned to the right. */
void table_column(struct table *table, const char *title, int right);
/* The next cell, row by row. */
void table_text(struct table *table, const char *text, size_t size);
void table_printf(struct table *table, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void table_count(struct table *table, uint64_t count); /* "12,345" */
void table_bytes(struct table *table, uint64_t bytes); /* "1.2 MB" */
/* Print to stdout and release. */
void table_print(struct table *table);
void table_release(struct table *table);

#endif
