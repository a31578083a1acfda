/* Messages from bytes: what protobuf-c would take is refused where it is wrong, and what it would make of hostile sizes is
 * bounded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include <proto/lode.pb-c.h>

#include "base/buf.h"
#include "server/grpc_wire.h"

static struct buf out;

static int setup(void **state)
{
    (void)state;
    buf_init(&out, 64 << 20);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    buf_release(&out);
    return 0;
}

static void put_varint(uint64_t value)
{
    for (; value > 127; value >>= 7)
        assert_int_equal(buf_append_u8(&out, (uint8_t)(value | 0x80), NULL), LODE_OK);
    assert_int_equal(buf_append_u8(&out, (uint8_t)value, NULL), LODE_OK);
}

static void put_bytes(unsigned number, const void *data, size_t size)
{
    put_varint(number << 3 | 2);
    put_varint(size);
    assert_int_equal(buf_append(&out, data, size, NULL), LODE_OK);
}

static void put_text(unsigned number, const char *text)
{
    put_bytes(number, text, strlen(text));
}

static void put_number(unsigned number, uint64_t value)
{
    put_varint(number << 3);
    put_varint(value);
}

/* In memory of just that size, so that AddressSanitizer sees what reads beyond. */
static lode_status unpack(const ProtobufCMessageDescriptor *descriptor, struct arena *arena,
                          ProtobufCMessage **ret, struct wire_place *place, lode_error *error)
{
    uint8_t *copy = malloc(out.size + 1);
    assert_non_null(copy);
    memcpy(copy, out.data ? out.data : (const uint8_t *)"", out.size);
    arena_init(arena);
    *error = (lode_error){0};
    lode_status status = wire_unpack(descriptor, copy, out.size, arena, ret, place, error);
    free(copy);
    return status;
}

static void expect(const ProtobufCMessageDescriptor *descriptor, lode_status status,
                   const char *field, const char *message)
{
    struct arena arena;
    struct wire_place place;
    ProtobufCMessage *ret;
    lode_error error;
    assert_int_equal(unpack(descriptor, &arena, &ret, &place, &error), status);
    arena_release(&arena);
    if (status) {
        assert_string_equal(place.field, field);
        assert_string_equal(error.message, message);
    }
    buf_clear(&out);
}

static void a_point(const char *text)
{
    static const float vector[2] = {1, 2};
    struct buf whole = out;
    buf_init(&out, 1 << 20);
    put_bytes(1, "\x08\x07", 2);
    put_bytes(2, vector, sizeof vector);
    if (text)
        put_text(5, text);
    struct buf point = out;
    out = whole;
    put_bytes(3, point.data, point.size);
    buf_release(&point);
}

static void what_is_right_is_read(void **state)
{
    struct arena arena;
    struct wire_place place;
    ProtobufCMessage *message;
    lode_error error;
    (void)state;
    put_text(1, "films");
    a_point("a");
    a_point("\xc3\xa4");
    put_number(4, 1);
    put_text(77, "of a newer client");
    assert_int_equal(
        unpack(&lode__v1__upsert_request__descriptor, &arena, &message, &place, &error), LODE_OK);
    const Lode__V1__UpsertRequest *request = (const void *)message;
    assert_string_equal(request->index, "films");
    assert_string_equal(request->namespace_, "");
    assert_int_equal(request->n_points, 2);
    assert_int_equal(request->points[1]->id->kind_case, LODE__V1__ID__KIND_NUMBER);
    assert_int_equal(request->points[1]->id->number, 7);
    assert_string_equal(request->points[1]->text, "\xc3\xa4");
    assert_int_equal(request->points[0]->vector.len, 8);
    assert_int_equal((uintptr_t)request->points[0]->vector.data % 4, 0);
    assert_int_equal(request->ack, LODE__V1__ACK__ACK_LOGGED);
    arena_release(&arena);
}

static void what_is_wrong_is_named(void **state)
{
    const ProtobufCMessageDescriptor *upsert = &lode__v1__upsert_request__descriptor;
    (void)state;
    put_bytes(1, "fi\xff", 3);
    expect(upsert, LODE_INVALID, "index", "index: it is not UTF-8 at byte 2");
    put_bytes(2, "a\0b", 3);
    expect(upsert, LODE_INVALID, "namespace", "namespace: it holds a NUL byte");
    a_point("x");
    a_point("x");
    a_point("\xed\xa0\x80");
    expect(upsert, LODE_INVALID, "points[2].text", "points[2].text: it is not UTF-8 at byte 0");
    put_number(4, 3);
    expect(upsert, LODE_INVALID, "ack", "ack: 3 is no value of Ack");
    put_number(4, UINT64_MAX);
    expect(upsert, LODE_INVALID, "ack", "ack: -1 is no value of Ack");
    put_number(1, 3);
    expect(upsert, LODE_INVALID, "index", "index: it is of another type");
    put_text(4, "x");
    expect(upsert, LODE_INVALID, "ack", "ack: it is of another type");
    put_bytes(3, "\x1a\x05\0\0\0\0\0", 7);
    expect(upsert, LODE_INVALID, "points[0].values",
           "points[0].values: it does not hold whole numbers");
    put_bytes(3, "\x0a\0\x0a\0", 4);
    expect(upsert, LODE_INVALID, "points[0].id", "points[0].id: it is given twice");
}

static void what_is_malformed_is_refused(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
        const char *why;
    } cases[] = {
        {"\x0a\x05"
         "fil",
         5, "malformed message at byte 2: a field is longer than what is left"},
        {"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11,
         "malformed message at byte 11: a field is longer than what is left"},
        {"\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 11,
         "malformed message at byte 1: a number of more than 64 bits"},
        {"\x20\x80", 2, "malformed message at byte 1: it ends in a number"},
        {"\x20", 1, "malformed message at byte 1: it ends in a number"},
        {"\x02\x00", 2, "malformed message at byte 1: no field has this number"},
        {"\x0b", 1, "malformed message at byte 1: a field of a type that there is not"},
        {"\x0c", 1, "malformed message at byte 1: a field of a type that there is not"},
        {"\x0f", 1, "malformed message at byte 1: a field of a type that there is not"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(buf_append(&out, cases[i].bytes, cases[i].size, NULL), LODE_OK);
        expect(&lode__v1__upsert_request__descriptor, LODE_INVALID, "", cases[i].why);
    }
}

static void counts_are_bounded(void **state)
{
    (void)state;
    for (unsigned i = 0; i <= WIRE_MESSAGES_MAX; i++)
        put_bytes(3, "", 0);
    struct arena arena;
    struct wire_place place;
    ProtobufCMessage *message;
    lode_error error;
    assert_int_equal(
        unpack(&lode__v1__upsert_request__descriptor, &arena, &message, &place, &error),
        LODE_LIMIT);
    assert_string_equal(error.message, "more than 65536 messages in one");
    assert_int_equal(arena.used_bytes, 0); /* before a byte was allocated */
    buf_clear(&out);
    for (unsigned i = 0; i <= WIRE_UNKNOWN_MAX; i++)
        put_number(100, 1);
    expect(&lode__v1__upsert_request__descriptor, LODE_LIMIT, "",
           "more than 256 fields that are not known");
}

/* Each element costs two bytes on the wire, and some forty while it is unpacked. */
static void memory_is_bounded(void **state)
{
    struct arena arena;
    struct wire_place place;
    ProtobufCMessage *message;
    lode_error error;
    (void)state;
    for (size_t i = 0; i < 4000000; i++)
        put_bytes(3, "", 0);
    assert_int_equal(unpack(&lode__v1__change__descriptor, &arena, &message, &place, &error),
                     LODE_LIMIT);
    assert_true(arena.used_bytes <= 2 * out.size + WIRE_ARENA_EXTRA + (1 << 20));
    assert_non_null(strstr(error.message, "takes more than"));
    arena_release(&arena);
}

/* Whatever a message is cut to, it is refused or read, and nothing beyond is touched. */
static void every_prefix(void **state)
{
    (void)state;
    put_text(1, "films");
    a_point("text");
    put_number(4, 2);
    size_t size = out.size;
    for (size_t cut = 0; cut <= size; cut++) {
        struct arena arena;
        struct wire_place place;
        ProtobufCMessage *message;
        lode_error error;
        out.size = cut;
        lode_status status =
            unpack(&lode__v1__upsert_request__descriptor, &arena, &message, &place, &error);
        assert_true(status == LODE_OK || status == LODE_INVALID);
        arena_release(&arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_right_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_wrong_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_malformed_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(counts_are_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(memory_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(every_prefix, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
