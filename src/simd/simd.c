/* simd.c: asks the processor once what it can do and picks the table. */
#include "simd/levels.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { LEVELS_MAX = 3 };

/* Written once, under `once`; constant and free to read afterwards. */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static const struct simd_ops *levels[LEVELS_MAX]; /* what this processor runs, worst first */
static size_t level_count;
/* Released after all of the above, so that the common path is one acquiring load. */
static const struct simd_ops *_Atomic chosen;

#if defined(__x86_64__)
#include <cpuid.h>

static struct simd_ops avx512; /* simd_avx512 with the better slots this processor has */

static int has_f16c(void) /* not a name that every compiler's __builtin_cpu_supports knows */
{
    unsigned eax, ebx, ecx, edx;
    return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & bit_F16C);
}

static int has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
}

static int has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

static void find_levels(void)
{
    __builtin_cpu_init();
    if (!has_avx2())
        return;
    levels[level_count++] = &simd_avx2;
    if (!has_avx512())
        return;
    avx512 = simd_avx512;
    if (__builtin_cpu_supports("avx512vnni"))
        avx512.ip_i8 = avx512vnni_ip_i8;
    if (__builtin_cpu_supports("avx512bf16"))
        avx512.ip_bf16 = avx512bf16_ip_bf16;
    levels[level_count++] = &avx512;
}

#elif defined(__aarch64__)

static void find_levels(void)
{
    levels[level_count++] = &simd_neon;
} /* part of the base set */

#else

static void find_levels(void)
{
}

#endif

static const struct simd_ops *level_named(const char *name)
{
    for (size_t i = 0; i < level_count; i++)
        if (strcmp(levels[i]->name, name) == 0)
            return levels[i];
    return NULL;
}

static void choose(void)
{
    const char *wanted = getenv("LODE_SIMD");
    const struct simd_ops *ops = NULL;

    levels[level_count++] = &simd_scalar;
    find_levels();
    if (wanted)
        ops = level_named(wanted);
    if (!ops)
        ops = levels[level_count - 1];
    atomic_store_explicit(&chosen, ops, memory_order_release);
}

const struct simd_ops *simd(void)
{
    /* Acquire: the table behind the pointer may have been put together by another thread. */
    const struct simd_ops *ops = atomic_load_explicit(&chosen, memory_order_acquire);

    if (ops)
        return ops;
    pthread_once(&once, choose);
    return atomic_load_explicit(&chosen, memory_order_acquire);
}

const struct simd_ops *simd_level(const char *name)
{
    pthread_once(&once, choose);
    return level_named(name);
}
