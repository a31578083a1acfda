/* The memory budget under the public interface: writers wait and are refused by name, reads never are, what all
 * databases hold together stays within the shares, and graphs are as large as it allows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "engine/build.h"
#include "engine/pressure.h"
#include "os/budget.h"
#include "support/engine_kit.h"

#define MIB           ((uint64_t)1 << 20)
#define BUDGET        ((uint64_t)LODE_MEMORY_BUDGET_MIN)
#define GROWING_SHARE (BUDGET / 16 * 3)
#define DIM           128u
#define BATCH         500u

static lode_error error;
static float vectors[BATCH * DIM];

struct world {
    char path[PATH_SIZE_MAX];
    lode_db *db;
    lode_collection *collection;
};

static void world_open(struct world *world, lode_schema schema, lode_maintenance maintenance)
{
    lode_db_options options = {.maintenance = maintenance, .thread_count = 2};
    temp_dir_make(world->path);
    assert_int_equal(lode_db_open(world->path, &options, &world->db, &error), LODE_OK);
    assert_int_equal(lode_collection_create(world->db, "c", &schema, &world->collection, &error),
                     LODE_OK);
}

static void world_close(struct world *world)
{
    lode_collection_close(world->collection);
    lode_db_close(world->db);
    temp_dir_remove(world->path);
}

static int begin(void **state)
{
    (void)state;
    for (size_t i = 0; i < BATCH * DIM; i++)
        vectors[i] = (float)((i * 2654435761u >> 7) % 1000) / 1000;
    return 0;
}

/* Nothing is left counted when all is closed. */
static int end(void **state)
{
    (void)state;
    lode_memory_stats stats;
    lode_memory_stats_get(&stats);
    assert_int_equal(stats.used_bytes, 0);
    return lode_memory_budget_set(0, NULL) == LODE_OK ? 0 : -1;
}

static void set_budget(uint64_t bytes)
{
    assert_int_equal(lode_memory_budget_set(bytes, &error), LODE_OK);
}

/* Points first to first + BATCH. */
static lode_status write_points(lode_collection *collection, uint64_t first)
{
    lode_point points[BATCH];
    for (uint64_t i = 0; i < BATCH; i++) {
        vectors[i * DIM] = (float)(first + i);
        points[i] = (lode_point){.id = lode_id_number(first + i), .vector = vectors + i * DIM};
    }
    return lode_upsert(collection, points, BATCH, NULL, &error);
}

static void find_point(lode_collection *collection, uint64_t id)
{
    lode_result *result;
    float query[DIM];
    memcpy(query, vectors + id % BATCH * DIM, sizeof query);
    query[0] = (float)id;
    lode_search_request request = {.vector = query, .k = 1, .exact = 1};
    assert_int_equal(lode_search(collection, &request, &result, &error), LODE_OK);
    assert_int_equal(result->hit_count, 1);
    assert_int_equal(result->hits[0].id.number, id);
    lode_result_free(result);
}

/* --- The setting ------------------------------------------------------------------------------- */

static void the_setting_is_checked(void **state)
{
    (void)state;
    lode_memory_stats stats;
    lode_memory_stats_get(NULL);
    lode_memory_stats_get(&stats);
    assert_int_equal(stats.budget_bytes, 0);
    assert_int_equal(stats.batch_bytes_max, 0);
    assert_int_equal(lode_memory_budget_set(BUDGET - 1, &error), LODE_LIMIT);
    assert_non_null(strstr(error.message, "67108863"));
    assert_non_null(strstr(error.message, "67108864"));
    set_budget(BUDGET);
    lode_memory_stats_get(&stats);
    assert_int_equal(stats.budget_bytes, BUDGET);
    assert_int_equal(stats.batch_bytes_max, BUDGET / 8);
    set_budget(0);
}

/* The largest point that there is has a way in under the least budget. */
static void the_least_budget_takes_the_largest_point(void **state)
{
    (void)state;
    struct world world;
    set_budget(BUDGET);
    world_open(&world, (lode_schema){.dim = LODE_DIM_MAX}, LODE_MAINTAIN_AUTO);
    float *vector = calloc(LODE_DIM_MAX, sizeof *vector);
    char *metadata = malloc(LODE_METADATA_SIZE_MAX), *text = malloc(LODE_TEXT_SIZE_MAX);
    memset(metadata, 'm', LODE_METADATA_SIZE_MAX);
    memset(text, 't', LODE_TEXT_SIZE_MAX);
    memcpy(metadata, "{\"a\":\"", 6);
    memcpy(metadata + LODE_METADATA_SIZE_MAX - 2, "\"}", 2);
    for (uint64_t i = 0; i < 20; i++) {
        lode_point point = {.id = lode_id_number(i),
                            .vector = vector,
                            .metadata = metadata,
                            .metadata_size = LODE_METADATA_SIZE_MAX,
                            .text = text,
                            .text_size = LODE_TEXT_SIZE_MAX};
        assert_int_equal(lode_upsert(world.collection, &point, 1, NULL, &error), LODE_OK);
    }
    free(vector);
    free(metadata);
    free(text);
    world_close(&world);
}

/* --- Rows in memory ---------------------------------------------------------------------------- */

static void rows_stay_within_their_share(void **state)
{
    (void)state;
    struct world world;
    uint64_t share = GROWING_SHARE, highest = 0;
    set_budget(BUDGET);
    world_open(&world, (lode_schema){.dim = DIM, .index = LODE_INDEX_FLAT}, LODE_MAINTAIN_AUTO);
    for (uint64_t first = 0; first < 120 * BATCH; first += BATCH) { /* 30 MB */
        assert_int_equal(write_points(world.collection, first), LODE_OK);
        uint64_t used = budget_used(BUDGET_GROWING);
        highest = used > highest ? used : highest;
    }
    assert_true(highest > MIB && highest <= share);
    lode_stats *stats;
    assert_int_equal(lode_stats_get(world.collection, &stats, &error), LODE_OK);
    assert_int_equal(stats->points, 120 * BATCH);
    assert_true(stats->memory_bytes <= share);
    lode_stats_free(stats);
    for (uint64_t id = 7; id < 120 * BATCH; id += 7777)
        find_point(world.collection, id);
    world_close(&world);
}

/* Snapshots keep rows in memory that were written out meanwhile; then nothing is given back. */
static void writers_are_refused_when_nothing_moves(void **state)
{
    (void)state;
    struct world world;
    lode_snapshot *snapshots[64] = {NULL};
    size_t count = 0;
    uint64_t first = 0;
    lode_status status = LODE_OK;
    set_budget(BUDGET);
    world_open(&world, (lode_schema){.dim = DIM, .index = LODE_INDEX_FLAT}, LODE_MAINTAIN_AUTO);
    for (; !status && first < 200 * BATCH; first += BATCH) {
        status = write_points(world.collection, first);
        if (!status && first % (5 * BATCH) == 0)
            assert_int_equal(lode_snapshot_open(world.collection, &snapshots[count++], &error),
                             LODE_OK);
    }
    assert_int_equal(status, LODE_NOMEM);
    assert_non_null(strstr(error.message, "memory budget of 67108864 bytes"));
    assert_non_null(strstr(error.message, "close snapshots"));
    first -= BATCH; /* refused, whole */
    lode_memory_stats stats;
    lode_memory_stats_get(&stats);
    assert_true(stats.refusals > 0 && stats.waits > 0);
    assert_true(stats.waited_ms >= PRESSURE_PATIENCE_US / 1000);
    assert_true(stats.growing_bytes <= GROWING_SHARE);
    find_point(world.collection, 0); /* reads go on */
    find_point(world.collection, first - 1);
    assert_int_equal(lode_snapshot_point_count(snapshots[0]), BATCH);
    lode_result *result;
    lode_id id = lode_id_number(first);
    assert_int_equal(lode_get(world.collection, NULL, &id, 1, 0, &result, &error), LODE_OK);
    assert_int_equal(result->hit_count, 0);
    lode_result_free(result);
    for (size_t i = 0; i < count; i++)
        lode_snapshot_close(snapshots[i]);
    assert_int_equal(write_points(world.collection, first), LODE_OK); /* and so do writes */
    find_point(world.collection, first);
    world_close(&world);
}

static void a_batch_beyond_all_budgets_is_refused(void **state)
{
    (void)state;
    struct world world;
    size_t size = 1000 * 1000, count = 5; /* twice 5 MB are more than an eighth of the budget */
    char *text = malloc(size);
    memset(text, 't', size);
    set_budget(BUDGET);
    world_open(&world, (lode_schema){.dim = DIM}, LODE_MAINTAIN_AUTO);
    lode_point points[5];
    for (size_t i = 0; i < count; i++)
        points[i] = (lode_point){
            .id = lode_id_number(i), .vector = vectors, .text = text, .text_size = size};
    assert_int_equal(lode_upsert(world.collection, points, count, NULL, &error), LODE_LIMIT);
    assert_non_null(strstr(error.message, "a batch of 5 operations"));
    assert_non_null(strstr(error.message, "8388608"));
    assert_int_equal(lode_upsert(world.collection, points, 3, NULL, &error), LODE_OK);
    /* What is deleted has no vector. */
    lode_id *ids = malloc(LODE_BATCH_MAX * sizeof *ids);
    for (uint64_t i = 0; i < LODE_BATCH_MAX; i++)
        ids[i] = lode_id_number(1000 + i);
    assert_int_equal(lode_delete(world.collection, ids, LODE_BATCH_MAX, NULL, &error), LODE_OK);
    free(ids);
    lode_stats *stats;
    assert_int_equal(lode_stats_get(world.collection, &stats, &error), LODE_OK);
    assert_int_equal(stats->points, 3);
    lode_stats_free(stats);
    free(text);
    world_close(&world);
}

/* Patches grow from few bytes to whole points: they are counted as what they have become. */
static void patches_count_as_what_they_become(void **state)
{
    (void)state;
    struct world world;
    set_budget(BUDGET);
    world_open(&world, (lode_schema){.dim = DIM, .index = LODE_INDEX_FLAT}, LODE_MAINTAIN_AUTO);
    assert_int_equal(write_points(world.collection, 0), LODE_OK);
    lode_write_op ops[BATCH];
    uint64_t highest = 0;
    for (unsigned turn = 0; turn < 100; turn++) {
        for (uint64_t i = 0; i < BATCH; i++)
            ops[i] = (lode_write_op){
                .kind = LODE_WRITE_PATCH,
                .point = {.id = lode_id_number(i), .metadata = "{\"a\":1}", .metadata_size = 7}};
        assert_int_equal(lode_write(world.collection, ops, BATCH, NULL, NULL, &error), LODE_OK);
        uint64_t used = budget_used(BUDGET_GROWING);
        highest = used > highest ? used : highest;
    }
    assert_true(highest > 2 * MIB && highest <= GROWING_SHARE + MIB);
    world_close(&world);
}

/* What a process that was killed leaves in the log. */
static void write_and_die(const char *path)
{
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        lode_db *db;
        lode_collection *collection;
        lode_schema schema = {.dim = DIM};
        if (lode_db_open(path, NULL, &db, &error) ||
            lode_collection_create(db, "c", &schema, &collection, &error) ||
            write_points(collection, 0))
            _exit(1);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* What one database holds and does not need, another may have; also beside one that is only read, with rows in its
 * log that nobody writes out. */
static void databases_share_it(void **state)
{
    (void)state;
    struct world idle[4], busy;
    lode_schema schema = {.dim = DIM, .index = LODE_INDEX_FLAT};
    char path[PATH_SIZE_MAX];
    lode_db *reader;
    lode_collection *read;
    temp_dir_make(path);
    write_and_die(path);
    set_budget(BUDGET);
    assert_int_equal(lode_db_open(path, &(lode_db_options){.read_only = 1}, &reader, &error),
                     LODE_OK);
    assert_int_equal(lode_collection_open(reader, "c", &read, &error), LODE_OK);
    for (int i = 0; i < 4; i++) {
        world_open(&idle[i], schema, LODE_MAINTAIN_AUTO);
        for (uint64_t first = 0; first < 10 * BATCH; first += BATCH) /* 2.6 MB each */
            assert_int_equal(write_points(idle[i].collection, first), LODE_OK);
    }
    uint64_t before = budget_used(BUDGET_GROWING);
    assert_true(before > 8 * MIB);
    world_open(&busy, schema, LODE_MAINTAIN_AUTO);
    for (uint64_t first = 0; first < 120 * BATCH; first += BATCH) {
        assert_int_equal(write_points(busy.collection, first), LODE_OK);
        assert_true(budget_used(BUDGET_GROWING) <= GROWING_SHARE);
    }
    for (int i = 0; i < 4; i++)
        find_point(idle[i].collection, 4321);
    world_close(&busy);
    for (int i = 0; i < 4; i++)
        world_close(&idle[i]);
    lode_collection_close(read);
    lode_db_close(reader);
    temp_dir_remove(path);
}

/* --- Graphs ------------------------------------------------------------------------------------ */

static size_t count_segments(lode_collection *collection, uint64_t *ret_rows_most,
                             uint64_t *ret_not_in_graphs)
{
    lode_stats *stats;
    assert_int_equal(lode_stats_get(collection, &stats, &error), LODE_OK);
    size_t count = stats->segment_count;
    *ret_rows_most = *ret_not_in_graphs = 0;
    for (size_t i = 0; i < count; i++) {
        const lode_segment_stats *segment = &stats->segments[i];
        *ret_rows_most = segment->rows > *ret_rows_most ? segment->rows : *ret_rows_most;
        *ret_not_in_graphs += segment->rows - segment->graph_rows;
    }
    assert_int_equal(stats->job_error.status, LODE_OK);
    lode_stats_free(stats);
    return count;
}

static void graphs_are_as_large_as_it_allows(void **state)
{
    (void)state;
    const char *sanitizer = getenv("LODE_SANITIZE");
    if (sanitizer && strcmp(sanitizer, "thread") == 0)
        skip(); /* one writer, and minutes of builds; those of the next test run beside writers too */
    struct world world;
    uint64_t most, scanned, highest = 0;
    set_budget(BUDGET);
    /* Rows of 128 dimensions: some 26,000 of them are what builds may have. */
    world_open(&world, (lode_schema){.dim = DIM, .ef_construction = 40}, LODE_MAINTAIN_ON_REQUEST);
    uint64_t rows_max = pressure_rows_max(world.collection->shared);
    assert_true(rows_max > BUILD_ROWS_LEAST && rows_max < 35000);
    for (uint64_t first = 0; first < 80 * BATCH; first += BATCH) {
        assert_int_equal(write_points(world.collection, first), LODE_OK);
        highest = budget_used(BUDGET_BUILD) > highest ? budget_used(BUDGET_BUILD) : highest;
    }
    assert_int_equal(lode_compact(world.collection, NULL, &error), LODE_OK);
    size_t count = count_segments(world.collection, &most, &scanned);
    assert_true(count >= 2 && most <= rows_max && scanned == 0);
    find_point(world.collection, 12345);

    set_budget(0); /* without it, one segment */
    assert_int_equal(lode_compact(world.collection, NULL, &error), LODE_OK);
    assert_int_equal(count_segments(world.collection, &most, &scanned), 1);

    /* Larger than it allows, with dead rows: built anew, in files. */
    set_budget(BUDGET);
    lode_id ids[BATCH];
    for (uint64_t i = 0; i < BATCH; i++)
        ids[i] = lode_id_number(i);
    assert_int_equal(lode_delete(world.collection, ids, BATCH, NULL, &error), LODE_OK);
    assert_int_equal(lode_compact(world.collection, NULL, &error), LODE_OK);
    assert_int_equal(count_segments(world.collection, &most, &scanned), 1);
    assert_int_equal(most, 79 * BATCH);
    assert_int_equal(scanned, 0);
    find_point(world.collection, 12345);
    world_close(&world);
}

/* A build that runs long must not keep rows in memory that were growing when it began. */
static void builds_do_not_hold_growing_rows(void **state)
{
    (void)state;
    struct world world; /* more rows than a build may have */
    set_budget(BUDGET);
    world_open(&world, (lode_schema){.dim = DIM, .ef_construction = 40}, LODE_MAINTAIN_AUTO);
    for (uint64_t first = 0; first < 60 * BATCH; first += BATCH) {
        assert_int_equal(write_points(world.collection, first), LODE_OK);
        assert_true(budget_used(BUDGET_BUILD) <= BUDGET / 16 * 6 + 4 * MIB);
    }
    assert_int_equal(lode_flush(world.collection, NULL, &error), LODE_OK);
    /* Builds go on for seconds; the last job of a flush lets go within moments. */
    for (int i = 0; budget_used(BUDGET_GROWING) > 0 && i < 200; i++)
        usleep(10000);
    assert_int_equal(budget_used(BUDGET_GROWING), 0);
    assert_int_equal(lode_wait_idle(world.collection, 0, &error), LODE_OK);
    uint64_t most, scanned;
    (void)count_segments(world.collection, &most, &scanned);
    assert_true(most <= pressure_rows_max(world.collection->shared));
    for (uint64_t id = 1; id < 60 * BATCH; id += 3333)
        find_point(world.collection, id);
    world_close(&world);
}

struct watch {
    lode_collection *growing;
    int is_flushed;
    uint64_t done_when_free, total;
};

static int watch_memory(void *context, uint64_t done, uint64_t total)
{
    struct watch *watch = context;
    watch->total = total;
    if (!watch->is_flushed)
        assert_int_equal(lode_flush(watch->growing, NULL, &error), LODE_OK);
    watch->is_flushed = 1;
    if (budget_used(BUDGET_GROWING) == 0 && watch->done_when_free == UINT64_MAX)
        watch->done_when_free = done;
    return 0;
}

/* Nor may a backup: what a collection has in memory is written before the files of another are copied. */
static void backups_do_not_hold_growing_rows(void **state)
{
    (void)state;
    struct world world;
    char target[PATH_SIZE_MAX];
    struct watch watch = {.done_when_free = UINT64_MAX};
    lode_backup_options options = {.progress = watch_memory, .context = &watch};
    set_budget(BUDGET);
    world_open(&world, (lode_schema){.dim = DIM}, LODE_MAINTAIN_ON_REQUEST);
    for (uint64_t first = 0; first < 8 * BATCH; first += BATCH)
        assert_int_equal(write_points(world.collection, first), LODE_OK);
    assert_int_equal(lode_flush(world.collection, NULL, &error), LODE_OK);
    assert_int_equal(
        lode_collection_create(world.db, "d", &(lode_schema){.dim = DIM}, &watch.growing, &error),
        LODE_OK);
    assert_int_equal(write_points(watch.growing, 0), LODE_OK);
    assert_true(budget_used(BUDGET_GROWING) > 0);
    temp_dir_make(target);
    assert_int_equal(lode_backup(world.db, target, &options, NULL, &error), LODE_OK);
    assert_true(watch.done_when_free < watch.total / 2);
    lode_collection_close(watch.growing);
    world_close(&world);
    temp_dir_remove(target);
}

static int some_job_waits_for_memory(lode_collection *collection)
{
    int found = 0;
    lode_stats *stats;
    assert_int_equal(lode_stats_get(collection, &stats, &error), LODE_OK);
    for (size_t i = 0; i < stats->job_count; i++)
        found |= stats->jobs[i].waiting == LODE_WAIT_MEMORY;
    lode_stats_free(stats);
    return found;
}

/* Builds have all that they may: the next one waits, and says for what. */
static void a_build_says_that_it_waits_for_memory(void **state)
{
    (void)state;
    struct world world;
    set_budget(BUDGET);
    uint64_t share = budget_share(BUDGET_BUILD);
    budget_take(BUDGET_BUILD, share);
    world_open(&world, (lode_schema){.dim = DIM, .ef_construction = 40}, LODE_MAINTAIN_AUTO);
    for (uint64_t first = 0; first < 40 * BATCH; first += BATCH) /* several segments: a merge */
        assert_int_equal(write_points(world.collection, first), LODE_OK);
    int waits = 0;
    for (int i = 0; i < 3000 && !waits; i++) {
        waits = some_job_waits_for_memory(world.collection);
        usleep(10000);
    }
    find_point(world.collection, 4321); /* reads go on */
    budget_give(BUDGET_BUILD, share);
    assert_true(waits);
    assert_int_equal(lode_wait_idle(world.collection, 0, &error), LODE_OK);
    assert_false(some_job_waits_for_memory(world.collection));
    world_close(&world);
}

/* --- All together ------------------------------------------------------------------------------ */

struct actor {
    struct thread thread;
    lode_collection *collection;
    uint64_t first;
    _Atomic int *stopping;
    unsigned done;
};

static void act_write(void *context)
{
    struct actor *actor = context;
    float own[8];
    for (unsigned turn = 0; !atomic_load(actor->stopping); turn++) {
        lode_point points[100];
        for (uint64_t i = 0; i < 100; i++) {
            memset(own, 0, sizeof own);
            own[0] = (float)turn + 1;
            points[i] = (lode_point){.id = lode_id_number(actor->first + i), .vector = own};
        }
        lode_error reason = {0};
        assert_int_equal(lode_upsert(actor->collection, points, 100, NULL, &reason), LODE_OK);
        actor->done++;
    }
}

static void act_read(void *context)
{
    struct actor *actor = context;
    float query[8] = {1};
    for (; !atomic_load(actor->stopping); actor->done++) {
        lode_result *result;
        lode_error reason = {0};
        lode_search_request request = {.vector = query, .k = 3};
        assert_int_equal(lode_search(actor->collection, &request, &result, &reason), LODE_OK);
        lode_result_free(result);
    }
}

/* Two databases, writers and readers on each; the setting is changed meanwhile. */
static void all_at_once(void **state)
{
    (void)state;
    struct world worlds[2];
    struct actor actors[8];
    _Atomic int stopping = 0;
    set_budget(BUDGET);
    for (int w = 0; w < 2; w++)
        world_open(&worlds[w], (lode_schema){.dim = 8}, LODE_MAINTAIN_AUTO);
    for (int i = 0; i < 8; i++) {
        actors[i] = (struct actor){.collection = worlds[i % 2].collection,
                                   .first = (uint64_t)i * 1000,
                                   .stopping = &stopping};
        assert_int_equal(
            thread_start(&actors[i].thread, "actor", i < 5 ? act_write : act_read, &actors[i]), 0);
    }
    for (int i = 0; i < 10; i++) {
        usleep(100000);
        set_budget(i % 2 ? BUDGET : 2 * BUDGET);
    }
    atomic_store(&stopping, 1);
    for (int i = 0; i < 8; i++) {
        thread_join(&actors[i].thread);
        assert_true(actors[i].done > 0);
    }
    for (int w = 0; w < 2; w++)
        world_close(&worlds[w]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(the_setting_is_checked, end),
        cmocka_unit_test_teardown(the_least_budget_takes_the_largest_point, end),
        cmocka_unit_test_teardown(rows_stay_within_their_share, end),
        cmocka_unit_test_teardown(writers_are_refused_when_nothing_moves, end),
        cmocka_unit_test_teardown(a_batch_beyond_all_budgets_is_refused, end),
        cmocka_unit_test_teardown(patches_count_as_what_they_become, end),
        cmocka_unit_test_teardown(databases_share_it, end),
        cmocka_unit_test_teardown(graphs_are_as_large_as_it_allows, end),
        cmocka_unit_test_teardown(builds_do_not_hold_growing_rows, end),
        cmocka_unit_test_teardown(backups_do_not_hold_growing_rows, end),
        cmocka_unit_test_teardown(a_build_says_that_it_waits_for_memory, end),
        cmocka_unit_test_teardown(all_at_once, end),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
