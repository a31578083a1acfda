/* searching.h: a request on its way to its hits: what search.c and groups.c share. */
#ifndef ENGINE_SEARCHING_H
#define ENGINE_SEARCHING_H

#include "engine/collection.h"
#include "query/execute.h"

#define SEARCH_K_DEFAULT  10u
#define SEARCH_EF_DEFAULT 64u

struct search {
    const lode_collection *handle;
    struct collection *collection; /* the handle's */
    const lode_search_request *request;
    struct version *version;
    struct text_model *model;            /* of the version's points; NULL: none, or not needed */
    void *encoded;                       /* allocated, or NULL */
    const void *row;                     /* the query; NULL: it has no vector, nothing is found */
    struct allowed_set *allowed;         /* by the request's filter; NULL: it has none */
    const struct segment_view *own_view; /* `like`: where the point itself is */
    uint32_t own_row;
    int exact; /* as if the request said so */
    size_t k;
    struct query_hit *hits;
    size_t hit_count;
    lode_search_info info;
    struct query_step *steps; /* of each view; NULL: nobody asks */
};

/* Pin the state, run, release; once more when it met damage that the request allows to leave out and that was not known
 * before. What run() has made on success is its own. */
typedef lode_status search_fn(struct search *search, void *context, lode_error *error);
NODISCARD lode_status search_run(const lode_collection *handle, const lode_search_request *request,
                                 search_fn *run, void *context, lode_error *error);
/* Segments whose rows are known to be damaged. */
size_t search_count_damaged(const struct version *version);
/* Whether a search that met damage should begin anew: it allows that, and what it met was not known before and
 * will now be left out. known: how many were; set to how many are. */
int search_may_retry(lode_status status, int allow_damaged, const struct version *version,
                     size_t *known);
/* What the filter allows, and the query. */
NODISCARD lode_status search_begin(struct search *search, lode_error *error);
/* The k nearest of what is allowed into search->hits. search->row is not NULL. */
NODISCARD lode_status search_find(struct search *search, size_t k, lode_error *error);
/* The search of a request that has a query, for what it does: steps has room for each of the version's views. model,
 * allowed: NULL, or those of the version. */
NODISCARD lode_status search_steps(const lode_collection *handle,
                                   const lode_search_request *request, struct version *version,
                                   struct text_model *model, struct allowed_set *allowed,
                                   struct query_step *steps, lode_error *error);

#endif
