/* leaves.c: conditions become ranges of places in the sorted values of a column, whose rows are added up; patterns
 * are asked of each value once; points are tested one by one. */
#include "column/leaves.h"

#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "base/le.h"
#include "column/set.h"
#include "os/stop.h"

#define WIDE_PLACES 16u
#define WIDE_SHARE  16u
#define FEW_ROWS    1000u

/* Of the rows, so many have a value of a list: to read the values of all takes less time. */
#define PICK_PERCENT 70u

/* Between two looks at the caller's wish: */
#define PLACES_OF_PATTERN 128u /* each is matched, a text of a kilobyte at most */
#define VALUES_OF_LIST    256u
#define RUNS              64u  /* of which each may be of a few thousand rows */
#define POINTS            256u /* each is tested, within a polygon perhaps */

/* A condition and the column that it asks. */
struct leaf {
    struct evaluation *evaluation;
    const struct columns *columns;
    const struct filter *filter;
    const struct column *column;
    lode_error *error;
};

lode_status(leaves_nomem)(struct evaluation *evaluation)
{
    return error_nomem(evaluation->error, "sets of rows",
                       evaluation->word_count * 2 * sizeof(uint64_t));
}

static lode_status look(const struct leaf *leaf)
{
    return stop_look(leaf->evaluation->query->stop, leaf->error);
}

static void clear(const struct evaluation *evaluation, uint64_t *words)
{
    memset(words, 0, evaluation->word_count * sizeof *words);
}

/* --- Columns ------------------------------------------------------------------------------------ */

/* What a filter's path is in the whole document. */
static lode_status find_column(struct evaluation *evaluation, const struct filter *filter,
                               const struct column **ret_column)
{
    const struct path *path = filter->path;
    lode_status status = LODE_OK;
    if (evaluation->outer)
        status = path_join(&evaluation->arena, evaluation->outer, path, &path, evaluation->error);
    if (!status)
        *ret_column = columns_find(evaluation->columns, path->text, path->size);
    return status;
}

/* --- Ranges of places --------------------------------------------------------------------------- */

static lode_status places_of_value(const struct leaf *leaf, const struct value *value,
                                   struct value_range *ret_places)
{
    lode_status status =
        column_bound(leaf->columns, leaf->column, value, 0, &ret_places->begin, leaf->error);
    struct value found = {0};
    ret_places->end = ret_places->begin;
    if (status || ret_places->begin == leaf->column->value_count)
        return status;
    status = column_value(leaf->columns, leaf->column, ret_places->begin, &found, leaf->error);
    if (!status && value_compare(&found, value) == 0)
        ret_places->end++;
    return status;
}

static lode_status places_of_range(const struct leaf *leaf, struct value_range *ret_places)
{
    const struct filter *filter = leaf->filter;
    lode_status status = LODE_OK;
    *ret_places = (struct value_range){0, leaf->column->value_count};
    if (filter->range.has_low)
        status = column_bound(leaf->columns, leaf->column, &filter->range.low,
                              filter->range.low_open, &ret_places->begin, leaf->error);
    if (!status && filter->range.has_high)
        status = column_bound(leaf->columns, leaf->column, &filter->range.high,
                              !filter->range.high_open, &ret_places->end, leaf->error);
    if (ret_places->end < ret_places->begin)
        ret_places->end = ret_places->begin;
    return status;
}

/* Conditions that are one range of places: 1. */
static int is_one_range(const struct filter *filter)
{
    return filter->kind == FILTER_RANGE || filter->kind == FILTER_PREFIX ||
           (filter->kind == FILTER_IN && filter->list.count == 1);
}

static lode_status one_range(const struct leaf *leaf, struct value_range *ret_places)
{
    const struct filter *filter = leaf->filter;
    if (filter->kind == FILTER_RANGE)
        return places_of_range(leaf, ret_places);
    if (filter->kind == FILTER_IN)
        return places_of_value(leaf, filter->list.values, ret_places);
    return column_prefix(leaf->columns, leaf->column, filter->pattern.text, filter->pattern.size,
                         ret_places, leaf->error);
}

/* --- Values ------------------------------------------------------------------------------------- */

static lode_status add_places(const struct leaf *leaf, struct value_range places, uint64_t *words)
{
    return column_rows(leaf->columns, leaf->column, places, words, leaf->error);
}

/* Whether an interval of places has so many rows that reading the value of every row takes less time than
 * gathering theirs: lists cost about a nanosecond a row, values a twentieth to a tenth of it. Dense values are cheaper: a few
 * of them stay sets. */
static lode_status is_wide(const struct leaf *leaf, struct value_range places, int *ret_is,
                           lode_error *error)
{
    uint32_t count;
    lode_status status =
        column_count(leaf->columns, leaf->column, places.begin, places.end, &count, error);
    *ret_is = leaf->column->ord_width > 0 && places.end - places.begin > WIDE_PLACES &&
              count > leaf->columns->row_count / WIDE_SHARE;
    return status;
}

/* words: empty. */
static lode_status add_interval(const struct leaf *leaf, struct value_range places, uint64_t *words)
{
    int wide;
    lode_status status = is_wide(leaf, places, &wide, leaf->error);
    if (status || !wide)
        return status ? status : add_places(leaf, places, words);
    words_fill(words, 0, leaf->columns->row_count);
    return column_probe(leaf->columns, leaf->column, places, words, leaf->error);
}

/* --- Lists -------------------------------------------------------------------------------------- */

/* The places of a list's values, as runs of neighbours, and how many pairs of value and row they have. */
struct list_places {
    struct value_range *runs; /* room for one of each value */
    size_t count;
    uint64_t pairs;
};

static void add_place(struct list_places *places, uint32_t place)
{
    if (places->count > 0 && places->runs[places->count - 1].end == place)
        places->runs[places->count - 1].end++;
    else
        places->runs[places->count++] = (struct value_range){place, place + 1};
}

/* Each value is sought from the one before on. (They ascend; if they did not, from the beginning.) */
static lode_status find_places(const struct leaf *leaf, struct list_places *places)
{
    const struct value *values = leaf->filter->list.values;
    lode_status status = LODE_OK;
    uint32_t place = 0;
    for (size_t i = 0; !status && i < leaf->filter->list.count; i++) {
        int found = 0;
        if (i % VALUES_OF_LIST == 0)
            status = look(leaf);
        if (i > 0 && value_compare(&values[i - 1], &values[i]) >= 0)
            place = 0;
        if (!status)
            status = column_seek(leaf->columns, leaf->column, &values[i], place, &place, &found,
                                 leaf->error);
        if (!status && found)
            add_place(places, place++);
    }
    return status;
}

static lode_status count_pairs(const struct leaf *leaf, struct list_places *places)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < places->count; i++) {
        uint32_t count = 0;
        status = column_count(leaf->columns, leaf->column, places->runs[i].begin,
                              places->runs[i].end, &count, leaf->error);
        places->pairs += count;
    }
    return status;
}

/* Where the values are those of many rows, reading the value of every row takes less time than gathering theirs. */
static lode_status add_runs(const struct leaf *leaf, const struct list_places *places,
                            uint64_t *words)
{
    const struct column *column = leaf->column;
    struct value_ranges ranges = {places->runs, places->count};
    lode_status status = LODE_OK;
    if (column->ord_width > 0 && places->count > WIDE_PLACES &&
        places->pairs > (uint64_t)leaf->columns->row_count / 100 * PICK_PERCENT)
        return column_pick(leaf->columns, column, &ranges, words, leaf->evaluation->query->stop,
                           leaf->error);
    for (size_t i = 0; !status && i < places->count; i++) {
        if (i % RUNS == RUNS - 1)
            status = look(leaf);
        if (!status)
            status = add_places(leaf, places->runs[i], words);
    }
    return status;
}

static lode_status add_list(const struct leaf *leaf, uint64_t *words)
{
    size_t size = leaf->filter->list.count * sizeof(struct value_range);
    struct list_places places = {.runs = malloc(size + 1)};
    if (!places.runs)
        return error_nomem(leaf->error, "the places of a list", size);
    lode_status status = find_places(leaf, &places);
    if (!status)
        status = count_pairs(leaf, &places);
    if (!status)
        status = add_runs(leaf, &places, words);
    free(places.runs);
    return status;
}

/* Rows that have every value of the list. one: room for a set. */
static lode_status add_all_of(const struct leaf *leaf, uint64_t *one, uint64_t *words)
{
    const struct evaluation *evaluation = leaf->evaluation;
    lode_status status = LODE_OK;
    words_fill(words, 0, leaf->columns->row_count);
    for (size_t i = 0; !status && i < leaf->filter->list.count; i++) {
        struct value_range places;
        status = look(leaf);
        if (status)
            break;
        clear(evaluation, one);
        status = places_of_value(leaf, &leaf->filter->list.values[i], &places);
        if (!status)
            status = add_places(leaf, places, one);
        for (size_t w = 0; w < evaluation->word_count; w++)
            words[w] &= one[w];
    }
    return status;
}

/* Each value is asked once; neighbours that match are added together. */
static lode_status add_pattern(const struct leaf *leaf, uint64_t *words)
{
    struct matcher *matcher = leaf->evaluation->query->matcher;
    struct value_range run = {0, 0};
    lode_status status = LODE_OK;
    for (uint32_t place = 0; !status && place < leaf->column->value_count; place++) {
        struct value value = {0};
        if (place % PLACES_OF_PATTERN == 0)
            status = look(leaf);
        if (!status)
            status = column_value(leaf->columns, leaf->column, place, &value, leaf->error);
        if (status || !matcher_value(matcher, leaf->filter, &value))
            continue;
        if (run.end != place) {
            status = add_places(leaf, run, words);
            run.begin = place;
        }
        run.end = place + 1;
    }
    return status ? status : add_places(leaf, run, words);
}

static double double_at(const uint8_t *bytes)
{
    uint64_t bits = le_load_u64(bytes);
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static lode_status add_points(const struct leaf *leaf, uint64_t *words)
{
    const uint8_t *points = NULL, *rows = NULL;
    if (leaf->column->kind != COLUMN_POINTS)
        return LODE_OK;
    lode_status status = column_points(leaf->columns, leaf->column, &points, &rows, leaf->error);
    for (uint32_t i = 0; !status && i < leaf->column->pair_count; i++) {
        struct geo_point point = {double_at(points + 16 * (size_t)i),
                                  double_at(points + 16 * (size_t)i + 8)};
        uint32_t row = le_load_u32(rows + 4 * (size_t)i);
        if (i % POINTS == 0)
            status = look(leaf);
        if (row >= leaf->columns->row_count)
            return error_set(leaf->error, LODE_CORRUPT, "columns: a row is beyond the last");
        if (geo_point_check(&point, NULL))
            return error_set(leaf->error, LODE_CORRUPT, "columns: a point is none");
        if (!status && !bitset_test(words, row) && matcher_point(leaf->filter, &point))
            bitset_set(words, row);
    }
    return status;
}

/* Rows some value of which, among those in the column, satisfies the condition. spare: room for a set. */
static lode_status add_matching(const struct leaf *leaf, uint64_t *spare, uint64_t *words)
{
    struct value_range places;
    lode_status status;
    switch (leaf->filter->kind) {
    case FILTER_IN: return add_list(leaf, words);
    case FILTER_ALL: return add_all_of(leaf, spare, words);
    case FILTER_RANGE:
    case FILTER_PREFIX:
        status = one_range(leaf, &places);
        return status ? status : add_interval(leaf, places, words);
    case FILTER_GLOB:
    case FILTER_REGEX:
    case FILTER_MATCH:
    case FILTER_PHRASE: return add_pattern(leaf, words);
    default: return add_points(leaf, words);
    }
}

/* --- Leaves ------------------------------------------------------------------------------------- */

/* Nobody knows: of the rows in `may`, whichever. */
static void leave_open(const struct evaluation *evaluation, struct bounds *bounds)
{
    clear(evaluation, bounds->must);
    clear(evaluation, bounds->may);
    words_fill(bounds->may, 0, evaluation->columns->row_count);
}

static void copy_may(const struct evaluation *evaluation, struct bounds *bounds)
{
    memcpy(bounds->may, bounds->must, evaluation->word_count * sizeof *bounds->may);
}

/* A field that has no column is in no document, unless there were too many. */
static void without_column(const struct evaluation *evaluation, struct bounds *bounds)
{
    leave_open(evaluation, bounds);
    if (!evaluation->columns->incomplete)
        clear(evaluation, bounds->may);
}

static lode_status from_set(const struct leaf *leaf, enum column_blob set, struct bounds *bounds)
{
    const struct evaluation *evaluation = leaf->evaluation;
    if (leaf->column->is_given_up) {
        leave_open(evaluation, bounds);
        return LODE_OK;
    }
    clear(evaluation, bounds->must);
    lode_status status = column_set(leaf->columns, leaf->column, set, bounds->must, leaf->error);
    copy_may(evaluation, bounds);
    return status;
}

static lode_status from_values(const struct leaf *leaf, struct bounds *bounds)
{
    const struct evaluation *evaluation = leaf->evaluation;
    if (!column_answers(leaf->column, leaf->filter->type)) {
        leave_open(evaluation, bounds);
        return LODE_OK;
    }
    clear(evaluation, bounds->must);
    lode_status status = add_matching(leaf, bounds->may, bounds->must);
    copy_may(evaluation, bounds);
    if (!status)
        status = column_set(leaf->columns, leaf->column, COLUMN_UNKNOWN, bounds->may, leaf->error);
    return status;
}

static lode_status from_ids(struct evaluation *evaluation, const struct filter *filter,
                            struct bounds *bounds)
{
    clear(evaluation, bounds->must);
    lode_status status = evaluation->query->rows_of_ids(evaluation->query->context, filter,
                                                        bounds->must, evaluation->error);
    copy_may(evaluation, bounds);
    return status;
}

lode_status leaves_evaluate(struct evaluation *evaluation, const struct filter *filter,
                            struct bounds *bounds)
{
    struct leaf leaf = {.evaluation = evaluation,
                        .columns = evaluation->columns,
                        .filter = filter,
                        .error = evaluation->error};
    if (filter->kind == FILTER_ID)
        return from_ids(evaluation, filter, bounds);
    lode_status status = find_column(evaluation, filter, &leaf.column);
    if (status)
        return status;
    if (filter->kind == FILTER_ALL && filter->list.count == 0) {
        leave_open(evaluation, bounds); /* all rows: also those without the field */
        words_fill(bounds->must, 0, evaluation->columns->row_count);
        return LODE_OK;
    }
    if (!leaf.column) {
        without_column(evaluation, bounds);
        return LODE_OK;
    }
    if (filter->kind == FILTER_EXISTS)
        return from_set(&leaf, COLUMN_EXISTS, bounds);
    return filter->kind == FILTER_NULL ? from_set(&leaf, COLUMN_NULLS, bounds)
                                       : from_values(&leaf, bounds);
}

lode_status leaves_exists(struct evaluation *evaluation, const struct filter *filter,
                          struct bounds *bounds)
{
    struct leaf leaf = {.evaluation = evaluation,
                        .columns = evaluation->columns,
                        .filter = filter,
                        .error = evaluation->error};
    lode_status status = find_column(evaluation, filter, &leaf.column);
    if (!status && !leaf.column)
        without_column(evaluation, bounds);
    return status || !leaf.column ? status : from_set(&leaf, COLUMN_EXISTS, bounds);
}

/* --- Conjunctions ------------------------------------------------------------------------------- */

/* A condition on a column that is one range of places; *ret_is 0: it is none. */
static lode_status as_range(struct evaluation *evaluation, const struct filter *filter,
                            struct leaf *ret_leaf, struct value_range *ret_places, int *ret_is)
{
    *ret_is = 0;
    *ret_leaf = (struct leaf){.evaluation = evaluation,
                              .columns = evaluation->columns,
                              .filter = filter,
                              .error = evaluation->error};
    if (!is_one_range(filter))
        return LODE_OK;
    lode_status status = find_column(evaluation, filter, &ret_leaf->column);
    if (status || !ret_leaf->column || !column_answers(ret_leaf->column, filter->type))
        return status;
    *ret_is = 1;
    return one_range(ret_leaf, ret_places);
}

lode_status leaves_estimate(struct evaluation *evaluation, const struct filter *filter,
                            uint64_t *ret_rows)
{
    struct leaf leaf;
    struct value_range places;
    int is_range;
    uint32_t count = 0;
    uint64_t rows = evaluation->columns->row_count;
    lode_status status = as_range(evaluation, filter, &leaf, &places, &is_range);
    *ret_rows = 2 * rows;
    if (status)
        return status;
    if (is_range)
        status = column_count(leaf.columns, leaf.column, places.begin, places.end, &count,
                              evaluation->error);
    if (is_range)
        *ret_rows = (uint64_t)count + leaf.column->unknown_count;
    else if (filter->kind == FILTER_ID)
        *ret_rows = filter->id.count;
    else if (filter->kind == FILTER_IN || filter->kind == FILTER_ALL ||
             filter->kind == FILTER_EXISTS || filter->kind == FILTER_NULL)
        *ret_rows = rows;
    return status;
}

lode_status leaves_probe(struct evaluation *evaluation, const struct filter *filter,
                         struct bounds *bounds, uint64_t left, int *ret_done)
{
    struct leaf leaf;
    struct value_range places;
    int is_range;
    *ret_done = 0;
    lode_status status = as_range(evaluation, filter, &leaf, &places, &is_range);
    if (status || !is_range || leaf.column->ord_width == 0 || leaf.column->unknown_count > 0)
        return status;
    if (left > FEW_ROWS && places.end - places.begin <= WIDE_PLACES)
        return status; /* a few sets */
    *ret_done = 1;
    status = column_probe(leaf.columns, leaf.column, places, bounds->may, evaluation->error);
    for (size_t w = 0; w < evaluation->word_count; w++)
        bounds->must[w] &= bounds->may[w];
    return status;
}
