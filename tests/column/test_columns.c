/* test_columns.c: columns of random documents against naive evaluation: what is said to match does, what is said
 * not to does not, and where a column can be exact it is; columns that do not fit in memory at once; sets of rows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <roaring/roaring.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "column/builder.h"
#include "column/evaluate.h"
#include "column/set.h"
#include "support/filter_kit.h"

enum { ROWS = 700 };

struct films {
    struct fields *fields;
    struct buf text;
    size_t begin[ROWS + 1];
    struct buf bytes, directory;
    struct columns *columns;
};

static lode_error error;

static void ok(lode_status status)
{
    if (status)
        fail_msg("%s: %s", lode_status_name(status), error.message);
}

static const char *document_at(const struct films *films, unsigned row)
{
    return films->text.data ? (const char *)films->text.data + films->begin[row] : NULL;
}

static void add_document(struct films *films, unsigned row)
{
    const char *text = document_at(films, row);
    films->begin[row + 1] = films->text.size;
    ok(fields_learn(films->fields, text, films->text.size - films->begin[row], "x", &error));
}

static void draw(struct films *films, uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    films->fields = kit_fields();
    buf_init(&films->text, 1u << 24);
    films->begin[0] = 0;
    for (unsigned row = 0; row < ROWS; row++) {
        if (rng_below(&rng, 9))
            kit_document(&rng, &films->text);
        add_document(films, row);
    }
}

static lode_status write_bytes(void *context, const void *data, size_t size, lode_error *ret_error)
{
    return buf_append(context, data, size, ret_error);
}

/* Returns the number of passes. */
static unsigned build(struct films *films, uint64_t bytes_max)
{
    struct column_builder *builder;
    struct column_sink sink = {.write = write_bytes, .context = &films->bytes};
    unsigned passes = 0;
    buf_init(&films->bytes, 1u << 26);
    buf_init(&films->directory, 1u << 26);
    ok(column_builder_new(films->fields, bytes_max, &builder, &error));
    do {
        for (uint32_t row = 0; row < ROWS; row++)
            ok(column_builder_add(builder, row, document_at(films, row),
                                  films->begin[row + 1] - films->begin[row], &error));
        ok(column_builder_put(builder, ROWS, &sink, &error));
        passes++;
    } while (column_builder_again(builder));
    ok(column_builder_directory(builder, ROWS, &films->directory, &error));
    column_builder_free(builder);
    struct column_bytes bytes = {.data = films->bytes.data,
                                 .size = films->bytes.size,
                                 .directory = films->directory.data,
                                 .directory_size = films->directory.size};
    ok(columns_open(&bytes, ROWS, &films->columns, &error));
    ok(columns_check(films->columns, &error));
    return passes;
}

static void release(struct films *films)
{
    columns_unref(films->columns);
    buf_release(&films->bytes);
    buf_release(&films->directory);
    buf_release(&films->text);
    fields_free(films->fields);
}

/* --- Evaluation --------------------------------------------------------------------------------- */

static lode_status rows_of_ids(void *context, const struct filter *filter, uint64_t *words,
                               lode_error *ret_error)
{
    (void)context;
    (void)ret_error;
    for (unsigned row = 0; row < ROWS; row++) {
        char text[24];
        lode_id id = kit_point_id(row, text);
        for (size_t i = 0; i < filter->id.count; i++)
            if (lode_id_compare(&id, &filter->id.ids[i]) == 0)
                bitset_set(words, row);
    }
    return LODE_OK;
}

static int is_exact_kind(const struct filter *filter)
{
    switch (filter->kind) {
    case FILTER_AND:
    case FILTER_OR:
    case FILTER_NOT:
    case FILTER_AT_LEAST:
        for (uint32_t i = 0; i < filter->group.count; i++)
            if (!is_exact_kind(filter->group.items[i]))
                return 0;
        return 1;
    case FILTER_NESTED: return 0;
    default: return 1;
    }
}

static void print(const struct filter *filter, unsigned row, const char *what)
{
    struct buf out;
    buf_init(&out, 1u << 20);
    ok(filter_print_text(filter, &out, &error));
    fail_msg("row %u %s: %.*s", row, what, (int)out.size, (const char *)out.data);
}

/* Returns how many rows are left open. */
static unsigned check(const struct films *films, const struct filter *filter, int must_be_exact)
{
    uint64_t must[(ROWS + 63) / 64], may[(ROWS + 63) / 64];
    struct matcher *matcher;
    unsigned open = 0;
    ok(matcher_new(filter, &matcher, &error));
    struct column_query query = {.columns = films->columns,
                                 .filter = filter,
                                 .matcher = matcher,
                                 .rows_of_ids = rows_of_ids};
    ok(columns_evaluate(&query, must, may, &error));
    for (unsigned row = 0; row < ROWS; row++) {
        char text[24];
        lode_id id = kit_point_id(row, text);
        int matches;
        ok(matcher_matches(matcher, document_at(films, row),
                           films->begin[row + 1] - films->begin[row], &id, &matches, &error));
        if (bitset_test(must, row) && !matches)
            print(filter, row, "is said to match");
        if (!bitset_test(may, row) && matches)
            print(filter, row, "is said not to match");
        if (bitset_test(must, row) && !bitset_test(may, row))
            print(filter, row, "must but may not match");
        open += bitset_test(must, row) != bitset_test(may, row);
    }
    if (must_be_exact && open > 0 && is_exact_kind(filter))
        print(filter, 0, "is left open");
    for (unsigned row = ROWS; row < (ROWS + 63) / 64 * 64; row++)
        assert_false(bitset_test(may, row) || bitset_test(must, row));
    matcher_free(matcher);
    return open;
}

static void check_random(const struct films *films, uint64_t seed, unsigned count)
{
    struct rng rng;
    rng_init(&rng, seed);
    while (count-- > 0) {
        struct arena arena;
        const struct filter *normal;
        arena_init(&arena);
        const struct filter *bound =
            kit_bind(&arena, films->fields, kit_tree(&rng, &arena, 1 + rng_below(&rng, 5)));
        ok(filter_normalise(bound, &arena, &normal, &error));
        check(films, bound, 0);
        check(films, normal, 0);
        arena_release(&arena);
    }
}

static void random_filters_match_what_they_should(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct films films;
        draw(&films, seed);
        build(&films, 0);
        check_random(&films, seed, 300);
        release(&films);
    }
}

/* Where nothing is nested and no number is beyond a double's exactness, no document has to be read. */
static void plain_conditions_are_exact(void **state)
{
    static const char *const filters[] = {
        "genre = \"drama\"",
        "genre != \"drama\" AND year >= 1998",
        "1996 <= year < 2001",
        "tags HAS ALL (\"cult\", \"gore\")",
        "tags IN (\"cult\", \"short\") AND NOT seen = true",
        "genre PREFIX \"d\"",
        "genre GLOB \"*a*\"",
        "title REGEX \"(?i)^the\"",
        "title MATCH \"night\"",
        "title MATCH PHRASE \"the night\"",
        "genre IS NULL",
        "genre IS MISSING",
        "cast EXISTS",
        "cast.name = \"Ann\"",
        "studio.name IN (\"Ann\", \"Bob\")",
        "released >= \"2000-01-01\"",
        "uid = \"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"",
        "place WITHIN BOX (LAT -50 TO 50, LON -60 TO 60)",
        "place WITHIN 4000 km OF (LAT 10, LON 20)",
        "scores BETWEEN 2 AND 3",
        "AT LEAST 2 OF (seen = true, year > 1999, genre = \"drama\")",
        "note EXISTS OR nothing IS NULL",
        "TRUE",
        "FALSE",
        "tags HAS ALL ()",
        "genre IN ()"};
    struct films films;
    (void)state;
    draw(&films, 9);
    build(&films, 0);
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        struct arena arena;
        arena_init(&arena);
        const struct filter *bound = kit_bind(&arena, films.fields, kit_parse(&arena, filters[i]));
        assert_int_equal(check(&films, bound, 1), 0);
        arena_release(&arena);
    }
    release(&films);
}

static void columns_that_do_not_fit_take_more_passes(void **state)
{
    (void)state;
    struct films films, whole;
    draw(&films, 5);
    draw(&whole, 5);
    assert_int_equal(build(&whole, 0), 1);
    assert_true(build(&films, 60000) > 1);
    assert_int_equal(films.directory.size, whole.directory.size);
    check_random(&films, 5, 200);
    release(&films);
    release(&whole);
    draw(&films, 6); /* so little that columns are given up */
    build(&films, 3000);
    size_t given_up = 0;
    for (uint32_t i = 0; i < films.columns->count; i++)
        given_up += films.columns->items[i].is_given_up != 0;
    assert_true(given_up > 0);
    check_random(&films, 6, 200);
    release(&films);
}

/* --- What is special ---------------------------------------------------------------------------- */

static void what_a_column_cannot_hold_is_left_to_documents(void **state)
{
    (void)state;
    struct films films;
    char longer[3000];
    draw(&films, 3);
    films.text.size = films.begin[ROWS - 3];
    memset(longer, 'x', sizeof longer);
    static const char before[] = "{\"rating\":9007199254740993,\"genre\":\"";
    ok(buf_append(&films.text, before, sizeof before - 1, &error));
    ok(buf_append(&films.text, longer, sizeof longer, &error));
    ok(buf_append(&films.text, "\"}", 2, &error));
    for (unsigned row = ROWS - 3; row < ROWS; row++)
        add_document(&films, row);
    build(&films, 0);
    struct arena arena;
    arena_init(&arena);
    const struct filter *exact =
        kit_bind(&arena, films.fields, kit_parse(&arena, "rating = 9007199254740993"));
    assert_true(check(&films, exact, 0) > 0);
    const struct filter *text =
        kit_bind(&arena, films.fields, kit_parse(&arena, "genre GLOB \"xxxx*\""));
    assert_int_equal(check(&films, text, 0), 1);
    arena_release(&arena);
    release(&films);
}

/* Rows of all shapes: lone ones, runs, dense ones, in more than one container. */
static void sets_are_read_as_they_were_written(void **state)
{
    (void)state;
    enum { MOST = 200000 };
    struct rng rng;
    uint32_t *rows = malloc(MOST * sizeof *rows);
    uint64_t *words = malloc(bitset_words(MOST) * sizeof *words);
    rng_init(&rng, 1);
    for (unsigned shape = 0; shape < 60; shape++) {
        uint32_t count = 0, one_in = 1 + rng_below(&rng, shape % 4 == 0 ? 3 : 3000);
        struct buf out;
        buf_init(&out, 1u << 24);
        for (uint32_t row = 0; row < MOST; row++)
            if (rng_below(&rng, one_in) == 0 || (shape % 3 == 0 && row / 5000 % 3 == 1))
                rows[count++] = row;
        ok(set_append(&out, rows, count, &error));
        memset(words, 0, bitset_words(MOST) * sizeof *words);
        ok(set_read(out.data, out.size, MOST, words, &error));
        assert_int_equal(bitset_count(words, MOST), count);
        for (uint32_t i = 0; i < count; i++)
            assert_true(bitset_test(words, rows[i]));
        if (count > 0) /* a row beyond the last */
            assert_int_equal(set_read(out.data, out.size, rows[count - 1], words, &error),
                             LODE_CORRUPT);
        for (size_t cut = 0; cut < out.size; cut += 1 + out.size / 50)
            assert_int_equal(set_read(out.data, cut, MOST, words, &error), LODE_CORRUPT);
        buf_release(&out);
    }
    free(rows);
    free(words);
}

/* Whatever the bytes are, they are refused or give some answer. */
static void changed_bytes_do_no_harm(void **state)
{
    (void)state;
    struct films films;
    struct rng rng;
    draw(&films, 2);
    build(&films, 0);
    columns_unref(films.columns);
    films.columns = NULL;
    rng_init(&rng, 4);
    uint64_t must[(ROWS + 63) / 64], may[(ROWS + 63) / 64];
    struct arena arena;
    arena_init(&arena);
    for (unsigned i = 0; i < 3000; i++) {
        struct buf *changed = rng_below(&rng, 2) ? &films.bytes : &films.directory;
        size_t at = rng_below(&rng, (uint32_t)changed->size);
        uint8_t old = changed->data[at];
        changed->data[at] = (uint8_t)rng_below(&rng, 256);
        struct column_bytes bytes = {.data = films.bytes.data,
                                     .size = films.bytes.size,
                                     .directory = films.directory.data,
                                     .directory_size = films.directory.size};
        if (columns_open(&bytes, ROWS, &films.columns, &error) == LODE_OK) {
            struct matcher *matcher;
            const struct filter *filter = kit_bind(&arena, films.fields, kit_tree(&rng, &arena, 3));
            ok(matcher_new(filter, &matcher, &error));
            struct column_query query = {.columns = films.columns,
                                         .filter = filter,
                                         .matcher = matcher,
                                         .rows_of_ids = rows_of_ids};
            lode_status status = columns_evaluate(&query, must, may, &error);
            assert_true(status == LODE_OK || status == LODE_CORRUPT);
            status = columns_check(films.columns, &error);
            assert_true(status == LODE_OK || status == LODE_CORRUPT);
            matcher_free(matcher);
            columns_unref(films.columns);
            films.columns = NULL;
        }
        changed->data[at] = old;
    }
    arena_release(&arena);
    release(&films);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_filters_match_what_they_should),
        cmocka_unit_test(plain_conditions_are_exact),
        cmocka_unit_test(columns_that_do_not_fit_take_more_passes),
        cmocka_unit_test(what_a_column_cannot_hold_is_left_to_documents),
        cmocka_unit_test(sets_are_read_as_they_were_written),
        cmocka_unit_test(changed_bytes_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
