/* scroll.h: points that match a filter, page by page in order; at random; and the nearest by groups. Included by
 * lode.h; docs/scroll.md says more. */
#ifndef LODE_SCROLL_H
#define LODE_SCROLL_H

#include "lode/lode.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LODE_CURSOR_SIZE_MAX 3648 /* characters of a cursor */

/* --- In order ---------------------------------------------------------------------------------- */

typedef struct lode_scroll_request {
    const lode_snapshot *snapshot; /* NULL: the newest state */
    const char *filter;            /* as in lode_search_request; NULL: every point */
    size_t filter_size;
    const char *by;        /* path of the field to order by, as in filters; NULL: by id */
    int descending;        /* 1: the greatest first. Points of one value are by id, ascending */
    size_t limit;          /* points of a page, at most LODE_K_MAX; 0: 10 */
    const char *after;     /* lode_page.next of the page before; NULL: from the first point on */
    unsigned with;         /* LODE_WITH_... or-ed */
    const lode_stop *stop; /* NULL: never */
} lode_scroll_request;

typedef struct lode_page {
    const lode_hit *hits; /* in order; scores are 0 */
    size_t hit_count;
    const char *next; /* the cursor behind the last of them: letters, digits, - and _, not beginning
                          with -; NULL: nothing follows */
    uint64_t sequence; /* of the state that was read */
} lode_page;

/* A page of the points that match, in order.
 *
 * Of an array its smallest value counts, descending its greatest. Points without a value of the field come last,
 * either way, by id. Numbers are compared exactly, strings by their first 1,024 bytes (points that are alike in these
 * are by id).
 *
 * A page begins behind the value and the id at which the page before ended, whatever was written, deleted, flushed or
 * merged in between, also after the database was reopened: of a point that does not change, and that does not begin or
 * cease to match, it is certain that it comes once, without a snapshot too. A cursor holds an order (direction and
 * field) but no filter.
 *
 * Free with lode_page_free. Errors: as lode_count; LODE_SCHEMA when no point has had the field, or when it is a point on
 * the earth or an object; LODE_INVALID for a cursor that is none or of another order; LODE_LIMIT. */
LODE_NODISCARD LODE_API lode_status lode_scroll(lode_collection *collection,
                                                const lode_scroll_request *request,
                                                lode_page **ret_page, lode_error *error);
LODE_API void lode_page_free(lode_page *page); /* NULL is allowed */

/* --- At random --------------------------------------------------------------------------------- */

typedef struct lode_sample_request {
    const lode_snapshot *snapshot; /* NULL: the newest state */
    const char *filter;            /* as in lode_search_request; NULL: every point */
    size_t filter_size;
    size_t count;          /* points, at most LODE_K_MAX; 0: 10 */
    uint64_t seed;         /* 0: another one each time */
    unsigned with;         /* LODE_WITH_... or-ed */
    const lode_stop *stop; /* NULL: never */
} lode_sample_request;

/* So many different points of those that match, or all of them if they are fewer, each as likely as any other, in
 * random order. The same seed gives the same points of the same ids of one namespace, and of more ids or fewer as many
 * of the same as there can be. Release with lode_result_free; scores are 0. Errors: as lode_count; LODE_LIMIT. */
LODE_NODISCARD LODE_API lode_status lode_sample(lode_collection *collection,
                                                const lode_sample_request *request,
                                                lode_result **ret_result, lode_error *error);

/* --- By groups --------------------------------------------------------------------------------- */

typedef struct lode_groups_request {
    lode_search_request search; /* k: groups; one_per must be NULL */
    const char *by;             /* path of the field, as in filters; required */
    size_t per_group;           /* hits of each; 0: 1. k times per_group: at most LODE_K_MAX */
} lode_groups_request;

typedef struct lode_group {
    const char *value; /* as JSON, ends with NUL, as in lode_facet */
    size_t value_size;
    const lode_hit *hits; /* best first */
    size_t hit_count;
} lode_group;

typedef struct lode_groups {
    const lode_group *groups; /* by their best hit */
    size_t group_count;
    lode_search_info
        info; /* distances and hops of all searches that it took, segments of the last */
} lode_groups;

/* The groups nearest to the query, and the nearest points of each. A group is a value of the field; a point with an array
 * is in the group of each of its values, one without a value is in none. There are k groups whenever the points that
 * match have k values, and per_group hits of each whenever so many have it. An exact search gives the very groups and
 * hits that are nearest; else, with a filter too, they are searched for as by lode_search, and what is missing then is
 * scanned for.
 * Free with lode_groups_free. Errors: as lode_search; LODE_SCHEMA when no point has had the field, or when it is a
 * point on the earth or an object. */
LODE_NODISCARD LODE_API lode_status lode_search_groups(lode_collection *collection,
                                                       const lode_groups_request *request,
                                                       lode_groups **ret_groups, lode_error *error);
LODE_API void lode_groups_free(lode_groups *groups); /* NULL is allowed */

#ifdef __cplusplus
}
#endif

#endif /* LODE_SCROLL_H */
