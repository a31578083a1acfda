/* get.c: `lode get`. */
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/ids.h"
#include "cmd/options.h"
#include "cmd/output.h"
#include "cmd/point.h"
#include "cmd/session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct get {
    struct args args;
    int id_rule, with_vector, with_version;
    const char *snapshot, *space;
};

static int parse(struct get *get, int argc, char **argv, int *ret_exit)
{
    const struct arg_option options[] = {
        OPTION_FLAG("with-vector", &get->with_vector, "Show the vectors too."),
        OPTION_FLAG("with-version", &get->with_version,
                    "Show the versions too: the write that last changed each point."),
        OPTION_CHOICE("id-kind", "KIND", &get->id_rule, id_rule_names,
                      "Force ids to be number, uuid or string; default auto, as below."),
        OPTION_NAMESPACE(&get->space),
        OPTION_SNAPSHOT(&get->snapshot),
    };
    const struct arg_spec spec = {
        .command = "get",
        .usage = "DIR COLLECTION ID... [options]",
        .about = "Shows points by id: text, metadata, expiry and, if asked for, vector. Ids that "
                 "no point "
                 "has are named, and make the exit status 3.",
        .details = "Ids: digits only are a number, the 36-character form of a UUID is a UUID, "
                   "everything\nelse is a string. After -- an id may begin with a dash.\n",
        .examples = "  lode get films.lode films 42 43\n"
                    "  lode get films.lode films --id-kind string 42\n"
                    "  lode get films.lode films alien --with-vector --json\n",
        .operand_names = "DIR COLLECTION ID...",
        .operands_min = 3,
        .operands_max = SIZE_MAX,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    return args_parse(&spec, argc, argv, &get->args, ret_exit);
}

/* Control characters other than line ends and tabs become blanks: no text can steer the terminal. */
static void print_text(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        int steers = (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f;
        putchar(steers ? ' ' : c);
    }
}

/* As it is given, and so that people can read it. */
static void print_time(const char *label, uint64_t time_ms)
{
    char text[32] = "";
    struct tm parts;
    time_t seconds = (time_t)(time_ms / 1000);
    if (gmtime_r(&seconds, &parts))
        strftime(text, sizeof text, " (%Y-%m-%dT%H:%M:%SZ)", &parts);
    printf("%s%llu%s\n", label, (unsigned long long)time_ms, text);
}

static void print_point(const lode_hit *hit, uint32_t dim)
{
    char id[LODE_ID_SIZE_MAX + 1];
    id_write_text(&hit->id, id);
    fputs("id        ", stdout);
    print_text(id, strlen(id));
    putchar('\n');
    if (hit->text) {
        fputs("text      ", stdout);
        print_text(hit->text, hit->text_size);
        putchar('\n');
    }
    if (hit->metadata)
        printf("metadata  %s\n", hit->metadata);
    if (hit->expires_at_ms)
        print_time("expires   ", hit->expires_at_ms);
    if (hit->version)
        printf("version   %llu\n", (unsigned long long)hit->version);
    if (hit->vector) {
        printf("vector    [");
        for (uint32_t i = 0; i < dim; i++)
            printf("%s%.9g", i ? ", " : "", (double)hit->vector[i]);
        printf("]\n");
    }
}

/* Call each(id) for every id asked for that is not among the hits, which keep the order asked. */
static size_t for_missing(const lode_result *result, const lode_id *ids, size_t id_count,
                          void (*each)(void *context, const lode_id *id), void *context)
{
    size_t next = 0, missing = 0;
    for (size_t i = 0; i < id_count; i++) {
        if (next < result->hit_count && lode_id_compare(&result->hits[next].id, &ids[i]) == 0) {
            next++;
            continue;
        }
        missing++;
        each(context, &ids[i]);
    }
    return missing;
}

static void write_missing(void *context, const lode_id *id)
{
    id_write_json(context, id);
}

static void print_missing(void *context, const lode_id *id)
{
    char text[LODE_ID_SIZE_MAX + 1];
    (void)context;
    id_write_text(id, text);
    fprintf(stderr, "lode: no point has the id %s\n", text);
}

static int show_json(const lode_result *result, const lode_id *ids, size_t id_count, uint32_t dim)
{
    struct document document;
    document_begin(&document);
    json_write_key(&document.json, "points");
    json_write_array(&document.json);
    for (size_t i = 0; i < result->hit_count; i++)
        point_write_json(&document.json, &result->hits[i], dim, NULL);
    json_write_array_end(&document.json);
    json_write_key(&document.json, "missing");
    json_write_array(&document.json);
    size_t missing = for_missing(result, ids, id_count, write_missing, &document.json);
    json_write_array_end(&document.json);
    int code = document_end(&document);
    return code == EXIT_OK && missing > 0 ? EXIT_NOT_FOUND : code;
}

static int show_text(const lode_result *result, const lode_id *ids, size_t id_count, uint32_t dim)
{
    for (size_t i = 0; i < result->hit_count; i++) {
        if (i > 0)
            putchar('\n');
        print_point(&result->hits[i], dim);
    }
    fflush(stdout);
    return for_missing(result, ids, id_count, print_missing, NULL) ? EXIT_NOT_FOUND : EXIT_OK;
}

static int get_points(const struct get *get, struct session *session, const lode_id *ids,
                      size_t id_count)
{
    lode_error error = {0};
    lode_result *result = NULL;
    unsigned with = LODE_WITH_METADATA | LODE_WITH_TEXT | LODE_WITH_EXPIRY;
    if (get->with_vector)
        with |= LODE_WITH_VECTOR;
    if (get->with_version)
        with |= LODE_WITH_VERSION;
    if (lode_get(session->collection, session->snapshot, ids, id_count, with, &result, &error))
        return output_error(&error, CAUSE_ARGUMENTS);
    uint32_t dim = lode_collection_schema(session->collection)->dim;
    int code = output_json() ? show_json(result, ids, id_count, dim)
                             : show_text(result, ids, id_count, dim);
    lode_result_free(result);
    return code;
}

int get_run(int argc, char **argv)
{
    struct get get = {.id_rule = ID_RULE_AUTO};
    struct session session;
    lode_error error = {0};
    int code = EXIT_OK;
    if (!parse(&get, argc, argv, &code))
        return code;
    size_t id_count = get.args.operand_count - 2;
    lode_id *ids = calloc(id_count, sizeof *ids);
    if (!ids) {
        (void)error_nomem(&error, "the ids", id_count * sizeof *ids);
        return output_error(&error, CAUSE_ARGUMENTS);
    }
    for (size_t i = 0; i < id_count && code == EXIT_OK; i++) {
        const char *text = get.args.operands[2 + i];
        if (id_parse(text, strlen(text), (enum id_rule)get.id_rule, &ids[i], &error))
            code = output_error(&error, CAUSE_ARGUMENTS);
    }
    if (code == EXIT_OK)
        code = session_read_state(&session, &get.args, get.space, get.snapshot);
    if (code == EXIT_OK) {
        code = get_points(&get, &session, ids, id_count);
        session_close(&session);
    }
    free(ids);
    return code;
}
