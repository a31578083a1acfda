// lode_engine.h: Lode as our drivers use it: through its public interface, and the bare index over the
// same files.
#ifndef BENCH_LODE_ENGINE_H
#define BENCH_LODE_ENGINE_H

#include <lode/lode.h>

#include "engine.h"
#include "lode_index.h"

struct LodeEngine : Engine {
    typedef void (*Shape)(lode_schema &schema); // what differs from the default schema; may be null
    Shape shape;
    lode_db *db = nullptr;
    lode_collection *collection = nullptr;
    lode_error error{};

    LodeEngine(const char *engine_name, Shape engine_shape)
        : Engine(engine_name), shape(engine_shape)
    {
    }
    ~LodeEngine() override
    {
        close();
    }

    void must(lode_status status)
    {
        if (status != LODE_OK)
            fail(std::string(name) + ": " + lode_status_name(status) + ": " + error.message);
    }

    bool ours() const override
    {
        return true;
    }

    std::string path(const Set &set) const override
    {
        return set.out + "/" + set.name + "." + name;
    }

    void open_db(const Set &set, bool must_exist)
    {
        lode_db_options options{};
        options.must_exist = must_exist;
        options.maintenance = LODE_MAINTAIN_ON_REQUEST;
        must(lode_db_open(path(set).c_str(), &options, &db, &error));
    }

    void close()
    {
        lode_collection_close(collection);
        lode_db_close(db);
        collection = nullptr;
        db = nullptr;
    }

    void create(const Set &set, size_t dim)
    {
        lode_schema schema{};
        schema.dim = (uint32_t)dim;
        schema.metric = set.metric == Metric::l2   ? LODE_METRIC_L2
                        : set.metric == Metric::ip ? LODE_METRIC_IP
                                                   : LODE_METRIC_COSINE;
        if (shape)
            shape(schema);
        must(lode_collection_create(db, "vectors", &schema, &collection, &error));
    }

    // Write everything, compact, close.
    void build(const Set &set) override
    {
        const size_t batch = 1000;
        BaseReader reader(set);
        open_db(set, false);
        create(set, reader.dim);
        std::vector<float> rows(batch * reader.dim);
        std::vector<lode_point> points(batch);
        for (size_t done = 0; done < reader.count;) {
            size_t count = std::min(batch, reader.count - done);
            for (size_t i = 0; i < count; i++) {
                points[i] = lode_point{};
                points[i].id = lode_id_number(done + i);
                points[i].vector = rows.data() + i * reader.dim;
                reader.next(rows.data() + i * reader.dim);
            }
            must(lode_upsert(collection, points.data(), count, nullptr, &error));
            done += count;
        }
        must(lode_compact(collection, NULL, &error));
        close();
    }

    void open(const Set &set) override
    {
        open_db(set, true);
        must(lode_collection_open(db, "vectors", &collection, &error));
    }

    uint64_t memory() override
    {
        lode_stats *stats;
        must(lode_stats_get(collection, &stats, &error));
        uint64_t bytes = stats->memory_bytes;
        lode_stats_free(stats);
        return bytes;
    }

    void search(const float *query, size_t k, uint32_t ef, int64_t *ids) override
    {
        lode_search_request request{};
        request.vector = query;
        request.k = k;
        request.ef_search = ef;
        lode_result *result;
        must(lode_search(collection, &request, &result, &error));
        for (size_t i = 0; i < k; i++)
            ids[i] = i < result->hit_count ? (int64_t)result->hits[i].id.number : -1;
        lode_result_free(result);
    }
};

// The index of the one segment that `built` has written, without versions, plans, results and ids.
struct LodeIndexEngine : Engine {
    LodeEngine built;
    lode_index_file *index = nullptr;

    LodeIndexEngine(const char *engine_name, const char *built_name, LodeEngine::Shape shape)
        : Engine(engine_name), built(built_name, shape)
    {
    }
    ~LodeIndexEngine() override
    {
        lode_index_close(index);
    }

    bool ours() const override
    {
        return true;
    }

    std::string path(const Set &set) const override
    {
        return built.path(set);
    }

    void build(const Set &set) override
    {
        built.build(set);
    }

    void open(const Set &set) override
    {
        char message[512];
        index = lode_index_open(path(set).c_str(), message, sizeof message);
        if (!index)
            fail(std::string(name) + ": " + message);
    }

    uint64_t memory() override
    {
        return lode_index_memory(index);
    }

    void search(const float *query, size_t k, uint32_t ef, int64_t *ids) override
    {
        lode_index_search(index, query, k, ef, ids);
    }
};

#endif
