/* test_fields.c: declaring, learning, clashing, dropping; paths; values; and that a refusal changes nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "filter/fields.h"
#include "filter/geo.h"

static struct fields *fields_made(void)
{
    struct fields *fields = NULL;
    assert_int_equal(fields_new(&fields, NULL), LODE_OK);
    return fields;
}

static lode_status declare(struct fields *fields, const char *path, enum field_type type,
                           lode_error *error)
{
    return fields_declare(fields, path, strlen(path), type, error);
}

static lode_status learn(struct fields *fields, const char *document, lode_error *error)
{
    return fields_learn(fields, document, strlen(document), "'film'", error);
}

static void expect(const struct fields *fields, const char *path, enum field_type type, int many)
{
    const struct field *field = fields_find(fields, path, strlen(path));
    if (!field)
        fail_msg("no field %s", path);
    if (field->type != type || field->many != many)
        fail_msg("%s is %s, many %d", path, field_type_name(field->type), field->many);
}

static void what_is_learnt(void **state)
{
    (void)state;
    struct fields *fields = fields_made();
    assert_int_equal(
        learn(fields,
              "{\"a\":\"x\",\"b\":1,\"c\":1.0,\"d\":false,\"e\":null,\"f\":[],\"g\":[1,"
              "[2]],\"h\":{\"i\":\"x\",\"j.k\":{\"l\":1e2}},\"m\":[{\"n\":1},{\"o\":2}],"
              "\"p\":[null,true],\"q\":9223372036854775808,\"\":1}",
              NULL),
        LODE_OK);
    expect(fields, "a", FIELD_KEYWORD, 0);
    expect(fields, "b", FIELD_INTEGER, 0);
    expect(fields, "c", FIELD_FLOAT, 0);
    expect(fields, "d", FIELD_BOOLEAN, 0);
    expect(fields, "e", FIELD_UNKNOWN, 0);
    expect(fields, "f", FIELD_UNKNOWN, 1);
    expect(fields, "g", FIELD_INTEGER, 1);
    expect(fields, "h", FIELD_OBJECT, 0);
    expect(fields, "h.i", FIELD_KEYWORD, 0);
    expect(fields, "h.`j.k`.l", FIELD_FLOAT, 0);
    expect(fields, "m", FIELD_OBJECT, 1);
    expect(fields, "m.n", FIELD_INTEGER, 1);
    expect(fields, "m.o", FIELD_INTEGER, 1);
    expect(fields, "p", FIELD_BOOLEAN, 1);
    expect(fields, "q", FIELD_FLOAT, 0);
    expect(fields, "``", FIELD_INTEGER, 0);
    assert_int_equal(fields_count(fields), 17);
    /* Later documents fill in and widen. */
    assert_int_equal(learn(fields, "{\"e\":1,\"f\":[\"x\"],\"b\":[2.5],\"c\":3,\"a\":null}", NULL),
                     LODE_OK);
    expect(fields, "e", FIELD_INTEGER, 0);
    expect(fields, "f", FIELD_KEYWORD, 1);
    expect(fields, "b", FIELD_FLOAT, 1);
    expect(fields, "c", FIELD_FLOAT, 0);
    expect(fields, "a", FIELD_KEYWORD, 0);
    assert_int_equal(learn(fields, "{\"b\":7}", NULL), LODE_OK);
    expect(fields, "b", FIELD_FLOAT, 1);
    fields_free(fields);
}

static void what_clashes(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"{\"n\":1,\"year\":\"1990\"}",
         "point 'film': field 'year' is integer, found keyword \"1990\""},
        {"{\"n\":1,\"year\":true}", "field 'year' is integer, found boolean true"},
        {"{\"n\":1,\"year\":{}}", "field 'year' is integer, found object {}"},
        {"{\"n\":1,\"genre\":5}", "field 'genre' is keyword, found integer 5"},
        {"{\"n\":1,\"genre\":[\"a\",5.5]}", "field 'genre' is keyword, found float 5.5"},
        {"{\"n\":1,\"studio\":\"x\"}", "field 'studio' is object, found keyword \"x\""},
        {"{\"n\":1,\"studio\":{\"name\":1}}", "field 'studio.name' is keyword, found integer 1"},
        {"{\"n\":1,\"released\":\"soon\"}",
         "field 'released' is datetime, found keyword \"soon\", which is none"},
        {"{\"n\":1,\"released\":5}", "field 'released' is datetime, found integer 5"},
        {"{\"n\":1,\"place\":[1,91]}", "field 'place' is geo, found integer 1"},
        {"{\"n\":1,\"place\":{\"lat\":1}}", "field 'place' is geo, found object {\"lat\":1}"},
        {"{\"n\":1,\"uid\":\"x\"}", "field 'uid' is uuid, found keyword \"x\", which is none"},
        {"{\"n\":1,\"rating\":1e999}", "field 'rating' is float, found float 1e999, which is none"},
        {"{\"n\":1,\"huge\":1e999}", "field 'huge' is float, found float 1e999, which is none"},
    };
    struct fields *fields = fields_made();
    assert_int_equal(declare(fields, "released", FIELD_DATETIME, NULL), LODE_OK);
    assert_int_equal(declare(fields, "place", FIELD_GEO, NULL), LODE_OK);
    assert_int_equal(declare(fields, "uid", FIELD_UUID, NULL), LODE_OK);
    assert_int_equal(
        learn(fields,
              "{\"year\":1990,\"genre\":\"x\",\"studio\":{\"name\":\"x\"},\"rating\":1.5,"
              "\"released\":[\"2000-01-01T00:00:00Z\"],\"place\":[[1,2],{\"lat\":1,"
              "\"lon\":2}],\"uid\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"}",
              NULL),
        LODE_OK);
    expect(fields, "place", FIELD_GEO, 1);
    assert_null(fields_find(fields, "place.lat", 9));
    size_t count = fields_count(fields);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        lode_error error = {0};
        assert_int_equal(learn(fields, rows[i][0], &error), LODE_SCHEMA);
        if (!strstr(error.message, rows[i][1]))
            fail_msg("%s: %s", rows[i][0], error.message);
        assert_int_equal(fields_count(fields), count); /* "n" is not left behind */
        assert_null(fields_find(fields, "n", 1));
    }
    fields_free(fields);
}

/* A batch whose last document is refused teaches nothing. */
static void undoing(void **state)
{
    (void)state;
    struct fields *fields = fields_made();
    assert_int_equal(learn(fields, "{\"a\":1,\"b\":null}", NULL), LODE_OK);
    fields_begin(fields);
    assert_int_equal(learn(fields, "{\"a\":[1.5],\"b\":\"x\",\"c\":true}", NULL), LODE_OK);
    assert_int_equal(learn(fields, "{\"d\":1,\"a\":2.5}", NULL), LODE_OK);
    assert_int_equal(learn(fields, "{\"e\":1,\"c\":\"x\"}", NULL), LODE_SCHEMA);
    expect(fields, "a", FIELD_FLOAT, 1);
    assert_int_equal(fields_count(fields), 4);
    fields_undo(fields);
    expect(fields, "a", FIELD_INTEGER, 0);
    expect(fields, "b", FIELD_UNKNOWN, 0);
    assert_int_equal(fields_count(fields), 2);
    assert_null(fields_find(fields, "c", 1));
    /* Without undo it stays, and a copy is the same. */
    fields_begin(fields);
    assert_int_equal(learn(fields, "{\"c\":1}", NULL), LODE_OK);
    struct fields *copy = NULL;
    assert_int_equal(fields_copy(fields, &copy, NULL), LODE_OK);
    expect(copy, "c", FIELD_INTEGER, 0);
    assert_int_equal(fields_count(copy), 3);
    fields_free(copy);
    fields_free(fields);
}

static void declaring(void **state)
{
    (void)state;
    struct fields *fields = fields_made();
    lode_error error = {0};
    assert_int_equal(learn(fields,
                           "{\"day\":\"2000-01-01T00:00:00Z\",\"n\":1,\"o\":{\"lat\":1,\"lon\":2}}",
                           NULL),
                     LODE_OK);
    assert_int_equal(declare(fields, "day", FIELD_DATETIME, NULL), LODE_OK);
    assert_int_equal(declare(fields, "day", FIELD_DATETIME, NULL), LODE_OK);
    assert_int_equal(declare(fields, "day", FIELD_KEYWORD, &error), LODE_EXISTS);
    assert_non_null(
        strstr(error.message, "field 'day' is datetime already: it cannot be declared as keyword"));
    assert_int_equal(declare(fields, "n", FIELD_KEYWORD, &error), LODE_CONFLICT);
    assert_int_equal(declare(fields, "n", FIELD_FLOAT, NULL), LODE_OK);
    assert_int_equal(declare(fields, "o", FIELD_GEO, NULL), LODE_OK);
    assert_int_equal(declare(fields, "new", FIELD_TEXT, NULL), LODE_OK);
    assert_int_equal(declare(fields, "x", FIELD_OBJECT, NULL), LODE_INVALID);
    assert_int_equal(declare(fields, "x", FIELD_UNKNOWN, NULL), LODE_INVALID);
    assert_int_equal(declare(fields, "x.", FIELD_TEXT, NULL), LODE_INVALID);
    assert_int_equal(declare(fields, "`x", FIELD_TEXT, NULL), LODE_INVALID);
    expect(fields, "day", FIELD_DATETIME, 0);
    expect(fields, "n", FIELD_FLOAT, 0);
    expect(fields, "new", FIELD_TEXT, 0);
    assert_int_equal(field_type_named("geo", 3), FIELD_GEO);
    assert_int_equal(field_type_named("object", 6), FIELD_UNKNOWN);
    assert_int_equal(field_type_named("", 0), FIELD_UNKNOWN);
    fields_free(fields);
}

static void dropping_and_indexing(void **state)
{
    (void)state;
    struct fields *fields = fields_made();
    assert_int_equal(learn(fields, "{\"a\":{\"b\":1,\"c\":{\"d\":2}},\"ab\":1,\"x\":1}", NULL),
                     LODE_OK);
    assert_int_equal(fields_set_indexed(fields, "ab", 2, 0, NULL), LODE_OK);
    assert_int_equal(fields_find(fields, "ab", 2)->indexed, 0);
    assert_int_equal(fields_set_indexed(fields, "a", 1, 0, NULL), LODE_INVALID);
    assert_int_equal(fields_set_indexed(fields, "zz", 2, 0, NULL), LODE_NOT_FOUND);
    assert_int_equal(fields_drop(fields, "zz", 2, NULL), LODE_NOT_FOUND);
    assert_int_equal(fields_drop(fields, "a", 1, NULL), LODE_OK);
    assert_int_equal(fields_count(fields), 2);
    assert_null(fields_find(fields, "a.c.d", 5));
    expect(fields, "ab", FIELD_INTEGER, 0);
    /* What arrives is learnt anew, as another type if need be. */
    assert_int_equal(learn(fields, "{\"a\":\"x\"}", NULL), LODE_OK);
    expect(fields, "a", FIELD_KEYWORD, 0);
    fields_free(fields);
}

static void too_many_fields(void **state)
{
    (void)state;
    struct fields *fields = fields_made();
    lode_error error = {0};
    for (int i = 0; i < FIELDS_MAX; i++) {
        char document[32];
        snprintf(document, sizeof document, "{\"field%d\":1}", i);
        assert_int_equal(learn(fields, document, NULL), LODE_OK);
    }
    assert_int_equal(learn(fields, "{\"one more\":1}", &error), LODE_LIMIT);
    assert_non_null(strstr(error.message, "'one more'"));
    assert_int_equal(learn(fields, "{\"field7\":8}", NULL), LODE_OK);
    expect(fields, "field4095", FIELD_INTEGER, 0);
    char document[1200] = "{\"";
    memset(document + 2, 'k', 1100);
    strcpy(document + 1102, "\":1}");
    assert_int_equal(learn(fields, document, &error), LODE_LIMIT);
    assert_non_null(strstr(error.message, "path of more than 1024 bytes"));
    fields_free(fields);
}

static void nearest(void **state)
{
    (void)state;
    struct fields *fields = fields_made();
    assert_int_equal(learn(fields, "{\"genre\":1,\"year\":1,\"studio\":{\"name\":1}}", NULL),
                     LODE_OK);
    assert_string_equal(fields_nearest(fields, "gener", 5)->path, "genre");
    assert_string_equal(fields_nearest(fields, "studio.nam", 10)->path, "studio.name");
    assert_string_equal(fields_nearest(fields, "yeer", 4)->path, "year");
    assert_null(fields_nearest(fields, "popularity", 10));
    assert_null(fields_nearest(fields, "x", 1));
    fields_free(fields);
}

/* --- Values ------------------------------------------------------------------------------------- */

static int compare(const char *a, const char *b)
{
    struct value x, y;
    assert_true(value_parse_number(a, strlen(a), &x));
    assert_true(value_parse_number(b, strlen(b), &y));
    int order = value_compare(&x, &y), back = value_compare(&y, &x);
    assert_true((order > 0) == (back < 0) && (order < 0) == (back > 0));
    return (order > 0) - (order < 0);
}

static void numbers_are_exact(void **state)
{
    (void)state;
    assert_int_equal(compare("1", "1.0"), 0);
    assert_int_equal(compare("1", "1.5"), -1);
    assert_int_equal(compare("-1", "-1.5"), 1);
    assert_int_equal(compare("9007199254740993", "9007199254740992.0"), 1);
    assert_int_equal(compare("9007199254740993", "9007199254740994.0"), -1);
    assert_int_equal(compare("9223372036854775807", "9223372036854775808.0"), -1);
    assert_int_equal(compare("-9223372036854775808", "-9223372036854775808.0"), 0);
    assert_int_equal(compare("-9223372036854775808", "-9223372036854775809e1"), 1);
    assert_int_equal(compare("9223372036854775807", "1e300"), -1);
    assert_int_equal(compare("0", "-0.0"), 0);
    assert_int_equal(compare("0", "5e-324"), -1);
    assert_int_equal(compare("9223372036854775808", "9223372036854775807"), 1);
    struct value value;
    assert_false(value_parse_number("1e999", 5, &value));
    assert_false(value_parse_number("1x", 2, &value));
    assert_false(value_parse_number("", 0, &value));
}

static void points(void **state)
{
    (void)state;
    struct geo_point point;
    assert_true(geo_of_json("[2.35,48.85]", 12, &point));
    assert_true(point.lat == 48.85 && point.lon == 2.35);
    assert_true(geo_of_json("{\"lon\":2,\"lat\":1}", 17, &point));
    assert_true(point.lat == 1 && point.lon == 2);
    static const char *const none[] = {
        "[1]",         "[1,2,3]",      "[1,91]",    "[181,0]",
        "{\"lat\":1}", "\"1,2\"",      "[\"1\",2]", "{\"lat\":1,\"lon\":2,\"alt\":3}",
        "null",        "[[1,2],[3,4]]"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        assert_false(geo_of_json(none[i], strlen(none[i]), &point));
    const struct geo_point paris = {48.8566, 2.3522}, london = {51.5074, -0.1278};
    const struct geo_point north = {90, 0}, south = {-90, 77};
    assert_true(geo_distance_m(&paris, &london) > 343500 &&
                geo_distance_m(&paris, &london) < 343620);
    assert_true(geo_distance_m(&north, &south) > 3.14159 * 6371008 &&
                geo_distance_m(&north, &south) < 3.1416 * 6371009);
    assert_true(geo_distance_m(&paris, &paris) == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_learnt),
        cmocka_unit_test(what_clashes),
        cmocka_unit_test(undoing),
        cmocka_unit_test(declaring),
        cmocka_unit_test(dropping_and_indexing),
        cmocka_unit_test(too_many_fields),
        cmocka_unit_test(nearest),
        cmocka_unit_test(numbers_are_exact),
        cmocka_unit_test(points),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
