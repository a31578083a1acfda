/* XXH3: values that are stored in files must never change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/hash.h"
#include "base/random.h"

/* From the reference library, xxhash 0.8, for the bytes 0, 1, ... 255, 0, 1, ... */
static void known_values(void **state)
{
    (void)state;
    static uint8_t bytes[2000];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)i;
    static const struct {
        size_t size;
        uint64_t seed;
        uint64_t hash;
    } cases[] = {
        {0, 0, 0x2d06800538d394c2},    {0, 42, 0xb029411ff43d84d2},
        {1, 0, 0xc44bdff4074eecdb},    {1, 42, 0x5cf10f10bf2dd245},
        {3, 0, 0x5f4299fc161c9cbb},    {3, 42, 0x75881294bdbaf34c},
        {8, 0, 0x3a1c2d7c85af88f8},    {8, 42, 0x533b2c25fa397f0b},
        {16, 0, 0x8355e3a6f61770db},   {16, 42, 0x74891a34d3fff0a9},
        {17, 0, 0x9ef341a99de37328},   {17, 42, 0x2668e3977d451c23},
        {128, 0, 0x85c6174c7ff4c46b},  {128, 42, 0xa7f863935f4a4028},
        {129, 0, 0xec7642b431ba3e5a},  {129, 42, 0x82b80bdd4ac29db5},
        {240, 0, 0x375a384d957fe865},  {240, 42, 0x4c023d24e6a84d31},
        {241, 0, 0x02e8cd95421c6d02},  {241, 42, 0x26e3d358d4e0a1d6},
        {1024, 0, 0xa870f92984398d22}, {1024, 42, 0x2976c34b83200df6},
        {1999, 0, 0x377d26fa7d1d59fc}, {1999, 42, 0xf7c4e4d1a2a50690},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_true(hash64(bytes, cases[i].size, cases[i].seed) == cases[i].hash);
    assert_true(checksum64("", 0) == 0x2d06800538d394c2);
}

static void pieces_give_the_whole(void **state)
{
    (void)state;
    static uint8_t bytes[5000];
    struct rng rng;
    rng_init(&rng, 8);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)rng_u64(&rng);
    for (int round = 0; round < 300; round++) {
        size_t size = rng_below(&rng, sizeof bytes), done = 0;
        struct hash_stream stream;
        assert_int_equal(hash_stream_init(&stream), 0);
        while (done < size) {
            size_t piece = rng_below(&rng, 600);
            piece = piece < size - done ? piece : size - done;
            hash_stream_update(&stream, bytes + done, piece);
            done += piece;
            assert_true(hash_stream_digest(&stream) == checksum64(bytes, done));
        }
        assert_true(hash_stream_digest(&stream) == checksum64(bytes, size));
        hash_stream_release(&stream);
        assert_null(stream.state);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_values),
        cmocka_unit_test(pieces_give_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
