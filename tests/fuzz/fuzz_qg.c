/* fuzz_qg.c: a quantised graph of whatever bytes is refused, or searched without straying.
 *
 * The first 8 bytes of the input say which good file is overwritten with the rest, where and how often; so
 * that most inputs get past the header. Built like fuzz_json.c, with the sources of src/base, src/os,
 * src/simd, src/quant and src/index. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/le.h"
#include "base/random.h"
#include "index/qg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COUNT = 300, DIM_MAX = 192, SHAPES = 4 };

/* One graph of each layout, of fewer directions than dimensions, of inner products. */
static const struct shape {
    size_t dim, directions;
    lode_metric metric;
    lode_layout layout;
} shapes[SHAPES] = {
    {20, 20, LODE_METRIC_L2, LODE_LAYOUT_FAST},
    {20, 20, LODE_METRIC_COSINE, LODE_LAYOUT_COMPACT},
    {DIM_MAX, 6, LODE_METRIC_L2, LODE_LAYOUT_FAST},
    {20, 20, LODE_METRIC_IP, LODE_LAYOUT_FAST},
};

/* A shape's rows and its good file, made once. */
static struct fixture {
    float vectors[COUNT * DIM_MAX];
    struct space space;
    struct rows rows;
    struct index_params params;
    struct buf good;
} fixtures[SHAPES];

static lode_status keep(void *context, const void *bytes, size_t size, lode_error *error)
{
    return buf_append(context, bytes, size, error);
}

static void draw(const struct shape *shape, float *vectors)
{
    struct rng rng;
    rng_init(&rng, 1);
    for (size_t row = 0; row < COUNT; row++)
        for (size_t i = 0; i < shape->dim; i++) {
            float noise = i < shape->directions ? 1 : 0.01f;
            vectors[row * shape->dim + i] = noise * (float)rng_normal(&rng);
        }
}

static const struct fixture *fixture_of(size_t i)
{
    struct fixture *fixture = &fixtures[i];
    const struct shape *shape = &shapes[i];
    struct index *index;
    if (fixture->good.size)
        return fixture;
    draw(shape, fixture->vectors);
    space_init(&fixture->space, shape->metric, LODE_SCALAR_F32, shape->dim);
    fixture->rows = (struct rows){.space = &fixture->space,
                                  .base = (const uint8_t *)fixture->vectors,
                                  .stride = fixture->space.row_size};
    fixture->params =
        (struct index_params){.m = 16, .ef_construction = 64, .seed = 1, .layout = shape->layout};
    buf_init(&fixture->good, 1u << 30);
    struct index_sink sink = {.write = keep, .context = &fixture->good};
    INVARIANT(index_qg.build(&fixture->params, &fixture->rows, COUNT, NULL, &index, NULL) ==
              LODE_OK);
    INVARIANT(index->ops == &index_qg);
    INVARIANT(index->ops->serialize(index, &sink, NULL) == LODE_OK);
    index->ops->close(index);
    return fixture;
}

static void search(const struct fixture *fixture, const struct index *index)
{
    struct neighbor items[10];
    struct topk topk;
    struct index_counts counts = {0, 0};
    topk_init(&topk, items, 10);
    struct index_query query = {
        .query = fixture->vectors, .ef = 20, .row_limit = COUNT, .topk = &topk, .counts = &counts};
    INVARIANT(index->ops->search(index, &query, NULL) == LODE_OK);
    INVARIANT(topk.count == 10);
    for (size_t i = 0; i < topk.count; i++)
        INVARIANT(topk.items[i].row < COUNT);
}

/* Its links, whatever they are, taken over by a build of the rows that are left. */
static void take_over(const struct fixture *fixture, const struct index *index)
{
    uint32_t map[COUNT];
    struct index *built;
    for (uint32_t row = 0; row < COUNT; row++)
        map[row] = row % 5 ? row : INDEX_ROW_NONE;
    struct index_origin origin = {index, map};
    struct index_work work = {.origin = &origin};
    INVARIANT(index_qg.build(&fixture->params, &fixture->rows, COUNT, &work, &built, NULL) ==
              LODE_OK);
    INVARIANT(built->ops->check(built, NULL) == LODE_OK);
    search(fixture, built);
    built->ops->close(built);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct index *index;
    if (size < 8)
        return 0;
    const struct fixture *fixture = fixture_of(data[7] % SHAPES);
    const struct buf *good = &fixture->good;
    uint8_t *bytes = aligned_alloc(64, good->size);
    INVARIANT(bytes);
    memcpy(bytes, good->data, good->size);
    size_t at = le_load_u32(data) % good->size, stride = le_load_u32(data + 4) % 4096 + 1;
    for (size_t i = 8; i < size; i++, at = (at + stride) % good->size)
        bytes[at] = data[i];
    struct index_file file = {
        .rows = &fixture->rows, .count = COUNT, .data = bytes, .size = good->size};
    if (index_qg.open(&file, &index, NULL) == LODE_OK) {
        (void)!index->ops->check(index, NULL);
        search(fixture, index);
        if (data[6] % 16 == 0) /* a build takes as long as a hundred searches */
            take_over(fixture, index);
        index->ops->close(index);
    }
    free(bytes);
    return 0;
}
