/* Encrypted files: what is written is read; whatever is changed, moved, cut off or of another database is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/le.h"
#include "base/random.h"
#include "crypt/crypt_check.h"
#include "crypt/crypt_vfs.h"
#include "os/budget.h"
#include "support/storage_kit.h"
#include "support/vfs_memory.h"

static lode_error error;

struct fixture {
    struct vfs *below, *vfs;
};

static struct fixture fixture_new(void)
{
    struct fixture fixture = {.below = vfs_memory_new()};
    struct keyring *keyring;
    assert_ok(keyring_new("0123456789abcdef", 1, &keyring, &error));
    assert_ok(crypt_vfs_new(fixture.below, keyring, &fixture.vfs, &error));
    return fixture;
}

static void fixture_release(struct fixture *fixture)
{
    crypt_vfs_free(fixture->vfs);
    vfs_memory_free(fixture->below);
}

static uint8_t pattern(uint64_t i)
{
    return (uint8_t)random_mix(i / 8 + 1);
}

static void write_file(struct fixture *fixture, const char *path, size_t size, size_t piece_size)
{
    struct vfs_file *file;
    uint8_t *piece = malloc(piece_size);
    assert_ok(vfs_open(fixture->vfs, path, VFS_WRITE | VFS_CREATE | VFS_TRUNCATE | VFS_ENCRYPTED,
                       &file, &error));
    assert_true(crypt_file_is(file));
    for (size_t at = 0; at < size; at += piece_size) {
        size_t take = size - at < piece_size ? size - at : piece_size;
        for (size_t i = 0; i < take; i++)
            piece[i] = pattern(at + i);
        assert_ok(vfs_write(file, at, piece, take, &error));
    }
    assert_ok(vfs_sync(file, &error));
    vfs_close(file);
    free(piece);
}

static lode_status open_it(struct fixture *fixture, const char *path, struct vfs_file **ret_file)
{
    error = (lode_error){0};
    return vfs_open(fixture->vfs, path, VFS_READ | VFS_ENCRYPTED, ret_file, &error);
}

/* All of it, by reading; or why not. */
static lode_status read_all(struct fixture *fixture, const char *path)
{
    struct vfs_file *file;
    uint64_t size = 0;
    lode_status status = open_it(fixture, path, &file);
    if (status)
        return status;
    assert_ok(vfs_size(file, &size, &error));
    uint8_t *data = malloc(size);
    error = (lode_error){0};
    status = vfs_read(file, 0, data, size, &error);
    for (uint64_t i = 0; !status && i < size; i++)
        if (data[i] != pattern(i))
            fail_msg("byte %llu is another", (unsigned long long)i);
    free(data);
    vfs_close(file);
    return status;
}

/* The same by crypt_check, in pieces of an odd size. */
static lode_status check_all(struct fixture *fixture, const char *path)
{
    size_t size;
    uint8_t *bytes = kit_read(fixture->below, path, &size);
    struct crypt_check check;
    assert_ok(crypt_check_init(&check, crypt_vfs_keyring(fixture->vfs), size, "it", &error));
    lode_status status = LODE_OK;
    for (size_t at = 0; !status && at < size; at += 999)
        status = crypt_check_update(&check, bytes + at, size - at < 999 ? size - at : 999, &error);
    if (!status)
        status = crypt_check_end(&check, &error);
    crypt_check_release(&check);
    free(bytes);
    return status;
}

static const size_t sizes[] = {1,      63,      4096,          65535,      65536,  65537,
                               131072, 1 << 20, (1 << 20) + 1, 17 * 65536, 3000001};

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct vfs_file *file;
        uint8_t byte;
        uint64_t size = 0;
        write_file(&fixture, "f", sizes[i], i % 2 ? 1 << 20 : 7777);
        assert_ok(read_all(&fixture, "f"));
        assert_ok(check_all(&fixture, "f"));
        assert_ok(open_it(&fixture, "f", &file));
        assert_ok(vfs_size(file, &size, &error));
        assert_int_equal(size, sizes[i]);
        assert_ok(vfs_size(crypt_file_raw(file), &size, &error));
        assert_int_equal(size, 64 + sizes[i] + (sizes[i] + 65535) / 65536 * 16);
        assert_ok(vfs_read(file, sizes[i] - 1, &byte, 1, &error));
        assert_int_equal(byte, pattern(sizes[i] - 1));
        assert_status(vfs_read(file, sizes[i], &byte, 1, &error), LODE_CORRUPT);
        vfs_close(file);
    }
    fixture_release(&fixture);
}

static void it_is_mapped_block_by_block(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    struct vfs_file *file;
    const uint8_t *data, *block;
    write_file(&fixture, "f", 200000, 5000);
    assert_ok(open_it(&fixture, "f", &file));
    assert_ok(vfs_map(file, 200000, &data, &error));
    assert_int_equal(crypt_file_memory(file), 0);
    assert_ok(crypt_file_fill(file, 196608, &block, &error));
    assert_ptr_equal(block, data + 196608);
    assert_int_equal(crypt_file_memory(file), 200000 - 196608);
    assert_int_equal(budget_used(BUDGET_DECRYPTED), 200000 - 196608);
    for (size_t i = 0; i < 200000; i++)
        assert_int_equal(data[i], i < 196608 ? 0 : pattern(i));
    vfs_unmap(file, data, 200000);
    assert_int_equal(budget_used(BUDGET_DECRYPTED), 0);
    vfs_close(file);
    fixture_release(&fixture);
}

/* Every byte of the header and of a small file; some of a large one. */
static void each_flipped_byte_is_found(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    write_file(&fixture, "small", 300, 300);
    write_file(&fixture, "large", 400000, 65536);
    for (uint64_t at = 0; at < 64 + 300 + 16; at++) {
        kit_flip(fixture.below, "small", at * 8 + at % 8);
        assert_int_equal(read_all(&fixture, "small"), LODE_CORRUPT);
        assert_non_null(strstr(error.message, "small"));
        assert_int_equal(check_all(&fixture, "small"), LODE_CORRUPT);
        kit_flip(fixture.below, "small", at * 8 + at % 8);
    }
    for (uint64_t at = 3; at < 64 + 400000 + 7 * 16; at += 9973) {
        kit_flip(fixture.below, "large", at * 8);
        assert_int_equal(read_all(&fixture, "large"), LODE_CORRUPT);
        assert_int_equal(check_all(&fixture, "large"), LODE_CORRUPT);
        kit_flip(fixture.below, "large", at * 8);
    }
    assert_ok(read_all(&fixture, "small"));
    assert_ok(read_all(&fixture, "large"));
    fixture_release(&fixture);
}

enum { BLOCK = 65536 + 16 };

static void blocks_can_be_neither_moved_nor_cut_off(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    size_t size;
    write_file(&fixture, "f", 4 * 65536, 65536);
    write_file(&fixture, "g", 4 * 65536, 65536); /* the same content */
    uint8_t *f = kit_read(fixture.below, "f", &size), *g = kit_read(fixture.below, "g", &size);
    uint8_t *made = malloc(size + BLOCK);
    for (size_t i = 0; i < 4; i++) { /* of another file, the same block */
        memcpy(made, f, size);
        memcpy(made + 64 + i * BLOCK, g + 64 + i * BLOCK, BLOCK);
        kit_write(fixture.below, "f", made, size);
        assert_int_equal(read_all(&fixture, "f"), LODE_CORRUPT);
    }
    memcpy(made, f, size); /* of this file, two in each other's place */
    memcpy(made + 64, f + 64 + BLOCK, BLOCK);
    memcpy(made + 64 + BLOCK, f + 64, BLOCK);
    kit_write(fixture.below, "f", made, size);
    assert_int_equal(read_all(&fixture, "f"), LODE_CORRUPT);
    for (size_t i = 0; i < 4; i++) { /* cut off, at a block and amid one */
        kit_write(fixture.below, "f", f, 64 + i * BLOCK);
        assert_int_equal(read_all(&fixture, "f"), LODE_CORRUPT);
        assert_int_equal(check_all(&fixture, "f"), LODE_CORRUPT);
        if (i > 0)
            assert_non_null(strstr(error.message, "damaged"));
        kit_write(fixture.below, "f", f, 64 + i * BLOCK + 1000);
        assert_int_equal(read_all(&fixture, "f"), LODE_CORRUPT);
    }
    memcpy(made, f, size); /* drawn out */
    memcpy(made + size, f + 64, BLOCK);
    kit_write(fixture.below, "f", made, size + BLOCK);
    assert_int_equal(read_all(&fixture, "f"), LODE_CORRUPT);
    memcpy(made, g, 64); /* under another's header */
    memcpy(made + 64, f + 64, size - 64);
    kit_write(fixture.below, "f", made, size);
    assert_int_equal(read_all(&fixture, "f"), LODE_CORRUPT);
    kit_write(fixture.below, "f", f, size);
    assert_ok(read_all(&fixture, "f"));
    free(f);
    free(g);
    free(made);
    fixture_release(&fixture);
}

static void other_keys_and_no_keys(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new(), other = fixture_new();
    struct keyring *keyring = crypt_vfs_keyring(fixture.vfs);
    struct vfs_file *file;
    size_t size;
    write_file(&fixture, "f", 1000, 1000);
    uint8_t *bytes = kit_read(fixture.below, "f", &size);
    kit_write(other.below, "f", bytes, size); /* of another database */
    assert_int_equal(read_all(&other, "f"), LODE_CORRUPT);
    assert_non_null(strstr(error.message, "another database"));
    assert_ok(keyring_add(keyring, 9, &error)); /* older data keys still open */
    assert_ok(read_all(&fixture, "f"));
    keyring_drop_older(keyring);
    assert_int_equal(read_all(&fixture, "f"), LODE_CORRUPT);
    kit_write(fixture.below, "plain", bytes + 8, 500); /* what is not encrypted */
    assert_int_equal(open_it(&fixture, "plain", &file), LODE_CORRUPT);
    assert_non_null(strstr(error.message, "not encrypted"));
    keyring_set_accepts_plain(keyring, 1);
    assert_ok(open_it(&fixture, "plain", &file));
    assert_false(crypt_file_is(file));
    vfs_close(file);
    bytes[8] = 2; /* a later format */
    le_store_u64(bytes + 56, checksum64(bytes, 56));
    kit_write(fixture.below, "f", bytes, size);
    assert_int_equal(open_it(&fixture, "f", &file), LODE_VERSION);
    free(bytes);
    fixture_release(&fixture);
    fixture_release(&other);
}

/* Two files of one content share nothing but what says that they are encrypted, and under which data key. */
static void no_two_files_are_alike(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    size_t size, alike = 0;
    write_file(&fixture, "f", 65536, 65536);
    write_file(&fixture, "g", 65536, 65536);
    uint8_t *f = kit_read(fixture.below, "f", &size), *g = kit_read(fixture.below, "g", &size);
    assert_memory_equal(f, g, 24);
    assert_memory_not_equal(f + 24, g + 24, 32);
    for (size_t i = 64; i < size; i++)
        alike += f[i] == g[i];
    assert_in_range(alike, 65536 / 256 / 2, 65536 / 256 * 2); /* as by chance */
    free(f);
    free(g);
    fixture_release(&fixture);
}

/* Else nobody would know of a disk that it is nearly full, once its database is encrypted. */
static void the_room_below_is_told(void **state)
{
    (void)state;
    struct fixture fixture = fixture_new();
    assert_true(vfs_room(fixture.vfs, ".") == VFS_ROOM_UNKNOWN);
    vfs_memory_set_room(fixture.below, 12345);
    assert_int_equal(vfs_room(fixture.vfs, "."), 12345);
    fixture_release(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_room_below_is_told),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(it_is_mapped_block_by_block),
        cmocka_unit_test(each_flipped_byte_is_found),
        cmocka_unit_test(blocks_can_be_neither_moved_nor_cut_off),
        cmocka_unit_test(other_keys_and_no_keys),
        cmocka_unit_test(no_two_files_are_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
