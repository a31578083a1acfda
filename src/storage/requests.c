/* requests.c: a ring of requests in the order of their sequence numbers, and chains by hash over it. */
#include "storage/requests.h"

#include "base/hash.h"
#include "base/le.h"
#include "base/limits.h"
#include "os/budget.h"

#include <stdlib.h>
#include <string.h>

#define FIXED_SIZE 25 /* of one in a manifest, before its id */

#define CHAINS ((size_t)2 * REQUEST_IDS_MAX) /* a power of two */

static uint32_t *chain_of(const struct requests *requests, const uint8_t *id, size_t id_size)
{
    return &requests->chains[hash64(id, id_size, 0) & (CHAINS - 1)];
}

#define REQUESTS_BYTES (REQUEST_IDS_MAX * sizeof(struct request) + CHAINS * sizeof(uint32_t))

void requests_release(struct requests *requests)
{
    if (requests->items)
        budget_give(BUDGET_OTHER, REQUESTS_BYTES);
    free(requests->items);
    free(requests->chains);
    *requests = (struct requests){0};
}

lode_status requests_reserve(struct requests *requests, lode_error *error)
{
    if (requests->items)
        return LODE_OK;
    struct request *items = calloc(REQUEST_IDS_MAX, sizeof *items);
    uint32_t *chains = calloc(CHAINS, sizeof *chains);
    if (!items || !chains) {
        free(items);
        free(chains);
        return error_nomem(error, "request ids", CHAINS * sizeof *chains);
    }
    budget_take(BUDGET_OTHER, REQUESTS_BYTES);
    requests->items = items;
    requests->chains = chains;
    return LODE_OK;
}

const struct request *requests_find(const struct requests *requests, const uint8_t *id,
                                    size_t id_size)
{
    if (!requests->items)
        return NULL;
    for (uint32_t at = *chain_of(requests, id, id_size); at; at = requests->items[at - 1].older) {
        const struct request *request = &requests->items[at - 1];
        if (request->id_size == id_size && memcmp(request->id, id, id_size) == 0)
            return request;
    }
    return NULL;
}

/* The item at `place` is the oldest of all, and so the last of its chain. */
static void forget(struct requests *requests, uint32_t place)
{
    const struct request *oldest = &requests->items[place];
    uint32_t *link = chain_of(requests, oldest->id, oldest->id_size);
    while (*link != place + 1)
        link = &requests->items[*link - 1].older;
    *link = 0;
    requests->count--;
}

void requests_add(struct requests *requests, const struct batch_request *request, uint64_t sequence)
{
    INVARIANT(requests->items && request->id_size > 0 && request->id_size <= REQUEST_ID_SIZE_MAX);
    uint32_t place = requests->next;
    if (requests->count == REQUEST_IDS_MAX)
        forget(requests, place);
    uint32_t *chain = chain_of(requests, request->id, request->id_size);
    struct request *item = &requests->items[place];
    *item = (struct request){.sequence = sequence,
                             .counts = request->counts,
                             .older = *chain,
                             .id_size = (uint8_t)request->id_size};
    memcpy(item->id, request->id, request->id_size);
    *chain = place + 1;
    requests->next = (place + 1) % REQUEST_IDS_MAX;
    requests->count++;
}

/* --- In a manifest ----------------------------------------------------------------------------- */

static lode_status encode_one(const struct request *request, struct buf *out, lode_error *error)
{
    uint8_t bytes[FIXED_SIZE];
    le_store_u64(bytes, request->sequence);
    le_store_u32(bytes + 8, request->counts.upserted);
    le_store_u32(bytes + 12, request->counts.deleted);
    le_store_u32(bytes + 16, request->counts.patched);
    le_store_u32(bytes + 20, request->counts.missing);
    bytes[24] = request->id_size;
    lode_status status = buf_append(out, bytes, sizeof bytes, error);
    return status ? status : buf_append(out, request->id, request->id_size, error);
}

lode_status requests_encode(const struct requests *requests, uint64_t sequence_max, struct buf *out,
                            lode_error *error)
{
    lode_status status = LODE_OK;
    uint32_t oldest = requests->next + REQUEST_IDS_MAX - requests->count;
    for (uint32_t i = 0; !status && i < requests->count; i++) {
        const struct request *request = &requests->items[(oldest + i) % REQUEST_IDS_MAX];
        if (request->sequence > sequence_max)
            break;
        status = encode_one(request, out, error);
    }
    return status;
}

struct decoded {
    uint64_t sequence;
    struct batch_request request;
};

static void decode_one(struct reader *reader, struct decoded *ret)
{
    ret->sequence = reader_u64(reader);
    ret->request.counts.upserted = reader_u32(reader);
    ret->request.counts.deleted = reader_u32(reader);
    ret->request.counts.patched = reader_u32(reader);
    ret->request.counts.missing = reader_u32(reader);
    ret->request.id_size = reader_u8(reader);
    ret->request.id = reader_bytes(reader, ret->request.id_size);
}

lode_status requests_decode(struct requests *requests, const struct buf *bytes,
                            uint64_t sequence_max, lode_error *error)
{
    struct reader reader;
    uint64_t last = 0;
    lode_status status = LODE_OK;
    reader_init(&reader, bytes->data, bytes->size);
    for (uint32_t count = 0; !status && reader_left(&reader); count++) {
        struct decoded one;
        decode_one(&reader, &one);
        if (reader.failed || count == REQUEST_IDS_MAX || one.sequence <= last ||
            one.sequence > sequence_max || one.request.id_size == 0 ||
            one.request.id_size > REQUEST_ID_SIZE_MAX)
            return error_set(error, LODE_CORRUPT, "request id %u makes no sense", count);
        last = one.sequence;
        if (requests)
            status = requests_reserve(requests, error);
        if (requests && !status)
            requests_add(requests, &one.request, one.sequence);
    }
    return status;
}
