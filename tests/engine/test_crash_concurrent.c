/* The power goes while several threads write and background jobs run on threads of their own. Each writer has
 * ids of its own; of its batches all that were acknowledged are found, the one in progress whole or not
 * at all. Where the crash falls depends on the threads; what must hold does not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/thread.h"
#include "support/crash_counts.h"
#include "support/story.h"

enum { WRITERS = 4, SLOTS = 30, BATCHES = 200 };

static lode_error error;
static const lode_schema schema = {.dim = 4};

struct writer {
    lode_collection *collection;
    unsigned number;
    uint64_t acknowledged; /* batches */
    int failed;
    struct thread thread;
};

/* Batch n of a writer: its first point counts, two others are replaced, patched or deleted. The values are
 * odd and not divisible by 11, so that the metadata tells them. */
static int value_of(uint64_t batch)
{
    return (int)(batch * 22 + 1);
}

static void make_batch(unsigned writer, uint64_t batch, struct model_op ops[3])
{
    unsigned base = writer * SLOTS;
    unsigned slot = 1 + (unsigned)(random_mix(batch) % (SLOTS - 2));
    ops[0] = (struct model_op){.id = base, .value = value_of(batch)};
    ops[1] =
        (struct model_op){.id = base + slot, .value = value_of(batch), .patch = batch % 3 == 0};
    ops[2] = (struct model_op){.id = base + slot + 1, .value = ENGINE_NONE};
}

static void expect(struct model *model, unsigned writer, uint64_t batches)
{
    struct model_op ops[3];
    for (uint64_t batch = 1; batch <= batches; batch++) {
        make_batch(writer, batch, ops);
        model_apply(model, ops, 3);
    }
}

/* No assertion of cmocka's here: they belong to the first thread. */
static void write_all(void *context)
{
    struct writer *writer = context;
    lode_error reason;
    while (!writer->failed && writer->acknowledged < BATCHES) {
        struct model_op ops[3];
        struct engine_id ids[3];
        lode_write_op writes[3] = {{0}};
        float vector[4];
        char metadata[32];
        uint64_t batch = writer->acknowledged + 1;
        make_batch(writer->number, batch, ops);
        engine_vector((unsigned)ops[0].value, 4, vector);
        int size = snprintf(metadata, sizeof metadata, "{\"v\":%d,\"group\":%d}", ops[0].value,
                            ops[0].value % 7);
        for (size_t i = 0; i < 3; i++) {
            writes[i].kind = ops[i].value == ENGINE_NONE ? LODE_WRITE_DELETE : LODE_WRITE_UPSERT;
            if (ops[i].patch)
                writes[i].kind = LODE_WRITE_PATCH;
            writes[i].point = (lode_point){.id = *engine_id(ops[i].id, &ids[i]),
                                           .vector = ops[i].patch ? NULL : vector,
                                           .metadata = metadata,
                                           .metadata_size = (size_t)size};
        }
        if (lode_write(writer->collection, writes, 3, NULL, NULL, &reason) == LODE_OK)
            writer->acknowledged++;
        else
            writer->failed = 1;
    }
}

struct crash {
    uint64_t at;
    uint64_t changes;
    int over;
};

static int decide(void *context, const char *operation, const char *path)
{
    struct crash *crash = context;
    (void)operation;
    (void)path;
    if (++crash->changes >= crash->at)
        crash->over = 1;
    return crash->over ? EIO : 0;
}

static lode_db *open_threaded(struct vfs *vfs, struct executor *executors[2])
{
    lode_db *db;
    assert_ok(executor_threads_new(2, &executors[0], &error));
    assert_ok(executor_threads_new(2, &executors[1], &error));
    struct db_env env = {.vfs = vfs, .quick = executors[0], .executor = executors[1]};
    crash_count(&crash_counts.unopened);
    assert_ok(db_open("db", NULL, &env, &db, &error));
    crash_uncount(&crash_counts.unopened);
    db->growing_bytes_max = 2048;
    return db;
}

static void close_threaded(lode_db *db, struct executor *executors[2])
{
    lode_db_close(db);
    executor_free(executors[1]);
    executor_free(executors[0]);
}

static void write_until_crash(lode_collection *collection, struct writer writers[WRITERS])
{
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i].collection = collection;
        writers[i].number = i;
        writers[i].failed = 0;
        assert_int_equal(thread_start(&writers[i].thread, "writer", write_all, &writers[i]), 0);
    }
    for (unsigned i = 0; i < WRITERS; i++)
        thread_join(&writers[i].thread);
}

static int value_in(lode_collection *collection, unsigned id)
{
    struct engine_id made;
    lode_result *result;
    int value = ENGINE_NONE;
    assert_ok(
        lode_get(collection, NULL, engine_id(id, &made), 1, LODE_WITH_METADATA, &result, &error));
    if (result->hit_count)
        assert_int_equal(sscanf(result->hits[0].metadata, "{\"v\":%d", &value), 1);
    lode_result_free(result);
    return value;
}

/* What each writer was told, or one batch more. */
static void check(lode_collection *collection, struct writer writers[WRITERS])
{
    struct model model;
    model_init(&model, &schema);
    model.any_version = 1;
    for (unsigned i = 0; i < WRITERS; i++) {
        int value = value_in(collection, i * SLOTS);
        if (value == value_of(writers[i].acknowledged + 1))
            writers[i].acknowledged++;
        else if (writers[i].acknowledged && value != value_of(writers[i].acknowledged))
            crash_count(&crash_counts.lost);
        expect(&model, i, writers[i].acknowledged);
    }
    crash_count(&crash_counts.partial);
    model_check_points(&model, collection, NULL);
    crash_uncount(&crash_counts.partial);
    crash_count(&crash_counts.opens);
}

static void live(uint64_t seed)
{
    struct vfs *vfs = vfs_memory_new();
    struct executor *executors[2];
    struct writer writers[WRITERS] = {{0}};
    struct rng rng;
    rng_init(&rng, seed);
    lode_db *db = open_threaded(vfs, executors);
    lode_collection_close(engine_create(db, "points", schema));
    for (int life = 0; life < 3; life++) {
        struct crash crash = {.at = 1 + rng_below(&rng, 1500)};
        lode_collection *collection = engine_collection(db, "points");
        check(collection, writers);
        vfs_memory_set_fault(vfs, decide, &crash);
        write_until_crash(collection, writers);
        lode_collection_close(collection);
        close_threaded(db, executors);
        vfs_memory_set_fault(vfs, NULL, NULL);
        if (crash.over)
            vfs_memory_crash_random(vfs, rng_u64(&rng));
        db = open_threaded(vfs, executors);
    }
    lode_collection *collection = engine_collection(db, "points");
    check(collection, writers);
    lode_collection_close(collection);
    close_threaded(db, executors);
    engine_verify(vfs, "db");
    vfs_memory_free(vfs);
}

static void writers_and_jobs_at_once(void **state)
{
    (void)state;
    uint64_t seed = story_setting("LODE_SEED", 1);
    unsigned rounds = story_setting("LODE_CRASH_ROUNDS", story_fewer(40));
    for (unsigned i = 0; i < rounds; i++) {
        print_message("seed %llu\r", (unsigned long long)(seed + i));
        live(seed + i);
    }
    print_message("%u rounds from seed %llu\n", rounds, (unsigned long long)seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(writers_and_jobs_at_once)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    crash_counts_report();
    return failed;
}
