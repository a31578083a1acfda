/* HDF5: what the reader takes and refuses, and what a benchmark reads. */
#include "cmd/source_case.h"

#include "cmd/bench_data.h"
#include "cmd/source_hdf5.h"

#include <hdf5.h>
#include <math.h>
#include <unistd.h>

#define ROWS 3000
#define DIM  100 /* 1.2 MB: more than one block */

static char path[] = "/tmp/lode-test-XXXXXX.hdf5";

static void put(hid_t file, const char *name, int dimensions, const hsize_t *extent, hid_t type,
                const void *data)
{
    hid_t space = H5Screate_simple(dimensions, extent, NULL);
    hid_t set = H5Dcreate2(file, name, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(set >= 0);
    assert_true(H5Dwrite(set, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) >= 0);
    H5Dclose(set);
    H5Sclose(space);
}

static int make_file(void **state)
{
    (void)state;
    static double train[ROWS][DIM];
    static const int32_t neighbors[2][3] = {{5, 7, 2999}, {0, 1, 2}};
    static const float bad[2][2] = {{1, 2}, {3, NAN}};
    static const char words[2][2][4] = {{"a", "b"}, {"c", "d"}};
    for (int i = 0; i < ROWS; i++)
        for (int j = 0; j < DIM; j++)
            train[i][j] = i + j / 128.0;
    int descriptor = mkstemps(path, 5);
    assert_true(descriptor >= 0);
    close(descriptor);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t string = H5Tcopy(H5T_C_S1);
    H5Tset_size(string, 4);
    put(file, "train", 2, (const hsize_t[]){ROWS, DIM}, H5T_NATIVE_DOUBLE, train);
    put(file, "test", 2, (const hsize_t[]){2, DIM}, H5T_NATIVE_DOUBLE, train[10]);
    put(file, "neighbors", 2, (const hsize_t[]){2, 3}, H5T_NATIVE_INT32, neighbors);
    put(file, "bad", 2, (const hsize_t[]){2, 2}, H5T_NATIVE_FLOAT, bad);
    put(file, "line", 1, (const hsize_t[]){4}, H5T_NATIVE_FLOAT, bad);
    put(file, "words", 2, (const hsize_t[]){2, 2}, string, words);
    H5Tclose(string);
    H5Fclose(file);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(path);
}

static void test_rows(void **state)
{
    (void)state;
    const struct source_options options = {.dim = DIM, .id_start = 5};
    struct source *source = NULL;
    struct batch batch;
    uint64_t next = 0;
    assert_int_equal(batch_init(&batch, 700, NULL), LODE_OK);
    assert_int_equal(source_open(path, &options, &source, NULL), LODE_OK);
    assert_int_equal(source->count, ROWS);
    assert_int_equal(source_fill(source, &batch, 10, NULL), LODE_OK);
    assert_true(batch.points[9].vector[64] == 9.5f);
    assert_int_equal(source_skip(source, 90, NULL), LODE_OK);
    for (next = 100;; next += batch.count) {
        batch_clear(&batch);
        assert_int_equal(source_fill(source, &batch, SIZE_MAX, NULL), LODE_OK);
        if (batch.count == 0)
            break;
        assert_int_equal(batch.points[0].id.number, next + 5);
        assert_true(batch.points[0].vector[0] == (float)next);
    }
    assert_int_equal(next, ROWS);
    source_close(source);
    batch_release(&batch);
}

static void refuse(const char *dataset, lode_status status, const char *words)
{
    const struct source_options options = {.dataset = dataset};
    struct source *source = NULL;
    struct batch batch;
    lode_error error = {0};
    assert_int_equal(batch_init(&batch, 10, NULL), LODE_OK);
    lode_status got = source_open(path, &options, &source, &error);
    if (got == LODE_OK)
        got = source_fill(source, &batch, SIZE_MAX, &error);
    if (got != status || !strstr(error.message, words))
        fail_msg("%s: status %d, '%s'", dataset, (int)got, error.message);
    if (source)
        source_close(source);
    batch_release(&batch);
}

static void test_refusals(void **state)
{
    (void)state;
    refuse("none", LODE_NOT_FOUND, "no dataset 'none'");
    refuse("line", LODE_INVALID, "has 1 dimensions, not 2");
    refuse("words", LODE_INVALID, "holds no numbers");
    refuse("bad", LODE_INVALID, "row 2: component 1 of the vector is NaN");
    struct source *source = NULL;
    lode_error error = {0};
    const struct source_options five = {.dim = 5};
    assert_int_equal(source_open(path, &five, &source, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "has 100 dimensions, not 5"));
    assert_int_equal(source_open("/none.hdf5", &five, &source, &error), LODE_NOT_FOUND);
}

static void test_benchmark(void **state)
{
    (void)state;
    struct bench_queries queries;
    struct bench_truth truth;
    lode_error error = {0};
    assert_true(hdf5_has_dataset(path, "neighbors"));
    assert_false(hdf5_has_dataset(path, "distances"));
    assert_int_equal(bench_queries_read(&queries, path, "test", 1, NULL), LODE_OK);
    assert_int_equal(queries.count, 1);
    assert_int_equal(queries.dim, DIM);
    assert_true(queries.vectors[0] == 10.0f);
    bench_queries_release(&queries);
    assert_int_equal(bench_truth_read(&truth, path, "neighbors", 2, 2, ROWS, NULL), LODE_OK);
    assert_int_equal(truth.ids[0], 5);
    assert_int_equal(truth.ids[1], 7);
    assert_int_equal(truth.ids[2], 0);
    bench_truth_release(&truth);
    assert_int_equal(bench_truth_read(&truth, path, "neighbors", 2, 4, ROWS, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "3 neighbours a query; --k is 4"));
    assert_int_equal(bench_truth_read(&truth, path, "neighbors", 3, 2, ROWS, &error), LODE_INVALID);
    assert_int_equal(bench_truth_read(&truth, path, "neighbors", 2, 3, 2999, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "row 1 names neighbour 2999"));
}

/* What counts as found: an id of the truth, or a score as good as its last. */
static void test_recall(void **state)
{
    (void)state;
    uint64_t right[] = {3, 4};
    float worst[] = {2.0f};
    struct bench_truth truth = {.ids = right, .worst = worst, .k = 2, .count = 1};
    const uint64_t ids[] = {3, 9};
    const float tied[] = {1.0f, 2.0f}, worse[] = {1.0f, 2.001f};
    assert_int_equal(bench_truth_hits(&truth, LODE_METRIC_L2, 0, ids, tied, 2), 2);
    assert_int_equal(bench_truth_hits(&truth, LODE_METRIC_L2, 0, ids, worse, 2), 1);
    assert_int_equal(bench_truth_hits(&truth, LODE_METRIC_IP, 0, ids, worse, 2), 2);
    truth.worst = NULL;
    assert_int_equal(bench_truth_hits(&truth, LODE_METRIC_L2, 0, ids, tied, 2), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_benchmark),
        cmocka_unit_test(test_recall),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
