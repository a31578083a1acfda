/* repair_collection.c: a collection. Its segments are looked at, every block; of those that are damaged the rows
 * that can be read whole go into new ones. Graphs are not written: the next open builds them. */
#include "engine/repair.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/catalog.h"
#include "engine/files.h"
#include "engine/filtering.h"
#include "storage/id.h"
#include "storage/names.h"
#include "storage/salvage.h"
#include "storage/snapshot_file.h"
#include "storage/wal.h"

struct piece {
    struct sealed_entry entry;
    struct segment_view view; /* live: the rows to keep, its own */
    uint32_t kept_before;     /* living rows, before any were found to be lost */
    int is_damaged;           /* its rows go into another segment */
    int live_is_lost;
    int graph_is_damaged;
    int columns_are_damaged; /* they are made again */
    lode_error reason;
};

static const char *file_text(const struct mending *mending, struct name name, char text[112])
{
    char file[NAME_TEXT_MAX];
    snprintf(text, 112, "%s/%s", mending->dir_name, name_format(name, file));
    return text;
}

/* --- Looking ----------------------------------------------------------------------------------- */

static lode_status read_live(struct mending *mending, struct piece *piece, lode_error *error)
{
    struct liveset *live = NULL;
    lode_error reason = {0};
    lode_status status = sealed_read_live(&mending->store, &piece->entry, &live, &reason);
    if (status_is_damage(status)) {
        piece->live_is_lost = piece->is_damaged = 1;
        piece->reason = reason;
    } else if (status) {
        if (error)
            *error = reason;
        return status;
    }
    /* Of its own, to be changed. */
    piece->view.live = liveset_copy(live, piece->entry.row_count);
    liveset_unref(live);
    if (!piece->view.live)
        return error_nomem(error, "a live set", piece->entry.row_count / 8);
    piece->view.live_count =
        (uint32_t)bitset_count(piece->view.live->words, piece->entry.row_count);
    piece->kept_before = piece->view.live_count;
    return LODE_OK;
}

static lode_status look_at(struct mending *mending, struct piece *piece, lode_error *error)
{
    lode_error reason = {0};
    lode_status status =
        sealed_open_contained(&mending->store, &piece->entry, &piece->view.segment, error);
    piece->view.row_count = piece->entry.row_count;
    if (!status)
        status = read_live(mending, piece, error);
    if (status)
        return status;
    lode_status rows = sealed_check(piece->view.segment, &reason);
    if (status_is_damage(rows) && !piece->is_damaged)
        piece->reason = reason;
    piece->is_damaged |= status_is_damage(rows);
    lode_status graph = sealed_check_graph(piece->view.segment, &reason);
    piece->graph_is_damaged = status_is_damage(graph);
    if (piece->graph_is_damaged && !piece->is_damaged)
        piece->reason = reason;
    int has_columns;
    lode_status columns = graph && !piece->graph_is_damaged
                              ? LODE_OK
                              : sealed_check_columns(piece->view.segment, &has_columns, &reason);
    piece->columns_are_damaged = status_is_damage(columns);
    if (piece->columns_are_damaged && !piece->is_damaged && !piece->graph_is_damaged)
        piece->reason = reason;
    if ((rows && !status_is_damage(rows)) || (graph && !status_is_damage(graph)) ||
        (columns && !status_is_damage(columns))) {
        if (error)
            *error = reason;
        return reason.status;
    }
    return LODE_OK;
}

static lode_status look_at_all(struct mending *mending, lode_error *error)
{
    const struct manifest *manifest = &mending->manifest;
    mending->pieces = calloc(manifest->entry_count + 1, sizeof *mending->pieces);
    if (!mending->pieces)
        return error_nomem(error, "segments", manifest->entry_count * sizeof *mending->pieces);
    mending->piece_count = manifest->entry_count;
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < mending->piece_count; i++) {
        mending->pieces[i].entry = manifest->entries[i];
        status = look_at(mending, &mending->pieces[i], error);
    }
    return status;
}

/* --- Choosing rows ----------------------------------------------------------------------------- */

static void lose(void *context, const uint8_t *id, size_t id_size)
{
    struct mending *mending = context;
    const lode_repair_options *options = mending->run->options;
    lode_id decoded;
    int is_named = id && id_decode(id, id_size, &decoded, NULL) == LODE_OK;
    mending->run->info.lost_points++;
    mending->run->info.lost_unnamed += !is_named;
    if (options->lost)
        options->lost(options->context, mending->name, is_named ? &decoded : NULL);
}

static lode_status choose_rows(struct mending *mending, lode_error *error)
{
    struct segment_view *views = calloc(mending->piece_count + 1, sizeof *views);
    int resolve = mending->is_rebuilt;
    lode_status status =
        views ? LODE_OK : error_nomem(error, "views", mending->piece_count * sizeof *views);
    for (size_t i = 0; !status && i < mending->piece_count; i++) {
        struct piece *piece = &mending->pieces[i];
        resolve |= piece->live_is_lost;
        if (piece->is_damaged)
            status = salvage_rows(&piece->view, lose, mending, error);
        views[i] = piece->view;
    }
    if (!status && resolve)
        status = salvage_ids_once(views, mending->piece_count, error);
    for (size_t i = 0; !status && i < mending->piece_count; i++) {
        struct piece *piece = &mending->pieces[i];
        piece->is_damaged |= views[i].live_count != piece->view.live_count;
        piece->view.live_count = views[i].live_count;
    }
    free(views);
    return status;
}

static void report_piece(struct mending *mending, const struct piece *piece)
{
    struct repairing *run = mending->run;
    struct name name = {.kind = NAME_VECTORS, .number = piece->entry.number};
    char text[112];
    const char *file = file_text(mending, name, text);
    char *end = strrchr(text, '.');
    if (end)
        *end = '\0';
    if (!piece->is_damaged) {
        repair_report(run, LODE_REPAIR_MENDED, file, "its %s (%s)",
                      piece->graph_is_damaged ? "graph is to be built again"
                                              : "columns are made again",
                      piece->reason.message);
        return;
    }
    repair_report(run, LODE_REPAIR_MENDED, file, "%u of %u points saved into a new segment (%s)",
                  piece->view.live_count, piece->kept_before,
                  piece->reason.status ? piece->reason.message : "ids lived twice");
    if (piece->live_is_lost)
        repair_report(run, LODE_REPAIR_LOST, file,
                      "which of its %u rows were deleted: %u lived; all are back that no other "
                      "segment has newer",
                      piece->entry.row_count, piece->entry.live_count);
}

static void report_pieces(struct mending *mending)
{
    for (size_t i = 0; i < mending->piece_count; i++) {
        const struct piece *piece = &mending->pieces[i];
        if (!piece->is_damaged && !piece->graph_is_damaged && !piece->columns_are_damaged)
            continue;
        mending->is_changed = 1;
        report_piece(mending, piece);
    }
}

/* --- Writing ----------------------------------------------------------------------------------- */

static lode_status keep_parts(struct mending *mending, const struct piece *piece, lode_error *error)
{
    const struct {
        enum name_kind kind;
        int goes;
    } parts[] = {{NAME_VECTORS, piece->is_damaged},
                 {NAME_IDS, piece->is_damaged},
                 {NAME_DOCS, piece->is_damaged},
                 {NAME_GRAPH, piece->is_damaged || piece->graph_is_damaged},
                 {NAME_COLUMNS, piece->is_damaged || piece->columns_are_damaged}};
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < sizeof parts / sizeof *parts; i++) {
        char file[NAME_TEXT_MAX];
        if (!parts[i].goes)
            continue;
        struct name name = {.kind = parts[i].kind, .number = piece->entry.number};
        status = repair_keep(mending->run, mending->dir_name, name_format(name, file), error);
    }
    if (!status && piece->is_damaged && piece->entry.del_generation) {
        char file[NAME_TEXT_MAX];
        struct name name = {NAME_LIVE, piece->entry.number, piece->entry.del_generation};
        status = repair_keep(mending->run, mending->dir_name, name_format(name, file), error);
    }
    return status;
}

static void put_entry(struct manifest *manifest, const struct sealed_entry *entry)
{
    size_t at = manifest->entry_count++;
    for (; at > 0 && manifest->entries[at - 1].number > entry->number; at--)
        manifest->entries[at] = manifest->entries[at - 1];
    manifest->entries[at] = *entry;
}

/* What takes the piece's place: itself, itself without its graph, or another segment; or nothing. */
static lode_status replace(struct mending *mending, const struct piece *piece, lode_error *error)
{
    struct sealed_entry entry = piece->entry;
    lode_status status = LODE_OK;
    if (piece->is_damaged || piece->graph_is_damaged || piece->columns_are_damaged)
        status = keep_parts(mending, piece, error);
    if (piece->graph_is_damaged)
        entry.has_graph = 0;
    if (!status && piece->is_damaged)
        status = sealed_write_salvaged(&mending->store, mending->next_number++, &piece->view,
                                       &entry, error);
    else if (!status && piece->columns_are_damaged)
        status = sealed_write_columns(&mending->store, piece->view.segment, entry.row_count, NULL,
                                      error);
    if (!status && entry.row_count > 0)
        put_entry(&mending->manifest, &entry);
    return status;
}

/* So that columns are made of the types that the schema and the other segments know. */
static lode_status know_fields(struct mending *mending, struct known_fields *known,
                               lode_error *error)
{
    struct fields *fields = NULL;
    struct field_set *set = field_set_new();
    lode_status status =
        set ? fields_new(&fields, error) : error_nomem(error, "fields", sizeof *set);
    if (!status)
        status = filtering_declare(fields, &mending->manifest.schema, error);
    for (size_t i = 0; !status && i < mending->piece_count; i++)
        status = fields_learn_view(fields, &mending->pieces[i].view, error);
    if (status) {
        field_set_unref(set);
        fields_free(fields);
        return status;
    }
    known_fields_put(known, set, fields);
    mending->store.fields = known;
    return LODE_OK;
}

static lode_status commit(struct mending *mending, lode_error *error)
{
    struct manifest *manifest = &mending->manifest;
    const struct store *store = &mending->store;
    lode_status status = LODE_OK;
    manifest->entry_count = 0;
    for (size_t i = 0; !status && i < mending->piece_count; i++)
        status = replace(mending, &mending->pieces[i], error);
    manifest->generation++;
    manifest->next_number = mending->next_number;
    if (!status)
        status = manifest_commit(store->vfs, store->dir, manifest, error);
    return status ? status : repair_remove_logs(mending, error);
}

static lode_status commit_known(struct mending *mending, lode_error *error)
{
    struct known_fields known;
    known_fields_init(&known);
    lode_status status = know_fields(mending, &known, error);
    if (!status)
        status = commit(mending, error);
    mending->store.fields = NULL;
    known_fields_release(&known);
    return status;
}

/* --- What else a collection has ---------------------------------------------------------------- */

/* Texts were embedded by it, and no other gives the same vectors. */
static lode_status look_at_model(struct mending *mending, lode_error *error)
{
    struct name name = {.kind = NAME_TEXT_MODEL, .number = mending->manifest.text_model_version};
    char path[PATH_SIZE_MAX], text[112], file[NAME_TEXT_MAX];
    struct frame frame;
    lode_error reason = {0};
    struct frame_id id = {FRAME_TEXT_MODEL, mending->uid, name.number};
    if (name.number == 0)
        return LODE_OK;
    lode_status status = name_path(path, mending->dir, name, error);
    if (status)
        return status;
    lode_status found = frame_open(mending->store.vfs, path, id, &frame, &reason);
    if (!found) {
        found = frame_check(&frame, &reason);
        frame_close(&frame);
    }
    if (found == LODE_OK)
        return LODE_OK;
    if (!status_is_damage(found) && found != LODE_NOT_FOUND) {
        if (error)
            *error = reason;
        return found;
    }
    repair_report(mending->run, LODE_REPAIR_LOST, file_text(mending, name, text),
                  "the text model: texts can no longer be searched for (%s)", reason.message);
    mending->manifest.text_model_version = 0;
    mending->is_changed = 1;
    return repair_keep(mending->run, mending->dir_name, name_format(name, file), error);
}

/* A snapshot that needs what is damaged keeps it: it can be read as far as it can be. */
static lode_status look_at_snapshot(struct mending *mending, struct name name, lode_error *error)
{
    struct saved_snapshot saved;
    lode_error reason = {0};
    char text[112], file[NAME_TEXT_MAX];
    file_text(mending, name, text);
    lode_status status = snapshot_file_read(&mending->store, name.number, &saved, NULL, &reason);
    if (status_is_damage(status)) {
        repair_report(mending->run, LODE_REPAIR_LOST, text, "the named snapshot (%s)",
                      reason.message);
        status = repair_keep(mending->run, mending->dir_name, name_format(name, file), error);
        if (status || mending->run->options->dry_run)
            return status;
        status = snapshot_file_remove(&mending->store, name.number, error);
        if (!status)
            repair_report(mending->run, LODE_REPAIR_MENDED, text, "taken away");
        return status;
    }
    if (status) {
        if (error)
            *error = reason;
        return status;
    }
    for (size_t i = 0; !status && i < saved.entry_count; i++) {
        struct segment *segment;
        status = sealed_open_contained(&mending->store, &saved.entries[i], &segment, error);
        if (status)
            break;
        if (status_is_damage(sealed_check(segment, &reason)))
            repair_report(mending->run, LODE_REPAIR_LEFT, text,
                          "snapshot '%s' needs what is damaged, and is left as it is: it can be "
                          "dropped (%s)",
                          saved.name, reason.message);
        segment_unref(segment);
    }
    saved_snapshot_release(&saved);
    return status;
}

/* Snapshots; and numbers that nothing has. */
static lode_status look_at_names(struct mending *mending, lode_error *error)
{
    struct file_names names;
    lode_status status = file_names_list(mending->store.vfs, mending->dir, &names, error);
    if (status)
        return status;
    mending->next_number = mending->manifest.next_number;
    for (size_t i = 0; !status && i < names.count; i++) {
        struct name name = name_parse(names.names[i]);
        if (name.kind != NAME_MANIFEST && name.kind != NAME_TEXT_MODEL &&
            name.number >= mending->next_number)
            mending->next_number = name.number + 1;
        if (name.kind == NAME_SNAPSHOT)
            status = look_at_snapshot(mending, name, error);
    }
    file_names_release(&names);
    return status;
}

/* --- One collection ---------------------------------------------------------------------------- */

static void make_store(struct mending *mending)
{
    const lode_schema *schema = &mending->manifest.schema;
    mending->store = (struct store){.vfs = mending->run->vfs,
                                    .dir = mending->dir,
                                    .collection_uid = mending->uid,
                                    .params = {.m = schema->m,
                                               .ef_construction = schema->ef_construction,
                                               .seed = schema->seed,
                                               .layout = schema->layout},
                                    .index = schema->index};
    space_init(&mending->store.space, schema->metric, schema->scalar, schema->dim);
}

/* The newest manifest, or one made up. LODE_CORRUPT: neither; reported. */
static lode_status load_manifest(struct mending *mending, lode_error *error)
{
    struct repairing *run = mending->run;
    lode_error reason = {0};
    uint64_t generation = 0;
    char file[NAME_TEXT_MAX];
    lode_status status = manifest_load(run->vfs, mending->dir, &mending->manifest, &reason);
    if (status == LODE_OK && mending->manifest.collection_uid != mending->uid)
        status = error_set(&reason, LODE_CORRUPT, "its manifest is of another collection");
    if (!status_is_damage(status) && status != LODE_NOT_FOUND) {
        if (status && error)
            *error = reason;
        return status;
    }
    manifest_release(&mending->manifest);
    mending->manifest = (struct manifest){0};
    if (manifest_find(run->vfs, mending->dir, &generation, NULL))
        generation = 0;
    repair_report(run, LODE_REPAIR_LOST, mending->dir_name,
                  "its manifest: which segments count, its fields, what its index was made with "
                  "(%s)",
                  reason.message);
    status = repair_rebuild_manifest(mending, generation, &reason);
    if (status == LODE_CORRUPT) {
        repair_report(run, LODE_REPAIR_LEFT, mending->dir_name, "%s", reason.message);
        return status;
    }
    if (status && error)
        *error = reason;
    if (status || generation == 0)
        return status;
    struct name name = {.kind = NAME_MANIFEST, .number = generation};
    return repair_keep(run, mending->dir_name, name_format(name, file), error);
}

static lode_status mend(struct mending *mending, lode_error *error)
{
    lode_status status = load_manifest(mending, error);
    if (status)
        return status == LODE_CORRUPT ? LODE_OK : status; /* reported */
    make_store(mending);
    status = look_at_names(mending, error);
    if (!status)
        status = look_at_all(mending, error);
    if (!status)
        status = choose_rows(mending, error);
    if (!status)
        report_pieces(mending);
    if (!status)
        status = look_at_model(mending, error);
    if (!status)
        status = repair_logs(mending, error);
    if (!status && mending->is_changed && !mending->run->options->dry_run)
        status = commit_known(mending, error);
    return status;
}

static void mending_release(struct mending *mending)
{
    for (size_t i = 0; i < mending->piece_count; i++) {
        segment_unref(mending->pieces[i].view.segment);
        liveset_unref(mending->pieces[i].view.live);
    }
    free(mending->pieces);
    manifest_release(&mending->manifest);
}

/* *ret_usable is 0 when there is nothing in which a collection could be: reported. */
static lode_status look_at_dir(struct mending *mending, int *ret_usable, lode_error *error)
{
    struct file_names names;
    lode_error reason = {0};
    lode_status status = file_names_list(mending->run->vfs, mending->dir, &names, &reason);
    *ret_usable = status == LODE_OK;
    if (status == LODE_OK) {
        file_names_release(&names);
        return LODE_OK;
    }
    if (status == LODE_NOT_FOUND)
        repair_report(mending->run, LODE_REPAIR_LEFT, mending->dir_name,
                      "the directory of collection '%s' is gone: it can only be restored, or "
                      "dropped",
                      mending->name);
    else if (reason.os_errno == ENOTDIR)
        repair_report(mending->run, LODE_REPAIR_LEFT, mending->dir_name,
                      "in place of the directory of collection '%s' is something else: move it "
                      "away, and put back a copy",
                      mending->name);
    else if (error)
        *error = reason;
    return status == LODE_NOT_FOUND || reason.os_errno == ENOTDIR ? LODE_OK : status;
}

lode_status repair_collection(struct repairing *run, const char *name, uint64_t uid,
                              lode_error *error)
{
    struct mending *mending = calloc(1, sizeof *mending);
    int usable = 0;
    if (!mending)
        return error_nomem(error, "a repair", sizeof *mending);
    mending->run = run;
    mending->name = name;
    mending->uid = uid;
    catalog_dir_name(uid, mending->dir_name);
    lode_status status = vfs_join(mending->dir, run->path, mending->dir_name, error);
    if (!status)
        status = look_at_dir(mending, &usable, error);
    if (!status && usable)
        status = mend(mending, error);
    if (status)
        error_prefix(error, "collection '%s': ", name);
    mending_release(mending);
    free(mending);
    return status;
}
