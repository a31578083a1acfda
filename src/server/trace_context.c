/* trace_context.c: see trace_context.h. */
#include "server/trace_context.h"

#include <string.h>

#define STATE_SIZE_MAX 512u

/* Lower-case hexadecimal only: -1 otherwise. */
static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Read 2 * size digits and what must stand behind them, one of the delimiters or ("") the end; moves *text behind both. */
static int take(const char **text, uint8_t *bytes, size_t size, const char *delimiters)
{
    const char *p = *text;
    for (size_t i = 0; i < size; i++) {
        int high = digit(p[0]);
        int low = high < 0 ? -1 : digit(p[1]);
        if (low < 0)
            return 0;
        bytes[i] = (uint8_t)(high << 4 | low);
        p += 2;
    }
    int is_end = *delimiters ? *p && strchr(delimiters, *p) : !*p;
    if (!is_end)
        return 0;
    *text = p + 1;
    return 1;
}

static int is_zero(const uint8_t *bytes, size_t size)
{
    uint8_t any = 0;
    for (size_t i = 0; i < size; i++)
        any |= bytes[i];
    return !any;
}

int traceparent_parse(const char *text, struct traceparent *ret_parent)
{
    uint8_t version, flags;
    if (!take(&text, &version, 1, "-") || version == 0xff)
        return 0;
    if (!take(&text, ret_parent->trace_id, sizeof ret_parent->trace_id, "-") ||
        !take(&text, ret_parent->parent_id, sizeof ret_parent->parent_id, "-"))
        return 0;
    const char *rest = text;
    if (!take(&rest, &flags, 1, "") && (version == 0 || !take(&text, &flags, 1, "-")))
        return 0;
    ret_parent->is_sampled = flags & 1;
    return !is_zero(ret_parent->trace_id, sizeof ret_parent->trace_id) &&
           !is_zero(ret_parent->parent_id, sizeof ret_parent->parent_id);
}

int tracestate_is_sound(const char *text)
{
    size_t size = strnlen(text, STATE_SIZE_MAX + 1);
    for (size_t i = 0; i < size; i++)
        if (text[i] < ' ' || text[i] > '~')
            return 0;
    return size > 0 && size <= STATE_SIZE_MAX;
}

void trace_hex(const uint8_t *bytes, size_t size, char *text)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < size; i++) {
        *text++ = digits[bytes[i] >> 4];
        *text++ = digits[bytes[i] & 15];
    }
    *text = '\0';
}
