/* index.h: one interface for all search structures over the rows of a segment.
 *
 * An index knows rows, a space, an allowed set and a budget; nothing of ids, metadata, versions or
 * file names. Rows never move and never change while an index uses them. */
#ifndef INDEX_INDEX_H
#define INDEX_INDEX_H

#include <stdatomic.h>

#include "base/topk.h"
#include "os/executor.h"
#include "os/stop.h"
#include "quant/space.h"

struct index_params {
    uint32_t m; /* links above layer 0; 2m on layer 0 */
    uint32_t ef_construction;
    uint64_t seed;
    lode_layout layout; /* of the quantised graph */
    /* create: links are found on codes, centred at the mean of the first so many rows, which are there
     * already. 0: by the rows themselves. */
    uint32_t coded_from;
    /* build: what grows with the rows lies in files without names in this directory; NULL: in memory. */
    const char *spill_dir;
};

struct index_counts {
    /* Vectors or whole codes of rows compared with the query, not estimates of a hop */
    uint64_t distances;
    uint64_t hops; /* nodes expanded */
};

/* How the allowed rows near a query are found. See plan.h. */
enum index_plan {
    INDEX_PLAN_ANY,      /* in a query: the one that is expected to cost least */
    INDEX_PLAN_SCAN,     /* all allowed rows are compared */
    INDEX_PLAN_CONFINED, /* a walk on allowed rows; of others, links are looked at to get to these */
    INDEX_PLAN_SIEVE,    /* a walk on all rows, of which those allowed are kept */
    INDEX_PLAN_COUNT
};

enum index_reason {
    INDEX_REASON_CHEAPEST, /* of the plans' expected costs */
    INDEX_REASON_ASKED,    /* the query asked for it */
    INDEX_REASON_FAR,      /* another was left: few allowed rows near the query, or none */
    INDEX_REASON_COST,     /* another was left: it came to cost too much */
    INDEX_REASON_SHORT     /* another was left: it ended with fewer than k rows, or in damage */
};

/* What a search did about its allowed set. Costs are nanoseconds, as expected on the machine that the
 * constants were measured on: what they are to each other is what counts. */
struct index_choice {
    enum index_plan plan;     /* that gave the answer */
    enum index_plan first;    /* that was begun with */
    enum index_reason reason; /* why `plan` */
    uint32_t allowed;         /* rows; all when there is no set */
    double costs[INDEX_PLAN_COUNT];
    double
        budget; /* of walks: what the scan costs; infinite when nothing is filtered, or a plan was asked for */
    double spent; /* on walks that were left */
};

struct index_query {
    const void *query; /* an encoded row of the space */
    uint32_t ef;       /* beam width; at least topk->k is used */
    /* Rows at or beyond it do not exist for this query; those below it must have been inserted, or may be
     * missing from the answer. */
    uint32_t row_limit;
    const uint64_t *allowed; /* bitset of rows that may be returned, of row_limit bits; NULL: all.
                                A 1 bit ALWAYS means allowed. Rows not allowed are still walked. */
    uint32_t allowed_count;  /* of the set's rows below row_limit; 0: unknown, they are counted */
    enum index_plan plan;    /* to begin with, where it can be; INDEX_PLAN_ANY in earnest */
    struct index_choice *choice; /* may be NULL; written by searches of a graph */
    struct topk *topk;           /* results are pushed here; may hold some already */
    struct index_counts *counts; /* added to */
    const lode_stop *stop;       /* NULL: never; else searches may answer LODE_CANCELLED or
                                    LODE_TIMEOUT: then what is in the top-k is of no use */
};

#define INDEX_ROW_NONE 0xffffffffu

/* An earlier graph of some of the rows. Rows that were not in it, or of which it knew rows that are gone,
 * find neighbours; the others keep theirs. */
struct index_origin {
    const struct index *index; /* opened or built, of the same space; only read */
    const uint32_t *row_map;   /* of each of its rows: which one it is now, or INDEX_ROW_NONE */
};

/* What a long build runs with. */
struct index_work {
    struct executor *executor;         /* NULL: this thread alone, and then deterministic */
    const struct cancel *cancel;       /* may be NULL; when it is wanted: LODE_CANCELLED */
    _Atomic uint64_t *done;            /* may be NULL; rows done so far, for progress */
    const struct index_origin *origin; /* may be NULL; a hint: what does not serve is not used */
    /* May be NULL. Called between small pieces of work by all threads but one; may sleep a little, to leave cores
     * to those who need them more. */
    void (*give_way)(void *context);
    /* May be NULL. Whether one thread is all that the next piece of work should take. */
    int (*is_crowded)(void *context);
    void *context;         /* of both */
    const char *spill_dir; /* see index_params; of sealed_make_graph */
};

/* Where serialize puts its bytes. */
struct index_sink {
    lode_status (*write)(void *context, const void *data, size_t size, lode_error *error);
    void *context;
    struct executor *executor; /* NULL: all is made on this thread */
    _Atomic uint64_t *done;    /* may be NULL; rows written so far, for progress */
};

/* A serialized index, which knows what it was built with, and the rows it is of. */
struct index_file {
    const struct rows *rows;
    uint32_t count;      /* of rows */
    const uint8_t *data; /* mapped, 64-byte aligned */
    size_t size;
    struct guard *guard; /* touched before data is read; NULL: of memory */
};

struct index;

struct index_ops {
    const char *name;
    /* An empty index over rows that will come, at most `capacity` of them; takes memory as it grows. */
    NODISCARD lode_status (*create)(const struct index_params *params, const struct rows *rows,
                                    uint32_t capacity, struct index **ret_index, lode_error *error);
    /* Add one row, whose bytes are already there. Each row once; after an error the row is not there
     * and may be tried again. Safe beside other inserts and searches on other threads. */
    NODISCARD lode_status (*insert)(struct index *index, uint32_t row, lode_error *error);
    /* create, then insert rows [0, count) on all of the executor's threads. */
    NODISCARD lode_status (*build)(const struct index_params *params, const struct rows *rows,
                                   uint32_t count, const struct index_work *work,
                                   struct index **ret_index, lode_error *error);
    /* Use serialized bytes in place (borrowed until close). Checks the header and all sizes; links are
     * checked as they are followed. LODE_CORRUPT. */
    NODISCARD lode_status (*open)(const struct index_file *file, struct index **ret_index,
                                  lode_error *error);
    /* The plan that a search with this query would begin with; of the query's vector and of what is in its top-k
     * nothing is read. */
    void (*choose)(const struct index *index, const struct index_query *query,
                   struct index_choice *ret_choice);
    /* The topk->k nearest allowed rows, more or less; but k of them whenever there are k, for which the
     * allowed rows are scanned when need be. What touching the index's bytes or the rows answers; then what
     * is in the top-k is of no use. */
    NODISCARD lode_status (*search)(const struct index *index, const struct index_query *query,
                                    lode_error *error);
    /* LODE_INVALID when some row below the highest one was not inserted. */
    NODISCARD lode_status (*serialize)(const struct index *index, const struct index_sink *sink,
                                       lode_error *error);
    /* Check every link and level, touching all. LODE_CORRUPT says which is wrong. */
    NODISCARD lode_status (*check)(const struct index *index, lode_error *error);
    uint32_t (*count)(const struct index *index); /* rows inserted */
    /* The ef_construction it was made with; NULL: what was asked for. */
    uint32_t (*effort)(const struct index *index);
    size_t (*memory)(const struct index *index); /* bytes owned, mapped ones not counted */
    void (*close)(struct index *index);          /* NULL is allowed */
};

struct index {
    const struct index_ops *ops;
};

extern const struct index_ops index_hnsw;
/* For sealed segments: build makes the quantised graph (qg.h) where it serves, a plain one elsewhere;
 * open reads both. create makes a plain one, since this layout takes no single rows. What is opened or
 * built carries the operations of its own kind: call them through index->ops. */
extern const struct index_ops index_qg;

/* Bytes of a graph of this kind on disk, at most, for each row. */
size_t index_graph_row_max(const struct index_params *params, const struct space *space);

/* Exact scan of rows [first, query->row_limit): pushes every allowed row nearer than the k-th best.
 * Needs no index; ties end at the smaller row. What touching the rows answers; then what is in the top-k
 * is of no use. */
NODISCARD lode_status flat_search(const struct rows *rows, uint32_t first,
                                  const struct index_query *query, lode_error *error);

/* The same for many queries together, which differ in nothing but `query`, `topk` and `counts`: every
 * top-k ends with the rows and distances that flat_search leaves in it, bit for bit. Rows are read
 * once for many queries. LODE_NOMEM, and what touching the rows answers: what is in the top-k's then is of
 * no use. */
NODISCARD lode_status flat_search_batch(const struct rows *rows, uint32_t first,
                                        const struct index_query *queries, size_t query_count,
                                        lode_error *error);

#endif
