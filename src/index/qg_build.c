/* qg_build.c: a whole graph. First every row is projected and coded; then the pivots are linked, one
 * after another; then all other rows, on all threads; then all rows once more, when every walk finds
 * what the first pass could not know yet. */
#include "index/qg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/sort.h"
#include "os/mapped.h"
#include "os/memory.h"

#define SPREAD_SAMPLE        512u
#define BLURRED_MAX          (SPREAD_SAMPLE / 100) /* of them; more, and a plain graph serves better */
#define SPREAD_PER_ERROR     1.5f                  /* see docs/decisions/0054 */
#define SPREAD_PER_ERROR_1   3.0f                  /* for codes of one bit */
#define CHUNK_ROWS           64u
#define PASSES               2u
#define CHUNKS_BETWEEN_LOOKS 8u /* at how much memory is mapped */
#define JOIN_PASSES          1u
#define UNITS_LINK           16u     /* of work: linking a row once; taking over its links is one */
#define LENGTH_MAX           1000.0f /* times the typical one; beyond, f16 says too little */
#define LENGTH_CODED         16.0f   /* beyond, 7-bit codes say too little: */
#define LONG_SHARE           1000u   /* bearable for one row in so many */
#define LONGEST_LIFTED       4.0f    /* times the radius, for inner products */
#define ENTRIES_SCANNED      512u    /* of the pivots linked so far, while pivots are linked */

struct build {
    struct qg *qg;
    const struct index_work *work;
    struct qg_origin *origin; /* NULL: none */
    /* A bitset would be written by nobody else either; bytes are simpler */
    const uint8_t *is_pivot;
    unsigned pass;
    uint32_t *rows; /* to be worked on by threads; NULL: all of them */
    uint32_t row_count;
    int is_joining; /* new rows join a finished graph: no list may be left short for a later pass */
    uint64_t unit_total;
    _Atomic uint64_t units;
    _Atomic uint64_t next;       /* first row that nobody took yet */
    _Atomic int status;          /* lode_status of the first thread that failed */
    _Atomic uint64_t long_count; /* rows beyond LENGTH_CODED; one beyond LENGTH_MAX counts as all */
    _Atomic uint64_t done;       /* rows reported; relaxed, as all progress */
};

static void stop(struct build *build, lode_status status)
{
    int none = LODE_OK;
    atomic_compare_exchange_strong_explicit(&build->status, &none, (int)status,
                                            memory_order_relaxed, memory_order_relaxed);
}

static int is_stopped(const struct build *build)
{
    return atomic_load_explicit(&build->status, memory_order_relaxed) != LODE_OK;
}

/* Asked between any two pieces of work. */
static int must_stop(struct build *build)
{
    if (cancel_is_wanted(build->work->cancel))
        stop(build, LODE_CANCELLED);
    return is_stopped(build);
}

/* The next rows to work on; 0 when none are left or the build must stop. Of all threads, number 0 is the one
 * that never gives way. */
static int take_chunk(struct build *build, size_t thread, uint32_t *ret_first, uint32_t *ret_last)
{
    if (thread > 0 && build->work->give_way)
        build->work->give_way(build->work->context);
    if (must_stop(build))
        return 0;
    uint64_t first = atomic_fetch_add_explicit(&build->next, CHUNK_ROWS, memory_order_relaxed);
    uint64_t last = first + CHUNK_ROWS;
    if (first >= build->row_count)
        return 0;
    *ret_first = (uint32_t)first;
    *ret_last = last < build->row_count ? (uint32_t)last : build->row_count;
    return 1;
}

static void on_all_threads(struct build *build, void (*body)(void *context, size_t thread))
{
    struct executor *executor = build->work->executor;
    atomic_store_explicit(&build->next, 0, memory_order_relaxed);
    if (executor)
        executor_parallel(executor, executor_width(executor), body, build);
    else
        body(build, 0);
}

/* --- Codes ------------------------------------------------------------------------------------- */

/* What projects a chunk of rows. */
struct coder {
    float *decoded, *centred, *coordinates; /* one row; CHUNK_ROWS rows each */
};

static void code_chunk(struct build *build, const struct coder *coder, uint32_t first,
                       uint32_t last)
{
    struct qg *qg = build->qg;
    size_t padded = projection_padded(qg->projection.dim), dim = qg->dim;
    for (uint32_t row = first; row < last; row++) {
        projection_centre(&qg->projection, qg->rows.space, rows_at(&qg->rows, row), coder->decoded,
                          coder->centred + (row - first) * padded);
        if (qg_is_lifted(qg))
            qg_lift_row(qg, row, coder->decoded);
    }
    projection_apply_rows(&qg->projection, coder->centred, last - first, coder->coordinates);
    for (uint32_t row = first; row < last; row++) {
        const float *coordinates = coder->coordinates + (row - first) * dim;
        projection_code(&qg->projection, coordinates, qg->codes + (size_t)row * qg->code_size);
        simd()->f32_to_f16(coordinates, qg->coordinates + (size_t)row * dim, dim);
        const float *centred = coder->centred + (row - first) * padded;
        float length = sqrtf(simd()->ip_f32(centred, centred, padded)) / PROJECTION_LENGTH;
        if (!(length <= LENGTH_CODED))
            atomic_fetch_add_explicit(&build->long_count, length <= LENGTH_MAX ? 1 : qg->count,
                                      memory_order_relaxed);
    }
}

/* Whether so many rows lie so far out that a plain graph serves them better. Of inner products one such
 * row is too many: everybody looks for it, and nobody links to it. */
static int is_too_long(const struct build *build)
{
    const struct qg_lift *lift = &build->qg->lift;
    return lift->radius > LENGTH_MAX * PROJECTION_LENGTH ||
           lift->longest > LONGEST_LIFTED * lift->radius ||
           atomic_load_explicit(&build->long_count, memory_order_relaxed) >
               build->qg->count / LONG_SHARE;
}

static void code_chunks(void *context, size_t thread)
{
    struct build *build = context;
    const struct qg *qg = build->qg;
    size_t padded = projection_padded(qg->projection.dim);
    size_t floats = padded + CHUNK_ROWS * (padded + qg->dim);
    float *room = memory_aligned(64, floats * sizeof *room);
    struct coder coder = {room, room + padded, room + padded + CHUNK_ROWS * padded};
    uint32_t first, last;
    if (!room)
        stop(build, LODE_NOMEM);
    while (room && take_chunk(build, thread, &first, &last)) {
        code_chunk(build, &coder, first, last);
        if (first / CHUNK_ROWS % CHUNKS_BETWEEN_LOOKS == 0)
            mapped_look();
    }
    free(room);
}

/* --- Links ------------------------------------------------------------------------------------- */

static void count_done(struct build *build, uint32_t rows)
{
    atomic_fetch_add_explicit(&build->done, rows, memory_order_relaxed);
    if (build->work->done)
        atomic_fetch_add_explicit(build->work->done, rows, memory_order_relaxed);
}

/* The nearest of some of the first `count` pivots, all linked already. */
static uint32_t nearest_linked(const struct qg *qg, uint32_t row, const uint32_t *order,
                               uint32_t count)
{
    uint32_t step = count > ENTRIES_SCANNED ? count / ENTRIES_SCANNED : 1;
    uint32_t best = UINT32_MAX, best_row = order[0];
    for (uint32_t i = 0; i < count; i += step) {
        uint32_t distance = qg_distance(qg, row, order[i]);
        if (distance < best) {
            best = distance;
            best_row = order[i];
        }
    }
    return best_row;
}

static int is_known(const struct build *build, uint32_t row)
{
    return build->origin && qg_origin_row(build->origin, row) != QG_NONE;
}

/* The pivots, those that have links already first; gives how many have. */
static uint32_t order_pivots(const struct build *build, uint32_t *order)
{
    const struct qg_pivots *pivots = &build->qg->pivots;
    uint32_t count = 0;
    for (uint32_t i = 0; i < pivots->count; i++)
        if (is_known(build, pivots->rows[i]))
            order[count++] = pivots->rows[i];
    for (uint32_t i = 0, at = count; i < pivots->count; i++)
        if (!is_known(build, pivots->rows[i]))
            order[at++] = pivots->rows[i];
    return count;
}

static void link_pivots(struct build *build)
{
    struct qg *qg = build->qg;
    struct qg_linker *linker = qg_linker_new(qg);
    uint32_t *order = malloc(qg->pivots.count * sizeof *order);
    if (!linker || !order)
        stop(build, LODE_NOMEM);
    uint32_t linked = order ? order_pivots(build, order) : 0;
    /* Groups are neighbourhoods; going through them with a stride spreads the first rows out. */
    for (uint32_t i = linked ? linked : 1; linker && order && i < qg->pivots.count; i++) {
        if (must_stop(build))
            break;
        qg_link_row(qg, linker, order[i], nearest_linked(qg, order[i], order, i),
                    build->is_joining);
    }
    free(order);
    qg_linker_free(linker);
}

static void link_chunk(struct build *build, struct qg_linker *linker, uint32_t first, uint32_t last)
{
    struct qg *qg = build->qg;
    for (uint32_t i = first; i < last; i++) {
        uint32_t row = build->rows ? build->rows[i] : i;
        if (build->pass > 0 || !build->is_pivot[row])
            qg_link_row(qg, linker, row, qg_pivots_nearest(qg, qg_code(qg, row)),
                        build->pass > 0 || build->is_joining);
    }
}

/* Rows are reported as their share of the work; the sum is their number. */
static void count_units(struct build *build, uint64_t units)
{
    uint64_t rows = build->qg->count, total = build->unit_total;
    uint64_t before = atomic_fetch_add_explicit(&build->units, units, memory_order_relaxed);
    count_done(build, (uint32_t)((before + units) * rows / total - before * rows / total));
}

static void link_chunks(void *context, size_t thread)
{
    struct build *build = context;
    uint32_t first, last;
    struct qg_linker *linker = qg_linker_new(build->qg);
    if (!linker)
        stop(build, LODE_NOMEM);
    while (linker && take_chunk(build, thread, &first, &last)) {
        link_chunk(build, linker, first, last);
        count_units(build, (uint64_t)(last - first) * UNITS_LINK);
    }
    qg_linker_free(linker);
}

static void take_over_chunks(void *context, size_t thread)
{
    struct build *build = context;
    uint32_t first, last;
    struct qg_linker *linker = qg_linker_new(build->qg);
    if (!linker)
        stop(build, LODE_NOMEM);
    while (linker && take_chunk(build, thread, &first, &last)) {
        uint32_t known = 0;
        for (uint32_t row = first; row < last; row++)
            if (is_known(build, row)) {
                qg_link_again(build->qg, linker, build->origin, row);
                mapped_look(); /* the origin is a mapped file, and links of dead rows lie anywhere in it */
                known++;
            }
        count_units(build, known);
    }
    qg_linker_free(linker);
}

/* Rows that the origin does not know, the only ones to be linked. */
static void list_new_rows(struct build *build)
{
    uint32_t count = 0;
    for (uint32_t row = 0; row < build->qg->count; row++)
        if (!is_known(build, row))
            build->rows[count++] = row;
    build->row_count = count;
}

static unsigned pass_count(const struct build *build)
{
    return build->is_joining ? JOIN_PASSES : PASSES;
}

static void link_passes(struct build *build)
{
    struct qg *qg = build->qg;
    if (build->origin) {
        on_all_threads(build, take_over_chunks);
        list_new_rows(build);
    }
    link_pivots(build);
    for (build->pass = 0; build->pass < pass_count(build) && !is_stopped(build); build->pass++) {
        on_all_threads(build, link_chunks);
        if (build->origin && !build->is_joining) { /* a second pass over all */
            free(build->rows);
            build->rows = NULL;
            build->row_count = qg->count;
        }
    }
}

/* How much there is to do, to report shares of. */
static uint64_t plan_units(const struct build *build)
{
    uint64_t count = build->qg->count, kept = build->origin ? qg_origin_kept(build->origin) : 0;
    uint64_t links = pass_count(build) * count - kept;
    if (build->is_joining)
        links -= (pass_count(build) - 1) * kept;
    return links * UNITS_LINK + kept;
}

static lode_status link_all(struct build *build, lode_error *error)
{
    struct qg *qg = build->qg;
    lode_status status = qg_origin_new(qg, build->work->origin, &build->origin, error);
    uint8_t *is_pivot = calloc(qg->count, 1);
    if (build->origin)
        build->rows = malloc(qg->count * sizeof *build->rows);
    if (!status && (!is_pivot || (build->origin && !build->rows)))
        status = error_nomem(error, "graph", qg->count);
    if (!status) {
        for (uint32_t i = 0; i < qg->pivots.count; i++)
            is_pivot[qg->pivots.rows[i]] = 1;
        build->is_pivot = is_pivot;
        build->is_joining = build->origin && qg_origin_is_finished(build->origin);
        build->unit_total = plan_units(build);
        link_passes(build);
    }
    qg_origin_free(build->origin);
    free(build->rows);
    free(is_pivot);
    return status;
}

/* --- Bits -------------------------------------------------------------------------------------- */

static float median(float values[SPREAD_SAMPLE])
{
    qsort(values, SPREAD_SAMPLE, sizeof *values, sort_floats);
    return values[SPREAD_SAMPLE / 2];
}

/* Medians of sampled rows; no spread when too many lie in places too dense for codes. */
static struct qg_spread spread_of(const struct qg *qg, struct qg_linker *linker)
{
    float spreads[SPREAD_SAMPLE], nears[SPREAD_SAMPLE];
    uint32_t blurred_count = 0;
    for (uint32_t i = 0; i < SPREAD_SAMPLE; i++) {
        uint32_t row = (uint32_t)((uint64_t)qg->count * i / SPREAD_SAMPLE);
        struct qg_spread spread = qg_spread(qg, linker, row);
        spreads[i] = spread.spread;
        nears[i] = spread.near;
        blurred_count += spread.is_blurred != 0;
    }
    if (blurred_count > BLURRED_MAX)
        return (struct qg_spread){0, 0, 1};
    return (struct qg_spread){median(nears), median(spreads), 0};
}

/* Codes guide a walk when they tell the 10th neighbour from the 100th. Their estimates of near rows err by
 * QG_ERROR_1 or QG_ERROR_2 / sqrt(dim). Takes the bits that suffice; 0 when two do not. Where directions
 * were left out, two suffice: that was looked at before. */
static unsigned bits_for(const struct qg *qg, float spread)
{
    size_t dim = qg->dim;
    if (projection_is_reduced(&qg->projection))
        return spread > 0 ? 2 : 0;
    float root = sqrtf((float)dim);
    if (dim > QG_BITS_2_DIM_MAX && spread >= SPREAD_PER_ERROR_1 * QG_ERROR_1 / root)
        return 1;
    return spread >= SPREAD_PER_ERROR * QG_ERROR_2 / root ? 2 : 0;
}

static void choose_bits(struct build *build)
{
    struct qg *qg = build->qg;
    struct qg_linker *linker = qg_linker_new(qg);
    if (!linker) {
        stop(build, LODE_NOMEM);
        return;
    }
    struct qg_spread spread = spread_of(qg, linker);
    float code_scale = qg->projection.code_scale;
    qg->bits = bits_for(qg, spread.spread);
    if (qg->bits > 0 && qg_is_compact(qg))
        qg->bits = QG_BITS_OWN;
    qg->lift.near = qg_is_lifted(qg) ? spread.near / (code_scale * code_scale) : 0;
    qg_linker_free(linker);
    if (qg->bits > 0)
        qg_measure(qg);
}

/* --- All --------------------------------------------------------------------------------------- */

static lode_status room(struct qg *qg, lode_error *error)
{
    size_t links = (size_t)qg->count * qg_places(qg) * sizeof *qg->links;
    size_t codes = (size_t)qg->count * qg->code_size;
    size_t coordinates = (size_t)qg->count * qg->dim * sizeof *qg->coordinates;
    qg->links = qg_reserve(qg, links);
    qg->codes = qg_reserve(qg, codes);
    qg->coordinates = qg_reserve(qg, coordinates);
    qg->stripes = malloc(QG_STRIPES * sizeof *qg->stripes);
    if (qg->stripes)
        for (uint32_t i = 0; i < QG_STRIPES; i++)
            mutex_init(&qg->stripes[i]);
    if (!qg->links || !qg->codes || !qg->coordinates || !qg->stripes)
        return error_nomem(error, "graph", links + codes + coordinates);
    if (!qg->spill_dir) {
        memory_huge(qg->links, links);
        memory_huge(qg->codes, codes);
    }
    memset(qg->links, 0xff, links); /* QG_NONE */
    return LODE_OK;
}

static lode_status build_all(struct build *build, lode_error *error)
{
    struct qg *qg = build->qg;
    lode_status status = room(qg, error);
    if (status == LODE_OK && qg_is_lifted(qg))
        status = qg_lift_room(qg, error);
    if (status != LODE_OK)
        return status;
    on_all_threads(build, code_chunks);
    if (is_stopped(build) || is_too_long(build))
        return LODE_OK;
    if (qg_is_lifted(qg))
        status = qg_lift_all(qg, error);
    if (status != LODE_OK || is_too_long(build))
        return status;
    status = qg_pivots_make(qg, error);
    if (status == LODE_OK)
        status = link_all(build, error);
    if (status == LODE_OK && !is_stopped(build))
        choose_bits(build);
    qg_unreserve(qg, qg->codes, (size_t)qg->count * qg->code_size);
    qg->codes = NULL;
    return status;
}

static lode_status result_of(struct build *build, lode_error *error)
{
    int status = atomic_load_explicit(&build->status, memory_order_relaxed);
    if (status == LODE_CANCELLED)
        return error_set(error, LODE_CANCELLED, "graph: build cancelled");
    if (status == LODE_NOMEM)
        return error_nomem(error, "graph", build->qg->code_size);
    return LODE_OK;
}

/* Whether this layout is worth trying. Queries of inner products may lie beyond the range of 7-bit codes, which
 * are all that the compact one compares. */
static int is_for_codes(const struct index_params *params, const struct space *space,
                        uint32_t count)
{
    if (space->metric == LODE_METRIC_IP && params->layout == LODE_LAYOUT_COMPACT)
        return 0;
    return count >= QG_ROWS_MIN && space->dim >= QG_DIM_MIN;
}

/* For work in one piece, which cannot give way. */
static struct executor *executor_now(const struct index_work *work)
{
    return work->is_crowded && work->is_crowded(work->context) ? NULL : work->executor;
}

lode_status qg_build(const struct index_params *params, const struct rows *rows, uint32_t count,
                     const struct index_work *work, struct index **ret_index, lode_error *error)
{
    const struct index_work alone = {.executor = NULL};
    if (!is_for_codes(params, rows->space, count))
        return index_hnsw.build(params, rows, count, work, ret_index, error);
    work = work ? work : &alone;
    struct qg *qg = qg_new(params, rows, count);
    if (!qg || projection_fit(&qg->projection, rows, count, params->seed, executor_now(work),
                              work->cancel)) {
        qg_close(qg ? &qg->index : NULL);
        if (cancel_is_wanted(work->cancel))
            return error_set(error, LODE_CANCELLED, "graph: build cancelled");
        return error_nomem(error, "graph", sizeof *qg);
    }
    qg_measure(qg);
    struct build build = {.qg = qg, .work = work, .row_count = count};
    int plain = !(qg->projection.scale > 0);
    lode_status status = plain ? LODE_OK : build_all(&build, error);
    if (status == LODE_OK)
        status = result_of(&build, error);
    plain = plain || is_too_long(&build) || qg->bits == 0;
    if (status == LODE_OK && !plain) {
        *ret_index = &qg->index;
        return LODE_OK;
    }
    if (status == LODE_OK && build.work->done) /* all over again */
        atomic_fetch_sub_explicit(build.work->done, build.done, memory_order_relaxed);
    qg_close(&qg->index);
    if (status != LODE_OK)
        return status;
    return index_hnsw.build(params, rows, count, work, ret_index, error);
}
