/* Frames: what is written is read; whatever is changed is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/le.h"
#include "base/random.h"
#include "storage/frame.h"
#include "support/storage_kit.h"
#include "support/vfs_memory.h"

#define PATH "f"
enum { UID = 9, NUMBER = 4 };

static uint8_t pattern(size_t i)
{
    return (uint8_t)random_mix(i);
}

/* Sections 1, 2, ... of the given sizes, written in odd pieces. */
static lode_status write_frame(struct vfs *vfs, const size_t *sizes, size_t count,
                               lode_error *error)
{
    struct frame_writer *writer;
    lode_status status =
        frame_create(vfs, PATH, (struct frame_id){FRAME_DOCS, UID, NUMBER}, &writer, error);
    if (status)
        return status;
    for (size_t i = 0; !status && i < count; i++) {
        status = frame_section(writer, (uint32_t)i + 1, error);
        uint8_t piece[7777];
        for (size_t at = 0; !status && at < sizes[i];) {
            size_t size = sizes[i] - at < sizeof piece ? sizes[i] - at : sizeof piece;
            for (size_t j = 0; j < size; j++)
                piece[j] = pattern(at + j);
            status = frame_write(writer, piece, size, error);
            at += size;
        }
    }
    if (!status)
        return frame_finish(writer, error);
    frame_abandon(writer);
    return status;
}

static lode_status open_it(struct vfs *vfs, struct frame *frame, lode_error *error)
{
    return frame_open(vfs, PATH, (struct frame_id){FRAME_DOCS, UID, NUMBER}, frame, error);
}

static void sections_come_back(void **state)
{
    (void)state;
    lode_error error;
    static const size_t sizes[] = {0, 1, 63, 64, 3000000, 65536, 5};
    enum { COUNT = sizeof sizes / sizeof sizes[0] };
    struct vfs *vfs = vfs_memory_new();
    struct frame frame;
    assert_ok(write_frame(vfs, sizes, COUNT, &error));
    assert_ok(open_it(vfs, &frame, &error));
    assert_ok(frame_check(&frame, &error));
    assert_int_equal(frame.section_count, COUNT);
    assert_int_equal(frame.collection_uid, UID);
    for (size_t i = 0; i < COUNT; i++) {
        const struct frame_section_view *section = frame_find(&frame, (uint32_t)i + 1);
        assert_non_null(section);
        assert_int_equal(section->size, sizes[i]);
        assert_int_equal((size_t)(section->data - frame.data) % 64, 0);
        for (size_t j = 0; j < sizes[i]; j++)
            if (section->data[j] != pattern(j))
                fail();
    }
    assert_null(frame_find(&frame, COUNT + 1));
    frame_close(&frame);
    vfs_memory_free(vfs);
}

/* Open and check; *ret_offset is where a block is bad. */
static lode_status find_damage(struct vfs *vfs, uint64_t *ret_offset)
{
    lode_error error = {0};
    struct frame frame;
    *ret_offset = UINT64_MAX;
    lode_status status = open_it(vfs, &frame, &error);
    if (status)
        return status;
    uint64_t offset = 0;
    status = frame_bad_block(&frame, &offset, &error);
    if (status)
        *ret_offset = offset;
    frame_close(&frame);
    return status;
}

static void every_flipped_bit_is_found(void **state)
{
    (void)state;
    lode_error error;
    static const size_t sizes[] = {10, 100};
    struct vfs *vfs = vfs_memory_new();
    assert_ok(write_frame(vfs, sizes, 2, &error));
    size_t size;
    uint64_t offset;
    free(kit_read(vfs, PATH, &size));
    for (uint64_t bit = 0; bit < size * 8; bit++) {
        kit_flip(vfs, PATH, bit);
        assert_int_equal(find_damage(vfs, &offset), LODE_CORRUPT);
        kit_flip(vfs, PATH, bit);
    }
    assert_int_equal(find_damage(vfs, &offset), LODE_OK);
    vfs_memory_free(vfs);
}

static void the_damaged_block_is_named(void **state)
{
    (void)state;
    lode_error error;
    static const size_t sizes[] = {1, 300000};
    struct vfs *vfs = vfs_memory_new();
    assert_ok(write_frame(vfs, sizes, 2, &error));
    uint64_t offset;
    for (uint64_t at = 128; at < 300000; at += 9999) {
        kit_flip(vfs, PATH, at * 8);
        assert_int_equal(find_damage(vfs, &offset), LODE_CORRUPT);
        assert_int_equal(offset, at / 65536 * 65536);
        kit_flip(vfs, PATH, at * 8);
    }
    vfs_memory_free(vfs);
}

static void every_cut_is_found(void **state)
{
    (void)state;
    lode_error error;
    static const size_t sizes[] = {10, 100};
    struct vfs *vfs = vfs_memory_new();
    assert_ok(write_frame(vfs, sizes, 2, &error));
    size_t size;
    uint64_t offset;
    uint8_t *data = kit_read(vfs, PATH, &size);
    for (size_t cut = 0; cut < size; cut++) {
        kit_write(vfs, PATH, data, cut);
        assert_int_equal(find_damage(vfs, &offset), LODE_CORRUPT);
    }
    free(data);
    vfs_memory_free(vfs);
}

/* Anything at all, with checksums that are right, so that what stands behind them is reached. */
static void any_footer_is_read_safely(void **state)
{
    (void)state;
    lode_error error;
    static const size_t sizes[] = {10, 100};
    struct vfs *vfs = vfs_memory_new();
    struct rng rng;
    rng_init(&rng, 1);
    assert_ok(write_frame(vfs, sizes, 2, &error));
    size_t size;
    uint8_t *data = kit_read(vfs, PATH, &size), *copy = malloc(size);
    uint64_t footer = le_load_u64(data + size - 40);
    for (int i = 0; i < 3000; i++) {
        memcpy(copy, data, size);
        for (int n = 0; n < 3; n++)
            copy[footer + rng_below(&rng, (uint32_t)(size - footer - 8))] = (uint8_t)rng_u64(&rng);
        le_store_u64(copy + size - 8, checksum64(copy + footer, size - footer - 8));
        kit_write(vfs, PATH, copy, size);
        struct frame frame;
        error = (lode_error){0};
        lode_status status = open_it(vfs, &frame, &error);
        if (status) {
            assert_int_equal(status, LODE_CORRUPT);
            continue;
        }
        for (size_t s = 0; s < frame.section_count; s++)
            (void)checksum64(frame.sections[s].data, frame.sections[s].size);
        status = frame_check(&frame, &error);
        frame_close(&frame);
    }
    free(data);
    free(copy);
    vfs_memory_free(vfs);
}

static void another_files_frame_is_refused(void **state)
{
    (void)state;
    lode_error error;
    static const size_t sizes[] = {1};
    struct vfs *vfs = vfs_memory_new();
    struct frame frame;
    assert_ok(write_frame(vfs, sizes, 1, &error));
    assert_status(frame_open(vfs, PATH, (struct frame_id){FRAME_IDS, UID, NUMBER}, &frame, &error),
                  LODE_CORRUPT);
    assert_status(
        frame_open(vfs, PATH, (struct frame_id){FRAME_DOCS, UID + 1, NUMBER}, &frame, &error),
        LODE_CORRUPT);
    assert_status(
        frame_open(vfs, PATH, (struct frame_id){FRAME_DOCS, UID, NUMBER + 1}, &frame, &error),
        LODE_CORRUPT);
    assert_status(frame_open(vfs, "g", (struct frame_id){FRAME_DOCS, UID, NUMBER}, &frame, &error),
                  LODE_NOT_FOUND);
    assert_ok(frame_open(vfs, PATH, (struct frame_id){FRAME_DOCS, 0, NUMBER}, &frame, &error));
    frame_close(&frame);
    vfs_memory_free(vfs);
}

static void a_newer_format_is_named_so(void **state)
{
    (void)state;
    lode_error error;
    static const size_t sizes[] = {1};
    struct vfs *vfs = vfs_memory_new();
    struct frame frame;
    size_t size;
    assert_ok(write_frame(vfs, sizes, 1, &error));
    uint8_t *data = kit_read(vfs, PATH, &size);
    le_store_u32(data + 8, 2);
    le_store_u64(data + 56, checksum64(data, 56));
    kit_write(vfs, PATH, data, size);
    assert_status(open_it(vfs, &frame, &error), LODE_VERSION);
    free(data);
    vfs_memory_free(vfs);
}

/* Whoever took it for damage would repair it, and lose what the older Lode reads. */
static void a_format_from_before_is_named_so(void **state)
{
    (void)state;
    static const enum frame_kind kinds[] = {FRAME_CATALOG, FRAME_MANIFEST};
    for (size_t i = 0; i < 2; i++) {
        lode_error error;
        struct frame frame;
        struct frame_writer *writer;
        size_t size;
        struct vfs *vfs = vfs_memory_new();
        const struct frame_id id = {kinds[i], UID, NUMBER};
        assert_ok(frame_create(vfs, PATH, id, &writer, &error));
        assert_ok(frame_finish(writer, &error));
        assert_ok(frame_open(vfs, PATH, id, &frame, &error));
        frame_close(&frame);
        uint8_t *data = kit_read(vfs, PATH, &size);
        le_store_u32(data + 8, 1);
        le_store_u64(data + 56, checksum64(data, 56));
        kit_write(vfs, PATH, data, size);
        assert_status(frame_open(vfs, PATH, id, &frame, &error), LODE_VERSION);
        free(data);
        vfs_memory_free(vfs);
    }
}

static void a_name_gets_a_new_file(void **state)
{
    (void)state;
    lode_error error;
    static const size_t sizes[] = {1};
    struct vfs *vfs = vfs_memory_new();
    uint64_t offset;
    kit_write(vfs, PATH, "older", 5);
    assert_ok(vfs_link(vfs, PATH, "second-name", &error));
    assert_ok(write_frame(vfs, sizes, 1, &error));
    assert_int_equal(find_damage(vfs, &offset), LODE_OK);
    size_t size;
    uint8_t *data = kit_read(vfs, "second-name", &size);
    assert_int_equal(size, 5);
    assert_memory_equal(data, "older", 5);
    free(data);
    vfs_memory_free(vfs);
}

struct fuse { /* fails the operation `left` operations from now, and all after it */
    int left;
    int os_errno;
};

static int burn(void *context, const char *operation, const char *path)
{
    struct fuse *fuse = context;
    (void)path;
    /* A real disk that is full still lets a file be removed. */
    if (strcmp(operation, "remove") == 0)
        return 0;
    return fuse->left-- > 0 ? 0 : fuse->os_errno;
}

static void a_full_disk_leaves_no_file(void **state)
{
    (void)state;
    lode_error error;
    static const size_t sizes[] = {10, 3000000};
    for (int left = 0;; left++) {
        struct vfs *vfs = vfs_memory_new();
        struct fuse fuse = {left, ENOSPC};
        vfs_memory_set_fault(vfs, burn, &fuse);
        error = (lode_error){0};
        lode_status status = write_frame(vfs, sizes, 2, &error);
        vfs_memory_set_fault(vfs, NULL, NULL);
        assert_int_equal(kit_exists(vfs, PATH), status == LODE_OK);
        vfs_memory_free(vfs);
        if (status == LODE_OK)
            break;
        assert_int_equal(status, LODE_FULL);
        assert_int_equal(error.os_errno, ENOSPC);
    }
}

static void what_was_finished_survives(void **state)
{
    (void)state;
    lode_error error;
    static const size_t sizes[] = {10, 200000};
    struct vfs *vfs = vfs_memory_new();
    uint64_t offset;
    assert_ok(vfs_make_dir(vfs, "d", &error));
    assert_ok(vfs_dir_sync(vfs, ".", &error));
    assert_ok(write_frame(vfs, sizes, 2, &error));
    assert_ok(vfs_dir_sync(vfs, ".", &error));
    vfs_memory_crash(vfs);
    assert_int_equal(find_damage(vfs, &offset), LODE_OK);
    vfs_memory_free(vfs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_come_back),
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(the_damaged_block_is_named),
        cmocka_unit_test(every_cut_is_found),
        cmocka_unit_test(any_footer_is_read_safely),
        cmocka_unit_test(another_files_frame_is_refused),
        cmocka_unit_test(a_newer_format_is_named_so),
        cmocka_unit_test(a_format_from_before_is_named_so),
        cmocka_unit_test(a_name_gets_a_new_file),
        cmocka_unit_test(a_full_disk_leaves_no_file),
        cmocka_unit_test(what_was_finished_survives),
    };
    return cmocka_run_group_tests_name("storage/frame", tests, NULL, NULL);
}
