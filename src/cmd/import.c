/* import.c: `lode import`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/load.h"
#include "cmd/interrupt.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/session.h"

#include <stdio.h>

#define BATCH_DEFAULT 1000

struct import {
    struct args args;
    const char *dir, *collection, *file, *space;
    struct source_options source;
    int format, id_rule;
    uint64_t batch_size, threads, limit, skip;
    int bulk, no_wait, insert_only;
    /* the outcome */
    uint64_t points, due;
    double seconds, wait_seconds;
    lode_error full; /* what of indexes and merges waits for space; status LODE_OK: nothing */
};

static const char details[] =
    "Formats (docs/formats-import.md):\n"
    "  jsonl   a line {\"id\": 7, \"vector\": [0.1, ...], \"metadata\": {}, \"text\": \"...\"};\n"
    "          without a vector, the text is embedded by the collection's text model\n"
    "  csv     a header row; id, vector (a JSON array) or v0..vN, text, expires_at; the rest is\n"
    "          metadata\n"
    "  fvecs, bvecs, ivecs, npy, hdf5   vectors; their ids count up from --id-start\n"
    "\n"
    "Ids: JSON integers and, in text, words of digits are numbers; the 36-character form of a\n"
    "UUID is a UUID; everything else is a string.\n"
    "\n"
    "An import goes batch by batch, each whole or absent. A file that is wrong somewhere stops it\n"
    "there: it says where, and the --skip to go on with when that is mended. A point whose id is\n"
    "there already replaces it, so importing the same again changes nothing; with --insert-only "
    "it\n"
    "is refused.\n"
    "\n"
    "Where the disk has room for the points, but not for indexes or merges, that is a warning and\n"
    "no failure; with --json the member \"waits_for_space\" says what was not done. Points whose\n"
    "expires_at has passed are stored and not found: a warning says how many, and the member\n"
    "\"expired\".\n";

static int parse(struct import *import, int argc, char **argv, int *ret_exit)
{
    struct source_options *source = &import->source;
    const struct arg_option options[] = {
        OPTION_CHOICE(
            "format", "NAME", &import->format, format_names,
            "jsonl, csv, fvecs, bvecs, ivecs, npy or hdf5; by default the file's name says it, "
            "and - (standard input) is jsonl."),
        OPTION_UINT("id-start", &source->id_start, 0, UINT64_MAX,
                    "First id of formats without ids; default 0.",
                    .given = &source->id_start_given),
        OPTION_TEXT("ids", "FILE", &source->ids_path, "Ids of formats without ids: one a line."),
        OPTION_CHOICE("id-kind", "KIND", &import->id_rule, id_rule_names,
                      "Force ids to be number, uuid or string; default auto, as below."),
        OPTION_FLAG("metadata-rest", &source->metadata_rest,
                    "jsonl: put members that are not known into the metadata, instead of refusing "
                    "them."),
        OPTION_TEXT("dataset", "NAME", &source->dataset, "hdf5: which dataset; default train."),
        OPTION_UINT("batch", &import->batch_size, 1, LODE_BATCH_MAX,
                    "Points of one atomic write, 1 to 10000; default 1000."),
        OPTION_UINT(
            "threads", &import->threads, 1, LOAD_THREADS_MAX,
            "Threads that write, 1 to 64; default 1. With more, which of two lines of one id "
            "wins is not certain."),
        OPTION_NAMESPACE(&import->space),
        OPTION_FLAG("insert-only", &import->insert_only,
                    "Stop where an id is there already, in the collection or earlier in the file: "
                    "nothing of that batch is stored, and the exit status is 1."),
        OPTION_UINT("skip", &import->skip, 0, UINT64_MAX,
                    "Pass over the first N points, to go on where an import stopped."),
        OPTION_UINT("limit", &import->limit, 0, UINT64_MAX, "Import at most N points."),
        OPTION_FLAG(
            "bulk", &import->bulk,
            "For a large first load: no indexing meanwhile, then one compaction that builds "
            "one index."),
        OPTION_FLAG("no-wait", &import->no_wait,
                    "Return when all is stored and searchable, without waiting for the indexes."),
    };
    const struct arg_spec spec = {
        .command = "import",
        .usage = "DIR COLLECTION FILE [options]",
        .about = "Loads points from a file into a collection. Every batch is durable when the next "
                 "begins.",
        .details = details,
        .examples = "  lode import films.lode films films.jsonl\n"
                    "  zcat films.jsonl.gz | lode import films.lode films -\n"
                    "  lode import sift.lode sift sift_base.fvecs --bulk --threads 4\n"
                    "  lode import films.lode films vectors.npy --ids names.txt\n"
                    "  lode import films.lode films films.jsonl --skip 41000   # go on\n",
        .operand_names = "DIR COLLECTION FILE",
        .operands_min = 3,
        .operands_max = 3,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    return args_parse(&spec, argc, argv, &import->args, ret_exit);
}

static int check(struct import *import)
{
    import->dir = import->args.operands[0];
    import->collection = import->args.operands[1];
    import->file = import->args.operands[2];
    import->source.format = (enum format)import->format;
    import->source.id_rule = (enum id_rule)import->id_rule;
    if (import->source.format == FORMAT_AUTO)
        import->source.format = format_of(import->file);
    if (import->source.format == FORMAT_AUTO)
        return output_usage("import", "the name of %s does not tell its format; say --format",
                            import->file);
    if (import->insert_only && import->threads > 1)
        return output_usage("import", "--insert-only goes with one thread: of several, some may "
                                      "have stored what is behind the place where it stops");
    if (import->bulk && import->no_wait)
        return output_usage("import", "--bulk ends with a compaction; --no-wait contradicts it");
    int has_ids = import->source.format == FORMAT_JSONL;
    if (has_ids && (import->source.ids_path || import->source.id_start_given))
        return output_usage("import", "--ids and --id-start are for formats without ids; the lines "
                                      "of a jsonl file have their own");
    if (import->source.ids_path && import->source.id_start_given)
        return output_usage("import", "--ids and --id-start exclude one another");
    return EXIT_OK;
}

/* What was stored stands; how to go on. */
static void advise(const struct import *import, const lode_error *error, uint64_t imported,
                   char *hint, size_t size)
{
    char count[AMOUNT_TEXT_MAX];
    int wrong_file = error->status == LODE_INVALID || error->status == LODE_SCHEMA ||
                     error->status == LODE_LIMIT || error->status == LODE_CONFLICT;
    const char *why = wrong_file ? "mend the file and " : "";
    unsigned long long next = (unsigned long long)import->skip + imported;
    if (imported == 0)
        snprintf(hint, size, "nothing was imported; %srun it again", why);
    else
        snprintf(hint, size, "%s points were imported before; %sgo on with --skip %llu",
                 amount_count(imported, count), why, next);
}

static int stopped(const struct import *import, const struct load *load, const lode_error *error)
{
    char hint[256];
    const struct source *source = load ? load->source : NULL;
    uint64_t imported = load ? load->points : 0;
    int no_file = error->status == LODE_NOT_FOUND;
    advise(import, error, imported, hint, sizeof hint);
    struct output_failure failure = {
        .error = error,
        .cause = CAUSE_DATA,
        .file = no_file ? NULL : import->file,
        .hint = no_file ? "look at its name, and at the folder you are in" : hint,
        .has_imported = 1,
        .imported = imported,
        .skip = import->skip + imported,
    };
    if (load && load->reading_failed && source->position > 0) {
        failure.unit = source->ops->unit;
        failure.position = source->position;
    }
    return output_fail(&failure);
}

static int load_points(struct import *import, struct session *session, struct source *source,
                       struct progress *progress)
{
    lode_error error = {0};
    struct load load = {
        .collection = session->collection,
        .source = source,
        .batch_size = (size_t)import->batch_size,
        .threads = (unsigned)import->threads,
        .limit = import->limit,
        .insert_only = import->insert_only,
        .progress = progress,
    };
    lode_status status = load_run(&load, &error);
    import->points = load.points;
    import->due = load.due;
    import->seconds = progress_seconds(progress);
    if (status == LODE_OK)
        return EXIT_OK;
    progress_end(progress);
    load_place(&load, &error);
    return stopped(import, &load, &error);
}

static int finish_indexes(struct import *import, struct session *session, struct progress *progress)
{
    lode_error error = {0};
    lode_status status = LODE_OK;
    double begin = clock_wall();
    progress_stage(progress, import->bulk ? "compacting" : "indexing", "points");
    if (import->bulk)
        status = session_compact(session, progress, &error);
    else if (!import->no_wait)
        status = session_wait_idle(session, progress, &error);
    import->wait_seconds = clock_wall() - begin;
    progress_end(progress);
    if (status == LODE_FULL) { /* no point waits for it, but searches are slower */
        import->full = error;
        return EXIT_OK;
    }
    if (status == LODE_OK)
        return EXIT_OK;
    return output_fail(&(struct output_failure){
        .error = &error,
        .cause = CAUSE_DATA,
        .hint = "all points are imported; 'lode compact' finishes the indexes",
        .has_imported = 1,
        .imported = import->points,
        .skip = import->skip + import->points});
}

static int report(const struct import *import)
{
    char points[AMOUNT_TEXT_MAX], rate[AMOUNT_TEXT_MAX], time[AMOUNT_TEXT_MAX];
    char wait[AMOUNT_TEXT_MAX];
    if (output_json()) {
        struct document document;
        document_begin(&document);
        document_key_u64(&document, "imported", import->points);
        document_key_u64(&document, "skip", import->skip + import->points);
        document_key_u64(&document, "expired", import->due);
        document_key_f64(&document, "import_s", import->seconds);
        document_key_f64(&document, "index_s", import->wait_seconds);
        if (import->full.status)
            document_key_text(&document, "waits_for_space", import->full.message);
        return document_end(&document);
    }
    double per_second = import->seconds > 0 ? (double)import->points / import->seconds : 0;
    printf("imported %s points in %s (%s/s)", amount_count(import->points, points),
           amount_seconds(import->seconds, time), amount_count((uint64_t)per_second, rate));
    if (!import->no_wait && !import->full.status)
        printf(", indexes ready after %s more", amount_seconds(import->wait_seconds, wait));
    putchar('\n');
    if (import->due)
        fprintf(stderr,
                "lode: warning: %s of these points had expired already, by their expires_at: they "
                "are not to be found\n",
                amount_count(import->due, points));
    if (import->full.status)
        fprintf(stderr,
                "lode: warning: all points are imported and found, but the disk is too full: %s\n"
                "      make room: 'lode compact' does it, and so does any import once there is\n",
                import->full.message);
    return EXIT_OK;
}

static int run_session(struct import *import, struct session *session)
{
    lode_error error = {0};
    struct source *source = NULL;
    struct progress progress;
    const lode_schema *schema = lode_collection_schema(session->collection);
    import->source.dim = schema->dim;
    import->source.fields = schema->fields;
    import->source.field_count = schema->field_count;
    if (source_open(import->file, &import->source, &source, &error) ||
        (import->skip > 0 && source_skip(source, import->skip, &error))) {
        source_close(source);
        return stopped(import, NULL, &error);
    }
    interrupt_catch();
    progress_begin(&progress, "importing", "points");
    int code = load_points(import, session, source, &progress);
    source_close(source);
    if (code == EXIT_OK)
        code = finish_indexes(import, session, &progress);
    return code ? code : report(import);
}

int import_run(int argc, char **argv)
{
    struct import import = {.batch_size = BATCH_DEFAULT, .threads = 1, .limit = UINT64_MAX};
    struct session session;
    int code = EXIT_OK;
    if (!parse(&import, argc, argv, &code))
        return code;
    code = check(&import);
    if (code == EXIT_OK)
        code = session_open(&session, import.dir, import.collection,
                            import.bulk ? LODE_MAINTAIN_ON_REQUEST : LODE_MAINTAIN_AUTO);
    if (code == EXIT_OK)
        code = session_namespace(&session, import.space);
    if (code)
        return code;
    code = run_session(&import, &session);
    session_close(&session);
    return code;
}
