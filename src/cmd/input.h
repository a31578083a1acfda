/* input.h: the bytes of an imported file: a file, standard input, or memory (tests, fuzzing), through
 * one buffer that grows only as far as one record needs. */
#ifndef CMD_INPUT_H
#define CMD_INPUT_H

#include "base/buf.h"

#define INPUT_LINE_MAX ((size_t)16 << 20) /* bytes of a line or record: bounds memory */

struct input {
    int fd; /* -1: memory */
    int owns_fd;
    const uint8_t *rest; /* of memory: what was not copied to the buffer yet */
    size_t rest_size;
    char *buffer; /* input's own: readers may change what they were given */
    size_t capacity;
    size_t begin, end; /* what has been read and not yet taken */
    uint64_t offset;   /* in the file, of buffer[begin] */
    uint64_t size;     /* of the file; 0: not known (a pipe) */
    uint64_t line;     /* number of the line last taken; 0: none yet */
    int ended;         /* nothing follows the buffer */
};

/* path "-" is standard input. LODE_NOT_FOUND, LODE_IO. */
NODISCARD lode_status input_open(struct input *input, const char *path, lode_error *error);
void input_open_memory(struct input *input, const void *data, size_t size);
void input_close(struct input *input);

/* Have at least `wanted` bytes (at most INPUT_LINE_MAX) in the buffer, fewer at the end of the file.
 * Returns how many there are, at input_data until the next call. */
NODISCARD lode_status input_peek(struct input *input, size_t wanted, size_t *ret_available,
                                 lode_error *error);
char *input_data(const struct input *input);
void input_take(struct input *input, size_t size); /* at most what was peeked */

/* The next line without its end (LF or CRLF), valid until the next call; *ret_line NULL at the end.
 * LODE_LIMIT when it is longer than INPUT_LINE_MAX. */
NODISCARD lode_status input_line(struct input *input, char **ret_line, size_t *ret_size,
                                 lode_error *error);

/* Pass over `size` bytes; LODE_INVALID when the file ends before. Seeks where it can. */
NODISCARD lode_status input_skip(struct input *input, uint64_t size, lode_error *error);
/* Pass over a UTF-8 byte order mark, if one is next. */
NODISCARD lode_status input_skip_mark(struct input *input, lode_error *error);

#endif
