/* plan.c: the cheaper of a scan and a walk, in units of one row read in order.
 *
 * A walk with beam width ef compares about WALK_DISTANCES rows for each entry of its beam, and reads
 * them at random, which costs about WALK_FACTOR times as much as a row read in order. Rows that
 * are dead are walked through but fill no place in the beam, so that the walk grows with the share of
 * the dead. */
#include "query/plan.h"

#define WALK_DISTANCES 20u
#define WALK_FACTOR    4u

static uint64_t walk_cost(const struct plan_input *input)
{
    uint64_t distances = (uint64_t)input->ef * WALK_DISTANCES * WALK_FACTOR;
    uint64_t tail = input->row_count - input->covered;
    return distances * input->row_count / input->live_count + tail;
}

enum plan plan_view(const struct plan_input *input)
{
    if (input->live_count == 0)
        return PLAN_SKIP;
    if (input->exact || input->covered == 0)
        return PLAN_SCAN;
    return walk_cost(input) < input->live_count ? PLAN_WALK : PLAN_SCAN;
}
