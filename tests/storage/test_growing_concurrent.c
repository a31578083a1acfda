/* Readers beside the writer and the overlay's job: each version stays what it was. To be run with
 * ThreadSanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/random.h"
#include "os/thread.h"
#include "support/storage_kit.h"

enum { DIM = 8, IDS = 200, ROUNDS = 600, OPS = 20, READERS = 3 };

/* What a collection does: the current version behind a mutex, held for a reference alone. */
struct shared {
    struct mutex mutex;
    struct version *current;
    _Atomic int stop;
};

static struct version *pin(struct shared *shared)
{
    mutex_lock(&shared->mutex);
    struct version *version = version_ref(shared->current);
    mutex_unlock(&shared->mutex);
    return version;
}

/* The value that round r gives an id is a function of both, so that a reader knows what to find: round r
 * writes ids r*OPS ... modulo IDS, every seventh a delete. */
static unsigned id_of(uint64_t round, unsigned i)
{
    return (unsigned)((round * OPS + i) % IDS) + 2000;
}

static int value_in(uint64_t round, unsigned i)
{
    return (round * OPS + i) % 7 == 0 ? KIT_DELETE : (int)(round * OPS + i);
}

/* What an id must be in the version of that sequence: the last round that wrote it says. */
static int expected(uint64_t sequence, unsigned id)
{
    for (uint64_t round = sequence; round > 0; round--)
        for (unsigned i = OPS; i-- > 0;)
            if (id_of(round, i) == id)
                return value_in(round, i);
    return KIT_DELETE;
}

static void read_some(void *context)
{
    struct shared *shared = context;
    struct rng rng;
    rng_init(&rng, 1);
    while (!atomic_load(&shared->stop)) {
        struct version *version = pin(shared);
        uint64_t before = version->point_count;
        for (int i = 0; i < 20; i++) {
            unsigned id = 2000 + rng_below(&rng, IDS);
            assert_int_equal(kit_value(version, id), expected(version->sequence, id));
        }
        const struct segment_view *view = &version->views[0];
        uint32_t live = 0;
        for (uint32_t row = 0; row < view->row_count; row++)
            live += (uint32_t)view_alive(view, row);
        assert_int_equal(live, before);
        version_unref(version);
    }
}

static void search_some(void *context)
{
    struct shared *shared = context;
    lode_error error;
    while (!atomic_load(&shared->stop)) {
        struct version *version = pin(shared);
        const struct segment_view *view = &version->views[0];
        uint32_t covered;
        uint64_t disk, memory, mapped;
        const struct index *index = view->segment->ops->index(view->segment, &covered);
        view->segment->ops->sizes(view->segment, &disk, &memory, &mapped);
        if (index && view->row_count > 0) {
            struct neighbor items[10];
            struct topk topk;
            struct index_counts counts = {0};
            topk_init(&topk, items, 10);
            struct index_query query = {.query = rows_at(&view->segment->rows, 0),
                                        .ef = 20,
                                        .row_limit = view->row_count,
                                        .allowed = view->live ? view->live->words : NULL,
                                        .topk = &topk,
                                        .counts = &counts};
            assert_ok(index->ops->search(index, &query, &error));
            for (size_t i = 0; i < topk.count; i++)
                assert_true(view_alive(view, topk.items[i].row));
        }
        version_unref(version);
    }
}

static void index_some(void *context)
{
    struct shared *shared = context;
    lode_error error;
    while (!atomic_load(&shared->stop)) {
        struct version *version = pin(shared);
        assert_ok(
            growing_index_some(kit_growing(version), version->views[0].row_count, 100, &error));
        version_unref(version);
    }
}

static void write_all(struct shared *shared, const struct space *space)
{
    lode_error error;
    for (uint64_t round = 1; round <= ROUNDS; round++) {
        struct kit_op ops[OPS];
        for (unsigned i = 0; i < OPS; i++)
            ops[i] = (struct kit_op){id_of(round, i), value_in(round, i)};
        struct buf batch = kit_batch(space, ops, OPS);
        struct apply *apply;
        struct version *from = pin(shared);
        if (round % 10 == 0) { /* a log that failed */
            assert_ok(kit_prepare(from, &batch, &apply, &error));
            apply_abort(apply);
        }
        assert_ok(kit_prepare(from, &batch, &apply, &error));
        struct version *next = apply_commit(apply);
        mutex_lock(&shared->mutex);
        shared->current = next;
        mutex_unlock(&shared->mutex);
        version_unref(from); /* the one pinned here, and the one that was current */
        version_unref(from);
        buf_release(&batch);
    }
}

static void readers_beside_the_writer(void **state)
{
    (void)state;
    struct space space;
    space_init(&space, LODE_METRIC_L2, LODE_SCALAR_F32, DIM);
    struct shared shared = {.current = kit_version(&space, 1, 16 << 20)};
    mutex_init(&shared.mutex);
    struct thread threads[READERS + 2];
    for (int i = 0; i < READERS; i++)
        assert_int_equal(thread_start(&threads[i], "reader", read_some, &shared), 0);
    assert_int_equal(thread_start(&threads[READERS], "searcher", search_some, &shared), 0);
    assert_int_equal(thread_start(&threads[READERS + 1], "indexer", index_some, &shared), 0);
    write_all(&shared, &space);
    atomic_store(&shared.stop, 1);
    for (int i = 0; i < READERS + 2; i++)
        thread_join(&threads[i]);
    assert_true(shared.current->views[0].row_count > OVERLAY_ROWS_MIN);
    version_unref(shared.current);
    mutex_release(&shared.mutex);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(readers_beside_the_writer)};
    return cmocka_run_group_tests_name("storage/growing_concurrent", tests, NULL, NULL);
}
