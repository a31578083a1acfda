/* keys_change.c: keys made, revoked and rotated. Each change reads the file, under a lock of its own (DIR/server/keys.lock),
 * and writes it anew: servers that run read it again. */
#include "base/array.h"
#include "base/base64.h"
#include "base/limits.h"
#include "os/clock.h"
#include "os/private_file.h"
#include "os/thread.h"
#include "os/vfs.h"
#include "server/keys.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LOCK_TRIES   200
#define LOCK_WAIT_US 10000

struct change {
    char path[PATH_SIZE_MAX];
    struct vfs_file *lock;
    struct api_keys keys;
};

/* --- Places ------------------------------------------------------------------------------------- */

static lode_status have_private_dir(const char *path, const char *parent, lode_error *error)
{
    if (mkdir(path, 0700) != 0)
        return errno == EEXIST ? LODE_OK : vfs_fail(error, errno, "make", path);
    lode_status status = api_keys_give(path, parent, error);
    return status ? status : vfs_dir_sync(vfs_posix(), parent, error);
}

static lode_status have_dirs(const char *dir, lode_error *error)
{
    char server[PATH_SIZE_MAX];
    lode_status status = vfs_join(server, dir, "server", error);
    if (!status)
        status = vfs_have_dir(vfs_posix(), dir, error);
    return status ? status : have_private_dir(server, dir, error);
}

static lode_status take_lock(struct change *change, const char *dir, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    int size = snprintf(path, sizeof path, "%s.lock", change->path);
    if (size < 0 || (size_t)size >= sizeof path)
        return error_set(error, LODE_LIMIT, "path of %d bytes: at most %d", size,
                         PATH_SIZE_MAX - 1);
    lode_status status = private_lock(path, &change->lock, error);
    for (int i = 0; status == LODE_BUSY && i < LOCK_TRIES; i++) {
        thread_sleep_us(LOCK_WAIT_US);
        status = private_lock(path, &change->lock, error);
    }
    return status ? status : api_keys_give(path, dir, error);
}

static lode_status begin(struct change *change, const char *dir, lode_error *error)
{
    *change = (struct change){.lock = NULL};
    lode_status status = api_keys_path(dir, change->path, error);
    if (!status)
        status = take_lock(change, dir, error);
    if (status)
        return status;
    status = api_keys_read(change->path, &change->keys, error);
    return status == LODE_NOT_FOUND ? LODE_OK : status;
}

/* Write what there is, unless something went wrong, and release. */
static lode_status end(struct change *change, lode_status status, lode_error *error)
{
    if (!status)
        status = api_keys_write(change->path, &change->keys, error);
    api_keys_release(&change->keys);
    if (change->lock)
        vfs_unlock(change->lock);
    return status;
}

/* --- Secrets ------------------------------------------------------------------------------------ */

static lode_status draw(void *bytes, size_t size, lode_error *error)
{
    if (RAND_bytes(bytes, (int)size) == 1)
        return LODE_OK;
    return error_set(error, LODE_IO, "the system gives no random numbers");
}

static lode_status new_secret(const struct api_key *key, char text[API_KEY_TEXT_SIZE],
                              uint8_t hash[SHA256_SIZE], lode_error *error)
{
    uint8_t bytes[32];
    struct buf secret;
    buf_init(&secret, 64);
    lode_status status = draw(bytes, sizeof bytes, error);
    if (!status)
        status = base64_append(&secret, bytes, sizeof bytes, error);
    if (!status)
        status = sha256_of(secret.data, secret.size, hash, error);
    if (!status)
        snprintf(text, API_KEY_TEXT_SIZE, "lode_%s_%.*s", key->id, (int)secret.size,
                 (const char *)secret.data);
    OPENSSL_cleanse(bytes, sizeof bytes);
    if (secret.data)
        OPENSSL_cleanse(secret.data, secret.size);
    buf_release(&secret);
    return status;
}

static lode_status new_id(const struct api_keys *keys, struct api_key *key, lode_error *error)
{
    uint8_t bytes[API_KEY_ID_SIZE / 2];
    do {
        lode_status status = draw(bytes, sizeof bytes, error);
        if (status)
            return status;
        for (size_t i = 0; i < sizeof bytes; i++)
            snprintf(key->id + 2 * i, 3, "%02x", bytes[i]);
    } while (api_keys_find(keys, key->id));
    return LODE_OK;
}

/* --- Changes ------------------------------------------------------------------------------------ */

static lode_status check_name(const struct api_keys *keys, const struct api_key *key,
                              lode_error *error)
{
    if (keys->count == API_KEYS_MAX)
        return error_set(error, LODE_LIMIT, "%d keys are there already", API_KEYS_MAX);
    for (size_t i = 0; i < keys->count; i++)
        if (!keys->items[i].revoked_us && strcmp(keys->items[i].name, key->name) == 0)
            return error_set(error, LODE_EXISTS, "key %s has the name '%s'", keys->items[i].id,
                             key->name);
    return LODE_OK;
}

static lode_status add(struct api_keys *keys, struct api_key *key, char text[API_KEY_TEXT_SIZE],
                       lode_error *error)
{
    lode_status status = check_name(keys, key, error);
    if (!status)
        status = new_id(keys, key, error);
    if (!status)
        status = new_secret(key, text, key->hash, error);
    if (status)
        return status;
    key->created_us = clock_wall_us(&clock_system) / 1000000 * 1000000;
    struct api_key *items =
        array_grow(keys->items, keys->count, &keys->capacity, sizeof *items, "API keys", error);
    if (!items)
        return LODE_NOMEM;
    keys->items = items;
    items[keys->count++] = *key;
    return LODE_OK;
}

lode_status api_keys_create(const char *dir, struct api_key *key, char text[API_KEY_TEXT_SIZE],
                            lode_error *error)
{
    struct change change = {.lock = NULL};
    lode_status status = have_dirs(dir, error);
    if (!status)
        status = begin(&change, dir, error);
    size_t before = change.keys.count;
    if (!status)
        status = add(&change.keys, key, text, error);
    int is_taken = change.keys.count > before;
    status = end(&change, status, error);
    if (is_taken)
        key->grant = (struct grant){.role = key->grant.role}; /* released with the others */
    return status;
}

static lode_status find(const struct change *change, const char *id, struct api_key **ret_key,
                        lode_error *error)
{
    *ret_key = api_keys_find(&change->keys, id);
    if (!*ret_key)
        return error_set(error, LODE_NOT_FOUND, "there is no key '%.40s' in %s", id,
                         vfs_path_tail(change->path));
    return LODE_OK;
}

lode_status api_keys_revoke(const char *dir, const char *id, lode_error *error)
{
    struct change change;
    struct api_key *key = NULL;
    lode_status status = begin(&change, dir, error);
    if (!status)
        status = find(&change, id, &key, error);
    if (!status && !key->revoked_us)
        key->revoked_us = clock_wall_us(&clock_system) / 1000000 * 1000000;
    return end(&change, status, error);
}

lode_status api_keys_rotate(const char *dir, const char *id, uint64_t overlap_us,
                            char text[API_KEY_TEXT_SIZE], lode_error *error)
{
    struct change change;
    struct api_key *key = NULL;
    uint8_t hash[SHA256_SIZE];
    lode_status status = begin(&change, dir, error);
    if (!status)
        status = find(&change, id, &key, error);
    if (!status && key->revoked_us)
        status = error_set(error, LODE_INVALID, "key %s is revoked: make another", id);
    if (!status)
        status = new_secret(key, text, hash, error);
    if (!status) {
        memcpy(key->previous_hash, key->hash, SHA256_SIZE);
        memcpy(key->hash, hash, SHA256_SIZE);
        key->previous_until_us = overlap_us ? clock_wall_us(&clock_system) + overlap_us : 0;
    }
    return end(&change, status, error);
}
