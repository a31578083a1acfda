/* Background jobs in any order: flush, overlay, index, merge, expiry, compaction, the release of snapshots and the
 * end of readers, and writes between and in the middle of them, all on one thread, as a seed draws it. A
 * job waits until it is chosen; while one runs, others may do something at any of its operations on
 * files, wherever it holds no lock that they would need. After each step the collection is what a naive model
 * says; at the end everything verifies and no file is left that nobody needs.
 * LODE_SEED repeats, LODE_CRASH_ROUNDS makes more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/collection.h"
#include "support/crash_counts.h"
#include "support/executor_simulated.h"
#include "support/story.h"

enum { PINS = 3, WALKS = 2, NAMES = 2, IDS = 60, STEPS = 60, OTHERS = 5, FILES_MAX = 512, K = 10 };
#define HOUR_MS  ((uint64_t)3600000)
#define BEGIN_MS ((uint64_t)1700000000000)

static lode_error error;
static const char *const names[NAMES] = {"monday", "tuesday"};

/* A state that somebody holds. */
struct pin {
    lode_snapshot *snapshot; /* NULL: free */
    struct model model;
};

/* A reader that goes on a few points at a time. */
struct walk {
    lode_iterator *iterator; /* NULL: free */
    size_t left;
};

struct world {
    struct vfs *vfs;
    struct rng rng, jobs_rng;
    uint64_t time_us;
    struct clock clock;
    struct executor *executor;
    lode_db *db;
    lode_collection *collection;
    lode_schema schema;
    lode_db_options options;
    uint64_t growing_bytes;
    uint32_t overlay_rows_min, index_rows_min;
    int durable; /* all writes are: there may be a crash */
    struct model model;
    struct pin pins[PINS];
    struct walk walks[WALKS];
    struct {
        int exists;
        struct model model;
    } named[NAMES];
    unsigned others; /* how often others may still act in the middle of what runs */
};

static uint64_t tell_time(void *context)
{
    return ((struct world *)context)->time_us += 50000;
}

/* --- What anybody may do at any time ----------------------------------------------------------- */

static void write_some(struct world *world)
{
    struct model_op ops[8];
    size_t count = 1 + rng_below(&world->rng, 8);
    for (size_t i = 0; i < count; i++) {
        int value = (int)rng_below(&world->rng, 1000);
        ops[i] = (struct model_op){.id = rng_below(&world->rng, IDS),
                                   .value = rng_below(&world->rng, 4) ? value : ENGINE_NONE};
        ops[i].patch = ops[i].value != ENGINE_NONE && rng_below(&world->rng, 5) == 0;
        ops[i].condition = rng_below(&world->rng, 5) == 0;
        if (ops[i].value != ENGINE_NONE && rng_below(&world->rng, 5) == 0)
            ops[i].expires_at_ms =
                (world->time_us / 1000 / HOUR_MS + 1 + rng_below(&world->rng, 3)) * HOUR_MS;
    }
    lode_ack ack = world->durable ? LODE_ACK_DURABLE : (lode_ack)rng_below(&world->rng, 3);
    assert_ok(model_write_ack(&world->model, world->collection, ops, count, ack, &error));
}

static void pin_or_release(struct world *world)
{
    struct pin *pin = &world->pins[rng_below(&world->rng, PINS)];
    if (pin->snapshot) {
        model_check_points(&pin->model, world->collection, pin->snapshot);
        lode_snapshot_close(pin->snapshot);
        pin->snapshot = NULL;
        return;
    }
    assert_ok(lode_snapshot_open(world->collection, &pin->snapshot, &error));
    pin->model = world->model;
}

static void pass_time(struct world *world)
{
    world->time_us = (world->time_us / 1000 / HOUR_MS + 1) * HOUR_MS * 1000;
    model_expire(&world->model, world->time_us / 1000);
}

static void begin_or_go_on(struct world *world)
{
    struct walk *walk = &world->walks[rng_below(&world->rng, WALKS)];
    const lode_hit *hit = NULL;
    if (!walk->iterator) {
        assert_ok(lode_iterator_open(world->collection, NULL, LODE_WITH_METADATA, &walk->iterator,
                                     &error));
        walk->left = model_count(&world->model);
        return;
    }
    for (unsigned i = 1 + rng_below(&world->rng, 30); i > 0; i--) {
        assert_ok(lode_iterator_next(walk->iterator, &hit, &error));
        if (!hit)
            break;
        assert_true(walk->left > 0);
        walk->left--;
    }
    if (!hit) {
        assert_int_equal(walk->left, 0);
        lode_iterator_close(walk->iterator);
        walk->iterator = NULL;
    }
}

/* A walk may miss near points, but finds as many as were asked for, each once and alive. */
static void check_walk(struct world *world)
{
    float query[4];
    lode_result *result;
    size_t count = model_count(&world->model);
    engine_vector(rng_below(&world->rng, 97), 4, query);
    lode_search_request request = {.vector = query, .k = K};
    assert_ok(lode_search(world->collection, &request, &result, &error));
    assert_int_equal(result->hit_count, count < K ? count : K);
    for (size_t i = 1; i < result->hit_count; i++)
        assert_int_not_equal(lode_id_compare(&result->hits[i].id, &result->hits[i - 1].id), 0);
    lode_result_free(result);
}

static void check_now(struct world *world)
{
    int exact = world->schema.metric == LODE_METRIC_L2 && world->schema.scalar == LODE_SCALAR_F32;
    model_check_search(&world->model, world->collection, NULL, rng_below(&world->rng, 97), K,
                       exact);
    check_walk(world);
}

static void check_all(struct world *world)
{
    lode_stats *stats;
    crash_count(&crash_counts.partial);
    model_check_points(&world->model, world->collection, NULL);
    check_now(world);
    assert_ok(lode_stats_get(world->collection, &stats, &error));
    assert_int_equal(stats->points, model_count(&world->model));
    assert_int_equal(stats->sequence, world->model.sequence);
    assert_int_equal(stats->job_error.status, LODE_OK);
    lode_stats_free(stats);
    crash_uncount(&crash_counts.partial);
    crash_count(&crash_counts.opens);
}

/* --- In the middle of something else ----------------------------------------------------------- */

static int is_free(struct mutex *mutex)
{
    if (pthread_mutex_trylock(&mutex->handle))
        return 0;
    pthread_mutex_unlock(&mutex->handle);
    return 1;
}

/* Whether a writer or reader on another thread could go on now without waiting for who runs here. The lock of
 * structural changes is not one that they need. */
static int others_can_run(struct world *world)
{
    lode_collection *collection = world->collection;
    return is_free(&collection->shared->jobs.mutex) && is_free(&collection->shared->queue.mutex) &&
           is_free(&collection->shared->pins.mutex) && is_free(&collection->shared->pin_mutex) &&
           is_free(&collection->shared->lane.mutex) && is_free(&world->db->mutex) &&
           collection->shared->lane.serving == collection->shared->lane.next &&
           !collection->shared->queue.first &&
           jobs_frozen_count(&collection->shared->jobs) + 1 < FROZEN_MAX;
}

static void let_others_act(void *context)
{
    struct world *world = context;
    unsigned left = world->others;
    if (left == 0 || rng_below(&world->rng, 8) || !others_can_run(world))
        return;
    world->others = 0;
    crash_count(&crash_counts.steps);
    switch (rng_below(&world->rng, 8)) {
    case 0: pin_or_release(world); break;
    case 1: begin_or_go_on(world); break;
    case 2: pass_time(world); break;
    case 3: check_now(world); break;
    default: write_some(world);
    }
    world->others = left - 1;
}

/* --- Steps ------------------------------------------------------------------------------------- */

static void open_world(struct world *world)
{
    struct db_env env = {.vfs = world->vfs, .clock = &world->clock};
    env.executor = world->executor = executor_simulated_new(&world->jobs_rng);
    crash_count(&crash_counts.unopened);
    assert_ok(db_open("db", &world->options, &env, &world->db, &error));
    world->db->growing_bytes_max = world->growing_bytes;
    world->db->overlay_rows_min = world->overlay_rows_min;
    world->db->index_rows_min = world->index_rows_min;
    if (!world->model.dim) {
        world->collection = engine_create(world->db, "points", world->schema);
        model_init(&world->model, &world->schema);
    } else {
        assert_ok(lode_collection_open(world->db, "points", &world->collection, &error));
        model_expire(&world->model, world->time_us / 1000);
    }
    crash_uncount(&crash_counts.unopened);
}

static void let_go(struct world *world)
{
    for (size_t i = 0; i < PINS; i++) {
        lode_snapshot_close(world->pins[i].snapshot);
        world->pins[i].snapshot = NULL;
    }
    for (size_t i = 0; i < WALKS; i++) {
        lode_iterator_close(world->walks[i].iterator);
        world->walks[i].iterator = NULL;
    }
}

static void close_world(struct world *world)
{
    let_go(world);
    lode_collection_close(world->collection);
    lode_db_close(world->db);
    executor_free(world->executor);
}

static int refuse_all(void *context, const char *operation, const char *path)
{
    (void)context;
    (void)operation;
    (void)path;
    return EIO;
}

static void check_named(struct world *world)
{
    for (unsigned i = 0; i < NAMES; i++) {
        lode_snapshot *snapshot;
        if (!world->named[i].exists)
            continue;
        assert_ok(lode_snapshot_open_named(world->collection, names[i], &snapshot, &error));
        model_check_points(&world->named[i].model, world->collection, snapshot);
        lode_snapshot_close(snapshot);
    }
}

/* The power goes, with jobs waiting. */
static void crash(struct world *world)
{
    vfs_memory_set_fault(world->vfs, refuse_all, NULL);
    close_world(world);
    vfs_memory_set_fault(world->vfs, NULL, NULL);
    vfs_memory_crash_random(world->vfs, rng_u64(&world->rng));
    open_world(world);
    check_named(world);
}

static void keep_or_forget(struct world *world)
{
    unsigned at = rng_below(&world->rng, NAMES);
    if (world->named[at].exists) {
        assert_ok(lode_snapshot_drop(world->collection, names[at], &error));
    } else {
        assert_ok(lode_snapshot_create(world->collection, names[at], &error));
        world->named[at].model = world->model;
    }
    world->named[at].exists = !world->named[at].exists;
}

static void act_openly(struct world *world, unsigned what)
{
    world->others = OTHERS;
    switch (what) {
    case 0: assert_ok(lode_flush(world->collection, NULL, &error)); break;
    case 1: assert_ok(lode_compact(world->collection, NULL, &error)); break;
    case 2: assert_ok(lode_wait_idle(world->collection, 0, &error)); break;
    default: (void)executor_step(world->executor);
    }
    world->others = 0;
}

static void step(struct world *world)
{
    unsigned what = rng_below(&world->rng, 100);
    crash_count(&crash_counts.steps);
    if (what < 40)
        write_some(world);
    else if (what < 68)
        act_openly(world, 3);
    else if (what < 75)
        pin_or_release(world);
    else if (what < 81)
        begin_or_go_on(world);
    else if (what < 85)
        pass_time(world);
    else if (what < 94)
        act_openly(world, rng_below(&world->rng, 3));
    else if (what < 97)
        keep_or_forget(world);
    else if (what < 98)
        assert_ok(lode_sync(world->collection, &error));
    else if (what < 99 || !world->durable)
        close_world(world), open_world(world);
    else
        crash(world);
}

/* --- A life ------------------------------------------------------------------------------------ */

static void choose_settings(struct world *world)
{
    static const lode_metric metrics[] = {LODE_METRIC_L2, LODE_METRIC_L2, LODE_METRIC_COSINE,
                                          LODE_METRIC_IP};
    struct rng *rng = &world->rng;
    world->schema = (lode_schema){.dim = 4,
                                  .metric = metrics[rng_below(rng, 4)],
                                  .index = rng_below(rng, 6) ? LODE_INDEX_HNSW : LODE_INDEX_FLAT,
                                  .layout = (lode_layout)rng_below(rng, 2),
                                  .m = 4,
                                  .ef_construction = 8};
    world->options.maintenance = rng_below(rng, 5) ? LODE_MAINTAIN_AUTO : LODE_MAINTAIN_ON_REQUEST;
    world->options.log_keep_bytes = rng_below(rng, 3) ? 0 : 2000;
    world->growing_bytes = 256u << rng_below(rng, 5);
    world->overlay_rows_min = 4u << rng_below(rng, 4);
    world->index_rows_min = 4u << rng_below(rng, 4);
    world->durable = rng_below(rng, 2) == 0;
}

struct listing {
    struct vfs *vfs;
    const char *dir;
    size_t missing;
    size_t count;
};

static void count_missing(void *context, const char *name)
{
    struct listing *listing = context;
    char path[PATH_SIZE_MAX];
    int exists = 0;
    assert_ok(vfs_join(path, listing->dir, name, &error));
    assert_ok(vfs_exists(listing->vfs, path, &exists, &error));
    listing->missing += !exists;
    listing->count++;
}

struct remembering {
    char names[FILES_MAX][NAME_TEXT_MAX];
    size_t count;
};

static void remember(void *context, const char *name)
{
    struct remembering *remembered = context;
    assert_true(remembered->count < FILES_MAX);
    snprintf(remembered->names[remembered->count++], NAME_TEXT_MAX, "%s", name);
}

/* Opening sweeps away what nobody needs: there was nothing of that. */
static void check_no_leftovers(struct world *world)
{
    static struct remembering before;
    char dir[32];
    struct listing listing = {.vfs = world->vfs, .dir = dir};
    snprintf(dir, sizeof dir, "db/c-%016llx", (unsigned long long)world->collection->shared->uid);
    close_world(world);
    before.count = 0;
    assert_ok(vfs_list(world->vfs, dir, remember, &before, &error));
    open_world(world);
    for (size_t i = 0; i < before.count; i++) {
        count_missing(&listing, before.names[i]);
        if (listing.missing)
            fail_msg("%s was left over", before.names[i]);
    }
}

static void live(uint64_t seed)
{
    struct world *world = calloc(1, sizeof *world);
    rng_init(&world->rng, seed);
    rng_init(&world->jobs_rng, ~seed);
    world->vfs = vfs_memory_new();
    world->time_us = BEGIN_MS * 1000;
    world->clock = (struct clock){tell_time, tell_time, world};
    choose_settings(world);
    open_world(world);
    vfs_memory_set_hook(world->vfs, let_others_act, world);
    for (unsigned i = 0; i < STEPS; i++) {
        step(world);
        if (rng_below(&world->rng, 4) == 0)
            check_all(world);
        else
            check_now(world);
    }
    check_all(world);
    check_named(world);
    check_no_leftovers(world);
    check_all(world);
    check_named(world);
    close_world(world);
    engine_verify(world->vfs, "db");
    vfs_memory_free(world->vfs);
    free(world);
}

static void jobs_in_any_order(void **state)
{
    (void)state;
    uint64_t seed = story_setting("LODE_SEED", 1);
    unsigned rounds = story_setting("LODE_CRASH_ROUNDS", story_fewer(1000));
    for (unsigned i = 0; i < rounds; i++) {
        print_message("seed %llu\r", (unsigned long long)(seed + i));
        live(seed + i);
    }
    print_message("%u rounds from seed %llu\n", rounds, (unsigned long long)seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(jobs_in_any_order)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    crash_counts_report();
    return failed;
}
