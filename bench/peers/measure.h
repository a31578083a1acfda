// measure.h: what an engine costs beside time: builds in processes of their own, memory at rest.
#ifndef BENCH_MEASURE_H
#define BENCH_MEASURE_H

#include <cstdint>
#include <functional>
#include <string>

#include "engine.h"

struct BuildFigures {
    double wall = 0, cpu = 0; // seconds
    uint64_t peak = 0;        // bytes resident at most, mapped files included
};

// What a process kept in memory by opening an index and searching it.
struct MemoryFigures {
    uint64_t growth = 0;             // of the process's resident bytes
    uint64_t own = 0;                // as the engine counts it, beside mapped files
    uint64_t graph = 0, vectors = 0; // resident part of mapped files, by their names' ends
    uint64_t other_files = 0;        // and of the rest
    uint64_t graph_disk = 0, vectors_disk = 0; // whole files
    // For Lode what it owns and what of its files is in memory; for others, which map none, the growth.
    uint64_t resident() const
    {
        return graph + vectors ? own + graph + vectors + other_files : growth;
    }
};

// Builds path(set) unless it is there, built from the same `sources` where the engine is Lode itself. The
// figures are kept beside it.
BuildFigures build_once(Engine &engine, const Set &set, const std::string &sources);

// Opens and searches, 1,000 queries at most, in a process of its own.
MemoryFigures memory_at_rest(Engine &engine, const Set &set, size_t k, uint32_t ef);

#endif
