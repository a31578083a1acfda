/* graph_file.h: what the files of both graphs are made of: a header, then arrays, each at a multiple of 64. */
#ifndef INDEX_GRAPH_FILE_H
#define INDEX_GRAPH_FILE_H

#include "index/index.h"

static inline uint64_t graph_align(uint64_t offset)
{
    return (offset + 63) & ~(uint64_t)63;
}

/* An array and the zeros up to the next multiple of 64. */
NODISCARD static inline lode_status graph_write_array(const struct index_sink *sink,
                                                      const void *data, uint64_t size,
                                                      lode_error *error)
{
    static const uint8_t zeros[64];
    lode_status status = size ? sink->write(sink->context, data, size, error) : LODE_OK;
    uint64_t rest = graph_align(size) - size;
    if (status == LODE_OK && rest)
        status = sink->write(sink->context, zeros, rest, error);
    return status;
}

#endif
