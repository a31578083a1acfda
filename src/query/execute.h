/* execute.h: the k nearest points of one version: every view is searched, the hits are merged. Several
 * queries at once share what they can: views that more than one of them scans are read once. */
#ifndef QUERY_EXECUTE_H
#define QUERY_EXECUTE_H

#include "query/allowed.h"
#include "query/plan.h"
#include "storage/version.h"

struct query {
    const struct version *version; /* pinned by the caller until the hits are fetched */
    const struct allowed_set
        *allowed;    /* of that version: what may be found; NULL: all that lives */
    const void *row; /* the query in stored form: an encoded row of the space */
    size_t k;
    uint32_t ef;
    int exact;
    int allow_damaged;     /* leave segments out that are known to be */
    const lode_stop *stop; /* the same in all tasks that are executed together; NULL: never */
};

struct query_hit {
    const struct segment_view *view; /* of query->version */
    uint32_t row;
    float distance;
};

/* Whether hits could be compared. */
struct query_order {
    const lode_stop *stop; /* may be NULL */
    uint32_t compared;
    lode_status status; /* LODE_CORRUPT, LODE_IO: an id could not be read; LODE_CANCELLED,
                           LODE_TIMEOUT; the order is of no use */
    lode_error *error;  /* may be NULL */
};

/* Whether it is not worth while to compare any more: the order is of no use. Looks at the caller's wish now and then. */
int query_order_ends(struct query_order *order);

/* The order of results: distance, then id. <0, 0, >0 for qsort_r; context: a struct query_order. */
int query_hit_order(const void *a, const void *b, void *context);

/* How the rows of a view are searched. */
struct view_plan {
    enum plan plan;
    const struct index *index; /* NULL: there is none */
    uint32_t covered;          /* rows [0, covered) are in it */
    /* Under a filter, and of a walk that is over: what the graph chose and what it expected; else all 0. */
    struct index_choice choice;
};

/* What was done in a view: for explanations. */
struct query_step {
    struct view_plan plan;
    uint64_t distances;
    uint64_t hops;
    uint64_t us; /* of a scan: with those of other tasks that were done together with it */
};

/* A query and its answer. */
struct query_task {
    struct query query;
    struct query_step *steps; /* set, one of each view of the version; NULL: nobody asks */
    struct query_hit *hits;   /* room for k */
    size_t hit_count;         /* set; [0, hit_count) are in that order */
    lode_search_info *info;   /* distances, hops and segments are added to */
};

/* How a view of the query's version is going to be searched. Its `row` is not looked at. */
void query_plan(const struct query *query, const struct segment_view *view,
                struct view_plan *ret_plan);

/* Execute tasks of one version. k hits each whenever k points exist. Exact searches are exact to the
 * last id, also among equal distances. Errors: LODE_NOMEM, LODE_CORRUPT, LODE_CANCELLED, LODE_TIMEOUT; *ret_failed is then the task
 * whose error it is, or task_count when it is that of all. */
NODISCARD lode_status query_execute(struct query_task *tasks, size_t task_count, size_t *ret_failed,
                                    lode_error *error);

#endif
