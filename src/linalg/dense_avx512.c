/* dense_avx512.c: 16 lanes. */
#define DENSE_LANES ((size_t)16)
#include "linalg/dense_kernels.h"

const struct dense_ops dense_avx512 = DENSE_OPS;
