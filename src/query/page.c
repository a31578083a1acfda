/* page.c: see page.h. */
#include "query/page.h"

#include <stdlib.h>
#include <string.h>

#include "os/budget.h"
#include "storage/id.h"

/* --- The order ---------------------------------------------------------------------------------- */

static int values_order(const struct page *page, const struct value *a, const struct value *b)
{
    int order = value_compare(a, b);
    return page->descending ? -order : order;
}

/* <0, 0, >0; without ids. a NULL: it has no value. */
static int value_order(const struct page *page, const struct value *a, const struct place *b)
{
    if (!a || !b->has_value)
        return !a - !b->has_value;
    return values_order(page, a, &b->value);
}

static int place_order(const struct page *page, const struct place *a, const struct place *b)
{
    int order = value_order(page, a->has_value ? &a->value : NULL, b);
    if (order)
        return order;
    order = id_order(a->id, a->id_size, b->id, b->id_size);
    return page->ids_descending ? -order : order;
}

/* --- The heap ----------------------------------------------------------------------------------- */

static void swap(struct page_point *a, struct page_point *b)
{
    struct page_point point = *a;
    *a = *b;
    *b = point;
}

static void sift_up(struct page *page, size_t i)
{
    struct page_point *points = page->points;
    for (; i > 0; i = (i - 1) / 2) {
        size_t parent = (i - 1) / 2;
        if (place_order(page, &points[i].place, &points[parent].place) <= 0)
            break;
        swap(&points[i], &points[parent]);
    }
}

static void sift_down(struct page *page, size_t count)
{
    struct page_point *points = page->points;
    for (size_t i = 0;;) {
        size_t last = i, child = 2 * i + 1;
        for (size_t c = child; c < child + 2 && c < count; c++)
            if (place_order(page, &points[c].place, &points[last].place) > 0)
                last = c;
        if (last == i)
            return;
        swap(&points[i], &points[last]);
        i = last;
    }
}

/* --- Life --------------------------------------------------------------------------------------- */

lode_status page_init(struct page *page, size_t capacity, lode_error *error)
{
    page->capacity = capacity;
    page->points = malloc(capacity * sizeof *page->points);
    if (!page->points)
        return error_nomem(error, "a page of points", capacity * sizeof *page->points);
    budget_take(BUDGET_SCRATCH, capacity * sizeof *page->points);
    return LODE_OK;
}

void page_clear(struct page *page)
{
    for (size_t i = 0; i < page->count; i++)
        free(page->points[i].own_text);
    page->count = 0;
}

void page_release(struct page *page)
{
    page_clear(page);
    if (page->points)
        budget_give(BUDGET_SCRATCH, page->capacity * sizeof *page->points);
    free(page->points);
    page->points = NULL;
}

/* --- Points ------------------------------------------------------------------------------------- */

int page_wants(const struct page *page, const struct value *value)
{
    if (page->after && value_order(page, value, page->after) < 0)
        return 0;
    return page->count < page->capacity || value_order(page, value, &page->points[0].place) <= 0;
}

static int enters(const struct page *page, const struct place *place)
{
    if (page->after && place_order(page, place, page->after) <= 0)
        return 0;
    return page->count < page->capacity || place_order(page, place, &page->points[0].place) < 0;
}

static lode_status own_text(struct page_point *point, lode_error *error)
{
    struct value *value = &point->place.value;
    point->own_text = malloc(value->size);
    if (!point->own_text)
        return error_nomem(error, "a page of points", value->size);
    memcpy(point->own_text, value->text, value->size);
    value->text = point->own_text;
    return LODE_OK;
}

static void insert(struct page *page, const struct page_point *point)
{
    if (page->count < page->capacity) {
        page->points[page->count++] = *point;
        sift_up(page, page->count - 1);
        return;
    }
    free(page->points[0].own_text);
    page->points[0] = *point;
    sift_down(page, page->count);
}

/* What the order is by, and nothing else. */
static struct value cut(struct value value)
{
    if (value.kind != VALUE_STRING) {
        value.text = NULL;
        value.size = 0;
    }
    if (value.size > PAGE_TEXT_MAX)
        value.size = PAGE_TEXT_MAX;
    return value;
}

lode_status page_offer(struct page *page, const struct page_offer *offer, lode_error *error)
{
    struct page_point point = {.view = offer->view, .row = offer->row};
    struct place *place = &point.place;
    if (offer->value) {
        place->has_value = 1;
        place->value = cut(*offer->value);
    }
    if (!page_wants(page, place->has_value ? &place->value : NULL))
        return LODE_OK;
    lode_status status = offer->view->segment->ops->id(offer->view->segment, offer->row, &place->id,
                                                       &place->id_size, error);
    if (status || !enters(page, place))
        return status;
    if (offer->copy_text && place->value.size > 0)
        status = own_text(&point, error);
    if (!status)
        insert(page, &point);
    return status;
}

/* Heap sort: the last point goes to the end of what is left. */
void page_sort(struct page *page)
{
    for (size_t count = page->count; count > 1; count--) {
        swap(&page->points[0], &page->points[count - 1]);
        sift_down(page, count - 1);
    }
}
