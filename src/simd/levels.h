/* levels.h: the tables that simd.c chooses from; for simd.c and the level files alone.
 *
 * A level file holds one instruction set and nothing else, and is compiled with that set's flags:
 * nothing in it may run before simd.c has asked the processor. */
#ifndef SIMD_LEVELS_H
#define SIMD_LEVELS_H

#include "simd/simd.h"

extern const struct simd_ops simd_scalar;

#endif
