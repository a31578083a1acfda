/* random.h: seeded pseudo-random numbers (xoshiro256**, seeded by splitmix64; Blackman & Vigna 2018).
 * The same seed gives the same numbers everywhere. Not for secrets. */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

void rng_init(struct rng *rng, uint64_t seed);
uint64_t rng_u64(struct rng *rng);
uint32_t rng_below(struct rng *rng, uint32_t bound); /* [0, bound), unbiased; bound > 0 */
double rng_unit(struct rng *rng);                    /* [0, 1) */
double rng_normal(struct rng *rng);                  /* mean 0, variance 1 */
/* A stateless well-mixed function of x (splitmix64's finaliser). */
uint64_t random_mix(uint64_t x);

#endif
