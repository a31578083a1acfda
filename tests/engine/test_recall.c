/* Recall through the public interface: several segments with graphs, a growing one with its overlay, after
 * deletes, after a compaction. Floors are below what is measured, by a margin for the build's threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "support/engine_kit.h"

#define DIM      24
#define POINTS   30000u
#define BATCH    500u
#define QUERIES  100u
#define CLUSTERS 50u
#define K        10u
#define FLOOR    0.95

static lode_error error;

static void make_vector(struct rng *rng, float vector[DIM])
{
    unsigned cluster = rng_below(rng, CLUSTERS);
    for (size_t i = 0; i < DIM; i++) {
        double centre = (double)(random_mix(cluster * DIM + i) % 1000) / 250 - 2;
        vector[i] = (float)(centre + rng_normal(rng) * 0.6);
    }
}

static void insert(lode_collection *collection, struct rng *rng, unsigned first, unsigned count)
{
    static float vectors[BATCH][DIM];
    lode_point points[BATCH] = {0};
    for (unsigned at = 0; at < count; at += BATCH) {
        for (unsigned i = 0; i < BATCH; i++) {
            make_vector(rng, vectors[i]);
            points[i] = (lode_point){.id = lode_id_number(first + at + i), .vector = vectors[i]};
        }
        assert_ok(lode_upsert(collection, points, BATCH, NULL, &error));
    }
}

static size_t common(const lode_result *a, const lode_result *b)
{
    size_t count = 0;
    for (size_t i = 0; i < a->hit_count; i++)
        for (size_t j = 0; j < b->hit_count; j++)
            count += lode_id_compare(&a->hits[i].id, &b->hits[j].id) == 0;
    return count;
}

/* Recall at 10 against the exact answer, over the same queries every time. */
static void check_recall(lode_collection *collection, const char *what, int walks)
{
    struct rng rng;
    size_t found = 0;
    uint64_t distances = 0;
    rng_init(&rng, 99);
    for (unsigned q = 0; q < QUERIES; q++) {
        float query[DIM];
        lode_result *exact, *walked;
        make_vector(&rng, query);
        lode_search_request request = {.vector = query, .k = K, .exact = 1};
        assert_ok(lode_search(collection, &request, &exact, &error));
        request.exact = 0;
        assert_ok(lode_search(collection, &request, &walked, &error));
        assert_int_equal(exact->hit_count, K);
        assert_int_equal(walked->hit_count, K);
        if (walks)
            assert_true(walked->info.segments_walked > 0);
        distances += walked->info.distances;
        found += common(exact, walked);
        lode_result_free(exact);
        lode_result_free(walked);
    }
    double recall = (double)found / (QUERIES * K);
    printf("%-28s recall %.4f, %llu distances a query\n", what, recall,
           (unsigned long long)(distances / QUERIES));
    assert_true(recall >= FLOOR);
}

static void check_states(lode_collection *collection, unsigned indexed, unsigned growing)
{
    lode_stats *stats;
    unsigned counts[5] = {0};
    assert_ok(lode_stats_get(collection, &stats, &error));
    for (size_t i = 0; i < stats->segment_count; i++) {
        const lode_segment_stats *segment = &stats->segments[i];
        counts[segment->state]++;
        if (segment->state == LODE_SEGMENT_INDEXED)
            assert_int_equal(segment->graph_rows, segment->rows);
    }
    assert_true(counts[LODE_SEGMENT_INDEXED] >= indexed);
    assert_int_equal(counts[LODE_SEGMENT_GROWING], growing);
    assert_int_equal(counts[LODE_SEGMENT_FLUSHING], 0);
    assert_int_equal(stats->job_count, 0);
    lode_stats_free(stats);
}

static void delete_some(lode_collection *collection, unsigned first, unsigned count, unsigned step)
{
    static lode_id ids[LODE_BATCH_MAX];
    size_t deleted = 0;
    for (unsigned id = first; id < first + count && deleted < LODE_BATCH_MAX; id += step)
        ids[deleted++] = lode_id_number(id);
    assert_ok(lode_delete(collection, ids, deleted, NULL, &error));
}

static void keep_floor(lode_layout layout)
{
    char path[PATH_SIZE_MAX];
    struct rng rng;
    temp_dir_make(path);
    rng_init(&rng, 7);
    lode_db *db = engine_open(NULL, path, NULL, 500000);
    lode_collection *collection = engine_create(
        db, "points", (lode_schema){.dim = DIM, .m = 12, .ef_construction = 80, .layout = layout});
    insert(collection, &rng, 0, POINTS / 2);
    assert_ok(lode_flush(collection, NULL, &error));
    db->growing_bytes_max = 64 << 20; /* the rest stays in memory, in the overlay's graph */
    insert(collection, &rng, POINTS / 2, POINTS / 2);
    assert_ok(lode_wait_idle(collection, 0, &error));
    check_states(collection, 1, 1);
    check_recall(collection, "segments and overlay", 1);
    delete_some(collection, 0, POINTS, 3);
    check_recall(collection, "a third deleted", 1);
    assert_ok(lode_compact(collection, NULL, &error));
    check_states(collection, 1, 0);
    check_recall(collection, "compacted", 1);
    for (unsigned first = 0; first < POINTS * 99 / 100; first += LODE_BATCH_MAX)
        delete_some(collection, first, POINTS * 99 / 100 - first, 1);
    check_recall(collection, "all but a few deleted", 0);
    lode_collection_close(collection);
    engine_close(db);
    engine_verify(NULL, path);
    temp_dir_remove(path);
}

static void recall_keeps_its_floor(void **state)
{
    (void)state;
    keep_floor(LODE_LAYOUT_FAST);
}

static void compact_recall_keeps_its_floor(void **state)
{
    (void)state;
    keep_floor(LODE_LAYOUT_COMPACT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(recall_keeps_its_floor),
                                       cmocka_unit_test(compact_recall_keeps_its_floor)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
