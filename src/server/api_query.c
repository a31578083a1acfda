/* api_query.c: POST /indices/{name}/query. A single query, or queries that are answered of one state. */
#include "server/answers.h"
#include "server/json_query.h"

/* --- Explanations -------------------------------------------------------------------------------- */

static void write_u64(struct json_writer *json, const char *key, uint64_t value)
{
    json_write_key(json, key);
    json_write_u64(json, value);
}

static const char *plan_name(lode_plan plan)
{
    switch (plan) {
    case LODE_PLAN_SKIP: return "skip";
    case LODE_PLAN_SCAN: return "scan";
    case LODE_PLAN_WALK: return "walk";
    case LODE_PLAN_CONFINED: return "confined";
    }
    return "unknown";
}

static const char *reason_name(lode_plan_reason reason)
{
    switch (reason) {
    case LODE_PLAN_CHEAPEST: return "cheapest";
    case LODE_PLAN_FAR: return "far";
    case LODE_PLAN_LONG: return "long";
    case LODE_PLAN_SHORT: return "short";
    }
    return "unknown";
}

static void write_segment(struct json_writer *json, const lode_explain_segment *segment)
{
    json_write_object(json);
    write_u64(json, "segment", segment->number);
    json_write_text(json, "plan", plan_name(segment->plan));
    json_write_text(json, "first", plan_name(segment->first));
    json_write_text(json, "reason", reason_name(segment->reason));
    write_u64(json, "rows", segment->rows);
    write_u64(json, "live_rows", segment->live_rows);
    write_u64(json, "allowed_rows", segment->allowed_rows);
    write_u64(json, "estimated_rows", segment->estimated_rows);
    write_u64(json, "column_rows", segment->column_rows);
    write_u64(json, "document_rows", segment->document_rows);
    json_write_key(json, "expected_us");
    json_write_object(json);
    for (unsigned plan = LODE_PLAN_SCAN; plan <= LODE_PLAN_CONFINED; plan++) {
        json_write_key(json, plan_name((lode_plan)plan));
        json_write_f64(json, segment->expected_us[plan]); /* null: not possible */
    }
    json_write_object_end(json);
    write_u64(json, "distances", segment->distances);
    write_u64(json, "hops", segment->hops);
    write_u64(json, "us", segment->us);
    json_write_object_end(json);
}

static void write_explanation(struct json_writer *json, const lode_explanation *explanation)
{
    json_write_key(json, "explain");
    json_write_object(json);
    if (explanation->filter)
        json_write_text(json, "filter", explanation->filter);
    write_u64(json, "allowed_rows", explanation->allowed_rows);
    write_u64(json, "filter_us", explanation->filter_us);
    json_write_key(json, "segments");
    json_write_array(json);
    for (size_t i = 0; i < explanation->segment_count; i++)
        write_segment(json, &explanation->segments[i]);
    json_write_array_end(json);
    json_write_object_end(json);
}

/* --- Answers ------------------------------------------------------------------------------------- */

struct answer {
    struct json_writer json;
    const struct queries *queries;
};

static void write_groups(struct json_writer *json, const lode_groups *groups,
                         const struct answer_form *form)
{
    json_write_key(json, "groups");
    json_write_array(json);
    for (size_t i = 0; i < groups->group_count; i++) {
        const lode_group *group = &groups->groups[i];
        json_write_object(json);
        json_write_key(json, "value");
        json_write_raw(json, group->value, group->value_size);
        answer_points(json, "hits", group->hits, group->hit_count, form);
        json_write_object_end(json);
    }
    json_write_array_end(json);
}

static void write_found(void *context, size_t i, const struct found *found)
{
    struct answer *answer = context;
    struct json_writer *json = &answer->json;
    const struct query *query = &answer->queries->items[i];
    const struct asked *asked = &answer->queries->asked;
    struct answer_form form = {.with = query->search.request.with,
                               .fields = query->fields,
                               .dim = asked->handle->schema->dim,
                               .has_score = 1,
                               .is_compact = asked->is_compact};
    json_write_object(json);
    if (found->groups)
        write_groups(json, found->groups, &form);
    else
        answer_points(json, "hits", found->result->hits, found->result->hit_count, &form);
    write_u64(json, "sequence", found->info->sequence);
    if (found->info->segments_damaged)
        write_u64(json, "segments_damaged", found->info->segments_damaged);
    if (found->explanation)
        write_explanation(json, found->explanation);
    json_write_object_end(json);
}

/* The object around all of a batch, if there is one; what is in between is write_found's. */
static void answer_begin(struct answer *answer)
{
    call_json(answer->queries->asked.call, &answer->json);
    if (!answer->queries->is_batch)
        return;
    json_write_object(&answer->json);
    json_write_key(&answer->json, "results");
    json_write_array(&answer->json);
}

static void answer_end(struct answer *answer)
{
    if (answer->queries->is_batch) {
        json_write_array_end(&answer->json);
        json_write_object_end(&answer->json);
    }
    call_json_end(answer->queries->asked.call, &answer->json);
}

void api_query(struct call *call)
{
    struct queries queries;
    struct answer answer = {.queries = &queries};
    struct searches searches = {
        .asked = &queries.asked, .prefix = "", .write = write_found, .context = &answer};
    if (queries_read(call, &queries) && searches_alloc(&searches, queries.count)) {
        searches.is_batch = queries.is_batch;
        for (size_t i = 0; i < queries.count; i++)
            searches.items[i] = queries.items[i].search;
        answer_begin(&answer);
        if (searches_run(&searches))
            answer_end(&answer);
    }
    queries_release(&queries);
}
