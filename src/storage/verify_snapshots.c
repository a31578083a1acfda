/* verify_snapshots.c: named snapshots, and the files that only they need. */
#include "storage/verify_parts.h"

#include "storage/manifest.h"
#include "storage/snapshot_file.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct checking {
    struct verifying *run;
    const struct store *store;
    const struct manifest *manifest;
    struct buf snapshots; /* their numbers, uint64_t each */
    struct buf segments;  /* checked for an earlier one */
    struct buf models;
    lode_status status; /* of listing */
};

static void keep_number(void *context, const char *text)
{
    struct checking *check = context;
    struct name name = name_parse(text);
    if (!check->status && name.kind == NAME_SNAPSHOT)
        check->status =
            buf_append(&check->snapshots, &name.number, sizeof name.number, &check->run->error);
}

/* Whether it is new; it is remembered. */
static lode_status is_new(struct buf *numbers, uint64_t number, int *ret_new, lode_error *error)
{
    *ret_new = 1;
    for (size_t at = 0; at < numbers->size; at += sizeof number)
        if (memcmp(numbers->data + at, &number, sizeof number) == 0)
            *ret_new = 0;
    return *ret_new ? buf_append(numbers, &number, sizeof number, error) : LODE_OK;
}

static const struct sealed_entry *manifest_entry(const struct manifest *manifest, uint64_t number)
{
    for (size_t i = 0; i < manifest->entry_count; i++)
        if (manifest->entries[i].number == number)
            return &manifest->entries[i];
    return NULL;
}

static lode_status check_segment(struct checking *check, const char *file,
                                 const struct sealed_entry *entry, uint64_t sequence_max)
{
    const struct sealed_entry *known = manifest_entry(check->manifest, entry->number);
    char problem[120];
    int fresh, sound;
    if (known && known->row_count == entry->row_count && known->has_graph >= entry->has_graph)
        return LODE_OK; /* checked already */
    if (known) {
        snprintf(problem, sizeof problem, "segment %" PRIu64 " is another one in the manifest",
                 entry->number);
        verifying_report(check->run, file, 0, problem);
        return LODE_OK;
    }
    lode_status status = is_new(&check->segments, entry->number, &fresh, &check->run->error);
    if (status || !fresh)
        return status;
    /* Which rows live is in the snapshot, and has been checked there. */
    struct sealed_entry whole = *entry;
    whole.live_count = entry->row_count;
    return verifying_segment(check->run, check->store, &whole, sequence_max, &sound);
}

static lode_status check_model(struct checking *check, uint32_t version)
{
    struct name name = {.kind = NAME_TEXT_MODEL, .number = version};
    struct frame frame;
    int fresh, sound;
    if (version == 0 || version == check->manifest->text_model_version)
        return LODE_OK;
    lode_status status = is_new(&check->models, version, &fresh, &check->run->error);
    if (status || !fresh)
        return status;
    status = verifying_frame(check->run, name, FRAME_TEXT_MODEL, &frame, &sound);
    if (!status && sound)
        frame_close(&frame);
    return status;
}

static lode_status check_snapshot(struct checking *check, uint64_t number)
{
    struct name name = {.kind = NAME_SNAPSHOT, .number = number};
    struct saved_snapshot saved = {0};
    struct frame frame;
    char file[NAME_TEXT_MAX];
    int sound;
    lode_status status = verifying_frame(check->run, name, FRAME_SNAPSHOT, &frame, &sound);
    if (status || !sound)
        return status;
    status = snapshot_decode(&frame, number, &saved, NULL, &check->run->error);
    frame_close(&frame);
    if (status)
        return verifying_judge(check->run, name_format(name, file), 0, status);
    for (size_t i = 0; !status && i < saved.entry_count; i++)
        status = check_segment(check, name_format(name, file), &saved.entries[i], saved.sequence);
    if (!status)
        status = check_model(check, saved.text_model_version);
    saved_snapshot_release(&saved);
    return status;
}

lode_status verifying_snapshots(struct verifying *run, const struct store *store,
                                const struct manifest *manifest)
{
    struct checking check = {.run = run, .store = store, .manifest = manifest};
    buf_init(&check.snapshots, SIZE_MAX / 2);
    buf_init(&check.segments, SIZE_MAX / 2);
    buf_init(&check.models, SIZE_MAX / 2);
    lode_status status =
        vfs_list(run->verify->vfs, run->verify->dir, keep_number, &check, &run->error);
    if (!status)
        status = check.status;
    for (size_t at = 0; !status && at < check.snapshots.size; at += sizeof(uint64_t)) {
        uint64_t number;
        memcpy(&number, check.snapshots.data + at, sizeof number);
        status = check_snapshot(&check, number);
    }
    buf_release(&check.snapshots);
    buf_release(&check.segments);
    buf_release(&check.models);
    return status;
}
