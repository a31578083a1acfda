/* source_vecs.c: .fvecs, .bvecs, .ivecs (http://corpus-texmex.irisa.fr): each row is its dimension as
 * int32, then as many float32, uint8 or int32, little-endian, without a header. All rows of a file
 * must have one dimension. */
#include "cmd/source.h"

#include "base/le.h"

#include <string.h>

#define FLOAT_EXACT_MAX 16777216 /* integers up to here are floats without rounding */

static size_t scalar_size(const struct source *source)
{
    return source->options.format == FORMAT_BVECS ? 1 : 4;
}

static size_t row_size(const struct source *source)
{
    return 4 + source->dim * scalar_size(source);
}

/* The dimension that the row at data begins with. */
static lode_status take_dim(struct source *source, const char *data, lode_error *error)
{
    uint32_t dim = le_load_u32(data);
    if (dim > INT32_MAX)
        return error_set(error, LODE_INVALID, "the row says that it has %ld dimensions",
                         (long)(int32_t)dim);
    return source_set_dim(source, dim, error);
}

static lode_status vecs_open(struct source *source, lode_error *error)
{
    struct input *input = &source->input;
    size_t available = 0;
    lode_status status = input_peek(input, 4, &available, error);
    if (status || available == 0)
        return status;
    source->position = 1;
    if (available < 4)
        return error_set(error, LODE_INVALID, "the file ends within the row's first 4 bytes");
    status = take_dim(source, input_data(input), error);
    if (status)
        return status;
    source->position = 0;
    if (input->size == 0)
        return LODE_OK;
    source->count = input->size / row_size(source);
    uint64_t rest = input->size % row_size(source);
    if (rest == 0)
        return LODE_OK;
    source->position = source->count + 1;
    return error_set(error, LODE_INVALID,
                     "the row is cut off: it begins at byte %llu and has %llu of its %zu bytes",
                     (unsigned long long)(input->size - rest), (unsigned long long)rest,
                     row_size(source));
}

static void bytes_to_floats(const char *data, uint32_t dim, float *vector)
{
    for (uint32_t i = 0; i < dim; i++)
        vector[i] = (float)(uint8_t)data[i];
}

static lode_status ints_to_floats(const char *data, uint32_t dim, float *vector, lode_error *error)
{
    for (uint32_t i = 0; i < dim; i++) {
        int32_t value = (int32_t)le_load_u32(data + 4 * (size_t)i);
        if (value > FLOAT_EXACT_MAX || value < -FLOAT_EXACT_MAX)
            return error_set(error, LODE_INVALID,
                             "component %lu is %ld: beyond %d an integer is not exact as a float",
                             (unsigned long)i, (long)value, FLOAT_EXACT_MAX);
        vector[i] = (float)value;
    }
    return LODE_OK;
}

static lode_status convert_row(const struct source *source, const char *data, float *vector,
                               lode_error *error)
{
    if (source->options.format == FORMAT_IVECS)
        return ints_to_floats(data, source->dim, vector, error);
    if (source->options.format == FORMAT_BVECS) {
        bytes_to_floats(data, source->dim, vector);
        return LODE_OK;
    }
    memcpy(vector, data, source->dim * sizeof *vector);
    return source_check_finite(vector, source->dim, error);
}

static lode_status read_row(struct source *source, float *vector, lode_error *error)
{
    struct input *input = &source->input;
    const char *data = input_data(input);
    lode_status status = take_dim(source, data, error);
    if (status == LODE_OK)
        status = convert_row(source, data + 4, vector, error);
    if (status == LODE_OK)
        input_take(input, row_size(source));
    return status;
}

static lode_status vecs_read(struct source *source, struct batch *batch, lode_error *error)
{
    struct input *input = &source->input;
    size_t available = 0;
    lode_status status = input_peek(input, row_size(source), &available, error);
    if (status)
        return status;
    if (available == 0) {
        source->ended = 1;
        return LODE_OK;
    }
    source->position = source->index + 1;
    uint64_t offset = input->offset;
    if (available < row_size(source))
        return error_set(error, LODE_INVALID,
                         "the row is cut off: it begins at byte %llu and has %zu of its %zu bytes",
                         (unsigned long long)offset, available, row_size(source));
    float *vector = NULL;
    lode_point point = {.vector = NULL};
    status = batch_vector(batch, source->dim, &vector, error);
    if (status == LODE_OK)
        status = source_next_id(source, batch, &point.id, error);
    if (status)
        return status;
    status = read_row(source, vector, error);
    if (status) {
        error_prefix(error, "byte %llu: ", (unsigned long long)offset);
        return status;
    }
    point.vector = vector;
    batch_add(batch, &point);
    return LODE_OK;
}

static lode_status vecs_skip(struct source *source, uint64_t count, uint64_t *ret_skipped,
                             lode_error *error)
{
    size_t available = 0;
    lode_status status = LODE_OK;
    if (source->count != COUNT_UNKNOWN) {
        status = input_skip(&source->input, count * row_size(source), error);
        *ret_skipped = status ? 0 : count;
        return status;
    }
    for (*ret_skipped = 0; *ret_skipped < count; ++*ret_skipped) {
        status = input_peek(&source->input, row_size(source), &available, error);
        if (status || available < row_size(source))
            break;
        input_take(&source->input, row_size(source));
    }
    return status;
}

const struct source_ops source_fvecs = {
    .unit = "row", .open = vecs_open, .read = vecs_read, .skip = vecs_skip};
const struct source_ops source_bvecs = {
    .unit = "row", .open = vecs_open, .read = vecs_read, .skip = vecs_skip};
const struct source_ops source_ivecs = {
    .unit = "row", .open = vecs_open, .read = vecs_read, .skip = vecs_skip};
