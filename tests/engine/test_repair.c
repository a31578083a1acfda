/* test_repair.c: what lode_repair promises: afterwards the database is sound, every point is there and right that could
 * be read, every other is named, and what was damaged is kept. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/repair.h"
#include "engine/verify.h"
#include "storage/manifest.h"
#include "support/damage.h"

static struct damage_image image;
static lode_error error;

static int make(void **state)
{
    (void)state;
    damage_image_make(&image);
    /* As after dropping the snapshot, which would keep what is damaged. */
    for (size_t i = 0; i < image.file_count; i++)
        if (strstr(image.files[i].path, "snapshot-")) {
            free(image.files[i].bytes);
            image.files[i] = image.files[--image.file_count];
        }
    return 0;
}

static int release(void **state)
{
    (void)state;
    damage_image_release(&image);
    return 0;
}

static const struct damage_file *file_of(const char *part, const char *number)
{
    for (size_t i = 0; i < image.file_count; i++)
        if (strstr(image.files[i].path, part) && strstr(image.files[i].path, number))
            return &image.files[i];
    fail_msg("no file %s%s", number, part);
    return NULL;
}

/* --- Repairing --------------------------------------------------------------------------------- */

struct outcome {
    lode_status status;
    lode_repair_info info;
    uint8_t lost[DAMAGE_IDS];
    uint8_t present[DAMAGE_IDS];
};

static void on_lost(void *context, const char *collection, const lode_id *id)
{
    struct outcome *outcome = context;
    assert_non_null(collection);
    if (id)
        outcome->lost[id->number]++;
}

static void on_step(void *context, const lode_repair_step *step)
{
    (void)context;
    assert_true(step->file[0] && step->text[0]);
}

static void repair(struct vfs *vfs, int dry_run, int salvage_log, struct outcome *outcome)
{
    lode_repair_options options = {.dry_run = dry_run,
                                   .salvage_log = salvage_log,
                                   .report = on_step,
                                   .lost = on_lost,
                                   .context = outcome,
                                   .key = key_kit_default()};
    memset(outcome, 0, sizeof *outcome);
    outcome->status = repair_database(vfs, "db", &options, &outcome->info, &error);
}

/* What is damaged, and what may come of it. */
struct expected {
    const char *collection; /* its name afterwards */
    int names_are_lost;     /* ids of lost points may be unknown */
    int deaths_are_lost;    /* points may be back that were deleted */
    uint64_t lost_max;      /* points */
};

static void check_outcome(const struct outcome *outcome, const struct expected *expected)
{
    uint64_t missing = 0, unnamed = 0;
    for (unsigned id = 0; id < DAMAGE_IDS; id++) {
        if (image.rounds[id] == 0) {
            assert_true(expected->deaths_are_lost || !outcome->present[id]);
            continue;
        }
        assert_true(outcome->lost[id] <= 1);
        if (!expected->deaths_are_lost)
            assert_true(outcome->present[id] + outcome->lost[id] <= 1);
        if (outcome->present[id])
            continue;
        missing++;
        unnamed += !outcome->lost[id];
    }
    if (!expected->deaths_are_lost)
        assert_int_equal(missing, outcome->info.lost_points);
    assert_true(unnamed <= outcome->info.lost_unnamed);
    assert_true(outcome->info.lost_unnamed == 0 || expected->names_are_lost);
    if (outcome->info.lost_points > expected->lost_max)
        fail_msg("%llu points are lost", (unsigned long long)outcome->info.lost_points);
}

/* The first file name that begins with "c-" is what a collection without a name is called. */
static const char *directory_name(char name[64])
{
    for (size_t i = 0; i < image.file_count; i++)
        if (strncmp(image.files[i].path, "db/c-", 5) == 0) {
            snprintf(name, 64, "%.*s", 18, image.files[i].path + 3);
            return name;
        }
    fail();
    return NULL;
}

static void repair_and_check(struct vfs *vfs, const struct damage_file *file,
                             const struct expected *expected)
{
    struct outcome *dry = malloc(sizeof *dry), *outcome = malloc(sizeof *outcome);
    assert_true(dry && outcome);
    repair(vfs, 1, 0, dry);
    assert_int_equal(dry->status, LODE_OK);
    repair(vfs, 0, 0, outcome);
    if (outcome->status)
        fail_msg("%s: %s", file->path, error.message);
    assert_true(outcome->info.mended > 0);
    assert_memory_equal(&dry->info, &outcome->info, sizeof dry->info);
    assert_memory_equal(dry->lost, outcome->lost, sizeof dry->lost);
    engine_verify(vfs, "db");
    damage_collect(&image, vfs, expected->collection, outcome->present);
    check_outcome(outcome, expected);
    engine_verify(vfs, "db");
    repair(vfs, 0, 0, outcome); /* nothing is left to do */
    assert_int_equal(outcome->status, LODE_OK);
    assert_int_equal(outcome->info.mended, 0);
    free(dry);
    free(outcome);
}

static void with(const struct damage_file *file, const uint8_t *bytes, size_t size,
                 const struct expected *expected)
{
    struct vfs *vfs = damage_vfs(&image);
    assert_ok(vfs_remove(vfs, file->path, &error));
    if (bytes)
        kit_write(vfs, file->path, bytes, size);
    repair_and_check(vfs, file, expected);
    vfs_memory_free(vfs);
}

/* Bits flipped at the begin, the end, and every block; zeros; cut; gone. */
static void with_all_damages(const struct damage_file *file, const struct expected *some,
                             const struct expected *all)
{
    uint8_t *copy = malloc(file->size);
    assert_non_null(copy);
    memcpy(copy, file->bytes, file->size);
    for (size_t at = 100; at < file->size; at += damage_step(GUARD_BLOCK_SIZE / 2 + 1000)) {
        copy[at] ^= 4;
        with(file, copy, file->size, some);
        copy[at] ^= 4;
    }
    with(file, NULL, 0, all);
    if (damage_step(1) > 1) {
        free(copy);
        return;
    }
    copy[5] ^= 1;
    with(file, copy, file->size, all);
    copy[5] ^= 1;
    copy[file->size - 10] ^= 1;
    with(file, copy, file->size, all);
    memset(copy, 0, file->size);
    with(file, copy, file->size, all);
    with(file, file->bytes, file->size / 2, all);
    free(copy);
}

/* Of a block of vectors, of 64 bytes each; a block of documents may hold versions and offsets of all rows. */
enum { BLOCK_ROWS = GUARD_BLOCK_SIZE / 64 + 1, SEGMENT_ROWS = 5000 };

static void vectors_are_lost_by_name(void **state)
{
    (void)state;
    struct expected some = {"points", 0, 0, BLOCK_ROWS}, all = {"points", 0, 0, SEGMENT_ROWS};
    if (key_kit_default()) /* header and footer are in blocks that do not authenticate */
        some = all;
    with_all_damages(file_of(".vectors", "seg-1"), &some, &all);
}

static void documents_are_lost_by_name(void **state)
{
    (void)state;
    struct expected some = {"points", 0, 0, SEGMENT_ROWS}, all = some;
    with_all_damages(file_of(".docs", "seg-1"), &some, &all);
}

static void ids_are_lost_without_a_name(void **state)
{
    (void)state;
    struct expected some = {"points", 1, 0, SEGMENT_ROWS};
    with_all_damages(file_of(".ids", "seg-1"), &some, &some);
}

static void a_graph_costs_nothing(void **state)
{
    (void)state;
    struct expected none = {"points", 0, 0, 0};
    with_all_damages(file_of(".graph", "seg-1"), &none, &none);
}

static void columns_cost_nothing_and_are_made_again(void **state)
{
    (void)state;
    struct expected none = {"points", 0, 0, 0};
    const struct damage_file *file = file_of(".columns", "seg-1");
    uint8_t *copy = malloc(file->size);
    assert_non_null(copy);
    memcpy(copy, file->bytes, file->size);
    for (size_t at = 5; at < file->size; at += file->size / 3) {
        copy[at] ^= 4;
        with(file, copy, file->size, &none);
        copy[at] ^= 4;
    }
    with(file, copy, file->size / 2, &none);
    free(copy);
    /* Made again, of the same documents. */
    struct vfs *vfs = damage_vfs(&image);
    kit_write(vfs, file->path, file->bytes, file->size / 2);
    repair_and_check(vfs, file, &none);
    size_t size;
    uint8_t *made = kit_read(vfs, file->path, &size);
    assert_int_equal(size, file->size);
    free(made);
    vfs_memory_free(vfs);
}

static void a_live_set_forgets_deaths_alone(void **state)
{
    (void)state;
    struct expected none = {"points", 0, 1, 0};
    with_all_damages(file_of(".del-", "seg-1"), &none, &none);
}

static void a_catalog_forgets_names_alone(void **state)
{
    (void)state;
    char name[64];
    struct expected none = {directory_name(name), 0, 0, 0};
    with_all_damages(file_of("catalog", ""), &none, &none);
}

static void a_manifest_is_made_up(void **state)
{
    (void)state;
    struct expected none = {"points", 0, 0, 0};
    with_all_damages(file_of("manifest-", ""), &none, &none);
}

static void on_settings(void *context, const lode_repair_step *step)
{
    unsigned *named = context;
    if (step->kind == LODE_REPAIR_LOST && strstr(step->text, "ef_construction 200") &&
        strstr(step->text, "m 16"))
        ++*named;
}

/* The image's collection was made with ef_construction 40: nothing tells that any more. */
static void settings_that_are_lost_are_named(void **state)
{
    (void)state;
    unsigned named = 0;
    struct vfs *vfs = damage_vfs(&image);
    lode_repair_options options = {
        .report = on_settings, .context = &named, .key = key_kit_default()};
    lode_repair_info info;
    kit_flip(vfs, file_of("manifest-", "")->path, 100 * 8);
    assert_ok(repair_database(vfs, "db", &options, &info, &error));
    assert_int_equal(named, 1);
    assert_int_equal(info.lost, 2); /* and the manifest itself */
    vfs_memory_free(vfs);
}

/* Somebody has put a directory where a file belongs: it is moved to what is kept. */
static void a_directory_in_a_files_place(void **state)
{
    (void)state;
    static const char *const parts[] = {"catalog", "manifest-", ".vectors", ".docs", ".del-"};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        const struct damage_file *file = file_of(parts[i], i < 2 ? "" : "seg-1");
        struct outcome *outcome = malloc(sizeof *outcome);
        struct vfs *vfs = damage_vfs(&image);
        assert_ok(vfs_remove(vfs, file->path, &error));
        assert_ok(vfs_make_dir(vfs, file->path, &error));
        repair(vfs, 0, 0, outcome);
        if (outcome->status)
            fail_msg("%s: %s", file->path, error.message);
        engine_verify(vfs, "db");
        assert_true(i > 0 || kit_exists(vfs, "db/damaged/catalog"));
        vfs_memory_free(vfs);
        free(outcome);
    }
}

/* The others are mended all the same. */
static void a_file_in_a_directorys_place(void **state)
{
    (void)state;
    struct outcome *outcome = malloc(sizeof *outcome);
    struct vfs *vfs = damage_vfs(&image);
    char dir[64], path[80];
    lode_schema schema = {.dim = 4};
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection_close(engine_create(db, "zz", schema));
    engine_close(db);
    snprintf(path, sizeof path, "db/%s", directory_name(dir));
    assert_ok(vfs_rename(vfs, path, "away", &error));
    kit_write(vfs, path, "file", 4);
    repair(vfs, 0, 0, outcome);
    if (outcome->status != LODE_CORRUPT)
        fail_msg("%s", error.message);
    assert_int_equal(outcome->info.left, 1);
    vfs_memory_free(vfs);
    free(outcome);
}

static void a_sound_database_is_left_alone(void **state)
{
    (void)state;
    struct vfs *vfs = damage_vfs(&image);
    struct outcome *outcome = malloc(sizeof *outcome);
    repair(vfs, 0, 0, outcome);
    assert_int_equal(outcome->status, LODE_OK);
    assert_int_equal(outcome->info.mended + outcome->info.left + outcome->info.lost_points, 0);
    for (size_t i = 0; i < image.file_count; i++) {
        size_t size;
        uint8_t *bytes = kit_read(vfs, image.files[i].path, &size);
        assert_int_equal(size, image.files[i].size);
        assert_memory_equal(bytes, image.files[i].bytes, size);
        free(bytes);
    }
    assert_false(kit_exists(vfs, "db/damaged"));
    free(outcome);
    vfs_memory_free(vfs);
}

static void an_open_database_is_refused(void **state)
{
    (void)state;
    struct vfs *vfs = damage_vfs(&image);
    struct outcome *outcome = malloc(sizeof *outcome);
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    repair(vfs, 0, 0, outcome);
    assert_int_equal(outcome->status, LODE_BUSY);
    engine_close(db);
    free(outcome);
    vfs_memory_free(vfs);
}

/* --- The log ----------------------------------------------------------------------------------- */

static void a_log_is_salvaged_when_asked_for(void **state)
{
    (void)state;
    const struct damage_file *file = file_of("wal-", "");
    struct outcome *outcome = malloc(sizeof *outcome);
    uint8_t *copy = malloc(file->size);
    uint64_t seen = 0;
    size_t headers = key_kit_default() ? 64 + 64 : 64;
    for (size_t at = headers + 6; at < file->size * 2 / 3; at += damage_step(97)) {
        struct vfs *vfs = damage_vfs(&image);
        memcpy(copy, file->bytes, file->size);
        copy[at] ^= 16;
        kit_write(vfs, file->path, copy, file->size);
        repair(vfs, 0, 0, outcome);
        assert_int_equal(outcome->status, LODE_CORRUPT);
        assert_int_equal(outcome->info.left, 1);
        assert_false(kit_exists(vfs, "db/damaged"));
        repair(vfs, 0, 1, outcome);
        assert_int_equal(outcome->status, LODE_OK);
        assert_int_equal(outcome->info.lost_batches, 1);
        engine_verify(vfs, "db");
        damage_collect(&image, vfs, "points", outcome->present);
        unsigned missing = 0;
        for (unsigned id = 0; id < DAMAGE_IDS; id++)
            missing += image.rounds[id] > 0 && !outcome->present[id];
        assert_int_equal(missing, 5); /* those of that batch */
        engine_verify(vfs, "db");
        vfs_memory_free(vfs);
        seen++;
    }
    assert_true(seen > 0);
    free(copy);
    free(outcome);
}

/* What an encrypted log's key is made from is in its header: without it no batch can be read. */
static void a_log_without_its_header_is_lost(void **state)
{
    (void)state;
    const struct damage_file *file = file_of("wal-", "");
    struct outcome *outcome = malloc(sizeof *outcome);
    struct vfs *vfs = damage_vfs(&image);
    kit_flip(vfs, file->path, 100 * 8);
    repair(vfs, 0, 0, outcome);
    assert_int_equal(outcome->status, LODE_CORRUPT);
    repair(vfs, 0, 1, outcome);
    assert_int_equal(outcome->status, LODE_OK);
    engine_verify(vfs, "db");
    damage_collect(&image, vfs, "points", outcome->present);
    unsigned missing = 0;
    for (unsigned id = 0; id < DAMAGE_IDS; id++)
        missing += image.rounds[id] > 0 && !outcome->present[id];
    assert_int_equal(missing, key_kit_default() ? 20 : 5);
    vfs_memory_free(vfs);
    free(outcome);
}

/* The manifest beside that log knows of so many batches behind those in segments. */
static void see_more(struct vfs *vfs, const char *log, uint64_t batches)
{
    char dir[64];
    struct manifest manifest;
    snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(log, '/') - log), log);
    assert_ok(manifest_load(vfs, dir, &manifest, &error));
    manifest.generation++;
    manifest.seen_sequence = manifest.flushed_sequence + batches;
    assert_ok(manifest_commit(vfs, dir, &manifest, &error));
    manifest_release(&manifest);
}

/* A log that ends between two groups, or is gone, looks sound; but the manifest knows better, and nothing opens. */
static void logs_that_end_early(void **state)
{
    (void)state;
    if (key_kit_default())
        return; /* the manifest is changed here without keys */
    const struct damage_file *file = file_of("wal-", "");
    struct outcome *outcome = malloc(sizeof *outcome);
    for (int gone = 0; gone < 2; gone++) {
        struct vfs *vfs = damage_vfs(&image);
        struct vfs_file *raw;
        assert_ok(vfs_open(vfs, file->path, VFS_WRITE, &raw, &error));
        assert_ok(vfs_truncate(raw, 64, &error));
        vfs_close(raw);
        if (gone)
            assert_ok(vfs_remove(vfs, file->path, &error));
        see_more(vfs, file->path, 2);
        repair(vfs, 0, 0, outcome);
        assert_int_equal(outcome->status, LODE_CORRUPT);
        assert_int_equal(outcome->info.left, 1);
        repair(vfs, 0, 1, outcome);
        assert_int_equal(outcome->status, LODE_OK);
        assert_int_equal(outcome->info.lost_batches, 2);
        engine_verify(vfs, "db");
        damage_collect(&image, vfs, "points", outcome->present);
        vfs_memory_free(vfs);
    }
    free(outcome);
}

/* --- Keys -------------------------------------------------------------------------------------- */

/* A small database with a key, whatever the environment says. */
static struct vfs *keyed_database(void)
{
    struct vfs *vfs = vfs_memory_new();
    lode_db_options options = {.key = key_kit(1)};
    lode_db *db = engine_open(vfs, "db", &options, 0);
    lode_schema schema = {.dim = 4};
    lode_collection_close(engine_create(db, "points", schema));
    engine_close(db);
    return vfs;
}

static lode_status repair_with(struct vfs *vfs, const lode_key_source *key, int dry_run,
                               lode_repair_info *ret_info)
{
    lode_repair_options options = {.dry_run = dry_run, .report = on_step, .key = key};
    *ret_info = (lode_repair_info){0};
    error = (lode_error){0};
    return repair_database(vfs, "db", &options, ret_info, &error);
}

static void check_keyed(struct vfs *vfs)
{
    lode_verify_options options = {.key = key_kit(1)};
    assert_ok(verify_database(vfs, "db", &options, &error));
}

static void a_key_is_told_apart(void **state)
{
    (void)state;
    struct vfs *vfs = keyed_database();
    lode_repair_info info;
    assert_int_equal(repair_with(vfs, NULL, 0, &info), LODE_KEY);
    assert_int_equal(repair_with(vfs, key_kit(2), 0, &info), LODE_KEY);
    assert_int_equal(repair_with(vfs, key_kit(1), 0, &info), LODE_OK);
    assert_int_equal(info.mended + info.left, 0);
    vfs_memory_free(vfs);
    if (key_kit_default())
        return;
    vfs = damage_vfs(&image);
    assert_int_equal(repair_with(vfs, key_kit(1), 0, &info), LODE_KEY);
    assert_false(kit_exists(vfs, "db/damaged"));
    vfs_memory_free(vfs);
}

/* flipped: bytes of the file. The first copy is in the first half of it. */
static void mend_keys(const size_t *flipped, size_t count, size_t cut, int is_lost)
{
    struct vfs *vfs = keyed_database();
    lode_repair_info info;
    size_t size;
    for (size_t i = 0; i < count; i++)
        kit_flip(vfs, "db/keys", flipped[i] * 8);
    uint8_t *before = kit_read(vfs, "db/keys", &size);
    if (cut) {
        assert_ok(vfs_remove(vfs, "db/keys", &error));
        kit_write(vfs, "db/keys", before, cut);
    }
    free(before);
    assert_int_equal(repair_with(vfs, key_kit(1), 1, &info), is_lost ? LODE_CORRUPT : LODE_OK);
    assert_int_equal(is_lost ? info.left : info.mended, 1);
    assert_false(kit_exists(vfs, "db/damaged"));
    assert_int_equal(repair_with(vfs, key_kit(1), 0, &info), is_lost ? LODE_CORRUPT : LODE_OK);
    assert_int_equal(is_lost ? info.left : info.mended, 1);
    assert_int_equal(kit_exists(vfs, "db/damaged/keys"), !is_lost);
    if (!is_lost) {
        check_keyed(vfs);
        assert_int_equal(repair_with(vfs, key_kit(1), 0, &info), LODE_OK);
        assert_int_equal(info.mended, 0);
    }
    vfs_memory_free(vfs);
}

static void a_copy_of_the_keys_is_made_from_the_other(void **state)
{
    (void)state;
    mend_keys((const size_t[]){20}, 1, 0, 0);
    mend_keys((const size_t[]){4000}, 1, 0, 0);
    mend_keys((const size_t[]){4096 + 70}, 1, 0, 0);
    mend_keys(NULL, 0, 4096, 0);
    mend_keys(NULL, 0, 8191, 0);
    mend_keys((const size_t[]){20, 8000}, 2, 0, 1);
    mend_keys(NULL, 0, 4000, 1);
    mend_keys((const size_t[]){70}, 1, 5000, 1);
}

/* Reads of `keys`: both copies together, then one by one; the bits that are set fail. */
static int fail_keys(void *context, const char *operation, const char *path)
{
    unsigned *bits = context;
    if (strcmp(operation, "read") != 0 || strcmp(path, "db/keys") != 0)
        return 0;
    int fails = *bits & 1;
    *bits >>= 1;
    return fails ? EIO : 0;
}

static void a_sector_costs_one_copy_of_the_keys(void **state)
{
    (void)state;
    for (unsigned n = 3; n <= 7; n += 2) {
        struct vfs *vfs = keyed_database();
        lode_repair_info info;
        unsigned bits = n;
        vfs_memory_set_fault(vfs, fail_keys, &bits);
        assert_int_equal(repair_with(vfs, key_kit(1), 0, &info), n == 7 ? LODE_IO : LODE_OK);
        assert_int_equal(info.mended, n != 7);
        vfs_memory_set_fault(vfs, NULL, NULL);
        check_keyed(vfs);
        vfs_memory_free(vfs);
    }
}

/* What is encrypted is not damaged: nothing is made up in its place. */
static void without_keys_nothing_is_changed(void **state)
{
    (void)state;
    for (int without_catalog = 0; without_catalog < 2; without_catalog++) {
        struct vfs *vfs = keyed_database();
        lode_repair_info info;
        assert_ok(vfs_remove(vfs, "db/keys", &error));
        if (without_catalog)
            assert_ok(vfs_remove(vfs, "db/catalog", &error));
        assert_int_equal(repair_with(vfs, key_kit(1), 0, &info), LODE_CORRUPT);
        assert_int_equal(info.left, 1);
        assert_int_equal(repair_with(vfs, NULL, 0, &info), LODE_CORRUPT);
        assert_int_equal(info.left, 1);
        assert_false(kit_exists(vfs, "db/damaged"));
        vfs_memory_free(vfs);
    }
}

/* --- Crashes ----------------------------------------------------------------------------------- */

struct fate {
    uint64_t left;
    int crashed;
};

static int decide(void *context, const char *operation, const char *path)
{
    static const char *const changes[] = {"write",    "sync",     "link",  "remove",
                                          "make_dir", "dir_sync", "rename"};
    struct fate *fate = context;
    (void)path;
    for (size_t i = 0; !fate->crashed && i < sizeof changes / sizeof changes[0]; i++)
        if (strcmp(operation, changes[i]) == 0 && fate->left-- == 0)
            fate->crashed = 1;
    return fate->crashed ? EIO : 0;
}

/* The power goes at every change: then the repair is made again, and all is as it would have been. */
static void crash_at_every_change(const struct damage_file *file, size_t at)
{
    struct outcome *whole = malloc(sizeof *whole), *outcome = malloc(sizeof *outcome);
    for (uint64_t n = 0;; n += damage_step(1)) {
        struct vfs *vfs = damage_vfs(&image);
        struct fate fate = {.left = n};
        kit_flip(vfs, file->path, at * 8);
        vfs_memory_set_fault(vfs, decide, &fate);
        repair(vfs, 0, 1, outcome);
        vfs_memory_set_fault(vfs, NULL, NULL);
        if (fate.crashed)
            vfs_memory_crash_random(vfs, n);
        repair(vfs, 0, 1, fate.crashed ? outcome : whole);
        if (fate.crashed && outcome->status)
            fail_msg("after change %llu: %s", (unsigned long long)n, error.message);
        engine_verify(vfs, "db");
        damage_collect(&image, vfs, "points", outcome->present);
        unsigned missing = 0;
        for (unsigned id = 0; id < DAMAGE_IDS; id++) {
            missing += image.rounds[id] > 0 && !outcome->present[id];
            assert_true(image.rounds[id] > 0 || !outcome->present[id]);
        }
        assert_true(missing < 2000);
        vfs_memory_free(vfs);
        if (!fate.crashed)
            break;
        assert_true(n < 500);
    }
    free(whole);
    free(outcome);
}

static void crashes_cost_nothing_more(void **state)
{
    (void)state;
    crash_at_every_change(file_of(".docs", "seg-1"), 70000);
    crash_at_every_change(file_of("wal-", ""), 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_database_is_left_alone),
        cmocka_unit_test(an_open_database_is_refused),
        cmocka_unit_test(a_graph_costs_nothing),
        cmocka_unit_test(columns_cost_nothing_and_are_made_again),
        cmocka_unit_test(vectors_are_lost_by_name),
        cmocka_unit_test(documents_are_lost_by_name),
        cmocka_unit_test(ids_are_lost_without_a_name),
        cmocka_unit_test(a_live_set_forgets_deaths_alone),
        cmocka_unit_test(a_catalog_forgets_names_alone),
        cmocka_unit_test(a_manifest_is_made_up),
        cmocka_unit_test(settings_that_are_lost_are_named),
        cmocka_unit_test(a_directory_in_a_files_place),
        cmocka_unit_test(a_file_in_a_directorys_place),
        cmocka_unit_test(a_log_is_salvaged_when_asked_for),
        cmocka_unit_test(logs_that_end_early),
        cmocka_unit_test(a_log_without_its_header_is_lost),
        cmocka_unit_test(a_key_is_told_apart),
        cmocka_unit_test(a_copy_of_the_keys_is_made_from_the_other),
        cmocka_unit_test(a_sector_costs_one_copy_of_the_keys),
        cmocka_unit_test(without_keys_nothing_is_changed),
        cmocka_unit_test(crashes_cost_nothing_more),
    };
    return cmocka_run_group_tests(tests, make, release);
}
