/* test_scroll_concurrent.c: readers that scroll while a writer changes, deletes and brings back other points, and segments
 * are flushed and merged: each point that stays as it is comes once and in order, at every pass. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/random.h"
#include "os/thread.h"
#include "support/engine_kit.h"

enum { POINTS = 1200, READERS = 2, PASSES = 25, BATCHES = 300 };

struct world {
    lode_collection *points;
    _Atomic int ended;
    _Atomic unsigned written; /* batches */
};

/* Threads: none of cmocka's checks here, they belong to the first thread. */

/* Odd ids stay: n is id * 7 % POINTS. Even ones get any n, or none, or go. */
static void put(lode_collection *points, unsigned first, unsigned count, struct rng *rng)
{
    lode_error error = {0};
    lode_write_op ops[64] = {{0}};
    char texts[64][48];
    const float vector[2] = {1, 2};
    for (unsigned i = 0; i < count; i++) {
        unsigned id = rng ? rng_below(rng, POINTS / 2) * 2 : first + i;
        unsigned n = rng ? rng_below(rng, POINTS) : id * 7 % POINTS;
        ops[i].kind = rng && n % 5 == 0 ? LODE_WRITE_DELETE : LODE_WRITE_UPSERT;
        ops[i].point = (lode_point){.id = lode_id_number(id), .vector = vector};
        if (ops[i].kind == LODE_WRITE_DELETE || (rng && n % 5 == 1))
            continue;
        snprintf(texts[i], sizeof texts[i], "{\"n\":%u,\"few\":[%u,%u]}", n, n % 3, n % 11);
        ops[i].point.metadata = texts[i];
        ops[i].point.metadata_size = strlen(texts[i]);
    }
    const lode_write_options options = {.ack = LODE_ACK_APPLIED}; /* none waits for the disk */
    INVARIANT(lode_write(points, ops, count, &options, NULL, &error) == LODE_OK);
}

static void write_all_along(void *context)
{
    struct world *world = context;
    lode_error error = {0};
    struct rng rng;
    rng_init(&rng, 5);
    while (!atomic_load(&world->ended)) {
        put(world->points, 0, 20, &rng);
        unsigned written = atomic_fetch_add(&world->written, 1) + 1;
        if (written % 16 == 0)
            INVARIANT(lode_flush(world->points, NULL, &error) == LODE_OK);
        if (written % 64 == 0)
            INVARIANT(lode_compact(world->points, NULL, &error) == LODE_OK);
    }
}

struct seen {
    int descending;
    const char *by;
    unsigned count;
    uint64_t last; /* id, or n */
    uint8_t ids[POINTS];
};

static void see(struct seen *seen, const lode_hit *hit)
{
    uint64_t id = hit->id.number, key = seen->by ? id * 7 % POINTS : id;
    if (id % 2 == 0)
        return;
    INVARIANT(seen->ids[id]++ == 0);
    if (seen->by == NULL || strcmp(seen->by, "n") == 0)
        INVARIANT(seen->count == 0 || (seen->descending ? key < seen->last : key > seen->last));
    seen->last = key;
    seen->count++;
}

static void pass(struct world *world, unsigned number)
{
    static const char *const fields[] = {"n", NULL, "few"};
    lode_error error = {0};
    char after[LODE_CURSOR_SIZE_MAX + 1];
    struct seen seen = {.descending = (int)(number & 1), .by = fields[number % 3]};
    lode_scroll_request request = {
        .by = seen.by, .descending = seen.descending, .limit = 10 + number % 90};
    for (int more = 1; more;) {
        lode_page *page;
        INVARIANT(lode_scroll(world->points, &request, &page, &error) == LODE_OK);
        for (size_t i = 0; i < page->hit_count; i++)
            see(&seen, &page->hits[i]);
        more = page->next != NULL;
        if (more)
            request.after = strcpy(after, page->next);
        lode_page_free(page);
    }
    INVARIANT(seen.count == POINTS / 2);
}

static void read_passes(void *context)
{
    struct world *world = context;
    for (unsigned i = 0; i < PASSES || atomic_load(&world->written) < BATCHES; i++)
        pass(world, i);
}

static void what_stays_comes_once_at_each_pass(void **state)
{
    (void)state;
    struct world world = {0};
    struct thread writer, readers[READERS];
    char dir[PATH_SIZE_MAX];
    temp_dir_make(dir);
    lode_db *db = engine_open(NULL, dir, NULL, 1u << 16);
    world.points = engine_create(db, "points", (lode_schema){.dim = 2});
    for (unsigned first = 0; first < POINTS; first += 50)
        put(world.points, first, 50, NULL);
    assert_int_equal(thread_start(&writer, "writer", write_all_along, &world), 0);
    for (unsigned i = 0; i < READERS; i++)
        assert_int_equal(thread_start(&readers[i], "reader", read_passes, &world), 0);
    for (unsigned i = 0; i < READERS; i++)
        thread_join(&readers[i]);
    atomic_store(&world.ended, 1);
    thread_join(&writer);
    lode_collection_close(world.points);
    engine_close(db);
    temp_dir_remove(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_stays_comes_once_at_each_pass)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
