/* utf8.c: checking UTF-8. Runs of ASCII, nearly everything in practice, go eight bytes at a time. */
#include "base/utf8.h"

#include <stdint.h>
#include <string.h>

static int is_ascii_8(const unsigned char *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return (word & 0x8080808080808080ull) == 0;
}

static int is_continuation(unsigned char byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Length of the sequence of two to four bytes at p[0, left), or 0 when it is not valid: the table
 * 3-7 of the Unicode standard, where only the second byte's range depends on the first. */
static size_t sequence_size(const unsigned char *p, size_t left)
{
    unsigned char first = p[0];
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || left < size)
        return 0;
    unsigned char low = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
    unsigned char high = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++)
        if (!is_continuation(p[i]))
            return 0;
    return size;
}

size_t utf8_valid_prefix(const char *text, size_t size)
{
    const unsigned char *p = (const unsigned char *)text;
    size_t i = 0;
    while (i < size) {
        if (size - i >= 8 && is_ascii_8(p + i)) {
            i += 8;
        } else if (p[i] < 0x80) {
            i++;
        } else {
            size_t step = sequence_size(p + i, size - i);
            if (!step)
                return i;
            i += step;
        }
    }
    return size;
}

size_t utf8_step(const char *p, const char *end, uint32_t *ret_character)
{
    const unsigned char *bytes = (const unsigned char *)p;
    if (bytes[0] < 0x80) {
        *ret_character = bytes[0];
        return 1;
    }
    size_t size = sequence_size(bytes, (size_t)(end - p));
    if (!size) {
        *ret_character = 0xfffd;
        return 1;
    }
    uint32_t character = bytes[0] & (0x7fu >> size);
    for (size_t i = 1; i < size; i++)
        character = character << 6 | (bytes[i] & 0x3f);
    *ret_character = character;
    return size;
}
