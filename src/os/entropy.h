/* entropy.h: numbers that nobody else has. */
#ifndef OS_ENTROPY_H
#define OS_ENTROPY_H

#include <stdint.h>

struct rng;

uint64_t entropy_u64(void); /* random, never 0 */
/* This thread's own generator (base/random.h), seeded so when it is first asked for. */
struct rng *entropy_rng(void);

#endif
