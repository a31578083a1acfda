/* flat_batch.c: exact scan for many queries at once, at the speed of multiplication.
 *
 * Rows are taken in blocks that stay in the second-level cache while all queries pass over them, 32 at a
 * time (a panel). A tile of the kernel gives their inner products; flat_bound.h tells which of them could
 * belong to a row near enough. Only those rows, a few hundred of a million, are compared by the
 * space's own distance: every hit and every bit of its distance is that of flat_search.
 *
 * Queries that do not fill enough of a panel are scanned as ever, block by block: each block is read from
 * memory once for all of them. */
#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "index/flat_bound.h"
#include "index/index.h"
#include "os/memory.h"
#include "os/stop.h"
#include "simd/simd.h"

enum {
    TILE_ROWS = 48,         /* products kept at a time; bounds are renewed in between */
    BLOCK_SIZE = 256 << 10, /* bytes of f32 rows: with a panel, within a second-level cache */
    BLOCK_ROWS_MAX = 1008,
    PANELS_SIZE = 32 << 20, /* of queries at a time: within a third-level cache, mostly */
    PANEL_FILL_MIN = 6      /* fewer queries are scanned (measured: docs/decisions/0061) */
};

_Static_assert(SIMD_PANEL == 32, "a row's near queries are the bits of a uint32_t");

/* SIMD_PANEL queries, fewer in the last. */
struct panel {
    const float *components; /* as the kernel wants them */
    uint32_t used;           /* a bit for each place that holds a query */
    const struct index_query *queries;
    size_t query_count;
    struct flat_bound_query sides[SIMD_PANEL];
    float base[SIMD_PANEL], slack[SIMD_PANEL];
};

struct batch {
    const struct rows *rows;
    const struct index_query *queries; /* [0, blocked) are in panels, the others scanned */
    size_t query_count, blocked;
    struct flat_bound bound;
    struct panel *panels;
    size_t panel_count;
    float *components;
    uint8_t *decoded; /* room for a block */
    /* The block. */
    size_t block_max;
    size_t block_count;
    const uint8_t *block; /* f32 rows */
    size_t block_stride;
    uint32_t block_rows[BLOCK_ROWS_MAX]; /* which rows they are */
    float lift[BLOCK_ROWS_MAX], norm[BLOCK_ROWS_MAX];
};

/* --- Panels ------------------------------------------------------------------------------------ */

static void renew_bound(const struct flat_bound *bound, struct panel *panel, size_t q)
{
    panel->base[q] = flat_bound_base(bound, &panel->sides[q], topk_bound(panel->queries[q].topk));
}

static void fill_panel(const struct batch *batch, struct panel *panel, float *components,
                       float *vector)
{
    const struct space *space = batch->rows->space;

    panel->components = components;
    panel->used = ~(uint32_t)0 >> (SIMD_PANEL - panel->query_count);
    for (size_t q = 0; q < panel->query_count; q++) {
        space_decode(space, panel->queries[q].query, vector);
        flat_bound_of_query(&batch->bound, vector, space->dim, &panel->sides[q]);
        panel->slack[q] = panel->sides[q].slack;
        renew_bound(&batch->bound, panel, q);
        for (size_t i = 0; i < space->dim; i++)
            components[i * SIMD_PANEL + q] = vector[i];
    }
}

static void fill_panels(struct batch *batch)
{
    size_t size = batch->rows->space->dim * SIMD_PANEL;

    for (size_t p = 0; p < batch->panel_count; p++) {
        struct panel *panel = &batch->panels[p];
        size_t first = p * SIMD_PANEL, left = batch->blocked - first;
        panel->queries = batch->queries + first;
        panel->query_count = left < SIMD_PANEL ? left : SIMD_PANEL;
        fill_panel(batch, panel, batch->components + p * size, (float *)(void *)batch->decoded);
    }
}

/* --- Blocks ------------------------------------------------------------------------------------ */

/* Choose the next rows, from `first` on; returns the row after them. */
static uint32_t choose_rows(struct batch *batch, uint32_t first)
{
    const struct index_query *query = batch->queries;

    batch->block_count = 0;
    for (; first < query->row_limit && batch->block_count < batch->block_max; first++)
        if (!query->allowed || bitset_test(query->allowed, first))
            batch->block_rows[batch->block_count++] = first;
    return first;
}

/* Stored rows that are floats already, one behind the other, are used where they are. */
static lode_status decode_rows(struct batch *batch, lode_error *error)
{
    const struct space *space = batch->rows->space;
    const uint32_t *rows = batch->block_rows;
    size_t count = batch->block_count;

    if (space->scalar == LODE_SCALAR_F32 && rows[count - 1] - rows[0] == count - 1) {
        batch->block = rows_at(batch->rows, rows[0]);
        batch->block_stride = batch->rows->stride;
        return rows_touch(batch->rows, rows[0], (uint32_t)count, error);
    }
    batch->block = batch->decoded;
    batch->block_stride = space->dim * sizeof(float);
    for (size_t r = 0; r < count; r++) {
        lode_status status = rows_touch(batch->rows, rows[r], 1, error);
        if (status)
            return status;
        space_decode(space, rows_at(batch->rows, rows[r]),
                     (float *)(void *)(batch->decoded + r * batch->block_stride));
    }
    return LODE_OK;
}

/* The norms' sums also bring the rows into the cache, in order, for the kernel that takes them 12 by 12. */
static void weigh_rows(struct batch *batch)
{
    for (size_t r = 0; r < batch->block_count; r++) {
        const uint8_t *row = batch->block + r * batch->block_stride;
        float square = simd()->ip_f32(row, row, batch->rows->space->dim);
        flat_bound_of_row(&batch->bound, square, &batch->lift[r], &batch->norm[r]);
    }
}

/* --- Tiles ------------------------------------------------------------------------------------- */

/* Compare one row of the block with the queries of `near`, as flat_search would. */
static void compare(const struct batch *batch, struct panel *panel, uint32_t row, uint32_t near)
{
    const struct space *space = batch->rows->space;
    const uint8_t *stored = rows_at(batch->rows, row);

    for (; near; near &= near - 1) {
        size_t q = (size_t)__builtin_ctz(near);
        const struct index_query *query = &panel->queries[q];
        float distance = space->distance(space, query->query, stored);
        if (distance > topk_bound(query->topk))
            continue;
        topk_push(query->topk, distance, row);
        renew_bound(&batch->bound, panel, q);
    }
}

static void search_tile(const struct batch *batch, struct panel *panel, size_t first, size_t count)
{
    _Alignas(64) float products[TILE_ROWS * SIMD_PANEL];
    uint32_t near[TILE_ROWS];
    struct simd_tile_bounds bounds = {.base = panel->base,
                                      .slack = panel->slack,
                                      .lift = batch->lift + first,
                                      .norm = batch->norm + first};

    simd()->ip_tile(panel->components, panel->query_count <= SIMD_PANEL / 2,
                    batch->block + first * batch->block_stride, batch->block_stride, count,
                    batch->rows->space->dim, products);
    simd()->tile_near(products, count, &bounds, near);
    for (size_t r = 0; r < count; r++)
        if (near[r] & panel->used)
            compare(batch, panel, batch->block_rows[first + r], near[r] & panel->used);
}

static lode_status search_block(struct batch *batch, lode_error *error)
{
    if (batch->panel_count == 0 || batch->block_count == 0)
        return LODE_OK;
    lode_status status = decode_rows(batch, error);
    if (status)
        return status;
    weigh_rows(batch);
    for (size_t p = 0; p < batch->panel_count; p++) {
        status = stop_look(batch->queries->stop, error);
        if (status)
            return status;
        for (size_t first = 0; first < batch->block_count; first += TILE_ROWS) {
            size_t left = batch->block_count - first;
            search_tile(batch, &batch->panels[p], first, left < TILE_ROWS ? left : TILE_ROWS);
        }
    }
    for (size_t i = 0; i < batch->blocked; i++)
        batch->queries[i].counts->distances += batch->block_count;
    return LODE_OK;
}

/* The rows of the block for the queries without a panel. */
static lode_status scan_block(const struct batch *batch, uint32_t first, uint32_t last,
                              lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = batch->blocked; !status && i < batch->query_count; i++) {
        struct index_query query = batch->queries[i];
        query.row_limit = last;
        status = flat_search(batch->rows, first, &query, error);
    }
    return status;
}

/* --- Set-up ------------------------------------------------------------------------------------ */

static size_t block_rows_max(size_t dim)
{
    size_t rows = BLOCK_SIZE / (dim * sizeof(float)) / TILE_ROWS * TILE_ROWS;
    return rows < TILE_ROWS ? TILE_ROWS : rows < BLOCK_ROWS_MAX ? rows : BLOCK_ROWS_MAX;
}

static lode_status take_memory(struct batch *batch, lode_error *error)
{
    size_t row_size = batch->rows->space->dim * sizeof(float);
    size_t components_size = batch->panel_count * SIMD_PANEL * row_size;
    size_t block_size = batch->block_max * row_size;

    if (batch->panel_count == 0)
        return LODE_OK;
    batch->panels = calloc(batch->panel_count, sizeof *batch->panels);
    batch->components = memory_aligned(64, components_size);
    batch->decoded = memory_aligned(64, block_size);
    if (!batch->panels || !batch->components || !batch->decoded)
        return error_nomem(error, "queries and rows side by side", components_size + block_size);
    memset(batch->components, 0, components_size); /* the places of a panel without a query */
    return LODE_OK;
}

static void release_memory(struct batch *batch)
{
    free(batch->panels);
    free(batch->components);
    free(batch->decoded);
}

/* As many queries as PANELS_SIZE has room for. */
static lode_status search_some(struct batch *batch, const struct index_query *queries, size_t count,
                               uint32_t first, lode_error *error)
{
    size_t rest = count % SIMD_PANEL;

    batch->queries = queries;
    batch->query_count = count;
    batch->blocked = rest < PANEL_FILL_MIN ? count - rest : count;
    batch->panel_count = (batch->blocked + SIMD_PANEL - 1) / SIMD_PANEL;
    lode_status status = take_memory(batch, error);
    if (!status && batch->panel_count > 0)
        fill_panels(batch);
    for (uint32_t end; !status && first < queries->row_limit; first = end) {
        end = choose_rows(batch, first);
        status = stop_look(queries->stop, error);
        if (!status)
            status = search_block(batch, error);
        if (!status)
            status = scan_block(batch, first, end, error);
    }
    release_memory(batch);
    return status;
}

lode_status flat_search_batch(const struct rows *rows, uint32_t first,
                              const struct index_query *queries, size_t query_count,
                              lode_error *error)
{
    size_t panel_size = rows->space->dim * SIMD_PANEL * sizeof(float);
    size_t panels = PANELS_SIZE / panel_size, some = (panels ? panels : 1) * SIMD_PANEL;
    lode_status status = LODE_OK;
    struct batch *batch;

    if (query_count == 1)
        return flat_search(rows, first, queries, error);
    batch = malloc(sizeof *batch);
    if (!batch)
        return error_nomem(error, "a scan of many queries", sizeof *batch);
    for (size_t done = 0; !status && done < query_count; done += some) {
        size_t left = query_count - done;
        *batch = (struct batch){.rows = rows, .block_max = block_rows_max(rows->space->dim)};
        flat_bound_init(&batch->bound, rows->space);
        status = search_some(batch, queries + done, left < some ? left : some, first, error);
    }
    free(batch);
    return status;
}
