/* source_npy.c: NumPy's .npy, format versions 1 to 3 (numpy.lib.format): a two-dimensional array in C
 * order of little-endian numbers; a row is a vector. */
#include "cmd/source.h"

#include "base/le.h"
#include "base/number.h"

#include <stdlib.h>
#include <string.h>

#define PREFIX_SIZE     10u /* magic, version, and the smaller form of the header's size */
#define HEADER_SIZE_MAX 65535u

struct npy_type {
    const char *descr;
    size_t size;
    void (*convert)(const char *data, uint32_t count, float *values);
};

struct npy_state {
    const struct npy_type *type;
    size_t row_size;
};

/* IEEE 754 half to float: shift into place, then mend the exponent by a multiplication, which also
 * takes care of subnormals. */
static float half_to_float(uint16_t half)
{
    uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
    uint32_t sign = (uint32_t)(half & 0x8000) << 16;
    float value;
    if (magnitude >= 0x0f800000u) { /* infinity or NaN */
        magnitude |= 0x7f800000u;
        memcpy(&value, &magnitude, sizeof value);
    } else {
        memcpy(&value, &magnitude, sizeof value);
        value *= 0x1p112f;
        memcpy(&magnitude, &value, sizeof magnitude);
    }
    magnitude |= sign;
    memcpy(&value, &magnitude, sizeof value);
    return value;
}

static void convert_f2(const char *data, uint32_t count, float *values)
{
    for (uint32_t i = 0; i < count; i++)
        values[i] = half_to_float(le_load_u16(data + 2 * (size_t)i));
}

static void convert_f4(const char *data, uint32_t count, float *values)
{
    memcpy(values, data, count * sizeof *values);
}

static void convert_f8(const char *data, uint32_t count, float *values)
{
    for (uint32_t i = 0; i < count; i++) {
        double value;
        memcpy(&value, data + 8 * (size_t)i, sizeof value);
        values[i] = (float)value;
    }
}

static void convert_i1(const char *data, uint32_t count, float *values)
{
    for (uint32_t i = 0; i < count; i++)
        values[i] = (float)(int8_t)data[i];
}

static void convert_u1(const char *data, uint32_t count, float *values)
{
    for (uint32_t i = 0; i < count; i++)
        values[i] = (float)(uint8_t)data[i];
}

static void convert_i2(const char *data, uint32_t count, float *values)
{
    for (uint32_t i = 0; i < count; i++)
        values[i] = (float)(int16_t)le_load_u16(data + 2 * (size_t)i);
}

static void convert_u2(const char *data, uint32_t count, float *values)
{
    for (uint32_t i = 0; i < count; i++)
        values[i] = (float)le_load_u16(data + 2 * (size_t)i);
}

static void convert_i4(const char *data, uint32_t count, float *values)
{
    for (uint32_t i = 0; i < count; i++)
        values[i] = (float)(int32_t)le_load_u32(data + 4 * (size_t)i);
}

static void convert_i8(const char *data, uint32_t count, float *values)
{
    for (uint32_t i = 0; i < count; i++)
        values[i] = (float)(int64_t)le_load_u64(data + 8 * (size_t)i);
}

static const struct npy_type types[] = {
    {"<f4", 4, convert_f4}, {"<f8", 8, convert_f8}, {"<f2", 2, convert_f2}, {"|i1", 1, convert_i1},
    {"<i1", 1, convert_i1}, {"|u1", 1, convert_u1}, {"<u1", 1, convert_u1}, {"<i2", 2, convert_i2},
    {"<u2", 2, convert_u2}, {"<i4", 4, convert_i4}, {"<i8", 8, convert_i8},
};

/* --- The header: a Python dictionary with three known keys ----------------------------------------- */

struct header {
    const char *text;
    size_t size, offset;
    const struct npy_type *type;
    uint64_t rows, columns;
    unsigned dimensions;
    unsigned seen; /* bits: descr, fortran_order, shape */
};

static void skip_space(struct header *header)
{
    while (header->offset < header->size &&
           (header->text[header->offset] == ' ' || header->text[header->offset] == '\n'))
        header->offset++;
}

static int take(struct header *header, char c)
{
    skip_space(header);
    if (header->offset == header->size || header->text[header->offset] != c)
        return 0;
    header->offset++;
    return 1;
}

static int take_word(struct header *header, const char *word)
{
    skip_space(header);
    size_t size = strlen(word);
    if (size > header->size - header->offset ||
        memcmp(header->text + header->offset, word, size) != 0)
        return 0;
    header->offset += size;
    return 1;
}

/* A quoted text without escapes; NULL when there is none. */
static const char *take_text(struct header *header, size_t *ret_size)
{
    skip_space(header);
    if (header->offset == header->size)
        return NULL;
    char quote = header->text[header->offset];
    const char *text = header->text + header->offset + 1;
    if (quote != '\'' && quote != '"')
        return NULL;
    const char *end = memchr(text, quote, header->size - header->offset - 1);
    if (!end)
        return NULL;
    header->offset = (size_t)(end - header->text) + 1;
    *ret_size = (size_t)(end - text);
    return text;
}

static lode_status bad_header(const struct header *header, lode_error *error)
{
    return error_set(error, LODE_INVALID, "the .npy header makes no sense at byte %zu",
                     header->offset);
}

static lode_status take_descr(struct header *header, lode_error *error)
{
    size_t size = 0;
    if (take(header, '['))
        return error_set(error, LODE_INVALID,
                         "the array has a structured type; save its vectors alone");
    const char *descr = take_text(header, &size);
    if (!descr)
        return bad_header(header, error);
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (strlen(types[i].descr) == size && memcmp(types[i].descr, descr, size) == 0)
            header->type = &types[i];
    if (header->type)
        return LODE_OK;
    return error_set(error, LODE_INVALID,
                     "the array's type is '%.*s'; it may be f2, f4, f8, i1, u1, i2, u2, i4 or i8, "
                     "little-endian: save a.astype('<f4')",
                     (int)(size < 32 ? size : 32), descr);
}

static lode_status take_order(struct header *header, lode_error *error)
{
    if (take_word(header, "False"))
        return LODE_OK;
    if (take_word(header, "True"))
        return error_set(error, LODE_INVALID,
                         "the array is in Fortran order; save numpy.ascontiguousarray(a)");
    return bad_header(header, error);
}

static int take_extent(struct header *header, uint64_t *ret_extent)
{
    skip_space(header);
    size_t begin = header->offset;
    while (header->offset < header->size && header->text[header->offset] >= '0' &&
           header->text[header->offset] <= '9')
        header->offset++;
    return number_parse_u64(header->text + begin, header->offset - begin, ret_extent);
}

static lode_status take_shape(struct header *header, lode_error *error)
{
    if (!take(header, '('))
        return bad_header(header, error);
    while (!take(header, ')')) {
        uint64_t extent = 0;
        if (!take_extent(header, &extent))
            return bad_header(header, error);
        if (header->dimensions == 0)
            header->rows = extent;
        if (header->dimensions == 1)
            header->columns = extent;
        header->dimensions++;
        if (take(header, ','))
            continue;
        if (!take(header, ')'))
            return bad_header(header, error);
        break;
    }
    if (header->dimensions == 2)
        return LODE_OK;
    return error_set(error, LODE_INVALID,
                     "the array has %u dimensions, not 2 (rows, components): save "
                     "a.reshape(rows, -1)",
                     header->dimensions);
}

static lode_status take_entry(struct header *header, lode_error *error)
{
    size_t size = 0;
    const char *key = take_text(header, &size);
    if (!key || !take(header, ':'))
        return bad_header(header, error);
    static const struct {
        const char *key;
        lode_status (*take)(struct header *header, lode_error *error);
    } entries[] = {{"descr", take_descr}, {"fortran_order", take_order}, {"shape", take_shape}};
    for (unsigned i = 0; i < 3; i++) {
        if (strlen(entries[i].key) != size || memcmp(entries[i].key, key, size) != 0)
            continue;
        if (header->seen & 1u << i)
            return error_set(error, LODE_INVALID, "the .npy header says '%s' twice",
                             entries[i].key);
        header->seen |= 1u << i;
        return entries[i].take(header, error);
    }
    return error_set(error, LODE_INVALID, "the .npy header has an unknown key '%.*s'",
                     (int)(size < 32 ? size : 32), key);
}

static lode_status parse_header(struct header *header, lode_error *error)
{
    if (!take(header, '{'))
        return bad_header(header, error);
    while (!take(header, '}')) {
        lode_status status = take_entry(header, error);
        if (status)
            return status;
        if (take(header, ','))
            continue;
        if (!take(header, '}'))
            return bad_header(header, error);
        break;
    }
    skip_space(header);
    if (header->seen != 7)
        return error_set(error, LODE_INVALID,
                         "the .npy header lacks one of descr, fortran_order and shape");
    return header->offset == header->size ? LODE_OK : bad_header(header, error);
}

/* The size of prefix and header together. */
static lode_status read_prefix(struct input *input, size_t *ret_prefix, size_t *ret_header,
                               lode_error *error)
{
    size_t available = 0;
    lode_status status = input_peek(input, PREFIX_SIZE + 2, &available, error);
    if (status)
        return status;
    const char *data = input_data(input);
    if (available < PREFIX_SIZE || memcmp(data, "\x93NUMPY", 6) != 0)
        return error_set(error, LODE_INVALID,
                         "this is not a .npy file: it does not begin with "
                         "\\x93NUMPY");
    int version = (unsigned char)data[6];
    if (version < 1 || version > 3 || data[7] != 0)
        return error_set(error, LODE_UNSUPPORTED,
                         ".npy version %d.%d is unknown; 1.0 to 3.0 are "
                         "read",
                         data[6], data[7]);
    size_t prefix = version == 1 ? PREFIX_SIZE : PREFIX_SIZE + 2;
    size_t header =
        version == 1 ? le_load_u16(data + 8) : (available < prefix ? 0 : le_load_u32(data + 8));
    if (header == 0 || header > HEADER_SIZE_MAX)
        return error_set(error, LODE_INVALID, "the .npy header has %zu bytes; 1 to %u make sense",
                         header, HEADER_SIZE_MAX);
    *ret_prefix = prefix;
    *ret_header = header;
    return LODE_OK;
}

static lode_status read_header(struct input *input, struct header *header, lode_error *error)
{
    size_t prefix_size = 0, header_size = 0, available = 0;
    lode_status status = read_prefix(input, &prefix_size, &header_size, error);
    if (status == LODE_OK)
        status = input_peek(input, prefix_size + header_size, &available, error);
    if (status)
        return status;
    if (available < prefix_size + header_size)
        return error_set(error, LODE_INVALID, "the file ends within its header");
    header->text = input_data(input) + prefix_size;
    header->size = header_size;
    status = parse_header(header, error);
    if (status == LODE_OK)
        input_take(input, prefix_size + header_size);
    return status;
}

static lode_status npy_open(struct source *source, lode_error *error)
{
    struct header header = {.text = NULL};
    struct npy_state *state = calloc(1, sizeof *state);
    if (!state)
        return error_nomem(error, "a reader", sizeof *state);
    source->state = state;
    lode_status status = read_header(&source->input, &header, error);
    if (status)
        return status;
    source->count = header.rows;
    if (header.rows == 0)
        return LODE_OK;
    status = source_set_dim(source, header.columns, error);
    if (status)
        return status;
    state->type = header.type;
    state->row_size = source->dim * header.type->size;
    uint64_t size = source->input.size;
    uint64_t header_end = source->input.offset;
    if (header.rows > (UINT64_MAX - header_end) / state->row_size ||
        (size && size != header_end + header.rows * state->row_size))
        return error_set(error, LODE_INVALID,
                         "the header promises %llu rows of %zu bytes after byte %llu; the file "
                         "has %llu bytes",
                         (unsigned long long)header.rows, state->row_size,
                         (unsigned long long)header_end, (unsigned long long)size);
    return LODE_OK;
}

static lode_status npy_read(struct source *source, struct batch *batch, lode_error *error)
{
    const struct npy_state *state = source->state;
    struct input *input = &source->input;
    size_t available = 0;
    lode_status status = input_peek(input, state->row_size, &available, error);
    if (status)
        return status;
    source->position = source->index + 1;
    if (available < state->row_size)
        return error_set(error, LODE_INVALID,
                         "the file ends within the row, at byte %llu: %llu rows were promised",
                         (unsigned long long)(input->offset + available),
                         (unsigned long long)source->count);
    float *vector = NULL;
    lode_point point = {.vector = NULL};
    status = batch_vector(batch, source->dim, &vector, error);
    if (status == LODE_OK)
        status = source_next_id(source, batch, &point.id, error);
    if (status)
        return status;
    state->type->convert(input_data(input), source->dim, vector);
    status = source_check_finite(vector, source->dim, error);
    if (status)
        return status;
    input_take(input, state->row_size);
    point.vector = vector;
    batch_add(batch, &point);
    return LODE_OK;
}

static lode_status npy_skip(struct source *source, uint64_t count, uint64_t *ret_skipped,
                            lode_error *error)
{
    const struct npy_state *state = source->state;
    lode_status status = input_skip(&source->input, count * state->row_size, error);
    *ret_skipped = status ? 0 : count;
    return status;
}

static void npy_close(struct source *source)
{
    free(source->state);
}

const struct source_ops source_npy = {
    .unit = "row", .open = npy_open, .read = npy_read, .skip = npy_skip, .close = npy_close};
