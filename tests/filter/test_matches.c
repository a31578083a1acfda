/* test_matches.c: what each operator means on values, arrays, null, and what is missing. Each line: a filter,
 * a document, whether it matches. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/filter_kit.h"

struct row {
    const char *filter;
    const char *document;
    int matches;
};

static void check(const struct row *rows, size_t count)
{
    struct fields *fields = kit_fields();
    lode_id id = lode_id_number(7);
    for (size_t i = 0; i < count; i++) {
        struct arena arena;
        const struct filter *normal = NULL;
        lode_error error = {0};
        arena_init(&arena);
        if (fields_learn(fields, rows[i].document, strlen(rows[i].document), "7", &error))
            fail_msg("%s: %s", rows[i].document, error.message);
        const struct filter *bound = kit_bind(&arena, fields, kit_parse(&arena, rows[i].filter));
        assert_int_equal(filter_normalise(bound, &arena, &normal, NULL), LODE_OK);
        int got = kit_matches(bound, rows[i].document, strlen(rows[i].document), &id);
        if (got != rows[i].matches)
            fail_msg("%s on %s: %d", rows[i].filter, rows[i].document, got);
        got = kit_matches(normal, rows[i].document, strlen(rows[i].document), &id);
        if (got != rows[i].matches)
            fail_msg("normalised, %s on %s: %d", rows[i].filter, rows[i].document, got);
        arena_release(&arena);
    }
    fields_free(fields);
}

#define CHECK(rows) check(rows, sizeof(rows) / sizeof *(rows))

static void equality(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"genre = \"drama\"", "{\"genre\":\"drama\"}", 1},
        {"genre = \"drama\"", "{\"genre\":\"Drama\"}", 0},
        {"genre = \"drama\"", "{\"genre\":null}", 0},
        {"genre = \"drama\"", "{}", 0},
        {"genre = \"drama\"", "{\"genre\":[]}", 0},
        {"genre != \"drama\"", "{\"genre\":\"x\"}", 1},
        {"genre != \"drama\"", "{\"genre\":null}", 1},
        {"genre != \"drama\"", "{}", 1},
        {"tags = \"a\"", "{\"tags\":[\"b\",\"a\"]}", 1},
        {"tags != \"a\"", "{\"tags\":[\"b\",\"a\"]}", 0},
        {"tags != \"a\"", "{\"tags\":[\"b\"]}", 1},
        {"tags = \"a\"", "{\"tags\":[[\"b\"],[[\"a\"]]]}", 1},
        {"genre = \"\\u00e9\"", "{\"genre\":\"\xc3\xa9\"}", 1},
        {"genre = \"\xc3\xa9\"", "{\"genre\":\"\\u00e9\"}", 1},
        {"genre = \"\xc3\xa9\"", "{\"genre\":\"e\\u0301\"}",
         0}, /* bytes, not Unicode's equivalence */
        {"genre = \"a\\u0000b\"", "{\"genre\":\"a\\u0000b\"}", 1},
        {"genre = \"a\\u0000b\"", "{\"genre\":\"a\"}", 0},
        {"seen = true", "{\"seen\":true}", 1},
        {"seen = true", "{\"seen\":false}", 0},
        {"seen != true", "{}", 1},
        {"NOT tags IN (\"gore\")", "{}", 1},
        {"NOT tags IN (\"gore\")", "{\"tags\":[\"x\",\"gore\"]}", 0},
        {"tags IN ()", "{\"tags\":[\"x\"]}", 0},
        {"tags IN (\"x\", \"y\")", "{\"tags\":\"y\"}", 1},
        {"tags HAS ANY (\"x\", \"y\")", "{\"tags\":[\"y\"]}", 1},
        {"tags HAS ALL (\"x\", \"y\")", "{\"tags\":[\"y\"]}", 0},
        {"tags HAS ALL (\"x\", \"y\", \"x\")", "{\"tags\":[\"y\",\"z\",\"x\",\"x\"]}", 1},
        {"tags HAS ALL ()", "{}", 1},
        {"tags HAS ALL (\"x\")", "{\"tags\":\"x\"}", 1},
        {"uid = \"6BA7B810-9DAD-11D1-80B4-00C04FD430C8\"",
         "{\"uid\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"}", 1},
        {"uid != \"6BA7B810-9DAD-11D1-80B4-00C04FD430C8\"",
         "{\"uid\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c9\"}", 1},
    };
    CHECK(rows);
}

static void numbers(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"year >= 1990 AND year < 2000", "{\"year\":1990}", 1},
        {"year >= 1990 AND year < 2000", "{\"year\":2000}", 0},
        {"1990 <= year < 2000", "{\"year\":1999}", 1},
        {"2000 > year >= 1990", "{\"year\":1990}", 1},
        {"year BETWEEN 1990 AND 2000", "{\"year\":2000}", 1},
        {"year NOT BETWEEN 1990 AND 2000", "{}", 1},
        {"year > 1990 AND year >= 1990 AND year < 2000", "{\"year\":1990}", 0},
        {"year > 1990 AND year < 2000 AND year <= 2000", "{\"year\":2000}", 0},
        {"year >= 1990 AND year <= 1990", "{\"year\":1990}", 1},
        {"year >= 1990 AND year < 1990", "{\"year\":1990}", 0},
        {"year IN (1980, 1990, 2000) AND year > 1980 AND year < 2000", "{\"year\":1990}", 1},
        {"year IN (1980, 1990, 2000) AND year > 1980 AND year < 2000", "{\"year\":2000}", 0},
        {"year BETWEEN 2000 AND 1990", "{\"year\":1995}", 0},
        {"year > 1990.5", "{\"year\":1991}", 1},
        {"year > 1990.5", "{\"year\":1990}", 0},
        {"year = 1990.0", "{\"year\":1990}", 1},
        /* Integers beyond 2^53 are not rounded. */
        {"year = 9007199254740993", "{\"year\":9007199254740993}", 1},
        {"year = 9007199254740993", "{\"year\":9007199254740992}", 0},
        {"year = 9007199254740992.0", "{\"year\":9007199254740993}", 0},
        {"year > 9007199254740992.0", "{\"year\":9007199254740993}", 1},
        {"year < 1e300", "{\"year\":9223372036854775807}", 1},
        {"year < 9223372036854775808", "{\"year\":9223372036854775807}", 1},
        {"year >= -9223372036854775808", "{\"year\":-9223372036854775808}", 1},
        {"rating = 9007199254740993", "{\"rating\":9007199254740993}", 1},
        {"rating = 9007199254740993", "{\"rating\":9007199254740992.0}", 0},
        {"rating = 1", "{\"rating\":1.0}", 1},
        {"rating = 0", "{\"rating\":-0.0}", 1},
        {"rating >= 1.5", "{\"rating\":2}", 1},
        /* One element within both bounds, or one for each. */
        {"3 <= scores <= 4", "{\"scores\":[1,9]}", 0},
        {"scores >= 3 AND scores <= 4", "{\"scores\":[1,9]}", 1},
        {"{\"scores\":{\"gte\":3,\"lte\":4}}", "{\"scores\":[1,9]}", 0},
        {"scores IN (1, 2) AND scores IN (9)", "{\"scores\":[1,9]}", 1},
        {"scores > 3", "{\"scores\":[null,4]}", 1},
    };
    CHECK(rows);
}

static void presence(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"note EXISTS", "{\"note\":\"x\"}", 1},
        {"note EXISTS", "{\"note\":null}", 1},
        {"note EXISTS", "{\"note\":[]}", 1},
        {"note EXISTS", "{}", 0},
        {"note IS MISSING", "{}", 1},
        {"note IS NOT MISSING", "{}", 0},
        {"note IS NULL", "{\"note\":null}", 1},
        {"note IS NULL", "{}", 0},
        {"note IS NULL", "{\"note\":[]}", 0},
        {"note IS NULL", "{\"note\":[\"x\",null]}", 1},
        {"note IS NOT NULL", "{}", 1},
        {"note = null", "{\"note\":null}", 1},
        {"note != null", "{\"note\":null}", 0},
        {"studio EXISTS", "{\"studio\":{}}", 1},
        {"studio.name EXISTS", "{\"studio\":{}}", 0},
        {"studio.name EXISTS", "{\"studio\":null}", 0},
        {"cast.name EXISTS", "{\"cast\":[{},{\"name\":null}]}", 1},
        {"cast.name IS NULL", "{\"cast\":[{},{\"name\":null}]}", 1},
        {"nothing = 1", "{\"nothing\":null}", 0},
        {"nothing IS NULL", "{\"nothing\":null}", 1},
        {"NOT nothing > \"a\"", "{\"nothing\":null}", 1},
    };
    CHECK(rows);
}

static void texts(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"genre PREFIX \"dr\"", "{\"genre\":\"drama\"}", 1},
        {"genre PREFIX \"Dr\"", "{\"genre\":\"drama\"}", 0},
        {"genre PREFIX \"\"", "{\"genre\":\"\"}", 1},
        {"genre PREFIX \"\"", "{\"genre\":null}", 0},
        {"genre GLOB \"d*a\"", "{\"genre\":\"drama\"}", 1},
        {"genre GLOB \"d*\"", "{\"genre\":[\"x\",\"drama\"]}", 1},
        {"genre NOT GLOB \"d*\"", "{\"genre\":[\"x\",\"drama\"]}", 0},
        {"genre REGEX \"am\"", "{\"genre\":\"drama\"}", 1},
        {"genre REGEX \"^am\"", "{\"genre\":\"drama\"}", 0},
        {"genre REGEX \"(?i)DRAMA$\"", "{\"genre\":\"drama\"}", 1},
        {"title MATCH \"night the\"", "{\"title\":\"The Night of the Hunter\"}", 1},
        {"title MATCH \"nights\"", "{\"title\":\"The Night of the Hunter\"}", 0},
        {"title MATCH \"night day\"", "{\"title\":\"The Night of the Hunter\"}", 0},
        {"title MATCH \"\xc3\x84RGER\"", "{\"title\":\"\xc3\xa4rger\"}", 1},
        {"title MATCH \"cafe\xcc\x81\"", "{\"title\":\"Caf\xc3\xa9 Society\"}", 1},
        {"title MATCH PHRASE \"night OF\"", "{\"title\":\"The Night of the Hunter\"}", 1},
        {"title MATCH PHRASE \"night the\"", "{\"title\":\"The Night of the Hunter\"}", 0},
        {"title MATCH PHRASE \"the hunter\"", "{\"title\":\"the the hunter\"}", 1},
        {"title MATCH \"a b\"", "{\"title\":[\"a\",\"b\"]}", 0}, /* within one element */
        {"title = \"x\"", "{\"title\":\"x\"}", 1},
        {"genre >= \"a\" AND genre < \"b\"", "{\"genre\":\"abc\"}", 1},
    };
    CHECK(rows);
}

static void moments(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"released = \"2000-01-01T00:00:00Z\"", "{\"released\":\"2000-01-01T01:30:00+01:30\"}", 1},
        {"released >= \"2000-01-01\"", "{\"released\":\"2000-01-01T00:00:00Z\"}", 1},
        {"released > \"2000-01-01\"", "{\"released\":\"2000-01-01T00:00:00Z\"}", 0},
        {"released > \"2000-01-01\"", "{\"released\":\"2000-01-01T00:00:00.000001Z\"}", 1},
        {"released < \"1970-01-01\"", "{\"released\":\"1969-12-31T23:59:59.999999Z\"}", 1},
        {"\"1999-01-01\" <= released < \"2000-01-01\"", "{\"released\":\"1999-12-31T23:59:60Z\"}",
         0}, /* the leap second is the next minute */
    };
    CHECK(rows);
}

static void places(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"place WITHIN 400 km OF (LAT 48.8566, LON 2.3522)",
         "{\"place\":{\"lat\":51.5074,\"lon\":-0.1278}}", 1}, /* Paris, London: 343.6 km */
        {"place WITHIN 343 km OF (LAT 48.8566, LON 2.3522)",
         "{\"place\":{\"lat\":51.5074,\"lon\":-0.1278}}", 0},
        {"place WITHIN 344 km OF (LAT 48.8566, LON 2.3522)", "{\"place\":[-0.1278,51.5074]}", 1},
        {"place WITHIN 214 mi OF (LAT 48.8566, LON 2.3522)", "{\"place\":[-0.1278,51.5074]}", 1},
        {"place WITHIN 0 m OF (LAT 1, LON 180)", "{\"place\":[-180,1]}", 0}, /* nearly 0 */
        {"place WITHIN 1 m OF (LAT 1, LON 180)", "{\"place\":[-180,1]}", 1},
        {"place WITHIN 300 km OF (LAT 0, LON 179)", "{\"place\":[-179,0]}", 1},
        {"place WITHIN BOX (LAT 40 TO 50, LON 170 TO -170)", "{\"place\":[-175,45]}", 1},
        {"place WITHIN BOX (LAT 40 TO 50, LON 170 TO -170)", "{\"place\":[0,45]}", 0},
        {"place WITHIN BOX (LAT 40 TO 50, LON 170 TO 180)", "{\"place\":[-180,45]}", 1},
        {"place WITHIN BOX (LAT 40 TO 50, LON -10 TO 10)", "{\"place\":[[99,45],[10,50]]}", 1},
        {"place WITHIN POLYGON ((0 0, 10 0, 10 10, 0 10))", "{\"place\":[5,5]}", 1},
        {"place WITHIN POLYGON ((0 0, 10 0, 10 10, 0 10))", "{\"place\":[10,5]}", 1},
        {"place WITHIN POLYGON ((0 0, 10 0, 10 10, 0 10))", "{\"place\":[10.001,5]}", 0},
        {"place WITHIN POLYGON ((0 0, 10 0, 10 10, 0 10), (4 4, 6 4, 6 6, 4 6))",
         "{\"place\":[5,5]}", 0},
        {"place WITHIN POLYGON ((0 0, 10 0, 10 10, 0 10), (4 4, 6 4, 6 6, 4 6))",
         "{\"place\":[4,5]}", 1},
        {"place WITHIN POLYGON ((170 -10, -170 -10, -170 10, 170 10, 170 -10))",
         "{\"place\":[-175,0]}", 1},
        {"place WITHIN POLYGON ((170 -10, -170 -10, -170 10, 170 10))", "{\"place\":[175,0]}", 1},
        {"place WITHIN POLYGON ((170 -10, -170 -10, -170 10, 170 10))", "{\"place\":[0,0]}", 0},
        {"place NOT WITHIN POLYGON ((170 -10, -170 -10, -170 10, 170 10))", "{}", 1},
    };
    CHECK(rows);
}

static void groups(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"TRUE", "{}", 1},
        {"FALSE", "{}", 0},
        {"{}", "{}", 1},
        {"{\"or\":[]}", "{}", 0},
        {"seen = true AND (year = 1 OR year = 2)", "{\"seen\":true,\"year\":2}", 1},
        {"seen = true AND year = 1 OR year = 2", "{\"year\":2}", 1}, /* AND binds more */
        {"NOT seen = true AND year = 2", "{\"year\":2}", 1},         /* NOT binds most */
        {"NOT (seen = true OR year = 2)", "{\"year\":2}", 0},
        {"AT LEAST 2 OF (seen = true, year = 2, genre = \"x\")", "{\"seen\":true,\"year\":2}", 1},
        {"AT LEAST 2 OF (seen = true, year = 2, genre = \"x\")", "{\"year\":2}", 0},
        {"NOT AT LEAST 2 OF (seen = true, year = 2, genre = \"x\")", "{\"year\":2}", 1},
        {"@id = 7", "{}", 1},
        {"@id != 7", "{}", 0},
        {"@id = \"7\"", "{}", 0}, /* a string is another id */
        {"@id IN (\"a\", 7)", "{}", 1},
        {"@id NOT IN (8)", "{}", 1},
        {"{\"@id\":{\"in\":[7]}}", "{}", 1},
        {"cast NESTED (name = \"Ann\" AND role = \"lead\")",
         "{\"cast\":[{\"name\":\"Ann\",\"role\":\"extra\"},{\"name\":\"Bob\",\"role\":\"lead\"}]}",
         0},
        {"cast.name = \"Ann\" AND cast.role = \"lead\"",
         "{\"cast\":[{\"name\":\"Ann\",\"role\":\"extra\"},{\"name\":\"Bob\",\"role\":\"lead\"}]}",
         1},
        {"cast NESTED (name = \"Ann\" AND role = \"lead\")",
         "{\"cast\":[{},{\"name\":\"Ann\",\"role\":\"lead\"}]}", 1},
        {"cast NESTED (NOT name = \"Ann\")", "{\"cast\":[{\"name\":\"Ann\"}]}", 0},
        {"cast NESTED (NOT name = \"Ann\")", "{\"cast\":[{\"name\":\"Ann\"},{}]}", 1},
        {"cast NESTED (TRUE)", "{\"cast\":[]}", 0},
        {"cast NESTED (TRUE)", "{\"cast\":{}}", 1},
        {"NOT cast NESTED (name = \"Ann\")", "{}", 1},
        {"cast NESTED (age >= 3 AND age <= 4)", "{\"cast\":[{\"age\":2},{\"age\":9}]}", 0},
    };
    CHECK(rows);
}

/* What does not fit its field's type is as if it were not there, but for EXISTS. */
static void misfits_are_passed_over(void **state)
{
    (void)state;
    struct fields *fields = kit_fields();
    struct arena arena;
    lode_id id = lode_id_number(7);
    static const char document[] = "{\"year\":\"1990\",\"released\":\"soon\",\"place\":[1,2,3]}";
    static const struct row rows[] = {
        {"year = 1990", document, 0},     {"year != 1990", document, 1},
        {"year EXISTS", document, 1},     {"released > \"1970-01-01\"", document, 0},
        {"released EXISTS", document, 1}, {"place WITHIN 1e8 m OF (LAT 0, LON 0)", document, 0},
    };
    arena_init(&arena);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct filter *bound = kit_bind(&arena, fields, kit_parse(&arena, rows[i].filter));
        assert_int_equal(kit_matches(bound, document, strlen(document), &id), rows[i].matches);
    }
    arena_release(&arena);
    fields_free(fields);
}

/* 100,000 values, of which a document's is the last. */
static void long_lists(void **state)
{
    (void)state;
    struct fields *fields = kit_fields();
    struct arena arena;
    struct buf text;
    lode_id id = lode_id_number(299999);
    arena_init(&arena);
    buf_init(&text, 1u << 24);
    for (int ids = 0; ids < 2; ids++) {
        buf_clear(&text);
        assert_int_equal(buf_printf(&text, NULL, "%s IN (-1", ids ? "@id" : "year"), LODE_OK);
        if (ids) {
            buf_clear(&text);
            assert_int_equal(buf_printf(&text, NULL, "@id IN (\"a\""), LODE_OK);
        }
        for (int i = 0; i < 100000; i++)
            assert_int_equal(buf_printf(&text, NULL, ", %d", 3 * i + 2), LODE_OK);
        assert_int_equal(buf_append(&text, ")", 2, NULL), LODE_OK);
        const struct filter *bound =
            kit_bind(&arena, fields, kit_parse(&arena, (const char *)text.data));
        assert_int_equal(kit_matches(bound, "{\"year\":299999}", 15, &id), 1);
        assert_int_equal(
            kit_matches(bound, "{\"year\":299998}", 15, &(lode_id){.kind = LODE_ID_NUMBER}), 0);
    }
    buf_release(&text);
    arena_release(&arena);
    fields_free(fields);
}

/* An OR of many = becomes one list, at once. */
static void many_equals(void **state)
{
    (void)state;
    struct fields *fields = kit_fields();
    struct arena arena;
    struct buf text;
    const struct filter *normal = NULL;
    arena_init(&arena);
    buf_init(&text, 1u << 24);
    assert_int_equal(buf_printf(&text, NULL, "year = 0"), LODE_OK);
    for (int i = 1; i < 50000; i++)
        assert_int_equal(buf_printf(&text, NULL, " OR year = %d", i), LODE_OK);
    assert_int_equal(buf_append(&text, "", 1, NULL), LODE_OK);
    const struct filter *bound =
        kit_bind(&arena, fields, kit_parse(&arena, (const char *)text.data));
    assert_int_equal(filter_normalise(bound, &arena, &normal, NULL), LODE_OK);
    assert_int_equal(normal->kind, FILTER_IN);
    assert_int_equal(normal->list.count, 50000);
    buf_release(&text);
    arena_release(&arena);
    fields_free(fields);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equality),   cmocka_unit_test(numbers),
        cmocka_unit_test(presence),   cmocka_unit_test(texts),
        cmocka_unit_test(moments),    cmocka_unit_test(places),
        cmocka_unit_test(groups),     cmocka_unit_test(misfits_are_passed_over),
        cmocka_unit_test(long_lists), cmocka_unit_test(many_equals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
