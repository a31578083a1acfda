/* estimate.c: the sums of what hnsw_graph.c, qg_build.c and the files they call reserve. */
#include "index/estimate.h"

#include "index/hnsw.h"
#include "index/qg.h"
#include "quant/projection.h"
#include "quant/rotation.h"

#define SAMPLE_ROWS   4096u               /* quant/projection_fit.c: SAMPLE_MAX */
#define SAMPLE_FLOATS ((uint64_t)1 << 23) /* and SAMPLE_FLOATS_MAX */
#define WIDTH_MAX     528u  /* directions that are iterated: KEPT_MAX and linalg's MORE */
#define REDUCED_MIN   128u  /* dimensions from which on directions are looked for, */
#define REDUCED_MAX   4096u /* and up to which */
#define CHUNK_ROWS    64u   /* qg_build.c's */
#define PAGE          ((uint64_t)4096)
#define WRITE_BUFFERS ((uint64_t)6 << 20)   /* rows made and the file's own buffer */
#define SMALL_THINGS  ((uint64_t)512 << 10) /* stripes, lists, pages begun */

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* One that links or inserts: a bit a row beside it. */
static uint64_t scratch_bytes(const struct index_params *params, size_t dim)
{
    uint64_t lists = (HNSW_MET_MAX + 64 * (uint64_t)params->m) * sizeof(uint32_t);
    uint64_t beam = (uint64_t)params->ef_construction * 4 * sizeof(uint64_t);
    return lists + beam + 4 * (uint64_t)dim * sizeof(float) + 8 * PAGE;
}

/* One that projects: rows of a chunk, centred and projected (qg_build.c). */
static uint64_t coder_bytes(size_t dim)
{
    return (projection_padded(dim) + CHUNK_ROWS * (projection_padded(dim) + dim)) * sizeof(float);
}

/* Rows of the sample, their products and the directions found: freed before the graph begins. */
static uint64_t fit_bytes(size_t dim)
{
    uint64_t padded = projection_padded(dim);
    uint64_t sample = SAMPLE_ROWS * padded > SAMPLE_FLOATS ? SAMPLE_FLOATS : SAMPLE_ROWS * padded;
    if (dim < REDUCED_MIN || dim > REDUCED_MAX)
        return SMALL_THINGS;
    uint64_t width = larger(dim / 2 + 32, 1);
    width = width < WIDTH_MAX ? width : WIDTH_MAX;
    uint64_t products = 3 * padded * padded + 3 * padded * width, image = SAMPLE_ROWS * width;
    return (sample + products + image) * sizeof(float);
}

/* Links on layer 0, and slots above: 1/m rows live there, and so on. */
static uint64_t plain_row(const struct index_params *params)
{
    uint64_t m = params->m;
    return 2 * m * sizeof(uint32_t) + sizeof(uint32_t) + (m / (m > 1 ? m - 1 : 1) + 1) * 4 + 1;
}

static uint64_t coded_row(const struct index_params *params, const struct space *space)
{
    uint64_t dim = space->dim, kept = larger(rotation_dim(dim), dim);
    uint64_t code = (kept + HOP_CODE_STEP - 1) / HOP_CODE_STEP * HOP_CODE_STEP;
    uint64_t places = (2 * (uint64_t)params->m + HOP_LINKS - 1) / HOP_LINKS * HOP_LINKS;
    uint64_t lifted = space->metric == LODE_METRIC_IP ? 3 * sizeof(float) : 0;
    return places * sizeof(uint32_t) + code + kept * sizeof(half) + 1 + lifted;
}

struct estimate estimate_build(const struct index_params *params, const struct space *space,
                               unsigned threads)
{
    uint64_t pivots = (uint64_t)QG_PIVOTS_MAX * (space->dim + HOP_CODE_STEP + 12);
    uint64_t scratches =
        (threads + 1) * (scratch_bytes(params, space->dim) + coder_bytes(space->dim));
    /* hnsw_repair has five bytes for each row, when all are inserted. An origin's row of each row, and which
     * are to be linked (qg_origin.c, qg_build.c), are two numbers. */
    uint64_t row = larger(plain_row(params) + 5, coded_row(params, space) + 2 * sizeof(uint32_t));
    return (struct estimate){
        .fixed = larger(fit_bytes(space->dim), pivots + scratches + WRITE_BUFFERS) + SMALL_THINGS,
        .per_row = row + (threads + 1 + 8) / 8, /* one more: rows taken over */
    };
}

struct estimate estimate_overlay(const struct index_params *params, const struct space *space)
{
    int is_coded = space->scalar != LODE_SCALAR_INT8 && space->metric != LODE_METRIC_IP;
    struct space codes;
    space_init(&codes, LODE_METRIC_L2, LODE_SCALAR_INT8, space->dim);
    return (struct estimate){
        .fixed = SMALL_THINGS + scratch_bytes(params, space->dim),
        .per_row = plain_row(params) + (is_coded ? codes.row_size : 0) + 1,
    };
}
