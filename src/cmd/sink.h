/* sink.h: points into a file of any of the formats that source.h reads. A file appears under its
 * name only when it is complete: until then it is "<name>.partial". */
#ifndef CMD_SINK_H
#define CMD_SINK_H

#include "cmd/source.h"

#include <stdio.h>

/* Names of the metadata's columns in a CSV file, ordered. */
struct sink_columns {
    char **names;
    size_t count, capacity;
    int has_expiry; /* 1: some point has one, and there is a column for it */
};
#define SINK_COLUMNS_MAX 4096
/* Add the members of one point's metadata. LODE_LIMIT: more than SINK_COLUMNS_MAX names. */
NODISCARD lode_status sink_columns_add(struct sink_columns *columns, const char *metadata,
                                       size_t metadata_size, lode_error *error);
void sink_columns_release(struct sink_columns *columns);

struct sink_options {
    enum format format;
    uint32_t dim;
    uint64_t count; /* of points that will be written: .npy and HDF5 say it first */
    int with_vector, with_metadata, with_text; /* jsonl, csv */
    const struct sink_columns *columns;        /* csv */
    const char *ids_path; /* formats without ids: also write them, a line each; NULL: do not */
    const char *dataset;  /* hdf5: NULL: "train" */
};

struct sink;
struct sink_ops {
    int opens_itself;                                           /* no stream is opened for it */
    lode_status (*begin)(struct sink *sink, lode_error *error); /* write a header; may be NULL */
    lode_status (*write)(struct sink *sink, const lode_hit *hit, lode_error *error);
    lode_status (*end)(struct sink *sink, lode_error *error); /* may be NULL */
    void (*close)(struct sink *sink);                         /* free state; may be NULL */
};

struct sink {
    const struct sink_ops *ops;
    struct sink_options options;
    char *path, *partial_path; /* NULL: standard output */
    FILE *stream;
    char *ids_partial_path;
    FILE *ids;
    struct buf line;
    uint64_t written;
    int finished;
    void *state;
};

/* path "-" is standard output (not for HDF5). */
NODISCARD lode_status sink_open(const char *path, const struct sink_options *options,
                                struct sink **ret_sink, lode_error *error);
NODISCARD lode_status sink_write(struct sink *sink, const lode_hit *hit, lode_error *error);
/* Complete the file: flushed to the disk and under its name. */
NODISCARD lode_status sink_finish(struct sink *sink, lode_error *error);
/* Free; what was not finished is removed. NULL is allowed. */
void sink_close(struct sink *sink);
/* Bytes written so far; 0 where it is not known. */
uint64_t sink_size(const struct sink *sink);

/* --- For writers ---------------------------------------------------------------------------------- */

extern const struct sink_ops sink_jsonl, sink_csv, sink_fvecs, sink_bvecs, sink_ivecs, sink_npy,
    sink_hdf5;

NODISCARD lode_status sink_put(struct sink *sink, const void *data, size_t size, lode_error *error);
/* Write what the sink's line buffer holds, and clear it. */
NODISCARD lode_status sink_put_line(struct sink *sink, lode_error *error);

#endif
