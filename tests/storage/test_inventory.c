/* Inventories of backups: there and back, what is refused, the tree of hashes as sha256sum makes it, and the
 * example of docs/format/backup.md. With LODE_EXAMPLES=<directory> it is written there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/le.h"
#include "base/random.h"
#include "storage/inventory.h"
#include "support/format_page.h"
#include "support/storage_kit.h"

static lode_error error;

static struct inventory_file file_of(uint64_t uid, enum name_kind kind, uint64_t number,
                                     uint64_t seed)
{
    struct inventory_file file = {
        .uid = uid,
        .name = {.kind = kind, .number = number, .generation = kind == NAME_LIVE},
        .size = 100 + seed,
        .sum = kind == NAME_LOG ? 0 : seed * 77,
        .offset = 64 * seed,
    };
    if (kind == NAME_LOG) {
        file.first_sequence = seed + 1;
        file.last_sequence = seed + 9;
    }
    for (size_t i = 0; i < SHA256_SIZE; i++)
        file.hash[i] = (uint8_t)(seed * 13 + i * 7);
    return file;
}

static struct inventory sample(void)
{
    struct inventory inventory = {.made_us = 1772280000000000, .history = 77};
    const struct inventory_file files[] = {
        file_of(9, NAME_LIVE, 3, 1),     file_of(9, NAME_MANIFEST, 1, 2),
        file_of(4, NAME_MANIFEST, 1, 3), file_of(9, NAME_VECTORS, 3, 4),
        file_of(0, NAME_OTHER, 0, 5),    file_of(9, NAME_LOG, 12, 6),
        file_of(9, NAME_VECTORS, 20, 7), file_of(9, NAME_LOG, 3, 8),
    };
    struct inventory_collection one = {.uid = 9, .sequence = 17, .point_count = 5, .name = "films"};
    struct inventory_collection two = {.uid = 4, .name = "empty"};
    assert_ok(inventory_add_collection(&inventory, &one, &error));
    assert_ok(inventory_add_collection(&inventory, &two, &error));
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        assert_ok(inventory_add_file(&inventory, &files[i], &error));
    assert_ok(inventory_seal(&inventory, &error));
    return inventory;
}

static struct buf encode(const struct inventory *inventory)
{
    struct buf bytes;
    buf_init(&bytes, INVENTORY_SIZE_MAX);
    assert_ok(inventory_encode(inventory, NULL, &bytes, &error));
    return bytes;
}

static void there_and_back(void **state)
{
    (void)state;
    struct inventory inventory = sample(), again;
    struct buf bytes = encode(&inventory);
    assert_ok(inventory_decode(bytes.data, bytes.size, &again, &error));
    struct buf bytes_again = encode(&again);
    assert_int_equal(bytes.size, bytes_again.size);
    assert_memory_equal(bytes.data, bytes_again.data, bytes.size);
    assert_int_equal(again.history, inventory.history);
    struct name name = {.kind = NAME_VECTORS, .number = 20};
    assert_int_equal(inventory_find(&again, 9, name)->size, 107);
    assert_null(inventory_find(&again, 4, name));
    assert_string_equal(inventory_collection(&again, 4)->name, "empty");
    assert_null(inventory_collection(&again, 5));
    char text[INVENTORY_TEXT_MAX];
    name = (struct name){.kind = NAME_LOG, .number = 12};
    assert_string_equal(inventory_file_text(inventory_find(&again, 9, name), text),
                        "log-0000000000000009/wal-12.log");
    buf_release(&bytes);
    buf_release(&bytes_again);
    inventory_release(&again);
    inventory_release(&inventory);
}

/* The lines of one directory, in the order of their names. */
static void add_lines(struct buf *out, const struct inventory *inventory, uint64_t uid,
                      const char *const *names, const enum name_kind *kinds,
                      const uint64_t *numbers, size_t count)
{
    char hex[SHA256_TEXT_SIZE];
    for (size_t i = 0; i < count; i++) {
        struct name name = {
            .kind = kinds[i], .number = numbers[i], .generation = kinds[i] == NAME_LIVE};
        const struct inventory_file *file = inventory_find(inventory, uid, name);
        assert_non_null(file);
        assert_ok(buf_printf(out, &error, "%s  %s\n", sha256_text(file->hash, hex), names[i]));
    }
}

static void add_directory(struct buf *root, const struct buf *lines, const char *name)
{
    uint8_t hash[SHA256_SIZE];
    char hex[SHA256_TEXT_SIZE];
    assert_ok(sha256_of(lines->data, lines->size, hash, &error));
    assert_ok(buf_printf(root, &error, "%s  %s\n", sha256_text(hash, hex), name));
}

/* Written out by hand, as sha256sum would write it. "seg-20" comes before "seg-3". */
static void root_by_hand(const struct inventory *inventory, uint8_t hash[SHA256_SIZE])
{
    static const char *const names[] = {"manifest-1", "seg-20.vectors", "seg-3.del-1",
                                        "seg-3.vectors"},
                             *const logs[] = {"wal-12.log", "wal-3.log"};
    static const enum name_kind kinds[] = {NAME_MANIFEST, NAME_VECTORS, NAME_LIVE, NAME_VECTORS},
                                log_kinds[] = {NAME_LOG, NAME_LOG}, no_kind[] = {NAME_OTHER};
    static const uint64_t numbers[] = {1, 20, 3, 3}, log_numbers[] = {12, 3}, zero[] = {0};
    static const char *const catalog[] = {"catalog"};
    struct buf root, lines;
    buf_init(&root, 10000);
    buf_init(&lines, 10000);
    add_lines(&lines, inventory, 4, names, kinds, numbers, 1);
    add_directory(&root, &lines, "c-0000000000000004");
    buf_clear(&lines);
    add_lines(&lines, inventory, 9, names, kinds, numbers, 4);
    add_directory(&root, &lines, "c-0000000000000009");
    add_lines(&root, inventory, 0, catalog, no_kind, zero, 1);
    buf_clear(&lines);
    add_lines(&lines, inventory, 9, logs, log_kinds, log_numbers, 2);
    add_directory(&root, &lines, "log-0000000000000009");
    assert_ok(sha256_of(root.data, root.size, hash, &error));
    buf_release(&root);
    buf_release(&lines);
}

static void the_root_is_what_the_page_says(void **state)
{
    (void)state;
    struct inventory inventory = sample();
    uint8_t hash[SHA256_SIZE];
    root_by_hand(&inventory, hash);
    assert_memory_equal(hash, inventory.root, SHA256_SIZE);
    inventory_release(&inventory);
}

static void set_checksum(struct buf *bytes)
{
    le_store_u64(bytes->data + bytes->size - 8, checksum64(bytes->data, bytes->size - 8));
}

static void every_flipped_bit_is_seen(void **state)
{
    (void)state;
    struct inventory inventory = sample(), again;
    struct buf bytes = encode(&inventory);
    for (size_t at = 0; at < bytes.size; at++)
        for (int with_checksum = 0; with_checksum < 2; with_checksum++) {
            if (with_checksum && at >= bytes.size - 8)
                continue;
            bytes.data[at] ^= 0x20;
            if (with_checksum)
                set_checksum(&bytes);
            lode_status status = inventory_decode(bytes.data, bytes.size, &again, &error);
            if (status == LODE_OK)
                inventory_release(&again); /* a figure that nothing else tells */
            else
                assert_true(status == LODE_CORRUPT || status == LODE_VERSION);
            assert_true(status != LODE_OK || with_checksum);
            bytes.data[at] ^= 0x20;
            set_checksum(&bytes);
        }
    for (size_t size = 0; size < bytes.size; size++)
        assert_int_equal(inventory_decode(bytes.data, size, &again, &error), LODE_CORRUPT);
    buf_release(&bytes);
    inventory_release(&inventory);
}

/* Names, order and hashes are under the root even where the checksum has been made to fit. */
static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const struct {
        size_t offset; /* in the file's record, or from the head */
        int in_head;
        uint8_t value;
    } changes[] = {
        {8, 0, 9},   /* kind */
        {12, 0, 1},  /* reserved */
        {16, 0, 7},  /* number of the catalog */
        {24, 0, 1},  /* generation */
        {56, 0, 1},  /* first batch */
        {0, 0, 77},  /* uid of no collection */
        {72, 0, 99}, /* hash */
        {24, 1, 99}, /* root */
        {88, 1, 3},  /* collections */
        {92, 1, 7},  /* files */
    };
    struct inventory inventory = sample(), again;
    size_t first_file = 104 + 2 * 32 + 5 + 5;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        struct buf bytes = encode(&inventory);
        bytes.data[changes[i].offset + (changes[i].in_head ? 0 : first_file)] = changes[i].value;
        set_checksum(&bytes);
        assert_int_equal(inventory_decode(bytes.data, bytes.size, &again, &error), LODE_CORRUPT);
        buf_release(&bytes);
    }
    inventory_release(&inventory);
}

static const struct inventory_file *log_of(const struct inventory *inventory)
{
    for (size_t i = 0; i < inventory->file_count; i++)
        if (inventory->files[i].name.kind == NAME_LOG)
            return &inventory->files[i];
    return NULL;
}

/* What the page promises of logs, offsets and hashes; the root is made to fit where it can tell. */
static void promises_are_kept(void **state)
{
    (void)state;
    for (int change = 0; change < 5; change++) {
        struct inventory inventory = sample(), again;
        size_t at = (size_t)(log_of(&inventory) - inventory.files) * 104 + 104 + 2 * 32 + 5 + 5;
        struct inventory_file *log = (struct inventory_file *)(uintptr_t)log_of(&inventory);
        if (change == 4) {
            memset(log->hash, 0, SHA256_SIZE);
            root_by_hand(&inventory, inventory.root);
        }
        struct buf bytes = encode(&inventory);
        if (change == 1)
            bytes.data[at + 40] = 1; /* sum */
        else if (change == 2)
            bytes.data[at + 48] ^= 8; /* offset */
        else if (change == 3)
            bytes.data[at + 64] = 18; /* last batch: the collection is at 17 */
        set_checksum(&bytes);
        assert_int_equal(inventory_decode(bytes.data, bytes.size, &again, &error),
                         change ? LODE_CORRUPT : LODE_OK);
        if (change == 0)
            inventory_release(&again);
        if (change == 4)
            assert_non_null(strstr(error.message, "no hash"));
        buf_release(&bytes);
        inventory_release(&inventory);
    }
}

static void its_example(void **state)
{
    (void)state;
    struct inventory inventory = {.made_us = 1772280000000000, .history = 0x0807060504030201};
    struct inventory_file file = file_of(0, NAME_OTHER, 0, 0);
    file.size = 200;
    file.sum = 0x1122334455667788;
    assert_ok(inventory_add_file(&inventory, &file, &error));
    assert_ok(inventory_seal(&inventory, &error));
    struct buf bytes = encode(&inventory);
    format_page_compare("backup.md", "inventory", bytes.data, bytes.size);
    buf_release(&bytes);
    inventory_release(&inventory);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(the_root_is_what_the_page_says),
        cmocka_unit_test(every_flipped_bit_is_seen),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(promises_are_kept),
        cmocka_unit_test(its_example),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
