/* test_restrict.c: handles that filters are bound to: what does not meet these is not there, whichever way it is asked
 * for, and cannot be written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embed/made_corpus.h"
#include "engine/collection.h"
#include "support/engine_kit.h"

enum { DIM = 4, POINTS = 120 };

static lode_error error;

struct world {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *own, *space;
};

/* Point i is of owner i % 3, of level i % 5. */
static void put_points(lode_collection *handle, unsigned first)
{
    for (unsigned i = first; i < first + POINTS; i++) {
        float vector[DIM];
        char text[64];
        engine_vector(i, DIM, vector);
        lode_point point = {.id = lode_id_number(i), .vector = vector, .metadata = text};
        point.metadata_size =
            (size_t)snprintf(text, sizeof text, "{\"owner\":\"u%u\",\"level\":%u}", i % 3, i % 5);
        assert_ok(lode_upsert(handle, &point, 1, NULL, &error));
    }
}

static void begin_world(struct world *world)
{
    world->vfs = vfs_memory_new();
    world->db = engine_open(world->vfs, "db", NULL, 4096);
    world->own = engine_create(world->db, "points", (lode_schema){.dim = DIM});
    assert_ok(lode_namespace_open(world->own, "space", &world->space, &error));
    put_points(world->own, 0);
    put_points(world->space, 0);
}

static void end_world(struct world *world)
{
    lode_collection_close(world->own);
    lode_collection_close(world->space);
    engine_close(world->db);
    engine_verify(world->vfs, "db");
    vfs_memory_free(world->vfs);
}

static lode_collection *restricted(lode_collection *from, const char *filter)
{
    lode_collection *handle;
    assert_ok(lode_collection_restrict(from, lode_filter_text(filter), &handle, &error));
    return handle;
}

static uint64_t count(lode_collection *handle, const lode_snapshot *snapshot, const char *filter)
{
    uint64_t counted;
    assert_ok(lode_count(handle, snapshot, lode_filter_text(filter), &counted, &error));
    return counted;
}

static size_t walk(lode_collection *handle, const char *filter)
{
    lode_iterator *iterator;
    const lode_hit *hit;
    size_t seen = 0;
    assert_ok(
        lode_iterator_open_filtered(handle, NULL, lode_filter_text(filter), 0, &iterator, &error));
    while (lode_iterator_next(iterator, &hit, &error) == LODE_OK && hit)
        seen++;
    lode_iterator_close(iterator);
    return seen;
}

static size_t search(lode_collection *handle, const char *filter, int batch)
{
    float vector[DIM] = {1, 2, 3, 4};
    lode_result *result;
    lode_search_request request = {.vector = vector,
                                   .filter = filter,
                                   .filter_size = filter ? strlen(filter) : 0,
                                   .k = 4 * POINTS};
    assert_ok(batch ? lode_search_batch(handle, &request, 1, &result, &error)
                    : lode_search(handle, &request, &result, &error));
    size_t found = result->hit_count;
    lode_result_free(result);
    return found;
}

/* Page by page, by id or by a field. */
static size_t scroll(lode_collection *handle, const lode_snapshot *snapshot, const char *by)
{
    char after[LODE_CURSOR_SIZE_MAX + 1] = "";
    size_t seen = 0;
    for (int is_last = 0; !is_last;) {
        lode_page *page;
        lode_scroll_request request = {
            .snapshot = snapshot, .by = by, .limit = 7, .after = *after ? after : NULL};
        assert_ok(lode_scroll(handle, &request, &page, &error));
        for (size_t i = 0; i < page->hit_count; i++, seen++)
            assert_int_equal(page->hits[i].id.number % 3, 1);
        is_last = !page->next;
        if (page->next)
            memcpy(after, page->next, strlen(page->next) + 1);
        lode_page_free(page);
    }
    return seen;
}

static void check_random(lode_collection *handle, const lode_snapshot *snapshot)
{
    lode_result *result;
    lode_sample_request request = {.snapshot = snapshot, .count = POINTS};
    assert_ok(lode_sample(handle, &request, &result, &error));
    assert_int_equal(result->hit_count, 40);
    for (size_t i = 0; i < result->hit_count; i++)
        assert_int_equal(result->hits[i].id.number % 3, 1);
    lode_result_free(result);
}

/* The groups of a field, which have so many points each; and the best of each alone. */
static void check_grouped(lode_collection *handle, const char *by, size_t groups, size_t points)
{
    float vector[DIM] = {1, 2, 3, 4};
    lode_groups *found;
    lode_result *result;
    lode_groups_request request = {
        .search = {.vector = vector, .k = 10}, .by = by, .per_group = POINTS};
    lode_search_request one_per = {.vector = vector, .k = 10, .one_per = by};
    assert_ok(lode_search_groups(handle, &request, &found, &error));
    assert_int_equal(found->group_count, groups);
    for (size_t i = 0; i < groups; i++) {
        assert_int_equal(found->groups[i].hit_count, points);
        for (size_t j = 0; j < points; j++)
            assert_int_equal(found->groups[i].hits[j].id.number % 3, 1);
    }
    lode_groups_free(found);
    assert_ok(lode_search(handle, &one_per, &result, &error));
    assert_int_equal(result->hit_count, groups);
    for (size_t i = 0; i < groups; i++)
        assert_int_equal(result->hits[i].id.number % 3, 1);
    lode_result_free(result);
}

/* What was kept as "kept" when all points were there. */
static void check_named(lode_collection *handle)
{
    lode_snapshot *snapshot;
    assert_ok(lode_snapshot_open_named(handle, "kept", &snapshot, &error));
    assert_int_equal(count(handle, snapshot, NULL), 40);
    assert_int_equal(count(handle, snapshot, "level = 2"), 8);
    assert_int_equal(scroll(handle, snapshot, NULL), 40);
    check_random(handle, snapshot);
    lode_snapshot_close(snapshot);
}

/* That points of owner u1 alone are seen: 40, 8 of each level. */
static void check_owner(lode_collection *handle)
{
    lode_result *result;
    lode_facets *facets;
    lode_explanation *explanation;
    lode_id ids[] = {lode_id_number(1), lode_id_number(2), lode_id_number(4)};
    const char *level = "level = 2";
    assert_int_equal(count(handle, NULL, NULL), 40);
    assert_int_equal(count(handle, NULL, level), 8);
    assert_int_equal(count(handle, NULL, "NOT owner = \"u1\""), 0);
    assert_int_equal(count(handle, NULL, "owner = \"u2\" OR level = 2"), 8);
    assert_int_equal(count(handle, NULL, "@id IN (1, 2, 4)"), 2);
    assert_int_equal(walk(handle, NULL), 40);
    assert_int_equal(walk(handle, level), 8);
    for (int batch = 0; batch < 2; batch++) {
        assert_int_equal(search(handle, NULL, batch), 40);
        assert_int_equal(search(handle, level, batch), 8);
    }
    assert_ok(lode_get(handle, NULL, ids, 3, 0, &result, &error));
    assert_int_equal(result->hit_count, 2);
    assert_int_equal(result->hits[1].id.number, 4);
    lode_result_free(result);
    lode_search_request like = {.like = &ids[0], .k = 4 * POINTS};
    assert_ok(lode_search(handle, &like, &result, &error));
    assert_int_equal(result->hit_count, 39);
    lode_result_free(result);
    like.like = &ids[1];
    assert_int_equal(lode_search(handle, &like, &result, &error), LODE_NOT_FOUND);
    assert_ok(lode_facets_get(handle, &(lode_facet_request){.field = "owner"}, &facets, &error));
    assert_int_equal(facets->points, 40);
    assert_int_equal(facets->facet_count, 1);
    lode_facets_free(facets);
    assert_ok(lode_explain(handle, &(lode_search_request){.k = 1}, &explanation, &error));
    assert_int_equal(explanation->allowed_rows, 40);
    assert_null(explanation->filter); /* the bound one is not told */
    lode_explanation_free(explanation);
    lode_filter others = lode_filter_text("owner = \"u2\"");
    assert_ok(lode_explain(
        handle, &(lode_search_request){.filter = others.text, .filter_size = others.size},
        &explanation, &error));
    assert_string_equal(explanation->filter, "owner = \"u2\"");
    for (size_t i = 0; i < explanation->segment_count; i++) {
        assert_int_equal(explanation->segments[i].rows, 0);
        assert_int_equal(explanation->segments[i].estimated_rows, 0);
    }
    lode_explanation_free(explanation);
    others = lode_filter_text("ovner = 1");
    uint64_t count;
    assert_int_equal(lode_count(handle, NULL, others, &count, &error), LODE_SCHEMA);
    assert_null(strstr(error.message, "owner"));
    assert_int_equal(scroll(handle, NULL, NULL), 40);
    assert_int_equal(scroll(handle, NULL, "level"), 40);
    check_random(handle, NULL);
    check_grouped(handle, "level", 5, 8);
    check_grouped(handle, "owner", 1, 40);
    check_named(handle);
}

static void what_a_bound_filter_refuses_is_not_there(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    assert_ok(lode_snapshot_create(world.own, "kept", &error));
    lode_collection *own = restricted(world.own, "owner = \"u1\"");
    lode_collection *space = restricted(world.space, "{\"owner\": \"u1\"}");
    for (int round = 0; round < 3; round++) {
        check_owner(own);
        check_owner(space);
        if (round == 0)
            assert_ok(lode_flush(world.own, NULL, &error));
        else
            assert_ok(lode_compact(world.own, NULL, &error));
    }
    assert_int_equal(count(world.own, NULL, NULL), POINTS);
    lode_collection_close(own);
    lode_collection_close(space);
    end_world(&world);
}

/* Two segments, of which one is damaged: of the other what is seen. */
static void damage_shows_nothing_more(void **state)
{
    (void)state;
    const lode_db_options options = {.maintenance = LODE_MAINTAIN_ON_REQUEST};
    struct vfs *vfs = vfs_memory_new();
    char path[PATH_SIZE_MAX];
    float vector[DIM] = {1, 2, 3, 4};
    lode_result *result;
    lode_db *db = engine_open(vfs, "db", &options, 0);
    lode_collection *own = engine_create(db, "points", (lode_schema){.dim = DIM});
    for (unsigned i = 0; i < 2; i++) {
        put_points(own, i * POINTS);
        assert_ok(lode_flush(own, NULL, &error));
    }
    snprintf(path, sizeof path, "%s/seg-1.vectors", own->shared->dir);
    lode_collection_close(own);
    engine_close(db);
    kit_write(vfs, path, (const uint8_t *)vector, sizeof vector);
    db = engine_open(vfs, "db", &options, 0);
    own = engine_collection(db, "points");
    lode_collection *handle = restricted(own, "owner = \"u1\"");
    lode_search_request request = {.vector = vector, .k = 4 * POINTS};
    assert_int_equal(lode_search(handle, &request, &result, &error), LODE_CORRUPT);
    request.allow_damaged = 1;
    assert_ok(lode_search(handle, &request, &result, &error));
    assert_int_equal(result->info.segments_damaged, 1);
    assert_int_equal(result->hit_count, 40);
    for (size_t i = 0; i < result->hit_count; i++)
        assert_int_equal(result->hits[i].id.number % 3, 1);
    lode_result_free(result);
    lode_collection_close(handle);
    lode_collection_close(own);
    engine_close(db);
    vfs_memory_free(vfs);
}

static void texts_find_what_is_seen(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 4096);
    lode_schema schema = {.dim = 16, .metric = LODE_METRIC_COSINE};
    lode_collection *own = engine_create(db, "texts", schema);
    struct made_corpus *corpus = made_corpus_new(1);
    lode_result *result;
    assert_ok(lode_text_model_train(own, corpus->texts, TEXTS, NULL, NULL, &error));
    for (unsigned i = 0; i < POINTS; i++) {
        char text[64];
        lode_point point = {.id = lode_id_number(i),
                            .text = corpus->texts[i].data,
                            .text_size = corpus->texts[i].size,
                            .metadata = text};
        point.metadata_size = (size_t)snprintf(text, sizeof text, "{\"owner\":\"u%u\"}", i % 3);
        assert_ok(lode_upsert(own, &point, 1, NULL, &error));
    }
    lode_collection *handle = restricted(own, "owner = \"u1\"");
    lode_search_request request = {
        .text = corpus->texts[0].data, .text_size = corpus->texts[0].size, .k = POINTS};
    assert_ok(lode_search(handle, &request, &result, &error));
    assert_int_equal(result->hit_count, 40);
    for (size_t i = 0; i < result->hit_count; i++)
        assert_int_equal(result->hits[i].id.number % 3, 1);
    lode_result_free(result);
    lode_collection_close(handle);
    lode_collection_close(own);
    engine_close(db);
    free(corpus);
    vfs_memory_free(vfs);
}

static void filters_add_up(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    char filter[] = "level < 3";
    lode_collection *first = restricted(world.space, "owner = \"u1\"");
    lode_collection *second = restricted(first, filter);
    memset(filter, 'x', sizeof filter - 1); /* it was copied */
    lode_collection_close(first);
    assert_int_equal(count(second, NULL, NULL), 24);
    assert_int_equal(count(second, NULL, "level >= 2"), 8);
    lode_collection *third = restricted(second, "level = 4");
    assert_int_equal(count(third, NULL, NULL), 0);
    assert_int_equal(search(third, NULL, 0), 0);
    lode_collection_close(third);
    lode_collection_close(second);
    end_world(&world);
}

/* By filter what is seen is written, and nothing else; by id nothing. */
static void writes_reach_what_is_seen(void **state)
{
    (void)state;
    struct world world;
    lode_write_info info;
    float vector[DIM] = {1};
    static const char patch[] = "{\"owner\":\"u2\"}";
    begin_world(&world);
    lode_collection *handle = restricted(world.space, "owner = \"u1\"");
    assert_ok(
        lode_delete_filtered(handle, lode_filter_text("level >= 0 AND level < 2"), &info, &error));
    assert_int_equal(info.deleted, 16);
    assert_int_equal(count(world.space, NULL, NULL), POINTS - 16);
    assert_int_equal(count(world.own, NULL, NULL), POINTS);
    lode_write_op op = {.kind = LODE_WRITE_PATCH,
                        .point = {.metadata = patch, .metadata_size = sizeof patch - 1}};
    assert_ok(lode_patch_filtered(handle, lode_filter_text("level = 2"), &op, &info, &error));
    assert_int_equal(info.patched, 8);
    assert_int_equal(count(handle, NULL, NULL), 16);
    assert_int_equal(count(world.space, NULL, "owner = \"u2\""), 48);
    lode_point point = {.id = lode_id_number(1), .vector = vector};
    assert_int_equal(lode_upsert(handle, &point, 1, NULL, &error), LODE_UNSUPPORTED);
    assert_non_null(strstr(error.message, "own handle"));
    assert_int_equal(lode_delete(handle, &point.id, 1, NULL, &error), LODE_UNSUPPORTED);
    op.point.id = point.id;
    assert_int_equal(lode_write(handle, &op, 1, NULL, NULL, &error), LODE_UNSUPPORTED);
    lode_collection_close(handle);
    end_world(&world);
}

static void snapshots_are_seen_through_the_handle(void **state)
{
    (void)state;
    struct world world;
    lode_snapshot *snapshot;
    begin_world(&world);
    lode_collection *handle = restricted(world.space, "owner = \"u1\"");
    assert_ok(lode_snapshot_open(handle, &snapshot, &error));
    assert_ok(lode_namespace_drop(world.own, "space", NULL, &error));
    assert_int_equal(count(handle, NULL, NULL), 0);
    assert_int_equal(count(handle, snapshot, NULL), 40);
    assert_int_equal(count(world.space, snapshot, NULL), POINTS);
    assert_int_equal(count(world.own, snapshot, NULL), POINTS);
    lode_snapshot_close(snapshot);
    assert_int_equal(lode_snapshot_create(handle, "s", &error), LODE_INVALID);
    lode_collection_close(handle);
    end_world(&world);
}

static void refused(lode_status status, lode_status expected, const char *part)
{
    assert_int_equal(status, expected);
    if (!strstr(error.message, part))
        fail_msg("'%s' lacks '%s'", error.message, part);
}

static void what_is_wrong_is_refused(void **state)
{
    (void)state;
    struct world world;
    lode_collection *handle;
    lode_stats *stats;
    begin_world(&world);
    refused(lode_collection_restrict(world.own, lode_filter_text("owner ="), &handle, &error),
            LODE_INVALID, "line 1");
    refused(
        lode_collection_restrict(world.own, lode_filter_text("onwer = \"u1\""), &handle, &error),
        LODE_SCHEMA, "'owner'");
    refused(lode_collection_restrict(world.own, (lode_filter){0}, &handle, &error), LODE_INVALID,
            "filter.text is NULL");
    refused(lode_collection_restrict(NULL, lode_filter_text("level = 1"), &handle, &error),
            LODE_INVALID, "collection is NULL");
    lode_collection *own = restricted(world.own, "owner = \"u1\"");
    refused(lode_namespace_open(own, "space", &handle, &error), LODE_INVALID, "own handle");
    refused(lode_stats_get(own, &stats, &error), LODE_INVALID, "own handle");
    refused(lode_flush(own, NULL, &error), LODE_INVALID, "own handle");
    lode_collection_close(own);
    end_world(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_bound_filter_refuses_is_not_there),
        cmocka_unit_test(damage_shows_nothing_more),
        cmocka_unit_test(texts_find_what_is_seen),
        cmocka_unit_test(filters_add_up),
        cmocka_unit_test(writes_reach_what_is_seen),
        cmocka_unit_test(snapshots_are_seen_through_the_handle),
        cmocka_unit_test(what_is_wrong_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
