/* serve_settings.c: see serve_settings.h. Every key of the table is an option of its own. */
#include "cmd/serve_settings.h"

#include "cmd/keys.h"
#include "cmd/memory.h"
#include "server/config_keys.h"
#include "server/config_strings.h"

#include <stdio.h>
#include <string.h>

#define HELP_SIZE_MAX 512
#define OWN_COUNT     3 /* options that are no keys */
#define OPTION_COUNT  (OWN_COUNT + 2 * CONFIG_KEYS_MAX)

static const char about[] =
    "Serves a database over HTTP and gRPC until SIGTERM or SIGINT: then it stops listening, lets "
    "requests end, closes the database and exits with 0; a second signal hurries. SIGHUP makes it "
    "read certificates, API keys and the log level again.\n"
    "Settings come from a file, from the environment and from here; later ones win. Every key of "
    "the file is an option; docs/server-config.md has them all.";

static const char details[] =
    "A file is YAML: a section for what stands before a dot, as http: {read-threads: 4}. In the\n"
    "environment a key is LODE_ and its name in capitals, as LODE_HTTP_READ_THREADS.\n\n"
    "With systemd: Type=notify, and sockets from a socket unit. Exit status 2: a setting is "
    "wrong,\n"
    "so that starting again will not help.\n\n"
    "With --json: {\"version\", \"listening\", \"data\", \"authentication\", \"tls\"} once it "
    "listens.\n";

static const char examples[] =
    "  lode serve --data films.lode\n"
    "  lode serve --data films.lode --listen 127.0.0.1:8080 --auth off\n"
    "  lode serve --data films.lode --listen 0.0.0.0:7700 --tls-cert cert.pem --tls-key key.pem\n"
    "  lode serve --config /etc/lode/lode.yaml --check-config\n"
    "  lode serve --config /etc/lode/lode.yaml --http.read-threads 4 --print-config\n";

static int is_list(const struct config_key *key)
{
    return key->kind == CONFIG_TEXTS || key->kind == CONFIG_CHOICES;
}

static const char *value_name(const struct config_key *key)
{
    switch (key->kind) {
    case CONFIG_YES:
    case CONFIG_NO: return "yes|no";
    case CONFIG_UNSIGNED:
    case CONFIG_COUNT: return "N";
    case CONFIG_BYTES: return "SIZE";
    case CONFIG_MS:
    case CONFIG_S: return "TIME";
    case CONFIG_SHARE: return "X";
    default: return "TEXT";
    }
}

static struct arg_option option_of(struct serve_words *words, size_t i, const char *name,
                                   const char *help)
{
    size_t count;
    const struct config_key *key = &config_keys(&count)[i];
    struct arg_option option = {.name = name, .value_name = value_name(key), .help = help};
    if (is_list(key)) {
        option.kind = ARG_TEXTS;
        option.texts = &words->lists[i];
    } else {
        option.kind = ARG_TEXT;
        option.text = &words->texts[i];
    }
    return option;
}

static const char *describe(const struct config_key *key, char help[HELP_SIZE_MAX])
{
    const char *fallback = key->computed ? key->computed : key->fallback;
    snprintf(help, HELP_SIZE_MAX, "%s%s%s%s", key->help, *fallback ? " Default: " : "", fallback,
             *fallback ? "." : "");
    return help;
}

/* The short names first, then every key. */
static size_t add_keys(struct serve_words *words, struct arg_option *options)
{
    static char helps[CONFIG_KEYS_MAX][HELP_SIZE_MAX], aliases[CONFIG_KEYS_MAX][HELP_SIZE_MAX];
    size_t key_count, count = 0;
    const struct config_key *keys = config_keys(&key_count);
    for (size_t i = 0; i < key_count; i++) {
        if (!keys[i].flag || strcmp(keys[i].flag, keys[i].path) == 0)
            continue;
        snprintf(aliases[i], HELP_SIZE_MAX, "The same as --%s.", keys[i].path);
        options[count++] = option_of(words, i, keys[i].flag, aliases[i]);
    }
    for (size_t i = 0; i < key_count; i++)
        options[count++] = option_of(words, i, keys[i].path, describe(&keys[i], helps[i]));
    return count;
}

int serve_parse(struct serve_words *words, int argc, char **argv, int *ret_exit)
{
    struct arg_option options[OPTION_COUNT] = {
        OPTION_TEXT("config", "FILE", &words->file, "Read settings from this file."),
        OPTION_FLAG("check-config", &words->check_config,
                    "Check all settings, and the files that they name, and end."),
        OPTION_FLAG("print-config", &words->print_config,
                    "Print every setting with where its value came from, and end."),
    };
    struct args args;
    const struct arg_spec spec = {
        .command = "serve",
        .usage = "--data DIR | --config FILE [options]",
        .about = about,
        .details = details,
        .examples = examples,
        .operand_names = "options alone",
        .options = options,
        .option_count = OWN_COUNT + add_keys(words, options + OWN_COUNT),
    };
    return args_parse(&spec, argc, argv, &args, ret_exit);
}

/* --- Loading ------------------------------------------------------------------------------------- */

static lode_status set_list(struct config *config, size_t i, const struct arg_texts *texts,
                            lode_error *error)
{
    struct config_strings all = {NULL, 0};
    lode_status status = LODE_OK;
    for (size_t n = 0; !status && n < texts->count; n++)
        status = config_strings_cut(&all, texts->items[n], error);
    if (!status)
        status = config_put_all(config, i, (const char *const *)all.items, all.count, CONFIG_FLAG,
                                error);
    config_strings_release(&all);
    return status;
}

/* What every command has, under the names of keys. */
static lode_status set_common(struct config *config, lode_error *error)
{
    const struct {
        const char *key, *text;
    } common[] = {{"engine.key-file", keys_file},
                  {"engine.key-command", keys_command},
                  {"engine.memory", memory_given}};
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < sizeof common / sizeof *common; i++)
        if (common[i].text)
            status = config_set(config, common[i].key, common[i].text, error);
    return status;
}

static lode_status set_words(const struct serve_words *words, struct config *config,
                             lode_error *error)
{
    size_t count;
    lode_status status = set_common(config, error);
    (void)config_keys(&count);
    for (size_t i = 0; !status && i < count; i++) {
        if (words->texts[i])
            status = config_put(config, i, words->texts[i], CONFIG_FLAG, error);
        else if (words->lists[i].count)
            status = set_list(config, i, &words->lists[i], error);
    }
    return status;
}

lode_status serve_load(const struct serve_words *words, bool has_sockets, struct config *config,
                       lode_error *error)
{
    config_init(config);
    lode_status status = words->file ? config_read(config, words->file, error) : LODE_OK;
    if (!status)
        status = config_read_environment(config, error);
    if (!status)
        status = set_words(words, config, error);
    if (status)
        return status;
    if (has_sockets && config_key_origin(config, "listen") == CONFIG_DEFAULT)
        config_strings_release(&config->listen);
    config_complete(config);
    return LODE_OK;
}
