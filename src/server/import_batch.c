/* import_batch.c: see import_batch.h. */
#include "server/import_batch.h"

static lode_status request_id(const struct import_batch *batch, const struct import_item *items,
                              size_t count, uint8_t ret_id[SHA256_SIZE], lode_error *error)
{
    struct sha256 sha;
    lode_status status = sha256_init(&sha, error);
    if (status == LODE_OK) {
        sha256_update(&sha, batch->head.request_id, sizeof batch->head.request_id);
        sha256_update(&sha, items, count * sizeof *items);
        sha256_digest(&sha, ret_id);
    }
    sha256_release(&sha);
    return status;
}

static lode_status write_once(struct import_batch *batch, lode_collection *collection,
                              const struct import_points *points, lode_error *error)
{
    uint8_t id[SHA256_SIZE];
    lode_write_info info = {0};
    lode_write_options options = batch->head.options;
    lode_status status = LODE_OK;
    if (options.request_id_size) {
        status = request_id(batch, points->items, points->count, id, error);
        options.request_id = id;
    }
    if (status == LODE_OK)
        status = lode_write(collection, points->ops, points->count, &options, &info, error);
    if (status)
        return status;
    batch->batches++;
    batch->repeated += info.repeated ? 1 : 0;
    batch->points += points->count;
    batch->fresh += info.repeated ? 0 : points->count;
    batch->sequence = info.sequence;
    batch->applied = points->items[points->count - 1].position;
    return LODE_OK;
}

static bool is_of_a_point(lode_status status)
{
    return status == LODE_INVALID || status == LODE_SCHEMA || status == LODE_LIMIT ||
           status == LODE_CONFLICT;
}

lode_status import_batch_write(struct import_batch *batch, lode_collection *collection,
                               const struct import_points *points, size_t *ret_failed,
                               lode_error *error)
{
    size_t begin = 0, count = points->count;
    while (begin < points->count) {
        const struct import_points part = {points->ops + begin, points->items + begin, count};
        lode_status status = write_once(batch, collection, &part, error);
        if (status && (count == 1 || !is_of_a_point(status))) {
            *ret_failed = begin;
            return status;
        }
        begin += status ? 0 : count;
        /* Beyond the first half everything that is left is tried at once. */
        count = status ? count / 2 : points->count - begin;
    }
    return LODE_OK;
}
