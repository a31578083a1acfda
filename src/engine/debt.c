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

static size_t debt_of(const struct collection *collection)
{
    return atomic_load_explicit(&collection->jobs.debt, memory_order_relaxed);
}

int debt_is_high(const struct collection *collection)
{
    return debt_of(collection) > DEBT_FREE;
}

uint64_t debt_us(size_t debt, size_t rows, double merge_us_a_row)
{
    if (debt <= DEBT_FREE)
        return 0;
    double steps = 1 + (double)(debt - DEBT_FREE) / DEBT_STEP;
    double us = (double)rows * (merge_us_a_row > 0 ? merge_us_a_row : US_A_ROW_UNKNOWN) * steps;
    return (uint64_t)(us < WAIT_US_MAX ? us : WAIT_US_MAX);
}

/* jobs.mutex is held. Whether waiting longer may be of use. */
static int is_behind(const struct collection *collection)
{
    const struct jobs *jobs = &collection->jobs;
    return debt_is_high(collection) && !jobs->closing && !jobs->slots[SLOT_MERGE].error.status;
}

/* jobs.mutex is held. Time alone is given to merges: this thread carries none of them out, whatever it holds. */
static void sleep_until(struct collection *collection, uint64_t end_us)
{
    struct jobs *jobs = &collection->jobs;
    const struct clock *clock = collection->db->clock;
    for (uint64_t now = clock_now_us(clock); now < end_us && is_behind(collection);
         now = clock_now_us(clock))
        (void)cond_wait_us(&jobs->changed, &jobs->mutex, end_us - now);
}

void debt_wait(struct collection *collection, size_t rows)
{
    struct jobs *jobs = &collection->jobs;
    const lode_db *db = collection->db;
    if (rows == 0 || !debt_is_high(collection) || db->maintenance != LODE_MAINTAIN_AUTO)
        return;
    mutex_lock(&jobs->mutex);
    if (is_behind(collection)) {
        uint64_t begin = clock_now_us(db->clock);
        if (!executor_is_stepped(db->quick))
            sleep_until(collection,
                        begin + debt_us(debt_of(collection), rows, jobs->list.merge_us_a_row));
        jobs->delayed_us += clock_now_us(db->clock) - begin;
        jobs->delays++;
    }
    mutex_unlock(&jobs->mutex);
}
