/* story.c: see story.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/backup.h"
#include "support/crash_counts.h"
#include "support/story.h"

#define PATH  "db"
#define ALIAS "alias"

static lode_error error;

#define SPACE "space"
enum { IDS = 60 };

static const char *const names[STORY_COLLECTIONS] = {"points", "other", "words"};

static const lode_schema schemas[STORY_COLLECTIONS] = {
    {.dim = 4},
    {.dim = 3, .metric = LODE_METRIC_IP, .scalar = LODE_SCALAR_F16, .index = LODE_INDEX_FLAT},
    {.dim = 4, .metric = LODE_METRIC_COSINE},
};

/* --- Fate -------------------------------------------------------------------------------------- */

static int is_change(const char *operation)
{
    static const char *const changes[] = {"write", "truncate", "sync",     "remove",    "rename",
                                          "link",  "make_dir", "dir_sync", "remove_dir"};
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        if (strcmp(operation, changes[i]) == 0)
            return 1;
    return 0;
}

static int is_lie(struct story_fate *fate, const char *operation, const char *path)
{
    int is_sync = strcmp(operation, "sync") == 0 || strcmp(operation, "dir_sync") == 0;
    if (!fate->lie_at || !is_sync || (fate->lie_where && !strstr(path, fate->lie_where)))
        return 0;
    fate->syncs++;
    if (fate->syncs < fate->lie_at || fate->syncs - fate->lie_at > fate->lie_more)
        return 0;
    fate->lies++;
    return 1;
}

static int decide(void *context, const char *operation, const char *path)
{
    struct story_fate *fate = context;
    if (is_change(operation) && ++fate->changes == fate->crash_at)
        fate->crashed = 1;
    if (fate->crashed)
        return EIO;
    if (is_lie(fate, operation, path))
        return VFS_MEMORY_LIE;
    if (fate->paused)
        return 0;
    if (fate->fail_what && strcmp(operation, fate->fail_what) != 0)
        return 0;
    fate->candidates++;
    if (fate->fail_at == 0 || fate->candidates < fate->fail_at ||
        fate->candidates - fate->fail_at > fate->fail_more)
        return 0;
    if (!fate->failed && fate->crash_after)
        fate->crash_at = fate->changes + fate->crash_after;
    fate->failed = 1;
    return fate->fail_errno;
}

/* --- Opening and closing ----------------------------------------------------------------------- */

/* Fast, so that what failed is tried again before long. */
static uint64_t tell_time(void *context)
{
    return atomic_fetch_add((_Atomic uint64_t *)context, 20000);
}

#define HOUR_MS 3600000u

/* When hour n begins. Points expire at full hours, which come by STORY_TIME alone. */
static uint64_t hour_ms(unsigned n)
{
    return 1700000000000u + (uint64_t)n * HOUR_MS;
}

void story_expire(const struct story *story, struct story_state *state)
{
    for (size_t i = 0; i < STORY_COLLECTIONS; i++)
        model_expire(&state->collections[i].model, hour_ms(story->hours));
}

const char *story_name(unsigned which)
{
    return names[which];
}

void story_init(struct story *story, struct vfs *vfs)
{
    memset(story, 0, sizeof *story);
    story->vfs = vfs;
    story->growing_bytes = 512;
    story->sure.alias = STORY_NO_ALIAS;
    story->key = key_kit_default();
    atomic_init(&story->time_us, hour_ms(0) * 1000);
    story->clock = (struct clock){tell_time, tell_time, &story->time_us};
    for (size_t i = 0; i < STORY_COLLECTIONS; i++)
        model_init(&story->sure.collections[i].model, &schemas[i]);
}

lode_status story_open(struct story *story, struct story_fate fate)
{
    lode_db_options options = {.maintenance = story->maintenance,
                               .log_keep_bytes = story->log_keep_bytes,
                               .key = story->key};
    struct db_env env = {.vfs = story->vfs, .clock = &story->clock};
    story->fate = fate;
    vfs_memory_set_fault(story->vfs, decide, &story->fate);
    if (story->thread_count)
        assert_ok(executor_threads_new(story->thread_count, &story->executor, &error));
    else
        assert_ok(executor_inline_new(&story->executor, &error));
    env.executor = story->executor;
    lode_status status = db_open(PATH, &options, &env, &story->db, &story->error);
    if (status)
        return status;
    story->db->growing_bytes_max = story->growing_bytes;
    if (story->graph_rows)
        story->db->index_rows_min = story->db->overlay_rows_min = story->graph_rows;
    return LODE_OK;
}

static void close_handle(struct story *story, unsigned which)
{
    lode_snapshot_close(story->snapshots[which]);
    lode_collection_close(story->handles[which]);
    if (which == STORY_OTHER) {
        lode_collection_close(story->space);
        story->space = NULL;
    }
    if (!story->fate.crashed)
        story->weak[which].count = 0; /* closing the last handle makes everything durable */
    story->snapshots[which] = NULL;
    story->handles[which] = NULL;
}

void story_close(struct story *story)
{
    for (unsigned i = 0; i < STORY_COLLECTIONS; i++)
        close_handle(story, i);
    lode_db_close(story->db);
    executor_free(story->executor);
    story->db = NULL;
    story->executor = NULL;
    vfs_memory_set_fault(story->vfs, NULL, NULL);
}

/* --- Steps ------------------------------------------------------------------------------------- */

/* Whether files could not be read while the collection was opened: it has opened all the same, and what needs them
 * fails by name until it is opened again. */
static int was_opened_in_part(const struct story *story, unsigned which)
{
    lode_stats *stats = NULL;
    if (!story->fate.failed || lode_stats_get(story->handles[which], &stats, NULL))
        return 0;
    int damaged = 0;
    for (size_t i = 0; i < stats->segment_count; i++)
        damaged |= stats->segments[i].state == LODE_SEGMENT_DAMAGED;
    lode_stats_free(stats);
    return damaged;
}

static lode_status open_handle(struct story *story, unsigned which)
{
    if (story->handles[which])
        return LODE_OK;
    lode_status status =
        lode_collection_open(story->db, names[which], &story->handles[which], &story->error);
    if (status || !was_opened_in_part(story, which))
        return status;
    lode_collection_close(story->handles[which]);
    story->handles[which] = NULL;
    return lode_collection_open(story->db, names[which], &story->handles[which], &story->error);
}

lode_collection *story_space(unsigned which, lode_collection *collection)
{
    lode_collection *space = NULL;
    if (which == STORY_OTHER)
        assert_ok(lode_namespace_open(collection, SPACE, &space, &error));
    return space;
}

/* The handle that sees the points. */
static lode_collection *seeing(struct story *story, unsigned which)
{
    if (which == STORY_OTHER && !story->space)
        story->space = story_space(which, story->handles[which]);
    return which == STORY_OTHER ? story->space : story->handles[which];
}

static lode_ack choose_ack(const struct story *story, unsigned which, struct rng *rng)
{
    lode_ack ack = (lode_ack)rng_below(rng, 3);
    int full = story->weak[which].count == STORY_WEAK_MAX;
    return story->weak_writes && !full ? ack : LODE_ACK_DURABLE;
}

/* A batch has been acknowledged. */
static void remember(struct story_weak *weak, const struct model *before, const struct model *after,
                     lode_ack ack)
{
    if (ack == LODE_ACK_DURABLE) {
        weak->count = 0;
        return;
    }
    if (weak->count == 0) {
        weak->logged = 0;
        weak->models[weak->count++] = *before;
    }
    if (ack == LODE_ACK_LOGGED)
        weak->logged = weak->count;
    weak->models[weak->count++] = *after;
}

/* Some batches are given a request id, by which the last of them can be tried again. */
static const char *give_request_id(struct story *story, unsigned which, struct rng *rng,
                                   char text[24], lode_write_options *options)
{
    if (rng_below(rng, 3))
        return NULL;
    unsigned number = ++story->numbers;
    options->request_id_size = (size_t)snprintf(text, 24, "request %u", number);
    options->request_id = text;
    story->requests[which] = (struct story_request){
        .number = number, .sequence = story->sure.collections[which].model.sequence + 1};
    return text;
}

/* A batch of this collection was refused, or failed and nothing crashed: its id may be of no batch. */
static void forget_request(struct story *story, unsigned which)
{
    story->requests[which].number = 0;
}

/* New points, replaced, patched and deleted ones, a few of each. */
static lode_status write_some(struct story *story, unsigned which, unsigned seed,
                              struct story_state *after)
{
    struct model_op ops[12];
    struct rng rng;
    rng_init(&rng, seed);
    size_t count = 1 + rng_below(&rng, 12);
    for (size_t i = 0; i < count; i++) {
        ops[i] = (struct model_op){
            .id = rng_below(&rng, IDS),
            .value = rng_below(&rng, 3) ? (int)rng_below(&rng, 100000) : ENGINE_NONE,
        };
        ops[i].patch = ops[i].value != ENGINE_NONE && rng_below(&rng, 3) == 0;
        ops[i].condition = rng_below(&rng, 4) == 0;
        if (ops[i].value != ENGINE_NONE && rng_below(&rng, 4) == 0)
            ops[i].expires_at_ms = rng_below(&rng, 4)
                                       ? hour_ms(story->hours + 1 + rng_below(&rng, 3))
                                       : LODE_EXPIRES_NEVER;
        if (seed >= STORY_SEEDS_WRITING && rng_below(&rng, 50) == 0)
            ops[i].condition = 2; /* refuses the batch */
    }
    struct model model = story->sure.collections[which].model, before = model;
    char request_id[24];
    lode_write_options options = {.ack = choose_ack(story, which, &rng)};
    int has_id = give_request_id(story, which, &rng, request_id, &options) != NULL;
    model_apply(&after->collections[which].model, ops, count);
    after->collections[which].sequence = after->collections[which].model.sequence;
    lode_status status =
        model_write_with(&model, seeing(story, which), ops, count, &options, &story->error);
    if (!status && model.sequence > before.sequence)
        remember(&story->weak[which], &before, &model, options.ack);
    else if (has_id && !story->fate.crashed)
        forget_request(story, which);
    return status;
}

/* All points at once. */
static lode_status empty(struct story *story, unsigned which, struct story_state *after)
{
    struct model_op ops[IDS];
    for (unsigned i = 0; i < IDS; i++)
        ops[i] = (struct model_op){.id = i, .value = ENGINE_NONE};
    model_apply(&after->collections[which].model, ops, IDS);
    after->collections[which].sequence = after->collections[which].model.sequence;
    return lode_namespace_drop(story->handles[which], SPACE, NULL, &story->error);
}

/* Whatever a batch of a known request id holds, the answer is the first one's. */
static lode_status retry(struct story *story, unsigned which)
{
    const struct story_request *request = &story->requests[which];
    char text[24];
    struct engine_id id;
    if (!request->number)
        return lode_sync(story->handles[which], &story->error);
    lode_write_op op = {.kind = LODE_WRITE_DELETE, .point.id = *engine_id(1, &id)};
    lode_write_options options = {.request_id = text};
    lode_write_info info;
    options.request_id_size = (size_t)snprintf(text, sizeof text, "request %u", request->number);
    lode_status status = lode_write(seeing(story, which), &op, 1, &options, &info, &story->error);
    if (status)
        return status;
    crash_count(&crash_counts.partial); /* until it is seen not to have been applied twice */
    assert_int_equal(info.repeated, 1);
    assert_int_equal(info.sequence, request->sequence);
    crash_uncount(&crash_counts.partial);
    return LODE_OK;
}

static lode_status back_up(struct story *story, unsigned seed, const struct story_state *state)
{
    struct story_backup *backup = &story->backup;
    lode_backup_options options = {.one_file = seed % 2};
    lode_backup_info info;
    char path[sizeof backup->path] = "backups";
    if (options.one_file)
        snprintf(path, sizeof path, "backup-%u.file", ++story->numbers);
    lode_status status = backup_database(story->db, path, &options, &info, &story->error);
    if (status)
        return status;
    memcpy(backup->path, path, sizeof path);
    backup->number = options.one_file ? 0 : info.number;
    backup->state = *state;
    for (size_t i = 0; i < STORY_COLLECTIONS; i++)
        story->weak[i].count = 0; /* what was backed up is durable first */
    return LODE_OK;
}

static lode_status train(struct story *story, unsigned which, struct story_state *after)
{
    static const char *const texts[] = {
        "a ship sails on the sea",      "the sea is deep and blue",  "a captain commands the ship",
        "the forest is deep and green", "a deer runs in the forest", "the hunter follows the deer",
        "a captain follows the sea",    "the ship is blue",          "the deer is in the green",
        "a hunter in a green forest",   "the captain sails a ship",  "blue ship on a blue sea",
    };
    lode_text given[sizeof texts / sizeof texts[0]];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        given[i] = (lode_text){texts[i], strlen(texts[i])};
    after->collections[which].text_model++;
    return lode_text_model_train(story->handles[which], given, sizeof texts / sizeof texts[0], NULL,
                                 NULL, &story->error);
}

static lode_status switch_snapshot(struct story *story, unsigned which)
{
    if (!story->snapshots[which])
        return lode_snapshot_open(story->handles[which], &story->snapshots[which], &story->error);
    lode_snapshot_close(story->snapshots[which]);
    story->snapshots[which] = NULL;
    return LODE_OK;
}

static const char *const snapshot_names[STORY_NAMES] = {"monday", "tuesday"};

static lode_status keep(struct story *story, unsigned which, unsigned at, struct story_state *after)
{
    after->collections[which].named[at].exists = 1;
    after->collections[which].named[at].sequence = after->collections[which].sequence;
    after->collections[which].named[at].model = after->collections[which].model;
    return lode_snapshot_create(story->handles[which], snapshot_names[at], &story->error);
}

static lode_status forget(struct story *story, unsigned which, unsigned at,
                          struct story_state *after)
{
    after->collections[which].named[at].exists = 0;
    return lode_snapshot_drop(story->handles[which], snapshot_names[at], &story->error);
}

static lode_status create(struct story *story, unsigned which, struct story_state *after)
{
    after->collections[which].exists = 1;
    story->weak[which].count = 0;
    forget_request(story, which);
    after->collections[which].sequence = 0;
    after->collections[which].text_model = 0;
    for (unsigned i = 0; i < STORY_NAMES; i++)
        after->collections[which].named[i].exists = 0;
    model_init(&after->collections[which].model, &schemas[which]);
    return lode_collection_create(story->db, names[which], &schemas[which], &story->handles[which],
                                  &story->error);
}

static lode_status drop(struct story *story, unsigned which, struct story_state *after)
{
    close_handle(story, which);
    after->collections[which].exists = 0;
    if (after->alias == (int)which)
        after->alias = STORY_NO_ALIAS;
    return lode_collection_drop(story->db, names[which], &story->error);
}

static lode_status reopen(struct story *story)
{
    story_close(story);
    struct story_fate fate = story->fate;
    if (fate.crashed) {
        story->error = (lode_error){.status = LODE_IO};
        return LODE_IO;
    }
    return story_open(story, fate);
}

static lode_status do_in_collection(struct story *story, struct story_step step,
                                    struct story_state *after)
{
    unsigned which = step.which;
    lode_status status = open_handle(story, which);
    if (status)
        return status;
    switch (step.kind) {
    case STORY_WRITE: return write_some(story, which, step.seed, after);
    case STORY_FORGET: return forget(story, which, step.seed % STORY_NAMES, after);
    case STORY_IDLE: return lode_wait_idle(story->handles[which], 0, &story->error);
    case STORY_SNAPSHOT: return switch_snapshot(story, which);
    case STORY_TRAIN: status = train(story, which, after); break;
    case STORY_FLUSH: status = lode_flush(story->handles[which], NULL, &story->error); break;
    case STORY_COMPACT: status = lode_compact(story->handles[which], NULL, &story->error); break;
    case STORY_EMPTY: status = empty(story, which, after); break;
    case STORY_RETRY: status = retry(story, which); break;
    case STORY_KEEP: status = keep(story, which, step.seed % STORY_NAMES, after); break;
    default: status = lode_sync(story->handles[which], &story->error);
    }
    if (!status)
        story->weak[which].count = 0;
    return status;
}

static lode_status do_one(struct story *story, struct story_step step, struct story_state *after)
{
    switch (step.kind) {
    case STORY_CREATE: return create(story, step.which, after);
    case STORY_DROP: return drop(story, step.which, after);
    case STORY_ALIAS:
        after->alias = (int)step.which;
        return lode_alias_set(story->db, ALIAS, names[step.which], &story->error);
    case STORY_UNALIAS:
        after->alias = STORY_NO_ALIAS;
        return lode_alias_set(story->db, ALIAS, NULL, &story->error);
    case STORY_TIME:
        atomic_store(&story->time_us, hour_ms(++story->hours) * 1000);
        story_expire(story, after);
        return LODE_OK;
    case STORY_BACKUP: return back_up(story, step.seed, after);
    case STORY_CLOSE: close_handle(story, step.which); return LODE_OK;
    case STORY_REOPEN: return reopen(story);
    default: return do_in_collection(story, step, after);
    }
}

lode_status story_do(struct story *story, struct story_step step)
{
    story->error = (lode_error){0};
    story->maybe = story->sure;
    lode_status status = do_one(story, step, &story->maybe);
    story->in_doubt = status != LODE_OK;
    if (!status)
        story->sure = story->maybe;
    else
        assert_int_equal(status, story->error.status);
    return status;
}

/* --- Checking ---------------------------------------------------------------------------------- */

static void look_at_named(struct story *story, unsigned which, struct story_state *found)
{
    lode_snapshot_list *list;
    assert_ok(lode_snapshot_list_get(story->handles[which], &list, &error));
    for (size_t i = 0; i < list->count; i++) {
        unsigned at = 0;
        while (at < STORY_NAMES && strcmp(list->snapshots[i].name, snapshot_names[at]) != 0)
            at++;
        assert_in_range(at, 0, STORY_NAMES - 1);
        assert_int_equal(list->snapshots[i].damaged, 0);
        found->collections[which].named[at].exists = 1;
        found->collections[which].named[at].sequence = list->snapshots[i].sequence;
    }
    lode_snapshot_list_free(list);
}

/* What is there, but for the points; 0 when reading is refused after a crash or an error. */
static int look(struct story *story, struct story_state *found)
{
    lode_catalog *catalog;
    memset(found, 0, sizeof *found);
    found->alias = STORY_NO_ALIAS;
    assert_ok(lode_catalog_list(story->db, &catalog, &error));
    for (size_t i = 0; i < catalog->entry_count; i++) {
        const lode_catalog_entry *entry = &catalog->entries[i];
        const char *name = entry->target ? entry->target : entry->name;
        int which = 0;
        while (which < STORY_COLLECTIONS && strcmp(name, names[which]) != 0)
            which++;
        assert_in_range(which, 0, STORY_COLLECTIONS - 1);
        if (entry->target)
            found->alias = which;
        else
            found->collections[which].exists = 1;
    }
    lode_catalog_free(catalog);
    for (unsigned i = 0; i < STORY_COLLECTIONS; i++) {
        lode_stats *stats;
        if (!found->collections[i].exists)
            continue;
        lode_status status = open_handle(story, i);
        if (!status)
            status = lode_stats_get(story->handles[i], &stats, &story->error);
        if (status && (story->fate.crashed || status == LODE_READONLY))
            return 0;
        if (status)
            fail_msg("'%s': %s", names[i], story->error.message);
        found->collections[i].sequence = stats->sequence;
        found->collections[i].text_model = stats->text_model_version;
        lode_stats_free(stats);
        look_at_named(story, i, found);
    }
    return 1;
}

static int named_alike(const struct story_state *found, const struct story_state *wanted,
                       unsigned which)
{
    for (unsigned i = 0; i < STORY_NAMES; i++) {
        if (found->collections[which].named[i].exists != wanted->collections[which].named[i].exists)
            return 0;
        if (found->collections[which].named[i].exists &&
            found->collections[which].named[i].sequence !=
                wanted->collections[which].named[i].sequence)
            return 0;
    }
    return 1;
}

static int is_like(const struct story_state *found, const struct story_state *wanted)
{
    for (unsigned i = 0; i < STORY_COLLECTIONS; i++) {
        if (found->collections[i].exists != wanted->collections[i].exists)
            return 0;
        if (found->collections[i].exists &&
            (found->collections[i].sequence != wanted->collections[i].sequence ||
             found->collections[i].text_model != wanted->collections[i].text_model ||
             !named_alike(found, wanted, i)))
            return 0;
    }
    return found->alias == wanted->alias;
}

static void describe_named(const struct story_state *state, unsigned which)
{
    for (unsigned i = 0; i < STORY_NAMES; i++)
        if (state->collections[which].named[i].exists)
            print_message(" %s at batch %llu;", snapshot_names[i],
                          (unsigned long long)state->collections[which].named[i].sequence);
}

static void describe(const char *what, const struct story_state *state)
{
    print_message("%s: alias %d;", what, state->alias);
    for (unsigned i = 0; i < STORY_COLLECTIONS; i++)
        if (state->collections[i].exists) {
            print_message(" %s at batch %llu, text model %u;", names[i],
                          (unsigned long long)state->collections[i].sequence,
                          state->collections[i].text_model);
            describe_named(state, i);
        }
    print_message("\n");
}

/* Opened once the disk has crashed, it may be refused, or lack segments. */
static void compare_named(struct story *story, const struct story_state *state, unsigned which)
{
    for (unsigned i = 0; i < STORY_NAMES; i++) {
        const struct model *model = &state->collections[which].named[i].model;
        lode_snapshot *snapshot;
        if (!state->collections[which].named[i].exists)
            continue;
        lode_status status =
            lode_snapshot_open_named(story->handles[which], snapshot_names[i], &snapshot, &error);
        if (story->fate.crashed) {
            if (!status)
                lode_snapshot_close(snapshot);
            continue;
        }
        assert_ok(status);
        model_check_points(model, seeing(story, which), snapshot);
        model_check_search(model, seeing(story, which), snapshot, 5, 20, 0);
        lode_snapshot_close(snapshot);
    }
}

static void compare(struct story *story, const struct story_state *state)
{
    for (unsigned i = 0; i < STORY_COLLECTIONS; i++) {
        const struct model *model = &state->collections[i].model;
        if (!state->collections[i].exists)
            continue;
        model_check_points(model, seeing(story, i), NULL);
        model_check_search(model, seeing(story, i), NULL, 5, 20, 0);
        compare_named(story, state, i);
    }
}

/* A collection that is older than it was, but not older than was promised, is what is sure now. */
static void go_back(struct story *story, unsigned which, uint64_t sequence)
{
    struct story_weak *weak = &story->weak[which];
    for (size_t i = story->power_failed ? 0 : weak->logged; i < weak->count; i++) {
        if (weak->models[i].sequence != sequence)
            continue;
        story->sure.collections[which].model = weak->models[i];
        story->sure.collections[which].sequence = sequence;
        if (story->maybe.collections[which].exists) {
            story->maybe.collections[which].model = weak->models[i];
            story->maybe.collections[which].sequence = sequence;
        }
    }
}

/* A state in doubt that has come true is not gone back from. */
static void go_back_to(struct story *story, const struct story_state *found)
{
    for (unsigned i = 0; i < STORY_COLLECTIONS; i++) {
        uint64_t sequence = found->collections[i].sequence;
        int exists = found->collections[i].exists && story->sure.collections[i].exists;
        if (exists && sequence < story->sure.collections[i].sequence)
            go_back(story, i, sequence);
    }
}

static void compare_counted(struct story *story, const struct story_state *state)
{
    crash_count(&crash_counts.partial);
    compare(story, state);
    crash_uncount(&crash_counts.partial);
    crash_count(&crash_counts.opens);
}

static int is_behind(const struct story_state *found, const struct story_state *wanted)
{
    for (unsigned i = 0; i < STORY_COLLECTIONS; i++)
        if (wanted->collections[i].exists &&
            (!found->collections[i].exists ||
             found->collections[i].sequence < wanted->collections[i].sequence))
            return 1;
    return 0;
}

static enum story_look look_and_compare(struct story *story)
{
    struct story_state found;
    if (!look(story, &found))
        return STORY_UNKNOWN;
    go_back_to(story, &found);
    story_expire(story, &story->sure);
    story_expire(story, &story->maybe);
    if (is_like(&found, &story->sure)) {
        compare_counted(story, &story->sure);
        return STORY_AS_SURE;
    }
    if (story->in_doubt && is_like(&found, &story->maybe)) {
        compare_counted(story, &story->maybe);
        return STORY_AS_MAYBE;
    }
    crash_count(is_behind(&found, &story->sure) ? &crash_counts.lost : &crash_counts.partial);
    describe("found", &found);
    describe("promised", &story->sure);
    if (story->in_doubt)
        describe("or", &story->maybe);
    fail_msg("the database is not as promised");
    return STORY_UNKNOWN;
}

enum story_look story_look(struct story *story)
{
    story->fate.paused = 1;
    enum story_look found = look_and_compare(story);
    story->fate.paused = 0;
    return found;
}

int story_check(struct story *story)
{
    enum story_look look = story_look(story);
    if (look == STORY_UNKNOWN && !story->fate.crashed)
        fail_msg("a database just opened refuses to be read: %s", story->error.message);
    if (look == STORY_AS_MAYBE)
        story->sure = story->maybe;
    if (look != STORY_UNKNOWN) {
        story->in_doubt = story->power_failed = 0;
        for (unsigned i = 0; i < STORY_COLLECTIONS; i++) {
            story->weak[i].count = 0; /* what was replayed is durable */
            if (story->sure.collections[i].sequence < story->requests[i].sequence)
                forget_request(story, i);
        }
    }
    return look != STORY_UNKNOWN;
}

/* --- Random steps ------------------------------------------------------------------------------ */

static enum story_kind random_kind(struct rng *rng)
{
    static const enum story_kind rare[] = {
        STORY_SYNC,   STORY_TIME,     STORY_FLUSH, STORY_FLUSH, STORY_COMPACT, STORY_COMPACT,
        STORY_IDLE,   STORY_SNAPSHOT, STORY_CLOSE, STORY_DROP,  STORY_ALIAS,   STORY_UNALIAS,
        STORY_REOPEN, STORY_KEEP,     STORY_KEEP,  STORY_RETRY, STORY_RETRY,   STORY_BACKUP};
    if (rng_below(rng, 3))
        return STORY_WRITE;
    return rare[rng_below(rng, sizeof rare / sizeof rare[0])];
}

struct story_step story_random_step(const struct story *story, struct rng *rng)
{
    unsigned which = rng_below(rng, 2) ? STORY_POINTS : rng_below(rng, STORY_COLLECTIONS);
    struct story_step step = {random_kind(rng), which, rng_below(rng, 1u << 30)};
    const struct story_state *state = &story->sure;
    if (step.kind == STORY_UNALIAS && state->alias == STORY_NO_ALIAS)
        step.kind = STORY_ALIAS;
    if (step.kind == STORY_KEEP && state->collections[which].named[step.seed % STORY_NAMES].exists)
        step.kind = STORY_FORGET;
    if (which == STORY_OTHER && rng_below(rng, 5) == 0 &&
        model_count(&state->collections[which].model) > 0)
        step.kind = STORY_EMPTY;
    if (!state->collections[which].exists)
        step.kind = STORY_CREATE;
    else if (which == STORY_WORDS && model_count(&state->collections[which].model) == 0 &&
             rng_below(rng, 2))
        step.kind = STORY_TRAIN;
    return step;
}

/* --- The script and its settings --------------------------------------------------------------- */

const struct story_step story_script[] = {
    {STORY_CREATE, STORY_POINTS, 0},   {STORY_CREATE, STORY_OTHER, 0},
    {STORY_WRITE, STORY_POINTS, 1},    {STORY_WRITE, STORY_OTHER, 2},
    {STORY_WRITE, STORY_POINTS, 3},    {STORY_ALIAS, STORY_OTHER, 0},
    {STORY_FLUSH, STORY_POINTS, 0},    {STORY_WRITE, STORY_POINTS, 4},
    {STORY_WRITE, STORY_POINTS, 5},    {STORY_SNAPSHOT, STORY_POINTS, 0},
    {STORY_WRITE, STORY_POINTS, 6},    {STORY_KEEP, STORY_POINTS, 0},
    {STORY_FLUSH, STORY_POINTS, 0},    {STORY_TIME, STORY_POINTS, 0},
    {STORY_CREATE, STORY_WORDS, 0},    {STORY_TRAIN, STORY_WORDS, 0},
    {STORY_TRAIN, STORY_WORDS, 0},     {STORY_WRITE, STORY_WORDS, 7},
    {STORY_WRITE, STORY_POINTS, 8},    {STORY_WRITE, STORY_POINTS, 9},
    {STORY_TIME, STORY_POINTS, 0},     {STORY_COMPACT, STORY_POINTS, 0},
    {STORY_SNAPSHOT, STORY_POINTS, 0}, {STORY_ALIAS, STORY_POINTS, 0},
    {STORY_FLUSH, STORY_OTHER, 0},     {STORY_WRITE, STORY_OTHER, 13},
    {STORY_EMPTY, STORY_OTHER, 0},     {STORY_WRITE, STORY_OTHER, 14},
    {STORY_DROP, STORY_OTHER, 0},      {STORY_KEEP, STORY_POINTS, 1},
    {STORY_WRITE, STORY_POINTS, 10},   {STORY_REOPEN, STORY_POINTS, 0},
    {STORY_COMPACT, STORY_POINTS, 0},  {STORY_WRITE, STORY_POINTS, 11},
    {STORY_FORGET, STORY_POINTS, 0},   {STORY_WRITE, STORY_WORDS, 12},
    {STORY_BACKUP, STORY_POINTS, 0},   {STORY_RETRY, STORY_POINTS, 0},
    {STORY_FORGET, STORY_POINTS, 1},   {STORY_BACKUP, STORY_POINTS, 1},
};
const size_t story_script_size = sizeof story_script / sizeof story_script[0];

unsigned story_setting(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

unsigned story_fewer(unsigned count)
{
    const char *sanitize = getenv("LODE_SANITIZE");
    return sanitize && sanitize[0] ? count / 4 : count;
}
