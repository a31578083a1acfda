/* Where somebody searches, a writer waits for the graph of the growing segment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/limits.h"
#include "base/random.h"
#include "engine/overlay.h"
#include "support/engine_kit.h"

#define DIM   256u
#define BATCH 200u
#define ROWS  9000u

static lode_error error;

static uint32_t behind(struct lode_collection *collection)
{
    struct version *version = collection_pin(collection);
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(writers_wait_where_somebody_searches)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
