/* A database with a key: nothing in its files is readable without it, a wrong key is told from damage, keys can be
 * changed and files written anew under them, each of that whole or not at all after a crash. */
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

#include "base/limits.h"
#include "engine/backup.h"
#include "engine/collection.h"
#include "engine/encryption.h"
#include "engine/verify.h"
#include "storage/backup_format.h"
#include "storage/backup_reader.h"
#include "storage/wal_format.h"
#include "support/engine_kit.h"

static lode_error error;

static const lode_schema schema = {.dim = 4};
static const float marker_vector[4] = {1234.5f, 5678.25f, 91011.125f, 3.1415926f};
static const char *const markers[] = {"MARKERNAME", "MARKERALIAS", "MARKERID",     "MARKERMETA",
                                      "MARKERTEXT", "MARKERSNAP",  "MARKERREQUEST"};

static lode_status open_with(struct vfs *vfs, const lode_key_source *key, lode_db **ret_db)
{
    struct db_env env = {.vfs = vfs};
    lode_db_options options = {.key = key, .log_keep_bytes = 1 << 20};
    assert_ok(executor_inline_new(&env.executor, &error));
    error = (lode_error){0};
    lode_status status = db_open("db", &options, &env, ret_db, &error);
    if (status)
        executor_free(env.executor);
    return status;
}

/* Something of everything, with words that are searched for afterwards. */
static void fill(lode_db *db)
{
    lode_collection *collection = engine_create(db, "MARKERNAME", schema);
    assert_ok(lode_alias_set(db, "MARKERALIAS", "MARKERNAME", &error));
    lode_write_options options = {.request_id = "MARKERREQUEST", .request_id_size = 13};
    for (unsigned i = 0; i < 20; i++) {
        char id[32], metadata[64];
        snprintf(id, sizeof id, "MARKERID%u", i);
        snprintf(metadata, sizeof metadata, "{\"m\":\"MARKERMETA%u\"}", i);
        lode_point point = {.id = lode_id_text(id),
                            .vector = marker_vector,
                            .metadata = metadata,
                            .metadata_size = strlen(metadata),
                            .text = "MARKERTEXT",
                            .text_size = 10};
        lode_write_op op = {.kind = LODE_WRITE_UPSERT, .point = point};
        assert_ok(lode_write(collection, &op, 1, i == 0 ? &options : NULL, NULL, &error));
        if (i == 9)
            assert_ok(lode_flush(collection, NULL, &error));
        if (i == 12)
            assert_ok(lode_snapshot_create(collection, "MARKERSNAP", &error));
    }
    lode_id first = lode_id_text("MARKERID0");
    assert_ok(lode_delete(collection, &first, 1, NULL, &error));
    lode_collection_close(collection);
}

static void check_points(lode_db *db, uint64_t points)
{
    lode_stats *stats;
    lode_collection *collection = engine_collection(db, "MARKERALIAS");
    assert_ok(lode_stats_get(collection, &stats, &error));
    assert_int_equal(stats->points, points);
    lode_stats_free(stats);
    lode_result *result;
    lode_id id = lode_id_text("MARKERID7");
    assert_ok(lode_get(collection, NULL, &id, 1, 31, &result, &error));
    assert_int_equal(result->hit_count, 1);
    assert_memory_equal(result->hits[0].vector, marker_vector, sizeof marker_vector);
    lode_result_free(result);
    lode_collection_close(collection);
}

/* --- Files ------------------------------------------------------------------------------------- */

struct files {
    struct vfs *vfs;
    const char *dir;
    void (*each)(struct vfs *vfs, const char *path, void *context);
    void *context;
};

static lode_status walk(struct vfs *vfs, const char *dir,
                        void (*each)(struct vfs *vfs, const char *path, void *context),
                        void *context);

/* A file is what cannot be listed. */
static void see_name(void *context, const char *name)
{
    struct files *files = context;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", files->dir, name);
    if (walk(files->vfs, path, files->each, files->context))
        files->each(files->vfs, path, files->context);
}

static lode_status walk(struct vfs *vfs, const char *dir,
                        void (*each)(struct vfs *vfs, const char *path, void *context),
                        void *context)
{
    struct files files = {vfs, dir, each, context};
    return vfs_list(vfs, dir, see_name, &files, NULL);
}

static int holds(const uint8_t *bytes, size_t size, const void *wanted, size_t wanted_size)
{
    return size > 0 && memmem(bytes, size, wanted, wanted_size) != NULL;
}

static void count_markers(struct vfs *vfs, const char *path, void *context)
{
    size_t size;
    uint8_t *bytes = kit_read(vfs, path, &size);
    unsigned *found = context;
    for (size_t i = 0; i < sizeof markers / sizeof markers[0]; i++)
        *found += (unsigned)holds(bytes, size, markers[i], strlen(markers[i]));
    *found += (unsigned)holds(bytes, size, marker_vector, sizeof marker_vector);
    free(bytes);
}

static unsigned markers_in(struct vfs *vfs, const char *dir)
{
    unsigned found = 0;
    assert_ok(walk(vfs, dir, count_markers, &found));
    return found;
}

static void nothing_can_be_read_in_the_files(void **state)
{
    (void)state;
    for (int encrypted = 0; encrypted < 2; encrypted++) {
        const lode_key_source *key = encrypted ? key_kit(1) : NULL;
        struct vfs *vfs = vfs_memory_new();
        lode_db *db;
        assert_int_equal(open_with(vfs, key, &db), LODE_OK);
        fill(db);
        assert_ok(backup_database(db, "b", NULL, NULL, &error));
        assert_ok(backup_database(db, "one", &(lode_backup_options){.one_file = 1}, NULL, &error));
        unsigned in_db = markers_in(vfs, "db"), in_backups = markers_in(vfs, "b"), in_one = 0;
        count_markers(vfs, "one", &in_one);
        engine_close(db);
        if (encrypted)
            assert_int_equal(in_db + in_backups + in_one + markers_in(vfs, "db"), 0);
        else
            assert_true(in_db > 7 && in_backups > 5 && in_one > 5); /* the search finds them */
        vfs_memory_free(vfs);
    }
}

static void keys_are_asked_for(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db;
    char id[LODE_KEY_ID_TEXT_SIZE];
    assert_int_equal(open_with(vfs, key_kit(1), &db), LODE_OK);
    fill(db);
    engine_close(db);
    assert_int_equal(open_with(vfs, NULL, &db), LODE_KEY);
    assert_int_equal(open_with(vfs, key_kit(2), &db), LODE_KEY);
    assert_ok(encryption_needs(vfs, "db", id, &error));
    assert_int_equal(verify_database(vfs, "db", NULL, &error), LODE_KEY);
    assert_ok(verify_database(vfs, "db", &(lode_verify_options){.key = key_kit(1)}, &error));
    assert_int_equal(open_with(vfs, key_kit(1), &db), LODE_OK);
    check_points(db, 19);
    lode_encryption found;
    lode_db_encryption(db, &found);
    assert_string_equal(found.key_id, id);
    assert_int_equal(found.data_keys, 1);
    engine_close(db);
    assert_ok(
        vfs_remove(vfs, "db/keys", &error)); /* without keys it is damage, not another database */
    assert_int_equal(open_with(vfs, NULL, &db), LODE_CORRUPT);
    assert_int_equal(open_with(vfs, key_kit(1), &db), LODE_CORRUPT);
    vfs_memory_free(vfs);
}

static void a_key_for_what_is_not_encrypted(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db;
    assert_int_equal(open_with(vfs, NULL, &db), LODE_OK);
    fill(db);
    assert_status(lode_db_rotate_key(db, &(lode_rotate_options){.key = key_kit(1)}, &error),
                  LODE_INVALID);
    engine_close(db);
    assert_int_equal(open_with(vfs, key_kit(1), &db), LODE_KEY);
    assert_non_null(strstr(error.message, "not encrypted"));
    vfs_memory_free(vfs);
}

/* --- Damage ------------------------------------------------------------------------------------ */

struct damage {
    unsigned files, seen;
};

static void flip_and_verify(struct vfs *vfs, const char *path, void *context)
{
    struct damage *damage = context;
    size_t size;
    uint8_t *bytes = kit_read(vfs, path, &size);
    free(bytes);
    size_t step = size > 600 ? size / 61 : 7;
    if (size == 0 || strstr(path, "LOCK"))
        return;
    damage->files++;
    for (size_t at = 0; at < size; at += step) {
        kit_flip(vfs, path, at * 8 + at % 8);
        lode_status status =
            verify_database(vfs, "db", &(lode_verify_options){.key = key_kit(1)}, &error);
        if (status != LODE_CORRUPT)
            fail_msg("%s, byte %zu: status %d: %s", path, at, (int)status, error.message);
        kit_flip(vfs, path, at * 8 + at % 8);
        damage->seen++;
    }
}

static void damage_is_no_wrong_key(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    struct damage damage = {0};
    lode_db *db;
    assert_int_equal(open_with(vfs, key_kit(1), &db), LODE_OK);
    fill(db);
    engine_close(db);
    assert_ok(walk(vfs, "db", flip_and_verify, &damage));
    print_message("%u files, %u bytes flipped\n", damage.files, damage.seen);
    assert_in_range(damage.files, 8, 100);
    assert_ok(verify_database(vfs, "db", &(lode_verify_options){.key = key_kit(1)}, &error));
    vfs_memory_free(vfs);
}

/* --- Logs -------------------------------------------------------------------------------------- */

static int refuse_all(void *context, const char *operation, const char *path)
{
    (void)context;
    (void)operation;
    (void)path;
    return EIO;
}

/* Four batches of one size, which are in a log alone; returns its bytes and its path. */
static uint8_t *make_log(struct vfs *vfs, char path[96], size_t *ret_size)
{
    lode_db *db;
    assert_int_equal(open_with(vfs, key_kit(1), &db), LODE_OK);
    lode_collection *collection = engine_create(db, "c", schema);
    for (unsigned i = 0; i < 4; i++) {
        lode_point point = {.id = lode_id_number(i), .vector = marker_vector};
        assert_ok(lode_upsert(collection, &point, 1, NULL, &error));
    }
    uint64_t uid = collection->shared->uid, number = collection->shared->growing->number;
    vfs_memory_set_fault(vfs, refuse_all, NULL); /* nothing is flushed */
    lode_collection_close(collection);
    engine_close(db);
    vfs_memory_set_fault(vfs, NULL, NULL);
    vfs_memory_kill(vfs);
    snprintf(path, 96, "db/c-%016" PRIx64 "/wal-%" PRIu64 ".log", uid, number);
    return kit_read(vfs, path, ret_size);
}

/* Whoever has no key can still compute checksums. */
static void put_checksum(uint8_t *log, size_t at)
{
    struct wal_group group = {.payload_size = le_load_u64(log + at + 16)};
    wal_put_group_checksum(log + at, &group,
                           wal_group_seed(le_load_u64(log + 16), le_load_u64(log + 24), at));
}

static void check_log(struct vfs *vfs, const char *path, lode_status wanted)
{
    lode_db *db;
    lode_collection *collection;
    assert_int_equal(open_with(vfs, key_kit(1), &db), LODE_OK);
    assert_int_equal(lode_collection_open(db, "c", &collection, &error), wanted);
    if (wanted)
        assert_non_null(strstr(error.message, strrchr(path, '/') + 1));
    else
        lode_collection_close(collection);
    engine_close(db);
}

static void groups_of_logs_stay_where_they_are(void **state)
{
    (void)state;
    char path[96];
    size_t size;
    struct vfs *vfs = vfs_memory_new();
    uint8_t *log = make_log(vfs, path, &size), *made = malloc(size);
    struct wal_group group = {.payload_size = le_load_u64(log + WAL_ENCRYPTED_HEADER + 16)};
    size_t step = wal_group_size(&group), first = WAL_ENCRYPTED_HEADER, second = first + step;
    assert_int_equal(size, first + 4 * step);
    for (int what = 0; what < 3; what++) {
        memcpy(made, log, size);
        if (what == 0) { /* two payloads in each other's place */
            memcpy(made + first + WAL_GROUP_HEADER_SIZE, log + second + WAL_GROUP_HEADER_SIZE,
                   step - WAL_GROUP_HEADER_SIZE);
            memcpy(made + second + WAL_GROUP_HEADER_SIZE, log + first + WAL_GROUP_HEADER_SIZE,
                   step - WAL_GROUP_HEADER_SIZE);
        } else if (what == 1) { /* one group twice, renumbered */
            memcpy(made + second, log + first, step);
            le_store_u64(made + second + 24, le_load_u64(log + second + 24));
        } else { /* the last one, said to be of another moment */
            le_store_u64(made + first + 3 * step + 32, 0);
        }
        for (size_t at = first; at < size; at += step)
            put_checksum(made, at);
        kit_write(vfs, path, made, size);
        check_log(vfs, path, LODE_CORRUPT);
    }
    kit_write(vfs, path, log, size);
    check_log(vfs, path, LODE_OK);
    free(log);
    free(made);
    vfs_memory_free(vfs);
}

/* --- Changing keys ----------------------------------------------------------------------------- */

static void a_key_is_changed(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db;
    lode_encryption found;
    assert_int_equal(open_with(vfs, key_kit(1), &db), LODE_OK);
    fill(db);
    lode_collection *collection = engine_collection(db, "MARKERNAME");
    lode_rotate_options options = {.key = key_kit(2), .new_data_key = 1};
    assert_ok(lode_db_rotate_key(db, &options, &error)); /* while it is open */
    options.rewrite = 1;
    assert_status(lode_db_rotate_key(db, &options, &error), LODE_BUSY);
    lode_collection_close(collection);
    check_points(db, 19);
    engine_close(db);
    assert_int_equal(open_with(vfs, key_kit(1), &db), LODE_KEY);
    assert_int_equal(open_with(vfs, key_kit(2), &db), LODE_OK);
    lode_db_encryption(db, &found);
    assert_int_equal(found.data_keys, 2);
    options = (lode_rotate_options){.key = key_kit(3), .rewrite = 1};
    assert_ok(lode_db_rotate_key(db, &options, &error));
    lode_db_encryption(db, &found);
    assert_int_equal(found.data_keys, 1);
    check_points(db, 19);
    engine_close(db);
    assert_ok(verify_database(vfs, "db", &(lode_verify_options){.key = key_kit(3)}, &error));
    assert_int_equal(markers_in(vfs, "db"), 0);
    vfs_memory_free(vfs);
}

static void a_database_is_encrypted(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    struct db_env env = {.vfs = vfs};
    lode_db *db;
    lode_encrypt_options options = {.key = key_kit(1)};
    assert_int_equal(open_with(vfs, NULL, &db), LODE_OK);
    fill(db);
    engine_close(db);
    assert_ok(executor_inline_new(&env.executor, &error));
    assert_ok(encryption_encrypt("db", &options, &env, &error));
    assert_status(encryption_encrypt("db", &options, &env, &error), LODE_INVALID);
    executor_free(env.executor);
    assert_int_equal(markers_in(vfs, "db"), 0);
    assert_int_equal(open_with(vfs, NULL, &db), LODE_KEY);
    assert_int_equal(open_with(vfs, key_kit(1), &db), LODE_OK);
    check_points(db, 19);
    engine_close(db);
    assert_ok(verify_database(vfs, "db", &(lode_verify_options){.key = key_kit(1)}, &error));
    vfs_memory_free(vfs);
}

/* --- Crashes ----------------------------------------------------------------------------------- */

struct fate {
    uint64_t left; /* changes until all ends */
    int crashed;
};

static int decide(void *context, const char *operation, const char *path)
{
    static const char *const changes[] = {"write", "truncate", "sync",     "remove",    "rename",
                                          "link",  "make_dir", "dir_sync", "remove_dir"};
    struct fate *fate = context;
    (void)path;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++)
        if (strcmp(operation, changes[i]) == 0 && --fate->left == 0)
            fate->crashed = 1;
    return fate->crashed ? EIO : 0;
}

static void crash(struct vfs *vfs, uint64_t seed)
{
    vfs_memory_set_fault(vfs, NULL, NULL);
    if (seed % 3 == 0)
        vfs_memory_crash(vfs);
    else
        vfs_memory_crash_random(vfs, seed);
}

/* One of the keys opens it, and all is there. */
static const lode_key_source *check_after(struct vfs *vfs, const lode_key_source *before,
                                          const lode_key_source *after)
{
    const lode_key_source *key = after;
    lode_db *db;
    lode_status status = open_with(vfs, after, &db);
    if (status == LODE_KEY) {
        key = before;
        status = open_with(vfs, before, &db);
    }
    if (status)
        fail_msg("it does not open: %s", error.message);
    check_points(db, 19);
    engine_close(db);
    error = (lode_error){0};
    if (verify_database(vfs, "db", &(lode_verify_options){.key = key}, &error))
        fail_msg("it is not sound: %s", error.message);
    return key;
}

static int crash_at(uint64_t change, int encrypting)
{
    struct vfs *vfs = vfs_memory_new();
    struct db_env env = {.vfs = vfs};
    struct fate fate = {.left = change};
    const lode_key_source *before = encrypting ? NULL : key_kit(1);
    lode_encrypt_options encrypt = {.key = key_kit(2)};
    lode_rotate_options rotate = {.key = key_kit(2), .new_data_key = 1, .rewrite = 1};
    lode_db *db = NULL;
    assert_int_equal(open_with(vfs, before, &db), LODE_OK);
    fill(db);
    if (encrypting)
        engine_close(db);
    assert_ok(executor_inline_new(&env.executor, &error));
    vfs_memory_set_fault(vfs, decide, &fate);
    lode_status status = encrypting ? encryption_encrypt("db", &encrypt, &env, &error)
                                    : lode_db_rotate_key(db, &rotate, &error);
    if (status && !fate.crashed)
        fail_msg("change %llu: %s", (unsigned long long)change, error.message);
    if (!encrypting)
        engine_close(db);
    crash(vfs, change);
    const lode_key_source *key = check_after(vfs, before, key_kit(2));
    /* The same again goes on to the end. */
    if (encrypting && fate.crashed) {
        status = encryption_encrypt("db", &encrypt, &env, &error);
        if (status && status != LODE_INVALID) /* it had been done */
            fail_msg("change %llu: %s", (unsigned long long)change, error.message);
    } else if (fate.crashed) {
        assert_int_equal(open_with(vfs, key, &db), LODE_OK);
        assert_ok(lode_db_rotate_key(db, &rotate, &error));
        engine_close(db);
    }
    assert_ptr_equal(check_after(vfs, before, key_kit(2)), key_kit(2));
    assert_int_equal(markers_in(vfs, "db"), 0);
    executor_free(env.executor);
    vfs_memory_free(vfs);
    return fate.crashed;
}

static void crash_at_every_change(int encrypting)
{
    uint64_t change = 1;
    while (crash_at(change, encrypting))
        change++;
    print_message("%llu changes\n", (unsigned long long)change - 1);
    assert_in_range(change, 20, 100000);
}

static void crashes_while_a_key_is_changed(void **state)
{
    (void)state;
    crash_at_every_change(0);
}

static void crashes_while_it_is_encrypted(void **state)
{
    (void)state;
    crash_at_every_change(1);
}

/* --- Backups ----------------------------------------------------------------------------------- */

static lode_status restore(struct vfs *vfs, const char *backup, const char *path,
                           const lode_restore_options *options)
{
    struct db_env env = {.vfs = vfs};
    assert_ok(executor_inline_new(&env.executor, &error));
    error = (lode_error){0};
    lode_status status = restore_database(backup, path, options, &env, NULL, &error);
    executor_free(env.executor);
    return status;
}

static void count_unchecked(void *context, const char *what)
{
    (void)what;
    ++*(unsigned *)context;
}

static void backups_need_their_key(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db;
    lode_backup_list *list;
    unsigned unchecked = 0;
    char id[LODE_KEY_ID_TEXT_SIZE];
    assert_int_equal(open_with(vfs, key_kit(1), &db), LODE_OK);
    fill(db);
    assert_ok(backup_database(db, "b", NULL, NULL, &error));
    lode_rotate_options rotate = {.key = key_kit(2), .new_data_key = 1};
    assert_ok(lode_db_rotate_key(db, &rotate, &error));
    assert_ok(backup_database(db, "b", NULL, NULL, &error));
    engine_close(db);
    lode_verify_options verify = {.unchecked = count_unchecked, .context = &unchecked};
    assert_ok(backup_verify(vfs, "b", &verify, &error));
    assert_int_equal(unchecked, 2);
    verify.key = key_kit(2);
    assert_ok(backup_verify(vfs, "b", &verify, &error));
    assert_int_equal(unchecked, 3); /* the first needs the key of its time */
    assert_ok(backup_list(vfs, "b", &list, &error));
    assert_string_equal(list->backups[1].collections[0].name, "");
    lode_backup_list_free(list);
    assert_ok(backup_list_with_key(vfs, "b", key_kit(2), &list, &error));
    assert_string_equal(list->backups[0].collections[0].name, "");
    assert_string_equal(list->backups[1].collections[0].name, "MARKERNAME");
    lode_backup_list_free(list);
    assert_ok(backup_key_needed(vfs, "b", id, &error));
    lode_restore_options options = {.number = 1};
    assert_int_equal(restore(vfs, "b", "r", &options), LODE_KEY);
    options.key = key_kit(2);
    assert_int_equal(restore(vfs, "b", "r", &options), LODE_KEY);
    options.key = key_kit(1);
    assert_int_equal(restore(vfs, "b", "r", &options), LODE_OK);
    assert_ok(verify_database(vfs, "r", &(lode_verify_options){.key = key_kit(1)}, &error));
    options =
        (lode_restore_options){.key = key_kit(2), .collection = "MARKERNAME", .to_sequence = 15};
    assert_int_equal(restore(vfs, "b", "r15", &options), LODE_OK); /* by a log */
    assert_ok(verify_database(vfs, "r15", &(lode_verify_options){.key = key_kit(2)}, &error));
    assert_int_equal(markers_in(vfs, "r") + markers_in(vfs, "r15"), 0);
    vfs_memory_free(vfs);
}

static void flip_keys(struct vfs *vfs, const char *dir)
{
    struct backup *backup;
    struct inventory inventory;
    char path[PATH_SIZE_MAX];
    assert_ok(backup_open(vfs, dir, &backup, &error));
    assert_ok(backup_inventory(backup, 0, &inventory, &error));
    const struct inventory_file *file =
        inventory_find(&inventory, 0, (struct name){.kind = NAME_KEYS});
    assert_non_null(file);
    assert_ok(backup_object_path(path, dir, file->hash, &error));
    kit_flip(vfs, path, 900);
    inventory_release(&inventory);
    backup_close(backup);
}

/* Keys that are damaged in one backup are taken from another. */
static void keys_are_looked_for_too(void **state)
{
    (void)state;
    static const char *const bases[] = {"other"};
    struct vfs *vfs = vfs_memory_new();
    lode_db *db;
    lode_restore_options options = {.key = key_kit(1)};
    assert_int_equal(open_with(vfs, key_kit(1), &db), LODE_OK);
    fill(db);
    assert_ok(backup_database(db, "b", NULL, NULL, &error));
    assert_ok(backup_database(db, "other", NULL, NULL, &error));
    flip_keys(vfs, "b");
    assert_int_equal(restore(vfs, "b", "r", &options), LODE_CORRUPT);
    options.bases = bases;
    options.base_count = 1;
    assert_int_equal(restore(vfs, "b", "r", &options), LODE_OK);
    assert_ok(backup_database(db, "b", NULL, NULL, &error)); /* keys are always read and written */
    options.base_count = 0;
    assert_int_equal(restore(vfs, "b", "healed", &options), LODE_OK);
    engine_close(db);
    vfs_memory_free(vfs);
}

/* Logs that are sound count although the keys beside them are damaged: another backup has those. */
static void keys_of_others_open_logs(void **state)
{
    (void)state;
    static const char *const bases[] = {"earlier"};
    struct vfs *vfs = vfs_memory_new();
    lode_db *db;
    lode_write_info written;
    lode_point point = {.id = lode_id_text("MARKERID0"), .vector = marker_vector};
    assert_int_equal(open_with(vfs, key_kit(1), &db), LODE_OK);
    fill(db);
    assert_ok(backup_database(db, "earlier", NULL, NULL, &error));
    lode_collection *collection = engine_collection(db, "MARKERNAME");
    for (int i = 0; i < 3; i++)
        assert_ok(lode_upsert(collection, &point, 1, &written, &error));
    lode_collection_close(collection);
    assert_ok(backup_database(db, "b", NULL, NULL, &error));
    engine_close(db);
    flip_keys(vfs, "b");
    lode_restore_options options = {
        .key = key_kit(1), .bases = bases, .base_count = 1, .to_sequence = written.sequence - 1};
    assert_int_equal(restore(vfs, "b", "r", &options), LODE_OK);
    assert_ok(verify_database(vfs, "r", &(lode_verify_options){.key = key_kit(1)}, &error));
    vfs_memory_free(vfs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_can_be_read_in_the_files),
        cmocka_unit_test(keys_are_asked_for),
        cmocka_unit_test(a_key_for_what_is_not_encrypted),
        cmocka_unit_test(damage_is_no_wrong_key),
        cmocka_unit_test(groups_of_logs_stay_where_they_are),
        cmocka_unit_test(a_key_is_changed),
        cmocka_unit_test(a_database_is_encrypted),
        cmocka_unit_test(crashes_while_a_key_is_changed),
        cmocka_unit_test(crashes_while_it_is_encrypted),
        cmocka_unit_test(backups_need_their_key),
        cmocka_unit_test(keys_are_looked_for_too),
        cmocka_unit_test(keys_of_others_open_logs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
