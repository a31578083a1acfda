/* random.c: xoshiro256** and what is drawn from it.
 *
 * Indexes are reproducible from their seed on every machine, so nothing here may depend on the
 * C library or on the compiler's choices: the logarithm is our own, and each sum of a product is
 * written as the fma() that a compiler might or might not have made of it. */
#include "base/random.h"

#include <math.h>

static uint64_t rotate_left(uint64_t x, int bits)
{
    return x << bits | x >> (64 - bits);
}

uint64_t random_mix(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
    x = (x ^ x >> 27) * 0x94d049bb133111ebull;
    return x ^ x >> 31;
}

void rng_init(struct rng *rng, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        rng->s[i] = random_mix(seed += 0x9e3779b97f4a7c15ull);
}

uint64_t rng_u64(struct rng *rng)
{
    uint64_t *s = rng->s;
    uint64_t result = rotate_left(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate_left(s[3], 45);
    return result;
}

/* Lemire 2019, "Fast random integer generation in an interval". */
uint32_t rng_below(struct rng *rng, uint32_t bound)
{
    uint64_t product = (rng_u64(rng) >> 32) * bound;
    if ((uint32_t)product < bound) {
        uint32_t biased = -bound % bound; /* 2^32 mod bound draws too many */
        while ((uint32_t)product < biased)
            product = (rng_u64(rng) >> 32) * bound;
    }
    return (uint32_t)(product >> 32);
}

double rng_unit(struct rng *rng)
{
    return (double)(rng_u64(rng) >> 11) * 0x1p-53;
}

/* ln x for 0 < x, to a few units in the last place: x = f 2^e with f near 1, and
 * ln f = 2 atanh((f - 1) / (f + 1)) by its series, whose terms end below 1e-17. */
static double natural_log(double x)
{
    int exponent;
    double f = frexp(x, &exponent);
    if (f < 0x1.6a09e667f3bcdp-1) { /* the root of 1/2: keeps f within [0.7, 1.42] */
        f *= 2;
        exponent--;
    }
    double t = (f - 1) / (f + 1);
    double square = t * t;
    double sum = 0;
    for (int k = 23; k >= 1; k -= 2)
        sum = fma(sum, square, 1.0 / k);
    return fma(exponent, 0x1.62e42fefa39efp-1, 2 * t * sum);
}

/* Marsaglia's polar method. Its second number is dropped: keeping it would be state. */
double rng_normal(struct rng *rng)
{
    for (;;) {
        double x = fma(rng_unit(rng), 2, -1);
        double y = fma(rng_unit(rng), 2, -1);
        double square = fma(x, x, y * y);
        if (square > 0 && square < 1)
            return x * sqrt(-2 * natural_log(square) / square);
    }
}
