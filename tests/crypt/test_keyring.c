/* Keys: the forms in which they are written, the file that wraps data keys, and what tells a wrong key from damage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/le.h"
#include "crypt/key_source.h"
#include "crypt/keyring.h"
#include "support/key_kit.h"
#include "support/storage_kit.h"
#include "support/vfs_memory.h"

static lode_error error;

/* --- Forms ------------------------------------------------------------------------------------- */

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F"

static void each_form_is_read(void **state)
{
    (void)state;
    uint8_t raw[32], key[32];
    static const char *const same[] = {HEX, HEX "\n", HEX "\r\n",
                                       "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
                                       "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"};
    for (size_t i = 0; i < 32; i++)
        raw[i] = (uint8_t)i;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        memset(key, 0, sizeof key);
        assert_ok(key_parse(same[i], strlen(same[i]), key, &error));
        assert_memory_equal(key, raw, sizeof raw);
    }
    memset(key, 0, sizeof key);
    assert_ok(key_parse((const char *)raw, sizeof raw, key, &error));
    assert_memory_equal(key, raw, sizeof raw);
}

static void what_is_no_key_is_refused(void **state)
{
    (void)state;
    uint8_t key[32];
    static const struct {
        const char *text, *reason;
    } wrong[] = {
        {"", "0 bytes that are no key"},
        {"secret", "6 bytes that are no key"},
        {"correct horse battery staple 123", "a password"},
        {HEX "0", "65 bytes that are no key"},
        {"0g0102030405060708090a0b0c0d0e0f101112131415161718191A1B1C1D1E1F", "64 bytes"},
        {"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh9=", "44 bytes"}, /* 258 bits */
        {"0000000000000000000000000000000000000000000000000000000000000000", "all alike"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_status(key_parse(wrong[i].text, strlen(wrong[i].text), key, &error), LODE_INVALID);
        if (!strstr(error.message, wrong[i].reason))
            fail_msg("'%s' lacks '%s'", error.message, wrong[i].reason);
        if (strlen(wrong[i].text) > 5)
            assert_null(strstr(error.message, wrong[i].text));
    }
}

static void one_place_is_named(void **state)
{
    (void)state;
    uint8_t key[32];
    char id[LODE_KEY_ID_TEXT_SIZE];
    lode_key_source source = *key_kit(1);
    assert_ok(lode_key_id(&source, id, &error));
    assert_int_equal(strlen(id), 16);
    source.file = "x";
    assert_status(key_fetch(&source, NULL, key, &error), LODE_INVALID);
    assert_status(key_fetch(&(lode_key_source){0}, NULL, key, &error), LODE_INVALID);
}

/* --- The file ---------------------------------------------------------------------------------- */

struct fixture {
    struct vfs *vfs;
    struct keyring *keyring;
    uint8_t key[32];
    uint8_t bytes[KEYRING_FILE_SIZE];
};

static void fixture_init(struct fixture *fixture, unsigned more_keys)
{
    char id[LODE_KEY_ID_TEXT_SIZE];
    fixture->vfs = vfs_memory_new();
    assert_ok(vfs_make_dir(fixture->vfs, "db", &error));
    assert_ok(vfs_dir_sync(fixture->vfs, ".", &error));
    assert_ok(key_fetch(key_kit(1), NULL, fixture->key, &error));
    assert_ok(key_id_of(fixture->key, id, &error));
    assert_ok(keyring_new(id, 5, &fixture->keyring, &error));
    for (unsigned i = 0; i < more_keys; i++)
        assert_ok(keyring_add(fixture->keyring, 6 + i, &error));
    assert_ok(keyring_encode(fixture->keyring, fixture->key, fixture->bytes, &error));
}

static void fixture_release(struct fixture *fixture)
{
    keyring_free(fixture->keyring);
    vfs_memory_free(fixture->vfs);
}

static lode_status decode(const struct fixture *fixture, unsigned key, struct keyring **ret_keyring)
{
    error = (lode_error){0};
    return keyring_decode(fixture->bytes, sizeof fixture->bytes, "it", key ? key_kit(key) : NULL,
                          ret_keyring, &error);
}

static void data_keys_come_back(void **state)
{
    (void)state;
    struct fixture fixture;
    struct keyring *again;
    struct data_key one, two;
    fixture_init(&fixture, KEYRING_KEYS_MAX - 1);
    assert_status(keyring_add(fixture.keyring, 1, &error), LODE_LIMIT);
    assert_int_equal(decode(&fixture, 1, &again), LODE_OK);
    assert_int_equal(keyring_count(again), KEYRING_KEYS_MAX);
    keyring_newest(fixture.keyring, &one);
    keyring_newest(again, &two);
    assert_memory_equal(&one, &two, sizeof one);
    assert_int_equal(two.made_us, 6 + KEYRING_KEYS_MAX - 2);
    assert_int_equal(keyring_find(again, one.id, &two), 1);
    assert_int_equal(keyring_find(again, one.id + 1, &two), 0);
    keyring_drop_older(again);
    assert_int_equal(keyring_count(again), 1);
    assert_int_equal(keyring_find(again, one.id, &two), 1);
    keyring_free(again);
    /* No data key stands in the file as it is. */
    for (size_t i = 0; i + 32 <= sizeof fixture.bytes; i++)
        assert_memory_not_equal(fixture.bytes + i, one.key, 32);
    fixture_release(&fixture);
}

static void a_wrong_key_is_told_from_damage(void **state)
{
    (void)state;
    struct fixture fixture;
    struct keyring *again;
    char id[LODE_KEY_ID_TEXT_SIZE];
    fixture_init(&fixture, 1);
    assert_int_equal(decode(&fixture, 2, &again), LODE_KEY);
    keyring_key_id(fixture.keyring, id);
    assert_non_null(strstr(error.message, id));
    assert_ok(lode_key_id(key_kit(2), id, &error));
    assert_int_equal(decode(&fixture, 2, &again), LODE_KEY);
    assert_non_null(strstr(error.message, id));
    assert_int_equal(decode(&fixture, 0, &again), LODE_KEY);
    assert_non_null(strstr(error.message, "no key was given"));
    fixture_release(&fixture);
}

/* In one copy it is seen and does no harm; in both it is damage, never another key, never other data keys. */
static void each_flipped_bit_is_seen(void **state)
{
    (void)state;
    struct fixture fixture;
    struct keyring *again;
    uint64_t offset;
    fixture_init(&fixture, 2);
    assert_int_equal(keyring_bad_copies(fixture.bytes, sizeof fixture.bytes, &offset), 0);
    for (size_t at = 0; at < KEYRING_COPY_SIZE; at++) {
        uint8_t bit = (uint8_t)(1u << at % 8);
        for (unsigned copy = 0; copy < 2; copy++) {
            fixture.bytes[copy * KEYRING_COPY_SIZE + at] ^= bit;
            assert_int_equal(keyring_bad_copies(fixture.bytes, sizeof fixture.bytes, &offset),
                             1 + copy);
            assert_int_equal(decode(&fixture, 1, &again), copy ? LODE_CORRUPT : LODE_OK);
            if (!copy)
                keyring_free(again);
        }
        fixture.bytes[at] ^= bit;
        assert_int_equal(keyring_bad_copies(fixture.bytes, sizeof fixture.bytes, &offset), 1);
        assert_int_equal(offset, KEYRING_COPY_SIZE);
        fixture.bytes[KEYRING_COPY_SIZE + at] ^= bit;
    }
    fixture_release(&fixture);
}

/* Somebody who can compute checksums changes it: everything up to the tag is authenticated. */
static void forged_bytes_do_not_authenticate(void **state)
{
    (void)state;
    struct fixture fixture;
    struct keyring *again;
    fixture_init(&fixture, 2);
    for (size_t at = 24; at < 64 + 3 * 40 + 16; at++) {
        fixture.bytes[at] ^= 1;
        le_store_u64(fixture.bytes + KEYRING_COPY_SIZE - 8,
                     checksum64(fixture.bytes, KEYRING_COPY_SIZE - 8));
        assert_int_equal(decode(&fixture, 1, &again), LODE_CORRUPT);
        fixture.bytes[at] ^= 1;
    }
    fixture.bytes[8] = 2; /* a later format */
    le_store_u64(fixture.bytes + KEYRING_COPY_SIZE - 8,
                 checksum64(fixture.bytes, KEYRING_COPY_SIZE - 8));
    assert_int_equal(decode(&fixture, 1, &again), LODE_VERSION);
    fixture_release(&fixture);
}

static void it_is_saved_and_cut_off(void **state)
{
    (void)state;
    struct fixture fixture;
    struct keyring *again;
    size_t size;
    fixture_init(&fixture, 0);
    assert_status(keyring_load(fixture.vfs, "db", key_kit(1), &again, &error), LODE_NOT_FOUND);
    assert_ok(keyring_save(fixture.vfs, "db", fixture.keyring, fixture.key, &error));
    vfs_memory_crash(fixture.vfs);
    assert_ok(keyring_load(fixture.vfs, "db", key_kit(1), &again, &error));
    keyring_free(again);
    uint8_t *bytes = kit_read(fixture.vfs, "db/keys", &size);
    assert_int_equal(size, KEYRING_FILE_SIZE);
    for (size_t left = 0; left < size; left += 517) {
        kit_write(fixture.vfs, "db/keys", bytes, left);
        lode_status status = keyring_load(fixture.vfs, "db", key_kit(1), &again, &error);
        assert_int_equal(status, left < KEYRING_COPY_SIZE ? LODE_CORRUPT : LODE_OK);
        if (!status)
            keyring_free(again);
    }
    free(bytes);
    fixture_release(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_form_is_read),
        cmocka_unit_test(what_is_no_key_is_refused),
        cmocka_unit_test(one_place_is_named),
        cmocka_unit_test(data_keys_come_back),
        cmocka_unit_test(a_wrong_key_is_told_from_damage),
        cmocka_unit_test(each_flipped_bit_is_seen),
        cmocka_unit_test(forged_bytes_do_not_authenticate),
        cmocka_unit_test(it_is_saved_and_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
