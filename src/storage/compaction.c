/* compaction.c: size tiers. A segment's size is that of its live rows; each tier holds sizes tier_width
 * times those of the tier below. When a tier has tier_width segments they are merged, which gives one
 * of a higher tier: a row is rewritten about once a tier, and a search meets fewer than tier_width segments
 * of each. A segment with too many dead rows is rewritten alone, when no merge does that; so, last, is one whose
 * graph was made in haste, the largest first. */
#include "storage/compaction.h"

static uint64_t live_bytes(const struct compaction_input *input)
{
    if (input->row_count == 0)
        return 0;
    double share = (double)input->live_count / (double)input->row_count;
    return (uint64_t)((double)input->bytes * share);
}

static double dead_share(const struct compaction_input *input)
{
    if (input->row_count == 0)
        return 1;
    return 1 - (double)input->live_count / (double)input->row_count;
}

static unsigned tier_of(const struct compaction_input *input,
                        const struct compaction_options *options)
{
    unsigned tier = 0;
    uint64_t base = options->tier_bytes_base ? options->tier_bytes_base : 1;
    size_t width = options->tier_width > 2 ? options->tier_width : 2;
    for (uint64_t bytes = live_bytes(input); bytes > base; bytes /= width)
        tier++;
    return tier;
}

/* Lower tiers first, smaller segments first within one. */
static int goes_before(const struct compaction_input *a, const struct compaction_input *b,
                       const struct compaction_options *options)
{
    unsigned a_tier = tier_of(a, options), b_tier = tier_of(b, options);
    if (a_tier != b_tier)
        return a_tier < b_tier;
    if (a->live_count != b->live_count)
        return a->live_count < b->live_count;
    return a->number < b->number;
}

static size_t sort_idle(const struct compaction_input *inputs, size_t input_count,
                        const struct compaction_options *options, size_t *order)
{
    size_t count = 0;
    for (size_t i = 0; i < input_count; i++) {
        if (inputs[i].busy)
            continue;
        size_t at = count++;
        for (; at > 0 && goes_before(&inputs[i], &inputs[order[at - 1]], options); at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
    return count;
}

/* How many of order[0, count), smallest first, go into one segment of rows_max rows. */
static size_t count_fitting(const struct compaction_input *inputs, const size_t *order,
                            size_t count, uint64_t rows_max)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < count; i++) {
        rows += inputs[order[i]].live_count;
        if (rows > rows_max)
            return i;
    }
    return count;
}

static size_t ascending(const size_t *from, size_t count, size_t *chosen)
{
    for (size_t i = 0; i < count; i++) {
        size_t value = from[i], at = i;
        for (; at > 0 && value < chosen[at - 1]; at--)
            chosen[at] = chosen[at - 1];
        chosen[at] = value;
    }
    return count;
}

/* Of order[0, count), smallest first: how many from `begin` on are of its tier. */
static size_t tier_size(const struct compaction_input *inputs,
                        const struct compaction_options *options, const size_t *order, size_t begin,
                        size_t count)
{
    unsigned tier = tier_of(&inputs[order[begin]], options);
    size_t end = begin + 1;
    while (end < count && tier_of(&inputs[order[end]], options) == tier)
        end++;
    return end - begin;
}

/* How many of a tier of `size` segments go into one: 0 while it is not full, or no two of them do. */
static size_t count_due(const struct compaction_input *inputs,
                        const struct compaction_options *options, const size_t *order, size_t size)
{
    size_t fitting = count_fitting(inputs, order, size, options->rows_max);
    return size >= options->tier_width && fitting >= 2 ? fitting : 0;
}

/* The first tier that is full. `order` is chosen[] too: a tier moves down within it. */
static size_t plan_tier(const struct compaction_input *inputs,
                        const struct compaction_options *options, size_t *order, size_t count)
{
    for (size_t begin = 0, size; begin < count; begin += size) {
        size = tier_size(inputs, options, order, begin, count);
        size_t due = count_due(inputs, options, order + begin, size);
        if (due)
            return ascending(order + begin, due, order);
    }
    return 0;
}

static size_t plan_rewrite(const struct compaction_input *inputs, size_t input_count,
                           const struct compaction_options *options, size_t *chosen)
{
    size_t worst = input_count;
    for (size_t i = 0; i < input_count; i++)
        if (!inputs[i].busy && dead_share(&inputs[i]) > options->dead_share_max &&
            (worst == input_count || dead_share(&inputs[i]) > dead_share(&inputs[worst])))
            worst = i;
    if (worst == input_count)
        return 0;
    chosen[0] = worst;
    return 1;
}

static size_t plan_renewal(const struct compaction_input *inputs, size_t input_count,
                           size_t *chosen)
{
    size_t best = input_count;
    for (size_t i = 0; i < input_count; i++)
        if (!inputs[i].busy && inputs[i].is_hasty &&
            (best == input_count || inputs[i].live_count > inputs[best].live_count))
            best = i;
    if (best == input_count)
        return 0;
    chosen[0] = best;
    return 1;
}

size_t compaction_plan(const struct compaction_input *inputs, size_t input_count,
                       const struct compaction_options *options, size_t *chosen,
                       enum compaction_reason *ret_reason)
{
    size_t idle = sort_idle(inputs, input_count, options, chosen);
    size_t count = plan_tier(inputs, options, chosen, idle);
    *ret_reason = COMPACTION_TIER;
    if (!count) {
        count = plan_rewrite(inputs, input_count, options, chosen);
        *ret_reason = COMPACTION_DEAD;
    }
    if (!count) {
        count = plan_renewal(inputs, input_count, chosen);
        *ret_reason = COMPACTION_HASTY;
    }
    if (!count)
        *ret_reason = COMPACTION_NONE;
    return count;
}

/* How many segments order[0, size), smallest first, become when as many as fit are merged together. */
static size_t count_groups(const struct compaction_input *inputs, const size_t *order, size_t size,
                           uint64_t rows_max)
{
    size_t groups = 0;
    for (size_t begin = 0, fitting; begin < size; begin += fitting, groups++) {
        fitting = count_fitting(inputs, order + begin, size - begin, rows_max);
        fitting = fitting ? fitting : 1;
    }
    return groups;
}

size_t compaction_debt(const struct compaction_input *inputs, size_t input_count,
                       const struct compaction_options *options, size_t *order)
{
    size_t idle = sort_idle(inputs, input_count, options, order), debt = 0;
    for (size_t begin = 0, size; begin < idle; begin += size) {
        size = tier_size(inputs, options, order, begin, idle);
        size_t left = count_groups(inputs, order + begin, size, options->rows_max);
        if (left < options->tier_width - 1)
            left = options->tier_width - 1;
        debt += size > left ? size - left : 0;
    }
    for (size_t i = 0; i < input_count; i++)
        debt += !inputs[i].busy && dead_share(&inputs[i]) > 2 * options->dead_share_max;
    return debt;
}
