/* audit.c: the log being written. See audit.h and docs/format/audit.md.
 *
 * A line is one write(2) to the end of the newest file, under the mutex, so that the order of lines is that of their chain.
 * A thread syncs each second, on a descriptor of its own: appending does not wait for the disk. After a
 * failure nothing is written but, each second, a line that says how many entries are missing: when it succeeds, all is well again. */
#include "base/json.h"
#include "base/limits.h"
#include "os/clock.h"
#include "os/private_file.h"
#include "os/thread.h"
#include "os/vfs.h"
#include "server/access_time.h"
#include "server/audit_parts.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_BYTES_DEFAULT ((uint64_t)64 << 20)
#define SYNC_US            1000000
#define FIELD_SIZE_MAX     256 /* bytes of a name that is written; what is longer is cut */

struct audit {
    char dir[PATH_SIZE_MAX];
    struct vfs_file *lock;
    uint64_t file_bytes_max, files_max;
    struct mutex mutex; /* guards all below */
    struct cond cond;
    int fd;
    uint64_t number, oldest; /* of the newest file, and of the oldest */
    uint64_t size;           /* of the newest */
    struct audit_chain chain;
    struct buf text;
    int is_dirty, is_stopped, has_thread;
    int must_rotate; /* what was written to the file may not be there: a sync failed, or it is gone */
    uint64_t gone;   /* number of a file that is not where it was made; 0: none */
    lode_error fault;
    uint64_t lost, failures, skipped;
    struct thread thread;
};

/* --- Lines -------------------------------------------------------------------------------------- */

static void put_text(struct json_writer *json, const char *name, const char *text)
{
    if (!text)
        return;
    size_t size = strlen(text);
    json_write_key(json, name);
    json_write_string(json, text, size < FIELD_SIZE_MAX ? size : FIELD_SIZE_MAX);
}

static void put_number(struct json_writer *json, const char *name, uint64_t value)
{
    if (!value)
        return;
    json_write_key(json, name);
    json_write_u64(json, value);
}

static void line_begin(struct audit *audit, struct json_writer *json, const char *operation,
                       lode_error *error)
{
    char time[ACCESS_TIME_TEXT_SIZE];
    buf_clear(&audit->text);
    json_writer_init(json, &audit->text, error);
    json_write_object(json);
    put_number(json, "line", audit->chain.line + 1);
    put_text(json, "previous", audit->chain.last);
    put_text(json, "time", access_time_text(clock_wall_us(&clock_system), time));
    put_text(json, "operation", operation);
}

/* All of it, or an error. */
static lode_status write_text(struct audit *audit, lode_error *error)
{
    size_t done = 0;
    while (done < audit->text.size) {
        ssize_t put = write(audit->fd, audit->text.data + done, audit->text.size - done);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0) {
            /* What of the line is there is cut off before anything follows it (recover, cut_torn). */
            return error_os(error, put < 0 ? errno : ENOSPC, "cannot write to the audit log");
        }
        done += (size_t)put;
    }
    audit->size += audit->text.size;
    audit->is_dirty = 1;
    return LODE_OK;
}

static lode_status line_end(struct audit *audit, struct json_writer *json, lode_error *error)
{
    uint8_t digest[SHA256_SIZE];
    json_write_object_end(json);
    if (json->status)
        return json->status;
    lode_status status = sha256_of(audit->text.data, audit->text.size, digest, error);
    if (!status)
        status = buf_append_u8(&audit->text, '\n', error);
    if (!status)
        status = write_text(audit, error);
    if (status)
        return status;
    audit->chain.line++;
    (void)sha256_text(digest, audit->chain.last);
    return LODE_OK;
}

/* A line about the log itself. */
static lode_status write_note(struct audit *audit, const char *operation, const char *file,
                              uint64_t entries, uint64_t bytes, lode_error *error)
{
    struct json_writer json;
    line_begin(audit, &json, operation, error);
    put_text(&json, "file", file);
    put_number(&json, "entries", entries);
    put_number(&json, "bytes", bytes);
    return line_end(audit, &json, error);
}

static lode_status write_entry(struct audit *audit, const struct audit_entry *entry,
                               lode_error *error)
{
    struct json_writer json;
    line_begin(audit, &json, entry->operation, error);
    put_text(&json, "outcome", entry->outcome);
    put_number(&json, "status", entry->status);
    put_text(&json, "who", entry->who);
    put_text(&json, "key", entry->key_id);
    put_text(&json, "token", entry->token_id);
    put_text(&json, "peer", entry->peer);
    put_text(&json, "collection", entry->collection);
    put_text(&json, "namespace", entry->namespace_);
    put_text(&json, "reason", entry->reason);
    put_number(&json, "points", entry->points);
    put_number(&json, "sequence", entry->sequence);
    put_text(&json, "trace", entry->trace_id);
    return line_end(audit, &json, error);
}

/* --- Files -------------------------------------------------------------------------------------- */

static lode_status path_of(const struct audit *audit, uint64_t number, char path[],
                           lode_error *error)
{
    char name[AUDIT_NAME_SIZE];
    audit_file_name(number, name);
    return vfs_join(path, audit->dir, name, error);
}

static lode_status open_file(struct audit *audit, uint64_t number, int flags, lode_error *error)
{
    char path[PATH_SIZE_MAX];
    struct stat info;
    lode_status status = path_of(audit, number, path, error);
    if (status)
        return status;
    int fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    if (fd < 0 || fstat(fd, &info) != 0) {
        status = vfs_fail(error, errno, "open", path);
        if (fd >= 0)
            close(fd);
        return status;
    }
    if (audit->fd >= 0)
        close(audit->fd);
    audit->fd = fd;
    audit->number = number;
    audit->size = (uint64_t)info.st_size;
    return LODE_OK;
}

/* The line that says so comes first: a file that is missing has one. Deletes the oldest; stops where it cannot. */
static lode_status delete_old(struct audit *audit, lode_error *error)
{
    char name[AUDIT_NAME_SIZE], path[PATH_SIZE_MAX];
    while (audit->files_max && audit->number - audit->oldest >= audit->files_max) {
        audit_file_name(audit->oldest, name);
        lode_status status = path_of(audit, audit->oldest, path, error);
        if (!status)
            status = write_note(audit, AUDIT_DELETED, name, 0, 0, error);
        if (status)
            return status;
        if (unlink(path) != 0 && errno != ENOENT)
            return LODE_OK;
        audit->oldest++;
    }
    return LODE_OK;
}

static lode_status rotate(struct audit *audit, lode_error *error)
{
    if (fdatasync(audit->fd) != 0 && !audit->must_rotate)
        return error_os(error, errno, "cannot sync the audit log");
    lode_status status = open_file(audit, audit->number + 1, O_CREAT | O_EXCL, error);
    if (!status)
        status = vfs_dir_sync(vfs_posix(), audit->dir, error);
    if (status)
        return status;
    audit->must_rotate = 0;
    return delete_old(audit, error);
}

/* --- Appending ---------------------------------------------------------------------------------- */

static void fail(struct audit *audit, const lode_error *error)
{
    audit->fault = *error;
    audit->lost++;
    audit->failures++;
}

void audit_append(struct audit *audit, const struct audit_entry *entry)
{
    lode_error error = {.status = LODE_OK};
    lode_status status = LODE_OK;
    if (!audit)
        return;
    mutex_lock(&audit->mutex);
    if (audit->fault.status) {
        audit->lost++;
        audit->failures++;
    } else {
        if (audit->size >= audit->file_bytes_max)
            status = rotate(audit, &error);
        if (!status)
            status = write_entry(audit, entry, &error);
        if (status)
            fail(audit, &error);
    }
    mutex_unlock(&audit->mutex);
}

void audit_skip(struct audit *audit)
{
    if (!audit)
        return;
    mutex_lock(&audit->mutex);
    audit->skipped++;
    mutex_unlock(&audit->mutex);
}

lode_status audit_error(struct audit *audit, lode_error *error)
{
    if (!audit)
        return LODE_OK;
    mutex_lock(&audit->mutex);
    lode_error fault = audit->fault;
    mutex_unlock(&audit->mutex);
    if (fault.status && error)
        *error = fault;
    return fault.status;
}

uint64_t audit_failures(struct audit *audit)
{
    if (!audit)
        return 0;
    mutex_lock(&audit->mutex);
    uint64_t failures = audit->failures;
    mutex_unlock(&audit->mutex);
    return failures;
}

void audit_head(struct audit *audit, char ret_hash[65])
{
    mutex_lock(&audit->mutex);
    memcpy(ret_hash, audit->chain.last, SHA256_TEXT_SIZE);
    mutex_unlock(&audit->mutex);
}

/* --- The thread --------------------------------------------------------------------------------- */

/* With the mutex held. */
static void recover(struct audit *audit)
{
    char name[AUDIT_NAME_SIZE];
    lode_error error = {.status = LODE_OK};
    lode_status status = LODE_OK;
    if (ftruncate(audit->fd, (off_t)audit->size) != 0)
        status = error_os(&error, errno, "cannot cut the audit log");
    audit_file_name(audit->gone, name);
    if (!status && audit->must_rotate)
        status = rotate(audit, &error);
    if (!status && audit->gone)
        status = write_note(audit, AUDIT_GONE, name, 0, 0, &error);
    if (!status && (audit->lost || !audit->gone))
        status = write_note(audit, AUDIT_LOST, NULL, audit->lost, 0, &error);
    if (!status && fdatasync(audit->fd) != 0)
        status = error_os(&error, errno, "cannot sync the audit log");
    if (status) {
        audit->fault = error;
        return;
    }
    audit->fault = (lode_error){.status = LODE_OK};
    audit->lost = 0;
    audit->gone = 0;
}

/* With the mutex held. */
static void tell_skipped(struct audit *audit)
{
    lode_error error = {.status = LODE_OK};
    if (!audit->skipped || audit->fault.status)
        return;
    if (write_note(audit, AUDIT_SKIPPED, NULL, audit->skipped, 0, &error))
        audit->fault = error;
    else
        audit->skipped = 0;
}

/* Whether the newest file still is where it was made: what is written to one that was removed or moved nobody finds. */
static int is_there(const struct audit *audit)
{
    char path[PATH_SIZE_MAX];
    struct stat here, there;
    return path_of(audit, audit->number, path, NULL) || fstat(audit->fd, &here) != 0 ||
           (stat(path, &there) == 0 && here.st_dev == there.st_dev && here.st_ino == there.st_ino);
}

/* With the mutex held. The next file says so; that this one is missing shows when the log is verified. */
static void look_for_file(struct audit *audit)
{
    char name[AUDIT_NAME_SIZE];
    if (audit->fault.status || is_there(audit))
        return;
    audit_file_name(audit->number, name);
    (void)error_set(&audit->fault, LODE_IO, "the audit log's %s was removed or replaced", name);
    audit->must_rotate = 1;
    audit->gone = audit->number;
}

/* With the mutex held, which is released meanwhile. */
static void sync_now(struct audit *audit)
{
    int fd = fcntl(audit->fd, F_DUPFD_CLOEXEC, 0);
    audit->is_dirty = 0;
    mutex_unlock(&audit->mutex);
    int why = fd < 0 || fdatasync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    mutex_lock(&audit->mutex);
    if (why) {
        (void)error_os(&audit->fault, why, "cannot sync the audit log");
        audit->must_rotate = 1;
    }
}

static void run(void *context)
{
    struct audit *audit = context;
    mutex_lock(&audit->mutex);
    while (!audit->is_stopped) {
        (void)cond_wait_us(&audit->cond, &audit->mutex, SYNC_US);
        look_for_file(audit);
        tell_skipped(audit);
        if (audit->fault.status)
            recover(audit);
        else if (audit->is_dirty)
            sync_now(audit);
    }
    mutex_unlock(&audit->mutex);
}

/* --- Opening ------------------------------------------------------------------------------------ */

static lode_status have_dir(const char *path, lode_error *error)
{
    char parent[PATH_SIZE_MAX];
    vfs_parent(path, parent);
    if (mkdir(path, 0700) != 0)
        return errno == EEXIST ? LODE_OK : vfs_fail(error, errno, "make", path);
    return vfs_dir_sync(vfs_posix(), parent, error);
}

static lode_status have_dirs(struct audit *audit, const struct config *config, lode_error *error)
{
    char server[PATH_SIZE_MAX], lock[PATH_SIZE_MAX];
    const char *data = config->data ? config->data : ".";
    lode_status status = LODE_OK;
    if (config->audit.dir && *config->audit.dir) {
        status = vfs_join(audit->dir, config->audit.dir, ".", error);
        if (!status)
            audit->dir[strlen(audit->dir) - 2] = '\0';
    } else {
        status = vfs_join(server, data, "server", error);
        if (!status)
            status = vfs_join(audit->dir, server, "audit", error);
        if (!status)
            status = have_dir(data, error);
        if (!status)
            status = have_dir(server, error);
    }
    if (!status)
        status = have_dir(audit->dir, error);
    if (!status)
        status = vfs_join(lock, audit->dir, "lock", error);
    return status ? status : private_lock(lock, &audit->lock, error);
}

/* The newest file that has a whole line says how the log goes on; those after it have none (a crash amid a rotation). Of the
 * newest: where its last whole line ends. */
static lode_status find_end(struct audit *audit, const struct audit_files *files, uint64_t *ret_end,
                            lode_error *error)
{
    struct audit_walk walk = {.lines = 0};
    for (size_t i = files->count; i > 0 && walk.lines == 0; i--) {
        uint64_t size = 0;
        char name[AUDIT_NAME_SIZE];
        walk = (struct audit_walk){.lines = 0};
        audit_chain_init(&audit->chain);
        audit->chain.is_open = files->numbers[i - 1] > 1;
        audit_file_name(files->numbers[i - 1], name);
        lode_status status =
            audit_walk_file(audit->dir, files->numbers[i - 1], &audit->chain, &walk, &size, error);
        if (status)
            return status;
        if (walk.fault)
            return error_set(error, LODE_CORRUPT,
                             "audit log: %s, line %" PRIu64 ": %s; 'lode audit verify' tells more. "
                             "Keep the directory elsewhere, and a new log is begun",
                             name, walk.lines + 1, walk.fault);
        if (i == files->count)
            *ret_end = walk.end;
    }
    return LODE_OK;
}

/* A line that a crash tore was never told to anybody as written. */
static lode_status cut_torn(struct audit *audit, uint64_t end, lode_error *error)
{
    uint64_t torn = audit->size - end;
    if (torn == 0)
        return LODE_OK;
    if (ftruncate(audit->fd, (off_t)end) != 0)
        return error_os(error, errno, "cannot cut a torn line off the audit log");
    audit->size = end;
    return write_note(audit, AUDIT_TORN, NULL, 0, torn, error);
}

static lode_status go_on(struct audit *audit, lode_error *error)
{
    struct audit_files files;
    uint64_t end = 0;
    lode_status status = audit_files_list(audit->dir, &files, error);
    if (status)
        return status;
    audit->oldest = files.count ? files.numbers[0] : 1;
    audit_chain_init(&audit->chain);
    status = find_end(audit, &files, &end, error);
    audit->chain.is_open = 0;
    if (!status && files.count == 0) {
        status = open_file(audit, 1, O_CREAT | O_EXCL, error);
        if (!status)
            status = vfs_dir_sync(vfs_posix(), audit->dir, error);
    } else if (!status) {
        status = open_file(audit, files.numbers[files.count - 1], 0, error);
        if (!status)
            status = cut_torn(audit, end, error);
    }
    free(files.numbers);
    return status;
}

static lode_status begin(struct audit *audit, const struct config *config, lode_error *error)
{
    audit->file_bytes_max =
        config->audit.file_bytes_max ? config->audit.file_bytes_max : FILE_BYTES_DEFAULT;
    audit->files_max = config->audit.files_max;
    lode_status status = have_dirs(audit, config, error);
    if (!status)
        status = go_on(audit, error);
    if (status)
        return status;
    int failed = thread_start(&audit->thread, "lode-audit", run, audit);
    if (failed)
        return error_os(error, failed, "cannot start a thread");
    audit->has_thread = 1;
    return LODE_OK;
}

lode_status audit_open(const struct config *config, struct audit **ret_audit, lode_error *error)
{
    if (!config->audit.is_on) {
        *ret_audit = NULL;
        return LODE_OK;
    }
    struct audit *audit = calloc(1, sizeof *audit);
    if (!audit)
        return error_nomem(error, "the audit log", sizeof *audit);
    audit->fd = -1;
    mutex_init(&audit->mutex);
    cond_init(&audit->cond);
    buf_init(&audit->text, AUDIT_LINE_MAX);
    lode_status status = begin(audit, config, error);
    if (status)
        audit_close(audit);
    else
        *ret_audit = audit;
    return status;
}

static void stop(struct audit *audit)
{
    mutex_lock(&audit->mutex);
    audit->is_stopped = 1;
    cond_broadcast(&audit->cond);
    mutex_unlock(&audit->mutex);
    if (audit->has_thread)
        thread_join(&audit->thread);
}

void audit_close(struct audit *audit)
{
    if (!audit)
        return;
    stop(audit);
    if (audit->fd >= 0) {
        tell_skipped(audit);
        (void)fdatasync(audit->fd);
        close(audit->fd);
    }
    if (audit->lock)
        vfs_unlock(audit->lock);
    buf_release(&audit->text);
    cond_release(&audit->cond);
    mutex_release(&audit->mutex);
    free(audit);
}
