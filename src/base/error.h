/* error.h: filling a lode_error. Every fallible internal function returns lode_status and takes a
 * lode_error * that may be NULL; these are the only functions that write one. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <lode/lode.h>

#define NODISCARD LODE_NODISCARD

/* Set *error (if any) and return `status`. The message is cut at the size of lode_error.message. */
lode_status error_set(lode_error *error, lode_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for a failed system call: appends strerror(os_errno); ENOSPC and EDQUOT become LODE_FULL,
 * ENOMEM LODE_NOMEM, everything else LODE_IO. */
lode_status error_os(lode_error *error, int os_errno, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* LODE_NOMEM, saying what for. */
lode_status error_nomem(lode_error *error, const char *what, size_t size);

#ifdef __clang_analyzer__
/* What the analyzer cannot know, since it reads one file at a time: these never return LODE_OK. */
#define error_set(error, status, ...)  ((void)error_set(error, status, __VA_ARGS__), (status))
#define error_os(error, ...)           ((void)error_os(error, __VA_ARGS__), LODE_IO)
#define error_nomem(error, what, size) ((void)error_nomem(error, what, size), LODE_NOMEM)
#endif

/* Prefix an error's message with where it happened ("points[3] (id 'a'): "). */
void error_prefix(lode_error *error, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* A broken invariant: print file, line and text to stderr and abort, in release builds too. */
#define INVARIANT(condition)                                                                       \
    ((condition) ? (void)0 : invariant_failed(#condition, __FILE__, __LINE__))
_Noreturn void invariant_failed(const char *condition, const char *file, int line);

#endif
