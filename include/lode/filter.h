/* filter.h: points by what their metadata says. Included by lode.h.
 *
 * A filter is a condition on metadata and id, as text (genre = "drama" AND year >= 1990) or as JSON
 * ({"genre": "drama", "year": {"gte": 1990}}); docs/filters.md says what each means. The two are told apart by the
 * brace. lode_search_request.filter takes one too.
 *
 * Where a filter is wrong, LODE_INVALID says in which line and column, what was found there and what would have
 * been right. LODE_SCHEMA: it is well formed, and asks for a field that no point has had, or for a value that is not of
 * its type. LODE_LIMIT: docs/filters.md#limits. */
#ifndef LODE_FILTER_H
#define LODE_FILTER_H

#include "lode/lode.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct lode_filter {
    const char *text; /* NULL: every point */
    size_t size;      /* bytes */
    const lode_stop
        *stop; /* of the call that it is given to; NULL: never. A request has its own: there
                              this one is not looked at */
} lode_filter;

/* "genre = ..." as a filter; borrows `text`. */
LODE_API lode_filter lode_filter_text(const char *text);

/* How many points match, exactly. snapshot NULL: the newest state. */
LODE_NODISCARD LODE_API lode_status lode_count(lode_collection *collection,
                                               const lode_snapshot *snapshot, lode_filter filter,
                                               uint64_t *ret_count, lode_error *error);

/* Walk over every point of one state that matches, as lode_iterator_open does over all: the same functions go on
 * with the iterator. Which points match is decided here. */
LODE_NODISCARD LODE_API lode_status lode_iterator_open_filtered(lode_collection *collection,
                                                                const lode_snapshot *snapshot,
                                                                lode_filter filter, unsigned with,
                                                                lode_iterator **ret_iterator,
                                                                lode_error *error);

/* Delete every point that matches. filter.text NULL is LODE_INVALID here.
 *
 * Not one atomic batch: of the points that match when the call begins, batches of up to LODE_BATCH_MAX are deleted,
 * each atomic and durable. A point that somebody changes meanwhile is looked at again, and deleted if it still
 * matches; points that begin to match meanwhile need not be. After an error, what was deleted before stays so (that
 * filter.stop was wanted is one, too: it is looked at between batches): ret_info, if not NULL, is filled then too.
 * ret_info->sequence is that of the last batch. */
LODE_NODISCARD LODE_API lode_status lode_delete_filtered(lode_collection *collection,
                                                         lode_filter filter,
                                                         lode_write_info *ret_info,
                                                         lode_error *error);

/* Patch every point that matches, in the same way. patch: an operation of kind LODE_WRITE_PATCH, whose id and
 * condition are not used. A point is patched once, whether it still matches afterwards or not. */
LODE_NODISCARD LODE_API lode_status lode_patch_filtered(lode_collection *collection,
                                                        lode_filter filter,
                                                        const lode_write_op *patch,
                                                        lode_write_info *ret_info,
                                                        lode_error *error);

/* --- Facets ------------------------------------------------------------------------------------ */

typedef struct lode_facet_request {
    const lode_snapshot *snapshot; /* NULL: the newest state */
    lode_filter filter;            /* text NULL: every point */
    const char *field;             /* its path, as in filters; required */
    size_t limit;                  /* values to return; 0: 10 */
    const lode_stop *stop;         /* NULL: never */
} lode_facet_request;

typedef struct lode_facet {
    const char *value; /* as JSON, ends with NUL: "drama" in quotes, 1990, true, a moment in UTC */
    size_t value_size;
    uint64_t count; /* points that have it, each once */
} lode_facet;

typedef struct lode_facets {
    const lode_facet *facets; /* the most frequent first, then by value */
    size_t facet_count;
    uint64_t distinct;  /* values that there are */
    uint64_t points;    /* that match the filter */
    uint64_t missing;   /* of them, that lack the field; null and [] are not missing */
    uint64_t uncounted; /* of them, some of whose values are not counted: texts of more than 1,024
                           bytes, and in a float field integers that no double is */
} lode_facets;

/* How often each value of a field comes among the points that match, exactly. Of an array each of its values counts.
 * Fields of points on the earth and objects have none. Free with lode_facets_free.
 * Errors: as lode_count; LODE_SCHEMA when no point has had the field. */
LODE_NODISCARD LODE_API lode_status lode_facets_get(lode_collection *collection,
                                                    const lode_facet_request *request,
                                                    lode_facets **ret_facets, lode_error *error);
LODE_API void lode_facets_free(lode_facets *facets); /* NULL is allowed */

/* --- What a search does ------------------------------------------------------------------------- */

typedef enum lode_plan {
    LODE_PLAN_SKIP = 0, /* nothing there may be found */
    LODE_PLAN_SCAN = 1, /* compare with every row that may be found: exact */
    LODE_PLAN_WALK = 2, /* walk the graph on all rows, and keep those that may be found */
    LODE_PLAN_CONFINED =
        3, /* walk it on the rows that may be found alone; others are only looked through */
} lode_plan;

typedef enum lode_plan_reason {
    LODE_PLAN_CHEAPEST = 0, /* as expected; or there is nothing to choose */
    LODE_PLAN_FAR = 1,      /* `first` was left: few rows near the query may be found */
    LODE_PLAN_LONG = 2,     /* `first` was left: it came to cost more than expected */
    LODE_PLAN_SHORT = 3,    /* `first` ended with too few rows, or its graph is damaged */
} lode_plan_reason;

/* Through a handle of a namespace, or to which filters are bound (scope.h), all numbers of rows are allowed_rows: what
 * others have is not told. */
typedef struct lode_explain_segment {
    uint64_t number;
    lode_plan plan;  /* that gave the answer; of a request without a query: to begin with */
    lode_plan first; /* that was begun with */
    lode_plan_reason reason;
    uint64_t rows;
    uint64_t live_rows;
    uint64_t allowed_rows; /* living, and matched by the filter: exact */
    uint64_t
        estimated_rows;     /* that match, by what columns tell without being read; dead ones too */
    uint64_t column_rows;   /* have columns: documents were asked of the others */
    uint64_t document_rows; /* whose documents were read to tell */
    /* What each plan was expected to cost, in microseconds of the machine on which that was measured; 0: not
     * weighed, INFINITY: not possible. */
    double expected_us[LODE_PLAN_CONFINED + 1];
    /* What was done: */
    uint64_t distances;
    uint64_t hops;
    uint64_t us; /* without the filter */
} lode_explain_segment;

typedef struct lode_explanation {
    const lode_explain_segment *segments;
    size_t segment_count;
    const char *filter; /* the request's, as it was evaluated, as text; NULL: none was given */
    uint64_t allowed_rows;
    uint64_t filter_us; /* that finding out which rows match took */
    int is_searched; /* the request had a query: plans and figures are of the search, else expected */
} lode_explanation;

/* How a search of this request goes, segment by segment. With a vector, text or like the search is carried out
 * (one_per aside) and what it did is told; without any, what it would begin with. Free with
 * lode_explanation_free. Errors: as lode_search. */
LODE_NODISCARD LODE_API lode_status lode_explain(lode_collection *collection,
                                                 const lode_search_request *request,
                                                 lode_explanation **ret_explanation,
                                                 lode_error *error);
LODE_API void lode_explanation_free(lode_explanation *explanation); /* NULL is allowed */

#ifdef __cplusplus
}
#endif

#include "lode/scope.h" /* which speaks of filters */

#endif /* LODE_FILTER_H */
