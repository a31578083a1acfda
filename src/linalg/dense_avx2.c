/* dense_avx2.c: 8 lanes. */
#define DENSE_LANES ((size_t)8)
#include "linalg/dense_kernels.h"

const struct dense_ops dense_avx2 = DENSE_OPS;
