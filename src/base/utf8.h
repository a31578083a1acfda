/* utf8.h: validity of UTF-8 (RFC 3629: no surrogates, no overlong forms). */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* The length of the longest valid prefix; equals size when all is valid. */
size_t utf8_valid_prefix(const char *text, size_t size);

/* The character at p, before end; returns its bytes. Of text that is not UTF-8: U+FFFD, one byte. */
size_t utf8_step(const char *p, const char *end, uint32_t *ret_character);

#endif
