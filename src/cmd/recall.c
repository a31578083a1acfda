/* recall.c: see recall.h. */
#include "cmd/recall.h"

#include <math.h>

#define ROUNDING 1e-6 /* relative: scores of equal distances differ that much by order of summing */

int recall_as_good(lode_metric metric, float a, float b)
{
    double slack = ROUNDING * fabs((double)b);
    if (metric == LODE_METRIC_L2)
        return (double)a <= (double)b + slack;
    return (double)a >= (double)b - slack;
}

static int has_id(const lode_result *result, const lode_id *id)
{
    for (size_t i = 0; i < result->hit_count; i++)
        if (lode_id_compare(&result->hits[i].id, id) == 0)
            return 1;
    return 0;
}

size_t recall_hits(lode_metric metric, const lode_result *found, const lode_result *truth)
{
    size_t count = 0;
    if (truth->hit_count == 0)
        return 0;
    float worst = truth->hits[truth->hit_count - 1].score;
    for (size_t i = 0; i < found->hit_count && i < truth->hit_count; i++)
        count += (size_t)(recall_as_good(metric, found->hits[i].score, worst) ||
                          has_id(truth, &found->hits[i].id));
    return count;
}
