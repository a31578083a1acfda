/* UTF-8 against a decoder that follows RFC 3629 literally. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/random.h"
#include "base/utf8.h"

static size_t size_by_lead(unsigned char lead)
{
    if (lead < 0x80)
        return 1;
    if ((lead & 0xe0) == 0xc0)
        return 2;
    if ((lead & 0xf0) == 0xe0)
        return 3;
    return (lead & 0xf8) == 0xf0 ? 4 : 0;
}

/* Size of the character at p, or 0: decode by the lead's bits, then refuse what has a shorter form,
 * is a surrogate or lies beyond U+10FFFF. */
static size_t decode(const unsigned char *p, size_t left)
{
    static const uint32_t first[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t size = size_by_lead(p[0]);
    if (size == 0 || size > left)
        return 0;
    uint32_t code = size == 1 ? p[0] : p[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (p[i] & 0x3f);
    }
    return code < first[size] || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? 0 : size;
}

static size_t valid_prefix(const char *text, size_t size)
{
    size_t i = 0;
    while (i < size) {
        size_t step = decode((const unsigned char *)text + i, size - i);
        if (!step)
            break;
        i += step;
    }
    return i;
}

static void every_three_bytes(void **state)
{
    (void)state;
    for (uint32_t bytes = 0; bytes < 1u << 24; bytes++) {
        char text[3];
        memcpy(text, &bytes, sizeof text);
        if (utf8_valid_prefix(text, sizeof text) != valid_prefix(text, sizeof text))
            fail_msg("%06x", bytes);
    }
}

static void four_bytes_after_each_long_lead(void **state)
{
    (void)state;
    for (uint32_t bytes = 0; bytes < 1u << 24; bytes += 3) {
        for (unsigned lead = 0xf0; lead < 0xf6; lead++) {
            char text[4] = {(char)lead};
            memcpy(text + 1, &bytes, 3);
            if (utf8_valid_prefix(text, sizeof text) != valid_prefix(text, sizeof text))
                fail_msg("%02x %06x", lead, bytes);
        }
    }
}

static const char *const pieces[] = {
    "a",        "plain text", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80",
    "12345678", "\xc3",       "\x80",     "\xed\xa0\x80", "\xf4\x90\x80\x80",
    "\xff",
};

/* Long texts: the eight-byte steps and what follows them. */
static void random_texts(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 4);
    for (int round = 0; round < 20000; round++) {
        char text[256];
        size_t size = 0;
        uint32_t kinds = round % 2 ? 11 : 6; /* half of them valid */
        uint32_t count = rng_below(&rng, 16);
        for (uint32_t i = 0; i < count; i++) {
            const char *piece = pieces[rng_below(&rng, kinds)];
            memcpy(text + size, piece, strlen(piece));
            size += strlen(piece);
        }
        assert_int_equal(utf8_valid_prefix(text, size), valid_prefix(text, size));
    }
}

/* Each character's own encoding gives it back; what is none gives U+FFFD and one byte. */
static void stepping(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t size;
        uint32_t character;
    } rows[] = {{"a", 1, 'a'},
                {"\xc2\x80", 2, 0x80},
                {"\xdf\xbf", 2, 0x7ff},
                {"\xe0\xa0\x80", 3, 0x800},
                {"\xe2\x82\xac!", 3, 0x20ac},
                {"\xef\xbf\xbf", 3, 0xffff},
                {"\xf0\x90\x80\x80", 4, 0x10000},
                {"\xf4\x8f\xbf\xbf", 4, 0x10ffff},
                {"\xe2\x82", 1, 0xfffd},
                {"\xed\xa0\x80", 1, 0xfffd},
                {"\x80", 1, 0xfffd},
                {"\xff", 1, 0xfffd}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint32_t character = 0;
        const char *end = rows[i].text + strlen(rows[i].text);
        assert_int_equal(utf8_step(rows[i].text, end, &character), rows[i].size);
        assert_int_equal(character, rows[i].character);
    }
}

static void nothing(void **state)
{
    (void)state;
    assert_int_equal(utf8_valid_prefix(NULL, 0), 0);
    assert_int_equal(utf8_valid_prefix("\0", 1), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_three_bytes), cmocka_unit_test(four_bytes_after_each_long_lead),
        cmocka_unit_test(random_texts),      cmocka_unit_test(stepping),
        cmocka_unit_test(nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
