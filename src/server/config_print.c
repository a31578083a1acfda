/* config_print.c: all settings, for people and programs. */
#include "base/json.h"
#include "server/config_keys.h"

#include <string.h>

#define VALUE_SIZE_MAX (1u << 20) /* a file has no more */

static const char *const origin_names[] = {"default", "file", "environment", "flag"};

/* The value of a key, ended by NUL, in `text`. */
static lode_status value_text(const struct config *config, size_t i, struct buf *text,
                              lode_error *error)
{
    buf_clear(text);
    lode_status status = config_format(config, i, text, error);
    return status ? status : buf_terminate(text, error);
}

static const char *default_text(const struct config_key *key)
{
    return key->computed ? key->computed : *key->fallback ? key->fallback : "none";
}

static int is_list(const struct config_key *key)
{
    return key->kind == CONFIG_TEXTS || key->kind == CONFIG_CHOICES;
}

static void write_items(struct json_writer *json, const struct config *config,
                        const struct config_key *key)
{
    const struct config_strings *strings = (const void *)((const uint8_t *)config + key->offset);
    json_write_array(json);
    for (size_t i = 0; i < strings->count; i++)
        json_write_string(json, strings->items[i], strlen(strings->items[i]));
    json_write_array_end(json);
}

/* --- What waits for a restart ---------------------------------------------------------------------- */

static bool is_reloaded(const char *path)
{
    return strncmp(path, "tls.", 4) == 0 || strncmp(path, "auth.", 5) == 0 ||
           strncmp(path, "limits.", 7) == 0 || strcmp(path, "log.level") == 0;
}

static lode_status differs(const struct config *before, const struct config *now, size_t i,
                           int *ret_differs, lode_error *error)
{
    struct buf a, b;
    buf_init(&a, VALUE_SIZE_MAX);
    buf_init(&b, VALUE_SIZE_MAX);
    lode_status status = value_text(before, i, &a, error);
    if (!status)
        status = value_text(now, i, &b, error);
    if (!status)
        *ret_differs = strcmp((const char *)a.data, (const char *)b.data) != 0;
    buf_release(&a);
    buf_release(&b);
    return status;
}

lode_status config_waiting(const struct config *before, const struct config *now, struct buf *out,
                           lode_error *error)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < count; i++) {
        int is_other = 0;
        /* Other certificates are taken over; TLS is not switched on or off. */
        if (strcmp(keys[i].path, "tls.certificate") == 0)
            is_other = !before->tls.certificate != !now->tls.certificate;
        else if (!is_reloaded(keys[i].path))
            status = differs(before, now, i, &is_other, error);
        if (!status && is_other)
            status = buf_printf(out, error, "%s%s", out->size ? ", " : "", keys[i].path);
    }
    return status;
}

/* --- YAML ---------------------------------------------------------------------------------------- */

/* Texts and lists are written as JSON, which YAML takes; numbers, times and words stand as they are. */
static lode_status print_value(const struct config *config, size_t i, struct buf *out,
                               lode_error *error)
{
    size_t count;
    const struct config_key *key = &config_keys(&count)[i];
    struct json_writer json;
    if (key->kind != CONFIG_TEXT && !is_list(key))
        return config_format(config, i, out, error);
    json_writer_init(&json, out, error);
    if (is_list(key)) {
        write_items(&json, config, key);
    } else {
        const char *text = *(char *const *)(const void *)((const uint8_t *)config + key->offset);
        json_write_string(&json, text ? text : "", text ? strlen(text) : 0);
    }
    return json.status;
}

/* The lines of sections that begin with this key. Returns how deep it stands, through ret_depth. */
static lode_status print_sections(const char *path, const char *before, struct buf *out,
                                  size_t *ret_depth, lode_error *error)
{
    size_t depth = 0;
    int is_same = 1; /* the sections so far are those of the key before */
    for (const char *name = path, *dot; (dot = strchr(name, '.')); name = dot + 1, depth++) {
        is_same = is_same && strncmp(path, before, (size_t)(dot + 1 - path)) == 0;
        if (is_same)
            continue;
        lode_status status = buf_printf(out, error, "%s%*s%.*s:\n", depth ? "" : "\n",
                                        (int)(2 * depth), "", (int)(dot - name), name);
        if (status)
            return status;
    }
    *ret_depth = depth;
    return LODE_OK;
}

static lode_status print_line(const struct config *config, size_t i, size_t depth, struct buf *out,
                              lode_error *error)
{
    size_t count, begin = out->size;
    const struct config_key *key = &config_keys(&count)[i];
    const char *dot = strrchr(key->path, '.');
    lode_status status =
        buf_printf(out, error, "%*s%s: ", (int)(2 * depth), "", dot ? dot + 1 : key->path);
    if (!status)
        status = print_value(config, i, out, error);
    size_t width = out->size - begin;
    if (!status)
        status = buf_printf(out, error, "%*s# %s", width < 40 ? (int)(40 - width) : 1, "",
                            origin_names[config->origins[i]]);
    if (!status && config->origins[i] != CONFIG_DEFAULT)
        status = buf_printf(out, error, "; default: %s", default_text(key));
    else if (!status && key->computed)
        status = buf_printf(out, error, ": %s", key->computed);
    return status ? status : buf_append_u8(out, '\n', error);
}

static lode_status print_yaml(const struct config *config, struct buf *out, lode_error *error)
{
    size_t count, depth = 0;
    const struct config_key *keys = config_keys(&count);
    lode_status status =
        buf_printf(out, error, "# Every setting, and where its value came from.\n");
    for (size_t i = 0; !status && i < count; i++) {
        status = print_sections(keys[i].path, i ? keys[i - 1].path : "", out, &depth, error);
        if (!status)
            status = print_line(config, i, depth, out, error);
    }
    return status;
}

/* --- JSON ---------------------------------------------------------------------------------------- */

static lode_status write_setting(struct json_writer *json, const struct config *config, size_t i,
                                 struct buf *scratch)
{
    size_t count;
    const struct config_key *key = &config_keys(&count)[i];
    char variable[CONFIG_VARIABLE_MAX];
    config_key_variable(key, variable);
    lode_status status = value_text(config, i, scratch, json->error);
    if (status)
        return status;
    json_write_object(json);
    json_write_text(json, "key", key->path);
    if (is_list(key)) {
        json_write_key(json, "value");
        write_items(json, config, key);
    } else {
        json_write_text(json, "value", (const char *)scratch->data);
    }
    json_write_text(json, "default", default_text(key));
    json_write_text(json, "origin", origin_names[config->origins[i]]);
    json_write_text(json, "environment", variable);
    json_write_text(json, "help", key->help);
    json_write_object_end(json);
    return json->status;
}

static lode_status print_json(const struct config *config, struct buf *out, lode_error *error)
{
    size_t count;
    struct json_writer json;
    struct buf scratch;
    lode_status status = LODE_OK;
    (void)config_keys(&count);
    buf_init(&scratch, VALUE_SIZE_MAX);
    json_writer_init(&json, out, error);
    json_write_object(&json);
    json_write_key(&json, "settings");
    json_write_array(&json);
    for (size_t i = 0; !status && i < count; i++)
        status = write_setting(&json, config, i, &scratch);
    json_write_array_end(&json);
    json_write_object_end(&json);
    buf_release(&scratch);
    return status ? status : json.status;
}

lode_status config_print(const struct config *config, bool as_json, struct buf *out,
                         lode_error *error)
{
    return as_json ? print_json(config, out, error) : print_yaml(config, out, error);
}
