/* dense_scalar.c: four lanes: SSE2 on x86-64, NEON on 64-bit ARM; the baseline everywhere. */
#define DENSE_LANES ((size_t)4)
#include "linalg/dense_kernels.h"

const struct dense_ops dense_scalar = DENSE_OPS;
