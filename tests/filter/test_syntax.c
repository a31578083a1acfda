/* test_syntax.c: both forms of a filter: what is read, how it is printed, and what faults are said to be. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/filter_kit.h"

/* --- What is read ------------------------------------------------------------------------------- */

static void check_print(const struct filter *filter, int json, const char *from, const char *wanted)
{
    struct buf out;
    buf_init(&out, 1u << 16);
    assert_int_equal(json ? filter_print_json(filter, &out, NULL)
                          : filter_print_text(filter, &out, NULL),
                     LODE_OK);
    assert_int_equal(buf_terminate(&out, NULL), LODE_OK);
    if (strcmp((const char *)out.data, wanted) != 0)
        fail_msg("%s is printed as\n%s, not\n%s", from, (const char *)out.data, wanted);
    buf_release(&out);
}

/* What is written in any form, as canonical text and as canonical JSON. */
static const char *const readings[][3] = {
    {"genre=\"drama\"", "genre = \"drama\"", "{\"genre\":\"drama\"}"},
    {"genre = 'it\\'s'", "genre = \"it's\"", "{\"genre\":\"it's\"}"},
    {"genre <> \"drama\"", "genre != \"drama\"", "{\"genre\":{\"ne\":\"drama\"}}"},
    {"\"drama\" = genre", "genre = \"drama\"", "{\"genre\":\"drama\"}"},
    {"a=1 and b=2 Or c=3", "(a = 1 AND b = 2) OR c = 3",
     "{\"or\":[{\"and\":[{\"a\":1},{\"b\":2}]},{\"c\":3}]}"},
    {"(a=1 and b=2) and c=3", "(a = 1 AND b = 2) AND c = 3",
     "{\"and\":[{\"and\":[{\"a\":1},{\"b\":2}]},{\"c\":3}]}"},
    {"((a=1))", "a = 1", "{\"a\":1}"},
    {"not not a=1", "NOT a != 1", "{\"not\":{\"a\":{\"ne\":1}}}"},
    {"NOT (a=1 OR b=2)", "NOT (a = 1 OR b = 2)", "{\"not\":{\"or\":[{\"a\":1},{\"b\":2}]}}"},
    {"a >= 1 AND a < 2.50", "a >= 1 AND a < 2.5",
     "{\"and\":[{\"a\":{\"gte\":1}},{\"a\":{\"lt\":2.5}}]}"},
    {"1 <= a < 2", "1 <= a < 2", "{\"a\":{\"gte\":1,\"lt\":2}}"},
    {"2 >= a > 1", "1 < a <= 2", "{\"a\":{\"gt\":1,\"lte\":2}}"},
    {"1 < a", "a > 1", "{\"a\":{\"gt\":1}}"},
    {"a BETWEEN 1 AND 2 AND b = 3", "1 <= a <= 2 AND b = 3",
     "{\"and\":[{\"a\":{\"gte\":1,\"lte\":2}},{\"b\":3}]}"},
    {"{\"a\":{\"between\":[1,2]}}", "1 <= a <= 2", "{\"a\":{\"gte\":1,\"lte\":2}}"},
    {"a IN (1)", "a = 1", "{\"a\":1}"},
    {"a IN ()", "a IN ()", "{\"a\":{\"in\":[]}}"},
    {"a NOT IN (1, 2.0, 1e3)", "NOT a IN (1, 2.0, 1000.0)",
     "{\"not\":{\"a\":{\"in\":[1,2.0,1000.0]}}}"},
    {"a has any (1,2)", "a IN (1, 2)", "{\"a\":{\"in\":[1,2]}}"},
    {"a HAS ALL (\"x\")", "a HAS ALL (\"x\")", "{\"a\":{\"all\":[\"x\"]}}"},
    {"{\"tags\":{\"any\":[\"a\",\"b\"]}}", "tags IN (\"a\", \"b\")",
     "{\"tags\":{\"in\":[\"a\",\"b\"]}}"},
    {"a EXISTS", "a EXISTS", "{\"a\":{\"exists\":true}}"},
    {"a IS MISSING", "NOT a EXISTS", "{\"a\":{\"exists\":false}}"},
    {"a = NULL", "a IS NULL", "{\"a\":{\"null\":true}}"},
    {"{\"a\":null}", "a IS NULL", "{\"a\":{\"null\":true}}"},
    {"{\"a\":{\"ne\":null}}", "a IS NOT NULL", "{\"a\":{\"null\":false}}"},
    {"a PREFIX \"x\"", "a PREFIX \"x\"", "{\"a\":{\"prefix\":\"x\"}}"},
    {"a not glob 'x*'", "NOT a GLOB \"x*\"", "{\"not\":{\"a\":{\"glob\":\"x*\"}}}"},
    {"a REGEX \"\\\\d+\"", "a REGEX \"\\\\d+\"", "{\"a\":{\"regex\":\"\\\\d+\"}}"},
    {"a MATCH \"x\" AND a MATCH PHRASE \"x y\"", "a MATCH \"x\" AND a MATCH PHRASE \"x y\"",
     "{\"and\":[{\"a\":{\"match\":\"x\"}},{\"a\":{\"phrase\":\"x y\"}}]}"},
    {"a WITHIN 5 km OF (LAT 48.85, LON 2)", "a WITHIN 5000.0 m OF (LAT 48.85, LON 2.0)",
     "{\"a\":{\"radius\":{\"center\":{\"lat\":48.85,\"lon\":2.0},\"meters\":5000.0}}}"},
    {"a WITHIN BOX (LAT 40 TO 50, LON 170 TO -170)",
     "a WITHIN BOX (LAT 40.0 TO 50.0, LON 170.0 TO -170.0)",
     "{\"a\":{\"box\":{\"top_left\":{\"lat\":50.0,\"lon\":170.0},"
     "\"bottom_right\":{\"lat\":40.0,\"lon\":-170.0}}}}"},
    {"a WITHIN POLYGON ((0 0, 4 0, 4 4, 0 0), (1 1, 2 1, 2 2))",
     "a WITHIN POLYGON ((0.0 0.0, 4.0 0.0, 4.0 4.0), (1.0 1.0, 2.0 1.0, 2.0 2.0))",
     "{\"a\":{\"polygon\":{\"outer\":[[0.0,0.0],[4.0,0.0],[4.0,4.0]],"
     "\"holes\":[[[1.0,1.0],[2.0,1.0],[2.0,2.0]]]}}}"},
    {"{\"a\":{\"polygon\":{\"holes\":[],\"outer\":[[0,0],{\"lat\":0,\"lon\":4},[4,4]]}}}",
     "a WITHIN POLYGON ((0.0 0.0, 4.0 0.0, 4.0 4.0))",
     "{\"a\":{\"polygon\":{\"outer\":[[0.0,0.0],[4.0,0.0],[4.0,4.0]]}}}"},
    {"c NESTED (a=1 AND b=2)", "c NESTED (a = 1 AND b = 2)",
     "{\"c\":{\"nested\":{\"and\":[{\"a\":1},{\"b\":2}]}}}"},
    {"AT LEAST 2 OF (a=1, b=2 OR c=3, TRUE)", "AT LEAST 2 OF (a = 1, b = 2 OR c = 3, TRUE)",
     "{\"at_least\":{\"n\":2,\"of\":[{\"a\":1},{\"or\":[{\"b\":2},{\"c\":3}]},{}]}}"},
    {"at = 1 AND in = 2 AND least IN (3)", "at = 1 AND in = 2 AND least = 3",
     "{\"and\":[{\"at\":1},{\"in\":2},{\"least\":3}]}"},
    {"@id = 18446744073709551615", "@id = 18446744073709551615",
     "{\"@id\":{\"eq\":18446744073709551615}}"},
    {"@id != \"a\"", "@id != \"a\"", "{\"@id\":{\"ne\":\"a\"}}"},
    {"{\"@id\":\"6BA7B810-9DAD-11D1-80B4-00C04FD430C8\"}",
     "@id = \"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"",
     "{\"@id\":{\"eq\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"}}"},
    {"@id IN (STRING \"6ba7b810-9dad-11d1-80b4-00c04fd430c8\", 1)",
     "@id IN (STRING \"6ba7b810-9dad-11d1-80b4-00c04fd430c8\", 1)",
     "{\"@id\":{\"in\":[{\"string\":\"6ba7b810-9dad-11d1-80b4-00c04fd430c8\"},1]}}"},
    {"studio.name = 1", "studio.name = 1", "{\"studio.name\":1}"},
    {"`studio.name`.`x``y` = 1", "`studio.name`.`x``y` = 1", "{\"`studio.name`.`x``y`\":1}"},
    {"`and` = 1", "`and` = 1", "{\"`and`\":1}"},
    {"`@id` = 1", "`@id` = 1", "{\"`@id`\":1}"},
    {"a.and = 1", "a.and = 1", "{\"a.and\":1}"},
    {"`` = 1", "`` = 1", "{\"``\":1}"},
    {"caf\xc3\xa9-bar = true", "caf\xc3\xa9-bar = true", "{\"caf\xc3\xa9-bar\":true}"},
    {"{\"and\":[]}", "TRUE", "{}"},
    {"{\"or\":[]}", "FALSE", "{\"or\":[]}"},
    {"{\"lang\":\"en\",\"year\":{\"gte\":1990,\"lt\":2000},\"tags\":{\"any\":[\"a\",\"b\"]}}",
     "lang = \"en\" AND 1990 <= year < 2000 AND tags IN (\"a\", \"b\")",
     "{\"and\":[{\"lang\":\"en\"},{\"year\":{\"gte\":1990,\"lt\":2000}},"
     "{\"tags\":{\"in\":[\"a\",\"b\"]}}]}"},
    {"{\"a\":{\"ne\":1,\"exists\":true,\"gt\":0}}", "a != 1 AND a EXISTS AND a > 0",
     "{\"and\":[{\"a\":{\"ne\":1}},{\"a\":{\"exists\":true}},{\"a\":{\"gt\":0}}]}"},
    {" a\t=\r\n-0.0 ", "a = -0.0", "{\"a\":-0.0}"},
    {"a = -9223372036854775808", "a = -9223372036854775808", "{\"a\":-9223372036854775808}"},
    {"a = \"\\u0001\\ud83d\\ude00\\/\"", "a = \"\\u0001\xf0\x9f\x98\x80/\"",
     "{\"a\":\"\\u0001\xf0\x9f\x98\x80/\"}"},
};

static void what_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof readings / sizeof *readings; i++) {
        struct arena arena;
        arena_init(&arena);
        for (int form = 0; form < 3; form++) { /* as written, then as printed */
            const struct filter *filter = kit_parse(&arena, readings[i][form]);
            check_print(filter, 0, readings[i][form], readings[i][1]);
            check_print(filter, 1, readings[i][form], readings[i][2]);
        }
        arena_release(&arena);
    }
}

/* --- Faults ------------------------------------------------------------------------------------- */

struct fault {
    const char *filter;
    const char *message; /* a part of it */
    lode_status status;
};

static lode_status read_filter(struct arena *arena, const char *text, size_t size,
                               lode_error *error)
{
    const struct filter *filter = NULL;
    return size && text[0] == '{' ? filter_parse_json(arena, text, size, &filter, error)
                                  : filter_parse_text(arena, text, size, &filter, error);
}

static void check_fault(const struct fault *fault)
{
    struct arena arena;
    lode_error error = {0};
    arena_init(&arena);
    lode_status status = read_filter(&arena, fault->filter, strlen(fault->filter), &error);
    if (status != (fault->status ? fault->status : LODE_INVALID) ||
        !strstr(error.message, fault->message))
        fail_msg("%s: status %d, %s", fault->filter, status, error.message);
    arena_release(&arena);
}

static const struct fault faults[] = {
    {"", "line 1, column 1 (byte 0): found the end, expected a field, '(', NOT or AT LEAST", 0},
    {"year", "found the end, expected =, !=, <", 0},
    {"year SINCE 1990", "column 6 (byte 5): found SINCE, expected =, !=, <", 0},
    {"year = ", "found the end, expected a string, a number, true or false", 0},
    {"year = drama", "found drama, expected a string", 0},
    {"year = 1 year = 2", "(byte 9): found year, expected AND, OR or the end", 0},
    {"a = 1 AND\n  b == 2", "line 2, column 6 (byte 15): found =, expected a string", 0},
    {"\xc3\xa9 = \xc3\xa9 AND", "column 5 (byte 5): found \xc3\xa9, expected", 0},
    {"(a = 1", "found the end, expected AND, OR or ')'", 0},
    {"a = 1)", "found ), expected AND, OR or the end", 0},
    {"a IN 1", "found 1, expected '('", 0},
    {"a IN (1, )", "found ), expected a string", 0},
    {"a IN (1 2)", "found 2, expected ',' or ')'", 0},
    {"a IN (null)", "found null, expected a value (null is asked for by IS NULL)", 0},
    {"a < null", "null has no order", 0},
    {"a > true", "byte 0): a range: true and false have no order", 0},
    {"1 > a > true", "a range: true and false have no order", 0},
    {"{\"a\":{\"gte\":false}}", "byte 2): a range: true and false", 0},
    {"a = \"x", "column 5 (byte 4): a string without its closing quote", 0},
    {"a = \"\\x\"", "(byte 5): invalid escape", 0},
    {"a = \"\\ud800\"", "invalid escape", 0},
    {"a = \"\x01\"", "control character", 0},
    {"a = \"\xff\"", "(byte 5): invalid UTF-8", 0},
    {"a = 01", "malformed number", 0},
    {"a = 1.", "malformed number", 0},
    {"a = 5km", "malformed number", 0},
    {"a = 1e999", "too large for a double", 0},
    {"`a = 1", "closing backtick", 0},
    {"a. = 1", "a field's name behind '.'", 0},
    {"a & b", "no token of the filter language begins here", 0},
    {"1 < a > 2", "a range has < or <= twice", 0},
    {"1 = a = 2", "a range has < or <= twice", 0},
    {"1 AND a", "found AND, expected =, !=", 0},
    {"AT LEAST 0 OF (a = 1)", "a number from 1 up", 0},
    {"AT LEAST 2 OF (a = 1)", "byte 0): at least 2 of 1 filters", 0},
    {"a HAS (1)", "expected ALL or ANY", 0},
    {"a IS 1", "expected NULL or MISSING", 0},
    {"a NOT = 1", "expected IN, BETWEEN, PREFIX", 0},
    {"@id > 1", "found >, expected =, != or IN", 0},
    {"@id NOT = 1", "found =, expected IN", 0},
    {"@id = 1.5", "an id: a whole number", 0},
    {"@id = -1", "an id: a whole number", 0},
    {"@id = \"\"", "a string of 0 bytes", 0},
    {"a MATCH \"!?\"", "there is no word in '!?'", 0},
    {"a GLOB \"[a\"", "glob: the set at its byte 0 has no end", 0},
    {"a REGEX \"(\"", "regex, at its byte 0: a group without its ')'", 0},
    {"a REGEX \"(a)\\\\1\"", "back references", 0},
    {"a REGEX \"a(?=b)\"", "only (?:...) is supported", 0},
    {"a WITHIN 5", "m, km or mi", 0},
    {"a WITHIN -5 m OF (LAT 0, LON 0)", "radius of -5 m", 0},
    {"a WITHIN 5 m OF (LAT 91, LON 0)", "latitude 91: it must be from -90 to 90", 0},
    {"a WITHIN BOX (LAT 50 TO 40, LON 0 TO 1)", "its south, 50, is above its north, 40", 0},
    {"a WITHIN POLYGON ((0 0, 1 1, 0 0))", "a ring of 2 points", 0},
    {"a WITHIN POLYGON ((0 80, 120 80, -120 80))", "goes around a pole", 0},
    {"a WITHIN POLYGON ((0 0, 180 0, 0 10))", "half around the earth", 0},
    {"{", "JSON, at byte 1: unexpected end", 0},
    {"{\"a\":[1]}", "byte 5): found [, expected a value or an object of tests", 0},
    {"{\"a\":{}}", "expected eq, ne, lt", 0},
    {"{\"a\":{\"gtt\":1}}", "byte 7): found gtt, expected eq, ne", 0},
    {"{\"a\":{\"gt\":1,\"gte\":2}}", "expected one of gt, gte and between", 0},
    {"{\"a\":{\"gt\":null}}", "found null, expected a value", 0},
    {"{\"a\":1,\"a\":2}", "duplicate key \"a\"", 0},
    {"{\"a\":{\"in\":1}}", "expected an array of values", 0},
    {"{\"a\":{\"in\":[null]}}", "found null", 0},
    {"{\"a\":{\"between\":[1]}}", "found ], expected a string, a number", 0},
    {"{\"a\":{\"between\":[1,2,3]}}", "between has two values", 0},
    {"{\"a\":{\"exists\":1}}", "expected true or false", 0},
    {"{\"a\":{\"regex\":1}}", "expected a string", 0},
    {"{\"a\":1e999}", "within the range of a double", 0},
    {"{\"and\":{}}", "expected an array of filters", 0},
    {"{\"and\":[1]}", "expected a filter, which is an object", 0},
    {"{\"not\":[]}", "expected a filter, which is an object", 0},
    {"{\"at_least\":{\"n\":1}}", "expected of, the filters to choose from", 0},
    {"{\"at_least\":{\"of\":[]}}", "expected n, how many", 0},
    {"{\"at_least\":{\"n\":3,\"of\":[{}]}}", "at least 3 of 1 filters", 0},
    {"{\"@foo\":1}", "expected @id, or a field", 0},
    {"{\"@id\":{\"gt\":1}}", "expected eq, ne or in", 0},
    {"{\"@id\":{\"in\":[true]}}", "found true, expected an id", 0},
    {"{\"a..b\":1}", "a name is missing at byte 2", 0},
    {"{\"\":1}", "a name is missing at byte 0", 0},
    {"{\"a\":{\"radius\":{\"meters\":1}}}", "both center and meters", 0},
    {"{\"a\":{\"radius\":{\"center\":[1],\"meters\":1}}}", "expected a point", 0},
    {"{\"a\":{\"box\":{\"top_left\":[0,91],\"bottom_right\":[0,0]}}}", "expected a point", 0},
    {"{\"a\":{\"polygon\":{\"holes\":[]}}}", "expected outer", 0},
    {"{\"a\":{\"nested\":1}}", "expected a filter, which is an object", 0},
};

static void what_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        check_fault(&faults[i]);
}

/* --- Limits ------------------------------------------------------------------------------------- */

static char *repeated(const char *text, size_t count, const char *middle, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    char *out = malloc(count * (size + end_size) + strlen(middle) + 1), *p = out;
    assert_non_null(out);
    for (size_t i = 0; i < count; i++, p += size)
        memcpy(p, text, size);
    memcpy(p, middle, strlen(middle));
    p += strlen(middle);
    for (size_t i = 0; i < count; i++, p += end_size)
        memcpy(p, end, end_size);
    *p = 0;
    return out;
}

static void check_limit(const char *text, size_t count, const char *middle, const char *end,
                        lode_status wanted)
{
    char *filter = repeated(text, count, middle, end);
    struct arena arena;
    lode_error error = {0};
    arena_init(&arena);
    lode_status status = read_filter(&arena, filter, strlen(filter), &error);
    if (status != wanted)
        fail_msg("%zu times %s: %d, %s", count, text, status, error.message);
    arena_release(&arena);
    free(filter);
}

static void deep_nesting(void **state)
{
    (void)state;
    check_limit("(", 99, "a = 1", ")", LODE_OK); /* parentheses alone make no level */
    check_limit("(", 1000, "a = 1", ")", LODE_LIMIT);
    check_limit("(", 1000000, "a = 1", ")", LODE_LIMIT);
    check_limit("NOT ", 19, "a = 1", "", LODE_OK);
    check_limit("NOT ", 20, "a = 1", "", LODE_LIMIT);
    check_limit("NOT ", 1000000, "a = 1", "", LODE_LIMIT);
    check_limit("a NESTED (", 1000, "a = 1", ")", LODE_LIMIT);
    check_limit("{\"not\":", 19, "{\"a\":1}", "}", LODE_OK);
    check_limit("{\"not\":", 20, "{\"a\":1}", "}", LODE_LIMIT);
    check_limit("{\"not\":", 1000, "{\"a\":1}", "}", LODE_INVALID); /* JSON nested too deeply */
    check_limit("{\"and\":[{},", 19, "{\"a\":1}", "]}", LODE_OK);
}

/* The deepest tree there is can be printed and read in both forms. */
static void the_deepest_tree(void **state)
{
    (void)state;
    char *text = repeated("AT LEAST 1 OF (", FILTER_DEPTH_MAX - 1,
                          "a WITHIN POLYGON ((0 0, 4 0, 4 4), (1 1, 2 1, 2 2))", ")");
    struct arena arena;
    struct buf out;
    arena_init(&arena);
    buf_init(&out, 1u << 16);
    const struct filter *filter = kit_parse(&arena, text);
    assert_int_equal(filter->depth, FILTER_DEPTH_MAX);
    assert_int_equal(filter_print_json(filter, &out, NULL), LODE_OK);
    assert_int_equal(buf_terminate(&out, NULL), LODE_OK);
    assert_int_equal(filter_compare(filter, kit_parse(&arena, (const char *)out.data)), 0);
    buf_release(&out);
    arena_release(&arena);
    free(text);
}

static void large_filters(void **state)
{
    (void)state;
    check_limit("", 0, "a IN (1", "", LODE_INVALID);
    check_limit("a = 1 OR ", 90000, "b = 2", "", LODE_OK);
    check_limit("a = 1 OR ", 110000, "b = 2", "", LODE_LIMIT);
    check_limit("a = 1 OR ", 1200000, "b = 2", "", LODE_LIMIT);  /* 10.8 MB */
    check_limit("          ", 1700000, "a = 1", "", LODE_LIMIT); /* 17 MB */
    check_limit("          ", 1000000, "a = 1", "", LODE_OK);
}

static void long_texts(void **state)
{
    (void)state;
    char *pattern = repeated("ab", 600, "", "");
    const char *const forms[] = {"a REGEX \"%s\"", "a GLOB \"%s\"", "a MATCH \"%s\"",
                                 "a PREFIX \"%s\""};
    const lode_status wanted[] = {LODE_LIMIT, LODE_LIMIT, LODE_LIMIT, LODE_OK};
    for (size_t i = 0; i < 4; i++) {
        char text[1400];
        struct arena arena;
        lode_error error = {0};
        arena_init(&arena);
        snprintf(text, sizeof text, forms[i], pattern);
        assert_int_equal(read_filter(&arena, text, strlen(text), &error), wanted[i]);
        arena_release(&arena);
    }
    free(pattern);
    check_limit("a REGEX \"", 1, "(((a{100}){100}){100})", "\"", LODE_LIMIT);
    check_limit("a REGEX \"", 1, "((({1000}", "\"", LODE_INVALID);
    check_limit("a REGEX \"", 1, "((((){1000}){1000}){1000}){1000}", "\"", LODE_LIMIT);
}

/* --- Binding ------------------------------------------------------------------------------------ */

static const struct fault clashes[] = {
    {"gnere = \"drama\"",
     "filter, line 1, column 1 (byte 0): there is no field 'gnere'; the nearest is 'genre'", 0},
    {"a = 1 OR zzzzzzzz = 1", "there is no field 'a'", 0},
    {"genre = \"x\" AND year = \"1990\"",
     "column 17 (byte 16): field 'year' is integer, the value is a string: \"1990\"", 0},
    {"genre = 5", "field 'genre' is keyword, the value is an integer", 0},
    {"seen = 1", "field 'seen' is boolean, the value is an integer", 0},
    {"seen > 1", "field 'seen' is boolean: it cannot be asked for a range", 0},
    {"released > \"soon\"",
     "field 'released' is datetime, the value is a string: \"soon\", which is none", 0},
    {"released > 5", "field 'released' is datetime, the value is an integer", 0},
    {"uid = \"x\"", "field 'uid' is uuid", 0},
    {"year PREFIX \"19\"", "field 'year' is integer: it cannot be asked for prefix", 0},
    {"year WITHIN 5 m OF (LAT 0, LON 0)", "cannot be asked for a circle (declare it as geo)", 0},
    {"cast = 1", "field 'cast' is object: it cannot be asked for in", 0},
    {"year NESTED (a = 1)", "field 'year' is integer: it cannot be asked for nested", 0},
    {"cast NESTED (nmae = \"x\")", "there is no field 'cast.nmae'; the nearest is 'cast.name'", 0},
    {"cast NESTED (year = 1)", "there is no field 'cast.year'", 0},
    {"{\"year\":{\"in\":[1,\"x\"]}}", "byte 2): field 'year' is integer, the value is a string", 0},
};

static void what_does_not_bind(void **state)
{
    (void)state;
    struct fields *fields = kit_fields();
    for (size_t i = 0; i < sizeof clashes / sizeof *clashes; i++) {
        struct arena arena;
        const struct filter *bound = NULL;
        lode_error error = {0};
        const struct filter_source source = {.text = clashes[i].filter,
                                             .size = strlen(clashes[i].filter)};
        arena_init(&arena);
        lode_status status = filter_bind(kit_parse(&arena, clashes[i].filter), fields, &source,
                                         &arena, &bound, &error);
        if (status != LODE_SCHEMA || !strstr(error.message, clashes[i].message))
            fail_msg("%s: status %d, %s", clashes[i].filter, status, error.message);
        arena_release(&arena);
    }
    fields_free(fields);
}

/* --- Building ----------------------------------------------------------------------------------- */

/* What C may ask for and neither form can say. */
static void what_is_not_built(void **state)
{
    (void)state;
    struct arena arena;
    lode_error error = {0};
    const struct filter *filter = NULL;
    const struct path *path = NULL;
    const struct value bad = value_string("\xff", 1);
    const struct filter_bounds none = {0}, bad_bound = {.low = &bad};
    char long_id[LODE_ID_SIZE_MAX + 2];
    memset(long_id, 'x', sizeof long_id);
    long_id[sizeof long_id - 1] = 0;
    const lode_id ids[] = {lode_id_text(""), lode_id_text("\xff"), lode_id_text(long_id)};
    const struct path_part nul = {"a\0b", 3};
    arena_init(&arena);
    const struct filter_maker maker = {&arena, FILTER_NO_OFFSET, &error};
    assert_int_equal(path_parse(&arena, "a", 1, &path, NULL), LODE_OK);
    assert_int_equal(filter_list(&maker, FILTER_IN, path, &bad, 1, &filter), LODE_INVALID);
    assert_int_equal(filter_range(&maker, path, &none, &filter), LODE_INVALID);
    assert_int_equal(filter_range(&maker, path, &bad_bound, &filter), LODE_INVALID);
    assert_int_equal(filter_pattern(&maker, FILTER_PREFIX, path, "\xff", 1, &filter), LODE_INVALID);
    assert_int_equal(filter_polygon(&maker, path, NULL, 0, &filter), LODE_INVALID);
    assert_int_equal(filter_at_least(&maker, 1, NULL, 0, &filter), LODE_INVALID);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(filter_id(&maker, &ids[i], 1, &filter), LODE_INVALID);
    assert_int_equal(path_make(&arena, &nul, 1, &path, NULL), LODE_INVALID);
    assert_int_equal(path_make(&arena, &nul, 0, &path, NULL), LODE_INVALID);
    assert_null(filter);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_read),       cmocka_unit_test(what_is_refused),
        cmocka_unit_test(deep_nesting),       cmocka_unit_test(the_deepest_tree),
        cmocka_unit_test(large_filters),      cmocka_unit_test(long_texts),
        cmocka_unit_test(what_does_not_bind), cmocka_unit_test(what_is_not_built),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
