/* keys_file.c: the file of keys, read. JSON, checked member by member: what is wrong is named, and nothing of the file
 * is used then. */
#include "base/array.h"
#include "base/hex.h"
#include "base/limits.h"
#include "os/private_file.h"
#include "os/vfs.h"
#include "server/access_json.h"
#include "server/keys.h"

#include <stdlib.h>
#include <string.h>

lode_status api_keys_path(const char *dir, char path[], lode_error *error)
{
    char server[PATH_SIZE_MAX];
    lode_status status = vfs_join(server, dir, "server", error);
    return status ? status : vfs_join(path, server, "keys", error);
}

/* --- One key ------------------------------------------------------------------------------------ */

static lode_status read_hash(const json_t *object, const char *name, uint8_t hash[SHA256_SIZE],
                             lode_error *error)
{
    const char *text = NULL;
    lode_status status = access_json_text(object, name, &text, error);
    if (status)
        return status;
    if (!text || strlen(text) != SHA256_TEXT_SIZE - 1)
        return error_set(error, LODE_INVALID, "%s: 64 hexadecimal digits are needed", name);
    for (size_t i = 0; i < SHA256_SIZE; i++) {
        int high = hex_value(text[2 * i]), low = hex_value(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return error_set(error, LODE_INVALID, "%s: not 64 hexadecimal digits", name);
        hash[i] = (uint8_t)(high << 4 | low);
    }
    return LODE_OK;
}

static lode_status read_id(const json_t *object, struct api_key *key, lode_error *error)
{
    const char *text = NULL;
    lode_status status = access_json_text(object, "id", &text, error);
    if (status)
        return status;
    if (!text || strlen(text) != API_KEY_ID_SIZE ||
        strspn(text, "0123456789abcdef") != API_KEY_ID_SIZE)
        return error_set(error, LODE_INVALID, "id: 12 hexadecimal digits are needed");
    memcpy(key->id, text, sizeof key->id);
    return LODE_OK;
}

static lode_status read_name(const json_t *object, struct api_key *key, lode_error *error)
{
    const char *text = NULL;
    lode_status status = access_json_text(object, "name", &text, error);
    if (status)
        return status;
    size_t size = text ? strlen(text) : 0;
    if (size == 0 || size > API_KEY_NAME_SIZE)
        return error_set(error, LODE_INVALID, "name of %zu bytes: 1 to %d", size,
                         API_KEY_NAME_SIZE);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return error_set(error, LODE_INVALID, "name: it has a control character");
    memcpy(key->name, text, size + 1);
    return LODE_OK;
}

static lode_status read_role(const json_t *object, struct api_key *key, lode_error *error)
{
    const char *text = NULL;
    lode_status status = access_json_text(object, "role", &text, error);
    if (status)
        return status;
    key->grant.role = role_of(text ? text : "");
    if (key->grant.role == ROLE_NONE)
        return error_set(error, LODE_INVALID, "role '%.40s': one of read, write, admin",
                         text ? text : "");
    return LODE_OK;
}

static lode_status read_limits(const json_t *object, struct api_key *key, lode_error *error)
{
    const json_t *limits = json_object_get(object, "limits");
    const char *names[GRANT_LIMIT_COUNT + 1] = {NULL};
    if (!limits)
        return LODE_OK;
    if (!json_is_object(limits))
        return error_set(error, LODE_INVALID, "limits: not an object");
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < GRANT_LIMIT_COUNT; i++) {
        names[i] = grant_limits[i].name;
        status = access_json_u64(limits, names[i], grant_limits[i].max,
                                 grant_limit_at(&key->grant.limits, i), error);
    }
    if (!status)
        status = access_json_only(limits, names, error);
    if (status)
        error_prefix(error, "limits: ");
    return status;
}

static lode_status read_times(const json_t *object, struct api_key *key, lode_error *error)
{
    lode_status status = access_json_time(object, "created", &key->created_us, error);
    if (!status && !key->created_us)
        status = error_set(error, LODE_INVALID, "created: missing");
    if (!status)
        status = access_json_time(object, "expires", &key->expires_us, error);
    if (!status)
        status = access_json_time(object, "revoked", &key->revoked_us, error);
    return status;
}

static lode_status read_previous(const json_t *object, struct api_key *key, lode_error *error)
{
    static const char *const names[] = {"hash", "until", NULL};
    const json_t *previous = json_object_get(object, "previous");
    if (!previous)
        return LODE_OK;
    if (!json_is_object(previous))
        return error_set(error, LODE_INVALID, "previous: not an object");
    lode_status status = access_json_only(previous, names, error);
    if (!status)
        status = read_hash(previous, "hash", key->previous_hash, error);
    if (!status)
        status = access_json_time(previous, "until", &key->previous_until_us, error);
    if (!status && !key->previous_until_us)
        status = error_set(error, LODE_INVALID, "until: missing");
    if (status)
        error_prefix(error, "previous: ");
    return status;
}

static lode_status read_narrowing(const json_t *object, struct api_key *key, lode_error *error)
{
    lode_status status =
        access_json_patterns(object, "collections", &key->grant.collections, error);
    if (!status)
        status = access_json_patterns(object, "namespaces", &key->grant.namespaces, error);
    if (!status)
        status = access_json_filter(object, "filter", &key->grant, error);
    return status ? status : read_limits(object, key, error);
}

static lode_status read_key(const json_t *object, struct api_key *key, lode_error *error)
{
    static const char *const names[] = {
        "id",      "name",    "role",    "collections", "namespaces", "filter", "limits",
        "created", "expires", "revoked", "hash",        "previous",   NULL};
    if (!json_is_object(object))
        return error_set(error, LODE_INVALID, "not an object");
    lode_status status = access_json_only(object, names, error);
    if (!status)
        status = read_id(object, key, error);
    if (!status)
        status = read_name(object, key, error);
    if (!status)
        status = read_role(object, key, error);
    if (!status)
        status = read_narrowing(object, key, error);
    if (!status)
        status = read_times(object, key, error);
    if (!status)
        status = read_hash(object, "hash", key->hash, error);
    return status ? status : read_previous(object, key, error);
}

/* --- All ---------------------------------------------------------------------------------------- */

static lode_status add_key(const json_t *object, struct api_keys *keys, lode_error *error)
{
    struct api_key key = {.id = ""};
    struct api_key *items =
        array_grow(keys->items, keys->count, &keys->capacity, sizeof *items, "API keys", error);
    if (!items)
        return LODE_NOMEM;
    keys->items = items;
    lode_status status = read_key(object, &key, error);
    if (!status && api_keys_find(keys, key.id))
        status = error_set(error, LODE_INVALID, "a key before it has that id");
    if (status) {
        error_prefix(error, key.id[0] ? "keys[%zu] (id %s): " : "keys[%zu]: ", keys->count, key.id);
        grant_release(&key.grant);
        return status;
    }
    items[keys->count++] = key;
    return LODE_OK;
}

static lode_status read_document(const json_t *document, struct api_keys *keys, lode_error *error)
{
    static const char *const names[] = {"format", "keys", NULL};
    const json_t *list = json_object_get(document, "keys");
    uint64_t format = 0;
    lode_status status = access_json_u64(document, "format", UINT32_MAX, &format, error);
    if (!status && format > 1)
        return error_set(error, LODE_VERSION, "format %llu: this Lode reads 1",
                         (unsigned long long)format);
    if (!status && format != 1)
        status = error_set(error, LODE_INVALID, "format: missing");
    if (!status)
        status = access_json_only(document, names, error);
    if (!status && !json_is_array(list))
        status = error_set(error, LODE_INVALID, "keys: not an array");
    if (!status && json_array_size(list) > API_KEYS_MAX)
        status = error_set(error, LODE_LIMIT, "keys: %zu, at most %d", json_array_size(list),
                           API_KEYS_MAX);
    for (size_t i = 0; !status && i < json_array_size(list); i++)
        status = add_key(json_array_get(list, i), keys, error);
    return status;
}

lode_status api_keys_decode(const char *text, size_t size, struct api_keys *ret_keys,
                            lode_error *error)
{
    struct api_keys keys = {.items = NULL};
    json_t *document = NULL;
    lode_status status = access_json_object(text, size, "keys", &document, error);
    if (!status)
        status = read_document(document, &keys, error);
    json_decref(document);
    if (status)
        api_keys_release(&keys);
    else
        *ret_keys = keys;
    return status;
}

lode_status api_keys_read(const char *path, struct api_keys *ret_keys, lode_error *error)
{
    uint64_t on_disk = vfs_size_at(vfs_posix(), path);
    size_t size = on_disk < API_KEYS_FILE_MAX ? (size_t)on_disk + 1 : API_KEYS_FILE_MAX;
    char *text = malloc(size);
    if (!text)
        return error_nomem(error, "a file of API keys", size);
    lode_status status = private_file_read(path, text, size, &size, error);
    if (!status) {
        status = api_keys_decode(text, size, ret_keys, error);
        if (status)
            error_prefix(error, "%s: ", vfs_path_tail(path));
    }
    free(text);
    return status;
}
