/* scan.c: the flat scan decides ties by row, results are ordered by id. So k + 1 rows are asked for: only
 * when the last one is as far as the k-th can a row with a smaller id have been left out, and only
 * then are all rows at that distance collected and the smallest ids chosen. Duplicate vectors are the
 * usual reason. */
#include "query/scan.h"

#include <stdlib.h>

#include "os/budget.h"
#include "os/mapped.h"
#include "os/stop.h"
#include "storage/id.h"

#define BLOCK_ROWS  256u
#define PIECE_BYTES ((size_t)1 << 20)

static uint32_t rows_of_piece(const struct rows *rows)
{
    return (uint32_t)(PIECE_BYTES / rows->stride) + 1;
}

/* Rows at exactly one distance. */
struct ties {
    const struct segment_view *view;
    const uint64_t *allowed; /* NULL: whatever lives */
    float distance;
    const lode_stop *stop;
    uint32_t *rows;
    size_t count;
    size_t capacity;
};

static lode_status ties_add(struct ties *ties, uint32_t row, lode_error *error)
{
    if (ties->count == ties->capacity) {
        size_t capacity = ties->capacity ? ties->capacity * 2 : 64;
        uint32_t *rows = realloc(ties->rows, capacity * sizeof *rows);
        if (!rows)
            return error_nomem(error, "rows at one distance", capacity * sizeof *rows);
        ties->rows = rows;
        ties->capacity = capacity;
    }
    ties->rows[ties->count++] = row;
    return LODE_OK;
}

static int is_allowed(const struct ties *ties, uint32_t row)
{
    return ties->allowed ? bitset_test(ties->allowed, row) : view_alive(ties->view, row);
}

static lode_status ties_collect(struct ties *ties, const void *query, lode_error *error)
{
    const struct segment_view *view = ties->view;
    const struct rows *rows = &view->segment->rows;
    float distances[BLOCK_ROWS];
    uint32_t step = rows_of_piece(rows) / BLOCK_ROWS * BLOCK_ROWS + BLOCK_ROWS;
    for (uint32_t first = 0; first < view->row_count; first += BLOCK_ROWS) {
        uint32_t left = view->row_count - first;
        uint32_t count = left < BLOCK_ROWS ? left : BLOCK_ROWS;
        lode_status status = first % step == 0 ? stop_look(ties->stop, error) : LODE_OK;
        if (!status)
            status = rows_touch(rows, first, count, error);
        if (status)
            return status;
        rows->space->scan(rows->space, query, rows_at(rows, first), rows->stride, count, distances);
        for (uint32_t i = 0; i < count; i++) {
            if (distances[i] != ties->distance || !is_allowed(ties, first + i))
                continue;
            status = ties_add(ties, first + i, error);
            if (status)
                return status;
        }
    }
    return LODE_OK;
}

/* Rows of one view by their ids; their distances are alike. context: struct row_order. */
struct row_order {
    const struct segment *segment;
    struct query_order order;
};

static int id_order_of_rows(const void *a, const void *b, void *context)
{
    struct row_order *rows = context;
    struct query_order *order = &rows->order;
    const struct segment *segment = rows->segment;
    const uint8_t *a_id, *b_id;
    size_t a_size, b_size;
    if (query_order_ends(order))
        return 0;
    order->status = segment->ops->id(segment, *(const uint32_t *)a, &a_id, &a_size, order->error);
    if (!order->status)
        order->status =
            segment->ops->id(segment, *(const uint32_t *)b, &b_id, &b_size, order->error);
    return order->status ? 0 : id_order(a_id, a_size, b_id, b_size);
}

/* Give the places of items[0, k) at the k-th distance to the smallest ids at that distance. */
static lode_status settle_ties(const struct segment_view *view, const struct scan *scan,
                               lode_error *error)
{
    struct neighbor *items = scan->items;
    size_t nearer = 0, k = scan->k;
    struct ties ties = {.view = view,
                        .allowed = scan->allowed,
                        .distance = items[k - 1].distance,
                        .stop = scan->stop};
    while (items[nearer].distance < ties.distance)
        nearer++;
    lode_status status = ties_collect(&ties, scan->row, error);
    struct row_order order = {.segment = view->segment,
                              .order = {.stop = scan->stop, .error = error}};
    if (!status && ties.count > 0)
        qsort_r(ties.rows, ties.count, sizeof *ties.rows, id_order_of_rows, &order);
    if (!status)
        status = order.order.status;
    for (size_t i = 0; !status && i < ties.count && nearer + i < k; i++)
        items[nearer + i].row = ties.rows[i];
    free(ties.rows);
    return status;
}

static lode_status finish(const struct segment_view *view, const struct scan *scan,
                          struct topk *topk, lode_error *error)
{
    size_t k = scan->k;
    topk_sort(topk);
    *scan->ret_count = topk->count < k ? topk->count : k;
    if (k == 0 || topk->count <= k || scan->items[k].distance != scan->items[k - 1].distance)
        return LODE_OK;
    return settle_ties(view, scan, error);
}

/* In pieces where there is a memory budget, so that not more than that is mapped at once. */
static lode_status scan_rows(const struct segment_view *view, struct index_query *queries,
                             size_t scan_count, lode_error *error)
{
    const struct rows *rows = &view->segment->rows;
    uint32_t step = budget_bytes() ? rows_of_piece(rows) : view->row_count;
    lode_status status = LODE_OK;
    for (uint32_t first = 0; !status && first < view->row_count; first += step) {
        uint32_t left = view->row_count - first;
        for (size_t i = 0; i < scan_count; i++)
            queries[i].row_limit = first + (left < step ? left : step);
        status = flat_search_batch(rows, first, queries, scan_count, error);
        if (left <= step)
            break; /* first + step may be beyond 32 bits */
        mapped_look();
    }
    return status;
}

static lode_status run(const struct segment_view *view, const struct scan *scans, size_t scan_count,
                       struct index_query *queries, struct topk *topks, lode_error *error)
{
    for (size_t i = 0; i < scan_count; i++) {
        topk_init(&topks[i], scans[i].items, scans[i].k + 1);
        queries[i] = (struct index_query){
            .query = scans[i].row,
            .row_limit = view->row_count,
            .allowed = scans[i].allowed ? scans[i].allowed
                       : view->live     ? view->live->words
                                        : NULL,
            .topk = &topks[i],
            .counts = scans[i].counts,
            .stop = scans[i].stop,
        };
    }
    lode_status status = LODE_OK;
    for (size_t i = 0, end; !status && i < scan_count; i = end) {
        for (end = i + 1; end < scan_count && scans[end].allowed == scans[i].allowed;)
            end++;
        status = scan_rows(view, queries + i, end - i, error);
    }
    for (size_t i = 0; !status && i < scan_count; i++)
        status = finish(view, &scans[i], &topks[i], error);
    return status;
}

lode_status scan_view(const struct segment_view *view, const struct scan *scans, size_t scan_count,
                      lode_error *error)
{
    struct index_query *queries = malloc(scan_count * sizeof *queries);
    struct topk *topks = malloc(scan_count * sizeof *topks);
    lode_status status = LODE_OK;
    if (!queries || !topks)
        status = error_nomem(error, "scans", scan_count * (sizeof *queries + sizeof *topks));
    if (!status)
        status = run(view, scans, scan_count, queries, topks, error);
    free(queries);
    free(topks);
    return status;
}
