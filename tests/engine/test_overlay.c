/* The graph of the growing segment: what becomes of it when that is frozen, flushed, compacted, and what its codes
 * cost in recall. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/random.h"
#include "engine/overlay.h"
#include "support/engine_kit.h"

static lode_error error;

/* An executor whose jobs wait until the test runs them, one at a time. */
struct patient {
    struct executor base;
    void (*runs[8])(void *context);
    void *contexts[8];
    size_t count;
    int is_done; /* jobs run at once from now on */
};

static lode_status patient_submit(struct executor *executor, enum executor_priority priority,
                                  void (*run)(void *context), void *context, lode_error *reason)
{
    (void)priority, (void)reason;
    struct patient *patient = (struct patient *)executor;
    if (patient->is_done) {
        run(context);
        return LODE_OK;
    }
    assert_true(patient->count < 8);
    patient->runs[patient->count] = run;
    patient->contexts[patient->count++] = context;
    return LODE_OK;
}

static unsigned patient_width(const struct executor *executor)
{
    (void)executor;
    return 1;
}

static void patient_parallel(struct executor *executor, size_t count,
                             void (*body)(void *context, size_t i), void *context)
{
    (void)executor;
    for (size_t i = 0; i < count; i++)
        body(context, i);
}

static const struct executor_ops patient_ops = {
    .submit = patient_submit, .parallel = patient_parallel, .width = patient_width};

static int run_one(struct patient *patient)
{
    if (patient->count == 0)
        return 0;
    void (*run)(void *context) = patient->runs[0];
    void *context = patient->contexts[0];
    patient->count--;
    memmove(patient->runs, patient->runs + 1, patient->count * sizeof *patient->runs);
    memmove(patient->contexts, patient->contexts + 1, patient->count * sizeof *patient->contexts);
    run(context);
    return 1;
}

static void run_all(struct patient *patient)
{
    while (run_one(patient))
        ;
}

/* A database whose jobs wait for the test. */
struct world {
    struct vfs *vfs;
    struct patient quick, slow;
    struct clock clock;
    uint64_t now;
    struct db_env env;
    lode_db *db;
    lode_collection *collection;
};

static uint64_t now_us(void *context)
{
    return ((struct world *)context)->now;
}

static void begin_with(struct world *world, uint64_t growing_bytes, uint32_t ef_construction)
{
    *world = (struct world){
        .quick.base.ops = &patient_ops, .slow.base.ops = &patient_ops, .now = 1000000000};
    world->clock = (struct clock){now_us, now_us, world};
    world->vfs = vfs_memory_new();
    world->env = (struct db_env){.vfs = world->vfs,
                                 .clock = &world->clock,
                                 .quick = &world->quick.base,
                                 .executor = &world->slow.base};
    assert_ok(db_open("db", NULL, &world->env, &world->db, &error));
    world->db->growing_bytes_max = growing_bytes;
    world->collection = engine_create(world->db, "points",
                                      (lode_schema){.dim = 4, .ef_construction = ef_construction});
}

static void begin(struct world *world, uint64_t growing_bytes)
{
    begin_with(world, growing_bytes, 0);
}

static void end(struct world *world)
{
    world->quick.is_done = world->slow.is_done = 1; /* closing flushes what has begun to grow */
    run_all(&world->quick);
    run_all(&world->slow);
    lode_collection_close(world->collection);
    lode_db_close(world->db);
    engine_verify(world->vfs, "db");
    vfs_memory_free(world->vfs);
}

/* Points on a line, the n-th at n. */
static void write_rows(lode_collection *collection, unsigned first, unsigned count)
{
    static lode_point points[OVERLAY_ROWS_MIN];
    static float vectors[OVERLAY_ROWS_MIN][4];
    for (unsigned i = 0; i < count; i++) {
        vectors[i][0] = (float)(first + i);
        points[i] = (lode_point){.id = lode_id_number(first + i), .vector = vectors[i]};
    }
    assert_ok(lode_upsert(collection, points, count, NULL, &error));
}

static lode_segment_stats first_segment(const struct world *world)
{
    lode_stats *stats;
    assert_ok(lode_stats_get(world->collection, &stats, &error));
    lode_segment_stats segment = stats->segments[0];
    lode_stats_free(stats);
    return segment;
}

/* Rows until the segment is frozen, of which one slice is in the graph; then all quick jobs. */
static unsigned fill_and_flush(struct world *world, unsigned rows)
{
    for (unsigned at = 0; at < rows; at += OVERLAY_ROWS_MIN)
        write_rows(world->collection, at, OVERLAY_ROWS_MIN);
    assert_int_equal(run_one(&world->quick), 1); /* a slice */
    for (; jobs_frozen_count(&world->collection->shared->jobs) == 0; rows += 100)
        write_rows(world->collection, rows, 100);
    run_all(&world->quick);
    assert_int_equal(jobs_frozen_count(&world->collection->shared->jobs), 0);
    return rows - 100;
}

/* What is missing in the graph of a segment that was frozen is little: the flush adds it. */
static void a_frozen_segment_gets_its_whole_graph(void **state)
{
    (void)state;
    struct world world;
    begin(&world, OVERLAY_ROWS_MIN * 40);
    unsigned rows = fill_and_flush(&world, OVERLAY_ROWS_MIN);
    lode_segment_stats segment = first_segment(&world);
    assert_int_equal(segment.state, LODE_SEGMENT_INDEXED);
    assert_int_equal(segment.rows, rows);
    assert_int_equal(segment.graph_rows, rows);
    end(&world);
}

static void a_flush_does_not_wait_for_many(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 4 * OVERLAY_ROWS_MIN * 32);
    (void)fill_and_flush(&world, 4 * OVERLAY_ROWS_MIN);
    assert_int_equal(first_segment(&world).graph_rows, 0);
    assert_true(world.slow.count > 0); /* its index is due */
    end(&world);
}

/* The overlay was made in haste. When no more rows come in, the segment gets a better graph, once. */
static void renew(uint32_t ef_construction)
{
    struct world world;
    begin_with(&world, 1 << 20, ef_construction);
    write_rows(world.collection, 0, OVERLAY_ROWS_MIN);
    run_all(&world.quick);
    world.quick.is_done = 1;
    assert_ok(lode_flush(world.collection, NULL, &error));
    lode_segment_stats flushed = first_segment(&world);
    assert_int_equal(flushed.graph_rows, OVERLAY_ROWS_MIN);
    assert_int_equal(run_one(&world.slow), 1);
    lode_segment_stats renewed = first_segment(&world);
    assert_int_equal(renewed.graph_rows, OVERLAY_ROWS_MIN);
    assert_true(renewed.number > flushed.number);
    assert_int_equal(world.slow.count, 0);
    end(&world);
}

static void a_graph_made_in_haste_is_made_anew(void **state)
{
    (void)state;
    static const uint32_t asked[] = {0, 1, 16, 64, 65, 300};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++)
        renew(asked[i]);
}

static void a_compaction_makes_it_anew(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 1 << 20);
    write_rows(world.collection, 0, OVERLAY_ROWS_MIN);
    run_all(&world.quick);
    world.quick.is_done = world.slow.is_done = 1;
    world.db->maintenance = LODE_MAINTAIN_ON_REQUEST;
    assert_ok(lode_flush(world.collection, NULL, &error));
    uint64_t flushed = first_segment(&world).number;
    assert_ok(lode_compact(world.collection, NULL, &error));
    uint64_t compacted = first_segment(&world).number;
    assert_true(compacted > flushed);
    assert_ok(lode_compact(world.collection, NULL, &error));
    assert_int_equal(first_segment(&world).number, compacted);
    end(&world);
}

static void search_at(lode_collection *collection, float x)
{
    const float vector[4] = {x};
    lode_result *result;
    assert_ok(
        lode_search(collection, &(lode_search_request){.vector = vector, .k = 1}, &result, &error));
    lode_result_free(result);
}

/* No job runs here, so that a writer that waited would wait for ever. */
static void writers_forget_a_search_in_a_second(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 64 << 20);
    search_at(world.collection, 1);
    write_rows(world.collection, 0, OVERLAY_ROWS_MIN);
    world.now += 1000000;
    alarm(60);
    write_rows(world.collection, OVERLAY_ROWS_MIN, OVERLAY_ROWS_MIN);
    alarm(0);
    end(&world);
}

static void rows_beyond_the_graph_are_found(void **state)
{
    (void)state;
    struct world world;
    begin(&world, 64 << 20);
    for (unsigned i = 0; i < 3; i++)
        write_rows(world.collection, i * OVERLAY_ROWS_MIN, OVERLAY_ROWS_MIN);
    for (unsigned done = 0; done < 2 * OVERLAY_ROWS_MIN; done += OVERLAY_SLICE)
        assert_int_equal(run_one(&world.quick), 1);
    for (unsigned i = 0; i < 3 * OVERLAY_ROWS_MIN; i += 300) {
        const float vector[4] = {(float)i};
        lode_result *result;
        assert_ok(lode_search(world.collection, &(lode_search_request){.vector = vector, .k = 1},
                              &result, &error));
        assert_int_equal(result->info.segments_walked, 1);
        assert_int_equal(result->hits[0].id.number, i);
        lode_result_free(result);
    }
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_frozen_segment_gets_its_whole_graph),
        cmocka_unit_test(a_flush_does_not_wait_for_many),
        cmocka_unit_test(a_graph_made_in_haste_is_made_anew),
        cmocka_unit_test(a_compaction_makes_it_anew),
        cmocka_unit_test(writers_forget_a_search_in_a_second),
        cmocka_unit_test(rows_beyond_the_graph_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
