/* explain.c: what a search is going to do, and what its filter comes to. */
#include <stdlib.h>
#include <string.h>

#include "engine/filtering.h"
#include "engine/read.h"
#include "filter/filter_text.h"
#include "query/execute.h"

#define K_DEFAULT  10u
#define EF_DEFAULT 64u

struct explanation {
    lode_explanation head; /* first: both have one address */
    char *filter;
    lode_explain_segment segments[];
};

struct explaining {
    const lode_search_request *request;
    struct version *version;
    struct filtering filtering;
    struct allowed_set *allowed;
};

static lode_plan plan_of(const struct explaining *explaining, const struct segment_view *view)
{
    const lode_search_request *request = explaining->request;
    struct query query = {.version = explaining->version,
                          .allowed = explaining->allowed,
                          .k = request->k ? request->k : K_DEFAULT,
                          .ef = request->ef_search ? request->ef_search : EF_DEFAULT,
                          .exact = request->exact};
    switch (query_plan(&query, view)) {
    case PLAN_SCAN: return LODE_PLAN_SCAN;
    case PLAN_WALK: return LODE_PLAN_WALK;
    case PLAN_SKIP: break;
    }
    return LODE_PLAN_SKIP;
}

static lode_explain_segment explain_view(const struct explaining *explaining, size_t i)
{
    const struct segment_view *view = &explaining->version->views[i];
    lode_explain_segment segment = {.number = view->segment->number,
                                    .plan = plan_of(explaining, view),
                                    .rows = view->row_count,
                                    .live_rows = view->live_count,
                                    .allowed_rows = view->live_count,
                                    .estimated_rows = view->row_count};
    if (explaining->allowed) {
        const struct allowed *allowed = &explaining->allowed->views[i];
        segment.allowed_rows = allowed->count;
        segment.estimated_rows = allowed->estimated;
        segment.column_rows = allowed->covered;
        segment.document_rows = allowed->asked;
    }
    return segment;
}

static lode_status print_filter(const struct explaining *explaining, char **ret_text,
                                lode_error *error)
{
    struct buf text;
    *ret_text = NULL;
    if (!explaining->filtering.filter)
        return LODE_OK;
    buf_init(&text, SIZE_MAX / 2);
    lode_status status = filter_print_text(explaining->filtering.filter, &text, error);
    if (!status)
        status = buf_terminate(&text, error);
    if (status)
        buf_release(&text);
    else
        *ret_text = (char *)text.data;
    return status;
}

static lode_status fill(const struct explaining *explaining, lode_explanation **ret_explanation,
                        lode_error *error)
{
    size_t count = explaining->version->view_count;
    struct explanation *made = calloc(1, sizeof *made + count * sizeof made->segments[0]);
    if (!made)
        return error_nomem(error, "an explanation", count * sizeof made->segments[0]);
    lode_status status = print_filter(explaining, &made->filter, error);
    if (status) {
        free(made);
        return status;
    }
    made->head = (lode_explanation){
        .segments = made->segments, .segment_count = count, .filter = made->filter};
    for (size_t i = 0; i < count; i++) {
        made->segments[i] = explain_view(explaining, i);
        made->head.allowed_rows += made->segments[i].allowed_rows;
    }
    *ret_explanation = &made->head;
    return LODE_OK;
}

lode_status explain(const lode_collection *handle, const lode_search_request *request,
                    lode_explanation **ret_explanation, lode_error *error)
{
    struct explaining explaining = {.request = request};
    lode_status status =
        snapshot_pin(handle->shared, request->snapshot, &explaining.version, error);
    if (status)
        return status;
    status =
        filtering_read(handle, request->filter, request->filter_size, &explaining.filtering, error);
    struct allowed_request asked = {.version = explaining.version,
                                    .allow_damaged = request->allow_damaged};
    if (!status)
        status = filtering_set(handle, &explaining.filtering, &asked, &explaining.allowed, error);
    if (!status)
        status = fill(&explaining, ret_explanation, error);
    allowed_set_free(explaining.allowed);
    filtering_release(&explaining.filtering);
    version_unref(explaining.version);
    return status;
}

void explanation_free(lode_explanation *explanation)
{
    if (!explanation)
        return;
    free(((struct explanation *)explanation)->filter);
    free(explanation);
}
