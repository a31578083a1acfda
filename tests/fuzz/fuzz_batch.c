/* fuzz_batch.c: any bytes, read as a batch: ops lie within them, one behind the other, and use them up. */
#include "fuzz/fuzz_storage.h"

#include "storage/batch.h"
#include "storage/id.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct batch_reader reader;
    struct op op;
    lode_error error;
    int more = 1;
    if (size == 0)
        return 0;
    size_t row_size = (size_t)(data[0] % 9) * 4, used = 4, ops = 0;
    lode_status status = batch_open(&reader, data + 1, size - 1, row_size, &error);
    while (!status && !(status = batch_next(&reader, &op, &more, &error)) && more) {
        lode_id id;
        INVARIANT(id_decode(op.id, op.id_size, &id, &error) == LODE_OK);
        touch(op.id, op.id_size);
        used += 4 + op.id_size;
        ops++;
        if (op.kind != LODE_WRITE_UPSERT)
            continue;
        touch(op.row, row_size);
        touch(op.metadata, op.metadata_size);
        touch(op.text, op.text_size);
        used += row_size + 8 + op.metadata_size + op.text_size;
    }
    INVARIANT(status == LODE_OK || status == LODE_CORRUPT);
    INVARIANT(status || (used == size - 1 && ops == reader.op_count));
    return 0;
}
