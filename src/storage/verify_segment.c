/* verify_segment.c: one sealed segment, file by file, and ids across segments. */
#include "storage/verify_parts.h"

#include "storage/docs.h"
#include "storage/id.h"
#include "storage/id_table.h"
#include "storage/sealed_parts.h"
#include "storage/stamps.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define TWICE_REPORTS_MAX 20 /* one broken live set would fill the screen */

struct contents { /* what a segment's files must agree with */
    uint32_t row_count;
    uint64_t sequence_max; /* of its rows */
};

/* A sound frame's contents; LODE_CORRUPT with *ret_offset. */
typedef lode_status contents_fn(const struct frame *frame, const struct contents *contents,
                                uint64_t *ret_offset, lode_error *error);

static lode_status ids_contents(const struct frame *frame, const struct contents *contents,
                                uint64_t *ret_offset, lode_error *error)
{
    struct id_table table;
    lode_status status = id_table_open(frame, contents->row_count, &table, error);
    return status ? status : id_table_check(&table, frame, ret_offset, error);
}

static lode_status docs_contents(const struct frame *frame, const struct contents *contents,
                                 uint64_t *ret_offset, lode_error *error)
{
    struct docs docs;
    struct stamps stamps;
    lode_status status = docs_open(frame, contents->row_count, &docs, error);
    if (!status)
        status = stamps_open(frame, contents->row_count, &stamps, error);
    if (!status)
        status = docs_check(&docs, frame, ret_offset, error);
    return status ? status
                  : stamps_check(&stamps, frame, contents->sequence_max, ret_offset, error);
}

static lode_status check_part(struct verifying *run, struct name name, enum frame_kind kind,
                              contents_fn *check, const struct contents *contents, int *ret_sound)
{
    struct frame frame;
    char file[NAME_TEXT_MAX];
    uint64_t offset = 0;
    lode_status status = verifying_frame(run, name, kind, &frame, ret_sound);
    if (status || !*ret_sound)
        return status;
    if (check)
        status = check(&frame, contents, &offset, &run->error);
    frame_close(&frame);
    *ret_sound = status == LODE_OK;
    return verifying_judge(run, name_format(name, file), offset, status);
}

static lode_status check_live(struct verifying *run, const struct store *store,
                              const struct sealed_entry *entry, int *ret_sound)
{
    struct name name = {NAME_LIVE, entry->number, entry->del_generation};
    char file[NAME_TEXT_MAX];
    struct liveset *live = NULL;
    *ret_sound = 1;
    if (entry->del_generation == 0)
        return LODE_OK;
    lode_status status = check_part(run, name, FRAME_LIVE, NULL, NULL, ret_sound);
    if (status || !*ret_sound)
        return status;
    status = sealed_read_live(store, entry, &live, &run->error);
    liveset_unref(live);
    *ret_sound = status == LODE_OK;
    return verifying_judge(run, name_format(name, file), 0, status);
}

/* Frames are sound: now what only the segment as a whole can tell, sizes and the graph's links. */
static lode_status check_whole(struct verifying *run, const struct store *store,
                               const struct sealed_entry *entry, int *ret_sound)
{
    struct segment *segment;
    char file[NAME_TEXT_MAX];
    uint32_t covered;
    struct name name = {.kind = NAME_VECTORS, .number = entry->number};
    lode_status status = sealed_open(store, entry, &segment, &run->error);
    if (!status) {
        const struct index *index = segment->ops->index(segment, &covered);
        name.kind = index ? NAME_GRAPH : NAME_VECTORS;
        if (index)
            status = index->ops->check(index, &run->error);
        if (!status) {
            int has_columns;
            status = sealed_check_columns(segment, &has_columns, &run->error);
            if (status)
                name.kind = NAME_COLUMNS;
        }
        segment_unref(segment);
    }
    *ret_sound = status == LODE_OK;
    return verifying_judge(run, name_format(name, file), 0, status);
}

lode_status verifying_segment(struct verifying *run, const struct store *store,
                              const struct sealed_entry *entry, uint64_t sequence_max,
                              int *ret_sound)
{
    static const struct {
        enum name_kind name;
        enum frame_kind frame;
        contents_fn *check;
    } parts[] = {
        {NAME_VECTORS, FRAME_VECTORS, NULL},    {NAME_IDS, FRAME_IDS, ids_contents},
        {NAME_DOCS, FRAME_DOCS, docs_contents}, {NAME_COLUMNS, FRAME_COLUMNS, NULL},
        {NAME_GRAPH, FRAME_GRAPH, NULL},
    };
    struct contents contents = {.row_count = entry->row_count, .sequence_max = sequence_max};
    int sound = 1, all_sound;
    lode_status status = check_live(run, store, entry, &all_sound);
    for (size_t i = 0; !status && i < 4 + (size_t)entry->has_graph; i++) {
        if (parts[i].name == NAME_COLUMNS && !sealed_has_columns(store, entry->number))
            continue;
        struct name name = {.kind = parts[i].name, .number = entry->number};
        status = check_part(run, name, parts[i].frame, parts[i].check, &contents, &sound);
        all_sound &= sound;
    }
    if (!status && all_sound)
        status = check_whole(run, store, entry, &all_sound);
    *ret_sound = all_sound;
    return status;
}

/* --- Ids across segments ----------------------------------------------------------------------- */

static void report_twice(struct verifying *run, const uint8_t *id, size_t id_size,
                         const struct segment_view *view, const struct segment_view *other)
{
    lode_id decoded;
    char file[NAME_TEXT_MAX], text[80], problem[200];
    if (id_decode(id, id_size, &decoded, NULL))
        return;
    snprintf(problem, sizeof problem, "the point %s lives here and in segment %" PRIu64 " too",
             id_describe(&decoded, text, sizeof text), other->segment->number);
    name_format((struct name){.kind = NAME_IDS, .number = view->segment->number}, file);
    verifying_report(run, file, 0, problem);
}

/* Look every live id of a segment up in the segments after it. */
static lode_status check_view(struct verifying *run, const struct version *version, size_t first)
{
    const struct segment_view *view = &version->views[first];
    uint64_t findings = run->findings;
    for (uint32_t row = 0; row < view->row_count; row++) {
        struct id_key id;
        lode_status status = LODE_OK;
        if (view_alive(view, row))
            status = view->segment->ops->id(view->segment, row, &id.bytes, &id.size, &run->error);
        if (status)
            return status;
        if (!view_alive(view, row))
            continue;
        id.hash = id_hash(id.bytes, id.size);
        for (size_t i = first + 1; !status && i < version->view_count; i++) {
            const struct segment_view *other = &version->views[i];
            uint32_t found;
            status = other->segment->ops->find(other, &id, &found, &run->error);
            if (!status && found != ROW_NONE)
                report_twice(run, id.bytes, id.size, view, other);
        }
        if (status || run->findings - findings >= TWICE_REPORTS_MAX)
            return status;
    }
    return LODE_OK;
}

lode_status verifying_ids_once(struct verifying *run, const struct store *store,
                               const struct sealed_entry *entries, size_t entry_count)
{
    struct version *version = version_new(entry_count);
    if (!version)
        return error_nomem(&run->error, "a version", entry_count * sizeof *entries);
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < entry_count; i++) {
        struct segment_view *view = &version->views[i];
        view->row_count = entries[i].row_count;
        status = sealed_open(store, &entries[i], &view->segment, &run->error);
        if (!status)
            status = sealed_read_live(store, &entries[i], &view->live, &run->error);
    }
    for (size_t i = 0; !status && i < entry_count; i++)
        status = check_view(run, version, i);
    version_unref(version);
    return status;
}
