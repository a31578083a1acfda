/* test_namespaces.c: each namespace is a collection of its own: whatever is read and written, through flushes, merges,
 * crashes, damage and drops, is what a model of each gives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "engine/collection.h"
#include "os/guard.h"
#include "support/engine_kit.h"

enum { DIM = 4, IDS = 60, SPACES = 5, OWN = 0 /* the default namespace */ };

static const char *const names[SPACES] = {NULL, "a", "b", "a\"{}", "\xc3\xbc"};
static lode_error error;

struct world {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *handles[SPACES];
    int values[SPACES][IDS]; /* ENGINE_NONE: no such point */
    struct rng rng;
};

static void open_world(struct world *world)
{
    world->db = engine_open(world->vfs, "db", NULL, 4096);
    if (lode_collection_open(world->db, "points", &world->handles[OWN], &error))
        world->handles[OWN] = engine_create(world->db, "points", (lode_schema){.dim = DIM});
    for (unsigned i = 1; i < SPACES; i++)
        assert_ok(lode_namespace_open(world->handles[OWN], names[i], &world->handles[i], &error));
}

/* In any order. */
static void close_world(struct world *world)
{
    for (unsigned i = 0; i < SPACES; i++)
        lode_collection_close(world->handles[i]);
    engine_close(world->db);
}

static void begin_world(struct world *world, uint64_t seed)
{
    *world = (struct world){.vfs = vfs_memory_new()};
    rng_init(&world->rng, seed);
    for (unsigned i = 0; i < SPACES * IDS; i++)
        world->values[i / IDS][i % IDS] = ENGINE_NONE;
    open_world(world);
}

static void end_world(struct world *world)
{
    close_world(world);
    engine_verify(world->vfs, "db");
    vfs_memory_free(world->vfs);
}

/* --- Writing ------------------------------------------------------------------------------------ */

static size_t document(char text[64], int value)
{
    return (size_t)snprintf(text, 64, "{\"v\":%d,\"odd\":\"%s\"}", value, value % 2 ? "yes" : "no");
}

static void upsert(struct world *world, unsigned space, unsigned id, int value)
{
    struct engine_id own;
    float vector[DIM];
    char text[64];
    engine_vector((unsigned)value, DIM, vector);
    lode_point point = {.id = *engine_id(id, &own),
                        .vector = vector,
                        .metadata = text,
                        .metadata_size = document(text, value)};
    assert_ok(lode_upsert(world->handles[space], &point, 1, NULL, &error));
    world->values[space][id] = value;
}

static void remove_one(struct world *world, unsigned space, unsigned id)
{
    struct engine_id own;
    lode_write_info info;
    assert_ok(lode_delete(world->handles[space], engine_id(id, &own), 1, &info, &error));
    assert_int_equal(info.deleted, world->values[space][id] != ENGINE_NONE);
    world->values[space][id] = ENGINE_NONE;
}

static size_t count_of(const struct world *world, unsigned space)
{
    size_t count = 0;
    for (unsigned id = 0; id < IDS; id++)
        count += world->values[space][id] != ENGINE_NONE;
    return count;
}

static void drop(struct world *world, unsigned space)
{
    lode_write_info info = {0};
    size_t count = count_of(world, space);
    lode_status status = lode_namespace_drop(world->handles[OWN], names[space], &info, &error);
    assert_int_equal(status, count ? LODE_OK : LODE_NOT_FOUND);
    if (count)
        assert_int_equal(info.deleted, count);
    for (unsigned id = 0; id < IDS; id++)
        world->values[space][id] = ENGINE_NONE;
}

/* The points of even value get that of 1000 on, by a filter; or they are deleted. */
static void write_filtered(struct world *world, unsigned space, int is_patch)
{
    static const char patch[] = "{\"v\":1000,\"odd\":\"no\"}";
    lode_write_op op = {.kind = LODE_WRITE_PATCH,
                        .point = {.metadata = patch, .metadata_size = sizeof patch - 1}};
    lode_filter even = lode_filter_text("odd = \"no\" AND v < 20");
    lode_write_info info;
    size_t count = 0;
    assert_ok(is_patch ? lode_patch_filtered(world->handles[space], even, &op, &info, &error)
                       : lode_delete_filtered(world->handles[space], even, &info, &error));
    for (unsigned id = 0; id < IDS; id++) {
        int *value = &world->values[space][id];
        if (*value == ENGINE_NONE || *value % 2 || *value >= 20)
            continue;
        count++;
        *value = ENGINE_NONE;
        if (is_patch) /* the vector of one value with the document of another is not for this model */
            upsert(world, space, id, 1000);
    }
    assert_int_equal(is_patch ? info.patched : info.deleted, count);
}

static void write_some(struct world *world, unsigned count)
{
    while (count-- > 0) {
        unsigned space = rng_below(&world->rng, SPACES), id = rng_below(&world->rng, IDS);
        unsigned what = rng_below(&world->rng, 60);
        if (what == 0 && space != OWN)
            drop(world, space);
        else if (what < 3)
            write_filtered(world, space, what == 1);
        else if (what < 15)
            remove_one(world, space, id);
        else
            upsert(world, space, id, (int)rng_below(&world->rng, 200));
    }
}

/* --- Reading ------------------------------------------------------------------------------------ */

/* What is known of a namespace's points when it is read. */
struct expected {
    const int *values;
    const lode_snapshot *snapshot;
    size_t count, odd;
};

static void check_get(lode_collection *handle, const struct expected *expected)
{
    struct engine_id own[IDS];
    lode_id ids[IDS];
    lode_result *result;
    size_t found = 0;
    for (unsigned id = 0; id < IDS; id++)
        ids[id] = *engine_id(id, &own[id]);
    assert_ok(lode_get(handle, expected->snapshot, ids, IDS, LODE_WITH_METADATA, &result, &error));
    for (unsigned id = 0; id < IDS; id++) {
        char text[64];
        if (expected->values[id] == ENGINE_NONE)
            continue;
        assert_true(found < result->hit_count);
        const lode_hit *hit = &result->hits[found++];
        assert_int_equal(lode_id_compare(&hit->id, &ids[id]), 0);
        assert_int_equal(hit->metadata_size, document(text, expected->values[id]));
        assert_memory_equal(hit->metadata, text, hit->metadata_size);
    }
    assert_int_equal(found, result->hit_count);
    lode_result_free(result);
}

static void check_walk(lode_collection *handle, const struct expected *expected, const char *filter,
                       size_t count)
{
    lode_iterator *iterator;
    const lode_hit *hit;
    uint64_t counted;
    size_t seen = 0;
    lode_filter given = lode_filter_text(filter);
    assert_ok(lode_iterator_open_filtered(handle, expected->snapshot, given, LODE_WITH_METADATA,
                                          &iterator, &error));
    while (lode_iterator_next(iterator, &hit, &error) == LODE_OK && hit)
        seen++;
    lode_iterator_close(iterator);
    assert_int_equal(seen, count);
    assert_ok(lode_count(handle, expected->snapshot, given, &counted, &error));
    assert_int_equal(counted, count);
}

static void check_search(lode_collection *handle, const struct expected *expected,
                         const char *filter, size_t count)
{
    float vector[DIM] = {1, 2, 3, 4};
    lode_result *results[2];
    lode_explanation *explanation;
    lode_search_request requests[2] = {{.snapshot = expected->snapshot,
                                        .vector = vector,
                                        .filter = filter,
                                        .filter_size = filter ? strlen(filter) : 0,
                                        .with = LODE_WITH_METADATA,
                                        .k = IDS * SPACES}};
    requests[1] = requests[0];
    requests[1].exact = 1;
    assert_ok(lode_search_batch(handle, requests, 2, results, &error));
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(results[i]->hit_count, count);
        lode_result_free(results[i]);
    }
    assert_ok(lode_search(handle, requests, results, &error));
    assert_int_equal(results[0]->hit_count, count);
    lode_result_free(results[0]);
    assert_ok(lode_explain(handle, requests, &explanation, &error));
    assert_int_equal(explanation->allowed_rows, count);
    lode_explanation_free(explanation);
}

/* `like` finds the point itself in its own namespace alone. */
static void check_like(lode_collection *handle, const struct expected *expected)
{
    for (unsigned id = 0; id < IDS; id += 7) {
        struct engine_id own;
        lode_result *result;
        lode_search_request request = {
            .snapshot = expected->snapshot, .like = engine_id(id, &own), .k = IDS * SPACES};
        lode_status status = lode_search(handle, &request, &result, &error);
        assert_int_equal(status, expected->values[id] == ENGINE_NONE ? LODE_NOT_FOUND : LODE_OK);
        if (status)
            continue;
        assert_int_equal(result->hit_count, expected->count - 1);
        lode_result_free(result);
    }
}

static void check_facets(lode_collection *handle, const struct expected *expected)
{
    lode_facets *facets;
    lode_facet_request request = {.snapshot = expected->snapshot, .field = "odd"};
    assert_ok(lode_facets_get(handle, &request, &facets, &error));
    assert_int_equal(facets->points, expected->count);
    for (size_t i = 0; i < facets->facet_count; i++)
        assert_int_equal(facets->facets[i].count, strcmp(facets->facets[i].value, "\"yes\"") == 0
                                                      ? expected->odd
                                                      : expected->count - expected->odd);
    lode_facets_free(facets);
}

static void check_pages(lode_collection *handle, const struct expected *expected, const char *by)
{
    char after[LODE_CURSOR_SIZE_MAX + 1] = "";
    size_t seen = 0;
    for (int is_last = 0; !is_last;) {
        lode_page *page;
        lode_scroll_request request = {.snapshot = expected->snapshot,
                                       .by = by,
                                       .limit = IDS / 3 + 1,
                                       .after = *after ? after : NULL};
        assert_ok(lode_scroll(handle, &request, &page, &error));
        seen += page->hit_count;
        is_last = !page->next;
        if (page->next)
            memcpy(after, page->next, strlen(page->next) + 1);
        lode_page_free(page);
    }
    assert_int_equal(seen, expected->count);
}

static void check_sample(lode_collection *handle, const struct expected *expected)
{
    lode_result *result;
    lode_sample_request request = {.snapshot = expected->snapshot, .count = IDS * SPACES};
    assert_ok(lode_sample(handle, &request, &result, &error));
    assert_int_equal(result->hit_count, expected->count);
    lode_result_free(result);
}

/* Groups of "odd", each of all its points. */
static void check_groups(lode_collection *handle, const struct expected *expected)
{
    float vector[DIM] = {1, 2, 3, 4};
    lode_groups *groups;
    lode_groups_request request = {.search = {.snapshot = expected->snapshot, .vector = vector},
                                   .by = "odd",
                                   .per_group = IDS * 2};
    size_t seen = 0;
    assert_ok(lode_search_groups(handle, &request, &groups, &error));
    for (size_t i = 0; i < groups->group_count; i++)
        seen += groups->groups[i].hit_count;
    assert_int_equal(seen, expected->count);
    lode_groups_free(groups);
}

static size_t count_ids(const struct expected *expected)
{
    return (size_t)(expected->values[0] != ENGINE_NONE) + (expected->values[3] != ENGINE_NONE);
}

static void check_space(lode_collection *handle, const int *values, const lode_snapshot *snapshot)
{
    struct expected expected = {.values = values, .snapshot = snapshot};
    for (unsigned id = 0; id < IDS; id++) {
        expected.count += values[id] != ENGINE_NONE;
        expected.odd += values[id] != ENGINE_NONE && values[id] % 2;
    }
    check_get(handle, &expected);
    check_walk(handle, &expected, NULL, expected.count);
    check_walk(handle, &expected, "odd = \"yes\"", expected.odd);
    check_walk(handle, &expected, "@id IN (0, 3)", count_ids(&expected));
    check_search(handle, &expected, NULL, expected.count);
    check_search(handle, &expected, "NOT odd = \"yes\"", expected.count - expected.odd);
    check_like(handle, &expected);
    check_facets(handle, &expected);
    check_pages(handle, &expected, NULL);
    check_pages(handle, &expected, "odd");
    check_sample(handle, &expected);
    check_groups(handle, &expected);
}

/* A page of two at a time. */
static void check_list(const struct world *world)
{
    const unsigned order[SPACES - 1] = {1, 3, 2, 4};
    char after[16] = "";
    size_t at = 0;
    for (;;) {
        lode_namespace_list *list;
        assert_ok(
            lode_namespace_list_get(world->handles[OWN], *after ? after : NULL, 2, &list, &error));
        for (size_t i = 0; i < list->entry_count; i++, at++) {
            while (count_of(world, order[at]) == 0)
                at++;
            assert_string_equal(list->entries[i].name, names[order[at]]);
            assert_int_equal(list->entries[i].points, count_of(world, order[at]));
            snprintf(after, sizeof after, "%s", list->entries[i].name);
        }
        size_t count = list->entry_count;
        lode_namespace_list_free(list);
        if (count < 2)
            break;
    }
    for (; at < SPACES - 1; at++)
        assert_int_equal(count_of(world, order[at]), 0);
    for (unsigned i = 1; i < SPACES; i++) {
        lode_namespace_stats stats;
        assert_ok(lode_namespace_stats_get(world->handles[OWN], names[i], &stats, &error));
        assert_int_equal(stats.points, count_of(world, i));
        assert_int_equal(stats.vector_bytes, count_of(world, i) * DIM * sizeof(float));
    }
}

static void check_world(const struct world *world)
{
    for (unsigned i = 0; i < SPACES; i++)
        check_space(world->handles[i], world->values[i], NULL);
    check_list(world);
}

/* A field that no point has is an error. */
static void put_fields(struct world *world)
{
    upsert(world, OWN, 0, 1);
}

/* --- Tests -------------------------------------------------------------------------------------- */

/* Growing, sealed, merged, reopened, after a replay, as kept in snapshots. */
static void namespaces_are_apart_wherever_their_points_are(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct world world;
        begin_world(&world, seed);
        put_fields(&world);
        for (unsigned round = 0; round < 8; round++) {
            lode_snapshot *snapshot;
            int kept[SPACES][IDS];
            write_some(&world, 60);
            check_world(&world);
            assert_ok(lode_snapshot_open(world.handles[round % SPACES], &snapshot, &error));
            memcpy(kept, world.values, sizeof kept);
            if (round % 4 == 1)
                assert_ok(lode_flush(world.handles[OWN], NULL, &error));
            if (round % 4 == 3)
                assert_ok(lode_compact(world.handles[OWN], NULL, &error));
            write_some(&world, 20);
            for (unsigned i = 0; i < SPACES; i++)
                check_space(world.handles[i], kept[i], snapshot);
            lode_snapshot_close(snapshot);
            if (round % 3 == 1)
                engine_crash(world.vfs);
            close_world(&world);
            engine_live(world.vfs);
            open_world(&world);
            put_fields(&world);
            check_world(&world);
        }
        end_world(&world);
    }
}

static void flip_columns(struct world *world, const char *dir)
{
    for (unsigned n = 0; n < 64; n++) {
        char path[PATH_SIZE_MAX];
        size_t size;
        snprintf(path, sizeof path, "%s/seg-%u.columns", dir, n);
        if (!kit_exists(world->vfs, path))
            continue;
        uint8_t *bytes = kit_read(world->vfs, path, &size);
        bytes[size / 2] ^= 1;
        kit_write(world->vfs, path, bytes, size);
        free(bytes);
    }
}

static void remove_columns(struct world *world, const char *dir)
{
    for (unsigned n = 0; n < 64; n++) {
        char path[PATH_SIZE_MAX];
        snprintf(path, sizeof path, "%s/seg-%u.columns", dir, n);
        lode_status ignored = vfs_remove(world->vfs, path, NULL);
        (void)ignored;
    }
}

/* Ids answer then. */
static void columns_are_not_needed(void **state)
{
    (void)state;
    for (unsigned how = 0; how < 2; how++) {
        struct world world;
        char dir[PATH_SIZE_MAX];
        begin_world(&world, 7 + how);
        put_fields(&world);
        for (unsigned i = 0; i < 400; i++)
            upsert(&world, rng_below(&world.rng, SPACES), i % IDS, (int)i);
        assert_ok(lode_flush(world.handles[OWN], NULL, &error));
        snprintf(dir, sizeof dir, "%s", world.handles[OWN]->shared->dir);
        close_world(&world);
        (how ? flip_columns : remove_columns)(&world, dir);
        open_world(&world);
        put_fields(&world);
        check_world(&world);
        drop(&world, 2);
        check_world(&world);
        assert_ok(lode_compact(world.handles[OWN], NULL, &error));
        check_world(&world);
        end_world(&world);
    }
}

enum { MANY = 3000, MANY_PAGE = 700 };

/* Long enough that their column has several blocks. */
static void many_name(unsigned i, char name[LODE_NAMESPACE_SIZE_MAX + 1])
{
    snprintf(name, LODE_NAMESPACE_SIZE_MAX + 1, "%05u-%0110u", i, i);
}

static void put_one_in_each(lode_collection *own, unsigned id, unsigned step)
{
    for (unsigned i = 0; i < MANY; i += step) {
        char name[LODE_NAMESPACE_SIZE_MAX + 1];
        float vector[DIM];
        lode_collection *handle;
        many_name(i, name);
        engine_vector(i, DIM, vector);
        lode_point point = {.id = lode_id_number(id), .vector = vector};
        assert_ok(lode_namespace_open(own, name, &handle, &error));
        assert_ok(lode_upsert(handle, &point, 1, NULL, &error));
        lode_collection_close(handle);
    }
}

static void check_many(lode_collection *own)
{
    char name[LODE_NAMESPACE_SIZE_MAX + 1] = "";
    unsigned at = 0;
    for (size_t count = MANY_PAGE; count == MANY_PAGE;) {
        lode_namespace_list *list;
        assert_ok(lode_namespace_list_get(own, at ? name : NULL, MANY_PAGE, &list, &error));
        count = list->entry_count;
        for (size_t i = 0; i < count; i++, at++) {
            many_name(at, name);
            assert_string_equal(list->entries[i].name, name);
            assert_int_equal(list->entries[i].points, at % 3 ? 1 : 2);
        }
        lode_namespace_list_free(list);
    }
    assert_int_equal(at, MANY);
}

/* Wherever the damage is met: amid a page, too. Some names have points in another segment. */
static void damaged_columns_cost_no_name(void **state)
{
    (void)state;
    const lode_db_options options = {.maintenance = LODE_MAINTAIN_ON_REQUEST};
    struct vfs *vfs = vfs_memory_new();
    char path[PATH_SIZE_MAX];
    size_t size;
    lode_db *db = engine_open(vfs, "db", &options, 0);
    lode_collection *own = engine_create(db, "points", (lode_schema){.dim = DIM});
    put_one_in_each(own, 1, 1);
    assert_ok(lode_flush(own, NULL, &error));
    put_one_in_each(own, 2, 3);
    snprintf(path, sizeof path, "%s/seg-1.columns", own->shared->dir);
    lode_collection_close(own);
    engine_close(db);
    uint8_t *bytes = kit_read(vfs, path, &size);
    assert_true(size > 4 * GUARD_BLOCK_SIZE);
    for (size_t at = GUARD_BLOCK_SIZE / 2; at < size; at += GUARD_BLOCK_SIZE) {
        kit_flip(vfs, path, at * 8);
        db = engine_open(vfs, "db", &options, 0);
        own = engine_collection(db, "points");
        check_many(own);
        lode_collection_close(own);
        engine_close(db);
        kit_write(vfs, path, bytes, size);
    }
    free(bytes);
    vfs_memory_free(vfs);
}

/* More rows than a growing segment goes without columns. */
static void growing_segments_get_columns_of_namespaces(void **state)
{
    (void)state;
    enum { POINTS = 9000 };
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection *own = engine_create(db, "points", (lode_schema){.dim = DIM});
    lode_collection *spaces[3];
    uint64_t count;
    for (unsigned i = 0; i < 3; i++)
        assert_ok(lode_namespace_open(own, i == 0 ? "x" : i == 1 ? "y" : "z", &spaces[i], &error));
    for (unsigned i = 0; i < POINTS; i++) {
        float vector[DIM];
        engine_vector(i, DIM, vector);
        lode_point point = {.id = lode_id_number(i), .vector = vector};
        assert_ok(lode_upsert(i % 4 == 3 ? own : spaces[i % 4], &point, 1, NULL, &error));
        if (i % 1000 != 999)
            continue;
        for (unsigned j = 0; j < 3; j++) {
            assert_ok(lode_count(spaces[j], NULL, (lode_filter){0}, &count, &error));
            assert_int_equal(count, (i + 1) / 4);
        }
        assert_ok(lode_count(own, NULL, (lode_filter){0}, &count, &error));
        assert_int_equal(count, (i + 1) / 4);
    }
    lode_namespace_list *list;
    assert_ok(lode_namespace_list_get(own, NULL, 0, &list, &error));
    assert_int_equal(list->entry_count, 3);
    assert_int_equal(list->entries[1].points, POINTS / 4);
    lode_namespace_list_free(list);
    assert_ok(lode_namespace_drop(own, "y", NULL, &error));
    assert_ok(lode_count(spaces[1], NULL, (lode_filter){0}, &count, &error));
    assert_int_equal(count, 0);
    for (unsigned i = 0; i < 3; i++)
        lode_collection_close(spaces[i]);
    lode_collection_close(own);
    engine_close(db);
    vfs_memory_free(vfs);
}

/* One write, all of it or nothing, whatever becomes of the log; and what is written later is there. */
static void a_drop_is_one_write(void **state)
{
    (void)state;
    struct world world;
    lode_write_info info;
    lode_snapshot *before;
    int kept[SPACES][IDS];
    begin_world(&world, 3);
    put_fields(&world);
    for (unsigned i = 0; i < 300; i++)
        upsert(&world, i % 2 + 1, i % IDS, (int)i);
    assert_ok(lode_snapshot_open(world.handles[OWN], &before, &error));
    memcpy(kept, world.values, sizeof kept);
    uint64_t sequence = lode_snapshot_sequence(before);
    size_t count = count_of(&world, 1);
    assert_ok(lode_namespace_drop(world.handles[OWN], "a", &info, &error));
    assert_int_equal(info.sequence, sequence + 1);
    assert_int_equal(info.deleted, count);
    for (unsigned id = 0; id < IDS; id++)
        world.values[1][id] = ENGINE_NONE;
    check_world(&world);
    check_space(world.handles[1], kept[1], before);
    lode_snapshot_close(before);
    assert_int_equal(lode_namespace_drop(world.handles[OWN], "a", &info, &error), LODE_NOT_FOUND);
    assert_string_equal(error.message, "namespace 'a' has no points");
    upsert(&world, 1, 5, 50);
    engine_crash(world.vfs);
    close_world(&world);
    engine_live(world.vfs);
    open_world(&world);
    put_fields(&world);
    check_world(&world);
    end_world(&world);
}

/* Drops among writes of others, in one group of the log. */
static void replays_keep_the_order_of_drops(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world, 11);
    put_fields(&world);
    for (unsigned round = 0; round < 20; round++) {
        upsert(&world, 1, round % 7, (int)round);
        upsert(&world, 2, round % 5, (int)round);
        if (round % 3 == 0)
            drop(&world, 1);
        if (round % 4 == 0)
            upsert(&world, 1, 9, (int)round);
    }
    engine_crash(world.vfs);
    close_world(&world);
    engine_live(world.vfs);
    open_world(&world);
    put_fields(&world);
    check_world(&world);
    end_world(&world);
}

static void request_ids_are_those_of_a_namespace(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world, 1);
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned space = 0; space < 3; space++) {
            float vector[DIM] = {1};
            lode_write_info info;
            lode_write_options options = {.request_id = "r1", .request_id_size = 2};
            lode_write_op op = {.kind = LODE_WRITE_UPSERT,
                                .point = {.id = lode_id_number(1), .vector = vector}};
            assert_ok(lode_write(world.handles[space], &op, 1, &options, &info, &error));
            assert_int_equal(info.repeated, round > 0);
            assert_int_equal(info.upserted, 1);
            assert_int_equal(info.sequence, space + 1);
        }
        if (round == 0)
            engine_crash(world.vfs);
        close_world(&world);
        engine_live(world.vfs);
        open_world(&world);
    }
    end_world(&world);
}

static void conditions_are_those_of_a_namespace(void **state)
{
    (void)state;
    struct world world;
    float vector[DIM] = {1};
    begin_world(&world, 1);
    lode_write_op op = {.kind = LODE_WRITE_UPSERT,
                        .point = {.id = lode_id_number(1), .vector = vector},
                        .condition = LODE_IF_ABSENT};
    for (unsigned space = 0; space < SPACES; space++)
        assert_ok(lode_write(world.handles[space], &op, 1, NULL, NULL, &error));
    for (unsigned space = 0; space < SPACES; space++)
        assert_int_equal(lode_write(world.handles[space], &op, 1, NULL, NULL, &error),
                         LODE_CONFLICT);
    end_world(&world);
}

/* Merges leave no trace of what was dropped. */
static void whoever_has_no_namespaces_any_more_pays_nothing(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world, 1);
    put_fields(&world);
    struct version *version = collection_pin(world.handles[OWN]->shared);
    assert_false(version_has_namespaces(version));
    version_unref(version);
    upsert(&world, 1, 1, 1);
    version = collection_pin(world.handles[OWN]->shared);
    assert_true(version_has_namespaces(version));
    version_unref(version);
    drop(&world, 1);
    assert_ok(lode_compact(world.handles[OWN], NULL, &error));
    close_world(&world);
    open_world(&world);
    version = collection_pin(world.handles[OWN]->shared);
    assert_false(version_has_namespaces(version));
    version_unref(version);
    end_world(&world);
}

static uint64_t growing_memory(const struct world *world)
{
    struct version *version = collection_pin(world->handles[OWN]->shared);
    const struct segment *segment = version->views[version->view_count - 1].segment;
    uint64_t disk, memory, mapped;
    segment->ops->sizes(segment, &disk, &memory, &mapped);
    version_unref(version);
    return memory;
}

/* Once there is a namespace, both tables are in use. */
static void the_table_of_namespaces_is_counted(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world, 1);
    put_fields(&world);
    uint64_t before = growing_memory(&world);
    upsert(&world, OWN, 1, 1);
    assert_true(growing_memory(&world) - before < LODE_BATCH_MAX * sizeof(uint64_t));
    upsert(&world, 1, 1, 1);
    assert_true(growing_memory(&world) - before >= LODE_BATCH_MAX * sizeof(uint64_t));
    end_world(&world);
}

static void refused(lode_status status, lode_status expected, const char *part)
{
    assert_int_equal(status, expected);
    if (!strstr(error.message, part))
        fail_msg("'%s' lacks '%s'", error.message, part);
}

static void names_are_checked(void **state)
{
    (void)state;
    struct world world;
    lode_collection *handle = NULL;
    char large[LODE_NAMESPACE_SIZE_MAX + 2];
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = '\0';
    begin_world(&world, 1);
    lode_collection *own = world.handles[OWN];
    refused(lode_namespace_open(own, "", &handle, &error), LODE_INVALID, "empty");
    refused(lode_namespace_open(own, NULL, &handle, &error), LODE_INVALID, "name is NULL");
    refused(lode_namespace_open(NULL, "a", &handle, &error), LODE_INVALID, "collection is NULL");
    refused(lode_namespace_open(own, "a", NULL, &error), LODE_INVALID, "ret_collection is NULL");
    refused(lode_namespace_open(own, large, &handle, &error), LODE_LIMIT, "129 bytes");
    refused(lode_namespace_open(own, "a\nb", &handle, &error), LODE_INVALID, "at its byte 1");
    refused(lode_namespace_open(own, "\xc2\x85", &handle, &error), LODE_INVALID, "control");
    refused(lode_namespace_open(own, "a\xff", &handle, &error), LODE_INVALID, "not UTF-8");
    refused(lode_namespace_drop(own, "", NULL, &error), LODE_INVALID, "empty");
    large[LODE_NAMESPACE_SIZE_MAX] = '\0';
    assert_ok(lode_namespace_open(own, large, &handle, &error));
    float vector[DIM] = {1};
    char id[LODE_ID_SIZE_MAX + 1];
    memset(id, 'i', sizeof id);
    id[LODE_ID_SIZE_MAX] = '\0';
    lode_point point = {.id = lode_id_text(id), .vector = vector};
    assert_ok(lode_upsert(handle, &point, 1, NULL, &error));
    assert_ok(lode_flush(own, NULL, &error));
    lode_result *result;
    assert_ok(lode_get(handle, NULL, &point.id, 1, 0, &result, &error));
    assert_int_equal(result->hit_count, 1);
    lode_result_free(result);
    lode_collection_close(handle);
    end_world(&world);
}

static void work_on_the_whole_is_refused(void **state)
{
    (void)state;
    struct world world;
    lode_collection *handle;
    lode_namespace_list *list;
    lode_namespace_stats figures;
    lode_stats *stats;
    lode_text text = {.data = "a text", .size = 6};
    begin_world(&world, 1);
    lode_collection *a = world.handles[1];
    const char *use = "own handle";
    refused(lode_flush(a, NULL, &error), LODE_INVALID, use);
    refused(lode_compact(a, NULL, &error), LODE_INVALID, use);
    refused(lode_stats_get(a, &stats, &error), LODE_INVALID, use);
    refused(lode_text_model_train(a, &text, 1, NULL, NULL, &error), LODE_INVALID, use);
    refused(lode_snapshot_create(a, "s", &error), LODE_INVALID, use);
    refused(lode_snapshot_drop(a, "s", &error), LODE_INVALID, use);
    refused(lode_namespace_open(a, "b", &handle, &error), LODE_INVALID, use);
    refused(lode_namespace_list_get(a, NULL, 0, &list, &error), LODE_INVALID, use);
    refused(lode_namespace_stats_get(a, "a", &figures, &error), LODE_INVALID, use);
    refused(lode_namespace_drop(a, "a", NULL, &error), LODE_INVALID, use);
    assert_ok(lode_sync(a, &error));
    assert_int_equal(lode_collection_schema(a)->dim, DIM);
    end_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(namespaces_are_apart_wherever_their_points_are),
        cmocka_unit_test(columns_are_not_needed),
        cmocka_unit_test(damaged_columns_cost_no_name),
        cmocka_unit_test(growing_segments_get_columns_of_namespaces),
        cmocka_unit_test(a_drop_is_one_write),
        cmocka_unit_test(replays_keep_the_order_of_drops),
        cmocka_unit_test(request_ids_are_those_of_a_namespace),
        cmocka_unit_test(conditions_are_those_of_a_namespace),
        cmocka_unit_test(whoever_has_no_namespaces_any_more_pays_nothing),
        cmocka_unit_test(the_table_of_namespaces_is_counted),
        cmocka_unit_test(names_are_checked),
        cmocka_unit_test(work_on_the_whole_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
