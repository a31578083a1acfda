/* set.c: Lode, through its public interface, on a file of vectors. */
#include "bench.h"

#include <stdlib.h>

struct bench_db bench_db_open(const char *dir, unsigned thread_count)
{
    struct bench_db db;
    lode_error error;
    const lode_db_options options = {
        .must_exist = 1, .thread_count = thread_count, .maintenance = LODE_MAINTAIN_ON_REQUEST};
    bench_must(lode_db_open(dir, &options, &db.db, &error), &error);
    bench_must(lode_collection_open(db.db, "vectors", &db.collection, &error), &error);
    return db;
}

void bench_db_close(struct bench_db *db)
{
    lode_collection_close(db->collection);
    lode_db_close(db->db);
}

void bench_db_build(const char *dir, const struct bench_vecs *base, size_t count,
                    unsigned thread_count)
{
    enum { BATCH = 1000 };
    lode_point points[BATCH];
    struct bench_db db;
    lode_error error;
    const lode_db_options options = {.thread_count = thread_count,
                                     .maintenance = LODE_MAINTAIN_ON_REQUEST};
    const lode_schema schema = {.dim = (uint32_t)base->dim};
    bench_remove(dir);
    bench_must(lode_db_open(dir, &options, &db.db, &error), &error);
    bench_must(lode_collection_create(db.db, "vectors", &schema, &db.collection, &error), &error);
    for (size_t done = 0; done < count;) {
        size_t batch = count - done < BATCH ? count - done : BATCH;
        for (size_t i = 0; i < batch; i++)
            points[i] =
                (lode_point){.id = lode_id_number(done + i), .vector = bench_row(base, done + i)};
        bench_must(lode_upsert(db.collection, points, batch, NULL, &error), &error);
        done += batch;
    }
    bench_must(lode_compact(db.collection, NULL, &error), &error);
    bench_db_close(&db);
}

/* --- Recall ------------------------------------------------------------------------------------ */

static struct bench_truth truth_new(size_t count, size_t k)
{
    struct bench_truth truth = {k, malloc(count * k * sizeof *truth.ids)};
    if (!truth.ids)
        bench_fail("no memory");
    return truth;
}

struct bench_truth bench_truth_read(const char *path, size_t k)
{
    struct bench_vecs file = bench_read(path, 0);
    struct bench_truth truth = truth_new(file.count, k);
    const int32_t *values = (const int32_t *)(const void *)file.values;
    if (file.dim < k)
        bench_fail("%s: %zu neighbours, where %zu are wanted", path, file.dim, k);
    for (size_t q = 0; q < file.count; q++)
        for (size_t i = 0; i < k; i++)
            truth.ids[q * k + i] = (uint64_t)values[q * file.dim + i];
    free(file.values);
    return truth;
}

static lode_result *search(const struct bench_db *db, lode_search_request request)
{
    lode_error error;
    lode_result *result;
    bench_must(lode_search(db->collection, &request, &result, &error), &error);
    return result;
}

struct bench_truth bench_truth_find(const struct bench_db *db, const struct bench_vecs *queries,
                                    size_t k)
{
    struct bench_truth truth = truth_new(queries->count, k);
    for (size_t q = 0; q < queries->count; q++) {
        lode_result *result =
            search(db, (lode_search_request){.vector = bench_row(queries, q), .k = k, .exact = 1});
        if (result->hit_count < k)
            bench_fail("fewer than %zu points", k);
        for (size_t i = 0; i < k; i++)
            truth.ids[q * k + i] = result->hits[i].id.number;
        lode_result_free(result);
    }
    return truth;
}

static size_t count_right(const lode_result *result, const uint64_t *ids, size_t k)
{
    size_t right = 0;
    for (size_t i = 0; i < result->hit_count; i++)
        for (size_t j = 0; j < k; j++)
            right += result->hits[i].id.number == ids[j];
    return right;
}

struct bench_effort bench_search(const struct bench_db *db, const struct bench_vecs *queries,
                                 const struct bench_truth *truth, uint32_t ef)
{
    struct bench_effort effort = {0, 0, 0};
    double count = (double)queries->count;
    for (size_t q = 0; q < queries->count; q++) {
        lode_result *result = search(
            db,
            (lode_search_request){.vector = bench_row(queries, q), .k = truth->k, .ef_search = ef});
        effort.recall += (double)count_right(result, truth->ids + q * truth->k, truth->k);
        effort.distances += (double)result->info.distances;
        effort.hops += (double)result->info.hops;
        lode_result_free(result);
    }
    effort.recall /= count * (double)truth->k;
    effort.distances /= count;
    effort.hops /= count;
    return effort;
}

uint32_t bench_least_ef(const struct bench_db *db, const struct bench_vecs *queries,
                        const struct bench_truth *truth, double target)
{
    uint32_t low = (uint32_t)truth->k - 1, high = (uint32_t)truth->k;
    while (bench_search(db, queries, truth, high).recall < target) {
        low = high;
        high *= 2;
        if (high > LODE_EF_MAX)
            bench_fail("recall %g is not reached", target);
    }
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        if (bench_search(db, queries, truth, middle).recall >= target)
            high = middle;
        else
            low = middle;
    }
    return high;
}
