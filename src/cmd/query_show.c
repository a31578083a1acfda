/* query_show.c: see query_show.h. */
#include "cmd/query_show.h"

#include "cmd/ids.h"
#include "cmd/point.h"
#include "cmd/table.h"

#include <stdio.h>
#include <string.h>

#define VALUE_SIZE_MAX (LODE_METADATA_SIZE_MAX + 1u)

int shown_parse(struct shown *shown, const char *list)
{
    *shown = (struct shown){.count = 0};
    while (*list) {
        size_t size = strcspn(list, ",");
        if (size > LODE_NAME_SIZE_MAX || shown->count == SHOWN_MAX)
            return 0;
        if (size == 4 && memcmp(list, "text", 4) == 0) {
            shown->text = 1;
        } else if (size > 0) {
            memcpy(shown->names[shown->count], list, size);
            shown->names[shown->count++][size] = '\0';
        }
        list += size + (list[size] == ',');
    }
    return 1;
}

void query_answer_release(struct answer *answer)
{
    lode_result_free(answer->result);
    lode_result_free(answer->truth);
    answer->result = answer->truth = NULL;
}

static void print_work(const struct answer *answer)
{
    char distances[AMOUNT_TEXT_MAX], hops[AMOUNT_TEXT_MAX];
    const lode_search_info *info = &answer->result->info;
    printf("%zu hit%s in %.2f ms (%s distances", answer->result->hit_count,
           answer->result->hit_count == 1 ? "" : "s", answer->ms,
           amount_count(info->distances, distances));
    if (info->hops)
        printf(", %s hops", amount_count(info->hops, hops));
    printf("; %lu segment%s scanned, %lu walked)\n", (unsigned long)info->segments_scanned,
           info->segments_scanned == 1 ? "" : "s", (unsigned long)info->segments_walked);
    if (info->segments_damaged)
        printf("PARTIAL: %lu damaged segment%s left out; 'lode stats' says why\n",
               (unsigned long)info->segments_damaged, info->segments_damaged == 1 ? "" : "s");
    if (answer->truth)
        printf("recall@%zu %.3f: the exact scan took %.2f ms (%s distances)\n", answer->k,
               answer->recall, answer->exact_ms,
               amount_count(answer->truth->info.distances, distances));
}

static void add_columns(struct table *table, const struct hits *hits, const struct shown *shown)
{
    int has_metadata = 0, has_text = 0;
    for (size_t i = 0; i < hits->count; i++) {
        has_metadata |= hits->items[i].metadata != NULL;
        has_text |= hits->items[i].text != NULL;
    }
    table_column(table, "", 1);
    if (hits->scored)
        table_column(table, "score", 1);
    table_column(table, "id", 0);
    for (size_t i = 0; shown && i < shown->count; i++)
        table_column(table, shown->names[i], 0);
    if (!shown && has_metadata)
        table_column(table, "metadata", 0);
    if (shown ? shown->text : has_text)
        table_column(table, "text", 0);
}

static void add_row(struct table *table, const struct hits *hits, size_t i,
                    const struct shown *shown)
{
    const lode_hit *hit = &hits->items[i];
    char id[LODE_ID_SIZE_MAX + 1];
    struct buf value;
    buf_init(&value, VALUE_SIZE_MAX);
    table_printf(table, "%zu", i + 1);
    if (hits->scored)
        table_printf(table, "%.6g", (double)hit->score);
    table_text(table, id, id_write_text(&hit->id, id));
    for (size_t n = 0; shown && n < shown->count; n++) {
        buf_clear(&value);
        if (point_member(hit, shown->names[n], &value, NULL))
            table->failed = 1;
        table_text(table, (const char *)value.data, value.size);
    }
    buf_release(&value);
    /* The columns that are there at the end are those add_columns found. */
    size_t column = (hits->scored ? 3 : 2) + (shown ? shown->count : 0);
    if (!shown && column < table->column_count && strcmp(table->titles[column], "metadata") == 0) {
        table_text(table, hit->metadata, hit->metadata ? hit->metadata_size : 0);
        column++;
    }
    if (column < table->column_count)
        table_text(table, hit->text, hit->text ? hit->text_size : 0);
}

void hits_print(const struct hits *hits, const struct shown *shown)
{
    struct table table;
    if (hits->count == 0)
        return;
    table_init(&table);
    add_columns(&table, hits, shown);
    for (size_t i = 0; i < hits->count; i++)
        add_row(&table, hits, i, shown);
    table_print(&table);
}

static struct hits hits_of(const struct answer *answer)
{
    return (struct hits){answer->result->hits, answer->result->hit_count, 1};
}

void answer_print(const struct answer *answer, const struct shown *shown)
{
    struct hits hits = hits_of(answer);
    print_work(answer);
    hits_print(&hits, shown);
}

/* Only the members that are shown. */
static void write_members(struct json_writer *json, const lode_hit *hit, const struct shown *shown)
{
    struct json metadata;
    json_write_key(json, "metadata");
    json_write_object(json);
    json_init(&metadata, hit->metadata, hit->metadata ? hit->metadata_size : 0);
    if (hit->metadata && json_next(&metadata) == JSON_OBJECT) {
        while (json_next(&metadata) == JSON_KEY) {
            const char *name = NULL, *raw = NULL;
            size_t size = 0;
            for (size_t i = 0; i < shown->count && !name; i++)
                if (json_key_is(&metadata, shown->names[i]))
                    name = shown->names[i];
            if (json_raw(&metadata, &raw, &size) == JSON_ERROR)
                break;
            if (name) {
                json_write_key(json, name);
                json_write_raw(json, raw, size);
            }
        }
    }
    json_write_object_end(json);
}

static void write_hit(struct json_writer *json, const lode_hit *hit, const float *score,
                      const struct shown *shown, uint32_t dim)
{
    if (!shown) {
        point_write_json(json, hit, dim, score);
        return;
    }
    json_write_object(json);
    point_write_head(json, hit, dim, score);
    write_members(json, hit, shown);
    if (shown->text && hit->text) {
        json_write_key(json, "text");
        json_write_string(json, hit->text, hit->text_size);
    }
    if (hit->version) {
        json_write_key(json, "version");
        json_write_u64(json, hit->version);
    }
    json_write_object_end(json);
}

void hits_write_json(struct document *document, const struct hits *hits, const struct shown *shown,
                     uint32_t dim)
{
    json_write_array(&document->json);
    for (size_t i = 0; i < hits->count; i++)
        write_hit(&document->json, &hits->items[i], hits->scored ? &hits->items[i].score : NULL,
                  shown, dim);
    json_write_array_end(&document->json);
}

void info_write_json(struct document *document, const char *key, const lode_search_info *info)
{
    json_write_key(&document->json, key);
    json_write_object(&document->json);
    document_key_u64(document, "distances", info->distances);
    document_key_u64(document, "hops", info->hops);
    document_key_u64(document, "segments_scanned", info->segments_scanned);
    document_key_u64(document, "segments_walked", info->segments_walked);
    document_key_u64(document, "segments_damaged", info->segments_damaged);
    document_key_u64(document, "sequence", info->sequence);
    json_write_object_end(&document->json);
}

void answer_write_json(struct document *document, const struct answer *answer,
                       const struct shown *shown, uint32_t dim)
{
    struct hits hits = hits_of(answer);
    json_write_key(&document->json, "hits");
    hits_write_json(document, &hits, shown, dim);
    document_key_f64(document, "ms", answer->ms);
    info_write_json(document, "info", &answer->result->info);
    if (answer->truth) {
        document_key_f64(document, "recall", answer->recall);
        document_key_f64(document, "exact_ms", answer->exact_ms);
        info_write_json(document, "exact_info", &answer->truth->info);
    }
}
