/* json_escape.c: see json_escape.h. */
#include "base/json_escape.h"

#include <stdint.h>

/* The value of four hexadecimal digits, or -1. */
static int32_t hex_4(const char *p)
{
    int32_t value = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char c = (unsigned char)p[i];
        unsigned char letter = (unsigned char)((c | 0x20) - 'a');
        if ((unsigned char)(c - '0') < 10)
            value = value * 16 + (c - '0');
        else if (letter < 6)
            value = value * 16 + 10 + letter;
        else
            return -1;
    }
    return value;
}

static int is_high_surrogate(int32_t code)
{
    return (code & ~0x3ff) == 0xd800;
}

static int is_low_surrogate(int32_t code)
{
    return (code & ~0x3ff) == 0xdc00;
}

static const char *unicode_escape_end(const char *p, const char *end)
{
    int32_t code = end - p < 6 ? -1 : hex_4(p + 2);
    if (code < 0 || is_low_surrogate(code))
        return NULL;
    if (!is_high_surrogate(code))
        return p + 6;
    if (end - p < 12 || p[6] != '\\' || p[7] != 'u' || !is_low_surrogate(hex_4(p + 8)))
        return NULL;
    return p + 12;
}

const char *json_escape_end(const char *p, const char *end)
{
    if (end - p < 2)
        return NULL;
    switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't': return p + 2;
    case 'u': return unicode_escape_end(p, end);
    default: return NULL;
    }
}

static size_t encode_utf8(int32_t code, char out[4])
{
    size_t size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    static const uint8_t lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (size_t i = size - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)(lead[size] | code);
    return size;
}

static size_t unicode_step(const char **p, char out[4])
{
    int32_t code = hex_4(*p + 2);
    *p += 6;
    if (is_high_surrogate(code)) {
        code = 0x10000 + ((code & 0x3ff) << 10 | (hex_4(*p + 2) & 0x3ff));
        *p += 6;
    }
    return encode_utf8(code, out);
}

static char simple_escape(char letter)
{
    switch (letter) {
    case 'b': return '\b';
    case 'f': return '\f';
    case 'n': return '\n';
    case 'r': return '\r';
    case 't': return '\t';
    default: return letter;
    }
}

size_t json_escape_step(const char **p, char out[4])
{
    if (**p != '\\') {
        out[0] = *(*p)++;
        return 1;
    }
    if ((*p)[1] == 'u')
        return unicode_step(p, out);
    out[0] = simple_escape((*p)[1]);
    *p += 2;
    return 1;
}

/* Reads one unescaped byte at a time. */
struct unescaped {
    const char *p;
    const char *end;
    char bytes[4];
    size_t size;
    size_t used;
};

/* The next byte, or -1 at the end. */
static int next_byte(struct unescaped *text)
{
    if (text->used == text->size) {
        if (text->p == text->end)
            return -1;
        text->size = json_escape_step(&text->p, text->bytes);
        text->used = 0;
    }
    return (unsigned char)text->bytes[text->used++];
}

int json_escape_compare(const char *a, size_t a_size, const char *b, size_t b_size)
{
    struct unescaped a_text = {.p = a, .end = a + a_size}, b_text = {.p = b, .end = b + b_size};
    for (;;) {
        int a_byte = next_byte(&a_text), b_byte = next_byte(&b_text);
        if (a_byte != b_byte || a_byte < 0)
            return a_byte - b_byte;
    }
}
