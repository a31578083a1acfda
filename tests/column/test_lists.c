/* test_lists.c: long lists of values asked of columns, against naive evaluation: few rows of each value and many, one
 * value a row and several, places of one byte and of more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "column/builder.h"
#include "column/evaluate.h"
#include "support/filter_kit.h"

enum { ROWS = 70001, FIELDS = 6 };

/* How many different values each field has: places of 1, 2 and 4 bytes; of texts; of doubles; two a row. */
static const char *const names[FIELDS] = {"few", "some", "all", "text", "share", "both"};
static const unsigned values[FIELDS] = {90, 3000, ROWS, 500, 200, 40};

struct table {
    struct fields *fields;
    struct columns *columns;
    struct buf bytes, directory;
    uint32_t (*drawn)[FIELDS]; /* of each row; UINT32_MAX: it lacks the field */
};

static lode_error error;

static void ok(lode_status status)
{
    if (status)
        fail_msg("%s: %s", lode_status_name(status), error.message);
}

static int print_value(char *out, size_t size, unsigned field, uint32_t value)
{
    switch (field) {
    case 3: return snprintf(out, size, "\"t%u\"", value * 7919 % 500);
    case 4: return snprintf(out, size, "%u.5", value);
    case 5: return snprintf(out, size, "[%u,%u]", value, (value + 13) % 40);
    default: return snprintf(out, size, "%u", value);
    }
}

static size_t print_row(const uint32_t drawn[FIELDS], char *out, size_t size)
{
    size_t at = 0;
    char separator = '{';
    for (unsigned field = 0; field < FIELDS; field++) {
        if (drawn[field] == UINT32_MAX)
            continue;
        at += (size_t)snprintf(out + at, size - at, "%c\"%s\":", separator, names[field]);
        at += (size_t)print_value(out + at, size - at, field, drawn[field]);
        separator = ',';
    }
    if (separator == '{')
        out[at++] = '{';
    out[at++] = '}';
    return at;
}

static void draw(struct table *table, struct rng *rng)
{
    table->drawn = malloc(ROWS * sizeof *table->drawn);
    assert_non_null(table->drawn);
    for (uint32_t row = 0; row < ROWS; row++)
        for (unsigned field = 0; field < FIELDS; field++)
            table->drawn[row][field] = rng_below(rng, 50) == 0 ? UINT32_MAX
                                       : values[field] == ROWS ? row
                                                               : rng_below(rng, values[field]);
}

static lode_status write_bytes(void *context, const void *data, size_t size, lode_error *ret_error)
{
    return buf_append(context, data, size, ret_error);
}

static void learn(struct table *table)
{
    char text[256];
    ok(fields_new(&table->fields, &error));
    for (uint32_t row = 0; row < ROWS; row++)
        ok(fields_learn(table->fields, text, print_row(table->drawn[row], text, sizeof text), "x",
                        &error));
}

static void build(struct table *table)
{
    char text[256];
    struct column_builder *builder;
    struct column_sink sink = {.write = write_bytes, .context = &table->bytes};
    buf_init(&table->bytes, 1u << 28);
    buf_init(&table->directory, 1u << 20);
    ok(column_builder_new(table->fields, 0, &builder, &error));
    for (uint32_t row = 0; row < ROWS; row++)
        ok(column_builder_add(builder, row, text, print_row(table->drawn[row], text, sizeof text),
                              &error));
    ok(column_builder_put(builder, ROWS, &sink, &error));
    ok(column_builder_directory(builder, ROWS, &table->directory, &error));
    column_builder_free(builder);
    struct column_bytes bytes = {.data = table->bytes.data,
                                 .size = table->bytes.size,
                                 .directory = table->directory.data,
                                 .directory_size = table->directory.size};
    ok(columns_open(&bytes, ROWS, &table->columns, &error));
}

static void release(struct table *table)
{
    columns_unref(table->columns);
    buf_release(&table->bytes);
    buf_release(&table->directory);
    fields_free(table->fields);
    free(table->drawn);
}

/* A list of about so many thousandths of the values of the field, and some that no row has; chosen: of each value. */
static void draw_list(struct rng *rng, unsigned field, unsigned share, struct buf *out,
                      uint8_t *chosen)
{
    char text[32];
    int more = 0;
    buf_clear(out);
    ok(buf_append(out, names[field], strlen(names[field]), &error));
    ok(buf_append(out, " IN (", 5, &error));
    for (uint32_t value = 0; value < values[field] + 5; value++) {
        chosen[value] = rng_below(rng, 1000) < share;
        if (!chosen[value] && value < values[field] + 4)
            continue;
        if (field == 5)
            snprintf(text, sizeof text, "%u", value);
        else if (field == 3 && value >= values[field])
            snprintf(text, sizeof text, "\"none\"");
        else
            print_value(text, sizeof text, field, value);
        if (more++)
            ok(buf_append(out, ", ", 2, &error));
        ok(buf_append(out, text, strlen(text), &error));
    }
    ok(buf_append(out, ")", 1, &error));
}

static int is_in(unsigned field, uint32_t drawn, const uint8_t *chosen)
{
    if (drawn == UINT32_MAX)
        return 0;
    return chosen[drawn] || (field == 5 && chosen[(drawn + 13) % 40]);
}

static void check(const struct table *table, const struct filter *filter, unsigned field,
                  const uint8_t *chosen)
{
    static uint64_t must[(ROWS + 63) / 64], may[(ROWS + 63) / 64];
    struct matcher *matcher;
    ok(matcher_new(filter, &matcher, &error));
    struct column_query query = {.columns = table->columns, .filter = filter, .matcher = matcher};
    ok(columns_evaluate(&query, must, may, &error));
    assert_memory_equal(must, may, sizeof must);
    for (uint32_t row = 0; row < ROWS; row++)
        if (bitset_test(must, row) != is_in(field, table->drawn[row][field], chosen))
            fail_msg("row %u, field %s, value %u", row, names[field], table->drawn[row][field]);
    for (uint32_t row = ROWS; row < (ROWS + 63) / 64 * 64; row++)
        assert_false(bitset_test(must, row));
    matcher_free(matcher);
}

/* A list that is bound ascends; one in any other order answers the same. */
static void turn_around(struct filter *filter)
{
    struct value *list = (struct value *)(void *)(uintptr_t)filter->list.values;
    for (size_t i = 0, j = filter->list.count; i + 1 < j; i++) {
        struct value value = list[i];
        list[i] = list[--j];
        list[j] = value;
    }
}

static void check_list(const struct table *table, struct rng *rng, unsigned field, unsigned share)
{
    static uint8_t chosen[ROWS + 5];
    struct arena arena;
    struct buf text;
    arena_init(&arena);
    buf_init(&text, FILTER_SIZE_MAX);
    draw_list(rng, field, share, &text, chosen);
    ok(buf_terminate(&text, &error));
    const struct filter *filter =
        kit_bind(&arena, table->fields, kit_parse(&arena, (const char *)text.data));
    if (filter->kind == FILTER_IN) {
        check(table, filter, field, chosen);
        turn_around((struct filter *)(void *)(uintptr_t)filter);
        check(table, filter, field, chosen);
    }
    buf_release(&text);
    arena_release(&arena);
}

static void lists_of_any_length(void **state)
{
    static const unsigned shares[] = {1, 20, 200, 600, 750, 950, 1000};
    struct table table;
    struct rng rng;
    (void)state;
    rng_init(&rng, 3);
    draw(&table, &rng);
    learn(&table);
    build(&table);
    for (unsigned field = 0; field < FIELDS; field++) {
        const struct column *column =
            columns_find(table.columns, names[field], strlen(names[field]));
        assert_non_null(column);
        assert_int_equal(column->ord_width, ((const uint8_t[]){1, 2, 4, 2, 1, 0})[field]);
        for (unsigned i = 0; i < sizeof shares / sizeof *shares; i++)
            check_list(&table, &rng, field, shares[i]);
    }
    release(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lists_of_any_length)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
