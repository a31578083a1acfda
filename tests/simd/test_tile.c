/* test_tile.c: tiles of queries by rows, of every level, against exact sums; and their filter.
 *
 * Tolerance: n products added in any order, (n + 2) u of the sum of magnitudes with u = 2^-24, and 2^-149 for
 * each that is subnormal; index/flat_bound.c relies on it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/random.h"
#include "simd/simd.h"

static const char *const names[] = {"scalar", "avx2", "avx512", "neon"};
static const size_t dims[] = {0, 1, 2, 3, 7, 16, 31, 128, 769, 4097};

enum {
    NAMES = 4,
    DIMS = 10,
    DIM_MAX = 4097,
    COUNT_MAX = 40,
    GAP_MAX = 12,
    REGION_SIZE = 1 << 20 /* a multiple of any page */
};

static uint8_t *region_panel, *region_rows, *region_ret;

/* A byte beyond its end is on a page that nobody may touch. */
static uint8_t *guarded(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *at = mmap(NULL, REGION_SIZE + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(at != MAP_FAILED);
    assert_true(mprotect(at, REGION_SIZE, PROT_READ | PROT_WRITE) == 0);
    return at;
}

static void *at_end(uint8_t *region, size_t size)
{
    assert_true(size <= REGION_SIZE);
    return region + REGION_SIZE - size;
}

static void fill(float *values, size_t count, int exponent, struct rng *rng)
{
    for (size_t i = 0; i < count; i++)
        values[i] = ldexpf((float)rng_normal(rng), exponent);
}

struct tile {
    const float *panel;
    const uint8_t *rows;
    size_t stride, count, dim;
    float *ret;
};

static void check_product(const struct tile *tile, size_t r, size_t q)
{
    const float *row = (const float *)(const void *)(tile->rows + r * tile->stride);
    double exact = 0, magnitudes = 0, n = (double)tile->dim;
    for (size_t i = 0; i < tile->dim; i++) {
        double term = (double)tile->panel[i * SIMD_PANEL + q] * (double)row[i];
        exact += term;
        magnitudes += fabs(term);
    }
    double got = (double)tile->ret[r * SIMD_PANEL + q];
    if (!(fabs(got - exact) <= (n + 2) * 0x1p-24 * magnitudes + n * 0x1p-149))
        fail_msg("dim %zu, row %zu of %zu, query %zu: %g instead of %g", tile->dim, r, tile->count,
                 q, got, exact);
}

static void check_tile(const struct simd_ops *ops, size_t dim, size_t count, int exponent,
                       int half_panel)
{
    struct rng rng;
    rng_init(&rng, dim * 100 + count);
    size_t row_size = dim * sizeof(float), gap = sizeof(float) * rng_below(&rng, GAP_MAX / 4);
    struct tile tile = {.stride = row_size + gap, .count = count, .dim = dim};
    float *panel = at_end(region_panel, SIMD_PANEL * row_size);
    float *rows = at_end(region_rows, count ? (count - 1) * tile.stride + row_size : 0);
    fill(panel, SIMD_PANEL * dim, exponent, &rng);
    for (size_t r = 0; r < count; r++)
        fill(rows + r * (tile.stride / sizeof(float)), dim, exponent, &rng);
    tile.panel = panel;
    tile.rows = (const uint8_t *)rows;
    tile.ret = at_end(region_ret, count * SIMD_PANEL * sizeof(float));
    for (size_t i = 0; i < count * SIMD_PANEL; i++)
        tile.ret[i] = 12345;
    ops->ip_tile(panel, half_panel, tile.rows, tile.stride, count, dim, tile.ret);
    for (size_t r = 0; r < count; r++)
        for (size_t q = 0; q < SIMD_PANEL; q++)
            if (half_panel && q >= SIMD_PANEL / 2)
                assert_true(tile.ret[r * SIMD_PANEL + q] == 12345);
            else
                check_product(&tile, r, q);
}

static void products(void **state)
{
    (void)state;
    static const int exponents[] = {0, 30, -70}; /* the last: all products subnormal or zero */
    for (size_t l = 0; l < NAMES; l++)
        for (size_t d = 0; simd_level(names[l]) && d < DIMS; d++)
            for (size_t count = 0; count <= COUNT_MAX; count++) {
                size_t size = (count + 1) * (dims[d] * sizeof(float) + GAP_MAX);
                if (size > REGION_SIZE || (dims[d] > 128 && count % 5 != 1))
                    continue;
                check_tile(simd_level(names[l]), dims[d], count, exponents[count % 3], 0);
                check_tile(simd_level(names[l]), dims[d], count, exponents[count % 3], 1);
            }
}

/* Values of which many are equal, infinite or NaN; products and sums of which are rounded at most once. */
static float odd_value(struct rng *rng)
{
    static const float odd[] = {0, -0.0f, 1, 2, -3, 0x1p60f, -0x1p60f, INFINITY, -INFINITY, NAN};
    uint32_t kind = rng_below(rng, 20);
    return kind < 10 ? odd[kind] : (float)(int)rng_below(rng, 64) - 32;
}

static void the_filter(void **state)
{
    (void)state;
    struct rng rng;
    float products_of[COUNT_MAX * SIMD_PANEL], base[SIMD_PANEL], slack[SIMD_PANEL];
    float lift[COUNT_MAX], norm[COUNT_MAX];
    struct simd_tile_bounds bounds = {.base = base, .slack = slack, .lift = lift, .norm = norm};
    uint32_t got[COUNT_MAX + 1], wanted[COUNT_MAX];
    rng_init(&rng, 1);
    for (size_t turn = 0; turn < 300; turn++) {
        size_t count = turn % (COUNT_MAX + 1);
        for (size_t i = 0; i < count * SIMD_PANEL; i++)
            products_of[i] = odd_value(&rng);
        for (size_t q = 0; q < SIMD_PANEL; q++)
            base[q] = odd_value(&rng), slack[q] = odd_value(&rng);
        for (size_t r = 0; r < count; r++)
            lift[r] = odd_value(&rng), norm[r] = odd_value(&rng);
        simd_level("scalar")->tile_near(products_of, count, &bounds, wanted);
        for (size_t l = 0; l < NAMES; l++) {
            if (!simd_level(names[l]))
                continue;
            got[count] = 4711;
            simd_level(names[l])->tile_near(products_of, count, &bounds, got);
            assert_memory_equal(got, wanted, count * sizeof *got);
            assert_true(got[count] == 4711);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(products),
        cmocka_unit_test(the_filter),
    };
    region_panel = guarded();
    region_rows = guarded();
    region_ret = guarded();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
