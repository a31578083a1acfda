/* entropy.h: numbers that nobody else has. */
#ifndef OS_ENTROPY_H
#define OS_ENTROPY_H

#include <stdint.h>

uint64_t entropy_u64(void); /* random, never 0 */

#endif
