/* json_names.h: which of the names that there are was probably meant. */
#ifndef SERVER_JSON_NAMES_H
#define SERVER_JSON_NAMES_H

#include <stddef.h>

#define JSON_NAME_MAX 48 /* bytes: longer ones are like nothing */

/* How many letters must be changed, added or taken away to make one of the other; SIZE_MAX: one is too long. */
size_t json_name_distance(const char *a, size_t a_size, const char *b, size_t b_size);

#endif
