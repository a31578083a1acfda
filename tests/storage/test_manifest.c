/* Manifests: what is committed is loaded, by one of two committers, through a crash at every step. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/le.h"
#include "base/random.h"
#include "os/thread.h"
#include "storage/manifest.h"
#include "storage/names.h"
#include "support/storage_kit.h"
#include "support/vfs_memory.h"

static struct pins pins; /* nothing is pinned but where a test says so */

static struct vfs *new_dir(void)
{
    lode_error error;
    struct vfs *vfs = vfs_memory_new();
    (void)kit_store(vfs, 4);
    assert_ok(vfs_dir_sync(vfs, ".", &error));
    return vfs;
}

static const lode_field fields[] = {{"genre", LODE_FIELD_KEYWORD}, {"year", LODE_FIELD_INTEGER}};
static struct sealed_entry entries[] = {
    {.number = 2, .row_count = 100, .live_count = 100},
    {.number = 5, .row_count = 50, .live_count = 49, .del_generation = 3, .has_graph = 1},
};

static struct manifest sample(uint64_t generation)
{
    return (struct manifest){
        .collection_uid = 77,
        .generation = generation,
        .flushed_sequence = 1000 + generation,
        .seen_sequence = 1002 + generation,
        .wal_first = 6,
        .next_number = 7,
        .text_model_version = 2,
        .schema = {.dim = 4,
                   .metric = LODE_METRIC_COSINE,
                   .scalar = LODE_SCALAR_INT8,
                   .index = LODE_INDEX_HNSW,
                   .m = 16,
                   .ef_construction = 200,
                   .seed = 99,
                   .fields = fields,
                   .field_count = 2},
        .entries = entries,
        .entry_count = 2,
    };
}

static void assert_same(const struct manifest *a, const struct manifest *b)
{
    assert_int_equal(a->collection_uid, b->collection_uid);
    assert_int_equal(a->generation, b->generation);
    assert_int_equal(a->flushed_sequence, b->flushed_sequence);
    assert_int_equal(a->seen_sequence, b->seen_sequence);
    assert_int_equal(a->wal_first, b->wal_first);
    assert_int_equal(a->next_number, b->next_number);
    assert_int_equal(a->text_model_version, b->text_model_version);
    assert_int_equal(a->schema.dim, b->schema.dim);
    assert_int_equal(a->schema.metric, b->schema.metric);
    assert_int_equal(a->schema.scalar, b->schema.scalar);
    assert_int_equal(a->schema.index, b->schema.index);
    assert_int_equal(a->schema.m, b->schema.m);
    assert_int_equal(a->schema.ef_construction, b->schema.ef_construction);
    assert_int_equal(a->schema.seed, b->schema.seed);
    assert_int_equal(a->schema.field_count, b->schema.field_count);
    for (size_t i = 0; i < a->schema.field_count; i++) {
        assert_string_equal(a->schema.fields[i].name, b->schema.fields[i].name);
        assert_int_equal(a->schema.fields[i].type, b->schema.fields[i].type);
    }
    assert_int_equal(a->entry_count, b->entry_count);
    for (size_t i = 0; i < a->entry_count; i++) {
        assert_int_equal(a->entries[i].number, b->entries[i].number);
        assert_int_equal(a->entries[i].row_count, b->entries[i].row_count);
        assert_int_equal(a->entries[i].live_count, b->entries[i].live_count);
        assert_int_equal(a->entries[i].del_generation, b->entries[i].del_generation);
        assert_int_equal(a->entries[i].has_graph, b->entries[i].has_graph);
    }
}

static void what_is_committed_is_loaded(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    struct manifest loaded, copy;
    assert_status(manifest_load(vfs, "c", &loaded, &error), LODE_NOT_FOUND);
    for (uint64_t generation = 1; generation < 13; generation++) {
        struct manifest manifest = sample(generation);
        if (generation < 3)
            manifest.entry_count = 0, manifest.schema.field_count = 0;
        assert_ok(manifest_commit(vfs, "c", &manifest, &error));
        assert_ok(manifest_load(vfs, "c", &loaded, &error));
        assert_same(&loaded, &manifest);
        assert_ok(manifest_copy(&loaded, &copy, &error));
        manifest_release(&loaded);
        assert_same(&copy, &manifest);
        manifest_release(&copy);
    }
    assert_int_equal(kit_exists(vfs, "c/manifest-12"), 1);
    assert_int_equal(kit_exists(vfs, "c/manifest-11"), 0);
    vfs_memory_free(vfs);
}

static void a_taken_number_is_refused(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    struct manifest first = sample(3), second = sample(3), loaded;
    second.flushed_sequence = 1;
    assert_ok(manifest_commit(vfs, "c", &first, &error));
    assert_status(manifest_commit(vfs, "c", &second, &error), LODE_EXISTS);
    assert_ok(manifest_load(vfs, "c", &loaded, &error));
    assert_same(&loaded, &first);
    manifest_release(&loaded);
    vfs_memory_free(vfs);
}

struct committer {
    struct vfs *vfs;
    struct thread thread;
    struct manifest manifest;
    lode_status status;
};

static void commit_one(void *context)
{
    struct committer *committer = context;
    committer->status = manifest_commit(committer->vfs, "c", &committer->manifest, NULL);
}

static void one_of_two_committers_wins(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    for (uint64_t generation = 3; generation < 60; generation++) {
        struct committer racers[2] = {{.vfs = vfs, .manifest = sample(generation)},
                                      {.vfs = vfs, .manifest = sample(generation)}};
        racers[1].manifest.flushed_sequence = 1;
        for (int i = 0; i < 2; i++)
            assert_int_equal(thread_start(&racers[i].thread, "racer", commit_one, &racers[i]), 0);
        for (int i = 0; i < 2; i++)
            thread_join(&racers[i].thread);
        int winner = racers[0].status == LODE_OK ? 0 : 1;
        assert_int_equal(racers[winner].status, LODE_OK);
        assert_int_equal(racers[1 - winner].status, LODE_EXISTS);
        struct manifest loaded;
        assert_ok(manifest_load(vfs, "c", &loaded, &error));
        assert_same(&loaded, &racers[winner].manifest);
        manifest_release(&loaded);
    }
    vfs_memory_free(vfs);
}

/* --- Crashes ----------------------------------------------------------------------------------- */

static int burn(void *context, const char *operation, const char *path)
{
    int *left = context;
    (void)operation, (void)path;
    return (*left)-- > 0 ? 0 : EIO;
}

static void write_parts(struct vfs *vfs)
{
    static const char *const names[] = {"c/seg-2.vectors", "c/seg-5.graph", "c/seg-5.del-3"};
    for (size_t i = 0; i < 3; i++)
        kit_write(vfs, names[i], "x", 1); /* synced, but its name is not */
}

/* The disk stops at every operation in turn, then the power goes. What is loaded is the manifest before or
 * the one after, the one after if the commit said so, and every file it speaks of has its name. */
static void a_crash_at_any_step(void **state)
{
    (void)state;
    lode_error error;
    int committed = 0;
    for (int steps = 0; !committed; steps++) {
        struct vfs *vfs = new_dir();
        struct manifest before = sample(3), after = sample(4), loaded;
        before.entry_count = 0;
        assert_ok(manifest_commit(vfs, "c", &before, &error));
        write_parts(vfs);
        int left = steps;
        vfs_memory_set_fault(vfs, burn, &left);
        lode_status status = manifest_commit(vfs, "c", &after, NULL);
        committed = status == LODE_OK && left >= 0; /* to its very end */
        vfs_memory_set_fault(vfs, NULL, NULL);
        vfs_memory_crash(vfs);
        assert_ok(manifest_load(vfs, "c", &loaded, &error));
        assert_true(loaded.generation == 3 || loaded.generation == 4);
        if (status == LODE_OK)
            assert_int_equal(loaded.generation, 4);
        else
            assert_int_equal(status, LODE_IO);
        assert_same(&loaded, loaded.generation == 3 ? &before : &after);
        if (loaded.generation == 4) {
            assert_int_equal(kit_exists(vfs, "c/seg-2.vectors"), 1);
            assert_int_equal(kit_exists(vfs, "c/seg-5.graph"), 1);
            assert_int_equal(kit_exists(vfs, "c/seg-5.del-3"), 1);
        }
        assert_ok(manifest_sweep(vfs, "c", &loaded, &pins, &error));
        assert_int_equal(kit_exists(vfs, "c/seg-5.graph"), loaded.generation == 4);
        manifest_release(&loaded);
        vfs_memory_free(vfs);
    }
}

/* --- Sweeping ---------------------------------------------------------------------------------- */

static void what_no_manifest_knows_is_swept(void **state)
{
    (void)state;
    lode_error error;
    static const char *const kept[] = {
        "manifest-4", "wal-5.log",  "wal-0.log",     "wal-6.log",   "wal-7.log",    "seg-2.vectors",
        "seg-2.ids",  "seg-2.docs", "seg-5.vectors", "seg-5.graph", "seg-5.del-3",  "text-model-2",
        "notes.txt",  "manifest-x", "seg-3.tables",  "wal-05.log",  "seg-3.del-1x", ".tmp",
    };
    static const char *const removed[] = {
        "manifest-2",   "seg-2.graph", "seg-2.del-3",      "seg-5.del-2",
        "seg-5.del-4",  "seg-3.ids",   "seg-6.docs",       "text-model-1",
        "text-model-3", "a.tmp",       "manifest-4.0.tmp",
    };
    struct vfs *vfs = new_dir();
    struct manifest manifest = sample(4);
    assert_ok(manifest_commit(vfs, "c", &manifest, &error));
    char path[100];
    for (size_t i = 1; i < sizeof kept / sizeof kept[0]; i++) {
        snprintf(path, sizeof path, "c/%s", kept[i]);
        kit_write(vfs, path, "x", 1);
    }
    for (size_t i = 0; i < sizeof removed / sizeof removed[0]; i++) {
        snprintf(path, sizeof path, "c/%s", removed[i]);
        kit_write(vfs, path, "x", 1);
    }
    assert_ok(manifest_sweep(vfs, "c", &manifest, &pins, &error));
    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        snprintf(path, sizeof path, "c/%s", kept[i]);
        assert_int_equal(kit_exists(vfs, path), 1);
    }
    for (size_t i = 0; i < sizeof removed / sizeof removed[0]; i++) {
        snprintf(path, sizeof path, "c/%s", removed[i]);
        assert_int_equal(kit_exists(vfs, path), 0);
    }
    vfs_memory_free(vfs);
}

static void what_is_pinned_stays(void **state)
{
    (void)state;
    lode_error error;
    static const struct pin_key keys[] = {{NAME_VECTORS, 3}, {NAME_TEXT_MODEL, 1}};
    static const char *const pinned[] = {"seg-3.vectors", "seg-3.ids", "seg-3.docs", "seg-3.graph",
                                         "text-model-1"};
    static const char *const removed[] = {"seg-3.del-2", "seg-4.vectors", "text-model-3"};
    struct vfs *vfs = new_dir();
    struct manifest manifest = sample(4);
    struct store store = {.vfs = vfs, .dir = "c", .pins = &pins};
    char path[100];
    assert_ok(manifest_commit(vfs, "c", &manifest, &error));
    for (size_t i = 0; i < sizeof pinned / sizeof pinned[0]; i++) {
        snprintf(path, sizeof path, "c/%s", pinned[i]);
        kit_write(vfs, path, "x", 1);
    }
    for (size_t i = 0; i < sizeof removed / sizeof removed[0]; i++) {
        snprintf(path, sizeof path, "c/%s", removed[i]);
        kit_write(vfs, path, "x", 1);
    }
    assert_ok(manifest_sweep(vfs, "c", &manifest, NULL, &error)); /* not known what is needed */
    assert_int_equal(kit_exists(vfs, "c/seg-4.vectors"), 1);
    assert_int_equal(kit_exists(vfs, "c/seg-3.del-2"), 0);
    assert_ok(pins_add(&pins, keys, 2, &error));
    assert_ok(pins_add(&pins, keys, 1, &error));
    assert_ok(manifest_sweep(vfs, "c", &manifest, &pins, &error));
    for (size_t i = 0; i < sizeof pinned / sizeof pinned[0]; i++) {
        snprintf(path, sizeof path, "c/%s", pinned[i]);
        assert_int_equal(kit_exists(vfs, path), 1);
    }
    for (size_t i = 0; i < sizeof removed / sizeof removed[0]; i++) {
        snprintf(path, sizeof path, "c/%s", removed[i]);
        assert_int_equal(kit_exists(vfs, path), 0);
    }
    /* What is retired goes with the last pin; the model is not, and stays. */
    assert_int_equal(pins_retire(&pins, keys[0]), 1);
    pins_drop(&store, keys, 2);
    assert_int_equal(kit_exists(vfs, "c/seg-3.docs"), 1);
    pins_drop(&store, keys, 1);
    assert_int_equal(kit_exists(vfs, "c/seg-3.docs"), 0);
    assert_int_equal(kit_exists(vfs, "c/text-model-1"), 1);
    assert_int_equal(pins_retire(&pins, keys[0]), 0);
    vfs_memory_free(vfs);
}

/* A commit takes away the live sets that it replaces, and none that one to come may need. */
static void a_commit_removes_live_sets_it_replaces(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    kit_write(vfs, "c/seg-5.del-2", "x", 1);
    kit_write(vfs, "c/seg-5.del-3", "x", 1);
    kit_write(vfs, "c/seg-5.del-5", "x", 1);
    kit_write(vfs, "c/seg-9.del-3", "x", 1);
    struct manifest manifest = sample(4);
    assert_ok(manifest_commit(vfs, "c", &manifest, &error));
    assert_int_equal(kit_exists(vfs, "c/seg-5.del-2"), 0);
    assert_int_equal(kit_exists(vfs, "c/seg-5.del-3"), 1);
    assert_int_equal(kit_exists(vfs, "c/seg-5.del-5"), 1);
    assert_int_equal(kit_exists(vfs, "c/seg-9.del-3"), 0);
    vfs_memory_free(vfs);
}

static void names_are_ours_or_not(void **state)
{
    (void)state;
    static const struct name names[] = {
        {NAME_MANIFEST, 1, 0}, {NAME_LOG, UINT64_MAX, 0}, {NAME_VECTORS, 0, 0},
        {NAME_IDS, 12, 0},     {NAME_DOCS, 3, 0},         {NAME_GRAPH, 4, 0},
        {NAME_LIVE, 5, 6},     {NAME_TEXT_MODEL, 7, 0},   {NAME_LIVE, UINT64_MAX, UINT64_MAX},
    };
    char text[NAME_TEXT_MAX];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct name back = name_parse(name_format(names[i], text));
        assert_int_equal(back.kind, names[i].kind);
        assert_int_equal(back.number, names[i].number);
        assert_int_equal(back.generation, names[i].generation);
    }
    static const char *const others[] = {"",
                                         "manifest-",
                                         "manifest-01",
                                         "manifest-1 ",
                                         "wal-1",
                                         "wal-1.log2",
                                         "seg-1.del-",
                                         "seg-1.del-01",
                                         "seg-1.rows",
                                         "seg-.ids",
                                         "Manifest-1",
                                         "-1",
                                         "manifest--1",
                                         "manifest-18446744073709551616"};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        assert_int_equal(name_parse(others[i]).kind, NAME_OTHER);
}

/* --- Damage ------------------------------------------------------------------------------------ */

static void a_damaged_manifest_is_never_passed_over(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    struct manifest before = sample(3), after = sample(4), loaded;
    assert_ok(manifest_commit(vfs, "c", &after, &error));
    assert_ok(manifest_commit(vfs, "c", &before, &error)); /* lies beside it */
    size_t size;
    free(kit_read(vfs, "c/manifest-4", &size));
    for (uint64_t bit = 0; bit < size * 8; bit++) {
        kit_flip(vfs, "c/manifest-4", bit);
        assert_status(manifest_load(vfs, "c", &loaded, &error), LODE_CORRUPT);
        assert_non_null(strstr(error.message, "manifest-4"));
        kit_flip(vfs, "c/manifest-4", bit);
    }
    vfs_memory_free(vfs);
}

/* Give the file checksums that are right again, so that its content is what is judged. */
static void mend(uint8_t *data, size_t size)
{
    uint64_t footer = le_load_u64(data + size - 40);
    uint32_t sections = le_load_u32(data + size - 24);
    le_store_u64(data + 56, checksum64(data, 56));
    le_store_u64(data + footer + sections * 24, checksum64(data, footer));
    le_store_u64(data + size - 8, checksum64(data + footer, size - footer - 8));
}

static void any_content_is_read_safely(void **state)
{
    (void)state;
    lode_error error;
    struct rng rng;
    rng_init(&rng, 8);
    struct vfs *vfs = new_dir();
    struct manifest manifest = sample(4), loaded;
    assert_ok(manifest_commit(vfs, "c", &manifest, &error));
    size_t size;
    uint8_t *data = kit_read(vfs, "c/manifest-4", &size), *copy = malloc(size);
    int loads = 0;
    for (int i = 0; i < 5000; i++) {
        memcpy(copy, data, size);
        for (uint32_t n = 1 + rng_below(&rng, 3); n > 0; n--)
            copy[64 + rng_below(&rng, (uint32_t)size - 64 - 40)] = (uint8_t)rng_u64(&rng);
        mend(copy, size);
        kit_write(vfs, "c/manifest-4", copy, size);
        lode_status status = manifest_load(vfs, "c", &loaded, &error);
        if (status) {
            assert_int_equal(status, LODE_CORRUPT);
            continue;
        }
        loads++;
        assert_true(loaded.schema.dim > 0 && loaded.schema.field_count <= LODE_FIELDS_MAX);
        manifest_release(&loaded);
    }
    assert_true(loads > 0);
    free(data);
    free(copy);
    vfs_memory_free(vfs);
}

int main(void)
{
    pins_init(&pins);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_committed_is_loaded),
        cmocka_unit_test(a_taken_number_is_refused),
        cmocka_unit_test(one_of_two_committers_wins),
        cmocka_unit_test(a_crash_at_any_step),
        cmocka_unit_test(what_no_manifest_knows_is_swept),
        cmocka_unit_test(what_is_pinned_stays),
        cmocka_unit_test(a_commit_removes_live_sets_it_replaces),
        cmocka_unit_test(names_are_ours_or_not),
        cmocka_unit_test(a_damaged_manifest_is_never_passed_over),
        cmocka_unit_test(any_content_is_read_safely),
    };
    return cmocka_run_group_tests_name("storage/manifest", tests, NULL, NULL);
}
