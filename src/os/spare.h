/* spare.h: large pieces of memory that wait to be used again.
 *
 * What malloc gives back to the kernel when it is freed (large pieces, and ends of the heaps of threads) the kernel zeroes
 * anew, page by page: two threads that count under a filter of a few conditions, at a million rows, spend two fifths of
 * their time on that. So such pieces are kept, a few of each size, by the process as a whole: taken and given back with
 * one atomic exchange each. All of them count as BUDGET_SCRATCH, also while they wait; where there is a
 * budget, less is kept (docs/memory.md). Pieces that are not large are malloc's. */
#ifndef OS_SPARE_H
#define OS_SPARE_H

#include <stddef.h>

#define SPARE_KEPT_MAX ((size_t)24 << 20) /* bytes kept at most: the sum of what spare.c says */

/* Aligned as malloc's; its bytes are anything. NULL: memory refused. */
void *spare_take(size_t size);
void *spare_take_zeroed(size_t size);
/* size: as it was taken. NULL is allowed. */
void spare_give(void *piece, size_t size);
/* Free what waits. */
void spare_release(void);

#endif
