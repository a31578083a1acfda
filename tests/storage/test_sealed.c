/* Sealed segments: written from others, opened, searched by id, damaged in every way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/limits.h"
#include "base/random.h"
#include "storage/frame.h"
#include "storage/id_table.h"
#include "support/storage_kit.h"
#include "support/vfs_memory.h"

enum { DIM = 4, MIB = 1 << 20 };

static const char *const parts[] = {"c/seg-5.vectors", "c/seg-5.ids", "c/seg-5.docs",
                                    "c/seg-5.graph", "c/seg-5.columns"};

/* A version of ids [2000, 2000 + count) with value = n, every fifth deleted again. */
static struct version *filled(const struct store *store, unsigned count)
{
    struct version *version = kit_version(&store->space, 1, 64 * MIB);
    struct kit_op *ops = calloc(count, sizeof *ops);
    for (unsigned i = 0; i < count; i++)
        ops[i] = (struct kit_op){i % 3 * 1000000 + 2000 + i, (int)i};
    kit_apply(&version, ops, count);
    unsigned dead = 0;
    for (unsigned i = 0; i < count; i += 5)
        ops[dead++] = (struct kit_op){i % 3 * 1000000 + 2000 + i, KIT_DELETE};
    kit_apply(&version, ops, dead);
    free(ops);
    return version;
}

static void check_filled(const struct segment_view *view, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        assert_int_equal(kit_view_value(view, i % 3 * 1000000 + 2000 + i),
                         i % 5 ? (int)i : KIT_DELETE);
    assert_int_equal(kit_view_value(view, 1), KIT_DELETE);
}

static struct segment_view open_view(const struct store *store, const struct sealed_entry *entry)
{
    lode_error error;
    struct segment_view view = {.row_count = entry->row_count, .live_count = entry->live_count};
    assert_ok(sealed_open(store, entry, &view.segment, &error));
    assert_ok(sealed_read_live(store, entry, &view.live, &error));
    return view;
}

static void close_view(struct segment_view *view)
{
    segment_unref(view->segment);
    liveset_unref(view->live);
}

static struct sealed_entry flush(const struct store *store, const struct version *version)
{
    lode_error error;
    struct sealed_entry entry;
    uint32_t *map;
    assert_ok(sealed_write(store, 5, &(struct sealed_source){version->views, 1, NULL, &map}, &entry,
                           &error));
    free(map);
    return entry;
}

static void a_flush_keeps_the_live_rows(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = vfs_memory_new();
    struct store store = kit_store(vfs, DIM);
    struct version *version = filled(&store, 1000);
    struct sealed_entry entry;
    uint32_t *map;
    assert_ok(sealed_write(&store, 5, &(struct sealed_source){version->views, 1, NULL, &map},
                           &entry, &error));
    assert_int_equal(entry.number, 5);
    assert_int_equal(entry.row_count, 800);
    assert_int_equal(entry.live_count, 800);
    assert_int_equal(entry.has_graph, 0);
    assert_int_equal(entry.del_generation, 0);
    uint32_t next = 0;
    for (uint32_t row = 0; row < version->views[0].row_count; row++)
        assert_int_equal(map[row], view_alive(&version->views[0], row) ? next++ : ROW_NONE);
    version_unref(version);
    struct segment_view view = open_view(&store, &entry);
    assert_null(view.live);
    check_filled(&view, 1000);
    uint64_t disk, memory, mapped, size = 0;
    view.segment->ops->sizes(view.segment, &disk, &memory, &mapped);
    for (int i = 0; i < 5; i++) {
        size_t part = 0;
        if (kit_exists(vfs, parts[i]))
            free(kit_read(vfs, parts[i], &part));
        size += part;
    }
    assert_int_equal(disk, size);
    close_view(&view);
    free(map);
    vfs_memory_free(vfs);
}

static void nothing_alive_writes_nothing(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    struct store store = kit_store(vfs, DIM);
    struct version *version = kit_version(&store.space, 1, MIB);
    assert_int_equal(flush(&store, version).row_count, 0);
    kit_apply(&version, (struct kit_op[]){{1, 1}, {1, KIT_DELETE}}, 2);
    assert_int_equal(flush(&store, version).row_count, 0);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(kit_exists(vfs, parts[i]), 0);
    version_unref(version);
    vfs_memory_free(vfs);
}

static void a_merge_joins_in_order(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = vfs_memory_new();
    struct store store = kit_store(vfs, DIM);
    struct version *first = filled(&store, 500);
    struct version *second = kit_version(&store.space, 2, MIB);
    kit_apply(&second, (struct kit_op[]){{1, 7}, {2, 8}, {1003, 9}}, 3);
    struct sealed_entry entry = flush(&store, first), merged;
    struct segment_view views[2] = {open_view(&store, &entry), second->views[0]};
    views[0].live = liveset_copy(NULL, views[0].row_count);
    bitset_unset(views[0].live->words, 3);
    views[0].live_count--;
    uint32_t *maps[2];
    _Atomic uint64_t done = 0;
    struct index_work work = {.done = &done};
    assert_ok(
        sealed_write(&store, 6, &(struct sealed_source){views, 2, &work, maps}, &merged, &error));
    assert_int_equal(merged.row_count, 402);
    assert_int_equal(done, 402);
    assert_int_equal(maps[0][2], 2);
    assert_int_equal(maps[0][3], ROW_NONE);
    assert_int_equal(maps[0][4], 3);
    assert_int_equal(maps[1][0], 399);
    struct segment_view view = open_view(&store, &merged);
    for (unsigned i = 0; i < 500; i++)
        if (i % 5 && i != 4) /* row 3 was that of i == 4 */
            assert_int_equal(kit_view_value(&view, i % 3 * 1000000 + 2000 + i), (int)i);
    assert_int_equal(kit_view_value(&view, 4 % 3 * 1000000 + 2004), KIT_DELETE);
    assert_int_equal(kit_view_value(&view, 1), 7);
    assert_int_equal(kit_view_value(&view, 1003), 9);
    close_view(&view);
    close_view(&views[0]);
    free(maps[0]);
    free(maps[1]);
    version_unref(first);
    version_unref(second);
    vfs_memory_free(vfs);
}

/* --- Graphs ------------------------------------------------------------------------------------ */

static struct version *all_alive(const struct store *store, unsigned count)
{
    struct version *version = kit_version(&store->space, 1, 64 * MIB);
    struct kit_op *ops = calloc(count, sizeof *ops);
    for (unsigned i = 0; i < count; i++)
        ops[i] = (struct kit_op){2000 + i, (int)i};
    kit_apply(&version, ops, count);
    free(ops);
    return version;
}

static void check_search(const struct segment_view *view)
{
    lode_error error;
    uint32_t covered;
    const struct index *index = view->segment->ops->index(view->segment, &covered);
    assert_non_null(index);
    assert_int_equal(covered, view->row_count);
    assert_ok(index->ops->check(index, &error));
    struct neighbor items[1];
    struct topk topk;
    struct index_counts counts = {0};
    topk_init(&topk, items, 1);
    struct index_query query = {.query = rows_at(&view->segment->rows, 77),
                                .ef = 50,
                                .row_limit = view->row_count,
                                .topk = &topk,
                                .counts = &counts};
    assert_ok(index->ops->search(index, &query, &error));
    assert_int_equal(items[0].row, 77);
}

static void the_overlay_becomes_the_graph(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = vfs_memory_new();
    struct store store = kit_store(vfs, DIM);
    struct version *version = all_alive(&store, OVERLAY_ROWS_MIN);
    assert_ok(growing_index_some(kit_growing(version), OVERLAY_ROWS_MIN, 4000, &error));
    assert_int_equal(flush(&store, version).has_graph, 0); /* not yet covered */
    assert_ok(growing_index_some(kit_growing(version), OVERLAY_ROWS_MIN, 4000, &error));
    struct sealed_entry entry = flush(&store, version);
    assert_int_equal(entry.has_graph, 1);
    struct segment_view view = open_view(&store, &entry);
    check_search(&view);
    close_view(&view);
    store.index = LODE_INDEX_FLAT;
    assert_int_equal(flush(&store, version).has_graph, 0);
    store.index = LODE_INDEX_HNSW;
    kit_apply(&version, (struct kit_op[]){{2000, KIT_DELETE}}, 1);
    assert_int_equal(flush(&store, version).has_graph, 0); /* rows get new numbers */
    version_unref(version);
    vfs_memory_free(vfs);
}

static void a_graph_is_built_afterwards(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = vfs_memory_new();
    struct store store = kit_store(vfs, DIM);
    struct version *version = all_alive(&store, 1000);
    struct sealed_entry entry = flush(&store, version);
    struct segment_view view = open_view(&store, &entry);
    uint32_t covered = 1;
    struct index_work work = {0};
    assert_null(view.segment->ops->index(view.segment, &covered));
    assert_int_equal(covered, 0);
    assert_ok(sealed_build_graph(&store, view.segment, view.row_count, &work, &error));
    close_view(&view);
    entry.has_graph = 1;
    view = open_view(&store, &entry);
    check_search(&view);
    close_view(&view);
    version_unref(version);
    vfs_memory_free(vfs);
}

/* Cancels once the graph's file is there: the build is over then, the writing is not. */
static int cancel_late(void *context, const char *operation, const char *path)
{
    _Atomic int *cancel = context;
    if (strcmp(operation, "open") == 0 && strstr(path, ".graph"))
        *cancel = 1;
    return 0;
}

static void writing_a_graph_is_cancelled(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = vfs_memory_new();
    struct store store = kit_store(vfs, DIM);
    struct version *version = all_alive(&store, 1000);
    struct sealed_entry entry = flush(&store, version);
    struct segment_view view = open_view(&store, &entry);
    struct cancel cancel = {.flag = 0};
    struct index_work work = {.cancel = &cancel};
    vfs_memory_set_fault(vfs, cancel_late, &cancel.flag);
    assert_status(sealed_build_graph(&store, view.segment, view.row_count, &work, &error),
                  LODE_CANCELLED);
    vfs_memory_set_fault(vfs, NULL, NULL);
    assert_int_equal(kit_exists(vfs, parts[3]), 0);
    close_view(&view);
    version_unref(version);
    vfs_memory_free(vfs);
}

/* --- Live sets --------------------------------------------------------------------------------- */

static void live_sets_come_back(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = vfs_memory_new();
    struct store store = kit_store(vfs, DIM);
    static const uint32_t sizes[] = {1, 63, 64, 65, 1000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct liveset *live = liveset_new(sizes[i] + 100), *back;
        for (uint32_t row = 0; row < sizes[i]; row += 3)
            bitset_unset(live->words, row);
        struct sealed_entry entry = {.number = 5, .row_count = sizes[i], .del_generation = 8};
        entry.live_count = (uint32_t)bitset_count(live->words, sizes[i]);
        assert_ok(sealed_write_live(&store, 5, 8, live, sizes[i], &error));
        assert_ok(sealed_read_live(&store, &entry, &back, &error));
        for (uint32_t row = 0; row < sizes[i]; row++)
            assert_int_equal(bitset_test(back->words, row), row % 3 != 0);
        liveset_unref(back);
        entry.live_count++;
        assert_status(sealed_read_live(&store, &entry, &back, &error), LODE_CORRUPT);
        entry.live_count--;
        entry.row_count++;
        assert_status(sealed_read_live(&store, &entry, &back, &error), LODE_CORRUPT);
        entry.row_count--;
        entry.del_generation = 7;
        assert_status(sealed_read_live(&store, &entry, &back, &error), LODE_CORRUPT); /* missing */
        entry.del_generation = 8;
        size_t size;
        free(kit_read(vfs, "c/seg-5.del-8", &size));
        for (uint64_t bit = 0; bit < size * 8; bit++) {
            kit_flip(vfs, "c/seg-5.del-8", bit);
            assert_status(sealed_read_live(&store, &entry, &back, &error), LODE_CORRUPT);
            assert_non_null(strstr(error.message, "seg-5.del-8"));
            kit_flip(vfs, "c/seg-5.del-8", bit);
        }
        liveset_unref(live);
    }
    vfs_memory_free(vfs);
}

/* --- Life of files ----------------------------------------------------------------------------- */

static void the_last_reader_removes_a_retired_segment(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    struct store store = kit_store(vfs, DIM);
    struct version *version = all_alive(&store, 10);
    struct sealed_entry entry = flush(&store, version);
    struct segment_view view = open_view(&store, &entry);
    close_view(&view);
    assert_int_equal(kit_exists(vfs, parts[0]), 1); /* not retired */
    view = open_view(&store, &entry);
    struct segment *reader = segment_ref(view.segment);
    sealed_retire(view.segment);
    close_view(&view);
    assert_int_equal(kit_exists(vfs, parts[0]), 1);
    segment_unref(reader);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(kit_exists(vfs, parts[i]), 0);
    version_unref(version);
    vfs_memory_free(vfs);
}

static void a_cancelled_write_leaves_nothing(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = vfs_memory_new();
    struct store store = kit_store(vfs, DIM);
    struct version *version = all_alive(&store, 10);
    struct cancel cancel = {.flag = 1};
    struct index_work work = {.cancel = &cancel};
    struct sealed_entry entry;
    uint32_t *map;
    assert_status(sealed_write(&store, 5, &(struct sealed_source){version->views, 1, &work, &map},
                               &entry, &error),
                  LODE_CANCELLED);
    assert_null(map);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(kit_exists(vfs, parts[i]), 0);
    version_unref(version);
    vfs_memory_free(vfs);
}

static int burn(void *context, const char *operation, const char *path)
{
    int *left = context;
    (void)path;
    if (strcmp(operation, "remove") == 0)
        return 0;
    return (*left)-- > 0 ? 0 : ENOSPC;
}

static void a_full_disk_leaves_nothing(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = vfs_memory_new();
    struct store store = kit_store(vfs, DIM);
    struct version *version = all_alive(&store, 10);
    for (int steps = 0;; steps++) {
        struct sealed_entry entry;
        uint32_t *map;
        int left = steps;
        error = (lode_error){0};
        vfs_memory_set_fault(vfs, burn, &left);
        lode_status status = sealed_write(
            &store, 5, &(struct sealed_source){version->views, 1, NULL, &map}, &entry, &error);
        vfs_memory_set_fault(vfs, NULL, NULL);
        for (size_t i = 0; i < 3; i++)
            assert_int_equal(kit_exists(vfs, parts[i]), status == LODE_OK);
        free(map);
        if (status == LODE_OK)
            break;
        assert_int_equal(status, LODE_FULL);
    }
    version_unref(version);
    vfs_memory_free(vfs);
}

/* --- Damage ------------------------------------------------------------------------------------ */

/* Use everything; whatever the files hold, nothing outside of them may be touched. */
static void use_all(const struct segment_view *view)
{
    lode_error error;
    struct document document;
    for (uint32_t row = 0; row < view->row_count; row++) {
        struct id_key id;
        uint32_t found;
        lode_status status =
            view->segment->ops->id(view->segment, row, &id.bytes, &id.size, &error);
        if (!status) {
            id.hash = id_hash(id.bytes, id.size);
            status = view->segment->ops->find(view, &id, &found, &error);
        }
        if (status)
            assert_int_equal(status, LODE_CORRUPT);
        status = view->segment->ops->document(view->segment, row, &document, &error);
        if (status)
            assert_int_equal(status, LODE_CORRUPT);
        else if (document.metadata_size)
            (void)id_hash((const uint8_t *)document.metadata, document.metadata_size);
        if (rows_touch(&view->segment->rows, row, 1, &error) == LODE_OK)
            (void)id_hash(rows_at(&view->segment->rows, row), view->segment->rows.stride);
    }
}

static void damage_is_survived_and_not_copied(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = vfs_memory_new();
    struct store store = kit_store(vfs, DIM);
    struct version *version = all_alive(&store, 20);
    struct sealed_entry entry = flush(&store, version), copied;
    for (size_t part = 0; part < 3; part++) {
        size_t size;
        free(kit_read(vfs, parts[part], &size));
        for (uint64_t byte = 0; byte < size; byte++) {
            struct segment *segment;
            kit_flip(vfs, parts[part], byte * 8 + byte % 8);
            error = (lode_error){0};
            lode_status status = sealed_open(&store, &entry, &segment, &error);
            if (status) {
                assert_int_equal(status, LODE_CORRUPT);
                assert_non_null(strstr(error.message, strrchr(parts[part], '/') + 1));
            } else {
                struct segment_view view = {.segment = segment, .row_count = 20, .live_count = 20};
                uint32_t *map;
                use_all(&view);
                assert_status(sealed_write(&store, 6, &(struct sealed_source){&view, 1, NULL, &map},
                                           &copied, &error),
                              LODE_CORRUPT);
                assert_non_null(strstr(error.message, strrchr(parts[part], '/') + 1));
                segment_unref(segment);
            }
            kit_flip(vfs, parts[part], byte * 8 + byte % 8);
        }
    }
    version_unref(version);
    vfs_memory_free(vfs);
}

static void missing_parts_and_wrong_counts(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = vfs_memory_new();
    struct store store = kit_store(vfs, DIM);
    struct version *version = all_alive(&store, 20);
    struct sealed_entry entry = flush(&store, version);
    struct segment *segment;
    entry.has_graph = 1;
    assert_status(sealed_open(&store, &entry, &segment, &error), LODE_CORRUPT);
    assert_non_null(strstr(error.message, "seg-5.graph is missing"));
    entry.has_graph = 0;
    entry.row_count = 21;
    assert_status(sealed_open(&store, &entry, &segment, &error), LODE_CORRUPT);
    entry.row_count = 20;
    space_init(&store.space, LODE_METRIC_IP, LODE_SCALAR_F32, DIM);
    assert_status(sealed_open(&store, &entry, &segment, &error), LODE_CORRUPT);
    space_init(&store.space, LODE_METRIC_L2, LODE_SCALAR_F32, DIM);
    for (size_t part = 0; part < 3; part++) {
        assert_ok(vfs_rename(vfs, parts[part], "c/away", &error));
        assert_status(sealed_open(&store, &entry, &segment, &error), LODE_CORRUPT);
        assert_non_null(strstr(error.message, "is missing"));
        assert_ok(vfs_rename(vfs, "c/away", parts[part], &error));
    }
    version_unref(version);
    vfs_memory_free(vfs);
}

/* --- The table of ids -------------------------------------------------------------------------- */

static void many_ids_are_found(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    struct store store = kit_store(vfs, 1);
    enum { COUNT = 9000 };
    struct version *version = kit_version(&store.space, 1, 64 * MIB);
    struct kit_op *ops = calloc(COUNT, sizeof *ops);
    for (unsigned i = 0; i < COUNT; i++) /* all kinds: offsets are needed */
        ops[i] = (struct kit_op){i, (int)i};
    kit_apply(&version, ops, COUNT);
    struct sealed_entry entry = flush(&store, version);
    struct segment_view view = open_view(&store, &entry);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(kit_view_value(&view, i), (int)i);
    for (unsigned i = COUNT; i < 3 * COUNT; i++)
        assert_int_equal(kit_view_value(&view, i), KIT_DELETE);
    close_view(&view);
    free(ops);
    version_unref(version);
    vfs_memory_free(vfs);
}

/* Offsets are 8 bytes when ids take 4 GiB: the same file, widened by hand. */
static void wide_offsets_are_read(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = vfs_memory_new();
    struct store store = kit_store(vfs, DIM);
    struct version *version = kit_version(&store.space, 1, MIB);
    kit_apply(&version, (struct kit_op[]){{1, 5}, {1001, 6}, {2001, 7}}, 3);
    struct sealed_entry entry = flush(&store, version);
    struct frame frame;
    struct frame_writer *writer;
    assert_ok(frame_open(vfs, parts[1], (struct frame_id){FRAME_IDS, 77, 5}, &frame, &error));
    assert_ok(frame_create(vfs, parts[1], (struct frame_id){FRAME_IDS, 77, 5}, &writer, &error));
    for (size_t i = 0; i < frame.section_count; i++) {
        const struct frame_section_view *section = &frame.sections[i];
        uint8_t wide[4 * 8], info[32];
        assert_ok(frame_section(writer, section->type, &error));
        if (section->type == 3) { /* offsets */
            assert_int_equal(section->size, 4 * 4);
            for (size_t n = 0; n < 4; n++)
                le_store_u64(wide + 8 * n, le_load_u32(section->data + 4 * n));
            assert_ok(frame_write(writer, wide, sizeof wide, &error));
        } else if (section->type == 1) { /* info */
            memcpy(info, section->data, sizeof info);
            le_store_u32(info + 8, 8);
            assert_ok(frame_write(writer, info, sizeof info, &error));
        } else {
            assert_ok(frame_write(writer, section->data, section->size, &error));
        }
    }
    assert_ok(frame_finish(writer, &error));
    frame_close(&frame);
    struct segment_view view = open_view(&store, &entry);
    assert_int_equal(kit_view_value(&view, 1), 5);
    assert_int_equal(kit_view_value(&view, 1001), 6);
    assert_int_equal(kit_view_value(&view, 2001), 7);
    close_view(&view);
    version_unref(version);
    vfs_memory_free(vfs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_flush_keeps_the_live_rows),
        cmocka_unit_test(nothing_alive_writes_nothing),
        cmocka_unit_test(a_merge_joins_in_order),
        cmocka_unit_test(the_overlay_becomes_the_graph),
        cmocka_unit_test(a_graph_is_built_afterwards),
        cmocka_unit_test(writing_a_graph_is_cancelled),
        cmocka_unit_test(live_sets_come_back),
        cmocka_unit_test(the_last_reader_removes_a_retired_segment),
        cmocka_unit_test(a_cancelled_write_leaves_nothing),
        cmocka_unit_test(a_full_disk_leaves_nothing),
        cmocka_unit_test(damage_is_survived_and_not_copied),
        cmocka_unit_test(missing_parts_and_wrong_counts),
        cmocka_unit_test(many_ids_are_found),
        cmocka_unit_test(wide_offsets_are_read),
    };
    return cmocka_run_group_tests_name("storage/sealed", tests, NULL, NULL);
}
