/* source.c: what the readers of all formats share. */
#include "cmd/source.h"

#include "cmd/source_hdf5.h"

#include <stdlib.h>
#include <string.h>

const char *const format_names[] = {"auto",  "jsonl", "csv",  "fvecs", "bvecs",
                                    "ivecs", "npy",   "hdf5", NULL};

static const struct {
    const char *ending;
    enum format format;
} endings[] = {
    {".jsonl", FORMAT_JSONL}, {".ndjson", FORMAT_JSONL}, {".json", FORMAT_JSONL},
    {".csv", FORMAT_CSV},     {".fvecs", FORMAT_FVECS},  {".bvecs", FORMAT_BVECS},
    {".ivecs", FORMAT_IVECS}, {".npy", FORMAT_NPY},      {".hdf5", FORMAT_HDF5},
    {".h5", FORMAT_HDF5},     {".hdf", FORMAT_HDF5},
};

static const struct source_ops *const readers[] = {
    [FORMAT_JSONL] = &source_jsonl, [FORMAT_CSV] = &source_csv,     [FORMAT_FVECS] = &source_fvecs,
    [FORMAT_BVECS] = &source_bvecs, [FORMAT_IVECS] = &source_ivecs, [FORMAT_NPY] = &source_npy,
    [FORMAT_HDF5] = &source_hdf5,
};

enum format format_of(const char *path)
{
    size_t size = strlen(path);
    if (strcmp(path, "-") == 0)
        return FORMAT_JSONL;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++) {
        size_t ending_size = strlen(endings[i].ending);
        if (size >= ending_size && strcasecmp(path + size - ending_size, endings[i].ending) == 0)
            return endings[i].format;
    }
    return FORMAT_AUTO;
}

static lode_status source_new(const char *path, const struct source_options *options,
                              struct source **ret_source, lode_error *error)
{
    enum format format = options->format;
    if (format == FORMAT_AUTO && path)
        format = format_of(path);
    if (format == FORMAT_AUTO)
        return error_set(error, LODE_INVALID,
                         "the name does not tell the format; say --format jsonl, csv, fvecs, "
                         "bvecs, ivecs, npy or hdf5");
    struct source *source = calloc(1, sizeof *source);
    if (!source)
        return error_nomem(error, "a reader", sizeof *source);
    source->ops = readers[format];
    source->options = *options;
    source->options.format = format;
    source->count = COUNT_UNKNOWN;
    source->input.fd = -1;
    *ret_source = source;
    return LODE_OK;
}

static lode_status open_ids(struct source *source, lode_error *error)
{
    const char *path = source->options.ids_path;
    if (!path)
        return LODE_OK;
    if (source->ops->has_ids)
        return error_set(error, LODE_INVALID,
                         "--ids is for formats without ids; these points have their own");
    lode_status status = input_open(&source->ids, path, error);
    source->has_ids_file = status == LODE_OK;
    return status;
}

/* Say where an error is, if it is anywhere in the file. */
static lode_status placed(const struct source *source, lode_status status, lode_error *error)
{
    if ((status == LODE_INVALID || status == LODE_LIMIT) && source->position > 0)
        error_prefix(error, "%s %llu: ", source->ops->unit, (unsigned long long)source->position);
    return status;
}

/* The rest of opening, once the bytes are there. Frees `own_source` when it fails. */
static lode_status source_begin(struct source *own_source, struct source **ret_source,
                                lode_error *error)
{
    struct source *source = own_source;
    lode_status status = open_ids(source, error);
    if (status == LODE_OK && source->ops->open)
        status = placed(source, source->ops->open(source, error), error);
    if (status) {
        source_close(source);
        return status;
    }
    *ret_source = source;
    return LODE_OK;
}

lode_status source_open(const char *path, const struct source_options *options,
                        struct source **ret_source, lode_error *error)
{
    struct source *source = NULL;
    lode_status status = source_new(path, options, &source, error);
    if (status)
        return status;
    if (source->options.format == FORMAT_HDF5)
        status = source_hdf5_open(source, path, error);
    else
        status = input_open(&source->input, path, error);
    if (status) {
        source_close(source);
        return status;
    }
    return source_begin(source, ret_source, error);
}

lode_status source_open_memory(const void *data, size_t size, const struct source_options *options,
                               struct source **ret_source, lode_error *error)
{
    struct source *source = NULL;
    if (options->format == FORMAT_HDF5)
        return error_set(error, LODE_UNSUPPORTED, "HDF5 is read from files only");
    lode_status status = source_new(NULL, options, &source, error);
    if (status)
        return status;
    input_open_memory(&source->input, data, size);
    return source_begin(source, ret_source, error);
}

void source_close(struct source *source)
{
    if (!source)
        return;
    if (source->ops->close)
        source->ops->close(source);
    input_close(&source->input);
    if (source->has_ids_file)
        input_close(&source->ids);
    free(source);
}

lode_status source_fill(struct source *source, struct batch *batch, size_t count_max,
                        lode_error *error)
{
    while (batch->count < count_max && !batch_full(batch)) {
        if (source->index == source->count)
            source->ended = 1;
        if (source->ended)
            break;
        size_t before = batch->count;
        uint64_t position_before = source->position;
        lode_status status = source->ops->read(source, batch, error);
        if (status)
            return placed(source, status, error);
        if (batch->count == before)
            continue;
        if (before == 0) {
            batch->first = source->index;
            batch->first_position = position_before + 1;
        }
        batch->last_position = source->position;
        source->index++;
    }
    return LODE_OK;
}

static lode_status skip_ids(struct source *source, uint64_t count, lode_error *error)
{
    for (; source->has_ids_file && count > 0; count--) {
        char *line = NULL;
        size_t size = 0;
        lode_status status = input_line(&source->ids, &line, &size, error);
        if (status)
            return status;
        if (!line)
            break;
    }
    return LODE_OK;
}

lode_status source_skip(struct source *source, uint64_t count, lode_error *error)
{
    uint64_t skipped = 0;
    if (source->count != COUNT_UNKNOWN && count > source->count - source->index)
        count = source->count - source->index;
    lode_status status = source->ops->skip(source, count, &skipped, error);
    if (status)
        return placed(source, status, error);
    source->index += skipped;
    return skip_ids(source, skipped, error);
}

/* --- For readers ---------------------------------------------------------------------------------- */

lode_status source_set_dim(struct source *source, uint64_t dim, lode_error *error)
{
    if (dim == 0 || dim > LODE_DIM_MAX)
        return error_set(error, LODE_INVALID, "the vector has %llu dimensions; 1 to %d can be kept",
                         (unsigned long long)dim, LODE_DIM_MAX);
    uint32_t wanted = source->dim ? source->dim : source->options.dim;
    if (wanted && dim != wanted)
        return error_set(error, LODE_INVALID, "the vector has %llu dimensions, not %lu",
                         (unsigned long long)dim, (unsigned long)wanted);
    source->dim = (uint32_t)dim;
    return LODE_OK;
}

static lode_status id_from_file(struct source *source, struct batch *batch, lode_id *ret_id,
                                lode_error *error)
{
    char *line = NULL;
    size_t size = 0;
    const char *kept = NULL;
    lode_status status = input_line(&source->ids, &line, &size, error);
    if (status == LODE_OK && !line)
        status = error_set(error, LODE_INVALID, "there are no more ids: it has %llu lines",
                           (unsigned long long)source->ids.line);
    if (status == LODE_OK)
        status = batch_copy(batch, line, size, &kept, error);
    if (status == LODE_OK)
        status = id_parse(kept, size, source->options.id_rule, ret_id, error);
    if (status)
        error_prefix(error, "--ids %s, line %llu: ", source->options.ids_path,
                     (unsigned long long)source->ids.line);
    return status;
}

lode_status source_next_id(struct source *source, struct batch *batch, lode_id *ret_id,
                           lode_error *error)
{
    if (source->has_ids_file)
        return id_from_file(source, batch, ret_id, error);
    if (source->index > UINT64_MAX - source->options.id_start)
        return error_set(error, LODE_LIMIT, "ids counted from --id-start %llu pass 2^64 - 1",
                         (unsigned long long)source->options.id_start);
    *ret_id = lode_id_number(source->options.id_start + source->index);
    return LODE_OK;
}

lode_status source_keep_id(struct batch *batch, const lode_id *id, lode_id *ret_id,
                           lode_error *error)
{
    lode_id kept = *id;
    if (id->kind == LODE_ID_STRING) {
        lode_status status = batch_copy(batch, id->string, id->string_size, &kept.string, error);
        if (status)
            return status;
    }
    *ret_id = kept;
    return LODE_OK;
}

static int finite_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return (bits & 0x7f800000u) != 0x7f800000u;
}

lode_status source_check_finite(const float *vector, uint32_t dim, lode_error *error)
{
    uint32_t bad = 0;
    for (uint32_t i = 0; i < dim; i++)
        bad |= (uint32_t)!finite_bits(vector[i]);
    if (!bad)
        return LODE_OK;
    uint32_t at = 0;
    while (finite_bits(vector[at]))
        at++;
    return error_set(error, LODE_INVALID, "component %lu of the vector is %s", (unsigned long)at,
                     vector[at] != vector[at] ? "NaN" : "infinite");
}
