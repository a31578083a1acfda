/* The JSON writer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/json.h"

#define TEXT(literal) literal, sizeof literal - 1

static void write_everything(struct json_writer *writer)
{
    json_write_object(writer);
    json_write_key(writer, "a");
    json_write_array(writer);
    json_write_u64(writer, UINT64_MAX);
    json_write_i64(writer, INT64_MIN);
    json_write_f32(writer, 0.1f);
    json_write_f64(writer, 0.1);
    json_write_f32(writer, INFINITY);
    json_write_f64(writer, NAN);
    json_write_bool(writer, 1);
    json_write_bool(writer, 0);
    json_write_null(writer);
    json_write_raw(writer, "{\"r\":1}", 7);
    json_write_array(writer);
    json_write_array_end(writer);
    json_write_object(writer);
    json_write_object_end(writer);
    json_write_array_end(writer);
    json_write_key(writer, "\"");
    json_write_string(writer, TEXT("\"\\/\b\f\n\r\t\x01\x1f\0|\xc3\xa9|\xff|\xe2\x82"));
    json_write_key(writer, "");
    json_write_string(writer, "", 0);
    json_write_object_end(writer);
}

static const char everything[] =
    "{\"a\":[18446744073709551615,-9223372036854775808,0.1,0.1,null,null,true,false,null,{"
    "\"r\":1},"
    "[],{}],\"\\\"\":\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001f\\u0000|\xc3\xa9|\xef\xbf\xbd|"
    "\xef\xbf\xbd\xef\xbf\xbd\",\"\":\"\"}";

static void writes(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 10000);
    struct json_writer writer;
    json_writer_init(&writer, &buf, NULL);
    write_everything(&writer);
    assert_int_equal(writer.status, LODE_OK);
    assert_int_equal(buf.size, sizeof everything - 1);
    assert_memory_equal(buf.data, everything, buf.size);
    assert_int_equal(json_validate((char *)buf.data, buf.size, JSON_OBJECT, NULL), LODE_OK);
    buf_release(&buf);
}

/* At every possible limit: the first failure stays, and nothing is written after it. */
static void writer_failures_stick(void **state)
{
    (void)state;
    for (size_t size_max = 0; size_max <= sizeof everything; size_max++) {
        struct buf buf;
        buf_init(&buf, size_max);
        lode_error error = {0};
        struct json_writer writer;
        json_writer_init(&writer, &buf, &error);
        write_everything(&writer);
        assert_int_equal(writer.status, size_max < sizeof everything - 1 ? LODE_LIMIT : LODE_OK);
        assert_int_equal(error.status, writer.status);
        buf_release(&buf);
    }
}

static void writer_depth(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 1000);
    struct json_writer writer;
    json_writer_init(&writer, &buf, NULL);
    for (int i = 0; i < JSON_DEPTH_MAX; i++)
        json_write_array(&writer);
    assert_int_equal(writer.status, LODE_OK);
    json_write_array(&writer);
    assert_int_equal(writer.status, LODE_LIMIT);
    buf_release(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes),
        cmocka_unit_test(writer_failures_stick),
        cmocka_unit_test(writer_depth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
