/* source.h: points out of a file, whatever its format (docs/formats-import.md).
 *
 *     source_open("films.jsonl", &options, &source, &error);
 *     do {
 *         batch_clear(&batch);
 *         status = source_fill(source, &batch, UINT64_MAX, &error);
 *     } while (status == LODE_OK && batch.count > 0);
 *     source_close(source);
 *
 * A reader checks everything that can be wrong with the file; its error says where ("line 7: ...")
 * and why, and source->position and ->ops->unit say where in numbers. After an error nothing more
 * can be read. */
#ifndef CMD_SOURCE_H
#define CMD_SOURCE_H

#include "cmd/batch.h"
#include "cmd/ids.h"
#include "cmd/input.h"

enum format {
    FORMAT_AUTO = 0, /* by the file's name */
    FORMAT_JSONL,
    FORMAT_CSV,
    FORMAT_FVECS,
    FORMAT_BVECS,
    FORMAT_IVECS,
    FORMAT_NPY,
    FORMAT_HDF5,
};
extern const char *const format_names[]; /* for --format; ends with NULL */

/* By the name's ending; "-" is FORMAT_JSONL; FORMAT_AUTO when it says nothing. */
enum format format_of(const char *path);

struct source_options {
    enum format format;
    uint32_t dim; /* every vector has this many; 0: as many as the first one */
    enum id_rule id_rule;
    uint64_t id_start; /* ids of formats without ids count up from here, */
    int id_start_given;
    const char *ids_path;     /* or are the lines of this file               */
    const char *dataset;      /* hdf5: NULL: "train" */
    int metadata_rest;        /* jsonl: unknown members become metadata */
    const lode_field *fields; /* csv: what declared columns hold */
    size_t field_count;
};

struct source;
struct source_ops {
    const char *unit; /* what positions count: "line" or "row" */
    int has_ids;      /* the file says each point's id itself */
    /* Read the header, set dim and count if the file says them. May be NULL. */
    lode_status (*open)(struct source *source, lode_error *error);
    /* Append one point to a batch that is not full, or set source->ended. */
    lode_status (*read)(struct source *source, struct batch *batch, lode_error *error);
    /* Pass over up to `count` points (and no further than source->count). */
    lode_status (*skip)(struct source *source, uint64_t count, uint64_t *ret_skipped,
                        lode_error *error);
    void (*close)(struct source *source); /* free state; may be NULL */
};

#define COUNT_UNKNOWN UINT64_MAX

struct source {
    const struct source_ops *ops;
    struct source_options options;
    struct input input;
    struct input ids;
    int has_ids_file;
    uint32_t dim;      /* 0: not known yet */
    uint64_t count;    /* of points in the file, or COUNT_UNKNOWN */
    uint64_t index;    /* of the next point, from 0 */
    uint64_t position; /* line or row, from 1, that was read last: where an error is */
    int ended;
    void *state; /* the reader's */
};

NODISCARD lode_status source_open(const char *path, const struct source_options *options,
                                  struct source **ret_source, lode_error *error);
/* The same over memory, which must outlive it. Every format but HDF5. */
NODISCARD lode_status source_open_memory(const void *data, size_t size,
                                         const struct source_options *options,
                                         struct source **ret_source, lode_error *error);
void source_close(struct source *source); /* NULL is allowed */

/* Append points until the batch is full, count_max are in it, or the file ends (then fewer; 0 at
 * last). On an error the batch holds the good ones before the bad one. */
NODISCARD lode_status source_fill(struct source *source, struct batch *batch, size_t count_max,
                                  lode_error *error);
/* Pass over the next points, fewer when the file ends. */
NODISCARD lode_status source_skip(struct source *source, uint64_t count, lode_error *error);

/* --- For readers ---------------------------------------------------------------------------------- */

extern const struct source_ops source_jsonl, source_csv, source_fvecs, source_bvecs, source_ivecs,
    source_npy, source_hdf5;

/* Take `dim` as the file's, or refuse it when it is not the one wanted. */
NODISCARD lode_status source_set_dim(struct source *source, uint64_t dim, lode_error *error);
/* The id of the point about to be read, of formats without ids. Borrows from the batch. */
NODISCARD lode_status source_next_id(struct source *source, struct batch *batch, lode_id *ret_id,
                                     lode_error *error);
/* LODE_INVALID naming the first component that is not finite. */
NODISCARD lode_status source_check_finite(const float *vector, uint32_t dim, lode_error *error);
/* A number, UUID or string id in the batch's memory. */
NODISCARD lode_status source_keep_id(struct batch *batch, const lode_id *id, lode_id *ret_id,
                                     lode_error *error);

#endif
