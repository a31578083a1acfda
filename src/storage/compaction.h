/* compaction.h: what to merge next: a pure function of the segments' sizes. */
#ifndef STORAGE_COMPACTION_H
#define STORAGE_COMPACTION_H

#include <stddef.h>
#include <stdint.h>

struct compaction_input { /* one sealed segment */
    uint64_t number;
    uint64_t bytes;
    uint32_t row_count;
    uint32_t live_count;
    int busy;     /* already part of a running job, or damaged: left alone */
    int is_hasty; /* its graph deserves to be made anew, when nothing else is due */
};

struct compaction_options {
    size_t tier_width;        /* merge when so many segments are of one tier; at least 2 */
    uint64_t tier_bytes_base; /* the smallest tier; each next one is tier_width times larger */
    double dead_share_max;    /* rewrite a segment alone above this share of dead rows */
    uint64_t rows_max;        /* of a merged segment */
};

enum compaction_reason {
    COMPACTION_NONE,
    COMPACTION_TIER,  /* a tier is full */
    COMPACTION_DEAD,  /* too many rows of one segment are dead */
    COMPACTION_HASTY, /* the graph of one deserves to be made anew */
};

/* Fill chosen[] with indices into inputs (ascending); returns how many: 0 when nothing is due. *ret_reason
 * says why. */
size_t compaction_plan(const struct compaction_input *inputs, size_t input_count,
                       const struct compaction_options *options, size_t *chosen,
                       enum compaction_reason *ret_reason);

/* How many segments there are beyond what merging would leave, which is tier_width - 1 of each tier or, where rows_max
 * allows for less, as many as that takes; and how many have more than twice the share of dead rows from which on
 * they are rewritten. `order`: room for input_count. */
size_t compaction_debt(const struct compaction_input *inputs, size_t input_count,
                       const struct compaction_options *options, size_t *order);

#endif
