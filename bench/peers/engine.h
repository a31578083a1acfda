// engine.h: what the race knows of an engine: how to build its files, open them, search them.
#ifndef BENCH_ENGINE_H
#define BENCH_ENGINE_H

#include <memory>

#include "vecs.h"

// Where the files of a set are.
struct Set {
    std::string name, base, query, truth, out; // out: directory of built indexes
    Metric metric = Metric::l2;
};

static inline Set parse_set(const Arguments &arguments)
{
    Set set;
    set.name = arguments.need("name");
    set.base = arguments.need("base");
    set.query = arguments.need("query");
    set.truth = arguments.need("truth");
    set.out = arguments.need("out");
    set.metric = parse_metric(arguments.get("metric", "l2"));
    return set;
}

struct Engine {
    const char *name;
    explicit Engine(const char *engine_name) : name(engine_name)
    {
    }
    virtual ~Engine()
    {
    }
    // Where what was built lies; engines of one path are built once.
    virtual std::string path(const Set &set) const = 0;
    // From the base file, row by row, to path(set); in a process of its own, on all cores.
    virtual void build(const Set &set) = 0;
    virtual void open(const Set &set) = 0;
    // The ids of the k nearest, -1 where there are fewer.
    virtual void search(const float *query, size_t k, uint32_t ef, int64_t *ids) = 0;
    // Memory owned beside mapped files, as the engine itself counts it; 0: it does not.
    virtual uint64_t memory()
    {
        return 0;
    }
    // Whether what was built must be built anew when Lode's sources change.
    virtual bool ours() const
    {
        return false;
    }
};

typedef std::unique_ptr<Engine> EnginePointer;

// Rows of a set's base, normalised under cosine.
struct BaseReader : VecsReader<float> {
    bool unit;
    explicit BaseReader(const Set &set)
        : VecsReader<float>(set.base), unit(set.metric == Metric::cosine)
    {
    }
    void next(float *row)
    {
        VecsReader<float>::next(row);
        if (unit)
            normalise(row, dim);
    }
};

#endif
