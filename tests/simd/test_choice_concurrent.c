/* test_choice_concurrent.c: many threads ask for the kernels first, and all get the same, usable table. */
#include <pthread.h>
#include <stdio.h>

#include "simd/simd.h"

enum { THREADS = 8 };

static pthread_barrier_t together;

static void *ask(void *context)
{
    const struct simd_ops **ret_ops = context;
    float a[3] = {1, 2, 3}, b[3] = {3, 2, 0};

    pthread_barrier_wait(&together);
    const struct simd_ops *ops = simd();
    *ret_ops = ops->ip_f32(a, b, 3) == 7 && simd_level(ops->name) == ops ? ops : NULL;
    return NULL;
}

int main(void)
{
    const struct simd_ops *ops[THREADS];
    pthread_t threads[THREADS];
    int failed = 0;

    pthread_barrier_init(&together, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        if (pthread_create(&threads[i], NULL, ask, &ops[i]))
            return 1;
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    for (int i = 0; i < THREADS; i++)
        failed |= !ops[i] || ops[i] != simd();
    pthread_barrier_destroy(&together);
    printf("%s: %d threads\n", failed ? "FAIL" : "PASS", THREADS);
    return failed;
}
