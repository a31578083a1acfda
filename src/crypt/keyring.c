/* keyring.c: data keys in memory; keyring_file.c has them in their file. */
#include "crypt/keyring_parts.h"

#include <string.h>

#include "base/le.h"
#include "os/memory.h"

#define DATA_KEY_ID_INFO "lode data key id"

struct keyring *keyring_alloc(lode_error *error)
{
    struct keyring *keyring = memory_secret_new(sizeof *keyring);
    if (keyring)
        mutex_init(&keyring->mutex);
    else
        (void)error_nomem(error, "keys", sizeof *keyring);
    return keyring;
}

void keyring_free(struct keyring *keyring)
{
    if (!keyring)
        return;
    mutex_release(&keyring->mutex);
    memory_secret_free(keyring, sizeof *keyring);
}

/* A lock is no part of what is read: readers may lock what they must not change. */
static struct mutex *lock_of(const struct keyring *keyring)
{
    struct mutex *mutex = &((struct keyring *)(uintptr_t)keyring)->mutex;
    mutex_lock(mutex);
    return mutex;
}

lode_status keyring_data_key_id(struct data_key *key, lode_error *error)
{
    uint8_t id[8];
    struct derivation from = {.secret = key->key,
                              .salt = "",
                              .info = DATA_KEY_ID_INFO,
                              .info_size = strlen(DATA_KEY_ID_INFO)};
    lode_status status = cipher_derive(&from, id, sizeof id, error);
    if (!status)
        key->id = le_load_u64(id) ? le_load_u64(id) : 1;
    return status;
}

static lode_status make_data_key(struct data_key *key, uint64_t now_us, lode_error *error)
{
    key->made_us = now_us;
    lode_status status = cipher_random(key->key, sizeof key->key, error);
    return status ? status : keyring_data_key_id(key, error);
}

lode_status keyring_new(const char *key_id, uint64_t now_us, struct keyring **ret_keyring,
                        lode_error *error)
{
    struct keyring *keyring = keyring_alloc(error);
    if (!keyring)
        return LODE_NOMEM;
    memcpy(keyring->content.key_id, key_id, LODE_KEY_ID_TEXT_SIZE);
    lode_status status = make_data_key(&keyring->content.keys[0], now_us, error);
    keyring->content.count = 1;
    if (status)
        keyring_free(keyring);
    else
        *ret_keyring = keyring;
    return status;
}

void keyring_assign(struct keyring *keyring, const struct keyring *from)
{
    struct mutex *mutex = lock_of(keyring);
    keyring->content = from->content;
    mutex_unlock(mutex);
}

lode_status keyring_copy(const struct keyring *from, struct keyring **ret_keyring,
                         lode_error *error)
{
    struct keyring *keyring = keyring_alloc(error);
    if (!keyring)
        return LODE_NOMEM;
    struct mutex *mutex = lock_of(from);
    keyring->content = from->content;
    mutex_unlock(mutex);
    *ret_keyring = keyring;
    return LODE_OK;
}

void keyring_key_id(const struct keyring *keyring, char text[LODE_KEY_ID_TEXT_SIZE])
{
    struct mutex *mutex = lock_of(keyring);
    memcpy(text, keyring->content.key_id, LODE_KEY_ID_TEXT_SIZE);
    mutex_unlock(mutex);
}

size_t keyring_count(const struct keyring *keyring)
{
    struct mutex *mutex = lock_of(keyring);
    size_t count = keyring->content.count;
    mutex_unlock(mutex);
    return count;
}

int keyring_accepts_plain(const struct keyring *keyring)
{
    struct mutex *mutex = lock_of(keyring);
    int accepts = keyring->content.accepts_plain;
    mutex_unlock(mutex);
    return accepts;
}

void keyring_set_accepts_plain(struct keyring *keyring, int accepts)
{
    struct mutex *mutex = lock_of(keyring);
    keyring->content.accepts_plain = accepts;
    mutex_unlock(mutex);
}

void keyring_newest(const struct keyring *keyring, struct data_key *ret_key)
{
    struct mutex *mutex = lock_of(keyring);
    *ret_key = keyring->content.keys[keyring->content.count - 1];
    mutex_unlock(mutex);
}

static const struct data_key *find(const struct keyring_content *content, uint64_t id)
{
    for (size_t i = 0; i < content->count; i++)
        if (content->keys[i].id == id)
            return &content->keys[i];
    return NULL;
}

int keyring_find(const struct keyring *keyring, uint64_t id, struct data_key *ret_key)
{
    struct mutex *mutex = lock_of(keyring);
    const struct data_key *found = find(&keyring->content, id);
    if (found)
        *ret_key = *found;
    mutex_unlock(mutex);
    return found != NULL;
}

static lode_status too_many(lode_error *error)
{
    return error_set(error, LODE_LIMIT,
                     "the database has %d data keys, the most there may be: write its files anew "
                     "under the newest ('lode encryption rotate --rewrite')",
                     KEYRING_KEYS_MAX);
}

lode_status keyring_add(struct keyring *keyring, uint64_t now_us, lode_error *error)
{
    struct data_key made = {0};
    lode_status status = make_data_key(&made, now_us, error);
    struct mutex *mutex = lock_of(keyring);
    if (!status && keyring->content.count == KEYRING_KEYS_MAX)
        status = too_many(error);
    if (!status)
        keyring->content.keys[keyring->content.count++] = made;
    mutex_unlock(mutex);
    cipher_wipe(&made, sizeof made);
    return status;
}

void keyring_drop_older(struct keyring *keyring)
{
    struct mutex *mutex = lock_of(keyring);
    struct keyring_content *content = &keyring->content;
    content->keys[0] = content->keys[content->count - 1];
    cipher_wipe(&content->keys[1], (KEYRING_KEYS_MAX - 1) * sizeof content->keys[1]);
    content->count = 1;
    mutex_unlock(mutex);
}

lode_status keyring_merge(struct keyring *keyring, const struct keyring *from, lode_error *error)
{
    struct mutex *mutex = lock_of(keyring);
    struct keyring_content *content = &keyring->content;
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < from->content.count; i++) {
        if (find(content, from->content.keys[i].id))
            continue;
        if (content->count == KEYRING_KEYS_MAX) {
            status = too_many(error);
            break;
        }
        memmove(&content->keys[1], &content->keys[0], content->count * sizeof content->keys[0]);
        content->keys[0] = from->content.keys[i];
        content->count++;
    }
    mutex_unlock(mutex);
    return status;
}
