/* qg_pivots.c: where walks begin. A sample of the rows, grouped around the nearest of a few leaders; a
 * query looks at all leaders, then at the members of the two nearest groups. This replaces the upper
 * layers of HNSW: one pass over contiguous codes instead of a chain of dependent reads. */
#include "index/qg.h"

#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "base/random.h"
#include "os/memory.h"

struct nearest_two {
    uint32_t distance[2], index[2];
};

static struct nearest_two nearest_leaders(const struct qg *qg, const uint8_t *code)
{
    struct nearest_two two = {{UINT32_MAX, UINT32_MAX}, {0, 0}};
    const struct hop_ops *ops = hop();
    for (uint32_t i = 0; i < QG_LEADERS; i++) {
        uint32_t distance = ops->l2_u7(code, qg->pivots.leaders + i * qg->code_size, qg->code_size);
        if (distance < two.distance[0]) {
            two.distance[1] = two.distance[0];
            two.index[1] = two.index[0];
            two.distance[0] = distance;
            two.index[0] = i;
        } else if (distance < two.distance[1]) {
            two.distance[1] = distance;
            two.index[1] = i;
        }
    }
    return two;
}

uint32_t qg_pivots_nearest(const struct qg *qg, const uint8_t *code)
{
    const struct qg_pivots *pivots = &qg->pivots;
    struct nearest_two groups = nearest_leaders(qg, code);
    const struct hop_ops *ops = hop();
    uint32_t best = UINT32_MAX, best_at = 0;
    for (int g = 0; g < 2; g++) {
        uint32_t group = groups.index[g];
        for (uint32_t i = pivots->begins[group]; i < pivots->begins[group + 1]; i++) {
            uint32_t distance = ops->l2_u7(code, pivots->codes + i * qg->code_size, qg->code_size);
            if (distance < best) {
                best = distance;
                best_at = i;
            }
        }
    }
    return pivots->rows[best_at];
}

uint32_t qg_pivots_allowed(const struct qg *qg, const uint8_t *code,
                           const struct index_query *query, uint32_t *ret_rows, uint32_t limit)
{
    const struct qg_pivots *pivots = &qg->pivots;
    struct neighbor items[QG_ENTRIES_MAX];
    struct topk topk;
    topk_init(&topk, items, limit < QG_ENTRIES_MAX ? limit : QG_ENTRIES_MAX);
    for (uint32_t i = 0; i < pivots->count; i++) {
        uint32_t row = pivots->rows[i];
        if (row >= query->row_limit || !bitset_test(query->allowed, row))
            continue;
        uint32_t distance = hop()->l2_u7(code, pivots->codes + i * qg->code_size, qg->code_size);
        if ((float)distance < topk_bound(&topk))
            topk_push(&topk, (float)distance, row);
    }
    for (uint32_t i = 0; i < topk.count; i++)
        ret_rows[i] = items[i].row;
    return (uint32_t)topk.count;
}

/* Distinct rows, one from each stretch of equal length. */
static void sample_rows(const struct qg *qg, uint32_t *sample, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t first = (uint64_t)qg->count * i / count;
        uint64_t last = (uint64_t)qg->count * (i + 1) / count;
        sample[i] = (uint32_t)(first + random_mix(qg->seed + i) % (last - first));
    }
}

/* Sort the sample into groups. of: room for the group of each. */
static void group_sample(struct qg *qg, const uint32_t *sample, uint32_t *of, uint32_t *rows,
                         uint8_t *codes)
{
    struct qg_pivots *pivots = &qg->pivots;
    uint32_t ends[QG_LEADERS];
    memset(pivots->begins, 0, sizeof pivots->begins);
    for (uint32_t i = 0; i < pivots->count; i++) {
        of[i] = nearest_leaders(qg, qg_code(qg, sample[i])).index[0];
        pivots->begins[of[i] + 1]++;
    }
    for (uint32_t g = 0; g < QG_LEADERS; g++) {
        ends[g] = pivots->begins[g];
        pivots->begins[g + 1] += pivots->begins[g];
    }
    for (uint32_t i = 0; i < pivots->count; i++) {
        uint32_t at = ends[of[i]]++;
        rows[at] = sample[i];
        memcpy(codes + at * qg->code_size, qg_code(qg, sample[i]), qg->code_size);
    }
}

static uint32_t pivot_count(uint32_t count)
{
    uint32_t pivots = count / 128;
    pivots = pivots > QG_PIVOTS_MAX ? QG_PIVOTS_MAX : pivots;
    return pivots < QG_LEADERS ? QG_LEADERS : pivots;
}

lode_status qg_pivots_make(struct qg *qg, lode_error *error)
{
    uint32_t count = pivot_count(qg->count);
    size_t leaders_size = QG_LEADERS * qg->code_size, codes_size = count * qg->code_size;
    size_t size = leaders_size + codes_size + count * sizeof(uint32_t);
    uint8_t *memory = memory_aligned(64, size);
    uint32_t *sample = malloc((size_t)2 * count * sizeof *sample);
    if (!memory || !sample) {
        free(memory);
        free(sample);
        return error_nomem(error, "graph pivots", size);
    }
    qg->pivot_memory = memory;
    qg->pivots.count = count;
    qg->pivots.leaders = memory;
    qg->pivots.codes = memory + leaders_size;
    uint32_t *rows = (uint32_t *)(void *)(memory + leaders_size + codes_size);
    qg->pivots.rows = rows;
    sample_rows(qg, sample, count);
    for (uint32_t i = 0; i < QG_LEADERS; i++)
        memcpy(memory + i * qg->code_size, qg_code(qg, sample[(uint64_t)count * i / QG_LEADERS]),
               qg->code_size);
    group_sample(qg, sample, sample + count, rows, memory + leaders_size);
    free(sample);
    return LODE_OK;
}
