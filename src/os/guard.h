/* guard.h: memory whose blocks are made sound before they are first read.
 *
 * Mapped files are read in place, and nobody checks a sum on the way. So whoever reads such bytes touches
 * them first: a block that was not touched before is filled (its checksum is compared; of an encrypted file,
 * its bytes are put there), and a bit remembers that. From then on a touch is one load and one test.
 *
 * A bit stays set: bytes that the kernel drops from memory and reads from the disk again are not checked again.
 *
 * No guard (NULL) stands for memory that needs none. */
#ifndef OS_GUARD_H
#define OS_GUARD_H

#include <stdatomic.h>
#include <stddef.h>

#include "base/error.h"
#include "os/thread.h"

#define GUARD_BLOCK_BITS 16
#define GUARD_BLOCK_SIZE (1u << GUARD_BLOCK_BITS) /* bytes; the last block may be shorter */
#define GUARD_STRIPES    8u                       /* blocks that may be filled at once */

/* Make a block's bytes sound. Called once a block that does not fail, by one thread at a time for each
 * block; what it has written there is seen by whoever touches the block later. */
typedef lode_status guard_fill(void *context, uint64_t block, lode_error *error);

struct guard {
    const uint8_t *base; /* of block 0 */
    uint64_t size;       /* bytes guarded */
    /* A bit for each block: 1, it is sound. Set with release, after the filling; loaded with acquire. */
    _Atomic uint64_t *ready;
    guard_fill *fill;
    void *context;
    struct mutex stripes[GUARD_STRIPES]; /* a block is filled under the one of its number */
    struct mutex failure_lock;           /* guards `failure` */
    lode_error failure;                  /* the first; status LODE_OK: none */
    _Atomic int has_failed;              /* relaxed: a hint; `failure` tells */
    int poisoned;                        /* written under all stripes, read under any */
};

/* LODE_NOMEM. base and context are borrowed. */
NODISCARD lode_status guard_init(struct guard *guard, const uint8_t *base, uint64_t size,
                                 guard_fill *fill, void *context, lode_error *error);
void guard_release(struct guard *guard);
size_t guard_memory(const struct guard *guard); /* bytes owned */

/* Whether a fill has failed so far, and the error of the first that did; both may be asked at any time.
 * Running out of memory is no failure. */
static inline int guard_has_failed(const struct guard *guard)
{
    return guard && atomic_load_explicit(&guard->has_failed, memory_order_relaxed);
}
void guard_failure(struct guard *guard, lode_error *ret_error);

/* From now on every touch fails with `reason`, or with the failure that came before. Readers that have touched
 * what they read are not disturbed. */
void guard_poison(struct guard *guard, const lode_error *reason);

/* The slow half of guard_touch. */
NODISCARD lode_status guard_fill_range(struct guard *guard, uint64_t begin, size_t size,
                                       lode_error *error);

static inline int guard_is_ready(const struct guard *guard, uint64_t block)
{
    return (int)(atomic_load_explicit(&guard->ready[block / 64], memory_order_acquire) >>
                     (block % 64) &
                 1);
}

/* Before data[0, size), which lies within the guarded bytes, is read. Whatever the fill answers, usually
 * LODE_CORRUPT or LODE_IO; a block whose filling failed is tried again by the next touch. */
NODISCARD static inline lode_status guard_touch(struct guard *guard, const void *data, size_t size,
                                                lode_error *error)
{
    if (!guard)
        return LODE_OK;
    uint64_t begin = (uint64_t)((const uint8_t *)data - guard->base);
    uint64_t first = begin >> GUARD_BLOCK_BITS, last = (begin + size - 1) >> GUARD_BLOCK_BITS;
    if (first == last && guard_is_ready(guard, first))
        return LODE_OK;
    return guard_fill_range(guard, begin, size, error);
}

#endif
