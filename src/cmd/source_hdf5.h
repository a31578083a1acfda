/* source_hdf5.h: what HDF5 needs beside the common reader. */
#ifndef CMD_SOURCE_HDF5_H
#define CMD_SOURCE_HDF5_H

#include "cmd/source.h"

/* Called in place of input_open: the library opens files itself. */
NODISCARD lode_status source_hdf5_open(struct source *source, const char *path, lode_error *error);

int hdf5_has_dataset(const char *path, const char *name);

/* A whole two-dimensional dataset of integers, row-major; the caller frees values. */
struct hdf5_integers {
    int64_t *values;
    uint64_t rows, columns;
};
NODISCARD lode_status hdf5_read_integers(const char *path, const char *name,
                                         struct hdf5_integers *ret, lode_error *error);

#endif
