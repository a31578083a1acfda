/* count.c: `lode count`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/explanation.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/session.h"

#include <stdio.h>

struct counting {
    struct args args;
    const char *filter, *snapshot, *by, *space;
    uint64_t limit;
    int explain;
};

static int parse(struct counting *counting, int argc, char **argv, int *ret_exit)
{
    const struct arg_option options[] = {
        OPTION_FILTER(&counting->filter),
        OPTION_TEXT("by", "FIELD", &counting->by,
                    "Count the points of each value of this field, the most frequent first."),
        OPTION_UINT("limit", &counting->limit, 1, 1000000, "Of --by: values; default 10."),
        OPTION_FLAG("explain", &counting->explain,
                    "Also say of each segment how many rows match, how many were expected to, how "
                    "many documents had to be read to tell, and how a search would go."),
        OPTION_NAMESPACE(&counting->space),
        OPTION_SNAPSHOT(&counting->snapshot),
    };
    const struct arg_spec spec = {
        .command = "count",
        .usage = "DIR COLLECTION [--filter FILTER] [--by FIELD] [--explain]",
        .about = "Says how many points there are, or how many a filter matches, exactly.",
        .examples = "  lode count films.lode films\n"
                    "  lode count films.lode films --filter 'genre = \"drama\" AND year >= 1990'\n"
                    "  lode count films.lode films --by genre --limit 5\n"
                    "  lode count films.lode films --filter '{\"genre\": \"drama\"}' --json\n",
        .operand_names = "DIR COLLECTION",
        .operands_min = 2,
        .operands_max = 2,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    return args_parse(&spec, argc, argv, &counting->args, ret_exit);
}

static int report(uint64_t count)
{
    struct document document;
    if (!output_json()) {
        printf("%llu\n", (unsigned long long)count);
        return EXIT_OK;
    }
    document_init(&document);
    json_write_object(&document.json);
    document_key_u64(&document, "count", count);
    json_write_object_end(&document.json);
    return document_finish(&document);
}

static int run_explain(const struct counting *counting, const struct session *session)
{
    lode_filter filter = lode_filter_text(counting->filter);
    lode_search_request request = {
        .snapshot = session->snapshot, .filter = filter.text, .filter_size = filter.size};
    return explanation_run(session->collection, &request);
}

static int report_facets_json(const lode_facets *facets)
{
    struct document document;
    document_init(&document);
    json_write_object(&document.json);
    document_key_u64(&document, "count", facets->points);
    document_key_u64(&document, "missing", facets->missing);
    document_key_u64(&document, "uncounted", facets->uncounted);
    document_key_u64(&document, "distinct", facets->distinct);
    json_write_key(&document.json, "values");
    json_write_array(&document.json);
    for (size_t i = 0; i < facets->facet_count; i++) {
        json_write_object(&document.json);
        json_write_key(&document.json, "value");
        json_write_raw(&document.json, facets->facets[i].value, facets->facets[i].value_size);
        document_key_u64(&document, "count", facets->facets[i].count);
        json_write_object_end(&document.json);
    }
    json_write_array_end(&document.json);
    json_write_object_end(&document.json);
    return document_finish(&document);
}

static int report_facets(const lode_facets *facets)
{
    if (output_json())
        return report_facets_json(facets);
    for (size_t i = 0; i < facets->facet_count; i++)
        printf("%12llu  %s\n", (unsigned long long)facets->facets[i].count,
               facets->facets[i].value);
    printf("%12llu  without it, of %llu\n", (unsigned long long)facets->missing,
           (unsigned long long)facets->points);
    return EXIT_OK;
}

static int run_facets(const struct counting *counting, struct session *session)
{
    lode_facets *facets = NULL;
    lode_error error = {0};
    lode_facet_request request = {.snapshot = session->snapshot,
                                  .filter = lode_filter_text(counting->filter),
                                  .field = counting->by,
                                  .limit = (size_t)counting->limit};
    if (lode_facets_get(session->collection, &request, &facets, &error))
        return output_error(&error, CAUSE_ARGUMENTS);
    int code = report_facets(facets);
    lode_facets_free(facets);
    return code;
}

int count_run(int argc, char **argv)
{
    struct counting counting = {0};
    struct session session;
    lode_error error = {0};
    uint64_t count = 0;
    int code = EXIT_OK;
    if (!parse(&counting, argc, argv, &code))
        return code;
    code = session_read_state(&session, &counting.args, counting.space, counting.snapshot);
    if (code)
        return code;
    if (counting.explain || counting.by) {
        code = counting.by ? run_facets(&counting, &session) : run_explain(&counting, &session);
        session_close(&session);
        return code;
    }
    lode_status status = lode_count(session.collection, session.snapshot,
                                    lode_filter_text(counting.filter), &count, &error);
    session_close(&session);
    return status ? output_error(&error, CAUSE_ARGUMENTS) : report(count);
}
