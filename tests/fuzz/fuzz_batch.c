/* fuzz_batch.c: any bytes, read as a batch of a log or of a writer: ops lie within them, one behind the
 * other, and use them up. */
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
    size_t row_size = (size_t)(data[0] % 9) * 4, used = 8, ops = 0;
    enum batch_source source = data[0] & 0x80 ? BATCH_OF_WRITER : BATCH_OF_LOG;
    lode_status status = batch_open(&reader, data + 1, size - 1, row_size, source, &error);
    if (status == LODE_OK && reader.request.id_size) {
        touch(reader.request.id, reader.request.id_size);
        used += 16 + reader.request.id_size;
    }
    while (!status && !(status = batch_next(&reader, &op, &more, &error)) && more) {
        struct id_namespace space;
        lode_id id;
        if (op.kind == OP_DROP)
            INVARIANT(id_namespace_of(op.id, op.id_size, &space) == op.id_size &&
                      reader.op_count == 1);
        else
            INVARIANT(id_decode(op.id, op.id_size, &id, &error) == LODE_OK);
        touch(op.id, op.id_size);
        used +=
            4 + op.id_size + (op.condition == LODE_IF_VERSION ? 8 : 0) + (op.expiry_given ? 8 : 0);
        INVARIANT(op.condition == LODE_IF_ANY || source == BATCH_OF_WRITER);
        ops++;
        if (op.kind == LODE_WRITE_DELETE || op.kind == OP_DROP)
            continue;
        INVARIANT(op.kind == LODE_WRITE_UPSERT || source == BATCH_OF_WRITER);
        if (op.kind == LODE_WRITE_UPSERT)
            touch(op.row, row_size);
        touch(op.metadata, op.metadata_size);
        touch(op.text, op.text_size);
        used += (op.kind == LODE_WRITE_UPSERT ? row_size : 4) + 8 + op.metadata_size + op.text_size;
    }
    INVARIANT(status == LODE_OK || status == LODE_CORRUPT);
    INVARIANT(status || !batch_is_drop(data + 1, size - 1) || op.kind == OP_DROP);
    INVARIANT(status || (used == size - 1 && ops == reader.op_count));
    return 0;
}
