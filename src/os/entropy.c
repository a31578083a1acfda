/* entropy.c: see entropy.h. */
#include "os/entropy.h"

#include <stddef.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/random.h"
#include "os/clock.h"

/* A system without random numbers still has the time. */
uint64_t entropy_u64(void)
{
    uint64_t number = 0;
    if (getentropy(&number, sizeof number))
        number = random_mix(clock_system.wall_us(NULL) ^ (uint64_t)getpid() << 48);
    return number ? number : 1;
}

struct rng *entropy_rng(void)
{
    static _Thread_local struct rng rng;
    static _Thread_local int is_seeded;
    if (!is_seeded)
        rng_init(&rng, entropy_u64());
    is_seeded = 1;
    return &rng;
}
