/* story_end.c: how lives end, and what is to be found afterwards: backups, and a database that goes on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "engine/backup.h"
#include "support/crash_counts.h"
#include "support/story.h"

static lode_error error;

/* --- Backups ----------------------------------------------------------------------------------- */

static void damaged_backup(void *context, const lode_verify_finding *finding)
{
    (void)context;
    fail_msg("%s at %llu: %s", finding->file, (unsigned long long)finding->offset,
             finding->problem);
}

static void verify_backup(struct story *story)
{
    lode_verify_options options = {.report = damaged_backup, .key = story->key};
    crash_count(&crash_counts.unopened);
    assert_ok(backup_verify(story->vfs, story->backup.path, &options, &error));
    crash_uncount(&crash_counts.unopened);
    crash_count(&crash_counts.verifies);
}

static void compare_restored(struct story *story, lode_db *db)
{
    struct story_state *state = &story->backup.state;
    story_expire(story, state);
    for (unsigned i = 0; i < STORY_COLLECTIONS; i++) {
        lode_collection *collection;
        if (!state->collections[i].exists) {
            assert_int_equal(lode_collection_open(db, story_name(i), &collection, &error),
                             LODE_NOT_FOUND);
            continue;
        }
        assert_ok(lode_collection_open(db, story_name(i), &collection, &error));
        lode_collection *space = story_space(i, collection);
        model_check_points(&state->collections[i].model, space ? space : collection, NULL);
        lode_collection_close(space);
        lode_collection_close(collection);
    }
}

void story_restore(struct story *story)
{
    struct db_env env = {.vfs = story->vfs, .clock = &story->clock};
    lode_restore_options options = {.number = story->backup.number, .key = story->key, .sample = 3};
    lode_db_options open = {.key = story->key};
    char path[32];
    lode_db *db;
    if (!story->backup.path[0])
        return;
    verify_backup(story);
    snprintf(path, sizeof path, "restored-%u", ++story->numbers);
    assert_ok(executor_inline_new(&env.executor, &error));
    crash_count(&crash_counts.unopened);
    assert_ok(restore_database(story->backup.path, path, &options, &env, NULL, &error));
    assert_ok(db_open(path, &open, &env, &db, &error));
    crash_uncount(&crash_counts.unopened);
    crash_count(&crash_counts.partial);
    compare_restored(story, db);
    crash_uncount(&crash_counts.partial);
    crash_count(&crash_counts.opens);
    lode_db_close(db);
    executor_free(env.executor);
}

/* --- Ends -------------------------------------------------------------------------------------- */

void story_end(struct story *story, uint64_t seed)
{
    story_close(story);
    story->power_failed |= seed % 4 != 1;
    switch (seed % 4) {
    case 0: vfs_memory_crash(story->vfs); break;
    case 1: vfs_memory_kill(story->vfs); break;
    default: vfs_memory_crash_random(story->vfs, seed);
    }
}

static void open_and_check(struct story *story)
{
    crash_count(&crash_counts.unopened);
    if (story_open(story, (struct story_fate){0}))
        fail_msg("it does not open: %s", story->error.message);
    crash_uncount(&crash_counts.unopened);
    (void)!story_check(story);
}

void story_settle(struct story *story)
{
    open_and_check(story);
    for (unsigned i = 0; i < STORY_COLLECTIONS; i++) {
        if (!story->sure.collections[i].exists)
            continue;
        assert_ok(story_do(story, (struct story_step){STORY_RETRY, i, 0}));
        assert_ok(story_do(story, (struct story_step){STORY_WRITE, i, 1}));
    }
    story_close(story);
    engine_verify(story->vfs, "db");
    open_and_check(story);
    for (unsigned i = 0; i < STORY_COLLECTIONS; i++)
        if (story->sure.collections[i].exists) {
            assert_ok(story_do(story, (struct story_step){STORY_WRITE, i, 2}));
            assert_ok(story_do(story, (struct story_step){STORY_FLUSH, i, 0}));
        }
    story_close(story);
    engine_verify(story->vfs, "db");
    open_and_check(story);
    story_close(story);
    story_restore(story);
}
