/* sink_hdf5.c: vectors as one two-dimensional float dataset of a new HDF5 file, written in blocks. */
#include "cmd/sink.h"

#include <errno.h>
#include <hdf5.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES ((size_t)1 << 20)

struct hdf5_state {
    hid_t file, dataset, space;
    float *block;
    uint64_t block_rows, block_count;
    uint64_t flushed; /* rows */
};

static lode_status hdf5_begin(struct sink *sink, lode_error *error)
{
    struct hdf5_state *state = calloc(1, sizeof *state);
    if (!state)
        return error_nomem(error, "a writer", sizeof *state);
    sink->state = state;
    size_t row_size = sink->options.dim * sizeof(float);
    state->block_rows = BLOCK_BYTES / row_size > 0 ? BLOCK_BYTES / row_size : 1;
    state->block = malloc(state->block_rows * row_size);
    if (!state->block)
        return error_nomem(error, "a block of rows", state->block_rows * row_size);
    const char *name = sink->options.dataset ? sink->options.dataset : "train";
    hsize_t extent[2] = {sink->options.count, sink->options.dim};
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    state->file = H5Fcreate(sink->partial_path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    if (state->file < 0)
        return error_os(error, errno ? errno : EIO, "cannot write %s", sink->partial_path);
    state->space = H5Screate_simple(2, extent, NULL);
    state->dataset = H5Dcreate2(state->file, name, H5T_IEEE_F32LE, state->space, H5P_DEFAULT,
                                H5P_DEFAULT, H5P_DEFAULT);
    if (state->space < 0 || state->dataset < 0)
        return error_set(error, LODE_INVALID, "cannot make a dataset named '%s'", name);
    return LODE_OK;
}

static lode_status flush_block(struct hdf5_state *state, uint32_t dim, lode_error *error)
{
    if (state->block_count == 0)
        return LODE_OK;
    hsize_t start[2] = {state->flushed, 0}, extent[2] = {state->block_count, dim};
    hid_t memory = H5Screate_simple(2, extent, NULL);
    int failed = memory < 0 ||
                 H5Sselect_hyperslab(state->space, H5S_SELECT_SET, start, NULL, extent, NULL) < 0 ||
                 H5Dwrite(state->dataset, H5T_NATIVE_FLOAT, memory, state->space, H5P_DEFAULT,
                          state->block) < 0;
    if (memory >= 0)
        H5Sclose(memory);
    state->flushed += state->block_count;
    state->block_count = 0;
    return failed ? error_os(error, errno ? errno : EIO, "the HDF5 library cannot write") : LODE_OK;
}

static lode_status hdf5_write(struct sink *sink, const lode_hit *hit, lode_error *error)
{
    struct hdf5_state *state = sink->state;
    uint32_t dim = sink->options.dim;
    memcpy(state->block + state->block_count * dim, hit->vector, dim * sizeof *hit->vector);
    state->block_count++;
    if (state->block_count < state->block_rows)
        return LODE_OK;
    return flush_block(state, dim, error);
}

static void close_handles(struct hdf5_state *state, int *ret_failed)
{
    if (state->dataset > 0)
        *ret_failed |= H5Dclose(state->dataset) < 0;
    if (state->space > 0)
        *ret_failed |= H5Sclose(state->space) < 0;
    if (state->file > 0)
        *ret_failed |= H5Fclose(state->file) < 0;
    state->dataset = state->space = state->file = 0;
}

static lode_status hdf5_end(struct sink *sink, lode_error *error)
{
    struct hdf5_state *state = sink->state;
    int failed = 0;
    lode_status status = flush_block(state, sink->options.dim, error);
    close_handles(state, &failed);
    if (status == LODE_OK && (failed || rename(sink->partial_path, sink->path) != 0))
        status = error_os(error, errno ? errno : EIO, "cannot write %s", sink->path);
    return status;
}

static void hdf5_close(struct sink *sink)
{
    struct hdf5_state *state = sink->state;
    int failed = 0;
    if (!state)
        return;
    close_handles(state, &failed);
    free(state->block);
    free(state);
}

const struct sink_ops sink_hdf5 = {.opens_itself = 1,
                                   .begin = hdf5_begin,
                                   .write = hdf5_write,
                                   .end = hdf5_end,
                                   .close = hdf5_close};
