// hnswlib_engine.h: hnswlib as our drivers use it: M=16, ef_construction=200, built on all cores or read
// from a cache file.
#ifndef BENCH_HNSWLIB_ENGINE_H
#define BENCH_HNSWLIB_ENGINE_H

#include <hnswlib/hnswlib.h>

#include <atomic>
#include <memory>
#include <thread>

#include "vecs.h"

struct HnswlibEngine {
    std::unique_ptr<hnswlib::SpaceInterface<float>> space;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph;
    double build_wall = 0, build_cpu = 0; // 0: read from the cache

    HnswlibEngine(const Workload &work, const std::string &cache)
    {
        if (work.metric == Metric::l2)
            space.reset(new hnswlib::L2Space(work.base.dim));
        else
            space.reset(new hnswlib::InnerProductSpace(work.base.dim));
        FILE *file = cache.empty() ? nullptr : fopen(cache.c_str(), "rb");
        if (file) {
            fclose(file);
            graph.reset(new hnswlib::HierarchicalNSW<float>(space.get(), cache));
            return;
        }
        build(work);
        if (!cache.empty())
            graph->saveIndex(cache);
    }

    void build(const Workload &work)
    {
        graph.reset(new hnswlib::HierarchicalNSW<float>(space.get(), work.base.count, 16, 200));
        Stopwatch watch;
        graph->addPoint(work.base.row(0), 0);
        std::atomic<size_t> next{1};
        auto add = [&] {
            for (size_t i = next++; i < work.base.count; i = next++)
                graph->addPoint(work.base.row(i), i);
        };
        std::vector<std::thread> threads;
        for (unsigned i = 1; i < std::thread::hardware_concurrency(); i++)
            threads.emplace_back(add);
        add();
        for (auto &thread : threads)
            thread.join();
        build_wall = watch.wall();
        build_cpu = watch.cpu();
    }

    void search(const float *query, size_t k, uint32_t ef, int64_t *ids)
    {
        graph->setEf(ef);
        auto found = graph->searchKnn(query, k);
        for (size_t i = found.size(); i < k; i++)
            ids[i] = -1;
        for (size_t i = found.size(); i-- > 0; found.pop())
            ids[i] = (int64_t)found.top().second;
    }
};

#endif
