/* qg_scratch.c: see qg.h. The visited set costs one bit a row and is emptied word by word, so that a
 * search of a few hundred rows pays for those alone. */
#include "index/qg.h"

#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "os/budget.h"
#include "os/memory.h"

#define LOG_CAPACITY 8192u

void qg_scratch_free(struct qg_scratch *scratch)
{
    if (!scratch)
        return;
    budget_give(BUDGET_SCRATCH, scratch->size);
    if (scratch->visited)
        memory_unreserve(scratch->visited, scratch->words * sizeof(uint64_t));
    free(scratch->log);
    free(scratch->pool.items);
    free(scratch->near);
    free(scratch->memory);
    free(scratch);
}

static void count(struct qg_scratch *scratch, size_t size)
{
    scratch->size += size;
    budget_take(BUDGET_SCRATCH, size);
}

/* One piece for all that has a fixed size. */
static int scratch_room(struct qg_scratch *scratch, const struct qg *qg)
{
    size_t padded = projection_padded(qg->projection.dim), decoded = padded * sizeof(float);
    size_t query = qg->dim * sizeof(float), tables = 4 * qg->dim;
    size_t size = 2 * decoded + query + tables + qg->code_size + padded;
    uint8_t *memory = memory_aligned(64, size);
    if (!memory)
        return -1;
    count(scratch, sizeof *scratch + scratch->words * sizeof *scratch->visited +
                       LOG_CAPACITY * sizeof *scratch->log + size);
    scratch->memory = memory;
    scratch->decoded = (float *)(void *)memory;
    scratch->centred = (float *)(void *)(memory + decoded);
    scratch->query = (float *)(void *)(memory + 2 * decoded);
    scratch->tables = memory + 2 * decoded + query;
    scratch->code = scratch->tables + tables;
    scratch->rounded = (int8_t *)scratch->code + qg->code_size;
    return 0;
}

struct qg_scratch *qg_scratch_new(const struct qg *qg)
{
    struct qg_scratch *scratch = calloc(1, sizeof *scratch);
    if (!scratch)
        return NULL;
    scratch->words = bitset_words(qg->count);
    scratch->visited = memory_reserve(scratch->words * sizeof *scratch->visited);
    scratch->log = malloc(LOG_CAPACITY * sizeof *scratch->log);
    scratch->log_capacity = LOG_CAPACITY;
    if (!scratch->visited || !scratch->log || scratch_room(scratch, qg)) {
        qg_scratch_free(scratch);
        return NULL;
    }
    return scratch;
}

struct qg_scratch *qg_scratch_take(struct qg *qg)
{
    struct qg_scratch *scratch = idle_take(&qg->idle);
    return scratch ? scratch : qg_scratch_new(qg);
}

void qg_scratch_give(struct qg *qg, struct qg_scratch *scratch)
{
    if (scratch && !idle_give(&qg->idle, scratch))
        qg_scratch_free(scratch);
}

void qg_scratch_free_all(struct qg *qg)
{
    struct qg_scratch *scratch;
    while ((scratch = idle_take(&qg->idle)) != NULL)
        qg_scratch_free(scratch);
}

static void visited_clear(struct qg_scratch *scratch)
{
    if (scratch->log_count > scratch->log_capacity)
        memset(scratch->visited, 0, scratch->words * sizeof *scratch->visited);
    else
        for (uint32_t i = 0; i < scratch->log_count; i++)
            scratch->visited[scratch->log[i]] = 0;
    scratch->log_count = 0;
}

int qg_scratch_begin(struct qg_scratch *scratch, uint32_t pool_limit, uint32_t near_count)
{
    visited_clear(scratch);
    if (pool_limit > scratch->pool_capacity) {
        free(scratch->pool.items);
        scratch->pool.items = malloc((pool_limit + 1) * sizeof *scratch->pool.items);
        count(scratch, (pool_limit - scratch->pool_capacity) * sizeof *scratch->pool.items);
        scratch->pool_capacity = scratch->pool.items ? pool_limit : 0;
    }
    if (near_count > scratch->near_capacity) {
        free(scratch->near);
        scratch->near = malloc(near_count * sizeof *scratch->near);
        count(scratch, (near_count - scratch->near_capacity) * sizeof *scratch->near);
        scratch->near_capacity = scratch->near ? near_count : 0;
    }
    scratch->pool.count = scratch->pool.next = 0;
    scratch->pool.limit = pool_limit;
    return pool_limit > scratch->pool_capacity || near_count > scratch->near_capacity ? -1 : 0;
}
