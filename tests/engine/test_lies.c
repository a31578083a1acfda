/* A disk that lies: some syncs only say that they have happened, and then the power goes; and one that decays:
 * a bit turns over. What may be missing afterwards is what the lie was about, or what is named: the database
 * opens, or says which file is damaged; whatever verifies holds a state that it once had, to the last
 * point. LODE_SEED repeats, LODE_CRASH_ROUNDS makes more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/collection.h"
#include "engine/verify.h"
#include "support/crash_counts.h"
#include "support/story.h"

static lode_error error;

static int refuse_all(void *context, const char *operation, const char *path)
{
    (void)context;
    (void)operation;
    (void)path;
    return EIO;
}

/* --- What has been ----------------------------------------------------------------------------- */

/* The states of each collection, by sequence. */
enum { STATES_MAX = 100 };
struct history {
    struct model *states[STORY_COLLECTIONS]; /* STATES_MAX each, from sequence 0 on */
    unsigned char has_been[STORY_COLLECTIONS][STATES_MAX];
    uint64_t newest[STORY_COLLECTIONS];
    int exists[STORY_COLLECTIONS];
};

static void history_add(struct history *history, const struct story_state *state)
{
    for (unsigned i = 0; i < STORY_COLLECTIONS; i++) {
        uint64_t sequence = state->collections[i].sequence;
        if (!state->collections[i].exists)
            continue;
        assert_in_range(sequence, 0, STATES_MAX - 1);
        if (!history->states[i])
            history->states[i] = calloc(STATES_MAX, sizeof *history->states[i]);
        history->exists[i] = 1;
        history->states[i][sequence] = state->collections[i].model;
        history->has_been[i][sequence] = 1;
        if (sequence > history->newest[i])
            history->newest[i] = sequence;
    }
}

static void history_free(struct history *history)
{
    for (unsigned i = 0; i < STORY_COLLECTIONS; i++)
        free(history->states[i]);
}

/* Collections stay what they are: without drops a sequence means one state. */
static struct story_step choose_step(const struct story *story, struct rng *rng)
{
    struct story_step step = story_random_step(story, rng);
    if (step.kind == STORY_DROP || step.kind == STORY_BACKUP || step.kind == STORY_TRAIN)
        step.kind = STORY_FLUSH;
    return step;
}

static void go_on(struct story *story, struct history *history, struct rng *rng, unsigned steps)
{
    for (unsigned i = 0; i < steps && !story->fate.crashed; i++) {
        if (story_do(story, choose_step(story, rng)) && !story->fate.crashed)
            fail_msg("a step failed on a disk that works: %s", story->error.message);
        history_add(history, &story->sure);
        if (story->in_doubt)
            history_add(history, &story->maybe);
    }
}

/* --- What is there ----------------------------------------------------------------------------- */

struct findings {
    const char *file; /* counted apart; NULL: none is */
    unsigned count;
    unsigned of_file;
};

static void note(void *context, const lode_verify_finding *finding)
{
    struct findings *findings = context;
    assert_true(strlen(finding->problem) >= 10);
    findings->count++;
    findings->of_file += findings->file && strcmp(finding->file, findings->file) == 0;
}

static struct findings verify(struct vfs *vfs, const char *file)
{
    struct findings findings = {.file = file};
    lode_verify_options options = {.report = note, .context = &findings, .key = key_kit_default()};
    lode_status status = verify_database(vfs, "db", &options, &error);
    if (status)
        assert_true(findings.count > 0 || strlen(error.message) >= 10);
    if (status && !findings.count)
        findings.count = 1; /* it says that it cannot tell, and why */
    crash_count(findings.count ? &crash_counts.damages : &crash_counts.verifies);
    return findings;
}

/* Damage has been named: nothing is promised of what is read but that it can be refused. */
static void read_whatever(lode_collection *collection)
{
    const float query[4] = {1, 2, 3, 4};
    lode_search_request request = {.vector = query, .k = 20, .exact = 1, .with = 31};
    lode_result *result;
    lode_iterator *iterator;
    const lode_hit *hit;
    if (lode_search(collection, &request, &result, &error) == LODE_OK)
        lode_result_free(result);
    if (lode_iterator_open(collection, NULL, 31, &iterator, &error))
        return;
    while (lode_iterator_next(iterator, &hit, &error) == LODE_OK && hit)
        ;
    lode_iterator_close(iterator);
}

/* It is as it was once, at the earliest after batch `oldest`. */
static void check_state(const struct story *story, const struct history *history, unsigned which,
                        uint64_t oldest, lode_collection *collection)
{
    lode_stats *stats;
    assert_ok(lode_stats_get(collection, &stats, &error));
    uint64_t sequence = stats->sequence;
    lode_stats_free(stats);
    if (sequence < oldest || sequence > history->newest[which]) {
        crash_count(&crash_counts.lost);
        fail_msg("'%s' is at batch %" PRIu64 ", not between %" PRIu64 " and %" PRIu64,
                 story_name(which), sequence, oldest, history->newest[which]);
    }
    assert_true(history->has_been[which][sequence]);
    struct model model = history->states[which][sequence];
    model_expire(&model, atomic_load(&story->time_us) / 1000);
    crash_count(&crash_counts.partial);
    lode_collection *space = story_space(which, collection);
    model_check_points(&model, space ? space : collection, NULL);
    model_check_search(&model, space ? space : collection, NULL, 5, 20, 0);
    lode_collection_close(space);
    crash_uncount(&crash_counts.partial);
}

static void check_named(lode_status status, const char *what)
{
    if (status != LODE_CORRUPT && status != LODE_NOT_FOUND && status != LODE_VERSION)
        fail_msg("%s is refused by %s: %s", what, lode_status_name(status), error.message);
    assert_true(strlen(error.message) >= 10);
    crash_count(&crash_counts.damages);
}

/* Open it; what verifies is as it was, at the earliest after these batches. */
static void look(struct story *story, const struct history *history, int is_sound,
                 const uint64_t oldest[STORY_COLLECTIONS])
{
    struct db_env env = {.vfs = story->vfs, .clock = &story->clock};
    lode_db_options options = {.key = story->key};
    lode_db *db;
    assert_ok(executor_inline_new(&env.executor, &error));
    lode_status status = db_open("db", &options, &env, &db, &error);
    for (unsigned i = 0; !status && i < STORY_COLLECTIONS; i++) {
        lode_collection *collection;
        if (!history->exists[i])
            continue;
        lode_status of_it = lode_collection_open(db, story_name(i), &collection, &error);
        if (of_it) {
            assert_true(!is_sound || of_it == LODE_NOT_FOUND);
            assert_true(!is_sound || oldest[i] == 0);
            check_named(of_it, "a collection");
            continue;
        }
        if (is_sound)
            check_state(story, history, i, oldest[i], collection);
        else
            read_whatever(collection);
        lode_collection_close(collection);
    }
    if (status)
        check_named(status, "the database");
    else
        lode_db_close(db);
    executor_free(env.executor);
    crash_count(&crash_counts.opens);
}

/* --- Lies -------------------------------------------------------------------------------------- */

/* Where lies are told: anywhere; or of what is in the directory of one collection, or in its logs. Others are
 * not touched then, and what a lying log holds from before the first lie is there. */
enum { ANYWHERE, ONE_COLLECTION, ONE_LOG };

static void tell_lies(struct story *story, struct rng *rng, int where, char path[64])
{
    uint64_t uid = story->handles[STORY_POINTS]->shared->uid;
    snprintf(path, 64, where == ONE_LOG ? "c-%016" PRIx64 "/wal-" : "c-%016" PRIx64, uid);
    story->fate.lie_where = where == ANYWHERE ? NULL : path;
    story->fate.lie_at = story->fate.syncs + 1 + rng_below(rng, 10);
    story->fate.lie_more = rng_below(rng, 3) ? rng_below(rng, 4) : 1000;
    story->fate.crash_at = story->fate.changes + 1 + rng_below(rng, 300);
}

static void lying_life(uint64_t seed)
{
    struct story story;
    struct history history = {0};
    struct rng rng;
    char path[64];
    uint64_t oldest[STORY_COLLECTIONS] = {0};
    rng_init(&rng, seed);
    story_init(&story, vfs_memory_new());
    story.growing_bytes = 256u << rng_below(&rng, 4);
    story.graph_rows = rng_below(&rng, 4) ? 0 : 8;
    assert_ok(story_open(&story, (struct story_fate){0}));
    assert_ok(story_do(&story, (struct story_step){STORY_CREATE, STORY_POINTS, 0}));
    assert_ok(story_do(&story, (struct story_step){STORY_CREATE, STORY_OTHER, 0}));
    history_add(&history, &story.sure); /* empty, they are states too */
    go_on(&story, &history, &rng, 15);
    int where = (int)rng_below(&rng, 3);
    assert_ok(story_do(&story, (struct story_step){STORY_SYNC, STORY_POINTS, 0}));
    history_add(&history, &story.sure);
    uint64_t before = story.sure.collections[STORY_POINTS].sequence;
    tell_lies(&story, &rng, where, path);
    go_on(&story, &history, &rng, 40);
    for (unsigned i = 0; i < STORY_COLLECTIONS; i++)
        if (where != ANYWHERE && story.sure.collections[i].exists)
            oldest[i] = story.sure.collections[i].sequence;
    oldest[STORY_POINTS] = where == ONE_LOG ? before : 0;
    int lied = story.fate.lies > 0;
    if (!lied && where != ANYWHERE)
        oldest[STORY_POINTS] = story.sure.collections[STORY_POINTS].sequence;
    story.fate.crashed = 1;
    story_close(&story);
    vfs_memory_crash_random(story.vfs, rng_u64(&rng));
    look(&story, &history, verify(story.vfs, NULL).count == 0, oldest);
    history_free(&history);
    vfs_memory_free(story.vfs);
}

/* --- Decay ------------------------------------------------------------------------------------- */

/* Only the end of a log may be taken for what was never acknowledged. */
static int may_be_a_torn_tail(const char *path)
{
    return strstr(path, "/wal-") != NULL;
}

static void decaying_life(uint64_t seed)
{
    struct story story;
    struct history history = {0};
    struct rng rng;
    static char path[PATH_SIZE_MAX];
    uint64_t oldest[STORY_COLLECTIONS] = {0}, offset;
    rng_init(&rng, seed);
    story_init(&story, vfs_memory_new());
    story.growing_bytes = 256u << rng_below(&rng, 4);
    story.graph_rows = rng_below(&rng, 4) ? 0 : 8;
    story.log_keep_bytes = rng_below(&rng, 2) ? 0 : 5000;
    assert_ok(story_open(&story, (struct story_fate){0}));
    go_on(&story, &history, &rng, 30);
    story.fate.crashed = rng_below(&rng, 2) == 0; /* with logs that are in no segment yet */
    story_close(&story);
    vfs_memory_kill(story.vfs);
    if (verify(story.vfs, NULL).count)
        fail_msg("damaged before anything happened: %s", error.message);
    int flipped = vfs_memory_flip(story.vfs, "db", rng_u64(&rng), path, &offset);
    struct findings findings = verify(story.vfs, path + strlen("db/"));
    for (unsigned i = 0; i < STORY_COLLECTIONS; i++)
        if (!flipped || !may_be_a_torn_tail(path))
            oldest[i] = history.newest[i]; /* nothing is said: it is a file that nobody needs */
    if (findings.count && !findings.of_file && !strstr(path, "LOCK"))
        fail_msg("a bit of %s at %" PRIu64 " has turned over and other files are named", path,
                 offset);
    look(&story, &history, findings.count == 0, oldest);
    history_free(&history);
    vfs_memory_free(story.vfs);
}

/* --- Logs that end too early ------------------------------------------------------------------- */

/* A manifest says how far the logs led when it was written. */
static void expect_loss(uint64_t seen_ahead, int is_lost)
{
    struct vfs *vfs = vfs_memory_new();
    struct model model;
    struct manifest manifest;
    char dir[32];
    static const lode_schema schema = {.dim = 4};
    model_init(&model, &schema);
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection *collection = engine_create(db, "points", schema);
    for (int i = 1; i <= 3; i++) {
        struct model_op op = {.id = (unsigned)i, .value = i};
        assert_ok(model_write(&model, collection, &op, 1, &error));
    }
    snprintf(dir, sizeof dir, "db/c-%016" PRIx64, collection->shared->uid);
    vfs_memory_set_fault(vfs, refuse_all, NULL);
    lode_collection_close(collection);
    engine_close(db);
    vfs_memory_set_fault(vfs, NULL, NULL);
    vfs_memory_kill(vfs);
    db = engine_open(vfs, "db", NULL, 0); /* for its vfs, which has the keys */
    assert_ok(manifest_load(db->vfs, dir, &manifest, &error));
    manifest.generation++;
    manifest.seen_sequence = 3 + seen_ahead;
    assert_ok(manifest_commit(db->vfs, dir, &manifest, &error));
    manifest_release(&manifest);
    engine_close(db);
    assert_int_equal(verify(vfs, NULL).count, is_lost);
    db = engine_open(vfs, "db", NULL, 0);
    assert_int_equal(lode_collection_open(db, "points", &collection, &error),
                     is_lost ? LODE_CORRUPT : LODE_OK);
    if (is_lost)
        assert_non_null(strstr(error.message, "wal-"));
    else
        lode_collection_close(collection);
    engine_close(db);
    assert_int_equal(verify(vfs, NULL).count, is_lost); /* trying to open it mends nothing */
    vfs_memory_free(vfs);
}

static void a_log_that_ends_too_early_is_damage(void **state)
{
    (void)state;
    expect_loss(0, 0);
    expect_loss(1, 1);
}

/* --- Rounds ------------------------------------------------------------------------------------ */

static void each_round(void (*life)(uint64_t seed), unsigned rounds)
{
    uint64_t seed = story_setting("LODE_SEED", 1);
    rounds = story_setting("LODE_CRASH_ROUNDS", story_fewer(rounds));
    for (unsigned i = 0; i < rounds; i++) {
        print_message("seed %llu\r", (unsigned long long)(seed + i));
        life(seed + i);
    }
    print_message("%u rounds from seed %llu\n", rounds, (unsigned long long)seed);
}

static void a_disk_that_lies(void **state)
{
    (void)state;
    each_round(lying_life, 400);
}

static void a_bit_that_turns_over(void **state)
{
    (void)state;
    each_round(decaying_life, 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_disk_that_lies),
        cmocka_unit_test(a_bit_that_turns_over),
        cmocka_unit_test(a_log_that_ends_too_early_is_damage),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    crash_counts_report();
    return failed;
}
