/* test_qg.c: the quantised graph: recall floors, filters and deletes, odd data, and the graph's bytes. */
#include "support/index_contract.h"

#include "index/qg.h"
#include "base/le.h"

static struct index *built(const struct data *data)
{
    return contract_built(&index_qg, data);
}

static double recall_of(enum data_kind kind, struct space space, uint32_t count, uint32_t ef)
{
    struct data data;
    data_init(&data, kind, space, count, 50);
    struct index *index = built(&data);
    double recall = data_recall(&data, index, ef, count, NULL);
    index->ops->close(index);
    data_release(&data);
    return recall;
}

static void recall_for_each_space(void **state)
{
    (void)state;
    for (int metric = LODE_METRIC_L2; metric <= LODE_METRIC_COSINE; metric++)
        for (int scalar = LODE_SCALAR_F32; scalar <= LODE_SCALAR_INT8; scalar++) {
            struct space space = data_space((lode_metric)metric, (lode_scalar)scalar, 24);
            double recall = recall_of(DATA_CLUSTERED, space, 3000, 100);
            if (recall < 0.95)
                fail_msg("metric %d, scalar %d: recall %g", metric, scalar, recall);
        }
}

static void odd_data(void **state)
{
    (void)state;
    static const size_t dims[] = {16, 100, 300};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        struct space space = data_space(LODE_METRIC_L2, LODE_SCALAR_F32, dims[i]);
        assert_true(recall_of(DATA_EQUAL, space, 2000, 64) == 1.0);
        for (int kind = DATA_DUPLICATES; kind <= DATA_OUTLIERS; kind++) {
            double recall = recall_of((enum data_kind)kind, space, 2000, 100);
            if (recall < 0.95)
                fail_msg("kind %d, dim %zu: recall %g", kind, dims[i], recall);
        }
    }
}

/* Near rows differ by so little that 8-bit vectors order them badly: with ef, more are compared as stored. */
static void no_ceiling(void **state)
{
    (void)state;
    static const size_t dims[] = {32, 128};
    for (int metric = LODE_METRIC_L2; metric <= LODE_METRIC_COSINE; metric += LODE_METRIC_COSINE)
        for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
            struct space space = data_space((lode_metric)metric, LODE_SCALAR_F32, dims[i]);
            double recall = recall_of(DATA_TIGHT, space, 2500, 400);
            if (recall < 0.999)
                fail_msg("metric %d, dim %zu: recall %g", metric, dims[i], recall);
        }
}

/* m means what it means in the plain graph. */
static void rows_have_2m_links(void **state)
{
    (void)state;
    struct data data;
    struct index_params params = contract_params;
    params.m = 8;
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 24), 2000, 50);
    struct index *index;
    lode_error error;
    assert_int_equal(index_qg.build(&params, &data.rows, data.count, NULL, &index, &error),
                     LODE_OK);
    const struct qg *qg = (const struct qg *)index;
    uint32_t most = 0;
    for (uint32_t row = 0; row < data.count; row++) {
        uint32_t count = 0;
        while (count < qg_places(qg) && qg_link(qg_list(qg, row), count) != QG_NONE)
            count++;
        most = count > most ? count : most;
    }
    assert_int_equal(most, 16);
    assert_true(data_recall(&data, index, 100, data.count, NULL) >= 0.95);
    index->ops->close(index);
    data_release(&data);
}

/* All rows are reported once, whatever is built in the end. */
static void progress_is_the_rows(void **state)
{
    (void)state;
    static const enum data_kind kinds[] = {DATA_CLUSTERED, DATA_EQUAL, DATA_OUTLIERS, DATA_UNIFORM};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        for (int metric = LODE_METRIC_L2; metric <= LODE_METRIC_IP; metric++) {
            struct data data;
            _Atomic uint64_t done = 0;
            const struct index_work work = {.done = &done};
            struct index *index;
            data_init(&data, kinds[i], data_space((lode_metric)metric, LODE_SCALAR_F32, 48), 1000,
                      5);
            assert_int_equal(
                index_qg.build(&contract_params, &data.rows, data.count, &work, &index, NULL),
                LODE_OK);
            assert_int_equal(done, data.count);
            index->ops->close(index);
            data_release(&data);
        }
}

/* Wide rows that differ in few directions: codes of those alone. */
static void few_directions(void **state)
{
    (void)state;
    int is_compact = contract_params.layout == LODE_LAYOUT_COMPACT;
    for (int metric = LODE_METRIC_L2; metric <= LODE_METRIC_COSINE; metric++)
        for (int scalar = LODE_SCALAR_F32; scalar <= LODE_SCALAR_INT8; scalar += LODE_SCALAR_INT8) {
            struct space space = data_space((lode_metric)metric, (lode_scalar)scalar, 192);
            struct data data;
            if (metric == LODE_METRIC_IP && is_compact)
                continue; /* a plain graph */
            data_init(&data, DATA_LOW_RANK, space, 2000, 50);
            struct index *index = built(&data);
            const struct qg *qg = (const struct qg *)index;
            assert_int_equal(qg->dim, 64);
            assert_int_equal(qg->stride, is_compact ? 192 : 1024);
            double wide = data_recall(&data, index, 100, data.count, NULL);
            double narrow = data_recall(&data, index, 12, data.count, NULL);
            /* Queries of inner products lie apart from all rows. */
            if (wide < (metric == LODE_METRIC_IP ? 0.97 : 0.99) || narrow < 0.9)
                fail_msg("metric %d, scalar %d: recall %g and %g", metric, scalar, wide, narrow);
            index->ops->close(index);
            data_release(&data);
        }
}

/* Inner products: lengths say as much as directions. */
static void lengths(void **state)
{
    (void)state;
    static const size_t dims[] = {16, 24, 300};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++)
        for (int scalar = LODE_SCALAR_F32; scalar <= LODE_SCALAR_INT8; scalar++) {
            struct data data;
            struct space space = data_space(LODE_METRIC_IP, (lode_scalar)scalar, dims[i]);
            data_init(&data, DATA_LENGTHS, space, 3000, 50);
            struct index *index = built(&data);
            assert_ptr_equal(index->ops, &index_qg);
            double recall = data_recall(&data, index, 100, data.count, NULL);
            if (recall < 0.95)
                fail_msg("dim %zu, scalar %d: recall %g", dims[i], scalar, recall);
            index->ops->close(index);
            data_release(&data);
        }
}

/* A few rows that are among the best of half of the queries. */
static void long_rows(void **state)
{
    (void)state;
    struct space space = data_space(LODE_METRIC_IP, LODE_SCALAR_F32, 24);
    assert_true(recall_of(DATA_LONG, space, 3000, 100) >= 0.95);
}

/* To which all rows are equally near. */
static void zero_query(void **state)
{
    (void)state;
    struct data data;
    data_init(&data, DATA_LENGTHS, data_space(LODE_METRIC_IP, LODE_SCALAR_F32, 24), 3000, 1);
    memset(data.bytes + data.count * data.space.row_size, 0, data.space.row_size);
    struct index *index = built(&data);
    assert_ptr_equal(index->ops, &index_qg);
    assert_true(data_recall(&data, index, 10, data.count, NULL) == 1.0);
    index->ops->close(index);
    data_release(&data);
}

/* Adding the same to all rows changes no order of inner products, however much it is. */
static void far_from_the_origin(void **state)
{
    (void)state;
    struct space space = data_space(LODE_METRIC_IP, LODE_SCALAR_F32, 24);
    struct data data;
    data_init(&data, DATA_CLUSTERED, space, 3000, 50);
    for (uint32_t row = 0; row < data.count; row++)
        for (size_t i = 0; i < space.dim; i++)
            ((float *)(void *)data.bytes)[row * space.dim + i] += 100.0f;
    struct index *index = built(&data);
    assert_ptr_equal(index->ops, &index_qg);
    assert_true(data_recall(&data, index, 100, data.count, NULL) >= 0.95);
    index->ops->close(index);
    data_release(&data);
}

/* A small ef still finds most, even where codes of one bit only just tell neighbours apart. */
static void small_ef(void **state)
{
    (void)state;
    struct space narrow = data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 24);
    struct space wide = data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 300);
    double recall = recall_of(DATA_CLUSTERED, narrow, 3000, 10);
    if (recall < 0.9)
        fail_msg("24 dimensions: recall %g", recall);
    recall = recall_of(DATA_CLUSTERED, wide, 3000, 16);
    if (recall < 0.9)
        fail_msg("300 dimensions: recall %g", recall);
}

/* Below 16 dimensions the plain layout takes over. */
static void few_dimensions(void **state)
{
    (void)state;
    for (size_t dim = 1; dim <= 3; dim++) {
        struct space space = data_space(LODE_METRIC_L2, LODE_SCALAR_F32, dim);
        assert_true(recall_of(DATA_UNIFORM, space, 3000, 64) >= 0.99);
        assert_true(recall_of(DATA_DUPLICATES, space, 3000, 64) >= 0.95);
    }
}

static void few_rows(void **state)
{
    (void)state;
    struct space space = data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 8);
    for (uint32_t count = 0; count <= 20; count++)
        assert_true(recall_of(DATA_UNIFORM, space, count, 10) == 1.0);
}

static void hard_data(void **state)
{
    (void)state;
    contract_hard_data(&index_qg);
}

static void deletes(void **state)
{
    (void)state;
    contract_deletes(&index_qg, DATA_CLUSTERED, LODE_METRIC_L2);
    contract_deletes(&index_qg, DATA_LENGTHS, LODE_METRIC_IP);
}

static void filtered(void **state)
{
    (void)state;
    contract_filtered(&index_qg, DATA_CLUSTERED, LODE_METRIC_L2);
    contract_filtered(&index_qg, DATA_LOW_RANK, LODE_METRIC_COSINE);
    contract_filtered(&index_qg, DATA_LENGTHS, LODE_METRIC_IP);
}

static void same_bytes_twice(void **state)
{
    (void)state;
    contract_same_bytes_twice(&index_qg, 20);
}

static void opened_answers_the_same(void **state)
{
    (void)state;
    contract_opened_answers_the_same(&index_qg, DATA_CLUSTERED, LODE_METRIC_COSINE, 20);
    contract_opened_answers_the_same(&index_qg, DATA_LOW_RANK, LODE_METRIC_COSINE, 192);
    contract_opened_answers_the_same(&index_qg, DATA_LENGTHS, LODE_METRIC_IP, 20);
    contract_opened_answers_the_same(&index_qg, DATA_LOW_RANK, LODE_METRIC_IP, 192);
}

static void damaged_bytes(void **state)
{
    (void)state;
    contract_damaged_bytes(&index_qg, DATA_CLUSTERED, LODE_METRIC_L2, 18);
    contract_damaged_bytes(&index_qg, DATA_LOW_RANK, LODE_METRIC_L2, 192);
    contract_damaged_bytes(&index_qg, DATA_CLUSTERED, LODE_METRIC_IP, 18);
    contract_damaged_bytes(&index_qg, DATA_LOW_RANK, LODE_METRIC_IP, 192);
}

static void check_finds_a_bad_link(void **state)
{
    (void)state;
    struct data data;
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 18), 600, 5);
    struct index *index = built(&data), *opened = NULL;
    struct buf buf;
    contract_serialized(index, &buf);
    index->ops->close(index);
    uint8_t *mapped = aligned_alloc(64, buf.size);
    memcpy(mapped, buf.data, buf.size);
    struct index_file file = {
        .rows = &data.rows, .count = data.count, .data = mapped, .size = buf.size};
    assert_int_equal(index_qg.open(&file, &opened, NULL), LODE_OK);
    const struct qg *qg = (const struct qg *)opened;
    size_t links = (size_t)(qg_row_links(qg, qg->graph + 77 * qg->stride, 0) - mapped);
    le_store_u32(mapped + links, 600); /* the first link of row 77 */
    lode_error error = {LODE_OK, 0, ""};
    assert_int_equal(opened->ops->check(opened, &error), LODE_CORRUPT);
    assert_non_null(strstr(error.message, "row 77"));
    opened->ops->close(opened);
    free(mapped);
    buf_release(&buf);
    data_release(&data);
}

static int in_compact_layout(void **state)
{
    (void)state;
    contract_params.layout = LODE_LAYOUT_COMPACT;
    return 0;
}

/* Everything once in each layout; inner products in the fast one, since the other leaves them to the plain
 * graph. */
int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recall_for_each_space),
        cmocka_unit_test(odd_data),
        cmocka_unit_test(few_directions),
        cmocka_unit_test(small_ef),
        cmocka_unit_test(no_ceiling),
        cmocka_unit_test(rows_have_2m_links),
        cmocka_unit_test(progress_is_the_rows),
        cmocka_unit_test(few_dimensions),
        cmocka_unit_test(few_rows),
        cmocka_unit_test(hard_data),
        cmocka_unit_test(deletes),
        cmocka_unit_test(filtered),
        cmocka_unit_test(same_bytes_twice),
        cmocka_unit_test(opened_answers_the_same),
        cmocka_unit_test(damaged_bytes),
        cmocka_unit_test(check_finds_a_bad_link),
    };
    const struct CMUnitTest inner_products[] = {
        cmocka_unit_test(lengths),
        cmocka_unit_test(long_rows),
        cmocka_unit_test(zero_query),
        cmocka_unit_test(far_from_the_origin),
    };
    int failed = cmocka_run_group_tests_name("inner products", inner_products, NULL, NULL);
    failed += cmocka_run_group_tests_name("fast", tests, NULL, NULL);
    return failed + cmocka_run_group_tests_name("compact", tests, in_compact_layout, NULL);
}
