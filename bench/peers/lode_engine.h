// lode_engine.h: Lode through its public interface, as our drivers use it.
#ifndef BENCH_LODE_ENGINE_H
#define BENCH_LODE_ENGINE_H

#include <lode/lode.h>

#include "vecs.h"

struct LodeEngine {
    lode_db *db = nullptr;
    lode_collection *collection = nullptr;
    double build_wall = 0, build_cpu = 0; // 0: the database was there
    lode_error error{};

    void must(lode_status status)
    {
        if (status != LODE_OK)
            fail(std::string("lode: ") + lode_status_name(status) + ": " + error.message);
    }

    LodeEngine(const Workload &work, const std::string &dir)
    {
        lode_db_options options{};
        options.must_exist = 1;
        options.maintenance = LODE_MAINTAIN_ON_REQUEST;
        if (lode_db_open(dir.c_str(), &options, &db, &error) == LODE_NOT_FOUND) {
            write(work, dir);
            must(lode_db_open(dir.c_str(), &options, &db, &error));
        } else if (!db) {
            must(error.status);
        }
        must(lode_collection_open(db, "vectors", &collection, &error));
        lode_stats *stats;
        must(lode_stats_get(collection, &stats, &error));
        if (stats->points != work.base.count)
            fail("lode: " + dir + " holds another set; remove it");
        lode_stats_free(stats);
    }

    ~LodeEngine()
    {
        lode_collection_close(collection);
        lode_db_close(db);
    }

    // Write everything, build the index, close.
    void write(const Workload &work, const std::string &dir)
    {
        Stopwatch watch;
        lode_db_options options{};
        options.maintenance = LODE_MAINTAIN_ON_REQUEST;
        must(lode_db_open(dir.c_str(), &options, &db, &error));
        lode_schema schema{};
        schema.dim = (uint32_t)work.base.dim;
        schema.metric = work.metric == Metric::l2   ? LODE_METRIC_L2
                        : work.metric == Metric::ip ? LODE_METRIC_IP
                                                    : LODE_METRIC_COSINE;
        must(lode_collection_create(db, "vectors", &schema, &collection, &error));
        std::vector<lode_point> points;
        for (size_t i = 0; i < work.base.count; i++) {
            lode_point point{};
            point.id = lode_id_number(i);
            point.vector = work.base.row(i);
            points.push_back(point);
            if (points.size() == 1000 || i + 1 == work.base.count) {
                must(lode_upsert(collection, points.data(), points.size(), nullptr, &error));
                points.clear();
            }
        }
        must(lode_compact(collection, &error));
        lode_collection_close(collection);
        lode_db_close(db);
        collection = nullptr;
        db = nullptr;
        build_wall = watch.wall();
        build_cpu = watch.cpu();
    }

    const char *simd() const
    {
        return lode_simd_level();
    }

    void search(const float *query, size_t k, uint32_t ef, int64_t *ids)
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

#endif
