/* verify.c: the collection as a whole: manifest, log, and the order in which files are checked. */
#include "storage/verify_parts.h"

#include "storage/batch.h"
#include "storage/manifest.h"
#include "storage/manifest_format.h"
#include "storage/wal.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

void verifying_report(struct verifying *run, const char *file, uint64_t offset, const char *problem)
{
    run->findings++;
    run->verify->report(run->verify->context, file, offset, problem);
}

lode_status verifying_judge(struct verifying *run, const char *file, uint64_t offset,
                            lode_status status)
{
    if (status != LODE_CORRUPT)
        return status;
    verifying_report(run, file, offset, run->error.message);
    return LODE_OK;
}

static void progress(const struct verifying *run, uint64_t bytes)
{
    if (run->verify->progress)
        run->verify->progress(run->verify->context, bytes);
}

/* --- Frames ------------------------------------------------------------------------------------ */

/* Whether all blocks are sound; those that are not are reported. */
static lode_status check_blocks(struct verifying *run, const char *file, const struct frame *frame,
                                int *ret_sound)
{
    uint64_t offset = 0;
    lode_status status;
    *ret_sound = 1;
    while ((status = frame_bad_block(frame, &offset, &run->error)) != LODE_OK) {
        if (status != LODE_CORRUPT && status != LODE_IO)
            return status;
        verifying_report(run, file, offset, run->error.message);
        *ret_sound = 0;
        offset += FRAME_BLOCK_SIZE;
    }
    return LODE_OK;
}

/* Read the file from end to end, before anything maps it: a sector that the disk cannot read is an error
 * here and would be a signal there. *ret_sound 0: reported. */
static lode_status check_readable(struct verifying *run, const char *path, const char *file,
                                  int *ret_sound)
{
    struct vfs_file *handle;
    uint64_t size = 0;
    *ret_sound = 1;
    lode_status status = vfs_open(run->verify->vfs, path, VFS_READ, &handle, &run->error);
    if (status)
        return status;
    uint8_t *piece = malloc(FRAME_BLOCK_SIZE);
    status = piece ? vfs_size(handle, &size, &run->error)
                   : error_nomem(&run->error, "a block", FRAME_BLOCK_SIZE);
    for (uint64_t at = 0; !status && at < size; at += FRAME_BLOCK_SIZE) {
        uint64_t left = size - at;
        status = vfs_read(handle, at, piece, left < FRAME_BLOCK_SIZE ? left : FRAME_BLOCK_SIZE,
                          &run->error);
        if (status == LODE_IO) {
            verifying_report(run, file, at, run->error.message);
            *ret_sound = 0;
            status = LODE_OK;
        }
    }
    free(piece);
    vfs_close(handle);
    return status;
}

static lode_status check_frame(struct verifying *run, const char *file, enum frame_kind kind,
                               uint64_t number, struct frame *ret_frame, int *ret_sound)
{
    const struct verify *verify = run->verify;
    char path[PATH_SIZE_MAX];
    uint64_t offset = 0;
    int readable = 0;
    *ret_sound = 0;
    struct frame_id id = {kind, verify->collection_uid, number};
    lode_status status = vfs_join(path, verify->dir, file, &run->error);
    if (!status)
        status = check_readable(run, path, file, &readable);
    if (!status && !readable)
        return LODE_OK;
    if (!status)
        status = frame_open_where(verify->vfs, path, id, ret_frame, &offset, &run->error);
    char problem[300];
    if (status == LODE_NOT_FOUND) {
        snprintf(problem, sizeof problem, "the file is missing: lost %s", frame_lost_all(kind));
        verifying_report(run, file, 0, problem);
        return LODE_OK;
    }
    if (status == LODE_CORRUPT) {
        snprintf(problem, sizeof problem, "%s: lost %s", run->error.message, frame_lost_all(kind));
        verifying_report(run, file, offset, problem);
        return LODE_OK;
    }
    if (status)
        return verifying_judge(run, file, offset, status);
    progress(run, ret_frame->size);
    status = check_blocks(run, file, ret_frame, ret_sound);
    if (status || !*ret_sound)
        frame_close(ret_frame);
    return status;
}

lode_status verifying_frame(struct verifying *run, struct name name, enum frame_kind kind,
                            struct frame *ret_frame, int *ret_sound)
{
    char file[NAME_TEXT_MAX];
    return check_frame(run, name_format(name, file), kind, name.number, ret_frame, ret_sound);
}

/* --- The log ----------------------------------------------------------------------------------- */

struct log_check {
    size_t row_size;
    uint64_t last_sequence;
    uint64_t missing_from; /* 0: none */
    int is_first;          /* it may begin with any batch */
};

static lode_status check_batch(void *context, uint64_t sequence, const uint8_t *data, size_t size,
                               lode_error *error)
{
    struct log_check *check = context;
    struct batch_reader reader;
    struct op op;
    int more = 1;
    if (check->is_first)
        check->last_sequence = sequence - 1;
    check->is_first = 0;
    if (sequence != check->last_sequence + 1)
        check->missing_from = check->last_sequence + 1;
    check->last_sequence = sequence;
    lode_status status = batch_open(&reader, data, size, check->row_size, BATCH_OF_LOG, error);
    while (!status && more)
        status = batch_next(&reader, &op, &more, error);
    return status;
}

static lode_status check_log(struct verifying *run, uint64_t number, int last_file,
                             struct log_check *check)
{
    const struct verify *verify = run->verify;
    char file[NAME_TEXT_MAX], problem[120];
    struct name name = {.kind = NAME_LOG, .number = number};
    struct wal_replay replay = {.last_file = last_file, .batch = check_batch, .context = check};
    struct wal_found found = {0};
    uint64_t expected = check->last_sequence + 1;
    char path[PATH_SIZE_MAX];
    int readable = 0;
    check->missing_from = 0;
    lode_status status = vfs_join(path, verify->dir, name_format(name, file), &run->error);
    if (!status)
        status = check_readable(run, path, file, &readable);
    if (status || !readable)
        return status;
    status = wal_replay((struct wal_file){verify->vfs, verify->dir, verify->collection_uid, number},
                        &replay, &found, &run->error);
    progress(run, found.valid_size);
    if (check->missing_from == expected) {
        snprintf(problem, sizeof problem,
                 "it does not begin with batch %" PRIu64 ": a log file is missing", expected);
        verifying_report(run, file, 0, problem);
    }
    return verifying_judge(run, file, found.valid_size, status);
}

/* All its batches are in segments: it is there for restoring to a point in time. */
static lode_status check_kept_log(struct verifying *run, uint64_t number, size_t row_size)
{
    struct log_check check = {.row_size = row_size, .is_first = 1};
    return check_log(run, number, 0, &check);
}

/* The logs lead as far as the manifest has seen. */
static void check_seen(struct verifying *run, const struct manifest *manifest, uint64_t last_log,
                       uint64_t last_sequence)
{
    char file[NAME_TEXT_MAX], problem[160];
    struct name name = {.kind = NAME_MANIFEST, .number = manifest->generation};
    if (last_sequence >= manifest->seen_sequence)
        return;
    if (last_log)
        name = (struct name){.kind = NAME_LOG, .number = last_log};
    snprintf(problem, sizeof problem,
             "logs end with batch %" PRIu64 ", and batches up to %" PRIu64
             " were acknowledged: they are lost",
             last_sequence, manifest->seen_sequence);
    verifying_report(run, name_format(name, file), 0, problem);
}

static lode_status check_logs(struct verifying *run, const struct manifest *manifest,
                              const struct space *space)
{
    uint64_t *numbers = NULL;
    size_t count = 0;
    uint64_t last = 0, findings = run->findings; /* last: of the logs that are replayed */
    struct log_check check = {.row_size = space->row_size,
                              .last_sequence = manifest->flushed_sequence};
    lode_status status =
        wal_list(run->verify->vfs, run->verify->dir, &numbers, &count, &run->error);
    for (size_t i = 0; !status && i < count; i++)
        if (numbers[i] >= manifest->wal_first)
            status = check_log(run, last = numbers[i], i + 1 == count, &check);
        else
            status = check_kept_log(run, numbers[i], space->row_size);
    free(numbers);
    if (!status && run->findings == findings)
        check_seen(run, manifest, last, check.last_sequence);
    return status;
}

/* --- The whole --------------------------------------------------------------------------------- */

static lode_status check_segments(struct verifying *run, const struct store *store,
                                  const struct manifest *manifest)
{
    int all_sound = 1;
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < manifest->entry_count; i++) {
        int sound = 0;
        status = verifying_segment(run, store, &manifest->entries[i], manifest->flushed_sequence,
                                   &sound);
        all_sound &= sound;
    }
    if (!status && all_sound)
        status = verifying_ids_once(run, store, manifest->entries, manifest->entry_count);
    return status;
}

static lode_status check_contents(struct verifying *run, const struct manifest *manifest)
{
    const lode_schema *schema = &manifest->schema;
    struct store store = {.vfs = run->verify->vfs,
                          .dir = run->verify->dir,
                          .collection_uid = manifest->collection_uid,
                          .params = {.m = schema->m,
                                     .ef_construction = schema->ef_construction,
                                     .seed = schema->seed,
                                     .layout = schema->layout},
                          .index = schema->index};
    space_init(&store.space, schema->metric, schema->scalar, schema->dim);
    lode_status status = check_segments(run, &store, manifest);
    if (!status)
        status = verifying_snapshots(run, &store, manifest);
    if (!status)
        status = check_logs(run, manifest, &store.space);
    if (!status && manifest->text_model_version) {
        struct name name = {.kind = NAME_TEXT_MODEL, .number = manifest->text_model_version};
        struct frame frame;
        int sound;
        status = verifying_frame(run, name, FRAME_TEXT_MODEL, &frame, &sound);
        if (!status && sound)
            frame_close(&frame);
    }
    return status;
}

/* The newest manifest; *ret_sound 0: it is not one, and there is nothing to check against. */
static lode_status load_manifest(struct verifying *run, struct manifest *ret_manifest,
                                 int *ret_sound)
{
    struct name name = {.kind = NAME_MANIFEST};
    char file[NAME_TEXT_MAX];
    struct frame frame;
    *ret_sound = 0;
    lode_status status =
        manifest_find(run->verify->vfs, run->verify->dir, &name.number, &run->error);
    if (status == LODE_NOT_FOUND) {
        verifying_report(run, "manifest-1", 0, "there is no manifest: the collection is lost");
        return LODE_OK;
    }
    if (!status)
        status = verifying_frame(run, name, FRAME_MANIFEST, &frame, ret_sound);
    if (status || !*ret_sound)
        return status;
    status = manifest_read(&frame, name.number, ret_manifest, &run->error);
    frame_close(&frame);
    *ret_sound = status == LODE_OK;
    return verifying_judge(run, name_format(name, file), 0, status);
}

static lode_status conclude(const struct verifying *run, lode_status status, lode_error *error)
{
    if (status) {
        if (error)
            *error = run->error;
        return status;
    }
    if (run->findings == 0)
        return LODE_OK;
    return error_set(error, LODE_CORRUPT, "%s: %" PRIu64 " things are wrong",
                     vfs_path_tail(run->verify->dir), run->findings);
}

lode_status verify_collection(const struct verify *verify, lode_error *error)
{
    struct verifying run = {.verify = verify};
    struct manifest manifest;
    int sound;
    lode_status status = load_manifest(&run, &manifest, &sound);
    if (!status && sound) {
        status = check_contents(&run, &manifest);
        manifest_release(&manifest);
    }
    return conclude(&run, status, error);
}

lode_status verify_frame(const struct verify *verify, const char *name, enum frame_kind kind,
                         uint64_t number, lode_error *error)
{
    struct verifying run = {.verify = verify};
    struct frame frame;
    int sound;
    lode_status status = check_frame(&run, name, kind, number, &frame, &sound);
    if (!status && sound)
        frame_close(&frame);
    return conclude(&run, status, error);
}

/* --- Sizes ------------------------------------------------------------------------------------- */

struct sizes {
    struct vfs *vfs;
    const char *dir;
    uint64_t bytes;
};

/* A file that cannot be measured counts nothing: this feeds a progress bar. */
static void add_size(void *context, const char *name)
{
    struct sizes *sizes = context;
    char path[PATH_SIZE_MAX];
    if (!vfs_join(path, sizes->dir, name, NULL))
        sizes->bytes += vfs_size_at(sizes->vfs, path);
}

lode_status verify_bytes(struct vfs *vfs, const char *dir, uint64_t *ret_bytes, lode_error *error)
{
    struct sizes sizes = {.vfs = vfs, .dir = dir};
    lode_status status = vfs_list(vfs, dir, add_size, &sizes, error);
    if (!status)
        *ret_bytes = sizes.bytes;
    return status;
}
