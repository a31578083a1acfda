/* executor.c: calls through an executor, and the one that has no threads. */
#include "os/executor.h"

#include <stdlib.h>

lode_status executor_submit(struct executor *executor, enum executor_priority priority,
                            void (*run)(void *context), void *context, lode_error *error)
{
    return executor->ops->submit(executor, priority, run, context, error);
}

void executor_parallel(struct executor *executor, size_t count,
                       void (*body)(void *context, size_t i), void *context)
{
    executor->ops->parallel(executor, count, body, context);
}

int executor_is_stepped(const struct executor *executor)
{
    return executor->ops->step != NULL;
}

int executor_step(struct executor *executor)
{
    return executor->ops->step ? executor->ops->step(executor) : 0;
}

unsigned executor_width(const struct executor *executor)
{
    return executor->ops->width(executor);
}

void executor_free(struct executor *executor)
{
    if (executor)
        executor->ops->free(executor);
}

static lode_status inline_submit(struct executor *executor, enum executor_priority priority,
                                 void (*run)(void *context), void *context, lode_error *error)
{
    (void)executor;
    (void)priority;
    (void)error;
    run(context);
    return LODE_OK;
}

static void inline_parallel(struct executor *executor, size_t count,
                            void (*body)(void *context, size_t i), void *context)
{
    (void)executor;
    for (size_t i = 0; i < count; i++)
        body(context, i);
}

static unsigned inline_width(const struct executor *executor)
{
    (void)executor;
    return 1;
}

static void inline_free(struct executor *executor)
{
    free(executor);
}

static const struct executor_ops inline_ops = {
    .submit = inline_submit,
    .parallel = inline_parallel,
    .width = inline_width,
    .free = inline_free,
};

lode_status executor_inline_new(struct executor **ret_executor, lode_error *error)
{
    struct executor *executor = malloc(sizeof *executor);
    if (!executor)
        return error_nomem(error, "an executor", sizeof *executor);
    executor->ops = &inline_ops;
    *ret_executor = executor;
    return LODE_OK;
}
