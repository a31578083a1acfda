/* segment.c: counting references of a segment. */
#include "storage/segment.h"

struct segment *segment_ref(struct segment *segment)
{
    /* Relaxed: whoever adds a reference holds one already. */
    atomic_fetch_add_explicit(&segment->refs, 1, memory_order_relaxed);
    return segment;
}

void segment_unref(struct segment *segment)
{
    /* Release what this thread did with it; the last one acquires what all others did, then frees. */
    if (segment && atomic_fetch_sub_explicit(&segment->refs, 1, memory_order_acq_rel) == 1)
        segment->ops->free(segment);
}

int segment_is_damaged(const struct segment *segment, enum segment_damage which,
                       lode_error *ret_reason)
{
    return segment->ops->damage && segment->ops->damage(segment, which, ret_reason);
}
