/* columns.c: the directory, checked as it is read into memory. */
#include "column/columns.h"

#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "os/budget.h"

static lode_status corrupt(const char *what, lode_error *error)
{
    return error_set(error, LODE_CORRUPT, "columns: %s", what);
}

static int is_place(const struct column_bytes *bytes, uint64_t offset, uint64_t size)
{
    return offset % 8 == 0 && offset <= bytes->size && size <= bytes->size - offset;
}

/* --- Sizes that have to fit --------------------------------------------------------------------- */

static int is_of_size(const struct column *column, enum column_blob blob, uint64_t count,
                      uint64_t size)
{
    return column->blobs[blob].size == count * size;
}

static int sets_fit(const struct column *column, uint32_t row_count)
{
    const uint32_t counts[] = {column->exists_count, column->null_count, column->unknown_count};
    for (size_t set = 0; set <= COLUMN_UNKNOWN; set++) {
        int is_stored = counts[set] > 0 && counts[set] < row_count;
        if (counts[set] > row_count || is_stored != (column->blobs[set].size > 0))
            return 0;
    }
    return 1;
}

static int has_no_values(const struct column *column)
{
    for (size_t blob = COLUMN_VALUES; blob < COLUMN_BLOBS; blob++)
        if (column->blobs[blob].size > 0)
            return 0;
    return column->value_count == 0 && column->pair_count == 0 && column->dense_count == 0;
}

static int values_fit(const struct column *column, uint32_t row_count)
{
    uint64_t values = column->value_count, pairs = column->pair_count;
    uint8_t width = column->ord_width;
    uint64_t zones = width ? ((uint64_t)row_count + ZONE_ROWS - 1) / ZONE_ROWS : 0;
    if (column->kind == COLUMN_NONE)
        return has_no_values(column) && width == 0;
    if (column->kind == COLUMN_POINTS)
        return pairs > 0 && values == 0 && is_of_size(column, COLUMN_VALUES, pairs, 16) &&
               is_of_size(column, COLUMN_ROWS, pairs, 4);
    return values > 0 && pairs >= values &&
           is_of_size(column, COLUMN_VALUES, values + (column->kind == COLUMN_BYTES), 8) &&
           is_of_size(column, COLUMN_STARTS, values + 1, 4) &&
           column->blobs[COLUMN_ROWS].size <= pairs * 4 && column->dense_count <= values &&
           is_of_size(column, COLUMN_DENSE_TABLE, column->dense_count, DENSE_SIZE) &&
           (width == 0 || width == 1 || width == 2 || width == 4) &&
           (width == 0 || width == 4 || values < (uint64_t)1 << (8 * width)) &&
           is_of_size(column, COLUMN_ORDS, row_count, width) &&
           is_of_size(column, COLUMN_ZONES, zones, 8);
}

/* --- Reading ------------------------------------------------------------------------------------ */

enum column_kind column_kind_of(enum field_type type)
{
    switch (type) {
    case FIELD_KEYWORD:
    case FIELD_TEXT:
    case FIELD_UUID: return COLUMN_BYTES;
    case FIELD_INTEGER:
    case FIELD_BOOLEAN:
    case FIELD_DATETIME: return COLUMN_INTEGERS;
    case FIELD_FLOAT: return COLUMN_DOUBLES;
    case FIELD_GEO: return COLUMN_POINTS;
    default: return COLUMN_NONE;
    }
}

static lode_status read_entry(const struct column_bytes *bytes, const uint8_t *entry,
                              struct column *column, lode_error *error)
{
    uint8_t flags = entry[7];
    column->field = (struct field){.path_size = (size_t)entry[4] | (size_t)entry[5] << 8,
                                   .type = (enum field_type)entry[6],
                                   .declared = (flags & COLUMN_DECLARED) != 0,
                                   .many = (flags & COLUMN_MANY) != 0,
                                   .indexed = (flags & COLUMN_UNINDEXED) == 0};
    column->is_given_up = (flags & COLUMN_GIVEN_UP) != 0;
    column->kind = (enum column_kind)entry[8];
    column->ord_width = entry[9];
    column->value_count = le_load_u32(entry + 12);
    column->pair_count = le_load_u32(entry + 16);
    column->dense_count = le_load_u32(entry + 20);
    column->exists_count = le_load_u32(entry + 24);
    column->null_count = le_load_u32(entry + 28);
    column->unknown_count = le_load_u32(entry + 32);
    if (entry[6] >= FIELD_TYPE_COUNT || column->field.path_size == 0 ||
        column->field.path_size > FIELD_PATH_SIZE_MAX ||
        (entry[8] != COLUMN_NONE && column->kind != column_kind_of(column->field.type)))
        return corrupt("a field is none", error);
    for (size_t blob = 0; blob < COLUMN_BLOBS; blob++) {
        uint64_t offset = le_load_u64(entry + 40 + 16 * blob);
        uint64_t size = le_load_u64(entry + 48 + 16 * blob);
        if (!is_place(bytes, offset, size))
            return corrupt("a part lies outside of its section", error);
        column->blobs[blob].data = bytes->size ? bytes->data + offset : (const uint8_t *)"";
        column->blobs[blob].size = size;
    }
    return LODE_OK;
}

static int in_order(const struct field *a, const struct field *b)
{
    size_t common = a->path_size < b->path_size ? a->path_size : b->path_size;
    int order = memcmp(a->path, b->path, common);
    return order < 0 || (order == 0 && a->path_size < b->path_size);
}

/* Paths lie one behind the other, in the order of the entries. */
static lode_status read_paths(struct columns *columns, const uint8_t *paths, uint64_t size,
                              lode_error *error)
{
    char *at = columns->paths;
    for (uint32_t i = 0; i < columns->count; i++) {
        struct field *field = &columns->items[i].field;
        if (field->path_size > size)
            return corrupt("a path is cut off", error);
        memcpy(at, paths, field->path_size);
        at[field->path_size] = '\0';
        field->path = at;
        at += field->path_size + 1;
        paths += field->path_size;
        size -= field->path_size;
        if (i > 0 && !in_order(&columns->items[i - 1].field, field))
            return corrupt("fields are out of order", error);
    }
    return size == 0 ? LODE_OK : corrupt("there is more behind the paths", error);
}

static lode_status read_directory(struct columns *columns, const struct column_bytes *bytes,
                                  lode_error *error)
{
    const uint8_t *entries = bytes->directory + COLUMNS_HEAD_SIZE;
    uint64_t entries_size = (uint64_t)columns->count * COLUMN_ENTRY_SIZE;
    lode_status status = LODE_OK;
    for (uint32_t i = 0; !status && i < columns->count; i++) {
        struct column *column = &columns->items[i];
        status = read_entry(bytes, entries + (size_t)i * COLUMN_ENTRY_SIZE, column, error);
        if (!status &&
            (!sets_fit(column, columns->row_count) || !values_fit(column, columns->row_count)))
            status = corrupt("the parts of a field do not fit together", error);
    }
    return status ? status
                  : read_paths(columns, entries + entries_size,
                               bytes->directory_size - COLUMNS_HEAD_SIZE - entries_size, error);
}

lode_status columns_open(const struct column_bytes *bytes, uint32_t row_count,
                         struct columns **ret_columns, lode_error *error)
{
    if (bytes->directory_size < COLUMNS_HEAD_SIZE)
        return corrupt("the directory is cut off", error);
    uint32_t count = le_load_u32(bytes->directory + 4);
    uint64_t left = bytes->directory_size - COLUMNS_HEAD_SIZE;
    if (le_load_u32(bytes->directory) != row_count)
        return error_set(error, LODE_CORRUPT, "columns: they are of %u rows instead of %u",
                         le_load_u32(bytes->directory), row_count);
    if (count > FIELDS_MAX + 1 || (uint64_t)count * COLUMN_ENTRY_SIZE > left)
        return corrupt("the directory is cut off", error);
    size_t paths_size = (size_t)(left - (uint64_t)count * COLUMN_ENTRY_SIZE) + count;
    if (paths_size > (size_t)(FIELDS_MAX + 1) * (FIELD_PATH_SIZE_MAX + 1))
        return corrupt("there is more behind the paths", error);
    struct columns *columns = calloc(1, sizeof *columns + paths_size);
    struct column *items = calloc(count ? count : 1, sizeof *items);
    if (!columns || !items) {
        free(columns);
        free(items);
        return error_nomem(error, "columns", count * sizeof *items);
    }
    atomic_init(&columns->refs, 1);
    remembered_init(&columns->remembered);
    columns->row_count = row_count;
    columns->incomplete = (le_load_u32(bytes->directory + 8) & COLUMNS_INCOMPLETE) != 0;
    columns->count = count;
    columns->items = items;
    columns->paths = (char *)(columns + 1);
    columns->guard = bytes->guard;
    lode_status status = read_directory(columns, bytes, error);
    if (!status && count > FIELDS_MAX &&
        !columns_find(columns, COLUMN_NAMESPACE, sizeof COLUMN_NAMESPACE - 1))
        status = corrupt("there are too many fields", error);
    if (status)
        columns_unref(columns);
    else
        *ret_columns = columns;
    return status;
}

struct columns *columns_ref(struct columns *columns)
{
    if (columns)
        atomic_fetch_add_explicit(&columns->refs, 1, memory_order_relaxed);
    return columns;
}

void columns_unref(struct columns *columns)
{
    /* Acquire, so that all uses are over when it is freed; release, for whoever frees. */
    if (!columns || atomic_fetch_sub_explicit(&columns->refs, 1, memory_order_acq_rel) != 1)
        return;
    remembered_release(&columns->remembered);
    budget_give(BUDGET_SCRATCH, columns->held);
    free(columns->memory);
    free(columns->items);
    free(columns);
}

size_t columns_memory(struct columns *columns)
{
    return sizeof *columns + columns->count * sizeof *columns->items + columns->held +
           remembered_memory(&columns->remembered);
}

const struct column *columns_find(const struct columns *columns, const char *path, size_t size)
{
    struct field wanted = {.path = path, .path_size = size};
    size_t begin = 0, end = columns->count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        const struct column *column = &columns->items[middle];
        if (column->field.path_size == size && memcmp(column->field.path, path, size) == 0)
            return column;
        if (in_order(&column->field, &wanted))
            begin = middle + 1;
        else
            end = middle;
    }
    return NULL;
}

static int is_number(enum field_type type)
{
    return type == FIELD_INTEGER || type == FIELD_FLOAT;
}

int column_answers(const struct column *column, enum field_type type)
{
    enum field_type own = column->field.type;
    if (column->is_given_up)
        return 0;
    if (column->kind == COLUMN_NONE)
        return own == FIELD_UNKNOWN || own == type || is_number(own);
    return own == type || (is_number(own) && is_number(type));
}
