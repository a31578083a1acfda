/* hop.c: picks the table of hop kernels that belongs to the level simd.c has picked. */
#include "simd/hop_levels.h"

#include <pthread.h>
#include <string.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const struct hop_ops *chosen; /* written once, under `once` */

#if defined(__x86_64__)

static struct hop_ops avx512; /* hop_avx512 with the better slots this processor has */

static void find_avx512(void)
{
    __builtin_cpu_init();
    avx512 = hop_avx512;
    if (__builtin_cpu_supports("avx512vnni"))
        avx512.l2_u7 = hop_avx512vnni_l2_u7;
}

static const struct hop_ops *named(const char *name)
{
    if (strcmp(name, "avx2") == 0)
        return &hop_avx2;
    return strcmp(name, "avx512") == 0 ? &avx512 : &hop_scalar;
}

#else

static void find_avx512(void)
{
}

static const struct hop_ops *named(const char *name)
{
#if defined(__aarch64__)
    if (strcmp(name, "neon") == 0)
        return &hop_neon;
#endif
    (void)name;
    return &hop_scalar;
}

#endif

static void choose(void)
{
    find_avx512();
    chosen = named(simd()->name);
}

const struct hop_ops *hop(void)
{
    pthread_once(&once, choose);
    return chosen;
}

const struct hop_ops *hop_level(const char *name)
{
    pthread_once(&once, choose);
    return simd_level(name) ? named(name) : NULL;
}
