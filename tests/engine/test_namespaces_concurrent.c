/* Writers, each in a namespace of its own, some of whom drop it now and then, and readers: in every state each point is
 * in one namespace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include "os/thread.h"
#include "support/engine_kit.h"

enum { DIM = 4, SPACES = 4, ROUNDS = 300, BATCH = 8, IDS = 200 };

/* cmocka's assertions may be used on the main thread only. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #condition, error.message);     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static const char *const names[SPACES] = {NULL, "a", "b", "c"};
static lode_collection *handles[SPACES]; /* the first is the collection's own */
static _Atomic int stop;

static void write_points(void *context)
{
    size_t space = (size_t)(uintptr_t)context;
    lode_error error = {0};
    for (unsigned round = 0; round < ROUNDS; round++) {
        float vector[DIM] = {(float)round, 1};
        lode_write_op ops[BATCH];
        for (unsigned i = 0; i < BATCH; i++)
            ops[i] = (lode_write_op){
                .kind = LODE_WRITE_UPSERT,
                .point = {.id = lode_id_number((round * BATCH + i) % IDS), .vector = vector}};
        lode_write_options options = {.ack = LODE_ACK_APPLIED};
        CHECK(lode_write(handles[space], ops, BATCH, &options, NULL, &error) == LODE_OK);
        if (space > 1 && round % 50 == 49)
            CHECK(lode_namespace_drop(handles[0], names[space], NULL, &error) == LODE_OK);
    }
}

static void read_states(void *context)
{
    lode_error error = {0};
    (void)context;
    while (!atomic_load(&stop)) {
        lode_snapshot *snapshot;
        uint64_t sum = 0;
        CHECK(lode_snapshot_open(handles[0], &snapshot, &error) == LODE_OK);
        for (size_t i = 0; i < SPACES; i++) {
            uint64_t count;
            CHECK(lode_count(handles[i], snapshot, (lode_filter){0}, &count, &error) == LODE_OK);
            sum += count;
        }
        CHECK(sum == lode_snapshot_point_count(snapshot));
        lode_snapshot_close(snapshot);
    }
}

static void each_point_is_in_one_namespace(void **state)
{
    (void)state;
    lode_error error = {0};
    char path[PATH_SIZE_MAX];
    struct thread writers[SPACES], readers[2];
    temp_dir_make(path);
    lode_db *db = engine_open(NULL, path, &(lode_db_options){.thread_count = 2}, 1u << 16);
    handles[0] = engine_create(db, "points", (lode_schema){.dim = DIM});
    for (size_t i = 1; i < SPACES; i++)
        assert_ok(lode_namespace_open(handles[0], names[i], &handles[i], &error));
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(thread_start(&readers[i], "reader", read_states, NULL), 0);
    for (size_t i = 0; i < SPACES; i++)
        assert_int_equal(thread_start(&writers[i], "writer", write_points, (void *)(uintptr_t)i),
                         0);
    for (size_t i = 0; i < SPACES; i++)
        thread_join(&writers[i]);
    atomic_store(&stop, 1);
    for (size_t i = 0; i < 2; i++)
        thread_join(&readers[i]);
    uint64_t count;
    assert_ok(lode_count(handles[1], NULL, (lode_filter){0}, &count, &error));
    assert_int_equal(count, IDS);
    for (size_t i = 0; i < SPACES; i++)
        lode_collection_close(handles[i]);
    engine_close(db);
    temp_dir_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_point_is_in_one_namespace)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
