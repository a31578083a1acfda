/* AES-256-GCM and HKDF-SHA256 are what others call so: vectors of the specifications; and what does not fit its tag
 * does not come out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "crypt/cipher.h"
#include "support/storage_kit.h"

static lode_error error;

static size_t from_hex(const char *text, uint8_t *bytes)
{
    size_t size = strlen(text) / 2;
    for (size_t i = 0; i < size; i++) {
        char digits[3] = {text[2 * i], text[2 * i + 1], 0};
        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    return size;
}

/* "The Galois/Counter Mode of Operation" (McGrew, Viega), test cases 13, 14, 15 and 16. */
static const struct vector {
    const char *key, *nonce, *additional, *from, *to, *tag;
} vectors[] = {
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
    {"0000000000000000000000000000000000000000000000000000000000000000", "000000000000000000000000",
     "", "00000000000000000000000000000000", "cea7403d4d606b6e074ec5d3baf39d18",
     "d0d1c8a799996bf0265b98b5d48ab919"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
     "b525b16aedf5aa0de657ba637b391aafd255",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b105682"
     "8838c5f61e6393ba7a0abcc9f662898015ad",
     "b094dac5d93471bdec1a502270e3cc6c"},
    {"feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308", "cafebabefacedbaddecaf888",
     "feedfacedeadbeeffeedfacedeadbeefabaddad2",
     "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6"
     "b525b16aedf5aa0de657ba637b39",
     "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b105682"
     "8838c5f61e6393ba7a0abcc9f662",
     "76fc6ece0f4e1768cddf8853bb2d551b"},
};

static void vectors_of_gcm(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
        uint8_t key[32], additional[64], from[64], to[64], wanted[64], tag[16], wanted_tag[16];
        struct cipher cipher, other;
        from_hex(vectors[i].key, key);
        from_hex(vectors[i].tag, wanted_tag);
        from_hex(vectors[i].to, wanted);
        struct cipher_message message = {.additional = additional, .from = from, .to = to};
        from_hex(vectors[i].nonce, message.nonce);
        message.additional_size = from_hex(vectors[i].additional, additional);
        message.size = from_hex(vectors[i].from, from);
        assert_ok(cipher_init(&cipher, key, &error));
        assert_ok(cipher_copy(&other, &cipher, &error));
        for (int again = 0; again < 2; again++) { /* a cipher goes on being usable */
            cipher_seal(again ? &other : &cipher, &message, tag);
            assert_memory_equal(tag, wanted_tag, sizeof tag);
            assert_memory_equal(to, wanted, message.size);
        }
        message.from = to;
        assert_int_equal(cipher_open(&cipher, &message, tag), 1); /* in place */
        assert_memory_equal(to, from, message.size);
        cipher_release(&cipher);
        cipher_release(&other);
    }
}

static void what_does_not_fit_is_wiped(void **state)
{
    (void)state;
    static const uint8_t zeros[100];
    uint8_t key[32] = {1}, from[100], sealed[100], opened[100], tag[16], additional[5] = "abcd";
    struct cipher cipher;
    memset(from, 7, sizeof from);
    assert_ok(cipher_init(&cipher, key, &error));
    struct cipher_message message = {.additional = additional,
                                     .additional_size = sizeof additional,
                                     .from = from,
                                     .to = sealed,
                                     .size = sizeof from};
    cipher_nonce(message.nonce, 77, 1);
    cipher_seal(&cipher, &message, tag);
    message.from = sealed;
    message.to = opened;
    assert_int_equal(cipher_open(&cipher, &message, tag), 1);
    assert_memory_equal(opened, from, sizeof from);
    uint8_t *const places[] = {sealed, tag, additional, message.nonce};
    const size_t sizes[] = {sizeof sealed, sizeof tag, sizeof additional, sizeof message.nonce};
    for (size_t place = 0; place < 4; place++)
        for (size_t bit = 0; bit < sizes[place] * 8; bit++) {
            places[place][bit / 8] ^= (uint8_t)(1u << bit % 8);
            assert_int_equal(cipher_open(&cipher, &message, tag), 0);
            assert_memory_equal(opened, zeros, sizeof opened);
            places[place][bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
    assert_int_equal(cipher_open(&cipher, &message, tag), 1);
    cipher_release(&cipher);
}

/* Secrets here have 32 bytes, those of RFC 5869 others: these vectors come from its definition, computed with
 * Python's hmac. */
static void vectors_of_hkdf(void **state)
{
    (void)state;
    uint8_t secret[32], salt[32], wanted[42], made[42];
    for (size_t i = 0; i < 32; i++) {
        secret[i] = (uint8_t)i;
        salt[i] = (uint8_t)(0x60 + i);
    }
    struct derivation from = {
        .secret = secret, .salt = salt, .salt_size = 32, .info = "lode test", .info_size = 9};
    from_hex("dfbd95344958fbe4f75a849d37cbb05e994759b0d58ab6d08beb3e3b8daa35261c04d23775556125c3ee",
             wanted);
    assert_ok(cipher_derive(&from, made, sizeof made, &error));
    assert_memory_equal(made, wanted, sizeof made);
    from = (struct derivation){.secret = secret, .salt = "", .info = "", .info_size = 0};
    from_hex("37ad29109f43265287804b674e2653d0a513718907f97fca97c95bded8104bbf", wanted);
    assert_ok(cipher_derive(&from, made, 32, &error));
    assert_memory_equal(made, wanted, 32);
}

static void random_bytes_differ(void **state)
{
    (void)state;
    uint8_t one[32], two[32];
    assert_ok(cipher_random(one, sizeof one, &error));
    assert_ok(cipher_random(two, sizeof two, &error));
    assert_memory_not_equal(one, two, sizeof one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vectors_of_gcm),
        cmocka_unit_test(what_does_not_fit_is_wiped),
        cmocka_unit_test(vectors_of_hkdf),
        cmocka_unit_test(random_bytes_differ),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
