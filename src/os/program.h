/* program.h: running another program for what it prints. */
#ifndef OS_PROGRAM_H
#define OS_PROGRAM_H

#include "base/error.h"

/* Run a command line and take what it prints, at most size_max bytes. No shell: the line is cut at blanks, and
 * nothing in it has a meaning but backslashes, quotes and so on are passed on as they are; a first word
 * without a slash is looked up in PATH. Its standard input is empty, its standard error is this process's.
 * LODE_INVALID: no command, too many words, too much printed. LODE_IO: it could not be run, ended with another
 * exit code than 0, or had not ended after timeout_ms, and was killed. What it printed is never in an error. */
NODISCARD lode_status program_output(const char *command, unsigned timeout_ms, void *data,
                                     size_t size_max, size_t *ret_size, lode_error *error);

#endif
