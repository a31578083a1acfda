/* What the CSV reader takes, and what it refuses. */
#include "cmd/source_case.h"

static const struct source_options two = {.format = FORMAT_CSV, .dim = 2};

static struct read read_text(const char *text, const struct source_options *options)
{
    return read_bytes(text, strlen(text), options);
}

static void refuse(const char *text, uint64_t line, const char *words)
{
    refused(text, strlen(text), &two, LODE_INVALID, line, words);
}

static void test_vector_cell(void **state)
{
    (void)state;
    struct read read = read_text("\xef\xbb\xbfid,\"vector\",text,year,title\r\n"
                                 "1,\"[1, 2]\",\"He said \"\"no\"\", \r\nand left\",1979,Alien\r\n"
                                 "\r\n"
                                 "b,\"[3,4]\",,,\"\"\n"
                                 "550e8400-e29b-41d4-a716-446655440000,,words,,x",
                                 &two);
    assert_string_equal(read.error.message, "");
    assert_int_equal(read.status, LODE_OK);
    assert_int_equal(read.batch.count, 3);
    const lode_point *points = read.batch.points;
    assert_int_equal(points[0].id.number, 1);
    assert_true(points[0].vector[1] == 2.0f);
    assert_string_equal(points[0].text, "He said \"no\", \r\nand left");
    assert_string_equal(points[0].metadata, "{\"year\":1979,\"title\":\"Alien\"}");
    assert_int_equal(points[1].id.kind, LODE_ID_STRING);
    assert_null(points[1].text);
    assert_null(points[1].metadata);
    assert_int_equal(points[2].id.kind, LODE_ID_UUID);
    assert_null(points[2].vector);
    read_end(&read);
}

static void test_component_columns(void **state)
{
    (void)state;
    const struct source_options any = {.format = FORMAT_CSV};
    struct read read = read_text("v1,v2,id,v0,w0\n1,2,7,0,5\n-1,2e3,8,0.5,\n", &any);
    assert_string_equal(read.error.message, "");
    assert_int_equal(read.source->dim, 3);
    assert_true(read.batch.points[1].vector[0] == 0.5f && read.batch.points[1].vector[1] == -1.0f &&
                read.batch.points[1].vector[2] == 2000.0f);
    assert_string_equal(read.batch.points[0].metadata, "{\"w0\":5}");
    assert_null(read.batch.points[1].metadata);
    read_end(&read);
}

static void test_types(void **state)
{
    (void)state;
    const lode_field fields[] = {{"zip", LODE_FIELD_KEYWORD},
                                 {"price", LODE_FIELD_FLOAT},
                                 {"count", LODE_FIELD_INTEGER},
                                 {"ok", LODE_FIELD_BOOLEAN}};
    const struct source_options declared = {
        .format = FORMAT_CSV, .dim = 1, .fields = fields, .field_count = 4};
    struct read read = read_text("id,v0,zip,price,count,ok,a,b,c,d,e,f\n"
                                 "1,1,12345,3,-4,true,12,007,1e3,true,12345678901234567890,-1.50\n",
                                 &declared);
    assert_string_equal(read.error.message, "");
    assert_string_equal(read.batch.points[0].metadata,
                        "{\"zip\":\"12345\",\"price\":3,\"count\":-4,\"ok\":true,\"a\":12,"
                        "\"b\":\"007\",\"c\":1e3,\"d\":true,\"e\":\"12345678901234567890\","
                        "\"f\":-1.50}");
    read_end(&read);
    const char *text = "id,v0,count\n1,1,2.5\n";
    refused(text, strlen(text), &declared, LODE_INVALID, 2, "\"count\": '2.5' is not an integer");
    text = "id,v0,ok\n1,1,yes\n";
    refused(text, strlen(text), &declared, LODE_INVALID, 2, "not true or false");
}

static void test_numbered_rows(void **state)
{
    (void)state;
    struct source_options numbered = two;
    numbered.id_start = 100;
    numbered.id_start_given = 1;
    struct read read = read_text("v0,v1\n1,2\n3,4\n", &numbered);
    assert_int_equal(read.status, LODE_OK);
    assert_int_equal(read.batch.points[1].id.number, 101);
    read_end(&read);
    refuse("v0,v1\n1,2\n", 0, "no column \"id\"");
}

static void test_refusals(void **state)
{
    (void)state;
    refuse("", 1, "the file is empty");
    refuse("id,,v0\n", 1, "column 2 has no name");
    refuse("id,a,v0,v1,a\n", 1, "two columns are named \"a\"");
    refuse("id,v0,v2\n1,2,3\n", 1, "have a gap");
    refuse("id,v0,v1,v2\n", 1, "has 3 dimensions, not 2");
    refuse("id,v0,v1,vector\n", 1, "twice");
    refuse("id,v0,v1\n1,2\n", 2, "the row has 2 cells; the header names 3");
    refuse("id,v0,v1\n1,2,3,4\n", 2, "the row has 4 cells");
    refuse("id,v0,v1\n1,2,x\n", 2, "\"v1\": 'x' is not a finite number");
    refuse("id,v0,v1\n1,2,nan\n", 2, "'nan' is not a finite number");
    refuse("id,v0,v1\n1,2,\n", 2, "1 of the vector's 2 cells are empty");
    refuse("id,v0,v1\n1,,\n", 2, "neither a vector nor a text");
    refuse("id,v0,v1\n,1,2\n", 2, "column \"id\": the id is empty");
    refuse("id,vector\n1,\"[1,2\"\n", 2, "column \"vector\", byte 5");
    refuse("id,vector\n1,\"[1]\"\n", 2, "has 1 dimensions, not 2");
    refuse("id,vector\n1,5\n", 2, "expected an array");
    refuse("id,text\n1,a \"quoted\" word\n", 2, "a quote inside a cell");
    refuse("id,text\n1,\"a\" b\n", 2, "behind a cell's closing quote");
    refuse("id,text\n1,\"a\"\r,b\n", 2, "behind a cell's closing quote");
    refuse("id,text\n1,a\n2,\"open\n\nstill\n", 3, "ends within a quoted cell");
    refuse("id,text\n1,\xc3\x28\n", 2, "not valid UTF-8");
}

static void test_lines_of_records(void **state)
{
    (void)state;
    /* A record of three lines: the next one's fault is on line 6. */
    refuse("id,text\n1,\"a\nb\nc\"\n\n2,b,c\n", 6, "the row has 3 cells");
}

static void test_skip(void **state)
{
    (void)state;
    const char *text = "id,text\n1,\"a\nb\"\n2,c\n3,d\n";
    struct source *source = NULL;
    struct batch batch;
    assert_int_equal(batch_init(&batch, 10, NULL), LODE_OK);
    assert_int_equal(source_open_memory(text, strlen(text), &two, &source, NULL), LODE_OK);
    assert_int_equal(source_skip(source, 2, NULL), LODE_OK);
    assert_int_equal(source_fill(source, &batch, 10, NULL), LODE_OK);
    assert_int_equal(batch.count, 1);
    assert_int_equal(batch.points[0].id.number, 3);
    assert_int_equal(batch.first, 2);
    source_close(source);
    batch_release(&batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vector_cell), cmocka_unit_test(test_component_columns),
        cmocka_unit_test(test_types),       cmocka_unit_test(test_numbered_rows),
        cmocka_unit_test(test_refusals),    cmocka_unit_test(test_lines_of_records),
        cmocka_unit_test(test_skip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
