/* test_kernels.c: every level of this machine against exact sums and against the scalar reference.
 *
 * A plain program, so that it also runs where there is no test library: see test_neon.sh. The seed is
 * printed; pass another one as the argument.
 *
 * Tolerance of float sums. A term is rounded at most three times (the difference counts twice in its
 * square, then the product), and every level keeps at least eight partial sums, so that no term takes
 * part in more than dim/8 additions, up to five more to fold the lanes and tails. With u = 2^-24 the
 * error is at most, to first order,
 *
 *     (dim/8 + 8) * u * sum |term|   +   dim * 2^-149
 *
 * the second part for products that are subnormal. The exact sum is taken in double, whose own error
 * is 2^-29 of that. The instruction behind ip_bf16 of avx512 takes subnormals, in and out, as zero:
 * there a term with a subnormal factor counts whole as error, and the second part is dim * 2^-126.
 *
 * Where a NaN or an infinity is put in, or a sum overflows for certain, the result must be NaN, +inf
 * or -inf exactly where the reference's is. Integers and conversions must be equal, bit for bit. */
#include <inttypes.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "simd/levels.h"

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

enum {
    SMALL_DIM_MAX = 130,
    DIM_MAX = 65536,
    ROWS_MAX = 19,
    SCAN_SIZE_MAX = 1 << 20,
    REGION_SIZE = ROWS_MAX * 4 * DIM_MAX + (1 << 16),
};

static const size_t large_dims[] = {257, 769, 1023, 1537, 4097, 65535, 65536};

/* --- Verdicts ------------------------------------------------------------------------------------ */

static uint64_t checks, failures;

/* Counts; reports the first few failures. */
static void check(int ok, const char *level, const char *what, size_t dim, double got, double want)
{
    checks++;
    if (ok)
        return;
    if (failures++ < 20)
        printf("FAIL %s %s dim %zu: got %.9g, want %.9g\n", level, what, dim, got, want);
}

/* --- Random numbers: splitmix64 -------------------------------------------------------------------- */

static uint64_t random_state;

static uint64_t random_u64(void)
{
    uint64_t x = random_state += 0x9e3779b97f4a7c15u;
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static size_t random_below(size_t bound)
{
    return (size_t)(random_u64() % bound);
}

/* (-1, 1), 24 bits. */
static float random_unit(void)
{
    return (float)((int64_t)(random_u64() >> 39) - (1 << 24)) * 0x1p-24f;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* --- Guarded memory --------------------------------------------------------------------------------- */

/* REGION_SIZE bytes between two pages that nobody may touch: an access beyond either end is a crash. */
static uint8_t *guarded(void)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *at =
        mmap(NULL, page + REGION_SIZE + page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (at == MAP_FAILED || mprotect(at + page, REGION_SIZE, PROT_READ | PROT_WRITE)) {
        perror("guarded memory");
        exit(1);
    }
    return at + page;
}

static uint8_t *region_a, *region_b, *region_ret;

/* The last `size` bytes before the guard page, and the first ones after the other, `offset` further. */
static void *at_end(uint8_t *region, size_t size)
{
    return region + REGION_SIZE - size;
}
static void *at_start(uint8_t *region, size_t offset)
{
    return region + offset;
}

/* --- Levels and float kernels ------------------------------------------------------------------------ */

struct level {
    const char *name;
    const struct simd_ops *ops;
    int flushes; /* ip_bf16 takes subnormals as zero */
};

static struct level levels[5];
static size_t level_count;

static void add_level(const char *name, const struct simd_ops *ops, int flushes)
{
    levels[level_count++] = (struct level){name, ops, flushes};
}

static void find_levels(void)
{
    static const char *const names[] = {"scalar", "avx2", "neon"};

    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (simd_level(names[i]))
            add_level(names[i], simd_level(names[i]), 0);
#if defined(__x86_64__)
    if (simd_level("avx512")) {
        const struct simd_ops *patched = simd_level("avx512");
        add_level("avx512-base", &simd_avx512, 0);
        add_level("avx512", patched, patched->ip_bf16 != simd_avx512.ip_bf16);
    }
#endif
}

enum type { F32, F16, BF16 };

struct kernel {
    const char *name;
    enum type type;
    int l2;
    size_t slot; /* offset of the simd_distance in struct simd_ops */
};

static const struct kernel kernels[] = {
    {"l2_f32", F32, 1, offsetof(struct simd_ops, l2_f32)},
    {"ip_f32", F32, 0, offsetof(struct simd_ops, ip_f32)},
    {"l2_f16", F16, 1, offsetof(struct simd_ops, l2_f16)},
    {"ip_f16", F16, 0, offsetof(struct simd_ops, ip_f16)},
    {"l2_bf16", BF16, 1, offsetof(struct simd_ops, l2_bf16)},
    {"ip_bf16", BF16, 0, offsetof(struct simd_ops, ip_bf16)},
};

static simd_distance slot_of(const struct simd_ops *ops, const struct kernel *kernel)
{
    simd_distance distance;
    memcpy(&distance, (const char *)ops + kernel->slot, sizeof distance);
    return distance;
}

static size_t size_of(enum type type)
{
    return type == F32 ? 4 : 2;
}

static int flushes(const struct level *level, const struct kernel *kernel)
{
    return level->flushes && kernel->type == BF16 && !kernel->l2;
}

/* Element i of a row. The halves by definition, not as the reference computes them. */
static double element(enum type type, const void *row, size_t i)
{
    if (type == F32)
        return (double)((const float *)row)[i];
    uint16_t bits = ((const uint16_t *)row)[i];
    if (type == BF16)
        return (double)float_of((uint32_t)bits << 16);
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double magnitude = exponent == 0   ? ldexp(fraction, -24)
                       : exponent < 31 ? ldexp(1024 + fraction, exponent - 25)
                       : fraction == 0 ? INFINITY
                                       : NAN;
    return bits & 0x8000 ? -magnitude : magnitude;
}

static void set_element(enum type type, void *row, size_t i, float value)
{
    if (type == F32)
        ((float *)row)[i] = value;
    else if (type == F16)
        simd_scalar.f32_to_f16(&value, (half *)row + i, 1);
    else
        simd_scalar.f32_to_bf16(&value, (bfloat16 *)row + i, 1);
}

/* --- Float sums against exact ones --------------------------------------------------------------------- */

struct exact {
    double sum, magnitudes, flushed;
};

static int subnormal(double x)
{
    return x != 0 && fabs(x) < 0x1p-126;
}

static struct exact exact_sum(const struct kernel *kernel, const void *a, const void *b, size_t dim)
{
    struct exact exact = {0};

    for (size_t i = 0; i < dim; i++) {
        double x = element(kernel->type, a, i), y = element(kernel->type, b, i);
        double term = kernel->l2 ? (x - y) * (x - y) : x * y;
        exact.sum += term;
        exact.magnitudes += fabs(term);
        if (subnormal(x) || subnormal(y))
            exact.flushed += fabs(term);
    }
    return exact;
}

static void check_sum(const struct level *level, const struct kernel *kernel, const void *a,
                      const void *b, size_t dim, struct exact exact)
{
    double n = (double)dim;
    double tolerance = (n / 8 + 8) * 0x1p-24 * exact.magnitudes + n * 0x1p-149;
    double got = (double)slot_of(level->ops, kernel)(a, b, dim);

    if (flushes(level, kernel))
        tolerance += exact.flushed + n * 0x1p-126;
    check(fabs(got - exact.sum) <= tolerance, level->name, kernel->name, dim, got, exact.sum);
}

static void check_sums(const struct kernel *kernel, const void *a, const void *b, size_t dim)
{
    struct exact exact = exact_sum(kernel, a, b, dim);

    for (size_t l = 0; l < level_count; l++)
        check_sum(&levels[l], kernel, a, b, dim, exact);
}

/* Kinds of content. The largest keep every sum of DIM_MAX terms below the largest float. */
enum content { ORDINARY, TINY, TINY_BY_ORDINARY, HUGE_VALUES, MIXED_SCALES, EQUAL, CONTENTS };

static float random_value(enum type type, enum content content)
{
    float huge = type == F16 ? 60000.0f : 0x1p53f;
    switch (content) {
    case TINY: /* subnormals of the type among them; of F32, products too */
        return random_unit() * (type == F16 ? 0x1p-14f : 0x1p-126f) * (float)random_below(3);
    case HUGE_VALUES: return random_unit() * huge;
    case MIXED_SCALES: return ldexpf(random_unit(), (int)random_below(type == F16 ? 28 : 60) - 14);
    default: return random_unit();
    }
}

static void fill_rows(enum type type, enum content content, void *a, void *b, size_t dim)
{
    for (size_t i = 0; i < dim; i++) {
        float x = random_value(type, content);
        set_element(type, a, i, x);
        if (content == TINY_BY_ORDINARY)
            set_element(type, b, i, random_value(type, ORDINARY));
        else
            set_element(type, b, i, content == EQUAL ? x : random_value(type, content));
    }
}

/* Both ends of guarded memory, and starts that are off by 1 to 3 elements. */
static void test_sums_of_dim(const struct kernel *kernel, size_t dim)
{
    size_t size = dim * size_of(kernel->type);

    for (enum content content = 0; content < CONTENTS; content++) {
        void *a = at_end(region_a, size), *b = at_end(region_b, size);
        fill_rows(kernel->type, content, a, b, dim);
        check_sums(kernel, a, b, dim);

        a = at_start(region_a, random_below(4) * size_of(kernel->type));
        b = at_start(region_b, random_below(4) * size_of(kernel->type));
        fill_rows(kernel->type, content, a, b, dim);
        check_sums(kernel, a, b, dim);
    }
}

static void test_sums(void)
{
    for (size_t k = 0; k < COUNT_OF(kernels); k++) {
        for (size_t dim = 0; dim <= SMALL_DIM_MAX; dim++)
            test_sums_of_dim(&kernels[k], dim);
        for (size_t i = 0; i < COUNT_OF(large_dims); i++)
            test_sums_of_dim(&kernels[k], large_dims[i]);
    }
}

/* The distance of a row to itself, or to a copy, is 0 and nothing else. */
static void test_twins(void)
{
    for (size_t k = 0; k < COUNT_OF(kernels); k++)
        for (size_t dim = 1; kernels[k].l2 && dim <= SMALL_DIM_MAX; dim++) {
            size_t size = dim * size_of(kernels[k].type);
            void *a = at_end(region_a, size), *b = at_end(region_b, size);
            fill_rows(kernels[k].type, EQUAL, a, b, dim);
            for (size_t l = 0; l < level_count; l++) {
                simd_distance distance = slot_of(levels[l].ops, &kernels[k]);
                check(distance(a, b, dim) == 0, levels[l].name, kernels[k].name, dim, 1, 0);
                check(distance(a, a, dim) == 0, levels[l].name, kernels[k].name, dim, 1, 0);
            }
        }
}

/* --- NaN, infinities, overflow -------------------------------------------------------------------------- */

static int same_class(float a, float b)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    if (isinf(a) || isinf(b))
        return a == b;
    return 1;
}

static void check_classes(const struct kernel *kernel, const void *a, const void *b, size_t dim)
{
    float want = slot_of(&simd_scalar, kernel)(a, b, dim);

    for (size_t l = 0; l < level_count; l++) {
        float got = slot_of(levels[l].ops, kernel)(a, b, dim);
        check(same_class(got, want), levels[l].name, kernel->name, dim, (double)got, (double)want);
    }
}

/* Put x in a and y in b at position i, compare, and put back what was there. */
static void check_special(const struct kernel *kernel, void *a, void *b, size_t dim, size_t i,
                          float x, float y)
{
    float old_x = (float)element(kernel->type, a, i), old_y = (float)element(kernel->type, b, i);

    set_element(kernel->type, a, i, x);
    set_element(kernel->type, b, i, y);
    check_classes(kernel, a, b, dim);
    set_element(kernel->type, a, i, old_x);
    set_element(kernel->type, b, i, old_y);
}

static void check_specials_at(const struct kernel *kernel, void *a, void *b, size_t dim, size_t i)
{
    static const float specials[][2] = {
        {NAN, 1},      {1, NAN},       {-NAN, NAN},          {NAN, INFINITY},
        {INFINITY, 1}, {INFINITY, -1}, {-1, INFINITY},       {-INFINITY, 2},
        {INFINITY, 0}, {0, -INFINITY}, {INFINITY, INFINITY}, {INFINITY, -INFINITY},
    };

    for (size_t s = 0; s < COUNT_OF(specials); s++)
        check_special(kernel, a, b, dim, i, specials[s][0], specials[s][1]);
}

/* Two infinities of opposite signs: NaN as an inner product wherever they are, infinity as l2. */
static void check_opposites(const struct kernel *kernel, void *a, void *b, size_t dim)
{
    size_t i = random_below(dim);
    float old = (float)element(kernel->type, a, i);

    set_element(kernel->type, a, i, -INFINITY);
    for (int turn = 0; turn < 4; turn++)
        check_special(kernel, a, b, dim, random_below(dim), INFINITY, 1);
    set_element(kernel->type, a, i, old);
}

static void test_specials(void)
{
    for (size_t k = 0; k < COUNT_OF(kernels); k++)
        for (size_t dim = 1; dim <= SMALL_DIM_MAX + COUNT_OF(large_dims); dim++) {
            int small = dim <= SMALL_DIM_MAX;
            size_t n = small ? dim : large_dims[dim - SMALL_DIM_MAX - 1];
            size_t size = n * size_of(kernels[k].type);
            void *a = at_end(region_a, size), *b = at_end(region_b, size);
            fill_rows(kernels[k].type, ORDINARY, a, b, n);
            for (size_t i = 0; i < (small ? n : 8); i++)
                check_specials_at(&kernels[k], a, b, n, small ? i : n - 1 - i * (n / 9));
            check_opposites(&kernels[k], a, b, n);
        }
}

/* Sums that no order of additions keeps finite. */
static void test_overflow(void)
{
    for (size_t k = 0; k < COUNT_OF(kernels); k++)
        for (size_t dim = 1; dim <= SMALL_DIM_MAX && kernels[k].type != F16; dim++) {
            size_t size = dim * size_of(kernels[k].type);
            void *a = at_end(region_a, size), *b = at_end(region_b, size);
            for (size_t i = 0; i < dim; i++) {
                set_element(kernels[k].type, a, i, 3e38f);
                set_element(kernels[k].type, b, i, -3e38f);
            }
            check_classes(&kernels[k], a, b, dim);
            check_classes(&kernels[k], a, a, dim);
        }
}

/* --- Scans ------------------------------------------------------------------------------------------------ */

/* Every distance of a scan has the bits of the same level's distance. Rows, query and results end
 * at guard pages. */
static void check_scan(const struct level *level, int l2, size_t dim, size_t count, size_t gap)
{
    size_t size = dim * sizeof(float), stride = size + gap;
    size_t rows_size = count ? (count - 1) * stride + size : 0;
    const void *query = at_end(region_a, size);
    const uint8_t *rows = at_end(region_b, rows_size);
    float *ret = at_end(region_ret, count * sizeof *ret);
    simd_scan scan = l2 ? level->ops->l2_f32_scan : level->ops->ip_f32_scan;
    simd_distance distance = l2 ? level->ops->l2_f32 : level->ops->ip_f32;

    for (size_t i = 0; i < count; i++)
        ret[i] = NAN;
    scan(query, rows, stride, count, dim, ret);
    for (size_t i = 0; i < count; i++) {
        float want = distance(query, rows + i * stride, dim);
        check(bits_of(ret[i]) == bits_of(want), level->name, l2 ? "l2_f32_scan" : "ip_f32_scan",
              dim, (double)ret[i], (double)want);
    }
}

static void test_scans_of_dim(size_t dim)
{
    static const size_t gaps[] = {0, 4, 12, 60};

    for (size_t count = 0; count <= ROWS_MAX; count++) {
        size_t gap = gaps[random_below(COUNT_OF(gaps))];
        if (count * (dim * sizeof(float) + gap) > SCAN_SIZE_MAX)
            return;
        for (size_t l = 0; l < level_count; l++) {
            check_scan(&levels[l], 0, dim, count, gap);
            check_scan(&levels[l], 1, dim, count, gap);
        }
    }
}

static void test_scans(void)
{
    float *query = (float *)(void *)region_a, *rows = (float *)(void *)region_b;

    for (size_t i = 0; i < REGION_SIZE / sizeof(float); i++) {
        query[i] = random_unit();
        rows[i] = random_unit();
    }
    for (size_t dim = 0; dim <= SMALL_DIM_MAX; dim++)
        test_scans_of_dim(dim);
    for (size_t i = 0; i < COUNT_OF(large_dims); i++)
        test_scans_of_dim(large_dims[i]);
}

/* --- int8 --------------------------------------------------------------------------------------------------- */

static void check_i8(const int8_t *a, const int8_t *b, size_t dim)
{
    int64_t want = 0;

    for (size_t i = 0; i < dim; i++)
        want += a[i] * b[i];
    for (size_t l = 0; l < level_count; l++) {
        int32_t got = levels[l].ops->ip_i8(a, b, dim);
        check(got == want, levels[l].name, "ip_i8", dim, (double)got, (double)want);
    }
}

static int8_t random_i8(void)
{
    return (int8_t)((int)random_below(255) - 127);
}

static void fill_i8(int8_t *a, int8_t *b, size_t dim, int kind)
{
    for (size_t i = 0; i < dim; i++) {
        a[i] = kind == 0 ? random_i8() : kind == 1 ? 127 : -127;
        b[i] = kind == 0 ? random_i8() : kind == 3 ? 127 : -127;
    }
}

static void test_i8_of_dim(size_t dim)
{
    for (int kind = 0; kind < 4; kind++) {
        int8_t *a = at_end(region_a, dim), *b = at_end(region_b, dim);
        fill_i8(a, b, dim, kind);
        check_i8(a, b, dim);
        a = at_start(region_a, random_below(64));
        b = at_start(region_b, random_below(64));
        fill_i8(a, b, dim, kind);
        check_i8(a, b, dim);
    }
}

static void test_i8(void)
{
    for (size_t dim = 0; dim <= 2 * SMALL_DIM_MAX; dim++)
        test_i8_of_dim(dim);
    for (size_t i = 0; i < COUNT_OF(large_dims); i++)
        test_i8_of_dim(large_dims[i]);
}

/* --- Conversions ---------------------------------------------------------------------------------------------- */

static void check_equal_words(const struct level *level, const char *what, const uint16_t *got,
                              const uint16_t *want, size_t dim)
{
    for (size_t i = 0; i < dim; i++)
        check(got[i] == want[i], level->name, what, dim, got[i], want[i]);
}

/* Narrow `dim` floats at both ends of guarded memory with every level. */
static void check_narrow(const float *from, size_t dim)
{
    static uint16_t f16[DIM_MAX], bf16[DIM_MAX];
    float *source = at_end(region_a, dim * sizeof(float));
    uint16_t *to = at_end(region_b, dim * sizeof(uint16_t));

    memcpy(source, from, dim * sizeof *from);
    simd_scalar.f32_to_f16(from, f16, dim);
    simd_scalar.f32_to_bf16(from, bf16, dim);
    for (size_t l = 0; l < level_count; l++) {
        levels[l].ops->f32_to_f16(source, to, dim);
        check_equal_words(&levels[l], "f32_to_f16", to, f16, dim);
        levels[l].ops->f32_to_bf16(source, to, dim);
        check_equal_words(&levels[l], "f32_to_bf16", to, bf16, dim);
    }
}

static void check_widen(const uint16_t *from, size_t dim)
{
    static float f16[DIM_MAX], bf16[DIM_MAX];
    uint16_t *source = at_end(region_a, dim * sizeof(uint16_t));
    float *to = at_end(region_b, dim * sizeof(float));

    memcpy(source, from, dim * sizeof *from);
    simd_scalar.f16_to_f32(from, f16, dim);
    simd_scalar.bf16_to_f32(from, bf16, dim);
    for (size_t l = 0; l < level_count; l++) {
        levels[l].ops->f16_to_f32(source, to, dim);
        check(memcmp(to, f16, dim * sizeof *to) == 0, levels[l].name, "f16_to_f32", dim, 0, 0);
        levels[l].ops->bf16_to_f32(source, to, dim);
        check(memcmp(to, bf16, dim * sizeof *to) == 0, levels[l].name, "bf16_to_f32", dim, 0, 0);
    }
}

/* All 65,536 patterns; the reference itself against the definition. */
static void test_widen(void)
{
    static uint16_t patterns[DIM_MAX];
    static float floats[DIM_MAX];

    for (size_t i = 0; i < DIM_MAX; i++)
        patterns[i] = (uint16_t)i;
    check_widen(patterns, DIM_MAX);
    for (size_t dim = 0; dim <= SMALL_DIM_MAX; dim++)
        check_widen(patterns + random_below(DIM_MAX - dim), dim);

    simd_scalar.f16_to_f32(patterns, floats, DIM_MAX);
    for (size_t i = 0; i < DIM_MAX; i++) {
        double want = element(F16, patterns, i), got = (double)floats[i];
        check(isnan(want) ? isnan(got) : got == want, "scalar", "f16_to_f32", i, got, want);
    }
}

/* The reference against the definition: `to` is the nearest to x, and even when there are two. */
static void check_nearest(enum type type, float x, uint16_t to)
{
    uint16_t infinity = type == F16 ? 0x7c00 : 0x7f80, magnitude = to & 0x7fff;
    uint16_t neighbours[2] = {(uint16_t)(magnitude - 1), (uint16_t)(magnitude + 1)};
    double want = fabs((double)x), got = element(type, &magnitude, 0);
    /* Infinity stands for the number that would follow the largest, when it comes to rounding. */
    double after_largest = type == F16 ? 65536 : 0x1p128;
    double error = fabs((magnitude == infinity ? after_largest : got) - want);

    if (isinf(x)) {
        check(magnitude == infinity, "scalar", "narrow", type, to, (double)x);
        return;
    }
    for (int side = magnitude == 0; side < (magnitude == infinity ? 1 : 2); side++) {
        uint16_t other = neighbours[side];
        double value = other == infinity ? after_largest : element(type, &other, 0);
        double other_error = fabs(value - want);
        int ok = error < other_error || (error == other_error && magnitude % 2 == 0) ||
                 (magnitude == infinity && want >= after_largest);
        check(ok, "scalar", "narrow to nearest", type, got, (double)x);
    }
    check(!signbit(x) == !(to & 0x8000), "scalar", "sign of narrow", type, to, (double)x);
}

static void check_narrow_by_definition(const float *from, size_t dim)
{
    static uint16_t f16[DIM_MAX], bf16[DIM_MAX];

    simd_scalar.f32_to_f16(from, f16, dim);
    simd_scalar.f32_to_bf16(from, bf16, dim);
    for (size_t i = 0; i < dim; i++) {
        if (isnan(from[i])) {
            check(isnan(element(F16, f16, i)), "scalar", "f32_to_f16 of NaN", i, f16[i], 0);
            check(isnan(element(BF16, bf16, i)), "scalar", "f32_to_bf16 of NaN", i, bf16[i], 0);
        } else {
            check_nearest(F16, from[i], f16[i]);
            check_nearest(BF16, from[i], bf16[i]);
        }
    }
}

/* For every pair of neighbours: both, the middle, and the floats next to the middle. */
static void test_narrow_boundaries(enum type type)
{
    static float floats[DIM_MAX];
    size_t count = 0;

    for (unsigned bits = 0; bits < 65536; bits++) {
        uint16_t pair[2] = {(uint16_t)bits, (uint16_t)(bits + 1)};
        double low = element(type, pair, 0), high = element(type, pair, 1);
        float middle = (float)((low + high) / 2); /* has one bit more, so it is exact */
        floats[count++] = (float)low;
        floats[count++] = middle;
        floats[count++] = nextafterf(middle, INFINITY);
        floats[count++] = nextafterf(middle, -INFINITY);
        if (count == DIM_MAX) {
            check_narrow(floats, count);
            check_narrow_by_definition(floats, count);
            count = 0;
        }
    }
}

static void test_narrow(void)
{
    static float floats[DIM_MAX];

    test_narrow_boundaries(F16);
    test_narrow_boundaries(BF16);
    for (int turn = 0; turn < 16; turn++) {
        for (size_t i = 0; i < DIM_MAX; i++) /* any pattern; or one near the range of halves */
            if (turn % 2)
                floats[i] = float_of((uint32_t)random_u64());
            else
                floats[i] = ldexpf(random_unit(), (int)(i % 48) - 28);
        check_narrow(floats, DIM_MAX);
        check_narrow_by_definition(floats, DIM_MAX);
    }
    for (size_t dim = 0; dim <= SMALL_DIM_MAX; dim++)
        check_narrow(floats, dim);
}

/* Conversions write their dim elements and not one more. */
static void test_bounds_of_writes(void)
{
    enum { ROOM = SMALL_DIM_MAX + 16 };

    for (size_t l = 0; l < level_count; l++)
        for (size_t dim = 0; dim <= SMALL_DIM_MAX; dim++) {
            float from[SMALL_DIM_MAX] = {0}, wide[ROOM];
            uint16_t words[SMALL_DIM_MAX] = {0}, narrow[ROOM];
            int ok = 1;
            memset(wide, 0xff, sizeof wide);
            memset(narrow, 0xff, sizeof narrow);
            levels[l].ops->f32_to_f16(from, narrow, dim);
            levels[l].ops->f32_to_bf16(from, narrow, dim);
            levels[l].ops->f16_to_f32(words, wide, dim);
            levels[l].ops->bf16_to_f32(words, wide, dim);
            for (size_t i = 0; i < ROOM; i++)
                ok &= (bits_of(wide[i]) == 0) == (i < dim) && (narrow[i] == 0) == (i < dim);
            check(ok, levels[l].name, "bounds of writes", dim, 0, 0);
        }
}

/* --- Choosing a level ------------------------------------------------------------------------------------------ */

/* In a child, because the choice is made once. NULL: no LODE_SIMD. */
static int chooses(const char *wanted, const char *expected)
{
    int status = 1;
    pid_t child = fork();

    if (child == 0) {
        if (wanted)
            setenv("LODE_SIMD", wanted, 1);
        else
            unsetenv("LODE_SIMD");
        _exit(strcmp(simd()->name, expected) != 0 || simd() != simd_level(expected));
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

/* The best of the levels there are, asked for in a child too. */
static const char *best_level(void)
{
    static const char *const names[] = {"avx512", "avx2", "neon", "scalar"};
    int status = 0;
    pid_t child = fork();

    for (size_t i = 0; child == 0 && i < COUNT_OF(names); i++)
        if (simd_level(names[i]))
            _exit((int)i);
    if (child < 0 || waitpid(child, &status, 0) != child || !WIFEXITED(status))
        return "";
    return names[WEXITSTATUS(status)];
}

/* Before anything else has made this process choose. */
static void test_choice(void)
{
    const char *best = best_level();

    check(chooses("scalar", "scalar"), "scalar", "LODE_SIMD=scalar", 0, 0, 0);
    check(chooses(NULL, best), best, "no LODE_SIMD", 0, 0, 0);
    check(chooses("", best), best, "LODE_SIMD=", 0, 0, 0);
    check(chooses("sse9", best), best, "LODE_SIMD=sse9", 0, 0, 0);
    if (strcmp(best, "avx512") == 0)
        check(chooses("avx2", "avx2"), "avx2", "LODE_SIMD=avx2", 0, 0, 0);
#if !defined(__aarch64__)
    check(chooses("neon", best), best, "LODE_SIMD=neon elsewhere", 0, 0, 0);
#endif
    check(simd_level("sse9") == NULL, "sse9", "simd_level", 0, 0, 0);
    check(strcmp(simd_level("scalar")->name, "scalar") == 0, "scalar", "simd_level", 0, 0, 0);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 20240229;

    test_choice();
    random_state = seed;
    region_a = guarded();
    region_b = guarded();
    region_ret = guarded();
    find_levels();
    printf("seed %" PRIu64 ", levels:", seed);
    for (size_t l = 0; l < level_count; l++)
        printf(" %s", levels[l].name);
    printf("\n");

    test_sums();
    test_twins();
    test_specials();
    test_overflow();
    test_scans();
    test_i8();
    test_widen();
    test_narrow();
    test_bounds_of_writes();

    printf("%s: %" PRIu64 " checks, %" PRIu64 " failed\n", failures ? "FAIL" : "PASS", checks,
           failures);
    return failures != 0;
}
