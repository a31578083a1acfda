/* spare.c: a class of pieces for each power of two. A slot holds one that waits. */
#include "os/spare.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "os/budget.h"

#define LEAST_BITS 16u /* of the smallest class: below it malloc does not ask the kernel */
#define CLASSES    7u  /* up to 4 MiB: a set of 32 million rows */
#define SLOTS      16u

/* Under AddressSanitizer nothing is kept, so that it sees what is read after it was given back. */
#if defined(__SANITIZE_ADDRESS__)
#define KEEPS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEEPS 0
#endif
#endif
#ifndef KEEPS
#define KEEPS 1
#endif

/* Of the budget, where there is one, scratch may be so small a part for a piece to be kept. */
#define BUDGET_PART 32u

/* By class: 4 MiB in all of each but the first two. */
static const unsigned slot_counts[CLASSES] = {16, 16, 16, 8, 4, 2, 1};
static _Atomic(void *) slots[CLASSES][SLOTS];

/* CLASSES: none. */
static unsigned class_of(size_t size)
{
    unsigned class = 0;
    if (size <= (size_t)1 << (LEAST_BITS - 1))
        return CLASSES;
    while (class < CLASSES && size > (size_t)1 << (LEAST_BITS + class))
        class ++;
    return class;
}

static size_t size_of(unsigned class, size_t size)
{
    return class < CLASSES ? (size_t)1 << (LEAST_BITS + class) : size;
}

static void *take_kept(unsigned class)
{
    for (unsigned i = 0; class < CLASSES && i < slot_counts[class]; i++) {
        if (!atomic_load_explicit(&slots[class][i], memory_order_relaxed))
            continue;
        /* acquire: what the one before wrote is over */
        void *piece = atomic_exchange_explicit(&slots[class][i], NULL, memory_order_acquire);
        if (piece)
            return piece;
    }
    return NULL;
}

static int may_keep(void)
{
    uint64_t budget = budget_bytes();
    return KEEPS && (budget == 0 || budget_used(BUDGET_SCRATCH) <= budget / BUDGET_PART);
}

static int keep(unsigned class, void *piece)
{
    if (class == CLASSES || !may_keep())
        return 0;
    for (unsigned i = 0; i < slot_counts[class]; i++) {
        void *none = NULL;
        /* release: see take_kept */
        if (atomic_compare_exchange_strong_explicit(&slots[class][i], &none, piece,
                                                    memory_order_release, memory_order_relaxed))
            return 1;
    }
    return 0;
}

void *spare_take(size_t size)
{
    unsigned class = class_of(size);
    void *piece = take_kept(class);
    if (piece)
        return piece;
    size = size_of(class, size);
    piece = malloc(size ? size : 1);
    if (piece)
        budget_take(BUDGET_SCRATCH, size);
    return piece;
}

void *spare_take_zeroed(size_t size)
{
    unsigned class = class_of(size);
    void *piece = take_kept(class);
    if (piece)
        return memset(piece, 0, size);
    size = size_of(class, size);
    piece = calloc(1, size ? size : 1);
    if (piece)
        budget_take(BUDGET_SCRATCH, size);
    return piece;
}

void spare_give(void *piece, size_t size)
{
    unsigned class = class_of(size);
    if (!piece || keep(class, piece))
        return;
    budget_give(BUDGET_SCRATCH, size_of(class, size));
    free(piece);
}

void spare_release(void)
{
    for (unsigned class = 0; class < CLASSES; class ++) {
        void *piece;
        while ((piece = take_kept(class)) != NULL) {
            budget_give(BUDGET_SCRATCH, size_of(class, 0));
            free(piece);
        }
    }
}
