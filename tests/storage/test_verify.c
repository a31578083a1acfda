/* Verification: a sound collection is silent; a bit flipped anywhere is named with file and place. */
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
#include "storage/frame.h"
#include "storage/manifest.h"
#include "storage/verify.h"
#include "storage/wal.h"
#include "support/storage_kit.h"
#include "support/vfs_memory.h"

enum { DIM = 4, MIB = 1 << 20, ROWS = 300 };

struct found {
    size_t count;
    char file[64]; /* of the first */
    uint64_t offset;
    char problem[256];
    uint64_t bytes;
};

static void keep(void *context, const char *file, uint64_t offset, const char *problem)
{
    struct found *found = context;
    if (found->count++)
        return;
    snprintf(found->file, sizeof found->file, "%s", file);
    snprintf(found->problem, sizeof found->problem, "%s", problem);
    found->offset = offset;
}

static void count_bytes(void *context, uint64_t bytes)
{
    ((struct found *)context)->bytes += bytes;
}

static struct found verify(struct vfs *vfs)
{
    lode_error error = {0};
    struct found found = {0};
    struct verify how = {.vfs = vfs,
                         .dir = "c",
                         .collection_uid = 77,
                         .report = keep,
                         .progress = count_bytes,
                         .context = &found};
    lode_status status = verify_collection(&how, &error);
    assert_int_equal(status, found.count ? LODE_CORRUPT : LODE_OK);
    return found;
}

/* --- A collection ------------------------------------------------------------------------------ */

static void add_log(struct vfs *vfs, const struct space *space, uint64_t number, uint64_t first,
                    int groups)
{
    lode_error error;
    struct wal *wal;
    assert_ok(wal_create((struct wal_file){vfs, "c", 77, number}, &wal, &error));
    for (int i = 0; i < groups; i++) {
        struct kit_op op = {(unsigned)(5000 + i), i};
        struct buf batch = kit_batch(space, &op, 1);
        struct wal_batch group = {batch.data, batch.size};
        assert_ok(wal_append(wal, first + (uint64_t)i, &group, 1, &error));
        assert_ok(wal_sync(wal, &error));
        buf_release(&batch);
    }
    wal_close(wal);
}

static struct sealed_entry add_segment(const struct store *store, uint64_t number,
                                       unsigned first_id)
{
    lode_error error;
    struct version *version = kit_version(&store->space, 1, MIB);
    struct kit_op ops[ROWS];
    for (unsigned i = 0; i < ROWS; i++)
        ops[i] = (struct kit_op){first_id + i, (int)i};
    kit_apply(&version, ops, ROWS);
    struct sealed_entry entry;
    uint32_t *map;
    assert_ok(sealed_write(store, number, &(struct sealed_source){version->views, 1, NULL, &map},
                           &entry, &error));
    free(map);
    version_unref(version);
    return entry;
}

static void add_graph(const struct store *store, struct sealed_entry *entry)
{
    lode_error error;
    struct index_work work = {0};
    struct segment *segment;
    assert_ok(sealed_open(store, entry, &segment, &error));
    assert_ok(sealed_build_graph(store, segment, entry->row_count, &work, &error));
    segment_unref(segment);
    entry->has_graph = 1;
}

static void kill_some(const struct store *store, struct sealed_entry *entry, uint64_t generation,
                      uint32_t from, uint32_t to)
{
    lode_error error;
    struct liveset *live = liveset_new(entry->row_count);
    for (uint32_t row = from; row < to; row++)
        bitset_unset(live->words, row);
    entry->live_count = entry->row_count - (to - from);
    entry->del_generation = generation;
    assert_ok(sealed_write_live(store, entry->number, generation, live, entry->row_count, &error));
    liveset_unref(live);
}

static void add_model(struct vfs *vfs)
{
    lode_error error;
    struct frame_writer *writer;
    assert_ok(frame_create(vfs, "c/text-model-1", (struct frame_id){FRAME_TEXT_MODEL, 77, 1},
                           &writer, &error));
    assert_ok(frame_section(writer, 1, &error));
    assert_ok(frame_write(writer, "words", 5, &error));
    assert_ok(frame_finish(writer, &error));
}

/* Segment 2 holds ids 0..299 without a graph, 4 holds 1200..1499 with one, and 100 dead; logs 5 to 7. */
static void build(const struct store *store, struct sealed_entry entries[2],
                  struct manifest *manifest)
{
    lode_error error;
    entries[0] = add_segment(store, 2, 0);
    entries[1] = add_segment(store, 4, 1200);
    add_graph(store, &entries[1]);
    kill_some(store, &entries[1], 3, 100, 200);
    add_model(store->vfs);
    add_log(store->vfs, &store->space, 4, 1, 3); /* dead */
    add_log(store->vfs, &store->space, 5, 11, 3);
    add_log(store->vfs, &store->space, 6, 14, 0);
    add_log(store->vfs, &store->space, 7, 14, 2);
    *manifest = (struct manifest){.collection_uid = 77,
                                  .generation = 3,
                                  .flushed_sequence = 10,
                                  .seen_sequence = 10,
                                  .wal_first = 5,
                                  .next_number = 8,
                                  .text_model_version = 1,
                                  .schema = {.dim = DIM, .m = 8, .ef_construction = 40, .seed = 1},
                                  .entries = entries,
                                  .entry_count = 2};
    assert_ok(manifest_commit(store->vfs, "c", manifest, &error));
}

struct fixture {
    struct vfs *vfs;
    struct store store;
    struct sealed_entry entries[2];
    struct manifest manifest;
};

static int setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->vfs = vfs_memory_new();
    fixture->store = kit_store(fixture->vfs, DIM);
    build(&fixture->store, fixture->entries, &fixture->manifest);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    vfs_memory_free(fixture->vfs);
    free(fixture);
    return 0;
}

/* --- Tests ------------------------------------------------------------------------------------- */

static void a_sound_collection_is_silent(void **state)
{
    lode_error error;
    struct fixture *fixture = *state;
    uint64_t bytes;
    struct found found = verify(fixture->vfs);
    if (found.count)
        print_error("%s at %llu: %s\n", found.file, (unsigned long long)found.offset,
                    found.problem);
    assert_int_equal(found.count, 0);
    assert_ok(verify_bytes(fixture->vfs, "c", &bytes, &error));
    assert_int_equal(found.bytes, bytes);
}

static const char *const framed[] = {"manifest-3",    "seg-2.vectors", "seg-2.ids",  "seg-2.docs",
                                     "seg-4.vectors", "seg-4.ids",     "seg-4.docs", "seg-4.graph",
                                     "seg-4.del-3",   "text-model-1"};

static void every_flipped_bit_is_named(void **state)
{
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof framed / sizeof framed[0]; i++) {
        char path[80];
        size_t size;
        snprintf(path, sizeof path, "c/%s", framed[i]);
        uint8_t *data = kit_read(fixture->vfs, path, &size);
        uint64_t footer = le_load_u64(data + size - 40);
        free(data);
        for (uint64_t bit = 0; bit < size * 8; bit += 8 * (1 + size / 150) + 1) {
            kit_flip(fixture->vfs, path, bit);
            struct found found = verify(fixture->vfs);
            assert_true(found.count >= 1);
            assert_string_equal(found.file, framed[i]);
            /* In the block of the bit, or in header or footer where it stands. */
            assert_true(found.offset <= bit / 8);
            assert_true(bit / 8 < 64 || (bit / 8 < footer ? found.offset == bit / 8 / 65536 * 65536
                                                          : found.offset >= footer));
            kit_flip(fixture->vfs, path, bit);
        }
    }
}

static void flipped_bits_of_logs_are_named(void **state)
{
    struct fixture *fixture = *state;
    size_t size;
    uint8_t *data = kit_read(fixture->vfs, "c/wal-5.log", &size);
    uint64_t begins[] = {64, 0, 0, size};
    for (int i = 1; i < 3; i++) /* header, payload, zeros up to 8 */
        begins[i] = begins[i - 1] + (40 + le_load_u64(data + begins[i - 1] + 16) + 7) / 8 * 8;
    free(data);
    for (uint64_t bit = 0; bit < size * 8; bit++) {
        kit_flip(fixture->vfs, "c/wal-5.log", bit);
        struct found found = verify(fixture->vfs);
        assert_true(found.count >= 1);
        assert_string_equal(found.file, "wal-5.log");
        uint64_t wanted = 0;
        for (int i = 0; i < 3; i++)
            wanted = bit / 8 >= begins[i] ? begins[i] : wanted;
        assert_int_equal(found.offset, wanted);
        kit_flip(fixture->vfs, "c/wal-5.log", bit);
    }
    kit_flip(fixture->vfs, "c/wal-7.log", 70 * 8);
    struct found found = verify(fixture->vfs);
    assert_string_equal(found.file, "wal-7.log");
    assert_int_equal(found.offset, 64);
    kit_flip(fixture->vfs, "c/wal-7.log", 70 * 8);
    kit_flip(fixture->vfs, "c/wal-4.log", 70 * 8); /* of no use but to go back in time */
    found = verify(fixture->vfs);
    assert_string_equal(found.file, "wal-4.log");
    assert_int_equal(found.offset, 64);
}

static void missing_files_are_named(void **state)
{
    lode_error error;
    struct fixture *fixture = *state;
    for (size_t i = 0; i < sizeof framed / sizeof framed[0]; i++) {
        char path[80];
        snprintf(path, sizeof path, "c/%s", framed[i]);
        assert_ok(vfs_rename(fixture->vfs, path, "c/away", &error));
        struct found found = verify(fixture->vfs);
        assert_int_equal(found.count, 1);
        assert_string_equal(found.file, i == 0 ? "manifest-1" : framed[i]);
        assert_ok(vfs_rename(fixture->vfs, "c/away", path, &error));
    }
    assert_ok(vfs_remove(fixture->vfs, "c/wal-5.log", &error));
    struct found found = verify(fixture->vfs);
    assert_string_equal(found.file, "wal-7.log");
    assert_non_null(strstr(found.problem, "batch 11"));
}

static int unreadable(void *context, const char *operation, const char *path)
{
    return strcmp(operation, "read") == 0 && strstr(path, context) ? EIO : 0;
}

/* A sector that cannot be read is a finding; the rest is checked all the same. */
static void unreadable_files_are_named(void **state)
{
    struct fixture *fixture = *state;
    kit_flip(fixture->vfs, "c/text-model-1", 70 * 8);
    for (size_t i = 1; i + 1 < sizeof framed / sizeof framed[0]; i++) {
        vfs_memory_set_fault(fixture->vfs, unreadable, (void *)(uintptr_t)framed[i]);
        struct found found = verify(fixture->vfs);
        vfs_memory_set_fault(fixture->vfs, NULL, NULL);
        assert_true(found.count >= 2);
        assert_string_equal(found.file, framed[i]);
    }
    vfs_memory_set_fault(fixture->vfs, unreadable, (void *)(uintptr_t) "wal-5.log");
    struct found found = verify(fixture->vfs);
    vfs_memory_set_fault(fixture->vfs, NULL, NULL);
    assert_string_equal(found.file, "wal-5.log");
}

/* Change the manifest's view of things: files are sound, but do not agree. */
static struct found verify_changed(struct fixture *fixture)
{
    lode_error error;
    fixture->manifest.generation++;
    for (int i = 0; i < 2; i++) /* a commit removes live sets it does not know: write anew */
        if (fixture->entries[i].del_generation)
            kill_some(&fixture->store, &fixture->entries[i], fixture->entries[i].del_generation,
                      100, 200);
    assert_ok(manifest_commit(fixture->vfs, "c", &fixture->manifest, &error));
    return verify(fixture->vfs);
}

static void an_id_that_lives_twice(void **state)
{
    struct fixture *fixture = *state;
    struct sealed_entry again = add_segment(&fixture->store, 4, 250); /* ids 250..549 */
    again.has_graph = 0;
    fixture->entries[1] = again;
    struct found found = verify_changed(fixture);
    assert_int_equal(found.count, 20); /* of 50: enough is enough */
    assert_string_equal(found.file, "seg-2.ids");
    assert_non_null(strstr(found.problem, "point 250 lives here and in segment 4"));
}

static void counts_that_disagree(void **state)
{
    lode_error error;
    struct fixture *fixture = *state;
    fixture->entries[0].row_count++;
    fixture->entries[0].live_count++;
    struct found found = verify_changed(fixture);
    assert_string_equal(found.file, "seg-2.ids");
    fixture->entries[0].row_count--;
    fixture->entries[0].live_count--;
    fixture->manifest.generation++;
    fixture->entries[1].live_count++;
    assert_ok(manifest_commit(fixture->vfs, "c", &fixture->manifest, &error));
    found = verify(fixture->vfs);
    assert_string_equal(found.file, "seg-4.del-3");
}

/* Contents that make no sense under checksums that are right. */
static void rewrite(struct vfs *vfs, const char *path, uint64_t offset, const void *bytes,
                    size_t size)
{
    size_t file_size;
    uint8_t *data = kit_read(vfs, path, &file_size);
    memcpy(data + offset, bytes, size);
    uint64_t footer = le_load_u64(data + file_size - 40);
    uint32_t sections = le_load_u32(data + file_size - 24);
    assert_true(footer < 65536);
    le_store_u64(data + footer + sections * 24, checksum64(data, footer));
    le_store_u64(data + file_size - 8, checksum64(data + footer, file_size - footer - 8));
    kit_write(vfs, path, data, file_size);
    free(data);
}

static void contents_that_make_no_sense(void **state)
{
    struct fixture *fixture = *state;
    /* seg-2.docs: after header and info, the documents; {"v":1} of row 1 begins at its 12th byte. */
    size_t size;
    uint8_t *docs = kit_read(fixture->vfs, "c/seg-2.docs", &size);
    uint8_t *json = memmem(docs, size, "{\"v\":1}", 7);
    assert_non_null(json);
    uint64_t offset = (uint64_t)(json - docs);
    rewrite(fixture->vfs, "c/seg-2.docs", offset, "{\"v\":", 5);
    rewrite(fixture->vfs, "c/seg-2.docs", offset + 6, "!", 1);
    struct found found = verify(fixture->vfs);
    assert_string_equal(found.file, "seg-2.docs");
    assert_int_equal(found.offset, offset);
    assert_non_null(strstr(found.problem, "metadata of row 1"));
    free(docs);
    /* seg-2.ids: the kind of the first id */
    uint8_t *ids = kit_read(fixture->vfs, "c/seg-2.ids", &size);
    rewrite(fixture->vfs, "c/seg-2.ids", 64, "\x07", 1);
    found = verify(fixture->vfs);
    assert_string_equal(found.file, "seg-2.ids");
    assert_non_null(strstr(found.problem, "id of row 0"));
    free(ids);
}

static void one_frame_alone(void **state)
{
    lode_error error;
    struct fixture *fixture = *state;
    struct found found = {0};
    struct verify how = {
        .vfs = fixture->vfs, .dir = "c", .collection_uid = 77, .report = keep, .context = &found};
    assert_ok(verify_frame(&how, "text-model-1", FRAME_TEXT_MODEL, 1, &error));
    assert_status(verify_frame(&how, "text-model-1", FRAME_CATALOG, 1, &error), LODE_CORRUPT);
    assert_status(verify_frame(&how, "text-model-2", FRAME_TEXT_MODEL, 2, &error), LODE_CORRUPT);
    assert_int_equal(found.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_sound_collection_is_silent, setup, teardown),
        cmocka_unit_test_setup_teardown(every_flipped_bit_is_named, setup, teardown),
        cmocka_unit_test_setup_teardown(flipped_bits_of_logs_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(missing_files_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(unreadable_files_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(an_id_that_lives_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(counts_that_disagree, setup, teardown),
        cmocka_unit_test_setup_teardown(contents_that_make_no_sense, setup, teardown),
        cmocka_unit_test_setup_teardown(one_frame_alone, setup, teardown),
    };
    return cmocka_run_group_tests_name("storage/verify", tests, NULL, NULL);
}
