/* qg_lift.c: inner products as distances.
 *
 * After Bachrach and others (2014) and Neyshabur and Srebro (2015): a row x is lifted to
 * (x, sqrt(M^2 - |x|^2)), onto a sphere of radius M, and a query q becomes (q M/|q|, 0); their squared
 * distance, 2 M^2 - 2 (M/|q|) <q,x>, orders rows as <q,x> does. What is ours:
 *   - The height enters the distance of a query as M^2 - |x|^2, a number, kept with each row and in what
 *     each link adds. So codes and projection are those of x, and the height brings no error.
 *   - A row longer than M has a negative number there, which is right as well. So M need not be the length
 *     of the longest row, beside which all others would look alike: docs/decisions/0056.
 * Heights themselves are compared only when rows are linked. */
#include "index/qg.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sort.h"
#include "os/memory.h"

#define LONGER_THAN_M 500u     /* one row in so many */
#define HEIGHT_MAX    30000.0f /* so that its square and the distance of codes fit 32 bits */

lode_status qg_lift_room(struct qg *qg, lode_error *error)
{
    size_t squares = qg->count * sizeof *qg->lift.squares;
    size_t heights = qg->count * sizeof *qg->lift.heights;
    qg->lift.squares = memory_reserve(squares);
    qg->lift.heights = memory_reserve(heights);
    if (!qg->lift.squares || !qg->lift.heights)
        return error_nomem(error, "graph", squares + heights);
    return LODE_OK;
}

void qg_lift_release(struct qg *qg)
{
    memory_unreserve(qg->lift.squares, qg->count * sizeof *qg->lift.squares);
    memory_unreserve(qg->lift.heights, qg->count * sizeof *qg->lift.heights);
}

static lode_status find_radius(struct qg *qg, lode_error *error)
{
    float *sorted = malloc(qg->count * sizeof *sorted);
    if (!sorted)
        return error_nomem(error, "graph", qg->count * sizeof *sorted);
    memcpy(sorted, qg->lift.squares, qg->count * sizeof *sorted);
    qsort(sorted, qg->count, sizeof *sorted, sort_floats);
    qg->lift.radius = sqrtf(sorted[qg->count - 1 - qg->count / LONGER_THAN_M]);
    qg->lift.longest = sqrtf(sorted[qg->count - 1]);
    free(sorted);
    return LODE_OK;
}

lode_status qg_lift_all(struct qg *qg, lode_error *error)
{
    lode_status status = find_radius(qg, error);
    for (uint32_t row = 0; row < qg->count && status == LODE_OK; row++) {
        float height = sqrtf(fmaxf(qg_lift_of(qg, row), 0)) * qg->projection.code_scale;
        qg->lift.heights[row] = (uint16_t)fminf(height, HEIGHT_MAX);
    }
    return status;
}

/* In f64: the squares of long vectors are beyond f32. */
static double square_of(const float *vector, size_t dim)
{
    double sum = 0;
    for (size_t i = 0; i < dim; i++)
        sum += (double)vector[i] * (double)vector[i];
    return sum;
}

void qg_lift_row(struct qg *qg, uint32_t row, const float *decoded)
{
    double scale = (double)qg->projection.scale;
    qg->lift.squares[row] = (float)(square_of(decoded, qg->projection.dim) * scale * scale);
}

void qg_lift_query(const struct qg *qg, const float *decoded, float *centred)
{
    size_t dim = qg->projection.dim;
    double length = sqrt(square_of(decoded, dim));
    double factor = length > 0 ? (double)qg->lift.radius / length : 0;
    for (size_t i = 0; i < dim; i++)
        centred[i] =
            (float)((double)decoded[i] * factor) - qg->projection.mean[i] * qg->projection.scale;
    memset(centred + dim, 0, (projection_padded(dim) - dim) * sizeof *centred);
}

float qg_lift_of(const struct qg *qg, uint32_t row)
{
    return qg->lift.radius * qg->lift.radius - qg->lift.squares[row];
}
