/* fuzz_columns.c: any bytes, opened as the columns of a segment: they are refused, or give answers within the rows,
 * whatever is asked. */
#include "fuzz/fuzz_storage.h"

#include "base/bitset.h"
#include "base/le.h"
#include "column/evaluate.h"
#include "filter/bind.h"
#include "filter/syntax.h"

enum { ROWS_MAX = 1 << 16, PLACES_MAX = 1000 };

static lode_status no_ids(void *context, const struct filter *filter, uint64_t *words,
                          lode_error *error)
{
    (void)context;
    (void)filter;
    (void)words;
    (void)error;
    return LODE_OK;
}

static void check_status(lode_status status)
{
    INVARIANT(status == LODE_OK || status == LODE_CORRUPT);
}

static void use_column(const struct columns *columns, const struct column *column, uint64_t *words)
{
    struct value value;
    uint32_t begin, end;
    struct value_range places;
    for (uint32_t place = 0; place < column->value_count && place < PLACES_MAX; place++) {
        if (column->kind == COLUMN_POINTS ||
            column_value(columns, column, place, &value, NULL) != LODE_OK)
            continue;
        if (value.kind == VALUE_STRING)
            touch(value.text, value.size);
        check_status(column_bound(columns, column, &value, 1, &begin, NULL));
        check_status(column_count(columns, column, place, place + 1, &end, NULL));
        check_status(
            column_rows(columns, column, (struct value_range){place, place + 3}, words, NULL));
        const uint8_t *rows = NULL;
        check_status(column_list(columns, column, place, &rows, &end, NULL));
        if (rows)
            touch(rows, (size_t)end * 4);
    }
    if (column->kind == COLUMN_BYTES && column->field.type != FIELD_UUID)
        check_status(column_prefix(columns, column, "a", 1, &places, NULL));
    for (uint32_t row = 0; column->ord_width > 0 && row < columns->row_count; row += 100)
        check_status(column_place(columns, column, row, &begin, NULL));
    if (column->ord_width > 0)
        check_status(column_probe(columns, column, (struct value_range){0, 2}, words, NULL));
}

static const char *const filters[] = {
    "genre = \"drama\" AND year >= 1998 AND NOT tags IN (\"cult\")",
    "AT LEAST 2 OF (seen = true, rating > 2, title MATCH \"night\")",
    "place WITHIN BOX (LAT -50 TO 50, LON -60 TO 60) OR cast NESTED (name = \"Ann\" AND age > 1)",
    "genre GLOB \"*a*\" OR released > \"2000-01-01\" OR scores HAS ALL (1, 2) OR note IS NULL",
};

static void evaluate(const struct columns *columns, const struct fields *fields, const char *text,
                     uint64_t *words)
{
    struct arena arena;
    const struct filter *filter;
    struct matcher *matcher;
    size_t count = bitset_words(columns->row_count);
    arena_init(&arena);
    INVARIANT(filter_parse_text(&arena, text, strlen(text), &filter, NULL) == LODE_OK);
    if (filter_bind(filter, fields, NULL, &arena, &filter, NULL) == LODE_OK) {
        INVARIANT(matcher_new(filter, &matcher, NULL) == LODE_OK);
        struct column_query query = {
            .columns = columns, .filter = filter, .matcher = matcher, .rows_of_ids = no_ids};
        check_status(columns_evaluate(&query, words, words + count, NULL));
        matcher_free(matcher);
    }
    arena_release(&arena);
}

static void use(const struct columns *columns)
{
    size_t count = bitset_words(columns->row_count);
    uint64_t *words = calloc(count * 2 + 1, sizeof *words);
    struct fields *fields;
    INVARIANT(words && fields_new(&fields, NULL) == LODE_OK);
    enum namespace_rows rows;
    check_status(columns_namespace(columns, "a", 1, words, &rows, NULL));
    check_status(columns_namespace(columns, NULL, 0, words, &rows, NULL));
    for (uint32_t i = 0; i < columns->count; i++) {
        INVARIANT(column_is_of_namespaces(&columns->items[i]) ||
                  fields_merge(fields, &columns->items[i].field, NULL) == LODE_OK);
        use_column(columns, &columns->items[i], words);
    }
    check_status(columns_check(columns, NULL));
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++)
        evaluate(columns, fields, filters[i], words);
    fields_free(fields);
    free(words);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame frame = sections_new(data, size, 2);
    struct columns *columns;
    struct column_bytes bytes = {.data = frame.sections[0].data,
                                 .size = frame.sections[0].size,
                                 .directory = frame.sections[1].data,
                                 .directory_size = frame.sections[1].size};
    uint32_t rows = bytes.directory_size >= 4 ? le_load_u32(bytes.directory) : 0;
    if (rows <= ROWS_MAX && columns_open(&bytes, rows, &columns, NULL) == LODE_OK) {
        use(columns);
        columns_unref(columns);
    }
    sections_free(&frame);
    return 0;
}
