/* Hexadecimal digits, and UUIDs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/hex.h"

static void digits_of_either_case(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        const char *all = "0123456789abcdef0123456789ABCDEF", *at = c ? strchr(all, c) : NULL;
        assert_int_equal(hex_value((char)c), at ? (int)((at - all) % 16) : -1);
    }
}

static void uuids(void **state)
{
    (void)state;
    static const char text[] = "00112233-4455-6677-8899-aAbBcCdDeEfF";
    char wrong[sizeof text];
    uint8_t uuid[16];
    assert_int_equal(hex_parse_uuid(text, 36, uuid), 1);
    for (unsigned i = 0; i < 16; i++)
        assert_int_equal(uuid[i], i * 0x11);
    assert_int_equal(hex_parse_uuid(text, 35, uuid), 0);
    for (size_t i = 0; i < 36; i++) {
        memcpy(wrong, text, sizeof text);
        wrong[i] = wrong[i] == '-' ? '0' : 'g';
        assert_int_equal(hex_parse_uuid(wrong, 36, uuid), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(digits_of_either_case),
        cmocka_unit_test(uuids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
