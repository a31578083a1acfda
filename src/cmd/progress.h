/* progress.h: how far a long operation has come, on stderr. On a terminal: a bar with rate and time
 * left, once it has taken half a second. Elsewhere: a plain line every five seconds. With --quiet:
 * nothing. Any thread may call progress_update; lines never mix. */
#ifndef CMD_PROGRESS_H
#define CMD_PROGRESS_H

#include <pthread.h>
#include <stdint.h>

struct progress {
    pthread_mutex_t lock;
    const char *label;  /* "importing" */
    const char *unit;   /* what `done` counts: "points"; "bytes" is shown as MB/s */
    double begin, next; /* seconds: of the start, of the next time to show */
    uint64_t done;
    double fraction;
    int enabled, terminal, shown;
};

void progress_begin(struct progress *progress, const char *label, const char *unit);
/* done of total units (total 0: not known). */
void progress_update(struct progress *progress, uint64_t done, uint64_t total);
/* The same, when how far it is cannot be told by units: a fraction of 1, or negative when unknown. */
void progress_update_fraction(struct progress *progress, uint64_t done, double fraction);
/* Another stage: its time and rate count from here. */
void progress_stage(struct progress *progress, const char *label, const char *unit);
/* Take the bar away. */
void progress_end(struct progress *progress);
double progress_seconds(const struct progress *progress);

#endif
