/* The slow-query log, and the shapes of filters: no value of a user's ever gets into it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/random.h"
#include "server/filter_shape.h"
#include "server/slow.h"
#include "support/temp_dir.h"

static const char *shape(const char *filter, size_t size)
{
    static char text[2048];
    struct buf out;
    buf_init(&out, sizeof text - 1);
    assert_int_equal(filter_shape(filter, size, &out, NULL), LODE_OK);
    assert_true(out.size <= FILTER_SHAPE_SIZE_MAX + 3);
    if (out.size)
        memcpy(text, out.data, out.size);
    text[out.size] = '\0';
    buf_release(&out);
    return text;
}

static void shapes(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"genre = \"drama\" AND year >= 1990", "genre = ? AND year >= ?"},
        {"1990 <= year < 2000", "? <= year < ?"},
        {"tags IN (\"a\", 'b', 7) OR NOT open = true", "tags IN (? x3) OR NOT open = ?"},
        {"tags IN ()", "tags IN ()"},
        {"`odd name`.sub != -1.5e7", "`odd name`.sub != ?"},
        {"cast NESTED (name = \"Ann \\\" B\" AND role=\"lead\")",
         "cast NESTED (name = ? AND role = ?)"},
        {"place WITHIN 5 km OF (LAT 48.85, LON 2.35)", "place WITHIN ? km OF (LAT ?, LON ?)"},
        {"@id IN (7, STRING \"x\")", "@id IN (?, STRING ?)"},
        {"AT LEAST 2 OF (a = 1, b > 2)", "AT LEAST ? OF (a = ?, b > ?)"},
        {"name = 'never closed", "name = ?"},
        {"{\"genre\": \"drama\", \"year\": {\"gte\": 1990}}",
         "{\"genre\": ?, \"year\": {\"gte\": ?}}"},
        {" {\"tags\": {\"in\": [\"a\", \"b\", 3]}, \"open\": true}",
         "{\"tags\": {\"in\": [? x3]}, \"open\": ?}"},
        {"{\"or\": [{\"a\": 1}, {\"not\": {\"b\": null}}]}",
         "{\"or\": [{\"a\": ?}, {\"not\": {\"b\": ?}}]}"},
        {"{\"a\": \"secret", "{\"a\": "},
        {"", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(shape(cases[i][0], strlen(cases[i][0])), cases[i][1]);
}

static void long_shapes_are_cut(void **state)
{
    (void)state;
    char *filter = malloc(100001);
    size_t size = 0;
    while (size < 99000)
        size += (size_t)snprintf(filter + size, 100001 - size, "fieldé%zu = \"v\" OR ", size);
    const char *text = shape(filter, size);
    assert_true(strlen(text) > FILTER_SHAPE_SIZE_MAX - 40);
    assert_string_equal(text + strlen(text) - 3, "...");
    free(filter);
}

/* Whatever bytes come, nothing is read beyond them, and what stands in quotes does not come out. */
static void any_bytes(void **state)
{
    (void)state;
    static const char pieces[][12] = {"\"zq9\"", "'zq9'", "{", "}", "[", "]", "(",  ")",  ",",
                                      ":",       "=",     "a", " ", "7", "`", "\\", "\"", "'"};
    struct rng rng;
    rng_init(&rng, 3);
    for (int round = 0; round < 20000; round++) {
        char filter[256];
        size_t size = 0;
        memset(filter, 0, sizeof filter);
        int is_text = round % 2;
        for (int i = 0; i < 16; i++) {
            const char *piece = pieces[rng_below(&rng, is_text ? 18 : 14)];
            memcpy(filter + size, piece, strlen(piece));
            size += strlen(piece);
        }
        char *exact = malloc(size); /* so that a sanitizer sees what goes beyond */
        memcpy(exact, filter, size);
        const char *text = shape(exact, size);
        size_t blank = strspn(filter, " ");
        if (!is_text && filter[blank] != '{') /* quotes are in pairs, and none are keys of JSON */
            assert_null(strstr(text, "zq9"));
        free(exact);
    }
}

static void a_line(void **state)
{
    (void)state;
    char dir[PATH_SIZE_MAX], path[PATH_SIZE_MAX + 8];
    temp_dir_make(dir);
    snprintf(path, sizeof path, "%s/log", dir);
    struct config config = {0};
    struct log *log = NULL;
    config.log.file = path;
    char format[] = "json";
    config.log.format = format;
    assert_int_equal(log_open(&config, &log, NULL), LODE_OK);
    lode_explain_segment segments[20] = {0};
    for (unsigned i = 0; i < 20; i++)
        segments[i] = (lode_explain_segment){.number = i,
                                             .plan = LODE_PLAN_CONFINED,
                                             .first = LODE_PLAN_WALK,
                                             .reason = LODE_PLAN_LONG,
                                             .rows = 100,
                                             .us = i * 10};
    const char filter[] = "genre = \"zq9\"";
    lode_explanation explanation = {.segments = segments,
                                    .segment_count = 20,
                                    .filter = filter,
                                    .filter_us = 77,
                                    .is_searched = 1};
    lode_search_info info = {.distances = 123, .hops = 45};
    struct slow_query query = {.operation = "query",
                               .collection = "films",
                               .by = "vector",
                               .k = 10,
                               .ef_search = 64,
                               .filter = filter,
                               .filter_size = strlen(filter),
                               .took_us = 1500500,
                               .waited_us = 500,
                               .info = &info,
                               .explanation = &explanation};
    slow_query_log(log, &query);
    log_close(log);
    char text[16384] = "";
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    temp_dir_remove(dir);
    assert_true(size > 0 && text[size - 1] == '\n');
    assert_int_equal(json_validate(text, size - 1, JSON_OBJECT, NULL), LODE_OK);
    assert_null(strstr(text, "zq9"));
    assert_non_null(strstr(text, "\"level\":\"warning\",\"message\":\"slow query\","
                                 "\"took_ms\":1500.5,\"waited_ms\":0.5,\"operation\":\"query\","
                                 "\"collection\":\"films\",\"by\":\"vector\",\"k\":10,"
                                 "\"ef_search\":64,\"filter\":\"genre = ?\",\"distances\":123,"
                                 "\"hops\":45,"));
    assert_non_null(strstr(text, "\"plan\":{\"filter_us\":77,\"allowed_rows\":0,\"segments\":20,"
                                 "\"longest\":[{\"segment\":19,\"plan\":\"confined\","
                                 "\"first\":\"walk\",\"reason\":\"long\","));
    assert_non_null(strstr(text, "\"segment\":4,"));
    assert_null(strstr(text, "\"segment\":3,")); /* beyond the longest 16 */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes),
        cmocka_unit_test(long_shapes_are_cut),
        cmocka_unit_test(any_bytes),
        cmocka_unit_test(a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
