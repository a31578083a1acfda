/* session.c: see session.h. */
#include "cmd/session.h"

#include "base/error.h"
#include "base/limits.h"
#include "cmd/interrupt.h"
#include "cmd/keys.h"
#include "cmd/opening.h"
#include "cmd/output.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#define POLL_MS 100

int session_is_unfinished_restore(const char *dir)
{
    char path[PATH_SIZE_MAX];
    struct stat info;
    int size = snprintf(path, sizeof path, "%s/RESTORING", dir);
    return size > 0 && (size_t)size < sizeof path && lstat(path, &info) == 0;
}

const char *session_open_hint(const char *dir, lode_status status)
{
    if (status == LODE_NOT_FOUND && keys_file_missing())
        return "look at the name of the key file; 'lode encryption new --out FILE' makes a new key";
    if (status == LODE_NOT_FOUND)
        return "'lode create DIR COLLECTION ...' makes one";
    if (status == LODE_CORRUPT && session_is_unfinished_restore(dir))
        return "remove the directory, and run 'lode restore BACKUP DIR' again: repair cannot help";
    return NULL;
}

static int open_with(struct session *session, const char *dir, const char *collection,
                     const lode_db_options *options)
{
    lode_error error = {0};
    struct opening opening;
    *session = (struct session){.db = NULL};
    opening_begin(&opening);
    lode_status status = lode_db_open(dir, options, &session->db, &error);
    if (!status && collection)
        status = lode_collection_open(session->db, collection, &session->collection, &error);
    opening_end(&opening);
    if (status) {
        const char *hint = !session->db               ? session_open_hint(dir, status)
                           : status == LODE_NOT_FOUND ? "'lode list DIR' shows what there is"
                                                      : NULL;
        session_close(session);
        return output_fail(
            &(struct output_failure){.error = &error, .cause = CAUSE_ARGUMENTS, .hint = hint});
    }
    return EXIT_OK;
}

int session_open(struct session *session, const char *dir, const char *collection,
                 lode_maintenance maintenance)
{
    lode_db_options options = {.must_exist = 1, .maintenance = maintenance, .key = keys_given()};
    return open_with(session, dir, collection, &options);
}

int session_read(struct session *session, const char *dir, const char *collection)
{
    lode_db_options options = {
        .read_only = 1, .maintenance = LODE_MAINTAIN_ON_REQUEST, .key = keys_given()};
    return open_with(session, dir, collection, &options);
}

int session_namespace(struct session *session, const char *name)
{
    lode_error error = {0};
    lode_collection *space;
    if (!name)
        return EXIT_OK;
    if (lode_namespace_open(session->collection, name, &space, &error)) {
        session_close(session);
        return output_error(&error, CAUSE_ARGUMENTS);
    }
    session->whole = session->collection;
    session->collection = space;
    return EXIT_OK;
}

static lode_collection *whole_of(const struct session *session)
{
    return session->whole ? session->whole : session->collection;
}

int session_snapshot(struct session *session, const char *name)
{
    lode_error error = {0};
    lode_status status =
        name ? lode_snapshot_open_named(session->collection, name, &session->snapshot, &error)
             : lode_snapshot_open(session->collection, &session->snapshot, &error);
    if (status == LODE_OK)
        return EXIT_OK;
    session_close(session);
    const char *hint =
        status == LODE_NOT_FOUND ? "'lode snapshot list DIR COLLECTION' shows what there is" : NULL;
    return output_fail(
        &(struct output_failure){.error = &error, .cause = CAUSE_ARGUMENTS, .hint = hint});
}

int session_read_state(struct session *session, const struct args *args, const char *space,
                       const char *snapshot)
{
    int code = session_read(session, args->operands[0], args->operands[1]);
    if (code == EXIT_OK)
        code = session_namespace(session, space);
    return code ? code : session_snapshot(session, snapshot);
}

void session_close(struct session *session)
{
    lode_snapshot_close(session->snapshot);
    lode_collection_close(session->collection);
    lode_collection_close(session->whole);
    if (session->db)
        lode_db_close(session->db);
    *session = (struct session){.db = NULL};
}

static const char *job_label(lode_job_kind kind)
{
    switch (kind) {
    case LODE_JOB_FLUSH: return "writing segments";
    case LODE_JOB_INDEX: return "indexing";
    case LODE_JOB_MERGE: return "merging";
    }
    return "working";
}

static void show_jobs(struct session *session, struct progress *progress)
{
    lode_stats *stats = NULL;
    if (lode_stats_get(whole_of(session), &stats, NULL))
        return;
    uint64_t done = 0, total = 0;
    for (size_t i = 0; i < stats->job_count; i++) {
        done += stats->jobs[i].done;
        total += stats->jobs[i].total;
    }
    /* A graph that grows in memory is no job: then by the rows that are in one. */
    for (size_t i = 0; i < stats->segment_count && stats->job_count == 0; i++) {
        done += stats->segments[i].graph_rows;
        total += stats->segments[i].rows;
    }
    if (stats->job_count > 0) {
        const char *label = job_label(stats->jobs[0].kind);
        if (strcmp(label, progress->label) != 0)
            progress_stage(progress, label, "points");
    }
    progress_update(progress, done, total);
    lode_stats_free(stats);
}

lode_status session_wait_idle(struct session *session, struct progress *progress, lode_error *error)
{
    for (;;) {
        lode_status status = lode_wait_idle(session->collection, POLL_MS, error);
        if (status != LODE_PARTIAL)
            return status;
        if (interrupt_caught())
            return error_set(error, LODE_CANCELLED, "interrupted while waiting for the indexes");
        show_jobs(session, progress);
    }
}

/* lode_compact runs on a thread of its own, so that this one can show how far it is. */
struct compaction {
    lode_collection *collection;
    lode_status status;
    lode_error *error;
    pthread_mutex_t lock;
    pthread_cond_t ended_changed;
    int ended; /* guarded by lock */
};

static void *compact_thread(void *context)
{
    struct compaction *compaction = context;
    compaction->status = lode_compact(compaction->collection, NULL, compaction->error);
    pthread_mutex_lock(&compaction->lock);
    compaction->ended = 1;
    pthread_cond_signal(&compaction->ended_changed);
    pthread_mutex_unlock(&compaction->lock);
    return NULL;
}

static int wait_for_end(struct compaction *compaction)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += POLL_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    pthread_mutex_lock(&compaction->lock);
    if (!compaction->ended)
        pthread_cond_timedwait(&compaction->ended_changed, &compaction->lock, &until);
    int ended = compaction->ended;
    pthread_mutex_unlock(&compaction->lock);
    return ended;
}

lode_status session_compact(struct session *session, struct progress *progress, lode_error *error)
{
    struct compaction compaction = {.collection = whole_of(session), .error = error};
    pthread_t thread;
    pthread_mutex_init(&compaction.lock, NULL);
    pthread_cond_init(&compaction.ended_changed, NULL);
    if (pthread_create(&thread, NULL, compact_thread, &compaction) == 0) {
        int told = 0;
        while (!wait_for_end(&compaction)) {
            show_jobs(session, progress);
            if (interrupt_caught() && !told++)
                output_note("\nlode: a compaction does not stop half-way; Ctrl-C again ends it at "
                            "once, and nothing is lost");
        }
        pthread_join(thread, NULL);
    } else {
        compaction.status = lode_compact(whole_of(session), NULL, error);
    }
    pthread_cond_destroy(&compaction.ended_changed);
    pthread_mutex_destroy(&compaction.lock);
    return compaction.status;
}
