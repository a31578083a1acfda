/* requests.h: the last write requests that were given an id by their writer, with their results, so that one
 * that comes again is not applied again. Bounded: the newest REQUEST_IDS_MAX are remembered.
 *
 * Not thread-safe: of the lane. */
#ifndef STORAGE_REQUESTS_H
#define STORAGE_REQUESTS_H

#include "storage/batch.h"

struct request {
    uint64_t sequence;
    struct batch_counts counts;
    uint32_t older;  /* in the same chain; the table's own */
    uint8_t id_size; /* 1 to REQUEST_ID_SIZE_MAX */
    uint8_t id[REQUEST_ID_SIZE_MAX];
};

struct requests {
    struct request *items; /* a ring; NULL: none was ever given */
    uint32_t *chains;      /* by hash: item + 1, the newest first; 0: none */
    uint32_t count;
    uint32_t next; /* the place of the next one */
};

void requests_release(struct requests *requests);
/* Take the memory there is ever need for. */
NODISCARD lode_status requests_reserve(struct requests *requests, lode_error *error);
/* The newest one of this id, or NULL. Borrowed until the next add. */
const struct request *requests_find(const struct requests *requests, const uint8_t *id,
                                    size_t id_size);
/* Remember one more, later than all others, and forget the oldest when there are too many. After a
 * reserve. */
void requests_add(struct requests *requests, const struct batch_request *request,
                  uint64_t sequence);

/* Those of batches up to `sequence_max` as bytes of a manifest (docs/format/manifest.md), and back. */
NODISCARD lode_status requests_encode(const struct requests *requests, uint64_t sequence_max,
                                      struct buf *out, lode_error *error);
/* `requests` is empty. NULL: only check. LODE_CORRUPT when they are not such bytes, or of batches beyond
 * `sequence_max`. */
NODISCARD lode_status requests_decode(struct requests *requests, const struct buf *bytes,
                                      uint64_t sequence_max, lode_error *error);

#endif
