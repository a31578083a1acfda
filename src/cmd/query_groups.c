/* query_groups.c: see query_groups.h. */
#include "cmd/query_groups.h"

#include <math.h>
#include <stdio.h>

static void print_groups(const struct grouped_query *query, const lode_groups *groups, double ms)
{
    char distances[AMOUNT_TEXT_MAX];
    printf("%zu group%s in %.2f ms (%s distances)\n", groups->group_count,
           groups->group_count == 1 ? "" : "s", ms,
           amount_count(groups->info.distances, distances));
    if (groups->info.segments_damaged)
        printf("PARTIAL: %lu damaged segment%s left out; 'lode stats' says why\n",
               (unsigned long)groups->info.segments_damaged,
               groups->info.segments_damaged == 1 ? "" : "s");
    for (size_t i = 0; i < groups->group_count; i++) {
        const lode_group *group = &groups->groups[i];
        struct hits hits = {group->hits, group->hit_count, 1};
        printf("\n%s\n", group->value);
        hits_print(&hits, query->shown);
    }
}

static int write_groups(const struct grouped_query *query, const lode_groups *groups, double ms)
{
    struct document document;
    document_begin(&document);
    json_write_key(&document.json, "groups");
    json_write_array(&document.json);
    for (size_t i = 0; i < groups->group_count; i++) {
        const lode_group *group = &groups->groups[i];
        struct hits hits = {group->hits, group->hit_count, 1};
        json_write_object(&document.json);
        json_write_key(&document.json, "value");
        json_write_raw(&document.json, group->value, group->value_size);
        json_write_key(&document.json, "hits");
        hits_write_json(&document, &hits, query->shown, query->dim);
        json_write_object_end(&document.json);
    }
    json_write_array_end(&document.json);
    document_key_f64(&document, "ms", ms);
    info_write_json(&document, "info", &groups->info);
    return document_end(&document);
}

int query_groups_run(const struct grouped_query *query)
{
    lode_groups *groups = NULL;
    lode_error error = {0};
    int code = EXIT_OK;
    double begin = clock_wall();
    if (lode_search_groups(query->collection, &query->request, &groups, &error))
        return output_error(&error, CAUSE_ARGUMENTS);
    double ms = round((clock_wall() - begin) * 1e6) / 1e3;
    if (output_json())
        code = write_groups(query, groups, ms);
    else
        print_groups(query, groups, ms);
    lode_groups_free(groups);
    return code;
}
