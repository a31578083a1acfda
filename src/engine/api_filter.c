/* api_filter.c: the public functions of filter.h: arguments are checked here. */
#include <string.h>

#include "engine/api_check.h"
#include "engine/read.h"

static lode_status check_filter(const lode_filter *filter, lode_error *error)
{
    if (filter->text || filter->size == 0)
        return LODE_OK;
    return error_set(error, LODE_INVALID, "filter.text is NULL, filter.size is %zu", filter->size);
}

/* Of a write: nobody means everything by saying nothing. */
static lode_status check_write(lode_collection *collection, const lode_filter *filter,
                               lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    lode_status status = filter->text ? LODE_OK : is_null("filter.text", error);
    return status ? status : db_check_writable(collection->shared->db, error);
}

lode_filter lode_filter_text(const char *text)
{
    return (lode_filter){.text = text, .size = text ? strlen(text) : 0};
}

lode_status lode_count(lode_collection *collection, const lode_snapshot *snapshot,
                       lode_filter filter, uint64_t *ret_count, lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    if (!ret_count)
        return is_null("ret_count", error);
    lode_status status = check_filter(&filter, error);
    return status ? status : filtered_count(collection, snapshot, &filter, ret_count, error);
}

lode_status lode_iterator_open_filtered(lode_collection *collection, const lode_snapshot *snapshot,
                                        lode_filter filter, unsigned with,
                                        lode_iterator **ret_iterator, lode_error *error)
{
    lode_status status = check_filter(&filter, error);
    if (status || !filter.text)
        return status ? status
                      : lode_iterator_open(collection, snapshot, with, ret_iterator, error);
    if (!collection)
        return is_null("collection", error);
    if (!ret_iterator)
        return is_null("ret_iterator", error);
    status = read_check_with(with, error);
    return status ? status
                  : iterator_open(collection, snapshot, &filter, with, ret_iterator, error);
}

lode_status lode_delete_filtered(lode_collection *collection, lode_filter filter,
                                 lode_write_info *ret_info, lode_error *error)
{
    lode_status status = check_write(collection, &filter, error);
    lode_write_op op = {.kind = LODE_WRITE_DELETE};
    return status ? status : filtered_write(collection, &filter, &op, ret_info, error);
}

lode_status lode_patch_filtered(lode_collection *collection, lode_filter filter,
                                const lode_write_op *patch, lode_write_info *ret_info,
                                lode_error *error)
{
    lode_status status = check_write(collection, &filter, error);
    if (status)
        return status;
    if (!patch)
        return is_null("patch", error);
    if (patch->kind != LODE_WRITE_PATCH)
        return error_set(error, LODE_INVALID, "patch.kind is %d: it must be LODE_WRITE_PATCH",
                         (int)patch->kind);
    return filtered_write(collection, &filter, patch, ret_info, error);
}

lode_status lode_explain(lode_collection *collection, const lode_search_request *request,
                         lode_explanation **ret_explanation, lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    if (!request)
        return is_null("request", error);
    if (!ret_explanation)
        return is_null("ret_explanation", error);
    lode_status status = read_check_request(request, 1, error);
    return status ? status : explain(collection, request, ret_explanation, error);
}

void lode_explanation_free(lode_explanation *explanation)
{
    explanation_free(explanation);
}

lode_status lode_facets_get(lode_collection *collection, const lode_facet_request *request,
                            lode_facets **ret_facets, lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    if (!request)
        return is_null("request", error);
    if (!request->field)
        return is_null("request.field", error);
    if (!ret_facets)
        return is_null("ret_facets", error);
    lode_status status = check_filter(&request->filter, error);
    if (!status)
        status = check_field_path("field", request->field, error);
    return status ? status : facets_get(collection, request, ret_facets, error);
}

void lode_facets_free(lode_facets *facets)
{
    facets_free(facets);
}
