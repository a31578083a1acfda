/* Growable buffers and the bounded reader. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/random.h"

enum { SIZE_MAX_TESTED = 1 << 20 };

static void grows_and_keeps(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, SIZE_MAX_TESTED);
    struct rng rng;
    rng_init(&rng, 1);
    uint8_t *expected = malloc(SIZE_MAX_TESTED);
    size_t size = 0;
    for (int i = 0; i < 1000; i++) {
        uint8_t piece[300];
        size_t piece_size = rng_below(&rng, sizeof piece);
        for (size_t j = 0; j < piece_size; j++)
            piece[j] = (uint8_t)rng_u64(&rng);
        memcpy(expected + size, piece, piece_size);
        size += piece_size;
        assert_int_equal(buf_append(&buf, piece, piece_size, NULL), LODE_OK);
        assert_int_equal(buf.size, size);
        assert_true(buf.capacity >= size);
    }
    assert_memory_equal(buf.data, expected, size);
    buf_clear(&buf);
    assert_int_equal(buf.size, 0);
    assert_true(buf.capacity >= size);
    buf_release(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.size_max, SIZE_MAX_TESTED);
    free(expected);
}

static void limit_is_exact(void **state)
{
    (void)state;
    lode_error error = {0};
    struct buf buf;
    buf_init(&buf, 100);
    char bytes[101] = {0};
    assert_int_equal(buf_append(&buf, bytes, 101, &error), LODE_LIMIT);
    assert_non_null(strstr(error.message, "100"));
    assert_int_equal(buf_append(&buf, bytes, 100, &error), LODE_OK);
    assert_int_equal(buf_append_u8(&buf, 1, &error), LODE_LIMIT);
    assert_int_equal(buf_reserve(&buf, SIZE_MAX, &error), LODE_LIMIT);
    assert_int_equal(buf_printf(&buf, &error, "%d", 1), LODE_LIMIT);
    assert_int_equal(buf_append(&buf, NULL, 0, &error), LODE_OK);
    assert_int_equal(buf.size, 100);
    assert_int_equal(buf_terminate(&buf, &error), LODE_OK); /* the NUL needs no room */
    assert_int_equal(buf.size, 100);
    assert_int_equal(buf.data[100], 0);
    buf_release(&buf);
}

static void reserve_gives_room(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, SIZE_MAX);
    assert_int_equal(buf_reserve(&buf, 5000, NULL), LODE_OK);
    assert_true(buf.capacity >= 5000);
    assert_int_equal(buf.size, 0);
    const uint8_t *data = buf.data;
    memset(buf.data, 1, 5000);
    buf.size = 5000;
    assert_int_equal(buf_reserve(&buf, 0, NULL), LODE_OK);
    assert_ptr_equal(buf.data, data);
    buf_release(&buf);
}

static void prints(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 4096);
    size_t size = 0;
    for (int i = 0; i < 100; i++) {
        assert_int_equal(buf_printf(&buf, NULL, "%d,", i), LODE_OK);
        size += i < 10 ? 2 : 3;
    }
    assert_int_equal(buf.size, size);
    assert_int_equal(buf_terminate(&buf, NULL), LODE_OK);
    assert_memory_equal(buf.data, "0,1,2,3,4,5,6,7,8,9,10,", 23);
    assert_string_equal((char *)buf.data + size - 3, "99,");
    buf_release(&buf);
}

static void integers_are_little_endian(void **state)
{
    (void)state;
    struct buf buf;
    buf_init(&buf, 100);
    assert_int_equal(buf_append_u8(&buf, 0x01, NULL), LODE_OK);
    assert_int_equal(buf_append_u16(&buf, 0x0302, NULL), LODE_OK);
    assert_int_equal(buf_append_u32(&buf, 0x07060504, NULL), LODE_OK);
    assert_int_equal(buf_append_u64(&buf, 0x0f0e0d0c0b0a0908, NULL), LODE_OK);
    for (uint8_t i = 0; i < 15; i++)
        assert_int_equal(buf.data[i], i + 1);
    struct reader reader;
    reader_init(&reader, buf.data, buf.size);
    assert_int_equal(reader_u8(&reader), 0x01);
    assert_int_equal(reader_u16(&reader), 0x0302);
    assert_int_equal(reader_u32(&reader), 0x07060504);
    assert_int_equal(reader_left(&reader), 8);
    assert_int_equal(reader_u64(&reader), 0x0f0e0d0c0b0a0908);
    assert_int_equal(reader_left(&reader), 0);
    assert_false(reader.failed);
    buf_release(&buf);
}

static void short_reads_stick(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 2, 3, 0, 0, 128, 63, 9};
    struct reader reader;
    reader_init(&reader, bytes, sizeof bytes);
    assert_ptr_equal(reader_bytes(&reader, 3), bytes);
    assert_true(reader_f32(&reader) == 1.0f);
    assert_null(reader_bytes(&reader, 2));
    assert_true(reader.failed);
    assert_int_equal(reader_left(&reader), 0);
    assert_int_equal(reader_u8(&reader), 0); /* though one byte is left */
    assert_int_equal(reader_u64(&reader), 0);
    assert_true(reader_f32(&reader) == 0.0f);
    reader_init(&reader, bytes, sizeof bytes);
    assert_null(reader_bytes(&reader, SIZE_MAX));
}

static void nothing_to_read(void **state)
{
    (void)state;
    struct reader reader;
    reader_init(&reader, NULL, 0);
    assert_non_null(reader_bytes(&reader, 0));
    assert_false(reader.failed);
    assert_int_equal(reader_u16(&reader), 0);
    assert_true(reader.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_keeps),
        cmocka_unit_test(limit_is_exact),
        cmocka_unit_test(reserve_gives_room),
        cmocka_unit_test(prints),
        cmocka_unit_test(integers_are_little_endian),
        cmocka_unit_test(short_reads_stick),
        cmocka_unit_test(nothing_to_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
