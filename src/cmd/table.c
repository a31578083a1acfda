/* table.c: see table.h. Control characters become blanks, so that no text can steer a terminal. */
#include "cmd/table.h"

#include "base/array.h"
#include "base/error.h"
#include "cmd/output.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ELLIPSIS "\xe2\x80\xa6"

void table_init(struct table *table)
{
    *table = (struct table){.column_count = 0};
    arena_init(&table->arena);
}

void table_release(struct table *table)
{
    arena_release(&table->arena);
    free(table->cells);
    table_init(table);
}

void table_column(struct table *table, const char *title, int right)
{
    if (table->column_count == TABLE_COLUMNS_MAX)
        return;
    table->titles[table->column_count] = title;
    table->right[table->column_count++] = right;
}

/* Characters, taking each code point for one. */
static size_t width(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += ((unsigned char)*text & 0xc0) != 0x80;
    return count;
}

static int ends_before(const char *text, size_t size, size_t at)
{
    return at >= size || ((unsigned char)text[at] & 0xc0) != 0x80;
}

/* The bytes of the first `count` characters, or all. */
static size_t prefix_size(const char *text, size_t size, size_t count)
{
    size_t at = 0;
    for (; at < size && count > 0; count--)
        do
            at++;
        while (!ends_before(text, size, at));
    return at;
}

static int add_cell(struct table *table, const char *cell)
{
    const char **cells = array_grow(table->cells, table->cell_count, &table->cell_capacity,
                                    sizeof *cells, "cells", NULL);
    if (!cells)
        return 0;
    table->cells = cells;
    table->cells[table->cell_count++] = cell;
    return 1;
}

void table_text(struct table *table, const char *text, size_t size)
{
    int last = table->cell_count % table->column_count == table->column_count - 1;
    size_t limit = last && table->last_cell_max ? table->last_cell_max : TABLE_CELL_MAX;
    size_t shown = prefix_size(text, size, limit);
    int cut = shown < size;
    if (cut)
        shown = prefix_size(text, size, limit - 1);
    char *cell = arena_alloc(&table->arena, shown + sizeof ELLIPSIS);
    if (!cell || !add_cell(table, cell)) {
        table->failed = 1;
        return;
    }
    for (size_t i = 0; i < shown; i++)
        cell[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? ' ' : text[i];
    memcpy(cell + shown, cut ? ELLIPSIS : "", cut ? sizeof ELLIPSIS : 1);
}

void table_printf(struct table *table, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (size < 0)
        size = 0;
    table_text(table, text, (size_t)size < sizeof text ? (size_t)size : sizeof text - 1);
}

void table_count(struct table *table, uint64_t count)
{
    char text[AMOUNT_TEXT_MAX];
    table_printf(table, "%s", amount_count(count, text));
}

void table_bytes(struct table *table, uint64_t bytes)
{
    char text[AMOUNT_TEXT_MAX];
    table_printf(table, "%s", amount_bytes(bytes, text));
}

static void print_row(const struct table *table, const char *const *cells, const size_t *widths)
{
    for (size_t i = 0; i < table->column_count; i++) {
        int padding = (int)(widths[i] - width(cells[i]));
        int last = i + 1 == table->column_count;
        if (table->right[i])
            printf("%*s%s", padding, "", cells[i]);
        else
            printf("%s%*s", cells[i], last ? 0 : padding, "");
        fputs(last ? "\n" : "  ", stdout);
    }
}

void table_print(struct table *table)
{
    size_t widths[TABLE_COLUMNS_MAX];
    INVARIANT(table->column_count > 0);
    for (size_t i = 0; i < table->column_count; i++)
        widths[i] = width(table->titles[i]);
    for (size_t i = 0; i < table->cell_count; i++) {
        size_t wide = width(table->cells[i]), column = i % table->column_count;
        widths[column] = wide > widths[column] ? wide : widths[column];
    }
    if (table->failed)
        fputs("lode: out of memory\n", stderr);
    else
        print_row(table, table->titles, widths);
    for (size_t i = 0; !table->failed && i + table->column_count <= table->cell_count;
         i += table->column_count)
        print_row(table, table->cells + i, widths);
    table_release(table);
}
