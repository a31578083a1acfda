/* executor_simulated.c: see executor_simulated.h. */
#include "support/executor_simulated.h"

#include <stdlib.h>

enum { QUEUE_MAX = 64 };

struct waiting {
    void (*run)(void *context);
    void *context;
};

struct simulated {
    struct executor base;
    struct rng *rng;
    struct waiting queue[QUEUE_MAX];
    size_t count;
};

static struct simulated *of(struct executor *executor)
{
    return (struct simulated *)executor;
}

/* Priorities are wishes: what must hold does so in any order. */
static lode_status simulated_submit(struct executor *executor, enum executor_priority priority,
                                    void (*run)(void *context), void *context, lode_error *error)
{
    struct simulated *simulated = of(executor);
    (void)priority;
    if (simulated->count == QUEUE_MAX)
        return error_set(error, LODE_LIMIT, "%d simulated jobs wait: that is the limit", QUEUE_MAX);
    simulated->queue[simulated->count++] = (struct waiting){run, context};
    return LODE_OK;
}

static void simulated_parallel(struct executor *executor, size_t count,
                               void (*body)(void *context, size_t i), void *context)
{
    int backwards = rng_below(of(executor)->rng, 2) == 0;
    for (size_t i = 0; i < count; i++)
        body(context, backwards ? count - 1 - i : i);
}

static unsigned simulated_width(const struct executor *executor)
{
    (void)executor;
    return 1;
}

static int simulated_step(struct executor *executor)
{
    struct simulated *simulated = of(executor);
    if (simulated->count == 0)
        return 0;
    size_t at = rng_below(simulated->rng, (uint32_t)simulated->count);
    struct waiting chosen = simulated->queue[at];
    simulated->queue[at] = simulated->queue[--simulated->count];
    chosen.run(chosen.context);
    return 1;
}

static void simulated_free(struct executor *executor)
{
    while (simulated_step(executor))
        ;
    free(executor);
}

static const struct executor_ops simulated_ops = {
    .submit = simulated_submit,
    .parallel = simulated_parallel,
    .width = simulated_width,
    .step = simulated_step,
    .free = simulated_free,
};

struct executor *executor_simulated_new(struct rng *rng)
{
    struct simulated *simulated = calloc(1, sizeof *simulated);
    INVARIANT(simulated != NULL);
    simulated->base.ops = &simulated_ops;
    simulated->rng = rng;
    return &simulated->base;
}

size_t executor_simulated_queued(const struct executor *executor)
{
    return ((const struct simulated *)executor)->count;
}
