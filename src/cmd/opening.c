/* opening.c: see opening.h. */
#include "cmd/opening.h"

#include <time.h>

#define SILENT_MS 2000
#define SHOW_MS   500

/* Whether it has ended; waits for that at most so long. The lock is held. */
static int wait_ms(struct opening *opening, long ms)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    int failed = 0;
    while (!opening->ended && !failed)
        failed = pthread_cond_timedwait(&opening->ended_changed, &opening->lock, &until);
    return opening->ended;
}

static void *show(void *context)
{
    struct opening *opening = context;
    pthread_mutex_lock(&opening->lock);
    int ended = wait_ms(opening, SILENT_MS);
    if (!ended) {
        progress_begin(&opening->progress, "opening: replaying logs", "points");
        while (!wait_ms(opening, SHOW_MS))
            progress_update_fraction(&opening->progress, 0, -1);
        progress_end(&opening->progress);
    }
    pthread_mutex_unlock(&opening->lock);
    return NULL;
}

void opening_begin(struct opening *opening)
{
    *opening = (struct opening){.ended = 0};
    pthread_mutex_init(&opening->lock, NULL);
    pthread_cond_init(&opening->ended_changed, NULL);
    opening->started = pthread_create(&opening->thread, NULL, show, opening) == 0;
}

void opening_end(struct opening *opening)
{
    pthread_mutex_lock(&opening->lock);
    opening->ended = 1;
    pthread_cond_signal(&opening->ended_changed);
    pthread_mutex_unlock(&opening->lock);
    if (opening->started)
        pthread_join(opening->thread, NULL);
    pthread_cond_destroy(&opening->ended_changed);
    pthread_mutex_destroy(&opening->lock);
}
