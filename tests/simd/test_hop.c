/* test_hop.c: every level's hop kernels against the scalar ones. Whatever is a sum of integers must be
 * equal; floats agree within what reordering and fused multiplication can change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "simd/hop_levels.h"

static const char *const names[] = {"avx2", "avx512", "neon"};
static const size_t dims[] = {64, 80, 128, 784, 1024, 1040, 4096};

enum { DIM_MAX = 4096, NAMES = 3, DIMS = 7 };

static uint8_t codes[8 * DIM_MAX + 256] __attribute__((aligned(64)));
static uint8_t tables[4 * DIM_MAX] __attribute__((aligned(64)));
static float x[DIM_MAX], y[DIM_MAX], z[DIM_MAX], room[2 * DIM_MAX];
static int8_t row_code[DIM_MAX];

static void for_each_level(void (*check)(const struct hop_ops *ops, size_t dim))
{
    for (size_t i = 0; i < NAMES; i++) {
        const struct hop_ops *ops = hop_level(names[i]);
        for (size_t d = 0; ops && d < DIMS; d++)
            check(ops, dims[d]);
    }
}

static void fill_bytes(uint8_t *bytes, size_t count, uint8_t mask)
{
    struct rng rng;
    rng_init(&rng, count);
    for (size_t i = 0; i < count; i++)
        bytes[i] = (uint8_t)rng_u64(&rng) & mask;
}

static void fill_floats(float *values, size_t count, uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed);
    for (size_t i = 0; i < count; i++)
        values[i] = i % 17 ? (float)rng_normal(&rng) : 0.0f;
}

static void assert_near(double got, double wanted, double scale)
{
    if (!(fabs(got - wanted) <= 1e-5 * scale))
        fail_msg("%g instead of %g", got, wanted);
}

static void check_scan(const struct hop_ops *ops, size_t dim)
{
    uint32_t got[HOP_LINKS], wanted[HOP_LINKS];
    for (unsigned bits = 1; bits <= 2; bits++)
        for (int most = 0; most < 2; most++) {
            fill_bytes(codes, hop_codes_size(dim, bits), 255);
            fill_bytes(tables, 4 * dim, 255);
            if (most) /* the largest sums there are */
                memset(tables, 255, 4 * dim);
            hop_scalar.scan(codes, tables, dim, bits, wanted);
            ops->scan(codes, tables, dim, bits, got);
            assert_memory_equal(got, wanted, sizeof got);
        }
}

static void check_estimate(const struct hop_ops *ops, size_t dim)
{
    float got[HOP_LINKS], wanted[HOP_LINKS], factors[2 * HOP_LINKS];
    struct hop_query query = {tables, dim, 2, 0.01f, -0.5f};
    fill_bytes(codes, hop_codes_size(dim, 2), 255);
    fill_bytes(tables, 4 * dim, 255);
    fill_floats(factors, 2 * HOP_LINKS, 3);
    simd()->f32_to_f16(factors, (half *)(void *)(codes + hop_codes_size(dim, 2)), 2 * HOP_LINKS);
    codes[hop_codes_size(dim, 2) + 1] = 0x7c; /* infinity: an unused place */
    codes[hop_codes_size(dim, 2)] = 0;
    codes[hop_codes_size(dim, 2) + 3] = 0x7f; /* NaN: a damaged one */
    uint32_t below = ops->estimate(&query, codes, 1.0f, 2.0f, got);
    hop_scalar.estimate(&query, codes, 1.0f, 2.0f, wanted);
    assert_true(isinf(got[0]) && isnan(got[1]));
    assert_int_equal(below & 3, 0);
    for (unsigned i = 2; i < HOP_LINKS; i++) {
        assert_near(got[i], wanted[i], 0.01 * 765 * (double)dim);
        assert_int_equal(below >> i & 1, got[i] < 2.0f);
    }
}

static void check_tables(const struct hop_ops *ops, size_t dim)
{
    static uint8_t got[4 * DIM_MAX], wanted[4 * DIM_MAX];
    float step[2], magnitude[2];
    fill_floats(x, dim, dim);
    hop_scalar.tables(x, dim, wanted, &step[0], &magnitude[0]);
    ops->tables(x, dim, got, &step[1], &magnitude[1]);
    assert_near(step[1], step[0], step[0]);
    assert_near(magnitude[1], magnitude[0], magnitude[0]);
    for (size_t i = 0; i < 4 * dim; i++)
        assert_true(abs(got[i] - wanted[i]) <= 1); /* a tie may be rounded either way */
    memset(x, 0, sizeof x);
    ops->tables(x, dim, got, &step[1], &magnitude[1]);
    assert_true(step[1] > 0 && magnitude[1] == 0);
}

static void check_distances(const struct hop_ops *ops, size_t dim)
{
    size_t code_size = (dim + HOP_CODE_STEP - 1) / HOP_CODE_STEP * HOP_CODE_STEP;
    fill_floats(x, dim, 1);
    fill_floats(y, dim, 2);
    for (size_t i = 0; i < dim; i++)
        row_code[i] = (int8_t)(y[i] * 25);
    row_code[0] = -128;
    float wanted = hop_scalar.l2_f32_i8(x, row_code, 0.03f, dim);
    assert_near(ops->l2_f32_i8(x, row_code, 0.03f, dim), wanted, wanted);
    fill_bytes(codes, 2 * code_size, 127);
    uint32_t distance = hop_scalar.l2_u7(codes, codes + code_size, code_size);
    assert_int_equal(ops->l2_u7(codes, codes + code_size, code_size), distance);
    memset(codes, 0, code_size);
    memset(codes + code_size, 127, code_size);
    assert_int_equal(ops->l2_u7(codes, codes + code_size, code_size), 127 * 127 * code_size);
}

static void check_hadamard(const struct hop_ops *ops, size_t dim)
{
    size_t count = 64;
    while (2 * count <= dim)
        count *= 2;
    fill_floats(x, count, 5);
    memcpy(y, x, count * sizeof *x);
    hop_scalar.hadamard(x, count);
    ops->hadamard(y, count);
    for (size_t i = 0; i < count; i++)
        assert_near(y[i], x[i], 10);
}

static void check_round(const struct hop_ops *ops, size_t dim)
{
    static uint8_t got[DIM_MAX], wanted[DIM_MAX];
    fill_floats(x, dim, 8);
    fill_floats(y, dim, 9);
    for (unsigned bits = 1; bits <= 2; bits++) {
        struct hop_sums a = hop_scalar.round_difference(x, y, dim, bits, room, wanted);
        struct hop_sums b = ops->round_difference(x, y, dim, bits, room, got);
        size_t different = 0;
        for (size_t i = 0; i < dim; i++)
            different += got[i] != wanted[i];
        assert_true(different <= 1 + dim / 1000); /* on the edge of a level */
        assert_near(b.r_r, a.r_r, a.r_r);
        assert_near(b.r_u, a.r_u, 1e3 * a.r_u);
        assert_near(b.c_u, a.c_u, 1e3 * a.r_u);
        a = ops->round_difference(x, x, dim, bits, room, got);
        assert_true(a.r_r == 0 && a.r_u == 0);
    }
}

static void levels_scan(void **state)
{
    (void)state;
    for_each_level(check_scan);
    for_each_level(check_estimate);
}

static void levels_prepare(void **state)
{
    (void)state;
    for_each_level(check_tables);
    for_each_level(check_hadamard);
    for_each_level(check_round);
}

static void levels_compare(void **state)
{
    (void)state;
    for_each_level(check_distances);
}

/* The scalar Hadamard transform is its own inverse. */
static void hadamard_inverts_itself(void **state)
{
    (void)state;
    for (size_t count = 16; count <= DIM_MAX; count *= 2) {
        fill_floats(x, count, count);
        memcpy(z, x, count * sizeof *x);
        hop_scalar.hadamard(x, count);
        hop_scalar.hadamard(x, count);
        for (size_t i = 0; i < count; i++)
            assert_near(x[i], z[i], 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(levels_scan),
        cmocka_unit_test(levels_prepare),
        cmocka_unit_test(levels_compare),
        cmocka_unit_test(hadamard_inverts_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
