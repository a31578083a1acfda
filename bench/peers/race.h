// race.h: engines in one process on the same queries, in turns: the least ef for a recall, and medians.
#ifndef BENCH_RACE_H
#define BENCH_RACE_H

#include <functional>

#include "vecs.h"

typedef std::function<void(const float *query, uint32_t ef, int64_t *ids)> Search;

enum { EF_MAX = 8192 };

// One engine at one ef.
struct Series {
    const char *name;
    Search search;
    uint32_t ef = 0; // 0: the recall is not reached
    double recall = 0;
    std::vector<double> wall, cpu; // queries a second, one for each round
    std::vector<double> p50, p99;  // microseconds, one for each round
};

static inline void run_queries(const Workload &work, const Search &search, uint32_t ef,
                               std::vector<int64_t> &ids)
{
    ids.resize(work.queries.count * work.k);
    for (size_t q = 0; q < work.queries.count; q++)
        search(work.queries.row(q), ef, &ids[q * work.k]);
}

static inline double recall_at(const Workload &work, const Search &search, uint32_t ef)
{
    std::vector<int64_t> ids;
    run_queries(work, search, ef, ids);
    return work.recall(ids);
}

// The least ef that reaches the target, by bisection; 0 when none up to EF_MAX does.
static inline uint32_t least_ef(const Workload &work, const Search &search, double target,
                                double *recall)
{
    uint32_t low = (uint32_t)work.k - 1, high = (uint32_t)work.k;
    while ((*recall = recall_at(work, search, high)) < target) {
        low = high;
        high *= 2;
        if (high > EF_MAX)
            return 0;
    }
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        double reached = recall_at(work, search, middle);
        if (reached >= target) {
            high = middle;
            *recall = reached;
        } else {
            low = middle;
        }
    }
    return high;
}

// One turn: all queries, again and again, for `seconds` at least, or the clock's noise shows.
static inline void take_turn(const Workload &work, Series &series, double least)
{
    std::vector<int64_t> ids;
    size_t times = 0;
    Stopwatch watch;
    do {
        run_queries(work, series.search, series.ef, ids);
        times++;
    } while (watch.wall() < least);
    double queries = (double)(times * work.queries.count);
    series.wall.push_back(queries / watch.wall());
    series.cpu.push_back(queries / watch.cpu());
}

// Each query once, by itself.
static inline void time_each(const Workload &work, Series &series)
{
    std::vector<int64_t> ids(work.k);
    std::vector<double> times;
    for (size_t q = 0; q < work.queries.count; q++) {
        Stopwatch watch;
        series.search(work.queries.row(q), series.ef, ids.data());
        times.push_back(1e6 * watch.wall());
    }
    std::sort(times.begin(), times.end());
    series.p50.push_back(times[times.size() / 2]);
    series.p99.push_back(times[times.size() * 99 / 100]);
}

// Rounds in which all take turns; the one that begins changes.
static inline void race(const Workload &work, std::vector<Series> &all, int rounds, double least)
{
    for (int round = 0; round < rounds; round++)
        for (size_t i = 0; i < all.size(); i++) {
            Series &series = all[(i + (size_t)round) % all.size()];
            if (!series.ef)
                continue;
            take_turn(work, series, least);
            time_each(work, series);
        }
}

#endif
