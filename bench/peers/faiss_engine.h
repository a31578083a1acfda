// faiss_engine.h: faiss's IndexHNSWFlat as our drivers use it: M=16, efConstruction=200, built on all
// cores, searched on one.
//
// Debian compiles faiss for any x86-64, without AVX; so installed, it takes 1.9 to 3 times as long as hnswlib
// to build and four times as long to search. The distances are therefore computed here, with what this
// machine has: what is measured is faiss's graph and faiss's walk, as somebody would compile them who cares.
#ifndef BENCH_FAISS_ENGINE_H
#define BENCH_FAISS_ENGINE_H

#include <faiss/IndexHNSW.h>
#include <faiss/impl/AuxIndexStructures.h>
#include <faiss/impl/DistanceComputer.h>
#include <faiss/index_io.h>
#include <omp.h>

#include "engine.h"

static inline float squared_distance(const float *a, const float *b, size_t dim)
{
    typedef float floats __attribute__((vector_size(64), aligned(4)));
    floats sums[2] = {};
    size_t i = 0;
    for (; i + 32 <= dim; i += 32) {
        floats one = *(const floats *)(a + i) - *(const floats *)(b + i);
        floats two = *(const floats *)(a + i + 16) - *(const floats *)(b + i + 16);
        sums[0] += one * one;
        sums[1] += two * two;
    }
    sums[0] += sums[1];
    float sum = 0;
    for (int lane = 0; lane < 16; lane++)
        sum += sums[0][lane];
    for (; i < dim; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sum;
}

struct NativeDistances : faiss::FlatCodesDistanceComputer {
    size_t dim;
    const float *query = nullptr;
    explicit NativeDistances(const faiss::IndexFlatCodes &rows)
        : faiss::FlatCodesDistanceComputer(rows.codes.data(), rows.code_size), dim((size_t)rows.d)
    {
    }
    void set_query(const float *vector) override
    {
        query = vector;
    }
    float distance_to_code(const uint8_t *code) override
    {
        return squared_distance(query, (const float *)code, dim);
    }
    float symmetric_dis(idx_t i, idx_t j) override
    {
        const float *rows = (const float *)codes;
        return squared_distance(rows + (size_t)i * dim, rows + (size_t)j * dim, dim);
    }
};

struct NativeFlat : faiss::IndexFlatL2 {
    using faiss::IndexFlatL2::IndexFlatL2;
    faiss::FlatCodesDistanceComputer *get_FlatCodesDistanceComputer() const override
    {
        return new NativeDistances(*this);
    }
};

// On unit vectors, cosine orders as l2 does.
struct FaissEngine : Engine {
    std::unique_ptr<faiss::IndexHNSW> index;
    std::unique_ptr<faiss::DistanceComputer> distances;
    std::unique_ptr<faiss::VisitedTable> visited;

    FaissEngine() : Engine("faiss-hnsw")
    {
    }

    std::string path(const Set &set) const override
    {
        return set.out + "/" + set.name + ".faiss";
    }

    // In blocks, with room asked for before, so that the peak is the index and not its growing.
    void build(const Set &set) override
    {
        const size_t block = 20000;
        BaseReader reader(set);
        if (set.metric == Metric::ip)
            fail("faiss-hnsw: ip is not measured here");
        NativeFlat *rows = new NativeFlat((faiss::Index::idx_t)reader.dim);
        rows->codes.reserve(reader.count * reader.dim * sizeof(float));
        index.reset(new faiss::IndexHNSWFlat((int)reader.dim, 16));
        delete index->storage;
        index->storage = rows;
        index->hnsw.efConstruction = 200;
        index->hnsw.neighbors.reserve(reader.count * 34);
        std::vector<float> taken(block * reader.dim);
        for (size_t done = 0; done < reader.count;) {
            size_t count = std::min(block, reader.count - done);
            for (size_t i = 0; i < count; i++)
                reader.next(taken.data() + i * reader.dim);
            index->add((faiss::Index::idx_t)count, taken.data());
            done += count;
        }
        faiss::write_index(index.get(), path(set).c_str());
    }

    void open(const Set &set) override
    {
        omp_set_num_threads(1);
        index.reset(dynamic_cast<faiss::IndexHNSW *>(faiss::read_index(path(set).c_str())));
        if (!index)
            fail(path(set) + " is not an HNSW index of faiss");
        distances.reset(
            new NativeDistances(*dynamic_cast<faiss::IndexFlatCodes *>(index->storage)));
        visited.reset(new faiss::VisitedTable((int)index->ntotal));
    }

    // Below Index::search, which would allocate and clear a byte for each point of the index for each
    // call: made for batches, it would lose most of its time on single queries.
    void search(const float *query, size_t k, uint32_t ef, int64_t *ids) override
    {
        index->hnsw.efSearch = (int)ef;
        search_with(query, k, nullptr, ids);
    }

    void search_with(const float *query, size_t k, const faiss::SearchParametersHNSW *params,
                     int64_t *ids)
    {
        static std::vector<float> scores;
        scores.resize(k);
        distances->set_query(query);
        std::fill(ids, ids + k, -1);
        faiss::maxheap_heapify(k, scores.data(), ids);
        index->hnsw.search(*distances, (int)k, ids, scores.data(), *visited, params);
        faiss::maxheap_reorder(k, scores.data(), ids);
    }
};

#endif
