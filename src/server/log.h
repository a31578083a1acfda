/* log.h: what the server has to say: one line each, JSON or text, with time, level, message and fields. Never a secret, a
 * vector, metadata or a text of a user. Thread-safe; a line is written whole.
 *
 * Warnings and errors that repeat are limited: of each message ten are written in ten seconds; what was left out is told
 * with the next one, in the field "suppressed", or ten seconds later by a line of its own. Messages are constant texts, and
 * what varies are fields: the message is what repeats. */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include "base/error.h"
#include "server/config.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

struct log;

struct log_field {
    const char *name; /* not "time", "level", "message", "suppressed" */
    enum { LOG_TEXT, LOG_NUMBER, LOG_REAL, LOG_JSON } kind;
    const char *
        text; /* LOG_TEXT: the first 4,096 bytes are written; LOG_JSON: one JSON value, at most 64 KiB, else
                         it is left out. NULL: the field is left out */
    int64_t number;
    double real;
};

/* Of config, log.level, log.format and log.file; NULL: "info", JSON (text on a terminal), stderr. LODE_INVALID names a
 * level or format that is none. */
NODISCARD lode_status log_open(const struct config *config, struct log **ret_log,
                               lode_error *error);
void log_close(struct log *log); /* NULL is allowed */
/* Open the file again (rotation), and from now on use this level (SIGHUP). NULL: the level stays. On an error all stays
 * as it was. */
NODISCARD lode_status log_reopen(struct log *log, const char *level, lode_error *error);
int log_is_on(const struct log *log, enum log_level level);
/* log NULL: nothing. */
void log_write(struct log *log, enum log_level level, const char *message,
               const struct log_field *fields, size_t field_count);
/* Lines left out since it was opened. */
uint64_t log_suppressed(const struct log *log);

#endif
