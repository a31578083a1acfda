/* test_filter.c: filters through the public interface: counting, walking, searching, deleting and patching give what
 * a naive evaluation of each point gives, through flushes, merges, crashes and kept states; what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/mixed_kit.h"

static void ok(lode_status status, const lode_error *error)
{
    if (status)
        fail_msg("%s: %s", lode_status_name(status), error->message);
}

/* --- Naive evaluation --------------------------------------------------------------------------- */

struct expected {
    uint8_t in[MIXED_IDS];
    uint64_t count;
};

static void evaluate(const struct mixed *world, const struct filter *filter, struct arena *arena,
                     struct expected *expected)
{
    struct field_set *set = known_fields_get(&world->collection->shared->fields);
    const struct filter *bound = kit_bind(arena, set->fields, filter);
    memset(expected, 0, sizeof *expected);
    for (unsigned i = 0; i < MIXED_IDS; i++) {
        expected->in[i] = (uint8_t)mixed_matches(world, bound, i);
        expected->count += expected->in[i];
    }
    field_set_unref(set);
}

static void check_count(const struct mixed *world, const lode_snapshot *snapshot,
                        lode_filter filter, const struct expected *expected)
{
    lode_error error = {0};
    uint64_t count = 0;
    ok(lode_count(world->collection, snapshot, filter, &count, &error), &error);
    if (count != expected->count)
        fail_msg("%s: counted %llu, expected %llu", filter.text, (unsigned long long)count,
                 (unsigned long long)expected->count);
}

static void check_walk(const struct mixed *world, const lode_snapshot *snapshot, lode_filter filter,
                       const struct expected *expected)
{
    lode_error error = {0};
    lode_iterator *iterator;
    const lode_hit *hit;
    uint64_t count = 0;
    ok(lode_iterator_open_filtered(world->collection, snapshot, filter, 0, &iterator, &error),
       &error);
    for (;; count++) {
        ok(lode_iterator_next(iterator, &hit, &error), &error);
        if (!hit)
            break;
        if (!expected->in[mixed_number(&hit->id)])
            fail_msg("%s: walked over what does not match", filter.text);
    }
    lode_iterator_close(iterator);
    assert_int_equal(count, expected->count);
}

/* The distance of the k-th of those expected, and that there are so many. */
static void check_hits(const struct mixed *world, const lode_result *result, size_t k,
                       unsigned value, const struct expected *expected)
{
    float query[MIXED_DIM], stored[MIXED_DIM];
    engine_vector(value, MIXED_DIM, query);
    assert_int_equal(result->hit_count, expected->count < k ? expected->count : k);
    float last = result->hit_count ? result->hits[result->hit_count - 1].score : 0;
    size_t nearer = 0;
    for (size_t h = 0; h < result->hit_count; h++)
        assert_true(expected->in[mixed_number(&result->hits[h].id)]);
    for (unsigned i = 0; i < MIXED_IDS; i++) {
        if (!expected->in[i])
            continue;
        engine_vector((unsigned)world->values[i], MIXED_DIM, stored);
        float x = query[0] - stored[0], y = query[1] - stored[1];
        nearer += x * x + y * y < last;
    }
    assert_true(result->hit_count == 0 || nearer < result->hit_count);
}

static void check_search(struct mixed *world, const lode_snapshot *snapshot, lode_filter filter,
                         const struct expected *expected)
{
    lode_error error = {0};
    lode_result *results[3];
    lode_search_request requests[3] = {0};
    float queries[3][MIXED_DIM];
    unsigned values[3];
    size_t k = 1 + rng_below(&world->rng, 20);
    for (size_t i = 0; i < 3; i++) {
        values[i] = rng_below(&world->rng, 200);
        engine_vector(values[i], MIXED_DIM, queries[i]);
        requests[i] = (lode_search_request){.snapshot = snapshot,
                                            .vector = queries[i],
                                            .k = k,
                                            .filter = i == 1 ? NULL : filter.text,
                                            .filter_size = i == 1 ? 0 : filter.size};
    }
    ok(lode_search(world->collection, &requests[0], &results[0], &error), &error);
    check_hits(world, results[0], k, values[0], expected);
    lode_result_free(results[0]);
    ok(lode_search_batch(world->collection, requests, 3, results, &error), &error);
    check_hits(world, results[0], k, values[0], expected);
    check_hits(world, results[2], k, values[2], expected);
    for (size_t i = 0; i < 3; i++)
        lode_result_free(results[i]);
}

/* A tree drawn at random, in one of both forms, and what it should match. */
static lode_filter draw(struct mixed *world, struct arena *arena, struct buf *out,
                        struct expected *expected)
{
    lode_error error = {0};
    const struct filter *filter = kit_tree(&world->rng, arena, 1 + rng_below(&world->rng, 4));
    buf_clear(out);
    ok(rng_below(&world->rng, 2) ? filter_print_json(filter, out, &error)
                                 : filter_print_text(filter, out, &error),
       &error);
    ok(buf_terminate(out, &error), &error);
    evaluate(world, filter, arena, expected);
    return (lode_filter){.text = (const char *)out->data, .size = out->size};
}

/* --- Asked again -------------------------------------------------------------------------------- */

enum { AGAIN = 4 };

struct asked { /* filters that were asked before, as text; NULL: none yet */
    char *texts[AGAIN];
    unsigned next;
};

/* Of what has become of the points since: what is remembered of these filters must not show. */
static void check_again(struct mixed *world, const struct asked *asked)
{
    for (unsigned i = 0; i < AGAIN && asked->texts[i]; i++) {
        struct arena arena;
        struct expected expected;
        lode_filter filter = lode_filter_text(asked->texts[i]);
        arena_init(&arena);
        evaluate(world, kit_parse(&arena, filter.text), &arena, &expected);
        for (int times = 0; times < 3; times++)
            check_count(world, NULL, filter, &expected);
        check_search(world, NULL, filter, &expected);
        arena_release(&arena);
    }
}

static void draw_another(struct mixed *world, struct asked *asked)
{
    struct buf out;
    struct arena arena;
    struct expected expected;
    char **place = &asked->texts[asked->next++ % AGAIN];
    buf_init(&out, 1u << 20);
    arena_init(&arena);
    lode_filter filter = draw(world, &arena, &out, &expected);
    free(*place);
    *place = strndup(filter.text, filter.size);
    assert_non_null(*place);
    arena_release(&arena);
    buf_release(&out);
}

static void asked_release(struct asked *asked)
{
    for (unsigned i = 0; i < AGAIN; i++)
        free(asked->texts[i]);
}

static void check_some(struct mixed *world, const lode_snapshot *snapshot, unsigned count)
{
    struct buf out;
    buf_init(&out, 1u << 20);
    while (count-- > 0) {
        struct arena arena;
        struct expected expected;
        arena_init(&arena);
        lode_filter filter = draw(world, &arena, &out, &expected);
        check_count(world, snapshot, filter, &expected);
        check_walk(world, snapshot, filter, &expected);
        check_search(world, snapshot, filter, &expected);
        arena_release(&arena);
    }
    buf_release(&out);
}

/* --- Lives -------------------------------------------------------------------------------------- */

static void delete_by_filter(struct mixed *world)
{
    lode_error error = {0};
    struct arena arena;
    struct expected expected;
    struct buf out;
    lode_write_info info;
    buf_init(&out, 1u << 20);
    arena_init(&arena);
    lode_filter filter = draw(world, &arena, &out, &expected);
    for (unsigned tries = 0; tries < 20 && expected.count > 100; tries++)
        filter = draw(world, &arena, &out, &expected);
    ok(lode_delete_filtered(world->collection, filter, &info, &error), &error);
    assert_int_equal(info.deleted, expected.count);
    for (unsigned i = 0; i < MIXED_IDS; i++)
        if (expected.in[i])
            mixed_put(world, i, NULL, 0, 0);
    arena_release(&arena);
    buf_release(&out);
}

static void patch_by_filter(struct mixed *world)
{
    static const char patched[] = "{\"genre\":\"patched\"}";
    lode_error error = {0};
    struct arena arena;
    struct expected expected;
    struct buf out;
    lode_write_info info;
    lode_write_op patch = {.kind = LODE_WRITE_PATCH,
                           .patch = LODE_PATCH_SET,
                           .point = {.metadata = patched, .metadata_size = sizeof patched - 1}};
    buf_init(&out, 1u << 20);
    arena_init(&arena);
    lode_filter filter = draw(world, &arena, &out, &expected);
    if (expected.count < 60) {
        ok(lode_patch_filtered(world->collection, filter, &patch, &info, &error), &error);
        assert_int_equal(info.patched, expected.count);
        for (unsigned i = 0; i < MIXED_IDS; i++)
            if (expected.in[i])
                mixed_put(world, i, patched, sizeof patched - 1, world->values[i]);
    }
    arena_release(&arena);
    buf_release(&out);
}

static void step(struct mixed *world)
{
    lode_error error = {0};
    switch (rng_below(&world->rng, 10)) {
    case 0: mixed_delete(world, 20); break;
    case 1: ok(lode_flush(world->collection, NULL, &error), &error); break;
    case 2: ok(lode_compact(world->collection, NULL, &error), &error); break;
    case 3: mixed_crash(world); break;
    case 4: mixed_reopen(world); break;
    case 5: delete_by_filter(world); break;
    case 6: patch_by_filter(world); break;
    default: mixed_upsert(world, 60); break;
    }
}

static void filters_match_what_they_should(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct mixed world;
        struct asked asked = {.next = 0};
        mixed_begin(&world, seed);
        mixed_upsert(&world, 100);
        for (unsigned i = 0; i < 14; i++) {
            step(&world);
            check_again(&world, &asked);
            draw_another(&world, &asked);
            check_some(&world, NULL, 6);
        }
        mixed_end(&world);
        asked_release(&asked);
    }
}

/* What a kept state knows of fields counts when it is read, also after the collection has forgotten. */
static void kept_states_are_filtered(void **state)
{
    (void)state;
    struct mixed world;
    lode_error error = {0};
    lode_snapshot *snapshot;
    uint64_t count;
    mixed_begin(&world, 77);
    mixed_upsert(&world, 100);
    ok(lode_snapshot_create(world.collection, "kept", &error), &error);
    ok(lode_delete_filtered(world.collection, lode_filter_text("TRUE"), NULL, &error), &error);
    ok(lode_compact(world.collection, NULL, &error), &error);
    mixed_close(&world);
    mixed_open(&world);
    ok(lode_count(world.collection, NULL, (lode_filter){0}, &count, &error), &error);
    assert_int_equal(count, 0);
    ok(lode_snapshot_open_named(world.collection, "kept", &snapshot, &error), &error);
    check_some(&world, snapshot, 40);
    lode_snapshot_close(snapshot);
    mixed_end(&world);
}

/* --- Columns ------------------------------------------------------------------------------------ */

/* So many rows that the growing segment has columns of the first of them. */
static void growing_segments_have_columns(void **state)
{
    (void)state;
    enum { POINTS = 7000 };
    struct vfs *vfs = vfs_memory_new();
    lode_error error = {0};
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection *films = engine_create(db, "films", (lode_schema){.dim = MIXED_DIM});
    uint64_t count;
    for (unsigned done = 0; done < POINTS; done += 500) {
        static lode_point points[500];
        static char texts[500][64];
        float vector[MIXED_DIM] = {1, 2};
        for (unsigned i = 0; i < 500; i++) {
            snprintf(texts[i], sizeof texts[i], "{\"n\":%u,\"even\":%s}", done + i,
                     i % 2 ? "false" : "true");
            points[i] = (lode_point){.id = lode_id_number(done + i),
                                     .vector = vector,
                                     .metadata = texts[i],
                                     .metadata_size = strlen(texts[i])};
        }
        ok(lode_upsert(films, points, 500, NULL, &error), &error);
        ok(lode_count(films, NULL, lode_filter_text("even = true AND n < 6000"), &count, &error),
           &error);
        unsigned below = done + 500 < 6000 ? done + 500 : 6000;
        assert_int_equal(count, below / 2);
    }
    lode_id ids[2] = {lode_id_number(0), lode_id_number(6998)};
    ok(lode_delete(films, ids, 2, NULL, &error), &error);
    ok(lode_count(films, NULL, lode_filter_text("n >= 0 AND @id IN (0, 2, 6996, 6998)"), &count,
                  &error),
       &error);
    assert_int_equal(count, 2);
    struct version *version = collection_pin(films->shared);
    uint32_t covered = 0;
    struct segment *growing = version->views[version->view_count - 1].segment;
    struct columns *columns = growing->ops->columns(growing, &covered);
    assert_non_null(columns);
    assert_in_range(covered, POINTS / 2, POINTS);
    columns_unref(columns);
    version_unref(version);
    lode_collection_close(films);
    engine_close(db);
    vfs_memory_free(vfs);
}

/* What is said of each segment: columns need no document but for what is nested. */
static void segments_are_explained(void **state)
{
    (void)state;
    struct mixed world;
    lode_error error = {0};
    mixed_begin(&world, 3);
    mixed_upsert(&world, 200);
    ok(lode_compact(world.collection, NULL, &error), &error);
    static const char *const filters[] = {"genre = \"drama\" AND year >= 1998",
                                          "cast NESTED (name = \"Ann\" AND age > 1)"};
    for (size_t i = 0; i < 2; i++) {
        lode_explanation *explanation;
        uint64_t count;
        lode_filter filter = lode_filter_text(filters[i]);
        lode_search_request request = {.filter = filter.text, .filter_size = filter.size};
        ok(lode_count(world.collection, NULL, filter, &count, &error), &error);
        ok(lode_explain(world.collection, &request, &explanation, &error), &error);
        assert_int_equal(explanation->segment_count, 1);
        const lode_explain_segment *segment = &explanation->segments[0];
        assert_int_equal(explanation->allowed_rows, count);
        assert_int_equal(segment->allowed_rows, count);
        assert_int_equal(segment->plan, count ? LODE_PLAN_SCAN : LODE_PLAN_SKIP);
        assert_int_equal(segment->column_rows, segment->rows);
        assert_true(i == 0 ? segment->document_rows == 0
                           : segment->document_rows >= count &&
                                 segment->document_rows < segment->rows);
        assert_in_range(segment->estimated_rows, 0, segment->rows);
        assert_non_null(explanation->filter);
        lode_explanation_free(explanation);
    }
    mixed_end(&world);
}

static uint64_t count_of(const struct mixed *world, const char *format, const char *filter,
                         const char *field, const char *value)
{
    lode_error error = {0};
    uint64_t count = 0;
    struct buf text;
    buf_init(&text, 1u << 20);
    ok(buf_printf(&text, &error, format, filter, field, value), &error);
    ok(buf_terminate(&text, &error), &error);
    ok(lode_count(world->collection, NULL, lode_filter_text((const char *)text.data), &count,
                  &error),
       &error);
    buf_release(&text);
    return count;
}

static void check_facets(const struct mixed *world, const char *filter, const char *field)
{
    lode_error error = {0};
    lode_facets *facets;
    lode_facet_request request = {
        .filter = lode_filter_text(filter), .field = field, .limit = 1000};
    ok(lode_facets_get(world->collection, &request, &facets, &error), &error);
    assert_int_equal(facets->points, count_of(world, "%s%.0s%.0s", filter, "", ""));
    assert_int_equal(facets->missing,
                     count_of(world, "(%s) AND %s IS MISSING%.0s", filter, field, ""));
    assert_int_equal(facets->facet_count, facets->distinct);
    for (size_t i = 0; i < facets->facet_count; i++) {
        const lode_facet *facet = &facets->facets[i];
        uint64_t count = count_of(world, "(%s) AND %s = %s", filter, field, facet->value);
        assert_int_equal(facet->count + (facets->uncounted ? count - facet->count : 0), count);
        if (i > 0)
            assert_true(facets->facets[i - 1].count >= facet->count);
    }
    if (facets->facet_count > 0 && facets->uncounted == 0) { /* no value was forgotten */
        struct buf others;
        buf_init(&others, 1u << 20);
        for (size_t i = 0; i < facets->facet_count; i++)
            ok(buf_printf(&others, &error, "%s%s", i ? ", " : "", facets->facets[i].value), &error);
        ok(buf_terminate(&others, &error), &error);
        uint64_t some =
            count_of(world, "(%s) AND %s IN (%s)", filter, field, (const char *)others.data);
        uint64_t present = count_of(world, "(%s) AND %s EXISTS%.0s", filter, field, "");
        assert_true(some <= present);
        assert_int_equal(facets->points - facets->missing, present);
        buf_release(&others);
    }
    lode_facets_free(facets);
}

/* In growing and sealed segments, before and after a merge. */
static void facets_count_what_filters_count(void **state)
{
    (void)state;
    static const char *const fields[] = {"genre",    "year",        "rating",   "seen", "tags",
                                         "scores",   "title",       "released", "uid",  "cast.name",
                                         "cast.age", "studio.name", "nothing"};
    static const char *const filters[] = {"TRUE", "year > 1999", "NOT tags = \"cult\"",
                                          "genre = \"drama\" OR seen = true", "FALSE"};
    struct mixed world;
    lode_error error = {0};
    mixed_begin(&world, 21);
    mixed_upsert(&world, 250);
    for (int round = 0; round < 2; round++) {
        for (size_t f = 0; f < sizeof filters / sizeof *filters; f++)
            for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
                check_facets(&world, filters[f], fields[i]);
        ok(lode_compact(world.collection, NULL, &error), &error);
    }
    lode_facets *facets;
    lode_facet_request request = {.field = "gerne"};
    assert_int_equal(lode_facets_get(world.collection, &request, &facets, &error), LODE_SCHEMA);
    assert_string_equal(error.message, "there is no field 'gerne'");
    mixed_end(&world);
}

/* Documents answer where columns are damaged. */
static void damaged_columns_cost_no_answer(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct mixed world;
        lode_error error = {0};
        mixed_begin(&world, seed);
        mixed_upsert(&world, 150);
        ok(lode_flush(world.collection, NULL, &error), &error);
        mixed_damage_columns(&world, seed);
        check_some(&world, NULL, 20);
        ok(lode_compact(world.collection, NULL, &error), &error);
        check_some(&world, NULL, 20);
        mixed_end(&world);
    }
}

/* --- Refusals ----------------------------------------------------------------------------------- */

static void refused(const struct mixed *world, const char *filter, lode_status expected,
                    const char *message)
{
    lode_error error = {0};
    uint64_t count = 7;
    float vector[MIXED_DIM] = {1, 1};
    lode_result *result;
    lode_filter given = lode_filter_text(filter);
    lode_search_request request = {
        .vector = vector, .filter = given.text, .filter_size = given.size};
    assert_int_equal(lode_count(world->collection, NULL, given, &count, &error), expected);
    assert_string_equal(error.message, message);
    assert_int_equal(count, 7);
    assert_int_equal(lode_search(world->collection, &request, &result, &error), expected);
    assert_string_equal(error.message, message);
    assert_int_equal(lode_delete_filtered(world->collection, given, NULL, &error), expected);
}

static void what_is_wrong_is_refused_with_its_place(void **state)
{
    (void)state;
    struct mixed world;
    lode_error error = {0};
    mixed_begin(&world, 1);
    refused(&world, "gerne = \"x\"", LODE_SCHEMA,
            "filter, line 1, column 1 (byte 0): there is no field 'gerne'; the nearest is 'genre'");
    refused(&world, "year = \"x\"", LODE_SCHEMA,
            "filter, line 1, column 1 (byte 0): field 'year' is integer, the value is a string: "
            "\"x\"");
    refused(&world, "year >\n= 3", LODE_INVALID,
            "filter, line 2, column 1 (byte 7): found =, expected a string, a number, true or "
            "false");
    assert_int_equal(lode_delete_filtered(world.collection, (lode_filter){0}, NULL, &error),
                     LODE_INVALID);
    assert_string_equal(error.message, "filter.text is NULL");
    mixed_end(&world);
}

static void clashing_types_are_refused(void **state)
{
    (void)state;
    struct mixed world;
    lode_error error = {0};
    float vector[MIXED_DIM] = {1, 1};
    static const char metadata[] = "{\"other\":1,\"genre\":5}";
    mixed_begin(&world, 1);
    lode_point points[2] = {
        {.id = lode_id_number(7), .vector = vector},
        {.id = lode_id_number(8),
         .vector = vector,
         .metadata = metadata,
         .metadata_size = sizeof metadata - 1},
    };
    assert_int_equal(lode_upsert(world.collection, points, 2, NULL, &error), LODE_SCHEMA);
    assert_string_equal(error.message, "ops[1] (id 8): field 'genre' is keyword, found integer 5");
    refused(&world, "other = 1", LODE_SCHEMA,
            "filter, line 1, column 1 (byte 0): there is no field 'other'");
    lode_write_op patch = {.kind = LODE_WRITE_PATCH,
                           .point = {.id = lode_id_number(0),
                                     .metadata = metadata,
                                     .metadata_size = sizeof metadata - 1}};
    assert_int_equal(lode_write(world.collection, &patch, 1, NULL, NULL, &error), LODE_SCHEMA);
    mixed_end(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(filters_match_what_they_should),
        cmocka_unit_test(kept_states_are_filtered),
        cmocka_unit_test(growing_segments_have_columns),
        cmocka_unit_test(segments_are_explained),
        cmocka_unit_test(facets_count_what_filters_count),
        cmocka_unit_test(damaged_columns_cost_no_answer),
        cmocka_unit_test(what_is_wrong_is_refused_with_its_place),
        cmocka_unit_test(clashing_types_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
