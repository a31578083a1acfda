/* Each allocation is refused in turn, once: reading, binding, normalising, printing, learning and matching say
 * LODE_NOMEM, leak nothing, and succeed when asked again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "support/filter_kit.h"
#include "support/refusing.h"

/* --- Lives of a filter -------------------------------------------------------------------------- */

static const char *const filters[] = {
    "genre = \"dr\\u0061ma\" AND NOT (year < 1990 OR year IN (1996, 1998) OR year = 1997)",
    "AT LEAST 2 OF (`genre` REGEX \"(?i)[a-f]{2,3}|x\", tags HAS ALL (\"a\", \"b\"), title MATCH "
    "\"x\")",
    "cast NESTED (name = \"Ann\" AND age > 1 AND age < 4) OR @id IN (1, \"a\") OR @id = 3",
    "place WITHIN POLYGON ((0 0, 4 0, 4 4), (1 1, 2 1, 2 2)) OR released > \"2000-01-01\"",
    "{\"gen\\u0072e\":{\"prefix\":\"dr\",\"in\":[\"\\u0064rama\"]},\"at_least\":{\"n\":1,\"of\":[{}"
    ",{"
    "\"year\":1}]}}",
    "{\"place\":{\"polygon\":{\"outer\":[[0,0],[4,0],[4,4]],\"holes\":[[[1,1],[2,1],[2,2]]]}},\"@"
    "id\":{\"in\":[{\"string\":\"x\"},1]}}",
};

static const char document[] =
    "{\"genre\":\"dr\\u0061ma\",\"year\":1995,\"tags\":[\"a\",\"\\u0062\"],\"title\":\"x\","
    "\"cast\":"
    "[{\"name\":\"Ann\",\"age\":2}],\"place\":[3,1],\"new\":{\"field\":1.5}}";

/* All that is done with a filter, once. */
static lode_status live(const char *text, struct fields *fields, lode_error *error)
{
    struct arena arena;
    struct buf out;
    struct matcher *matcher = NULL;
    const struct filter *filter = NULL, *bound = NULL, *normal = NULL;
    const lode_id id = lode_id_number(1);
    int matches = 0;
    arena_init(&arena);
    buf_init(&out, 1u << 20);
    lode_status status = *text == '{'
                             ? filter_parse_json(&arena, text, strlen(text), &filter, error)
                             : filter_parse_text(&arena, text, strlen(text), &filter, error);
    if (!status)
        status = fields_learn(fields, document, sizeof document - 1, "1", error);
    if (!status)
        status = filter_bind(filter, fields, NULL, &arena, &bound, error);
    if (!status)
        status = filter_normalise(bound, &arena, &normal, error);
    if (!status)
        status = filter_print_text(normal, &out, error);
    if (!status)
        status = filter_print_json(filter, &out, error);
    if (!status)
        status = matcher_new(normal, &matcher, error);
    if (!status)
        status = matcher_matches(matcher, document, sizeof document - 1, &id, &matches, error);
    if (!status && !matches)
        fail_msg("%s does not match", text);
    matcher_free(matcher);
    buf_release(&out);
    arena_release(&arena);
    return status;
}

/* With one allocation refused. 1: there was none to refuse, and all went well. */
static int live_refused(const char *text, uint64_t at)
{
    lode_error error = {0};
    struct fields *fields = kit_fields();
    size_t count = fields_count(fields);
    lode_status status;
    refusing.asked = 0;
    refusing.refuse_at = at;
    ARMED(status = live(text, fields, &error));
    if (status != LODE_OK && (status != LODE_NOMEM || error.status != LODE_NOMEM))
        fail_msg("%s, allocation %llu: %d, %s", text, (unsigned long long)at, (int)status,
                 error.message);
    assert_true(fields_count(fields) == count || fields_count(fields) == count + 2);
    assert_int_equal(live(text, fields, &error), LODE_OK);
    fields_free(fields);
    return refusing.asked < at;
}

static void each_allocation_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        uint64_t at = 1;
        while (!live_refused(filters[i], at))
            at++;
        assert_true(at > 8); /* there were some */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_allocation_is_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
