/* Mutated documents, against the plainest possible parser, written for this test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/random.h"
#include "base/utf8.h"

/* Duplicate keys are not its business. */
struct plain {
    const unsigned char *p, *end;
};

static int plain_value(struct plain *in, int depth);

static void plain_space(struct plain *in)
{
    while (in->p < in->end && strchr(" \t\r\n", *in->p) && *in->p)
        in->p++;
}

static int plain_take(struct plain *in, char c)
{
    if (in->p == in->end || *in->p != (unsigned char)c)
        return 0;
    in->p++;
    return 1;
}

static long plain_hex(struct plain *in)
{
    char digits[5] = {0};
    if (in->end - in->p < 4)
        return -1;
    memcpy(digits, in->p, 4);
    in->p += 4;
    return strspn(digits, "0123456789abcdefABCDEF") == 4 ? strtol(digits, NULL, 16) : -1;
}

static int plain_escape(struct plain *in)
{
    if (in->p == in->end)
        return 0;
    if (*in->p != 'u')
        return *in->p && strchr("\"\\/bfnrt", *in->p++) != NULL;
    in->p++;
    long first = plain_hex(in);
    if (first < 0 || (first >= 0xdc00 && first < 0xe000))
        return 0;
    if (first < 0xd800 || first >= 0xe000)
        return 1;
    if (!plain_take(in, '\\') || !plain_take(in, 'u'))
        return 0;
    long second = plain_hex(in);
    return second >= 0xdc00 && second < 0xe000;
}

static int plain_string(struct plain *in)
{
    if (!plain_take(in, '"'))
        return 0;
    const unsigned char *begin = in->p;
    while (in->p < in->end && *in->p != '"') {
        if (*in->p < 0x20)
            return 0;
        if (*in->p++ == '\\' && !plain_escape(in))
            return 0;
    }
    size_t size = (size_t)(in->p - begin);
    return plain_take(in, '"') && utf8_valid_prefix((const char *)begin, size) == size;
}

static int plain_digits(struct plain *in)
{
    const unsigned char *begin = in->p;
    while (in->p < in->end && *in->p >= '0' && *in->p <= '9')
        in->p++;
    return in->p > begin;
}

static int plain_number(struct plain *in)
{
    plain_take(in, '-');
    const unsigned char *begin = in->p;
    if (!plain_digits(in) || (*begin == '0' && in->p - begin > 1))
        return 0;
    if (plain_take(in, '.') && !plain_digits(in))
        return 0;
    if (plain_take(in, 'e') || plain_take(in, 'E')) {
        if (!plain_take(in, '+'))
            plain_take(in, '-');
        return plain_digits(in);
    }
    return 1;
}

static int plain_word(struct plain *in, const char *word)
{
    while (*word)
        if (!plain_take(in, *word++))
            return 0;
    return 1;
}

static int plain_members(struct plain *in, int is_object, int depth)
{
    char close = is_object ? '}' : ']';
    plain_space(in);
    if (plain_take(in, close))
        return 1;
    do {
        plain_space(in);
        if (is_object) {
            if (!plain_string(in))
                return 0;
            plain_space(in);
            if (!plain_take(in, ':'))
                return 0;
        }
        if (!plain_value(in, depth))
            return 0;
        plain_space(in);
    } while (plain_take(in, ','));
    return plain_take(in, close);
}

static int plain_value(struct plain *in, int depth)
{
    plain_space(in);
    if (in->p == in->end)
        return 0;
    switch (*in->p) {
    case '{':
    case '[': return depth < JSON_DEPTH_MAX && plain_members(in, *in->p++ == '{', depth + 1);
    case '"': return plain_string(in);
    case 't': return plain_word(in, "true");
    case 'f': return plain_word(in, "false");
    case 'n': return plain_word(in, "null");
    default: return plain_number(in);
    }
}

static int plain_accepts(const char *text, size_t size)
{
    struct plain in = {(const unsigned char *)text, (const unsigned char *)text + size};
    if (!plain_value(&in, 0))
        return 0;
    plain_space(&in);
    return in.p == in.end;
}

/* Read every token; whether the document was complete. */
static int reader_accepts(const char *text, size_t size)
{
    struct json json;
    json_init(&json, text, size);
    for (;;) {
        switch (json_next(&json)) {
        case JSON_ERROR: assert_true(json.offset <= size); return 0;
        case JSON_END: return 1;
        default: break;
        }
    }
}

static const char *const seeds[] = {
    "[]",
    "null",
    "\"\"",
    "-0.0e-0",
    " \t\r\n[ \t\r\n] \t\r\n",
    "[1 , 2 , 3]",
    "[[],[[]],{}]",
    "{\"a\":1,\"b\":[true,false,null]}",
    "{ \"a\" : { \"b\" : { \"c\" : 0 } } }",
    "[\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"]",
    "[\"\\u0000\\u00e9\\u20AC\\uFFFF\"]",
    "[\"\\ud83d\\ude00\"]",
    "[\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"]",
    "[1e400,-1.5E+3,0.1,123456789012345678901234567890]",
    "{\"id\":17,\"vector\":[0.25,-1e-3],\"text\":\"a text of some length, with \\\"quotes\\\"\"}",
};

static size_t mutate(struct rng *rng, char *text, size_t size, size_t size_max)
{
    static const char *const bits[] = {
        "\"",   "\\",      "{",    "}",  "[",    "]",    ",",       ":",
        "1",    "0",       "-",    ".",  "e",    "\\u",  "\\ud83d", "\\ude00",
        "null", "true",    " ",    "\n", "\x01", "\xff", "\xc3",    "\xe2\x82\xac",
        "\\n",  "{\"a\":", "[[[[",
    };
    size_t at = rng_below(rng, (uint32_t)size + 1);
    switch (rng_below(rng, 4)) {
    case 0:
        if (at < size)
            text[at] = (char)rng_u64(rng);
        return size;
    case 1: { /* remove some */
        size_t count = rng_below(rng, 5);
        if (count > size - at)
            count = size - at;
        memmove(text + at, text + at + count, size - at - count);
        return size - count;
    }
    default: {
        const char *bit = bits[rng_below(rng, sizeof bits / sizeof *bits)];
        size_t count = strlen(bit);
        if (size + count > size_max)
            return size;
        memmove(text + at + count, text + at, size - at);
        memcpy(text + at, bit, count);
        return size + count;
    }
    }
}

static void mutated_documents(void **state)
{
    (void)state;
    enum { MAX = 400 };
    struct rng rng;
    rng_init(&rng, 31);
    int both = 0;
    for (int round = 0; round < 300000; round++) {
        char text[MAX];
        const char *seed = seeds[rng_below(&rng, sizeof seeds / sizeof *seeds)];
        size_t size = strlen(seed);
        memcpy(text, seed, size);
        for (uint32_t changes = rng_below(&rng, 4); changes > 0; changes--)
            size = mutate(&rng, text, size, MAX);
        char *copy = malloc(size ? size : 1);
        memcpy(copy, text, size);
        int accepts = plain_accepts(copy, size);
        if (reader_accepts(copy, size) != accepts)
            fail_msg("accepted %d: %.*s", !accepts, (int)size, text);
        both += accepts;
        free(copy);
    }
    assert_true(both > 30000 && both < 200000); /* neither side was idle */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mutated_documents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
