/* executor_simulated.h: an executor without threads: jobs wait until somebody runs them, one at a time and on
 * the caller's thread, in an order that a seed draws. What waits for a job (jobs_sleep) runs some until it
 * has what it waits for. Not thread-safe. */
#ifndef TESTS_SUPPORT_EXECUTOR_SIMULATED_H
#define TESTS_SUPPORT_EXECUTOR_SIMULATED_H

#include "base/random.h"
#include "os/executor.h"

/* rng: borrowed, as long as the executor lives. Free with executor_free, which runs what is left. */
struct executor *executor_simulated_new(struct rng *rng);
size_t executor_simulated_queued(const struct executor *executor);

#endif
