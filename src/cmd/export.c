/* export.c: `lode export`. One snapshot: what is written while it runs is not in it. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/interrupt.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/session.h"
#include "cmd/sink.h"

#include <stdio.h>
#include <string.h>

#define SHOW_EVERY 256 /* points */

struct exporting {
    struct args args;
    const char *file, *snapshot, *filter, *space;
    struct sink_options sink;
    int format, no_vectors, no_metadata, no_text, with_text, with_version;
    struct sink_columns columns;
    uint64_t bytes;
    double seconds;
};

static int parse(struct exporting *job, int argc, char **argv, int *ret_exit)
{
    const struct arg_option options[] = {
        OPTION_CHOICE(
            "format", "NAME", &job->format, format_names,
            "jsonl, csv, fvecs, bvecs, ivecs, npy or hdf5; by default the file's name says it, "
            "and - (standard output) is jsonl."),
        OPTION_FLAG("no-vectors", &job->no_vectors, "jsonl, csv: leave the vectors out."),
        OPTION_FLAG("no-metadata", &job->no_metadata, "jsonl, csv: leave the metadata out."),
        OPTION_FLAG("no-text", &job->no_text, "jsonl, csv: leave the texts out."),
        OPTION_FLAG("with-text", &job->with_text, "Texts go along: the default, here to be said."),
        OPTION_FLAG("with-version", &job->with_version,
                    "jsonl: each point's version too. Import passes over it: points get new ones."),
        OPTION_TEXT("ids", "FILE", &job->sink.ids_path,
                    "fvecs, bvecs, ivecs, npy, hdf5: write the ids there, one a line, as import "
                    "--ids reads them. Without it they are lost."),
        OPTION_TEXT("dataset", "NAME", &job->sink.dataset,
                    "hdf5: name of the dataset; default train."),
        OPTION_FILTER(&job->filter),
        OPTION_NAMESPACE(&job->space),
        OPTION_SNAPSHOT(&job->snapshot),
    };
    const struct arg_spec spec = {
        .command = "export",
        .usage = "DIR COLLECTION FILE [options]",
        .about = "Writes the points of a collection to a file, in no particular order. JSON Lines "
                 "keeps everything and can be imported again; CSV turns arrays and objects of the "
                 "metadata into text; the other formats keep the vectors "
                 "alone. Under cosine, "
                 "vectors come out normalised.",
        .examples = "  lode export films.lode films films.jsonl\n"
                    "  lode export films.lode films - --no-vectors | head\n"
                    "  lode export films.lode films films.npy --ids films.ids\n",
        .operand_names = "DIR COLLECTION FILE",
        .operands_min = 3,
        .operands_max = 3,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    return args_parse(&spec, argc, argv, &job->args, ret_exit);
}

static int check(struct exporting *job)
{
    job->file = job->args.operands[2];
    job->sink.format = job->format ? (enum format)job->format : format_of(job->file);
    int keeps_all = job->sink.format == FORMAT_JSONL || job->sink.format == FORMAT_CSV;
    if (job->sink.format == FORMAT_AUTO)
        return output_usage("export", "the name of %s does not tell its format; say --format",
                            job->file);
    if (output_json() && strcmp(job->file, "-") == 0)
        return output_usage("export", "--json and '-' both want standard output");
    if (!keeps_all && (job->no_vectors || job->with_text))
        return output_usage("export", "%s keeps vectors and nothing else; jsonl and csv keep more",
                            format_names[job->sink.format]);
    if (job->with_version && job->sink.format != FORMAT_JSONL)
        return output_usage("export", "--with-version is for jsonl alone");
    if (keeps_all && job->sink.ids_path)
        return output_usage("export", "--ids is for formats without ids; %s keeps them itself",
                            format_names[job->sink.format]);
    if (job->with_text && job->no_text)
        return output_usage("export", "--with-text and --no-text exclude one another");
    if (job->sink.format == FORMAT_HDF5 && strcmp(job->file, "-") == 0)
        return output_usage("export", "HDF5 cannot be written to standard output");
    job->sink.with_vector = !job->no_vectors;
    job->sink.with_metadata = keeps_all && !job->no_metadata;
    job->sink.with_text = keeps_all && !job->no_text;
    return EXIT_OK;
}

static unsigned with_bits(const struct exporting *job)
{
    unsigned with = 0;
    if (job->sink.with_vector)
        with |= LODE_WITH_VECTOR;
    if (job->sink.with_metadata)
        with |= LODE_WITH_METADATA;
    if (job->sink.with_text)
        with |= LODE_WITH_TEXT;
    if (job->sink.format == FORMAT_JSONL || job->sink.format == FORMAT_CSV)
        with |= LODE_WITH_EXPIRY;
    if (job->with_version)
        with |= LODE_WITH_VERSION;
    return with;
}

/* How many points walk() calls each() for. */
static lode_status count_points(const struct exporting *job, struct session *session,
                                const lode_snapshot *snapshot, uint64_t *ret_total,
                                lode_error *error)
{
    return lode_count(session->collection, snapshot, lode_filter_text(job->filter), ret_total,
                      error);
}

/* Call each() for every point of the snapshot that the filter matches. */
static lode_status walk(const struct exporting *job, struct session *session,
                        const lode_snapshot *snapshot, unsigned with,
                        lode_status (*each)(void *context, const lode_hit *hit, lode_error *error),
                        void *context, struct progress *progress, lode_error *error)
{
    lode_iterator *iterator = NULL;
    const lode_hit *hit = NULL;
    uint64_t done = 0, total = 0;
    lode_status status = count_points(job, session, snapshot, &total, error);
    if (status == LODE_OK)
        status = lode_iterator_open_filtered(session->collection, snapshot,
                                             lode_filter_text(job->filter), with, &iterator, error);
    while (status == LODE_OK) {
        status = lode_iterator_next(iterator, &hit, error);
        if (status || !hit)
            break;
        status = each(context, hit, error);
        if (++done % SHOW_EVERY == 0)
            progress_update(progress, done, total);
        if (status == LODE_OK && interrupt_caught())
            status = error_set(error, LODE_CANCELLED, "interrupted; the file was not written");
    }
    lode_iterator_close(iterator);
    return status;
}

static lode_status add_columns(void *context, const lode_hit *hit, lode_error *error)
{
    struct sink_columns *columns = context;
    columns->has_expiry |= hit->expires_at_ms != 0;
    if (!hit->metadata)
        return LODE_OK;
    return sink_columns_add(columns, hit->metadata, hit->metadata_size, error);
}

static lode_status write_point(void *context, const lode_hit *hit, lode_error *error)
{
    return sink_write(context, hit, error);
}

static lode_status write_points(struct exporting *job, struct session *session,
                                const lode_snapshot *snapshot, struct progress *progress,
                                lode_error *error)
{
    struct sink *sink = NULL;
    lode_status status = sink_open(job->file, &job->sink, &sink, error);
    if (status)
        return status;
    status = walk(job, session, snapshot, with_bits(job), write_point, sink, progress, error);
    job->bytes = sink_size(sink);
    if (status == LODE_OK)
        status = sink_finish(sink, error);
    sink_close(sink);
    return status;
}

static lode_status export_snapshot(struct exporting *job, struct session *session,
                                   const lode_snapshot *snapshot, lode_error *error)
{
    struct progress progress;
    lode_status status = LODE_OK;
    job->sink.count = lode_snapshot_point_count(snapshot);
    job->sink.dim = lode_collection_schema(session->collection)->dim;
    job->sink.columns = &job->columns;
    progress_begin(&progress, "looking for columns", "points");
    if (job->sink.format == FORMAT_CSV)
        status =
            walk(job, session, snapshot, with_bits(job) & (LODE_WITH_METADATA | LODE_WITH_EXPIRY),
                 add_columns, &job->columns, &progress, error);
    progress_stage(&progress, "exporting", "points");
    if (status == LODE_OK)
        status = write_points(job, session, snapshot, &progress, error);
    job->seconds = progress_seconds(&progress);
    progress_end(&progress);
    sink_columns_release(&job->columns);
    return status;
}

static int report(const struct exporting *job)
{
    char points[AMOUNT_TEXT_MAX], bytes[AMOUNT_TEXT_MAX], time[AMOUNT_TEXT_MAX];
    if (output_json()) {
        struct document document;
        document_begin(&document);
        document_key_u64(&document, "exported", job->sink.count);
        document_key_text(&document, "file", job->file);
        document_key_text(&document, "format", format_names[job->sink.format]);
        document_key_f64(&document, "seconds", job->seconds);
        return document_end(&document);
    }
    if (strcmp(job->file, "-") != 0)
        printf("exported %s points to %s in %s%s%s\n", amount_count(job->sink.count, points),
               job->file, amount_seconds(job->seconds, time), job->bytes ? ", " : "",
               job->bytes ? amount_bytes(job->bytes, bytes) : "");
    return EXIT_OK;
}

int export_run(int argc, char **argv)
{
    struct exporting job = {.format = FORMAT_AUTO};
    struct session session;
    lode_error error = {0};
    int code = EXIT_OK;
    if (!parse(&job, argc, argv, &code))
        return code;
    code = check(&job);
    if (code == EXIT_OK)
        code = session_read_state(&session, &job.args, job.space, job.snapshot);
    if (code)
        return code;
    interrupt_catch();
    lode_status status = export_snapshot(&job, &session, session.snapshot, &error);
    session_close(&session);
    /* What does not fit into the format is wrong data. */
    return status ? output_error(&error, CAUSE_DATA) : report(&job);
}
