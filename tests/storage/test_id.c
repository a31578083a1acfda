/* Ids as bytes: round trips, order, limits, descriptions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/random.h"
#include "storage/id.h"
#include "support/storage_kit.h"

static lode_id number(uint64_t value)
{
    return (lode_id){.kind = LODE_ID_NUMBER, .number = value};
}

static lode_id text(const char *string)
{
    return (lode_id){.kind = LODE_ID_STRING, .string = string, .string_size = strlen(string)};
}

static lode_id uuid(uint8_t first, uint8_t last)
{
    lode_id id = {.kind = LODE_ID_UUID};
    id.uuid[0] = first;
    id.uuid[15] = last;
    return id;
}

static void ids_come_back(void **state)
{
    (void)state;
    lode_error error;
    lode_id ids[] = {number(0), number(1),    number(256), number(UINT64_MAX),
                     text("a"), text("grün"), uuid(0, 0),  uuid(255, 7)};
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        uint8_t bytes[ID_BYTES_MAX];
        lode_id back;
        assert_ok(id_check(&ids[i], &error));
        size_t size = id_encode(&ids[i], bytes);
        assert_ok(id_decode(bytes, size, &back, &error));
        assert_int_equal(back.kind, ids[i].kind);
        assert_int_equal(back.number, ids[i].number);
        assert_memory_equal(back.uuid, ids[i].uuid, 16);
        assert_int_equal(back.string_size, ids[i].string_size);
        if (back.string_size)
            assert_memory_equal(back.string, ids[i].string, back.string_size);
    }
}

static void order_is_kind_then_value(void **state)
{
    (void)state;
    lode_id ids[] = {number(0),  number(255), number(256), number(UINT64_MAX),
                     uuid(0, 1), uuid(0, 2),  uuid(1, 0),  text("A"),
                     text("Aa"), text("B"),   text("a"),   text("é")};
    size_t count = sizeof ids / sizeof ids[0];
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < count; j++) {
            uint8_t a[ID_BYTES_MAX], b[ID_BYTES_MAX];
            size_t a_size = id_encode(&ids[i], a), b_size = id_encode(&ids[j], b);
            int order = id_order(a, a_size, b, b_size);
            assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
        }
}

static void bad_ids_are_refused(void **state)
{
    (void)state;
    lode_error error;
    char large[LODE_ID_SIZE_MAX + 2];
    memset(large, 'x', sizeof large - 1);
    large[sizeof large - 1] = '\0';
    lode_id id = text(large);
    assert_status(id_check(&id, &error), LODE_LIMIT);
    id.string_size = LODE_ID_SIZE_MAX;
    assert_ok(id_check(&id, &error));
    id = text("");
    assert_status(id_check(&id, &error), LODE_INVALID);
    id = (lode_id){.kind = LODE_ID_STRING, .string = NULL, .string_size = 3};
    assert_status(id_check(&id, &error), LODE_INVALID);
    id = (lode_id){.kind = LODE_ID_STRING, .string = "a\0b", .string_size = 3};
    assert_status(id_check(&id, &error), LODE_INVALID);
    id = text("ab\xff");
    assert_status(id_check(&id, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "byte 2"));
    id = (lode_id){.kind = (lode_id_kind)9};
    assert_status(id_check(&id, &error), LODE_INVALID);
    id = (lode_id){0};
    assert_status(id_check(&id, &error), LODE_INVALID);
}

static void stored_bytes_that_are_no_id(void **state)
{
    (void)state;
    lode_error error;
    lode_id id;
    uint8_t bytes[ID_BYTES_MAX + 1] = {0};
    assert_status(id_decode(bytes, 0, &id, &error), LODE_CORRUPT);
    assert_status(id_decode(bytes, 9, &id, &error), LODE_CORRUPT); /* kind 0 */
    bytes[0] = LODE_ID_NUMBER;
    assert_status(id_decode(bytes, 8, &id, &error), LODE_CORRUPT);
    assert_status(id_decode(bytes, 10, &id, &error), LODE_CORRUPT);
    bytes[0] = LODE_ID_UUID;
    assert_status(id_decode(bytes, 16, &id, &error), LODE_CORRUPT);
    bytes[0] = LODE_ID_STRING;
    assert_status(id_decode(bytes, 1, &id, &error), LODE_CORRUPT);
    assert_status(id_decode(bytes, 3, &id, &error), LODE_CORRUPT); /* NULs */
    memset(bytes + 1, 'a', sizeof bytes - 1);
    assert_ok(id_decode(bytes, 1 + LODE_ID_SIZE_MAX, &id, &error));
    assert_status(id_decode(bytes, 2 + LODE_ID_SIZE_MAX, &id, &error), LODE_CORRUPT);
}

static void namespaces_are_prefixes(void **state)
{
    (void)state;
    lode_error error;
    lode_id id = lode_id_number(7), back;
    struct id_namespace space = {"tenant", 6}, other = {"tenan", 5}, none = {0}, found;
    uint8_t bytes[ID_BYTES_MAX], plain[ID_BYTES_MAX];
    assert_int_equal(id_encode_in(&none, &id, plain), 9);
    size_t size = id_encode_in(&space, &id, bytes);
    assert_int_equal(size, 2 + 6 + 9);
    assert_memory_equal(bytes, "\4\6tenant\1\0\0\0\0\0\0\0\7", size);
    assert_ok(id_decode(bytes, size, &back, &error));
    assert_int_equal(lode_id_compare(&back, &id), 0);
    assert_int_equal(id_namespace_of(bytes, size, &found), 8);
    assert_int_equal(found.size, 6);
    assert_int_equal(id_namespace_of(plain, 9, &found), 0);
    assert_true(id_is_in(&space, bytes, size) && !id_is_in(&space, plain, 9));
    assert_true(id_is_in(&none, plain, 9) && !id_is_in(&none, bytes, size));
    assert_false(id_is_in(&other, bytes, size));
    assert_status(id_decode(bytes, 8, &back, &error), LODE_CORRUPT); /* a prefix is no id */
    bytes[3] = '\n';
    assert_status(id_decode(bytes, size, &back, &error), LODE_CORRUPT);
    bytes[3] = 'e';
    bytes[1] = 0;
    assert_status(id_decode(bytes, size, &back, &error), LODE_CORRUPT);
    bytes[1] = 16; /* beyond the end */
    assert_status(id_decode(bytes, size, &back, &error), LODE_CORRUPT);
}

/* Of one namespace they are together, and in the order of ids. */
static void ids_of_a_namespace_keep_their_order(void **state)
{
    (void)state;
    const struct id_namespace space = {"s", 1};
    const lode_id ids[] = {lode_id_number(1), lode_id_number(256), lode_id_text("a"),
                           lode_id_text("ab")};
    uint8_t before[ID_BYTES_MAX], bytes[ID_BYTES_MAX];
    size_t before_size = 0;
    for (size_t i = 0; i < 4; i++) {
        size_t size = id_encode_in(&space, &ids[i], bytes);
        assert_true(i == 0 || id_order(before, before_size, bytes, size) < 0);
        memcpy(before, bytes, size);
        before_size = size;
    }
}

static void descriptions_fit(void **state)
{
    (void)state;
    char text_of[64];
    lode_id id = number(18446744073709551615ull);
    assert_string_equal(id_describe(&id, text_of, sizeof text_of), "18446744073709551615");
    id = uuid(0xab, 1);
    assert_string_equal(id_describe(&id, text_of, sizeof text_of),
                        "ab000000-0000-0000-0000-000000000001");
    id = text("name");
    assert_string_equal(id_describe(&id, text_of, sizeof text_of), "'name'");
    id = text("a long name that does not fit");
    assert_string_equal(id_describe(&id, text_of, 12), "'a long...'");
    id = text("ééééééééé"); /* never half a character */
    assert_string_equal(id_describe(&id, text_of, 11), "'éé...'");
    for (size_t size = 1; size < 12; size++)
        assert_true(strlen(id_describe(&id, text_of, size)) < size);
    id = (lode_id){0};
    assert_string_equal(id_describe(&id, text_of, sizeof text_of), "(of unknown kind)");
}

static void hash_never_changes(void **state)
{
    (void)state;
    uint8_t bytes[ID_BYTES_MAX];
    assert_int_equal(id_hash(bytes, kit_id(7, bytes)), 0x6df12ee6dfe72906ull);
    assert_int_equal(id_hash(bytes, kit_id(1007, bytes)), 0xa395c803eaa26d3bull);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_come_back),
        cmocka_unit_test(order_is_kind_then_value),
        cmocka_unit_test(bad_ids_are_refused),
        cmocka_unit_test(stored_bytes_that_are_no_id),
        cmocka_unit_test(namespaces_are_prefixes),
        cmocka_unit_test(ids_of_a_namespace_keep_their_order),
        cmocka_unit_test(descriptions_fit),
        cmocka_unit_test(hash_never_changes),
    };
    return cmocka_run_group_tests_name("storage/id", tests, NULL, NULL);
}
