/* page.h: the first points of an order, behind a place in it: by the value of a field, by id, or by any number.
 *
 * A heap of bounded size whose last point is on top: points are offered in any order, and those that cannot be
 * among the first are seen at one comparison. What points hold is borrowed from segments and columns, which whoever
 * fills a page keeps as long. */
#ifndef QUERY_PAGE_H
#define QUERY_PAGE_H

#include "filter/value.h"
#include "storage/version.h"

/* Strings are ordered by so many of their first bytes: columns have none that are longer, and it bounds what a place
 * takes. */
#define PAGE_TEXT_MAX COLUMN_TEXT_MAX

struct place {
    int has_value; /* points without one come behind all others, whatever the direction */
    struct value value;
    const uint8_t *id; /* as stored */
    size_t id_size;
};

struct page_point {
    struct place place;
    const struct segment_view *view;
    uint32_t row;
    char *own_text; /* of a string that nobody else keeps; NULL */
};

struct page {
    int descending;     /* the greatest values first; points of one value are by id, ascending */
    int ids_descending; /* by id: the greatest first */
    const struct place *after; /* the points behind it; NULL: all */
    struct page_point *points;
    size_t capacity, count;
};

/* Room for so many, of a zeroed page with its order. LODE_NOMEM. Then page_release, whatever it returns. */
NODISCARD lode_status page_init(struct page *page, size_t capacity, lode_error *error);
void page_release(struct page *page);
void page_clear(struct page *page);

/* Whether a point of that value, or, NULL, of none, could enter. */
int page_wants(const struct page *page, const struct value *value);

struct page_offer {
    const struct segment_view *view;
    uint32_t row;
    const struct value *value; /* NULL: none */
    int copy_text;             /* its string is not kept by anybody */
};
/* Take the point in if it is among the first. LODE_NOMEM; LODE_CORRUPT and LODE_IO when its id cannot be read. */
NODISCARD lode_status page_offer(struct page *page, const struct page_offer *offer,
                                 lode_error *error);
/* Into their order. Nothing can be offered afterwards. */
void page_sort(struct page *page);

#endif
