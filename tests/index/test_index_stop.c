/* test_index_stop.c: searches of each index, by each plan, stopped at each look at the caller's wish: what is kept
 * for the next search is sound afterwards. */
#include "support/index_contract.h"
#include "support/wish.h"

enum { ROWS = 5000, EF = 600, K = 300 };

struct asked {
    const struct data *data;
    const struct index *index;
    const uint64_t *allowed;
    enum index_plan plan;
    struct neighbor items[K];
    size_t count;
};

static lode_status search(struct asked *asked, struct wish *wish, uint64_t wanted_from)
{
    struct index_counts counts = {0};
    struct topk topk;
    wish_init(wish, wanted_from);
    topk_init(&topk, asked->items, K);
    struct index_query query = {.query = data_query(asked->data, 0),
                                .ef = EF,
                                .row_limit = ROWS,
                                .allowed = asked->allowed,
                                .plan = asked->plan,
                                .topk = &topk,
                                .counts = &counts,
                                .stop = &wish->stop};
    lode_status status = asked->index->ops->search(asked->index, &query, NULL);
    topk_sort(&topk);
    asked->count = topk.count;
    return status;
}

static void check(struct asked *asked, unsigned looks_min)
{
    struct wish wish;
    struct neighbor wanted[K];
    assert_int_equal(search(asked, &wish, 0), LODE_OK);
    uint64_t looks = wish.looks;
    assert_int_equal(asked->count, K);
    memcpy(wanted, asked->items, sizeof wanted);
    assert_in_range(looks, looks_min, 10000);
    for (uint64_t look = 1; look <= looks; look++) {
        assert_int_equal(search(asked, &wish, look), LODE_CANCELLED);
        assert_int_equal(wish.looks, look);
        assert_int_equal(search(asked, &wish, 0), LODE_OK);
        assert_int_equal(wish.looks, looks);
        assert_memory_equal(asked->items, wanted, sizeof wanted);
    }
}

static void check_index(const struct index_ops *ops, lode_scalar scalar, lode_layout layout)
{
    struct data data;
    uint64_t *allowed = calloc(bitset_words(ROWS), sizeof *allowed);
    assert_non_null(allowed);
    contract_params.layout = layout;
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, scalar, 96), ROWS, 1);
    struct index *index = contract_built(ops, &data);
    for (uint32_t row = 0; row < ROWS; row += 2)
        bitset_set(allowed, row);
    struct asked asked = {.data = &data, .index = index, .plan = INDEX_PLAN_SIEVE};
    check(&asked, 5);
    asked.allowed = allowed;
    for (int plan = INDEX_PLAN_SCAN; plan < INDEX_PLAN_COUNT; plan++) {
        asked.plan = (enum index_plan)plan;
        check(&asked, plan == INDEX_PLAN_SCAN && scalar != LODE_SCALAR_F32 ? 0 : 1);
    }
    index->ops->close(index);
    data_release(&data);
    contract_params.layout = LODE_LAYOUT_FAST;
    free(allowed);
}

static void of_a_plain_graph(void **state)
{
    (void)state;
    check_index(&index_hnsw, LODE_SCALAR_F32, LODE_LAYOUT_FAST);
}

static void of_a_quantised_graph(void **state)
{
    (void)state;
    check_index(&index_qg, LODE_SCALAR_F32, LODE_LAYOUT_FAST);
}

static void of_a_compact_graph(void **state)
{
    (void)state;
    check_index(&index_qg, LODE_SCALAR_INT8, LODE_LAYOUT_COMPACT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(of_a_plain_graph),
        cmocka_unit_test(of_a_quantised_graph),
        cmocka_unit_test(of_a_compact_graph),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
