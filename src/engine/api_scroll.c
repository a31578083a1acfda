/* api_scroll.c: the public functions of scroll.h: arguments are checked here. */
#include "engine/api_check.h"
#include "engine/read.h"

static lode_status check_call(const lode_collection *collection, const void *request,
                              const void *ret, const char *ret_name, lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    if (!request)
        return is_null("request", error);
    return ret ? LODE_OK : is_null(ret_name, error);
}

lode_status lode_scroll(lode_collection *collection, const lode_scroll_request *request,
                        lode_page **ret_page, lode_error *error)
{
    lode_status status = check_call(collection, request, ret_page, "ret_page", error);
    if (!status)
        status = check_filter_size(request->filter, request->filter_size, error);
    if (!status)
        status = check_count("limit", request->limit, LODE_K_MAX, error);
    if (!status && request->by)
        status = check_field_path("by", request->by, error);
    if (!status)
        status = read_check_with(request->with, error);
    return status ? status : scroll_get(collection, request, ret_page, error);
}

void lode_page_free(lode_page *page)
{
    scroll_page_free(page);
}

lode_status lode_sample(lode_collection *collection, const lode_sample_request *request,
                        lode_result **ret_result, lode_error *error)
{
    lode_status status = check_call(collection, request, ret_result, "ret_result", error);
    if (!status)
        status = check_filter_size(request->filter, request->filter_size, error);
    if (!status)
        status = check_count("count", request->count, LODE_K_MAX, error);
    if (!status)
        status = read_check_with(request->with, error);
    return status ? status : sample_get(collection, request, ret_result, error);
}

static lode_status check_groups(const lode_groups_request *request, lode_error *error)
{
    size_t k = request->search.k ? request->search.k : 10;
    size_t per_group = request->per_group ? request->per_group : 1;
    lode_status status = read_check_request(&request->search, 0, error);
    if (!status && request->search.one_per)
        status = error_set(error, LODE_INVALID, "search.one_per is for lode_search: say NULL");
    if (!status && !request->by)
        status = is_null("by", error);
    if (!status)
        status = check_field_path("by", request->by, error);
    if (!status && per_group > LODE_K_MAX / k)
        status = error_set(error, LODE_LIMIT, "%zu groups of %zu hits: at most %d hits together", k,
                           per_group, LODE_K_MAX);
    return status;
}

lode_status lode_search_groups(lode_collection *collection, const lode_groups_request *request,
                               lode_groups **ret_groups, lode_error *error)
{
    lode_status status = check_call(collection, request, ret_groups, "ret_groups", error);
    if (!status)
        status = check_groups(request, error);
    return status ? status : groups_get(collection, request, ret_groups, error);
}

void lode_groups_free(lode_groups *groups)
{
    groups_free(groups);
}
