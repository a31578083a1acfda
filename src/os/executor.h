/* executor.h: where background work runs. The real one owns threads; tests bring a simulated one that
 * runs jobs in a chosen order on the caller's thread.
 *
 * A job runs once, to its end, and must look at its own cancel flag now and then. Jobs of a higher
 * priority start first; within one, first come, first served. */
#ifndef OS_EXECUTOR_H
#define OS_EXECUTOR_H

#include "base/error.h"

struct executor;

enum executor_priority { EXECUTOR_HIGH = 0, EXECUTOR_LOW = 1 }; /* flush before index and merge */

struct executor_ops {
    NODISCARD lode_status (*submit)(struct executor *executor, enum executor_priority priority,
                                    void (*run)(void *context), void *context, lode_error *error);
    /* Run body(context, i) for every i in [0, count), on up to width() threads at once, the caller's
     * among them (a width of 1: the caller alone); returns when all are done. May be called from
     * inside a job, and by several threads at once. */
    void (*parallel)(struct executor *executor, size_t count, void (*body)(void *context, size_t i),
                     void *context);
    unsigned (*width)(const struct executor *executor);
    /* Run one queued job on the caller's thread: 1; 0 when none is queued. NULL: jobs have threads of their
     * own, or run inside submit. */
    int (*step)(struct executor *executor);
    /* Waits for queued and running jobs, then frees. */
    void (*free)(struct executor *executor);
};

struct executor {
    const struct executor_ops *ops;
};

/* thread_count background threads (0: thread_cores()). Free with executor_free. */
NODISCARD lode_status executor_threads_new(unsigned thread_count, struct executor **ret_executor,
                                           lode_error *error);
/* The same with threads that give way to all others of the machine by this nice value (thread_give_way). */
NODISCARD lode_status executor_nice_new(unsigned thread_count, int niceness,
                                        struct executor **ret_executor, lode_error *error);
/* One that runs each job inside submit, on the caller's thread: for tests and tools. */
NODISCARD lode_status executor_inline_new(struct executor **ret_executor, lode_error *error);

NODISCARD lode_status executor_submit(struct executor *executor, enum executor_priority priority,
                                      void (*run)(void *context), void *context, lode_error *error);
void executor_parallel(struct executor *executor, size_t count,
                       void (*body)(void *context, size_t i), void *context);
/* Whether jobs wait for executor_step: who waits for one, on whatever thread, has to call it. */
int executor_is_stepped(const struct executor *executor);
int executor_step(struct executor *executor); /* as above; 0 too when it is not stepped */
unsigned executor_width(const struct executor *executor);
void executor_free(struct executor *executor); /* NULL is allowed */

#endif
