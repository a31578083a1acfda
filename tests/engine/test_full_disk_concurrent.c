/* A disk that is really full (a small tmpfs): writes are refused and say why, reads go on, deletes and
 * compaction give space back, and everything goes on by itself once there is space. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/engine_kit.h"
#include "support/small_disk.h"
#include "support/temp_dir.h"

#define DIM       64
#define BATCH     50u
#define WAIT_US   20000u
#define WAITS_MAX 1500u /* 30 s, also under sanitizers */
#define DISK_MIB  32u
#define IDS_MAX   200000u

static lode_error error;
#define SEGMENT_BYTES ((uint64_t)1 << 20)
static lode_db_options options = {.growing_bytes_max = SEGMENT_BYTES};

struct disk {
    char path[PATH_SIZE_MAX];
    char db_path[PATH_SIZE_MAX + 8];
    lode_db *db;
    lode_collection *points;
};

static void open_db(struct disk *disk)
{
    assert_ok(lode_db_open(disk->db_path, &options, &disk->db, &error));
    disk->points = NULL;
}

static int disk_make(struct disk *disk)
{
    if (!small_disk_make(DISK_MIB, disk->path))
        return 0;
    snprintf(disk->db_path, sizeof disk->db_path, "%s/db", disk->path);
    open_db(disk);
    lode_schema schema = {.dim = DIM, .layout = LODE_LAYOUT_COMPACT};
    assert_ok(lode_collection_create(disk->db, "points", &schema, &disk->points, &error));
    return 1;
}

static void disk_close(struct disk *disk)
{
    lode_collection_close(disk->points);
    lode_db_close(disk->db);
}

static void disk_reopen(struct disk *disk)
{
    disk_close(disk);
    open_db(disk);
    assert_ok(lode_collection_open(disk->db, "points", &disk->points, &error));
}

/* Whether what is on the disk is sound, and then no more of it. */
static void disk_end(struct disk *disk)
{
    disk_close(disk);
    engine_verify(vfs_posix(), disk->db_path);
    small_disk_remove(disk->path);
}

static lode_status write_batch(lode_collection *points, uint64_t first, lode_error *why)
{
    static _Thread_local float vectors[BATCH][DIM];
    lode_point batch[BATCH];
    for (unsigned i = 0; i < BATCH; i++) {
        engine_vector((unsigned)(first + i), DIM, vectors[i]);
        batch[i] = (lode_point){.id = lode_id_number(first + i), .vector = vectors[i]};
    }
    return lode_upsert(points, batch, BATCH, NULL, why);
}

static lode_status delete_batch(lode_collection *points, uint64_t first, lode_error *why)
{
    lode_id ids[BATCH];
    for (unsigned i = 0; i < BATCH; i++)
        ids[i] = lode_id_number(first + i);
    return lode_delete(points, ids, BATCH, NULL, why);
}

static uint64_t point_count(lode_collection *points)
{
    lode_stats *stats;
    assert_ok(lode_stats_get(points, &stats, &error));
    uint64_t count = stats->points;
    lode_stats_free(stats);
    return count;
}

/* ret_why: the failure of background work that stands. A merge for which the small disk has no room may; what waits
 * for a flush may not. */
static int is_settled(lode_collection *points, lode_error *ret_why)
{
    lode_stats *stats;
    assert_ok(lode_stats_get(points, &stats, &error));
    *ret_why = stats->job_error;
    int settled = stats->job_error.status == LODE_OK || strstr(ret_why->message, "merging") ||
                  strstr(ret_why->message, "indexing");
    for (size_t i = 0; i < stats->segment_count; i++)
        settled &= stats->segments[i].state != LODE_SEGMENT_FLUSHING;
    lode_stats_free(stats);
    return settled;
}

/* Nothing is asked of the database but its figures. */
static void settles_by_itself(lode_collection *points)
{
    lode_error why = {0};
    for (unsigned i = 0; i < WAITS_MAX; i++) {
        if (is_settled(points, &why))
            return;
        usleep(WAIT_US);
    }
    fail_msg("background work does not go on by itself: %s", why.message);
}

/* A full segment cannot be written out, and the figures say why. */
static void stays_unsettled(lode_collection *points)
{
    lode_error why = {0};
    for (unsigned i = 0; i < WAITS_MAX && why.status == LODE_OK; i++) {
        (void)is_settled(points, &why);
        usleep(WAIT_US);
    }
    if (why.status != LODE_FULL)
        fail_msg("it was written out, or nobody tried: %s", why.message);
}

static void is_full_error(const lode_error *why)
{
    assert_int_equal(why->status, LODE_FULL);
    if (!strstr(why->message, "bytes"))
        fail_msg("it does not say what is needed: %s", why->message);
    if (!strstr(why->message, "/db"))
        fail_msg("it does not say where: %s", why->message);
}

/* --- Readers and writers while it is full ------------------------------------------------------- */

#define WRITERS 2u

struct work {
    lode_collection *points;
    uint64_t base; /* a writer's ids begin here */
    _Atomic int stop;
    _Atomic uint64_t
        limit; /* a writer waits there: how fast it is, the scheduler says, and the disk is small */
    _Atomic uint64_t reads, written, refused; /* relaxed: figures; batches of the writers */
    _Atomic int bad;
};

static void work_read(void *context)
{
    struct work *work = context;
    float query[DIM];
    engine_vector(3, DIM, query);
    lode_error why = {0};
    while (!atomic_load(&work->stop)) {
        lode_result *found = NULL;
        lode_search_request request = {.vector = query, .k = 5};
        lode_id id = lode_id_number(3);
        if (lode_search(work->points, &request, &found, &why) || found->hit_count != 5)
            atomic_store(&work->bad, 1);
        lode_result_free(found);
        found = NULL;
        if (lode_get(work->points, NULL, &id, 1, LODE_WITH_VECTOR, &found, &why) ||
            found->hit_count != 1)
            atomic_store(&work->bad, 1);
        lode_result_free(found);
        atomic_fetch_add(&work->reads, 1);
    }
}

static void work_write(void *context)
{
    struct work *work = context;
    while (!atomic_load(&work->stop)) {
        lode_error why = {0};
        uint64_t done = atomic_load(&work->written);
        usleep(WAIT_US / 10);
        if (done >= atomic_load(&work->limit))
            continue;
        lode_status status = write_batch(work->points, work->base + done * BATCH, &why);
        if (status == LODE_OK)
            atomic_fetch_add(&work->written, 1);
        else if (status == LODE_FULL)
            atomic_fetch_add(&work->refused, 1);
        else
            atomic_store(&work->bad, 1);
    }
}

static void let_write(struct work *works, uint64_t limit)
{
    for (unsigned i = 0; i < WRITERS; i++)
        atomic_store(&works[i].limit, limit);
}

static void wait_above(const _Atomic uint64_t *count, uint64_t above)
{
    for (unsigned i = 0; i < WAITS_MAX; i++) {
        if (atomic_load(count) > above)
            return;
        usleep(WAIT_US);
    }
    fail_msg("nothing happens");
}

/* What takes space is refused by every way in; nothing half done stays. */
static void everything_is_refused(struct disk *disk)
{
    char target[PATH_SIZE_MAX + 16];
    lode_schema schema = {.dim = 4};
    lode_collection *other = NULL;
    assert_int_equal(lode_collection_create(disk->db, "other", &schema, &other, &error), LODE_FULL);
    assert_int_equal(lode_snapshot_create(disk->points, "monday", &error), LODE_FULL);
    is_full_error(&error);
    snprintf(target, sizeof target, "%s/backups", disk->path);
    assert_int_equal(lode_backup(disk->db, target, NULL, NULL, &error), LODE_FULL);
}

/* The backup goes elsewhere: how much was written meanwhile is the scheduler's to say, and two copies of it need
 * not fit. */
static void nothing_is_refused(struct disk *disk)
{
    char target[PATH_SIZE_MAX];
    lode_schema schema = {.dim = 4};
    lode_collection *other = NULL;
    assert_ok(lode_collection_create(disk->db, "other", &schema, &other, &error));
    lode_collection_close(other);
    assert_ok(lode_snapshot_create(disk->points, "monday", &error));
    assert_ok(lode_snapshot_drop(disk->points, "monday", &error));
    temp_dir_make(target);
    assert_ok(lode_backup(disk->db, target, NULL, NULL, &error));
    temp_dir_remove(target);
}

static void full_and_free_again(void **state)
{
    struct disk disk;
    struct work works[WRITERS + 1] = {{0}};
    struct thread threads[WRITERS + 1];
    (void)state;
    if (!disk_make(&disk))
        skip();
    assert_ok(write_batch(disk.points, 0, &error));
    let_write(works, 100);
    for (unsigned i = 0; i <= WRITERS; i++) {
        works[i].points = disk.points;
        works[i].base = 1000 + i * (uint64_t)IDS_MAX;
        assert_int_equal(
            thread_start(&threads[i], "work", i < WRITERS ? work_write : work_read, &works[i]), 0);
    }
    struct work *reader = &works[WRITERS];
    wait_above(&works[0].written, 60);
    small_disk_fill(disk.path, 0);
    let_write(works, IDS_MAX / BATCH);
    wait_above(&works[0].refused, 3); /* the log may have had room for a while */
    uint64_t reads = atomic_load(&reader->reads);
    small_disk_fill(disk.path, 0); /* what a failed attempt gave back */
    everything_is_refused(&disk);
    wait_above(&reader->reads, reads + 20);
    uint64_t written[WRITERS];
    for (unsigned i = 0; i < WRITERS; i++) {
        written[i] = atomic_load(&works[i].written);
        atomic_store(&works[i].limit, written[i] + 50);
    }
    small_disk_empty(disk.path);
    for (unsigned i = 0; i < WRITERS; i++)
        wait_above(&works[i].written, written[i]);
    uint64_t sum = 1;
    for (unsigned i = 0; i <= WRITERS; i++) {
        atomic_store(&works[i].stop, 1);
        thread_join(&threads[i]);
        assert_false(atomic_load(&works[i].bad));
        sum += atomic_load(&works[i].written);
    }
    settles_by_itself(disk.points);
    assert_int_equal(point_count(disk.points), sum * BATCH);
    nothing_is_refused(&disk);
    disk_end(&disk);
}

/* --- One thing at a time ------------------------------------------------------------------------ */

/* Write until the disk is full; returns how many batches are in. */
static uint64_t write_until_full(lode_collection *points)
{
    uint64_t count = 0;
    lode_error why = {0};
    while (count * BATCH < IDS_MAX && write_batch(points, count * BATCH, &why) == LODE_OK)
        count++;
    is_full_error(&why);
    return count;
}

/* A flush may just have given space back: until it is refused three times. `count` batches are in; returns how many
 * are then. */
static uint64_t until_refused(struct disk *disk, uint64_t count)
{
    for (unsigned refused = 0; refused < 3;) {
        small_disk_fill(disk->path, 0);
        lode_status status = write_batch(disk->points, count * BATCH, &error);
        count += status == LODE_OK;
        refused = status == LODE_OK ? 0 : refused + 1;
        assert_true(status == LODE_OK || status == LODE_FULL);
    }
    return count;
}

static uint64_t fill_completely(struct disk *disk)
{
    return until_refused(disk, write_until_full(disk->points));
}

/* Full segments wait, and nobody calls: they are written out once there is space. */
static void flushes_by_itself(void **state)
{
    struct disk disk;
    (void)state;
    options.growing_bytes_max =
        4 * SEGMENT_BYTES; /* more than the reserve, with which it would go */
    int made = disk_make(&disk);
    options.growing_bytes_max = SEGMENT_BYTES;
    if (!made)
        skip();
    assert_ok(write_batch(disk.points, 0, &error)); /* its log has space for more than a segment */
    small_disk_fill(disk.path, 0);
    uint64_t count = write_until_full(disk.points);
    assert_true(count > 3);
    stays_unsettled(disk.points);
    small_disk_empty(disk.path);
    settles_by_itself(disk.points);
    assert_ok(write_batch(disk.points, count * BATCH, &error));
    assert_int_equal(point_count(disk.points), (count + 1) * BATCH);
    disk_end(&disk);
}

/* The very next call succeeds. */
static void the_next_write_is_taken(void **state)
{
    struct disk disk;
    (void)state;
    if (!disk_make(&disk))
        skip();
    assert_ok(write_batch(disk.points, 0, &error));
    small_disk_fill(disk.path, 3 << 20);
    uint64_t count = fill_completely(&disk);
    small_disk_empty(disk.path);
    assert_ok(write_batch(disk.points, count * BATCH, &error));
    disk_end(&disk);
}

/* Filled with points until nothing goes: deleting most of them is taken, and compaction gives their
 * space back, without anybody removing anything else. */
static void deletes_make_room(void **state)
{
    struct disk disk;
    (void)state;
    if (!disk_make(&disk))
        skip();
    uint64_t count = fill_completely(&disk), room = small_disk_room(disk.path);
    for (uint64_t i = 0; i < count; i++)
        if (i % 10 && delete_batch(disk.points, i * BATCH, &error))
            fail_msg("delete %u of %u: %s", (unsigned)i, (unsigned)count, error.message);
    assert_ok(lode_compact(disk.points, NULL, &error));
    assert_true(small_disk_room(disk.path) > room + (8 << 20));
    assert_int_equal(point_count(disk.points), (count + 9) / 10 * BATCH);
    assert_ok(write_batch(disk.points, 0, &error));
    disk_end(&disk);
}

/* Closing cannot write out what is in memory, and a full disk is opened: the logs are replayed. */
static void opens_on_a_full_disk(void **state)
{
    struct disk disk;
    (void)state;
    if (!disk_make(&disk))
        skip();
    assert_ok(write_batch(disk.points, 0, &error));
    small_disk_fill(disk.path, 3 << 20);
    uint64_t count = write_until_full(disk.points);
    disk_close(&disk);
    small_disk_fill(disk.path, 0); /* the reserve, too */
    open_db(&disk);
    assert_ok(lode_collection_open(disk.db, "points", &disk.points, &error));
    disk_reopen(&disk);
    assert_int_equal(point_count(disk.points), count * BATCH);
    count = until_refused(&disk, count);
    small_disk_empty(disk.path);
    assert_ok(write_batch(disk.points, count * BATCH, &error));
    settles_by_itself(disk.points);
    assert_int_equal(point_count(disk.points), (count + 1) * BATCH);
    disk_end(&disk);
}

/* The reserve is there from the first write on, also for who opens the database on a disk that others have filled. */
static void the_reserve_stays(void **state)
{
    struct disk disk;
    char path[PATH_SIZE_MAX + 16];
    (void)state;
    if (!disk_make(&disk))
        skip();
    snprintf(path, sizeof path, "%s/reserve", disk.db_path);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_ok(write_batch(disk.points, 0, &error));
    assert_int_equal(access(path, F_OK), 0);
    disk_close(&disk);
    assert_int_equal(access(path, F_OK), 0);
    small_disk_fill(disk.path, 0); /* while nobody has it open */
    open_db(&disk);
    assert_ok(lode_collection_open(disk.db, "points", &disk.points, &error));
    assert_ok(delete_batch(disk.points, 0, &error));
    assert_int_not_equal(access(path, F_OK), 0);
    small_disk_empty(disk.path);
    disk_end(&disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(full_and_free_again),     cmocka_unit_test(flushes_by_itself),
        cmocka_unit_test(the_next_write_is_taken), cmocka_unit_test(deletes_make_room),
        cmocka_unit_test(opens_on_a_full_disk),    cmocka_unit_test(the_reserve_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
