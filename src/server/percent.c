/* percent.c: see percent.h. */
#include "server/percent.h"

#include "base/hex.h"
#include "base/utf8.h"

static int is_plain(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return 0;
    return utf8_valid_prefix(text, size) == size;
}

long percent_decode(char *text, size_t size, enum percent_where where)
{
    size_t out = 0;
    for (size_t i = 0; i < size; i++, out++) {
        text[out] = text[i];
        if (text[i] == '+' && where == PERCENT_QUERY)
            text[out] = ' ';
        if (text[i] != '%')
            continue;
        int high = i + 2 < size ? hex_value(text[i + 1]) : -1;
        int low = i + 2 < size ? hex_value(text[i + 2]) : -1;
        if (high < 0 || low < 0)
            return -1;
        text[out] = (char)(high << 4 | low);
        i += 2;
    }
    text[out] = '\0';
    return is_plain(text, out) ? (long)out : -1;
}
