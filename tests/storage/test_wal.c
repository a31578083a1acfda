/* The log: groups are whole or absent, a torn tail is told from damage, a failed sync is final. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "storage/wal.h"
#include "support/storage_kit.h"
#include "support/vfs_memory.h"

enum { UID = 9, NUMBER = 3, HEADER = 64, GROUP_HEADER = 40 };
#define DIR  "d"
#define PATH "d/wal-3.log"

static struct vfs *new_dir(void)
{
    lode_error error;
    struct vfs *vfs = vfs_memory_new();
    assert_ok(vfs_make_dir(vfs, DIR, &error));
    assert_ok(vfs_dir_sync(vfs, ".", &error));
    return vfs;
}

static struct wal_file the_log(struct vfs *vfs)
{
    return (struct wal_file){vfs, DIR, UID, NUMBER};
}

static struct wal *new_wal(struct vfs *vfs)
{
    lode_error error;
    struct wal *wal;
    assert_ok(wal_create(the_log(vfs), &wal, &error));
    return wal;
}

/* The batch of a sequence: its number as text, repeated: sizes differ. */
static size_t batch_text(uint64_t sequence, char text[64])
{
    size_t size = 0;
    for (uint64_t i = 0; i <= sequence % 5; i++)
        size += (size_t)snprintf(text + size, 64 - size, "<%llu>", (unsigned long long)sequence);
    return size;
}

static lode_status append(struct wal *wal, uint64_t first, size_t count, lode_error *error)
{
    char texts[16][64];
    struct wal_batch batches[16];
    for (size_t i = 0; i < count; i++)
        batches[i] = (struct wal_batch){.data = (const uint8_t *)texts[i],
                                        .size = batch_text(first + i, texts[i])};
    return wal_append(wal, first, batches, count, error);
}

static void append_synced(struct wal *wal, uint64_t first, size_t count)
{
    lode_error error;
    assert_ok(append(wal, first, count, &error));
    assert_ok(wal_sync(wal, &error));
}

static lode_status expect_batch(void *context, uint64_t sequence, const uint8_t *data, size_t size,
                                lode_error *error)
{
    (void)error;
    uint64_t *last = context;
    char text[64];
    assert_int_equal(size, batch_text(sequence, text));
    assert_memory_equal(data, text, size);
    if (*last)
        assert_int_equal(sequence, *last + 1);
    *last = sequence;
    return LODE_OK;
}

static lode_status replay(struct vfs *vfs, int last_file, struct wal_found *found,
                          lode_error *error)
{
    uint64_t last = 0;
    struct wal_replay how = {.last_file = last_file, .batch = expect_batch, .context = &last};
    lode_status status = wal_replay(the_log(vfs), &how, found, error);
    if (!status)
        assert_int_equal(found->last_sequence, last);
    return status;
}

/* Three synced groups of batches 1-3, 4, 5-6; ends[i] is the size after group i. */
static void write_three(struct vfs *vfs, uint64_t ends[3])
{
    struct wal *wal = new_wal(vfs);
    append_synced(wal, 1, 3);
    ends[0] = wal_size(wal);
    append_synced(wal, 4, 1);
    ends[1] = wal_size(wal);
    append_synced(wal, 5, 2);
    ends[2] = wal_size(wal);
    wal_close(wal);
}

static void batches_come_back(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    uint64_t ends[3];
    struct wal_found found;
    write_three(vfs, ends);
    for (int last_file = 0; last_file < 2; last_file++) {
        assert_ok(replay(vfs, last_file, &found, &error));
        assert_int_equal(found.last_sequence, 6);
        assert_int_equal(found.valid_size, ends[2]);
        assert_int_equal(found.torn_size, 0);
    }
    vfs_memory_free(vfs);
}

static void an_empty_log_has_no_batch(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    struct wal *wal = new_wal(vfs);
    assert_int_equal(wal_number(wal), NUMBER);
    assert_int_equal(wal_size(wal), HEADER);
    struct wal_found found;
    assert_ok(replay(vfs, 0, &found, &error));
    assert_int_equal(found.last_sequence, 0);
    struct wal *second;
    assert_status(wal_create(the_log(vfs), &second, &error), LODE_EXISTS);
    wal_close(wal);
    vfs_memory_crash(vfs); /* it is durable with its name */
    assert_ok(replay(vfs, 0, &found, &error));
    vfs_memory_free(vfs);
}

static void only_what_was_synced_survives(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    struct wal *wal = new_wal(vfs);
    append_synced(wal, 1, 3);
    append_synced(wal, 4, 2);
    uint64_t size = wal_size(wal);
    assert_ok(append(wal, 6, 1, &error));
    vfs_memory_crash(vfs);
    wal_close(wal);
    struct wal_found found;
    assert_ok(replay(vfs, 1, &found, &error));
    assert_int_equal(found.last_sequence, 5);
    assert_int_equal(found.valid_size, size);
    vfs_memory_free(vfs);
}

/* The last group cut at every byte: it is absent, and nothing else is. */
static void a_cut_tail_is_torn(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    uint64_t ends[3];
    write_three(vfs, ends);
    size_t size;
    uint8_t *data = kit_read(vfs, PATH, &size);
    assert_int_equal(size, ends[2]);
    for (size_t cut = ends[1]; cut < size; cut++) {
        struct wal_found found;
        kit_write(vfs, PATH, data, cut);
        assert_ok(replay(vfs, 1, &found, &error));
        assert_int_equal(found.last_sequence, 4);
        assert_int_equal(found.valid_size, ends[1]);
        assert_int_equal(found.torn_size, cut - ends[1]);
        lode_status status = replay(vfs, 0, &found, &error);
        assert_int_equal(status, cut == ends[1] ? LODE_OK : LODE_CORRUPT);
    }
    free(data);
    vfs_memory_free(vfs);
}

/* Any bit of what a later group knows as synced is damage; of the last group it may be a torn tail,
 * since nothing tells that its sync came back. */
static void flipped_bits_are_damage_where_synced(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    uint64_t ends[3];
    write_three(vfs, ends);
    for (uint64_t bit = 0; bit < ends[2] * 8; bit++) {
        struct wal_found found;
        kit_flip(vfs, PATH, bit);
        error = (lode_error){0};
        lode_status status = replay(vfs, 1, &found, &error);
        if (bit < ends[1] * 8) {
            assert_int_equal(status, LODE_CORRUPT);
            assert_non_null(strstr(error.message, "wal-3.log"));
        } else {
            assert_int_equal(status, LODE_OK);
            assert_int_equal(found.last_sequence, 4);
            assert_int_equal(found.torn_size, ends[2] - ends[1]);
        }
        assert_status(replay(vfs, 0, &found, &error), LODE_CORRUPT);
        kit_flip(vfs, PATH, bit);
    }
    vfs_memory_free(vfs);
}

/* Unsynced writes reach the disk in any order: the second of two may, and not the first. */
static void a_hole_in_the_unsynced_tail_is_torn(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    struct wal *wal = new_wal(vfs);
    append_synced(wal, 1, 2);
    uint64_t synced = wal_size(wal);
    assert_ok(append(wal, 3, 1, &error));
    assert_ok(append(wal, 4, 1, &error));
    wal_close(wal);
    struct wal_found found;
    kit_flip(vfs, PATH, (synced + 50) * 8);
    assert_ok(replay(vfs, 1, &found, &error));
    assert_int_equal(found.last_sequence, 2);
    assert_int_equal(found.valid_size, synced);
    vfs_memory_free(vfs);
}

static void a_settled_log_is_whole(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    uint64_t ends[3];
    write_three(vfs, ends);
    kit_flip(vfs, PATH, ends[2] * 8 - 1);
    struct wal_found found;
    assert_ok(replay(vfs, 1, &found, &error));
    assert_ok(wal_settle(the_log(vfs), &found, &error));
    vfs_memory_crash(vfs);
    assert_ok(replay(vfs, 0, &found, &error));
    assert_int_equal(found.last_sequence, 4);
    assert_int_equal(found.torn_size, 0);
    vfs_memory_free(vfs);
}

/* A crash while the file was being created: no header, no batch. */
static void a_header_never_written_is_settled(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    struct wal_found found;
    wal_close(new_wal(vfs));
    size_t size;
    uint8_t *data = kit_read(vfs, PATH, &size);
    for (size_t cut = 0; cut < HEADER; cut++) {
        kit_write(vfs, PATH, data, cut);
        assert_status(replay(vfs, 0, &found, &error), LODE_CORRUPT);
        assert_ok(replay(vfs, 1, &found, &error));
        assert_int_equal(found.valid_size, 0);
        assert_ok(wal_settle(the_log(vfs), &found, &error));
        assert_ok(replay(vfs, 0, &found, &error));
        assert_int_equal(found.valid_size, HEADER);
    }
    free(data);
    vfs_memory_free(vfs);
}

static void another_files_log_is_refused(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    uint64_t ends[3];
    write_three(vfs, ends);
    uint64_t last = 0;
    struct wal_found found;
    struct wal_replay how = {.last_file = 1, .batch = expect_batch, .context = &last};
    assert_status(wal_replay((struct wal_file){vfs, DIR, UID + 1, NUMBER}, &how, &found, &error),
                  LODE_CORRUPT);
    assert_status(wal_replay((struct wal_file){vfs, DIR, UID, NUMBER + 1}, &how, &found, &error),
                  LODE_NOT_FOUND);
    assert_ok(vfs_rename(vfs, PATH, "d/wal-4.log", &error));
    assert_status(wal_replay((struct wal_file){vfs, DIR, UID, NUMBER + 1}, &how, &found, &error),
                  LODE_CORRUPT);
    vfs_memory_free(vfs);
}

/* A point's text may hold the bytes of a group, of this file even: it is not taken for one. */
static void stored_bytes_do_not_pass_for_a_group(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    uint64_t ends[3];
    write_three(vfs, ends);
    size_t size;
    uint8_t *data = kit_read(vfs, PATH, &size);
    assert_ok(wal_remove(vfs, DIR, NUMBER, &error));
    struct wal *wal = new_wal(vfs);
    struct wal_batch batch = {.data = data, .size = size};
    assert_ok(wal_append(wal, 1, &batch, 1, &error));
    assert_ok(wal_sync(wal, &error));
    wal_close(wal);
    kit_flip(vfs, PATH, (HEADER + 1) * 8); /* break it: whatever is inside must stay inside */
    struct wal_found found;
    assert_ok(replay(vfs, 1, &found, &error));
    assert_int_equal(found.last_sequence, 0);
    free(data);
    vfs_memory_free(vfs);
}

/* Cuts a byte off the log between somebody's look at its size and his reading. */
struct cutter {
    struct vfs *vfs;
    unsigned cuts, cuts_max;
    unsigned operations; /* of the reader */
    int is_cutting;
};

static void cut_back(void *context)
{
    struct cutter *cutter = context;
    lode_error error;
    struct vfs_file *file;
    uint64_t size;
    if (cutter->is_cutting || ++cutter->operations < 4 || cutter->operations % 2 ||
        cutter->cuts == cutter->cuts_max)
        return; /* he opens it, looks, and from then on looks and reads in turn */
    cutter->is_cutting = 1;
    assert_ok(vfs_open(cutter->vfs, PATH, VFS_WRITE, &file, &error));
    assert_ok(vfs_size(file, &size, &error));
    assert_ok(vfs_truncate(file, size - 1, &error));
    vfs_close(file);
    cutter->cuts++;
    cutter->is_cutting = 0;
}

static lode_status replay_while_cut(struct vfs *vfs, unsigned cuts_max, struct wal_found *found,
                                    lode_error *error)
{
    uint64_t last = 0;
    struct cutter cutter = {.vfs = vfs, .cuts_max = cuts_max};
    struct wal_replay how = {.last_file = 1, .in_use = 1, .batch = expect_batch, .context = &last};
    vfs_memory_set_hook(vfs, cut_back, &cutter);
    lode_status status = wal_replay(the_log(vfs), &how, found, error);
    vfs_memory_set_hook(vfs, NULL, NULL);
    assert_true(cutter.cuts > 0);
    return status;
}

/* A log whose writer goes on is read again when it is cut back meanwhile, and given up when that does not end. */
static void a_log_that_is_cut_back_is_read_again(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    struct vfs_file *file;
    uint64_t ends[3];
    uint8_t tail[200] = {0};
    struct wal_found found;
    write_three(vfs, ends);
    assert_ok(vfs_open(vfs, PATH, VFS_WRITE, &file, &error));
    assert_ok(vfs_write(file, ends[2], tail, sizeof tail, &error));
    vfs_close(file);
    assert_ok(replay_while_cut(vfs, 10, &found, &error));
    assert_int_equal(found.last_sequence, 6);
    assert_int_equal(found.valid_size, ends[2]);
    assert_int_equal(found.torn_size, sizeof tail - 10);
    assert_status(replay_while_cut(vfs, 100, &found, &error), LODE_CORRUPT);
    assert_non_null(strstr(error.message, "wal-3.log"));
    assert_ok(replay(vfs, 1, &found, &error));
    vfs_memory_free(vfs);
}

static lode_status refuse(void *context, uint64_t sequence, const uint8_t *data, size_t size,
                          lode_error *error)
{
    (void)context, (void)data, (void)size;
    return sequence == 4 ? error_set(error, LODE_NOMEM, "no room") : LODE_OK;
}

static void the_replay_ends_where_its_reader_does(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    uint64_t ends[3];
    write_three(vfs, ends);
    struct wal_found found;
    struct wal_replay how = {.last_file = 1, .batch = refuse};
    assert_status(wal_replay(the_log(vfs), &how, &found, &error), LODE_NOMEM);
    assert_non_null(strstr(error.message, "no room"));
    assert_non_null(strstr(error.message, "wal-3.log"));
    vfs_memory_free(vfs);
}

static void logs_are_listed_in_order(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    uint64_t *numbers;
    size_t count;
    assert_ok(wal_list(vfs, DIR, &numbers, &count, &error));
    assert_int_equal(count, 0);
    free(numbers);
    static const char *names[] = {"d/wal-10.log", "d/wal-9.log",  "d/wal-11.log", "d/wal-07.log",
                                  "d/wal-.log",   "d/wal-1.logs", "d/awal-1.log"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        kit_write(vfs, names[i], "", 0);
    assert_ok(wal_list(vfs, DIR, &numbers, &count, &error));
    assert_int_equal(count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(numbers[i], 9 + i);
    free(numbers);
    vfs_memory_free(vfs);
}

/* --- Failing disks ----------------------------------------------------------------------------- */

struct plan { /* the operations that fail, each for so many times */
    const char *operation[2];
    int os_errno;
};

static int fail_planned(void *context, const char *operation, const char *path)
{
    const struct plan *plan = context;
    (void)path;
    for (int i = 0; i < 2; i++)
        if (plan->operation[i] && strcmp(operation, plan->operation[i]) == 0)
            return plan->os_errno;
    return 0;
}

static void a_full_disk_passes(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    struct wal *wal = new_wal(vfs);
    append_synced(wal, 1, 1);
    uint64_t size = wal_size(wal);
    struct plan plan = {.operation = {"write"}, .os_errno = ENOSPC};
    vfs_memory_set_fault(vfs, fail_planned, &plan);
    assert_status(append(wal, 2, 1, &error), LODE_FULL);
    assert_int_equal(wal_size(wal), size);
    vfs_memory_set_fault(vfs, NULL, NULL);
    append_synced(wal, 2, 1); /* space is back */
    wal_close(wal);
    struct wal_found found;
    assert_ok(replay(vfs, 0, &found, &error));
    assert_int_equal(found.last_sequence, 2);
    vfs_memory_free(vfs);
}

static lode_status keep(struct wal *wal, uint64_t sequence, lode_error *error)
{
    char text[64];
    struct wal_batch batch = {.data = (const uint8_t *)text, .size = batch_text(sequence, text)};
    return wal_keep(wal, sequence, &batch, 1, error);
}

static uint64_t last_in_file(struct vfs *vfs)
{
    lode_error error;
    struct wal_found found;
    assert_ok(replay(vfs, 1, &found, &error));
    return found.last_sequence;
}

static void kept_groups_go_with_the_next(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    struct wal *wal = new_wal(vfs);
    append_synced(wal, 1, 1);
    assert_ok(keep(wal, 2, &error));
    assert_ok(keep(wal, 3, &error));
    uint64_t size = wal_size(wal);
    assert_int_equal(last_in_file(vfs), 1);
    struct plan plan = {.operation = {"write"}, .os_errno = ENOSPC};
    vfs_memory_set_fault(vfs, fail_planned, &plan);
    assert_status(append(wal, 4, 1, &error), LODE_FULL); /* those before it stay */
    vfs_memory_set_fault(vfs, NULL, NULL);
    assert_int_equal(wal_size(wal), size);
    assert_int_equal(last_in_file(vfs), 1);
    assert_ok(append(wal, 4, 2, &error));
    assert_int_equal(last_in_file(vfs), 5);
    assert_ok(keep(wal, 6, &error));
    assert_ok(wal_sync(wal, &error));
    vfs_memory_crash(vfs);
    wal_close(wal);
    assert_int_equal(last_in_file(vfs), 6);
    vfs_memory_free(vfs);
}

static void many_kept_groups_are_written(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    struct wal *wal = new_wal(vfs);
    uint8_t *data = calloc(1, WAL_KEPT_MAX / 3);
    struct wal_batch batch = {.data = data, .size = WAL_KEPT_MAX / 4};
    for (uint64_t sequence = 1; sequence <= 3; sequence++)
        assert_ok(wal_keep(wal, sequence, &batch, 1, &error));
    struct plan plan = {.operation = {"write"}, .os_errno = ENOSPC};
    vfs_memory_set_fault(vfs, fail_planned, &plan);
    uint64_t size = wal_size(wal);
    batch.size = WAL_KEPT_MAX / 3;
    assert_status(wal_keep(wal, 4, &batch, 1, &error), LODE_FULL);
    assert_int_equal(wal_size(wal), size);
    vfs_memory_set_fault(vfs, NULL, NULL);
    assert_ok(wal_keep(wal, 4, &batch, 1, &error));
    size_t in_file;
    free(kit_read(vfs, PATH, &in_file));
    assert_int_equal(in_file, wal_size(wal));
    free(data);
    wal_close(wal);
    vfs_memory_free(vfs);
}

static void what_cannot_be_cut_back_refuses(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    struct wal *wal = new_wal(vfs);
    struct plan plan = {.operation = {"write", "truncate"}, .os_errno = EIO};
    vfs_memory_set_fault(vfs, fail_planned, &plan);
    assert_status(append(wal, 1, 1, &error), LODE_IO);
    vfs_memory_set_fault(vfs, NULL, NULL);
    assert_status(append(wal, 1, 1, &error), LODE_READONLY);
    assert_status(wal_sync(wal, &error), LODE_READONLY);
    wal_close(wal);
    vfs_memory_free(vfs);
}

static void a_failed_sync_is_final(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    struct wal *wal = new_wal(vfs);
    append_synced(wal, 1, 1);
    assert_ok(append(wal, 2, 1, &error));
    struct plan plan = {.operation = {"sync"}, .os_errno = EIO};
    vfs_memory_set_fault(vfs, fail_planned, &plan);
    assert_status(wal_sync(wal, &error), LODE_IO);
    vfs_memory_set_fault(vfs, NULL, NULL);
    assert_status(wal_sync(wal, &error), LODE_READONLY);
    assert_status(append(wal, 2, 1, &error), LODE_READONLY);
    wal_close(wal);
    struct wal_found found; /* what was refused does not come back */
    assert_ok(replay(vfs, 1, &found, &error));
    assert_int_equal(found.last_sequence, 1);
    vfs_memory_free(vfs);
}

/* A group far larger than the space reserved at a time. */
static void large_groups(void **state)
{
    (void)state;
    lode_error error;
    struct vfs *vfs = new_dir();
    struct wal *wal = new_wal(vfs);
    size_t size = 20000001;
    uint8_t *data = malloc(size);
    for (size_t i = 0; i < size; i++)
        data[i] = (uint8_t)random_mix(i);
    struct wal_batch batches[2] = {{data, size}, {data, 0}};
    assert_ok(wal_append(wal, 1, batches, 2, &error));
    assert_ok(wal_sync(wal, &error));
    assert_true(wal_size(wal) > size);
    append_synced(wal, 3, 1);
    wal_close(wal);
    struct wal_found found;
    struct wal_replay how = {.batch = refuse}; /* fails at 4, so never */
    assert_ok(wal_replay(the_log(vfs), &how, &found, &error));
    assert_int_equal(found.last_sequence, 3);
    free(data);
    vfs_memory_free(vfs);
}

/* Fail one write after half of it. */
static int fail_late(void *context, const char *operation, const char *path)
{
    int *armed = context;
    (void)path;
    int fails = *armed && strcmp(operation, "write") == 0;
    *armed &= !fails;
    return fails ? -ENOSPC : 0;
}

/* Another log may follow, and then a torn tail would be damage. */
static void what_failed_is_cut_off_for_good(void **state)
{
    (void)state;
    lode_error error;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct vfs *vfs = new_dir();
        struct wal *wal = new_wal(vfs);
        struct wal_found found;
        int armed = 1;
        append_synced(wal, 1, 3);
        vfs_memory_set_fault(vfs, fail_late, &armed);
        assert_status(append(wal, 4, 12, &error), LODE_FULL);
        vfs_memory_crash_random(vfs, seed);
        assert_ok(replay(vfs, 0, &found, &error));
        assert_int_equal(found.last_sequence, 3);
        wal_close(wal);
        vfs_memory_free(vfs);
    }
}

/* Without a header it would be damage once another log follows. */
static void what_cannot_be_begun_is_gone_for_good(void **state)
{
    (void)state;
    lode_error error;
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct vfs *vfs = new_dir();
        struct wal *wal;
        int armed = 1;
        vfs_memory_set_fault(vfs, fail_late, &armed);
        assert_status(wal_create(the_log(vfs), &wal, &error), LODE_FULL);
        vfs_memory_crash_random(vfs, seed);
        assert_false(kit_exists(vfs, PATH));
        vfs_memory_free(vfs);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(batches_come_back),
        cmocka_unit_test(an_empty_log_has_no_batch),
        cmocka_unit_test(only_what_was_synced_survives),
        cmocka_unit_test(a_cut_tail_is_torn),
        cmocka_unit_test(flipped_bits_are_damage_where_synced),
        cmocka_unit_test(a_hole_in_the_unsynced_tail_is_torn),
        cmocka_unit_test(a_settled_log_is_whole),
        cmocka_unit_test(a_header_never_written_is_settled),
        cmocka_unit_test(another_files_log_is_refused),
        cmocka_unit_test(stored_bytes_do_not_pass_for_a_group),
        cmocka_unit_test(a_log_that_is_cut_back_is_read_again),
        cmocka_unit_test(the_replay_ends_where_its_reader_does),
        cmocka_unit_test(logs_are_listed_in_order),
        cmocka_unit_test(a_full_disk_passes),
        cmocka_unit_test(kept_groups_go_with_the_next),
        cmocka_unit_test(many_kept_groups_are_written),
        cmocka_unit_test(what_cannot_be_cut_back_refuses),
        cmocka_unit_test(a_failed_sync_is_final),
        cmocka_unit_test(what_failed_is_cut_off_for_good),
        cmocka_unit_test(what_cannot_be_begun_is_gone_for_good),
        cmocka_unit_test(large_groups),
    };
    return cmocka_run_group_tests_name("storage/wal", tests, NULL, NULL);
}
