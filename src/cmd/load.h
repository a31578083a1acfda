/* load.h: points from a source into a collection: the caller's thread reads, others write. */
#ifndef CMD_LOAD_H
#define CMD_LOAD_H

#include "cmd/progress.h"
#include "cmd/source.h"

#define LOAD_THREADS_MAX 64u

struct load {
    lode_collection *collection;
    struct source *source; /* wherever it stands */
    size_t batch_size;
    unsigned threads; /* that write, 1 to LOAD_THREADS_MAX */
    uint64_t limit;   /* points at most */
    int insert_only;  /* LODE_CONFLICT when a point's id is there already; of one thread */
    struct progress *progress;

    /* The outcome. */
    uint64_t points;    /* acknowledged, counted from the source's place without a gap   */
    uint64_t due;       /* of the points written, in all batches, how many had expired by then */
    int reading_failed; /* the error is the source's, not the engine's                   */
    uint64_t failed_first, failed_last; /* else: lines or rows of the batch that was refused */
};

/* Batches are whole or absent. With several threads, batches behind one that fails may be stored too;
 * going on at `points` writes them again, which changes nothing. LODE_CANCELLED: interrupted. */
NODISCARD lode_status load_run(struct load *load, lode_error *error);

/* After an error of the engine: prefix the message with the lines or rows of the batch. */
void load_place(const struct load *load, lode_error *error);

#endif
