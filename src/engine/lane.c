/* lane.c: tickets. Few threads ever wait here (one leading writer, a job or two), so that waking all of
 * them costs nothing worth saving. */
#include "engine/lane.h"

void lane_init(struct lane *lane)
{
    mutex_init(&lane->mutex);
    cond_init(&lane->turn);
    lane->next = lane->serving = 0;
}

void lane_release(struct lane *lane)
{
    cond_release(&lane->turn);
    mutex_release(&lane->mutex);
}

void lane_enter(struct lane *lane)
{
    mutex_lock(&lane->mutex);
    uint64_t ticket = lane->next++;
    while (lane->serving != ticket)
        cond_wait(&lane->turn, &lane->mutex);
    mutex_unlock(&lane->mutex);
}

void lane_leave(struct lane *lane)
{
    mutex_lock(&lane->mutex);
    lane->serving++;
    if (lane->serving != lane->next)
        cond_broadcast(&lane->turn);
    mutex_unlock(&lane->mutex);
}
