/* mapped.c: a list of what is mapped and a hand that goes round it: what was given back longest ago comes next. */
#include "os/mapped.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "os/budget.h"
#include "os/memory.h"
#include "os/thread.h"

#define PIECE ((size_t)4 << 20) /* given back at once: a tenth of a millisecond, more or less */

/* Sixteenths of the budget: from HIGH on, pages go back until the process is at LOW. What is between HIGH and the
 * budget is for what comes in before somebody looks again. */
#define HIGH 14u
#define LOW  13u

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

void mapped_look(void)
{
    uint64_t budget = budget_bytes();
    if (budget == 0 || memory_resident() < budget / 16 * HIGH)
        return;
    /* The others wait: while they map more than one gives back, nothing would be gained. */
    mutex_lock(&trim_mutex);
    if (memory_resident() >= budget / 16 * HIGH)
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
