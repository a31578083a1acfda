/* log_limit.h: which repeated messages of a log are written. Not thread-safe: the log's lock guards it. */
#ifndef SERVER_LOG_LIMIT_H
#define SERVER_LOG_LIMIT_H

#include <stddef.h>
#include <stdint.h>

#define LOG_LIMIT_LINES     10u         /* of one message */
#define LOG_LIMIT_WINDOW_US 10000000ull /* within this time */
#define LOG_LIMIT_MESSAGES  64u         /* that are remembered; the longest silent one makes room */

struct log_limit {
    struct log_limit_entry {
        char message[128]; /* its beginning; "": none */
        int level;
        uint64_t begun_us; /* of the window, which begins with its first line */
        uint64_t lines, suppressed;
    } entries[LOG_LIMIT_MESSAGES];
};

/* Whether a line of this message may be written now; then *ret_suppressed is how many were not since the last one. */
int log_limit_take(struct log_limit *limit, int level, const char *message, uint64_t now_us,
                   uint64_t *ret_suppressed);
/* An entry whose window is over, or with `all` any, of which lines are still untold; it is forgotten when the next one is
 * asked for, or NULL. Valid until the next call. */
const struct log_limit_entry *log_limit_untold(struct log_limit *limit, uint64_t now_us, int all);
/* What is told of the entry is told. */
void log_limit_told(struct log_limit *limit, const struct log_limit_entry *entry);

#endif
