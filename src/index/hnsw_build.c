/* hnsw_build.c: a whole graph at once. Threads take chunks of rows from one counter and insert them;
 * the first rows go in alone, since a graph of a few rows gives concurrent inserts nothing to find. */
#include "index/hnsw.h"

#define ALONE_ROWS 256u /* inserted before the other threads begin */
#define CHUNK_ROWS 32u /* taken at once: small against the whole, large against one fetch-and-add */

struct build {
    struct hnsw *hnsw;
    const struct index_work *work;
    uint32_t count;
    _Atomic uint64_t next; /* first row that nobody took yet */
    _Atomic int stopped;   /* a thread failed; its status, and its error below, count */
    struct mutex error_lock;
    lode_error *error;
    lode_status status; /* guarded by error_lock */
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

static int is_cancelled(const struct build *build)
{
    const _Atomic int *cancel = build->work->cancel;
    return cancel && atomic_load_explicit(cancel, memory_order_relaxed);
}

/* Insert rows [first, last); 0 when the build must stop. */
static int insert_rows(struct build *build, uint32_t first, uint32_t last)
{
    lode_error error = {LODE_OK, 0, ""};
    for (uint32_t row = first; row < last; row++) {
        lode_status status = LODE_OK;
        if (is_cancelled(build))
            status = error_set(&error, LODE_CANCELLED, "hnsw: build cancelled at row %u", row);
        else
            status = hnsw_insert(&build->hnsw->index, row, &error);
        if (status != LODE_OK) {
            stop(build, status, &error);
            return 0;
        }
        if (build->work->done)
            atomic_fetch_add_explicit(build->work->done, 1, memory_order_relaxed);
    }
    return !atomic_load_explicit(&build->stopped, memory_order_relaxed);
}

static void insert_chunks(void *context, size_t thread)
{
    struct build *build = context;
    (void)thread;
    for (;;) {
        uint64_t first = atomic_fetch_add_explicit(&build->next, CHUNK_ROWS, memory_order_relaxed);
        if (first >= build->count)
            return;
        uint64_t last = first + CHUNK_ROWS < build->count ? first + CHUNK_ROWS : build->count;
        if (!insert_rows(build, (uint32_t)first, (uint32_t)last))
            return;
    }
}

static void insert_all(struct build *build)
{
    struct executor *executor = build->work->executor;
    uint32_t alone = build->count < ALONE_ROWS ? build->count : ALONE_ROWS;
    if (!insert_rows(build, 0, alone))
        return;
    atomic_store_explicit(&build->next, alone, memory_order_relaxed);
    if (executor)
        executor_parallel(executor, executor_width(executor), insert_chunks, build);
    else
        insert_chunks(build, 0);
}

lode_status hnsw_build(const struct index_params *params, const struct rows *rows, uint32_t count,
                       const struct index_work *work, struct index **ret_index, lode_error *error)
{
    const struct index_work alone = {NULL, NULL, NULL};
    struct index *index;
    lode_status status = hnsw_create(params, rows, count, &index, error);
    if (status != LODE_OK)
        return status;
    struct build build = {.hnsw = (struct hnsw *)index,
                          .work = work ? work : &alone,
                          .count = count,
                          .error = error,
                          .status = LODE_OK};
    mutex_init(&build.error_lock);
    insert_all(&build);
    mutex_release(&build.error_lock);
    if (build.status != LODE_OK) {
        hnsw_close(index);
        return build.status;
    }
    *ret_index = index;
    return LODE_OK;
}
