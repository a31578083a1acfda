/* execute.c: views one after another on the caller's thread, each into its own top-k; then one sort.
 * Segments are few and k is small: sorting all candidates costs less than a merge would. */
#include "query/execute.h"

#include <stdlib.h>
#include <string.h>

#include "query/plan.h"
#include "query/scan.h"
#include "storage/id.h"

/* One search at work. */
struct execution {
    const struct query *query;
    struct neighbor *items; /* room for k + 1: one view's */
    struct query_hit *found;
    size_t found_count;
    struct index_counts counts;
    lode_search_info *info;
};

int query_hit_order(const void *a, const void *b)
{
    const struct query_hit *x = a, *y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    size_t x_size, y_size;
    const uint8_t *x_id = x->view->segment->ops->id(x->view->segment, x->row, &x_size);
    const uint8_t *y_id = y->view->segment->ops->id(y->view->segment, y->row, &y_size);
    if (!x_id || !y_id)
        return (y_id != NULL) - (x_id != NULL); /* a damaged file: fetching the hit says so */
    return id_order(x_id, x_size, y_id, y_size);
}

static uint32_t beam_width(const struct query *query)
{
    return query->ef < query->k ? (uint32_t)query->k : query->ef;
}

static lode_status scan(struct execution *execution, const struct segment_view *view,
                        size_t *ret_count, lode_error *error)
{
    execution->info->segments_scanned++;
    return scan_view(view, execution->query->row, execution->query->k, execution->items, ret_count,
                     &execution->counts, error);
}

/* The walk covers rows [0, covered); rows appended since are scanned into the same top-k. */
static lode_status walk(struct execution *execution, const struct segment_view *view,
                        const struct index *index, uint32_t covered, size_t *ret_count,
                        lode_error *error)
{
    const struct query *query = execution->query;
    struct topk topk;
    topk_init(&topk, execution->items, query->k);
    struct index_query walked = {
        .query = query->row,
        .ef = beam_width(query),
        .row_limit = covered,
        .allowed = view->live ? view->live->words : NULL,
        .topk = &topk,
        .counts = &execution->counts,
    };
    lode_status status = index->ops->search(index, &walked, error);
    if (status)
        return status;
    execution->info->segments_walked++;
    if (covered < view->row_count) {
        walked.row_limit = view->row_count;
        flat_search(&view->segment->rows, covered, &walked);
    }
    topk_sort(&topk);
    *ret_count = topk.count;
    return LODE_OK;
}

static lode_status search_view(struct execution *execution, const struct segment_view *view,
                               size_t *ret_count, lode_error *error)
{
    const struct query *query = execution->query;
    uint32_t covered = 0;
    const struct index *index = view->segment->ops->index(view->segment, &covered);
    struct plan_input input = {
        .row_count = view->row_count,
        .live_count = view->live_count,
        .covered = !index                      ? 0
                   : covered < view->row_count ? covered
                                               : view->row_count,
        .ef = beam_width(query),
        .exact = query->exact,
    };
    enum plan plan = plan_view(&input);
    if (plan == PLAN_SKIP) {
        *ret_count = 0;
        return LODE_OK;
    }
    if (plan == PLAN_SCAN)
        return scan(execution, view, ret_count, error);
    INVARIANT(index);
    lode_status status = walk(execution, view, index, input.covered, ret_count, error);
    size_t wanted = query->k < view->live_count ? query->k : view->live_count;
    /* A graph may not reach every row; a scan does. */
    return status || *ret_count >= wanted ? status : scan(execution, view, ret_count, error);
}

static void keep(struct execution *execution, const struct segment_view *view, size_t count)
{
    for (size_t i = 0; i < count; i++)
        execution->found[execution->found_count++] = (struct query_hit){
            .view = view,
            .row = execution->items[i].row,
            .distance = execution->items[i].distance,
        };
}

static lode_status search_views(struct execution *execution, lode_error *error)
{
    const struct version *version = execution->query->version;
    for (size_t v = 0; v < version->view_count; v++) {
        size_t count = 0;
        lode_status status = search_view(execution, &version->views[v], &count, error);
        if (status)
            return status;
        keep(execution, &version->views[v], count);
    }
    return LODE_OK;
}

/* Hits that all views together can give: at most k each. */
static size_t found_max(const struct query *query)
{
    size_t sum = 0;
    for (size_t v = 0; v < query->version->view_count; v++) {
        size_t live = query->version->views[v].live_count;
        sum += live < query->k ? live : query->k;
    }
    return sum;
}

lode_status query_execute(const struct query *query, struct query_hit *hits, size_t *ret_count,
                          lode_search_info *info, lode_error *error)
{
    size_t room = found_max(query);
    *ret_count = 0;
    if (room == 0)
        return LODE_OK;
    struct execution execution = {.query = query, .info = info};
    execution.items = malloc((query->k + 1) * sizeof *execution.items);
    execution.found = malloc(room * sizeof *execution.found);
    lode_status status = LODE_OK;
    if (!execution.items || !execution.found)
        status = error_nomem(error, "the hits of a search", room * sizeof *execution.found);
    if (!status)
        status = search_views(&execution, error);
    if (!status) {
        qsort(execution.found, execution.found_count, sizeof *execution.found, query_hit_order);
        *ret_count = execution.found_count < query->k ? execution.found_count : query->k;
        memcpy(hits, execution.found, *ret_count * sizeof *hits);
        info->distances += execution.counts.distances;
        info->hops += execution.counts.hops;
    }
    free(execution.items);
    free(execution.found);
    return status;
}
