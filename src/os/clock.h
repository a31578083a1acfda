/* clock.h: time enters here. */
#ifndef OS_CLOCK_H
#define OS_CLOCK_H

#include <stdint.h>

struct clock {
    uint64_t (*now_us)(void *context);  /* monotonic */
    uint64_t (*wall_us)(void *context); /* microseconds since 1970 UTC */
    void *context;
};

extern const struct clock clock_system;

static inline uint64_t clock_now_us(const struct clock *clock)
{
    return clock->now_us(clock->context);
}

/* Of clock_system. */
static inline uint64_t clock_us(void)
{
    return clock_now_us(&clock_system);
}

static inline uint64_t clock_wall_us(const struct clock *clock)
{
    return clock->wall_us(clock->context);
}

#endif
