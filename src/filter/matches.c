/* matches.c: walks the document anew for each condition. */
#include "filter/matches.h"

#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "base/words.h"
#include "filter/glob.h"
#include "filter/regex.h"

struct matcher {
    const struct filter *filter;
    int asks_ids;
    const lode_id *id; /* of the point at hand */
    struct buf text;   /* an unescaped string */
    void *regex;       /* what the largest regex needs */
    uint64_t *seen;    /* FILTER_ALL: which of its list were found */
    lode_error *error;
};

/* One condition on its way through a document. */
struct visit {
    struct matcher *matcher;
    const struct filter *filter;
    int found;         /* it holds: the walk ends */
    size_t seen_count; /* FILTER_ALL */
};

static lode_status evaluate(struct matcher *matcher, const struct filter *filter,
                            const char *object, size_t size, int *ret_holds);

/* --- Words -------------------------------------------------------------------------------------- */

static int has_word(const char *word, size_t word_size, const char *text, size_t size)
{
    struct words words;
    const char *other;
    size_t other_size;
    words_begin(&words, text, size);
    while ((other = words_next(&words, &other_size)))
        if (other_size == word_size && memcmp(other, word, word_size) == 0)
            return 1;
    return 0;
}

static int has_all_words(const struct filter *filter, const char *text, size_t size)
{
    struct words wanted;
    const char *word;
    size_t word_size;
    words_begin(&wanted, filter->pattern.text, filter->pattern.size);
    while ((word = words_next(&wanted, &word_size)))
        if (!has_word(word, word_size, text, size))
            return 0;
    return 1;
}

/* Whether the words still to come in `text` begin with all of `wanted`. Both are copies. */
static int begins_with(struct words text, struct words wanted)
{
    const char *a, *b;
    size_t a_size, b_size;
    while ((b = words_next(&wanted, &b_size))) {
        a = words_next(&text, &a_size);
        if (!a || a_size != b_size || memcmp(a, b, a_size) != 0)
            return 0;
    }
    return 1;
}

static int has_phrase(const struct filter *filter, const char *text, size_t size)
{
    struct words at, wanted;
    size_t word_size;
    words_begin(&at, text, size);
    words_begin(&wanted, filter->pattern.text, filter->pattern.size);
    do {
        if (begins_with(at, wanted))
            return 1;
    } while (words_next(&at, &word_size));
    return 0;
}

/* --- Values ------------------------------------------------------------------------------------- */

static int within(const struct filter *filter, const struct value *value)
{
    int low = filter->range.has_low ? value_compare(value, &filter->range.low) : 1;
    int high = filter->range.has_high ? value_compare(value, &filter->range.high) : -1;
    return (low > 0 || (low == 0 && !filter->range.low_open)) &&
           (high < 0 || (high == 0 && !filter->range.high_open));
}

/* The place of a value in a sorted list, or its count. */
static size_t place_in(const struct value *values, size_t count, const struct value *value)
{
    size_t begin = 0, end = count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        int order = value_compare(value, &values[middle]);
        if (order == 0)
            return middle;
        if (order < 0)
            end = middle;
        else
            begin = middle + 1;
    }
    return count;
}

static int has_id(const struct filter *filter, const lode_id *id)
{
    size_t begin = 0, end = filter->id.count;
    while (begin < end) {
        size_t middle = begin + (end - begin) / 2;
        int order = lode_id_compare(id, &filter->id.ids[middle]);
        if (order == 0)
            return 1;
        if (order < 0)
            end = middle;
        else
            begin = middle + 1;
    }
    return 0;
}

static void see(struct visit *visit, const struct value *value)
{
    size_t count = visit->filter->list.count;
    size_t place = place_in(visit->filter->list.values, count, value);
    if (place == count || bitset_test(visit->matcher->seen, place))
        return;
    bitset_set(visit->matcher->seen, place);
    visit->seen_count++;
    visit->found = visit->seen_count == count;
}

static int begins_text(const struct filter *filter, const struct value *value)
{
    return value->size >= filter->pattern.size &&
           memcmp(value->text, filter->pattern.text, filter->pattern.size) == 0;
}

/* A value of the field's type. */
static void test_value(struct visit *visit, const struct value *value)
{
    const struct filter *filter = visit->filter;
    switch (filter->kind) {
    case FILTER_IN:
        visit->found =
            place_in(filter->list.values, filter->list.count, value) < filter->list.count;
        break;
    case FILTER_ALL: see(visit, value); break;
    case FILTER_RANGE: visit->found = within(filter, value); break;
    case FILTER_PREFIX: visit->found = begins_text(filter, value); break;
    case FILTER_GLOB:
        visit->found =
            glob_matches(filter->pattern.text, filter->pattern.size, value->text, value->size);
        break;
    case FILTER_REGEX:
        visit->found =
            regex_matches(filter->pattern.regex, value->text, value->size, visit->matcher->regex);
        break;
    case FILTER_MATCH: visit->found = has_all_words(filter, value->text, value->size); break;
    case FILTER_PHRASE: visit->found = has_phrase(filter, value->text, value->size); break;
    default: break;
    }
}

static void test_point(struct visit *visit, const struct geo_point *point)
{
    const struct filter *filter = visit->filter;
    if (filter->kind == FILTER_CIRCLE)
        visit->found = geo_in_circle(&filter->circle, point);
    else if (filter->kind == FILTER_BOX)
        visit->found = geo_in_box(&filter->box, point);
    else if (filter->kind == FILTER_POLYGON)
        visit->found = geo_in_polygon(&filter->polygon, point);
}

static lode_status test_scalar(struct visit *visit, const struct json *json, enum json_token token)
{
    struct value value;
    int fits = 0;
    lode_status status = value_of_json(json, token, visit->filter->type, &visit->matcher->text,
                                       &value, &fits, visit->matcher->error);
    if (!status && fits)
        test_value(visit, &value);
    return status;
}

/* --- Walking ------------------------------------------------------------------------------------ */

static lode_status walk(struct visit *visit, const struct path_part *parts, size_t part_count,
                        const char *text, size_t size);

/* json: behind '{'. */
static lode_status walk_member(struct visit *visit, const struct path_part *parts,
                               size_t part_count, struct json *json)
{
    while (json_next(json) == JSON_KEY) {
        const char *text;
        size_t size;
        int wanted = json_key_is(json, parts[0].text);
        if (json_raw(json, &text, &size) == JSON_ERROR)
            break;
        if (wanted)
            return walk(visit, parts + 1, part_count - 1, text, size);
    }
    return LODE_OK;
}

/* json: behind '['. */
static lode_status walk_elements(struct visit *visit, const struct path_part *parts,
                                 size_t part_count, struct json *json)
{
    lode_status status = LODE_OK;
    while (!status && !visit->found) {
        const char *text;
        size_t size;
        enum json_token token = json_raw(json, &text, &size);
        if (token == JSON_ARRAY_END || token == JSON_ERROR)
            break;
        status = walk(visit, parts, part_count, text, size);
    }
    return status;
}

/* A value at the path's end that is no array to be passed through. json: its first token was read. */
static lode_status test(struct visit *visit, struct json *json, enum json_token token,
                        const char *text, size_t size)
{
    switch (visit->filter->kind) {
    case FILTER_NULL: visit->found = token == JSON_NULL; return LODE_OK;
    case FILTER_NESTED:
        if (token != JSON_OBJECT)
            return LODE_OK;
        return evaluate(visit->matcher, visit->filter->group.items[0], text, size, &visit->found);
    default: return test_scalar(visit, json, token);
    }
}

static lode_status walk(struct visit *visit, const struct path_part *parts, size_t part_count,
                        const char *text, size_t size)
{
    struct json json;
    struct geo_point point;
    json_init(&json, text, size);
    enum json_token token = json_next(&json);
    if (part_count == 0 && visit->filter->kind == FILTER_EXISTS) {
        visit->found = 1;
        return LODE_OK;
    }
    if (part_count == 0 && visit->filter->type == FIELD_GEO && geo_of_json(text, size, &point)) {
        test_point(visit, &point);
        return LODE_OK;
    }
    if (token == JSON_ARRAY)
        return walk_elements(visit, parts, part_count, &json);
    if (part_count == 0)
        return test(visit, &json, token, text, size);
    return token == JSON_OBJECT ? walk_member(visit, parts, part_count, &json) : LODE_OK;
}

/* --- Trees -------------------------------------------------------------------------------------- */

static lode_status evaluate_condition(struct matcher *matcher, const struct filter *filter,
                                      const char *object, size_t size, int *ret_holds)
{
    struct visit visit = {.matcher = matcher, .filter = filter};
    if (filter->kind == FILTER_ALL) {
        visit.found = filter->list.count == 0;
        memset(matcher->seen, 0, bitset_words(filter->list.count) * sizeof *matcher->seen);
    }
    lode_status status = LODE_OK;
    if (!visit.found)
        status = walk(&visit, filter->path->parts, filter->path->part_count, object, size);
    *ret_holds = visit.found;
    return status;
}

/* How many hold decides. */
static lode_status evaluate_group(struct matcher *matcher, const struct filter *filter,
                                  const char *object, size_t size, int *ret_holds)
{
    lode_status status = LODE_OK;
    uint32_t count = 0;
    for (uint32_t i = 0; !status && i < filter->group.count; i++) {
        int holds = 0;
        status = evaluate(matcher, filter->group.items[i], object, size, &holds);
        count += holds != 0;
    }
    switch (filter->kind) {
    case FILTER_AND: *ret_holds = count == filter->group.count; break;
    case FILTER_OR: *ret_holds = count > 0; break;
    case FILTER_NOT: *ret_holds = count == 0; break;
    default: *ret_holds = count >= filter->group.least; break;
    }
    return status;
}

static lode_status evaluate(struct matcher *matcher, const struct filter *filter,
                            const char *object, size_t size, int *ret_holds)
{
    switch (filter->kind) {
    case FILTER_TRUE:
    case FILTER_FALSE: *ret_holds = filter->kind == FILTER_TRUE; return LODE_OK;
    case FILTER_AND:
    case FILTER_OR:
    case FILTER_NOT:
    case FILTER_AT_LEAST: return evaluate_group(matcher, filter, object, size, ret_holds);
    case FILTER_ID: *ret_holds = has_id(filter, matcher->id); return LODE_OK;
    default: return evaluate_condition(matcher, filter, object, size, ret_holds);
    }
}

/* The most that any condition needs; whether one asks for ids. */
static void measure(const struct filter *filter, size_t *regex_size, size_t *list_count,
                    int *asks_ids)
{
    switch (filter->kind) {
    case FILTER_AND:
    case FILTER_OR:
    case FILTER_NOT:
    case FILTER_AT_LEAST:
    case FILTER_NESTED:
        for (uint32_t i = 0; i < filter->group.count; i++)
            measure(filter->group.items[i], regex_size, list_count, asks_ids);
        break;
    case FILTER_ID: *asks_ids = 1; break;
    case FILTER_ALL:
        if (filter->list.count > *list_count)
            *list_count = filter->list.count;
        break;
    case FILTER_REGEX:
        if (regex_scratch_size(filter->pattern.regex) > *regex_size)
            *regex_size = regex_scratch_size(filter->pattern.regex);
        break;
    default: break;
    }
}

lode_status matcher_new(const struct filter *filter, struct matcher **ret_matcher,
                        lode_error *error)
{
    size_t regex_size = 1, list_count = 1;
    int asks_ids = 0;
    measure(filter, &regex_size, &list_count, &asks_ids);
    struct matcher *matcher = calloc(1, sizeof *matcher);
    if (!matcher)
        return error_nomem(error, "a filter", sizeof *matcher);
    matcher->filter = filter;
    matcher->asks_ids = asks_ids;
    buf_init(&matcher->text, LODE_METADATA_SIZE_MAX);
    matcher->regex = malloc(regex_size);
    matcher->seen = malloc(bitset_words(list_count) * sizeof *matcher->seen);
    if (!matcher->regex || !matcher->seen) {
        matcher_free(matcher);
        return error_nomem(error, "a filter", regex_size + list_count / 8);
    }
    *ret_matcher = matcher;
    return LODE_OK;
}

void matcher_free(struct matcher *matcher)
{
    if (!matcher)
        return;
    buf_release(&matcher->text);
    free(matcher->regex);
    free(matcher->seen);
    free(matcher);
}

int matcher_value(struct matcher *matcher, const struct filter *condition,
                  const struct value *value)
{
    struct visit visit = {.matcher = matcher, .filter = condition};
    test_value(&visit, value);
    return visit.found;
}

int matcher_point(const struct filter *condition, const struct geo_point *point)
{
    struct visit visit = {.filter = condition};
    test_point(&visit, point);
    return visit.found;
}

int matcher_asks_ids(const struct matcher *matcher)
{
    return matcher->asks_ids;
}

lode_status matcher_matches(struct matcher *matcher, const char *metadata, size_t size,
                            const lode_id *id, int *ret_matches, lode_error *error)
{
    int holds = 0;
    matcher->id = id;
    matcher->error = error;
    lode_status status =
        evaluate(matcher, matcher->filter, size ? metadata : "{}", size ? size : 2, &holds);
    if (!status)
        *ret_matches = holds;
    return status;
}
