/* machine.h: what one core can do at most, by this thread's CPU time: bytes read from memory, multiply-adds. */
#ifndef BENCH_COMMON_MACHINE_H
#define BENCH_COMMON_MACHINE_H

#include <stddef.h>

/* A buffer far larger than the caches, on huge pages where the system gives them, every byte written. */
void *machine_buffer(size_t size);
void machine_buffer_free(void *buffer, size_t size);
/* Bytes a second, one sum over the buffer; size: a multiple of 4096. */
double machine_read(const void *buffer, size_t size);
/* Floating point operations a second in f32; a multiply-add counts as two. About 0.1 s. */
double machine_multiply_add(void);

#endif
