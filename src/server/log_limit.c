/* log_limit.c: see log_limit.h. */
#include "server/log_limit.h"

#include <string.h>

static int is_same(const struct log_limit_entry *entry, int level, const char *message)
{
    return entry->message[0] && entry->level == level &&
           strncmp(entry->message, message, sizeof entry->message - 1) == 0;
}

static int is_over(const struct log_limit_entry *entry, uint64_t now_us)
{
    return now_us - entry->begun_us >= LOG_LIMIT_WINDOW_US;
}

/* The message's entry, or the one that it takes: a free one, else the one whose window began first. What that one had
 * not told yet is lost to the log; log_suppressed has counted it. */
static struct log_limit_entry *find(struct log_limit *limit, int level, const char *message)
{
    struct log_limit_entry *oldest = &limit->entries[0];
    for (size_t i = 0; i < LOG_LIMIT_MESSAGES; i++) {
        struct log_limit_entry *entry = &limit->entries[i];
        if (is_same(entry, level, message))
            return entry;
        if (!entry->message[0]) /* none behind it is in use */
            return entry;
        if (entry->begun_us < oldest->begun_us)
            oldest = entry;
    }
    return oldest;
}

int log_limit_take(struct log_limit *limit, int level, const char *message, uint64_t now_us,
                   uint64_t *ret_suppressed)
{
    struct log_limit_entry *entry = find(limit, level, message);
    *ret_suppressed = 0;
    if (!is_same(entry, level, message)) {
        *entry = (struct log_limit_entry){.level = level, .begun_us = now_us};
        strncpy(entry->message, message, sizeof entry->message - 1);
    } else if (is_over(entry, now_us)) {
        *ret_suppressed = entry->suppressed;
        entry->begun_us = now_us;
        entry->lines = entry->suppressed = 0;
    }
    if (entry->lines < LOG_LIMIT_LINES) {
        entry->lines++;
        return 1;
    }
    entry->suppressed++;
    return 0;
}

const struct log_limit_entry *log_limit_untold(struct log_limit *limit, uint64_t now_us, int all)
{
    for (size_t i = 0; i < LOG_LIMIT_MESSAGES; i++) {
        const struct log_limit_entry *entry = &limit->entries[i];
        if (entry->suppressed && (all || is_over(entry, now_us)))
            return entry;
    }
    return NULL;
}

void log_limit_told(struct log_limit *limit, const struct log_limit_entry *entry)
{
    limit->entries[entry - limit->entries].suppressed = 0;
}
