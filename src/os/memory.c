/* memory.c: address space from mmap, and what the kernel tells about this process. */
#include "os/memory.h"

#include "base/error.h"
#include "base/limits.h"
#include "os/budget.h"
#include "os/mapped.h"

#include <fcntl.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif
#include <stdatomic.h>
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

void memory_trim(void)
{
#ifdef __GLIBC__
    (void)malloc_trim(0);
#endif
}

static int open_nameless(const char *dir)
{
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0)
        return fd;
    char path[PATH_SIZE_MAX]; /* file systems that know no such files */
    if (snprintf(path, sizeof path, "%s/spill.XXXXXX.tmp", dir) >= (int)sizeof path)
        return -1;
    fd = mkostemps(path, 4, O_CLOEXEC);
    if (fd >= 0)
        (void)unlink(path);
    return fd;
}

void *memory_reserve_file(const char *dir, size_t size)
{
    size = size ? size : 1;
    int fd = open_nameless(dir);
    if (fd < 0)
        return NULL;
    /* Without space behind it, a page that is written would be a SIGBUS. */
    void *memory = MAP_FAILED;
    if (posix_fallocate(fd, 0, (off_t)size) == 0)
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory == MAP_FAILED)
        return NULL;
    mapped_add(memory, size);
    return memory;
}

void memory_unreserve_file(void *memory, size_t size)
{
    if (!memory)
        return;
    mapped_remove(memory, size ? size : 1);
    memory_unreserve(memory, size);
}

/* A huge page that holds a few rows is a huge page: where there is a budget, small pieces do without. */
#define HUGE_SIZE_MIN ((size_t)16 << 20)

void memory_huge(void *memory, size_t size)
{
#ifdef MADV_HUGEPAGE
    if (budget_bytes() != 0 && size < HUGE_SIZE_MIN)
        return;
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
    size_t file;
    return memory_resident_parts(&file);
}

/* Asked for very often: the file stays open. A forked child opens its own. */
static int statm(void)
{
    static _Atomic uint64_t opened; /* process id, and the descriptor + 1 */
    uint64_t pid = (uint64_t)getpid(), was = atomic_load(&opened);
    if (was >> 32 == pid)
        return (int)(was & 0xffffffff) - 1;
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && !atomic_compare_exchange_strong(&opened, &was, pid << 32 | (uint64_t)(fd + 1))) {
        close(fd); /* another thread was faster */
        fd = (int)(was & 0xffffffff) - 1;
    }
    return fd;
}

size_t memory_resident_parts(size_t *ret_file)
{
    *ret_file = 0;
    int fd = statm();
    char text[128];
    ssize_t size = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);
    if (size <= 0)
        return 0;
    text[size] = '\0';
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *second = strchr(text, ' '), *third; /* "total resident shared ...", in pages */
    if (!second)
        return 0;
    size_t resident = strtoul(second, &third, 10) * page;
    *ret_file = strtoul(third, NULL, 10) * page;
    return resident;
}

size_t memory_resident_peak(void)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) != 0)
        return 0;
    return (size_t)usage.ru_maxrss * 1024;
}
