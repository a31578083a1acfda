/* plan.c: the cheaper of a scan and a walk, in units of one row read in order.
 *
 * A walk costs about WALK_ROWS_FIXED rows and WALK_ROWS_PER_EF for each place of its beam: measured on
 * clustered sets of 5,000 to 80,000 points, 1,500 + 40 ef at 128 dimensions and 1,000 + 20 ef at 768
 * (docs/decisions/0044). Rows that are dead are walked through but fill no place in the beam, so that
 * the walk grows with the share of the dead. */
#include "query/plan.h"

#define WALK_ROWS_FIXED  1200u
#define WALK_ROWS_PER_EF 30u

static uint64_t walk_cost(const struct plan_input *input)
{
    uint64_t rows = WALK_ROWS_FIXED + (uint64_t)input->ef * WALK_ROWS_PER_EF;
    uint64_t tail = input->row_count - input->covered;
    return rows * input->row_count / input->live_count + tail;
}

enum plan plan_view(const struct plan_input *input)
{
    if (input->live_count == 0)
        return PLAN_SKIP;
    if (input->exact || input->covered == 0)
        return PLAN_SCAN;
    return walk_cost(input) < input->live_count ? PLAN_WALK : PLAN_SCAN;
}
