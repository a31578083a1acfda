/* sink.c: what the writers of all formats share. */
#include "cmd/sink.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STREAM_BUFFER_SIZE ((size_t)1 << 18)
#define LINE_SIZE_MAX      ((size_t)64 << 20) /* metadata, text and vector, all escaped */

static const struct sink_ops *const writers[] = {
    [FORMAT_JSONL] = &sink_jsonl, [FORMAT_CSV] = &sink_csv,     [FORMAT_FVECS] = &sink_fvecs,
    [FORMAT_BVECS] = &sink_bvecs, [FORMAT_IVECS] = &sink_ivecs, [FORMAT_NPY] = &sink_npy,
    [FORMAT_HDF5] = &sink_hdf5,
};

static char *with_suffix(const char *path)
{
    char *text = NULL;
    return asprintf(&text, "%s.partial", path) < 0 ? NULL : text;
}

static lode_status open_stream(const char *path, FILE **ret_stream, lode_error *error)
{
    FILE *stream = fopen(path, "we");
    if (!stream)
        return error_os(error, errno, "cannot write %s", path);
    setvbuf(stream, NULL, _IOFBF, STREAM_BUFFER_SIZE);
    *ret_stream = stream;
    return LODE_OK;
}

static lode_status open_file(struct sink *sink, const char *path, lode_error *error)
{
    if (strcmp(path, "-") == 0) {
        sink->stream = stdout;
        return LODE_OK;
    }
    sink->path = strdup(path);
    sink->partial_path = with_suffix(path);
    if (!sink->path || !sink->partial_path)
        return error_nomem(error, "a path", strlen(path));
    if (sink->ops->opens_itself)
        return LODE_OK;
    return open_stream(sink->partial_path, &sink->stream, error);
}

static lode_status open_ids(struct sink *sink, lode_error *error)
{
    if (!sink->options.ids_path)
        return LODE_OK;
    sink->ids_partial_path = with_suffix(sink->options.ids_path);
    if (!sink->ids_partial_path)
        return error_nomem(error, "a path", strlen(sink->options.ids_path));
    return open_stream(sink->ids_partial_path, &sink->ids, error);
}

static lode_status check_options(const char *path, const struct sink_options *options,
                                 lode_error *error)
{
    int has_ids = options->format == FORMAT_JSONL || options->format == FORMAT_CSV;
    if (has_ids && options->ids_path)
        return error_set(error, LODE_INVALID,
                         "--ids is for formats without ids; %s keeps them itself",
                         format_names[options->format]);
    if (!has_ids && !options->with_vector)
        return error_set(error, LODE_INVALID, "%s keeps vectors and nothing else",
                         format_names[options->format]);
    if (options->format == FORMAT_HDF5 && strcmp(path, "-") == 0)
        return error_set(error, LODE_INVALID, "HDF5 cannot be written to standard output");
    return LODE_OK;
}

lode_status sink_open(const char *path, const struct sink_options *options, struct sink **ret_sink,
                      lode_error *error)
{
    INVARIANT(options->format != FORMAT_AUTO);
    lode_status status = check_options(path, options, error);
    if (status)
        return status;
    struct sink *sink = calloc(1, sizeof *sink);
    if (!sink)
        return error_nomem(error, "a writer", sizeof *sink);
    sink->ops = writers[options->format];
    sink->options = *options;
    buf_init(&sink->line, LINE_SIZE_MAX);
    status = open_file(sink, path, error);
    if (status == LODE_OK)
        status = open_ids(sink, error);
    if (status == LODE_OK && sink->ops->begin)
        status = sink->ops->begin(sink, error);
    if (status) {
        sink_close(sink);
        return status;
    }
    *ret_sink = sink;
    return LODE_OK;
}

static lode_status put(FILE *stream, const void *data, size_t size, lode_error *error)
{
    if (size == 0 || fwrite(data, 1, size, stream) == size)
        return LODE_OK;
    return error_os(error, errno, "cannot write");
}

lode_status sink_put(struct sink *sink, const void *data, size_t size, lode_error *error)
{
    return put(sink->stream, data, size, error);
}

lode_status sink_put_line(struct sink *sink, lode_error *error)
{
    lode_status status = sink_put(sink, sink->line.data, sink->line.size, error);
    buf_clear(&sink->line);
    return status;
}

static lode_status put_id(struct sink *sink, const lode_id *id, lode_error *error)
{
    char text[LODE_ID_SIZE_MAX + 1];
    size_t size = id_write_text(id, text);
    if (memchr(text, '\n', size))
        return error_set(error, LODE_INVALID, "an id with a line end does not fit into --ids");
    text[size] = '\n';
    return put(sink->ids, text, size + 1, error);
}

lode_status sink_write(struct sink *sink, const lode_hit *hit, lode_error *error)
{
    lode_status status = sink->ops->write(sink, hit, error);
    if (status == LODE_OK && sink->ids)
        status = put_id(sink, &hit->id, error);
    if (status == LODE_OK)
        sink->written++;
    return status;
}

/* Flush a stream to the disk, close it, and give the file its name. */
static lode_status settle(FILE **stream, const char *partial, const char *path, lode_error *error)
{
    int failed =
        fflush(*stream) != 0 || (partial && fsync(fileno(*stream)) != 0 && errno != EINVAL);
    int os_errno = errno;
    if (partial && fclose(*stream) != 0 && !failed) {
        failed = 1;
        os_errno = errno;
    }
    *stream = NULL;
    if (!failed && partial && rename(partial, path) != 0) {
        failed = 1;
        os_errno = errno;
    }
    return failed ? error_os(error, os_errno, "cannot write %s", path ? path : "standard output")
                  : LODE_OK;
}

lode_status sink_finish(struct sink *sink, lode_error *error)
{
    lode_status status = LODE_OK;
    if (sink->ops->end)
        status = sink->ops->end(sink, error);
    if (status == LODE_OK && sink->ids)
        status = settle(&sink->ids, sink->ids_partial_path, sink->options.ids_path, error);
    if (status == LODE_OK && sink->stream)
        status = settle(&sink->stream, sink->partial_path, sink->path, error);
    sink->finished = status == LODE_OK;
    return status;
}

void sink_close(struct sink *sink)
{
    if (!sink)
        return;
    if (sink->ops->close)
        sink->ops->close(sink);
    if (sink->stream && sink->path)
        fclose(sink->stream);
    if (sink->ids)
        fclose(sink->ids);
    if (!sink->finished && sink->partial_path)
        unlink(sink->partial_path);
    if (!sink->finished && sink->ids_partial_path)
        unlink(sink->ids_partial_path);
    buf_release(&sink->line);
    free(sink->ids_partial_path);
    free(sink->partial_path);
    free(sink->path);
    free(sink);
}

uint64_t sink_size(const struct sink *sink)
{
    long size = sink->stream ? ftell(sink->stream) : -1;
    return size < 0 ? 0 : (uint64_t)size;
}
