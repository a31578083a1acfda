/* flush.c: `lode flush`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/output.h"
#include "cmd/session.h"

#include <stdio.h>

static int report(struct session *session)
{
    lode_error error = {0};
    lode_stats *stats = NULL;
    char points[AMOUNT_TEXT_MAX];
    int code = EXIT_OK;
    if (lode_stats_get(session->collection, &stats, &error))
        return output_error(&error, CAUSE_ARGUMENTS);
    if (output_json()) {
        struct document document;
        document_begin(&document);
        document_key_u64(&document, "points", stats->points);
        document_key_u64(&document, "segments", stats->segment_count);
        document_key_u64(&document, "log_bytes", stats->wal_bytes);
        code = document_end(&document);
    } else {
        printf("flushed: %s points in %zu segment%s\n", amount_count(stats->points, points),
               stats->segment_count, stats->segment_count == 1 ? "" : "s");
    }
    lode_stats_free(stats);
    return code;
}

int flush_run(int argc, char **argv)
{
    const struct arg_spec spec = {
        .command = "flush",
        .usage = "DIR COLLECTION",
        .about = "Writes what is in the log alone out as a segment: what a process left that was "
                 "killed. Commands that write do so themselves when they end.",
        .examples = "  lode flush films.lode films\n",
        .operand_names = "DIR COLLECTION",
        .operands_min = 2,
        .operands_max = 2,
    };
    struct args args;
    struct session session;
    lode_error error = {0};
    int code = EXIT_OK;
    if (!args_parse(&spec, argc, argv, &args, &code))
        return code;
    code = session_open(&session, args.operands[0], args.operands[1], LODE_MAINTAIN_ON_REQUEST);
    if (code)
        return code;
    code = lode_flush(session.collection, NULL, &error) ? output_error(&error, CAUSE_ARGUMENTS)
                                                        : report(&session);
    session_close(&session);
    return code;
}
