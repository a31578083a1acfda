/* execute.c: views one after another on the caller's thread, each into its own top-k; then one sort. In each
 * view the searches that walk do so one by one; those that scan then do it together.
 * Segments are few and k is small: sorting all candidates costs less than a merge would. */
#include "query/execute.h"

#include <stdlib.h>
#include <string.h>

#include "os/budget.h"
#include "os/clock.h"
#include "os/mapped.h"
#include "os/stop.h"
#include "query/plan.h"
#include "query/scan.h"
#include "storage/id.h"

#define COMPARED_BETWEEN_LOOKS 4096u /* hits, between two looks at the caller's wish */

/* One search at work. */
struct execution {
    struct query_task *task;
    struct neighbor *items; /* room for k + 1: one view's */
    size_t item_count;
    struct query_hit *found;
    size_t found_count;
    struct index_counts counts;
    uint64_t held; /* of the memory budget */
};

/* Searches of one version at work. */
struct executions {
    struct execution *all;
    struct scan *scans; /* of one view; room for all */
    size_t count;
    size_t scan_count;
};

int query_order_ends(struct query_order *order)
{
    if (++order->compared % COMPARED_BETWEEN_LOOKS == 0 && !order->status)
        order->status = stop_look(order->stop, order->error);
    return order->status != LODE_OK;
}

int query_hit_order(const void *a, const void *b, void *context)
{
    const struct query_hit *x = a, *y = b;
    struct query_order *order = context;
    const uint8_t *x_id, *y_id;
    size_t x_size, y_size;
    if (query_order_ends(order))
        return 0;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    order->status =
        x->view->segment->ops->id(x->view->segment, x->row, &x_id, &x_size, order->error);
    if (!order->status)
        order->status =
            y->view->segment->ops->id(y->view->segment, y->row, &y_id, &y_size, order->error);
    return order->status ? 0 : id_order(x_id, x_size, y_id, y_size);
}

static uint32_t beam_width(const struct query *query)
{
    return query->ef < query->k ? (uint32_t)query->k : query->ef;
}

/* The rows of a view that a filter allows; NULL: there is no filter. */
static const struct allowed *allowed_of(const struct query *query, const struct segment_view *view)
{
    return query->allowed ? &query->allowed->views[view - query->version->views] : NULL;
}

static void scan_later(struct executions *executions, struct execution *execution,
                       const struct segment_view *view)
{
    const struct query *query = &execution->task->query;
    const struct allowed *allowed = allowed_of(query, view);
    execution->task->info->segments_scanned++;
    executions->scans[executions->scan_count++] = (struct scan){
        .row = query->row,
        .allowed = allowed ? allowed->words : NULL,
        .k = query->k,
        .items = execution->items,
        .ret_count = &execution->item_count,
        .counts = &execution->counts,
        .stop = query->stop,
    };
}

/* Of the rows that the graph covers those that may be found. */
static struct index_query graph_query(const struct query *query, const struct segment_view *view,
                                      uint32_t covered)
{
    const struct allowed *allowed = allowed_of(query, view);
    uint32_t count = allowed ? allowed->count : view->live_count;
    return (struct index_query){
        .query = query->row,
        .ef = beam_width(query),
        .row_limit = covered,
        .allowed = allowed      ? allowed->words
                   : view->live ? view->live->words
                                : NULL,
        .allowed_count = covered == view->row_count ? count : 0,
        /* Without a filter plan_view has chosen; a walk that meets too many dead rows ends all the same. */
        .plan = allowed ? INDEX_PLAN_ANY : INDEX_PLAN_SIEVE,
        .stop = query->stop,
    };
}

/* The walk covers rows [0, covered); rows appended since are scanned into the same top-k. */
static lode_status walk(struct execution *execution, const struct segment_view *view,
                        const struct view_plan *plan, struct index_choice *ret_choice,
                        lode_error *error)
{
    const struct query *query = &execution->task->query;
    struct topk topk;
    topk_init(&topk, execution->items, query->k);
    struct index_query walked = graph_query(query, view, plan->covered);
    walked.topk = &topk;
    walked.counts = &execution->counts;
    walked.choice = ret_choice;
    lode_status status = plan->index->ops->search(plan->index, &walked, error);
    if (status)
        return status;
    if (ret_choice->plan == INDEX_PLAN_SCAN)
        execution->task->info->segments_scanned++;
    else
        execution->task->info->segments_walked++;
    if (plan->covered < view->row_count) {
        walked.row_limit = view->row_count;
        status = flat_search(&view->segment->rows, plan->covered, &walked, error);
        if (status)
            return status;
    }
    topk_sort(&topk);
    execution->item_count = topk.count;
    return LODE_OK;
}

/* Walk. A graph only spares a scan: one that is damaged is left alone from now on, and the view is scanned. If it
 * was not the graph that could not be read, the scan says so. */
static lode_status try_walk(struct executions *executions, struct execution *execution,
                            const struct segment_view *view, struct view_plan *plan,
                            lode_error *error)
{
    lode_status status = walk(execution, view, plan, &plan->choice, error);
    const struct query *query = &execution->task->query;
    const struct allowed *allowed = allowed_of(query, view);
    size_t there = allowed ? allowed->count : view->live_count;
    size_t wanted = query->k < there ? query->k : there;
    int is_damage = status == LODE_CORRUPT || status == LODE_IO;
    if (is_damage)
        execution->item_count = 0;
    if (is_damage || (!status && execution->item_count < wanted)) {
        scan_later(executions, execution, view); /* a graph may not reach every row; a scan does */
        plan->plan = PLAN_SCAN;
        plan->choice.reason = INDEX_REASON_SHORT;
        return LODE_OK;
    }
    return status;
}

/* The filter's rows are known: the graph says what finding the nearest of them costs. */
static void plan_filtered(const struct query *query, const struct segment_view *view,
                          struct view_plan *plan)
{
    struct topk topk = {.k = query->k};
    struct index_query walked = graph_query(query, view, plan->covered);
    walked.topk = &topk;
    plan->index->ops->choose(plan->index, &walked, &plan->choice);
    plan->plan = plan->choice.plan == INDEX_PLAN_SCAN ? PLAN_SCAN : PLAN_WALK;
}

void query_plan(const struct query *query, const struct segment_view *view,
                struct view_plan *ret_plan)
{
    uint32_t covered = 0;
    const struct index *index = view->segment->ops->index(view->segment, &covered);
    const struct allowed *allowed = allowed_of(query, view);
    struct plan_input input = {
        .row_count = view->row_count,
        .live_count = allowed ? allowed->count : view->live_count,
        .covered = !index                      ? 0
                   : covered < view->row_count ? covered
                                               : view->row_count,
        .ef = beam_width(query),
        .exact = query->exact,
    };
    *ret_plan = (struct view_plan){.index = index, .covered = input.covered};
    if (allowed && allowed->count > 0 && !query->exact && input.covered > 0)
        plan_filtered(query, view, ret_plan);
    else
        ret_plan->plan = plan_view(&input);
}

/* Walk, or say that the view is to be scanned. */
static lode_status search_view(struct executions *executions, struct execution *execution,
                               const struct segment_view *view, struct view_plan *plan,
                               lode_error *error)
{
    const struct query *query = &execution->task->query;
    query_plan(query, view, plan);
    execution->item_count = 0;
    if (query->allow_damaged && plan->plan != PLAN_SKIP &&
        segment_is_damaged(view->segment, DAMAGE_OF_ROWS, NULL)) {
        execution->task->info->segments_damaged++;
        plan->plan = PLAN_SKIP;
    }
    if (plan->plan == PLAN_SCAN)
        scan_later(executions, execution, view);
    return plan->plan == PLAN_WALK ? try_walk(executions, execution, view, plan, error) : LODE_OK;
}

static void keep(struct execution *execution, const struct segment_view *view)
{
    for (size_t i = 0; i < execution->item_count; i++)
        execution->found[execution->found_count++] = (struct query_hit){
            .view = view,
            .row = execution->items[i].row,
            .distance = execution->items[i].distance,
        };
}

static struct query_step *step_of(const struct execution *execution,
                                  const struct segment_view *view)
{
    const struct query_task *task = execution->task;
    return task->steps ? &task->steps[view - task->query.version->views] : NULL;
}

static lode_status begin_view(struct executions *executions, struct execution *execution,
                              const struct segment_view *view, lode_error *error)
{
    struct view_plan plan;
    struct query_step *step = step_of(execution, view);
    if (step)
        *step = (struct query_step){.us = clock_us(),
                                    .distances = execution->counts.distances,
                                    .hops = execution->counts.hops};
    lode_status status = search_view(executions, execution, view, &plan, error);
    if (step)
        step->plan = plan;
    return status;
}

static void end_view(struct execution *execution, const struct segment_view *view)
{
    struct query_step *step = step_of(execution, view);
    keep(execution, view);
    if (!step)
        return;
    step->us = clock_us() - step->us;
    step->distances = execution->counts.distances - step->distances;
    step->hops = execution->counts.hops - step->hops;
}

static lode_status search_views(struct executions *executions, size_t *ret_failed,
                                lode_error *error)
{
    const struct version *version = executions->all->task->query.version;
    lode_status status = LODE_OK;
    for (size_t v = 0; !status && v < version->view_count; v++) {
        const struct segment_view *view = &version->views[v];
        executions->scan_count = 0;
        for (size_t i = 0; !status && i < executions->count; i++) {
            *ret_failed = i;
            mapped_look();
            status = stop_look(executions->all[i].task->query.stop, error);
            if (!status)
                status = begin_view(executions, &executions->all[i], view, error);
        }
        if (status)
            return status;
        *ret_failed = executions->count;
        if (executions->scan_count > 0)
            status = scan_view(view, executions->scans, executions->scan_count, error);
        for (size_t i = 0; !status && i < executions->count; i++)
            end_view(&executions->all[i], view);
    }
    return status;
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

static lode_status begin(struct execution *execution, struct query_task *task, lode_error *error)
{
    size_t room = found_max(&task->query);
    execution->task = task;
    execution->held =
        (task->query.k + 1) * sizeof *execution->items + room * sizeof *execution->found;
    budget_take(BUDGET_SCRATCH, execution->held); /* reads are not refused */
    execution->items = malloc((task->query.k + 1) * sizeof *execution->items);
    execution->found = malloc((room ? room : 1) * sizeof *execution->found);
    if (!execution->items || !execution->found)
        return error_nomem(error, "the hits of a search", room * sizeof *execution->found);
    return LODE_OK;
}

static lode_status finish(struct execution *execution, lode_error *error)
{
    struct query_task *task = execution->task;
    size_t count = execution->found_count, k = task->query.k;
    struct query_order order = {.stop = task->query.stop, .error = error};
    if (count > 0)
        qsort_r(execution->found, count, sizeof *execution->found, query_hit_order, &order);
    if (order.status)
        return order.status;
    task->hit_count = count < k ? count : k;
    if (task->hit_count > 0)
        memcpy(task->hits, execution->found, task->hit_count * sizeof *task->hits);
    task->info->distances += execution->counts.distances;
    task->info->hops += execution->counts.hops;
    return LODE_OK;
}

static lode_status run(struct executions *executions, struct query_task *tasks, size_t *ret_failed,
                       lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < executions->count; i++)
        status = begin(&executions->all[i], &tasks[i], error);
    if (!status)
        status = search_views(executions, ret_failed, error);
    for (size_t i = 0; !status && i < executions->count; i++) {
        status = finish(&executions->all[i], error);
        if (status)
            *ret_failed = i;
    }
    return status;
}

lode_status query_execute(struct query_task *tasks, size_t task_count, size_t *ret_failed,
                          lode_error *error)
{
    struct executions executions = {.count = task_count};
    lode_status status = LODE_OK;
    *ret_failed = task_count;
    executions.all = calloc(task_count, sizeof *executions.all);
    executions.scans = malloc(task_count * sizeof *executions.scans);
    if (!executions.all || !executions.scans)
        status = error_nomem(error, "searches", task_count * sizeof *executions.all);
    else
        status = run(&executions, tasks, ret_failed, error);
    for (size_t i = 0; executions.all && i < task_count; i++) {
        free(executions.all[i].items);
        free(executions.all[i].found);
        budget_give(BUDGET_SCRATCH, executions.all[i].held);
    }
    free(executions.all);
    free(executions.scans);
    return status;
}
