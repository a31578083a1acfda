/* compact.c: `lode compact`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/output.h"
#include "cmd/session.h"

#include <stdio.h>

static int report(struct session *session, double seconds)
{
    lode_error error = {0};
    lode_stats *stats = NULL;
    char points[AMOUNT_TEXT_MAX], bytes[AMOUNT_TEXT_MAX], time[AMOUNT_TEXT_MAX];
    int code = EXIT_OK;
    if (lode_stats_get(session->collection, &stats, &error))
        return output_error(&error, CAUSE_ARGUMENTS);
    if (output_json()) {
        struct document document;
        document_begin(&document);
        document_key_f64(&document, "seconds", seconds);
        document_key_u64(&document, "points", stats->points);
        document_key_u64(&document, "segments", stats->segment_count);
        document_key_u64(&document, "disk_bytes", stats->disk_bytes);
        code = document_end(&document);
    } else {
        printf("compacted %s points in %s: %zu segment%s, %s\n",
               amount_count(stats->points, points), amount_seconds(seconds, time),
               stats->segment_count, stats->segment_count == 1 ? "" : "s",
               amount_bytes(stats->disk_bytes, bytes));
    }
    lode_stats_free(stats);
    return code;
}

int compact_run(int argc, char **argv)
{
    const struct arg_spec spec = {
        .command = "compact",
        .usage = "DIR COLLECTION",
        .about = "Merges all segments of a collection into one, leaves out what was deleted or "
                 "replaced, and builds the index. Needs room on the disk for a second copy.",
        .examples = "  lode compact films.lode films\n",
        .operand_names = "DIR COLLECTION",
        .operands_min = 2,
        .operands_max = 2,
    };
    struct args args;
    struct session session;
    struct progress progress;
    lode_error error = {0};
    int code = EXIT_OK;
    if (!args_parse(&spec, argc, argv, &args, &code))
        return code;
    code = session_open(&session, args.operands[0], args.operands[1], LODE_MAINTAIN_ON_REQUEST);
    if (code)
        return code;
    double begin = clock_wall();
    progress_begin(&progress, "compacting", "points");
    lode_status status = session_compact(&session, &progress, &error);
    progress_end(&progress);
    code = status ? output_error(&error, CAUSE_ARGUMENTS) : report(&session, clock_wall() - begin);
    session_close(&session);
    return code;
}
