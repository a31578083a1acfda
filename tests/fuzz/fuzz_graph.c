/* fuzz_graph.c: any bytes, opened as a graph; where that succeeds, checked, searched and written again.
 *
 *     clang -g -O1 -fsanitize=fuzzer,address,undefined -D_GNU_SOURCE -Iinclude -Isrc \
 *         tests/fuzz/fuzz_graph.c <the sources of src/base, os, simd, quant, index> -lm
 *
 * The first byte chooses: odd, the rest is the graph; even, the rest are changes to a good graph, six
 * bytes each: offset (u32), value, and how many bytes get it. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/le.h"
#include "base/random.h"
#include "index/index.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ROWS = 300, DIM = 3, K = 5 };

static const struct index_params params = {.m = 4, .ef_construction = 20, .seed = 1};
static float vectors[ROWS * DIM];
static struct space space;
static struct rows rows;
static struct buf good; /* a graph of these rows */

static lode_status keep(void *context, const void *bytes, size_t size, lode_error *error)
{
    return buf_append(context, bytes, size, error);
}

static void prepare(void)
{
    struct rng rng;
    struct index *index = NULL;
    rng_init(&rng, 1);
    for (int i = 0; i < ROWS * DIM; i++)
        vectors[i] = (float)rng_normal(&rng);
    space_init(&space, LODE_METRIC_L2, LODE_SCALAR_F32, DIM);
    rows = (struct rows){
        .space = &space, .base = (const uint8_t *)vectors, .stride = sizeof(float) * DIM};
    buf_init(&good, 1u << 24);
    struct index_sink sink = {.write = keep, .context = &good};
    INVARIANT(index_hnsw.build(&params, &rows, ROWS, NULL, &index, NULL) == LODE_OK);
    INVARIANT(index->ops->serialize(index, &sink, NULL) == LODE_OK);
    index->ops->close(index);
}

static void search(const struct index *index, uint32_t ef, uint32_t row_limit,
                   const uint64_t *allowed)
{
    static const float query[DIM] = {0.5f, -0.5f, 0.25f};
    struct neighbor items[K];
    struct topk topk;
    struct index_counts counts = {0, 0};
    topk_init(&topk, items, K);
    struct index_query request = {.query = query,
                                  .ef = ef,
                                  .row_limit = row_limit,
                                  .allowed = allowed,
                                  .topk = &topk,
                                  .counts = &counts};
    INVARIANT(index->ops->search(index, &request, NULL) == LODE_OK);
    INVARIANT(topk.count == K); /* a scan makes up for what a damaged graph hides */
    for (size_t i = 0; i < topk.count; i++)
        INVARIANT(items[i].row < row_limit);
}

/* Its links, whatever they are, taken over by a build of the rows that are left. */
static void take_over(const struct index *index)
{
    uint32_t map[ROWS];
    struct index *built;
    for (uint32_t row = 0; row < ROWS; row++)
        map[row] = row % 5 ? row : INDEX_ROW_NONE;
    struct index_origin origin = {index, map};
    struct index_work work = {.origin = &origin};
    INVARIANT(index_hnsw.build(&params, &rows, ROWS, &work, &built, NULL) == LODE_OK);
    INVARIANT(built->ops->check(built, NULL) == LODE_OK);
    search(built, 60, ROWS, NULL);
    built->ops->close(built);
}

static void use(const uint8_t *bytes, size_t size)
{
    struct index *index = NULL;
    struct buf again;
    uint64_t allowed[ROWS / 64 + 1];
    struct index_file file = {.rows = &rows, .count = ROWS, .data = bytes, .size = size};
    if (index_hnsw.open(&file, &index, NULL) != LODE_OK)
        return;
    memset(allowed, 0x11, sizeof allowed);
    search(index, 8, ROWS, NULL);
    search(index, 60, ROWS / 2, NULL);
    search(index, 8, ROWS, allowed);
    (void)!index->ops->check(index, NULL);
    buf_init(&again, 1u << 24);
    struct index_sink sink = {.write = keep, .context = &again};
    INVARIANT(index->ops->serialize(index, &sink, NULL) == LODE_OK);
    buf_release(&again);
    if (bytes[size / 2] % 16 == 0) /* a build takes as long as a hundred searches */
        take_over(index);
    index->ops->close(index);
}

static void change(uint8_t *bytes, const uint8_t *data, size_t size)
{
    for (; size >= 6; data += 6, size -= 6) {
        size_t offset = le_load_u32(data) % good.size;
        size_t length = data[5] < good.size - offset ? data[5] : good.size - offset;
        memset(bytes + offset, data[4], length);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    void *bytes = NULL; /* 64-byte aligned, and ending where the graph does */
    if (!good.data)
        prepare();
    if (size == 0)
        return 0;
    int raw = data[0] % 2;
    size_t total = raw ? size - 1 : good.size;
    INVARIANT(posix_memalign(&bytes, 64, total ? total : 1) == 0);
    memcpy(bytes, raw ? data + 1 : good.data, total);
    if (!raw)
        change(bytes, data + 1, size - 1);
    use(bytes, total);
    free(bytes);
    return 0;
}
