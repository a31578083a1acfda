// hnswlib_engine.h: hnswlib as our drivers use it: M=16, ef_construction=200, built on all cores.
#ifndef BENCH_HNSWLIB_ENGINE_H
#define BENCH_HNSWLIB_ENGINE_H

#include <hnswlib/hnswlib.h>

#include <mutex>
#include <thread>

#include "engine.h"

struct HnswlibEngine : Engine {
    std::unique_ptr<hnswlib::SpaceInterface<float>> space;
    std::unique_ptr<hnswlib::HierarchicalNSW<float>> graph;

    HnswlibEngine() : Engine("hnswlib")
    {
    }

    std::string path(const Set &set) const override
    {
        return set.out + "/" + set.name + ".hnswlib";
    }

    void make_space(const Set &set, size_t dim)
    {
        if (set.metric == Metric::l2)
            space.reset(new hnswlib::L2Space(dim));
        else
            space.reset(new hnswlib::InnerProductSpace(dim));
    }

    void build(const Set &set) override
    {
        BaseReader reader(set);
        make_space(set, reader.dim);
        graph.reset(new hnswlib::HierarchicalNSW<float>(space.get(), reader.count, 16, 200));
        std::mutex mutex;
        size_t next = 0;
        std::vector<float> first(reader.dim);
        reader.next(first.data());
        graph->addPoint(first.data(), next++);
        auto add = [&] {
            std::vector<float> row(reader.dim);
            for (;;) {
                size_t id;
                {
                    std::lock_guard<std::mutex> guard(mutex);
                    if (next == reader.count)
                        return;
                    id = next++;
                    reader.next(row.data());
                }
                graph->addPoint(row.data(), id);
            }
        };
        std::vector<std::thread> threads;
        for (unsigned i = 1; i < std::thread::hardware_concurrency(); i++)
            threads.emplace_back(add);
        add();
        for (auto &thread : threads)
            thread.join();
        graph->saveIndex(path(set));
    }

    void open(const Set &set) override
    {
        make_space(set, VecsReader<float>(set.query).dim);
        graph.reset(new hnswlib::HierarchicalNSW<float>(space.get(), path(set)));
    }

    void search(const float *query, size_t k, uint32_t ef, int64_t *ids) override
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
