/* storage_kit.c: see storage_kit.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/storage_kit.h"

void kit_status(lode_status status, lode_status wanted, const lode_error *error, const char *call,
                const char *file, int line)
{
    if (status == wanted)
        return;
    print_error("%s: status %d, wanted %d: %s\n", call, (int)status, (int)wanted, error->message);
    _fail(file, line);
}

uint8_t *kit_read(struct vfs *vfs, const char *path, size_t *ret_size)
{
    lode_error error;
    struct vfs_file *file;
    uint64_t size;
    assert_ok(vfs_open(vfs, path, VFS_READ, &file, &error));
    assert_ok(vfs_size(file, &size, &error));
    uint8_t *data = malloc(size ? size : 1);
    assert_non_null(data);
    assert_ok(vfs_read(file, 0, data, size, &error));
    vfs_close(file);
    *ret_size = size;
    return data;
}

void kit_write(struct vfs *vfs, const char *path, const void *data, size_t size)
{
    lode_error error;
    struct vfs_file *file;
    assert_ok(vfs_open(vfs, path, VFS_WRITE | VFS_CREATE | VFS_TRUNCATE, &file, &error));
    assert_ok(vfs_write(file, 0, data, size, &error));
    assert_ok(vfs_sync(file, &error));
    vfs_close(file);
}

void kit_flip(struct vfs *vfs, const char *path, uint64_t bit)
{
    lode_error error;
    struct vfs_file *file;
    uint8_t byte;
    assert_ok(vfs_open(vfs, path, VFS_READ | VFS_WRITE, &file, &error));
    assert_ok(vfs_read(file, bit / 8, &byte, 1, &error));
    byte ^= (uint8_t)(1u << bit % 8);
    assert_ok(vfs_write(file, bit / 8, &byte, 1, &error));
    assert_ok(vfs_sync(file, &error));
    vfs_close(file);
}

int kit_exists(struct vfs *vfs, const char *path)
{
    lode_error error;
    int exists;
    assert_ok(vfs_exists(vfs, path, &exists, &error));
    return exists;
}

/* --- Points ------------------------------------------------------------------------------------ */

static lode_id make_id(unsigned id, char text[32])
{
    if (id < 1000)
        return (lode_id){.kind = LODE_ID_NUMBER, .number = id};
    if (id < 2000) {
        int size = snprintf(text, 32, "id-%u", id);
        return (lode_id){.kind = LODE_ID_STRING, .string = text, .string_size = (size_t)size};
    }
    lode_id result = {.kind = LODE_ID_UUID};
    memcpy(result.uuid, &id, sizeof id);
    return result;
}

size_t kit_id(unsigned id, uint8_t bytes[ID_BYTES_MAX])
{
    char text[32];
    lode_id made = make_id(id, text);
    return id_encode(&made, bytes);
}

static void make_vector(int value, float *vector, size_t dim)
{
    for (size_t i = 0; i < dim; i++)
        vector[i] = (float)(value + (int)i);
}

static size_t make_metadata(int value, char text[32])
{
    return value % 2 ? (size_t)snprintf(text, 32, "{\"v\":%d}", value) : 0;
}

static size_t make_text(int value, char text[32])
{
    return value % 3 == 0 ? (size_t)snprintf(text, 32, "text %d", value) : 0;
}

static void put_op(struct buf *batch, const struct space *space, const struct kit_op *op)
{
    lode_error error;
    char metadata[32], text[32];
    uint8_t id[ID_BYTES_MAX];
    struct op encoded = {.kind = LODE_WRITE_DELETE, .id = id, .id_size = kit_id(op->id, id)};
    if (op->value == KIT_DELETE) {
        assert_ok(batch_op(batch, &encoded, 0, &error));
        return;
    }
    float *vector = malloc(space->dim * sizeof *vector);
    assert_non_null(vector);
    make_vector(op->value, vector, space->dim);
    encoded.kind = LODE_WRITE_UPSERT;
    encoded.metadata = metadata;
    encoded.metadata_size = make_metadata(op->value, metadata);
    encoded.text = text;
    encoded.text_size = make_text(op->value, text);
    assert_ok(batch_upsert(batch, space, &encoded, vector, &error));
    free(vector);
}

struct buf kit_batch(const struct space *space, const struct kit_op *ops, size_t count)
{
    lode_error error;
    struct buf batch;
    buf_init(&batch, LODE_BATCH_SIZE_MAX);
    assert_ok(batch_begin(&batch, NULL, 0, &error));
    for (size_t i = 0; i < count; i++)
        put_op(&batch, space, &ops[i]);
    batch_end(&batch, (uint32_t)count);
    return batch;
}

/* --- Versions ---------------------------------------------------------------------------------- */

struct version *kit_version(const struct space *space, uint64_t number, uint64_t bytes_max)
{
    lode_error error;
    struct growing_options options = {.space = space,
                                      .number = number,
                                      .bytes_max = bytes_max,
                                      .use_graph = 1,
                                      .params = {.m = 8, .ef_construction = 40, .seed = 1}};
    struct version *version = version_new(1);
    assert_non_null(version);
    assert_ok(growing_new(&options, &version->views[0].segment, &error));
    return version;
}

struct segment *kit_growing(const struct version *version)
{
    return version->views[version->view_count - 1].segment;
}

lode_status kit_prepare(struct version *from, const struct buf *batch, struct apply **ret_apply,
                        lode_error *error)
{
    struct apply_batch one = {.bytes = batch};
    struct apply_group group = {
        .batches = &one, .count = 1, .bytes_max = UINT64_MAX, .first_fits = 1};
    lode_status status = apply_prepare(from, kit_growing(from), &group, ret_apply, error);
    if (!status)
        assert_int_equal(group.applied, 1);
    return status;
}

void kit_apply_group(struct version **version, const struct buf *batches, size_t count,
                     struct batch_counts *counts)
{
    lode_error error;
    struct apply *apply;
    struct apply_batch applied[64];
    struct apply_group group = {.batches = applied, .count = count, .bytes_max = UINT64_MAX};
    assert_true(count <= 64);
    for (size_t i = 0; i < count; i++)
        applied[i] = (struct apply_batch){.bytes = &batches[i]};
    assert_ok(apply_prepare(*version, kit_growing(*version), &group, &apply, &error));
    assert_int_equal(group.applied, count);
    struct version *next = apply_commit(apply);
    for (size_t i = 0; counts && i < count; i++)
        counts[i] = applied[i].counts;
    assert_int_equal(next->sequence, (*version)->sequence + count);
    version_unref(*version);
    *version = next;
}

void kit_apply(struct version **version, const struct kit_op *ops, size_t count)
{
    struct buf batch = kit_batch(kit_growing(*version)->rows.space, ops, count);
    kit_apply_group(version, &batch, 1, NULL);
    buf_release(&batch);
}

static void check_row(const struct segment *segment, uint32_t row, int value, unsigned id)
{
    lode_error error;
    uint8_t bytes[ID_BYTES_MAX];
    char metadata[32], text[32];
    struct document document;
    size_t size, wanted = kit_id(id, bytes);
    const uint8_t *stored;
    assert_ok(segment->ops->id(segment, row, &stored, &size, &error));
    assert_int_equal(size, wanted);
    assert_memory_equal(stored, bytes, wanted);
    assert_ok(segment->ops->document(segment, row, &document, &error));
    assert_int_equal(document.metadata_size, make_metadata(value, metadata));
    assert_int_equal(document.text_size, make_text(value, text));
    if (document.metadata_size)
        assert_memory_equal(document.metadata, metadata, document.metadata_size);
    if (document.text_size)
        assert_memory_equal(document.text, text, document.text_size);
}

static int value_of(const struct segment *segment, uint32_t row, unsigned id)
{
    const struct space *space = segment->rows.space;
    float *vector = malloc(space->dim * sizeof *vector);
    assert_non_null(vector);
    lode_error error;
    assert_ok(rows_touch(&segment->rows, row, 1, &error));
    space_decode(space, rows_at(&segment->rows, row), vector);
    int value = (int)vector[0];
    for (size_t i = 0; i < space->dim; i++)
        assert_true(vector[i] == (float)(value + (int)i));
    free(vector);
    check_row(segment, row, value, id);
    return value;
}

int kit_value(const struct version *version, unsigned id)
{
    uint8_t bytes[ID_BYTES_MAX];
    uint32_t row;
    lode_error error;
    const struct segment_view *view;
    size_t size = kit_id(id, bytes);
    assert_ok(version_find(version, bytes, size, &view, &row, &error));
    return view ? value_of(view->segment, row, id) : KIT_DELETE;
}

int kit_view_value(const struct segment_view *view, unsigned id)
{
    uint8_t bytes[ID_BYTES_MAX];
    size_t size = kit_id(id, bytes);
    struct id_key key = {.bytes = bytes, .size = size, .hash = id_hash(bytes, size)};
    lode_error error;
    uint32_t row;
    assert_ok(view->segment->ops->find(view, &key, &row, &error));
    return row == ROW_NONE ? KIT_DELETE : value_of(view->segment, row, id);
}

struct store kit_store(struct vfs *vfs, size_t dim)
{
    lode_error error;
    struct store store = {.vfs = vfs,
                          .dir = "c",
                          .collection_uid = 77,
                          .params = {.m = 8, .ef_construction = 40, .seed = 1},
                          .index = LODE_INDEX_HNSW};
    space_init(&store.space, LODE_METRIC_L2, LODE_SCALAR_F32, dim);
    if (!kit_exists(vfs, "c"))
        assert_ok(vfs_make_dir(vfs, "c", &error));
    return store;
}
