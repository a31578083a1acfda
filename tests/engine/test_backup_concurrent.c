/* Backups and named snapshots beside writers, flushes and merges, on real files and threads. Every batch gives all
 * points one value and adds one that is nobody else's: whatever is kept or restored shows one value, and as many
 * points as its batches made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "os/thread.h"
#include "support/engine_kit.h"

enum { DIM = 4, SHARED = 12, ROUNDS = 6, NAMES = 5 };

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
    _Atomic int over;
    _Atomic unsigned batches;
};

static void write_batch(lode_collection *collection, unsigned batch)
{
    lode_error error = {0};
    lode_point points[SHARED + 1];
    float vector[DIM] = {(float)(batch % 1000), (float)(batch / 1000), 1, 2};
    for (unsigned i = 0; i < SHARED; i++)
        points[i] = (lode_point){.id = lode_id_number(i), .vector = vector};
    points[SHARED] = (lode_point){.id = lode_id_number(1000 + batch), .vector = vector};
    CHECK(lode_upsert(collection, points, SHARED + 1, NULL, &error) == LODE_OK);
}

/* One state, all of it: batch b is sequence b, and wrote the value b. */
static void check_state(lode_collection *collection, const lode_snapshot *snapshot)
{
    lode_error error = {0};
    lode_iterator *iterator;
    const lode_hit *hit = NULL;
    uint64_t sequence = lode_snapshot_sequence(snapshot), shared = 0, single = 0;
    CHECK(lode_iterator_open(collection, snapshot, LODE_WITH_VECTOR, &iterator, &error) == LODE_OK);
    do {
        CHECK(lode_iterator_next(iterator, &hit, &error) == LODE_OK);
        if (!hit)
            break;
        uint64_t value = (uint64_t)hit->vector[0] + 1000 * (uint64_t)hit->vector[1];
        if (hit->id.number < SHARED) {
            CHECK(value == sequence);
            shared++;
        } else {
            CHECK(value == hit->id.number - 1000 && value <= sequence);
            single++;
        }
    } while (hit);
    lode_iterator_close(iterator);
    CHECK(shared == (sequence ? SHARED : 0) && single == sequence);
}

static void write_on(void *context)
{
    struct scene *scene = context;
    while (!atomic_load(&scene->over)) {
        unsigned batch = atomic_load(&scene->batches) + 1;
        write_batch(scene->collection, batch);
        atomic_store(&scene->batches, batch);
    }
}

static void compact_on(void *context)
{
    struct scene *scene = context;
    lode_error error = {0};
    for (unsigned i = 0; !atomic_load(&scene->over); i++)
        CHECK((i % 3 ? lode_flush(scene->collection, NULL, &error)
                     : lode_compact(scene->collection, NULL, &error)) == LODE_OK);
}

static void check_named(lode_collection *collection, const char *name)
{
    lode_error error = {0};
    lode_snapshot *snapshot;
    CHECK(lode_snapshot_open_named(collection, name, &snapshot, &error) == LODE_OK);
    check_state(collection, snapshot);
    lode_snapshot_close(snapshot);
}

/* Names come and go; the older ones are looked at again and again. */
static void name_on(void *context)
{
    struct scene *scene = context;
    lode_error error = {0};
    char name[16];
    for (unsigned i = 0; !atomic_load(&scene->over) || i < NAMES; i++) {
        snprintf(name, sizeof name, "name%u", i % NAMES);
        if (i >= NAMES) {
            check_named(scene->collection, name);
            CHECK(lode_snapshot_drop(scene->collection, name, &error) == LODE_OK);
        }
        CHECK(lode_snapshot_create(scene->collection, name, &error) == LODE_OK);
        check_named(scene->collection, name);
    }
}

static void check_database(const char *path, int has_names)
{
    lode_error error = {0};
    lode_db *db;
    lode_collection *collection;
    lode_snapshot *snapshot;
    char name[16];
    CHECK(lode_verify(path, NULL, &error) == LODE_OK);
    CHECK(lode_db_open(path, NULL, &db, &error) == LODE_OK);
    CHECK(lode_collection_open(db, "points", &collection, &error) == LODE_OK);
    CHECK(lode_snapshot_open(collection, &snapshot, &error) == LODE_OK);
    check_state(collection, snapshot);
    lode_snapshot_close(snapshot);
    for (unsigned i = 0; has_names && i < NAMES; i++) {
        snprintf(name, sizeof name, "name%u", i);
        check_named(collection, name);
    }
    lode_collection_close(collection);
    lode_db_close(db);
}

static void wait_ms(unsigned ms)
{
    nanosleep(&(struct timespec){.tv_nsec = (long)ms * 1000000}, NULL);
}

static void back_up(struct scene *scene, lode_db *db, const char *dir)
{
    lode_error error = {0};
    char backups[PATH_SIZE_MAX + 16], restored[PATH_SIZE_MAX + 32];
    snprintf(backups, sizeof backups, "%s/backups", dir);
    for (unsigned i = 0; i < ROUNDS; i++) {
        lode_backup_info info;
        lode_restore_info found;
        unsigned before = atomic_load(&scene->batches);
        while (atomic_load(&scene->batches) < before + 20)
            wait_ms(1);
        CHECK(lode_backup(db, backups, NULL, &info, &error) == LODE_OK);
        snprintf(restored, sizeof restored, "%s/restored%u", dir, i);
        CHECK(lode_restore(backups, restored, NULL, &found, &error) == LODE_OK);
        CHECK(strcmp(info.root, found.root) == 0);
        CHECK(found.points >= before + SHARED);
        check_database(restored, 0);
    }
    CHECK(lode_verify(backups, NULL, &error) == LODE_OK);
}

static void beside_one_another(void **state)
{
    (void)state;
    static const lode_schema schema = {.dim = DIM};
    char dir[PATH_SIZE_MAX], path[PATH_SIZE_MAX + 8];
    struct scene scene = {0};
    struct thread threads[3];
    lode_db_options options = {.log_keep_bytes = 50000};
    temp_dir_make(dir);
    snprintf(path, sizeof path, "%s/db", dir);
    lode_db *db = engine_open(NULL, path, &options, 20000);
    scene.collection = engine_create(db, "points", schema);
    assert_int_equal(thread_start(&threads[0], "writer", write_on, &scene), 0);
    assert_int_equal(thread_start(&threads[1], "compaction", compact_on, &scene), 0);
    assert_int_equal(thread_start(&threads[2], "names", name_on, &scene), 0);
    back_up(&scene, db, dir);
    atomic_store(&scene.over, 1);
    for (size_t i = 0; i < 3; i++)
        thread_join(&threads[i]);
    lode_collection_close(scene.collection);
    engine_close(db);
    check_database(path, 1);
    print_message("%u batches\n", atomic_load(&scene.batches));
    temp_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(beside_one_another)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
