/* query.c: `lode query`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/explanation.h"
#include "cmd/ids.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/query_groups.h"
#include "cmd/query_show.h"
#include "cmd/recall.h"
#include "cmd/session.h"
#include "cmd/source.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PER_GROUP_DEFAULT 3u

struct query {
    struct args args;
    const char *text, *like, *vector, *vectors; /* one of them */
    uint64_t k, ef_search, limit, per_group;
    int exact, allow_damaged, recall, explain, with_vector, with_version, id_rule, format;
    const char *one_per, *group_by, *show, *dataset, *snapshot, *filter, *space;
    struct shown shown;
    lode_metric metric;
    uint32_t dim;
};

static const char details[] =
    "A score is the squared distance (l2; smaller is better), the inner product (ip) or the\n"
    "cosine (larger is better).\n"
    "\n"
    "--recall answers by the index and by scanning everything, and says how many of the nearest\n"
    "the index found; a hit counts when it is as near as the last of them. Each way runs twice\n"
    "then, and the faster run is shown: the first one after opening also pays for bringing pages\n"
    "into memory.\n"
    "\n"
    "With --json: {\"hits\": [{\"id\", \"score\", \"metadata\", \"text\"}], \"ms\",\n"
    "\"info\": {\"distances\", \"hops\", ...}}, with --recall also \"recall\" and \"exact_ms\";\n"
    "for --group-by {\"groups\": [{\"value\", \"hits\"}], \"ms\", \"info\"},\n"
    "for --vectors {\"queries\": [...], \"count\", \"ms_mean\", ...}.\n";

static int parse(struct query *query, int argc, char **argv, int *ret_exit)
{
    const struct arg_option options[] = {
        OPTION_TEXT("text", "TEXT", &query->text,
                    "Near this text, by the collection's text model (see create --train)."),
        OPTION_TEXT("like", "ID", &query->like, "Near this point, which is itself left out."),
        OPTION_TEXT("vector", "\"[...]\"", &query->vector, "Near this vector, a JSON array."),
        OPTION_TEXT("vectors", "FILE", &query->vectors,
                    "One query for each vector of a file of any format that import reads."),
        OPTION_UINT("k", &query->k, 1, LODE_K_MAX, "How many, 1 to 16384; default 10."),
        OPTION_UINT("ef-search", &query->ef_search, 1, LODE_EF_MAX,
                    "hnsw: effort, 1 to 65536; default 64. More: better recall, slower."),
        OPTION_FLAG("exact", &query->exact, "Scan everything instead of walking the index."),
        OPTION_FLAG("allow-damaged", &query->allow_damaged,
                    "Leave damaged segments out, and say so, instead of failing."),
        OPTION_FLAG("recall", &query->recall,
                    "Also scan everything, and say what the index missed and what it saved."),
        OPTION_FILTER(&query->filter),
        OPTION_FLAG("explain", &query->explain,
                    "Instead of the hits: how the search went in each segment, what other ways "
                    "were expected to cost, and what the filter comes to. Not with --vectors."),
        OPTION_TEXT("one-per", "FIELD", &query->one_per,
                    "Only the best hit of each value of this metadata field. With --like, the "
                    "value of that "
                    "point counts as taken."),
        OPTION_TEXT(
            "group-by", "FIELD", &query->group_by,
            "The nearest points of the k nearest groups: a group is a value of this field."),
        OPTION_UINT("per-group", &query->per_group, 1, LODE_K_MAX,
                    "Of --group-by: points of each group; default 3."),
        OPTION_TEXT("show", "FIELD,...", &query->show,
                    "Which metadata members to show, and \"text\" for the text; all by default."),
        OPTION_FLAG("with-vector", &query->with_vector, "With --json: the vectors too."),
        OPTION_FLAG("with-version", &query->with_version, "With --json: the versions too."),
        OPTION_CHOICE(
            "id-kind", "KIND", &query->id_rule, id_rule_names,
            "Of --like: number, uuid or string; default auto: digits only are a number, the "
            "form of a UUID is a UUID, everything else is a string."),
        OPTION_CHOICE("format", "NAME", &query->format, format_names,
                      "Of --vectors; by default its name says it."),
        OPTION_TEXT("dataset", "NAME", &query->dataset,
                    "Of --vectors, hdf5: which dataset; default test."),
        OPTION_NAMESPACE(&query->space),
        OPTION_SNAPSHOT(&query->snapshot),
        OPTION_UINT("limit", &query->limit, 1, UINT64_MAX, "Of --vectors: at most the first N."),
    };
    const struct arg_spec spec = {
        .command = "query",
        .usage = "DIR COLLECTION (--text T | --like ID | --vector \"[...]\" | --vectors FILE)",
        .about = "Finds the nearest points, and says what that took.",
        .details = details,
        .examples =
            "  lode query films.lode films --text 'a crew alone in space' --show title,year\n"
            "  lode query films.lode films --like 42 --k 5 --one-per director\n"
            "  lode query films.lode films --like 42 --filter 'year >= 1990 AND NOT genre = "
            "\"drama\"'\n"
            "  lode query films.lode films --text 'lost at sea' --group-by genre --per-group 2\n"
            "  lode query films.lode films --vector '[0.1, 0.7, 0.2]' --recall\n"
            "  lode query sift.lode sift --vectors queries.fvecs --ef-search 200 --recall "
            "--json\n",
        .operand_names = "DIR COLLECTION",
        .operands_min = 2,
        .operands_max = 2,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    return args_parse(&spec, argc, argv, &query->args, ret_exit);
}

static int check(struct query *query)
{
    int given = (query->text != NULL) + (query->like != NULL) + (query->vector != NULL) +
                (query->vectors != NULL);
    if (given != 1)
        return output_usage("query", "say one of --text, --like, --vector and --vectors%s",
                            given ? ", not several" : "");
    if (query->vectors && query->format == FORMAT_AUTO && format_of(query->vectors) == FORMAT_AUTO)
        return output_usage("query", "the name of %s does not tell its format; say --format",
                            query->vectors);
    if (query->explain && (query->vectors || query->recall || query->one_per || query->group_by))
        return output_usage("query",
                            "--explain is not for --vectors, --recall, --one-per or --group-by");
    if (query->group_by && (query->vectors || query->recall || query->one_per))
        return output_usage("query", "--group-by goes with none of --vectors, --recall and "
                                     "--one-per");
    if (query->per_group && !query->group_by)
        return output_usage("query", "--per-group is for --group-by");
    if (query->show && !shown_parse(&query->shown, query->show))
        return output_usage("query", "--show takes at most %d fields", SHOWN_MAX);
    return EXIT_OK;
}

static unsigned with_bits(const struct query *query)
{
    unsigned with = LODE_WITH_METADATA;
    if (!query->show || query->shown.text)
        with |= LODE_WITH_TEXT;
    if (query->with_vector && output_json())
        with |= LODE_WITH_VECTOR;
    if (query->with_version && output_json())
        with |= LODE_WITH_VERSION;
    return with;
}

/* The result, and the milliseconds of the fastest of so many runs. */
static lode_status timed_search(struct session *session, const lode_search_request *request,
                                int runs, lode_result **ret_result, double *ret_ms,
                                lode_error *error)
{
    lode_result *result = NULL;
    double best = INFINITY;
    for (int run = 0; run < runs; run++) {
        lode_result_free(result);
        result = NULL;
        double begin = clock_wall();
        lode_status status = lode_search(session->collection, request, &result, error);
        if (status)
            return status;
        best = fmin(best, clock_wall() - begin);
    }
    *ret_result = result;
    *ret_ms = round(best * 1e6) / 1e3;
    return LODE_OK;
}

static void fill_request(const struct query *query, const struct session *session,
                         lode_search_request *request)
{
    request->snapshot = session->snapshot;
    request->k = (size_t)query->k;
    request->ef_search = (uint32_t)query->ef_search;
    request->exact = query->exact;
    request->allow_damaged = query->allow_damaged;
    request->one_per = query->one_per;
    request->filter = query->filter;
    request->filter_size = query->filter ? strlen(query->filter) : 0;
    request->with = with_bits(query);
}

/* Search, and with --recall search again exactly on the same state. The first run after opening pays
 * for pages that are not mapped yet, so a comparison of one query gives each side a second one. */
static lode_status answer(struct query *query, struct session *session,
                          lode_search_request *request, struct answer *ret_answer,
                          lode_error *error)
{
    struct answer found = {.k = (size_t)query->k};
    fill_request(query, session, request);
    int runs = query->recall && !query->vectors ? 2 : 1;
    lode_status status = timed_search(session, request, runs, &found.result, &found.ms, error);
    if (status == LODE_OK && query->recall) {
        request->exact = 1;
        request->with = 0;
        status = timed_search(session, request, runs, &found.truth, &found.exact_ms, error);
    }
    if (status) {
        query_answer_release(&found);
        return status;
    }
    if (found.truth)
        found.recall = found.truth->hit_count > 0
                           ? (double)recall_hits(query->metric, found.result, found.truth) /
                                 (double)found.truth->hit_count
                           : 1;
    *ret_answer = found;
    return LODE_OK;
}

static int show_answer(const struct query *query, const struct answer *found)
{
    if (output_json()) {
        struct document document;
        document_begin(&document);
        answer_write_json(&document, found, query->show ? &query->shown : NULL, query->dim);
        return document_end(&document);
    }
    answer_print(found, query->show ? &query->shown : NULL);
    if (query->text && found->result->hit_count == 0)
        output_note("no word of the text is known to the collection's model, or it is empty");
    return EXIT_OK;
}

static int run_groups(const struct query *query, const struct session *session,
                      lode_search_request *request)
{
    fill_request(query, session, request);
    struct grouped_query grouped = {
        .collection = session->collection,
        .request = {.search = *request,
                    .by = query->group_by,
                    .per_group = query->per_group ? (size_t)query->per_group : PER_GROUP_DEFAULT},
        .shown = query->show ? &query->shown : NULL,
        .dim = query->dim};
    return query_groups_run(&grouped);
}

static int run_one(struct query *query, struct session *session, lode_search_request *request)
{
    struct answer found;
    lode_error error = {0};
    if (query->explain) {
        fill_request(query, session, request);
        return explanation_run(session->collection, request);
    }
    if (query->group_by)
        return run_groups(query, session, request);
    if (answer(query, session, request, &found, &error)) {
        int no_model = query->text && error.status == LODE_NOT_FOUND;
        return output_fail(&(struct output_failure){
            .error = &error,
            .cause = CAUSE_ARGUMENTS,
            .hint =
                no_model ? "'lode create --train' makes a collection with a text model" : NULL});
    }
    int code = show_answer(query, &found);
    query_answer_release(&found);
    return code;
}

static int run_vector(struct query *query, struct session *session)
{
    struct json json;
    float *vector = malloc(query->dim * sizeof *vector);
    if (!vector)
        return output_error(&(lode_error){.status = LODE_NOMEM}, CAUSE_ARGUMENTS);
    json_init(&json, query->vector, strlen(query->vector));
    long count = json_next(&json) == JSON_ARRAY ? json_read_f32s(&json, vector, query->dim) : -1;
    int code = EXIT_OK;
    if (count < 0 && json.error && strcmp(json.error, "too many numbers") == 0)
        code = output_usage("query", "--vector has more than the collection's %lu dimensions",
                            (unsigned long)query->dim);
    else if (count < 0 || json_next(&json) != JSON_END)
        code = output_usage("query", "--vector, byte %zu: %s", json.offset + 1,
                            json.error ? json.error : "expected a JSON array of numbers");
    else if (count != (long)query->dim)
        code = output_usage("query", "--vector has %ld numbers; the collection has %lu dimensions",
                            count, (unsigned long)query->dim);
    else
        code = run_one(query, session, &(lode_search_request){.vector = vector});
    free(vector);
    return code;
}

static int run_like(struct query *query, struct session *session)
{
    lode_id id;
    lode_error error = {0};
    if (id_parse(query->like, strlen(query->like), (enum id_rule)query->id_rule, &id, &error))
        return output_error(&error, CAUSE_ARGUMENTS);
    return run_one(query, session, &(lode_search_request){.like = &id});
}

/* --- Many queries --------------------------------------------------------------------------------- */

struct many {
    uint64_t count;
    double ms, exact_ms, recall;
    struct document document;
};

static void show_of_many(const struct query *query, struct many *many, const lode_id *id,
                         const struct answer *found)
{
    const struct shown *shown = query->show ? &query->shown : NULL;
    if (output_json()) {
        json_write_object(&many->document.json);
        json_write_key(&many->document.json, "query");
        id_write_json(&many->document.json, id);
        answer_write_json(&many->document, found, shown, query->dim);
        json_write_object_end(&many->document.json);
        return;
    }
    char text[LODE_ID_SIZE_MAX + 1];
    id_write_text(id, text);
    printf("%squery %s: ", many->count ? "\n" : "", text);
    answer_print(found, shown);
}

static lode_status answer_batch(struct query *query, struct session *session, struct many *many,
                                const struct batch *batch, lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; i < batch->count && status == LODE_OK; i++) {
        struct answer found;
        const lode_point *point = &batch->points[i];
        lode_search_request request = {.vector = point->vector};
        if (!point->vector) {
            request.text = point->text;
            request.text_size = point->text_size;
        }
        status = answer(query, session, &request, &found, error);
        if (status)
            break;
        show_of_many(query, many, &point->id, &found);
        many->count++;
        many->ms += found.ms;
        many->exact_ms += found.exact_ms;
        many->recall += found.recall;
        query_answer_release(&found);
    }
    return status;
}

static lode_status answer_source(struct query *query, struct session *session,
                                 struct source *source, struct many *many, lode_error *error)
{
    struct batch batch;
    lode_status status = batch_init(&batch, 256, error);
    while (status == LODE_OK && many->count < query->limit) {
        uint64_t left = query->limit - many->count;
        batch_clear(&batch);
        status = source_fill(source, &batch, left < 256 ? (size_t)left : 256, error);
        if (status || batch.count == 0)
            break;
        status = answer_batch(query, session, many, &batch, error);
    }
    batch_release(&batch);
    return status;
}

static int summarise(const struct query *query, struct many *many)
{
    double count = many->count ? (double)many->count : 1;
    if (!output_json()) {
        printf("\n%llu queries, mean %.3f ms", (unsigned long long)many->count, many->ms / count);
        if (query->recall)
            printf("; recall@%llu %.4f, exact scan %.3f ms", (unsigned long long)query->k,
                   many->recall / count, many->exact_ms / count);
        putchar('\n');
        document_release(&many->document);
        return EXIT_OK;
    }
    json_write_array_end(&many->document.json);
    document_key_u64(&many->document, "count", many->count);
    document_key_f64(&many->document, "ms_mean", many->ms / count);
    if (query->recall) {
        document_key_f64(&many->document, "recall_mean", many->recall / count);
        document_key_f64(&many->document, "exact_ms_mean", many->exact_ms / count);
    }
    return document_end(&many->document);
}

static int run_many(struct query *query, struct session *session)
{
    struct many many = {.count = 0};
    struct source *source = NULL;
    lode_error error = {0};
    const struct source_options options = {
        .format = (enum format)query->format,
        .dim = query->dim,
        .dataset = query->dataset ? query->dataset : "test",
        .id_start_given = 1,
    };
    lode_status status = source_open(query->vectors, &options, &source, &error);
    document_begin(&many.document);
    json_write_key(&many.document.json, "queries");
    json_write_array(&many.document.json);
    if (status == LODE_OK)
        status = answer_source(query, session, source, &many, &error);
    source_close(source);
    if (status == LODE_OK)
        return summarise(query, &many);
    document_release(&many.document);
    return output_fail(
        &(struct output_failure){.error = &error,
                                 .cause = CAUSE_DATA,
                                 .file = status == LODE_NOT_FOUND ? NULL : query->vectors});
}

static int run_session(struct query *query, struct session *session)
{
    const lode_schema *schema = lode_collection_schema(session->collection);
    query->metric = schema->metric;
    query->dim = schema->dim;
    if (query->vectors)
        return run_many(query, session);
    if (query->vector)
        return run_vector(query, session);
    if (query->like)
        return run_like(query, session);
    return run_one(query, session,
                   &(lode_search_request){.text = query->text, .text_size = strlen(query->text)});
}

int query_run(int argc, char **argv)
{
    struct query query = {.k = 10, .limit = UINT64_MAX};
    struct session session;
    int code = EXIT_OK;
    if (!parse(&query, argc, argv, &code))
        return code;
    code = check(&query);
    if (code == EXIT_OK)
        code = session_read_state(&session, &query.args, query.space, query.snapshot);
    if (code)
        return code;
    code = run_session(&query, &session);
    session_close(&session);
    return code;
}
