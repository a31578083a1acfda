/* rows.c: values, their places, and the rows that have them. */
#include "column/columns.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "base/le.h"
#include "column/set.h"
#include "os/spare.h"
#include "os/stop.h"
#include "simd/simd.h"

static lode_status corrupt(const struct column *column, const char *what, lode_error *error)
{
    return error_set(error, LODE_CORRUPT, "columns: field '%.80s': %s", column->field.path, what);
}

/* Make bytes of a blob sound: *ret_at. */
static lode_status touch(const struct columns *columns, const struct column *column,
                         enum column_blob blob, uint64_t offset, uint64_t size,
                         const uint8_t **ret_at, lode_error *error)
{
    if (offset > column->blobs[blob].size || size > column->blobs[blob].size - offset)
        return corrupt(column, "a part is too short", error);
    *ret_at = column->blobs[blob].data + offset;
    return size ? guard_touch(columns->guard, *ret_at, (size_t)size, error) : LODE_OK;
}

static lode_status touch_all(const struct columns *columns, const struct column *column,
                             enum column_blob blob, const uint8_t **ret_at, lode_error *error)
{
    return touch(columns, column, blob, 0, column->blobs[blob].size, ret_at, error);
}

lode_status column_set(const struct columns *columns, const struct column *column,
                       enum column_blob set, uint64_t *words, lode_error *error)
{
    uint32_t count = set == COLUMN_EXISTS  ? column->exists_count
                     : set == COLUMN_NULLS ? column->null_count
                                           : column->unknown_count;
    const uint8_t *at = NULL;
    if (count == columns->row_count)
        words_fill(words, 0, columns->row_count);
    if (count == 0 || count == columns->row_count)
        return LODE_OK;
    lode_status status = touch_all(columns, column, set, &at, error);
    return status ? status
                  : set_read(at, (size_t)column->blobs[set].size, columns->row_count, words, error);
}

/* --- Values ------------------------------------------------------------------------------------- */

static lode_status string_value(const struct columns *columns, const struct column *column,
                                uint32_t place, struct value *ret_value, lode_error *error)
{
    const uint8_t *at = NULL, *text = NULL;
    lode_status status = touch(columns, column, COLUMN_VALUES, (uint64_t)place * 8, 16, &at, error);
    if (status)
        return status;
    uint64_t begin = le_load_u64(at), end = le_load_u64(at + 8);
    if (begin > end)
        return corrupt(column, "values are out of order", error);
    status = touch(columns, column, COLUMN_TEXT, begin, end - begin, &text, error);
    if (status)
        return status;
    *ret_value = value_string((const char *)text, (size_t)(end - begin));
    if (column->field.type != FIELD_UUID)
        return LODE_OK;
    if (end - begin != sizeof ret_value->uuid)
        return corrupt(column, "a UUID is none", error);
    ret_value->kind = VALUE_UUID;
    memcpy(ret_value->uuid, text, sizeof ret_value->uuid);
    return LODE_OK;
}

lode_status column_value(const struct columns *columns, const struct column *column, uint32_t place,
                         struct value *ret_value, lode_error *error)
{
    const uint8_t *at = NULL;
    if (column->kind == COLUMN_BYTES)
        return string_value(columns, column, place, ret_value, error);
    lode_status status = touch(columns, column, COLUMN_VALUES, (uint64_t)place * 8, 8, &at, error);
    if (status)
        return status;
    uint64_t bits = le_load_u64(at);
    if (column->kind == COLUMN_DOUBLES) {
        double number;
        memcpy(&number, &bits, sizeof number);
        if (!isfinite(number))
            return corrupt(column, "a number is none", error);
        *ret_value = value_float(number);
        return LODE_OK;
    }
    *ret_value = value_integer((int64_t)bits);
    if (column->field.type == FIELD_BOOLEAN)
        ret_value->kind = VALUE_BOOLEAN;
    if (column->field.type == FIELD_DATETIME)
        ret_value->kind = VALUE_DATETIME;
    return LODE_OK;
}

/* Numbers of one kind, which are most of what is sought, without a value in between. */
lode_status column_compare(const struct columns *columns, const struct column *column,
                           uint32_t place, const struct value *value, int *ret_order,
                           lode_error *error)
{
    const uint8_t *at = NULL;
    struct value found = {0};
    lode_status status;
    if (column->kind == COLUMN_INTEGERS && value->kind != VALUE_FLOAT) {
        status = touch(columns, column, COLUMN_VALUES, (uint64_t)place * 8, 8, &at, error);
        int64_t number = status ? 0 : (int64_t)le_load_u64(at);
        *ret_order = (number > value->integer) - (number < value->integer);
        return status;
    }
    status = column_value(columns, column, place, &found, error);
    *ret_order = status ? 0 : value_compare(&found, value);
    return status;
}

lode_status column_seek(const struct columns *columns, const struct column *column,
                        const struct value *value, uint32_t from, uint32_t *ret_place,
                        int *ret_found, lode_error *error)
{
    uint32_t begin = from, end = column->value_count;
    int order = 0;
    *ret_found = 0;
    /* In steps that double, each place that was looked at is below the value; then halving. */
    for (uint32_t step = 1; begin < end; step = step < (1u << 30) ? step * 2 : step) {
        uint32_t place = end - begin > step - 1 ? begin + step - 1 : end - 1;
        lode_status status = column_compare(columns, column, place, value, &order, error);
        if (status)
            return status;
        if (order >= 0) {
            end = place;
            *ret_found = order == 0;
            break;
        }
        begin = place + 1;
    }
    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        lode_status status = column_compare(columns, column, middle, value, &order, error);
        if (status)
            return status;
        if (order < 0) {
            begin = middle + 1;
            continue;
        }
        end = middle;
        *ret_found = order == 0;
    }
    *ret_place = begin;
    return LODE_OK;
}

lode_status column_bound(const struct columns *columns, const struct column *column,
                         const struct value *value, int above, uint32_t *ret_place,
                         lode_error *error)
{
    uint32_t begin = 0, end = column->value_count;
    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        int order = 0;
        lode_status status = column_compare(columns, column, middle, value, &order, error);
        if (status)
            return status;
        if (order < 0 || (above && order == 0))
            begin = middle + 1;
        else
            end = middle;
    }
    *ret_place = begin;
    return LODE_OK;
}

lode_status column_prefix(const struct columns *columns, const struct column *column,
                          const char *text, size_t size, struct value_range *ret_places,
                          lode_error *error)
{
    struct value prefix = value_string(text, size), found = {0};
    lode_status status = column_bound(columns, column, &prefix, 0, &ret_places->begin, error);
    uint32_t begin = ret_places->begin, end = column->value_count;
    while (!status && begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        status = column_value(columns, column, middle, &found, error);
        if (status)
            break;
        if (found.size >= size && memcmp(found.text, text, size) == 0)
            begin = middle + 1;
        else
            end = middle;
    }
    ret_places->end = begin;
    return status;
}

/* --- Rows of values ----------------------------------------------------------------------------- */

static lode_status start_of(const struct columns *columns, const struct column *column,
                            uint32_t place, uint32_t *ret_start, lode_error *error)
{
    const uint8_t *at = NULL;
    lode_status status = touch(columns, column, COLUMN_STARTS, (uint64_t)place * 4, 4, &at, error);
    if (!status)
        *ret_start = le_load_u32(at);
    return status;
}

lode_status column_count(const struct columns *columns, const struct column *column, uint32_t begin,
                         uint32_t end, uint32_t *ret_count, lode_error *error)
{
    uint32_t first = 0, last = 0;
    *ret_count = 0;
    if (begin >= end)
        return LODE_OK;
    lode_status status = start_of(columns, column, begin, &first, error);
    if (!status)
        status = start_of(columns, column, end, &last, error);
    if (!status && first > last)
        return corrupt(column, "values are out of order", error);
    *ret_count = last - first;
    return status;
}

struct dense {
    uint32_t place, before;
    uint64_t begin, end;
};

static struct dense dense_at(const uint8_t *table, uint32_t i)
{
    const uint8_t *at = table + (size_t)i * DENSE_SIZE;
    return (struct dense){le_load_u32(at), le_load_u32(at + 4), le_load_u64(at + 8),
                          le_load_u64(at + 16)};
}

/* The first dense value from `place` on. */
static uint32_t first_dense(const struct column *column, const uint8_t *table, uint32_t place)
{
    uint32_t begin = 0, end = column->dense_count;
    while (begin < end) {
        uint32_t middle = begin + (end - begin) / 2;
        if (dense_at(table, middle).place < place)
            begin = middle + 1;
        else
            end = middle;
    }
    return begin;
}

/* Rows [begin, end) of COLUMN_ROWS. */
static lode_status add_sparse(const struct columns *columns, const struct column *column,
                              uint32_t begin, uint32_t end, uint64_t *words, lode_error *error)
{
    const uint8_t *at = NULL;
    if (begin >= end)
        return LODE_OK;
    lode_status status = touch(columns, column, COLUMN_ROWS, (uint64_t)begin * 4,
                               (uint64_t)(end - begin) * 4, &at, error);
    if (status)
        return status;
    for (uint32_t i = 0; i < end - begin; i++) {
        uint32_t row = le_load_u32(at + (size_t)i * 4);
        if (row >= columns->row_count)
            return corrupt(column, "a row is beyond the last", error);
        bitset_set(words, row);
    }
    return LODE_OK;
}

static lode_status add_dense(const struct columns *columns, const struct column *column,
                             const struct dense *dense, uint64_t *words, lode_error *error)
{
    const uint8_t *at = NULL;
    if (dense->begin > dense->end)
        return corrupt(column, "values are out of order", error);
    lode_status status =
        touch(columns, column, COLUMN_DENSE, dense->begin, dense->end - dense->begin, &at, error);
    return status ? status
                  : set_read(at, (size_t)(dense->end - dense->begin), columns->row_count, words,
                             error);
}

/* How many pairs dense values have before the i-th of them. */
static lode_status dense_before(const struct columns *columns, const struct column *column,
                                const uint8_t *table, uint32_t i, uint32_t *ret_count,
                                lode_error *error)
{
    uint32_t own = 0;
    *ret_count = 0;
    if (i < column->dense_count)
        *ret_count = dense_at(table, i).before;
    if (i < column->dense_count || i == 0)
        return LODE_OK;
    struct dense last = dense_at(table, i - 1);
    if (last.place >= column->value_count)
        return corrupt(column, "values are out of order", error);
    lode_status status = column_count(columns, column, last.place, last.place + 1, &own, error);
    *ret_count = last.before + own;
    return status;
}

/* The rows of values [begin, end), none of which is dense; i: the first dense one behind them. */
static lode_status add_between(const struct columns *columns, const struct column *column,
                               const uint8_t *table, uint32_t i, uint32_t begin, uint32_t end,
                               uint64_t *words, lode_error *error)
{
    uint32_t first = 0, last = 0, before = 0;
    if (begin == end)
        return LODE_OK;
    lode_status status = start_of(columns, column, begin, &first, error);
    if (!status)
        status = start_of(columns, column, end, &last, error);
    if (!status)
        status = dense_before(columns, column, table, i, &before, error);
    if (status)
        return status;
    if (first < before || last < first)
        return corrupt(column, "values are out of order", error);
    return add_sparse(columns, column, first - before, last - before, words, error);
}

/* Runs of values that are not dense lie together, the dense ones are sets. */
static lode_status add_postings(const struct columns *columns, const struct column *column,
                                uint32_t begin, uint32_t end, uint64_t *words, lode_error *error)
{
    const uint8_t *table = NULL;
    lode_status status = touch_all(columns, column, COLUMN_DENSE_TABLE, &table, error);
    if (status)
        return status;
    for (uint32_t i = first_dense(column, table, begin); !status && begin < end; i++) {
        struct dense dense = {.place = UINT32_MAX};
        if (i < column->dense_count)
            dense = dense_at(table, i);
        if (dense.place < begin)
            return corrupt(column, "values are out of order", error);
        uint32_t stop = dense.place < end ? dense.place : end;
        status = add_between(columns, column, table, i, begin, stop, words, error);
        if (!status && stop < end)
            status = add_dense(columns, column, &dense, words, error);
        begin = stop + 1;
    }
    return status;
}

lode_status column_rows(const struct columns *columns, const struct column *column,
                        struct value_range range, uint64_t *words, lode_error *error)
{
    if (range.end > column->value_count)
        range.end = column->value_count;
    return range.begin < range.end
               ? add_postings(columns, column, range.begin, range.end, words, error)
               : LODE_OK;
}

lode_status column_list(const struct columns *columns, const struct column *column, uint32_t place,
                        const uint8_t **ret_rows, uint32_t *ret_count, lode_error *error)
{
    const uint8_t *table = NULL;
    uint32_t first = 0, last = 0, before = 0;
    lode_status status = touch_all(columns, column, COLUMN_DENSE_TABLE, &table, error);
    if (status)
        return status;
    uint32_t i = first_dense(column, table, place);
    *ret_rows = NULL;
    *ret_count = 0;
    if (i < column->dense_count && dense_at(table, i).place == place)
        return LODE_OK;
    status = start_of(columns, column, place, &first, error);
    if (!status)
        status = start_of(columns, column, place + 1, &last, error);
    if (!status)
        status = dense_before(columns, column, table, i, &before, error);
    if (status)
        return status;
    if (first < before || last <= first)
        return corrupt(column, "values are out of order", error);
    *ret_count = last - first;
    return touch(columns, column, COLUMN_ROWS, (uint64_t)(first - before) * 4,
                 (uint64_t)*ret_count * 4, ret_rows, error);
}

/* --- Values of rows ----------------------------------------------------------------------------- */

static uint32_t ord_at(const uint8_t *ords, uint8_t width, uint32_t row)
{
    if (width == 1)
        return ords[row];
    if (width == 2)
        return (uint32_t)ords[2 * (size_t)row] | (uint32_t)ords[2 * (size_t)row + 1] << 8;
    return le_load_u32(ords + 4 * (size_t)row);
}

lode_status column_place(const struct columns *columns, const struct column *column, uint32_t row,
                         uint32_t *ret_place, lode_error *error)
{
    const uint8_t *at = NULL;
    uint8_t width = column->ord_width;
    lode_status status =
        touch(columns, column, COLUMN_ORDS, (uint64_t)row * width, width, &at, error);
    if (status)
        return status;
    *ret_place = ord_at(at, width, 0);
    return *ret_place <= column->value_count ? LODE_OK
                                             : corrupt(column, "a place is beyond the last", error);
}

#define LONE_ROWS 1 /* so few rows of a word are looked at one by one */

/* Counting all bits takes longer where the processor's own count is not used. */
static int has_few(uint64_t word)
{
    for (unsigned i = 0; word && i < LONE_ROWS; i++)
        word &= word - 1;
    return word == 0;
}

/* One row after another. */
static uint64_t probe_rows(const struct column *column, const uint8_t *ords, size_t w,
                           uint64_t word, struct value_range range)
{
    for (uint64_t left = word; left; left &= left - 1) {
        uint32_t bit = (uint32_t)__builtin_ctzll(left);
        uint32_t ord = ord_at(ords, column->ord_width, (uint32_t)w * 64 + bit);
        if (ord - range.begin >= range.end - range.begin)
            word &= ~((uint64_t)1 << bit);
    }
    return word;
}

/* Words [w, end), those with more than a few rows together, as far as ords reach for all of their 64. */
static void probe_words(const struct column *column, const uint8_t *ords, struct value_range range,
                        size_t w, size_t end, uint64_t *words)
{
    size_t width = column->ord_width, whole = column->blobs[COLUMN_ORDS].size / (64 * width);
    while (w < end) {
        size_t run = w;
        while (run < end && run < whole && !has_few(words[run]))
            run++;
        if (run > w)
            simd()->in_range(ords + w * 64 * width, width, range.begin, range.end - range.begin - 1,
                             run - w, words + w);
        for (w = run; w < end && (w >= whole || has_few(words[w])); w++)
            words[w] = probe_rows(column, ords, w, words[w], range);
    }
}

/* A zone in which all values are in the range, or none, is not looked into. */
static void probe_zone(const struct column *column, const uint8_t *ords, const uint8_t *zone,
                       struct value_range range, size_t w, size_t end, uint64_t *words)
{
    uint32_t least = le_load_u32(zone), greatest = le_load_u32(zone + 4);
    if (least >= range.begin && greatest < range.end)
        return;
    if (greatest < range.begin || least >= range.end)
        memset(words + w, 0, (end - w) * sizeof *words);
    else
        probe_words(column, ords, range, w, end, words);
}

lode_status column_probe(const struct columns *columns, const struct column *column,
                         struct value_range range, uint64_t *words, lode_error *error)
{
    const uint8_t *ords = NULL, *zones = NULL;
    size_t word_count = bitset_words(columns->row_count), zone_words = ZONE_ROWS / 64;
    lode_status status = touch_all(columns, column, COLUMN_ORDS, &ords, error);
    if (!status)
        status = touch_all(columns, column, COLUMN_ZONES, &zones, error);
    if (status)
        return status;
    if (range.end > column->value_count)
        range.end = column->value_count;
    if (range.begin >= range.end) {
        memset(words, 0, word_count * sizeof *words);
        return LODE_OK;
    }
    for (size_t w = 0; w < word_count; w += zone_words) {
        size_t end = word_count - w < zone_words ? word_count : w + zone_words;
        probe_zone(column, ords, zones + w / zone_words * 8, range, w, end, words);
    }
    return LODE_OK;
}

/* Between two looks at the caller's wish: */
#define WORDS_OF_ORDS  1024u
#define PLACES_OF_SETS 16u

/* Of 64 rows from `row` on, fewer at the end: those whose places are 1 in the table. */
static uint64_t pick_word(const struct column *column, const uint8_t *ords, uint32_t row,
                          uint32_t count, const uint8_t *table)
{
    uint64_t word = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t ord = ord_at(ords, column->ord_width, row + i);
        word |= (uint64_t)table[ord < column->value_count ? ord : column->value_count] << i;
    }
    return word;
}

static lode_status pick_all(const struct columns *columns, const struct column *column,
                            const uint8_t *table, uint64_t *words, const lode_stop *stop,
                            lode_error *error)
{
    const uint8_t *ords = NULL;
    lode_status status = touch_all(columns, column, COLUMN_ORDS, &ords, error);
    for (size_t w = 0; !status && w < bitset_words(columns->row_count); w++) {
        uint32_t row = (uint32_t)w * 64, left = columns->row_count - row;
        if (w % WORDS_OF_ORDS == 0)
            status = stop_look(stop, error);
        if (!status)
            words[w] |= pick_word(column, ords, row, left < 64 ? left : 64, table);
    }
    return status;
}

lode_status column_pick(const struct columns *columns, const struct column *column,
                        const struct value_ranges *ranges, uint64_t *words, const lode_stop *stop,
                        lode_error *error)
{
    size_t size = (size_t)column->value_count + 1; /* the last: of rows without any */
    uint8_t *table = spare_take_zeroed(size);
    if (!table)
        return error_nomem(error, "a set of values", column->value_count);
    for (size_t i = 0; i < ranges->count; i++)
        memset(table + ranges->ranges[i].begin, 1, ranges->ranges[i].end - ranges->ranges[i].begin);
    lode_status status = pick_all(columns, column, table, words, stop, error);
    spare_give(table, size);
    return status;
}

/* Rows have one value at most: one pass over those of `words`. */
static lode_status count_ords(const struct columns *columns, const struct column *column,
                              const uint64_t *words, uint32_t *counts, const lode_stop *stop,
                              lode_error *error)
{
    const uint8_t *ords = NULL;
    lode_status status = touch_all(columns, column, COLUMN_ORDS, &ords, error);
    if (status)
        return status;
    for (size_t w = 0; !status && w < bitset_words(columns->row_count); w++) {
        if (w % WORDS_OF_ORDS == 0)
            status = stop_look(stop, error);
        for (uint64_t left = words[w]; left; left &= left - 1) {
            uint32_t row = (uint32_t)w * 64 + (uint32_t)__builtin_ctzll(left);
            uint32_t ord = ord_at(ords, column->ord_width, row);
            if (ord < column->value_count)
                counts[ord]++;
        }
    }
    return status;
}

lode_status column_counts(const struct columns *columns, const struct column *column,
                          const uint64_t *words, uint32_t *counts, const lode_stop *stop,
                          lode_error *error)
{
    size_t word_count = bitset_words(columns->row_count);
    memset(counts, 0, column->value_count * sizeof *counts);
    if (column->ord_width > 0)
        return count_ords(columns, column, words, counts, stop, error);
    uint64_t *one = spare_take(word_count * sizeof *one + 8);
    lode_status status = one ? LODE_OK : error_nomem(error, "a set of rows", word_count * 8);
    for (uint32_t place = 0; !status && place < column->value_count; place++) {
        if (place % PLACES_OF_SETS == 0)
            status = stop_look(stop, error);
        memset(one, 0, word_count * sizeof *one);
        if (!status)
            status =
                column_rows(columns, column, (struct value_range){place, place + 1}, one, error);
        for (size_t w = 0; !status && w < word_count; w++)
            counts[place] += (uint32_t)__builtin_popcountll(one[w] & words[w]);
    }
    spare_give(one, word_count * sizeof *one + 8);
    return status;
}

lode_status column_points(const struct columns *columns, const struct column *column,
                          const uint8_t **ret_points, const uint8_t **ret_rows, lode_error *error)
{
    lode_status status = touch_all(columns, column, COLUMN_VALUES, ret_points, error);
    return status ? status : touch_all(columns, column, COLUMN_ROWS, ret_rows, error);
}

/* --- Namespaces --------------------------------------------------------------------------------- */

#define NAMESPACE_SIZE (sizeof COLUMN_NAMESPACE - 1)

int column_is_of_namespaces(const struct column *column)
{
    return column->field.path_size == NAMESPACE_SIZE &&
           memcmp(column->field.path, COLUMN_NAMESPACE, NAMESPACE_SIZE) == 0;
}

/* It is only missing where no row has a namespace. */
const struct column *columns_namespaces(const struct columns *columns, int *ret_know)
{
    const struct column *column = columns_find(columns, COLUMN_NAMESPACE, NAMESPACE_SIZE);
    *ret_know = !column || (!column->is_given_up && column->kind == COLUMN_BYTES &&
                            column->field.type == FIELD_KEYWORD && column->unknown_count == 0);
    return *ret_know ? column : NULL;
}

/* column NULL: all of them. */
static lode_status rows_of_none(const struct columns *columns, const struct column *column,
                                uint64_t *words, lode_error *error)
{
    size_t count = bitset_words(columns->row_count);
    uint64_t *exists = spare_take_zeroed((count + 1) * sizeof *exists);
    lode_status status = exists ? LODE_OK : error_nomem(error, "a set of rows", count * 8);
    if (!status && column)
        status = column_set(columns, column, COLUMN_EXISTS, exists, error);
    if (!status)
        words_fill(words, 0, columns->row_count);
    for (size_t w = 0; !status && w < count; w++)
        words[w] &= ~exists[w];
    spare_give(exists, (count + 1) * sizeof *exists);
    return status;
}

lode_status columns_namespace(const struct columns *columns, const char *name, size_t size,
                              uint64_t *words, enum namespace_rows *ret_rows, lode_error *error)
{
    int know;
    const struct column *column = columns_namespaces(columns, &know);
    struct value wanted = value_string(name, size), found = {0};
    uint32_t place = 0;
    *ret_rows = !know ? NAMESPACE_UNKNOWN : size ? NAMESPACE_EMPTY : NAMESPACE_HAS_ROWS;
    if (know && size == 0)
        return rows_of_none(columns, column, words, error);
    if (!column)
        return LODE_OK;
    lode_status status = column_bound(columns, column, &wanted, 0, &place, error);
    if (status || place == column->value_count)
        return status;
    status = column_value(columns, column, place, &found, error);
    if (status || value_compare(&found, &wanted) != 0)
        return status;
    *ret_rows = NAMESPACE_HAS_ROWS;
    return column_rows(columns, column, (struct value_range){place, place + 1}, words, error);
}

/* --- Checking ----------------------------------------------------------------------------------- */

static lode_status check_values(const struct columns *columns, const struct column *column,
                                lode_error *error)
{
    struct value before = {0}, value = {0};
    uint32_t start = 0, next = 0;
    lode_status status = LODE_OK;
    for (uint32_t place = 0; !status && place < column->value_count; place++) {
        status = column_value(columns, column, place, &value, error);
        if (!status && place > 0 && value_compare(&before, &value) >= 0)
            return corrupt(column, "values are out of order", error);
        before = value;
        if (!status)
            status = start_of(columns, column, place + 1, &next, error);
        if (!status && next <= start)
            return corrupt(column, "values are out of order", error);
        start = next;
    }
    return status;
}

static lode_status check_column(const struct columns *columns, const struct column *column,
                                uint64_t *words, lode_error *error)
{
    const uint8_t *at = NULL;
    lode_status status = LODE_OK;
    for (int set = COLUMN_EXISTS; !status && set <= COLUMN_UNKNOWN; set++)
        status = column_set(columns, column, (enum column_blob)set, words, error);
    if (!status && column->kind != COLUMN_POINTS)
        status = check_values(columns, column, error);
    if (!status && column->kind != COLUMN_POINTS)
        status = column_rows(columns, column, (struct value_range){0, column->value_count}, words,
                             error);
    for (int blob = 0; !status && blob < COLUMN_BLOBS; blob++)
        status = touch_all(columns, column, (enum column_blob)blob, &at, error);
    return status;
}

lode_status columns_check(const struct columns *columns, lode_error *error)
{
    size_t size = bitset_words(columns->row_count) * sizeof(uint64_t);
    uint64_t *words = calloc(1, size ? size : 1);
    lode_status status = words ? LODE_OK : error_nomem(error, "a set of rows", size);
    for (uint32_t i = 0; !status && i < columns->count; i++)
        status = check_column(columns, &columns->items[i], words, error);
    free(words);
    return status;
}
