/* Writers, readers, flushes, merges and figures all at once. Every batch writes a pair of points with
 * one value: whoever reads must find each pair whole, each point once, and no value older than one it
 * has seen before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/thread.h"
#include "support/engine_kit.h"

#define WRITERS 3
#define READERS 2
#define DIM     8

/* cmocka's assertions may be used on the main thread only. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, error.message);     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

struct scene {
    lode_collection *collection;
    unsigned pairs;      /* of each writer */
    unsigned batches;    /* of each writer */
    _Atomic int writing; /* writers at work */
};

struct actor {
    struct thread thread;
    struct scene *scene;
    unsigned number;
    uint64_t *seen; /* readers: the newest value of each pair */
};

static void fill(float *vector, uint64_t id, uint64_t value)
{
    for (size_t i = 0; i < DIM; i++)
        vector[i] = (float)((id * 7 + value * 3 + i * i) % 101);
}

static void write_pairs(struct actor *actor, unsigned from, unsigned count, uint64_t value)
{
    enum { PAIRS_MAX = 64 };
    lode_error error = {0};
    lode_point points[2 * PAIRS_MAX];
    float vectors[2 * PAIRS_MAX][DIM];
    char metadata[32];
    int size = snprintf(metadata, sizeof metadata, "{\"v\":%llu}", (unsigned long long)value);
    for (unsigned i = 0; i < 2 * count; i++) {
        uint64_t id = (uint64_t)actor->number * 1000000 + from * 2 + i;
        fill(vectors[i], id, value);
        points[i] = (lode_point){.id = lode_id_number(id),
                                 .vector = vectors[i],
                                 .metadata = metadata,
                                 .metadata_size = (size_t)size};
    }
    CHECK(lode_upsert(actor->scene->collection, points, 2 * count, NULL, &error) == LODE_OK);
}

static void write_on(void *context)
{
    struct actor *actor = context;
    const struct scene *scene = actor->scene;
    for (unsigned i = 0; i < scene->batches; i++) {
        unsigned at = i * 5 % scene->pairs;
        write_pairs(actor, at, 1 + (i % 7) * (at + 8 < scene->pairs), 2 + i);
    }
    atomic_fetch_sub(&actor->scene->writing, 1);
}

static uint64_t value_of(const lode_hit *hit)
{
    return strtoull(hit->metadata + strlen("{\"v\":"), NULL, 10);
}

static size_t slot_of(const struct scene *scene, uint64_t id)
{
    return (size_t)(id / 1000000) * scene->pairs * 2 + id % 1000000;
}

/* One state: every point once, pairs alike, nothing older than before. */
static void check_state(struct actor *actor, lode_snapshot *snapshot)
{
    struct scene *scene = actor->scene;
    lode_error error = {0};
    size_t count = (size_t)scene->pairs * 2 * WRITERS, found = 0;
    uint64_t *values = calloc(count, sizeof *values);
    lode_iterator *iterator;
    const lode_hit *hit;
    CHECK(lode_iterator_open(scene->collection, snapshot, LODE_WITH_METADATA, &iterator, &error) ==
          LODE_OK);
    while (lode_iterator_next(iterator, &hit, &error) == LODE_OK && hit) {
        size_t slot = slot_of(scene, hit->id.number);
        CHECK(slot < count && values[slot] == 0);
        values[slot] = value_of(hit);
        found++;
    }
    lode_iterator_close(iterator);
    CHECK(found == count && lode_snapshot_point_count(snapshot) == count);
    for (size_t i = 0; i < count; i += 2) {
        CHECK(values[i] == values[i + 1]);
        CHECK(values[i] >= actor->seen[i]);
        actor->seen[i] = values[i];
    }
    free(values);
}

static void check_hits(struct actor *actor, const lode_snapshot *snapshot, int exact)
{
    lode_error error = {0};
    float query[DIM];
    fill(query, actor->number, actor->seen[0]);
    lode_search_request request = {.snapshot = snapshot, .vector = query, .k = 50, .exact = exact};
    lode_result *result;
    CHECK(lode_search(actor->scene->collection, &request, &result, &error) == LODE_OK);
    CHECK(result->hit_count == 50);
    for (size_t i = 1; i < result->hit_count; i++) {
        const lode_hit *a = &result->hits[i - 1], *b = &result->hits[i];
        CHECK(a->score < b->score || (a->score == b->score && a->id.number < b->id.number));
    }
    lode_result_free(result);
}

static void read_on(void *context)
{
    struct actor *actor = context;
    lode_error error = {0};
    while (atomic_load(&actor->scene->writing) > 0) {
        lode_snapshot *snapshot;
        CHECK(lode_snapshot_open(actor->scene->collection, &snapshot, &error) == LODE_OK);
        check_state(actor, snapshot);
        check_hits(actor, snapshot, 1);
        check_hits(actor, snapshot, 0);
        check_hits(actor, NULL, 0);
        lode_snapshot_close(snapshot);
    }
}

static void keep_up(void *context)
{
    struct actor *actor = context;
    lode_collection *collection = actor->scene->collection;
    lode_error error = {0};
    for (unsigned i = 0; atomic_load(&actor->scene->writing) > 0; i++) {
        lode_stats *stats;
        CHECK(lode_flush(collection, NULL, &error) == LODE_OK);
        if (i % 4 == 3)
            CHECK(lode_compact(collection, NULL, &error) == LODE_OK);
        CHECK(lode_stats_get(collection, &stats, &error) == LODE_OK);
        CHECK(stats->points == (uint64_t)actor->scene->pairs * 2 * WRITERS);
        lode_stats_free(stats);
        lode_status status = lode_wait_idle(collection, 20, &error);
        CHECK(status == LODE_OK || status == LODE_PARTIAL);
    }
}

static void fill_collection(struct scene *scene)
{
    for (unsigned w = 0; w < WRITERS; w++) {
        struct actor actor = {.scene = scene, .number = w};
        for (unsigned at = 0; at < scene->pairs; at += 64)
            write_pairs(&actor, at, scene->pairs - at < 64 ? scene->pairs - at : 64, 1);
    }
}

static void play(struct scene *scene)
{
    struct actor actors[WRITERS + READERS + 1] = {0};
    size_t count = (size_t)scene->pairs * 2 * WRITERS;
    atomic_store(&scene->writing, WRITERS);
    for (unsigned i = 0; i < WRITERS + READERS + 1; i++) {
        actors[i].scene = scene;
        actors[i].number = i < WRITERS ? i : i - WRITERS;
        actors[i].seen = calloc(count, sizeof(uint64_t));
        void (*run)(void *) = i < WRITERS ? write_on : i < WRITERS + READERS ? read_on : keep_up;
        assert_int_equal(thread_start(&actors[i].thread, "actor", run, &actors[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS + READERS + 1; i++) {
        thread_join(&actors[i].thread);
        free(actors[i].seen);
    }
}

/* When all is quiet there is one segment, with a graph where there are rows enough. */
static void check_compacted(lode_collection *collection, lode_segment_state wanted)
{
    lode_error error = {0};
    lode_stats *stats;
    assert_ok(lode_compact(collection, NULL, &error));
    assert_ok(lode_wait_idle(collection, 0, &error));
    assert_ok(lode_stats_get(collection, &stats, &error));
    assert_int_equal(stats->segment_count, 1);
    assert_int_equal(stats->segments[0].dead_rows, 0);
    assert_int_equal(stats->segments[0].state, wanted);
    lode_stats_free(stats);
}

static void play_and_reopen(lode_schema schema, unsigned pairs, unsigned batches,
                            uint64_t growing_bytes)
{
    char path[PATH_SIZE_MAX];
    struct scene scene = {.pairs = pairs, .batches = batches};
    lode_error error = {0};
    lode_snapshot *snapshot;
    temp_dir_make(path);
    lode_db *db = engine_open(NULL, path, &(lode_db_options){.thread_count = 2}, growing_bytes);
    scene.collection = engine_create(db, "pairs", schema);
    fill_collection(&scene);
    play(&scene);
    check_compacted(scene.collection,
                    schema.index == LODE_INDEX_FLAT ? LODE_SEGMENT_SEALED : LODE_SEGMENT_INDEXED);
    lode_collection_close(scene.collection);
    engine_close(db);
    db = engine_open(NULL, path, NULL, 0);
    scene.collection = engine_collection(db, "pairs");
    assert_ok(lode_snapshot_open(scene.collection, &snapshot, &error));
    struct actor reader = {.scene = &scene,
                           .seen = calloc((size_t)pairs * 2 * WRITERS, sizeof(uint64_t))};
    check_state(&reader, snapshot);
    free(reader.seen);
    lode_snapshot_close(snapshot);
    lode_collection_close(scene.collection);
    engine_close(db);
    temp_dir_remove(path);
}

static void small_segments(void **state)
{
    (void)state;
    play_and_reopen((lode_schema){.dim = DIM, .index = LODE_INDEX_FLAT}, 50, 400, 16384);
}

/* Enough rows for overlays and graphs, which are built in haste. */
static void graphs(void **state)
{
    (void)state;
    play_and_reopen((lode_schema){.dim = DIM, .m = 4, .ef_construction = 16}, 900, 1200, 1 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_segments),
        cmocka_unit_test(graphs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
