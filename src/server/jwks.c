/* jwks.c: see jwks.h. The set that is used is replaced whole. `fetched` keeps what the URL gave last, so that a reload of
 * the secret does not lose it.
 *
 * Locks: reading (files and building, one at a time) is taken before mutex, which guards what is pointed at and the
 * thread's state, and is held for moments only. */
#include "server/jwks.h"

#include "base/buf.h"
#include "os/clock.h"
#include "os/private_file.h"
#include "os/thread.h"
#include "os/vfs.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

#define SECOND_US         ((uint64_t)1000000)
#define REFRESH_S_DEFAULT 300

struct jwks {
    char *file, *url, *secret_file;
    uint64_t refresh_us, early_us;
    struct mutex reading;
    struct buf fetched; /* guarded by reading */
    struct mutex mutex;
    struct cond cond;
    struct jwt_keys *keys;
    uint64_t generation;
    uint64_t begun_us; /* the last fetch; monotonic */
    uint64_t next_us;
    uint64_t fetches;
    lode_error fault;
    int has_thread, has_curl;
    atomic_int is_stopped; /* relaxed: only its value is of interest */
    struct thread thread;
};

static uint64_t now(void)
{
    return clock_us();
}

/* --- Building a set ----------------------------------------------------------------------------- */

/* Whoever can write to it decides whom the server trusts. */
static lode_status read_public(const char *path, struct buf *out, lode_error *error)
{
    lode_status status = buf_reserve(out, JWKS_SIZE_MAX, error);
    return status ? status : guarded_file_read(path, out->data, JWKS_SIZE_MAX, &out->size, error);
}

static lode_status add_file(const struct jwks *jwks, struct jwt_keys *keys, lode_error *error)
{
    struct buf text;
    buf_init(&text, JWKS_SIZE_MAX);
    lode_status status = read_public(jwks->file, &text, error);
    if (!status) {
        status = jwt_keys_add_set(keys, (const char *)text.data, text.size, error);
        if (status)
            error_prefix(error, "%s: ", vfs_path_tail(jwks->file));
    }
    buf_release(&text);
    return status;
}

/* One newline at its end is an editor's, not the secret's. */
static lode_status add_secret(const struct jwks *jwks, struct jwt_keys *keys, lode_error *error)
{
    uint8_t secret[JWT_SECRET_SIZE_MAX + 1];
    size_t size = 0;
    lode_status status = private_file_read(jwks->secret_file, secret, sizeof secret, &size, error);
    if (status)
        return status;
    if (size > 0 && secret[size - 1] == '\n')
        size--;
    status = jwt_keys_add_secret(keys, secret, size, error);
    OPENSSL_cleanse(secret, sizeof secret);
    if (status)
        error_prefix(error, "%s: ", vfs_path_tail(jwks->secret_file));
    return status;
}

static lode_status add_all(const struct jwks *jwks, struct jwt_keys *keys, lode_error *error)
{
    lode_status status = LODE_OK;
    if (jwks->file)
        status = add_file(jwks, keys, error);
    if (!status && jwks->fetched.size > 0)
        status =
            jwt_keys_add_set(keys, (const char *)jwks->fetched.data, jwks->fetched.size, error);
    if (!status && jwks->secret_file)
        status = add_secret(jwks, keys, error);
    return status;
}

/* With reading held. */
static lode_status build(struct jwks *jwks, lode_error *error)
{
    struct jwt_keys *keys = NULL;
    lode_status status = jwt_keys_new(&keys, error);
    if (!status)
        status = add_all(jwks, keys, error);
    if (status) {
        jwt_keys_unref(keys);
        return status;
    }
    mutex_lock(&jwks->mutex);
    struct jwt_keys *before = jwks->keys;
    keys->generation = ++jwks->generation;
    jwks->keys = keys;
    mutex_unlock(&jwks->mutex);
    jwt_keys_unref(before);
    return LODE_OK;
}

/* --- The URL ------------------------------------------------------------------------------------ */

/* A set that is not one leaves what was fetched before. */
static lode_status take_fetched(struct jwks *jwks, struct buf *own_text, lode_error *error)
{
    mutex_lock(&jwks->reading);
    struct buf before = jwks->fetched;
    int is_same = before.size == own_text->size && before.size > 0 &&
                  memcmp(before.data, own_text->data, before.size) == 0;
    jwks->fetched = *own_text;
    *own_text = before;
    lode_status status = is_same ? LODE_OK : build(jwks, error);
    if (status) {
        *own_text = jwks->fetched;
        jwks->fetched = before;
    }
    mutex_unlock(&jwks->reading);
    return status;
}

static void note_fetch(struct jwks *jwks, lode_status status, const lode_error *error)
{
    uint64_t retry_us = JWKS_RETRY_S * SECOND_US, after_us = jwks->refresh_us;
    if (status && retry_us < after_us)
        after_us = retry_us;
    mutex_lock(&jwks->mutex);
    jwks->fault = status ? *error : (lode_error){.status = LODE_OK};
    /* Unless somebody asked for one meanwhile. */
    if (jwks->next_us)
        jwks->next_us = now() + after_us;
    mutex_unlock(&jwks->mutex);
}

static void fetch(struct jwks *jwks)
{
    lode_error error = {.status = LODE_OK};
    struct buf text;
    buf_init(&text, JWKS_SIZE_MAX);
    mutex_lock(&jwks->mutex);
    jwks->begun_us = now();
    jwks->next_us = UINT64_MAX;
    jwks->fetches++;
    mutex_unlock(&jwks->mutex);
    lode_status status = jwks_fetch(jwks->url, &jwks->is_stopped, &text, &error);
    if (!status && text.size == 0)
        status = error_set(&error, LODE_INVALID, "%.100s: nothing is there", jwks->url);
    if (!status)
        status = take_fetched(jwks, &text, &error);
    buf_release(&text);
    note_fetch(jwks, status, &error);
}

static int is_stopped(const struct jwks *jwks)
{
    return atomic_load_explicit(&jwks->is_stopped, memory_order_relaxed);
}

static void run(void *context)
{
    struct jwks *jwks = context;
    mutex_lock(&jwks->mutex);
    while (!is_stopped(jwks)) {
        uint64_t at = now();
        if (at < jwks->next_us) {
            (void)cond_wait_us(&jwks->cond, &jwks->mutex, jwks->next_us - at);
            continue;
        }
        mutex_unlock(&jwks->mutex);
        fetch(jwks);
        mutex_lock(&jwks->mutex);
    }
    mutex_unlock(&jwks->mutex);
}

/* --- Life --------------------------------------------------------------------------------------- */

static lode_status copy_text(const char *from, char **ret_to, lode_error *error)
{
    if (!from || !*from)
        return LODE_OK;
    *ret_to = strdup(from);
    return *ret_to ? LODE_OK : error_nomem(error, "a path", strlen(from));
}

static lode_status copy_options(struct jwks *jwks, const struct jwks_options *options,
                                lode_error *error)
{
    jwks->refresh_us = (options->refresh_s ? options->refresh_s : REFRESH_S_DEFAULT) * SECOND_US;
    jwks->early_us = (options->early_s ? options->early_s : JWKS_EARLY_S) * SECOND_US;
    lode_status status = copy_text(options->file, &jwks->file, error);
    if (!status)
        status = copy_text(options->url, &jwks->url, error);
    if (!status)
        status = copy_text(options->secret_file, &jwks->secret_file, error);
    if (!status && jwks->url)
        status = jwks_check_url(jwks->url, error);
    if (!status && !jwks->file && !jwks->url && !jwks->secret_file)
        status = error_set(error, LODE_INVALID,
                           "tokens need keys: a file or URL of a key set, or a file with a secret");
    return status;
}

/* A reload must not cost the keys when the URL cannot be had at that moment. */
static lode_status inherit(struct jwks *jwks, struct jwks *before, lode_error *error)
{
    if (!before || !jwks->url || !before->url || strcmp(jwks->url, before->url) != 0)
        return LODE_OK;
    mutex_lock(&before->reading);
    lode_status status =
        buf_append(&jwks->fetched, before->fetched.data, before->fetched.size, error);
    mutex_unlock(&before->reading);
    return status;
}

static lode_status begin_fetching(struct jwks *jwks, lode_error *error)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT))
        return error_nomem(error, "an HTTP client", 0);
    jwks->has_curl = 1;
    fetch(jwks);
    int failed = thread_start(&jwks->thread, "lode-jwks", run, jwks);
    if (failed)
        return error_os(error, failed, "cannot start a thread");
    jwks->has_thread = 1;
    return LODE_OK;
}

lode_status jwks_new(const struct jwks_options *options, struct jwks **ret_jwks, lode_error *error)
{
    struct jwks *jwks = calloc(1, sizeof *jwks);
    if (!jwks)
        return error_nomem(error, "keys of tokens", sizeof *jwks);
    mutex_init(&jwks->reading);
    mutex_init(&jwks->mutex);
    cond_init(&jwks->cond);
    atomic_init(&jwks->is_stopped, 0);
    buf_init(&jwks->fetched, JWKS_SIZE_MAX);
    lode_status status = copy_options(jwks, options, error);
    if (!status)
        status = inherit(jwks, options->before, error);
    if (!status) {
        mutex_lock(&jwks->reading);
        status = build(jwks, error);
        mutex_unlock(&jwks->reading);
    }
    if (!status && jwks->url)
        status = begin_fetching(jwks, error);
    if (status)
        jwks_free(jwks);
    else
        *ret_jwks = jwks;
    return status;
}

static void stop(struct jwks *jwks)
{
    atomic_store_explicit(&jwks->is_stopped, 1, memory_order_relaxed);
    mutex_lock(&jwks->mutex);
    cond_broadcast(&jwks->cond);
    mutex_unlock(&jwks->mutex);
    if (jwks->has_thread)
        thread_join(&jwks->thread);
    if (jwks->has_curl)
        curl_global_cleanup();
}

void jwks_free(struct jwks *jwks)
{
    if (!jwks)
        return;
    stop(jwks);
    jwt_keys_unref(jwks->keys);
    buf_release(&jwks->fetched);
    free(jwks->file);
    free(jwks->url);
    free(jwks->secret_file);
    cond_release(&jwks->cond);
    mutex_release(&jwks->mutex);
    mutex_release(&jwks->reading);
    free(jwks);
}

struct jwt_keys *jwks_keys(struct jwks *jwks)
{
    mutex_lock(&jwks->mutex);
    struct jwt_keys *keys = jwt_keys_ref(jwks->keys);
    mutex_unlock(&jwks->mutex);
    return keys;
}

lode_status jwks_reload(struct jwks *jwks, lode_error *error)
{
    mutex_lock(&jwks->reading);
    lode_status status = build(jwks, error);
    mutex_unlock(&jwks->reading);
    mutex_lock(&jwks->mutex);
    jwks->next_us = 0;
    cond_broadcast(&jwks->cond);
    mutex_unlock(&jwks->mutex);
    return status;
}

void jwks_want_new(struct jwks *jwks)
{
    mutex_lock(&jwks->mutex);
    uint64_t earliest_us = jwks->begun_us + jwks->early_us;
    if (jwks->url && earliest_us < jwks->next_us && now() >= earliest_us) {
        jwks->next_us = 0;
        cond_broadcast(&jwks->cond);
    }
    mutex_unlock(&jwks->mutex);
}

lode_status jwks_fault(struct jwks *jwks, lode_error *error)
{
    mutex_lock(&jwks->mutex);
    lode_error fault = jwks->fault;
    mutex_unlock(&jwks->mutex);
    if (fault.status && error)
        *error = fault;
    return fault.status;
}

uint64_t jwks_fetches(struct jwks *jwks)
{
    mutex_lock(&jwks->mutex);
    uint64_t fetches = jwks->fetches;
    mutex_unlock(&jwks->mutex);
    return fetches;
}
