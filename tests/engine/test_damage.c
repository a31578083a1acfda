/* test_damage.c: bits that flip, sectors that cannot be read, files cut short or gone. A database with such damage
 * never gives a wrong answer: it gives the right one, or an error that names the file; and verify finds it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "support/damage.h"

static struct damage_image image;
static lode_error error;

static int make(void **state)
{
    (void)state;
    damage_image_make(&image);
    return 0;
}

static int release(void **state)
{
    (void)state;
    damage_image_release(&image);
    return 0;
}

/* The end of a path that errors and findings name. */
static const char *name_of(const struct damage_file *file)
{
    return strrchr(file->path, '/') + 1;
}

static int is_log(const struct damage_file *file)
{
    return strstr(file->path, "wal-") != NULL;
}

/* Logs are looked at in tests/storage/test_wal.c: damage at their end is a torn tail. */
static int is_looked_at(const struct damage_file *file)
{
    return !is_log(file);
}

static void the_image_is_sound(void **state)
{
    (void)state;
    size_t kinds = 0;
    static const char *const wanted[] = {"catalog",   "manifest-", ".vectors", ".ids",
                                         ".docs",     ".graph",    ".del-",    "wal-",
                                         "snapshot-", ".columns"};
    for (size_t k = 0; k < sizeof wanted / sizeof wanted[0]; k++)
        for (size_t i = 0; i < image.file_count; i++)
            if (strstr(image.files[i].path, wanted[k])) {
                kinds++;
                break;
            }
    assert_int_equal(kinds, sizeof wanted / sizeof wanted[0]);
    struct vfs *vfs = damage_vfs(&image);
    assert_int_equal(damage_verify(vfs, ""), 0);
    damage_check_whole(&image, vfs);
    vfs_memory_free(vfs);
}

/* Use the image with `bytes` in place of a file; NULL: without it. */
static void check_with(const struct damage_file *file, const uint8_t *bytes, size_t size)
{
    struct vfs *vfs = damage_vfs(&image);
    assert_ok(vfs_remove(vfs, file->path, &error));
    if (bytes)
        kit_write(vfs, file->path, bytes, size);
    /* Columns only spare documents: segments of before there were any have none. */
    int may_be_gone = !bytes && strstr(file->path, ".columns");
    if (damage_verify(vfs, name_of(file)) == 0 && !may_be_gone)
        fail_msg("verify does not name %s", file->path);
    damage_use(&image, vfs, name_of(file));
    vfs_memory_free(vfs);
}

static void flip_and_check(const struct damage_file *file, uint8_t *copy, size_t at)
{
    copy[at] ^= (uint8_t)(1u << at % 8);
    check_with(file, copy, file->size);
    copy[at] ^= (uint8_t)(1u << at % 8);
}

static void a_flipped_bit_is_never_an_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < image.file_count; i++) {
        const struct damage_file *file = &image.files[i];
        if (!is_looked_at(file))
            continue;
        uint8_t *copy = malloc(file->size);
        memcpy(copy, file->bytes, file->size);
        for (size_t at = 0; at < 64; at += damage_step(9))
            flip_and_check(file, copy, at);
        for (size_t at = 64; at < file->size; at += damage_step(30011))
            flip_and_check(file, copy, at);
        for (size_t at = file->size > 120 ? file->size - 120 : 0; at < file->size;
             at += damage_step(13))
            flip_and_check(file, copy, at);
        free(copy);
    }
}

static void a_block_of_zeros_is_never_an_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < image.file_count; i++) {
        const struct damage_file *file = &image.files[i];
        if (!is_looked_at(file))
            continue;
        uint8_t *copy = malloc(file->size);
        for (size_t at = 0; at < file->size; at += damage_step(GUARD_BLOCK_SIZE)) {
            size_t left = file->size - at;
            memcpy(copy, file->bytes, file->size);
            memset(copy + at, 0, left < GUARD_BLOCK_SIZE ? left : GUARD_BLOCK_SIZE);
            check_with(file, copy, file->size);
        }
        free(copy);
    }
}

static void a_file_cut_short_or_gone_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < image.file_count; i++) {
        const struct damage_file *file = &image.files[i];
        if (!is_looked_at(file))
            continue;
        check_with(file, file->bytes, 0);
        if (damage_step(1) == 1)
            check_with(file, file->bytes, 63);
        check_with(file, file->bytes, file->size / 2);
        check_with(file, file->bytes, file->size - 1);
        if (strstr(file->path, "seg-"))
            check_with(file, NULL, 0);
    }
}

/* --- Sectors that cannot be read --------------------------------------------------------------- */

struct fault {
    const char *file;
    unsigned left; /* reads of it until one fails */
    int lasting;   /* and all after it */
    unsigned failed;
};

static int decide(void *context, const char *operation, const char *path)
{
    struct fault *fault = context;
    if (strcmp(operation, "read") != 0 || !strstr(path, fault->file))
        return 0;
    if (fault->left && fault->left--)
        return 0;
    if (!fault->lasting && fault->failed)
        return 0;
    fault->failed++;
    return EIO;
}

/* 1 when there were so many reads. */
static int fail_read(const struct damage_file *file, unsigned n, int lasting)
{
    struct vfs *vfs = damage_vfs(&image);
    struct fault fault = {.file = name_of(file), .left = n, .lasting = lasting};
    vfs_memory_set_fault(vfs, decide, &fault);
    damage_use(&image, vfs, name_of(file));
    vfs_memory_set_fault(vfs, NULL, NULL);
    vfs_memory_free(vfs);
    return fault.failed > 0;
}

static void a_sector_that_cannot_be_read_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < image.file_count; i++) {
        const struct damage_file *file = &image.files[i];
        if (!strstr(file->path, "seg-"))
            continue;
        for (int lasting = 0; lasting < 2; lasting++)
            for (unsigned n = 0; fail_read(file, n, lasting); n += (unsigned)damage_step(1))
                ;
    }
}

/* --- What statistics show ---------------------------------------------------------------------- */

static void statistics_show_it(void **state)
{
    (void)state;
    struct vfs *vfs = damage_vfs(&image);
    lode_db_options options = {.maintenance = LODE_MAINTAIN_ON_REQUEST};
    unsigned damaged = 0;
    lode_stats *stats;
    for (size_t i = 0; i < image.file_count; i++)
        if (strstr(image.files[i].path, "seg-1.vectors"))
            kit_write(vfs, image.files[i].path, image.files[i].bytes, 100); /* cut short */
    lode_db *db = engine_open(vfs, "db", &options, 0);
    lode_collection *collection = engine_collection(db, "points");
    assert_ok(lode_stats_get(collection, &stats, &error));
    for (size_t i = 0; i < stats->segment_count; i++) {
        const lode_segment_stats *segment = &stats->segments[i];
        damaged += segment->state == LODE_SEGMENT_DAMAGED;
        assert_int_equal(segment->number == 1, segment->state == LODE_SEGMENT_DAMAGED);
        assert_int_equal(segment->number == 1, strstr(segment->damage, "seg-1.vectors") != NULL);
    }
    assert_int_equal(damaged, 1);
    lode_stats_free(stats);
    lode_collection_close(collection);
    engine_close(db);
    vfs_memory_free(vfs);
}

/* --- Faults that pass -------------------------------------------------------------------------- */

static int refuse_open(void *context, const char *operation, const char *path)
{
    return strcmp(operation, "open") == 0 && strstr(path, context) ? EIO : 0;
}

static lode_status search_all(lode_collection *collection)
{
    float query[DAMAGE_DIM] = {1};
    lode_search_request request = {
        .vector = query, .k = 10, .exact = 1, .with = LODE_WITH_METADATA};
    lode_result *result;
    lode_status status = lode_search(collection, &request, &result, &error);
    if (!status)
        lode_result_free(result);
    return status;
}

/* What could not be opened stays out, also when the disk is sound again, until the collection is opened again. */
static void a_fault_that_passes_is_over_when_reopened(void **state)
{
    (void)state;
    static char *const names[] = {"seg-1.vectors", "seg-1.ids", "seg-1.docs", "seg-1.del-"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct vfs *vfs = damage_vfs(&image);
        lode_db_options options = {.maintenance = LODE_MAINTAIN_ON_REQUEST};
        lode_db *db = engine_open(vfs, "db", &options, 0);
        vfs_memory_set_fault(vfs, refuse_open, names[i]);
        lode_collection *collection = engine_collection(db, "points");
        vfs_memory_set_fault(vfs, NULL, NULL);
        assert_int_equal(search_all(collection), LODE_IO);
        assert_non_null(strstr(error.message, names[i]));
        lode_collection_close(collection);
        collection = engine_collection(db, "points");
        assert_ok(search_all(collection));
        lode_collection_close(collection);
        engine_close(db);
        damage_check_whole(&image, vfs);
        vfs_memory_free(vfs);
    }
}

/* A block is read again by whoever needs it next. */
static void a_block_is_read_again(void **state)
{
    (void)state;
    struct vfs *vfs = damage_vfs(&image);
    struct fault fault = {.file = "seg-1.vectors"};
    lode_db_options options = {.maintenance = LODE_MAINTAIN_ON_REQUEST};
    lode_db *db = engine_open(vfs, "db", &options, 0);
    lode_collection *collection = engine_collection(db, "points");
    vfs_memory_set_fault(vfs, decide, &fault);
    assert_int_equal(search_all(collection), LODE_IO);
    assert_int_equal(fault.failed, 1);
    assert_ok(search_all(collection));
    vfs_memory_set_fault(vfs, NULL, NULL);
    lode_collection_close(collection);
    engine_close(db);
    vfs_memory_free(vfs);
}

/* --- A graph is only an accelerator ------------------------------------------------------------ */

static const struct damage_file *graph_file(void)
{
    for (size_t i = 0; i < image.file_count; i++)
        if (strstr(image.files[i].path, ".graph"))
            return &image.files[i];
    fail();
    return NULL;
}

/* Damage of a graph fails no read, whatever its place; and compaction builds another. */
static void a_damaged_graph_is_built_again(void **state)
{
    (void)state;
    const struct damage_file *file = graph_file();
    for (size_t at = 70; at < file->size; at += file->size / 7) {
        struct vfs *vfs = damage_vfs(&image);
        kit_flip(vfs, file->path, at * 8);
        assert_int_equal(damage_use(&image, vfs, name_of(file)), 0);
        vfs_memory_free(vfs);
        vfs = damage_vfs(&image);
        kit_flip(vfs, file->path, at * 8);
        lode_db_options options = {.maintenance = LODE_MAINTAIN_AUTO};
        lode_db *db = engine_open(vfs, "db", &options, 0);
        lode_collection *collection = engine_collection(db, "points");
        float query[DAMAGE_DIM] = {1};
        lode_result *result;
        lode_search_request request = {.vector = query, .k = 10};
        for (int i = 0; i < 200; i++) { /* until the block is met */
            query[i % DAMAGE_DIM] = (float)(i * 37 % 200) - 100;
            assert_ok(lode_search(collection, &request, &result, &error));
            lode_result_free(result);
        }
        assert_ok(lode_wait_idle(collection, 0, &error));
        assert_ok(lode_search(collection, &request, &result, &error));
        lode_result_free(result);
        lode_collection_close(collection);
        engine_close(db);
        engine_verify(vfs, "db");
        vfs_memory_free(vfs);
    }
}

/* --- Explanations ------------------------------------------------------------------------------- */

/* Flip a bit, explain a search. Returns the status. */
static lode_status explain_with(const struct damage_file *file, size_t at,
                                const lode_search_request *request,
                                lode_explanation **ret_explanation)
{
    struct vfs *vfs = damage_vfs(&image);
    kit_flip(vfs, file->path, at * 8);
    lode_db_options options = {.maintenance = LODE_MAINTAIN_ON_REQUEST};
    lode_db *db = engine_open(vfs, "db", &options, 0);
    lode_collection *collection = engine_collection(db, "points");
    lode_status status = lode_explain(collection, request, ret_explanation, &error);
    lode_collection_close(collection);
    engine_close(db);
    vfs_memory_free(vfs);
    return status;
}

/* A walk that meets damage is left, and why is said. */
static void a_damaged_graph_is_a_reason(void **state)
{
    (void)state;
    const struct damage_file *file = graph_file();
    unsigned left = 0;
    for (size_t at = 70; at < file->size; at += file->size / 7) {
        const float query[DAMAGE_DIM] = {1};
        lode_explanation *said;
        lode_search_request request = {.vector = query, .k = 10};
        assert_ok(explain_with(file, at, &request, &said));
        for (size_t i = 0; i < said->segment_count; i++) {
            const lode_explain_segment *segment = &said->segments[i];
            if (segment->first == segment->plan)
                continue;
            assert_int_equal(segment->plan, LODE_PLAN_SCAN);
            assert_int_equal(segment->reason, LODE_PLAN_SHORT);
            left++;
        }
        lode_explanation_free(said);
    }
    assert_true(left > 0);
}

/* As a search does, an explanation leaves out what it finds to be damaged. */
static void damage_that_is_allowed_is_explained(void **state)
{
    (void)state;
    const float query[DAMAGE_DIM] = {1};
    const struct damage_file *file = image.files;
    while (!strstr(file->path, "seg-1.vectors"))
        file++;
    lode_explanation *said;
    lode_search_request request = {.vector = query, .exact = 1};
    assert_int_equal(explain_with(file, file->size / 2, &request, &said), LODE_CORRUPT);
    request.allow_damaged = 1;
    assert_ok(explain_with(file, file->size / 2, &request, &said));
    unsigned skipped = 0;
    for (size_t i = 0; i < said->segment_count; i++)
        skipped += said->segments[i].number == 1 && said->segments[i].plan == LODE_PLAN_SKIP;
    assert_int_equal(skipped, 1);
    lode_explanation_free(said);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_image_is_sound),
        cmocka_unit_test(a_damaged_graph_is_built_again),
        cmocka_unit_test(a_damaged_graph_is_a_reason),
        cmocka_unit_test(damage_that_is_allowed_is_explained),
        cmocka_unit_test(statistics_show_it),
        cmocka_unit_test(a_fault_that_passes_is_over_when_reopened),
        cmocka_unit_test(a_block_is_read_again),
        cmocka_unit_test(a_flipped_bit_is_never_an_answer),
        cmocka_unit_test(a_block_of_zeros_is_never_an_answer),
        cmocka_unit_test(a_file_cut_short_or_gone_is_named),
        cmocka_unit_test(a_sector_that_cannot_be_read_is_named),
    };
    return cmocka_run_group_tests(tests, make, release);
}
