/* sample.c: `lode sample`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/options.h"
#include "cmd/query_show.h"
#include "cmd/session.h"

#include <string.h>

struct sample {
    struct args args;
    const char *filter, *snapshot, *space, *show;
    uint64_t count, seed;
    int with_vector;
    struct shown shown;
};

static int parse(struct sample *sample, int argc, char **argv, int *ret_exit)
{
    const struct arg_option options[] = {
        OPTION_FILTER(&sample->filter),
        OPTION_UINT("count", &sample->count, 1, LODE_K_MAX,
                    "How many points, 1 to 16384; default 10."),
        OPTION_UINT("seed", &sample->seed, 1, UINT64_MAX,
                    "The same seed gives the same points; by default it is another each time."),
        OPTION_TEXT("show", "FIELD,...", &sample->show,
                    "Which metadata members to show, and \"text\" for the text; all by default."),
        OPTION_FLAG("with-vector", &sample->with_vector, "With --json: the vectors too."),
        OPTION_NAMESPACE(&sample->space),
        OPTION_SNAPSHOT(&sample->snapshot),
    };
    const struct arg_spec spec = {
        .command = "sample",
        .usage = "DIR COLLECTION [--filter FILTER] [--count N] [--seed N]",
        .about = "Shows points taken at random, each as likely as any other, none twice.",
        .examples = "  lode sample films.lode films --count 5 --show title,year\n"
                    "  lode sample films.lode films --filter 'year < 1950' --seed 7 --json\n",
        .operand_names = "DIR COLLECTION",
        .operands_min = 2,
        .operands_max = 2,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    return args_parse(&spec, argc, argv, &sample->args, ret_exit);
}

static int report(const struct sample *sample, const lode_result *result, uint32_t dim)
{
    const struct shown *shown = sample->show ? &sample->shown : NULL;
    struct hits hits = {result->hits, result->hit_count, 0};
    struct document document;
    if (!output_json()) {
        hits_print(&hits, shown);
        return EXIT_OK;
    }
    document_begin(&document);
    json_write_key(&document.json, "points");
    hits_write_json(&document, &hits, shown, dim);
    return document_end(&document);
}

static int run_session(struct sample *sample, struct session *session)
{
    lode_result *result = NULL;
    lode_error error = {0};
    lode_sample_request request = {.snapshot = session->snapshot,
                                   .filter = sample->filter,
                                   .filter_size = sample->filter ? strlen(sample->filter) : 0,
                                   .count = (size_t)sample->count,
                                   .seed = sample->seed,
                                   .with = LODE_WITH_METADATA | LODE_WITH_EXPIRY};
    if (!sample->show || sample->shown.text)
        request.with |= LODE_WITH_TEXT;
    if (output_json() && sample->with_vector)
        request.with |= LODE_WITH_VECTOR;
    if (lode_sample(session->collection, &request, &result, &error))
        return output_error(&error, CAUSE_ARGUMENTS);
    int code = report(sample, result, lode_collection_schema(session->collection)->dim);
    lode_result_free(result);
    return code;
}

int sample_run(int argc, char **argv)
{
    struct sample sample = {0};
    struct session session;
    int code = EXIT_OK;
    if (!parse(&sample, argc, argv, &code))
        return code;
    if (sample.show && !shown_parse(&sample.shown, sample.show))
        return output_usage("sample", "--show takes at most %d fields", SHOWN_MAX);
    code = session_read_state(&session, &sample.args, sample.space, sample.snapshot);
    if (code)
        return code;
    code = run_session(&sample, &session);
    session_close(&session);
    return code;
}
