/* A disk without space, at each place in turn where space is asked for: the step that met it is refused with
 * LODE_FULL, reads go on, and once there is space the same step succeeds, without anything being
 * reopened. test_full_disk_concurrent.c does the same on a real disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "support/story.h"

#define FOR_GOOD 1000000u

static lode_error error;

static void expect_full(const struct story *story)
{
    if (story->error.status != LODE_FULL)
        fail_msg("it should be LODE_FULL: %s, %s", lode_status_name(story->error.status),
                 story->error.message);
    if (!strstr(story->error.message, " db") && !strstr(story->error.message, "backup"))
        fail_msg("it does not say where: %s", story->error.message);
}

/* Returns whether the disk was full for this step. */
static int do_on_full_disk(struct story *story, struct story_step step)
{
    if (story_do(story, step) == LODE_OK)
        return 0;
    expect_full(story);
    if (story->db)
        assert_int_equal(story_look(story), STORY_AS_SURE);
    story->fate.fail_at = 0; /* there is space again */
    story->in_doubt = 0;
    if (story_do(story, step))
        fail_msg("step of kind %d, once there is space: %s", (int)step.kind, story->error.message);
    return 1;
}

static void live(const char *what, uint64_t at, int *ret_failed)
{
    struct story story;
    struct story_fate fate = {
        .fail_at = at, .fail_what = what, .fail_errno = ENOSPC, .fail_more = FOR_GOOD};
    story_init(&story, vfs_memory_new());
    int failed = story_open(&story, fate) != LODE_OK;
    if (failed) {
        expect_full(&story);
        story_close(&story);
        assert_ok(story_open(&story, (struct story_fate){0}));
    }
    for (size_t i = 0; i < story_script_size; i++)
        (void)do_on_full_disk(&story, story_script[i]);
    *ret_failed = failed || story.fate.failed;
    story.fate.fail_at = 0;
    (void)!story_check(&story);
    story_close(&story);
    vfs_memory_crash(story.vfs);
    assert_ok(story_open(&story, (struct story_fate){0}));
    assert_int_equal(story_check(&story), 1);
    story_close(&story);
    engine_verify(story.vfs, "db");
    vfs_memory_free(story.vfs);
}

static void wherever_space_is_asked_for(void **state)
{
    static const char *const whats[] = {"write", "link", "rename", "make_dir"};
    (void)state;
    for (size_t i = 0; i < sizeof whats / sizeof whats[0]; i++) {
        uint64_t at = 1;
        for (int failed = 1; failed; at++)
            live(whats[i], at, &failed);
        print_message("%llu times %s\n", (unsigned long long)(at - 2), whats[i]);
        assert_true(at > 4 || i == 3);
    }
}

/* --- The reserve -------------------------------------------------------------------------------- */

#define ROOM_MUCH ((uint64_t)1 << 30)

/* Logs grow only once the reserve has been given up. */
struct full_disk {
    struct vfs *vfs;
    int is_full;     /* writes to logs fail */
    int has_reserve; /* as long as it is not removed */
};

static int refuse_space(void *context, const char *operation, const char *path)
{
    struct full_disk *disk = context;
    if (strcmp(operation, "remove") == 0 && strstr(path, "/reserve"))
        disk->has_reserve = 0; /* from now on there is a little room */
    int takes = strcmp(operation, "write") == 0 && strstr(path, "wal-");
    return disk->is_full && disk->has_reserve && takes ? ENOSPC : 0;
}

static lode_status write_one(lode_collection *points, uint64_t id)
{
    float vector[4];
    engine_vector((unsigned)id, 4, vector);
    lode_point point = {.id = lode_id_number(id), .vector = vector};
    return lode_upsert(points, &point, 1, NULL, &error);
}

static lode_status delete_one(lode_collection *points, uint64_t id)
{
    lode_id number = lode_id_number(id);
    return lode_delete(points, &number, 1, NULL, &error);
}

/* Deletes are taken from the reserve; what takes space waits until the reserve is there again. */
static void deletes_have_a_reserve(void **state)
{
    (void)state;
    struct full_disk disk = {.vfs = vfs_memory_new(), .has_reserve = 1};
    vfs_memory_set_room(disk.vfs, ROOM_MUCH);
    lode_db *db = engine_open(disk.vfs, "db", NULL, 0);
    lode_collection *points = engine_create(db, "points", (lode_schema){.dim = 4});
    for (uint64_t id = 1; id <= 3; id++)
        assert_ok(write_one(points, id));
    vfs_memory_set_fault(disk.vfs, refuse_space, &disk);
    vfs_memory_set_room(disk.vfs, 0);
    disk.is_full = 1;
    assert_int_equal(write_one(points, 4), LODE_FULL);
    assert_int_equal(disk.has_reserve, 1); /* not for this */
    assert_ok(delete_one(points, 1));
    assert_int_equal(disk.has_reserve, 0);
    assert_int_equal(write_one(points, 4), LODE_FULL);
    assert_non_null(strstr(error.message, "only deletes"));
    assert_ok(delete_one(points, 2));
    vfs_memory_set_room(disk.vfs, 1 << 20); /* not enough for the reserve */
    assert_int_equal(write_one(points, 4), LODE_FULL);
    vfs_memory_set_room(disk.vfs, (8 << 20) - 1); /* nor twice of it */
    disk.is_full = 0;
    assert_int_equal(write_one(points, 4), LODE_FULL);
    disk.is_full = 1;
    vfs_memory_set_room(disk.vfs, ROOM_MUCH);
    disk.is_full = 0;
    assert_ok(write_one(points, 4));
    struct lode_stats *stats;
    assert_ok(lode_stats_get(points, &stats, &error));
    assert_int_equal(stats->points, 2);
    lode_stats_free(stats);
    lode_collection_close(points);
    engine_close(db);
    engine_verify(disk.vfs, "db");
    vfs_memory_free(disk.vfs);
}

/* Where there is plainly no room nothing is written to find that out; the message says what is needed. */
static void no_work_is_begun_in_vain(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection *points = engine_create(db, "points", (lode_schema){.dim = 4});
    assert_ok(write_one(points, 1));
    vfs_memory_set_room(vfs, 15); /* the row is 16 bytes */
    assert_int_equal(lode_flush(points, NULL, &error), LODE_FULL);
    assert_non_null(strstr(error.message, "at least 16 bytes in db/c-"));
    assert_non_null(strstr(error.message, "15 are free"));
    vfs_memory_set_room(vfs, 16);
    assert_ok(lode_flush(points, NULL, &error));
    assert_ok(delete_one(points, 1));
    vfs_memory_set_room(vfs, 0);
    assert_ok(
        lode_compact(points, NULL, &error)); /* nothing lives: nothing is written but a manifest */
    vfs_memory_set_room(vfs, VFS_ROOM_UNKNOWN);
    lode_collection_close(points);
    engine_close(db);
    vfs_memory_free(vfs);
}

static size_t segment_count(lode_collection *points, uint64_t *ret_bytes)
{
    struct lode_stats *stats;
    assert_ok(lode_stats_get(points, &stats, &error));
    size_t count = stats->segment_count;
    *ret_bytes = count ? stats->segments[0].disk_bytes : 0;
    lode_stats_free(stats);
    return count;
}

/* Four segments are due and there is room for two of them. */
static void fewer_are_merged(void **state)
{
    (void)state;
    uint64_t growing = 1 << 20, bytes;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, growing);
    lode_collection *points = engine_create(db, "points", (lode_schema){.dim = 4});
    for (uint64_t id = 1; id <= 4; id++) {
        assert_ok(write_one(points, id));
        assert_ok(lode_flush(points, NULL, &error));
        assert_int_equal(segment_count(points, &bytes), id < 4 ? id : 3);
        vfs_memory_set_room(vfs, growing + 2 * bytes + bytes / 2);
    }
    assert_ok(lode_wait_idle(points, 0, &error));
    vfs_memory_set_room(vfs, VFS_ROOM_UNKNOWN);
    lode_collection_close(points);
    engine_close(db);
    engine_verify(vfs, "db");
    vfs_memory_free(vfs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wherever_space_is_asked_for),
        cmocka_unit_test(deletes_have_a_reserve),
        cmocka_unit_test(no_work_is_begun_in_vain),
        cmocka_unit_test(fewer_are_merged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
