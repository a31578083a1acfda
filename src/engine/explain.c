/* explain.c: what a search does, or is going to do, and what its filter comes to. */
#include <stdlib.h>
#include <string.h>

#include "engine/filtering.h"
#include "engine/read.h"
#include "engine/searching.h"
#include "filter/syntax.h"
#include "os/stop.h"
#include "query/execute.h"

struct explanation {
    lode_explanation head; /* first: both have one address */
    char *filter;
    lode_explain_segment segments[];
};

struct explaining {
    const lode_search_request *request;
    int sees_all; /* the handle is the collection's own, without filters */
    struct version *version;
    struct text_model *model;
    struct filtering filtering;
    struct allowed_set *allowed;
    struct query_step *steps; /* of each view; NULL: nothing is searched */
    uint64_t filter_us;
};

static int has_query(const lode_search_request *request)
{
    return request->vector || request->text || request->like;
}

/* --- Segments ----------------------------------------------------------------------------------- */

static const lode_plan graph_plans[] = {
    [INDEX_PLAN_SCAN] = LODE_PLAN_SCAN,
    [INDEX_PLAN_CONFINED] = LODE_PLAN_CONFINED,
    [INDEX_PLAN_SIEVE] = LODE_PLAN_WALK,
};

static const lode_plan_reason reasons[] = {
    [INDEX_REASON_FAR] = LODE_PLAN_FAR,
    [INDEX_REASON_COST] = LODE_PLAN_LONG,
    [INDEX_REASON_SHORT] = LODE_PLAN_SHORT,
};

/* Views without a choice of their graph are skipped, scanned or walked. */
static void explain_plan(const struct view_plan *plan, lode_explain_segment *segment)
{
    static const lode_plan plans[] = {
        [PLAN_SKIP] = LODE_PLAN_SKIP, [PLAN_SCAN] = LODE_PLAN_SCAN, [PLAN_WALK] = LODE_PLAN_WALK};
    const struct index_choice *choice = &plan->choice;
    segment->plan = segment->first = plans[plan->plan];
    if (choice->plan == INDEX_PLAN_ANY)
        return;
    segment->first = graph_plans[choice->first];
    if (plan->plan == PLAN_WALK)
        segment->plan = graph_plans[choice->plan];
    segment->reason = reasons[choice->reason];
    for (int i = INDEX_PLAN_SCAN; i < INDEX_PLAN_COUNT; i++)
        segment->expected_us[graph_plans[i]] = choice->costs[i] / 1000;
}

static struct view_plan plan_of(const struct explaining *explaining, size_t i)
{
    const lode_search_request *request = explaining->request;
    struct query query = {.version = explaining->version,
                          .allowed = explaining->allowed,
                          .k = request->k ? request->k : SEARCH_K_DEFAULT,
                          .ef = request->ef_search ? request->ef_search : SEARCH_EF_DEFAULT,
                          .exact = request->exact};
    struct view_plan plan;
    query_plan(&query, &explaining->version->views[i], &plan);
    return plan;
}

static lode_explain_segment explain_view(const struct explaining *explaining, size_t i)
{
    const struct segment_view *view = &explaining->version->views[i];
    lode_explain_segment segment = {.number = view->segment->number,
                                    .rows = view->row_count,
                                    .live_rows = view->live_count,
                                    .allowed_rows = view->live_count,
                                    .estimated_rows = view->row_count};
    struct view_plan plan = explaining->steps ? explaining->steps[i].plan : plan_of(explaining, i);
    explain_plan(&plan, &segment);
    if (explaining->steps) {
        segment.distances = explaining->steps[i].distances;
        segment.hops = explaining->steps[i].hops;
        segment.us = explaining->steps[i].us;
    }
    if (explaining->allowed) {
        const struct allowed *allowed = &explaining->allowed->views[i];
        segment.allowed_rows = allowed->count;
        segment.estimated_rows = allowed->estimated;
        segment.column_rows = allowed->covered;
        segment.document_rows = allowed->asked;
    }
    if (!explaining->sees_all) /* what others have is not told */
        segment.rows = segment.live_rows = segment.estimated_rows = segment.column_rows =
            segment.document_rows = segment.allowed_rows;
    return segment;
}

static lode_status print_filter(const struct explaining *explaining, char **ret_text,
                                lode_error *error)
{
    struct buf text;
    *ret_text = NULL;
    if (!explaining->filtering.own)
        return LODE_OK;
    buf_init(&text, SIZE_MAX / 2);
    lode_status status = filter_print_text(explaining->filtering.own, &text, error);
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
        .segments = made->segments,
        .segment_count = count,
        .filter = made->filter,
        .filter_us = explaining->filter_us,
        .is_searched = explaining->steps != NULL,
    };
    for (size_t i = 0; i < count; i++) {
        made->segments[i] = explain_view(explaining, i);
        made->head.allowed_rows += made->segments[i].allowed_rows;
    }
    *ret_explanation = &made->head;
    return LODE_OK;
}

static lode_status allow(const lode_collection *handle, struct explaining *explaining,
                         lode_error *error)
{
    const lode_search_request *request = explaining->request;
    lode_status status = stop_look(request->stop, error);
    if (!status)
        status = filtering_read(handle, request->filter, request->filter_size,
                                &explaining->filtering, error);
    if (status)
        return status;
    struct allowed_request asked = {.version = explaining->version,
                                    .allow_damaged = request->allow_damaged,
                                    .stop = request->stop,
                                    .is_explained = 1};
    uint64_t begin = clock_us();
    status = filtering_set(handle, &explaining->filtering, &asked, &explaining->allowed, error);
    explaining->filter_us = clock_us() - begin;
    return status;
}

static lode_status search(const lode_collection *handle, struct explaining *explaining,
                          lode_error *error)
{
    size_t count = explaining->version->view_count;
    struct query_step *steps = calloc(count + 1, sizeof *steps);
    if (!steps)
        return error_nomem(error, "an explanation", count * sizeof *steps);
    explaining->steps = steps;
    return search_steps(handle, explaining->request, explaining->version, explaining->model,
                        explaining->allowed, steps, error);
}

/* What allow() and search() have made. */
static void forget(struct explaining *explaining)
{
    allowed_set_free(explaining->allowed);
    filtering_release(&explaining->filtering);
    free(explaining->steps);
    explaining->allowed = NULL;
    explaining->filtering = (struct filtering){.filter = NULL};
    explaining->steps = NULL;
}

/* Damage that is met leaves a segment out, as in a search: then all is begun anew. */
static lode_status allow_and_search(const lode_collection *handle, struct explaining *explaining,
                                    lode_error *error)
{
    const lode_search_request *request = explaining->request;
    size_t known = request->allow_damaged ? search_count_damaged(explaining->version) : 0;
    lode_status status;
    do {
        forget(explaining);
        status = allow(handle, explaining, error);
        if (!status && has_query(request))
            status = search(handle, explaining, error);
    } while (search_may_retry(status, request->allow_damaged, explaining->version, &known));
    return status;
}

lode_status explain(const lode_collection *handle, const lode_search_request *request,
                    lode_explanation **ret_explanation, lode_error *error)
{
    struct explaining explaining = {.request = request, .sees_all = scope_sees_all(handle)};
    lode_status status = snapshot_pin_model(handle->shared, request->snapshot, &explaining.version,
                                            &explaining.model, error);
    if (status)
        return status;
    status = allow_and_search(handle, &explaining, error);
    if (!status)
        status = fill(&explaining, ret_explanation, error);
    forget(&explaining);
    text_model_unref(explaining.model);
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
