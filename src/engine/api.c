/* api.c: the public functions: arguments are checked here, the work is done below. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "engine/api_check.h"
#include "engine/backup.h"
#include "engine/read.h"
#include "engine/text.h"
#include "engine/repair.h"
#include "engine/verify.h"
#include "os/spare.h"
#include "query/fetch.h"
#include "simd/simd.h"
#include "storage/backup_reader.h"
#include "storage/id.h"

#define WITH_ALL                                                                                   \
    ((unsigned)(LODE_WITH_VECTOR | LODE_WITH_METADATA | LODE_WITH_TEXT | LODE_WITH_VERSION |       \
                LODE_WITH_EXPIRY))

lode_status read_check_with(unsigned with, lode_error *error)
{
    if ((with & ~WITH_ALL) == 0)
        return LODE_OK;
    return error_set(error, LODE_INVALID, "with is 0x%x: unknown bits 0x%x", with,
                     with & ~WITH_ALL);
}

static lode_status check_writable(const lode_collection *collection, lode_error *error)
{
    return collection ? db_check_writable(collection->shared->db, error)
                      : is_null("collection", error);
}

/* Of writes to all of it. */
static lode_status check_whole(const lode_collection *collection, const char *what,
                               lode_error *error)
{
    lode_status status = check_writable(collection, error);
    return status ? status : scope_check_whole(collection, what, error);
}

/* --- Ids --------------------------------------------------------------------------------------- */

lode_id lode_id_number(uint64_t number)
{
    return (lode_id){.kind = LODE_ID_NUMBER, .number = number};
}

lode_id lode_id_uuid(const uint8_t bytes[16])
{
    lode_id id = {.kind = LODE_ID_UUID};
    if (bytes)
        memcpy(id.uuid, bytes, sizeof id.uuid);
    else
        id.kind = (lode_id_kind)0; /* refused wherever it is used */
    return id;
}

lode_id lode_id_text(const char *text)
{
    return (lode_id){
        .kind = LODE_ID_STRING, .string = text, .string_size = text ? strlen(text) : 0};
}

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

int lode_id_compare(const lode_id *a, const lode_id *b)
{
    if (!a || !b)
        return (a != NULL) - (b != NULL);
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind == LODE_ID_NUMBER)
        return compare_numbers(a->number, b->number);
    if (a->kind == LODE_ID_UUID)
        return memcmp(a->uuid, b->uuid, sizeof a->uuid);
    if (a->kind != LODE_ID_STRING || !a->string || !b->string)
        return (a->string != NULL) - (b->string != NULL);
    size_t common = a->string_size < b->string_size ? a->string_size : b->string_size;
    int order = common ? memcmp(a->string, b->string, common) : 0;
    return order ? order : compare_numbers(a->string_size, b->string_size);
}

const char *lode_simd_level(void)
{
    return simd()->name;
}

/* --- Database ---------------------------------------------------------------------------------- */

static lode_status check_path(const char *what, const char *path, lode_error *error)
{
    if (!path)
        return is_null(what, error);
    if (!*path)
        return error_set(error, LODE_INVALID, "%s is empty", what);
    if (strlen(path) >= PATH_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "%s of %zu bytes: at most %d", what, strlen(path),
                         PATH_SIZE_MAX - 1);
    return LODE_OK;
}

lode_status lode_db_open(const char *path, const lode_db_options *options, lode_db **ret_db,
                         lode_error *error)
{
    static const struct db_env env;
    lode_status status = check_path("path", path, error);
    if (!status && !ret_db)
        status = is_null("ret_db", error);
    return status ? status : db_open(path, options, &env, ret_db, error);
}

uint64_t lode_db_log_keep_bytes(const lode_db *db)
{
    return db ? db->log_keep_bytes : 0;
}

void lode_db_close(lode_db *db)
{
    if (!db)
        return;
    db_close(db);
    spare_release(); /* others will make it anew */
}

/* --- Collections ------------------------------------------------------------------------------- */

lode_status lode_collection_create(lode_db *db, const char *name, const lode_schema *schema,
                                   lode_collection **ret_collection, lode_error *error)
{
    if (!db)
        return is_null("db", error);
    if (!name)
        return is_null("name", error);
    if (!schema)
        return is_null("schema", error);
    if (!ret_collection)
        return is_null("ret_collection", error);
    lode_status status = db_check_writable(db, error);
    if (!status)
        status = db_create(db, name, schema, error);
    return status ? status : handle_open(db, name, ret_collection, error);
}

lode_status lode_collection_open(lode_db *db, const char *name, lode_collection **ret_collection,
                                 lode_error *error)
{
    if (!db)
        return is_null("db", error);
    if (!name)
        return is_null("name", error);
    if (!ret_collection)
        return is_null("ret_collection", error);
    lode_status status = catalog_check_name("name", name, error);
    return status ? status : handle_open(db, name, ret_collection, error);
}

void lode_collection_close(lode_collection *collection)
{
    if (collection)
        handle_close(collection);
}

lode_status lode_collection_drop(lode_db *db, const char *name, lode_error *error)
{
    if (!db)
        return is_null("db", error);
    if (!name)
        return is_null("name", error);
    lode_status status = catalog_check_name("name", name, error);
    if (!status)
        status = db_check_writable(db, error);
    return status ? status : db_drop(db, name, error);
}

lode_status lode_alias_set(lode_db *db, const char *alias, const char *target, lode_error *error)
{
    if (!db)
        return is_null("db", error);
    if (!alias)
        return is_null("alias", error);
    lode_status status = target ? catalog_check_name("target", target, error) : LODE_OK;
    if (!status)
        status = db_check_writable(db, error);
    return status ? status : db_alias(db, alias, target, error);
}

lode_status lode_catalog_list(lode_db *db, lode_catalog **ret_catalog, lode_error *error)
{
    if (!db)
        return is_null("db", error);
    if (!ret_catalog)
        return is_null("ret_catalog", error);
    return db_list(db, ret_catalog, error);
}

void lode_catalog_free(lode_catalog *catalog)
{
    free(catalog);
}

const lode_schema *lode_collection_schema(const lode_collection *collection)
{
    return collection ? &collection->shared->schema : NULL;
}

/* --- Writing ----------------------------------------------------------------------------------- */

static lode_status write_input(lode_collection *collection, const struct write_input *input,
                               const char *count_name, lode_write_info *ret_info, lode_error *error)
{
    struct write_input scoped = *input;
    scoped.space = collection->scope.space;
    lode_status status = check_count(count_name, input->count, LODE_BATCH_MAX, error);
    if (!status)
        status = check_writable(collection, error);
    if (!status)
        status = scope_check_write(collection, error);
    return status ? status : collection_write(collection->shared, &scoped, ret_info, error);
}

static lode_status use_options(const lode_write_options *options, struct write_input *input,
                               lode_error *error)
{
    if ((unsigned)options->ack > LODE_ACK_APPLIED)
        return error_set(error, LODE_INVALID, "options.ack is %d: no such level",
                         (int)options->ack);
    if (!options->request_id && options->request_id_size > 0)
        return error_set(error, LODE_INVALID, "options.request_id is NULL, request_id_size is %zu",
                         options->request_id_size);
    if (options->request_id_size > LODE_REQUEST_ID_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "options.request_id of %zu bytes: at most %d",
                         options->request_id_size, LODE_REQUEST_ID_SIZE_MAX);
    input->ack = options->ack;
    input->request_id = options->request_id;
    input->request_id_size = options->request_id_size;
    return LODE_OK;
}

lode_status lode_write(lode_collection *collection, const lode_write_op *ops, size_t op_count,
                       const lode_write_options *options, lode_write_info *ret_info,
                       lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    if (!ops && op_count > 0)
        return is_null("ops", error);
    struct write_input input = {.ops = ops, .count = op_count};
    lode_status status = options ? use_options(options, &input, error) : LODE_OK;
    return status ? status : write_input(collection, &input, "op_count", ret_info, error);
}

lode_status lode_sync(lode_collection *collection, lode_error *error)
{
    return collection ? collection_sync(collection->shared, error) : is_null("collection", error);
}

lode_status lode_upsert(lode_collection *collection, const lode_point *points, size_t point_count,
                        lode_write_info *ret_info, lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    if (!points && point_count > 0)
        return is_null("points", error);
    struct write_input input = {.points = points, .count = point_count};
    return write_input(collection, &input, "point_count", ret_info, error);
}

lode_status lode_delete(lode_collection *collection, const lode_id *ids, size_t id_count,
                        lode_write_info *ret_info, lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    if (!ids && id_count > 0)
        return is_null("ids", error);
    struct write_input input = {.ids = ids, .count = id_count};
    return write_input(collection, &input, "id_count", ret_info, error);
}

/* --- Snapshots --------------------------------------------------------------------------------- */

lode_status lode_snapshot_open(lode_collection *collection, lode_snapshot **ret_snapshot,
                               lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    if (!ret_snapshot)
        return is_null("ret_snapshot", error);
    return snapshot_open(collection->shared, ret_snapshot, error);
}

void lode_snapshot_close(lode_snapshot *snapshot)
{
    if (snapshot)
        snapshot_close(snapshot);
}

uint64_t lode_snapshot_sequence(const lode_snapshot *snapshot)
{
    return snapshot ? snapshot->version->sequence : 0;
}

uint64_t lode_snapshot_point_count(const lode_snapshot *snapshot)
{
    return snapshot ? snapshot->version->point_count : 0;
}

lode_status lode_snapshot_create(lode_collection *collection, const char *name, lode_error *error)
{
    lode_status status = check_whole(collection, "lode_snapshot_create", error);
    if (status)
        return status;
    return name ? named_create(collection->shared, name, error) : is_null("name", error);
}

lode_status lode_snapshot_open_named(lode_collection *collection, const char *name,
                                     lode_snapshot **ret_snapshot, lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    if (!name)
        return is_null("name", error);
    if (!ret_snapshot)
        return is_null("ret_snapshot", error);
    return named_open(collection->shared, name, ret_snapshot, error);
}

lode_status lode_snapshot_drop(lode_collection *collection, const char *name, lode_error *error)
{
    lode_status status = check_whole(collection, "lode_snapshot_drop", error);
    if (status)
        return status;
    return name ? named_drop(collection->shared, name, error) : is_null("name", error);
}

lode_status lode_snapshot_list_get(lode_collection *collection, lode_snapshot_list **ret_list,
                                   lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    if (!ret_list)
        return is_null("ret_list", error);
    return named_list(collection->shared, ret_list, error);
}

void lode_snapshot_list_free(lode_snapshot_list *list)
{
    free(list);
}

/* --- Reading ----------------------------------------------------------------------------------- */

static lode_status check_source(const lode_search_request *request, lode_error *error)
{
    int given = (request->vector != NULL) + (request->text != NULL) + (request->like != NULL);
    if (given != 1)
        return error_set(error, LODE_INVALID,
                         "exactly one of vector, text and like must be given, not %d", given);
    if (!request->text && request->text_size > 0)
        return error_set(error, LODE_INVALID, "text is NULL, text_size is %zu", request->text_size);
    return LODE_OK;
}

static lode_status check_one_per(const char *one_per, lode_error *error)
{
    if (one_per && !*one_per)
        return error_set(error, LODE_INVALID, "one_per is empty");
    if (one_per && strlen(one_per) > LODE_NAME_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "one_per of %zu bytes: at most %d", strlen(one_per),
                         LODE_NAME_SIZE_MAX);
    return LODE_OK;
}

lode_status read_check_request(const lode_search_request *request, int is_explained,
                               lode_error *error)
{
    int has_source = request->vector || request->text || request->like || request->text_size > 0;
    lode_status status = LODE_OK;
    if (has_source || !is_explained)
        status = check_source(request, error);
    if (!status)
        status = check_count("k", request->k, LODE_K_MAX, error);
    if (!status)
        status = check_count("ef_search", request->ef_search, LODE_EF_MAX, error);
    if (!status)
        status = check_one_per(request->one_per, error);
    if (!status)
        status = check_filter_size(request->filter, request->filter_size, error);
    return status ? status : read_check_with(request->with, error);
}

lode_status lode_search(lode_collection *collection, const lode_search_request *request,
                        lode_result **ret_result, lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    if (!request)
        return is_null("request", error);
    if (!ret_result)
        return is_null("ret_result", error);
    lode_status status = read_check_request(request, 0, error);
    return status ? status : collection_search(collection, request, ret_result, error);
}

static lode_status check_requests(const lode_search_request *requests, size_t request_count,
                                  lode_error *error)
{
    if (request_count > LODE_SEARCH_BATCH_MAX)
        return error_set(error, LODE_LIMIT, "request_count is %zu: at most %d", request_count,
                         LODE_SEARCH_BATCH_MAX);
    for (size_t i = 0; i < request_count; i++) {
        lode_status status = read_check_request(&requests[i], 0, error);
        if (status) {
            error_prefix(error, "requests[%zu]: ", i);
            return status;
        }
    }
    return LODE_OK;
}

lode_status lode_search_batch(lode_collection *collection, const lode_search_request *requests,
                              size_t request_count, lode_result **ret_results, lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    if (!requests && request_count > 0)
        return is_null("requests", error);
    if (!ret_results && request_count > 0)
        return is_null("ret_results", error);
    lode_status status = check_requests(requests, request_count, error);
    return status
               ? status
               : collection_search_batch(collection, requests, request_count, ret_results, error);
}

void lode_result_free(lode_result *result)
{
    result_free(result);
}

lode_status lode_get(lode_collection *collection, const lode_snapshot *snapshot, const lode_id *ids,
                     size_t id_count, unsigned with, lode_result **ret_result, lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    if (!ids && id_count > 0)
        return is_null("ids", error);
    if (!ret_result)
        return is_null("ret_result", error);
    lode_status status = read_check_with(with, error);
    return status ? status
                  : collection_get(collection, snapshot, ids, id_count, with, ret_result, error);
}

lode_status lode_iterator_open(lode_collection *collection, const lode_snapshot *snapshot,
                               unsigned with, lode_iterator **ret_iterator, lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    if (!ret_iterator)
        return is_null("ret_iterator", error);
    lode_status status = read_check_with(with, error);
    lode_filter all = {0};
    return status ? status : iterator_open(collection, snapshot, &all, with, ret_iterator, error);
}

lode_status lode_iterator_next(lode_iterator *iterator, const lode_hit **ret_hit, lode_error *error)
{
    if (!iterator)
        return is_null("iterator", error);
    if (!ret_hit)
        return is_null("ret_hit", error);
    return iterator_next(iterator, ret_hit, error);
}

void lode_iterator_close(lode_iterator *iterator)
{
    if (iterator)
        iterator_close(iterator);
}

/* --- Texts ------------------------------------------------------------------------------------- */

static lode_status check_train_options(const lode_train_options *options, lode_error *error)
{
    float exponent = options ? options->word_exponent : 0;
    if (exponent >= 0 && exponent <= 1)
        return LODE_OK;
    return error_set(error, LODE_INVALID, "options.word_exponent is %g: it must be from 0 to 1",
                     (double)exponent);
}

lode_status lode_text_model_train(lode_collection *collection, const lode_text *texts,
                                  size_t text_count, const lode_train_options *options,
                                  lode_train_info *ret_info, lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    if (!texts)
        return is_null("texts", error);
    for (size_t i = 0; i < text_count; i++)
        if (!texts[i].data && texts[i].size > 0)
            return error_set(error, LODE_INVALID, "texts[%zu].data is NULL, its size is %zu", i,
                             texts[i].size);
    lode_status status = check_train_options(options, error);
    if (!status)
        status = check_whole(collection, "lode_text_model_train", error);
    return status
               ? status
               : text_model_train(collection->shared, texts, text_count, options, ret_info, error);
}

lode_status lode_text_embed(lode_collection *collection, const char *text, size_t text_size,
                            float *vector, int *ret_known, lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    if (!text)
        return is_null("text", error);
    if (!vector)
        return is_null("vector", error);
    if (!ret_known)
        return is_null("ret_known", error);
    lode_text given = {.data = text, .size = text_size};
    struct text_model *model = collection_model(collection->shared);
    lode_status status = text_embed(collection->shared, model, &given, vector, ret_known, error);
    text_model_unref(model);
    return status;
}

/* --- Upkeep ------------------------------------------------------------------------------------ */

lode_status lode_flush(lode_collection *collection, const lode_stop *stop, lode_error *error)
{
    lode_status status = check_whole(collection, "lode_flush", error);
    return status ? status : collection_flush(collection->shared, stop, error);
}

lode_status lode_compact(lode_collection *collection, const lode_stop *stop, lode_error *error)
{
    lode_status status = check_whole(collection, "lode_compact", error);
    return status ? status : collection_compact(collection->shared, stop, error);
}

lode_status lode_wait_idle(lode_collection *collection, uint64_t timeout_ms, lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    uint64_t timeout_us = timeout_ms < UINT64_MAX / 1000 ? timeout_ms * 1000 : 0;
    return jobs_wait_idle(collection->shared, timeout_us, error);
}

lode_status lode_stats_get(lode_collection *collection, lode_stats **ret_stats, lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    if (!ret_stats)
        return is_null("ret_stats", error);
    lode_status status = scope_check_whole(collection, "lode_stats_get", error);
    return status ? status : stats_get(collection->shared, ret_stats, error);
}

void lode_stats_free(lode_stats *stats)
{
    free(stats);
}

lode_status lode_verify(const char *path, const lode_verify_options *options, lode_error *error)
{
    int is_backup = 0;
    lode_status status = check_path("path", path, error);
    if (!status)
        status = backup_is_there(vfs_posix(), path, &is_backup, error);
    if (status)
        return status;
    return is_backup ? backup_verify(vfs_posix(), path, options, error)
                     : verify_database(vfs_posix(), path, options, error);
}

lode_status lode_repair(const char *path, const lode_repair_options *options,
                        lode_repair_info *ret_info, lode_error *error)
{
    int is_backup = 0;
    lode_status status = check_path("path", path, error);
    if (!status)
        status = backup_is_there(vfs_posix(), path, &is_backup, error);
    if (!status && is_backup)
        status = error_set(error, LODE_INVALID, "'%s' is a backup: those are not repaired", path);
    return status ? status : repair_database(vfs_posix(), path, options, ret_info, error);
}

/* --- Backup ------------------------------------------------------------------------------------ */

lode_status lode_backup(lode_db *db, const char *target, const lode_backup_options *options,
                        lode_backup_info *ret_info, lode_error *error)
{
    if (!db)
        return is_null("db", error);
    lode_status status = check_path("target", target, error);
    if (!status && options && options->base)
        status = check_path("options.base", options->base, error);
    if (!status)
        status = db_check_writable(db, error);
    return status ? status : backup_database(db, target, options, ret_info, error);
}

lode_status lode_backup_list_get(const char *path, lode_backup_list **ret_list, lode_error *error)
{
    lode_status status = check_path("path", path, error);
    if (!status && !ret_list)
        status = is_null("ret_list", error);
    return status ? status : backup_list(vfs_posix(), path, ret_list, error);
}

static lode_status check_restore(const lode_restore_options *options, lode_error *error)
{
    if (!options->bases && options->base_count > 0)
        return is_null("options.bases", error);
    for (size_t i = 0; i < options->base_count; i++) {
        lode_status status = check_path("options.bases", options->bases[i], error);
        if (status)
            return status;
    }
    return check_count("options.sample", options->sample, LODE_SEARCH_BATCH_MAX, error);
}

lode_status lode_restore(const char *backup, const char *path, const lode_restore_options *options,
                         lode_restore_info *ret_info, lode_error *error)
{
    static const struct db_env env;
    lode_status status = check_path("backup", backup, error);
    if (!status)
        status = check_path("path", path, error);
    if (!status && options)
        status = check_restore(options, error);
    return status ? status : restore_database(backup, path, options, &env, ret_info, error);
}
