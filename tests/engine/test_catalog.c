/* The catalog: names in memory, and the file, which is what docs/format/catalog.md shows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "engine/catalog.h"
#include "support/engine_kit.h"

static lode_error error;

static struct catalog example(void)
{
    struct catalog catalog = {0};
    assert_ok(catalog_put(&catalog, "movies", "films", 0, &error));
    assert_ok(catalog_put(&catalog, "films", NULL, 0x1122334455667788u, &error));
    return catalog;
}

static void names_are_found_in_order(void **state)
{
    (void)state;
    struct catalog catalog = example();
    assert_ok(catalog_put(&catalog, "zoo", NULL, 7, &error));
    assert_ok(catalog_put(&catalog, "a", "zoo", 0, &error));
    assert_ok(catalog_put(&catalog, "movies", "zoo", 0, &error));
    assert_int_equal(catalog.count, 4);
    static const char *const ordered[] = {"a", "films", "movies", "zoo"};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(catalog.names[i].name, ordered[i]);
    assert_int_equal(catalog_resolve(&catalog, "movies")->uid, 7);
    assert_null(catalog_find(&catalog, "b"));
    catalog_remove_aliases(&catalog, "zoo");
    assert_int_equal(catalog.count, 2);
    catalog_remove(&catalog, "nothing");
    catalog_remove(&catalog, "films");
    assert_string_equal(catalog.names[0].name, "zoo");
    catalog_release(&catalog);
}

static void directories_have_names(void **state)
{
    (void)state;
    char name[CATALOG_DIR_NAME_SIZE];
    uint64_t uid = 0;
    catalog_dir_name(0xabc, name);
    assert_string_equal(name, "c-0000000000000abc");
    assert_true(catalog_parse_dir_name(name, &uid));
    assert_int_equal(uid, 0xabc);
    assert_false(catalog_parse_dir_name("c-0000000000000ABC", &uid));
    assert_false(catalog_parse_dir_name("c-abc", &uid));
    assert_false(catalog_parse_dir_name("d-0000000000000abc", &uid));
    assert_false(catalog_parse_dir_name("c-0000000000000abc0", &uid));
}

/* The bytes of the page's dump. */
static size_t read_dump(uint8_t bytes[1024])
{
    char path[PATH_SIZE_MAX], line[256];
    const char *source = getenv("LODE_SOURCE");
    snprintf(path, sizeof path, "%s/docs/format/catalog.md", source ? source : ".");
    FILE *file = fopen(path, "r");
    size_t size = 0;
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        unsigned offset, byte;
        int used = 0;
        if (sscanf(line, "%8x%n", &offset, &used) != 1 || used != 8)
            continue;
        for (; size < offset; size++)
            bytes[size] = bytes[size - 16];
        for (const char *at = line + 8; sscanf(at, " %2x%n", &byte, &used) == 1; at += used)
            bytes[size++] = (uint8_t)byte;
    }
    fclose(file);
    return size;
}

static void the_file_is_what_its_page_says(void **state)
{
    (void)state;
    uint8_t wanted[1024];
    size_t size;
    struct vfs *vfs = vfs_memory_new();
    struct catalog catalog = example(), read;
    catalog.log_keep_bytes = 1000000;
    catalog.history = 0x8877665544332211u;
    assert_ok(vfs_make_dir(vfs, "db", &error));
    assert_ok(vfs_dir_sync(vfs, ".", &error));
    assert_ok(catalog_save(vfs, "db", &catalog, &(int){0}, &error));
    uint8_t *written = kit_read(vfs, "db/catalog", &size);
    assert_int_equal(read_dump(wanted), size);
    assert_memory_equal(written, wanted, size);
    vfs_memory_crash(vfs);
    assert_ok(catalog_load(vfs, "db", &read, &error));
    assert_int_equal(read.count, 2);
    assert_int_equal(read.log_keep_bytes, 1000000);
    assert_int_equal(read.history, 0x8877665544332211u);
    assert_string_equal(read.names[1].target, "films");
    assert_false(kit_exists(vfs, "db/catalog.tmp"));
    free(written);
    catalog_release(&read);
    catalog_release(&catalog);
    vfs_memory_free(vfs);
}

static void a_damaged_file_is_refused(void **state)
{
    (void)state;
    size_t size;
    struct vfs *vfs = vfs_memory_new();
    struct catalog catalog = example(), read;
    assert_ok(vfs_make_dir(vfs, "db", &error));
    assert_ok(catalog_save(vfs, "db", &catalog, &(int){0}, &error));
    uint8_t *written = kit_read(vfs, "db/catalog", &size);
    for (uint64_t bit = 0; bit < size * 8; bit++) {
        kit_write(vfs, "db/catalog", written, size);
        kit_flip(vfs, "db/catalog", bit);
        lode_status status = catalog_load(vfs, "db", &read, &error);
        if (status != LODE_CORRUPT && status != LODE_VERSION)
            fail_msg("bit %u: status %d", (unsigned)bit, (int)status);
    }
    for (size_t cut = 0; cut < size; cut++) {
        kit_write(vfs, "db/catalog", written, cut);
        assert_status(catalog_load(vfs, "db", &read, &error), LODE_CORRUPT);
    }
    free(written);
    catalog_release(&catalog);
    vfs_memory_free(vfs);
}

/* Names that a sound frame could hold, and that a catalog must not. */
static void nonsense_is_refused(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    struct catalog read;
    assert_ok(vfs_make_dir(vfs, "db", &error));
    for (int kind = 0; kind < 3; kind++) {
        struct catalog catalog = example();
        if (kind == 0)
            catalog.names[0].uid = 0;
        else if (kind == 1)
            strcpy(catalog.names[1].target, "filmz");
        else
            strcpy(catalog.names[0].name, "f/lms");
        assert_ok(catalog_save(vfs, "db", &catalog, &(int){0}, &error));
        assert_status(catalog_load(vfs, "db", &read, &error), LODE_CORRUPT);
        catalog_release(&catalog);
    }
    vfs_memory_free(vfs);
}

static void a_catalog_has_an_end(void **state)
{
    (void)state;
    struct catalog catalog = {0};
    char name[16];
    for (unsigned i = 0; i < COLLECTIONS_MAX; i++) {
        snprintf(name, sizeof name, "n%06u", i);
        assert_ok(catalog_put(&catalog, name, NULL, i + 1, &error));
    }
    assert_status(catalog_put(&catalog, "one-more", NULL, 1, &error), LODE_LIMIT);
    assert_int_equal(catalog.count, COLLECTIONS_MAX);
    catalog_release(&catalog);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_in_order),
        cmocka_unit_test(directories_have_names),
        cmocka_unit_test(the_file_is_what_its_page_says),
        cmocka_unit_test(a_damaged_file_is_refused),
        cmocka_unit_test(nonsense_is_refused),
        cmocka_unit_test(a_catalog_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
