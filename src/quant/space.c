/* space.c: encoding vectors to rows, and the distances of rows, for each scalar type and metric. */
#include "quant/space.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/le.h"
#include "simd/simd.h"

#define F16_MAX     65504.0f
#define I8_PEAK_MIN (127 * FLT_MIN) /* below it the scale, peak/127, would be subnormal */

enum { I8_CODE_MAX = 127, CHUNK = 256, SCAN_AHEAD = 6144 };

/* What follows the codes of an int8 row. */
struct i8_tail {
    float scale;
    uint32_t square_sum;
};

static size_t padded(size_t size)
{
    return (size + 3) & ~(size_t)3;
}

static struct i8_tail i8_tail_of(const void *row, size_t dim)
{
    const uint8_t *at = (const uint8_t *)row + padded(dim);
    return (struct i8_tail){.scale = le_load_f32(at), .square_sum = le_load_u32(at + 4)};
}

/* --- Distances --------------------------------------------------------------------------------- */

static float distance_l2(const struct space *space, const void *a, const void *b)
{
    return space->kernel(a, b, space->dim);
}

static float distance_ip(const struct space *space, const void *a, const void *b)
{
    return -space->kernel(a, b, space->dim);
}

static float distance_i8_l2(const struct space *space, const void *a, const void *b)
{
    struct i8_tail at = i8_tail_of(a, space->dim);
    struct i8_tail bt = i8_tail_of(b, space->dim);
    int32_t ip = simd()->ip_i8(a, b, space->dim);
    double a_scale = (double)at.scale, b_scale = (double)bt.scale;

    /* One scale: whole numbers until the last step, so integer vectors are exact and twins at 0. */
    if (at.scale == bt.scale) {
        int64_t l2 = (int64_t)at.square_sum + bt.square_sum - 2 * (int64_t)ip;
        return (float)(a_scale * a_scale * (double)l2);
    }
    double l2 = a_scale * a_scale * at.square_sum + b_scale * b_scale * bt.square_sum -
                2 * a_scale * b_scale * ip;
    return l2 > 0 ? (float)l2 : 0.0f;
}

static float distance_i8_ip(const struct space *space, const void *a, const void *b)
{
    double a_scale = (double)i8_tail_of(a, space->dim).scale;
    double b_scale = (double)i8_tail_of(b, space->dim).scale;

    return (float)(-a_scale * b_scale * simd()->ip_i8(a, b, space->dim));
}

float space_scale(const struct space *space, const void *row)
{
    return i8_tail_of(row, space->dim).scale;
}

/* --- Scans ------------------------------------------------------------------------------------- */

static void scan_f32_l2(const struct space *space, const void *query, const uint8_t *rows,
                        size_t stride, size_t count, float *ret)
{
    simd()->l2_f32_scan(query, rows, stride, count, space->dim, ret);
}

static void scan_f32_ip(const struct space *space, const void *query, const uint8_t *rows,
                        size_t stride, size_t count, float *ret)
{
    simd()->ip_f32_scan(query, rows, stride, count, space->dim, ret);
    for (size_t i = 0; i < count; i++)
        ret[i] = -ret[i];
}

/* One distance after another, with rows asked for SCAN_AHEAD bytes early: that is memory speed, or
 * nearly, wherever a row takes longer to read than to call a kernel for. */
static inline __attribute__((always_inline)) void scan_rows(
    const struct space *space, const void *query, const uint8_t *rows, size_t stride, size_t count,
    float *ret, float (*distance)(const struct space *space, const void *a, const void *b))
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *row = rows + i * stride;
        for (size_t offset = 0; offset < space->row_size; offset += 64)
            __builtin_prefetch(row + SCAN_AHEAD + offset);
        ret[i] = distance(space, query, row);
    }
}

static void scan_l2(const struct space *space, const void *query, const uint8_t *rows,
                    size_t stride, size_t count, float *ret)
{
    scan_rows(space, query, rows, stride, count, ret, distance_l2);
}

static void scan_ip(const struct space *space, const void *query, const uint8_t *rows,
                    size_t stride, size_t count, float *ret)
{
    scan_rows(space, query, rows, stride, count, ret, distance_ip);
}

static void scan_i8_l2(const struct space *space, const void *query, const uint8_t *rows,
                       size_t stride, size_t count, float *ret)
{
    scan_rows(space, query, rows, stride, count, ret, distance_i8_l2);
}

static void scan_i8_ip(const struct space *space, const void *query, const uint8_t *rows,
                       size_t stride, size_t count, float *ret)
{
    scan_rows(space, query, rows, stride, count, ret, distance_i8_ip);
}

/* --- Set-up ------------------------------------------------------------------------------------ */

static size_t row_size_of(lode_scalar scalar, size_t dim)
{
    switch (scalar) {
    case LODE_SCALAR_F32: return dim * sizeof(float);
    case LODE_SCALAR_F16:
    case LODE_SCALAR_BF16: return padded(dim * sizeof(half));
    case LODE_SCALAR_INT8: return padded(dim) + sizeof(struct i8_tail);
    }
    return 0;
}

static simd_distance float_kernel(lode_scalar scalar, int l2)
{
    const struct simd_ops *ops = simd();

    switch (scalar) {
    case LODE_SCALAR_F32: return l2 ? ops->l2_f32 : ops->ip_f32;
    case LODE_SCALAR_F16: return l2 ? ops->l2_f16 : ops->ip_f16;
    case LODE_SCALAR_BF16: return l2 ? ops->l2_bf16 : ops->ip_bf16;
    case LODE_SCALAR_INT8: break;
    }
    return NULL;
}

void space_init(struct space *space, lode_metric metric, lode_scalar scalar, size_t dim)
{
    int l2 = metric == LODE_METRIC_L2;

    INVARIANT(l2 || metric == LODE_METRIC_IP || metric == LODE_METRIC_COSINE);
    INVARIANT((unsigned)scalar <= LODE_SCALAR_INT8);
    INVARIANT(dim >= 1 && dim <= LODE_DIM_MAX);
    *space = (struct space){
        .metric = metric,
        .scalar = scalar,
        .dim = dim,
        .row_size = row_size_of(scalar, dim),
        .distance = l2 ? distance_l2 : distance_ip,
        .scan = l2 ? scan_l2 : scan_ip,
        .kernel = float_kernel(scalar, l2),
    };
    if (scalar == LODE_SCALAR_F32)
        space->scan = l2 ? scan_f32_l2 : scan_f32_ip;
    if (scalar == LODE_SCALAR_INT8) {
        space->distance = l2 ? distance_i8_l2 : distance_i8_ip;
        space->scan = l2 ? scan_i8_l2 : scan_i8_ip;
    }
}

/* --- Checking ---------------------------------------------------------------------------------- */

/* In f64, where the squares of floats neither overflow nor vanish; in lanes, for speed. */
static double norm2_of(const float *vector, size_t dim)
{
    enum { LANES = 8 };
    double lanes[LANES] = {0};
    double sum = 0;
    size_t i = 0;

    for (; i + LANES <= dim; i += LANES)
        for (size_t lane = 0; lane < LANES; lane++)
            lanes[lane] += (double)vector[i + lane] * (double)vector[i + lane];
    for (size_t lane = 0; lane < LANES; lane++)
        sum += lanes[lane];
    for (; i < dim; i++)
        sum += (double)vector[i] * (double)vector[i];
    return sum;
}

/* Where the component of largest magnitude is. */
static size_t peak_of(const float *vector, size_t dim)
{
    size_t peak = 0;

    for (size_t i = 1; i < dim; i++)
        if (fabsf(vector[i]) > fabsf(vector[peak]))
            peak = i;
    return peak;
}

static lode_status refuse_not_finite(const float *vector, lode_error *error)
{
    size_t i = 0;

    while (isfinite(vector[i]))
        i++;
    return error_set(error, LODE_INVALID, "component %zu is %s: components must be finite", i,
                     isnan(vector[i]) ? "NaN"
                     : vector[i] > 0  ? "infinity"
                                      : "-infinity");
}

/* What only the scalar type refuses. Under cosine, components are at most 1 and the largest is at
 * least 1/sqrt(dim) when they are encoded: any type holds them. */
static lode_status check_range(const struct space *space, const float *vector, lode_error *error)
{
    size_t at = peak_of(vector, space->dim);
    float peak = fabsf(vector[at]);

    if (space->scalar == LODE_SCALAR_F16 && peak > F16_MAX)
        return error_set(error, LODE_SCHEMA,
                         "component %zu is %.9g: f16 holds magnitudes up to 65504", at,
                         (double)vector[at]);
    if (space->scalar == LODE_SCALAR_INT8 && peak > 0 && peak < I8_PEAK_MIN)
        return error_set(error, LODE_SCHEMA,
                         "component %zu, the largest, is %.9g: int8 needs one of at least %.3g, "
                         "or the zero vector",
                         at, (double)vector[at], (double)I8_PEAK_MIN);
    return LODE_OK;
}

lode_status space_check(const struct space *space, const float *vector, lode_error *error)
{
    double norm2 = norm2_of(vector, space->dim);

    if (!isfinite(norm2))
        return refuse_not_finite(vector, error);
    if (space->metric == LODE_METRIC_COSINE) {
        if (norm2 > 0)
            return LODE_OK;
        return error_set(error, LODE_SCHEMA,
                         "all %zu components are 0: the zero vector has no "
                         "direction, which cosine compares",
                         space->dim);
    }
    if (norm2 > SPACE_NORM_MAX * SPACE_NORM_MAX) {
        size_t at = peak_of(vector, space->dim);
        return error_set(error, LODE_SCHEMA,
                         "the vector's length is %.3g, over the limit of %.3g (2^62); its largest "
                         "component, %zu, is %.9g",
                         sqrt(norm2), SPACE_NORM_MAX, at, (double)vector[at]);
    }
    if (space->scalar == LODE_SCALAR_F16 || space->scalar == LODE_SCALAR_INT8)
        return check_range(space, vector, error);
    return LODE_OK;
}

/* --- Encoding ---------------------------------------------------------------------------------- */

static void scale_f32(const float *from, double factor, float *to, size_t dim)
{
    for (size_t i = 0; i < dim; i++)
        to[i] = (float)((double)from[i] * factor);
}

static void encode_halves(const struct space *space, const float *vector, double factor, half *row)
{
    void (*convert)(const float *restrict, half *restrict, size_t) =
        space->scalar == LODE_SCALAR_F16 ? simd()->f32_to_f16 : simd()->f32_to_bf16;
    float scaled[CHUNK];

    for (size_t i = 0; i < space->dim; i += CHUNK) {
        size_t count = space->dim - i < CHUNK ? space->dim - i : CHUNK;
        scale_f32(vector + i, factor, scaled, count);
        convert(scaled, row + i, count);
    }
    if (space->dim % 2 == 1)
        row[space->dim] = 0;
}

static int all_codes(const float *vector, size_t dim)
{
    for (size_t i = 0; i < dim; i++)
        if (!(fabsf(vector[i]) <= I8_CODE_MAX) || vector[i] != rintf(vector[i]))
            return 0;
    return 1;
}

/* Codes do not depend on the vector's length, so cosine takes them from the vector as it is. */
static void encode_i8(const struct space *space, const float *vector, uint8_t *row)
{
    size_t dim = space->dim;
    struct i8_tail tail = {.scale = 1};
    double factor = 1;

    if (!all_codes(vector, dim)) {
        float peak = fabsf(vector[peak_of(vector, dim)]);
        tail.scale = peak / I8_CODE_MAX;
        factor = I8_CODE_MAX / (double)peak;
    }
    memset(row, 0, padded(dim));
    for (size_t i = 0; i < dim; i++) {
        int code = (int)lrint((double)vector[i] * factor);
        row[i] = (uint8_t)(int8_t)code;
        tail.square_sum += (uint32_t)(code * code);
    }
    if (space->metric == LODE_METRIC_COSINE)
        tail.scale = (float)(1 / sqrt(tail.square_sum));
    le_store_f32(row + padded(dim), tail.scale);
    le_store_u32(row + padded(dim) + 4, tail.square_sum);
}

void space_encode(const struct space *space, const float *vector, void *row)
{
    int cosine = space->metric == LODE_METRIC_COSINE;
    double factor = 1;

    if (cosine && space->scalar != LODE_SCALAR_INT8)
        factor = 1 / sqrt(norm2_of(vector, space->dim));
    switch (space->scalar) {
    case LODE_SCALAR_F32: scale_f32(vector, factor, row, space->dim); return;
    case LODE_SCALAR_F16:
    case LODE_SCALAR_BF16: encode_halves(space, vector, factor, row); return;
    case LODE_SCALAR_INT8: encode_i8(space, vector, row); return;
    }
}

void space_decode(const struct space *space, const void *row, float *vector)
{
    size_t dim = space->dim;
    const int8_t *codes = row;

    switch (space->scalar) {
    case LODE_SCALAR_F32: memcpy(vector, row, dim * sizeof *vector); return;
    case LODE_SCALAR_F16: simd()->f16_to_f32(row, vector, dim); return;
    case LODE_SCALAR_BF16: simd()->bf16_to_f32(row, vector, dim); return;
    case LODE_SCALAR_INT8:
        for (size_t i = 0; i < dim; i++)
            vector[i] = i8_tail_of(row, dim).scale * codes[i];
        return;
    }
}

float space_score(const struct space *space, float distance)
{
    if (space->metric == LODE_METRIC_L2)
        return distance;
    float score = 0.0f - distance; /* and not -distance: a score should not read -0 */
    if (space->metric == LODE_METRIC_COSINE)
        return score < -1 ? -1 : score > 1 ? 1 : score;
    return score;
}
