/* test_damage_concurrent.c: many threads are the first to touch the blocks of one database, some of them damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "os/thread.h"
#include "support/damage.h"

enum { THREADS = 6, K = 5 };

struct visitor {
    lode_collection *collection;
    unsigned seed;
    unsigned right, refused, wrong;
};

static void judge(struct visitor *visitor, lode_status status, const lode_error *error)
{
    if (status == LODE_OK)
        visitor->right++;
    else if (status == LODE_CORRUPT && strstr(error->message, ".docs"))
        visitor->refused++;
    else
        visitor->wrong++;
}

static void read_some(void *context)
{
    struct visitor *visitor = context;
    for (unsigned n = 0; n < 60; n++) {
        lode_error error = {0};
        lode_result *result;
        lode_id id = lode_id_number((n * 83 + visitor->seed * 31) % 5000);
        unsigned with = LODE_WITH_VECTOR | LODE_WITH_METADATA;
        lode_status status = lode_get(visitor->collection, NULL, &id, 1, with, &result, &error);
        judge(visitor, status, &error);
        if (!status)
            lode_result_free(result);
        float query[DAMAGE_DIM];
        for (size_t i = 0; i < DAMAGE_DIM; i++)
            query[i] = (float)((n * 7 + i * 13 + visitor->seed) % 200) - 100;
        lode_search_request request = {.vector = query, .k = K, .exact = n % 3 == 0};
        status = lode_search(visitor->collection, &request, &result, &error);
        visitor->wrong += status != LODE_OK || result->hit_count != K;
        if (!status)
            lode_result_free(result);
    }
}

static void first_touches_race(void **state)
{
    (void)state;
    struct damage_image *image = malloc(sizeof *image);
    struct visitor visitors[THREADS];
    struct thread threads[THREADS];
    assert_non_null(image);
    damage_image_make(image);
    struct vfs *vfs = damage_vfs(image);
    for (size_t i = 0; i < image->file_count; i++) {
        const char *path = image->files[i].path;
        if (strstr(path, "seg-1.docs") || strstr(path, "seg-1.graph"))
            kit_flip(vfs, path, 8 * (GUARD_BLOCK_SIZE + 100));
    }
    lode_db_options options = {.maintenance = LODE_MAINTAIN_ON_REQUEST};
    lode_db *db = engine_open(vfs, "db", &options, 0);
    lode_collection *collection = engine_collection(db, "points");
    for (unsigned i = 0; i < THREADS; i++) {
        visitors[i] = (struct visitor){.collection = collection, .seed = i};
        assert_int_equal(thread_start(&threads[i], "visitor", read_some, &visitors[i]), 0);
    }
    unsigned refused = 0;
    for (unsigned i = 0; i < THREADS; i++) {
        thread_join(&threads[i]);
        assert_int_equal(visitors[i].wrong, 0);
        assert_true(visitors[i].right > 0);
        refused += visitors[i].refused;
    }
    assert_true(refused > 0);
    lode_collection_close(collection);
    engine_close(db);
    vfs_memory_free(vfs);
    damage_image_release(image);
    free(image);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(first_touches_race)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
