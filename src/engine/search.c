/* search.c: from a request to a result: the query's vector, the hits, one_per, the documents. */
#include <stdlib.h>
#include <string.h>

#include "engine/filtering.h"
#include "engine/overlay.h"
#include "engine/read.h"
#include "engine/searching.h"
#include "engine/text.h"
#include "os/memory.h"
#include "query/distinct.h"
#include "query/fetch.h"
#include "storage/id.h"

/* one_per asks for so many times k at first, and for as many times more when values are few. */
#define ONE_PER_FACTOR 4u

/* What bounds the memory of searches that are executed together. */
#define GROUP_MAX      1024u
#define GROUP_HITS_MAX (1u << 22)

/* --- The query --------------------------------------------------------------------------------- */

static lode_status encode_query(struct search *search, const float *vector, lode_error *error)
{
    const struct space *space = &search->collection->store.space;
    lode_status status = space_check(space, vector, error);
    if (status) {
        error_prefix(error, "vector: ");
        return status;
    }
    /* The widest loads want it so: docs/decisions/0012. */
    search->encoded = memory_aligned(64, space->row_size);
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

/* A handle, and the filters that are bound to it. */
struct bound {
    const lode_collection *handle;
    struct filtering filtering;
    struct matcher *matcher; /* NULL: none is bound */
};

/* The version to be read has been pinned. On success bound_release. */
static lode_status bound_init(struct bound *bound, const lode_collection *handle, lode_error *error)
{
    bound->handle = handle;
    bound->matcher = NULL;
    if (handle->scope.bound_count == 0)
        return LODE_OK;
    lode_status status = filtering_read(handle, NULL, 0, &bound->filtering, error);
    if (status)
        return status;
    status = matcher_new(bound->filtering.filter, &bound->matcher, error);
    if (status)
        filtering_release(&bound->filtering);
    return status;
}

static void bound_release(struct bound *bound)
{
    if (!bound->matcher)
        return;
    matcher_free(bound->matcher);
    filtering_release(&bound->filtering);
}

/* Make *view NULL where the row does not meet what is bound. */
static lode_status hide(const struct bound *bound, uint32_t row, const struct segment_view **view,
                        lode_error *error)
{
    int matches = 1;
    if (!bound->matcher)
        return LODE_OK;
    lode_status status = allowed_row(bound->matcher, (*view)->segment, row, &matches, error);
    if (!matches)
        *view = NULL;
    return status;
}

/* The row of `like`, when the handle sees it. */
static lode_status find_like(struct search *search, const struct segment_view **ret_view,
                             lode_error *error)
{
    uint8_t id[ID_BYTES_MAX];
    struct bound bound;
    size_t size = id_encode_in(&search->handle->scope.space, search->request->like, id);
    lode_status status = version_find(search->version, id, size, ret_view, &search->own_row, error);
    if (status || !*ret_view)
        return status;
    status = bound_init(&bound, search->handle, error);
    if (status)
        return status;
    status = hide(&bound, search->own_row, ret_view, error);
    bound_release(&bound);
    return status;
}

static lode_status use_like(struct search *search, lode_error *error)
{
    char text[64];
    lode_status status = id_check(search->request->like, error);
    if (status) {
        error_prefix(error, "like: ");
        return status;
    }
    const struct segment_view *view;
    status = find_like(search, &view, error);
    if (status)
        return status;
    if (!view)
        return error_set(error, LODE_NOT_FOUND, "like: collection '%s' has no point %s",
                         search->collection->name,
                         id_describe(search->request->like, text, sizeof text));
    search->own_view = view;
    search->row = rows_at(&view->segment->rows, search->own_row);
    return rows_touch(&view->segment->rows, search->own_row, 1, error);
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

/* Make room for the k nearest in search->hits, and say how to find them. */
static lode_status begin_find(struct search *search, size_t k, struct query_task *ret_task,
                              lode_error *error)
{
    struct query_hit *hits = realloc(search->hits, (k + 1) * sizeof *hits);
    if (!hits)
        return error_nomem(error, "the hits of a search", (k + 1) * sizeof *hits);
    search->hits = hits;
    search->info.segments_scanned = search->info.segments_walked = 0;
    search->info.segments_damaged = 0;
    const lode_search_request *request = search->request;
    *ret_task = (struct query_task){
        .query = {.version = search->version,
                  .allowed = search->allowed,
                  .row = search->row,
                  .k = k + (search->own_view != NULL),
                  .ef = request->ef_search ? request->ef_search : SEARCH_EF_DEFAULT,
                  .exact = request->exact || search->exact,
                  .allow_damaged = request->allow_damaged,
                  .stop = request->stop},
        .steps = search->steps,
        .hits = hits,
        .info = &search->info,
    };
    return LODE_OK;
}

static void end_find(struct search *search, size_t k, const struct query_task *task)
{
    search->hit_count = task->hit_count;
    remove_own(search);
    if (search->hit_count > k)
        search->hit_count = k;
}

/* The k nearest into search->hits. */
lode_status search_find(struct search *search, size_t k, lode_error *error)
{
    struct query_task task;
    size_t failed;
    lode_status status = begin_find(search, k, &task, error);
    if (!status)
        status = query_execute(&task, 1, &failed, error);
    if (!status)
        end_find(search, k, &task);
    return status;
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
    struct distinct_request asked = {
        .field = search->request->one_per, .keep = search->k + own, .stop = search->request->stop};
    lode_status status = distinct_hits(&asked, hits, count, &count, error);
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
        lode_status status = search_find(search, k, error);
        size_t found = search->hit_count;
        if (!status)
            status = keep_distinct(search, error);
        if (status || search->hit_count == search->k || found < k || k == LODE_K_MAX)
            return status;
    }
}

static lode_status fetch(struct search *search, lode_result **ret_result, lode_error *error)
{
    const lode_search_request *request = search->request;
    lode_status status = fetch_result(search->hits, search->hit_count, request->with, request->stop,
                                      ret_result, error);
    if (!status) {
        search->info.sequence = search->version->sequence;
        (*ret_result)->info = search->info;
    }
    return status;
}

static lode_status allow(struct search *search, lode_error *error)
{
    const lode_search_request *request = search->request;
    struct allowed_request asked = {
        .version = search->version, .allow_damaged = request->allow_damaged, .stop = request->stop};
    return filtering_allow(search->handle, request->filter, request->filter_size, &asked,
                           &search->allowed, error);
}

lode_status search_begin(struct search *search, lode_error *error)
{
    lode_status status = allow(search, error);
    return status ? status : make_query(search, error);
}

/* context: where the result goes. */
static lode_status run(struct search *search, void *context, lode_error *error)
{
    lode_status status = search_begin(search, error);
    if (!status && search->row)
        status = search->request->one_per ? find_one_per(search, error)
                                          : search_find(search, search->k, error);
    return status ? status : fetch(search, context, error);
}

static void release(struct search *search)
{
    allowed_set_free(search->allowed);
    free(search->hits);
    free(search->encoded);
    search->allowed = NULL;
    search->hits = NULL;
    search->encoded = NULL;
}

size_t search_count_damaged(const struct version *version)
{
    size_t count = 0;
    for (size_t i = 0; i < version->view_count; i++)
        count += (size_t)segment_is_damaged(version->views[i].segment, DAMAGE_OF_ROWS, NULL);
    return count;
}

int search_may_retry(lode_status status, int allow_damaged, const struct version *version,
                     size_t *known)
{
    size_t before = *known;
    if (!status_is_damage(status) || !allow_damaged)
        return 0;
    *known = search_count_damaged(version);
    return *known > before;
}

lode_status search_run(const lode_collection *handle, const lode_search_request *request,
                       search_fn *run_once, void *context, lode_error *error)
{
    struct collection *collection = handle->shared;
    struct search search = {
        .handle = handle,
        .collection = collection,
        .request = request,
        .k = request->k ? request->k : SEARCH_K_DEFAULT,
    };
    overlay_searched(collection);
    lode_status status = request->text
                             ? snapshot_pin_model(collection, request->snapshot, &search.version,
                                                  &search.model, error)
                             : snapshot_pin(collection, request->snapshot, &search.version, error);
    if (status)
        return status;
    size_t known = request->allow_damaged ? search_count_damaged(search.version) : 0;
    do {
        status = run_once(&search, context, error);
        release(&search);
        search.hit_count = 0;
        search.own_view = NULL;
        search.row = NULL;
        search.exact = 0;
        search.info = (lode_search_info){0};
    } while (search_may_retry(status, request->allow_damaged, search.version, &known));
    text_model_unref(search.model);
    version_unref(search.version);
    return status;
}

lode_status search_steps(const lode_collection *handle, const lode_search_request *request,
                         struct version *version, struct text_model *model,
                         struct allowed_set *allowed, struct query_step *steps, lode_error *error)
{
    struct search search = {
        .handle = handle,
        .collection = handle->shared,
        .request = request,
        .version = version,
        .model = model,
        .allowed = allowed,
        .k = request->k ? request->k : SEARCH_K_DEFAULT,
        .steps = steps,
    };
    lode_status status = make_query(&search, error);
    if (!status && search.row)
        status = search_find(&search, search.k, error);
    search.allowed = NULL; /* the caller's */
    release(&search);
    return status;
}

lode_status collection_search(const lode_collection *handle, const lode_search_request *request,
                              lode_result **ret_result, lode_error *error)
{
    return search_run(handle, request, run, ret_result, error);
}

/* --- Many at once ------------------------------------------------------------------------------ */

struct batch {
    struct search *searches;
    lode_result **results;
    size_t count;
    /* A group of searches, executed together; room for GROUP_MAX: */
    struct query_task *tasks;
    size_t *members; /* whose tasks they are */
    size_t task_count;
    /* What their one filter allows, and the search that has it: */
    struct allowed_set *allowed; /* NULL: no filter */
    const struct search *filtered;
};

static lode_status blame(size_t i, lode_status status, lode_error *error)
{
    if (status)
        error_prefix(error, "requests[%zu]: ", i);
    return status;
}

static int same_filter(const lode_search_request *a, const lode_search_request *b)
{
    return !a->filter == !b->filter && a->allow_damaged == b->allow_damaged &&
           (!a->filter || (a->filter_size == b->filter_size &&
                           memcmp(a->filter, b->filter, a->filter_size) == 0));
}

/* See that batch->allowed is that of this search. */
static lode_status allow_group(struct batch *batch, struct search *search, lode_error *error)
{
    if (batch->filtered && same_filter(batch->filtered->request, search->request))
        return LODE_OK;
    allowed_set_free(batch->allowed);
    batch->allowed = NULL;
    batch->filtered = NULL;
    lode_status status = allow(search, error);
    batch->allowed = search->allowed;
    batch->filtered = status ? NULL : search;
    search->allowed = NULL;
    return status;
}

/* Take searches of one filter from `first` on into the group, as many as bound its memory; *ret_next is the one
 * after them. Those with one_per ask again and again and go alone. */
static lode_status gather(struct batch *batch, size_t first, size_t *ret_next, lode_error *error)
{
    size_t hits = 0, i = first;
    lode_status status = blame(first, allow_group(batch, &batch->searches[first], error), error);
    batch->task_count = 0;
    for (; !status && i < batch->count && hits < GROUP_HITS_MAX; i++) {
        struct search *search = &batch->searches[i];
        if (batch->task_count == GROUP_MAX ||
            !same_filter(search->request, batch->searches[first].request))
            break;
        search->allowed = batch->allowed;
        status = blame(i, make_query(search, error), error);
        if (status || !search->row || search->request->one_per)
            continue;
        status = begin_find(search, search->k, &batch->tasks[batch->task_count], error);
        batch->members[batch->task_count++] = i;
        hits += search->k * search->version->view_count;
    }
    *ret_next = i;
    return status;
}

static lode_status execute_group(struct batch *batch, lode_error *error)
{
    size_t failed;
    if (batch->task_count == 0)
        return LODE_OK;
    lode_status status = query_execute(batch->tasks, batch->task_count, &failed, error);
    if (status && failed < batch->task_count)
        return blame(batch->members[failed], status, error);
    for (size_t t = 0; !status && t < batch->task_count; t++) {
        struct search *search = &batch->searches[batch->members[t]];
        end_find(search, search->k, &batch->tasks[t]);
    }
    return status;
}

static lode_status answer_group(struct batch *batch, size_t first, size_t *ret_next,
                                lode_error *error)
{
    lode_status status = gather(batch, first, ret_next, error);
    if (!status)
        status = execute_group(batch, error);
    for (size_t i = first; !status && i < *ret_next; i++) {
        struct search *search = &batch->searches[i];
        if (search->row && search->request->one_per)
            status = find_one_per(search, error);
        if (!status)
            status = fetch(search, &batch->results[i], error);
        status = blame(i, status, error);
        search->allowed = NULL; /* the batch's */
        release(search);
    }
    return status;
}

static lode_status answer_all(struct batch *batch, lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t first = 0; !status && first < batch->count;)
        status = answer_group(batch, first, &first, error);
    return status;
}

static lode_status begin_batch(struct batch *batch, lode_error *error)
{
    size_t group = batch->count < GROUP_MAX ? batch->count : GROUP_MAX;
    batch->searches = calloc(batch->count, sizeof *batch->searches);
    batch->results = calloc(batch->count, sizeof(lode_result *));
    batch->tasks = malloc(group * sizeof *batch->tasks);
    batch->members = malloc(group * sizeof *batch->members);
    if (batch->searches && batch->results && batch->tasks && batch->members)
        return LODE_OK;
    return error_nomem(error, "searches", batch->count * sizeof *batch->searches);
}

static void end_batch(struct batch *batch)
{
    for (size_t i = 0; batch->searches && i < batch->count; i++) {
        batch->searches[i].allowed = NULL;
        release(&batch->searches[i]);
    }
    allowed_set_free(batch->allowed);
    free(batch->searches);
    free(batch->results);
    free(batch->tasks);
    free(batch->members);
}

static lode_status search_batch(const struct search *shared, const lode_search_request *requests,
                                size_t request_count, lode_result **ret_results, lode_error *error)
{
    struct batch batch = {.count = request_count};
    lode_status status = begin_batch(&batch, error);
    for (size_t i = 0; !status && i < request_count; i++) {
        batch.searches[i] = *shared;
        batch.searches[i].request = &requests[i];
        batch.searches[i].k = requests[i].k ? requests[i].k : SEARCH_K_DEFAULT;
    }
    if (!status)
        status = answer_all(&batch, error);
    if (!status)
        for (size_t i = 0; i < request_count; i++)
            ret_results[i] = batch.results[i];
    for (size_t i = 0; status && batch.results && i < request_count; i++)
        result_free(batch.results[i]);
    end_batch(&batch);
    return status;
}

static lode_status check_one_state(const lode_search_request *requests, size_t request_count,
                                   lode_error *error)
{
    for (size_t i = 1; i < request_count; i++) {
        if (requests[i].snapshot != requests[0].snapshot)
            return error_set(error, LODE_INVALID,
                             "requests[%zu].snapshot is not that of requests[0]: a batch reads one "
                             "state",
                             i);
        if (requests[i].stop != requests[0].stop)
            return error_set(error, LODE_INVALID,
                             "requests[%zu].stop is not that of requests[0]: a batch is stopped "
                             "as one",
                             i);
    }
    return LODE_OK;
}

static int all_allow_damaged(const lode_search_request *requests, size_t request_count)
{
    for (size_t i = 0; i < request_count; i++)
        if (!requests[i].allow_damaged)
            return 0;
    return 1;
}

lode_status collection_search_batch(const lode_collection *handle,
                                    const lode_search_request *requests, size_t request_count,
                                    lode_result **ret_results, lode_error *error)
{
    struct collection *collection = handle->shared;
    struct search shared = {.handle = handle, .collection = collection};
    if (request_count == 0)
        return LODE_OK;
    overlay_searched(collection);
    lode_status status = check_one_state(requests, request_count, error);
    if (!status)
        status = blame(0,
                       snapshot_pin_model(collection, requests[0].snapshot, &shared.version,
                                          &shared.model, error),
                       error);
    if (status)
        return status;
    int allow_damaged = all_allow_damaged(requests, request_count);
    size_t known = allow_damaged ? search_count_damaged(shared.version) : 0;
    do
        status = search_batch(&shared, requests, request_count, ret_results, error);
    while (search_may_retry(status, allow_damaged, shared.version, &known));
    text_model_unref(shared.model);
    version_unref(shared.version);
    return status;
}

/* --- By id ------------------------------------------------------------------------------------- */

static lode_status get_one(const struct bound *bound, const struct version *version,
                           const lode_id *id, unsigned with, lode_result *result, lode_error *error)
{
    uint8_t bytes[ID_BYTES_MAX];
    uint32_t row;
    size_t size = id_encode_in(&bound->handle->scope.space, id, bytes);
    const struct segment_view *view;
    lode_status status = version_find(version, bytes, size, &view, &row, error);
    if (!status && view)
        status = hide(bound, row, &view, error);
    if (status || !view)
        return status;
    lode_hit *hit = &result_hits(result)[result->hit_count];
    status = fetch_hit(view, row, with, result_arena(result), hit, error);
    if (!status)
        result->hit_count++;
    return status;
}

lode_status collection_get(const lode_collection *handle, const lode_snapshot *snapshot,
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
    struct bound bound = {.matcher = NULL};
    lode_result *result = NULL;
    lode_status status = snapshot_pin(handle->shared, snapshot, &version, error);
    if (status)
        return status;
    status = bound_init(&bound, handle, error);
    if (!status)
        status = result_new(id_count, &result, error);
    for (size_t i = 0; !status && i < id_count; i++)
        status = get_one(&bound, version, &ids[i], with, result, error);
    bound_release(&bound);
    if (status) {
        result_free(result);
    } else {
        result->info.sequence = version->sequence;
        *ret_result = result;
    }
    version_unref(version);
    return status;
}
