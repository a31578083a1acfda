/* writer.h: the way in: batches are checked and encoded on the caller's thread, then committed in
 * groups that share one append and one sync. */
#ifndef ENGINE_WRITER_H
#define ENGINE_WRITER_H

#include "base/buf.h"
#include "os/thread.h"
#include "storage/id.h"

struct collection;

#define GROUP_BATCHES_MAX 1024u
#define GROUP_BYTES_MAX   ((size_t)64 << 20)

/* What a caller gave: one of the three. */
struct write_input {
    const lode_write_op *ops;
    const lode_point *points; /* to upsert */
    const lode_id *ids;       /* to delete */
    size_t count;
    lode_ack ack;
    const uint8_t *request_id; /* borrowed */
    size_t request_id_size;    /* 0: none */
    struct id_namespace space; /* of all ids */
};

/* One batch on its way; lives on its writer's stack. */
struct write_request {
    struct buf batch;
    size_t row_count; /* that it may add */
    int asks;         /* for more than rows and deaths (storage/apply.h) */
    lode_ack ack;
    uint32_t model_version; /* that embedded some of its texts; 0: none was */
    /* Results, written by the leader before `done`. */
    lode_status status;
    lode_error error;
    lode_write_info info;
    /* The queue's mutex guards these. */
    int done;
    struct cond turn; /* done, or leading */
    struct write_request *next;
};

struct group;
struct write_queue {
    struct mutex mutex;
    struct write_request *first; /* leads */
    struct write_request *last;
    struct group *group; /* the leader's */
};

NODISCARD lode_status write_queue_init(struct write_queue *queue, lode_error *error);
void write_queue_release(struct write_queue *queue);

/* Check every operation; then embed what has no vector, and encode. LODE_INVALID, LODE_SCHEMA and LODE_LIMIT name
 * the operation's position and id. */
NODISCARD lode_status encode_batch(struct collection *collection, const struct write_input *input,
                                   struct write_request *request, lode_error *error);

/* lode_namespace_drop: LODE_NOT_FOUND when it has no points. */
NODISCARD lode_status collection_drop_namespace(struct collection *collection,
                                                const struct id_namespace *space,
                                                lode_write_info *ret_info, lode_error *error);

/* lode_write, lode_upsert, lode_delete. */
NODISCARD lode_status collection_write(struct collection *collection,
                                       const struct write_input *input, lode_write_info *ret_info,
                                       lode_error *error);

#endif
