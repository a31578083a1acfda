/* source_hdf5.c: a two-dimensional dataset of numbers in an HDF5 file, as ann-benchmarks.com publishes
 * them ("train", "test", "neighbors"). libhdf5 is not hardened against hostile files: this is for
 * data sets from people you trust. It converts whatever numbers are there to float by itself. */
#include "cmd/source_hdf5.h"

#include <hdf5.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK_BYTES ((size_t)1 << 20) /* read at once: the library's calls are slow */

struct hdf5_state {
    hid_t file, dataset, space;
    char *path;
    float *block;
    uint64_t block_rows;               /* room */
    uint64_t block_first, block_count; /* the rows that are there */
};

/* Rows [first, first + count) of an opened dataset, converted to `type`. */
static int read_rows(const struct hdf5_state *state, hid_t type, uint64_t first, uint64_t count,
                     uint64_t columns, void *to)
{
    hsize_t start[2] = {first, 0}, extent[2] = {count, columns};
    hid_t memory = H5Screate_simple(2, extent, NULL);
    int failed = memory < 0 ||
                 H5Sselect_hyperslab(state->space, H5S_SELECT_SET, start, NULL, extent, NULL) < 0 ||
                 H5Dread(state->dataset, type, memory, state->space, H5P_DEFAULT, to) < 0;
    if (memory >= 0)
        H5Sclose(memory);
    return failed;
}

static void state_release(struct hdf5_state *state)
{
    if (state->space > 0)
        H5Sclose(state->space);
    if (state->dataset > 0)
        H5Dclose(state->dataset);
    if (state->file > 0)
        H5Fclose(state->file);
    free(state->block);
    free(state->path);
}

static lode_status open_file(struct hdf5_state *state, const char *path, lode_error *error)
{
    if (access(path, F_OK) != 0)
        return error_set(error, LODE_NOT_FOUND, "no such file: %s", path);
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* it would print to stderr */
    state->file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (state->file < 0)
        return error_set(error, LODE_INVALID, "%s is not an HDF5 file that can be read", path);
    return LODE_OK;
}

static lode_status open_dataset(struct hdf5_state *state, const char *name, uint64_t shape[2],
                                lode_error *error)
{
    if (H5Lexists(state->file, name, H5P_DEFAULT) <= 0)
        return error_set(error, LODE_NOT_FOUND, "the file has no dataset '%s'; say --dataset NAME",
                         name);
    state->dataset = H5Dopen2(state->file, name, H5P_DEFAULT);
    state->space = state->dataset < 0 ? -1 : H5Dget_space(state->dataset);
    if (state->space < 0)
        return error_set(error, LODE_INVALID, "'%s' is not a dataset that can be read", name);
    hsize_t extent[2];
    int dimensions = H5Sget_simple_extent_ndims(state->space);
    if (dimensions != 2 || H5Sget_simple_extent_dims(state->space, extent, NULL) != 2)
        return error_set(error, LODE_INVALID,
                         "dataset '%s' has %d dimensions, not 2 (rows, components)", name,
                         dimensions);
    hid_t type = H5Dget_type(state->dataset);
    H5T_class_t class = type < 0 ? H5T_NO_CLASS : H5Tget_class(type);
    if (type >= 0)
        H5Tclose(type);
    if (class != H5T_FLOAT && class != H5T_INTEGER)
        return error_set(error, LODE_INVALID, "dataset '%s' holds no numbers", name);
    shape[0] = extent[0];
    shape[1] = extent[1];
    return LODE_OK;
}

lode_status source_hdf5_open(struct source *source, const char *path, lode_error *error)
{
    struct hdf5_state *state = calloc(1, sizeof *state);
    if (!state)
        return error_nomem(error, "a reader", sizeof *state);
    source->state = state;
    state->path = strdup(path);
    return state->path ? LODE_OK : error_nomem(error, "a path", strlen(path));
}

static lode_status hdf5_open(struct source *source, lode_error *error)
{
    struct hdf5_state *state = source->state;
    const char *name = source->options.dataset ? source->options.dataset : "train";
    uint64_t shape[2] = {0};
    lode_status status = open_file(state, state->path, error);
    if (status == LODE_OK)
        status = open_dataset(state, name, shape, error);
    if (status)
        return status;
    source->count = shape[0];
    if (shape[0] == 0)
        return LODE_OK;
    status = source_set_dim(source, shape[1], error);
    if (status)
        return status;
    size_t row_size = source->dim * sizeof(float);
    state->block_rows = BLOCK_BYTES / row_size > 0 ? BLOCK_BYTES / row_size : 1;
    state->block = malloc(state->block_rows * row_size);
    return state->block ? LODE_OK : error_nomem(error, "a block of rows", BLOCK_BYTES);
}

static lode_status read_block(struct source *source, lode_error *error)
{
    struct hdf5_state *state = source->state;
    uint64_t left = source->count - source->index;
    uint64_t count = left < state->block_rows ? left : state->block_rows;
    if (read_rows(state, H5T_NATIVE_FLOAT, source->index, count, source->dim, state->block))
        return error_set(error, LODE_INVALID,
                         "the rows from here cannot be read: the file is "
                         "damaged, or uses a filter that is not installed");
    state->block_first = source->index;
    state->block_count = count;
    return LODE_OK;
}

static lode_status hdf5_read(struct source *source, struct batch *batch, lode_error *error)
{
    struct hdf5_state *state = source->state;
    float *vector = NULL;
    lode_point point = {.vector = NULL};
    source->position = source->index + 1;
    lode_status status = LODE_OK;
    if (source->index < state->block_first ||
        source->index - state->block_first >= state->block_count)
        status = read_block(source, error);
    if (status == LODE_OK)
        status = batch_vector(batch, source->dim, &vector, error);
    if (status == LODE_OK)
        status = source_next_id(source, batch, &point.id, error);
    if (status)
        return status;
    memcpy(vector, state->block + (source->index - state->block_first) * source->dim,
           source->dim * sizeof *vector);
    status = source_check_finite(vector, source->dim, error);
    if (status)
        return status;
    point.vector = vector;
    batch_add(batch, &point);
    return LODE_OK;
}

static lode_status hdf5_skip(struct source *source, uint64_t count, uint64_t *ret_skipped,
                             lode_error *error)
{
    (void)source;
    (void)error;
    *ret_skipped = count;
    return LODE_OK;
}

static void hdf5_close(struct source *source)
{
    if (!source->state)
        return;
    state_release(source->state);
    free(source->state);
}

const struct source_ops source_hdf5 = {
    .unit = "row", .open = hdf5_open, .read = hdf5_read, .skip = hdf5_skip, .close = hdf5_close};

int hdf5_has_dataset(const char *path, const char *name)
{
    struct hdf5_state state = {.path = NULL};
    int has =
        open_file(&state, path, NULL) == LODE_OK && H5Lexists(state.file, name, H5P_DEFAULT) > 0;
    state_release(&state);
    return has;
}

lode_status hdf5_read_integers(const char *path, const char *name, struct hdf5_integers *ret,
                               lode_error *error)
{
    struct hdf5_state state = {.path = NULL};
    uint64_t shape[2] = {0};
    int64_t *values = NULL;
    lode_status status = open_file(&state, path, error);
    if (status == LODE_OK)
        status = open_dataset(&state, name, shape, error);
    if (status == LODE_OK && (shape[1] == 0 || shape[0] > SIZE_MAX / 8 / shape[1]))
        status = error_set(error, LODE_INVALID, "dataset '%s' is %llu × %llu", name,
                           (unsigned long long)shape[0], (unsigned long long)shape[1]);
    if (status == LODE_OK) {
        values = malloc(shape[0] * shape[1] * sizeof *values + 1);
        if (!values)
            status = error_nomem(error, "a dataset", shape[0] * shape[1] * sizeof *values);
    }
    if (status == LODE_OK && shape[0] > 0 &&
        read_rows(&state, H5T_NATIVE_INT64, 0, shape[0], shape[1], values))
        status = error_set(error, LODE_INVALID, "dataset '%s' cannot be read", name);
    state_release(&state);
    if (status) {
        free(values);
        return status;
    }
    *ret = (struct hdf5_integers){.values = values, .rows = shape[0], .columns = shape[1]};
    return LODE_OK;
}
