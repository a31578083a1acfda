/* logs.h: logs whose batches are all in segments. They are of use to nobody but restoring to a point in time, and
 * are kept as the database's setting says: the newest, up to so many bytes. */
#ifndef ENGINE_LOGS_H
#define ENGINE_LOGS_H

#include "engine/collection.h"

static inline struct wal_file log_file(const struct store *store, uint64_t number)
{
    return (struct wal_file){store->vfs, store->dir, store->collection_uid, number};
}

/* Remove those that are not to be kept, the oldest first. change_mutex is held, or nobody else is there yet.
 * What cannot be removed now is removed the next time. */
void logs_prune(struct collection *collection);

/* From here to logs_release none is removed. */
void logs_hold(struct collection *collection);
void logs_release(struct collection *collection);

/* What is kept: bytes, and the first batch in it, or 0. */
struct logs_kept {
    uint64_t bytes;
    uint64_t first_sequence;
};
/* As of that version, which tells what is not in segments yet. Takes no lock. */
void logs_measure(const struct collection *collection, const struct version *version,
                  struct logs_kept *ret_kept);

/* The batches that a log holds whole, and where they end; 0 batches: first is 0. It ends with the group that holds
 * the batch `until`: what comes behind it may be cut back by the writer, and what is before it stays. */
struct log_range {
    uint64_t first, last;
    uint64_t size;
};
NODISCARD lode_status log_range(const struct store *store, uint64_t number, int may_be_torn,
                                uint64_t until, struct log_range *ret_range, lode_error *error);

#endif
