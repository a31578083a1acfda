/* grpc_query.c: Query and QueryBatch of lode.v1.Vectors. */
#include "server/grpc_methods.h"
#include "server/grpc_points.h"
#include "server/searches.h"

#include <string.h>

/* --- Reading ------------------------------------------------------------------------------------- */

static const char *source_fault(const Lode__V1__Query *query)
{
    int count = (query->vector.len || query->n_values) + (*query->text != '\0') + !!query->like;
    if (count != 1)
        return "just one of vector (or values), text and like must be given";
    if (query->per_group && !*query->group_by)
        return "per_group is of group_by, which is missing";
    if (*query->one_per && *query->group_by)
        return "one_per and group_by: one of them";
    return NULL;
}

static bool read_like(struct call *call, const char *field, const Lode__V1__Id *like,
                      const lode_id **ret_like)
{
    lode_error error;
    if (!like)
        return true;
    lode_id *id = arena_alloc(&call->memory, sizeof *id);
    *ret_like = id;
    if (id)
        return grpc_id(call, field, like, id);
    (void)error_nomem(&error, "an id", sizeof *id);
    call_fail(call, &error, NULL, -1);
    return false;
}

static bool read_query(const struct asked *asked, const char *field, const Lode__V1__Query *from,
                       struct search *ret_search)
{
    struct call *call = asked->call;
    lode_search_request *to = &ret_search->request;
    const char *fault = from ? source_fault(from) : "it is missing";
    if (fault) {
        grpc_invalid(call, field, "%s: %s", field, fault);
        return false;
    }
    const struct grpc_floats floats = {&from->vector, from->values, from->n_values};
    if (!grpc_vector(call, field, &floats, asked->handle->schema->dim, &to->vector) ||
        !read_like(call, field, from->like, &to->like))
        return false;
    to->text = grpc_text(from->text);
    to->text_size = strlen(from->text);
    to->k = from->k;
    to->ef_search = from->ef_search;
    to->exact = from->exact;
    to->one_per = grpc_text(from->one_per);
    to->with = grpc_with(from->with);
    to->filter = grpc_text(from->filter);
    to->filter_size = strlen(from->filter);
    to->allow_damaged = from->allow_damaged;
    ret_search->group_by = grpc_text(from->group_by);
    ret_search->per_group = from->per_group;
    ret_search->is_explained = from->explain;
    return true;
}

/* --- Answering ----------------------------------------------------------------------------------- */

struct answer {
    struct put put;
    lode_error error;
    struct asked asked;
    Lode__V1__Query *const *queries;
    bool is_batch;
};

static void put_info(struct put *put, const lode_search_info *info)
{
    size_t begin = put_begin(put);
    put_u64(put, 1, info->distances);
    put_u64(put, 2, info->hops);
    put_u64(put, 3, info->segments_scanned);
    put_u64(put, 4, info->segments_walked);
    put_u64(put, 5, info->segments_damaged);
    put_u64(put, 6, info->sequence);
    put_end(put, 3, begin);
}

static void put_segment(struct put *put, const lode_explain_segment *segment)
{
    Lode__V1__ExplainedSegment message = LODE__V1__EXPLAINED_SEGMENT__INIT;
    size_t begin = put_begin(put);
    message.number = segment->number;
    message.plan = (Lode__V1__Plan)segment->plan;
    message.first = (Lode__V1__Plan)segment->first;
    message.reason = (Lode__V1__PlanReason)segment->reason;
    message.rows = segment->rows;
    message.live_rows = segment->live_rows;
    message.allowed_rows = segment->allowed_rows;
    message.estimated_rows = segment->estimated_rows;
    message.column_rows = segment->column_rows;
    message.document_rows = segment->document_rows;
    message.distances = segment->distances;
    message.hops = segment->hops;
    message.us = segment->us;
    put_fields(put, &message.base);
    put_end(put, 4, begin);
}

static void put_explanation(struct put *put, const lode_explanation *explanation)
{
    size_t begin = put_begin(put);
    if (explanation->filter)
        put_bytes(put, 1, explanation->filter, strlen(explanation->filter));
    put_u64(put, 2, explanation->allowed_rows);
    put_u64(put, 3, explanation->filter_us);
    for (size_t i = 0; i < explanation->segment_count; i++)
        put_segment(put, &explanation->segments[i]);
    put_end(put, 4, begin);
}

static void put_group(struct put *put, const lode_group *group, struct grpc_form *form)
{
    size_t begin = put_begin(put);
    put_bytes(put, 1, group->value, group->value_size);
    for (size_t i = 0; i < group->hit_count; i++)
        grpc_put_hit(put, 2, &group->hits[i], form);
    put_end(put, 2, begin);
}

/* The fields of a QueryResponse, which is the answer or, of a batch, the next of its results. */
static void put_found(void *context, size_t i, const struct found *found)
{
    struct answer *answer = context;
    struct put *put = &answer->put;
    struct grpc_form form;
    size_t begin = answer->is_batch ? put_begin(put) : 0;
    grpc_form_init(&form, answer->queries[i]->with, answer->asked.handle->schema->dim);
    form.has_score = true;
    for (size_t j = 0; found->result && j < found->result->hit_count; j++)
        grpc_put_hit(put, 1, &found->result->hits[j], &form);
    for (size_t j = 0; found->groups && j < found->groups->group_count; j++)
        put_group(put, &found->groups->groups[j], &form);
    grpc_form_release(&form);
    put_info(put, found->info);
    if (found->explanation)
        put_explanation(put, found->explanation);
    if (answer->is_batch)
        put_end(put, 1, begin);
}

/* --- The calls ----------------------------------------------------------------------------------- */

static void run(struct answer *answer, size_t count)
{
    struct call *call = answer->asked.call;
    struct searches searches = {.asked = &answer->asked,
                                .is_batch = answer->is_batch,
                                .prefix = "query.",
                                .write = put_found,
                                .context = answer};
    if (!searches_count_fits(call, count) || !searches_alloc(&searches, count))
        return;
    for (size_t i = 0; i < count; i++)
        if (!read_query(&answer->asked,
                        answer->is_batch ? grpc_field("queries", i, "").text : "query",
                        answer->queries[i], &searches.items[i]))
            return;
    put_init(&answer->put, &call->out, &answer->error);
    if (searches_run(&searches) && answer->put.status)
        call_fail(call, &answer->error, NULL, -1);
}

void grpc_query(struct call *call, const void *message)
{
    const Lode__V1__QueryRequest *request = message;
    const struct grpc_target target = {
        .index = request->index, .namespace_ = request->namespace_, .snapshot = request->snapshot};
    struct answer answer = {.queries = &request->query};
    if (grpc_open(call, &target, &answer.asked))
        run(&answer, 1);
    asked_close(&answer.asked);
}

void grpc_query_batch(struct call *call, const void *message)
{
    const Lode__V1__QueryBatchRequest *request = message;
    const struct grpc_target target = {
        .index = request->index, .namespace_ = request->namespace_, .snapshot = request->snapshot};
    struct answer answer = {.queries = request->queries, .is_batch = true};
    if (grpc_open(call, &target, &answer.asked))
        run(&answer, request->n_queries);
    asked_close(&answer.asked);
}
