/* utf8.h: validity of UTF-8 (RFC 3629: no surrogates, no overlong forms). */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>

/* The length of the longest valid prefix; equals size when all is valid. */
size_t utf8_valid_prefix(const char *text, size_t size);

#endif
