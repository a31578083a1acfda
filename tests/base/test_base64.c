/* Bytes as text, and back: against known texts, all lengths; what stands for no bytes is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/base64.h"
#include "base/random.h"

static void known_texts(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"}, {"\xfb\xff\xfe", "-__-"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buf out;
        int valid = 0;
        buf_init(&out, 1000);
        assert_int_equal(
            base64_append(&out, (const uint8_t *)cases[i][0], strlen(cases[i][0]), NULL), LODE_OK);
        assert_int_equal(out.size, strlen(cases[i][1]));
        if (out.size > 0)
            assert_memory_equal(out.data, cases[i][1], out.size);
        buf_clear(&out);
        assert_int_equal(base64_read(&out, cases[i][1], strlen(cases[i][1]), &valid, NULL),
                         LODE_OK);
        assert_true(valid);
        assert_int_equal(out.size, strlen(cases[i][0]));
        buf_release(&out);
    }
}

static void all_lengths_come_back(void **state)
{
    (void)state;
    struct rng rng;
    uint8_t bytes[300];
    rng_init(&rng, 1);
    for (size_t size = 0; size <= sizeof bytes; size++) {
        struct buf text, out;
        int valid = 0;
        buf_init(&text, 1000);
        buf_init(&out, 1000);
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)rng_u64(&rng);
        assert_int_equal(base64_append(&text, bytes, size, NULL), LODE_OK);
        assert_int_equal(base64_read(&out, (const char *)text.data, text.size, &valid, NULL),
                         LODE_OK);
        assert_true(valid);
        assert_int_equal(out.size, size);
        if (size > 0)
            assert_memory_equal(out.data, bytes, size);
        buf_release(&text);
        buf_release(&out);
    }
}

static void others_are_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "A", "AAAAA", "Zg==", "Zh", "Zm9", "Zm 9v", "Zm9v\n", "+/+/", "\xff\xff\xff\xff"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct buf out;
        int valid = 1;
        buf_init(&out, 1000);
        assert_int_equal(buf_append(&out, "x", 1, NULL), LODE_OK);
        assert_int_equal(base64_read(&out, texts[i], strlen(texts[i]), &valid, NULL), LODE_OK);
        assert_false(valid);
        assert_int_equal(out.size, 1);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_texts),
        cmocka_unit_test(all_lengths_come_back),
        cmocka_unit_test(others_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
