/* kill -9 in the middle of an import, while compactions go on and snapshots are named and dropped, again and
 * again: every acknowledged batch is there, whole, and no part of any other. LODE_KILL_ROUNDS makes it
 * longer; the seed is printed, LODE_SEED repeats one.
 *
 * Each writer's batches build on one another, so that the state after batch b is known:
 *   - batch b writes points b*4 .. b*4+3, each with the value b
 *   - it sets the writer's counter to b
 *   - it deletes point (b-2)*4+1 and replaces point (b-1)*4+2 by value b */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/random.h"
#include "os/thread.h"
#include "support/crash_counts.h"
#include "support/engine_kit.h"

#define WRITERS     3
#define DIM         8
#define BATCHES     4000 /* a writer stops there */
#define GROWING     ((uint64_t)32768)
#define POINTS      4u
#define OPS         (POINTS + 3)
#define DELAY_US    120000u
#define KILLS       10 /* of one database; then a new one */
#define COUNTER(w)  ((uint64_t)(w)*1000000000u + 999999999u)
#define POINT(w, n) ((uint64_t)(w)*1000000000u + (uint64_t)(n))

static lode_error error;

/* Shared with the process that will be killed. */
struct progress {
    _Atomic unsigned acknowledged[WRITERS]; /* the last batch */
};

struct writer {
    struct thread thread;
    struct progress *progress;
    lode_collection *collection;
    unsigned number;
    unsigned next;
};

static void set_point(lode_write_op *op, uint64_t id, unsigned value, float vector[DIM],
                      char metadata[32])
{
    for (size_t i = 0; i < DIM; i++)
        vector[i] = (float)((id + value * (i + 1)) % 251);
    op->kind = LODE_WRITE_UPSERT;
    op->point = (lode_point){.id = lode_id_number(id), .vector = vector, .metadata = metadata};
    op->point.metadata_size = (size_t)snprintf(metadata, 32, "{\"v\":%u}", value);
}

static lode_status write_batch(struct writer *writer, unsigned b, lode_error *ret_error)
{
    lode_write_op ops[OPS] = {0};
    float vectors[OPS][DIM];
    char metadata[OPS][32];
    size_t count = 0;
    for (unsigned i = 0; i < POINTS; i++, count++)
        set_point(&ops[count], POINT(writer->number, b * POINTS + i), b, vectors[count],
                  metadata[count]);
    set_point(&ops[count], COUNTER(writer->number), b, vectors[count], metadata[count]);
    count++;
    if (b >= 2) {
        ops[count].kind = LODE_WRITE_DELETE;
        ops[count++].point.id = lode_id_number(POINT(writer->number, (b - 2) * POINTS + 1));
    }
    if (b >= 1) {
        set_point(&ops[count], POINT(writer->number, (b - 1) * POINTS + 2), b, vectors[count],
                  metadata[count]);
        count++;
    }
    lode_ack ack = writer->number % 2 ? LODE_ACK_LOGGED : LODE_ACK_DURABLE; /* both survive it */
    return lode_write(writer->collection, ops, count, &(lode_write_options){.ack = ack}, NULL,
                      ret_error);
}

static void write_on(void *context)
{
    struct writer *writer = context;
    lode_error own = {0};
    for (unsigned b = writer->next; b < BATCHES; b++) {
        if (write_batch(writer, b, &own) != LODE_OK) {
            fprintf(stderr, "batch %u: %s\n", b, own.message);
            abort();
        }
        atomic_store(&writer->progress->acknowledged[writer->number], b);
    }
}

/* Compactions and named snapshots without end. */
static void keep_up(void *context)
{
    lode_collection *collection = context;
    lode_error own = {0};
    for (;;) {
        lode_status status = lode_snapshot_create(collection, "one", &own);
        if (!status || status == LODE_EXISTS)
            status = lode_compact(collection, NULL, &own);
        if (!status)
            status = lode_snapshot_drop(collection, "one", &own);
        if (status) {
            fprintf(stderr, "upkeep: %s\n", own.message);
            abort();
        }
    }
}

/* The process that is killed. */
_Noreturn static void import(const char *path, struct progress *progress)
{
    struct writer writers[WRITERS] = {0};
    lode_db *db = engine_open(NULL, path, &(lode_db_options){.thread_count = 2}, GROWING);
    lode_collection *collection = engine_collection(db, "points");
    for (unsigned i = 0; i < WRITERS; i++) {
        writers[i] = (struct writer){.progress = progress,
                                     .collection = collection,
                                     .number = i,
                                     .next = progress->acknowledged[i] + 1};
        if (thread_start(&writers[i].thread, "writer", write_on, &writers[i]))
            abort();
    }
    struct thread upkeep;
    if (thread_start(&upkeep, "upkeep", keep_up, collection))
        abort();
    for (;;)
        pause();
}

static int value_of(lode_collection *collection, uint64_t id)
{
    lode_result *result;
    lode_id given = lode_id_number(id);
    int value = ENGINE_NONE;
    assert_ok(lode_get(collection, NULL, &given, 1, LODE_WITH_METADATA, &result, &error));
    if (result->hit_count == 1)
        assert_int_equal(sscanf(result->hits[0].metadata, "{\"v\":%d}", &value), 1);
    lode_result_free(result);
    return value;
}

static int wanted_value(unsigned last, unsigned b, unsigned i)
{
    if (i == 1 && b + 2 <= last)
        return ENGINE_NONE;
    return i == 2 && b + 1 <= last ? (int)(b + 1) : (int)b;
}

/* Everything of one writer is as after its batch `last`. Gives how many of its points live. */
static size_t check_writer(lode_collection *collection, unsigned number, unsigned last)
{
    size_t live = 1;
    for (unsigned b = 0; b <= last; b++)
        for (unsigned i = 0; i < POINTS; i++) {
            int value = value_of(collection, POINT(number, b * POINTS + i));
            int wanted = wanted_value(last, b, i);
            if (value != wanted)
                fail_msg(
                    "writer %u, point %u of batch %u: value %d, not %d (batch %u was the last)",
                    number, i, b, value, wanted, last);
            live += value != ENGINE_NONE;
        }
    return live;
}

static void check(const char *path, struct progress *progress)
{
    lode_snapshot *snapshot;
    size_t live = 0;
    crash_count(&crash_counts.unopened);
    lode_db *db = engine_open(NULL, path, NULL, GROWING);
    crash_uncount(&crash_counts.unopened);
    lode_collection *collection = engine_collection(db, "points");
    for (unsigned i = 0; i < WRITERS; i++) {
        unsigned acknowledged = progress->acknowledged[i];
        unsigned last = (unsigned)value_of(collection, COUNTER(i));
        if (last != acknowledged && last != acknowledged + 1)
            crash_count(last < acknowledged ? &crash_counts.lost : &crash_counts.partial);
        if (last != acknowledged && last != acknowledged + 1)
            fail_msg("writer %u: batch %u was acknowledged, %u is the last there", i, acknowledged,
                     last);
        crash_count(&crash_counts.partial);
        live += check_writer(collection, i, last);
        crash_uncount(&crash_counts.partial);
        progress->acknowledged[i] = last;
    }
    assert_ok(lode_snapshot_open(collection, &snapshot, &error));
    assert_int_equal(lode_snapshot_point_count(snapshot), live);
    lode_snapshot_close(snapshot);
    lode_collection_close(collection);
    engine_close(db);
}

static void begin(const char *path, struct progress *progress)
{
    lode_db *db = engine_open(NULL, path, NULL, GROWING);
    lode_collection *collection =
        engine_create(db, "points", (lode_schema){.dim = DIM, .m = 4, .ef_construction = 16});
    for (unsigned i = 0; i < WRITERS; i++) {
        struct writer writer = {.collection = collection, .number = i};
        assert_ok(write_batch(&writer, 0, &error));
        progress->acknowledged[i] = 0;
    }
    lode_collection_close(collection);
    engine_close(db);
}

/* Whether it was writing until then. */
static int kill_one(const char *path, struct progress *progress, useconds_t delay)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        import(path, progress);
    assert_true(child > 0);
    usleep(delay);
    kill(child, SIGKILL);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    for (unsigned i = 0; i < WRITERS; i++)
        if (progress->acknowledged[i] + 1 < BATCHES)
            return 1;
    return 0;
}

/* Returns the kills under load. */
static unsigned kill_often(struct progress *progress, struct rng *rng, unsigned count)
{
    char path[PATH_SIZE_MAX];
    unsigned under_load = 0;
    temp_dir_make(path);
    begin(path, progress);
    for (unsigned i = 0; i < count; i++) {
        if (kill_one(path, progress, 1000 + rng_below(rng, DELAY_US))) {
            under_load++;
            crash_count(&crash_counts.kills);
        }
        engine_verify(NULL, path);
        check(path, progress);
        crash_count(&crash_counts.opens);
        engine_verify(NULL, path);
    }
    temp_dir_remove(path);
    return under_load;
}

static void acknowledged_batches_survive_kill(void **state)
{
    (void)state;
    const char *rounds = getenv("LODE_KILL_ROUNDS"), *seed = getenv("LODE_SEED");
    unsigned under_load = 0, left = rounds ? (unsigned)strtoul(rounds, NULL, 10) : KILLS;
    struct rng rng;
    unsigned long number = seed ? strtoul(seed, NULL, 10) : (unsigned long)getpid();
    printf("seed %lu\n", number);
    rng_init(&rng, number);
    struct progress *progress =
        mmap(NULL, sizeof *progress, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(progress != MAP_FAILED);
    for (; left > 0; left -= left < KILLS ? left : KILLS) {
        under_load += kill_often(progress, &rng, left < KILLS ? left : KILLS);
        printf("%u kills under load; batches: %u %u %u\n", under_load, progress->acknowledged[0],
               progress->acknowledged[1], progress->acknowledged[2]);
    }
    munmap(progress, sizeof *progress);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(acknowledged_batches_survive_kill)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    crash_counts_report();
    return failed;
}
