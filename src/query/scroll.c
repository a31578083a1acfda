/* scroll.c: a page of points in order.
 *
 * By id there is no index: every allowed row is offered, at one comparison with the last of the page.
 *
 * By a field, each view is a lane. Its column has values in order, each with its rows: the lanes are merged value by
 * value, from the cursor's on, until no value to come could enter the page. So a page takes about its own size, the rows
 * in between that the filter does not allow, and all rows of the values that it begins and ends with. Where the filter
 * allows so few rows that they would be far apart among the values, the value of each of them is looked up
 * instead. Rows of which columns do not tell are read; they come from documents alone where there are no columns, or
 * damaged ones. */
#include "query/scroll.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/le.h"
#include "base/random.h"
#include "column/row_walk.h"
#include "query/field_rows.h"

#define DOCUMENT_PLACES 16u /* so many places are walked in the time that a document takes */
#define STEPS                                                                                      \
    1024u /* values and rows between two looks at how much memory is mapped, and at the caller's wish */

struct scroll_lane {
    struct field_rows rows;
    int by_documents;    /* its columns are damaged */
    uint32_t begin, end; /* places to come: from begin up or, descending, from end - 1 down */
    struct value value;  /* of the next of them, if there is one */
};

struct filling {
    const struct scroll *scroll;
    struct page *page;
    struct field_reader reader;
    struct scroll_lane *lanes; /* one for each view */
    struct scroll_lane *asked; /* whose columns are being read; NULL: those of none */
    uint32_t steps;            /* since the last look */
    lode_error *error;
};

/* Rows of one lane, to be offered. */
struct offering {
    struct filling *filling;
    const struct field_rows *rows;
};

/* Call each(), whose context is a struct offering, for the rows of a set; a lane in which nothing is allowed has none. */
static lode_status each_row(struct filling *filling, const struct field_rows *rows,
                            const uint64_t *words, row_walk_fn *each)
{
    struct offering offering = {filling, rows};
    struct row_walk walk = {.words = words,
                            .end = rows->view ? rows->view->row_count : 0,
                            .stop = filling->scroll->stop};
    return row_walk(&walk, each, &offering, filling->error);
}

static lode_status offer(struct filling *filling, const struct field_rows *rows, uint32_t row,
                         const struct value *value, int copy_text)
{
    struct page_offer given = {
        .view = rows->view, .row = row, .value = value, .copy_text = copy_text};
    return page_offer(filling->page, &given, filling->error);
}

static lode_status offer_missing(void *context, uint32_t row, lode_error *error)
{
    const struct offering *offering = context;
    (void)error; /* the filling's */
    return offer(offering->filling, offering->rows, row, NULL, 0);
}

static lode_status offer_document(void *context, uint32_t row, lode_error *error)
{
    const struct offering *offering = context;
    struct filling *filling = offering->filling;
    const struct field_rows *rows = offering->rows;
    const struct segment *segment = rows->view->segment;
    struct field_reader *reader = &filling->reader;
    struct document document;
    struct value value;
    int has = 0;
    lode_status status = segment->ops->document(segment, row, &document, error);
    if (!status)
        status = field_reader_extreme(reader, document.metadata, document.metadata_size,
                                      filling->page->descending, &value, &has, error);
    if (status)
        return status;
    int copy = has && value.kind == VALUE_STRING && value.text == (const char *)reader->kept.data;
    return offer(filling, rows, row, has ? &value : NULL, copy);
}

/* --- Rows looked up ----------------------------------------------------------------------------- */

static lode_status offer_told(void *context, uint32_t row, lode_error *error)
{
    const struct offering *offering = context;
    const struct field_rows *rows = offering->rows;
    uint32_t place = 0;
    struct value value;
    lode_status status = column_place(rows->columns, rows->column, row, &place, error);
    if (status || place == rows->column->value_count)
        return status ? status : offer_missing(context, row, error);
    status = column_value(rows->columns, rows->column, place, &value, error);
    return status ? status : offer(offering->filling, rows, row, &value, 0);
}

/* Whether to look up `count` rows one by one, each for the price of so many places, takes less than to walk as many
 * places as there are between those that fill a page. */
static int are_few(const struct filling *filling, const struct field_rows *rows, uint64_t price)
{
    uint64_t count = rows->told_count, places = rows->column->value_count;
    return count * count * price <= filling->page->capacity * places;
}

/* --- Places walked ------------------------------------------------------------------------------ */

static int has_next(const struct scroll_lane *lane)
{
    return lane->begin < lane->end;
}

static lode_status load_value(struct filling *filling, struct scroll_lane *lane)
{
    uint32_t place = filling->page->descending ? lane->end - 1 : lane->begin;
    return has_next(lane) ? column_value(lane->rows.columns, lane->rows.column, place, &lane->value,
                                         filling->error)
                          : LODE_OK;
}

/* Where a row may have several values it stands at its first; what has one before the cursor has been given. */
static lode_status forget_passed(struct field_rows *rows, struct value_range passed,
                                 lode_error *error)
{
    if (rows->column->ord_width > 0 || passed.begin == passed.end)
        return LODE_OK;
    lode_status status = field_rows_of_places(rows, passed, error);
    for (size_t w = 0; !status && w < rows->word_count; w++)
        rows->told[w] &= ~rows->spare[w];
    return status;
}

/* Begin at the cursor's value. */
static lode_status begin_walk(struct filling *filling, struct scroll_lane *lane)
{
    const struct place *after = filling->page->after;
    struct field_rows *rows = &lane->rows;
    int descending = filling->page->descending;
    uint32_t count = rows->column->value_count, place = descending ? count : 0;
    lode_status status = LODE_OK;
    if (after && !after->has_value)
        return LODE_OK;
    if (after)
        status = column_bound(rows->columns, rows->column, &after->value, descending, &place,
                              filling->error);
    if (status)
        return status;
    struct value_range passed =
        descending ? (struct value_range){place, count} : (struct value_range){0, place};
    lane->begin = descending ? 0 : place;
    lane->end = descending ? place : count;
    status = forget_passed(rows, passed, filling->error);
    return status ? status : load_value(filling, lane);
}

/* A row at the value at hand, if it is one of those that are told and was not at a value before. */
static lode_status offer_at(struct filling *filling, struct scroll_lane *lane, uint32_t row)
{
    struct field_rows *rows = &lane->rows;
    if (row >= rows->view->row_count || !bitset_test(rows->told, row))
        return LODE_OK;
    if (rows->column->ord_width == 0)
        bitset_unset(rows->told, row);
    return offer(filling, rows, row, &lane->value, 0);
}

static lode_status offer_of_value(void *context, uint32_t row, lode_error *error)
{
    const struct offering *offering = context;
    struct scroll_lane *lane = offering->filling->asked;
    (void)error; /* the filling's */
    return offer_at(offering->filling, lane, row);
}

/* The lane is filling->asked. */
static lode_status offer_dense(struct filling *filling, struct scroll_lane *lane, uint32_t place)
{
    struct field_rows *rows = &lane->rows;
    lode_status status =
        field_rows_of_places(rows, (struct value_range){place, place + 1}, filling->error);
    for (size_t w = 0; !status && w < rows->word_count; w++)
        rows->spare[w] &= rows->told[w];
    return status ? status : each_row(filling, rows, rows->spare, offer_of_value);
}

static lode_status take_step(struct filling *filling, struct scroll_lane *lane)
{
    const uint8_t *list = NULL;
    uint32_t count = 0, place = filling->page->descending ? lane->end - 1 : lane->begin;
    lode_status status =
        column_list(lane->rows.columns, lane->rows.column, place, &list, &count, filling->error);
    if (!status && !list)
        status = offer_dense(filling, lane, place);
    for (uint32_t i = 0; !status && list && i < count; i++)
        status = offer_at(filling, lane, le_load_u32(list + (size_t)i * 4));
    if (status)
        return status;
    filling->steps += count + 1;
    if (filling->page->descending)
        lane->end--;
    else
        lane->begin++;
    return load_value(filling, lane);
}

/* The lane whose value is the first in the order; NULL: all have ended. */
static struct scroll_lane *next_lane(const struct filling *filling)
{
    struct scroll_lane *next = NULL;
    for (size_t i = 0; i < filling->scroll->version->view_count; i++) {
        struct scroll_lane *lane = &filling->lanes[i];
        if (!has_next(lane))
            continue;
        int order = next ? value_compare(&lane->value, &next->value) : -1;
        if (!next || (filling->page->descending ? order > 0 : order < 0))
            next = lane;
    }
    return next;
}

static lode_status merge_lanes(struct filling *filling)
{
    lode_status status = LODE_OK;
    struct scroll_lane *lane;
    filling->steps = STEPS;
    while (!status && (lane = next_lane(filling))) {
        if (!page_wants(filling->page, &lane->value))
            break;
        if (filling->steps >= STEPS) {
            filling->steps = 0;
            mapped_look();
            status = stop_look(filling->scroll->stop, filling->error);
        }
        filling->asked = lane;
        if (!status)
            status = take_step(filling, lane);
    }
    return status;
}

/* --- All of it ---------------------------------------------------------------------------------- */

static lode_status open_lane(struct filling *filling, size_t i)
{
    const struct scroll *scroll = filling->scroll;
    struct scroll_lane *lane = &filling->lanes[i];
    struct field_rows *rows = &lane->rows;
    struct field_rows_request request = {.view = &scroll->version->views[i],
                                         .words = scroll->allowed->views[i].words,
                                         .fields = scroll->fields,
                                         .field = scroll->field,
                                         .by_documents = lane->by_documents};
    lane->begin = lane->end = 0;
    if (scroll->allowed->views[i].count == 0)
        return LODE_OK;
    lode_status status = field_rows_init(rows, &request, filling->error);
    if (status || !rows->column)
        return status;
    if (rows->column->ord_width == 0 && are_few(filling, rows, DOCUMENT_PLACES)) {
        field_rows_open_all(rows);
        return LODE_OK;
    }
    if (rows->column->ord_width == 0 || !are_few(filling, rows, 1))
        return begin_walk(filling, lane);
    status = each_row(filling, rows, rows->told, offer_told);
    memset(rows->told, 0, rows->word_count * sizeof *rows->told);
    return status;
}

/* Of the rows that a column tells of those without a value. */
static lode_status offer_rest(struct filling *filling, struct field_rows *rows)
{
    if (!rows->told)
        return LODE_OK;
    struct value_range all = {0, rows->column ? rows->column->value_count : 0};
    lode_status status = field_rows_of_places(rows, all, filling->error);
    for (size_t w = 0; !status && w < rows->word_count; w++)
        rows->spare[w] = rows->told[w] & ~rows->spare[w];
    return status ? status : each_row(filling, rows, rows->spare, offer_missing);
}

static lode_status fill_by_field(struct filling *filling)
{
    lode_status status = LODE_OK;
    size_t count = filling->scroll->version->view_count;
    for (size_t i = 0; !status && i < count; i++) {
        filling->asked = &filling->lanes[i];
        status = open_lane(filling, i);
        if (status)
            break;
        filling->asked = NULL;
        status =
            each_row(filling, &filling->lanes[i].rows, filling->lanes[i].rows.open, offer_document);
    }
    if (!status)
        status = merge_lanes(filling);
    for (size_t i = 0; !status && i < count && page_wants(filling->page, NULL); i++) {
        filling->asked = &filling->lanes[i];
        status = offer_rest(filling, &filling->lanes[i].rows);
    }
    return status;
}

static void close_lanes(struct filling *filling)
{
    for (size_t i = 0; i < filling->scroll->version->view_count; i++)
        field_rows_release(&filling->lanes[i].rows);
}

/* Columns only spare documents: where they are damaged, these answer, and the page is begun anew. (An id that cannot
 * be read fails then too.) */
static lode_status scroll_by_field(struct scroll *scroll, struct page *page, lode_error *error)
{
    struct filling filling = {.scroll = scroll, .page = page, .error = error};
    filling.lanes = calloc(scroll->version->view_count + 1, sizeof *filling.lanes);
    scroll->lanes = filling.lanes;
    if (!filling.lanes)
        return error_nomem(error, "a page of points",
                           scroll->version->view_count * sizeof *filling.lanes);
    lode_status status = field_reader_init(&filling.reader, scroll->field, error);
    for (int again = !status; again;) {
        filling.asked = NULL;
        status = fill_by_field(&filling);
        again = status_is_damage(status) && filling.asked && !filling.asked->by_documents;
        if (!again)
            break;
        filling.asked->by_documents = 1;
        page_clear(page);
        close_lanes(&filling);
    }
    field_reader_release(&filling.reader);
    return status;
}

void scroll_release(struct scroll *scroll)
{
    for (size_t i = 0; scroll->lanes && i < scroll->version->view_count; i++)
        field_rows_release(&scroll->lanes[i].rows);
    free(scroll->lanes);
    scroll->lanes = NULL;
}

/* --- By id, and at random ----------------------------------------------------------------------- */

/* Rows of one view to be offered by id alone or, with a seed, by a hash of both. */
struct row_offering {
    const struct segment_view *view;
    const uint64_t *seed; /* NULL: none */
    struct page *page;
};

/* The hash is what the order is by; any other function of seed and id that looks random would do. */
static lode_status offer_row(void *context, uint32_t row, lode_error *error)
{
    const struct row_offering *offering = context;
    const struct segment_view *view = offering->view;
    struct page_offer offer = {.view = view, .row = row};
    struct value value;
    const uint8_t *id;
    size_t size;
    if (offering->seed) {
        lode_status status = view->segment->ops->id(view->segment, row, &id, &size, error);
        if (status)
            return status;
        value = value_integer((int64_t)random_mix(hash64(id, size, *offering->seed)));
        offer.value = &value;
    }
    return page_offer(offering->page, &offer, error);
}

/* Offer every allowed row. */
static lode_status offer_all(const struct scroll *scroll, const uint64_t *seed, struct page *page,
                             lode_error *error)
{
    const struct version *version = scroll->version;
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < version->view_count; i++) {
        const struct segment_view *view = &version->views[i];
        struct row_offering offering = {view, seed, page};
        const struct allowed *allowed = &scroll->allowed->views[i];
        struct row_walk walk = {.words = allowed->words,
                                .end = allowed->count ? view->row_count : 0,
                                .stop = scroll->stop};
        status = row_walk(&walk, offer_row, &offering, error);
    }
    return status;
}

lode_status scroll_fill(struct scroll *scroll, struct page *page, lode_error *error)
{
    lode_status status =
        scroll->field ? scroll_by_field(scroll, page, error) : offer_all(scroll, NULL, page, error);
    if (!status)
        page_sort(page);
    return status;
}

lode_status sample_fill(const struct scroll *scroll, uint64_t seed, struct page *page,
                        lode_error *error)
{
    lode_status status = offer_all(scroll, &seed, page, error);
    if (!status)
        page_sort(page);
    return status;
}
