/* fuzz_api_points.c: any bytes, as the bodies of writes and as a line of an import.
 *
 *     tests/fuzz/run.sh 120 api_points
 *
 * The first byte chooses. Whatever is read must be what lode_write may be given: ids and texts that are bounded and valid,
 * vectors of one dimension and finite; and whatever is refused has a message, and a position within the body. What is
 * written again as JSON reads back the same. Built with -DFUZZ_SEED, the program writes seeds into a folder. */
#include "server/json_hits.h"
#include "server/json_writes.h"

#include "base/utf8.h"
#include "fuzz/fuzz_api.h"

#ifdef FUZZ_SEED
static const char *const seeds[] = {
    "0{\"id\":7,\"vector\":[1,-2.5e-1],\"metadata\":{\"a\":[1,{}]},\"text\":\"caf\\u00e9\"}",
    "0{\"id\":\"a\\/b\",\"vector\":\"AACAPwAAAEA=\",\"expires_at\":1790000000000,\"version\":3}",
    "1{\"vectors\":[{\"id\":1,\"vector\":[1,2]},{\"id\":\"550e8400-e29b-41d4-a716-446655440000\","
    "\"text\":\"t\",\"if\":\"absent\"}],\"namespace\":\"n\",\"if\":{\"version\":3}}",
    "2{\"ids\":[1,\"two\"],\"if\":\"present\",\"namespace\":null}",
    "2{\"filter\":{\"year\":{\"gte\":1990}}}",
    "3{\"ids\":[1],\"metadata\":{\"a\":null},\"mode\":\"merge_deep\",\"text\":null,\"expires\":"
    "null}",
    "3{\"filter\":\"a = 1\",\"remove\":[\"a\",\"b\"],\"expires\":\"2100-01-01T00:00:00Z\"}",
    "3{\"patches\":[{\"id\":1,\"text\":\"x\",\"if\":{\"version\":2}}]}",
};
FUZZ_SEED_MAIN(seeds)
#else

static void check_id(const lode_id *id)
{
    if (id->kind != LODE_ID_STRING)
        return;
    fuzz_require(id->string_size > 0 && id->string_size <= LODE_ID_SIZE_MAX);
    fuzz_require(utf8_valid_prefix(id->string, id->string_size) == id->string_size);
    fuzz_require(!memchr(id->string, '\0', id->string_size));
}

static void check_op(const lode_write_op *op, uint32_t dim)
{
    const lode_point *point = &op->point;
    check_id(&point->id);
    if (op->kind == LODE_WRITE_UPSERT)
        fuzz_require(point->vector || point->text);
    if (point->vector)
        fuzz_require(dim > 0 && json_find_infinite(point->vector, dim) == dim);
    if (point->text) {
        fuzz_require(point->text_size <= LODE_TEXT_SIZE_MAX);
        fuzz_require(utf8_valid_prefix(point->text, point->text_size) == point->text_size);
    }
    fuzz_require(point->metadata_size <= LODE_METADATA_SIZE_MAX);
    fuzz_require(op->condition != LODE_IF_VERSION || op->if_version > 0);
    for (size_t i = 0; i < op->field_count; i++)
        fuzz_require(op->fields[i] != NULL);
}

/* The point as an answer has it, read again. */
static void read_back(const lode_write_op *op, uint32_t dim)
{
    const lode_point *point = &op->point;
    lode_hit hit = {.id = point->id,
                    .vector = point->vector,
                    .metadata = point->metadata,
                    .metadata_size = point->metadata_size,
                    .text = point->text,
                    .text_size = point->text_size};
    struct json_hit_options options = {.dim = dim, .is_base64 = (int)(point->text_size % 2)};
    struct json_writer writer;
    struct json_points points;
    struct json_fault fault;
    struct arena arena;
    struct buf out;
    buf_init(&out, SIZE_MAX / 2);
    arena_init(&arena);
    json_writer_init(&writer, &out, NULL);
    json_hit_write(&writer, &hit, &options);
    fuzz_require(writer.status == LODE_OK);
    json_points_init(&points, JSON_POINTS_OF_BODY, dim, &arena);
    fuzz_require(json_point_read(&points, (const char *)out.data, out.size, &fault) == LODE_OK);
    const lode_point *again = &points.ops[0].point;
    fuzz_require(lode_id_compare(&again->id, &point->id) == 0);
    fuzz_require((again->vector != NULL) == (point->vector != NULL));
    for (uint32_t i = 0; point->vector && i < dim; i++)
        fuzz_require(again->vector[i] == point->vector[i]);
    fuzz_require(again->text_size == point->text_size);
    json_points_release(&points);
    arena_release(&arena);
    buf_release(&out);
}

static void read_line(const char *text, size_t size)
{
    struct json_points points;
    struct json_fault fault;
    struct arena arena;
    arena_init(&arena);
    json_points_init(&points, JSON_POINTS_OF_LINES, 0, &arena);
    if (json_point_read(&points, text, size, &fault) == LODE_OK) {
        fuzz_require(points.count == 1);
        check_op(&points.ops[0], points.dim);
        read_back(&points.ops[0], points.dim);
    } else {
        fuzz_require(points.count == 0);
        fuzz_check_fault(&fault, size);
    }
    json_points_release(&points);
    arena_release(&arena);
}

static void read_body(const char *text, size_t size,
                      lode_status (*read)(struct json_input *input, struct writes *writes))
{
    struct json_input input;
    struct writes writes;
    struct arena arena;
    arena_init(&arena);
    writes_init(&writes, NULL);
    writes.points.arena = &arena;
    json_input_init(&input, text, size, &arena);
    if (read(&input, &writes) == LODE_OK)
        for (size_t i = 0; i < writes.points.count; i++)
            check_op(&writes.points.ops[i], writes.points.dim);
    else
        fuzz_check_fault(&input.fault, size);
    writes_release(&writes);
    arena_release(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    const char *text = (const char *)data + 1;
    switch (data[0] % 4) {
    case 0: read_line(text, size - 1); break;
    case 1: read_body(text, size - 1, writes_read_upsert); break;
    case 2: read_body(text, size - 1, writes_read_delete); break;
    default: read_body(text, size - 1, writes_read_patch); break;
    }
    return 0;
}
#endif
