#include "bench.h"

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void bench_fail(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(1);
}

void bench_must(lode_status status, const lode_error *error)
{
    if (status != LODE_OK)
        bench_fail("%s: %s", lode_status_name(status), error->message);
}

/* --- Clocks ------------------------------------------------------------------------------------ */

static double seconds(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

double bench_wall(void)
{
    return seconds(CLOCK_MONOTONIC);
}

double bench_cpu(void)
{
    return seconds(CLOCK_PROCESS_CPUTIME_ID);
}

double bench_thread_cpu(void)
{
    return seconds(CLOCK_THREAD_CPUTIME_ID);
}

/* --- Files ------------------------------------------------------------------------------------- */

/* One row, of values or of bytes that become values. room: the row as bytes. */
static int read_row(FILE *file, float *row, size_t dim, uint8_t *room)
{
    int32_t width;
    if (fread(&width, sizeof width, 1, file) != 1 || (size_t)width != dim)
        return -1;
    if (!room)
        return fread(row, sizeof *row, dim, file) == dim ? 0 : -1;
    if (fread(room, 1, dim, file) != dim)
        return -1;
    for (size_t i = 0; i < dim; i++)
        row[i] = room[i];
    return 0;
}

static int has_bytes(const char *path)
{
    const char *end = strrchr(path, '.');
    return end && strcmp(end, ".bvecs") == 0;
}

struct bench_vecs bench_read(const char *path, size_t count_max)
{
    struct bench_vecs vecs = {0, 0, NULL};
    int32_t dim;
    FILE *file = fopen(path, "rb");
    if (!file || fread(&dim, sizeof dim, 1, file) != 1 || dim < 1)
        bench_fail("%s: not there, or not a file of vectors", path);
    vecs.dim = (size_t)dim;
    fseek(file, 0, SEEK_END);
    vecs.count = (size_t)ftell(file) / (4 + (has_bytes(path) ? 1 : 4) * vecs.dim);
    if (count_max && count_max < vecs.count)
        vecs.count = count_max;
    rewind(file);
    vecs.values = malloc(vecs.count * vecs.dim * sizeof *vecs.values);
    uint8_t *room = has_bytes(path) ? malloc(vecs.dim) : NULL;
    if (!vecs.values || (has_bytes(path) && !room))
        bench_fail("%s: no memory for %zu rows", path, vecs.count);
    for (size_t i = 0; i < vecs.count; i++)
        if (read_row(file, vecs.values + i * vecs.dim, vecs.dim, room))
            bench_fail("%s: row %zu is not of width %zu", path, i, vecs.dim);
    free(room);
    fclose(file);
    return vecs;
}

static int remove_one(const char *path, const struct stat *stat, int kind, struct FTW *where)
{
    (void)stat;
    (void)kind;
    (void)where;
    return remove(path);
}

void bench_remove(const char *dir)
{
    if (nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS) && errno != ENOENT)
        bench_fail("cannot remove %s: %s", dir, strerror(errno));
}

/* --- Figures ----------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_percentile(double *values, size_t count, double share)
{
    if (count == 0)
        return 0;
    qsort(values, count, sizeof *values, compare);
    size_t at = (size_t)(share * (double)count);
    return values[at < count ? at : count - 1];
}

double bench_median(double *values, size_t count)
{
    double upper = bench_percentile(values, count, 0.5);
    return count && count % 2 == 0 ? (values[count / 2 - 1] + upper) / 2 : upper;
}

void bench_push(struct bench_series *series, double value)
{
    if (series->count == series->capacity) {
        series->capacity = series->capacity ? 2 * series->capacity : 1024;
        series->values = realloc(series->values, series->capacity * sizeof *series->values);
        if (!series->values)
            bench_fail("no memory");
    }
    series->values[series->count++] = value;
}

/* --- Options ----------------------------------------------------------------------------------- */

const char *bench_option(int argc, char **argv, const char *name, const char *otherwise)
{
    for (int i = 1; i + 1 < argc; i += 2)
        if (strncmp(argv[i], "--", 2) == 0 && strcmp(argv[i] + 2, name) == 0)
            return argv[i + 1];
    if (!otherwise)
        bench_fail("%s: --%s is missing; the head of its source says what it takes", argv[0], name);
    return otherwise;
}

uint64_t bench_number(int argc, char **argv, const char *name, uint64_t otherwise)
{
    const char *text = bench_option(argc, argv, name, "");
    char *end;
    if (!*text)
        return otherwise;
    errno = 0;
    uint64_t value = strtoull(text, &end, 10);
    if (errno || *end)
        bench_fail("--%s: '%s' is not a number", name, text);
    return value;
}
