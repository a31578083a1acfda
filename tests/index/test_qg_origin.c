/* test_qg_origin.c: a build that takes over the links of an earlier graph of some of the rows. */
#include "support/index_contract.h"

#include "index/hnsw.h"
#include "index/qg.h"

enum { ROWS = 3000 };

/* Rows [gone, count) of the data move to the front, and `gone` others, that were at the front, to the end; so
 * that the vectors stay, and a recall is of the same truth. map: what became of each row; a row that moved to
 * the end is another one, as if deleted and written again. */
static void turn_over(struct data *data, uint32_t gone, uint32_t *map)
{
    size_t size = data->space.row_size;
    uint8_t *front = malloc(gone * size);
    memcpy(front, data->bytes, gone * size);
    memmove(data->bytes, data->bytes + gone * size, (data->count - gone) * size);
    memcpy(data->bytes + (data->count - gone) * size, front, gone * size);
    free(front);
    for (uint32_t row = 0; row < data->count; row++)
        map[row] = row < gone ? INDEX_ROW_NONE : row - gone;
}

static struct index *build_on(const struct data *data, const struct index_origin *origin)
{
    struct index *index = NULL;
    lode_error error = {0};
    _Atomic uint64_t done = 0;
    struct index_work work = {.origin = origin, .done = &done};
    assert_int_equal(
        index_qg.build(&contract_params, &data->rows, data->count, &work, &index, &error), LODE_OK);
    assert_int_equal(index->ops->check(index, &error), LODE_OK);
    assert_int_equal(done, data->count);
    return index;
}

static void assert_same_bytes(const struct index *a, const struct index *b, int same)
{
    struct buf first, second;
    contract_serialized(a, &first);
    contract_serialized(b, &second);
    int equal = first.size == second.size && memcmp(first.data, second.data, first.size) == 0;
    assert_int_equal(equal, same);
    buf_release(&first);
    buf_release(&second);
}

static void check_generations(enum data_kind kind, lode_metric metric, uint32_t gone, int rounds)
{
    struct data data;
    uint32_t map[ROWS];
    data_init(&data, kind, data_space(metric, LODE_SCALAR_F32, 24), ROWS, 200);
    struct index *index = build_on(&data, NULL);
    for (int round = 0; round < rounds; round++) {
        turn_over(&data, gone, map);
        struct index *next = build_on(&data, &(struct index_origin){index, map});
        index->ops->close(index);
        index = next;
    }
    struct index *fresh = build_on(&data, NULL);
    double taken = data_recall(&data, index, 24, data.count, NULL);
    double anew = data_recall(&data, fresh, 24, data.count, NULL);
    if (taken < anew - 0.01)
        fail_msg("kind %d, metric %d, %u gone a round: recall %g, of a fresh build %g", kind,
                 (int)metric, gone, taken, anew);
    index->ops->close(index);
    fresh->ops->close(fresh);
    data_release(&data);
}

static void generations_are_as_good(void **state)
{
    (void)state;
    for (int metric = LODE_METRIC_L2; metric <= LODE_METRIC_COSINE; metric++) {
        check_generations(DATA_CLUSTERED, (lode_metric)metric, ROWS / 10, 20);
        check_generations(DATA_UNIFORM, (lode_metric)metric, ROWS / 2, 4);
    }
    check_generations(DATA_LENGTHS, LODE_METRIC_IP, ROWS / 5, 10);
    check_generations(DATA_DUPLICATES, LODE_METRIC_L2, ROWS / 5, 5);
}

/* Rows that lost no neighbour have the same ones, under other numbers. */
static void links_stay(void **state)
{
    (void)state;
    struct data data;
    uint32_t map[ROWS];
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 24), ROWS, 1);
    struct index *index = build_on(&data, NULL);
    for (uint32_t row = 0; row < ROWS; row++)
        map[row] = row;
    struct index *again = build_on(&data, &(struct index_origin){index, map});
    assert_same_bytes(index, again, 1);
    again->ops->close(again);
    index->ops->close(index);
    data_release(&data);
}

/* A whole region goes, with all that its edge linked to. */
static void a_hole_is_mended(void **state)
{
    (void)state;
    struct data data, left;
    uint32_t map[ROWS], next = 0;
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 24), ROWS, 100);
    data_init(&left, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 24), ROWS, 100);
    struct index *index = build_on(&data, NULL);
    float limit = data.space.distance(&data.space, data_query(&data, 0), rows_at(&data.rows, 77));
    for (uint32_t row = 0; row < ROWS; row++) {
        float at = data.space.distance(&data.space, data_query(&data, 0), rows_at(&data.rows, row));
        map[row] = at < limit ? INDEX_ROW_NONE : next;
        if (at < limit)
            continue;
        memcpy(left.bytes + next++ * data.space.row_size, rows_at(&data.rows, row),
               data.space.row_size);
    }
    assert_true(next > ROWS / 8 && next < ROWS);
    memcpy(left.bytes + next * data.space.row_size, data_query(&data, 0),
           data.query_count * data.space.row_size);
    left.count = next;
    struct index *mended = build_on(&left, &(struct index_origin){index, map});
    assert_true(data_recall(&left, mended, 64, left.count, NULL) >= 0.95);
    mended->ops->close(mended);
    index->ops->close(index);
    data_release(&data);
    data_release(&left);
}

static void check_unused(const struct data *data, const struct index_origin *origin)
{
    struct index *fresh = build_on(data, NULL), *other = build_on(data, origin);
    assert_same_bytes(fresh, other, 1);
    fresh->ops->close(fresh);
    other->ops->close(other);
}

/* What does not serve changes nothing. */
static void unfit_origins(void **state)
{
    (void)state;
    struct data data;
    uint32_t map[ROWS];
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 24), ROWS, 1);
    struct index *index = build_on(&data, NULL);
    for (uint32_t row = 0; row < ROWS; row++)
        map[row] = INDEX_ROW_NONE;
    check_unused(&data, &(struct index_origin){index, map});
    for (uint32_t row = 0; row < ROWS; row++)
        map[row] = row;
    struct index_params params = contract_params;
    contract_params.m = 8;
    check_unused(&data, &(struct index_origin){index, map});
    contract_params = params;
    contract_params.ef_construction *= 2;
    check_unused(&data, &(struct index_origin){index, map});
    contract_params = params;
    index->ops->close(index);
    data_release(&data);
}

/* The plain graph that rows were flushed with: its links are a first pass. */
static void a_hasty_graph_is_bettered(void **state)
{
    (void)state;
    struct data data;
    uint32_t map[ROWS];
    struct index *hasty;
    struct index_params params = contract_params;
    params.ef_construction = 16;
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 24), ROWS, 200);
    assert_int_equal(index_hnsw.build(&params, &data.rows, ROWS, NULL, &hasty, NULL), LODE_OK);
    for (uint32_t row = 0; row < ROWS; row++)
        map[row] = row;
    struct index *better = build_on(&data, &(struct index_origin){hasty, map});
    struct index *fresh = build_on(&data, NULL);
    assert_ptr_equal(better->ops, fresh->ops);
    assert_true(data_recall(&data, better, 24, ROWS, NULL) >=
                data_recall(&data, fresh, 24, ROWS, NULL) - 0.01);
    assert_same_bytes(better, fresh, better->ops == &index_hnsw);
    hasty->ops->close(hasty);
    better->ops->close(better);
    fresh->ops->close(fresh);
    data_release(&data);
}

/* A plain graph of the same width: layer 0 is taken over, nothing is out of reach. */
static void plain_graphs_go_on(void **state)
{
    (void)state;
    struct data data;
    uint32_t map[ROWS];
    struct index *index, *fresh;
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 24), ROWS, 200);
    assert_int_equal(index_hnsw.build(&contract_params, &data.rows, ROWS, NULL, &index, NULL),
                     LODE_OK);
    for (int round = 0; round < 6; round++) {
        struct index *next;
        _Atomic uint64_t done = 0;
        turn_over(&data, ROWS / 5, map);
        struct index_origin origin = {index, map};
        struct index_work work = {.origin = &origin, .done = &done};
        assert_int_equal(index_hnsw.build(&contract_params, &data.rows, ROWS, &work, &next, NULL),
                         LODE_OK);
        assert_int_equal(next->ops->check(next, NULL), LODE_OK);
        assert_int_equal(next->ops->count(next), ROWS);
        assert_int_equal(done, ROWS);
        index->ops->close(index);
        index = next;
    }
    assert_int_equal(index_hnsw.build(&contract_params, &data.rows, ROWS, NULL, &fresh, NULL),
                     LODE_OK);
    double taken = data_recall(&data, index, 24, ROWS, NULL);
    double anew = data_recall(&data, fresh, 24, ROWS, NULL);
    if (taken < anew - 0.01)
        fail_msg("recall %g, of a fresh build %g", taken, anew);
    index->ops->close(index);
    fresh->ops->close(fresh);
    data_release(&data);
}

/* A mapped origin may hold anything. */
static void damaged_origins(void **state)
{
    (void)state;
    struct data data;
    uint32_t map[ROWS];
    struct buf buf;
    struct rng rng;
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 24), 600, 5);
    struct index *index = build_on(&data, NULL), *opened = NULL;
    contract_serialized(index, &buf);
    uint8_t *mapped = aligned_alloc(64, buf.size);
    rng_init(&rng, 9);
    for (int round = 0; round < 30; round++) {
        memcpy(mapped, buf.data, buf.size);
        for (int i = 0; i < 5000; i++)
            mapped[4096 + rng_below(&rng, (uint32_t)buf.size - 4096)] = (uint8_t)rng_u64(&rng);
        struct index_file file = {
            .rows = &data.rows, .count = 600, .data = mapped, .size = buf.size};
        if (index_qg.open(&file, &opened, NULL))
            continue;
        for (uint32_t row = 0; row < 600; row++)
            map[row] = row % 7 ? row : INDEX_ROW_NONE;
        struct index *built =
            build_on(&data, &(struct index_origin){.index = opened, .row_map = map});
        data_recall(&data, built, 64, 600, NULL);
        built->ops->close(built);
        opened->ops->close(opened);
    }
    free(mapped);
    buf_release(&buf);
    index->ops->close(index);
    data_release(&data);
}

/* --- Mapped origins ---------------------------------------------------------------------------- */

/* Blocks that hold nothing before they are touched, as those of an encrypted file; one of them is damaged. */
struct blocks {
    const uint8_t *sound;
    uint8_t *mapped;
    size_t size;
    uint64_t damaged; /* UINT64_MAX: none */
    _Atomic unsigned filled;
};

static lode_status fill_block(void *context, uint64_t block, lode_error *fault)
{
    struct blocks *blocks = context;
    size_t at = (size_t)block * GUARD_BLOCK_SIZE, left = blocks->size - at;
    if (block == blocks->damaged)
        return error_set(fault, LODE_CORRUPT, "block %llu", (unsigned long long)block);
    memcpy(blocks->mapped + at, blocks->sound + at,
           left < GUARD_BLOCK_SIZE ? left : GUARD_BLOCK_SIZE);
    blocks->filled++;
    return LODE_OK;
}

static struct index *build_kind(const struct index_ops *ops, const struct data *data,
                                const struct index_origin *origin)
{
    struct index *index = NULL;
    struct index_work work = {.origin = origin};
    assert_int_equal(ops->build(&contract_params, &data->rows, data->count, &work, &index, NULL),
                     LODE_OK);
    return index;
}

/* A build on a mapped graph, of whose blocks only those have been filled that open needs, is a build on the graph in
 * memory; on one with a damaged block, a build on none. */
static void check_mapped(const struct index_ops *ops, uint64_t damaged)
{
    struct data data;
    uint32_t map[ROWS];
    struct buf buf;
    struct guard guard;
    struct index *opened;
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 24), ROWS, 1);
    for (uint32_t row = 0; row < ROWS; row++)
        map[row] = row % 5 ? row : INDEX_ROW_NONE;
    struct index *index = build_kind(ops, &data, NULL);
    contract_serialized(index, &buf);
    uint8_t *mapped = aligned_alloc(64, (buf.size + 63) / 64 * 64);
    memset(mapped, 0xa5, buf.size);
    struct blocks blocks = {buf.data, mapped, buf.size, damaged, 0};
    assert_int_equal(guard_init(&guard, mapped, buf.size, fill_block, &blocks, NULL), LODE_OK);
    struct index_file file = {
        .rows = &data.rows, .count = ROWS, .data = mapped, .size = buf.size, .guard = &guard};
    assert_int_equal(ops->open(&file, &opened, NULL), LODE_OK);
    assert_true(blocks.filled < (buf.size - 1) / GUARD_BLOCK_SIZE + 1);
    struct index_origin in_memory = {index, map}, from_file = {opened, map};
    struct index *wanted = build_kind(ops, &data, damaged == UINT64_MAX ? &in_memory : NULL);
    struct index *built = build_kind(ops, &data, &from_file);
    assert_same_bytes(built, wanted, 1);
    assert_int_equal(guard_has_failed(&guard), damaged != UINT64_MAX);
    built->ops->close(built);
    wanted->ops->close(wanted);
    opened->ops->close(opened);
    guard_release(&guard);
    free(mapped);
    buf_release(&buf);
    index->ops->close(index);
    data_release(&data);
}

static void mapped_origins_are_touched_before_they_are_read(void **state)
{
    (void)state;
    check_mapped(&index_qg, UINT64_MAX);
    check_mapped(&index_qg, 3);
    check_mapped(&index_hnsw, UINT64_MAX);
    check_mapped(&index_hnsw, 3);
}

static int in_compact_layout(void **state)
{
    (void)state;
    contract_params.layout = LODE_LAYOUT_COMPACT;
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(generations_are_as_good),
        cmocka_unit_test(links_stay),
        cmocka_unit_test(a_hole_is_mended),
        cmocka_unit_test(unfit_origins),
        cmocka_unit_test(a_hasty_graph_is_bettered),
        cmocka_unit_test(plain_graphs_go_on),
        cmocka_unit_test(damaged_origins),
        cmocka_unit_test(mapped_origins_are_touched_before_they_are_read),
    };
    int failed = cmocka_run_group_tests_name("fast", tests, NULL, NULL);
    return failed + cmocka_run_group_tests_name("compact", tests, in_compact_layout, NULL);
}
