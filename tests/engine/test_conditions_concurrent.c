/* Conditions and versions: what each condition finds wherever the point is, what a conflict says and that
 * it leaves nothing behind, and counters that many threads raise by comparing versions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/thread.h"
#include "support/engine_kit.h"

static lode_error error;

static const lode_schema schema = {.dim = 4};
static const float vector[4] = {1, 2, 3, 4};

struct world {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *collection;
};

static void begin_world(struct world *world)
{
    world->vfs = vfs_memory_new();
    world->db = engine_open(world->vfs, "db", NULL, 1u << 20);
    world->collection = engine_create(world->db, "points", schema);
}

static void close_world(struct world *world)
{
    lode_collection_close(world->collection);
    engine_close(world->db);
    engine_live(world->vfs);
    engine_verify(world->vfs, "db");
}

static void reopen(struct world *world, int power_cut)
{
    if (power_cut)
        engine_crash(world->vfs);
    close_world(world);
    world->db = engine_open(world->vfs, "db", NULL, 1u << 20);
    world->collection = engine_collection(world->db, "points");
}

static void end_world(struct world *world)
{
    close_world(world);
    vfs_memory_free(world->vfs);
}

static lode_write_op op_of(lode_write_kind kind, uint64_t id, lode_condition condition,
                           uint64_t version)
{
    lode_write_op op = {.kind = kind,
                        .point.id = lode_id_number(id),
                        .condition = condition,
                        .if_version = version};
    if (kind == LODE_WRITE_UPSERT)
        op.point.vector = vector;
    if (kind == LODE_WRITE_PATCH) {
        op.point.text = "patched";
        op.point.text_size = 7;
    }
    return op;
}

static lode_status write_one(struct world *world, lode_write_op op)
{
    return lode_write(world->collection, &op, 1, NULL, NULL, &error);
}

/* 0: there is none. */
static uint64_t version_of(struct world *world, uint64_t id)
{
    lode_id wanted = lode_id_number(id);
    lode_result *result;
    assert_ok(lode_get(world->collection, NULL, &wanted, 1, LODE_WITH_VERSION, &result, &error));
    uint64_t version = result->hit_count ? result->hits[0].version : 0;
    assert_int_equal(version != 0, result->hit_count);
    lode_result_free(result);
    return version;
}

#define CONFLICT(op, text)                                                                         \
    do {                                                                                           \
        assert_status(write_one(&world, op), LODE_CONFLICT);                                       \
        if (strcmp(error.message, text) != 0)                                                      \
            fail_msg("\"%s\" is not \"%s\"", error.message, text);                                 \
    } while (0)

static void each_condition_is_kept(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    assert_ok(write_one(&world, op_of(LODE_WRITE_UPSERT, 1, LODE_IF_ABSENT, 0)));
    assert_ok(write_one(&world, op_of(LODE_WRITE_UPSERT, 2, LODE_IF_ANY, 0)));
    for (int round = 0; round < 4; round++) { /* growing, sealed, merged, opened again */
        uint64_t version = version_of(&world, 1);
        char text[96];
        snprintf(text, sizeof text, "ops[0] (id 1): expected no point, found version %u",
                 (unsigned)version);
        CONFLICT(op_of(LODE_WRITE_UPSERT, 1, LODE_IF_ABSENT, 0), text);
        snprintf(text, sizeof text, "ops[0] (id 1): expected version %u, found version %u",
                 (unsigned)version + 1, (unsigned)version);
        for (int kind = LODE_WRITE_UPSERT; kind <= LODE_WRITE_PATCH; kind++)
            CONFLICT(op_of((lode_write_kind)kind, 1, LODE_IF_VERSION, version + 1), text);
        assert_int_equal(version_of(&world, 1), version);
        assert_ok(write_one(&world, op_of(LODE_WRITE_UPSERT, 1, LODE_IF_VERSION, version)));
        assert_true(version_of(&world, 1) > version);
        CONFLICT(op_of(LODE_WRITE_UPSERT, 9, LODE_IF_PRESENT, 0),
                 "ops[0] (id 9): expected a point, found none");
        CONFLICT(op_of(LODE_WRITE_DELETE, 9, LODE_IF_PRESENT, 0),
                 "ops[0] (id 9): expected a point, found none");
        CONFLICT(op_of(LODE_WRITE_PATCH, 9, LODE_IF_VERSION, 1),
                 "ops[0] (id 9): expected version 1, found none");
        assert_ok(write_one(&world, op_of(LODE_WRITE_PATCH, 1, LODE_IF_PRESENT, 0)));
        assert_int_equal(version_of(&world, 2), 2);
        if (round == 0)
            assert_ok(lode_flush(world.collection, NULL, &error));
        else if (round == 1)
            assert_ok(lode_compact(world.collection, NULL, &error));
        else
            reopen(&world, 1);
    }
    assert_ok(write_one(&world, op_of(LODE_WRITE_DELETE, 1, LODE_IF_PRESENT, 0)));
    assert_ok(write_one(&world, op_of(LODE_WRITE_UPSERT, 1, LODE_IF_ABSENT, 0)));
    end_world(&world);
}

static void operations_see_those_before_them(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    lode_write_op twice[] = {op_of(LODE_WRITE_UPSERT, 1, LODE_IF_ABSENT, 0),
                             op_of(LODE_WRITE_UPSERT, 1, LODE_IF_ABSENT, 0)};
    assert_status(lode_write(world.collection, twice, 2, NULL, NULL, &error), LODE_CONFLICT);
    assert_string_equal(error.message, "ops[1] (id 1): expected no point, found version 1");
    assert_int_equal(version_of(&world, 1), 0);
    lode_write_op ops[] = {op_of(LODE_WRITE_UPSERT, 1, LODE_IF_ABSENT, 0),
                           op_of(LODE_WRITE_PATCH, 1, LODE_IF_VERSION, 1),
                           op_of(LODE_WRITE_DELETE, 1, LODE_IF_PRESENT, 0),
                           op_of(LODE_WRITE_UPSERT, 1, LODE_IF_ABSENT, 0)};
    lode_write_info info;
    assert_ok(lode_write(world.collection, ops, 4, NULL, &info, &error));
    assert_int_equal(info.sequence, 1);
    assert_int_equal(version_of(&world, 1), 1);
    reopen(&world, 1);
    assert_int_equal(version_of(&world, 1), 1);
    end_world(&world);
}

#define INVALID(op, text)                                                                          \
    do {                                                                                           \
        assert_status(write_one(&world, op), LODE_INVALID);                                        \
        if (!strstr(error.message, text))                                                          \
            fail_msg("\"%s\" does not say \"%s\"", error.message, text);                           \
    } while (0)

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    INVALID(op_of(LODE_WRITE_UPSERT, 1, (lode_condition)4, 0), "unknown condition 4");
    INVALID(op_of(LODE_WRITE_DELETE, 1, LODE_IF_ABSENT, 0), "upserts alone");
    INVALID(op_of(LODE_WRITE_PATCH, 1, LODE_IF_ABSENT, 0), "upserts alone");
    INVALID(op_of(LODE_WRITE_UPSERT, 1, LODE_IF_VERSION, 0), "if_version is 0");
    INVALID(op_of(LODE_WRITE_UPSERT, 1, LODE_IF_PRESENT, 3), "for LODE_IF_VERSION alone");
    end_world(&world);
}

static void every_way_of_reading_tells_the_version(void **state)
{
    (void)state;
    struct world world;
    lode_result *result;
    lode_iterator *iterator;
    const lode_hit *hit;
    begin_world(&world);
    for (uint64_t id = 1; id <= 20; id++) {
        assert_ok(write_one(&world, op_of(LODE_WRITE_UPSERT, id, LODE_IF_ANY, 0)));
        if (id % 7 == 0)
            assert_ok(lode_flush(world.collection, NULL, &error));
    }
    lode_search_request request = {.vector = vector, .k = 20, .with = LODE_WITH_VERSION};
    assert_ok(lode_search(world.collection, &request, &result, &error));
    assert_int_equal(result->hit_count, 20);
    for (size_t i = 0; i < 20; i++)
        assert_int_equal(result->hits[i].version, result->hits[i].id.number);
    lode_result_free(result);
    request.with = 0;
    assert_ok(lode_search(world.collection, &request, &result, &error));
    assert_int_equal(result->hits[0].version, 0); /* nobody asked */
    lode_result_free(result);
    assert_ok(lode_iterator_open(world.collection, NULL, LODE_WITH_VERSION, &iterator, &error));
    for (size_t count = 0;; count++) {
        assert_ok(lode_iterator_next(iterator, &hit, &error));
        if (!hit) {
            assert_int_equal(count, 20);
            break;
        }
        assert_int_equal(hit->version, hit->id.number);
    }
    lode_iterator_close(iterator);
    end_world(&world);
}

/* --- Counters ---------------------------------------------------------------------------------- */

enum { THREADS = 4, COUNTERS = 3, RAISES = 150 };

struct raiser {
    lode_collection *collection;
    struct thread thread;
    unsigned seed;
    int failed;
};

/* Raise a counter by one, against others who do the same. No assertion of cmocka's: they belong to the
 * first thread. */
static lode_status raise_once(struct raiser *raiser, uint64_t id, lode_error *reason)
{
    lode_result *result;
    lode_id wanted = lode_id_number(id);
    char metadata[32];
    int value;
    lode_status status = lode_get(raiser->collection, NULL, &wanted, 1,
                                  LODE_WITH_METADATA | LODE_WITH_VERSION, &result, reason);
    if (status)
        return status;
    sscanf(result->hits[0].metadata, "{\"n\":%d}", &value);
    lode_write_op op = {.kind = LODE_WRITE_PATCH,
                        .point = {.id = wanted, .metadata = metadata},
                        .condition = LODE_IF_VERSION,
                        .if_version = result->hits[0].version};
    op.point.metadata_size = (size_t)sprintf(metadata, "{\"n\":%d}", value + 1);
    lode_result_free(result);
    return lode_write(raiser->collection, &op, 1, NULL, NULL, reason);
}

static void raise_all(void *context)
{
    struct raiser *raiser = context;
    lode_error reason;
    for (unsigned done = 0; done < RAISES && !raiser->failed;) {
        lode_status status = raise_once(raiser, (raiser->seed + done) % COUNTERS, &reason);
        if (status == LODE_OK)
            done++;
        else if (status != LODE_CONFLICT)
            raiser->failed = 1;
    }
}

static void counters_lose_no_raise(void **state)
{
    (void)state;
    char dir[PATH_SIZE_MAX];
    temp_dir_make(dir);
    lode_db *db = engine_open(NULL, dir, NULL, 1u << 14);
    lode_collection *collection = engine_create(db, "points", schema);
    struct raiser raisers[THREADS];
    lode_result *result;
    lode_point points[COUNTERS];
    lode_id ids[COUNTERS];
    for (uint64_t i = 0; i < COUNTERS; i++) {
        ids[i] = lode_id_number(i);
        points[i] = (lode_point){
            .id = ids[i], .vector = vector, .metadata = "{\"n\":0}", .metadata_size = 7};
    }
    assert_ok(lode_upsert(collection, points, COUNTERS, NULL, &error));
    for (unsigned i = 0; i < THREADS; i++) {
        raisers[i] = (struct raiser){.collection = collection, .seed = i};
        assert_int_equal(thread_start(&raisers[i].thread, "raiser", raise_all, &raisers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        thread_join(&raisers[i].thread);
        assert_false(raisers[i].failed);
    }
    int sum = 0, value;
    assert_ok(lode_get(collection, NULL, ids, COUNTERS, LODE_WITH_METADATA, &result, &error));
    for (size_t i = 0; i < COUNTERS; i++) {
        assert_int_equal(sscanf(result->hits[i].metadata, "{\"n\":%d}", &value), 1);
        sum += value;
    }
    assert_int_equal(sum, THREADS * RAISES);
    lode_result_free(result);
    lode_collection_close(collection);
    engine_close(db);
    engine_verify(NULL, dir);
    temp_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_condition_is_kept),
        cmocka_unit_test(operations_see_those_before_them),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(every_way_of_reading_tells_the_version),
        cmocka_unit_test(counters_lose_no_raise),
    };
    return cmocka_run_group_tests_name("engine/conditions", tests, NULL, NULL);
}
