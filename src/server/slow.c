/* slow.c: see slow.h. */
#include "server/slow.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "server/filter_shape.h"

#define PLAN_SIZE_MAX (32u << 10)

static const char *const plan_names[] = {"skip", "scan", "walk", "confined"};
static const char *const reason_names[] = {"cheapest", "far", "long", "short"};

/* --- The plan ------------------------------------------------------------------------------------- */

struct ranked {
    const lode_explain_segment *segment;
};

/* Costly ones first: by time where they were searched, else by what is to be looked at. */
static int compare_ranked(const void *a, const void *b)
{
    const lode_explain_segment *x = ((const struct ranked *)a)->segment;
    const lode_explain_segment *y = ((const struct ranked *)b)->segment;
    if (x->us != y->us)
        return x->us < y->us ? 1 : -1;
    if (x->allowed_rows != y->allowed_rows)
        return x->allowed_rows < y->allowed_rows ? 1 : -1;
    return 0;
}

static void put_text(struct json_writer *json, const char *key, const char *text)
{
    json_write_key(json, key);
    json_write_string(json, text, strlen(text));
}

static void put_number(struct json_writer *json, const char *key, uint64_t number)
{
    json_write_key(json, key);
    json_write_u64(json, number);
}

static void put_segment(struct json_writer *json, const lode_explain_segment *segment,
                        int is_searched)
{
    json_write_object(json);
    put_number(json, "segment", segment->number);
    put_text(json, "plan", plan_names[segment->plan]);
    if (segment->first != segment->plan)
        put_text(json, "first", plan_names[segment->first]);
    put_text(json, "reason", reason_names[segment->reason]);
    put_number(json, "rows", segment->rows);
    put_number(json, "allowed_rows", segment->allowed_rows);
    put_number(json, "document_rows", segment->document_rows);
    if (is_searched) {
        put_number(json, "distances", segment->distances);
        put_number(json, "hops", segment->hops);
        put_number(json, "us", segment->us);
    }
    json_write_object_end(json);
}

static void put_longest(struct json_writer *json, const lode_explanation *explanation,
                        struct ranked *order)
{
    size_t count = explanation->segment_count;
    for (size_t i = 0; i < count; i++)
        order[i].segment = &explanation->segments[i];
    if (count > 1)
        qsort(order, count, sizeof *order, compare_ranked);
    json_write_key(json, "longest");
    json_write_array(json);
    for (size_t i = 0; i < count && i < SLOW_SEGMENTS_MAX; i++)
        put_segment(json, order[i].segment, explanation->is_searched);
    json_write_array_end(json);
}

lode_status slow_plan(const lode_explanation *explanation, struct buf *out, lode_error *error)
{
    size_t count = explanation->segment_count;
    struct ranked *order = malloc((count + 1) * sizeof *order);
    if (!order)
        return error_nomem(error, "a plan's segments", count);
    struct json_writer json;
    json_writer_init(&json, out, error);
    json_write_object(&json);
    put_number(&json, "filter_us", explanation->filter_us);
    put_number(&json, "allowed_rows", explanation->allowed_rows);
    put_number(&json, "segments", count);
    put_longest(&json, explanation, order);
    json_write_object_end(&json);
    free(order);
    return json.status;
}

/* --- The line -------------------------------------------------------------------------------------- */

struct fields {
    struct log_field items[24];
    size_t count;
};

static void add_text(struct fields *fields, const char *name, const char *text)
{
    fields->items[fields->count++] =
        (struct log_field){.name = name, .kind = LOG_TEXT, .text = text};
}

static void add_number(struct fields *fields, const char *name, uint64_t number)
{
    fields->items[fields->count++] =
        (struct log_field){.name = name, .kind = LOG_NUMBER, .number = (int64_t)number};
}

static void add_ms(struct fields *fields, const char *name, uint64_t us)
{
    fields->items[fields->count++] =
        (struct log_field){.name = name, .kind = LOG_REAL, .real = (double)us * 1e-3};
}

static void add_asked(struct fields *fields, const struct slow_query *query)
{
    add_ms(fields, "took_ms", query->took_us);
    add_ms(fields, "waited_ms", query->waited_us);
    add_text(fields, "operation", query->operation);
    add_text(fields, "collection", query->collection);
    add_text(fields, "namespace", query->namespace_);
    add_text(fields, "key", query->key_id);
    add_text(fields, "token", query->token_id);
    add_text(fields, "trace_id", query->trace_id);
    add_text(fields, "by", query->by);
    if (query->queries > 1)
        add_number(fields, "queries", query->queries);
    add_number(fields, "k", query->k);
    add_number(fields, "ef_search", query->ef_search);
}

static void add_info(struct fields *fields, const lode_search_info *info)
{
    add_number(fields, "distances", info->distances);
    add_number(fields, "hops", info->hops);
    add_number(fields, "segments_scanned", info->segments_scanned);
    add_number(fields, "segments_walked", info->segments_walked);
    add_number(fields, "sequence", info->sequence);
}

/* The text in the buffer, or NULL when making it failed: then the line does without. */
static const char *made(struct buf *buf, lode_status status)
{
    return !status && !buf_terminate(buf, NULL) ? (const char *)buf->data : NULL;
}

void slow_query_log(struct log *log, const struct slow_query *query)
{
    if (!log_is_on(log, LOG_WARNING))
        return;
    struct fields fields = {.count = 0};
    struct buf shape, plan;
    buf_init(&shape, FILTER_SHAPE_SIZE_MAX + 8);
    buf_init(&plan, PLAN_SIZE_MAX);
    add_asked(&fields, query);
    if (query->filter)
        add_text(&fields, "filter",
                 made(&shape, filter_shape(query->filter, query->filter_size, &shape, NULL)));
    if (query->info)
        add_info(&fields, query->info);
    if (query->explanation) {
        add_text(&fields, "plan", made(&plan, slow_plan(query->explanation, &plan, NULL)));
        fields.items[fields.count - 1].kind = LOG_JSON;
    }
    log_write(log, LOG_WARNING, "slow query", fields.items, fields.count);
    buf_release(&shape);
    buf_release(&plan);
}
