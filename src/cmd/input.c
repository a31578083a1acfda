/* input.c: see input.h. One read() per refill, of what the buffer has room for. */
#include "cmd/input.h"

#include "cmd/interrupt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BUFFER_SIZE ((size_t)256 << 10) /* stays in the processor's cache */

static lode_status open_failed(const char *path, int os_errno, lode_error *error)
{
    if (os_errno == ENOENT)
        return error_set(error, LODE_NOT_FOUND, "no such file: %s", path);
    return error_os(error, os_errno, "cannot open %s", path);
}

lode_status input_open(struct input *input, const char *path, lode_error *error)
{
    *input = (struct input){.fd = STDIN_FILENO};
    if (strcmp(path, "-") != 0) {
        input->fd = open(path, O_RDONLY | O_CLOEXEC);
        if (input->fd < 0)
            return open_failed(path, errno, error);
        input->owns_fd = 1;
    }
    struct stat about;
    if (fstat(input->fd, &about) == 0) {
        if (S_ISDIR(about.st_mode)) {
            input_close(input);
            return error_set(error, LODE_INVALID, "%s is a directory", path);
        }
        off_t at = lseek(input->fd, 0, SEEK_CUR); /* standard input may have been read from */
        if (S_ISREG(about.st_mode) && at >= 0 && about.st_size > at)
            input->size = (uint64_t)(about.st_size - at);
    }
    return LODE_OK;
}

void input_open_memory(struct input *input, const void *data, size_t size)
{
    *input = (struct input){.fd = -1, .rest = data, .rest_size = size, .size = size};
}

void input_close(struct input *input)
{
    if (input->owns_fd)
        close(input->fd);
    free(input->buffer);
    *input = (struct input){.fd = -1, .ended = 1};
}

/* Wait until there is something to read; a signal ends the wait. */
static lode_status wait_readable(const struct input *input, lode_error *error)
{
    struct pollfd wanted = {.fd = input->fd, .events = POLLIN};
    while (poll(&wanted, 1, -1) < 0) {
        if (errno != EINTR)
            return error_os(error, errno, "cannot wait for input");
        if (interrupt_caught())
            return error_set(error, LODE_CANCELLED, "interrupted");
    }
    return LODE_OK;
}

static lode_status read_some(struct input *input, char *to, size_t room, size_t *ret_size,
                             lode_error *error)
{
    if (input->fd < 0) {
        size_t size = room < input->rest_size ? room : input->rest_size;
        if (size) {
            memcpy(to, input->rest, size);
            input->rest += size;
            input->rest_size -= size;
        }
        *ret_size = size;
        return LODE_OK;
    }
    if (input->size == 0) { /* a pipe or terminal */
        lode_status status = wait_readable(input, error);
        if (status)
            return status;
    }
    ssize_t size;
    do {
        size = read(input->fd, to, room);
    } while (size < 0 && errno == EINTR);
    if (size < 0)
        return error_os(error, errno, "cannot read");
    *ret_size = (size_t)size;
    return LODE_OK;
}

/* Room for `wanted` bytes from buffer[begin]: move what is left to the front, or grow. */
static lode_status make_room(struct input *input, size_t wanted, lode_error *error)
{
    if (input->capacity - input->begin >= wanted)
        return LODE_OK;
    size_t left = input->end - input->begin;
    if (input->capacity < wanted) {
        size_t capacity = input->capacity ? input->capacity : BUFFER_SIZE;
        while (capacity < wanted)
            capacity *= 2;
        char *buffer = malloc(capacity);
        if (!buffer)
            return error_nomem(error, "the input buffer", capacity);
        if (left)
            memcpy(buffer, input->buffer + input->begin, left);
        free(input->buffer);
        input->buffer = buffer;
        input->capacity = capacity;
    } else {
        memmove(input->buffer, input->buffer + input->begin, left);
    }
    input->begin = 0;
    input->end = left;
    return LODE_OK;
}

lode_status input_peek(struct input *input, size_t wanted, size_t *ret_available, lode_error *error)
{
    INVARIANT(wanted <= INPUT_LINE_MAX);
    while (input->end - input->begin < wanted && !input->ended) {
        lode_status status = make_room(input, wanted, error);
        size_t size = 0;
        if (status == LODE_OK)
            status = read_some(input, input->buffer + input->end, input->capacity - input->end,
                               &size, error);
        if (status)
            return status;
        input->end += size;
        input->ended = size == 0;
    }
    *ret_available = input->end - input->begin;
    return LODE_OK;
}

char *input_data(const struct input *input)
{
    static char nothing[1];
    return input->buffer ? input->buffer + input->begin : nothing;
}

void input_take(struct input *input, size_t size)
{
    INVARIANT(size <= input->end - input->begin);
    input->begin += size;
    input->offset += size;
    if (input->begin == input->end)
        input->begin = input->end = 0;
}

lode_status input_line(struct input *input, char **ret_line, size_t *ret_size, lode_error *error)
{
    size_t searched = 0, available = input->end - input->begin;
    for (;;) {
        char *line = input_data(input);
        char *end =
            available > searched ? memchr(line + searched, '\n', available - searched) : NULL;
        if (end || (input->ended && available > 0)) {
            size_t size = end ? (size_t)(end - line) : available;
            input->line++;
            /* Taken now, but it stays in place until the next refill. */
            input->begin += size + (end != NULL);
            input->offset += size + (end != NULL);
            *ret_size = size > 0 && line[size - 1] == '\r' ? size - 1 : size;
            *ret_line = line;
            return LODE_OK;
        }
        if (input->ended) {
            *ret_line = NULL;
            *ret_size = 0;
            return LODE_OK;
        }
        if (available >= INPUT_LINE_MAX) {
            input->line++;
            return error_set(error, LODE_LIMIT, "the line is longer than %zu MiB",
                             INPUT_LINE_MAX >> 20);
        }
        searched = available;
        lode_status status = input_peek(input, available + 1, &available, error);
        if (status)
            return status;
    }
}

static int seek_over(struct input *input, uint64_t size)
{
    if (!input->owns_fd || input->size == 0 || size > input->size - input->offset)
        return 0;
    size_t buffered = input->end - input->begin;
    if (size <= buffered || lseek(input->fd, (off_t)(size - buffered), SEEK_CUR) < 0)
        return 0;
    input->begin = input->end = 0;
    input->offset += size;
    return 1;
}

lode_status input_skip(struct input *input, uint64_t size, lode_error *error)
{
    if (seek_over(input, size))
        return LODE_OK;
    while (size > 0) {
        size_t available = 0;
        size_t step = size < BUFFER_SIZE ? (size_t)size : BUFFER_SIZE;
        lode_status status = input_peek(input, step, &available, error);
        if (status)
            return status;
        if (available == 0)
            return error_set(error, LODE_INVALID, "the file ends %llu bytes early",
                             (unsigned long long)size);
        if (available > step)
            available = step;
        input_take(input, available);
        size -= available;
    }
    return LODE_OK;
}

lode_status input_skip_mark(struct input *input, lode_error *error)
{
    size_t available = 0;
    lode_status status = input_peek(input, 3, &available, error);
    if (status == LODE_OK && available >= 3 && memcmp(input_data(input), "\xef\xbb\xbf", 3) == 0)
        input_take(input, 3);
    return status;
}
