/* memory.c: address space from mmap, and what the kernel tells about this process. */
#include "os/memory.h"

#include "base/error.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

void *memory_reserve(size_t size)
{
    if (size == 0)
        size = 1; /* mmap refuses 0 */
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void memory_unreserve(void *memory, size_t size)
{
    if (!memory)
        return;
    int failed = munmap(memory, size ? size : 1);
    INVARIANT(!failed);
}

void memory_huge(void *memory, size_t size)
{
#ifdef MADV_HUGEPAGE
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t begin = (uintptr_t)memory & ~(page - 1); /* madvise wants whole pages */
    (void)madvise((void *)begin, (uintptr_t)memory + size - begin, MADV_HUGEPAGE);
#else
    (void)memory;
    (void)size;
#endif
}

void memory_keep_from_dumps(void *memory, size_t size)
{
#ifdef MADV_DONTDUMP
    (void)madvise(memory, size ? size : 1, MADV_DONTDUMP);
#else
    (void)memory;
    (void)size;
#endif
}

void *memory_secret_new(size_t size)
{
    void *memory = memory_reserve(size);
    if (!memory)
        return NULL;
    (void)mlock(memory, size); /* refused beyond RLIMIT_MEMLOCK */
    memory_keep_from_dumps(memory, size);
    return memory;
}

void memory_secret_free(void *memory, size_t size)
{
    if (!memory)
        return;
    explicit_bzero(memory, size);
    memory_unreserve(memory, size);
}

void *memory_aligned(size_t alignment, size_t size)
{
    void *memory = NULL;
    if (posix_memalign(&memory, alignment, size ? size : 1) != 0)
        return NULL;
    return memory;
}

size_t memory_resident(void)
{
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    char text[128];
    ssize_t size = read(fd, text, sizeof text - 1);
    close(fd);
    if (size <= 0)
        return 0;
    text[size] = '\0';
    const char *second = strchr(text, ' '); /* "total resident shared ...", in pages */
    return second ? strtoul(second, NULL, 10) * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

size_t memory_resident_peak(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (size_t)usage.ru_maxrss * 1024;
}
