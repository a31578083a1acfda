/* keys_write.c: the file of keys, written: whole, to a file beside it that then takes its name. */
#include "base/json.h"
#include "base/limits.h"
#include "os/private_file.h"
#include "os/vfs.h"
#include "server/access_time.h"
#include "server/keys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void write_time(struct json_writer *json, const char *name, uint64_t us)
{
    char text[ACCESS_TIME_TEXT_SIZE];
    if (us)
        json_write_text(json, name, access_time_text(us, text));
}

static void write_hash(struct json_writer *json, const uint8_t hash[SHA256_SIZE])
{
    char text[SHA256_TEXT_SIZE];
    json_write_text(json, "hash", sha256_text(hash, text));
}

static void write_patterns(struct json_writer *json, const char *name,
                           const struct config_strings *patterns)
{
    if (patterns->count == 0)
        return;
    json_write_key(json, name);
    json_write_array(json);
    for (size_t i = 0; i < patterns->count; i++)
        json_write_string(json, patterns->items[i], strlen(patterns->items[i]));
    json_write_array_end(json);
}

static void write_limits(struct json_writer *json, const struct config_limits *limits)
{
    struct config_limits copy = *limits;
    int begun = 0;
    for (size_t i = 0; i < GRANT_LIMIT_COUNT; i++) {
        uint64_t value = *grant_limit_at(&copy, i);
        if (!value)
            continue;
        if (!begun) {
            json_write_key(json, "limits");
            json_write_object(json);
        }
        begun = 1;
        json_write_key(json, grant_limits[i].name);
        json_write_u64(json, value);
    }
    if (begun)
        json_write_object_end(json);
}

static void write_previous(struct json_writer *json, const struct api_key *key)
{
    if (!key->previous_until_us)
        return;
    json_write_key(json, "previous");
    json_write_object(json);
    write_hash(json, key->previous_hash);
    write_time(json, "until", key->previous_until_us);
    json_write_object_end(json);
}

static void write_key(struct json_writer *json, const struct api_key *key)
{
    json_write_object(json);
    json_write_text(json, "id", key->id);
    json_write_text(json, "name", key->name);
    json_write_text(json, "role", role_name(key->grant.role));
    write_patterns(json, "collections", &key->grant.collections);
    write_patterns(json, "namespaces", &key->grant.namespaces);
    if (key->grant.filter)
        json_write_text(json, "filter", key->grant.filter);
    write_limits(json, &key->grant.limits);
    write_time(json, "created", key->created_us);
    write_time(json, "expires", key->expires_us);
    write_time(json, "revoked", key->revoked_us);
    write_hash(json, key->hash);
    write_previous(json, key);
    json_write_object_end(json);
}

static lode_status encode(const struct api_keys *keys, struct buf *out, lode_error *error)
{
    struct json_writer json;
    json_writer_init(&json, out, error);
    json_write_object(&json);
    json_write_key(&json, "format");
    json_write_u64(&json, 1);
    json_write_key(&json, "keys");
    json_write_array(&json);
    for (size_t i = 0; i < keys->count; i++)
        write_key(&json, &keys->items[i]);
    json_write_array_end(&json);
    json_write_object_end(&json);
    return json.status ? json.status : buf_append(out, "\n", 1, error);
}

lode_status api_keys_give(const char *path, const char *dir, lode_error *error)
{
    struct stat owner;
    if (geteuid() != 0)
        return LODE_OK;
    if (stat(dir, &owner) != 0 || lchown(path, owner.st_uid, owner.st_gid) != 0)
        return vfs_fail(error, errno, "give to its directory's owner", path);
    return LODE_OK;
}

static lode_status replace(const char *path, const struct buf *text, lode_error *error)
{
    char temp[PATH_SIZE_MAX], dir[PATH_SIZE_MAX];
    int size = snprintf(temp, sizeof temp, "%s.tmp", path);
    if (size < 0 || (size_t)size >= sizeof temp)
        return error_set(error, LODE_LIMIT, "path of %d bytes: at most %d", size,
                         PATH_SIZE_MAX - 1);
    vfs_parent(path, dir);
    if (unlink(temp) != 0 && errno != ENOENT)
        return vfs_fail(error, errno, "remove", temp);
    lode_status status = private_file_write(temp, text->data, text->size, error);
    if (!status)
        status = api_keys_give(temp, dir, error);
    if (!status)
        status = vfs_rename(vfs_posix(), temp, path, error);
    return status ? status : vfs_dir_sync(vfs_posix(), dir, error);
}

/* Nothing is written that could not be read. */
static lode_status check(const struct buf *text, lode_error *error)
{
    struct api_keys keys = {.items = NULL};
    lode_status status = api_keys_decode((const char *)text->data, text->size, &keys, error);
    api_keys_release(&keys);
    return status;
}

lode_status api_keys_write(const char *path, const struct api_keys *keys, lode_error *error)
{
    struct buf text;
    buf_init(&text, API_KEYS_FILE_MAX);
    lode_status status = encode(keys, &text, error);
    if (!status)
        status = check(&text, error);
    if (!status)
        status = replace(path, &text, error);
    buf_release(&text);
    return status;
}
