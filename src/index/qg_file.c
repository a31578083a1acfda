/* qg_file.c: the quantised graph as bytes, docs/format/qgraph.md. A graph is used where it lies: open()
 * looks at the header, the sizes and the groups of pivots; links are compared with the row count
 * wherever they are followed, so damaged ones lead nowhere; check() reads everything. */
#include "index/qg.h"

#include "index/graph_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "base/limits.h"
#include "os/mapped.h"

#define MAGIC       "LODEQGRF"
#define VERSION     2u
#define HEADER_SIZE 128u

struct layout {
    uint64_t mean, scales, basis, begins, pivot_rows, leaders, pivot_codes, graph, size;
};

static struct layout layout_of(const struct qg *qg)
{
    struct layout layout;
    layout.mean = HEADER_SIZE;
    uint64_t kept = projection_is_reduced(&qg->projection) ? qg->projection.kept : 0;
    layout.scales = graph_align(layout.mean + qg->projection.dim * sizeof(float));
    layout.basis = graph_align(layout.scales + kept * sizeof(float));
    layout.begins = graph_align(layout.basis + kept * projection_padded(qg->projection.dim));
    layout.pivot_rows = graph_align(layout.begins + (QG_LEADERS + 1) * sizeof(uint32_t));
    layout.leaders = graph_align(layout.pivot_rows + (uint64_t)qg->pivots.count * sizeof(uint32_t));
    layout.pivot_codes = layout.leaders + (uint64_t)QG_LEADERS * qg->code_size;
    layout.graph = layout.pivot_codes + (uint64_t)qg->pivots.count * qg->code_size;
    layout.size = layout.graph + (uint64_t)qg->count * qg->stride;
    return layout;
}

/* --- Write --- */

static void header_put(uint8_t header[HEADER_SIZE], const struct qg *qg)
{
    memset(header, 0, HEADER_SIZE);
    memcpy(header, MAGIC, 8);
    le_store_u32(header + 8, VERSION);
    le_store_u32(header + 12, qg->m);
    le_store_u32(header + 16, qg->count);
    le_store_u32(header + 20, (uint32_t)qg->projection.dim);
    le_store_u32(header + 24, qg->bits);
    le_store_u32(header + 28, qg->ef_construction);
    le_store_u64(header + 32, qg->seed);
    le_store_u64(header + 40, layout_of(qg).size);
    le_store_u32(header + 48, qg->pivots.count);
    le_store_f32(header + 52, qg->projection.scale);
    le_store_f32(header + 56, qg->projection.code_scale);
    le_store_u32(header + 60, (uint32_t)qg->projection.kept);
    le_store_f32(header + 64, qg->projection.error);
    le_store_f32(header + 72, qg->lift.radius);
    le_store_f32(header + 76, qg->lift.near);
}

static lode_status head_write(const struct qg *qg, const struct index_sink *sink, lode_error *error)
{
    const struct qg_pivots *pivots = &qg->pivots;
    const struct projection *projection = &qg->projection;
    uint64_t kept = projection_is_reduced(projection) ? projection->kept : 0;
    uint8_t header[HEADER_SIZE];
    header_put(header, qg);
    struct {
        const void *data;
        uint64_t size;
    } arrays[] = {{header, sizeof header},
                  {projection->mean, projection->dim * sizeof(float)},
                  {projection->basis_scales, kept * sizeof(float)},
                  {projection->basis, kept * projection_padded(projection->dim)},
                  {pivots->begins, sizeof pivots->begins},
                  {pivots->rows, pivots->count * sizeof(uint32_t)},
                  {pivots->leaders, QG_LEADERS * qg->code_size},
                  {pivots->codes, pivots->count * qg->code_size}};
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) {
        lode_status status = graph_write_array(sink, arrays[i].data, arrays[i].size, error);
        if (status != LODE_OK)
            return status;
    }
    return LODE_OK;
}

/* --- Graph rows are made as they are written: a built graph need not have them in memory ---------- */

#define PIECE_ROWS   64u               /* made by one thread */
#define BUFFER_BYTES ((size_t)1 << 22) /* about so much is made, then written */

struct rows_made {
    const struct qg *qg;
    uint8_t *buffer;
    uint32_t first, count;
    _Atomic int failed;
};

static void make_piece(void *context, size_t piece)
{
    struct rows_made *made = context;
    const struct qg *qg = made->qg;
    struct qg_encoder *encoder = qg_encoder_new(qg);
    if (!encoder) {
        atomic_store_explicit(&made->failed, 1, memory_order_relaxed); /* read after a join */
        return;
    }
    uint32_t begin = (uint32_t)piece * PIECE_ROWS, end = begin + PIECE_ROWS;
    for (uint32_t i = begin; i < end && i < made->count; i++) {
        qg_encode_row(qg, encoder, made->first + i, made->buffer + i * qg->stride);
        mapped_look(); /* the vectors of its links lie anywhere in a mapped file */
    }
    qg_encoder_free(encoder);
}

static void make_rows(struct rows_made *made, struct executor *executor)
{
    size_t pieces = (made->count + PIECE_ROWS - 1) / PIECE_ROWS;
    if (executor)
        executor_parallel(executor, pieces, make_piece, made);
    else
        for (size_t piece = 0; piece < pieces; piece++)
            make_piece(made, piece);
}

static void count_written(const struct index_sink *sink, uint32_t rows)
{
    if (sink->done)
        atomic_fetch_add_explicit(sink->done, rows, memory_order_relaxed);
}

static lode_status rows_write(const struct qg *qg, const struct index_sink *sink, lode_error *error)
{
    size_t room = BUFFER_BYTES / qg->stride;
    uint32_t step = room < PIECE_ROWS ? PIECE_ROWS : (uint32_t)room;
    struct rows_made made = {.qg = qg, .buffer = malloc(step * qg->stride)};
    lode_status status = LODE_OK;
    if (!made.buffer)
        return error_nomem(error, "graph rows", step * qg->stride);
    for (; made.first < qg->count && status == LODE_OK; made.first += made.count) {
        made.count = qg->count - made.first < step ? qg->count - made.first : step;
        make_rows(&made, sink->executor);
        status = made.failed
                     ? error_nomem(error, "graph rows", qg->stride)
                     : sink->write(sink->context, made.buffer, made.count * qg->stride, error);
        count_written(sink, made.count);
    }
    free(made.buffer);
    return status;
}

lode_status qg_serialize(const struct index *index, const struct index_sink *sink,
                         lode_error *error)
{
    const struct qg *qg = (const struct qg *)index;
    lode_status status = head_write(qg, sink, error);
    if (status != LODE_OK)
        return status;
    const uint8_t *graph = __atomic_load_n(&qg->graph, __ATOMIC_ACQUIRE);
    if (graph) {
        count_written(sink, qg->count);
        return sink->write(sink->context, graph, qg->count * qg->stride, error);
    }
    return rows_write(qg, sink, error);
}

/* --- Open --- */

static lode_status header_check(const uint8_t *data, size_t size, uint32_t count, size_t dim,
                                lode_error *error)
{
    if (size < HEADER_SIZE)
        return error_set(error, LODE_CORRUPT, "graph: %zu bytes; the header has %u", size,
                         HEADER_SIZE);
    if (le_load_u32(data + 8) != VERSION)
        return error_set(error, LODE_VERSION, "graph: version %u; this build reads %u",
                         le_load_u32(data + 8), VERSION);
    uint32_t m = le_load_u32(data + 12), rows = le_load_u32(data + 16);
    uint32_t bits = le_load_u32(data + 24), pivots = le_load_u32(data + 48);
    size_t kept = le_load_u32(data + 60);
    float scale = le_load_f32(data + 52), code_scale = le_load_f32(data + 56);
    float error_of_codes = le_load_f32(data + 64);
    if (m == 0 || m > LODE_M_MAX)
        return error_set(error, LODE_CORRUPT, "graph: m is %u; it may be 1 to %d", m, LODE_M_MAX);
    if (rows != count || count == 0 || count > SEGMENT_ROWS_MAX)
        return error_set(error, LODE_CORRUPT, "graph: %u rows; the segment has %u", rows, count);
    if (le_load_u32(data + 20) != dim)
        return error_set(error, LODE_CORRUPT, "graph: %u dimensions; the segment has %zu",
                         le_load_u32(data + 20), dim);
    if (bits != 1 && bits != 2 && bits != QG_BITS_OWN)
        return error_set(error, LODE_CORRUPT, "graph: codes of %u bits; they may have 1, 2 or %u",
                         bits, QG_BITS_OWN);
    if (kept != rotation_dim(dim) && (kept % HOP_CODE_STEP != 0 || kept == 0 || kept > dim))
        return error_set(error, LODE_CORRUPT, "graph: %zu of %zu dimensions kept", kept, dim);
    if (pivots < QG_LEADERS || pivots > QG_PIVOTS_MAX)
        return error_set(error, LODE_CORRUPT, "graph: %u pivots; %u to %u are possible", pivots,
                         QG_LEADERS, QG_PIVOTS_MAX);
    if (!(error_of_codes >= 0 && error_of_codes <= 1))
        return error_set(error, LODE_CORRUPT, "graph: codes err by %g", (double)error_of_codes);
    if (!(scale > 0) || !isfinite(scale) || !(code_scale > 0) || !isfinite(code_scale))
        return error_set(error, LODE_CORRUPT, "graph: scales %g and %g", (double)scale,
                         (double)code_scale);
    return LODE_OK;
}

/* Zero but for inner products. */
static lode_status lift_check(const uint8_t *data, lode_metric metric, lode_error *error)
{
    float radius = le_load_f32(data + 72), near = le_load_f32(data + 76);
    int is_zero = radius == 0 && near == 0;
    if (metric == LODE_METRIC_IP ? radius > 0 && isfinite(radius) && near >= 0 && isfinite(near)
                                 : is_zero)
        return LODE_OK;
    return error_set(error, LODE_CORRUPT, "graph: radius %g, near rows at %g", (double)radius,
                     (double)near);
}

static lode_status sizes_check(const struct qg *qg, const uint8_t *data, size_t size,
                               lode_error *error)
{
    uint64_t expected = layout_of(qg).size, stated = le_load_u64(data + 40);
    if (stated != expected || size < expected)
        return error_set(error, LODE_CORRUPT, "graph: %zu bytes, %llu in the header; %llu needed",
                         size, (unsigned long long)stated, (unsigned long long)expected);
    return LODE_OK;
}

/* Point into the bytes; the few pivots are looked at here, once and for all. */
static lode_status pivots_open(struct qg *qg, const uint8_t *data, lode_error *error)
{
    struct layout layout = layout_of(qg);
    struct qg_pivots *pivots = &qg->pivots;
    pivots->rows = (const uint32_t *)(const void *)(data + layout.pivot_rows);
    pivots->leaders = data + layout.leaders;
    pivots->codes = data + layout.pivot_codes;
    memcpy(pivots->begins, data + layout.begins, sizeof pivots->begins);
    for (uint32_t g = 0; g < QG_LEADERS; g++)
        if (pivots->begins[g] > pivots->begins[g + 1])
            return error_set(error, LODE_CORRUPT, "graph: pivot group %u is %u to %u", g,
                             pivots->begins[g], pivots->begins[g + 1]);
    if (pivots->begins[0] != 0 || pivots->begins[QG_LEADERS] != pivots->count)
        return error_set(error, LODE_CORRUPT, "graph: pivot groups end at %u of %u",
                         pivots->begins[QG_LEADERS], pivots->count);
    for (uint32_t i = 0; i < pivots->count; i++)
        if (pivots->rows[i] >= qg->count)
            return error_set(error, LODE_CORRUPT, "graph: pivot %u is %u of %u rows", i,
                             pivots->rows[i], qg->count);
    return LODE_OK;
}

/* All but the rows of the graph is read by every search: it is touched here. */
static lode_status graph_open(struct qg *qg, const struct index_file *file, lode_error *error)
{
    const uint8_t *data = file->data;
    size_t dim = qg->rows.space->dim;
    qg->bits = le_load_u32(data + 24);
    qg->pivots.count = le_load_u32(data + 48);
    if (projection_init(&qg->projection, dim, le_load_u32(data + 60), qg->seed))
        return error_nomem(error, "graph", dim * sizeof(float));
    qg->projection.scale = le_load_f32(data + 52);
    qg->projection.code_scale = le_load_f32(data + 56);
    qg->projection.error = le_load_f32(data + 64);
    qg->lift.radius = le_load_f32(data + 72);
    qg->lift.near = le_load_f32(data + 76);
    qg_measure(qg);
    struct layout layout = layout_of(qg);
    lode_status status = sizes_check(qg, data, file->size, error);
    if (status == LODE_OK)
        status = guard_touch(file->guard, data, layout.graph, error);
    if (status != LODE_OK)
        return status;
    memcpy(qg->projection.mean, data + layout.mean, dim * sizeof(float));
    if (projection_is_reduced(&qg->projection)) {
        qg->projection.basis_scales = (const float *)(const void *)(data + layout.scales);
        qg->projection.basis = (const int8_t *)data + layout.basis;
    }
    qg->graph = data + layout.graph;
    qg->guard = file->guard;
    return pivots_open(qg, data, error);
}

lode_status qg_open(const struct index_file *file, struct index **ret_index, lode_error *error)
{
    const uint8_t *data = file->data;
    const struct rows *rows = file->rows;
    size_t size = file->size, head = size < HEADER_SIZE ? size : HEADER_SIZE;
    lode_status status = guard_touch(file->guard, data, head, error);
    if (status != LODE_OK)
        return status;
    if (size < 8 || memcmp(data, MAGIC, 8) != 0)
        return index_hnsw.open(file, ret_index, error);
    status = header_check(data, size, file->count, rows->space->dim, error);
    if (status == LODE_OK)
        status = lift_check(data, rows->space->metric, error);
    if (status != LODE_OK)
        return status;
    struct index_params stored = {
        .m = le_load_u32(data + 12),
        .ef_construction = le_load_u32(data + 28),
        .seed = le_load_u64(data + 32),
        .layout = le_load_u32(data + 24) == QG_BITS_OWN ? LODE_LAYOUT_COMPACT : LODE_LAYOUT_FAST};
    struct qg *qg = qg_new(&stored, rows, file->count);
    if (!qg)
        return error_nomem(error, "graph", sizeof *qg);
    status = graph_open(qg, file, error);
    if (status != LODE_OK) {
        qg_close(&qg->index);
        return status;
    }
    *ret_index = &qg->index;
    return LODE_OK;
}

/* --- Check --- */

uint32_t qg_stored_link(const struct qg *qg, uint32_t row, uint32_t i)
{
    if (qg->links)
        return qg_link(qg_list(qg, row), i);
    const uint8_t *links = qg_row_links(qg, qg->graph + row * qg->stride, i / HOP_LINKS);
    return le_load_u32(links + i % HOP_LINKS * sizeof(uint32_t));
}

lode_status qg_check(const struct index *index, lode_error *error)
{
    const struct qg *qg = (const struct qg *)index;
    for (uint32_t row = 0; row < qg->count; row++) {
        int ended = 0;
        lode_status status =
            qg->guard ? guard_touch(qg->guard, qg->graph + row * qg->stride, qg->stride, error)
                      : LODE_OK;
        if (status != LODE_OK)
            return status;
        for (uint32_t i = 0; i < qg_places(qg); i++) {
            uint32_t link = qg_stored_link(qg, row, i);
            int is_none = link == QG_NONE;
            if (!is_none && (ended || link >= qg->count || link == row))
                return error_set(error, LODE_CORRUPT, "graph: row %u, link %u is %u of %u rows",
                                 row, i, link, qg->count);
            ended = ended || is_none;
        }
    }
    return LODE_OK;
}
