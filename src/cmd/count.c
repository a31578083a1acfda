/* count.c: `lode count`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/output.h"
#include "cmd/session.h"

#include <stdio.h>

struct counting {
    struct args args;
    const char *filter, *snapshot;
};

static int parse(struct counting *counting, int argc, char **argv, int *ret_exit)
{
    const struct arg_option options[] = {
        OPTION_TEXT(
            "filter", "FILTER", &counting->filter,
            "Only points that it matches, as genre = \"drama\" AND year >= 1990, or the same as "
            "JSON (docs/filters.md)."),
        OPTION_TEXT("snapshot", "NAME", &counting->snapshot,
                    "In what lode snapshot create kept, instead of what is there now."),
    };
    const struct arg_spec spec = {
        .command = "count",
        .usage = "DIR COLLECTION [--filter FILTER]",
        .about = "Says how many points there are, or how many a filter matches, exactly.",
        .examples = "  lode count films.lode films\n"
                    "  lode count films.lode films --filter 'genre = \"drama\" AND year >= 1990'\n"
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

int count_run(int argc, char **argv)
{
    struct counting counting = {0};
    struct session session;
    lode_error error = {0};
    uint64_t count = 0;
    int code = EXIT_OK;
    if (!parse(&counting, argc, argv, &code))
        return code;
    code = session_read(&session, counting.args.operands[0], counting.args.operands[1]);
    if (code == EXIT_OK)
        code = session_snapshot(&session, counting.snapshot);
    if (code)
        return code;
    lode_status status = lode_count(session.collection, session.snapshot,
                                    lode_filter_text(counting.filter), &count, &error);
    session_close(&session);
    return status ? output_error(&error, CAUSE_ARGUMENTS) : report(count);
}
