/* histogram.c: see histogram.h. */
#include "server/histogram.h"

#define FINE_BITS 3u /* 8 buckets to a power of two */
#define FINE_STEP (1u << FINE_BITS)

static const uint64_t bounds_us[HISTOGRAM_CLASSIC] = {
    50,    100,    250,    500,    1000,    2500,    5000,    10000,    25000,
    50000, 100000, 250000, 500000, 1000000, 2500000, 5000000, 10000000, UINT64_MAX,
};

uint64_t histogram_bound_us(size_t classic)
{
    return bounds_us[classic];
}

static size_t classic_index(uint64_t us)
{
    size_t i = 0;
    while (us > bounds_us[i])
        i++;
    return i;
}

static size_t fine_index(uint64_t us)
{
    if (us < FINE_STEP)
        return (size_t)us;
    unsigned shift = 63u - (unsigned)__builtin_clzll(us) - FINE_BITS;
    size_t index = FINE_STEP + (size_t)shift * FINE_STEP + ((us >> shift) & (FINE_STEP - 1));
    return index < HISTOGRAM_FINE ? index : HISTOGRAM_FINE - 1;
}

/* Where a fine bucket begins, and how wide it is. */
static void fine_range(size_t index, double *ret_begin, double *ret_width)
{
    unsigned shift = index < FINE_STEP ? 0 : (unsigned)(index / FINE_STEP) - 1;
    uint64_t begin = index < FINE_STEP ? index : (uint64_t)(FINE_STEP + index % FINE_STEP) << shift;
    *ret_begin = (double)begin;
    *ret_width = (double)(1ull << shift);
}

static void add(_Atomic uint64_t *counter, uint64_t value)
{
    atomic_fetch_add_explicit(counter, value, memory_order_relaxed);
}

void histogram_add(struct histogram *histogram, uint64_t us)
{
    add(&histogram->classic[classic_index(us)], 1);
    add(&histogram->fine[fine_index(us)], 1);
    add(&histogram->sum_us, us);
}

void histogram_merge(const struct histogram *histogram, struct histogram_counts *counts)
{
    for (size_t i = 0; i < HISTOGRAM_CLASSIC; i++)
        counts->classic[i] += atomic_load_explicit(&histogram->classic[i], memory_order_relaxed);
    for (size_t i = 0; i < HISTOGRAM_FINE; i++)
        counts->fine[i] += atomic_load_explicit(&histogram->fine[i], memory_order_relaxed);
    counts->sum_us += atomic_load_explicit(&histogram->sum_us, memory_order_relaxed);
}

uint64_t histogram_count(const struct histogram_counts *counts)
{
    uint64_t count = 0;
    for (size_t i = 0; i < HISTOGRAM_CLASSIC; i++)
        count += counts->classic[i];
    return count;
}

double histogram_quantile(const struct histogram_counts *counts, double share)
{
    uint64_t count = 0;
    for (size_t i = 0; i < HISTOGRAM_FINE; i++)
        count += counts->fine[i];
    double rank = share * (double)count;
    double below = 0;
    for (size_t i = 0; i < HISTOGRAM_FINE; i++) {
        double here = (double)counts->fine[i];
        if (here > 0 && below + here >= rank) {
            double begin, width;
            fine_range(i, &begin, &width);
            return begin + width * (rank - below) / here;
        }
        below += here;
    }
    return 0;
}
