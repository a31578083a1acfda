/* json_writes.h: what deletes and patches are read into, and what stands in the head of any write. */
#ifndef SERVER_JSON_WRITES_H
#define SERVER_JSON_WRITES_H

#include "server/idempotency.h"
#include "server/json_asked.h"
#include "server/json_points.h"

/* ?ack= and the header Idempotency-Key. The engine is given a hash of the key with who sent it and for what operation, so
 * that nobody meets another's. False: the call has failed. */
bool write_head_read(struct call *call, struct write_head *ret_head);

/* {"ids": [...]} or {"filter": ...} and what is to be done to the points: a delete, a patch or, as {"patches": [...]}, a
 * patch for each of several. */
struct writes {
    struct asked asked;
    struct json_points points; /* operations; of ids, patches or vectors */
    lode_write_op op;          /* what all of "ids" or the filter have in common */
    struct json_names removed; /* of the patch: members to remove */
    uint64_t given;            /* parser's own */
    bool has_ids, has_patches;
    const char *items; /* what the body calls them: "vectors"; NULL: one that is named elsewhere */
};

void writes_init(struct writes *writes, struct call *call);
void writes_release(struct writes *writes); /* closes asked too */

/* Read a body of vectors.upsert, vectors.delete or vectors.patch. By a filter there are no points and op is what
 * lode_patch_filtered takes. LODE_INVALID and so on: input->fault. */
NODISCARD lode_status writes_read_upsert(struct json_input *input, struct writes *writes);
NODISCARD lode_status writes_read_delete(struct json_input *input, struct writes *writes);
NODISCARD lode_status writes_read_patch(struct json_input *input, struct writes *writes);

#endif
