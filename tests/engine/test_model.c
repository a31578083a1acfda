/* Random operations against a naive collection in memory: writes, deletes, mixed batches, searches,
 * lookups, walks, snapshots, flushes, compactions, closing and power cuts, in any order. The seed is
 * printed; LODE_SEED repeats one, LODE_STEPS makes it longer. */
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

#define SNAPSHOTS 3

static lode_error error;

struct run {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *collection;
    lode_schema schema;
    struct model model;
    struct rng rng;
    lode_snapshot *snapshots[SNAPSHOTS];
    struct model seen[SNAPSHOTS]; /* what each snapshot must show */
    int strict;
    uint64_t now_ms;
    struct clock clock;
};

static uint64_t tell_time(void *context)
{
    return ((struct run *)context)->now_ms * 1000;
}

static unsigned below(struct run *run, unsigned bound)
{
    return rng_below(&run->rng, bound);
}

static void open_run(struct run *run)
{
    run->db = engine_open_at(run->vfs, "db", NULL, 16384, &run->clock);
}

static void write_some(struct run *run)
{
    struct model_op ops[24];
    size_t count = 1 + below(run, 24);
    unsigned deletes = below(run, 3) ? 20 : 80; /* percent */
    for (size_t i = 0; i < count; i++) {
        ops[i] = (struct model_op){
            .id = below(run, ENGINE_IDS),
            .value = below(run, 100) < deletes ? ENGINE_NONE : (int)below(run, 100000),
        };
        ops[i].patch = ops[i].value != ENGINE_NONE && below(run, 3) == 0;
        ops[i].condition = below(run, 4) == 0;
        if (below(run, 200) == 0)
            ops[i].condition = 2; /* refuses the batch */
        if (ops[i].value != ENGINE_NONE && below(run, 3) == 0)
            ops[i].expires_at_ms =
                below(run, 4) ? run->now_ms + 1 + below(run, 400) : LODE_EXPIRES_NEVER;
    }
    assert_ok(model_write(&run->model, run->collection, ops, count, &error));
}

static void search(struct run *run)
{
    unsigned which = below(run, SNAPSHOTS + 1);
    const lode_snapshot *snapshot = which < SNAPSHOTS ? run->snapshots[which] : NULL;
    const struct model *model = snapshot ? &run->seen[which] : &run->model;
    model_check_search(model, run->collection, snapshot, below(run, 100000),
                       1 + below(run, ENGINE_IDS), run->strict);
}

static void compare(struct run *run)
{
    model_check_points(&run->model, run->collection, NULL);
    for (size_t i = 0; i < SNAPSHOTS; i++)
        if (run->snapshots[i])
            model_check_points(&run->seen[i], run->collection, run->snapshots[i]);
}

static void drop_snapshots(struct run *run)
{
    for (size_t i = 0; i < SNAPSHOTS; i++) {
        lode_snapshot_close(run->snapshots[i]);
        run->snapshots[i] = NULL;
    }
}

static void take_snapshot(struct run *run)
{
    size_t i = below(run, SNAPSHOTS);
    lode_snapshot_close(run->snapshots[i]);
    assert_ok(lode_snapshot_open(run->collection, &run->snapshots[i], &error));
    run->seen[i] = run->model;
}

static void reopen(struct run *run, int power_cut)
{
    drop_snapshots(run);
    if (power_cut)
        vfs_memory_crash(run->vfs);
    lode_collection_close(run->collection);
    engine_close(run->db);
    engine_verify(run->vfs, "db");
    open_run(run);
    run->collection = engine_collection(run->db, "points");
    compare(run);
}

static void step(struct run *run)
{
    unsigned dice = below(run, 1000);
    run->now_ms += below(run, 4) ? 0 : below(run, 40);
    model_expire(&run->model, run->now_ms);
    if (dice < 600)
        write_some(run);
    else if (dice < 800)
        search(run);
    else if (dice < 880)
        take_snapshot(run);
    else if (dice < 920)
        compare(run);
    else if (dice < 950)
        assert_ok(lode_flush(run->collection, NULL, &error));
    else if (dice < 970)
        assert_ok(lode_compact(run->collection, NULL, &error));
    else if (dice < 980)
        assert_ok(lode_wait_idle(run->collection, 0, &error));
    else
        reopen(run, dice < 990);
}

static unsigned from_environment(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void run_steps(lode_schema schema, unsigned seed, unsigned steps)
{
    struct run run = {.schema = schema};
    printf("metric %d scalar %d index %d seed %u\n", (int)schema.metric, (int)schema.scalar,
           (int)schema.index, seed);
    run.strict = schema.metric != LODE_METRIC_COSINE;
    run.vfs = vfs_memory_new();
    run.now_ms = 1700000000000;
    run.clock = (struct clock){tell_time, tell_time, &run};
    rng_init(&run.rng, seed);
    model_init(&run.model, &schema);
    open_run(&run);
    run.collection = engine_create(run.db, "points", schema);
    for (unsigned i = 0; i < steps; i++)
        step(&run);
    reopen(&run, 1);
    reopen(&run, 0);
    lode_collection_close(run.collection);
    engine_close(run.db);
    vfs_memory_free(run.vfs);
}

static void a_collection_is_what_was_written(void **state)
{
    (void)state;
    unsigned seed = from_environment("LODE_SEED", 1);
    unsigned steps = from_environment("LODE_STEPS", 400);
    for (int metric = 0; metric <= LODE_METRIC_COSINE; metric++)
        for (int scalar = 0; scalar <= LODE_SCALAR_INT8; scalar++)
            run_steps((lode_schema){.dim = 12,
                                    .metric = (lode_metric)metric,
                                    .scalar = (lode_scalar)scalar,
                                    .index = scalar % 2 ? LODE_INDEX_FLAT : LODE_INDEX_HNSW},
                      seed++, steps);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_collection_is_what_was_written)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
