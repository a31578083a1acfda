/* test_sift.c: recall on real vectors, where bench/run.sh has unpacked them. */
#include <stdio.h>

#include "support/index_kit.h"

enum { DIM = 128, ROWS = 9000, QUERIES = 200 };

/* Vectors of a .bvecs file: for each an int32 width, then as many bytes. */
static int read_bvecs(const char *name, uint32_t count, const struct space *space, uint8_t *rows)
{
    char path[512];
    uint8_t bytes[4 + DIM];
    float vector[DIM];
    const char *source = getenv("LODE_SOURCE");
    snprintf(path, sizeof path, "%s/build/bench/sift10k/%s", source ? source : ".", name);
    FILE *file = fopen(path, "rb");
    if (!file)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(fread(bytes, sizeof bytes, 1, file), 1);
        for (size_t j = 0; j < DIM; j++)
            vector[j] = bytes[4 + j];
        space_encode(space, vector, rows + i * space->row_size);
    }
    fclose(file);
    return 1;
}

static void recall_floors(void **state)
{
    (void)state;
    static const struct index_params params = {.m = 16, .ef_construction = 200, .seed = 1};
    struct data data = {.space = data_space(LODE_METRIC_L2, LODE_SCALAR_F32, DIM),
                        .count = ROWS,
                        .query_count = QUERIES};
    struct index *index = NULL;
    size_t row_size = data.space.row_size;
    data.bytes = malloc((ROWS + QUERIES) * row_size);
    data.rows = (struct rows){.space = &data.space, .base = data.bytes, .stride = row_size};
    if (!read_bvecs("base.bvecs", ROWS, &data.space, data.bytes) ||
        !read_bvecs("query.bvecs", QUERIES, &data.space, data.bytes + ROWS * row_size)) {
        print_message("sift10k is not in build/bench: run bench/run.sh sift10k\n");
        free(data.bytes);
        skip();
    }
    assert_int_equal(index_hnsw.build(&params, &data.rows, ROWS, NULL, &index, NULL), LODE_OK);
    assert_true(data_recall(&data, index, 20, ROWS, NULL) >= 0.975);
    assert_true(data_recall(&data, index, 100, ROWS, NULL) >= 0.998);
    index->ops->close(index);
    free(data.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(recall_floors)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
