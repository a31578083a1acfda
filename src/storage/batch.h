/* batch.h: one atomic write, encoded: what goes into the log and is applied to the segments.
 *
 *   u32 op count, u8 request id size (0: none), u8 0, u16 0
 *   with a request id: u32 × 4 struct batch_counts, zeros from a writer, then the id
 *   then each op:
 *   u8 kind (lode_write_kind), u8 condition (lode_condition) | OP_EXPIRES, u16 id size, id bytes (id.h)
 *   with LODE_IF_VERSION: u64 that version
 *   with OP_EXPIRES: u64 milliseconds since 1970; of a patch 0 takes the expiry away
 *   upserts add: row bytes (space.row_size), u32 metadata size, u32 text size, metadata, text
 *   patches add: u8 mode (lode_patch_mode), u8 PATCH_..., u16 0, the same sizes, metadata, text
 *   OP_DROP, alone in its batch: its id is the prefix of a namespace's ids, all of whose points die
 *
 * Patches and conditions are what a writer asks for. They are never logged: what becomes of them depends
 * on the point they find, which a later merge may have dropped. apply.h makes upserts and deletes of
 * them first. */
#ifndef STORAGE_BATCH_H
#define STORAGE_BATCH_H

#include "base/buf.h"
#include "quant/space.h"
#include "storage/id.h"

enum { /* what a patch gives */
       PATCH_METADATA = 1,
       PATCH_TEXT = 2,
};
#define OP_EXPIRES 0x80
#define OP_DROP    ((lode_write_kind)4) /* beside those of callers */

/* Bytes of a request id as it is stored. Those of a namespace have this size, and no others: ID_IN_NAMESPACE, SHA-256
 * of the namespace's name, SHA-256 of the request id. */
#define REQUEST_ID_SIZE_MAX (LODE_REQUEST_ID_SIZE_MAX + 1)

struct batch_counts { /* what a batch did */
    uint32_t upserted;
    uint32_t deleted;
    uint32_t patched;
    uint32_t missing; /* patches of points that there are not */
};

struct batch_request {
    const uint8_t *id;
    size_t id_size; /* 0: none */
    struct batch_counts counts;
};

struct op {
    lode_write_kind kind;
    const uint8_t *id;
    size_t id_size;
    const uint8_t *row; /* upserts only; maybe unaligned */
    const char *metadata;
    size_t metadata_size; /* 0: none */
    const char *text;
    size_t text_size;     /* 0: none */
    uint64_t expires_ms;  /* 0: never */
    uint8_t expiry_given; /* of a patch; of an upsert it follows from expires_ms */
    uint8_t condition;
    uint64_t if_version; /* of LODE_IF_VERSION */
    uint8_t patch_mode;  /* patches only; LODE_PATCH_REMOVE comes as a merge of nulls */
    uint8_t given;
};

/* Building: begin, append ops, end. batch_upsert encodes a checked vector into the batch as the row. */
NODISCARD lode_status batch_begin(struct buf *batch, const uint8_t *request_id,
                                  size_t request_id_size, lode_error *error);
NODISCARD lode_status batch_upsert(struct buf *batch, const struct space *space,
                                   const struct op *op, const float *vector, lode_error *error);
/* Any op; an upsert has row_size bytes at row. */
NODISCARD lode_status batch_op(struct buf *batch, const struct op *op, size_t row_size,
                               lode_error *error);
void batch_end(struct buf *batch, uint32_t op_count);
/* What it did, for a batch that was begun with a request id; at any time. */
void batch_put_counts(struct buf *batch, const struct batch_counts *counts);

/* A whole batch of one OP_DROP. */
NODISCARD lode_status batch_drop(struct buf *batch, const struct id_namespace *space,
                                 lode_error *error);
/* Whether a batch is one, as far as its bytes can be trusted. */
int batch_is_drop(const uint8_t *data, size_t size);

enum batch_source {
    BATCH_OF_LOG,    /* upserts, deletes and drops alone, without conditions */
    BATCH_OF_WRITER, /* anything */
};

/* Reading, every length checked (a log may hold anything): LODE_CORRUPT names the op. */
struct batch_reader {
    struct reader bytes;
    size_t row_size;
    enum batch_source source;
    struct batch_request request;
    uint32_t op_count;
    uint32_t next;
};
NODISCARD lode_status batch_open(struct batch_reader *reader, const uint8_t *data, size_t size,
                                 size_t row_size, enum batch_source source, lode_error *error);
/* *ret_more is 0 at the end (and then all bytes were used). */
NODISCARD lode_status batch_next(struct batch_reader *reader, struct op *ret_op, int *ret_more,
                                 lode_error *error);

#endif
