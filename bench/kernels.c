/* kernels.c: what a distance costs, for each kernel, instruction set and dimension.
 *
 *     kernels [--json] [--quick] [--kernel NAME] [--level NAME]
 *
 * Two places: `cache`, the same few rows again and again; `memory`, rows one after another from a
 * buffer far larger than the caches. Times are of this thread's CPU, levels take turns, and every
 * figure is the median of several turns. GB/s counts the bytes of rows alone. `read` is the yardstick
 * for memory: a plain sum over the same buffer. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "simd/levels.h"

enum { LEVELS_MAX = 4, TURNS_MAX = 15, CACHE_SIZE = 24 << 10 };

static const size_t dims[] = {16, 100, 128, 384, 768, 1536};
enum { DIM_COUNT = sizeof dims / sizeof dims[0] };

static struct options {
    int json;
    size_t turns;
    size_t memory_size;
    size_t cache_bytes_read; /* by one measurement in cache */
    const char *kernel, *level;
} options = {.turns = 9, .memory_size = 256 << 20, .cache_bytes_read = 64 << 20};

/* Everything one kernel needs to run over rows. */
struct job {
    const struct simd_ops *ops;
    const void *query;
    const uint8_t *rows;
    size_t stride, count, dim;
    float *ret; /* room for count */
};

struct kernel {
    const char *name;
    size_t element_size;
    void (*run)(const struct job *job);
};

static void each_row(simd_distance distance, const struct job *job)
{
    for (size_t i = 0; i < job->count; i++)
        job->ret[i] = distance(job->query, job->rows + i * job->stride, job->dim);
}

static void all_rows(simd_scan scan, const struct job *job)
{
    scan(job->query, job->rows, job->stride, job->count, job->dim, job->ret);
}

static void run_l2_f32(const struct job *job)
{
    each_row(job->ops->l2_f32, job);
}
static void run_ip_f32(const struct job *job)
{
    each_row(job->ops->ip_f32, job);
}
static void run_l2_f32_scan(const struct job *job)
{
    all_rows(job->ops->l2_f32_scan, job);
}
static void run_ip_f32_scan(const struct job *job)
{
    all_rows(job->ops->ip_f32_scan, job);
}
static void run_l2_f16(const struct job *job)
{
    each_row(job->ops->l2_f16, job);
}
static void run_ip_f16(const struct job *job)
{
    each_row(job->ops->ip_f16, job);
}
static void run_l2_bf16(const struct job *job)
{
    each_row(job->ops->l2_bf16, job);
}
static void run_ip_bf16(const struct job *job)
{
    each_row(job->ops->ip_bf16, job);
}
static void run_ip_i8(const struct job *job)
{
    for (size_t i = 0; i < job->count; i++)
        job->ret[i] = (float)job->ops->ip_i8(
            job->query, (const int8_t *)(job->rows + i * job->stride), job->dim);
}

static const struct kernel kernels[] = {
    {"l2_f32", 4, run_l2_f32},
    {"ip_f32", 4, run_ip_f32},
    {"l2_f32_scan", 4, run_l2_f32_scan},
    {"ip_f32_scan", 4, run_ip_f32_scan},
    {"l2_f16", 2, run_l2_f16},
    {"ip_f16", 2, run_ip_f16},
    {"l2_bf16", 2, run_l2_bf16},
    {"ip_bf16", 2, run_ip_bf16},
    {"ip_i8", 1, run_ip_i8},
};
enum { KERNEL_COUNT = sizeof kernels / sizeof kernels[0] };

static struct simd_ops ops_of[LEVELS_MAX];
static size_t level_count;

static void find_levels(void)
{
    static const char *const names[] = {"scalar", "avx2", "avx512", "neon"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (simd_level(names[i]))
            ops_of[level_count++] = *simd_level(names[i]);
#if defined(__x86_64__)
    if (simd_level("avx512")) { /* before VNNI and BF16 are patched in */
        ops_of[level_count] = simd_avx512;
        ops_of[level_count++].name = "avx512-base";
    }
#endif
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return values[count / 2];
}

static void report(const char *kernel, const char *level, size_t dim, const char *place, double ns,
                   size_t row_size)
{
    if (options.json)
        printf("{\"kernel\":\"%s\",\"level\":\"%s\",\"dim\":%zu,\"place\":\"%s\",\"ns\":%.3f,"
               "\"gb_per_s\":%.3f}\n",
               kernel, level, dim, place, ns, (double)row_size / ns);
    else
        printf("%-12s %-12s %5zu  %-7s %9.2f ns %8.2f GB/s\n", kernel, level, dim, place, ns,
               (double)row_size / ns);
    fflush(stdout);
}

/* Nanoseconds a distance, running the job `repeats` times. */
static double time_job(const struct kernel *kernel, const struct job *job, size_t repeats)
{
    double begin = now_ns();

    for (size_t i = 0; i < repeats; i++)
        kernel->run(job);
    return (now_ns() - begin) / (double)(repeats * job->count);
}

static void bench(const struct kernel *kernel, const char *place, struct job job, size_t size,
                  size_t bytes_read)
{
    static double times[LEVELS_MAX][TURNS_MAX];
    size_t repeats;

    job.stride = job.dim * kernel->element_size;
    job.count = size / job.stride;
    repeats = bytes_read / (job.count * job.stride);
    repeats = repeats ? repeats : 1;
    for (size_t turn = 0; turn < options.turns; turn++)
        for (size_t level = 0; level < level_count; level++) {
            job.ops = &ops_of[level];
            times[level][turn] = time_job(kernel, &job, repeats);
        }
    for (size_t level = 0; level < level_count; level++)
        if (!options.level || strcmp(options.level, ops_of[level].name) == 0)
            report(kernel->name, ops_of[level].name, job.dim, place,
                   median(times[level], options.turns), job.stride);
}

static void bench_read(const uint8_t *memory)
{
    double times[TURNS_MAX];
    uint64_t total = 0;

    for (size_t turn = 0; turn < options.turns; turn++) {
        const uint64_t *words = (const uint64_t *)(const void *)memory;
        uint64_t sums[8] = {0};
        double begin = now_ns();
        for (size_t i = 0; i < options.memory_size / 8; i += 8)
            for (size_t j = 0; j < 8; j++)
                sums[j] += words[i + j];
        times[turn] = now_ns() - begin;
        for (size_t j = 0; j < 8; j++)
            total += sums[j];
    }
    if (total == 1) /* never, but the compiler cannot know */
        putchar('\n');
    report("read", "", 0, "memory", median(times, options.turns), options.memory_size);
}

static int usage(void)
{
    fputs("usage: kernels [--json] [--quick] [--kernel NAME] [--level NAME]\n", stderr);
    return 2;
}

static int parse(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0)
            options.json = 1;
        else if (strcmp(argv[i], "--quick") == 0) {
            options.turns = 3;
            options.cache_bytes_read = 8 << 20;
            options.memory_size = 64 << 20;
        } else if (strcmp(argv[i], "--kernel") == 0 && i + 1 < argc)
            options.kernel = argv[++i];
        else if (strcmp(argv[i], "--level") == 0 && i + 1 < argc)
            options.level = argv[++i];
        else
            return usage();
    }
    return 0;
}

/* Bytes that are small finite numbers as f32, f16, bf16 and int8 alike: 0x3c to 0x3f. */
static void fill(uint8_t *bytes, size_t size)
{
    uint32_t state = 1;

    for (size_t i = 0; i < size; i++) {
        state = state * 1664525u + 1013904223u;
        bytes[i] = (uint8_t)(0x3c | state >> 30);
    }
}

int main(int argc, char **argv)
{
    static _Alignas(64) uint8_t query[1536 * sizeof(float)];
    static _Alignas(64) uint8_t cache[CACHE_SIZE];
    struct job job = {.query = query};
    uint8_t *memory;

    if (parse(argc, argv))
        return 2;
    memory =
        mmap(NULL, options.memory_size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    job.ret = malloc(options.memory_size / dims[0] * sizeof(float));
    if (memory == MAP_FAILED || !job.ret) {
        fputs("kernels: out of memory\n", stderr);
        return 1;
    }
    madvise(memory, options.memory_size, MADV_HUGEPAGE);
    fill(query, sizeof query);
    fill(cache, sizeof cache);
    fill(memory, options.memory_size);
    memset(job.ret, 0, options.memory_size / dims[0] * sizeof(float));
    find_levels();

    bench_read(memory);
    for (size_t k = 0; k < KERNEL_COUNT; k++) {
        if (options.kernel && strcmp(options.kernel, kernels[k].name) != 0)
            continue;
        for (size_t d = 0; d < DIM_COUNT; d++) {
            job.dim = dims[d];
            job.rows = cache;
            bench(&kernels[k], "cache", job, CACHE_SIZE, options.cache_bytes_read);
            job.rows = memory;
            bench(&kernels[k], "memory", job, options.memory_size, options.memory_size);
        }
    }
    munmap(memory, options.memory_size);
    free(job.ret);
    return 0;
}
