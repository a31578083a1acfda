/* create.c: `lode create`. */
#include "base/limits.h"
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/keys.h"
#include "cmd/names.h"
#include "cmd/output.h"
#include "cmd/session.h"
#include "cmd/texts.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

_Static_assert(ARG_LIST_MAX <= LODE_FIELDS_MAX, "every --field has its place");

struct create {
    struct args args;
    uint64_t dim, m, ef_construction, seed, min_count;
    int metric, scalar, index, layout;
    int has_dim, has_metric, has_training;
    struct arg_texts fields;
    const char *train, *language;
    double word_exponent;
    /* of the training */
    lode_train_info info;
    double seconds;
};

static int parse(struct create *create, int argc, char **argv, int *ret_exit)
{
    const struct arg_option options[] = {
        OPTION_UINT("dim", &create->dim, 1, LODE_DIM_MAX,
                    "Dimensions of every vector, 1 to 65536. Required.", .given = &create->has_dim),
        OPTION_CHOICE(
            "metric", "l2|ip|cosine", &create->metric, metric_names,
            "What near means: squared Euclidean distance, inner product, or the cosine of "
            "the angle (texts and most embeddings). Required.",
            .given = &create->has_metric),
        OPTION_CHOICE("scalar", "TYPE", &create->scalar, scalar_names,
                      "How components are kept: f32 (exact, 4 bytes; the default), f16 or bf16 (2 "
                      "bytes), int8 (1 byte and a scale for each vector)."),
        OPTION_CHOICE("index", "hnsw|flat", &create->index, index_names,
                      "hnsw walks a graph (the default); flat scans everything, always exact."),
        OPTION_UINT(
            "m", &create->m, 2, LODE_M_MAX,
            "hnsw: links of a node, 2 to 256; default 16. More: better recall, more memory."),
        OPTION_UINT("ef-construction", &create->ef_construction, 1, LODE_EF_MAX,
                    "hnsw: effort while building, 1 to 65536; default 200."),
        OPTION_CHOICE(
            "layout", "fast|compact", &create->layout, layout_names,
            "hnsw: fast keeps codes of all neighbours beside a point's links (the default); "
            "compact keeps one code a point, in a fifth to an eighth of the memory."),
        OPTION_UINT("seed", &create->seed, 0, UINT64_MAX,
                    "Of the graph's random levels; a fixed one by default."),
        OPTION_TEXTS(
            "field", "NAME:TYPE", &create->fields,
            "A metadata field that every write is checked against: keyword, text, integer, "
            "float, boolean, datetime, geo or uuid. May be given many times; other metadata may be "
            "anything."),
        OPTION_TEXT(
            "train", "FILE.jsonl", &create->train,
            "Learn a text model from the \"text\" member of each line, so that points and "
            "queries can be texts. Needs --metric cosine, and about 3 kB of memory a text."),
        OPTION_TEXT("language", "NAME", &create->language,
                    "Of the texts, for stemming and stop words; default english.",
                    .given = &create->has_training),
        OPTION_REAL(
            "word-exponent", &create->word_exponent, 0, 1,
            "How far word vectors are normalised, above 0 to 1; default 0.75, catalogues 0.85.",
            .given = &create->has_training),
        OPTION_UINT("min-count", &create->min_count, 0, UINT32_MAX,
                    "Words in fewer texts are left out; by default none is.",
                    .given = &create->has_training),
    };
    const struct arg_spec spec = {
        .command = "create",
        .usage = "DIR COLLECTION --dim N --metric l2|ip|cosine [options]",
        .about = "Makes a collection in the database DIR, and the database if there is none. "
                 "Dimension, metric and stored type cannot be changed later.",
        .examples = "  # Embeddings from elsewhere, half the memory, a checked field:\n"
                    "  lode create shop.lode items --dim 768 --metric cosine --scalar f16 --field "
                    "price:float\n\n"
                    "  # Texts, without any model to download:\n"
                    "  lode create docs.lode docs --dim 256 --metric cosine --train docs.jsonl\n"
                    "  lode import docs.lode docs docs.jsonl\n"
                    "  lode query docs.lode docs --text 'encrypt a disk'\n",
        .operand_names = "DIR COLLECTION",
        .operands_min = 2,
        .operands_max = 2,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    return args_parse(&spec, argc, argv, &create->args, ret_exit);
}

/* "name:type"; the name is kept in names[0, NAME_SIZE_MAX]. */
static int parse_field(const char *text, char *name, lode_field *field)
{
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text)
        return output_usage("create", "--field needs NAME:TYPE, not '%s'", text);
    size_t size = (size_t)(colon - text);
    if (size > LODE_NAME_SIZE_MAX)
        return output_usage("create", "--field: the name has %zu bytes; at most %d", size,
                            LODE_NAME_SIZE_MAX);
    field->type = field_type_of(colon + 1);
    if (!field->type)
        return output_usage("create",
                            "--field %s: '%s' is no type; keyword, text, integer, float, boolean, "
                            "datetime, geo or uuid",
                            text, colon + 1);
    memcpy(name, text, size);
    name[size] = '\0';
    field->name = name;
    return EXIT_OK;
}

static int check(const struct create *create)
{
    if (!create->has_dim)
        return output_usage("create", "--dim is missing: how many numbers has a vector?");
    if (!create->has_metric)
        return output_usage("create", "--metric is missing: l2, ip or cosine");
    if (create->train && create->metric != LODE_METRIC_COSINE)
        return output_usage("create", "--train needs --metric cosine");
    if (create->has_training && !create->train)
        return output_usage("create",
                            "--language, --word-exponent and --min-count go with --train");
    return EXIT_OK;
}

static void on_training(void *context, const char *stage, uint64_t done, uint64_t total)
{
    struct progress *progress = context;
    if (strcmp(progress->label, stage) != 0)
        progress_stage(progress, stage, "steps");
    progress_update(progress, done, total);
}

static int train_on(struct create *create, struct session *session, const struct texts *texts,
                    struct progress *progress)
{
    lode_error error = {0};
    const lode_train_options options = {
        .language = create->language,
        .word_exponent = (float)create->word_exponent,
        .document_frequency_min = (uint32_t)create->min_count,
        .seed = create->seed,
        .progress = on_training,
        .context = progress,
    };
    lode_status status = lode_text_model_train(session->collection, texts->items, texts->count,
                                               &options, &create->info, &error);
    create->seconds = progress_seconds(progress);
    progress_end(progress);
    if (status)
        return output_fail(
            &(struct output_failure){.error = &error, .cause = CAUSE_DATA, .file = create->train});
    return EXIT_OK;
}

static int train(struct create *create, struct session *session)
{
    struct texts texts;
    struct progress progress;
    lode_error error = {0};
    progress_begin(&progress, "reading texts", "bytes");
    if (texts_read(&texts, create->train, &progress, &error)) {
        progress_end(&progress);
        texts_release(&texts);
        return output_fail(
            &(struct output_failure){.error = &error,
                                     .cause = CAUSE_DATA,
                                     .file = error.status == LODE_NOT_FOUND ? NULL : create->train,
                                     .hint = "each line is a JSON object; its \"text\" is used"});
    }
    int code = train_on(create, session, &texts, &progress);
    texts_release(&texts);
    return code;
}

static int report(const struct create *create, const lode_schema *schema)
{
    char words[AMOUNT_TEXT_MAX], texts[AMOUNT_TEXT_MAX];
    const char *dir = create->args.operands[0], *name = create->args.operands[1];
    if (output_json()) {
        struct document document;
        document_begin(&document);
        document_key_text(&document, "collection", name);
        document_key_u64(&document, "dim", schema->dim);
        document_key_text(&document, "metric", metric_names[schema->metric]);
        document_key_text(&document, "scalar", scalar_names[schema->scalar]);
        document_key_text(&document, "index", index_names[schema->index]);
        if (create->train) {
            json_write_key(&document.json, "text_model");
            json_write_object(&document.json);
            document_key_u64(&document, "version", create->info.model_version);
            document_key_u64(&document, "texts", create->info.texts);
            document_key_u64(&document, "words", create->info.words);
            json_write_object_end(&document.json);
        }
        return document_end(&document);
    }
    printf("created %s in %s: %lu dimensions, %s, %s, %s\n", name, dir, (unsigned long)schema->dim,
           metric_names[schema->metric], scalar_names[schema->scalar], index_names[schema->index]);
    if (create->train)
        printf("trained on %s texts: %s words\n", amount_count(create->info.texts, texts),
               amount_count(create->info.words, words));
    return EXIT_OK;
}

/* The collection is there: train it, or take it away again. */
static int complete(struct create *create, struct session *session)
{
    int code = create->train ? train(create, session) : EXIT_OK;
    if (code == EXIT_OK)
        return report(create, lode_collection_schema(session->collection));
    lode_collection_close(session->collection);
    session->collection = NULL;
    if (lode_collection_drop(session->db, create->args.operands[1], NULL))
        output_note("lode: the collection %s was made, but could not be trained nor taken away",
                    create->args.operands[1]);
    return code;
}

/* --- A database made for nothing --- */

static int is_made_by_open(const char *name)
{
    return strcmp(name, "catalog") == 0 || strcmp(name, "keys") == 0 || strcmp(name, "LOCK") == 0;
}

static int holds_more(const char *dir)
{
    int more = 0;
    DIR *listing = opendir(dir);
    if (!listing)
        return 1;
    for (struct dirent *entry; (entry = readdir(listing)) != NULL;)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            !is_made_by_open(entry->d_name))
            more = 1;
    closedir(listing);
    return more;
}

static void remove_in(const char *dir, const char *name)
{
    char path[PATH_SIZE_MAX];
    if (snprintf(path, sizeof path, "%s/%s", dir, name) < (int)sizeof path)
        unlink(path);
}

/* Nothing came of the database that was just made: take it away again. It is still open, so nobody else
 * is in it; the lock goes last, and who takes a lock looks whether the file is still there. */
static void unmake(const char *dir, int had_dir)
{
    if (holds_more(dir))
        return;
    remove_in(dir, "catalog");
    remove_in(dir, "keys"); /* after what needs it */
    remove_in(dir, "LOCK");
    if (!had_dir)
        rmdir(dir);
}

static int has_file(const char *dir, const char *name)
{
    char path[PATH_SIZE_MAX];
    return snprintf(path, sizeof path, "%s/%s", dir, name) >= (int)sizeof path ||
           access(path, F_OK) == 0;
}

/* What is not found is the key, or the folder that the database is to be in. */
static const char *hint(const char *dir, lode_status status)
{
    if (status == LODE_NOT_FOUND && !keys_file_missing())
        return "the folder that DIR is to be in must be there";
    return session_open_hint(dir, status);
}

int create_run(int argc, char **argv)
{
    struct create create = {.metric = 0};
    char names[LODE_FIELDS_MAX][LODE_NAME_SIZE_MAX + 1];
    lode_field fields[LODE_FIELDS_MAX];
    int code = EXIT_OK;
    if (!parse(&create, argc, argv, &code))
        return code;
    code = check(&create);
    for (size_t i = 0; i < create.fields.count && code == EXIT_OK; i++)
        code = parse_field(create.fields.items[i], names[i], &fields[i]);
    if (code)
        return code;
    const lode_schema schema = {
        .dim = (uint32_t)create.dim,
        .metric = (lode_metric)create.metric,
        .scalar = (lode_scalar)create.scalar,
        .index = (lode_index)create.index,
        .m = (uint32_t)create.m,
        .ef_construction = (uint32_t)create.ef_construction,
        .seed = create.seed,
        .layout = (lode_layout)create.layout,
        .fields = fields,
        .field_count = create.fields.count,
    };
    struct session session = {.db = NULL};
    lode_error error = {0};
    const char *dir = create.args.operands[0];
    int had_dir = has_file(dir, "."), had_database = has_file(dir, "catalog");
    const lode_db_options options = {.key = keys_given()};
    if (lode_db_open(dir, &options, &session.db, &error) ||
        lode_collection_create(session.db, create.args.operands[1], &schema, &session.collection,
                               &error))
        code = output_fail(&(struct output_failure){
            .error = &error, .hint = session.db ? NULL : hint(dir, error.status)});
    else
        code = complete(&create, &session);
    if (code && session.db && !had_database)
        unmake(dir, had_dir);
    session_close(&session);
    return code;
}
