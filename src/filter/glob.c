/* glob.c: at a mismatch only the last star is tried again, one character later: what an earlier star
 * could take, the last one can too. */
#include "filter/glob.h"

#include <string.h>

#include "base/utf8.h"

/* One character of a set or outside; an escape gives what it protects. NULL: nothing follows. */
static const char *take(const char *p, const char *end, uint32_t *ret_character)
{
    if (p < end && *p == '\\')
        p++;
    return p < end ? p + utf8_step(p, end, ret_character) : NULL;
}

/* p is behind '['. *ret_in: whether c is in the set. Where the set ends, or NULL when it does not. */
static const char *read_set(const char *p, const char *end, uint32_t c, int *ret_in)
{
    int negated = p < end && (*p == '!' || *p == '^'), in = 0;
    p += negated;
    for (int first = 1; p && p < end; first = 0) {
        uint32_t low = 0, high;
        if (*p == ']' && !first) {
            *ret_in = in != negated;
            return p + 1;
        }
        p = take(p, end, &low);
        high = low;
        if (p && end - p >= 2 && *p == '-' && p[1] != ']')
            p = take(p + 1, end, &high);
        in |= p && c >= low && c <= high;
    }
    return NULL;
}

lode_status glob_check(const char *pattern, size_t size, lode_error *error)
{
    if (size > GLOB_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "glob of %zu bytes: at most %d", size, GLOB_SIZE_MAX);
    const char *p = pattern, *end = pattern + size;
    while (p < end) {
        const char *begin = p;
        uint32_t c;
        int in;
        p = *p == '[' ? read_set(p + 1, end, 0, &in) : take(p, end, &c);
        if (!p)
            return error_set(error, LODE_INVALID, "glob: %s at its byte %zu has no end",
                             *begin == '[' ? "the set" : "the escape", (size_t)(begin - pattern));
    }
    return LODE_OK;
}

/* One step of the pattern, not a star, against c: where the pattern goes on, or NULL. */
static const char *match_one(const char *p, const char *end, uint32_t c)
{
    uint32_t wanted = 0;
    int in = 1;
    if (*p == '?')
        return p + 1;
    if (*p == '[') {
        p = read_set(p + 1, end, c, &in);
        return in ? p : NULL;
    }
    p = take(p, end, &wanted);
    return wanted == c ? p : NULL;
}

int glob_matches(const char *pattern, size_t pattern_size, const char *text, size_t text_size)
{
    const char *p = pattern, *p_end = pattern + pattern_size;
    const char *t = text, *t_end = text + text_size;
    const char *star = NULL, *star_text = NULL; /* behind the last star; what it has not taken */
    for (;;) {
        uint32_t c;
        const char *next = NULL;
        if (p < p_end && *p == '*') {
            star = ++p;
            star_text = t;
            continue;
        }
        if (t == t_end)
            return p == p_end;
        size_t step = utf8_step(t, t_end, &c);
        if (p < p_end)
            next = match_one(p, p_end, c);
        if (next) {
            p = next;
            t += step;
        } else if (star) {
            star_text += utf8_step(star_text, t_end, &c);
            p = star;
            t = star_text;
        } else {
            return 0;
        }
    }
}
