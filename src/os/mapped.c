/* mapped.c: a list of what is mapped and a hand that goes round it: what was given back longest ago comes next. */
#include "os/mapped.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "os/budget.h"
#include "os/memory.h"
#include "os/thread.h"

#define PIECE ((size_t)4 << 20) /* given back at once: a tenth of a millisecond, more or less */

/* A thread that finds so much room below HIGH leaves one look out; of twice that, two; and so on. Sixteen
 * threads that map 4 MiB each between two looks are within it. */
#define LOOK_ROOM ((uint64_t)64 << 20)
#define SKIPS_MAX 64u

/* Sixteenths of the budget: from HIGH on, pages go back until the process is at LOW. What is between HIGH and the
 * budget is for what comes in before somebody looks again. */
#define HIGH 13u
#define LOW  12u

struct mapping {
    const uint8_t *data;
    size_t size;
};

static struct mutex mutex = {PTHREAD_MUTEX_INITIALIZER}; /* guards the mappings and the hand */
static struct mapping *mappings;
static size_t count, capacity;
static uint64_t bytes;
static size_t hand_mapping, hand_offset;
static struct mutex trim_mutex = {PTHREAD_MUTEX_INITIALIZER}; /* before the other one */
static _Atomic uint64_t trims, trimmed;
static _Thread_local unsigned skips; /* looks to be left out, under that budget */
static _Thread_local uint64_t skips_budget;

static int grow(void)
{
    size_t wanted = capacity ? 2 * capacity : 64;
    struct mapping *grown = realloc(mappings, wanted * sizeof *grown);
    if (!grown)
        return 0;
    mappings = grown;
    capacity = wanted;
    return 1;
}

/* Without memory for the list, the pages are left to the kernel alone. */
void mapped_add(const void *data, size_t size)
{
    mutex_lock(&mutex);
    if (count < capacity || grow()) {
        mappings[count++] = (struct mapping){data, size};
        bytes += size;
    }
    mutex_unlock(&mutex);
}

void mapped_remove(const void *data, size_t size)
{
    mutex_lock(&mutex);
    size_t i = count;
    while (i > 0 && mappings[i - 1].data != data)
        i--;
    if (i > 0) {
        mappings[i - 1] = mappings[--count];
        bytes -= size;
    }
    if (count == 0) {
        free(mappings);
        mappings = NULL;
        capacity = 0;
    }
    mutex_unlock(&mutex);
}

/* Give the next piece back: its size, 0 when nothing is mapped. */
static size_t trim_piece(void)
{
    size_t size = 0;
    mutex_lock(&mutex);
    if (hand_mapping >= count)
        hand_mapping = hand_offset = 0;
    if (count > 0) {
        const struct mapping *mapping = &mappings[hand_mapping];
        size_t offset = hand_offset < mapping->size ? hand_offset : 0;
        size = mapping->size - offset < PIECE ? mapping->size - offset : PIECE;
        (void)madvise((void *)(uintptr_t)(mapping->data + offset), size, MADV_DONTNEED);
        hand_offset = offset + size;
        if (hand_offset >= mapping->size) {
            hand_mapping++;
            hand_offset = 0;
        }
    }
    mutex_unlock(&mutex);
    return size;
}

/* Once around at most. */
static void trim(uint64_t low)
{
    struct mapped_figures figures;
    mapped_figures(&figures);
    for (uint64_t done = 0; done < figures.bytes && memory_resident() > low;) {
        size_t size = trim_piece();
        if (size == 0)
            break;
        done += size;
        atomic_fetch_add_explicit(&trimmed, size, memory_order_relaxed);
    }
    atomic_fetch_add_explicit(&trims, 1, memory_order_relaxed);
}

/* Whether this thread's last look, under the same budget, found so much room that this one is not needed. */
static int is_skipped(uint64_t budget)
{
    if (skips_budget != budget)
        skips = 0;
    if (skips == 0)
        return 0;
    skips--;
    return 1;
}

static void skip_next(uint64_t budget, uint64_t room)
{
    skips_budget = budget;
    skips = room / LOOK_ROOM < SKIPS_MAX ? (unsigned)(room / LOOK_ROOM) : SKIPS_MAX;
}

void mapped_look(void)
{
    uint64_t budget = budget_bytes(), high = budget / 16 * HIGH;
    if (budget == 0 || is_skipped(budget))
        return;
    uint64_t resident = memory_resident();
    if (resident < high) {
        skip_next(budget, high - resident);
        return;
    }
    /* The others wait: while they map more than one gives back, nothing would be gained. */
    mutex_lock(&trim_mutex);
    if (memory_resident() >= high)
        trim(budget / 16 * LOW);
    mutex_unlock(&trim_mutex);
}

int mapped_is_much(size_t size)
{
    uint64_t budget = budget_bytes();
    mutex_lock(&mutex);
    uint64_t sum = bytes + size;
    mutex_unlock(&mutex);
    return budget != 0 && sum > budget;
}

void mapped_figures(struct mapped_figures *ret_figures)
{
    mutex_lock(&mutex);
    ret_figures->bytes = bytes;
    mutex_unlock(&mutex);
    ret_figures->trims = atomic_load_explicit(&trims, memory_order_relaxed);
    ret_figures->trimmed = atomic_load_explicit(&trimmed, memory_order_relaxed);
}
