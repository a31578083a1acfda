/* Points as they come in bodies and lines, and what is said of those that are none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "server/json_hits.h"
#include "server/json_points.h"
#include "server/json_values.h"

static lode_status read_one(struct json_points *points, const char *text, struct json_fault *fault)
{
    return json_point_read(points, text, strlen(text), fault);
}

struct fixture {
    struct arena arena;
    struct json_points points;
};

static void begin(struct fixture *fixture, enum json_points_mode mode, uint32_t dim)
{
    arena_init(&fixture->arena);
    json_points_init(&fixture->points, mode, dim, &fixture->arena);
}

static void end(struct fixture *fixture)
{
    json_points_release(&fixture->points);
    arena_release(&fixture->arena);
}

static void whole_points_are_read(void **state)
{
    (void)state;
    struct fixture fixture;
    struct json_fault fault = {0};
    begin(&fixture, JSON_POINTS_OF_BODY, 0);
    assert_int_equal(
        read_one(&fixture.points,
                 " {\"id\": 7, \"vector\": [1, -2.5e-1], \"metadata\": {\"a\": [1, {}]}, "
                 "\"text\": \"caf\\u00e9\", \"expires\": 1790000000000, \"if\": {\"version\": 3}} ",
                 &fault),
        LODE_OK);
    assert_int_equal(fixture.points.count, 1);
    const lode_write_op *op = &fixture.points.ops[0];
    assert_int_equal(op->kind, LODE_WRITE_UPSERT);
    assert_int_equal(op->point.id.kind, LODE_ID_NUMBER);
    assert_int_equal(op->point.id.number, 7);
    assert_int_equal(fixture.points.dim, 2);
    assert_true(op->point.vector[0] == 1.0f && op->point.vector[1] == -0.25f);
    assert_int_equal(op->point.metadata_size, strlen("{\"a\": [1, {}]}"));
    assert_memory_equal(op->point.metadata, "{\"a\": [1, {}]}", op->point.metadata_size);
    assert_int_equal(op->point.text_size, 5);
    assert_memory_equal(op->point.text, "caf\xc3\xa9", 5);
    assert_true(op->point.expires_at_ms == 1790000000000);
    assert_int_equal(op->condition, LODE_IF_VERSION);
    assert_int_equal(op->if_version, 3);
    end(&fixture);
}

static void ids_are_told_apart(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        lode_id_kind kind;
    } ids[] = {
        {"0", LODE_ID_NUMBER},
        {"18446744073709551615", LODE_ID_NUMBER},
        {"\"7\"", LODE_ID_STRING},
        {"\"550e8400-e29b-41d4-a716-446655440000\"", LODE_ID_UUID},
        {"\"550E8400-E29B-41D4-A716-446655440000\"", LODE_ID_UUID},
        {"\"550e8400-e29b-41d4-a716-44665544000\"", LODE_ID_STRING},
        {"\"a\\/b\"", LODE_ID_STRING},
    };
    struct json_fault fault = {0};
    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++) {
        struct fixture fixture;
        char text[128];
        begin(&fixture, JSON_POINTS_OF_LINES, 1);
        snprintf(text, sizeof text, "{\"id\":%s,\"vector\":[1]}", ids[i].text);
        assert_int_equal(read_one(&fixture.points, text, &fault), LODE_OK);
        memset(text, 'x', sizeof text - 1); /* lines are not borrowed */
        assert_int_equal(fixture.points.ops[0].point.id.kind, ids[i].kind);
        if (i == 6)
            assert_memory_equal(fixture.points.ops[0].point.id.string, "a/b", 3);
        end(&fixture);
    }
}

static void base64_is_read(void **state)
{
    (void)state;
    struct json_fault fault = {0};
    static const char *const forms[] = {"AACAPwAAAEA=", "AACAPwAAAEA", "AACAP\\u0077AAAEA="};
    for (size_t i = 0; i < 3; i++) {
        struct fixture fixture;
        char text[128];
        begin(&fixture, JSON_POINTS_OF_LINES, 2);
        snprintf(text, sizeof text, "{\"id\":1,\"vector\":\"%s\"}", forms[i]);
        assert_int_equal(read_one(&fixture.points, text, &fault), LODE_OK);
        const float *vector = fixture.points.ops[0].point.vector;
        assert_true(vector[0] == 1.0f && vector[1] == 2.0f);
        end(&fixture);
    }
}

static void base64_comes_back(void **state)
{
    (void)state;
    for (uint32_t dim = 1; dim < 8; dim++) {
        float values[8] = {0.1f, -3e30f, 7, 1e-40f, 5, -0.0f, 2, 9};
        struct buf out;
        lode_error error = {0};
        struct json_writer writer;
        struct fixture fixture;
        struct json_fault fault = {0};
        buf_init(&out, 4096);
        json_writer_init(&writer, &out, &error);
        lode_hit hit = {.id = lode_id_number(5), .vector = values};
        struct json_hit_options options = {.dim = dim, .is_base64 = 1};
        json_hit_write(&writer, &hit, &options);
        assert_int_equal(writer.status, LODE_OK);
        begin(&fixture, JSON_POINTS_OF_BODY, 0);
        assert_int_equal(json_point_read(&fixture.points, (const char *)out.data, out.size, &fault),
                         LODE_OK);
        assert_int_equal(fixture.points.dim, dim);
        assert_memory_equal(fixture.points.ops[0].point.vector, values, dim * sizeof(float));
        end(&fixture);
        buf_release(&out);
    }
}

static void faults_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        lode_status status;
        const char *field;
        long position; /* -2: not looked at */
        const char *says;
    } faults[] = {
        {"", LODE_INVALID, "", 0, "unexpected end"},
        {"[]", LODE_INVALID, "", 0, "expected a point, which is an object, found an array"},
        {"{\"id\":1,\"vector\":[1,2]", LODE_INVALID, "", 22, "malformed JSON at byte 22"},
        {"{\"id\":1,\"vector\":[1,2]} x", LODE_INVALID, "", 24, "after the document"},
        {"{\"id\":1,\"vectr\":[1,2]}", LODE_INVALID, "vectr", 8, "nearest is \"vector\""},
        {"{\"id\":1,\"version\":2,\"vector\":[1,2]}", LODE_INVALID, "version", 8, "no member"},
        {"{\"id\":1,\"id\":1}", LODE_INVALID, "id", 8, "given twice"},
        {"{\"id\":1.5,\"vector\":[1,2]}", LODE_INVALID, "id", 6, "1.5 is not an id"},
        {"{\"id\":-1,\"vector\":[1,2]}", LODE_INVALID, "id", 6, "-1 is not an id"},
        {"{\"id\":true,\"vector\":[1,2]}", LODE_INVALID, "id", 6,
         "expected a whole number or a string, found true"},
        {"{\"id\":\"\",\"vector\":[1,2]}", LODE_INVALID, "id", 6, "empty"},
        {"{\"id\":\"a\\u0000b\",\"vector\":[1,2]}", LODE_INVALID, "id", -2, "NUL"},
        {"{\"vector\":[1,2]}", LODE_INVALID, "", -2, "no \"id\""},
        {"{\"id\":null,\"vector\":[1,2]}", LODE_INVALID, "", -2, "no \"id\""},
        {"{\"id\":1}", LODE_INVALID, "", -2, "neither \"vector\" nor a \"text\""},
        {"{\"id\":1,\"vector\":[1]}", LODE_SCHEMA, "vector", -2,
         "of 1 numbers; those before it have 2"},
        {"{\"id\":1,\"vector\":[]}", LODE_SCHEMA, "vector", -2,
         "of 0 numbers; those before it have 2"},
        {"{\"id\":1,\"vector\":[1,2,3]}", LODE_SCHEMA, "vector", 22, "more than 2"},
        {"{\"id\":1,\"vector\":[1,1e39]}", LODE_INVALID, "vector", 20, "out of the range"},
        {"{\"id\":1,\"vector\":[1,NaN]}", LODE_INVALID, "vector", 20, "expected a number"},
        {"{\"id\":1,\"vector\":\"AACAPw==\"}", LODE_SCHEMA, "vector", 17, "of 1 numbers"},
        {"{\"id\":1,\"vector\":\"AACAPwAAAE\"}", LODE_INVALID, "vector", 17, "no vector of floats"},
        {"{\"id\":1,\"vector\":\"AACA!wAAAEA=\"}", LODE_INVALID, "vector", 17, "character 4"},
        {"{\"id\":1,\"vector\":\"AACAPwAAgH8=\"}", LODE_INVALID, "vector", 17, "component 1"},
        {"{\"id\":1,\"vector\":7}", LODE_INVALID, "vector", 17, "found a number"},
        {"{\"id\":1,\"vector\":[1,2],\"metadata\":[1]}", LODE_INVALID, "metadata", 34,
         "expected an object, found an array"},
        {"{\"id\":1,\"text\":7}", LODE_INVALID, "text", 15, "expected a string, found a number"},
        {"{\"id\":1,\"text\":\"a\xff\"}", LODE_INVALID, "text", 17, "UTF-8"},
        {"{\"id\":1,\"text\":\"a\",\"expires\":5}", LODE_INVALID, "expires", 29, "1973"},
        {"{\"id\":1,\"text\":\"a\",\"expires\":\"soon\"}", LODE_INVALID, "expires", 29, "soon"},
        {"{\"id\":1,\"text\":\"a\",\"if\":\"new\"}", LODE_INVALID, "if", 24, "found \"new\""},
        {"{\"id\":1,\"text\":\"a\",\"if\":{\"version\":0}}", LODE_INVALID, "if.version", 35,
         "found 0"},
        {"{\"id\":1,\"text\":\"a\",\"if\":{}}", LODE_INVALID, "if", -2, "expected"},
    };
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        struct fixture fixture;
        struct json_fault fault = {0};
        begin(&fixture, JSON_POINTS_OF_BODY, 2);
        assert_int_equal(read_one(&fixture.points, faults[i].text, &fault), faults[i].status);
        if (strcmp(fault.field, faults[i].field) != 0 ||
            !strstr(fault.error.message, faults[i].says) ||
            (faults[i].position != -2 && fault.position != faults[i].position))
            fail_msg("%s: field %s, position %ld, message %s", faults[i].text, fault.field,
                     fault.position, fault.error.message);
        assert_int_equal(fault.error.status, faults[i].status);
        assert_int_equal(fixture.points.count, 0);
        end(&fixture);
    }
}

static void lines_take_what_exports_write(void **state)
{
    (void)state;
    struct fixture fixture;
    struct json_fault fault = {0};
    begin(&fixture, JSON_POINTS_OF_LINES, 0);
    assert_int_equal(read_one(&fixture.points,
                              "{\"id\":1,\"score\":0.5,\"vector\":[1],\"expires_at\":1790000000000,"
                              "\"version\":8}",
                              &fault),
                     LODE_OK);
    assert_true(fixture.points.ops[0].point.expires_at_ms == 1790000000000);
    assert_int_equal(read_one(&fixture.points, "{\"id\":2,\"vector\":[1,2]}", &fault), LODE_SCHEMA);
    assert_int_equal(fixture.points.count, 1);
    end(&fixture);
}

static void sizes_have_bounds(void **state)
{
    (void)state;
    struct fixture fixture;
    struct json_fault fault = {0};
    char text[1024];
    char id[LODE_ID_SIZE_MAX + 2];
    memset(id, 'a', sizeof id);
    id[sizeof id - 1] = '\0';
    begin(&fixture, JSON_POINTS_OF_BODY, 1);
    snprintf(text, sizeof text, "{\"id\":\"%s\",\"vector\":[1]}", id);
    assert_int_equal(read_one(&fixture.points, text, &fault), LODE_LIMIT);
    snprintf(text, sizeof text, "{\"id\":\"%s\",\"vector\":[1]}", id + 1);
    assert_int_equal(read_one(&fixture.points, text, &fault), LODE_OK);
    fixture.points.count_max = 2;
    assert_int_equal(read_one(&fixture.points, "{\"id\":1,\"vector\":[1]}", &fault), LODE_OK);
    assert_int_equal(read_one(&fixture.points, "{\"id\":2,\"vector\":[1]}", &fault), LODE_LIMIT);
    assert_non_null(strstr(fault.error.message, "more than 2 points"));
    end(&fixture);
}

static void members_of_metadata_are_chosen(void **state)
{
    (void)state;
    static const char *const fields[] = {"b", "\xc3\xa9"};
    static const char metadata[] = "{\"a\":1, \"b\" : [2,{}],\"c\":{\"b\":3},\"\\u00e9\":null}";
    struct buf out;
    lode_error error = {0};
    struct json_writer writer;
    buf_init(&out, 4096);
    json_writer_init(&writer, &out, &error);
    lode_hit hit = {.id = lode_id_text("x\"y"),
                    .score = 0.5f,
                    .metadata = metadata,
                    .metadata_size = sizeof metadata - 1,
                    .text = "t",
                    .text_size = 1,
                    .expires_at_ms = 9,
                    .version = 4};
    struct json_hit_options options = {.has_score = 1, .fields = fields, .field_count = 2};
    json_hit_write(&writer, &hit, &options);
    assert_int_equal(buf_terminate(&out, &error), LODE_OK);
    assert_string_equal((const char *)out.data,
                        "{\"id\":\"x\\\"y\",\"score\":0.5,\"metadata\":{\"b\" : [2,{}],"
                        "\"\\u00e9\":null},\"text\":\"t\",\"expires\":9,\"version\":4}");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_points_are_read), cmocka_unit_test(ids_are_told_apart),
        cmocka_unit_test(base64_is_read),        cmocka_unit_test(base64_comes_back),
        cmocka_unit_test(faults_are_told),       cmocka_unit_test(lines_take_what_exports_write),
        cmocka_unit_test(sizes_have_bounds),     cmocka_unit_test(members_of_metadata_are_chosen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
