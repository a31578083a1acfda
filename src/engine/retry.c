/* retry.c: see retry.h. */
#include "engine/retry.h"

#include "engine/collection.h"

void retry_init(struct retry *retry, int enabled)
{
    mutex_init(&retry->mutex);
    cond_init(&retry->changed);
    retry->enabled = enabled;
}

void retry_release(struct retry *retry)
{
    cond_release(&retry->changed);
    mutex_release(&retry->mutex);
}

/* The open collection after `skip` others in which a failure stands, held; NULL: there are no more. */
static struct collection *hold_failed(lode_db *db, size_t skip)
{
    struct collection *found = NULL;
    mutex_lock(&db->mutex); /* none of the list is freed meanwhile */
    for (struct collection *c = db->collections; c && !found; c = c->next) {
        if (c->state != COLLECTION_OPEN || !jobs_failed_hold(c))
            continue;
        if (skip-- == 0)
            found = c;
        else
            jobs_drop(c);
    }
    mutex_unlock(&db->mutex);
    return found;
}

/* Returns how many there are. No lock is held by who pokes. */
static size_t poke_failed(lode_db *db)
{
    size_t count = 0;
    struct collection *collection;
    while ((collection = hold_failed(db, count)) != NULL) {
        jobs_poke(collection);
        jobs_drop(collection);
        count++;
    }
    return count;
}

/* retry->mutex is held, but not while collections are poked. */
static void run(void *context)
{
    lode_db *db = context;
    struct retry *retry = &db->retry;
    mutex_lock(&retry->mutex);
    while (!retry->stopping) {
        if (!retry->wanted) {
            cond_wait(&retry->changed, &retry->mutex);
            continue;
        }
        (void)cond_wait_us(&retry->changed, &retry->mutex, RETRY_LOOK_US);
        if (retry->stopping)
            break;
        retry->wanted = 0; /* before the look: a failure after it sets it again */
        mutex_unlock(&retry->mutex);
        size_t count = poke_failed(db);
        mutex_lock(&retry->mutex);
        retry->wanted |= count > 0;
    }
    mutex_unlock(&retry->mutex);
}

void retry_wake(lode_db *db)
{
    struct retry *retry = &db->retry;
    mutex_lock(&retry->mutex);
    if (retry->enabled && !retry->stopping) {
        retry->wanted = 1;
        if (!retry->started) /* without a thread the next poke tries, as it does anyway */
            retry->started = thread_start(&retry->thread, "lode-retry", run, db) == 0;
        cond_signal(&retry->changed);
    }
    mutex_unlock(&retry->mutex);
}

void retry_stop(lode_db *db)
{
    struct retry *retry = &db->retry;
    mutex_lock(&retry->mutex);
    retry->stopping = 1;
    cond_signal(&retry->changed);
    int started = retry->started;
    retry->started = 0;
    mutex_unlock(&retry->mutex);
    if (started)
        thread_join(&retry->thread);
}
