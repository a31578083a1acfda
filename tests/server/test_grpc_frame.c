/* gRPC's framing, statuses and texts of headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "server/grpc_frame.h"
#include "server/grpc_status.h"

static void one_message(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        unsigned status;
        const char *code;
    } cases[] = {
        {"", 0, 501, "cardinality"},
        {"\0\0\0", 3, 400, "malformed"},
        {"\0\0\0\0\2ab", 7, 0, NULL},
        {"\0\0\0\0\0", 5, 0, NULL},
        {"\1\0\0\0\2ab", 7, 501, "compressed"},
        {"\2\0\0\0\2ab", 7, 400, "malformed"},
        {"\0\0\0\0\3ab", 7, 400, "malformed"},
        {"\0\0\0\0\1ab", 7, 501, "cardinality"},
        {"\0\0\0\1\0ab", 7, 413, "too_large"},
        {"\0\xff\xff\xff\xff"
         "ab",
         7, 413, "too_large"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct frame_fault fault;
        const uint8_t *data = NULL;
        size_t size = 0;
        int is_there =
            frame_single((const uint8_t *)cases[i].bytes, cases[i].size, 255, &data, &size, &fault);
        assert_int_equal(is_there, cases[i].status == 0);
        assert_int_equal(fault.http_status, cases[i].status);
        if (is_there) {
            assert_int_equal(size, cases[i].size - 5);
            assert_memory_equal(data, cases[i].bytes + 5, size);
        } else {
            assert_string_equal(fault.code, cases[i].code);
        }
    }
}

/* A source that gives its bytes in pieces of at most `step`. */
struct source {
    const uint8_t *data;
    size_t size, at, step, fails_at;
};

static lode_status source_read(void *context, void *data, size_t size, size_t *ret_size,
                               lode_error *error)
{
    struct source *source = context;
    if (source->at >= source->fails_at)
        return error_set(error, LODE_CANCELLED, "gone");
    size_t left = source->size - source->at;
    size = size < source->step ? size : source->step;
    *ret_size = size < left ? size : left;
    memcpy(data, source->data + source->at, *ret_size);
    source->at += *ret_size;
    return LODE_OK;
}

static void messages_in_any_pieces(void **state)
{
    struct buf bytes;
    size_t begin;
    (void)state;
    buf_init(&bytes, 1 << 20);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(frame_begin(&bytes, &begin, NULL), LODE_OK);
        for (size_t k = 0; k < i * 100; k++)
            assert_int_equal(buf_append_u8(&bytes, (uint8_t)(i + k), NULL), LODE_OK);
        frame_end(&bytes, begin);
    }
    for (size_t step = 1; step < bytes.size + 2; step++) {
        struct source source = {bytes.data, bytes.size, 0, step, SIZE_MAX};
        struct frame_reader reader;
        struct frame_fault fault;
        frame_reader_init(&reader, 400);
        reader.read = source_read;
        reader.context = &source;
        for (size_t i = 0; i < 5; i++) {
            assert_int_equal(frame_next(&reader, &fault), 1);
            assert_int_equal(reader.message.size, i * 100);
            for (size_t k = 0; k < i * 100; k++)
                assert_int_equal(reader.message.data[k], (uint8_t)(i + k));
        }
        assert_int_equal(frame_next(&reader, &fault), 0);
        assert_int_equal(fault.http_status, 0);
        frame_reader_release(&reader);
    }
    buf_release(&bytes);
}

static void read_faulty(const char *bytes, size_t size, size_t fails_at, unsigned status)
{
    struct source source = {(const uint8_t *)bytes, size, 0, 1, fails_at};
    struct frame_reader reader;
    struct frame_fault fault;
    frame_reader_init(&reader, 1 << 20);
    reader.read = source_read;
    reader.context = &source;
    assert_int_equal(frame_next(&reader, &fault), 0);
    assert_int_equal(fault.http_status, status);
    /* What a head says is not allocated before it comes. */
    assert_true(reader.message.capacity <= 256 << 10);
    frame_reader_release(&reader);
}

static void faulty_streams(void **state)
{
    (void)state;
    read_faulty("\0\0\0\0\2a", 6, SIZE_MAX, 400);
    read_faulty("\0\0", 2, SIZE_MAX, 400);
    read_faulty("\1\0\0\0\2ab", 7, SIZE_MAX, 501);
    read_faulty("\0\1\0\0\0ab", 7, SIZE_MAX, 413);
    read_faulty("\0\0\x10\0\0ab", 7, SIZE_MAX, 400);
    read_faulty("\0\0\0\0\2ab", 7, 3, 503);
    read_faulty("\0\0\0\0\2ab", 7, 6, 503);
}

static void statuses(void **state)
{
    (void)state;
    assert_int_equal(grpc_status_of(400, LODE_INVALID), GRPC_INVALID_ARGUMENT);
    assert_int_equal(grpc_status_of(400, LODE_LIMIT), GRPC_INVALID_ARGUMENT);
    assert_int_equal(grpc_status_of(413, LODE_LIMIT), GRPC_RESOURCE_EXHAUSTED);
    assert_int_equal(grpc_status_of(422, LODE_INVALID), GRPC_INVALID_ARGUMENT);
    assert_int_equal(grpc_status_of(401, LODE_OK), GRPC_UNAUTHENTICATED);
    assert_int_equal(grpc_status_of(403, LODE_INVALID), GRPC_PERMISSION_DENIED);
    assert_int_equal(grpc_status_of(404, LODE_NOT_FOUND), GRPC_NOT_FOUND);
    assert_int_equal(grpc_status_of(409, LODE_EXISTS), GRPC_ALREADY_EXISTS);
    assert_int_equal(grpc_status_of(409, LODE_CONFLICT), GRPC_ABORTED);
    assert_int_equal(grpc_status_of(409, LODE_BUSY), GRPC_FAILED_PRECONDITION);
    assert_int_equal(grpc_status_of(429, LODE_OK), GRPC_RESOURCE_EXHAUSTED);
    assert_int_equal(grpc_status_of(500, LODE_IO), GRPC_INTERNAL);
    assert_int_equal(grpc_status_of(500, LODE_CORRUPT), GRPC_DATA_LOSS);
    assert_int_equal(grpc_status_of(503, LODE_NOMEM), GRPC_RESOURCE_EXHAUSTED);
    assert_int_equal(grpc_status_of(503, LODE_READONLY), GRPC_UNAVAILABLE);
    assert_int_equal(grpc_status_of(503, LODE_CANCELLED), GRPC_CANCELLED);
    assert_int_equal(grpc_status_of(504, LODE_PARTIAL), GRPC_DEADLINE_EXCEEDED);
    assert_int_equal(grpc_status_of(507, LODE_FULL), GRPC_RESOURCE_EXHAUSTED);
    assert_int_equal(grpc_status_of(501, LODE_OK), GRPC_UNIMPLEMENTED);
}

static void texts(void **state)
{
    char text[64];
    (void)state;
    grpc_percent("k is 0 ~ fine", text, sizeof text);
    assert_string_equal(text, "k is 0 ~ fine");
    grpc_percent("100%\n\x7f\xc3\xa4", text, sizeof text);
    assert_string_equal(text, "100%25%0A%7F%C3%A4");
    grpc_percent("abc\xc3\xa4", text, 10);
    assert_string_equal(text, "abc%C3%A4");
    grpc_percent("abc\xc3\xa4", text, 9);
    assert_string_equal(text, "abc");
    grpc_percent("abc", text, 1);
    assert_string_equal(text, "");
}

static void timeouts(void **state)
{
    static const struct {
        const char *text;
        uint64_t us;
    } right[] = {{"1H", 3600000000}, {"2M", 120000000}, {"3S", 3000000},
                 {"250m", 250000},   {"7u", 7},         {"1n", 1},
                 {"1001n", 2},       {"0S", 0},         {"99999999H", 359999996400000000}};
    static const char *const wrong[] = {"",    "1",   "S",          "1s", "-1S",
                                        "1 S", "1Sx", "123456789S", "+1S"};
    uint64_t us;
    (void)state;
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++) {
        assert_true(grpc_parse_timeout(right[i].text, &us));
        assert_int_equal(us, right[i].us);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(grpc_parse_timeout(wrong[i], &us));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_message),    cmocka_unit_test(messages_in_any_pieces),
        cmocka_unit_test(faulty_streams), cmocka_unit_test(statuses),
        cmocka_unit_test(texts),          cmocka_unit_test(timeouts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
