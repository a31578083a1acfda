/* hnsw_build.c: a whole graph at once. Threads insert chunks of rows; the first rows go in alone, since
 * a graph of a few rows gives concurrent inserts nothing to find. */
#include "index/hnsw.h"

#include <stdlib.h>

#include "base/bitset.h"
#include "os/mapped.h"

#define ALONE_ROWS 256u /* inserted before the other threads begin */
#define CHUNK_ROWS 64u  /* inserted between two visits to the executor */

struct build {
    struct hnsw *hnsw;
    const struct index_work *work;
    uint32_t alone, count;
    uint64_t *known;     /* bitset of rows taken over from an earlier graph; NULL: none */
    _Atomic int stopped; /* some chunk failed: the others need not begin */
    struct mutex error_lock;
    lode_error *error; /* guarded by error_lock, as is status: of the first that failed */
    lode_status status;
};

static void stop(struct build *build, lode_status status, const lode_error *error)
{
    mutex_lock(&build->error_lock);
    if (build->status == LODE_OK) {
        build->status = status;
        if (build->error)
            *build->error = *error;
    }
    mutex_unlock(&build->error_lock);
    atomic_store_explicit(&build->stopped, 1, memory_order_relaxed);
}

static void insert_rows(struct build *build, uint32_t first, uint32_t last)
{
    lode_error error = {LODE_OK, 0, ""};
    for (uint32_t row = first; row < last; row++) {
        lode_status status = LODE_OK;
        if (build->known && bitset_test(build->known, row))
            continue;
        mapped_look();
        if (cancel_is_wanted(build->work->cancel))
            status = error_set(&error, LODE_CANCELLED, "hnsw: build cancelled at row %u", row);
        else
            status = hnsw_insert(&build->hnsw->index, row, &error);
        if (status != LODE_OK) {
            stop(build, status, &error);
            return;
        }
        if (build->work->done)
            atomic_fetch_add_explicit(build->work->done, 1, memory_order_relaxed);
    }
}

static void insert_chunk(void *context, size_t i)
{
    struct build *build = context;
    uint64_t first = build->alone + (uint64_t)i * CHUNK_ROWS, last = first + CHUNK_ROWS;
    if (!atomic_load_explicit(&build->stopped, memory_order_relaxed))
        insert_rows(build, (uint32_t)first, (uint32_t)(last < build->count ? last : build->count));
}

static void insert_all(struct build *build)
{
    struct executor *executor = build->work->executor;
    insert_rows(build, 0, build->alone);
    size_t chunks = ((size_t)build->count - build->alone + CHUNK_ROWS - 1) / CHUNK_ROWS;
    if (executor)
        executor_parallel(executor, chunks, insert_chunk, build);
    for (size_t i = 0; !executor && i < chunks; i++)
        insert_chunk(build, i);
    lode_error error = {LODE_OK, 0, ""};
    lode_status status = build->status == LODE_OK ? hnsw_repair(build->hnsw, &error) : LODE_OK;
    if (status != LODE_OK)
        stop(build, status, &error);
}

lode_status hnsw_build(const struct index_params *params, const struct rows *rows, uint32_t count,
                       const struct index_work *work, struct index **ret_index, lode_error *error)
{
    const struct index_work alone = {.executor = NULL};
    struct index *index;
    lode_status status = hnsw_create(params, rows, count, &index, error);
    if (status != LODE_OK)
        return status;
    struct build build = {.hnsw = (struct hnsw *)index,
                          .work = work ? work : &alone,
                          .count = count,
                          .alone = count < ALONE_ROWS ? count : ALONE_ROWS,
                          .error = error,
                          .status = LODE_OK};
    mutex_init(&build.error_lock);
    build.status = hnsw_take_over(build.hnsw, count, build.work, &build.known, error);
    if (build.status == LODE_OK)
        insert_all(&build);
    free(build.known);
    mutex_release(&build.error_lock);
    if (build.status != LODE_OK) {
        hnsw_close(index);
        return build.status;
    }
    *ret_index = index;
    return LODE_OK;
}
