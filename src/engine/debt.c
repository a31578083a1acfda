/* debt.c: see debt.h. */
#include "engine/debt.h"

#include "engine/collection.h"

/* Segments that may wait for a merge before anybody is slowed: two tiers that have just become full and have to wait for
 * a large merge. */
#define DEBT_FREE 8u
/* From there on a row waits for what it takes to merge it, and once more for each so many segments. */
#define DEBT_STEP 4u

#define US_A_ROW_UNKNOWN 100.0            /* until a merge has shown it */
#define WAIT_US_MAX      ((double)500000) /* of a batch */

static size_t debt_of(const struct lode_collection *collection)
{
    return atomic_load_explicit(&collection->jobs.debt, memory_order_relaxed);
}

int debt_is_high(const struct lode_collection *collection)
{
    return debt_of(collection) > DEBT_FREE;
}

/* jobs.mutex is held. */
static double merge_us_a_row(const struct job_list *list)
{
    double sum = 0;
    for (int i = 0; i < JOB_PHASES; i++)
        sum += list->us_a_row[i];
    return sum > 0 ? sum : US_A_ROW_UNKNOWN;
}

/* jobs.mutex is held. 0: there is nothing to wait for. */
static uint64_t wait_us(const struct lode_collection *collection, size_t rows)
{
    const struct jobs *jobs = &collection->jobs;
    size_t debt = debt_of(collection);
    if (debt <= DEBT_FREE || jobs->closing || jobs->slots[SLOT_MERGE].error.status)
        return 0;
    double steps = 1 + (double)(debt - DEBT_FREE) / DEBT_STEP;
    double us = (double)rows * merge_us_a_row(&jobs->list) * steps;
    return (uint64_t)(us < WAIT_US_MAX ? us : WAIT_US_MAX);
}

void debt_wait(struct lode_collection *collection, size_t rows)
{
    struct jobs *jobs = &collection->jobs;
    if (rows == 0 || !debt_is_high(collection) || collection->db->maintenance != LODE_MAINTAIN_AUTO)
        return;
    mutex_lock(&jobs->mutex);
    uint64_t begin = clock_now_us(collection->db->clock);
    uint64_t us = wait_us(collection, rows);
    if (us > 0) {
        /* Time alone is given to merges: this thread carries none of them out, whatever it holds. */
        if (!executor_is_stepped(collection->db->quick))
            (void)cond_wait_us(&jobs->changed, &jobs->mutex, us);
        jobs->delayed_us += clock_now_us(collection->db->clock) - begin;
        jobs->delays++;
    }
    mutex_unlock(&jobs->mutex);
}
