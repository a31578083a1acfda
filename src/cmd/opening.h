/* opening.h: a line that says so while opening a database takes longer than two seconds: logs that a killed
 * process left are being replayed. */
#ifndef CMD_OPENING_H
#define CMD_OPENING_H

#include "cmd/progress.h"

struct opening {
    pthread_mutex_t lock;
    pthread_cond_t ended_changed;
    int ended; /* guarded by lock */
    int started;
    pthread_t thread;
    struct progress progress; /* of the thread */
};

void opening_begin(struct opening *opening);
void opening_end(struct opening *opening); /* takes the line away */

#endif
