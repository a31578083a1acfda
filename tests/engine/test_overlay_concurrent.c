/* Where somebody searches, a writer waits for the graph of the growing segment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/random.h"
#include "engine/overlay.h"
#include "support/engine_kit.h"

#define DIM   256u
#define BATCH 200u
#define ROWS  9000u

static lode_error error;

static uint32_t behind(lode_collection *collection)
{
    struct version *version = collection_pin(collection->shared);
    const struct segment_view *view = &version->views[version->view_count - 1];
    uint32_t covered = 0;
    (void)view->segment->ops->index(view->segment, &covered);
    uint32_t rows = view->row_count - covered;
    version_unref(version);
    return rows;
}

static void write_batch(lode_collection *collection, struct rng *rng, uint32_t first)
{
    static float vectors[BATCH][DIM];
    lode_point points[BATCH];
    for (uint32_t i = 0; i < BATCH; i++) {
        for (uint32_t j = 0; j < DIM; j++)
            vectors[i][j] = (float)rng_normal(rng);
        points[i] = (lode_point){.id = lode_id_number(first + i), .vector = vectors[i]};
    }
    assert_ok(lode_upsert(collection, points, BATCH, NULL, &error));
}

static void search_once(lode_collection *collection)
{
    static const float vector[DIM];
    lode_result *result;
    assert_ok(lode_search(collection, &(lode_search_request){.vector = vector}, &result, &error));
    assert_int_equal(result->hit_count, 10);
    lode_result_free(result);
}

static void writers_wait_where_somebody_searches(void **state)
{
    (void)state;
    char path[PATH_SIZE_MAX];
    struct rng rng;
    uint32_t most = 0;
    temp_dir_make(path);
    rng_init(&rng, 5);
    lode_db *db = engine_open(NULL, path, NULL, 64 << 20);
    lode_collection *collection = engine_create(db, "points", (lode_schema){.dim = DIM});
    for (uint32_t rows = 0; rows < ROWS; rows += BATCH) {
        write_batch(collection, &rng, rows);
        search_once(collection);
        uint32_t now = behind(collection);
        if (rows >= OVERLAY_ROWS_MIN && now > most)
            most = now;
    }
    print_message("at most %u rows behind\n", most);
    assert_true(most > 0);
    assert_true(most <= OVERLAY_BEHIND_MAX + BATCH);
    lode_collection_close(collection);
    engine_close(db);
    temp_dir_remove(path);
}

static void *write_one(void *context)
{
    struct rng rng;
    rng_init(&rng, 6);
    write_batch(context, &rng, ROWS);
    return NULL;
}

/* A writer that waits for the graph is let go when jobs stop: there will be no more slices. Another handle that is
 * closed meanwhile is none of its business. */
static void who_closes_does_not_strand_a_writer(void **state)
{
    (void)state;
    char path[PATH_SIZE_MAX];
    struct rng rng;
    pthread_t writer;
    temp_dir_make(path);
    rng_init(&rng, 5);
    lode_db *db = engine_open(NULL, path, NULL, 64 << 20);
    lode_collection *collection = engine_create(db, "points", (lode_schema){.dim = DIM});
    lode_collection *other = engine_collection(db, "points");
    for (uint32_t rows = 0; rows < ROWS; rows += BATCH) /* nobody searches: it falls behind */
        write_batch(collection, &rng, rows);
    print_message("%u rows behind\n", behind(collection));
    search_once(collection);
    assert_int_equal(pthread_create(&writer, NULL, write_one, collection), 0);
    lode_collection_close(other);
    alarm(60); /* instead of forever */
    jobs_stop(collection->shared);
    assert_int_equal(pthread_join(writer, NULL), 0);
    alarm(0);
    lode_collection_close(collection);
    collection = engine_collection(db, "points");
    lode_stats *stats;
    assert_ok(lode_stats_get(collection, &stats, &error));
    assert_int_equal(stats->points, ROWS + BATCH);
    lode_stats_free(stats);
    lode_collection_close(collection);
    engine_close(db);
    temp_dir_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writers_wait_where_somebody_searches),
        cmocka_unit_test(who_closes_does_not_strand_a_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
