/* glob.h: shell patterns over whole values. '*' is any run of characters, '?' one character, [abc], [a-z]
 * and [!a-z] one of a set, and a backslash takes the next character as it stands. */
#ifndef FILTER_GLOB_H
#define FILTER_GLOB_H

#include "base/error.h"

#define GLOB_SIZE_MAX 1024 /* bytes: a test takes at most pattern times value steps */

/* LODE_INVALID: a set or escape without end. LODE_LIMIT. */
NODISCARD lode_status glob_check(const char *pattern, size_t size, lode_error *error);
/* Whether all of text matches a checked pattern. */
int glob_matches(const char *pattern, size_t pattern_size, const char *text, size_t text_size);

#endif
