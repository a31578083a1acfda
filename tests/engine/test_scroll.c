/* test_scroll.c: pages of points in order are what a plain sort of the points gives, through flushes, merges, crashes,
 * damaged columns; a cursor goes on behind its point whatever happens between two pages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/mixed_kit.h"

static lode_error error;

static const char *const filters[] = {NULL,
                                      NULL,
                                      "year >= 1998",
                                      "NOT tags = \"cult\"",
                                      "genre = \"drama\" OR seen = true",
                                      "n < 3000",
                                      "n < 20000 AND NOT seen = false",
                                      "FALSE"};

/* --- What a plain sort gives -------------------------------------------------------------------- */

struct sorted {
    unsigned number;
    lode_id id;
    char text[24];
    int has;
    struct value value;
};

struct sorting {
    struct arena arena;
    struct sorted points[MIXED_IDS];
    size_t count;
    int by_id, descending;
};

static struct value first_bytes(struct value value)
{
    if (value.kind == VALUE_STRING && value.size > 1024)
        value.size = 1024;
    return value;
}

static int compare(const void *a, const void *b, void *context)
{
    const struct sorted *x = a, *y = b;
    const struct sorting *sorting = context;
    int ids = lode_id_compare(&x->id, &y->id);
    if (sorting->by_id)
        return sorting->descending ? -ids : ids;
    if (!x->has || !y->has)
        return x->has != y->has ? y->has - x->has : ids;
    int order = value_compare(&x->value, &y->value);
    return order == 0 ? ids : sorting->descending ? -order : order;
}

static void choose_value(const struct mixed *mixed, struct sorting *sorting, struct sorted *point,
                         const char *field)
{
    struct value values[MIXED_VALUES_MAX];
    size_t count = mixed_values(mixed, point->number, field, &sorting->arena, values);
    point->has = count > 0;
    for (size_t i = 0; i < count; i++) {
        int order = i ? value_compare(&values[i], &point->value) : 0;
        if (i == 0 || (sorting->descending ? order > 0 : order < 0))
            point->value = values[i];
    }
    point->value = first_bytes(point->value);
}

static void sort_points(const struct mixed *mixed, const lode_scroll_request *request,
                        struct sorting *sorting)
{
    *sorting = (struct sorting){.by_id = !request->by, .descending = request->descending};
    arena_init(&sorting->arena);
    const struct filter *filter = mixed_filter(mixed, &sorting->arena, request->filter);
    for (unsigned i = 0; i < MIXED_IDS; i++) {
        struct sorted *point = &sorting->points[sorting->count];
        if (!mixed_matches(mixed, filter, i))
            continue;
        *point = (struct sorted){.number = i};
        if (request->by)
            choose_value(mixed, sorting, point, request->by);
        sorting->count++;
    }
    for (size_t i = 0; i < sorting->count; i++)
        sorting->points[i].id = kit_point_id(sorting->points[i].number, sorting->points[i].text);
    /* Ids of texts point into what the sort moves: numbers are moved, ids made again. */
    for (size_t i = 0; i < sorting->count; i++)
        if (sorting->points[i].id.kind == LODE_ID_STRING)
            sorting->points[i].id.string = arena_copy(&sorting->arena, sorting->points[i].id.string,
                                                      sorting->points[i].id.string_size);
    qsort_r(sorting->points, sorting->count, sizeof *sorting->points, compare, sorting);
}

/* --- Comparing ---------------------------------------------------------------------------------- */

/* Page after page to the end. */
static void check_pages(const struct mixed *mixed, lode_scroll_request request)
{
    struct sorting sorting;
    size_t done = 0, limit = request.limit ? request.limit : 10;
    char after[LODE_CURSOR_SIZE_MAX + 1];
    sort_points(mixed, &request, &sorting);
    for (int more = 1; more;) {
        lode_page *page;
        assert_ok(lode_scroll(mixed->collection, &request, &page, &error));
        assert_true(page->hit_count <= limit);
        for (size_t i = 0; i < page->hit_count; i++, done++) {
            unsigned number = mixed_number(&page->hits[i].id);
            if (done == sorting.count || number != sorting.points[done].number)
                fail_msg(
                    "by %s, %s, limit %zu, filter %s: place %zu of %zu is point %u, expected %u",
                    request.by ? request.by : "id", request.descending ? "down" : "up", limit,
                    request.filter ? request.filter : "none", done, sorting.count, number,
                    done == sorting.count ? MIXED_IDS : sorting.points[done].number);
        }
        more = page->next != NULL;
        assert_true(!more || page->hit_count == limit);
        if (more) {
            assert_true(strlen(page->next) <= LODE_CURSOR_SIZE_MAX);
            strcpy(after, page->next);
            request.after = after;
        }
        lode_page_free(page);
    }
    assert_int_equal(done, sorting.count);
    arena_release(&sorting.arena);
}

static lode_scroll_request draw_request(struct mixed *mixed)
{
    static const size_t limits[] = {0, 1, 3, 7, 50, 128, 1000};
    size_t fields = 0;
    while (mixed_fields[fields])
        fields++;
    unsigned by = rng_below(&mixed->rng, (uint32_t)fields + 2);
    const char *filter = filters[rng_below(&mixed->rng, sizeof filters / sizeof *filters)];
    return (lode_scroll_request){.filter = filter,
                                 .filter_size = filter ? strlen(filter) : 0,
                                 .by = by < fields ? mixed_fields[by] : NULL,
                                 .descending = (int)rng_below(&mixed->rng, 2),
                                 .limit = limits[rng_below(&mixed->rng, 7)]};
}

static void check_some(struct mixed *mixed, unsigned count)
{
    while (count-- > 0)
        check_pages(mixed, draw_request(mixed));
}

static void pages_are_what_a_sort_gives(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct mixed mixed;
        mixed_begin(&mixed, seed);
        mixed_upsert(&mixed, 150);
        for (unsigned i = 0; i < 12; i++) {
            mixed_step(&mixed);
            check_some(&mixed, 10);
        }
        mixed_end(&mixed);
    }
}

/* Every field, both ways, in one merged segment that has all points, in several, and in growing ones. */
static void every_field_has_an_order(void **state)
{
    (void)state;
    struct mixed mixed;
    mixed_begin(&mixed, 33);
    mixed_upsert(&mixed, 600);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; mixed_fields[i]; i++)
            for (int descending = 0; descending < 2; descending++)
                for (size_t f = 1; f < sizeof filters / sizeof *filters; f += 2)
                    check_pages(&mixed, (lode_scroll_request){
                                            .by = mixed_fields[i],
                                            .descending = descending,
                                            .limit = f == 1 ? 11 : 100,
                                            .filter = filters[f],
                                            .filter_size = filters[f] ? strlen(filters[f]) : 0});
        if (round == 0)
            assert_ok(lode_compact(mixed.collection, NULL, &error));
        else
            mixed_upsert(&mixed, 100);
    }
    mixed_end(&mixed);
}

static void damaged_columns_cost_no_order(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 12; seed++) {
        struct mixed mixed;
        mixed_begin(&mixed, seed);
        mixed_upsert(&mixed, 200);
        if (seed % 2)
            assert_ok(lode_compact(mixed.collection, NULL, &error));
        mixed_damage_columns(&mixed, seed);
        check_some(&mixed, 30);
        mixed_end(&mixed);
    }
}

/* Columns that are found to be damaged amid a page: another block each time, in both directions. */
static void damage_is_met_amid_a_page(void **state)
{
    (void)state;
    for (unsigned round = 0;; round++) {
        unsigned block = round / 2;
        struct vfs *vfs = vfs_memory_new();
        lode_db *db;
        lode_collection *many = mixed_many(vfs, &db);
        char dir[64], after[LODE_CURSOR_SIZE_MAX + 1];
        snprintf(dir, sizeof dir, "%s", many->shared->dir);
        lode_collection_close(many);
        engine_close(db);
        int exists = mixed_many_damage(vfs, dir, block);
        db = engine_open(vfs, "db", NULL, 0);
        many = engine_collection(db, "many");
        lode_scroll_request request = {
            .by = "name", .descending = (int)(block % 2), .limit = round % 2 ? 700 : 5000};
        for (unsigned done = 0; exists && done < MIXED_MANY;) {
            lode_page *page;
            assert_ok(lode_scroll(many, &request, &page, &error));
            for (size_t i = 0; i < page->hit_count; i++, done++)
                assert_int_equal(page->hits[i].id.number,
                                 request.descending ? MIXED_MANY - 1 - done : done);
            assert_true((page->next != NULL) == (done < MIXED_MANY));
            if (page->next)
                request.after = strcpy(after, page->next);
            lode_page_free(page);
        }
        lode_collection_close(many);
        engine_close(db);
        vfs_memory_free(vfs);
        if (!exists) {
            assert_in_range(block, 3, 20);
            break;
        }
    }
}

/* So many rows that a growing segment has columns of the first of them. */
static void growing_segments_are_in_order(void **state)
{
    (void)state;
    enum { POINTS = 6000 };
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection *points = engine_create(db, "points", (lode_schema){.dim = 2});
    static lode_point batch[1000];
    static char texts[1000][48];
    const float vector[2] = {1, 2};
    for (unsigned done = 0; done < POINTS; done += 1000) {
        for (unsigned i = 0; i < 1000; i++) {
            unsigned n = (done + i) * 7919 % POINTS;
            snprintf(texts[i], sizeof texts[i], "{\"n\":%u,\"few\":%u}", n, n % 3);
            batch[i] = (lode_point){.id = lode_id_number(n),
                                    .vector = vector,
                                    .metadata = texts[i],
                                    .metadata_size = strlen(texts[i])};
        }
        assert_ok(lode_upsert(points, batch, 1000, NULL, &error));
        lode_page *page;
        lode_scroll_request request = {.by = "n", .limit = 100};
        assert_ok(lode_scroll(points, &request, &page, &error));
        lode_page_free(page);
    }
    unsigned next = 0;
    char after[LODE_CURSOR_SIZE_MAX + 1];
    lode_scroll_request request = {.by = "n", .limit = 500};
    for (lode_page *page; next < POINTS;) {
        assert_ok(lode_scroll(points, &request, &page, &error));
        for (size_t i = 0; i < page->hit_count; i++)
            assert_int_equal(page->hits[i].id.number, next++);
        if (page->next)
            request.after = strcpy(after, page->next);
        assert_true((page->next != NULL) == (next < POINTS));
        lode_page_free(page);
    }
    lode_collection_close(points);
    engine_close(db);
    vfs_memory_free(vfs);
}

/* --- Between pages ------------------------------------------------------------------------------ */

/* Of the points that stay as they are, each that matches comes once and in order, whatever happens to the others. */
static void what_stays_comes_once(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        struct mixed mixed;
        struct sorting sorting;
        mixed_begin(&mixed, seed);
        mixed_upsert(&mixed, 400);
        lode_scroll_request request = draw_request(&mixed);
        request.limit = 1 + rng_below(&mixed.rng, 60);
        sort_points(&mixed, &request, &sorting);
        mixed.step = 2; /* even numbers are written to from here on */
        size_t next = 0;
        char after[LODE_CURSOR_SIZE_MAX + 1];
        for (int more = 1; more;) {
            lode_page *page;
            assert_ok(lode_scroll(mixed.collection, &request, &page, &error));
            for (size_t i = 0; i < page->hit_count; i++) {
                unsigned number = mixed_number(&page->hits[i].id);
                if (number % 2 == 0)
                    continue;
                while (next < sorting.count && sorting.points[next].number % 2 == 0)
                    next++;
                assert_true(next < sorting.count);
                assert_int_equal(number, sorting.points[next].number);
                next++;
            }
            more = page->next != NULL;
            if (more)
                request.after = strcpy(after, page->next);
            lode_page_free(page);
            mixed_step(&mixed);
        }
        while (next < sorting.count && sorting.points[next].number % 2 == 0)
            next++;
        assert_int_equal(next, sorting.count);
        arena_release(&sorting.arena);
        mixed_end(&mixed);
    }
}

/* A path, a string, a namespace and ids of the greatest sizes fit into a cursor. */
static void the_longest_cursor_is_given(void **state)
{
    (void)state;
    static char path[1024 + 1], name[LODE_NAMESPACE_SIZE_MAX + 1];
    static char ids[2][LODE_ID_SIZE_MAX], text[2 * 1024 + 200];
    const float vector[2] = {1, 2};
    struct vfs *vfs = vfs_memory_new();
    lode_db *db = engine_open(vfs, "db", NULL, 0);
    lode_collection *points = engine_create(db, "points", (lode_schema){.dim = 2}), *space;
    lode_point batch[2] = {0};
    memset(path, 'p', sizeof path - 1);
    memset(name, 'n', sizeof name - 1);
    int size = snprintf(text, sizeof text, "{\"%s\":\"%01100d\"}", path, 7);
    for (unsigned i = 0; i < 2; i++) {
        memset(ids[i], 'a' + (int)i, sizeof ids[i]);
        batch[i] = (lode_point){
            .id = {.kind = LODE_ID_STRING, .string = ids[i], .string_size = sizeof ids[i]},
            .vector = vector,
            .metadata = text,
            .metadata_size = (size_t)size};
    }
    assert_ok(lode_namespace_open(points, name, &space, &error));
    assert_ok(lode_upsert(space, batch, 2, NULL, &error));
    lode_scroll_request request = {.by = path, .limit = 1};
    char after[LODE_CURSOR_SIZE_MAX + 1];
    lode_page *page;
    assert_ok(lode_scroll(space, &request, &page, &error));
    assert_int_equal(page->hits[0].id.string[0], 'a');
    assert_in_range(strlen(page->next), 3585, LODE_CURSOR_SIZE_MAX);
    request.after = strcpy(after, page->next);
    lode_page_free(page);
    assert_ok(lode_scroll(space, &request, &page, &error));
    assert_int_equal(page->hit_count, 1);
    assert_int_equal(page->hits[0].id.string[0], 'b');
    assert_null(page->next);
    lode_page_free(page);
    lode_collection_close(space);
    lode_collection_close(points);
    engine_close(db);
    vfs_memory_free(vfs);
}

static void a_snapshot_is_scrolled(void **state)
{
    (void)state;
    struct mixed mixed;
    struct sorting sorting;
    lode_snapshot *snapshot;
    lode_page *page;
    mixed_begin(&mixed, 5);
    mixed_upsert(&mixed, 200);
    lode_scroll_request request = {.by = "n", .limit = MIXED_IDS};
    sort_points(&mixed, &request, &sorting);
    assert_ok(lode_snapshot_open(mixed.collection, &snapshot, &error));
    mixed_upsert(&mixed, 200);
    mixed_delete(&mixed, 100);
    assert_ok(lode_compact(mixed.collection, NULL, &error));
    request.snapshot = snapshot;
    assert_ok(lode_scroll(mixed.collection, &request, &page, &error));
    assert_int_equal(page->hit_count, sorting.count);
    assert_null(page->next);
    assert_int_equal(page->sequence, lode_snapshot_sequence(snapshot));
    for (size_t i = 0; i < page->hit_count; i++)
        assert_int_equal(mixed_number(&page->hits[i].id), sorting.points[i].number);
    lode_page_free(page);
    lode_snapshot_close(snapshot);
    arena_release(&sorting.arena);
    mixed_end(&mixed);
}

/* --- What is refused ---------------------------------------------------------------------------- */

static void refused(const struct mixed *mixed, const lode_scroll_request *request,
                    lode_status status, const char *message)
{
    lode_page *page = (lode_page *)7;
    assert_status(lode_scroll(mixed->collection, request, &page, &error), status);
    assert_string_equal(error.message, message);
    assert_ptr_equal(page, (lode_page *)7);
}

static void cursor_of(const struct mixed *mixed, const lode_scroll_request *request,
                      char after[LODE_CURSOR_SIZE_MAX + 1])
{
    lode_page *page;
    assert_ok(lode_scroll(mixed->collection, request, &page, &error));
    assert_non_null(page->next);
    strcpy(after, page->next);
    lode_page_free(page);
}

static void wrong_requests_are_refused(void **state)
{
    (void)state;
    static const char none[] = "after: this is not a cursor that lode_scroll has given";
    struct mixed mixed;
    char after[LODE_CURSOR_SIZE_MAX + 1], changed[LODE_CURSOR_SIZE_MAX + 1];
    mixed_begin(&mixed, 2);
    mixed_upsert(&mixed, 100);
    refused(&mixed, &(lode_scroll_request){.by = "yaer"}, LODE_SCHEMA, "there is no field 'yaer'");
    refused(&mixed, &(lode_scroll_request){.by = "place"}, LODE_SCHEMA,
            "field 'place' is geo: it has no order");
    refused(&mixed, &(lode_scroll_request){.by = "cast"}, LODE_SCHEMA,
            "field 'cast' is object: it has no order");
    refused(&mixed, &(lode_scroll_request){.limit = 16385}, LODE_LIMIT,
            "limit is 16385: at most 16384");
    refused(&mixed, &(lode_scroll_request){.filter_size = 1}, LODE_INVALID,
            "filter is NULL, filter_size is 1");
    refused(&mixed, &(lode_scroll_request){.with = 64}, LODE_INVALID,
            "with is 0x40: unknown bits 0x40");
    refused(&mixed, &(lode_scroll_request){.after = ""}, LODE_INVALID, none);
    refused(&mixed, &(lode_scroll_request){.after = "nonsense"}, LODE_INVALID, none);
    cursor_of(&mixed, &(lode_scroll_request){.by = "year", .limit = 3}, after);
    refused(&mixed, &(lode_scroll_request){.after = after}, LODE_INVALID,
            "after: the cursor is of an order by year, ascending; asked is one by id, ascending");
    refused(
        &mixed, &(lode_scroll_request){.after = after, .by = "year", .descending = 1}, LODE_INVALID,
        "after: the cursor is of an order by year, ascending; asked is one by year, descending");
    refused(&mixed, &(lode_scroll_request){.after = after, .by = "n"}, LODE_INVALID,
            "after: the cursor is of an order by year, ascending; asked is one by n, ascending");
    for (size_t i = 0; after[i]; i++) { /* no character may be another one, or missing */
        strcpy(changed, after);
        changed[i] = changed[i] == 'x' ? 'y' : 'x';
        refused(&mixed, &(lode_scroll_request){.after = changed, .by = "year"}, LODE_INVALID, none);
        changed[i] = '\0';
        refused(&mixed, &(lode_scroll_request){.after = changed, .by = "year"}, LODE_INVALID, none);
    }
    cursor_of(&mixed, &(lode_scroll_request){.limit = 3, .descending = 1}, after);
    refused(&mixed, &(lode_scroll_request){.after = after}, LODE_INVALID,
            "after: the cursor is of an order by id, descending; asked is one by id, ascending");
    mixed_end(&mixed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pages_are_what_a_sort_gives),
        cmocka_unit_test(every_field_has_an_order),
        cmocka_unit_test(damaged_columns_cost_no_order),
        cmocka_unit_test(damage_is_met_amid_a_page),
        cmocka_unit_test(growing_segments_are_in_order),
        cmocka_unit_test(what_stays_comes_once),
        cmocka_unit_test(the_longest_cursor_is_given),
        cmocka_unit_test(a_snapshot_is_scrolled),
        cmocka_unit_test(wrong_requests_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
