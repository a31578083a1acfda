/* test_bad_filters.c: the public functions that take filters, fields, orders and groups with every kind of bad argument:
 * the second table of docs/errors.md, made and checked as the first (test_bad_input.c). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/errors_kit.h"

static const float nan_at_1[ERRORS_DIM] = {1, NAN, 3, 4};

/* --- Filters ------------------------------------------------------------------------------------ */

static void bad_filter(const char *what, const char *text)
{
    errors_note("lode_count", what,
                lode_count(fixture.l2, NULL, lode_filter_text(text), &out.count, &error));
}

static void texts(void)
{
    bad_filter("filter empty", "");
    bad_filter("no comparison", "count");
    bad_filter("no value", "count = ");
    bad_filter("a parenthesis left open", "(count = 1");
    bad_filter("something behind it", "count = 1 2");
    bad_filter("a string left open", "kind = \"a");
    bad_filter("not UTF-8", "kind = \"\xff\"");
    bad_filter("NaN", "share = NaN");
    bad_filter("no such field", "none = 1");
    bad_filter("a value of another type", "count = \"one\"");
    bad_filter("an order of truths", "done > true");
    bad_filter("no moment", "when < \"yesterday\"");
    bad_filter("a regular expression that is none", "kind REGEX \"(\"");
    bad_filter("a circle of a number", "count WITHIN 5 km OF (LAT 1, LON 1)");
}

static void json(void)
{
    bad_filter("JSON left open", "{\"count\": 1");
    bad_filter("JSON with something behind it", "{\"count\": 1} 2");
    bad_filter("JSON: no such field", "{\"none\": 1}");
    bad_filter("JSON: no such operator", "{\"count\": {\"above\": 1}}");
    bad_filter("JSON: a value of another type", "{\"count\": {\"gte\": \"one\"}}");
    bad_filter("JSON: a member twice", "{\"count\": 1, \"count\": 2}");
}

static void sizes(void)
{
    char *deep = errors_repeat('(', 100), *large = errors_repeat(' ', 16777217);
    bad_filter("too deep", deep);
    bad_filter("above the limit", large);
    free(deep);
    free(large);
}

static void counts(void)
{
    lode_filter every = lode_filter_text("TRUE"), no_text = {.size = 1};
    BAD(lode_count, "collection NULL", NULL, NULL, every, &out.count, &error);
    BAD(lode_count, "ret_count NULL", fixture.l2, NULL, every, NULL, &error);
    BAD(lode_count, "filter.text NULL, size 1", fixture.l2, NULL, no_text, &out.count, &error);
    BAD(lode_count, "snapshot of another collection", fixture.l2, fixture.other_snapshot, every,
        &out.count, &error);
    texts();
    json();
    sizes();
}

/* --- Walks and writes --------------------------------------------------------------------------- */

static void walks(void)
{
    lode_filter every = lode_filter_text("TRUE"), wrong = lode_filter_text("none = 1");
    BAD(lode_iterator_open_filtered, "collection NULL", NULL, NULL, every, 0, &out.iterator,
        &error);
    BAD(lode_iterator_open_filtered, "ret_iterator NULL", fixture.l2, NULL, every, 0, NULL, &error);
    BAD(lode_iterator_open_filtered, "unknown bits in with", fixture.l2, NULL, every, 0x40,
        &out.iterator, &error);
    BAD(lode_iterator_open_filtered, "no such field", fixture.l2, NULL, wrong, 0, &out.iterator,
        &error);
    BAD(lode_iterator_open_filtered, "snapshot of another collection", fixture.l2,
        fixture.other_snapshot, every, 0, &out.iterator, &error);
}

/* ret_info is filled after an error too; what is refused before anything begins leaves it as it was. */
static void writes(void)
{
    lode_filter every = lode_filter_text("TRUE"), wrong = lode_filter_text("none = 1"), none = {0};
    lode_write_op patch = {.kind = LODE_WRITE_PATCH,
                           .point = {.metadata = "{\"count\":2}", .metadata_size = 11}};
    lode_write_op delete = {.kind = LODE_WRITE_DELETE}, nothing = {.kind = LODE_WRITE_PATCH};
    lode_write_op bad = {.kind = LODE_WRITE_PATCH,
                         .point = {.metadata = "{\"count\":\"x\"}", .metadata_size = 13}};
    BAD(lode_delete_filtered, "collection NULL", NULL, every, &out.info, &error);
    BAD(lode_delete_filtered, "filter.text NULL", fixture.l2, none, &out.info, &error);
    BAD(lode_delete_filtered, "no such field", fixture.l2, wrong, NULL, &error);
    BAD(lode_patch_filtered, "collection NULL", NULL, every, &patch, &out.info, &error);
    BAD(lode_patch_filtered, "filter.text NULL", fixture.l2, none, &patch, &out.info, &error);
    BAD(lode_patch_filtered, "patch NULL", fixture.l2, every, NULL, &out.info, &error);
    BAD(lode_patch_filtered, "an operation of another kind", fixture.l2, every, &delete, &out.info,
        &error);
    BAD(lode_patch_filtered, "no such field", fixture.l2, wrong, &patch, NULL, &error);
    BAD(lode_patch_filtered, "patch that changes nothing", fixture.l2, every, &nothing, NULL,
        &error);
    BAD(lode_patch_filtered, "patch of a field's type", fixture.l2, every, &bad, NULL, &error);
}

/* --- Facets and explanations -------------------------------------------------------------------- */

static void bad_facets(const char *what, lode_facet_request request)
{
    errors_note("lode_facets_get", what,
                lode_facets_get(fixture.l2, &request, &out.facets, &error));
}

static void facets(void)
{
    lode_facet_request request = {.field = "count"};
    BAD(lode_facets_get, "collection NULL", NULL, &request, &out.facets, &error);
    BAD(lode_facets_get, "request NULL", fixture.l2, NULL, &out.facets, &error);
    BAD(lode_facets_get, "ret_facets NULL", fixture.l2, &request, NULL, &error);
    bad_facets("field NULL", (lode_facet_request){0});
    bad_facets("field empty", (lode_facet_request){.field = ""});
    bad_facets("no such field", (lode_facet_request){.field = "none"});
    bad_facets("field not UTF-8", (lode_facet_request){.field = "a\xff"});
    bad_facets("a path that is none", (lode_facet_request){.field = "a..b"});
    bad_facets("filter.text NULL, size 1",
               (lode_facet_request){.field = "count", .filter = {.size = 1}});
    bad_facets("a filter that is none",
               (lode_facet_request){.field = "count", .filter = lode_filter_text("count")});
    bad_facets("snapshot of another collection",
               (lode_facet_request){.field = "count", .snapshot = fixture.other_snapshot});
}

static void explanations(void)
{
    lode_id id = lode_id_number(99);
    lode_search_request request = {.vector = errors_good}, wrong = {.vector = nan_at_1},
                        two = {.vector = errors_good, .like = &id},
                        filter = {.filter = "none = 1", .filter_size = 8};
    BAD(lode_explain, "collection NULL", NULL, &request, &out.explanation, &error);
    BAD(lode_explain, "request NULL", fixture.l2, NULL, &out.explanation, &error);
    BAD(lode_explain, "ret_explanation NULL", fixture.l2, &request, NULL, &error);
    BAD(lode_explain, "vector and like", fixture.l2, &two, &out.explanation, &error);
    BAD(lode_explain, "NaN", fixture.l2, &wrong, &out.explanation, &error);
    BAD(lode_explain, "no such field", fixture.l2, &filter, &out.explanation, &error);
}

/* --- Pages, samples, groups --------------------------------------------------------------------- */

static void bad_scroll(const char *what, lode_scroll_request request)
{
    errors_note("lode_scroll", what, lode_scroll(fixture.l2, &request, &out.page, &error));
}

static void pages(void)
{
    lode_scroll_request request = {.limit = 1};
    char *large = errors_repeat('a', LODE_CURSOR_SIZE_MAX + 1);
    BAD(lode_scroll, "collection NULL", NULL, &request, &out.page, &error);
    BAD(lode_scroll, "request NULL", fixture.l2, NULL, &out.page, &error);
    BAD(lode_scroll, "ret_page NULL", fixture.l2, &request, NULL, &error);
    bad_scroll("limit above the limit", (lode_scroll_request){.limit = LODE_K_MAX + 1});
    bad_scroll("unknown bits in with", (lode_scroll_request){.with = 0x100});
    bad_scroll("no such field", (lode_scroll_request){.by = "none"});
    bad_scroll("field empty", (lode_scroll_request){.by = ""});
    bad_scroll("field not UTF-8", (lode_scroll_request){.by = "a\xff"});
    bad_scroll("a cursor that is none", (lode_scroll_request){.after = "abc"});
    bad_scroll("a cursor empty", (lode_scroll_request){.after = ""});
    bad_scroll("a cursor above the limit", (lode_scroll_request){.after = large});
    bad_scroll("filter_size without filter", (lode_scroll_request){.filter_size = 1});
    bad_scroll("a filter that is none", (lode_scroll_request){.filter = "count", .filter_size = 5});
    bad_scroll("snapshot of another collection",
               (lode_scroll_request){.snapshot = fixture.other_snapshot});
    free(large);
}

static void bad_sample(const char *what, lode_sample_request request)
{
    errors_note("lode_sample", what, lode_sample(fixture.l2, &request, &out.result, &error));
}

static void samples(void)
{
    lode_sample_request request = {.count = 1};
    BAD(lode_sample, "collection NULL", NULL, &request, &out.result, &error);
    BAD(lode_sample, "request NULL", fixture.l2, NULL, &out.result, &error);
    BAD(lode_sample, "ret_result NULL", fixture.l2, &request, NULL, &error);
    bad_sample("count above the limit", (lode_sample_request){.count = LODE_K_MAX + 1});
    bad_sample("unknown bits in with", (lode_sample_request){.with = 0x100});
    bad_sample("filter_size without filter", (lode_sample_request){.filter_size = 1});
    bad_sample("no such field", (lode_sample_request){.filter = "none = 1", .filter_size = 8});
    bad_sample("snapshot of another collection",
               (lode_sample_request){.snapshot = fixture.other_snapshot});
}

static void bad_groups(const char *what, lode_groups_request request)
{
    errors_note("lode_search_groups", what,
                lode_search_groups(fixture.l2, &request, &out.groups, &error));
}

static void groups(void)
{
    lode_search_request good = {.vector = errors_good};
    lode_groups_request request = {.search = good, .by = "count"};
    BAD(lode_search_groups, "collection NULL", NULL, &request, &out.groups, &error);
    BAD(lode_search_groups, "request NULL", fixture.l2, NULL, &out.groups, &error);
    BAD(lode_search_groups, "ret_groups NULL", fixture.l2, &request, NULL, &error);
    bad_groups("by NULL", (lode_groups_request){.search = good});
    bad_groups("by empty", (lode_groups_request){.search = good, .by = ""});
    bad_groups("by not UTF-8", (lode_groups_request){.search = good, .by = "a\xff"});
    bad_groups("no such field", (lode_groups_request){.search = good, .by = "none"});
    bad_groups("no vector, text or like", (lode_groups_request){.by = "count"});
    bad_groups("NaN", (lode_groups_request){.search = {.vector = nan_at_1}, .by = "count"});
    bad_groups("one_per", (lode_groups_request){
                              .search = {.vector = errors_good, .one_per = "kind"}, .by = "count"});
    bad_groups("too many hits together",
               (lode_groups_request){.search = {.vector = errors_good, .k = LODE_K_MAX},
                                     .by = "count",
                                     .per_group = 2});
    bad_groups("k above the limit",
               (lode_groups_request){.search = {.vector = errors_good, .k = LODE_K_MAX + 1},
                                     .by = "count"});
}

/* --- Searches with filters, and stops ----------------------------------------------------------- */

static void bad_search(const char *what, lode_search_request request)
{
    request.vector = errors_good;
    errors_note("lode_search", what, lode_search(fixture.l2, &request, &out.result, &error));
}

static int always(void *context)
{
    (void)context;
    return 1;
}

static void searches(void)
{
    static const lode_stop past = {.deadline_us = 1}, wanted = {.is_wanted = always};
    lode_search_request two[2] = {{.vector = errors_good, .stop = &past}, {.vector = errors_good}};
    lode_filter every = lode_filter_text("TRUE");
    bad_search("filter_size without filter", (lode_search_request){.filter_size = 1});
    bad_search("a filter that is none", (lode_search_request){.filter = "count", .filter_size = 5});
    bad_search("no such field", (lode_search_request){.filter = "none = 1", .filter_size = 8});
    bad_search("a deadline that has passed", (lode_search_request){.stop = &past});
    bad_search("a stop that is wanted", (lode_search_request){.stop = &wanted});
    BAD(lode_search_batch, "different stops", fixture.l2, two, 2, &out.result, &error);
    BAD(lode_search_batch, "a deadline that has passed", fixture.l2, two, 1, &out.result, &error);
    every.stop = &past;
    BAD(lode_count, "a deadline that has passed", fixture.l2, NULL, every, &out.count, &error);
    BAD(lode_delete_filtered, "a deadline that has passed", fixture.l2, every, NULL, &error);
}

static void each_has_its_error(void **state)
{
    (void)state;
    counts();
    walks();
    writes();
    facets();
    explanations();
    pages();
    samples();
    groups();
    searches();
    errors_compare("test_bad_filters.c");
}

/* What takes NULL and is no error. */
static void nothing_is_freed(void **state)
{
    (void)state;
    lode_facets_free(NULL);
    lode_explanation_free(NULL);
    lode_page_free(NULL);
    lode_groups_free(NULL);
    assert_null(lode_filter_text(NULL).text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_has_its_error, errors_set_up, errors_tear_down),
        cmocka_unit_test(nothing_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
