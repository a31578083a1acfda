/* Each operation on files fails in turn, having done nothing or after the deed, once or for a while; now and
 * then the power goes soon after. Nothing acknowledged is lost, a step that failed is whole or not at
 * all, errors say what failed, and the database works again by itself or once it is reopened.
 * LODE_SEED shifts what fails how, LODE_FAULT_LIVES tries more ways for each operation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/crash_counts.h"
#include "support/story.h"

static lode_error error;

static void check_error(const struct story *story)
{
    const lode_error *found = &story->error;
    if (!story->fate.failed)
        fail_msg("a step failed on a disk that works: %s", found->message);
    if (strlen(found->message) < 10)
        fail_msg("an error without a reason: status %d, '%s'", (int)found->status, found->message);
    if ((found->status == LODE_IO || found->status == LODE_FULL) && found->os_errno == 0)
        fail_msg("an error of the system without its errno: %s", found->message);
}

/* Close and open again, on a disk that works but for a crash to come. */
static lode_status reopen(struct story *story)
{
    struct story_fate fate = story->fate;
    fate.fail_at = 0;
    story_close(story);
    lode_status status = story_open(story, fate);
    if (status && !story->fate.crashed)
        fail_msg("it does not open once the disk works again: %s", story->error.message);
    return status;
}

/* After an error: what can be read is as it was, or the step is done. Returns whether it is done. */
static int look(struct story *story, struct story_step step, lode_status status)
{
    if (!story->db)
        return 0;
    enum story_look found = story_look(story);
    if (found != STORY_AS_MAYBE)
        return 0;
    if (step.kind == STORY_WRITE)
        fail_msg("a write that failed is seen: %s", story->error.message);
    if (status != LODE_EXISTS && status != LODE_NOT_FOUND)
        return 0;
    story->sure = story->maybe; /* the step had been done although it failed */
    story->in_doubt = 0;
    return 1;
}

/* A drop that failed is left at that: the collection lives on, and what it takes from now on is there for
 * good. Returns 0 when it takes nothing. */
static int give_up(struct story *story, struct story_step drop)
{
    struct story_state maybe = story->maybe;
    struct story_step write = {STORY_WRITE, drop.which, 77};
    lode_status status = story_do(story, write);
    if (status && !story->fate.crashed)
        story->maybe = maybe; /* it may still be dropped */
    return status == LODE_OK || story->fate.crashed;
}

/* Until it is done, or the crash comes: try it again, and if that does not help, reopen and try. */
static void insist(struct story *story, struct story_step step)
{
    for (int attempt = 0; attempt < 6; attempt++) {
        lode_status status = story_do(story, step);
        if (status == LODE_OK || story->fate.crashed)
            return;
        lode_error reason = story->error;
        check_error(story);
        int done = look(story, step, status);
        if (done || story->fate.crashed)
            return;
        if (step.kind == STORY_DROP && story->db && give_up(story, step))
            return;
        story->error = reason;
        if (attempt == 0)
            continue;
        uint64_t sequence = story->sure.collections[step.which].sequence;
        struct story_state before = story->sure;
        if (reopen(story) || !story_check(story))
            return;
        if (memcmp(&before, &story->sure, sizeof before) != 0)
            return;
        assert_int_equal(sequence, story->sure.collections[step.which].sequence);
    }
    fail_msg("a step still fails: %s", story->error.message);
}

static void open_stubbornly(struct story *story, struct story_fate fate)
{
    if (story_open(story, fate) == LODE_OK || story->fate.crashed)
        return;
    check_error(story);
    (void)!reopen(story);
}

/* Returns whether the failure came before the script was over. */
static int live(struct story_fate fate, uint64_t seed)
{
    struct story story;
    story_init(&story, vfs_memory_new());
    open_stubbornly(&story, fate);
    for (size_t i = 0; i < story_script_size && !story.fate.crashed; i++)
        insist(&story, story_script[i]);
    int failed = story.fate.failed;
    int crashed = story.fate.crashed;
    story_close(&story);
    if (crashed)
        vfs_memory_crash_random(story.vfs, seed);
    story_settle(&story);
    vfs_memory_free(story.vfs);
    return failed;
}

static void each(const char *what, int with_crash)
{
    static const int errnos[] = {EIO, -EIO, ENOSPC, -ENOSPC};
    unsigned lives = story_setting("LODE_FAULT_LIVES", story_fewer(4));
    uint64_t first = story_setting("LODE_SEED", 1), at = 1;
    uint64_t stride = lives > 1 ? 1 : 3;
    int failed = 1;
    for (; failed; at += stride)
        for (unsigned i = 0; i < lives; i++) {
            struct rng rng;
            uint64_t seed = random_mix(first + at * 4 + i);
            rng_init(&rng, seed);
            struct story_fate fate = {
                .fail_at = at,
                .fail_what = what,
                .fail_errno = errnos[(i + at) % 4],
                .fail_more = rng_below(&rng, 3)   ? 0
                             : rng_below(&rng, 2) ? 3
                                                  : 1000,
                .crash_after = with_crash ? 1 + rng_below(&rng, 60) : 0,
            };
            print_message("%s %llu errno %d, %u more, crash after %u, seed %llu\r",
                          what ? what : "operation", (unsigned long long)at, fate.fail_errno,
                          fate.fail_more, fate.crash_after, (unsigned long long)first);
            failed = live(fate, seed);
        }
    print_message("%llu times %s, %u lives each                                   \n",
                  (unsigned long long)(at - stride - 1), what ? what : "any operation", lives);
}

static void an_operation_fails(void **state)
{
    (void)state;
    each(NULL, 0);
}

static void then_the_power_goes(void **state)
{
    (void)state;
    each("write", 1);
    each("sync", 1);
    each("rename", 1);
    each("link", 1);
    each("dir_sync", 1);
}

/* --- At random --------------------------------------------------------------------------------- */

static struct story_fate random_fate(struct rng *rng)
{
    static const char *const whats[] = {NULL,   NULL,   NULL,       "write",   "sync",
                                        "link", "open", "dir_sync", "truncate"};
    static const int errnos[] = {EIO, -EIO, ENOSPC, -ENOSPC};
    const char *what = whats[rng_below(rng, sizeof whats / sizeof whats[0])];
    return (struct story_fate){
        .fail_at = 1 + rng_below(rng, what ? 60 : 400),
        .fail_what = what,
        .fail_errno = errnos[rng_below(rng, 4)],
        .fail_more = rng_below(rng, 3) ? 0 : rng_below(rng, 20),
        .crash_after = rng_below(rng, 3) ? 1 + rng_below(rng, 40) : 0,
    };
}

static void random_lives(uint64_t seed)
{
    struct story story;
    struct rng rng;
    rng_init(&rng, seed);
    story_init(&story, vfs_memory_new());
    story.growing_bytes = 256u << rng_below(&rng, 4);
    story.graph_rows = rng_below(&rng, 4) ? 0 : 8;
    story.log_keep_bytes = rng_below(&rng, 2) ? 0 : 2000;
    unsigned lives = 1 + rng_below(&rng, 4);
    for (unsigned life = 0; life < lives; life++) {
        open_stubbornly(&story, random_fate(&rng));
        int known = !story.fate.crashed && story_check(&story);
        for (unsigned i = 0; known && i < 40 && !story.fate.crashed; i++)
            insist(&story, story_random_step(&story, &rng));
        story_end(&story, rng_u64(&rng));
    }
    story_settle(&story);
    vfs_memory_free(story.vfs);
}

static void at_random(void **state)
{
    (void)state;
    uint64_t seed = story_setting("LODE_SEED", 1);
    unsigned rounds = story_setting("LODE_CRASH_ROUNDS", story_fewer(200));
    for (unsigned i = 0; i < rounds; i++) {
        print_message("seed %llu\r", (unsigned long long)(seed + i));
        random_lives(seed + i);
    }
    print_message("%u rounds from seed %llu\n", rounds, (unsigned long long)seed);
}

/* --- Drops ------------------------------------------------------------------------------------- */

/* Fail the sync of the database's directory; *left times. */
static int fail_database_sync(void *context, const char *operation, const char *path)
{
    int *left = context;
    int fails = *left > 0 && strcmp(operation, "dir_sync") == 0 && strcmp(path, "db") == 0;
    *left -= fails;
    return fails ? EIO : 0;
}

/* The catalog had been replaced when that could not be made durable. A second sync is not believed, whatever it
 * says: the collection takes nothing until the database is reopened. */
static void drop_halfway(int times)
{
    static const lode_schema schema = {.dim = 4};
    struct model model;
    struct model_op op = {.id = 1, .value = 1};
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection *collection = NULL;
    model_init(&model, &schema);
    lode_collection_close(engine_create(db, "points", schema));
    vfs_memory_set_fault(vfs, fail_database_sync, &times);
    assert_int_equal(lode_collection_drop(db, "points", &error), LODE_IO);
    if (lode_collection_open(db, "points", &collection, &error))
        assert_int_equal(error.status, LODE_READONLY);
    else
        assert_ok(model_write(&model, collection, &op, 1, &error));
    int taken = collection != NULL;
    lode_collection_close(collection);
    engine_close(db);
    vfs_memory_set_fault(vfs, NULL, NULL);
    vfs_memory_crash(vfs);
    db = engine_open(vfs, "db", NULL, 0);
    if (taken) {
        collection = engine_collection(db, "points");
        model_check_points(&model, collection, NULL);
        lode_collection_close(collection);
    }
    engine_close(db);
    vfs_memory_free(vfs);
    assert_int_equal(taken, 0);
}

static void a_drop_fails_halfway(void **state)
{
    (void)state;
    drop_halfway(1);
}

static void a_drop_fails_halfway_and_stays(void **state)
{
    (void)state;
    drop_halfway(1000);
}

/* --- What must not be tried again -------------------------------------------------------------- */

/* A write fails halfway and cannot be cut off: no other log may follow this one. */
static int fail_write_and_cut(void *context, const char *operation, const char *path)
{
    int *armed = context;
    if (!*armed || !strstr(path, "wal-"))
        return 0;
    return strcmp(operation, "write") == 0 ? -EIO : strcmp(operation, "truncate") == 0 ? EIO : 0;
}

static void a_torn_log_is_the_last(void **state)
{
    (void)state;
    int armed = 1;
    struct story story;
    story_init(&story, vfs_memory_new());
    assert_ok(story_open(&story, (struct story_fate){0}));
    assert_ok(story_do(&story, story_script[0]));
    assert_ok(story_do(&story, (struct story_step){STORY_WRITE, STORY_POINTS, 1}));
    vfs_memory_set_fault(story.vfs, fail_write_and_cut, &armed);
    story.fate.failed = 1;
    assert_int_equal(story_do(&story, (struct story_step){STORY_WRITE, STORY_POINTS, 2}), LODE_IO);
    struct story_state maybe = story.maybe;
    armed = 0;
    assert_int_equal(story_do(&story, (struct story_step){STORY_FLUSH, STORY_POINTS, 0}),
                     LODE_READONLY);
    assert_int_equal(story_do(&story, (struct story_step){STORY_WRITE, STORY_POINTS, 3}),
                     LODE_READONLY);
    story.maybe = maybe;
    story_close(&story);
    vfs_memory_crash_random(story.vfs, 1);
    assert_ok(story_open(&story, (struct story_fate){0}));
    assert_int_equal(story_check(&story), 1);
    story_close(&story);
    vfs_memory_free(story.vfs);
}

/* The sync after a manifest's link fails: that manifest may count, so a second flush must leave the files
 * alone that it speaks of. The power goes at each change of the second. */
static void flush_twice(uint64_t seed, unsigned crash_after)
{
    struct story story;
    story_init(&story, vfs_memory_new());
    story.growing_bytes = 0;
    assert_ok(story_open(&story, (struct story_fate){0}));
    assert_ok(story_do(&story, story_script[0]));
    story.db->growing_bytes_max = 1u << 20;
    assert_ok(story_do(&story, (struct story_step){STORY_WRITE, STORY_POINTS, 1}));
    story.fate = (struct story_fate){.fail_what = "dir_sync", .fail_at = 2, .fail_errno = EIO};
    struct story_step flush = {STORY_FLUSH, STORY_POINTS, 0};
    assert_int_equal(story_do(&story, flush), LODE_IO);
    story.fate.crash_at = story.fate.changes + crash_after;
    assert_int_not_equal(story_do(&story, flush), LODE_OK);
    story_close(&story);
    vfs_memory_crash_random(story.vfs, seed);
    assert_ok(story_open(&story, (struct story_fate){0}));
    assert_int_equal(story_check(&story), 1);
    story_close(&story);
    vfs_memory_free(story.vfs);
}

static void a_manifest_that_may_count_keeps_its_files(void **state)
{
    (void)state;
    for (unsigned crash_after = 1; crash_after < 12; crash_after++)
        for (uint64_t seed = 0; seed < 40; seed++)
            flush_twice(seed, crash_after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_operation_fails),
        cmocka_unit_test(then_the_power_goes),
        cmocka_unit_test(at_random),
        cmocka_unit_test(a_drop_fails_halfway),
        cmocka_unit_test(a_drop_fails_halfway_and_stays),
        cmocka_unit_test(a_torn_log_is_the_last),
        cmocka_unit_test(a_manifest_that_may_count_keeps_its_files),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    crash_counts_report();
    return failed;
}
