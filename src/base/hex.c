/* hex.c: see hex.h. */
#include "base/hex.h"

#define UUID_TEXT_SIZE 36u

int hex_value(char digit)
{
    if (digit >= '0' && digit <= '9')
        return digit - '0';
    char lower = (char)(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

int hex_parse_uuid(const char *text, size_t size, uint8_t ret_uuid[16])
{
    if (size != UUID_TEXT_SIZE)
        return 0;
    size_t count = 0;
    for (size_t i = 0; i < size;) {
        if (i == 8 || i == 13 || i == 18 || i == 23) {
            if (text[i++] != '-')
                return 0;
            continue;
        }
        int high = hex_value(text[i]), low = hex_value(text[i + 1]);
        if (high < 0 || low < 0)
            return 0;
        ret_uuid[count++] = (uint8_t)(high << 4 | low);
        i += 2;
    }
    return 1;
}
