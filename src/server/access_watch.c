/* access_watch.c: the thread that looks whether the file of keys has changed, and reads it again: loops never touch a file.
 * It also tells what goes wrong in the background, and frees settings that were replaced. */
#include "server/access_parts.h"

#include <string.h>
#include <sys/stat.h>

static void take_mark(const char *path, struct file_mark *ret_mark)
{
    struct stat info;
    *ret_mark = (struct file_mark){.exists = 0};
    if (stat(path, &info) == 0)
        *ret_mark = (struct file_mark){.device = info.st_dev,
                                       .inode = info.st_ino,
                                       .size = (uint64_t)info.st_size,
                                       .changed_ns = (uint64_t)info.st_ctim.tv_sec * 1000000000u +
                                                     (uint64_t)info.st_ctim.tv_nsec,
                                       .exists = 1};
}

static int is_same(const struct file_mark *a, const struct file_mark *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size &&
           a->changed_ns == b->changed_ns && a->exists == b->exists;
}

struct access_settings *access_settings_now(struct access *access)
{
    mutex_lock(&access->mutex);
    struct access_settings *settings = access_settings_ref(access->settings);
    mutex_unlock(&access->mutex);
    return settings;
}

void access_retire(struct access *access, int must)
{
    struct access_settings *unused = NULL;
    mutex_lock(&access->mutex);
    struct access_settings **link = &access->retired;
    while (*link) {
        struct access_settings *settings = *link;
        /* Nobody can come by a reference any more: 1 stays 1. Acquire: after what the others did with it. */
        if (!must && atomic_load_explicit(&settings->references, memory_order_acquire) != 1) {
            link = &settings->next;
            continue;
        }
        *link = settings->next;
        settings->next = unused;
        unused = settings;
    }
    mutex_unlock(&access->mutex);
    while (unused) {
        struct access_settings *next = unused->next;
        access_settings_unref(unused);
        unused = next;
    }
}

/* A file that is not there grants nothing to anybody, unless it was there: then it is missed. */
static lode_status read_file(const struct access *access, const struct access_settings *settings,
                             struct api_keys *keys, lode_error *error)
{
    int was_there = access->table && access->table->count > 0 &&
                    strcmp(access->settings->keys_path, settings->keys_path) == 0;
    lode_status status = api_keys_read(settings->keys_path, keys, error);
    return status == LODE_NOT_FOUND && settings->keys_may_miss && !was_there ? LODE_OK : status;
}

/* The mark is taken before, so that a change meanwhile shows. */
lode_status access_read_keys(struct access *access, const struct access_settings *settings,
                             lode_error *error)
{
    struct api_keys keys = {.items = NULL};
    struct key_table *table = NULL;
    take_mark(settings->keys_path, &access->mark);
    lode_status status = read_file(access, settings, &keys, error);
    if (!status)
        status = key_table_new(&keys, &settings->limits, access->quotas,
                               clock_now_us(access->options.clock), &table, error);
    if (status == LODE_NOMEM || status == LODE_IO)
        access->mark =
            (struct file_mark){.device = UINT64_MAX}; /* not the file's fault: look again */
    if (status)
        return status;
    mutex_lock(&access->mutex);
    struct key_table *before = access->table;
    access->table = table;
    mutex_unlock(&access->mutex);
    key_table_free(before, access->quotas);
    return LODE_OK;
}

/* --- The thread ----------------------------------------------------------------------------------- */

static void report(struct access *access, const char *what, const lode_error *error)
{
    mutex_lock(&access->mutex);
    void (*to)(void *, const char *, const lode_error *) = access->report;
    void *context = access->report_context;
    mutex_unlock(&access->mutex);
    if (to)
        to(context, what, error);
}

static void look_at_keys(struct access *access)
{
    struct file_mark mark;
    lode_error error = {.status = LODE_OK};
    mutex_lock(&access->changing);
    take_mark(access->settings->keys_path, &mark);
    int changed = !access->settings->is_off && !is_same(&mark, &access->mark);
    lode_status status = changed ? access_read_keys(access, access->settings, &error) : LODE_OK;
    mutex_unlock(&access->changing);
    if (status)
        report(access, "API keys could not be read again: those from before stay", &error);
    else if (changed)
        report(access, "API keys were read again", NULL);
}

static void look_at_fetches(struct access *access, const struct access_settings *settings,
                            lode_error *told)
{
    lode_error error = {.status = LODE_OK};
    if (settings->jwks)
        (void)jwks_fault(settings->jwks, &error);
    if (error.status && strcmp(error.message, told->message) != 0)
        report(access, "the key set of tokens could not be fetched", &error);
    else if (!error.status && told->status)
        report(access, "the key set of tokens was fetched again", NULL);
    *told = error;
}

static void run(void *context)
{
    struct access *access = context;
    lode_error told = {.status = LODE_OK};
    mutex_lock(&access->mutex);
    while (!access->is_stopped) {
        mutex_unlock(&access->mutex);
        struct access_settings *settings = access_settings_now(access);
        look_at_keys(access);
        look_at_fetches(access, settings, &told);
        access_settings_unref(settings);
        access_retire(access, 0);
        mutex_lock(&access->mutex);
        if (!access->is_stopped)
            (void)cond_wait_us(&access->cond, &access->mutex, access->options.poll_us);
    }
    mutex_unlock(&access->mutex);
}

lode_status access_watch_start(struct access *access, lode_error *error)
{
    int failed = thread_start(&access->thread, "lode-access", run, access);
    if (failed)
        return error_os(error, failed, "cannot start a thread");
    access->has_thread = 1;
    return LODE_OK;
}

void access_watch_stop(struct access *access)
{
    if (!access->has_thread)
        return;
    mutex_lock(&access->mutex);
    access->is_stopped = 1;
    cond_broadcast(&access->cond);
    mutex_unlock(&access->mutex);
    thread_join(&access->thread);
    access->has_thread = 0;
}
