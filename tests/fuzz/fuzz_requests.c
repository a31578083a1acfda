/* fuzz_requests.c: any bytes, read as the remembered requests of a manifest: what is accepted is found again,
 * and comes out as the same bytes. */
#include "fuzz/fuzz_storage.h"

#include "storage/requests.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct requests requests = {0};
    struct buf bytes, again;
    lode_error error;
    buf_init(&bytes, SIZE_MAX / 2);
    buf_init(&again, SIZE_MAX / 2);
    if (buf_append(&bytes, data, size, &error))
        abort();
    lode_status status = requests_decode(NULL, &bytes, UINT64_MAX, &error);
    INVARIANT(status == LODE_OK || status == LODE_CORRUPT);
    if (status == LODE_OK) {
        INVARIANT(requests_decode(&requests, &bytes, UINT64_MAX, &error) == LODE_OK);
        INVARIANT(requests_encode(&requests, UINT64_MAX, &again, &error) == LODE_OK);
        INVARIANT(again.size == size && (size == 0 || memcmp(again.data, data, size) == 0));
    }
    requests_release(&requests);
    buf_release(&bytes);
    buf_release(&again);
    return 0;
}
