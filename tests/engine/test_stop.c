/* test_stop.c: calls whose callers want them to end early. Each call is stopped at its first look at the wish, at its
 * second, and so on: it has the right status, writes no output and leaves nothing behind; the call that is not stopped
 * gives what it gives without a stop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/random.h"
#include "engine/collection.h"
#include "os/budget.h"
#include "os/clock.h"
#include "support/engine_kit.h"
#include "support/wish.h"

/* So many points that graphs are walked with a beam of a few hundred; or a few, scanned. */
enum { DIM = 32, POINTS = 14000, FEW = 3000, PUT_MAX = 5000, TRIALS_MAX = 60 };

static lode_error error;

/* --- Collections -------------------------------------------------------------------------------- */

struct world {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *collection; /* its own handle */
    lode_collection *handle;     /* what is asked */
};

static void random_vector(struct rng *rng, float *vector)
{
    for (size_t i = 0; i < DIM; i++)
        vector[i] = (float)rng_normal(rng);
    vector[0] += 3;
}

static void put(lode_collection *collection, unsigned first, unsigned count)
{
    static lode_point points[PUT_MAX];
    static float vectors[PUT_MAX][DIM];
    static char metadata[PUT_MAX][160];
    struct rng rng;
    rng_init(&rng, first + 1);
    for (unsigned i = 0; i < count; i++) {
        unsigned n = first + i;
        random_vector(&rng, vectors[i]);
        int size =
            snprintf(metadata[i], sizeof metadata[i],
                     "{\"group\":%u,\"n\":%u,\"name\":\"name %u\",\"tags\":[\"t%u\",\"t%u\"],"
                     "\"place\":{\"lat\":%u,\"lon\":%u},\"long\":\"%0*u\"}",
                     n % 50, n, n % 1000, n % 7, n % 11, n % 80, n % 170, (int)(n % 60), n);
        points[i] = (lode_point){.id = lode_id_number(n),
                                 .vector = vectors[i],
                                 .metadata = metadata[i],
                                 .metadata_size = (size_t)size};
    }
    assert_ok(lode_upsert(collection, points, count, NULL, &error));
}

struct kind {
    lode_schema schema;
    unsigned points;   /* 0: FEW */
    int is_growing;    /* all in memory */
    const char *space; /* NULL: none */
    const char *bound; /* NULL: none */
    int has_others;    /* there are points in another namespace */
};

/* Sealed segments, one with a graph if they are many, and a growing one, all with dead rows. */
static void put_all(const struct world *world, const struct kind *kind)
{
    unsigned points = kind->points ? kind->points : FEW, last = points - 1000;
    for (unsigned first = 0; first < last; first += PUT_MAX)
        put(world->handle, first, last - first < PUT_MAX ? last - first : PUT_MAX);
    if (!kind->is_growing)
        assert_ok(lode_compact(world->collection, NULL, &error));
    put(world->handle, last - 100, 600);
    if (!kind->is_growing)
        assert_ok(lode_flush(world->collection, NULL, &error));
    put(world->handle, last + 400, 600);
}

static void put_others(const struct world *world)
{
    lode_collection *others;
    assert_ok(lode_namespace_open(world->collection, "others", &others, &error));
    put(others, 0, 300);
    lode_collection_close(others);
}

static void restrict_to(struct world *world, const char *filter)
{
    lode_collection *wide = world->handle;
    assert_ok(lode_collection_restrict(wide, lode_filter_text(filter), &world->handle, &error));
    if (wide != world->collection)
        lode_collection_close(wide);
}

static void begin(struct world *world, const struct kind *kind)
{
    static const lode_field place = {"place", LODE_FIELD_GEO};
    lode_schema schema = kind->schema;
    schema.dim = DIM;
    schema.fields = &place;
    schema.field_count = 1;
    world->vfs = vfs_memory_new();
    world->db = engine_open(world->vfs, "db", NULL, kind->is_growing ? 1 << 28 : 1 << 20);
    world->collection = world->handle = engine_create(world->db, "points", schema);
    if (kind->space)
        assert_ok(lode_namespace_open(world->collection, kind->space, &world->handle, &error));
    put_all(world, kind);
    if (kind->has_others)
        put_others(world);
    if (kind->bound)
        restrict_to(world, kind->bound);
}

static void end(struct world *world)
{
    if (world->handle != world->collection)
        lode_collection_close(world->handle);
    lode_collection_close(world->collection);
    engine_close(world->db);
    vfs_memory_free(world->vfs);
}

/* --- Calls -------------------------------------------------------------------------------------- */

/* What a call answers, in a number; the output is freed. Of a call that fails, that nothing was written is checked. */
typedef lode_status call_fn(const struct world *world, const lode_stop *stop, uint64_t *ret_digest);

#define UNTOUCHED ((void *)&error)

static uint64_t mix(uint64_t digest, const void *data, size_t size)
{
    return hash64(size ? data : "", size, digest);
}

static uint64_t digest_hits(const lode_hit *hits, size_t count, uint64_t digest)
{
    for (size_t i = 0; i < count; i++) {
        digest = mix(digest, &hits[i].id.number, sizeof hits[i].id.number);
        digest = mix(digest, &hits[i].score, sizeof hits[i].score);
        digest = mix(digest, hits[i].metadata, hits[i].metadata_size);
    }
    return digest;
}

static lode_status finish_search(lode_status status, lode_result *result, uint64_t *ret_digest)
{
    if (status) {
        assert_ptr_equal(result, UNTOUCHED);
        return status;
    }
    *ret_digest = digest_hits(result->hits, result->hit_count, 1);
    lode_result_free(result);
    return LODE_OK;
}

static const float query[DIM] = {3, 0.5f, -0.5f, 1};

static lode_status search(const struct world *world, lode_search_request request,
                          const lode_stop *stop, uint64_t *ret_digest)
{
    lode_result *result = UNTOUCHED;
    lode_id like = lode_id_number(1001);
    request.stop = stop;
    if (request.k % 2)
        request.vector = query;
    else
        request.like = &like;
    if (request.filter)
        request.filter_size = strlen(request.filter);
    lode_status status = lode_search(world->handle, &request, &result, &error);
    return finish_search(status, result, ret_digest);
}

#define SEARCH(name, ...)                                                                          \
    static lode_status name(const struct world *world, const lode_stop *stop, uint64_t *ret)       \
    {                                                                                              \
        return search(world, (lode_search_request){__VA_ARGS__}, stop, ret);                       \
    }

SEARCH(search_usual, .k = 10, .with = LODE_WITH_METADATA)
SEARCH(search_wide, .k = 280, .ef_search = 280)
SEARCH(search_exact, .k = 11, .exact = 1)
SEARCH(search_all, .k = POINTS + 1, .exact = 1, .with = LODE_WITH_METADATA)
SEARCH(search_distinct, .k = 45, .one_per = "group")
SEARCH(search_filtered, .k = 11, .ef_search = 100, .filter = "group < 45")
SEARCH(search_confined, .k = 11, .ef_search = 100, .filter = "group < 5")
SEARCH(search_rare, .k = 11, .filter = "group = 3 AND n > 100")
SEARCH(search_pattern, .k = 11, .filter = "name GLOB \"*1*\" OR tags IN (\"t1\", \"t2\", \"t3\")")
SEARCH(search_documents, .k = 11, .filter = "long GLOB \"*1\" AND n >= 1")

enum { BATCH = 40 };

static lode_status search_batch(const struct world *world, const lode_stop *stop, uint64_t *ret)
{
    static float vectors[BATCH][DIM];
    lode_search_request requests[BATCH];
    lode_result *results[BATCH];
    struct rng rng;
    rng_init(&rng, 5);
    for (size_t i = 0; i < BATCH; i++) {
        random_vector(&rng, vectors[i]);
        results[i] = UNTOUCHED;
        requests[i] = (lode_search_request){.vector = vectors[i],
                                            .k = 5 + i,
                                            .exact = i % 4 != 0,
                                            .one_per = i % 10 ? NULL : "name",
                                            .filter = i < 30 ? NULL : "group > 3",
                                            .filter_size = i < 30 ? 0 : 9,
                                            .with = LODE_WITH_METADATA,
                                            .stop = stop};
    }
    lode_status status = lode_search_batch(world->handle, requests, BATCH, results, &error);
    *ret = 1;
    for (size_t i = 0; i < BATCH; i++) {
        if (status) {
            assert_ptr_equal(results[i], UNTOUCHED);
            continue;
        }
        *ret = digest_hits(results[i]->hits, results[i]->hit_count, *ret);
        lode_result_free(results[i]);
    }
    return status;
}

static lode_status groups(const struct world *world, const lode_stop *stop, uint64_t *ret)
{
    lode_groups *found = UNTOUCHED;
    lode_groups_request request = {.search = {.vector = query,
                                              .k = 40,
                                              .filter = "n > 10",
                                              .filter_size = 6,
                                              .with = LODE_WITH_METADATA,
                                              .stop = stop},
                                   .by = "name",
                                   .per_group = 4};
    lode_status status = lode_search_groups(world->handle, &request, &found, &error);
    if (status) {
        assert_ptr_equal(found, UNTOUCHED);
        return status;
    }
    *ret = 1;
    for (size_t i = 0; i < found->group_count; i++)
        *ret = digest_hits(found->groups[i].hits, found->groups[i].hit_count,
                           mix(*ret, found->groups[i].value, found->groups[i].value_size));
    lode_groups_free(found);
    return LODE_OK;
}

static lode_status explain(const struct world *world, const lode_stop *stop, uint64_t *ret)
{
    lode_explanation *told = UNTOUCHED;
    lode_search_request request = {
        .vector = query, .k = 7, .filter = "n > 10", .filter_size = 6, .stop = stop};
    lode_status status = lode_explain(world->handle, &request, &told, &error);
    if (status) {
        assert_ptr_equal(told, UNTOUCHED);
        return status;
    }
    *ret = told->allowed_rows;
    lode_explanation_free(told);
    return LODE_OK;
}

static lode_status scroll(const struct world *world, lode_scroll_request request,
                          const lode_stop *stop, uint64_t *ret)
{
    lode_page *page = UNTOUCHED;
    request.stop = stop;
    request.with = LODE_WITH_METADATA;
    lode_status status = lode_scroll(world->handle, &request, &page, &error);
    if (status) {
        assert_ptr_equal(page, UNTOUCHED);
        return status;
    }
    *ret = digest_hits(page->hits, page->hit_count, 1);
    *ret = mix(*ret, page->next, page->next ? strlen(page->next) : 0);
    lode_page_free(page);
    return LODE_OK;
}

#define SCROLL(name, ...)                                                                          \
    static lode_status name(const struct world *world, const lode_stop *stop, uint64_t *ret)       \
    {                                                                                              \
        return scroll(world, (lode_scroll_request){__VA_ARGS__}, stop, ret);                       \
    }

SCROLL(scroll_by_id, .limit = 100)
SCROLL(scroll_by_field, .limit = 2000, .by = "n")
SCROLL(scroll_down, .limit = 5000, .by = "name", .descending = 1, .filter = "n > 9",
       .filter_size = 5)
SCROLL(scroll_arrays, .limit = 50, .by = "tags")

static lode_status sample(const struct world *world, const lode_stop *stop, uint64_t *ret)
{
    lode_result *result = UNTOUCHED;
    lode_sample_request request = {.count = 50, .seed = 9, .stop = stop};
    lode_status status = lode_sample(world->handle, &request, &result, &error);
    return finish_search(status, result, ret);
}

static lode_status facets(const struct world *world, const char *field, const lode_stop *stop,
                          uint64_t *ret)
{
    lode_facets *found = UNTOUCHED;
    lode_facet_request request = {.field = field, .limit = 3000, .stop = stop};
    lode_status status = lode_facets_get(world->handle, &request, &found, &error);
    if (status) {
        assert_ptr_equal(found, UNTOUCHED);
        return status;
    }
    *ret = found->distinct;
    for (size_t i = 0; i < found->facet_count; i++)
        *ret =
            mix(*ret + found->facets[i].count, found->facets[i].value, found->facets[i].value_size);
    lode_facets_free(found);
    return LODE_OK;
}

static lode_status facets_of_one(const struct world *world, const lode_stop *stop, uint64_t *ret)
{
    return facets(world, "n", stop, ret);
}

static lode_status facets_of_many(const struct world *world, const lode_stop *stop, uint64_t *ret)
{
    return facets(world, "tags", stop, ret);
}

static lode_status count(const struct world *world, lode_filter filter, const lode_stop *stop,
                         uint64_t *ret)
{
    filter.stop = stop;
    return lode_count(world->handle, NULL, filter, ret, &error);
}

#define COUNT(name, text)                                                                          \
    static lode_status name(const struct world *world, const lode_stop *stop, uint64_t *ret)       \
    {                                                                                              \
        return count(world, lode_filter_text(text), stop, ret);                                    \
    }

COUNT(count_all, NULL)
COUNT(count_list, "n IN (1, 5, 9, 100, 101, 102, 103, 3000) AND NOT group = 1")
COUNT(count_all_of, "tags HAS ALL (\"t1\", \"t2\")")
COUNT(count_near, "place WITHIN 900 km OF (LAT 40, LON 40)")
COUNT(count_documents, "name REGEX \"1.*2\" OR long = \"0\"")
COUNT(count_ids, "@id IN (1, 2, 3, 900, 100000)")

static lode_status walk(const struct world *world, const lode_stop *stop, uint64_t *ret)
{
    lode_iterator *iterator = UNTOUCHED;
    lode_filter filter = lode_filter_text("group < 9");
    const lode_hit *hit;
    filter.stop = stop;
    lode_status status = lode_iterator_open_filtered(world->handle, NULL, filter,
                                                     LODE_WITH_METADATA, &iterator, &error);
    if (status) {
        assert_ptr_equal(iterator, UNTOUCHED);
        return status;
    }
    *ret = 1;
    while (lode_iterator_next(iterator, &hit, &error) == LODE_OK && hit)
        *ret = digest_hits(hit, 1, *ret);
    lode_iterator_close(iterator);
    return LODE_OK;
}

static const struct call {
    const char *name;
    call_fn *run;
    unsigned looks_min;
} calls[] = {
    {"search_usual", search_usual, 2},
    {"search_wide", search_wide, 4},
    {"search_exact", search_exact, 2},
    {"search_all", search_all, 60},
    {"search_distinct", search_distinct, 2},
    {"search_filtered", search_filtered, 3},
    {"search_confined", search_confined, 3},
    {"search_rare", search_rare, 3},
    {"search_pattern", search_pattern, 10},
    {"search_documents", search_documents, 5},
    {"search_batch", search_batch, 20},
    {"groups", groups, 4},
    {"explain", explain, 3},
    {"scroll_by_id", scroll_by_id, 5},
    {"scroll_by_field", scroll_by_field, 20},
    {"scroll_down", scroll_down, 20},
    {"scroll_arrays", scroll_arrays, 2},
    {"sample", sample, 5},
    {"facets_of_one", facets_of_one, 10},
    {"facets_of_many", facets_of_many, 3},
    {"count_all", count_all, 1},
    {"count_list", count_list, 3},
    {"count_all_of", count_all_of, 3},
    {"count_near", count_near, 3},
    {"count_documents", count_documents, 10},
    {"count_ids", count_ids, 2},
    {"walk", walk, 2},
};

/* --- Stopping them ------------------------------------------------------------------------------ */

static uint32_t pins(const struct world *world)
{
    return atomic_load(&world->collection->shared->version->refs);
}

/* What filters matched before takes looks away. */
static void forget(const struct world *world)
{
    const struct version *version = world->collection->shared->version;
    for (size_t i = 0; i < version->view_count; i++) {
        uint32_t covered;
        const struct segment *segment = version->views[i].segment;
        struct columns *columns = segment->ops->columns(segment, &covered);
        if (!columns)
            continue;
        remembered_release(&columns->remembered);
        remembered_init(&columns->remembered);
        columns_unref(columns);
    }
}

static void stop_at(const struct world *world, const struct call *call, uint64_t look)
{
    struct wish wish;
    uint64_t digest;
    forget(world);
    wish_init(&wish, look);
    error = (lode_error){0};
    lode_status status = call->run(world, &wish.stop, &digest);
    if (status != LODE_CANCELLED || error.status != LODE_CANCELLED || wish.looks != look)
        fail_msg("%s, stopped at look %llu: %s after %llu looks: %s", call->name,
                 (unsigned long long)look, lode_status_name(status), (unsigned long long)wish.looks,
                 error.message);
    assert_int_equal(pins(world), 1);
}

static void miss_deadlines(const struct world *world, const struct call *call)
{
    uint64_t digest, now = clock_now_us(&clock_system);
    lode_stop past = {.deadline_us = 1}, just = {.deadline_us = now};
    error = (lode_error){0};
    assert_int_equal(call->run(world, &past, &digest), LODE_TIMEOUT);
    assert_int_equal(error.status, LODE_TIMEOUT);
    assert_int_equal(call->run(world, &just, &digest), LODE_TIMEOUT);
    assert_int_equal(pins(world), 1);
}

static void check_call(const struct world *world, const struct call *call)
{
    struct wish wish;
    uint64_t wanted = 0, got = 0;
    lode_stop far = {.deadline_us = clock_now_us(&clock_system) + 600000000};
    assert_ok(call->run(world, NULL, &wanted));
    forget(world);
    wish_init(&wish, 0);
    assert_ok(call->run(world, &wish.stop, &got));
    assert_int_equal(got, wanted);
    if (wish.looks < call->looks_min)
        fail_msg("%s: looked %llu times", call->name, (unsigned long long)wish.looks);
    uint64_t held = budget_used(BUDGET_SCRATCH), looks = wish.looks;
    for (uint64_t look = 1; look <= looks; look += 1 + looks / TRIALS_MAX)
        stop_at(world, call, look);
    stop_at(world, call, looks);
    miss_deadlines(world, call);
    assert_int_equal(budget_used(BUDGET_SCRATCH), held);
    assert_ok(call->run(world, &far, &got));
    assert_int_equal(got, wanted);
}

static void check_kind(const struct kind *kind)
{
    struct world world;
    begin(&world, kind);
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++)
        check_call(&world, &calls[i]);
    end(&world);
}

static void at_every_look(void **state)
{
    (void)state;
    check_kind(&(struct kind){.schema = {.metric = LODE_METRIC_COSINE}, .points = POINTS});
}

static void at_every_look_of_scans(void **state)
{
    (void)state;
    check_kind(&(struct kind){.schema = {.index = LODE_INDEX_FLAT}, .points = POINTS});
}

static void at_every_look_of_compact_graphs(void **state)
{
    (void)state;
    check_kind(&(struct kind){.schema = {.metric = LODE_METRIC_IP,
                                         .scalar = LODE_SCALAR_INT8,
                                         .layout = LODE_LAYOUT_COMPACT},
                              .points = POINTS});
}

static void at_every_look_in_memory(void **state)
{
    (void)state;
    check_kind(&(struct kind){.points = POINTS, .is_growing = 1});
}

static void at_every_look_of_a_namespace(void **state)
{
    (void)state;
    check_kind(&(struct kind){.space = "tenant", .has_others = 1});
}

static void at_every_look_beside_a_namespace(void **state)
{
    (void)state;
    check_kind(&(struct kind){.has_others = 1});
}

static void at_every_look_of_a_bound_filter(void **state)
{
    (void)state;
    check_kind(&(struct kind){.space = "tenant", .bound = "n < 100000"});
}

/* Rows at one distance, from which the smallest ids are chosen. */
static void among_points_that_are_alike(void **state)
{
    (void)state;
    static lode_point points[LODE_BATCH_MAX];
    static const struct call exact = {"search_exact", search_exact, 2};
    struct world world;
    begin(&world, &(struct kind){.schema = {.index = LODE_INDEX_FLAT}});
    for (unsigned i = 0; i < LODE_BATCH_MAX; i++)
        points[i] = (lode_point){.id = lode_id_number(i), .vector = query};
    assert_ok(lode_upsert(world.collection, points, LODE_BATCH_MAX, NULL, &error));
    check_call(&world, &exact);
    end(&world);
}

/* --- Writes by filter --------------------------------------------------------------------------- */

enum { MANY = 12000 };

static void put_many(lode_collection *collection)
{
    static lode_point points[2000];
    static const float vector[2] = {1, 2};
    for (unsigned first = 0; first < MANY; first += 2000) {
        for (unsigned i = 0; i < 2000; i++)
            points[i] = (lode_point){.id = lode_id_number(first + i),
                                     .vector = vector,
                                     .metadata = "{\"a\":1}",
                                     .metadata_size = 7};
        assert_ok(lode_upsert(collection, points, 2000, NULL, &error));
    }
}

static uint64_t count_of(lode_collection *collection, const char *text)
{
    uint64_t counted;
    assert_ok(lode_count(collection, NULL, lode_filter_text(text), &counted, &error));
    return counted;
}

/* What was written before the stop stays, and is told; each batch is whole. */
static void between_batches(void **state)
{
    (void)state;
    struct world world = {.vfs = vfs_memory_new()};
    struct wish wish;
    lode_filter filter = lode_filter_text("a = 1");
    lode_write_info info;
    lode_write_op patch = {.kind = LODE_WRITE_PATCH,
                           .point = {.metadata = "{\"b\":2}", .metadata_size = 7}};
    world.db = engine_open(world.vfs, "db", NULL, 0);
    world.collection = engine_create(world.db, "many", (lode_schema){.dim = 2});
    put_many(world.collection);
    filter.stop = &wish.stop;
    lode_status status = LODE_CANCELLED;
    unsigned before = 0, between = 0;
    for (uint64_t look = 1; status; look++) {
        wish_init(&wish, look);
        status = lode_patch_filtered(world.collection, filter, &patch, &info, &error);
        assert_int_equal(pins(&world), 1);
        if (status) {
            assert_int_equal(status, LODE_CANCELLED);
            assert_true(info.patched == 0 || info.patched == LODE_BATCH_MAX);
            before += info.patched == 0;
            between += info.patched > 0;
        }
    }
    assert_int_equal(info.patched, MANY);
    assert_true(before > 20 && between > 2);
    for (uint64_t look = 1; info.deleted == 0; look++) {
        wish_init(&wish, look);
        assert_status(lode_delete_filtered(world.collection, filter, &info, &error),
                      LODE_CANCELLED);
    }
    assert_int_equal(info.deleted, LODE_BATCH_MAX);
    assert_int_equal(count_of(world.collection, "a = 1"), MANY - LODE_BATCH_MAX);
    filter.stop = &(lode_stop){.deadline_us = 1};
    assert_status(lode_delete_filtered(world.collection, filter, &info, &error), LODE_TIMEOUT);
    assert_int_equal(info.deleted, 0);
    lode_collection_close(world.collection);
    engine_close(world.db);
    vfs_memory_free(world.vfs);
}

/* A handle to which a filter was bound does not remember the stop that this had. */
static void bound_filters_have_no_stop(void **state)
{
    (void)state;
    struct world world;
    struct wish wish;
    lode_filter filter = lode_filter_text("n >= 0");
    lode_collection *bound;
    begin(&world, &(struct kind){0});
    wish_init(&wish, 1);
    filter.stop = &wish.stop;
    assert_ok(lode_collection_restrict(world.collection, filter, &bound, &error));
    assert_int_equal(count_of(bound, "TRUE"), FEW);
    assert_int_equal(wish.looks, 0);
    lode_collection_close(bound);
    end(&world);
}

static void a_batch_has_one_stop(void **state)
{
    (void)state;
    struct world world;
    struct wish a, b;
    lode_result *results[2] = {NULL, NULL};
    begin(&world, &(struct kind){0});
    wish_init(&a, 0);
    wish_init(&b, 0);
    lode_search_request requests[2] = {{.vector = query, .stop = &a.stop},
                                       {.vector = query, .stop = &b.stop}};
    assert_status(lode_search_batch(world.collection, requests, 2, results, &error), LODE_INVALID);
    requests[1].stop = NULL;
    assert_status(lode_search_batch(world.collection, requests, 2, results, &error), LODE_INVALID);
    end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_every_look),
        cmocka_unit_test(at_every_look_of_scans),
        cmocka_unit_test(at_every_look_of_compact_graphs),
        cmocka_unit_test(at_every_look_in_memory),
        cmocka_unit_test(at_every_look_of_a_namespace),
        cmocka_unit_test(at_every_look_beside_a_namespace),
        cmocka_unit_test(at_every_look_of_a_bound_filter),
        cmocka_unit_test(among_points_that_are_alike),
        cmocka_unit_test(between_batches),
        cmocka_unit_test(bound_filters_have_no_stop),
        cmocka_unit_test(a_batch_has_one_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
