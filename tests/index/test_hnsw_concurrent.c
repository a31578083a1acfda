/* test_hnsw_concurrent.c: inserts beside inserts and searches; builds on several threads. */
#include "support/index_kit.h"

#include "os/thread.h"

enum { WRITERS = 3, READERS = 2, ROWS = 2500 };

static const struct index_params params = {.m = 8, .ef_construction = 40, .seed = 1};

struct shared {
    struct data data;
    struct index *index;
    _Atomic uint32_t next_row;
    _Atomic int done;
    _Atomic uint32_t bad_hits; /* assertions of cmocka are for the main thread only */
};

static void insert_rows(void *context)
{
    struct shared *shared = context;
    for (;;) {
        uint32_t row = atomic_fetch_add(&shared->next_row, 1);
        if (row >= ROWS)
            return;
        if (shared->index->ops->insert(shared->index, row, NULL) != LODE_OK)
            atomic_fetch_add(&shared->bad_hits, 1);
    }
}

/* Half of the searches see even rows only, and a part of the graph. */
static void search_once(struct shared *shared, uint32_t turn, const uint64_t *even)
{
    const struct data *data = &shared->data;
    struct neighbor items[10];
    struct topk topk;
    struct index_counts counts = {0, 0};
    topk_init(&topk, items, 10);
    struct index_query query = {.query = data_query(data, turn % data->query_count),
                                .ef = 30,
                                .row_limit = turn % 2 ? ROWS : ROWS / 2,
                                .allowed = turn % 2 ? NULL : even,
                                .topk = &topk,
                                .counts = &counts};
    if (shared->index->ops->search(shared->index, &query, NULL) != LODE_OK)
        atomic_fetch_add(&shared->bad_hits, 1);
    for (size_t i = 0; i < topk.count; i++) {
        const void *vector = rows_at(&data->rows, items[i].row);
        if (items[i].row >= query.row_limit || (query.allowed && items[i].row % 2) ||
            items[i].distance != data->space.distance(&data->space, query.query, vector))
            atomic_fetch_add(&shared->bad_hits, 1);
    }
}

static void search_rows(void *context)
{
    struct shared *shared = context;
    uint64_t even[ROWS / 64 + 1];
    memset(even, 0x55, sizeof even);
    for (uint32_t turn = 0; !atomic_load(&shared->done); turn++)
        search_once(shared, turn, even);
}

static void inserts_beside_searches(void **state)
{
    (void)state;
    struct shared shared = {.index = NULL};
    struct thread writers[WRITERS], readers[READERS];
    struct space space = data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 16);
    data_init(&shared.data, DATA_CLUSTERED, space, ROWS, 50);
    assert_int_equal(
        index_hnsw.create(&params, &shared.data.rows, ROWS + 1000, &shared.index, NULL), LODE_OK);
    for (int i = 0; i < READERS; i++)
        assert_int_equal(thread_start(&readers[i], "reader", search_rows, &shared), 0);
    for (int i = 0; i < WRITERS; i++)
        assert_int_equal(thread_start(&writers[i], "writer", insert_rows, &shared), 0);
    for (int i = 0; i < WRITERS; i++)
        thread_join(&writers[i]);
    atomic_store(&shared.done, 1);
    for (int i = 0; i < READERS; i++)
        thread_join(&readers[i]);
    assert_int_equal(shared.bad_hits, 0);
    assert_int_equal(shared.index->ops->count(shared.index), ROWS);
    assert_int_equal(shared.index->ops->check(shared.index, NULL), LODE_OK);
    assert_true(data_recall(&shared.data, shared.index, 80, ROWS, NULL) >= 0.95);
    shared.index->ops->close(shared.index);
    data_release(&shared.data);
}

static void builds_on_several_threads(void **state)
{
    (void)state;
    struct data data;
    struct index *index;
    struct executor *executor;
    _Atomic uint64_t done = 0;
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 16), ROWS, 50);
    assert_int_equal(executor_threads_new(4, &executor, NULL), LODE_OK);
    struct index_work work = {.executor = executor, .done = &done};
    assert_int_equal(index_hnsw.build(&params, &data.rows, ROWS, &work, &index, NULL), LODE_OK);
    assert_int_equal(done, ROWS);
    assert_int_equal(index->ops->count(index), ROWS);
    assert_int_equal(index->ops->check(index, NULL), LODE_OK);
    assert_true(data_recall(&data, index, 80, ROWS, NULL) >= 0.95);
    index->ops->close(index);
    executor_free(executor);
    data_release(&data);
}

struct cancelling {
    _Atomic uint64_t done;
    struct cancel cancel;
};

static void cancel_soon(void *context)
{
    struct cancelling *cancelling = context;
    while (atomic_load(&cancelling->done) < 300)
        ;
    atomic_store(&cancelling->cancel.flag, 1);
}

static void a_build_is_cancelled(void **state)
{
    (void)state;
    struct data data;
    struct index *index = NULL;
    struct executor *executor;
    struct cancelling cancelling = {.done = 0};
    struct thread thread;
    lode_error error = {LODE_OK, 0, ""};
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 64), 60000, 0);
    assert_int_equal(executor_threads_new(2, &executor, NULL), LODE_OK);
    struct index_work work = {
        .executor = executor, .cancel = &cancelling.cancel, .done = &cancelling.done};
    assert_int_equal(thread_start(&thread, "cancel", cancel_soon, &cancelling), 0);
    assert_int_equal(index_hnsw.build(&params, &data.rows, data.count, &work, &index, &error),
                     LODE_CANCELLED);
    assert_null(index);
    assert_int_equal(error.status, LODE_CANCELLED);
    assert_true(cancelling.done < data.count);
    thread_join(&thread);
    executor_free(executor);
    data_release(&data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inserts_beside_searches),
        cmocka_unit_test(builds_on_several_threads),
        cmocka_unit_test(a_build_is_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
