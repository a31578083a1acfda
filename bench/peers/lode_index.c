#include "lode_index.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "storage/id.h"
#include "storage/manifest.h"

enum { K_MAX = 100 };

struct lode_index_file {
    char dir[PATH_SIZE_MAX];
    struct manifest manifest;
    struct store store;
    struct segment *segment;
    const struct index *index;
    uint32_t row_count;
    uint64_t *numbers; /* ids of rows: one load instead of a look-up */
};

static lode_status find_collection(const char *database, char path[PATH_SIZE_MAX],
                                   lode_error *error)
{
    lode_status status = LODE_NOT_FOUND;
    DIR *dir = opendir(database);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        if (strncmp(entry->d_name, "c-", 2) == 0) {
            snprintf(path, PATH_SIZE_MAX, "%s/%s", database, entry->d_name);
            status = LODE_OK;
        }
    if (dir)
        closedir(dir);
    return status ? error_set(error, status, "%s holds no collection", database) : LODE_OK;
}

static lode_status open_segment(struct lode_index_file *file, lode_error *error)
{
    const struct lode_schema *schema = &file->manifest.schema;
    if (file->manifest.entry_count != 1)
        return error_set(error, LODE_INVALID, "%zu segments, where one is wanted",
                         file->manifest.entry_count);
    file->store = (struct store){
        .vfs = vfs_posix(),
        .dir = file->dir,
        .collection_uid = file->manifest.collection_uid,
        .params = {.m = schema->m,
                   .ef_construction = schema->ef_construction,
                   .seed = schema->seed},
        .index = schema->index,
    };
    space_init(&file->store.space, schema->metric, schema->scalar, schema->dim);
    lode_status status = sealed_open(&file->store, file->manifest.entries, &file->segment, error);
    if (status)
        return status;
    file->index = file->segment->ops->index(file->segment, &file->row_count);
    return file->index ? LODE_OK : error_set(error, LODE_INVALID, "the segment has no graph");
}

static lode_status read_numbers(struct lode_index_file *file, lode_error *error)
{
    file->numbers = malloc(file->row_count * sizeof *file->numbers);
    if (!file->numbers)
        return error_nomem(error, "ids", file->row_count * sizeof *file->numbers);
    for (uint32_t row = 0; row < file->row_count; row++) {
        size_t size;
        lode_id id;
        const uint8_t *bytes;
        lode_status status = file->segment->ops->id(file->segment, row, &bytes, &size, error);
        if (!status)
            status = id_decode(bytes, size, &id, error);
        if (status)
            return status;
        file->numbers[row] = id.number;
    }
    return LODE_OK;
}

struct lode_index_file *lode_index_open(const char *database, char *message, size_t message_size)
{
    lode_error error = {LODE_OK, 0, ""};
    struct lode_index_file *file = calloc(1, sizeof *file);
    if (!file)
        abort();
    lode_status status = find_collection(database, file->dir, &error);
    if (!status)
        status = manifest_load(vfs_posix(), file->dir, &file->manifest, &error);
    if (!status)
        status = open_segment(file, &error);
    if (!status)
        status = read_numbers(file, &error);
    if (!status)
        return file;
    snprintf(message, message_size, "%s", error.message);
    lode_index_close(file);
    return NULL;
}

void lode_index_close(struct lode_index_file *file)
{
    if (!file)
        return;
    segment_unref(file->segment);
    manifest_release(&file->manifest);
    free(file->numbers);
    free(file);
}

struct lode_index_found lode_index_search_allowed(const struct lode_index_file *file,
                                                  const float *query, size_t k, uint32_t ef,
                                                  const uint64_t *allowed, uint32_t allowed_count,
                                                  int plan, int64_t *ids)
{
    _Alignas(64) uint8_t encoded[64 << 10];
    struct neighbor items[K_MAX];
    struct topk topk;
    struct index_counts counts = {0, 0};
    struct index_choice choice = {.allowed = 0};
    if (k > K_MAX || file->store.space.row_size > sizeof encoded)
        abort();
    space_encode(&file->store.space, query, encoded);
    topk_init(&topk, items, k);
    struct index_query request = {.query = encoded,
                                  .ef = ef,
                                  .row_limit = file->row_count,
                                  .allowed = allowed,
                                  .allowed_count = allowed_count,
                                  .plan = (enum index_plan)plan,
                                  .choice = &choice,
                                  .topk = &topk,
                                  .counts = &counts};
    if (file->index->ops->search(file->index, &request, NULL))
        abort();
    topk_sort(&topk);
    for (size_t i = 0; i < k; i++)
        ids[i] = i < topk.count ? (int64_t)file->numbers[items[i].row] : -1;
    return (struct lode_index_found){topk.count,  counts.distances, counts.hops,
                                     choice.plan, choice.first,     choice.reason};
}

void lode_index_search(const struct lode_index_file *file, const float *query, size_t k,
                       uint32_t ef, int64_t *ids)
{
    lode_index_search_allowed(file, query, k, ef, NULL, 0, INDEX_PLAN_ANY, ids);
}

const uint64_t *lode_index_numbers(const struct lode_index_file *file, uint32_t *ret_count)
{
    *ret_count = file->row_count;
    return file->numbers;
}

size_t lode_index_memory(const struct lode_index_file *file)
{
    return file->index->ops->memory(file->index) + file->row_count * sizeof *file->numbers;
}
