/* fuzz_qg.c: a quantised graph of whatever bytes is refused, or searched without straying.
 *
 * The first 8 bytes of the input say where and how often a good file is overwritten with the rest; so
 * that most inputs get past the header. Built like fuzz_json.c, with the sources of src/base, src/os,
 * src/simd, src/quant and src/index. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/le.h"
#include "base/random.h"
#include "index/qg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COUNT = 300, DIM = 20 };

static float vectors[COUNT * DIM];
static struct space space;
static const struct index_params params = {.m = 16, .ef_construction = 64, .seed = 1};

static lode_status keep(void *context, const void *bytes, size_t size, lode_error *error)
{
    return buf_append(context, bytes, size, error);
}

/* A good graph, made once. */
static const struct buf *good_graph(const struct rows *rows)
{
    static struct buf buf;
    struct index *index;
    struct rng rng;
    if (buf.size)
        return &buf;
    rng_init(&rng, 1);
    for (size_t i = 0; i < COUNT * DIM; i++)
        vectors[i] = (float)rng_normal(&rng);
    buf_init(&buf, 1u << 30);
    struct index_sink sink = {.write = keep, .context = &buf};
    INVARIANT(index_qg.build(&params, rows, COUNT, NULL, &index, NULL) == LODE_OK);
    INVARIANT(index->ops->serialize(index, &sink, NULL) == LODE_OK);
    index->ops->close(index);
    return &buf;
}

static void search(const struct index *index)
{
    struct neighbor items[10];
    struct topk topk;
    struct index_counts counts = {0, 0};
    topk_init(&topk, items, 10);
    struct index_query query = {
        .query = vectors, .ef = 20, .row_limit = COUNT, .topk = &topk, .counts = &counts};
    INVARIANT(index->ops->search(index, &query, NULL) == LODE_OK);
    INVARIANT(topk.count == 10);
    for (size_t i = 0; i < topk.count; i++)
        INVARIANT(topk.items[i].row < COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rows rows = {&space, (const uint8_t *)vectors, DIM * sizeof(float)};
    struct index *index;
    space_init(&space, LODE_METRIC_L2, LODE_SCALAR_F32, DIM);
    const struct buf *good = good_graph(&rows);
    if (size < 8)
        return 0;
    uint8_t *bytes = aligned_alloc(64, good->size);
    INVARIANT(bytes);
    memcpy(bytes, good->data, good->size);
    size_t at = le_load_u32(data) % good->size, stride = le_load_u32(data + 4) % 4096 + 1;
    for (size_t i = 8; i < size; i++, at = (at + stride) % good->size)
        bytes[at] = data[i];
    if (index_qg.open(&params, &rows, COUNT, bytes, good->size, &index, NULL) == LODE_OK) {
        (void)!index->ops->check(index, NULL);
        search(index);
        index->ops->close(index);
    }
    free(bytes);
    return 0;
}
