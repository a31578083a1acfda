/* What writers do to one another: groups, one bad batch among good ones, waiting for a flush; and that
 * readers wait for none of it. The test holds the engine's locks to bring these moments about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embed/made_corpus.h"
#include "engine/collection.h"
#include "engine/debt.h"
#include "support/engine_kit.h"

static lode_error error;

struct writer {
    struct thread thread;
    lode_collection *collection;
    uint64_t id;
    const char *text; /* NULL: a vector */
    unsigned batches;
    lode_status status; /* of the last batch */
    lode_write_info info;
};

static void write_on(void *context)
{
    struct writer *writer = context;
    float vector[16] = {1, (float)writer->id};
    lode_point point = {.text = writer->text,
                        .text_size = writer->text ? strlen(writer->text) : 0,
                        .vector = writer->text ? NULL : vector};
    for (unsigned i = 0; i < writer->batches; i++) {
        point.id = lode_id_number(writer->id * 100000 + i);
        writer->status = lode_upsert(writer->collection, &point, 1, &writer->info, NULL);
    }
}

static void start(struct writer *writer, lode_collection *collection, uint64_t id, const char *text,
                  unsigned batches)
{
    *writer = (struct writer){.collection = collection, .id = id, .text = text, .batches = batches};
    assert_int_equal(thread_start(&writer->thread, "writer", write_on, writer), 0);
}

static size_t queued(lode_collection *collection)
{
    size_t count = 0;
    mutex_lock(&collection->shared->queue.mutex);
    for (struct write_request *request = collection->shared->queue.first; request;
         request = request->next)
        count++;
    mutex_unlock(&collection->shared->queue.mutex);
    return count;
}

static void wait_queued(lode_collection *collection, size_t count)
{
    while (queued(collection) < count)
        sched_yield();
}

struct place {
    char path[PATH_SIZE_MAX];
    lode_db *db;
    lode_collection *collection;
};

static void begin(struct place *place, lode_metric metric, uint64_t growing_bytes)
{
    temp_dir_make(place->path);
    place->db = engine_open(NULL, place->path, NULL, growing_bytes);
    place->collection =
        engine_create(place->db, "points", (lode_schema){.dim = 16, .metric = metric});
}

static void end(struct place *place)
{
    lode_collection_close(place->collection);
    engine_close(place->db);
    engine_verify(NULL, place->path);
    temp_dir_remove(place->path);
}

/* Writers that queue while one leads are one group: one version, sequences in a row. */
static void those_who_wait_are_one_group(void **state)
{
    (void)state;
    struct place place;
    struct writer writers[8];
    uint64_t sequences = 0;
    begin(&place, LODE_METRIC_L2, 0);
    lane_enter(&place.collection->shared->lane);
    for (uint64_t i = 0; i < 8; i++)
        start(&writers[i], place.collection, i, NULL, 1);
    wait_queued(place.collection, 8);
    lane_leave(&place.collection->shared->lane);
    for (uint64_t i = 0; i < 8; i++) {
        thread_join(&writers[i].thread);
        assert_int_equal(writers[i].status, LODE_OK);
        assert_int_equal(writers[i].info.upserted, 1);
        sequences |= (uint64_t)1 << writers[i].info.sequence;
    }
    assert_int_equal(sequences, 0x1fe); /* 1 to 8, each once */
    end(&place);
}

/* A batch whose texts were embedded with a model that is gone fails alone. */
static void a_bad_batch_fails_alone(void **state)
{
    (void)state;
    struct place place;
    struct writer writers[6];
    struct made_corpus *corpus = made_corpus_new(1);
    begin(&place, LODE_METRIC_COSINE, 0);
    assert_ok(lode_text_model_train(place.collection, corpus->texts, TEXTS, NULL, NULL, &error));
    lane_enter(&place.collection->shared->lane);
    for (uint64_t i = 0; i < 6; i++) {
        start(&writers[i], place.collection, i, i % 3 == 1 ? corpus->texts[0].data : NULL, 1);
        wait_queued(place.collection, i + 1);
    }
    place.collection->shared->model->version++; /* as training anew would */
    lane_leave(&place.collection->shared->lane);
    for (uint64_t i = 0; i < 6; i++) {
        thread_join(&writers[i].thread);
        assert_int_equal(writers[i].status, i % 3 == 1 ? LODE_BUSY : LODE_OK);
    }
    lode_stats *stats;
    assert_ok(lode_stats_get(place.collection, &stats, &error));
    assert_int_equal(stats->points, 4);
    assert_int_equal(stats->sequence, 4);
    lode_stats_free(stats);
    free(corpus);
    end(&place);
}

/* While flushes cannot commit, writers fill what may wait and then wait themselves; readers read. */
static void writers_wait_for_flushes_and_readers_do_not(void **state)
{
    (void)state;
    struct place place;
    struct writer writers[3];
    lode_snapshot *snapshot;
    lode_result *result;
    float vector[16] = {1};
    begin(&place, LODE_METRIC_L2, 4096);
    mutex_lock(&place.collection->shared->change_mutex);
    for (uint64_t i = 0; i < 3; i++)
        start(&writers[i], place.collection, i, NULL, 400);
    while (jobs_frozen_count(&place.collection->shared->jobs) < FROZEN_MAX)
        sched_yield();
    wait_queued(place.collection, 3);
    assert_status(lode_wait_idle(place.collection, 20, &error), LODE_PARTIAL);
    assert_ok(lode_snapshot_open(place.collection, &snapshot, &error));
    uint64_t points = lode_snapshot_point_count(snapshot);
    lode_search_request request = {.snapshot = snapshot, .vector = vector, .k = LODE_K_MAX};
    assert_ok(lode_search(place.collection, &request, &result, &error));
    assert_int_equal(result->hit_count, points);
    lode_result_free(result);
    lode_snapshot_close(snapshot);
    assert_true(points < 1200);
    mutex_unlock(&place.collection->shared->change_mutex);
    for (size_t i = 0; i < 3; i++) {
        thread_join(&writers[i].thread);
        assert_int_equal(writers[i].status, LODE_OK);
    }
    assert_ok(lode_wait_idle(place.collection, 0, &error));
    assert_ok(lode_snapshot_open(place.collection, &snapshot, &error));
    assert_int_equal(lode_snapshot_point_count(snapshot), 1200);
    lode_snapshot_close(snapshot);
    end(&place);
}

/* Nor do readers wait for a group that is being written. */
static void readers_do_not_wait_for_the_lane(void **state)
{
    (void)state;
    struct place place;
    lode_snapshot *snapshot;
    lode_stats *stats;
    lode_iterator *iterator;
    const lode_hit *hit;
    begin(&place, LODE_METRIC_L2, 0);
    lane_enter(&place.collection->shared->lane);
    assert_ok(lode_snapshot_open(place.collection, &snapshot, &error));
    assert_ok(lode_stats_get(place.collection, &stats, &error));
    assert_ok(lode_iterator_open(place.collection, NULL, 0, &iterator, &error));
    assert_ok(lode_iterator_next(iterator, &hit, &error));
    lode_iterator_close(iterator);
    lode_stats_free(stats);
    lode_snapshot_close(snapshot);
    lane_leave(&place.collection->shared->lane);
    end(&place);
}

/* --- Closing ------------------------------------------------------------------------------------ */

/* Time stands still, so that nothing but closing ends a wait; when the waiting thread has looked that often, closing
 * has not. */
#define LOOKS_MAX 50

static _Thread_local int waits;
static _Atomic int looks;

static uint64_t stopped_us(void *context)
{
    (void)context;
    if (waits && atomic_fetch_add(&looks, 1) >= LOOKS_MAX)
        return 1000000000;
    return 1000;
}

static void wait_for_merges(void *context)
{
    waits = 1;
    debt_wait(context, 1000);
}

static void closing_ends_the_wait_for_merges(void **state)
{
    (void)state;
    const struct clock clock = {stopped_us, stopped_us, NULL};
    char path[PATH_SIZE_MAX];
    struct thread thread;
    temp_dir_make(path);
    lode_db *db = engine_open_at(NULL, path, NULL, 0, &clock);
    lode_collection *collection = engine_create(db, "points", (lode_schema){.dim = 4});
    atomic_store(&collection->shared->jobs.debt, 100); /* far behind */
    assert_int_equal(thread_start(&thread, "writer", wait_for_merges, collection->shared), 0);
    while (atomic_load(&looks) < 2) /* from the second on it holds the mutex until it sleeps */
        sched_yield();
    jobs_stop(collection->shared);
    thread_join(&thread);
    assert_in_range(atomic_load(&looks), 2, LOOKS_MAX - 1);
    assert_int_equal(collection->shared->jobs.delays, 1);
    lode_collection_close(collection);
    engine_close(db);
    temp_dir_remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_who_wait_are_one_group),
        cmocka_unit_test(a_bad_batch_fails_alone),
        cmocka_unit_test(writers_wait_for_flushes_and_readers_do_not),
        cmocka_unit_test(readers_do_not_wait_for_the_lane),
        cmocka_unit_test(closing_ends_the_wait_for_merges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
