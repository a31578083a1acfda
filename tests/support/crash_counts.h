/* crash_counts.h: what a program has done to databases and what it found, for `make crash`, which adds up the
 * counts of many programs. Crashes are counted by vfs_memory itself. Thread-safe. */
#ifndef TESTS_SUPPORT_CRASH_COUNTS_H
#define TESTS_SUPPORT_CRASH_COUNTS_H

#include <stdatomic.h>
#include <stdint.h>

struct crash_counts {
    _Atomic uint64_t powers;    /* vfs_memory_crash and vfs_memory_crash_random */
    _Atomic uint64_t processes; /* vfs_memory_kill */
    _Atomic uint64_t kills;     /* of real processes, with SIGKILL */
    _Atomic uint64_t opens;     /* of a database afterwards, compared with what was promised */
    _Atomic uint64_t verifies;  /* that found nothing */
    _Atomic uint64_t damages;   /* done on purpose, and named */
    _Atomic uint64_t steps;     /* of background work and its callers, in a chosen order */
    /* Should be 0. */
    _Atomic uint64_t lost;     /* acknowledged batches that are gone */
    _Atomic uint64_t partial;  /* databases that hold what was never their state */
    _Atomic uint64_t unopened; /* databases that do not open, or do not verify */
};
extern struct crash_counts crash_counts;

static inline void crash_count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* A failure is counted before the check that would find it and taken back after it, because a check that
 * fails does not return. */
static inline void crash_uncount(_Atomic uint64_t *counter)
{
    atomic_fetch_sub_explicit(counter, 1, memory_order_relaxed);
}

/* At the end of main: write them, one `name value` a line, to the file that LODE_CRASH_COUNTS names, if it
 * does. */
void crash_counts_report(void);

#endif
