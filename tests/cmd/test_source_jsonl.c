/* What the JSON Lines reader takes, and what it refuses. */
#include "cmd/source_case.h"

static const struct source_options two = {.format = FORMAT_JSONL, .dim = 2};

static struct read read_text(const char *text, const struct source_options *options)
{
    return read_bytes(text, strlen(text), options);
}

static void refuse(const char *text, uint64_t line, const char *words)
{
    refused(text, strlen(text), &two, LODE_INVALID, line, words);
}

static void test_members(void **state)
{
    (void)state;
    struct read read = read_text("{\"id\":7,\"vector\":[1,-2.5e-1],\"metadata\":{\"a\":[1,{}]},"
                                 "\"text\":\"caf\\u00e9\\n\"}\n"
                                 "\n  \t\r\n"
                                 "{\"text\":null, \"vector\" : [ 3 , 4 ], \"id\" : \"x\"}\r\n"
                                 "{\"id\":\"550e8400-E29B-41d4-a716-446655440000\",\"text\":\"t\","
                                 "\"metadata\":null,\"vector\":null}",
                                 &two);
    assert_int_equal(read.status, LODE_OK);
    assert_int_equal(read.batch.count, 3);
    const lode_point *points = read.batch.points;
    assert_int_equal(points[0].id.kind, LODE_ID_NUMBER);
    assert_int_equal(points[0].id.number, 7);
    assert_true(points[0].vector[0] == 1.0f && points[0].vector[1] == -0.25f);
    assert_string_equal(points[0].metadata, "{\"a\":[1,{}]}");
    assert_int_equal(points[0].metadata_size, 12);
    assert_string_equal(points[0].text, "caf\xc3\xa9\n");
    assert_int_equal(points[0].text_size, 6);
    assert_int_equal(points[1].id.kind, LODE_ID_STRING);
    assert_memory_equal(points[1].id.string, "x", 1);
    assert_true(points[1].vector[1] == 4.0f);
    assert_null(points[1].metadata);
    assert_null(points[1].text);
    assert_int_equal(points[2].id.kind, LODE_ID_UUID);
    assert_int_equal(points[2].id.uuid[4], 0xe2);
    assert_null(points[2].vector);
    assert_int_equal(read.batch.first_position, 1);
    assert_int_equal(read.batch.last_position, 5);
    read_end(&read);
}

static void test_ids(void **state)
{
    (void)state;
    struct read read = read_text("{\"id\":18446744073709551615,\"vector\":[1,2]}\n"
                                 "{\"id\":\"7\",\"vector\":[1,2]}\n"
                                 "{\"id\":\"a\\u0062c\",\"vector\":[1,2]}\n",
                                 &two);
    assert_int_equal(read.status, LODE_OK);
    assert_true(read.batch.points[0].id.number == UINT64_MAX);
    assert_int_equal(read.batch.points[1].id.kind, LODE_ID_STRING);
    assert_int_equal(read.batch.points[2].id.string_size, 3);
    assert_memory_equal(read.batch.points[2].id.string, "abc", 3);
    read_end(&read);
    struct source_options numbers = two;
    numbers.id_rule = ID_RULE_NUMBER;
    read = read_text("{\"id\":\"12\",\"vector\":[1,2]}", &numbers);
    assert_int_equal(read.status, LODE_OK);
    assert_int_equal(read.batch.points[0].id.kind, LODE_ID_NUMBER);
    read_end(&read);
    struct source_options strings = two;
    strings.id_rule = ID_RULE_STRING;
    read = read_text("{\"id\":12,\"vector\":[1,2]}", &strings);
    assert_int_equal(read.status, LODE_OK);
    assert_int_equal(read.batch.points[0].id.kind, LODE_ID_STRING);
    read_end(&read);
}

static void test_first_vector_sets_the_dimension(void **state)
{
    (void)state;
    const struct source_options any = {.format = FORMAT_JSONL};
    struct read read =
        read_text("{\"id\":1,\"vector\":[1,2,3]}\n{\"id\":2,\"vector\":[4,5,6]}", &any);
    assert_int_equal(read.status, LODE_OK);
    assert_int_equal(read.source->dim, 3);
    assert_true(read.batch.points[1].vector[2] == 6.0f);
    read_end(&read);
    const char *text = "{\"id\":1,\"vector\":[1,2,3]}\n{\"id\":2,\"vector\":[4,5]}";
    refused(text, strlen(text), &any, LODE_INVALID, 2, "\"vector\" has 2 numbers, not 3");
}

static void test_refusals(void **state)
{
    (void)state;
    refuse("{\"id\":1,\"vector\":[1,2]}\n{\"id\":2,\"vector\":[1,2}", 2, "byte 22: expected");
    refuse("{\"id\":1,\"vector\":[1]}", 1, "has 1 numbers, not 2");
    refuse("{\"id\":1,\"vector\":[1,2,3]}", 1, "more than 2 numbers");
    refuse("{\"id\":1,\"vector\":[1,NaN]}", 1, "expected a number");
    refuse("{\"id\":1,\"vector\":[1,1e39]}", 1, "out of the range");
    refuse("{\"id\":1,\"vector\":[1,\"2\"]}", 1, "expected a number");
    refuse("{\"id\":1,\"vector\":{}}", 1, "\"vector\" must be an array");
    refuse("{\"id\":1,\"id\":2,\"vector\":[1,2]}", 1, "duplicate member \"id\"");
    refuse("{\"id\":1,\"vector\":[1,2],\"metadata\":{\"a\":1,\"a\":2}}", 1, "duplicate key \"a\"");
    refuse("{\"id\":1,\"vector\":[1,2],\"metadata\":[]}", 1, "\"metadata\" must be an object");
    refuse("{\"id\":1,\"vector\":[1,2],\"text\":5}", 1, "\"text\" must be a string");
    refuse("{\"id\":1,\"vector\":[1,2],\"title\":5}", 1, "unknown member \"title\"");
    refuse("{\"id\":-1,\"vector\":[1,2]}", 1, "-1 is not a number id");
    refuse("{\"id\":1.5,\"vector\":[1,2]}", 1, "1.5 is not a number id");
    refuse("{\"id\":true,\"vector\":[1,2]}", 1, "\"id\" must be");
    refuse("{\"id\":\"\",\"vector\":[1,2]}", 1, "the id is empty");
    refuse("{\"id\":\"a\\u0000\",\"vector\":[1,2]}", 1, "NUL");
    refuse("{\"vector\":[1,2]}", 1, "no \"id\"");
    refuse("{\"id\":1}", 1, "neither \"vector\"");
    refuse("[1,2]", 1, "a line must hold a JSON object");
    refuse("{\"id\":1,\"vector\":[1,2]} x", 1, "after the document's end");
    refuse("nonsense", 1, "byte 1: expected a value");
    refuse("{\"id\":1,\"vector\":[1,2],\"text\":\"\xff\"}", 1, "invalid UTF-8");
    refuse("{\"id\":1,\"vector\":[1,2],\"te", 1, "string without end");
}

static void test_limits(void **state)
{
    (void)state;
    size_t size = INPUT_LINE_MAX + 100;
    char *text = malloc(size);
    assert_non_null(text);
    memset(text, ' ', size);
    memcpy(text, "{\"id\":1,\"vector\":[1,2]}\n{", 25);
    refused(text, size, &two, LODE_LIMIT, 2, "longer than 16 MiB");
    size_t head = (size_t)snprintf(text, size, "{\"id\":1,\"vector\":[1,2],\"text\":\"");
    memset(text + head, 'x', LODE_TEXT_SIZE_MAX + 1);
    memcpy(text + head + LODE_TEXT_SIZE_MAX + 1, "\"}", 2);
    refused(text, head + LODE_TEXT_SIZE_MAX + 3, &two, LODE_LIMIT, 1, "\"text\" has 1048577 bytes");
    head = (size_t)snprintf(text, size, "{\"id\":1,\"vector\":[1,2],\"metadata\":{\"m\":\"");
    memset(text + head, 'x', LODE_METADATA_SIZE_MAX);
    memcpy(text + head + LODE_METADATA_SIZE_MAX, "\"}}", 3);
    refused(text, head + LODE_METADATA_SIZE_MAX + 3, &two, LODE_LIMIT, 1, "at most 1048576");
    head = (size_t)snprintf(text, size, "{\"id\":\"%0600d\",\"vector\":[1,2]}", 7);
    refused(text, head, &two, LODE_LIMIT, 1, "the id has 600 bytes; at most 512");
    free(text);
}

static void test_rest_becomes_metadata(void **state)
{
    (void)state;
    struct source_options rest = two;
    rest.metadata_rest = 1;
    struct read read =
        read_text("{\"id\":1,\"ti\\u0074le\":\"A\",\"vector\":[1,2],\"metadata\":{\"y\":1},"
                  "\"n\":[1]}\n"
                  "{\"id\":2,\"vector\":[1,2],\"metadata\":{}, \"a\":null}\n"
                  "{\"id\":3,\"vector\":[1,2],\"metadata\":{ }}\n"
                  "{\"id\":4,\"vector\":[1,2]}\n",
                  &rest);
    assert_int_equal(read.status, LODE_OK);
    assert_string_equal(read.batch.points[0].metadata, "{\"ti\\u0074le\":\"A\",\"n\":[1],\"y\":1}");
    assert_string_equal(read.batch.points[1].metadata, "{\"a\":null}");
    assert_string_equal(read.batch.points[2].metadata, "{ }");
    assert_null(read.batch.points[3].metadata);
    read_end(&read);
    const char *twice = "{\"id\":1,\"y\":2,\"vector\":[1,2],\"metadata\":{\"y\":1}}";
    refused(twice, strlen(twice), &rest, LODE_INVALID, 1, "duplicate key \"y\"");
}

static void test_skip_and_mark(void **state)
{
    (void)state;
    const char *text = "\xef\xbb\xbf{\"id\":1,\"vector\":[1,2]}\n\nbroken, but passed over\n"
                       "{\"id\":3,\"vector\":[1,2]}\n";
    struct source *source = NULL;
    struct batch batch;
    assert_int_equal(batch_init(&batch, 10, NULL), LODE_OK);
    assert_int_equal(source_open_memory(text, strlen(text), &two, &source, NULL), LODE_OK);
    assert_int_equal(source_fill(source, &batch, 1, NULL), LODE_OK);
    assert_int_equal(batch.count, 1);
    assert_int_equal(source_skip(source, 1, NULL), LODE_OK);
    assert_int_equal(source->index, 2);
    batch_clear(&batch);
    assert_int_equal(source_fill(source, &batch, 10, NULL), LODE_OK);
    assert_int_equal(batch.count, 1);
    assert_int_equal(batch.points[0].id.number, 3);
    assert_int_equal(batch.first, 2);
    assert_int_equal(source_skip(source, 100, NULL), LODE_OK);
    assert_int_equal(source->index, 3);
    source_close(source);
    batch_release(&batch);
}

/* More lines than the input buffer holds, so that lines cross its refills. */
static void test_refills(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, (size_t)64 << 20);
    for (unsigned i = 0; i < 40000; i++)
        assert_int_equal(buf_printf(&text, NULL,
                                    "{\"id\":%u,\"vector\":[%u,0.5],\"text\":\"%0*u\"}\n", i, i,
                                    (int)(i % 97 + 1), i),
                         LODE_OK);
    struct source *source = NULL;
    struct batch batch;
    assert_int_equal(batch_init(&batch, 777, NULL), LODE_OK);
    assert_int_equal(source_open_memory(text.data, text.size, &two, &source, NULL), LODE_OK);
    uint64_t seen = 0;
    do {
        batch_clear(&batch);
        assert_int_equal(source_fill(source, &batch, SIZE_MAX, NULL), LODE_OK);
        for (size_t i = 0; i < batch.count; i++, seen++) {
            assert_int_equal(batch.points[i].id.number, seen);
            assert_true(batch.points[i].vector[0] == (float)seen);
        }
    } while (batch.count > 0);
    assert_int_equal(seen, 40000);
    source_close(source);
    batch_release(&batch);
    buf_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_ids),
        cmocka_unit_test(test_first_vector_sets_the_dimension),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_rest_becomes_metadata),
        cmocka_unit_test(test_skip_and_mark),
        cmocka_unit_test(test_refills),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
