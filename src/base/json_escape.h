/* json_escape.h: backslash escapes inside JSON strings; for the parser's own files. */
#ifndef BASE_JSON_ESCAPE_H
#define BASE_JSON_ESCAPE_H

#include <stddef.h>

/* p points at a backslash. Where its escape ends, surrogate pairs taken as one, or NULL when it is
 * not a valid escape or does not end before `end`. */
const char *json_escape_end(const char *p, const char *end);

/* The next character of a checked string, unescaped, whose text is at *p: one byte as it stands, or
 * the one to four bytes of an escape. Moves *p behind it and returns the count. */
size_t json_escape_step(const char **p, char out[4]);

/* Order of two checked strings by their unescaped bytes: <0, 0, >0. */
int json_escape_compare(const char *a, size_t a_size, const char *b, size_t b_size);

#endif
