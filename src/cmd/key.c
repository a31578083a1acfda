/* key.c: `lode key`: the API keys of a server. */
#include "base/number.h"
#include "base/limits.h"
#include "cmd/args.h"
#include "cmd/command.h"
#include "cmd/output.h"
#include "cmd/table.h"
#include "server/keys.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define DURATION_MAX_US ((uint64_t)36500 * 86400 * 1000000)

struct key_job {
    struct args args;
    const char *action, *dir, *id;
    const char *name, *role, *collections, *namespaces, *filter, *expires, *overlap;
    struct config_limits limits;
};

static const char details[] =
    "create   makes a key and prints it, this once: kept is only a hash of it\n"
    "list     shows the keys that there are, without their secrets\n"
    "revoke   refuses a key from now on\n"
    "rotate   gives a key another secret, and prints it; with --overlap the old one works on\n"
    "         for that long\n\n"
    "read looks and searches; write also writes and deletes points; admin also makes, changes and\n"
    "drops collections. docs/security.md has all that each may do.\n\n"
    "A server that runs takes notice within two seconds. The keys are in DIR/server/keys; backups\n"
    "do not have them. Made by root, they belong to the owner of DIR.\n\n"
    "With --json: create and rotate {\"id\", \"name\", \"key\"}, list {\"keys\": [...]}, revoke "
    "{\"revoked\"}.\n";

static const char examples[] =
    "  lode key create films.lode --name search --role read\n"
    "  lode key create films.lode --name loader --role write --collections 'films,books-*' "
    "--expires 90d\n"
    "  lode key create films.lode --name anna --role write --namespaces anna --requests-per-s 20\n"
    "  lode key list films.lode\n"
    "  lode key rotate films.lode 3f9a1c07be52 --overlap 24h\n"
    "  lode key revoke films.lode 3f9a1c07be52\n";

static int parse(struct key_job *job, int argc, char **argv, int *ret_exit)
{
    struct config_limits *limits = &job->limits;
    const struct arg_option options[] = {
        OPTION_TEXT("name", "NAME", &job->name,
                    "create: what it is called in logs; no other valid key has it."),
        OPTION_TEXT("role", "ROLE", &job->role, "create: read, write or admin."),
        OPTION_TEXT("collections", "NAME,...", &job->collections,
                    "create: only these; a name that ends with * is a prefix. Default: all."),
        OPTION_TEXT("namespaces", "NAME,...", &job->namespaces,
                    "create: only within these namespaces, in the same way; not the default one."),
        OPTION_TEXT("filter", "FILTER", &job->filter,
                    "create: only points that it matches (docs/filters.md)."),
        OPTION_TEXT("expires", "TIME", &job->expires,
                    "create: after this time from now, as 90d, 12h, 30m. Default: never."),
        OPTION_UINT("requests-per-s", &limits->requests_per_s, 1, GRANT_RATE_MAX,
                    "create: requests a second. Default of this and the others: the server's."),
        OPTION_UINT("bytes-per-s", &limits->bytes_per_s, 1, GRANT_RATE_MAX,
                    "create: bytes of request bodies a second."),
        OPTION_UINT("points", &limits->points, 1, LODE_BATCH_MAX, "create: points of one write."),
        OPTION_UINT("k", &limits->k, 1, LODE_K_MAX, "create: hits of one query."),
        OPTION_UINT("batch", &limits->batch, 1, LODE_SEARCH_BATCH_MAX,
                    "create: queries of one call."),
        OPTION_UINT("deadline-ms", &limits->deadline_ms, 1, GRANT_DEADLINE_MS_MAX,
                    "create: the longest that one request may take."),
        OPTION_TEXT("overlap", "TIME", &job->overlap,
                    "rotate: how long the old secret works on. Default: not at all."),
    };
    const struct arg_spec spec = {
        .command = "key",
        .usage = "create DIR --name NAME --role ROLE [options] | list DIR |\n"
                 "                revoke DIR ID | rotate DIR ID [--overlap TIME]",
        .about = "API keys of a server (lode serve): who may do what with this database over the "
                 "network.",
        .details = details,
        .examples = examples,
        .operand_names = "create|list|revoke|rotate DIR",
        .operands_min = 2,
        .operands_max = 3,
        .options = options,
        .option_count = sizeof options / sizeof *options,
    };
    return args_parse(&spec, argc, argv, &job->args, ret_exit);
}

static int is_action(const struct key_job *job, const char *action)
{
    return strcmp(job->action, action) == 0;
}

static int has_limits(const struct key_job *job)
{
    struct config_limits none = {0};
    return memcmp(&job->limits, &none, sizeof none) != 0;
}

static int check(struct key_job *job)
{
    job->action = job->args.operands[0];
    job->dir = job->args.operands[1];
    job->id = job->args.operand_count > 2 ? job->args.operands[2] : NULL;
    int creates = is_action(job, "create"), rotates = is_action(job, "rotate");
    if (!creates && !rotates && !is_action(job, "list") && !is_action(job, "revoke"))
        return output_usage("key", "'%s' is none of create, list, revoke, rotate", job->action);
    if (creates || is_action(job, "list") ? job->id != NULL : !job->id)
        return output_usage("key", job->id ? "%s takes no ID" : "%s needs the ID of a key",
                            job->action);
    if (creates && (!job->name || !job->role))
        return output_usage("key", "create needs --name and --role");
    if (!creates && (job->name || job->role || job->collections || job->namespaces || job->filter ||
                     job->expires || has_limits(job)))
        return output_usage("key", "%s takes none of the options of create", job->action);
    if (job->overlap && !rotates)
        return output_usage("key", "--overlap goes with rotate");
    return EXIT_OK;
}

static int parse_duration(const char *option, const char *text, uint64_t *ret_us)
{
    static const struct {
        char unit;
        uint64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    size_t size = strlen(text);
    uint64_t count = 0;
    for (size_t i = 0; size > 1 && i < sizeof units / sizeof *units; i++) {
        if (text[size - 1] != units[i].unit || !number_parse_u64(text, size - 1, &count))
            continue;
        if (count == 0 || count > DURATION_MAX_US / 1000000 / units[i].seconds)
            break;
        *ret_us = count * units[i].seconds * 1000000;
        return EXIT_OK;
    }
    return output_usage("key", "--%s '%s': a whole number with s, m, h or d, of 1s to 36500d",
                        option, text);
}

static int add_patterns(struct config_strings *patterns, const char *option, const char *list)
{
    lode_error error = {0};
    while (list) {
        size_t size = strcspn(list, ",");
        if (grant_add_pattern(patterns, option, list, size, &error))
            return output_error(&error, CAUSE_ARGUMENTS);
        list = list[size] ? list + size + 1 : NULL;
    }
    return EXIT_OK;
}

static int fill(const struct key_job *job, struct api_key *key)
{
    lode_error error = {0};
    uint64_t us = 0;
    if (strlen(job->name) > API_KEY_NAME_SIZE || !*job->name)
        return output_usage("key", "--name of %zu bytes: 1 to %d", strlen(job->name),
                            API_KEY_NAME_SIZE);
    snprintf(key->name, sizeof key->name, "%s", job->name);
    key->grant.limits = job->limits;
    key->grant.role = role_of(job->role);
    if (key->grant.role == ROLE_NONE)
        return output_usage("key", "--role '%s': one of read, write, admin", job->role);
    int code = job->expires ? parse_duration("expires", job->expires, &us) : EXIT_OK;
    if (us)
        key->expires_us = ((uint64_t)time(NULL) + us / 1000000) * 1000000;
    if (!code)
        code = add_patterns(&key->grant.collections, "collections", job->collections);
    if (!code)
        code = add_patterns(&key->grant.namespaces, "namespaces", job->namespaces);
    if (!code && job->filter &&
        grant_set_filter(&key->grant, job->filter, strlen(job->filter), &error))
        code = output_error(&error, CAUSE_ARGUMENTS);
    return code;
}

/* --- Actions ------------------------------------------------------------------------------------ */

/* hint: what helps where this is why it failed. */
static int fail(const lode_error *error, lode_status why, const char *hint)
{
    return output_fail(&(struct output_failure){
        .error = error, .cause = CAUSE_ARGUMENTS, .hint = error->status == why ? hint : NULL});
}

static int fail_to_find(const lode_error *error)
{
    return fail(error, LODE_NOT_FOUND, "'lode key list DIR' shows what there is");
}

static int show_key(const char *id, const char *name, const char *text)
{
    struct document document;
    if (!output_json()) {
        puts(text);
        output_note("keep it: it is not shown again. Its id is %s", id);
        return EXIT_OK;
    }
    document_begin(&document);
    document_key_text(&document, "id", id);
    if (name)
        document_key_text(&document, "name", name);
    document_key_text(&document, "key", text);
    return document_end(&document);
}

static int create(const struct key_job *job)
{
    char text[API_KEY_TEXT_SIZE];
    lode_error error = {0};
    struct api_key key = {.id = ""};
    int code = fill(job, &key);
    if (!code)
        code = api_keys_create(job->dir, &key, text, &error)
                   ? fail(&error, LODE_EXISTS, "choose another name, or revoke the other one first")
                   : show_key(key.id, key.name, text);
    grant_release(&key.grant);
    return code;
}

static int rotate(const struct key_job *job)
{
    char text[API_KEY_TEXT_SIZE];
    lode_error error = {0};
    uint64_t overlap_us = 0;
    if (job->overlap && parse_duration("overlap", job->overlap, &overlap_us))
        return EXIT_USAGE;
    if (api_keys_rotate(job->dir, job->id, overlap_us, text, &error))
        return fail_to_find(&error);
    return show_key(job->id, NULL, text);
}

static int revoke(const struct key_job *job)
{
    lode_error error = {0};
    struct document document;
    if (api_keys_revoke(job->dir, job->id, &error))
        return fail_to_find(&error);
    if (!output_json()) {
        printf("revoked %s\n", job->id);
        return EXIT_OK;
    }
    document_begin(&document);
    document_key_text(&document, "revoked", job->id);
    return document_end(&document);
}

/* --- The list ----------------------------------------------------------------------------------- */

static const char *state_of(const struct api_key *key)
{
    uint64_t now_us = (uint64_t)time(NULL) * 1000000;
    if (key->revoked_us)
        return "revoked";
    if (key->expires_us && now_us >= key->expires_us)
        return "expired";
    return now_us < key->previous_until_us ? "two secrets" : "valid";
}

static void list_names(struct document *document, const char *name,
                       const struct config_strings *names)
{
    if (!names->count)
        return;
    json_write_key(&document->json, name);
    json_write_array(&document->json);
    for (size_t i = 0; i < names->count; i++)
        json_write_string(&document->json, names->items[i], strlen(names->items[i]));
    json_write_array_end(&document->json);
}

static void list_time(struct document *document, const char *name, uint64_t us)
{
    char text[AMOUNT_TEXT_MAX];
    if (us)
        document_key_text(document, name, amount_time(us, text));
}

static void list_limits(struct document *document, struct config_limits limits)
{
    json_write_key(&document->json, "limits");
    json_write_object(&document->json);
    for (size_t i = 0; i < GRANT_LIMIT_COUNT; i++)
        if (*grant_limit_at(&limits, i))
            document_key_u64(document, grant_limits[i].name, *grant_limit_at(&limits, i));
    json_write_object_end(&document->json);
}

static int list_json(const struct api_keys *keys)
{
    struct document document;
    document_begin(&document);
    json_write_key(&document.json, "keys");
    json_write_array(&document.json);
    for (size_t i = 0; i < keys->count; i++) {
        const struct api_key *key = &keys->items[i];
        json_write_object(&document.json);
        document_key_text(&document, "id", key->id);
        document_key_text(&document, "name", key->name);
        document_key_text(&document, "role", role_name(key->grant.role));
        document_key_text(&document, "state", state_of(key));
        list_names(&document, "collections", &key->grant.collections);
        list_names(&document, "namespaces", &key->grant.namespaces);
        if (key->grant.filter)
            document_key_text(&document, "filter", key->grant.filter);
        list_limits(&document, key->grant.limits);
        list_time(&document, "created", key->created_us);
        list_time(&document, "expires", key->expires_us);
        list_time(&document, "revoked", key->revoked_us);
        list_time(&document, "overlap_until", key->previous_until_us);
        json_write_object_end(&document.json);
    }
    json_write_array_end(&document.json);
    return document_end(&document);
}

static void table_names(struct table *table, const struct config_strings *names)
{
    char text[TABLE_CELL_MAX * 4 + 1] = "";
    size_t size = 0;
    for (size_t i = 0; i < names->count && size < sizeof text; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, "%s%s", i ? "," : "",
                                 names->items[i]);
    table_printf(table, "%s", names->count ? text : "all");
}

static int list_table(const struct api_keys *keys)
{
    static const char *const titles[] = {"id",         "name",   "role",    "state",  "collections",
                                         "namespaces", "filter", "expires", "created"};
    struct table table;
    char text[AMOUNT_TEXT_MAX];
    table_init(&table);
    for (size_t i = 0; i < sizeof titles / sizeof *titles; i++)
        table_column(&table, titles[i], 0);
    for (size_t i = 0; i < keys->count; i++) {
        const struct api_key *key = &keys->items[i];
        table_printf(&table, "%s", key->id);
        table_printf(&table, "%s", key->name);
        table_printf(&table, "%s", role_name(key->grant.role));
        table_printf(&table, "%s", state_of(key));
        table_names(&table, &key->grant.collections);
        table_names(&table, &key->grant.namespaces);
        table_printf(&table, "%s", key->grant.filter ? key->grant.filter : "");
        table_printf(&table, "%s", key->expires_us ? amount_time(key->expires_us, text) : "never");
        table_printf(&table, "%s", amount_time(key->created_us, text));
    }
    table_print(&table);
    return EXIT_OK;
}

static int list(const struct key_job *job)
{
    char path[PATH_SIZE_MAX];
    lode_error error = {0};
    struct api_keys keys = {.items = NULL};
    lode_status status = api_keys_path(job->dir, path, &error);
    if (!status)
        status = api_keys_read(path, &keys, &error);
    if (status == LODE_NOT_FOUND)
        return output_fail(&(struct output_failure){.error = &error,
                                                    .cause = CAUSE_ARGUMENTS,
                                                    .hint = "'lode key create DIR ...' makes one"});
    if (status)
        return output_error(&error, CAUSE_DATA);
    int code = output_json() ? list_json(&keys) : list_table(&keys);
    api_keys_release(&keys);
    return code;
}

int key_run(int argc, char **argv)
{
    struct key_job job = {.action = NULL};
    int code = EXIT_OK;
    if (!parse(&job, argc, argv, &code))
        return code;
    code = check(&job);
    if (code)
        return code;
    return is_action(&job, "create")   ? create(&job)
           : is_action(&job, "rotate") ? rotate(&job)
           : is_action(&job, "revoke") ? revoke(&job)
                                       : list(&job);
}
