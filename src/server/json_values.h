/* json_values.h: what bodies hold beside plain values: ids, vectors, conditions of writes, moments, lists of what to
 * return. Each reads the value that comes next. */
#ifndef SERVER_JSON_VALUES_H
#define SERVER_JSON_VALUES_H

#include "server/json_input.h"

/* A whole number is a number; a string in the form of a UUID is one; any other string is a string. */
NODISCARD lode_status json_input_id(struct json_input *input, lode_id *ret_id);
/* The same of a text that is not JSON (a path, a query string): digits alone are a number too. LODE_INVALID, LODE_LIMIT. */
NODISCARD lode_status json_id_of_text(const char *text, size_t size, lode_id *ret_id,
                                      lode_error *error);
/* The id as JSON: what json_input_id reads, but that strings in the form of a UUID come back as one. */
void json_write_id(struct json_writer *json, const lode_id *id);
/* The same into text[JSON_ID_TEXT_MAX], of a number or UUID; returns its size, 0 of a string. */
#define JSON_ID_TEXT_MAX 40
size_t json_id_plain(const lode_id *id, char text[JSON_ID_TEXT_MAX]);

/* An array of numbers, or a base64 string of little-endian floats (RFC 4648, either alphabet, padded or not). *dim:
 * how many there must be; 0: at most LODE_DIM_MAX, and it is set. The vector is in the arena, always finite. */
NODISCARD lode_status json_input_vector(struct json_input *input, uint32_t *dim,
                                        const float **ret_vector);
/* The first value that is not finite, or `count`. */
size_t json_find_infinite(const float *values, size_t count);

/* "absent", "present" or {"version": 7}: into op->condition and op->if_version. */
NODISCARD lode_status json_input_condition(struct json_input *input, lode_write_op *op);

/* Milliseconds since 1970, or an RFC 3339 date-time; null: LODE_EXPIRES_NEVER. */
NODISCARD lode_status json_input_moment(struct json_input *input, uint64_t *ret_ms);

/* An array of "vector", "metadata", "text", "version", "expires": LODE_WITH_... or-ed. */
NODISCARD lode_status json_input_with(struct json_input *input, unsigned *ret_with);
/* One such name; 0: it is none. */
unsigned json_with_of(const char *text, size_t size);
extern const char *const json_with_names; /* all of them, for messages */

struct json_names {
    const char *const *items; /* each ends with NUL; in the arena */
    size_t count;
};
/* An array of strings, at most count_max; what: "fields". */
NODISCARD lode_status json_input_names(struct json_input *input, size_t count_max, const char *what,
                                       struct json_names *ret_names);

/* A string, which is a filter as text, or an object, which is one as JSON. */
NODISCARD lode_status json_input_filter(struct json_input *input, const char **ret_text,
                                        size_t *ret_size);

#endif
