/* What an index is said to take before it is made, against what it takes; and a graph that is built in files. */
#include "support/index_kit.h"

#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#include "index/estimate.h"
#include "os/memory.h"
#include "os/thread.h"
#include "support/temp_dir.h"

#define MIB ((size_t)1 << 20)

static lode_error error;

/* Memory of this process that is not pages of files, looked at all the time. */
struct sampler {
    struct thread thread;
    _Atomic int stopping;
    size_t highest;
};

static size_t own_memory(void)
{
    size_t file, resident = memory_resident_parts(&file);
    return resident - file;
}

static void sample(void *context)
{
    struct sampler *sampler = context;
    while (!atomic_load(&sampler->stopping)) {
        size_t now = own_memory();
        sampler->highest = now > sampler->highest ? now : sampler->highest;
        usleep(500);
    }
}

static lode_status drop(void *context, const void *data, size_t size, lode_error *reason)
{
    (void)data, (void)reason;
    *(size_t *)context += size;
    return LODE_OK;
}

/* Build and write; the memory it took at most. origin: NULL, or what links are taken over from. */
static size_t build_and_measure(const struct data *data, const struct index_params *params,
                                const struct index_origin *origin)
{
    struct sampler sampler = {0};
    struct executor *executor;
    struct index *index;
    size_t written = 0, before = own_memory();
    struct index_sink sink = {.write = drop, .context = &written};
    assert_int_equal(executor_threads_new(2, &executor, &error), LODE_OK);
    struct index_work work = {.executor = executor, .origin = origin};
    sink.executor = executor;
    assert_int_equal(thread_start(&sampler.thread, "sample", sample, &sampler), 0);
    assert_int_equal(index_qg.build(params, &data->rows, data->count, &work, &index, &error),
                     LODE_OK);
    assert_int_equal(index->ops->serialize(index, &sink, &error), LODE_OK);
    index->ops->close(index);
    atomic_store(&sampler.stopping, 1);
    thread_join(&sampler.thread);
    executor_free(executor);
    assert_true(written > 0);
    return sampler.highest > before ? sampler.highest - before : 0;
}

static void check_build(enum data_kind kind, struct space space, uint32_t count, lode_layout layout)
{
    struct index_params params = {.m = 16, .ef_construction = 40, .seed = 1, .layout = layout};
    struct data data;
    data_init(&data, kind, space, count, 1);
    uint64_t expected = estimate_bytes(estimate_build(&params, &data.space, 3), count);
    size_t taken = build_and_measure(&data, &params, NULL);
    print_message("%u rows of %zu: expected %.1f MiB, took %.1f\n", count, space.dim,
                  (double)expected / (double)MIB, (double)taken / (double)MIB);
    assert_true(taken <= expected + MIB);
    assert_true(expected <=
                2 * taken + 24 * MIB); /* nor far more: graphs would be small for nothing */
    data_release(&data);
}

/* Most rows are those of an earlier graph, which is there already. */
static void check_taking_over(struct space space, uint32_t count)
{
    struct index_params params = {.m = 16, .ef_construction = 40, .seed = 1};
    uint32_t old_count = count / 10 * 9;
    uint32_t *row_map = malloc(old_count * sizeof *row_map);
    struct data data;
    struct index *earlier;
    data_init(&data, DATA_CLUSTERED, space, count, 1);
    for (uint32_t row = 0; row < old_count; row++)
        row_map[row] = row;
    assert_int_equal(index_qg.build(&params, &data.rows, old_count, NULL, &earlier, &error),
                     LODE_OK);
    struct index_origin origin = {.index = earlier, .row_map = row_map};
    uint64_t expected = estimate_bytes(estimate_build(&params, &data.space, 3), count);
    size_t taken = build_and_measure(&data, &params, &origin);
    print_message("%u rows of %zu, %u taken over: expected %.1f MiB, took %.1f\n", count, space.dim,
                  old_count, (double)expected / (double)MIB, (double)taken / (double)MIB);
    assert_true(taken <= expected + MIB);
    earlier->ops->close(earlier);
    free(row_map);
    data_release(&data);
}

static int can_measure(void)
{
    const char *sanitizer = getenv("LODE_SANITIZE");
    return memory_resident() > 0 && !(sanitizer && *sanitizer);
}

static void builds_take_no_more(void **state)
{
    (void)state;
    if (!can_measure())
        skip();
    check_build(DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 32), 60000, 0);
    check_build(DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 128), 30000, 0);
    check_build(DATA_LOW_RANK, data_space(LODE_METRIC_COSINE, LODE_SCALAR_F32, 256), 15000, 0);
    check_build(DATA_LOW_RANK, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 1024), 5000, 0);
    check_build(DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_INT8, 128), 30000,
                LODE_LAYOUT_COMPACT);
    check_build(DATA_CLUSTERED, data_space(LODE_METRIC_IP, LODE_SCALAR_F32, 64), 30000, 0);
    check_build(DATA_UNIFORM, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 8), 60000, 0); /* plain */
}

static void taking_over_links_takes_no_more(void **state)
{
    (void)state;
    if (!can_measure())
        skip();
    check_taking_over(data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 128), 15000);
    check_taking_over(data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 8), 20000); /* plain */
}

static void overlays_take_no_more(void **state)
{
    (void)state;
    if (!can_measure())
        skip();
    struct index_params params = {.m = 16, .ef_construction = 40, .seed = 1, .coded_from = 4096};
    struct data data;
    struct index *index;
    uint32_t count = 30000;
    data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, 128), count, 1);
    size_t before = own_memory();
    assert_int_equal(index_hnsw.create(&params, &data.rows, 131072, &index, &error), LODE_OK);
    for (uint32_t row = 0; row < count; row++)
        assert_int_equal(index->ops->insert(index, row, &error), LODE_OK);
    size_t taken = own_memory() - before;
    uint64_t expected = estimate_bytes(estimate_overlay(&params, &data.space), count);
    print_message("overlay: expected %.1f MiB, took %.1f\n", (double)expected / (double)MIB,
                  (double)taken / (double)MIB);
    /* Without a budget it lies in huge pages, of which three are not full. */
    assert_true(taken <= expected + 6 * MIB);
    assert_true(expected <= 2 * taken);
    index->ops->close(index);
    data_release(&data);
}

/* --- In files ---------------------------------------------------------------------------------- */

struct bytes {
    uint8_t *data;
    size_t size;
};

static lode_status gather(void *context, const void *data, size_t size, lode_error *reason)
{
    struct bytes *bytes = context;
    (void)reason;
    bytes->data = realloc(bytes->data, bytes->size + size);
    memcpy(bytes->data + bytes->size, data, size);
    bytes->size += size;
    return LODE_OK;
}

static struct bytes bytes_of(const struct data *data, const struct index_params *params)
{
    struct bytes bytes = {0};
    struct index *index;
    struct index_sink sink = {.write = gather, .context = &bytes};
    assert_int_equal(index_qg.build(params, &data->rows, data->count, NULL, &index, &error),
                     LODE_OK);
    assert_int_equal(index->ops->serialize(index, &sink, &error), LODE_OK);
    index->ops->close(index);
    return bytes;
}

/* By one thread a graph is a function of its rows: wherever it was built, it has the same bytes. */
static void a_graph_built_in_files_is_the_same(void **state)
{
    (void)state;
    static const struct {
        lode_metric metric;
        size_t dim; /* 8: a plain graph */
    } cases[] = {{LODE_METRIC_L2, 64}, {LODE_METRIC_IP, 64}, {LODE_METRIC_L2, 8}};
    char dir[PATH_SIZE_MAX];
    temp_dir_make(dir);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct index_params params = {.m = 8, .ef_construction = 40, .seed = 5};
        struct data data;
        data_init(&data, DATA_CLUSTERED, data_space(cases[i].metric, LODE_SCALAR_F32, cases[i].dim),
                  3000, 1);
        struct bytes in_memory = bytes_of(&data, &params);
        params.spill_dir = dir;
        struct bytes in_files = bytes_of(&data, &params);
        assert_int_equal(in_memory.size, in_files.size);
        assert_memory_equal(in_memory.data, in_files.data, in_files.size);
        free(in_memory.data);
        free(in_files.data);
        data_release(&data);
    }
    temp_dir_remove(dir); /* it is empty: the files had no names */
}

static void without_room_for_files(void **state)
{
    (void)state;
    struct index_params params = {
        .m = 8, .ef_construction = 40, .seed = 5, .spill_dir = "/nowhere"};
    struct data data;
    struct index *index;
    for (size_t dim = 8; dim <= 64; dim += 56) {
        data_init(&data, DATA_CLUSTERED, data_space(LODE_METRIC_L2, LODE_SCALAR_F32, dim), 1000, 1);
        assert_int_equal(index_qg.build(&params, &data.rows, 1000, NULL, &index, &error),
                         LODE_NOMEM);
        data_release(&data);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builds_take_no_more),
        cmocka_unit_test(taking_over_links_takes_no_more),
        cmocka_unit_test(overlays_take_no_more),
        cmocka_unit_test(a_graph_built_in_files_is_the_same),
        cmocka_unit_test(without_room_for_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
