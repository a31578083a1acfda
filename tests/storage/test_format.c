/* The worked examples of docs/format/ are what the code writes, byte for byte: neither may change alone.
 *
 * With LODE_EXAMPLES=<directory> the files are written there instead, to be shown with hexdump -C. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/frame.h"
#include "storage/manifest.h"
#include "storage/requests.h"
#include "storage/snapshot_file.h"
#include "storage/wal.h"
#include "support/format_page.h"
#include "support/storage_kit.h"
#include "support/vfs_memory.h"

#define UID 0x1122334455667788u

static void compare(struct vfs *vfs, const char *path, const char *page)
{
    size_t size;
    uint8_t *data = kit_read(vfs, path, &size);
    format_page_compare(page, strrchr(path, '/') + 1, data, size);
    free(data);
}

/* --- The examples ------------------------------------------------------------------------------ */

static struct store example_store(struct vfs *vfs)
{
    struct store store = kit_store(vfs, 2);
    store.collection_uid = UID;
    return store;
}

/* Number 7 at (1, 2) with metadata, text id "b" at (3, 4) with metadata and text. */
static struct buf example_batch(const struct space *space)
{
    lode_error error;
    struct buf batch;
    static const float first[] = {1, 2}, second[] = {3, 4};
    lode_id b = {.kind = LODE_ID_STRING, .string = "b", .string_size = 1};
    uint8_t first_id[ID_BYTES_MAX], second_id[ID_BYTES_MAX];
    struct op points[2] = {{.kind = LODE_WRITE_UPSERT,
                            .id = first_id,
                            .id_size = kit_id(7, first_id),
                            .metadata = "{\"a\":1}",
                            .metadata_size = 7},
                           {.kind = LODE_WRITE_UPSERT,
                            .id = second_id,
                            .id_size = id_encode(&b, second_id),
                            .metadata = "{}",
                            .metadata_size = 2,
                            .text = "hi",
                            .text_size = 2}};
    buf_init(&batch, 4096);
    assert_ok(batch_begin(&batch, NULL, 0, &error));
    assert_ok(batch_upsert(&batch, space, &points[0], first, &error));
    assert_ok(batch_upsert(&batch, space, &points[1], second, &error));
    batch_end(&batch, 2);
    return batch;
}

static void segment_files(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = vfs_memory_new();
    struct store store = example_store(vfs);
    struct version *version = kit_version(&store.space, 3, 1 << 20);
    struct buf batch = example_batch(&store.space);
    struct sealed_entry entry;
    uint32_t *map;
    kit_apply_group(&version, &batch, 1, NULL);
    assert_ok(sealed_write(&store, 3, &(struct sealed_source){version->views, 1, NULL, &map},
                           &entry, &error));
    free(map);
    struct liveset *live = liveset_new(2);
    bitset_unset(live->words, 0);
    assert_ok(sealed_write_live(&store, 3, 9, live, 2, &error));
    liveset_unref(live);
    compare(vfs, "c/seg-3.vectors", "vectors.md");
    compare(vfs, "c/seg-3.ids", "ids.md");
    compare(vfs, "c/seg-3.docs", "docs.md");
    compare(vfs, "c/seg-3.columns", "columns.md");
    compare(vfs, "c/seg-3.del-9", "live.md");
    buf_release(&batch);
    version_unref(version);
    vfs_memory_free(vfs);
}

static void log_file(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = vfs_memory_new();
    struct store store = example_store(vfs);
    struct buf batch = example_batch(&store.space), delete;
    uint8_t id[ID_BYTES_MAX];
    struct op seven = {.kind = LODE_WRITE_DELETE, .id = id, .id_size = kit_id(7, id)};
    buf_init(&delete, 4096);
    assert_ok(batch_begin(&delete, (const uint8_t *)"r1", 2, &error));
    assert_ok(batch_op(&delete, &seven, 8, &error));
    batch_end(&delete, 1);
    batch_put_counts(&delete, &(struct batch_counts){.deleted = 1});
    struct wal *wal;
    struct wal_batch groups[] = {{batch.data, batch.size}, {delete.data, delete.size}};
    assert_ok(wal_create((struct wal_file){vfs, "c", UID, 3}, &wal, &error));
    assert_ok(wal_append(wal, 1, &groups[0], 1, &error));
    assert_ok(wal_sync(wal, &error));
    assert_ok(wal_append(wal, 2, &groups[1], 1, &error));
    assert_ok(wal_sync(wal, &error));
    wal_close(wal);
    compare(vfs, "c/wal-3.log", "wal.md");
    buf_release(&batch);
    buf_release(&delete);
    vfs_memory_free(vfs);
}

static void manifest_file(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = vfs_memory_new();
    (void)example_store(vfs);
    static const lode_field fields[] = {{"year", LODE_FIELD_INTEGER}};
    struct sealed_entry entry = {
        .number = 3, .row_count = 2, .live_count = 1, .del_generation = 9, .has_graph = 0};
    struct manifest manifest = {.collection_uid = UID,
                                .generation = 9,
                                .flushed_sequence = 2,
                                .seen_sequence = 3,
                                .wal_first = 4,
                                .next_number = 5,
                                .schema = {.dim = 2,
                                           .metric = LODE_METRIC_L2,
                                           .scalar = LODE_SCALAR_F32,
                                           .index = LODE_INDEX_HNSW,
                                           .m = 16,
                                           .ef_construction = 200,
                                           .seed = 42,
                                           .fields = fields,
                                           .field_count = 1},
                                .entries = &entry,
                                .entry_count = 1};
    struct requests requests = {0};
    struct batch_request request = {
        .id = (const uint8_t *)"r1", .id_size = 2, .counts = {.deleted = 1}};
    assert_ok(requests_reserve(&requests, &error));
    requests_add(&requests, &request, 2);
    buf_init(&manifest.requests, MANIFEST_REQUESTS_SIZE_MAX);
    assert_ok(requests_encode(&requests, 2, &manifest.requests, &error));
    assert_ok(manifest_commit(vfs, "c", &manifest, &error));
    compare(vfs, "c/manifest-9", "manifest.md");
    requests_release(&requests);
    buf_release(&manifest.requests);
    vfs_memory_free(vfs);
}

static void snapshot_file(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = vfs_memory_new();
    struct store store = example_store(vfs);
    struct sealed_entry entries[] = {{.number = 3, .row_count = 2, .live_count = 1, .has_graph = 1},
                                     {.number = 7, .row_count = 5, .live_count = 5}};
    struct saved_snapshot saved = {.number = 7,
                                   .name = "monday",
                                   .generation = 9,
                                   .sequence = 41,
                                   .point_count = 6,
                                   .created_us = 1772280000000000,
                                   .text_model_version = 1,
                                   .entries = entries,
                                   .entry_count = 2};
    struct liveset *live[2] = {liveset_new(2), NULL};
    int unknown;
    bitset_unset(live[0]->words, 0);
    assert_ok(snapshot_file_write(&store, &saved, live, &unknown, &error));
    liveset_unref(live[0]);
    compare(vfs, "c/snapshot-7", "snapshot.md");
    vfs_memory_free(vfs);
}

static void frame_file(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = vfs_memory_new();
    struct frame_writer *writer;
    (void)example_store(vfs);
    assert_ok(frame_create(vfs, "c/frame", (struct frame_id){FRAME_DOCS, UID, 3}, &writer, &error));
    assert_ok(frame_section(writer, 1, &error));
    assert_ok(frame_write(writer, "one", 3, &error));
    assert_ok(frame_section(writer, 2, &error));
    assert_ok(frame_write(writer, "two!", 4, &error));
    assert_ok(frame_finish(writer, &error));
    compare(vfs, "c/frame", "frame.md");
    vfs_memory_free(vfs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segment_files), cmocka_unit_test(log_file),
        cmocka_unit_test(manifest_file), cmocka_unit_test(snapshot_file),
        cmocka_unit_test(frame_file),
    };
    return cmocka_run_group_tests_name("storage/format", tests, NULL, NULL);
}
