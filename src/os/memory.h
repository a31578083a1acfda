/* memory.h: pages from the operating system. */
#ifndef OS_MEMORY_H
#define OS_MEMORY_H

#include <stddef.h>

/* Reserve `size` bytes of zeroed, page-aligned address space that costs memory only where touched.
 * NULL on failure. Free with memory_unreserve and the same size. */
void *memory_reserve(size_t size);
void memory_unreserve(void *memory, size_t size); /* NULL is allowed */
/* The same in a file without a name, in directory `dir`, with its space reserved on the disk: its pages are not this
 * process's own, the kernel may write them out and drop them. Slow once that happens. */
void *memory_reserve_file(const char *dir, size_t size);
void memory_unreserve_file(void *memory, size_t size); /* NULL is allowed */
/* Ask for huge pages (a hint; never fails). */
void memory_huge(void *memory, size_t size);
/* malloc with an alignment (power of two, at least 8); free with free(). NULL on failure. */
void *memory_aligned(size_t alignment, size_t size);
/* Zeroed memory for keys: kept from the swap where the limit on locked memory allows it, and out of core dumps;
 * wiped when freed, with the same size. NULL on failure. */
void *memory_secret_new(size_t size);
void memory_secret_free(void *memory, size_t size); /* NULL is allowed */
/* Have malloc give back what it keeps of what was freed: after work that took much of it. It looks at all that is
 * allocated: some 80 ms for a GiB in small pieces. Does nothing where malloc has no such call. */
void memory_trim(void);
/* Ask that it is left out of core dumps (a hint). */
void memory_keep_from_dumps(void *memory, size_t size);
/* Bytes of this process resident in memory now, and at most so far; 0 when unknown. */
size_t memory_resident(void);
size_t memory_resident_parts(size_t *ret_file); /* of them, pages of mapped files */
size_t memory_resident_peak(void);

#endif
