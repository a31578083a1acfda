/* test_flat_batch.c: the scan of many queries gives what the scan of one gives, bit for bit, whatever the
 * data; and the bound it leaves rows out by is one. Every level in turn, in a child each. */
#include "support/index_kit.h"

#include <math.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "index/flat_bound.h"
#include "simd/simd.h"

enum { QUERIES_MAX = 70, K_MAX = 300 };

/* --- Data --------------------------------------------------------------------------------------- */

/* What rounding could get wrong, besides the kinds of the kit. */
enum extreme {
    FAR_AND_NEAR,    /* close together, far from zero: the products cancel */
    LONG,            /* as long as is accepted, or nearly */
    SHORT,           /* squares underflow, components are subnormal */
    MIXED,           /* lengths from one end to the other */
    OPPOSITE,        /* terms cancel within one product */
    NEARLY_THE_SAME, /* neighbours differ by one bit of one component */
    EXTREMES
};

static float extreme_value(enum extreme kind, size_t i, size_t dim, int exponent, struct rng *rng)
{
    float random = (float)rng_normal(rng);
    switch (kind) {
    case FAR_AND_NEAR: return 1000.0f + random / 1000;
    case LONG: return ldexpf(random, 57 - (int)log2((double)dim) / 2);
    case SHORT: return ldexpf(random, -66 - (int)rng_below(rng, 80));
    case MIXED: return ldexpf(random, exponent);
    case OPPOSITE: return i % 2 ? ldexpf(1 + random / 4096, 20) : -ldexpf(1 + random / 4096, 20);
    default: return 1 + 0x1p-23f * (float)(rng_below(rng, (uint32_t)dim) == 0);
    }
}

/* What the type refuses is scaled until it is accepted. */
static void encode(const struct space *space, float *vector, uint8_t *row)
{
    lode_error error;
    for (int turn = 0; space_check(space, vector, &error) != LODE_OK; turn++) {
        assert_true(turn < 10);
        for (size_t i = 0; i < space->dim; i++)
            vector[i] = ldexpf(vector[i], space->scalar == LODE_SCALAR_F16 ? -15 : 30);
        vector[0] += vector[0] == 0;
    }
    space_encode(space, vector, row);
}

static void extreme_init(struct data *data, enum extreme kind, struct space space, uint32_t count)
{
    struct rng rng;
    size_t total = count + QUERIES_MAX;
    float *vector = malloc(space.dim * sizeof *vector);
    rng_init(&rng, 3 + kind);
    *data = (struct data){.space = space, .count = count, .query_count = QUERIES_MAX};
    data->bytes = malloc(total * space.row_size);
    for (size_t n = 0; n < total; n++) {
        int exponent = (int)rng_below(&rng, 100) - 50;
        for (size_t i = 0; i < space.dim; i++)
            vector[i] = extreme_value(kind, i, space.dim, exponent, &rng);
        encode(&space, vector, data->bytes + n * space.row_size);
    }
    data->rows =
        (struct rows){.space = &data->space, .base = data->bytes, .stride = space.row_size};
    free(vector);
}

/* --- Comparing ----------------------------------------------------------------------------------- */

struct searches {
    struct neighbor items[QUERIES_MAX][K_MAX];
    struct topk topks[QUERIES_MAX];
    struct index_counts counts[QUERIES_MAX];
    struct index_query queries[QUERIES_MAX];
};

struct given {
    size_t query_count, k;
    uint32_t first, row_limit;
    const uint64_t *allowed;
};

/* Every query has another k, at most given->k. */
static struct searches *searches_new(const struct data *data, const struct given *given)
{
    struct searches *searches = calloc(1, sizeof *searches);
    for (size_t i = 0; i < given->query_count; i++) {
        topk_init(&searches->topks[i], searches->items[i], given->k - i % given->k);
        searches->queries[i] = (struct index_query){
            .query = data_query(data, (uint32_t)i),
            .row_limit = given->row_limit,
            .allowed = given->allowed,
            .topk = &searches->topks[i],
            .counts = &searches->counts[i],
        };
    }
    return searches;
}

static void check(const struct data *data, const struct given *given)
{
    lode_error error;
    struct searches *batch = searches_new(data, given), *single = searches_new(data, given);
    assert_int_equal(
        flat_search_batch(&data->rows, given->first, batch->queries, given->query_count, &error),
        LODE_OK);
    for (size_t i = 0; i < given->query_count; i++) {
        struct topk *got = &batch->topks[i], *wanted = &single->topks[i];
        assert_int_equal(flat_search(&data->rows, given->first, &single->queries[i], NULL),
                         LODE_OK);
        assert_int_equal(got->count, wanted->count);
        topk_sort(got);
        topk_sort(wanted);
        assert_memory_equal(got->items, wanted->items, got->count * sizeof *got->items);
        if (!given->allowed)
            assert_int_equal(batch->counts[i].distances, single->counts[i].distances);
    }
    free(batch);
    free(single);
}

/* B is the very distance of a row: it must not be left out. */
static void check_bound(const struct data *data, uint32_t rows)
{
    const struct space *space = &data->space;
    struct flat_bound bound;
    struct flat_bound_query side;
    float *panel = calloc(space->dim * SIMD_PANEL, sizeof *panel);
    float *query = malloc(space->dim * sizeof *query), *row = malloc(space->dim * sizeof *row);
    float products[SIMD_PANEL], base[SIMD_PANEL] = {0}, slack[SIMD_PANEL] = {0}, lift, norm;
    struct simd_tile_bounds bounds = {.base = base, .slack = slack, .lift = &lift, .norm = &norm};
    flat_bound_init(&bound, space);
    for (uint32_t q = 0; q < 4; q++) {
        space_decode(space, data_query(data, q), query);
        flat_bound_of_query(&bound, query, space->dim, &side);
        slack[0] = side.slack;
        for (size_t i = 0; i < space->dim; i++)
            panel[i * SIMD_PANEL] = query[i];
        for (uint32_t r = 0; r < rows; r++) {
            float distance = space->distance(space, data_query(data, q), rows_at(&data->rows, r));
            uint32_t near;
            space_decode(space, rows_at(&data->rows, r), row);
            flat_bound_of_row(&bound, simd()->ip_f32(row, row, space->dim), &lift, &norm);
            base[0] = flat_bound_base(&bound, &side, distance);
            simd()->ip_tile(panel, 0, (const uint8_t *)row, 0, 1, space->dim, products);
            simd()->tile_near(products, 1, &bounds, &near);
            if (!(near & 1))
                fail_msg("metric %d, type %d, dim %zu: query %u, row %u at %g is left out",
                         (int)space->metric, (int)space->scalar, space->dim, q, r,
                         (double)distance);
        }
    }
    free(panel);
    free(query);
    free(row);
}

/* --- Tests --------------------------------------------------------------------------------------- */

static void for_each_space(size_t dim, void (*test)(struct space space))
{
    for (int metric = LODE_METRIC_L2; metric <= LODE_METRIC_COSINE; metric++)
        for (int scalar = LODE_SCALAR_F32; scalar <= LODE_SCALAR_INT8; scalar++)
            test(data_space((lode_metric)metric, (lode_scalar)scalar, dim));
}

static void check_kinds(struct space space)
{
    static const enum data_kind kinds[] = {DATA_CLUSTERED, DATA_DUPLICATES, DATA_GRID, DATA_DENSE,
                                           DATA_OUTLIERS};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct data data;
        data_init(&data, kinds[i], space, 400, QUERIES_MAX);
        check(&data, &(struct given){QUERIES_MAX, 10 + i, 0, 400, NULL});
        check_bound(&data, 40);
        data_release(&data);
    }
}

static void check_extremes(struct space space)
{
    for (int kind = 0; kind < EXTREMES; kind++) {
        struct data data;
        extreme_init(&data, (enum extreme)kind, space, 150);
        check(&data, &(struct given){33, 7, 0, 150, NULL});
        check_bound(&data, 150);
        data_release(&data);
    }
}

static void every_space(void **state)
{
    (void)state;
    for_each_space(33, check_kinds);
    for_each_space(130, check_kinds);
}

/* On data that are no trap, it is a filter: nearly nothing passes but what is near. */
static void the_bound_is_close(void **state)
{
    (void)state;
    struct data data;
    struct neighbor items[10];
    struct topk topk;
    struct index_counts counts = {0};
    struct flat_bound bound;
    struct flat_bound_query side;
    uint32_t passed = 0;
    data_init(&data, DATA_UNIFORM, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 128), 5000, 1);
    const float *query = (const float *)data_query(&data, 0);
    topk_init(&topk, items, 10);
    assert_int_equal(
        flat_search(&data.rows, 0,
                    &(struct index_query){
                        .query = query, .row_limit = 5000, .topk = &topk, .counts = &counts},
                    NULL),
        LODE_OK);
    flat_bound_init(&bound, &data.space);
    flat_bound_of_query(&bound, query, 128, &side);
    float base = flat_bound_base(&bound, &side, topk_bound(&topk)), lift, norm;
    for (uint32_t row = 0; row < 5000; row++) {
        const uint8_t *at = rows_at(&data.rows, row);
        flat_bound_of_row(&bound, simd()->ip_f32(at, at, 128), &lift, &norm);
        passed += simd()->ip_f32(query, at, 128) >= base + lift - side.slack * norm;
    }
    assert_in_range(passed, 10, 12);
    data_release(&data);
}

static void extremes(void **state)
{
    (void)state;
    static const size_t dims[] = {1, 2, 17, 200};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++)
        for_each_space(dims[i], check_extremes);
}

static void random_bits(uint64_t *words, uint32_t count, double share, struct rng *rng)
{
    memset(words, 0, bitset_words(count) * sizeof *words);
    for (uint32_t row = 0; row < count; row++)
        if (rng_unit(rng) < share)
            bitset_set(words, row);
}

/* Random numbers of queries, k beyond the rows, ranges and filters. */
static void every_shape(void **state)
{
    (void)state;
    static const double shares[] = {0.0, 0.01, 0.5, 0.99, 1.0};
    enum { ROWS = 1500 };
    struct rng rng;
    rng_init(&rng, 5);
    for (size_t turn = 0; turn < 40; turn++) {
        uint64_t allowed[(ROWS + 63) / 64];
        struct data data;
        struct space space = data_space((lode_metric)rng_below(&rng, 3),
                                        (lode_scalar)rng_below(&rng, 4), 1 + rng_below(&rng, 300));
        enum data_kind kind = rng_below(&rng, 2) ? DATA_GRID : DATA_CLUSTERED;
        uint32_t limit = rng_below(&rng, ROWS + 1);
        random_bits(allowed, ROWS, shares[turn % 5], &rng);
        data_init(&data, kind, space, ROWS, QUERIES_MAX);
        struct given given = {.query_count = 1 + rng_below(&rng, QUERIES_MAX),
                              .k = 1 + rng_below(&rng, turn % 2 ? 20 : K_MAX),
                              .first = rng_below(&rng, limit + 1),
                              .row_limit = limit,
                              .allowed = turn % 3 ? allowed : NULL};
        check(&data, &given);
        data_release(&data);
    }
}

/* Blocks of the fewest rows, and the widest bound. */
static void long_rows(void **state)
{
    (void)state;
    struct data data;
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_BF16, LODE_DIM_MAX), 60,
              6);
    check(&data, &(struct given){6, 5, 0, 60, NULL});
    check_bound(&data, 5);
    data_release(&data);
}

/* What a damaged file may hold. */
static void rows_that_are_no_numbers(void **state)
{
    (void)state;
    for (int metric = LODE_METRIC_L2; metric <= LODE_METRIC_IP; metric++) {
        struct data data;
        data_init(&data, DATA_CLUSTERED, data_space((lode_metric)metric, LODE_SCALAR_F32, 9), 300,
                  QUERIES_MAX);
        float *values = (float *)(void *)data.bytes;
        for (uint32_t row = 0; row < 300; row += 7)
            values[row * 9 + row % 9] = row % 3 == 0 ? NAN : row % 3 == 1 ? INFINITY : -INFINITY;
        check(&data, &(struct given){40, 5, 0, 300, NULL});
        check(&data, &(struct given){40, 290, 0, 300, NULL});
        data_release(&data);
    }
}

static int run_all(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_space), cmocka_unit_test(the_bound_is_close),
        cmocka_unit_test(extremes),    cmocka_unit_test(every_shape),
        cmocka_unit_test(long_rows),   cmocka_unit_test(rows_that_are_no_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* A level is chosen once in the life of a process. */
int main(void)
{
    static const char *const levels[] = {"scalar", "avx2", "avx512", "neon"};
    int failed = 0;
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        int status = 1;
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            setenv("LODE_SIMD", levels[i], 1);
            if (strcmp(simd()->name, levels[i]) != 0)
                exit(0); /* not on this machine */
            exit(run_all());
        }
        failed |= child < 0 || waitpid(child, &status, 0) != child || status != 0;
    }
    return failed;
}
