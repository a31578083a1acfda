/* backup_check.c: what backups there are at a place, and whether they are what was written. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "crypt/crypt_check.h"
#include "engine/backup.h"
#include "storage/backup_format.h"
#include "storage/backup_reader.h"

/* --- Verifying --------------------------------------------------------------------------------- */

/* Contents by their hash; open addressing, at most half full. */
struct seen {
    uint8_t (*hashes)[SHA256_SIZE]; /* all zeros: free */
    size_t count, capacity;
};

static uint8_t *slot_of(const struct seen *seen, const uint8_t hash[SHA256_SIZE])
{
    static const uint8_t zeros[SHA256_SIZE];
    size_t at = (size_t)le_load_u64(hash) & (seen->capacity - 1);
    while (memcmp(seen->hashes[at], zeros, SHA256_SIZE) != 0 &&
           memcmp(seen->hashes[at], hash, SHA256_SIZE) != 0)
        at = (at + 1) & (seen->capacity - 1);
    return seen->hashes[at];
}

static lode_status seen_grow(struct seen *seen, lode_error *error)
{
    struct seen grown = {.capacity = seen->capacity ? seen->capacity * 2 : 1024};
    grown.hashes = calloc(grown.capacity, SHA256_SIZE);
    if (!grown.hashes)
        return error_nomem(error, "a set of hashes", grown.capacity * SHA256_SIZE);
    for (size_t i = 0; i < seen->capacity; i++)
        memcpy(slot_of(&grown, seen->hashes[i]), seen->hashes[i], SHA256_SIZE);
    grown.count = seen->count;
    free(seen->hashes);
    *seen = grown;
    return LODE_OK;
}

static lode_status seen_add(struct seen *seen, const uint8_t hash[SHA256_SIZE], int *ret_new,
                            lode_error *error)
{
    lode_status status = seen->count * 2 >= seen->capacity ? seen_grow(seen, error) : LODE_OK;
    if (status)
        return status;
    uint8_t *slot = slot_of(seen, hash);
    *ret_new = memcmp(slot, hash, SHA256_SIZE) != 0;
    memcpy(slot, hash, SHA256_SIZE);
    seen->count += (size_t)*ret_new;
    return LODE_OK;
}

struct check {
    const struct backup *backup;
    const lode_verify_options *options;
    struct seen seen;
    /* Of the backup being checked, if it is encrypted and could be decrypted */
    struct keyring *keyring;
    uint64_t findings;
    uint64_t done_bytes, total_bytes;
};

static void report(struct check *check, const char *file, uint64_t offset, const char *problem)
{
    check->findings++;
    if (check->options->report)
        check->options->report(check->options->context,
                               &(lode_verify_finding){file, offset, problem});
}

static void report_content(struct check *check, const struct inventory *inventory, uint64_t number,
                           const struct inventory_file *file, const char *reason)
{
    char text[INVENTORY_TEXT_MAX], problem[512],
        name[sizeof BACKUP_OBJECTS + SHA256_TEXT_SIZE + 1] = BACKUP_OBJECTS "/";
    const struct inventory_collection *of = inventory_collection(inventory, file->uid);
    sha256_text(file->hash, name + sizeof BACKUP_OBJECTS);
    snprintf(problem, sizeof problem, "%s of backup %" PRIu64 "%s%s%s: %s; lost are, in it: %s",
             inventory_file_text(file, text), number, of ? ", collection '" : "",
             of ? of->name : "", of ? "'" : "", reason, inventory_loss(file));
    report(check, backup_is_file(check->backup) ? "" : name, file->offset, problem);
}

static lode_status add_progress(void *context, const void *data, size_t size, lode_error *error)
{
    struct check *check = context;
    (void)data;
    (void)error;
    check->done_bytes += size;
    if (check->total_bytes < check->done_bytes)
        check->total_bytes = check->done_bytes;
    if (check->options->progress)
        check->options->progress(check->options->context, check->done_bytes, check->total_bytes);
    return LODE_OK;
}

/* What a content is read with: hashed by whoever reads, and, when it is encrypted and a key was given,
 * authenticated. */
struct authenticating {
    struct check *check;
    struct crypt_check blocks;
    int is_encrypted;
};

static lode_status use_content(void *context, const void *data, size_t size, lode_error *error)
{
    struct authenticating *auth = context;
    lode_status status = add_progress(auth->check, data, size, error);
    return status || !auth->is_encrypted ? status
                                         : crypt_check_update(&auth->blocks, data, size, error);
}

static lode_status read_content(struct check *check, const struct inventory_file *file,
                                const struct backup_content *content, lode_error *error)
{
    struct authenticating auth = {.check = check};
    auth.is_encrypted =
        check->keyring && file->name.kind != NAME_LOG && file->name.kind != NAME_KEYS;
    lode_status status = LODE_OK;
    if (auth.is_encrypted)
        status = crypt_check_init(&auth.blocks, check->keyring, file->size, "it", error);
    if (!status)
        status = backup_content_read(content, file, use_content, &auth, error);
    if (!status && auth.is_encrypted)
        status = crypt_check_end(&auth.blocks, error);
    if (auth.is_encrypted)
        crypt_check_release(&auth.blocks);
    return status;
}

static lode_status check_content(struct check *check, const struct inventory *inventory,
                                 uint64_t number, const struct inventory_file *file,
                                 lode_error *error)
{
    struct backup_content content;
    lode_error reason = {0};
    lode_status status = backup_content_open(check->backup, file, &content, &reason);
    if (!status) {
        status = read_content(check, file, &content, &reason);
        backup_content_close(&content);
    }
    const char *what = status == LODE_NOT_FOUND ? "it is missing"
                       : status == LODE_CORRUPT ? "it is not what was backed up"
                       : status == LODE_IO      ? reason.message
                                                : NULL;
    if (what) {
        report_content(check, inventory, number, file, what);
        return LODE_OK;
    }
    if (status && error)
        *error = reason;
    return status;
}

/* What lies in the base is the base's to be checked. */
static int is_held(const struct check *check, const struct inventory_file *file)
{
    return !backup_is_file(check->backup) || file->offset != 0;
}

static lode_status check_files(struct check *check, const struct inventory *inventory,
                               uint64_t number, lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < inventory->file_count; i++) {
        const struct inventory_file *file = &inventory->files[i];
        int is_new = 0;
        if (!is_held(check, file))
            continue;
        status = seen_add(&check->seen, file->hash, &is_new, error);
        if (!status && is_new)
            status = check_content(check, inventory, number, file, error);
    }
    return status;
}

static void tell_unchecked(const struct check *check, uint64_t number, const char *reason)
{
    char name[BACKUP_NAME_MAX], what[sizeof((lode_error *)0)->message + 160];
    snprintf(what, sizeof what,
             "%s: names of collections, and whether anybody changed it who can compute hashes: %s",
             backup_name(number, name), reason);
    if (check->options->unchecked)
        check->options->unchecked(check->options->context, what);
}

/* Of an encrypted backup, without its key, hashes are all that is checked. *ret_fault: what is wrong, to be
 * reported unless a content's hash tells of it. */
static lode_status decrypt(struct check *check, struct inventory *inventory, uint64_t number,
                           lode_error *ret_fault, lode_error *error)
{
    lode_error reason = {0};
    lode_status status =
        backup_decrypt(check->backup, inventory, check->options->key, &check->keyring, &reason);
    if (status == LODE_KEY)
        tell_unchecked(check, number, reason.message);
    else if (status == LODE_CORRUPT || status == LODE_VERSION)
        *ret_fault = reason;
    else if (status) {
        if (error)
            *error = reason;
        return status;
    }
    return LODE_OK;
}

static lode_status check_backup(struct check *check, size_t i, lode_error *error)
{
    struct inventory inventory;
    lode_error reason = {0}, fault = {0};
    char name[BACKUP_NAME_MAX];
    uint64_t number = backup_number(check->backup, i);
    lode_status status = backup_inventory(check->backup, i, &inventory, &reason);
    if (status == LODE_CORRUPT || status == LODE_VERSION) {
        char problem[sizeof reason.message + 40];
        snprintf(problem, sizeof problem, "%s; lost is this backup", reason.message);
        report(check, backup_name(number, name), 0, problem);
        return LODE_OK;
    }
    if (status) {
        if (error)
            *error = reason;
        return status;
    }
    /* The first that is checked has nearly everything. */
    for (size_t f = 0; check->total_bytes == 0 && f < inventory.file_count; f++)
        check->total_bytes += is_held(check, &inventory.files[f]) ? inventory.files[f].size : 0;
    uint64_t before = check->findings;
    status = decrypt(check, &inventory, number, &fault, error);
    if (!status)
        status = check_files(check, &inventory, number, error);
    if (!status && fault.status && check->findings == before)
        report(check, backup_name(number, name), 0, fault.message);
    keyring_free(check->keyring);
    check->keyring = NULL;
    inventory_release(&inventory);
    return status;
}

static lode_status conclude(const struct check *check, lode_error *error)
{
    if (check->findings == 0)
        return LODE_OK;
    return error_set(error, LODE_CORRUPT, "'%s': %" PRIu64 " things are wrong",
                     backup_path(check->backup), check->findings);
}

lode_status backup_verify(struct vfs *vfs, const char *path, const lode_verify_options *options,
                          lode_error *error)
{
    static const lode_verify_options defaults;
    struct check check = {.options = options ? options : &defaults};
    struct backup *backup;
    lode_error reason = {0};
    lode_status status = backup_open(vfs, path, &backup, &reason);
    if (status == LODE_CORRUPT) {
        report(&check, "", 0, reason.message);
        return error_set(error, LODE_CORRUPT, "'%s': the backup is lost", path);
    }
    if (status) {
        if (error)
            *error = reason;
        return status;
    }
    check.backup = backup;
    for (size_t i = backup_count(backup); !status && i > 0; i--)
        status = check_backup(&check, i - 1, error);
    if (!status)
        status = conclude(&check, error);
    free(check.seen.hashes);
    backup_close(backup);
    return status;
}

/* --- Listing ----------------------------------------------------------------------------------- */

struct entry_list {
    lode_backup_list head; /* first: both have one address */
    lode_backup_entry *entries;
};

static uint64_t oldest_log(const struct inventory *inventory, uint64_t uid)
{
    uint64_t oldest = 0;
    for (size_t i = 0; i < inventory->file_count; i++) {
        const struct inventory_file *file = &inventory->files[i];
        if (file->uid == uid && file->name.kind == NAME_LOG &&
            (oldest == 0 || file->first_sequence < oldest))
            oldest = file->first_sequence;
    }
    return oldest;
}

/* Names lie behind the array they belong to. */
static lode_status list_collections(const struct inventory *inventory, lode_backup_entry *entry,
                                    lode_error *error)
{
    size_t count = inventory->collection_count;
    size_t size = count * sizeof(lode_backup_collection) + count * (LODE_NAME_SIZE_MAX + 1);
    lode_backup_collection *collections = calloc(1, size ? size : 1);
    if (!collections)
        return error_nomem(error, "a list of collections", size);
    char *name = (char *)(collections + count);
    for (size_t i = 0; i < count; i++, name += LODE_NAME_SIZE_MAX + 1) {
        const struct inventory_collection *from = &inventory->collections[i];
        memcpy(name, from->name, strlen(from->name) + 1);
        collections[i] = (lode_backup_collection){
            .name = name,
            .sequence = from->sequence,
            .points = from->point_count,
            .oldest_sequence = oldest_log(inventory, from->uid),
        };
    }
    entry->collections = collections;
    entry->collection_count = count;
    return LODE_OK;
}

static lode_status describe(const struct backup *backup, const struct inventory *inventory,
                            lode_backup_entry *entry, lode_error *error)
{
    static const uint8_t zeros[SHA256_SIZE];
    entry->made_us = inventory->made_us;
    entry->files = inventory->file_count;
    for (size_t i = 0; i < inventory->file_count; i++) {
        entry->bytes += inventory->files[i].size;
        entry->held_files += !backup_is_file(backup) || inventory->files[i].offset != 0;
    }
    sha256_text(inventory->root, entry->root);
    if (memcmp(inventory->base, zeros, sizeof zeros) != 0)
        sha256_text(inventory->base, entry->base);
    return list_collections(inventory, entry, error);
}

/* Without the right key the names stay unknown. */
static lode_status decrypt_names(const struct backup *backup, struct inventory *inventory,
                                 const lode_key_source *key, lode_backup_entry *entry,
                                 lode_error *error)
{
    struct keyring *keyring = NULL;
    lode_error reason = {0};
    lode_status status = backup_needs(backup, inventory, entry->key_id, &reason);
    if (!status && key)
        status = backup_decrypt(backup, inventory, key, &keyring, &reason);
    keyring_free(keyring);
    if (status == LODE_KEY)
        return LODE_OK;
    if (status && error)
        *error = reason;
    return status;
}

static lode_status list_one(const struct backup *backup, size_t i, const lode_key_source *key,
                            lode_backup_entry *entry, lode_error *error)
{
    struct inventory inventory;
    lode_error reason = {0};
    entry->number = backup_number(backup, i);
    lode_status status = backup_inventory(backup, i, &inventory, &reason);
    entry->damaged = status == LODE_CORRUPT || status == LODE_VERSION;
    if (entry->damaged)
        return LODE_OK;
    if (status) {
        if (error)
            *error = reason;
        return status;
    }
    status = decrypt_names(backup, &inventory, key, entry, &reason);
    if (status == LODE_CORRUPT || status == LODE_VERSION || status == LODE_NOT_FOUND)
        entry->damaged = 1;
    else if (!status)
        status = describe(backup, &inventory, entry, &reason);
    inventory_release(&inventory);
    if (entry->damaged)
        return LODE_OK;
    if (status && error)
        *error = reason;
    return status;
}

static lode_status list_all(const struct backup *backup, const lode_key_source *key,
                            lode_backup_list **ret_list, lode_error *error)
{
    size_t count = backup_count(backup);
    struct entry_list *list = calloc(1, sizeof *list);
    lode_status status = LODE_OK;
    if (list)
        list->entries = calloc(count + 1, sizeof *list->entries);
    if (!list || !list->entries)
        status = error_nomem(error, "a list of backups", count * sizeof *list->entries);
    if (list)
        list->head.backups = list->entries;
    for (size_t i = 0; !status && i < count; i++) {
        list->head.count++;
        status = list_one(backup, i, key, &list->entries[i], error);
    }
    if (status)
        lode_backup_list_free(list ? &list->head : NULL);
    else
        *ret_list = &list->head;
    return status;
}

lode_status backup_list(struct vfs *vfs, const char *path, lode_backup_list **ret_list,
                        lode_error *error)
{
    return backup_list_with_key(vfs, path, NULL, ret_list, error);
}

lode_status backup_list_with_key(struct vfs *vfs, const char *path, const lode_key_source *key,
                                 lode_backup_list **ret_list, lode_error *error)
{
    struct backup *backup;
    lode_status status = backup_open(vfs, path, &backup, error);
    if (status)
        return status;
    status = list_all(backup, key, ret_list, error);
    backup_close(backup);
    return status;
}

lode_status backup_key_needed(struct vfs *vfs, const char *path, char ret_id[LODE_KEY_ID_TEXT_SIZE],
                              lode_error *error)
{
    struct backup *backup;
    struct inventory inventory;
    lode_status status = backup_open(vfs, path, &backup, error);
    if (status)
        return status;
    size_t count = backup_count(backup);
    ret_id[0] = '\0';
    if (count > 0) {
        status = backup_inventory(backup, count - 1, &inventory, error);
        if (!status) {
            status = backup_needs(backup, &inventory, ret_id, error);
            inventory_release(&inventory);
        }
    }
    backup_close(backup);
    return status;
}

void lode_backup_list_free(lode_backup_list *list)
{
    struct entry_list *own = (struct entry_list *)list;
    if (!own)
        return;
    for (size_t i = 0; own->entries && i < own->head.count; i++)
        free((void *)(uintptr_t)own->entries[i].collections);
    free(own->entries);
    free(own);
}
