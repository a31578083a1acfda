/* Batches: what goes in comes out; whatever the bytes are, reading them is safe. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "storage/batch.h"
#include "support/storage_kit.h"

static struct space space_of(lode_scalar scalar, size_t dim)
{
    struct space space;
    space_init(&space, LODE_METRIC_L2, scalar, dim);
    return space;
}

static const struct kit_op ops[] = {{7, 1}, {1007, 2}, {2007, 3}, {7, KIT_DELETE}, {8, 6}};
enum { OP_COUNT = sizeof ops / sizeof ops[0] };

static void check_op(const struct space *space, const struct op *op, const struct kit_op *wanted)
{
    uint8_t id[ID_BYTES_MAX];
    assert_int_equal(op->id_size, kit_id(wanted->id, id));
    assert_memory_equal(op->id, id, op->id_size);
    if (wanted->value == KIT_DELETE) {
        assert_int_equal(op->kind, LODE_WRITE_DELETE);
        return;
    }
    assert_int_equal(op->kind, LODE_WRITE_UPSERT);
    uint8_t *row = malloc(space->row_size);
    float *vector = malloc(space->dim * sizeof *vector);
    memcpy(row, op->row, space->row_size);
    space_decode(space, row, vector);
    for (size_t i = 0; i < space->dim; i++)
        assert_true(vector[i] == (float)(wanted->value + (int)i));
    free(row);
    free(vector);
    assert_int_equal(op->metadata_size > 0, wanted->value % 2);
    assert_int_equal(op->metadata != NULL, op->metadata_size > 0);
    assert_int_equal(op->text_size > 0, wanted->value % 3 == 0);
    assert_int_equal(op->text != NULL, op->text_size > 0);
}

static void what_goes_in_comes_out(void **state)
{
    (void)state;
    lode_error error;
    for (int scalar = LODE_SCALAR_F32; scalar <= LODE_SCALAR_INT8; scalar++) {
        struct space space = space_of((lode_scalar)scalar, 5);
        struct buf batch = kit_batch(&space, ops, OP_COUNT);
        struct batch_reader reader;
        struct op op;
        int more;
        assert_ok(
            batch_open(&reader, batch.data, batch.size, space.row_size, BATCH_OF_LOG, &error));
        assert_int_equal(reader.op_count, OP_COUNT);
        for (size_t i = 0; i < OP_COUNT; i++) {
            assert_ok(batch_next(&reader, &op, &more, &error));
            assert_int_equal(more, 1);
            check_op(&space, &op, &ops[i]);
        }
        assert_ok(batch_next(&reader, &op, &more, &error));
        assert_int_equal(more, 0);
        buf_release(&batch);
    }
}

/* Read to the end or to the first fault; touch every byte that an op claims. */
static lode_status read_all(const uint8_t *data, size_t size, size_t row_size)
{
    lode_error error = {0};
    struct batch_reader reader;
    struct op op;
    int more = 1;
    volatile uint8_t sum = 0;
    lode_status status = batch_open(&reader, data, size, row_size, BATCH_OF_LOG, &error);
    while (!status && !(status = batch_next(&reader, &op, &more, &error)) && more) {
        for (size_t i = 0; i < op.id_size; i++)
            sum = (uint8_t)(sum + op.id[i]);
        for (size_t i = 0; op.row && i < row_size; i++)
            sum = (uint8_t)(sum + op.row[i]);
        for (size_t i = 0; i < op.metadata_size; i++)
            sum = (uint8_t)(sum + (uint8_t)op.metadata[i]);
        for (size_t i = 0; i < op.text_size; i++)
            sum = (uint8_t)(sum + (uint8_t)op.text[i]);
    }
    if (status) {
        assert_int_equal(status, LODE_CORRUPT);
        assert_int_equal(error.status, LODE_CORRUPT);
    }
    return status;
}

static void cut_anywhere_is_corrupt(void **state)
{
    (void)state;
    struct space space = space_of(LODE_SCALAR_F32, 3);
    struct buf batch = kit_batch(&space, ops, OP_COUNT);
    for (size_t size = 0; size < batch.size; size++) {
        uint8_t *exact = malloc(size ? size : 1); /* so that a byte too far is seen */
        memcpy(exact, batch.data, size);
        assert_int_equal(read_all(exact, size, space.row_size), LODE_CORRUPT);
        free(exact);
    }
    assert_int_equal(read_all(batch.data, batch.size, space.row_size), LODE_OK);
    buf_release(&batch);
}

static void a_byte_more_is_corrupt(void **state)
{
    (void)state;
    lode_error error;
    struct space space = space_of(LODE_SCALAR_F32, 3);
    struct buf batch = kit_batch(&space, ops, OP_COUNT);
    assert_ok(buf_append_u8(&batch, 0, &error));
    assert_int_equal(read_all(batch.data, batch.size, space.row_size), LODE_CORRUPT);
    buf_release(&batch);
}

static void any_bytes_are_read_safely(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 5);
    struct space space = space_of(LODE_SCALAR_F32, 3);
    struct buf batch = kit_batch(&space, ops, OP_COUNT);
    uint8_t *copy = malloc(batch.size);
    for (int i = 0; i < 20000; i++) {
        memcpy(copy, batch.data, batch.size);
        for (uint32_t n = 1 + rng_below(&rng, 4); n > 0; n--)
            copy[rng_below(&rng, (uint32_t)batch.size)] = (uint8_t)rng_u64(&rng);
        (void)read_all(copy, batch.size, space.row_size);
    }
    free(copy);
    buf_release(&batch);
}

static void what_is_asked_comes_out_for_writers_alone(void **state)
{
    (void)state;
    lode_error error;
    uint8_t id[ID_BYTES_MAX];
    struct op in = {.kind = LODE_WRITE_PATCH,
                    .id = id,
                    .id_size = kit_id(7, id),
                    .condition = LODE_IF_VERSION,
                    .if_version = 5,
                    .metadata = "{\"a\":null}",
                    .metadata_size = 10,
                    .patch_mode = LODE_PATCH_MERGE_DEEP,
                    .given = PATCH_METADATA | PATCH_TEXT};
    struct op out;
    struct batch_reader reader;
    struct buf batch;
    int more;
    buf_init(&batch, 4096);
    assert_ok(batch_begin(&batch, NULL, 0, &error));
    assert_ok(batch_op(&batch, &in, 16, &error));
    batch_end(&batch, 1);
    assert_ok(batch_open(&reader, batch.data, batch.size, 16, BATCH_OF_WRITER, &error));
    assert_ok(batch_next(&reader, &out, &more, &error));
    assert_int_equal(out.kind, in.kind);
    assert_int_equal(out.condition, in.condition);
    assert_int_equal(out.if_version, in.if_version);
    assert_int_equal(out.patch_mode, in.patch_mode);
    assert_int_equal(out.given, in.given);
    assert_int_equal(out.metadata_size, in.metadata_size);
    assert_memory_equal(out.metadata, in.metadata, in.metadata_size);
    assert_null(out.text);
    assert_ok(batch_next(&reader, &out, &more, &error));
    assert_int_equal(more, 0);
    assert_int_equal(read_all(batch.data, batch.size, 16), LODE_CORRUPT); /* not in a log */
    for (uint8_t condition = 0; condition < 5; condition++) { /* without one the rest is too long */
        struct op conditional = {.kind = LODE_WRITE_DELETE, .id = id, .id_size = in.id_size};
        struct buf single;
        conditional.condition = condition;
        buf_init(&single, 4096);
        assert_ok(batch_begin(&single, NULL, 0, &error));
        assert_ok(batch_op(&single, &conditional, 16, &error));
        batch_end(&single, 1);
        assert_int_equal(read_all(single.data, single.size, 16),
                         condition ? LODE_CORRUPT : LODE_OK);
        assert_ok(batch_open(&reader, single.data, single.size, 16, BATCH_OF_WRITER, &error));
        assert_status(batch_next(&reader, &out, &more, &error),
                      condition > LODE_IF_VERSION ? LODE_CORRUPT : LODE_OK);
        buf_release(&single);
    }
    size_t mode_at = batch.size - 8 - in.metadata_size - 4;
    for (size_t i = 0; i < 4; i++) {
        uint8_t good = batch.data[mode_at + i];
        batch.data[mode_at + i] = 9;
        assert_ok(batch_open(&reader, batch.data, batch.size, 16, BATCH_OF_WRITER, &error));
        assert_status(batch_next(&reader, &out, &more, &error), LODE_CORRUPT);
        batch.data[mode_at + i] = good;
    }
    buf_release(&batch);
}

static void request_ids_come_out(void **state)
{
    (void)state;
    lode_error error;
    const uint8_t id[] = "request";
    struct batch_counts counts = {.upserted = 1, .deleted = 2, .patched = 3, .missing = 4};
    struct batch_reader reader;
    struct buf batch;
    buf_init(&batch, 4096);
    assert_ok(batch_begin(&batch, id, 7, &error));
    batch_end(&batch, 0);
    batch_put_counts(&batch, &counts);
    assert_ok(batch_open(&reader, batch.data, batch.size, 16, BATCH_OF_LOG, &error));
    assert_int_equal(reader.request.id_size, 7);
    assert_memory_equal(reader.request.id, id, 7);
    assert_memory_equal(&reader.request.counts, &counts, sizeof counts);
    for (size_t size = 0; size < batch.size; size++)
        assert_int_equal(read_all(batch.data, size, 16), LODE_CORRUPT);
    for (size_t i = 5; i < 8; i++) {
        batch.data[i] = 1;
        assert_int_equal(read_all(batch.data, batch.size, 16), LODE_CORRUPT);
        batch.data[i] = 0;
    }
    batch.data[4] = REQUEST_ID_SIZE_MAX + 1;
    static const uint8_t more[REQUEST_ID_SIZE_MAX + 1];
    assert_ok(buf_append(&batch, more, sizeof more, &error)); /* there are enough bytes for it */
    assert_int_equal(read_all(batch.data, batch.size, 16), LODE_CORRUPT);
    buf_release(&batch);
}

static void a_drop_is_alone_in_its_batch(void **state)
{
    (void)state;
    lode_error error;
    const struct id_namespace space = {"tenant", 6};
    struct id_namespace found;
    struct batch_reader reader;
    struct op op, other = {.kind = LODE_WRITE_DELETE};
    struct buf batch;
    uint8_t id[ID_BYTES_MAX];
    int more = 0;
    buf_init(&batch, 4096);
    assert_ok(batch_drop(&batch, &space, &error));
    assert_true(batch_is_drop(batch.data, batch.size));
    assert_ok(batch_open(&reader, batch.data, batch.size, 16, BATCH_OF_LOG, &error));
    assert_ok(batch_next(&reader, &op, &more, &error));
    assert_true(more && op.kind == OP_DROP);
    assert_int_equal(id_namespace_of(op.id, op.id_size, &found), 8);
    for (size_t size = 0; size < batch.size; size++)
        assert_int_equal(read_all(batch.data, size, 16), LODE_CORRUPT);
    size_t whole = batch.size;
    other.id = id;
    other.id_size = kit_id(1, id);
    assert_ok(batch_op(&batch, &other, 0, &error));
    batch_end(&batch, 2);
    assert_int_equal(read_all(batch.data, batch.size, 16), LODE_CORRUPT);
    batch.size = whole;
    batch_end(&batch, 1);
    batch.data[8] = LODE_WRITE_DELETE; /* of no point */
    assert_int_equal(read_all(batch.data, batch.size, 16), LODE_CORRUPT);
    assert_false(batch_is_drop(batch.data, batch.size));
    buf_release(&batch);
}

static void too_large_is_refused(void **state)
{
    (void)state;
    lode_error error;
    struct space space = space_of(LODE_SCALAR_F32, 64);
    float vector[64] = {0};
    uint8_t id[ID_BYTES_MAX];
    struct op point = {.kind = LODE_WRITE_UPSERT, .id = id, .id_size = kit_id(0, id)};
    struct buf batch;
    buf_init(&batch, 310);
    assert_ok(batch_begin(&batch, NULL, 0, &error));
    assert_ok(batch_upsert(&batch, &space, &point, vector, &error));
    size_t size = batch.size;
    assert_status(batch_upsert(&batch, &space, &point, vector, &error), LODE_LIMIT);
    assert_int_equal(batch.size, size);
    batch_end(&batch, 1);
    assert_int_equal(read_all(batch.data, batch.size, space.row_size), LODE_OK);
    uint8_t many[8] = {0xff, 0xff};
    assert_int_equal(read_all(many, sizeof many, 4), LODE_CORRUPT);
    buf_release(&batch);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_goes_in_comes_out),
        cmocka_unit_test(cut_anywhere_is_corrupt),
        cmocka_unit_test(a_byte_more_is_corrupt),
        cmocka_unit_test(any_bytes_are_read_safely),
        cmocka_unit_test(what_is_asked_comes_out_for_writers_alone),
        cmocka_unit_test(request_ids_come_out),
        cmocka_unit_test(a_drop_is_alone_in_its_batch),
        cmocka_unit_test(too_large_is_refused),
    };
    return cmocka_run_group_tests_name("storage/batch", tests, NULL, NULL);
}
