/* growing_memory.c: what a growing segment takes of memory, and its share of the budget. Held in steps, so
 * that a group of writes seldom has to ask. */
#include "storage/growing_rows.h"

#include "base/limits.h"
#include "index/estimate.h"
#include "os/budget.h"

#define STEP       ((uint64_t)256 << 10)
#define PAGE       ((uint64_t)4096)
#define HUGE_SLACK ((uint64_t)2 << 20) /* the last huge page of the vectors is not full */
#define HUGE_FROM  ((uint64_t)16 << 20)

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Ids are spread over the whole table: until it is full of rows, each touches a page of its own. */
static uint64_t table_bytes(const struct growing *growing, uint64_t rows)
{
    uint64_t size = smaller(rows * PAGE, (growing->table_mask + 1) * sizeof growing->table[0]);
    int has_spaces = atomic_load_explicit(&growing->has_namespaces, memory_order_relaxed);
    return has_spaces ? 2 * size : size; /* that of namespaces is no fuller */
}

static uint64_t graph_bytes(const struct growing *growing, uint64_t rows)
{
    const struct growing_options *options = &growing->options;
    if (!options->use_graph || rows < OVERLAY_ROWS_MIN)
        return 0;
    return estimate_bytes(estimate_overlay(&options->params, options->space), rows);
}

/* What it takes with so many rows and bytes. */
static uint64_t memory_of(const struct growing *growing, uint64_t rows, uint64_t bytes)
{
    uint64_t slack = growing->options.bytes_max >= HUGE_FROM ? HUGE_SLACK : 0;
    return sizeof *growing + bytes + GROWING_CHUNK_SIZE + rows * sizeof(struct growing_row) +
           table_bytes(growing, rows) + graph_bytes(growing, rows) + slack;
}

static uint64_t rounded(uint64_t bytes)
{
    return (bytes + STEP - 1) / STEP * STEP;
}

static uint64_t held_now(const struct growing *growing)
{
    return atomic_load_explicit(&growing->held, memory_order_relaxed);
}

uint64_t growing_held(const struct segment *segment)
{
    return held_now(growing_of(segment));
}

int growing_hold(struct segment *segment, size_t rows, size_t bytes)
{
    struct growing *growing = growing_of(segment);
    uint64_t held = held_now(growing);
    uint64_t wanted =
        rounded(memory_of(growing, growing->row_count + rows, growing->bytes + bytes));
    if (wanted <= held)
        return 1;
    if (!budget_try(BUDGET_GROWING, wanted - held))
        return 0;
    atomic_store_explicit(&growing->held, wanted, memory_order_relaxed);
    return 1;
}

void growing_hold_all(struct segment *segment)
{
    struct growing *growing = growing_of(segment);
    uint64_t held = held_now(growing);
    uint64_t wanted = rounded(memory_of(growing, growing->row_count, growing->bytes));
    if (wanted <= held)
        return;
    budget_take(BUDGET_GROWING, wanted - held);
    atomic_store_explicit(&growing->held, wanted, memory_order_relaxed);
}

uint64_t growing_bytes_within(const struct growing_options *options, uint64_t held)
{
    uint64_t row = options->space->row_size;
    uint64_t beside = sizeof(struct growing_row) + 4 * sizeof(uint64_t), fixed = 4 * STEP;
    if (options->use_graph) {
        struct estimate graph = estimate_overlay(&options->params, options->space);
        beside += graph.per_row;
        fixed += graph.fixed;
    }
    uint64_t rows = held > fixed ? (held - fixed) / (row + beside) : 0;
    return smaller(rows * row, options->bytes_max);
}
