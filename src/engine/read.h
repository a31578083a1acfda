/* read.h: snapshots, searches, lookups, walks and figures. Contracts: lode.h; arguments are checked. What takes a handle
 * sees what its scope allows. */
#ifndef ENGINE_READ_H
#define ENGINE_READ_H

#include "engine/collection.h"

/* Whether all bits of `with` are LODE_WITH_...: LODE_INVALID. */
NODISCARD lode_status read_check_with(unsigned with, lode_error *error);
/* A request without its snapshot: LODE_INVALID, LODE_LIMIT. is_explained: it need not have a query. */
NODISCARD lode_status read_check_request(const lode_search_request *request, int is_explained,
                                         lode_error *error);

struct lode_snapshot {
    struct collection *collection; /* retained */
    struct version *version;
    struct text_model *model; /* of its points, or NULL */
    struct pin_key *pins;     /* of one opened by name: its files stay as long as it is open */
    size_t pin_count;
};

NODISCARD lode_status snapshot_open(struct collection *collection, lode_snapshot **ret_snapshot,
                                    lode_error *error);
/* Make a zeroed one of this collection; to be filled in, and closed with snapshot_close. */
void snapshot_begin(struct collection *collection, lode_snapshot *snapshot);
/* Release what it holds, but not the memory it lies in. */
void snapshot_end(lode_snapshot *snapshot);
void snapshot_close(lode_snapshot *snapshot);

/* The version to read: the snapshot's, or the newest; release with version_unref. LODE_INVALID when
 * the snapshot is of another collection. */
NODISCARD lode_status snapshot_pin(struct collection *collection, const lode_snapshot *snapshot,
                                   struct version **ret_version, lode_error *error);
/* The same, and its text model or NULL; release with text_model_unref. */
NODISCARD lode_status snapshot_pin_model(struct collection *collection,
                                         const lode_snapshot *snapshot,
                                         struct version **ret_version,
                                         struct text_model **ret_model, lode_error *error);

NODISCARD lode_status collection_search(const lode_collection *handle,
                                        const lode_search_request *request,
                                        lode_result **ret_result, lode_error *error);
NODISCARD lode_status collection_search_batch(const lode_collection *handle,
                                              const lode_search_request *requests,
                                              size_t request_count, lode_result **ret_results,
                                              lode_error *error);
NODISCARD lode_status collection_get(const lode_collection *handle, const lode_snapshot *snapshot,
                                     const lode_id *ids, size_t id_count, unsigned with,
                                     lode_result **ret_result, lode_error *error);

NODISCARD lode_status iterator_open(const lode_collection *handle, const lode_snapshot *snapshot,
                                    const lode_filter *filter, unsigned with,
                                    lode_iterator **ret_iterator, lode_error *error);
NODISCARD lode_status filtered_count(const lode_collection *handle, const lode_snapshot *snapshot,
                                     const lode_filter *filter, uint64_t *ret_count,
                                     lode_error *error);
NODISCARD lode_status explain(const lode_collection *handle, const lode_search_request *request,
                              lode_explanation **ret_explanation, lode_error *error);
void explanation_free(lode_explanation *explanation);
NODISCARD lode_status facets_get(const lode_collection *handle, const lode_facet_request *request,
                                 lode_facets **ret_facets, lode_error *error);
void facets_free(lode_facets *facets);
NODISCARD lode_status scroll_get(const lode_collection *handle, const lode_scroll_request *request,
                                 lode_page **ret_page, lode_error *error);
void scroll_page_free(lode_page *page);
NODISCARD lode_status sample_get(const lode_collection *handle, const lode_sample_request *request,
                                 lode_result **ret_result, lode_error *error);
NODISCARD lode_status groups_get(const lode_collection *handle, const lode_groups_request *request,
                                 lode_groups **ret_groups, lode_error *error);
void groups_free(lode_groups *groups);
/* op: what to do to each point that matches; its id and condition are not used. */
NODISCARD lode_status filtered_write(const lode_collection *handle, const lode_filter *filter,
                                     const lode_write_op *op, lode_write_info *ret_info,
                                     lode_error *error);
NODISCARD lode_status iterator_next(lode_iterator *iterator, const lode_hit **ret_hit,
                                    lode_error *error);
void iterator_close(lode_iterator *iterator);

NODISCARD lode_status stats_get(struct collection *collection, lode_stats **ret_stats,
                                lode_error *error);

#endif
