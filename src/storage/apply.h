/* apply.h: from one version to the next by a group of batches, in two steps so that the second cannot fail:
 * everything is allocated before the log is written, and only what is logged becomes visible.
 *   prepare  looks ids up, makes upserts of patches, writes rows where no version looks, makes the next
 *            version
 *   commit   lets the segment's id table speak of the rows, and gives the version out
 *   abort    forgets them
 * One thread at a time (the lane).
 *
 * Batches of a group are applied in order, each on what those before it left. One that asks for what
 * cannot be is refused, whole, and takes no sequence number; the others are not touched by that. One
 * whose request id is known already is not applied: it has the result that it had then.
 *
 * A batch that drops a namespace makes a group of its own: prepare takes those before it, or it alone.
 *
 * What goes into the log is the outcome and not the wish: upserts and deletes, which a replay repeats
 * whatever it finds. A patch finds the point as it is now; a manifest written later may already lack
 * the row that it was made from. */
#ifndef STORAGE_APPLY_H
#define STORAGE_APPLY_H

#include "filter/fields.h"
#include "storage/growing.h"
#include "storage/requests.h"

struct apply_batch {
    const struct buf *bytes; /* as its writer encoded it, or as the log has it */
    int asks;                /* for more than rows and deaths: the log gets what that comes to */
    /* Filled by prepare: */
    lode_status status;    /* LODE_OK, or why it is refused */
    lode_error error;      /* the same */
    uint64_t sequence;     /* its own, or that of the batch it repeats; 0: refused */
    int repeats;           /* a batch of this request id was applied before: this is not */
    const uint8_t *logged; /* for the log; belongs to `bytes` or the apply. NULL: not applied */
    size_t logged_size;
    struct batch_counts counts;   /* or those of the batch it repeats */
    struct batch_request request; /* id_size 0: without id. Borrowed from `bytes` */
};

struct apply_group {
    struct apply_batch *batches;
    size_t
        count; /* prepare lowers it to those that it took, from the first on: that fit, up to a drop */
    const struct requests *requests; /* applied before; NULL: batches that were, from a log */
    uint64_t now_ms;    /* what expires up to then is dead at once; 0: not known, nothing is */
    uint64_t bytes_max; /* for the log, of all batches together */
    int first_fits;     /* the first is taken even when it is larger */
    /* Not NULL, of a log: where a segment cannot say whether an id lives in it, the id is taken for one that
     * does not, and the first such reason is put here. */
    lode_error *ret_unsure;
    size_t applied; /* filled by prepare: taken, and neither refused nor repeats */
    /* What is known of the metadata's fields; NULL: nobody wants to know. A batch whose documents do not fit
     * is refused; what a log holds has been taken once, and what does not fit is passed over. */
    const struct fields *fields;
    struct fields
        *learnt; /* filled by prepare: a copy that knows more; the caller's. NULL: nothing new */
};

/* `from` must be the newest version and `growing` its last view's segment. After a failure nothing is
 * changed. When group->applied is 0 there is nothing to commit: abort. */
struct apply;
NODISCARD lode_status apply_prepare(struct version *from, struct segment *growing,
                                    struct apply_group *group, struct apply **ret_apply,
                                    lode_error *error);
/* Takes `own_apply`. The version's sequence is that of `from` and one more for each batch applied. */
struct version *apply_commit(struct apply *own_apply);
void apply_abort(struct apply *own_apply); /* NULL is allowed */

#endif
