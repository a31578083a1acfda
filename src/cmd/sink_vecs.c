/* sink_vecs.c: .fvecs, .bvecs and .ivecs, .npy (<f4): vectors without ids. */
#include "cmd/sink.h"

#include "base/le.h"

#include <math.h>

static lode_status put_dim(struct sink *sink, lode_error *error)
{
    return buf_append_u32(&sink->line, sink->options.dim, error);
}

static lode_status fvecs_write(struct sink *sink, const lode_hit *hit, lode_error *error)
{
    uint8_t dim[4];
    le_store_u32(dim, sink->options.dim);
    lode_status status = sink_put(sink, dim, sizeof dim, error);
    return status ? status
                  : sink_put(sink, hit->vector, sink->options.dim * sizeof *hit->vector, error);
}

/* The component as an integer within [low, high], or an error. */
static lode_status whole(float value, double low, double high, int32_t *ret_value,
                         lode_error *error)
{
    double number = (double)value;
    if (number < low || number > high || number != nearbyint(number))
        return error_set(error, LODE_INVALID,
                         "component %g is not a whole number from %.0f to %.0f: export as .fvecs",
                         number, low, high);
    *ret_value = (int32_t)number;
    return LODE_OK;
}

static lode_status bvecs_write(struct sink *sink, const lode_hit *hit, lode_error *error)
{
    int32_t value = 0;
    lode_status status = put_dim(sink, error);
    for (uint32_t i = 0; i < sink->options.dim && status == LODE_OK; i++) {
        status = whole(hit->vector[i], 0, 255, &value, error);
        if (status == LODE_OK)
            status = buf_append_u8(&sink->line, (uint8_t)value, error);
    }
    return status ? status : sink_put_line(sink, error);
}

static lode_status ivecs_write(struct sink *sink, const lode_hit *hit, lode_error *error)
{
    int32_t value = 0;
    lode_status status = put_dim(sink, error);
    for (uint32_t i = 0; i < sink->options.dim && status == LODE_OK; i++) {
        status = whole(hit->vector[i], INT32_MIN, INT32_MAX, &value, error);
        if (status == LODE_OK)
            status = buf_append_u32(&sink->line, (uint32_t)value, error);
    }
    return status ? status : sink_put_line(sink, error);
}

/* Version 1.0: the header is padded with spaces to a multiple of 64 bytes. */
static lode_status npy_begin(struct sink *sink, lode_error *error)
{
    struct buf *line = &sink->line;
    lode_status status = buf_append(line, "\x93NUMPY\x01\x00\x00\x00", 10, error);
    if (status == LODE_OK)
        status = buf_printf(
            line, error, "{'descr': '<f4', 'fortran_order': False, 'shape': (%llu, %lu), }",
            (unsigned long long)sink->options.count, (unsigned long)sink->options.dim);
    while (status == LODE_OK && line->size % 64 != 63)
        status = buf_append_u8(line, ' ', error);
    if (status == LODE_OK)
        status = buf_append_u8(line, '\n', error);
    if (status)
        return status;
    le_store_u16(line->data + 8, (uint16_t)(line->size - 10));
    return sink_put_line(sink, error);
}

static lode_status npy_write(struct sink *sink, const lode_hit *hit, lode_error *error)
{
    return sink_put(sink, hit->vector, sink->options.dim * sizeof *hit->vector, error);
}

static lode_status npy_end(struct sink *sink, lode_error *error)
{
    if (sink->written == sink->options.count)
        return LODE_OK;
    return error_set(error, LODE_CORRUPT, "%llu points were there, not the %llu that were promised",
                     (unsigned long long)sink->written, (unsigned long long)sink->options.count);
}

const struct sink_ops sink_fvecs = {.write = fvecs_write};
const struct sink_ops sink_bvecs = {.write = bvecs_write};
const struct sink_ops sink_ivecs = {.write = ivecs_write};
const struct sink_ops sink_npy = {.begin = npy_begin, .write = npy_write, .end = npy_end};
