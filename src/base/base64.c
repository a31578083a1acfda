/* base64.c: see base64.h. */
#include "base/base64.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

int base64_value(char digit)
{
    if (digit >= 'A' && digit <= 'Z')
        return digit - 'A';
    if (digit >= 'a' && digit <= 'z')
        return digit - 'a' + 26;
    if (digit >= '0' && digit <= '9')
        return digit - '0' + 52;
    if (digit == '+' || digit == '-')
        return 62;
    return digit == '/' || digit == '_' ? 63 : -1;
}

lode_status base64_append(struct buf *out, const uint8_t *data, size_t size, lode_error *error)
{
    lode_status status = buf_reserve(out, (size * 4 + 2) / 3, error);
    if (status)
        return status;
    uint32_t bits = 0, count = 0;
    for (size_t i = 0; i < size; i++) {
        bits = bits << 8 | data[i];
        for (count += 8; count >= 6; count -= 6)
            out->data[out->size++] = (uint8_t)digits[bits >> (count - 6) & 63];
    }
    if (count > 0)
        out->data[out->size++] = (uint8_t)digits[bits << (6 - count) & 63];
    return LODE_OK;
}

static int digit_value(char digit)
{
    const char *found = digit ? strchr(digits, digit) : NULL;
    return found ? (int)(found - digits) : -1;
}

lode_status base64_read(struct buf *out, const char *text, size_t size, int *ret_valid,
                        lode_error *error)
{
    size_t begin = out->size;
    uint32_t bits = 0, count = 0;
    *ret_valid = size % 4 != 1;
    lode_status status = buf_reserve(out, size / 4 * 3 + 2, error);
    for (size_t i = 0; !status && *ret_valid && i < size; i++) {
        int value = digit_value(text[i]);
        *ret_valid = value >= 0;
        bits = bits << 6 | (uint32_t)(value & 63);
        count += 6;
        if (count < 8)
            continue;
        count -= 8;
        out->data[out->size++] = (uint8_t)(bits >> count);
    }
    *ret_valid &= (bits & (((uint32_t)1 << count) - 1)) == 0;
    if (status || !*ret_valid)
        out->size = begin;
    return status;
}
