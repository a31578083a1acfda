/* test_qg_concurrent.c: building on several threads, progress, cancelling, searching at once. */
#include "support/index_kit.h"

#include "index/qg.h"

static const struct index_params params = {.m = 16, .ef_construction = 100, .seed = 1};

struct searches {
    const struct data *data;
    const struct index *index;
    _Atomic uint32_t found;
};

static void search_some(void *context, size_t thread)
{
    struct searches *searches = context;
    for (uint32_t q = (uint32_t)thread; q < searches->data->query_count; q += 4) {
        struct neighbor items[10];
        struct topk topk;
        struct index_counts counts = {0, 0};
        topk_init(&topk, items, 10);
        struct index_query query = {.query = data_query(searches->data, q),
                                    .ef = 40,
                                    .row_limit = searches->data->count,
                                    .topk = &topk,
                                    .counts = &counts};
        if (searches->index->ops->search(searches->index, &query, NULL) == LODE_OK)
            atomic_fetch_add_explicit(&searches->found, (uint32_t)topk.count, memory_order_relaxed);
    }
}

static void build_and_search_on_threads(void **state)
{
    (void)state;
    struct data data;
    struct executor *executor;
    struct index *index;
    _Atomic uint64_t done = 0;
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 24), 3000, 40);
    assert_int_equal(executor_threads_new(4, &executor, NULL), LODE_OK);
    struct index_work work = {.executor = executor, .done = &done};
    assert_int_equal(index_qg.build(&params, &data.rows, data.count, &work, &index, NULL), LODE_OK);
    assert_ptr_equal(index->ops, &index_qg);
    assert_int_equal(done, data.count);
    assert_int_equal(index->ops->check(index, NULL), LODE_OK);
    struct searches searches = {.data = &data, .index = index};
    executor_parallel(executor, 4, search_some, &searches);
    assert_int_equal(searches.found, 10 * data.query_count);
    assert_true(data_recall(&data, index, 100, data.count, NULL) >= 0.95);
    index->ops->close(index);
    executor_free(executor);
    data_release(&data);
}

static void cancelled(void **state)
{
    (void)state;
    struct data data;
    struct index *index = NULL;
    struct cancel cancel = {.flag = 1};
    struct index_work work = {.cancel = &cancel};
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 24), 3000, 1);
    assert_int_equal(index_qg.build(&params, &data.rows, data.count, &work, &index, NULL),
                     LODE_CANCELLED);
    assert_null(index);
    data_release(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(build_and_search_on_threads),
        cmocka_unit_test(cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
