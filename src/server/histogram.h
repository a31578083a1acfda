/* histogram.h: durations counted in buckets, without a lock. Each value is counted twice: in classic buckets, whose bounds
 * stand in the metrics' text, and in fine ones, 8 to a power of two, from which quantiles are read to an eighth or better.
 *
 * All counters are relaxed atomics: each is right by itself; a reader may see one value in a counter and not yet in
 * another. */
#ifndef SERVER_HISTOGRAM_H
#define SERVER_HISTOGRAM_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* 50 us to 10 s, and what is longer. */
#define HISTOGRAM_CLASSIC 18u
/* Below 8 us each has one of its own; the last begins at 2^33.9 us, four hours, and holds what is longer too. */
#define HISTOGRAM_FINE 256u

struct histogram {
    _Atomic uint64_t classic[HISTOGRAM_CLASSIC];
    _Atomic uint64_t fine[HISTOGRAM_FINE];
    _Atomic uint64_t sum_us;
};

/* Upper bound of a classic bucket, in microseconds and included; UINT64_MAX of the last. */
uint64_t histogram_bound_us(size_t classic);

void histogram_add(struct histogram *histogram, uint64_t us);

/* What some histograms have counted together: zero it, merge, read. */
struct histogram_counts {
    uint64_t classic[HISTOGRAM_CLASSIC];
    uint64_t fine[HISTOGRAM_FINE];
    uint64_t sum_us;
};

void histogram_merge(const struct histogram *histogram, struct histogram_counts *counts);
uint64_t histogram_count(const struct histogram_counts *counts);
/* The value, in microseconds, that a share of all is not above, within its fine bucket by proportion; 0 of none.
 * share: 0 to 1. */
double histogram_quantile(const struct histogram_counts *counts, double share);

#endif
