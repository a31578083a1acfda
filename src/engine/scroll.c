/* scroll.c: pages of points in order, and samples. */
#include <stdlib.h>
#include <string.h>

#include "engine/cursor.h"
#include "engine/filtering.h"
#include "engine/read.h"
#include "os/entropy.h"
#include "os/stop.h"
#include "query/fetch.h"
#include "query/scroll.h"

#define COUNT_DEFAULT 10u

struct scroll_page {
    lode_page head; /* first: both have one address */
    lode_result *result;
    struct buf next;
};

/* --- What both need ----------------------------------------------------------------------------- */

/* What a filter allows or, without one, all that lives. */
static lode_status allow(const lode_collection *handle, const struct allowed_request *asked,
                         const lode_filter *filter, struct allowed_set **ret_set, lode_error *error)
{
    lode_status status = filtering_allow(handle, filter->text, filter->size, asked, ret_set, error);
    return status || *ret_set ? status : allowed_set_all(asked->version, ret_set, error);
}

/* The first `count` points of a sorted page. */
static lode_status fetch(const struct page *page, size_t count, unsigned with,
                         const lode_stop *stop, lode_result **ret_result, lode_error *error)
{
    lode_result *result = NULL;
    lode_status status = result_new(count, &result, error);
    for (size_t i = 0; !status && i < count; i++) {
        if (i % FETCHES_BETWEEN_LOOKS == FETCHES_BETWEEN_LOOKS - 1)
            status = stop_look(stop, error);
        if (!status)
            status = fetch_hit(page->points[i].view, page->points[i].row, with,
                               result_arena(result), &result_hits(result)[i], error);
        if (!status)
            result->hit_count++;
    }
    if (status)
        result_free(result);
    else
        *ret_result = result;
    return status;
}

/* --- In order ----------------------------------------------------------------------------------- */

struct scrolling {
    struct collection *collection;
    const lode_scroll_request *request;
    struct version *version;
    struct field_set *known;
    struct cursor_order order;
    struct cursor after;
    struct allowed_set *allowed;
};

static lode_status find_order(struct scrolling *scrolling, lode_error *error)
{
    const lode_scroll_request *request = scrolling->request;
    const struct field *field = NULL;
    scrolling->order.descending = request->descending != 0;
    if (!request->by)
        return LODE_OK;
    lode_status status = filtering_find_field(scrolling->known->fields, request->by, &field, error);
    if (status)
        return status;
    if (field->type == FIELD_GEO || field->type == FIELD_OBJECT)
        return error_set(error, LODE_SCHEMA, "field '%.80s' is %s: it has no order", field->path,
                         field_type_name(field->type));
    scrolling->order.field = field;
    return LODE_OK;
}

/* There is one point more than is asked for when something follows. */
static lode_status make_page(const struct scrolling *scrolling, const struct page *page,
                             lode_page **ret_page, lode_error *error)
{
    size_t count = page->count < page->capacity ? page->count : page->capacity - 1;
    struct scroll_page *made = calloc(1, sizeof *made);
    if (!made)
        return error_nomem(error, "a page", sizeof *made);
    buf_init(&made->next, LODE_CURSOR_SIZE_MAX + 1);
    const lode_scroll_request *request = scrolling->request;
    lode_status status = fetch(page, count, request->with, request->stop, &made->result, error);
    if (!status && count < page->count)
        status =
            cursor_write(&scrolling->order, &page->points[count - 1].place, &made->next, error);
    if (status) {
        scroll_page_free(&made->head);
        return status;
    }
    made->head = (lode_page){.hits = made->result->hits,
                             .hit_count = count,
                             .next = (const char *)made->next.data,
                             .sequence = scrolling->version->sequence};
    *ret_page = &made->head;
    return LODE_OK;
}

static lode_status fill(const struct scrolling *scrolling, lode_page **ret_page, lode_error *error)
{
    const lode_scroll_request *request = scrolling->request;
    size_t limit = request->limit ? request->limit : COUNT_DEFAULT;
    struct scroll scroll = {.version = scrolling->version,
                            .allowed = scrolling->allowed,
                            .fields = scrolling->known->fields,
                            .field = scrolling->order.field,
                            .stop = request->stop};
    struct page page = {.descending = scrolling->order.descending,
                        .ids_descending = scrolling->order.descending && !request->by,
                        .after = request->after ? &scrolling->after.place : NULL};
    lode_status status = page_init(&page, limit + 1, error);
    if (!status)
        status = scroll_fill(&scroll, &page, error);
    if (!status)
        status = make_page(scrolling, &page, ret_page, error);
    page_release(&page);
    scroll_release(&scroll);
    return status;
}

lode_status scroll_get(const lode_collection *handle, const lode_scroll_request *request,
                       lode_page **ret_page, lode_error *error)
{
    struct scrolling scrolling = {.collection = handle->shared, .request = request};
    lode_filter filter = {.text = request->filter, .size = request->filter_size};
    lode_status status = snapshot_pin(handle->shared, request->snapshot, &scrolling.version, error);
    if (status)
        return status;
    scrolling.known = known_fields_get(&handle->shared->fields);
    INVARIANT(scrolling.known); /* recover_fields has seen to it */
    status = find_order(&scrolling, error);
    if (!status && request->after)
        status = cursor_read(&scrolling.after, request->after, &scrolling.order, error);
    struct allowed_request asked = {.version = scrolling.version, .stop = request->stop};
    if (!status)
        status = allow(handle, &asked, &filter, &scrolling.allowed, error);
    if (!status)
        status = fill(&scrolling, ret_page, error);
    allowed_set_free(scrolling.allowed);
    cursor_release(&scrolling.after);
    field_set_unref(scrolling.known);
    version_unref(scrolling.version);
    return status;
}

void scroll_page_free(lode_page *page)
{
    struct scroll_page *made = (struct scroll_page *)page;
    if (!page)
        return;
    result_free(made->result);
    buf_release(&made->next);
    free(made);
}

/* --- At random ---------------------------------------------------------------------------------- */

lode_status sample_get(const lode_collection *handle, const lode_sample_request *request,
                       lode_result **ret_result, lode_error *error)
{
    struct version *version;
    struct allowed_set *allowed = NULL;
    struct page page = {0};
    lode_filter filter = {.text = request->filter, .size = request->filter_size};
    lode_status status = snapshot_pin(handle->shared, request->snapshot, &version, error);
    if (status)
        return status;
    struct allowed_request asked = {.version = version, .stop = request->stop};
    status = allow(handle, &asked, &filter, &allowed, error);
    struct scroll scroll = {.version = version, .allowed = allowed, .stop = request->stop};
    if (!status)
        status = page_init(&page, request->count ? request->count : COUNT_DEFAULT, error);
    if (!status)
        status = sample_fill(&scroll, request->seed ? request->seed : entropy_u64(), &page, error);
    if (!status)
        status = fetch(&page, page.count, request->with, request->stop, ret_result, error);
    if (!status)
        (*ret_result)->info.sequence = version->sequence;
    page_release(&page);
    allowed_set_free(allowed);
    version_unref(version);
    return status;
}
