/* SHA-256: the examples of FIPS 180-2, whole and in pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "base/sha256.h"

static const struct {
    const char *text, *digest;
} examples[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

static void known_digests(void **state)
{
    (void)state;
    lode_error error;
    uint8_t digest[SHA256_SIZE];
    char text[SHA256_TEXT_SIZE];
    for (size_t i = 0; i < sizeof examples / sizeof examples[0]; i++) {
        size_t size = strlen(examples[i].text);
        assert_int_equal(sha256_of(examples[i].text, size, digest, &error), LODE_OK);
        assert_string_equal(sha256_text(digest, text), examples[i].digest);
        for (size_t cut = 0; cut <= size; cut++) {
            struct sha256 sha;
            assert_int_equal(sha256_init(&sha, &error), LODE_OK);
            sha256_update(&sha, examples[i].text, cut);
            sha256_update(&sha, examples[i].text + cut, size - cut);
            sha256_digest(&sha, digest);
            sha256_release(&sha);
            assert_string_equal(sha256_text(digest, text), examples[i].digest);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_digests)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
