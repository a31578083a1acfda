/* test_hnsw.c: recall floors, filters and deletes, odd data, and the graph's bytes. */
#include "support/format_page.h"
#include "support/index_contract.h"

#include "base/le.h"
#include "index/hnsw.h"

static struct index *built(const struct data *data)
{
    return contract_built(&index_hnsw, data);
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
    struct space space = data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 16);
    assert_true(recall_of(DATA_EQUAL, space, 3000, 64) == 1.0);
    assert_true(recall_of(DATA_DUPLICATES, space, 3000, 64) >= 0.95);
    assert_true(recall_of(DATA_ZEROS, space, 3000, 64) >= 0.95);
    assert_true(recall_of(DATA_GRID, space, 3000, 64) >= 0.95);
    assert_true(recall_of(DATA_ONE_HOT, space, 3000, 64) >= 0.95);
    assert_true(recall_of(DATA_OUTLIERS, space, 3000, 100) >= 0.95);
    for (size_t dim = 1; dim <= 3; dim++) {
        space = data_space(LODE_METRIC_L2, LODE_SCALAR_F32, dim);
        assert_true(recall_of(DATA_UNIFORM, space, 3000, 64) >= 0.99);
        assert_true(recall_of(DATA_DUPLICATES, space, 3000, 64) >= 0.95);
    }
}

/* The number of rows to which links of layer 0 lead from the entry. */
static uint32_t reached_rows(const struct index *index, uint32_t count)
{
    const struct hnsw *hnsw = (const struct hnsw *)index;
    uint32_t *queue = malloc(count * sizeof *queue), done = 0, reached = 0;
    uint8_t *seen = calloc(count, 1);
    queue[reached++] = hnsw->entry;
    seen[hnsw->entry] = 1;
    while (done < reached) {
        const uint32_t *list = hnsw_list(hnsw, queue[done++], 0);
        for (uint32_t i = 0; i < 2 * hnsw->m && list[i] != HNSW_NONE; i++)
            if (!seen[list[i]]) {
                seen[list[i]] = 1;
                queue[reached++] = list[i];
            }
    }
    free(queue);
    free(seen);
    return reached;
}

static void every_row_is_reachable(void **state)
{
    (void)state;
    for (int kind = DATA_CLUSTERED; kind <= DATA_OUTLIERS; kind++) {
        struct data data;
        struct space space = data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 16);
        data_init(&data, (enum data_kind)kind, space, 3000, 0);
        struct index *index = built(&data);
        assert_int_equal(reached_rows(index, data.count), data.count);
        index->ops->close(index);
        data_release(&data);
    }
}

static lode_status ignore(void *context, const void *bytes, size_t size, lode_error *error)
{
    (void)context, (void)bytes, (void)size, (void)error;
    return LODE_OK;
}

static void rows_out_of_order(void **state)
{
    (void)state;
    struct data data;
    struct index *index = NULL;
    struct index_sink sink = {.write = ignore};
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 16), 1000, 20);
    assert_int_equal(index_hnsw.create(&contract_params, &data.rows, data.count, &index, NULL),
                     LODE_OK);
    assert_int_equal(index->ops->insert(index, data.count, NULL), LODE_LIMIT);
    for (uint32_t i = 0; i < data.count; i++) {
        uint32_t row = (i * 7 + 5) % data.count;
        assert_int_equal(index->ops->insert(index, row, NULL), LODE_OK);
        lode_status wanted = i == 10 ? LODE_INVALID : LODE_OK; /* rows between are missing */
        if (i == 10 || i == data.count - 1)
            assert_int_equal(index->ops->serialize(index, &sink, NULL), wanted);
    }
    assert_int_equal(index->ops->check(index, NULL), LODE_OK);
    assert_true(data_recall(&data, index, 100, data.count, NULL) >= 0.95);
    index->ops->close(index);
    data_release(&data);
}

/* 50 vectors, 200 copies of each: more than the beam is wide. Queries are not among them. */
static void beyond_copies(void **state)
{
    (void)state;
    struct data data, others;
    struct space space = data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 32);
    data_init(&data, DATA_DUPLICATES, space, 10000, 200);
    data_init(&others, DATA_UNIFORM, space, 0, 200);
    memcpy(data.bytes + data.count * space.row_size, others.bytes, 200 * space.row_size);
    struct index *index = built(&data);
    assert_true(data_recall(&data, index, 100, data.count, NULL) >= 0.95);
    index->ops->close(index);
    data_release(&others);
    data_release(&data);
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
    contract_hard_data(&index_hnsw);
}

static void deletes(void **state)
{
    (void)state;
    contract_deletes(&index_hnsw, DATA_CLUSTERED, LODE_METRIC_L2);
}

/* --- Codes ------------------------------------------------------------------------------------- */

/* As the growing segment makes its graph: row by row, by codes centred at the first half of the rows. */
static lode_status build_coded(const struct index_params *params, const struct rows *rows,
                               uint32_t count, const struct index_work *work,
                               struct index **ret_index, lode_error *error)
{
    (void)work;
    struct index_params coded = *params;
    coded.coded_from = count / 2;
    lode_status status = index_hnsw.create(&coded, rows, count + 100, ret_index, error);
    for (uint32_t row = 0; status == LODE_OK && row < count; row++)
        status = (*ret_index)->ops->insert(*ret_index, row, error);
    return status;
}

static struct index_ops coded_ops(void)
{
    struct index_ops ops = index_hnsw;
    ops.build = build_coded;
    return ops;
}

static void hard_data_by_codes(void **state)
{
    (void)state;
    struct index_ops ops = coded_ops();
    contract_hard_data(&ops);
}

static void deletes_by_codes(void **state)
{
    (void)state;
    struct index_ops ops = coded_ops();
    contract_deletes(&ops, DATA_CLUSTERED, LODE_METRIC_COSINE);
}

static void filtered(void **state)
{
    (void)state;
    struct index_ops ops = coded_ops();
    contract_filtered(&index_hnsw, DATA_CLUSTERED, LODE_METRIC_L2);
    contract_filtered(&index_hnsw, DATA_LENGTHS, LODE_METRIC_IP);
    contract_filtered(&ops, DATA_LOW_RANK, LODE_METRIC_COSINE);
}

static void codes_are_made_where_they_serve(void **state)
{
    (void)state;
    for (int metric = LODE_METRIC_L2; metric <= LODE_METRIC_COSINE; metric++)
        for (int scalar = LODE_SCALAR_F32; scalar <= LODE_SCALAR_INT8; scalar++) {
            struct data data;
            data_init(&data, DATA_CLUSTERED,
                      data_space((lode_metric)metric, (lode_scalar)scalar, 30), 1000, 50);
            struct index_ops ops = coded_ops();
            struct index *index = contract_built(&ops, &data);
            int coded = ((struct hnsw *)index)->codes.mean != NULL;
            assert_int_equal(coded, metric != LODE_METRIC_IP && scalar != LODE_SCALAR_INT8);
            assert_true(data_recall(&data, index, 64, data.count, NULL) >= 0.98);
            index->ops->close(index);
            data_release(&data);
        }
}

/* Near rows a thousandth apart, far from the mean: their codes are all the same, and vectors decide. */
static void what_codes_blur_is_found(void **state)
{
    (void)state;
    struct data data;
    data_init(&data, DATA_DENSE, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 24), 3000, 100);
    struct index_ops ops = coded_ops();
    struct index *index = contract_built(&ops, &data);
    assert_true(data_recall(&data, index, 64, data.count, NULL) >= 0.97);
    index->ops->close(index);
    data_release(&data);
}

/* Twice the same work but for the distances: of the links, hardly any differ. */
static void codes_give_up_little(void **state)
{
    (void)state;
    struct data data;
    data_init(&data, DATA_UNIFORM, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 32), 8000, 200);
    struct index_ops ops = coded_ops();
    struct index *exact = contract_built(&index_hnsw, &data);
    struct index *coded = contract_built(&ops, &data);
    static const uint32_t efs[] = {10, 32, 100};
    for (size_t i = 0; i < sizeof efs / sizeof *efs; i++) {
        double by_exact = data_recall(&data, exact, efs[i], data.count, NULL);
        double by_coded = data_recall(&data, coded, efs[i], data.count, NULL);
        print_message("ef %u: %.4f, by codes %.4f\n", efs[i], by_exact, by_coded);
        assert_true(by_coded >= by_exact - 0.01);
    }
    exact->ops->close(exact);
    coded->ops->close(coded);
    data_release(&data);
}

/* --- Files ------------------------------------------------------------------------------------- */

static void same_bytes_twice(void **state)
{
    (void)state;
    contract_same_bytes_twice(&index_hnsw, 12);
}

static void opened_answers_the_same(void **state)
{
    (void)state;
    contract_opened_answers_the_same(&index_hnsw, DATA_CLUSTERED, LODE_METRIC_COSINE, 12);
}

static void damaged_bytes(void **state)
{
    (void)state;
    contract_damaged_bytes(&index_hnsw, DATA_CLUSTERED, LODE_METRIC_L2, 6);
}

static void check_finds_a_bad_link(void **state)
{
    (void)state;
    struct data data;
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 6), 600, 5);
    struct index *index = built(&data), *opened = NULL;
    struct buf buf;
    contract_serialized(index, &buf);
    index->ops->close(index);
    uint8_t *mapped = aligned_alloc(64, buf.size);
    memcpy(mapped, buf.data, buf.size);
    le_store_u32(mapped + 64 + (size_t)77 * 2 * 16 * 4, 600); /* the first link of row 77 */
    struct index_file file = {
        .rows = &data.rows, .count = data.count, .data = mapped, .size = buf.size};
    assert_int_equal(index_hnsw.open(&file, &opened, NULL), LODE_OK);
    lode_error error = {LODE_OK, 0, ""};
    assert_int_equal(opened->ops->check(opened, &error), LODE_CORRUPT);
    assert_non_null(strstr(error.message, "row 77"));
    opened->ops->close(opened);
    free(mapped);
    buf_release(&buf);
    data_release(&data);
}

/* Six rows of one dimension, 0 to 5: docs/format/graph.md. */
static void the_page_shows_what_is_written(void **state)
{
    (void)state;
    static const struct index_params small = {.m = 2, .ef_construction = 10, .seed = 3};
    static const float values[6] = {0, 1, 2, 3, 4, 5};
    struct space space = data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 1);
    struct rows rows = {.space = &space, .base = (const uint8_t *)values, .stride = sizeof *values};
    struct index *index = NULL;
    struct buf buf;
    assert_int_equal(index_hnsw.build(&small, &rows, 6, NULL, &index, NULL), LODE_OK);
    contract_serialized(index, &buf);
    format_page_compare("graph.md", "graph", buf.data, buf.size);
    index->ops->close(index);
    buf_release(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recall_for_each_space),
        cmocka_unit_test(odd_data),
        cmocka_unit_test(few_rows),
        cmocka_unit_test(beyond_copies),
        cmocka_unit_test(every_row_is_reachable),
        cmocka_unit_test(rows_out_of_order),
        cmocka_unit_test(hard_data),
        cmocka_unit_test(deletes),
        cmocka_unit_test(filtered),
        cmocka_unit_test(hard_data_by_codes),
        cmocka_unit_test(deletes_by_codes),
        cmocka_unit_test(codes_are_made_where_they_serve),
        cmocka_unit_test(what_codes_blur_is_found),
        cmocka_unit_test(codes_give_up_little),
        cmocka_unit_test(same_bytes_twice),
        cmocka_unit_test(opened_answers_the_same),
        cmocka_unit_test(damaged_bytes),
        cmocka_unit_test(check_finds_a_bad_link),
        cmocka_unit_test(the_page_shows_what_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
