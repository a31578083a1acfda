/* log.h: what the server has to say: one line each, JSON or text, with time, level, message and fields. Never a secret, a
 * vector, metadata or a text of a user. Thread-safe; a line is written whole. */
#ifndef SERVER_LOG_H
#define SERVER_LOG_H

#include "base/error.h"
#include "server/config.h"

enum log_level { LOG_ERROR, LOG_WARNING, LOG_INFO, LOG_DEBUG };

struct log;

struct log_field {
    const char *name;
    enum { LOG_TEXT, LOG_NUMBER, LOG_REAL, LOG_JSON } kind;
    const char *text; /* LOG_TEXT, LOG_JSON; NULL: the field is left out */
    int64_t number;
    double real;
};

NODISCARD lode_status log_open(const struct config *config, struct log **ret_log,
                               lode_error *error);
void log_close(struct log *log);
/* Open the file again (rotation), and from now on use this level (SIGHUP). */
NODISCARD lode_status log_reopen(struct log *log, const char *level, lode_error *error);
int log_is_on(const struct log *log, enum log_level level);
void log_write(struct log *log, enum log_level level, const char *message,
               const struct log_field *fields, size_t field_count);

#endif
