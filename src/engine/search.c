/* search.c: from a request to a result: the query's vector, the hits, one_per, the documents. */
#include <stdlib.h>
#include <string.h>

#include "engine/read.h"
#include "engine/text.h"
#include "query/distinct.h"
#include "query/fetch.h"
#include "storage/id.h"

#define K_DEFAULT  10u
#define EF_DEFAULT 64u

/* one_per asks for so many times k at first, and for as many times more when values are few. */
#define ONE_PER_FACTOR 4u

struct search {
    struct lode_collection *collection;
    const lode_search_request *request;
    struct version *version;
    struct text_model *model;            /* of the version's points; NULL: none, or not needed */
    void *encoded;                       /* allocated, or NULL */
    const void *row;                     /* the query; NULL: it has no vector, nothing is found */
    const struct segment_view *own_view; /* `like`: where the point itself is */
    uint32_t own_row;
    size_t k;
    struct query_hit *hits;
    size_t hit_count;
    lode_search_info info;
};

/* --- The query --------------------------------------------------------------------------------- */

static lode_status encode_query(struct search *search, const float *vector, lode_error *error)
{
    const struct space *space = &search->collection->store.space;
    lode_status status = space_check(space, vector, error);
    if (status) {
        error_prefix(error, "vector: ");
        return status;
    }
    search->encoded = malloc(space->row_size);
    if (!search->encoded)
        return error_nomem(error, "a query", space->row_size);
    space_encode(space, vector, search->encoded);
    search->row = search->encoded;
    return LODE_OK;
}

static lode_status use_text(struct search *search, lode_error *error)
{
    const lode_search_request *request = search->request;
    size_t size = search->collection->schema.dim * sizeof(float);
    float *vector = malloc(size);
    int known = 0;
    if (!vector)
        return error_nomem(error, "a query", size);
    lode_text text = {.data = request->text, .size = request->text_size};
    lode_status status =
        text_embed(search->collection, search->model, &text, vector, &known, error);
    if (!status && known)
        status = encode_query(search, vector, error);
    free(vector);
    return status;
}

static lode_status use_like(struct search *search, lode_error *error)
{
    uint8_t id[ID_BYTES_MAX];
    char text[64];
    lode_status status = id_check(search->request->like, error);
    if (status) {
        error_prefix(error, "like: ");
        return status;
    }
    size_t size = id_encode(search->request->like, id);
    const struct segment_view *view = version_find(search->version, id, size, &search->own_row);
    if (!view)
        return error_set(error, LODE_NOT_FOUND, "like: collection '%s' has no point %s",
                         search->collection->name,
                         id_describe(search->request->like, text, sizeof text));
    search->own_view = view;
    search->row = rows_at(&view->segment->rows, search->own_row);
    return LODE_OK;
}

static lode_status make_query(struct search *search, lode_error *error)
{
    const lode_search_request *request = search->request;
    if (request->vector)
        return encode_query(search, request->vector, error);
    return request->like ? use_like(search, error) : use_text(search, error);
}

/* --- The hits ---------------------------------------------------------------------------------- */

/* Take the point of `like` itself out. */
static void remove_own(struct search *search)
{
    if (!search->own_view)
        return;
    size_t kept = 0;
    for (size_t i = 0; i < search->hit_count; i++)
        if (search->hits[i].view != search->own_view || search->hits[i].row != search->own_row)
            search->hits[kept++] = search->hits[i];
    search->hit_count = kept;
}

/* The k nearest into search->hits. */
static lode_status find(struct search *search, size_t k, lode_error *error)
{
    size_t wanted = k + (search->own_view != NULL);
    struct query_hit *hits = realloc(search->hits, (k + 1) * sizeof *hits);
    if (!hits)
        return error_nomem(error, "the hits of a search", (k + 1) * sizeof *hits);
    search->hits = hits;
    const lode_search_request *request = search->request;
    struct query query = {
        .version = search->version,
        .row = search->row,
        .k = wanted,
        .ef = request->ef_search ? request->ef_search : EF_DEFAULT,
        .exact = request->exact,
    };
    search->info.segments_scanned = search->info.segments_walked = 0;
    lode_status status = query_execute(&query, hits, &search->hit_count, &search->info, error);
    if (status)
        return status;
    remove_own(search);
    if (search->hit_count > k)
        search->hit_count = k;
    return LODE_OK;
}

/* Keep the best hit of each value, at most k. The point of `like` goes first, so that its value counts as
 * taken, and is left out again; find made room for it. */
static lode_status keep_distinct(struct search *search, lode_error *error)
{
    size_t own = search->own_view != NULL;
    struct query_hit *hits = search->hits;
    size_t count = search->hit_count + own;
    if (own) {
        memmove(hits + 1, hits, search->hit_count * sizeof *hits);
        hits[0] = (struct query_hit){.view = search->own_view, .row = search->own_row};
    }
    lode_status status =
        distinct_hits(search->request->one_per, hits, count, search->k + own, &count, error);
    if (status)
        return status;
    search->hit_count = count - own;
    if (own)
        memmove(hits, hits + 1, search->hit_count * sizeof *hits);
    return LODE_OK;
}

/* More and more hits, until they have k values, or there are no more, or enough. */
static lode_status find_one_per(struct search *search, lode_error *error)
{
    for (size_t k = search->k;;) {
        k = k < LODE_K_MAX / ONE_PER_FACTOR ? k * ONE_PER_FACTOR : LODE_K_MAX;
        lode_status status = find(search, k, error);
        size_t found = search->hit_count;
        if (!status)
            status = keep_distinct(search, error);
        if (status || search->hit_count == search->k || found < k || k == LODE_K_MAX)
            return status;
    }
}

static lode_status run(struct search *search, lode_result **ret_result, lode_error *error)
{
    lode_status status = make_query(search, error);
    if (!status && search->row)
        status =
            search->request->one_per ? find_one_per(search, error) : find(search, search->k, error);
    if (!status)
        status =
            fetch_result(search->hits, search->hit_count, search->request->with, ret_result, error);
    if (!status) {
        search->info.sequence = search->version->sequence;
        (*ret_result)->info = search->info;
    }
    return status;
}

lode_status collection_search(struct lode_collection *collection,
                              const lode_search_request *request, lode_result **ret_result,
                              lode_error *error)
{
    struct search search = {
        .collection = collection,
        .request = request,
        .k = request->k ? request->k : K_DEFAULT,
    };
    lode_status status = request->text
                             ? snapshot_pin_model(collection, request->snapshot, &search.version,
                                                  &search.model, error)
                             : snapshot_pin(collection, request->snapshot, &search.version, error);
    if (status)
        return status;
    status = run(&search, ret_result, error);
    free(search.hits);
    free(search.encoded);
    text_model_unref(search.model);
    version_unref(search.version);
    return status;
}

/* --- By id ------------------------------------------------------------------------------------- */

static lode_status get_one(const struct version *version, const lode_id *id, unsigned with,
                           lode_result *result, lode_error *error)
{
    uint8_t bytes[ID_BYTES_MAX];
    uint32_t row;
    size_t size = id_encode(id, bytes);
    const struct segment_view *view = version_find(version, bytes, size, &row);
    if (!view)
        return LODE_OK;
    lode_hit *hit = &result_hits(result)[result->hit_count];
    lode_status status = fetch_hit(view, row, with, result_arena(result), hit, error);
    if (!status)
        result->hit_count++;
    return status;
}

static lode_status get_all(const struct version *version, const lode_id *ids, size_t id_count,
                           unsigned with, lode_result **ret_result, lode_error *error)
{
    lode_result *result = NULL;
    lode_status status = result_new(id_count, &result, error);
    if (status)
        return status;
    result->info.sequence = version->sequence;
    for (size_t i = 0; !status && i < id_count; i++)
        status = get_one(version, &ids[i], with, result, error);
    if (status)
        result_free(result);
    else
        *ret_result = result;
    return status;
}

lode_status collection_get(struct lode_collection *collection, const lode_snapshot *snapshot,
                           const lode_id *ids, size_t id_count, unsigned with,
                           lode_result **ret_result, lode_error *error)
{
    for (size_t i = 0; i < id_count; i++) {
        lode_status status = id_check(&ids[i], error);
        if (status) {
            error_prefix(error, "ids[%zu]: ", i);
            return status;
        }
    }
    struct version *version;
    lode_status status = snapshot_pin(collection, snapshot, &version, error);
    if (status)
        return status;
    status = get_all(version, ids, id_count, with, ret_result, error);
    version_unref(version);
    return status;
}
