/* error.c: formatting of error messages. Every message is built in a local array first, so that an
 * argument may point into the error being written. */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Here they are defined, not called: see the header. */
#undef error_set
#undef error_os
#undef error_nomem

enum { MESSAGE_SIZE = sizeof((lode_error *)NULL)->message };

/* Remove a UTF-8 sequence that was cut in its middle from the end of text[0, size). */
static void drop_partial_character(char *text, size_t size)
{
    size_t lead = size;
    while (lead > 0 && size - lead < 3 && ((unsigned char)text[lead - 1] & 0xc0) == 0x80)
        lead--;
    if (lead == 0)
        return;
    unsigned char first = (unsigned char)text[lead - 1];
    size_t wanted = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    if (size - (lead - 1) < wanted)
        text[lead - 1] = '\0';
}

/* Add to the text in message[MESSAGE_SIZE], cutting what does not fit. */
static void message_add_list(char *message, const char *format, va_list args)
{
    size_t used = strlen(message);
    int wanted = vsnprintf(message + used, MESSAGE_SIZE - used, format, args);
    if (wanted < 0)
        message[used] = '\0';
    else if ((size_t)wanted >= MESSAGE_SIZE - used)
        drop_partial_character(message, MESSAGE_SIZE - 1);
}

__attribute__((format(printf, 2, 3))) static void message_add(char *message, const char *format,
                                                              ...)
{
    va_list args;
    va_start(args, format);
    message_add_list(message, format, args);
    va_end(args);
}

static void store(lode_error *error, lode_status status, int os_errno, const char *message)
{
    error->status = status;
    error->os_errno = os_errno;
    memcpy(error->message, message, MESSAGE_SIZE);
}

lode_status error_set(lode_error *error, lode_status status, const char *format, ...)
{
    if (!error)
        return status;
    char message[MESSAGE_SIZE] = "";
    va_list args;
    va_start(args, format);
    message_add_list(message, format, args);
    va_end(args);
    store(error, status, 0, message);
    return status;
}

static lode_status status_of_errno(int os_errno)
{
    switch (os_errno) {
    case ENOSPC:
    case EDQUOT: return LODE_FULL;
    case ENOMEM: return LODE_NOMEM;
    default: return LODE_IO;
    }
}

lode_status error_os(lode_error *error, int os_errno, const char *format, ...)
{
    lode_status status = status_of_errno(os_errno);
    if (!error)
        return status;
    char message[MESSAGE_SIZE] = "";
    va_list args;
    va_start(args, format);
    message_add_list(message, format, args);
    va_end(args);
    char text[128];
    message_add(message, ": %s", strerror_r(os_errno, text, sizeof text));
    store(error, status, os_errno, message);
    return status;
}

lode_status error_nomem(lode_error *error, const char *what, size_t size)
{
    return error_set(error, LODE_NOMEM, "out of memory: %zu bytes for %s", size, what);
}

void error_prefix(lode_error *error, const char *format, ...)
{
    if (!error)
        return;
    char message[MESSAGE_SIZE] = "";
    va_list args;
    va_start(args, format);
    message_add_list(message, format, args);
    va_end(args);
    message_add(message, "%s", error->message);
    memcpy(error->message, message, MESSAGE_SIZE);
}

void invariant_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "lode: broken invariant at %s:%d: %s\n", file, line, condition);
    abort();
}
