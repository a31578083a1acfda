/* test_groups.c: searches by groups give what grouping all points in order of distance gives, through flushes, merges,
 * crashes, damaged columns; as many groups and hits as there are, also where a graph is walked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "query/grouping.h"
#include "query/value_rows.h"
#include "support/mixed_kit.h"

static lode_error error;

static const char *const filters[] = {
    NULL,       "year >= 1998", "NOT tags = \"cult\"", "genre = \"drama\" OR seen = true",
    "n < 5000", "FALSE"};

/* --- What all points in order give -------------------------------------------------------------- */

struct near {
    unsigned number;
    double distance;
};

struct expected_group {
    struct value value;
    unsigned hits[MIXED_IDS];
    size_t count;
};

struct expected {
    struct arena arena;
    struct near points[MIXED_IDS];
    size_t point_count;
    struct expected_group groups[MIXED_IDS];
    size_t count;
};

static int by_distance(const void *a, const void *b)
{
    const struct near *x = a, *y = b;
    char x_text[24], y_text[24];
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    lode_id x_id = kit_point_id(x->number, x_text), y_id = kit_point_id(y->number, y_text);
    return lode_id_compare(&x_id, &y_id);
}

static double distance_of(unsigned a, unsigned b)
{
    float x[MIXED_DIM], y[MIXED_DIM];
    double sum = 0;
    engine_vector(a, MIXED_DIM, x);
    engine_vector(b, MIXED_DIM, y);
    for (unsigned i = 0; i < MIXED_DIM; i++)
        sum += ((double)x[i] - (double)y[i]) * ((double)x[i] - (double)y[i]);
    return sum;
}

static void add(struct expected *expected, const struct value *value, unsigned number, size_t k,
                size_t per_group)
{
    size_t g = 0;
    while (g < expected->count && value_compare(&expected->groups[g].value, value) != 0)
        g++;
    struct expected_group *group = &expected->groups[g];
    if (g == k)
        return;
    if (g == expected->count) {
        group->value = *value;
        group->count = 0;
        expected->count++;
    }
    for (size_t i = 0; i < group->count; i++)
        if (group->hits[i] == number)
            return;
    if (group->count < per_group)
        group->hits[group->count++] = number;
}

/* own: the point that is left out; MIXED_IDS: none. */
static void expect(const struct mixed *mixed, const lode_groups_request *request, unsigned value,
                   unsigned own, struct expected *expected)
{
    arena_init(&expected->arena);
    expected->count = expected->point_count = 0;
    const struct filter *filter = mixed_filter(mixed, &expected->arena, request->search.filter);
    for (unsigned i = 0; i < MIXED_IDS; i++)
        if (i != own && mixed_matches(mixed, filter, i))
            expected->points[expected->point_count++] = (struct near){
                .number = i, .distance = distance_of(value, (unsigned)mixed->values[i])};
    qsort(expected->points, expected->point_count, sizeof *expected->points, by_distance);
    for (size_t i = 0; i < expected->point_count; i++) {
        struct value values[MIXED_VALUES_MAX];
        size_t count =
            mixed_values(mixed, expected->points[i].number, request->by, &expected->arena, values);
        for (size_t v = 0; v < count; v++)
            add(expected, &values[v], expected->points[i].number, request->search.k,
                request->per_group);
    }
}

/* --- Comparing ---------------------------------------------------------------------------------- */

static void check_value(const struct mixed *mixed, const char *field, const lode_group *group,
                        const struct value *expected)
{
    struct field_set *set = known_fields_get(&mixed->collection->shared->fields);
    struct json json;
    struct buf scratch;
    struct value value;
    int fits;
    buf_init(&scratch, 1u << 20);
    assert_int_equal(strlen(group->value), group->value_size);
    json_init(&json, group->value, group->value_size);
    enum json_token token = json_next(&json);
    assert_ok(value_of_json(&json, token, fields_find(set->fields, field, strlen(field))->type,
                            &scratch, &value, &fits, &error));
    assert_true(fits);
    assert_int_equal(value_compare(&value, expected), 0);
    buf_release(&scratch);
    field_set_unref(set);
}

static void check_groups(const struct mixed *mixed, const lode_groups_request *request,
                         unsigned value, unsigned own)
{
    static struct expected expected;
    lode_groups *groups;
    expect(mixed, request, value, own, &expected);
    assert_ok(lode_search_groups(mixed->collection, request, &groups, &error));
    if (groups->group_count != expected.count)
        fail_msg("by %s, filter %s: %zu groups, expected %zu", request->by,
                 request->search.filter ? request->search.filter : "none", groups->group_count,
                 expected.count);
    for (size_t g = 0; g < groups->group_count; g++) {
        const struct expected_group *wanted = &expected.groups[g];
        const lode_group *group = &groups->groups[g];
        check_value(mixed, request->by, group, &wanted->value);
        assert_int_equal(group->hit_count, wanted->count);
        for (size_t i = 0; i < wanted->count; i++)
            assert_int_equal(mixed_number(&group->hits[i].id), wanted->hits[i]);
    }
    lode_groups_free(groups);
    arena_release(&expected.arena);
}

static void check_some(struct mixed *mixed, unsigned count)
{
    static const size_t counts[] = {1, 2, 5, 20, 100};
    size_t fields = 0;
    while (mixed_fields[fields])
        fields++;
    while (count-- > 0) {
        float query[MIXED_DIM];
        char text[24];
        unsigned value = rng_below(&mixed->rng, 200), own = MIXED_IDS;
        const char *filter = filters[rng_below(&mixed->rng, sizeof filters / sizeof *filters)];
        lode_groups_request request = {.by = mixed_fields[rng_below(&mixed->rng, (uint32_t)fields)],
                                       .per_group = counts[rng_below(&mixed->rng, 5)],
                                       .search = {.vector = query,
                                                  .k = counts[rng_below(&mixed->rng, 5)],
                                                  .exact = (int)rng_below(&mixed->rng, 2),
                                                  .filter = filter,
                                                  .filter_size = filter ? strlen(filter) : 0}};
        engine_vector(value, MIXED_DIM, query);
        lode_id like = kit_point_id(rng_below(&mixed->rng, MIXED_IDS), text);
        unsigned number = mixed_number(&like);
        if (rng_below(&mixed->rng, 3) == 0 && mixed->documents[number]) {
            request.search.vector = NULL;
            request.search.like = &like;
            own = number;
            value = (unsigned)mixed->values[number];
        }
        check_groups(mixed, &request, value, own);
    }
}

static void groups_are_what_all_points_give(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct mixed mixed;
        mixed_begin(&mixed, seed);
        mixed_upsert(&mixed, 150);
        for (unsigned i = 0; i < 10; i++) {
            mixed_step(&mixed);
            check_some(&mixed, 12);
        }
        mixed_end(&mixed);
    }
}

static void damaged_columns_cost_no_group(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct mixed mixed;
        mixed_begin(&mixed, seed);
        mixed_upsert(&mixed, 200);
        mixed_damage_columns(&mixed, seed);
        check_some(&mixed, 30);
        mixed_end(&mixed);
    }
}

/* --- What is left to search --------------------------------------------------------------------- */

/* Some values that points have, and perhaps one that none has. */
static size_t draw_values(struct mixed *mixed, const char *field, struct arena *arena,
                          struct value values[8 * MIXED_VALUES_MAX])
{
    size_t count = 0;
    for (unsigned tries = rng_below(&mixed->rng, 8); tries > 0; tries--) {
        unsigned i = rng_below(&mixed->rng, MIXED_IDS);
        if (mixed->documents[i])
            count += mixed_values(mixed, i, field, arena, values + count);
    }
    return values_sort(values, count);
}

static int should_stay(const struct mixed *mixed, unsigned number, const char *field,
                       const struct value_rows_request *request, struct arena *arena)
{
    struct value values[MIXED_VALUES_MAX];
    size_t count = mixed_values(mixed, number, field, arena, values);
    for (size_t i = 0; i < count; i++) {
        int listed = 0;
        for (size_t v = 0; v < request->count; v++)
            listed |= value_compare(&values[i], &request->values[v]) == 0;
        if (listed != request->others)
            return 1;
    }
    return 0;
}

static void check_kept(struct mixed *mixed, const char *field)
{
    struct value values[8 * MIXED_VALUES_MAX];
    struct arena arena;
    struct allowed_set *set;
    arena_init(&arena);
    struct version *version = collection_pin(mixed->collection->shared);
    struct field_set *known = known_fields_get(&mixed->collection->shared->fields);
    struct value_rows_request request = {
        .version = version,
        .fields = known->fields,
        .field = fields_find(known->fields, field, strlen(field)),
        .values = values,
        .count = draw_values(mixed, field, &arena, values),
        .others = (int)rng_below(&mixed->rng, 2),
    };
    assert_ok(allowed_set_all(version, &set, &error));
    assert_ok(value_rows_keep(&request, set, &error));
    for (size_t v = 0; v < version->view_count; v++) {
        const struct segment_view *view = &version->views[v];
        size_t left = 0;
        for (uint32_t row = 0; row < view->row_count; row++) {
            lode_id id;
            const uint8_t *bytes;
            size_t size;
            int stays = bitset_test(set->views[v].words, row);
            left += (size_t)stays;
            assert_ok(view->segment->ops->id(view->segment, row, &bytes, &size, &error));
            assert_ok(id_decode(bytes, size, &id, &error));
            if (view_alive(view, row))
                assert_int_equal(stays,
                                 should_stay(mixed, mixed_number(&id), field, &request, &arena));
            else
                assert_int_equal(stays, 0);
        }
        assert_int_equal(left, set->views[v].count);
    }
    allowed_set_free(set);
    field_set_unref(known);
    version_unref(version);
    arena_release(&arena);
}

static void what_is_left_is_what_can_be_of_use(void **state)
{
    (void)state;
    struct mixed mixed;
    mixed_begin(&mixed, 9);
    mixed_upsert(&mixed, 200);
    for (unsigned i = 0; i < 15; i++) {
        for (size_t f = 0; mixed_fields[f]; f++)
            check_kept(&mixed, mixed_fields[f]);
        if (i == 7)
            mixed_damage_columns(&mixed, i);
        else
            mixed_step(&mixed);
    }
    mixed_end(&mixed);
}

/* --- Many --------------------------------------------------------------------------------------- */

/* All k values of `few`, of which there are 7, come, with as many hits as are asked for, each in its group, best first;
 * returns how many points were compared. */
static uint64_t check_few(lode_collection *many, size_t k, size_t per_group, int exact)
{
    const float query[2] = {1, 2};
    uint8_t seen[7] = {0};
    lode_groups *groups;
    lode_groups_request request = {
        .by = "few", .per_group = per_group, .search = {.vector = query, .k = k, .exact = exact}};
    assert_ok(lode_search_groups(many, &request, &groups, &error));
    assert_int_equal(groups->group_count, k < 7 ? k : 7);
    for (size_t g = 0; g < groups->group_count; g++) {
        const lode_group *group = &groups->groups[g];
        unsigned few = (unsigned)atoi(group->value);
        assert_in_range(few, 0, 6);
        assert_int_equal(seen[few]++, 0);
        assert_int_equal(group->hit_count, per_group);
        for (size_t i = 0; i < per_group; i++) {
            assert_int_equal(group->hits[i].id.number % 7, few);
            assert_true(i == 0 || group->hits[i - 1].score <= group->hits[i].score);
        }
        assert_true(g == 0 || groups->groups[g - 1].hits[0].score <= group->hits[0].score);
    }
    uint64_t distances = groups->info.distances;
    lode_groups_free(groups);
    return distances;
}

/* Points of one name each: three groups of one hit, and nothing that a second one could be. */
static void check_names(lode_collection *many)
{
    const float query[2] = {1, 2};
    lode_groups *groups;
    lode_groups_request request = {
        .by = "name", .per_group = 2, .search = {.vector = query, .k = 3, .exact = 1}};
    assert_ok(lode_search_groups(many, &request, &groups, &error));
    assert_int_equal(groups->group_count, 3);
    for (size_t g = 0; g < 3; g++) {
        assert_int_equal(groups->groups[g].hit_count, 1);
        assert_int_equal(groups->groups[g].hits[0].id.number, g * 2);
    }
    lode_groups_free(groups);
}

static void there_are_as_many_as_there_can_be(void **state)
{
    (void)state;
    struct vfs *vfs = vfs_memory_new();
    lode_db *db;
    lode_collection *many = mixed_many(vfs, &db);
    check_few(many, 8, 1, 0);
    check_few(many, 3, 600, 1);
    check_names(many);
    /* Of one group of 857 points: all, and those of them that are not among the 600 nearest of all, rounded up. */
    assert_in_range(check_few(many, 1, 600, 1), MIXED_MANY, MIXED_MANY + 1000);
    assert_ok(lode_compact(many, NULL, &error)); /* now there is a graph to walk */
    check_few(many, 8, 3, 0);
    check_few(many, 3, 800, 0);
    check_names(many);
    lode_collection_close(many);
    engine_close(db);
    vfs_memory_free(vfs);
}

/* --- Under a filter that is walked -------------------------------------------------------------- */

enum { WALKED = 20000, WALKED_DIM = 384, WALKED_BATCH = 1000, DIRECTIONS = 8 };

#define QUERY_SIDE 2.2
#define SIDES_MEET 0.5

/* In few directions, as embeddings are; side: how far in the first of them. */
static void walked_vector(struct rng *rng, double side, float vector[WALKED_DIM])
{
    double spread[DIRECTIONS];
    for (size_t i = 0; i < DIRECTIONS; i++)
        spread[i] = i == 0 ? side : rng_normal(rng);
    for (size_t i = 0; i < WALKED_DIM; i++)
        vector[i] = (float)(spread[i % DIRECTIONS] + 0.02 * rng_normal(rng));
}

static void insert_walked(lode_collection *collection)
{
    static float vectors[WALKED_BATCH][WALKED_DIM];
    static lode_point points[WALKED_BATCH];
    static char texts[WALKED_BATCH][64];
    struct rng rng;
    rng_init(&rng, 4);
    for (unsigned i = 0; i < WALKED; i++) {
        unsigned at = i % WALKED_BATCH;
        double side = rng_normal(&rng);
        walked_vector(&rng, side, vectors[at]);
        int size = snprintf(texts[at], sizeof texts[at], "{\"part\":%u,\"side\":%d}",
                            rng_below(&rng, 10), side < SIDES_MEET);
        points[at] = (lode_point){.id = lode_id_number(i),
                                  .vector = vectors[at],
                                  .metadata = texts[at],
                                  .metadata_size = (size_t)size};
        if (at == WALKED_BATCH - 1)
            assert_ok(lode_upsert(collection, points, WALKED_BATCH, NULL, &error));
    }
    assert_ok(lode_compact(collection, NULL, &error));
}

static size_t count_common(const lode_group *a, const lode_group *b)
{
    size_t count = 0;
    assert_int_equal(a->hit_count, b->hit_count);
    for (size_t i = 0; i < a->hit_count; i++)
        for (size_t j = 0; j < b->hit_count; j++)
            count += a->hits[i].id.number == b->hits[j].id.number;
    return count;
}

/* The near side is walked for and keeps the floor of recall; the far one is not among what the walk finds: it is
 * scanned for, and exact. */
static void what_is_missing_is_scanned_for_under_a_filter(void **state)
{
    (void)state;
    enum { QUERIES = 20, HITS = 3 };
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection *collection = engine_create(db, "points", (lode_schema){.dim = WALKED_DIM});
    insert_walked(collection);
    struct rng rng;
    rng_init(&rng, 5);
    size_t near = 0, first_walks = 0, last_scans = 0;
    for (unsigned q = 0; q < QUERIES; q++) {
        float query[WALKED_DIM];
        lode_groups *found, *exact;
        lode_groups_request request = {
            .by = "side",
            .per_group = HITS,
            .search = {.vector = query, .k = 2, .filter = "part < 3", .filter_size = 8}};
        walked_vector(&rng, QUERY_SIDE, query);
        assert_ok(lode_search_groups(collection, &request, &found, &error));
        request.search.exact = 1;
        assert_ok(lode_search_groups(collection, &request, &exact, &error));
        assert_int_equal(found->group_count, 2);
        assert_string_equal(found->groups[0].value, exact->groups[0].value);
        first_walks += found->info.hops > 0;
        near += count_common(&found->groups[0], &exact->groups[0]);
        if (found->info.segments_walked == 0) { /* by the last search */
            assert_int_equal(count_common(&found->groups[1], &exact->groups[1]), HITS);
            last_scans++;
        }
        lode_groups_free(found);
        lode_groups_free(exact);
    }
    assert_int_equal(first_walks, QUERIES);
    assert_true(last_scans > QUERIES / 2); /* the others were done after the first */
    assert_true((double)near >= 0.95 * QUERIES * HITS);
    lode_collection_close(collection);
    engine_close(db);
    vfs_memory_free(vfs);
}

/* Columns that are found to be damaged amid a search: another block each time. */
static void damage_is_met_amid_a_search(void **state)
{
    (void)state;
    for (unsigned block = 0;; block++) {
        struct vfs *vfs = vfs_memory_new();
        lode_db *db;
        lode_collection *many = mixed_many(vfs, &db);
        char dir[64];
        snprintf(dir, sizeof dir, "%s", many->shared->dir);
        lode_collection_close(many);
        engine_close(db);
        int exists = mixed_many_damage(vfs, dir, block);
        db = engine_open(vfs, "db", NULL, 0);
        many = engine_collection(db, "many");
        check_names(many);
        check_few(many, 3, 600, 1);
        lode_collection_close(many);
        engine_close(db);
        vfs_memory_free(vfs);
        if (!exists) {
            assert_in_range(block, 3, 20);
            break;
        }
    }
}

/* Hits that come from far to near, as those of a walk and of the scan after it may, are sorted in the end. */
static void groups_are_sorted(void **state)
{
    (void)state;
    struct mixed mixed;
    struct grouping grouping;
    mixed_begin(&mixed, 3);
    mixed_upsert(&mixed, 300);
    assert_ok(lode_compact(mixed.collection, NULL, &error));
    struct version *version = collection_pin(mixed.collection->shared);
    struct field_set *known = known_fields_get(&mixed.collection->shared->fields);
    assert_ok(grouping_init(&grouping, fields_find(known->fields, "genre", 5), 4, 50, &error));
    for (uint32_t row = 0; row < version->views[0].row_count; row++) {
        struct query_hit hit = {.view = version->views, .row = row, .distance = 1000 - (float)row};
        assert_ok(grouping_add(&grouping, &hit, 1, &error));
    }
    assert_int_equal(grouping.count, 4);
    assert_ok(grouping_sort(&grouping, &error));
    for (size_t g = 0; g < grouping.count; g++) {
        const struct group *group = &grouping.groups[g];
        assert_true(g == 0 || group[-1].hits[0].distance <= group->hits[0].distance);
        for (size_t i = 1; i < group->count; i++)
            assert_true(group->hits[i - 1].distance < group->hits[i].distance);
    }
    grouping_release(&grouping);
    field_set_unref(known);
    version_unref(version);
    mixed_end(&mixed);
}

/* --- What is refused ---------------------------------------------------------------------------- */

static void refused(const struct mixed *mixed, lode_groups_request request, lode_status status,
                    const char *message)
{
    const float query[MIXED_DIM] = {1, 1};
    lode_groups *groups;
    request.search.vector = query;
    assert_status(lode_search_groups(mixed->collection, &request, &groups, &error), status);
    assert_string_equal(error.message, message);
}

static void wrong_requests_are_refused(void **state)
{
    (void)state;
    struct mixed mixed;
    mixed_begin(&mixed, 2);
    mixed_upsert(&mixed, 100);
    refused(&mixed, (lode_groups_request){.by = NULL}, LODE_INVALID, "by is NULL");
    refused(&mixed, (lode_groups_request){.by = "yaer"}, LODE_SCHEMA, "there is no field 'yaer'");
    refused(&mixed, (lode_groups_request){.by = "place"}, LODE_SCHEMA,
            "field 'place' is geo: it makes no groups");
    refused(&mixed, (lode_groups_request){.by = "cast"}, LODE_SCHEMA,
            "field 'cast' is object: it makes no groups");
    refused(&mixed, (lode_groups_request){.by = "n", .per_group = 200, .search.k = 100}, LODE_LIMIT,
            "100 groups of 200 hits: at most 16384 hits together");
    refused(&mixed, (lode_groups_request){.by = "n", .search.one_per = "n"}, LODE_INVALID,
            "search.one_per is for lode_search: say NULL");
    mixed_end(&mixed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_what_all_points_give),
        cmocka_unit_test(damaged_columns_cost_no_group),
        cmocka_unit_test(what_is_left_is_what_can_be_of_use),
        cmocka_unit_test(there_are_as_many_as_there_can_be),
        cmocka_unit_test(what_is_missing_is_scanned_for_under_a_filter),
        cmocka_unit_test(damage_is_met_amid_a_search),
        cmocka_unit_test(groups_are_sorted),
        cmocka_unit_test(wrong_requests_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
