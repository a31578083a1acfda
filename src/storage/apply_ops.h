/* apply_ops.h: what apply.c and apply_ops.c share: a group of batches, read but not yet applied. */
#ifndef STORAGE_APPLY_OPS_H
#define STORAGE_APPLY_OPS_H

#include "base/arena.h"
#include "storage/apply.h"
#include "storage/growing_rows.h"

#define VIEW_NONE  0xffffffffu
#define BATCH_NONE 0xffffffffu

struct entry { /* what is known of one id of the group */
    uint64_t hash;
    const uint8_t *id;
    size_t id_size;
    uint32_t view;       /* where it lived before, or VIEW_NONE */
    uint32_t row;        /* there */
    uint32_t latest;     /* its last row in the growing segment, dead or alive, new ones too */
    uint32_t last_batch; /* that gave `latest`; BATCH_NONE: none of the group */
    uint32_t noted_in;   /* the batch that noted it in the journal; BATCH_NONE: none */
    int is_known;        /* the five above hold: it was looked up */
    int alive;           /* after the ops read so far */
};

struct pending { /* a row to be */
    struct op op;
    struct stamp stamp;
    uint32_t entry;
    uint32_t prev;
};

struct note { /* an entry as it was before the batch being read */
    uint32_t index;
    struct entry entry;
};

struct apply {
    struct arena arena; /* holds the arrays below, and what patches made */
    struct growing *growing;
    const struct version *from;
    struct version *next;
    struct growing_mark mark;
    struct entry *entries;
    uint32_t entry_count;
    uint32_t op_count; /* of all batches: as many entries there may be */
    uint32_t *map;     /* entry + 1, by hash; 0: empty */
    uint32_t map_mask;
    struct pending *pending;
    uint32_t pending_count;
    uint64_t bytes; /* of pending rows */
    uint64_t now_ms;
    lode_error *unsure;   /* apply_group.ret_unsure */
    size_t applied;       /* batches */
    struct note *journal; /* of the batch being read */
    uint32_t note_count;
    /* One for each batch: what it comes to, when it asks for more than rows */
    struct buf *resolved;
    size_t batch_count;
    struct buf scratch; /* metadata being made */
    struct fields
        *fields; /* a copy of apply_group.fields, made for the first document; NULL: none yet */
    int learnt;  /* it knows more */
    /* Of a batch that drops a namespace: for each view the rows that die, or NULL. NULL: it is none */
    uint64_t **doomed;
};

static inline enum batch_source apply_source(const struct apply_batch *batch)
{
    return batch->asks ? BATCH_OF_WRITER : BATCH_OF_LOG;
}

/* Arrays for the group's ops. */
NODISCARD lode_status apply_begin(struct apply *apply, const struct apply_group *group,
                                  lode_error *error);
/* The entry of an op's id; a new one is not known yet. */
uint32_t apply_entry(struct apply *apply, const struct op *op);
/* Look up the ids of all the group's ops at once. What fails or makes no sense is left for who reads it: those entries
 * stay unknown. LODE_NOMEM. apply_ahead.c. */
NODISCARD lode_status apply_look_ahead(struct apply *apply, const struct apply_group *group,
                                       lode_error *error);
/* Read the group's batches, as many as fit, and lower its count to them. */
NODISCARD lode_status apply_read(struct apply *apply, struct apply_group *group, lode_error *error);
/* The same of a group whose first batch drops a namespace: that one alone. apply_drop.c. */
NODISCARD lode_status apply_drop(struct apply *apply, struct apply_group *group, lode_error *error);
/* As if nothing had been read of it yet. */
void apply_batch_reset(struct apply_batch *batch);
void apply_end(struct apply *apply);

#endif
