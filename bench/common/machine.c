/* machine.c: compiled for the machine it runs on, see cmake/bench.cmake. */
#include "machine.h"

#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include "bench.h"

typedef uint64_t words __attribute__((vector_size(64)));
typedef float floats __attribute__((vector_size(64)));

void *machine_buffer(size_t size)
{
    void *buffer = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (buffer == MAP_FAILED)
        bench_fail("no memory");
    madvise(buffer, size, MADV_HUGEPAGE);
    memset(buffer, 1, size);
    return buffer;
}

void machine_buffer_free(void *buffer, size_t size)
{
    munmap(buffer, size);
}

/* The result is needed, as far as the compiler can tell. */
static void use(const void *value)
{
    __asm__ volatile("" : : "r"(value) : "memory");
}

double machine_read(const void *buffer, size_t size)
{
    enum { LANES = 8 };
    const words *at = buffer, *end = at + size / sizeof *at;
    words sums[LANES] = {{0}};
    double begin = bench_thread_cpu();
    for (; at < end; at += LANES)
        for (int i = 0; i < LANES; i++)
            sums[i] += at[i];
    double spent = bench_thread_cpu() - begin;
    use(sums);
    return (double)size / spent;
}

double machine_multiply_add(void)
{
    /* Two units of a latency of 4 need 8 sums under way; more keep them busy across the loop's end. */
    enum { LANES = 12, TURNS = 20000000 };
    floats sums[LANES], factor, term;
    for (int lane = 0; lane < 16; lane++)
        factor[lane] = 0.999f, term[lane] = 0.001f;
    memset(sums, 0, sizeof sums);
    double begin = bench_thread_cpu();
    for (int turn = 0; turn < TURNS; turn++)
#pragma GCC unroll 12
        for (int i = 0; i < LANES; i++)
            sums[i] = sums[i] * factor + term;
    double spent = bench_thread_cpu() - begin;
    use(sums);
    return 2.0 * 16 * LANES * TURNS / spent;
}
