/* metrics_process.c: memory as the engine counts it, the file system of the data, and the process under the names that all
 * of Prometheus' clients use. What the system does not tell is left out. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "server/metrics_state.h"

static void put_used(struct exposition *text, const char *part, uint64_t bytes)
{
    exposition_label(text, 0, "part", part);
    exposition_u64(text, bytes);
}

void metrics_text_memory(struct exposition *text)
{
    lode_memory_stats memory;
    lode_memory_stats_get(&memory);
    exposition_one_u64(text, "lode_memory_budget_bytes", "gauge", "Memory budget; 0: no limit.",
                       memory.budget_bytes);
    exposition_family(text, "lode_memory_used_bytes", "gauge", "Memory that is counted, by part.");
    put_used(text, "growing", memory.growing_bytes);
    put_used(text, "build", memory.build_bytes);
    put_used(text, "write", memory.write_bytes);
    put_used(text, "scratch", memory.scratch_bytes);
    put_used(text, "decrypted", memory.decrypted_bytes);
    put_used(text, "other", memory.other_bytes);
    exposition_one_u64(text, "lode_memory_peak_bytes", "gauge", "The most that was counted.",
                       memory.peak_bytes);
    exposition_one_u64(text, "lode_memory_mapped_bytes", "gauge", "Mapped files, in memory or not.",
                       memory.mapped_bytes);
    exposition_one_u64(text, "lode_memory_resident_file_bytes", "gauge",
                       "Pages of mapped files in memory, which the kernel can drop.",
                       memory.resident_file_bytes);
    exposition_one_u64(text, "lode_memory_trims_total", "counter",
                       "How often pages of mapped files were given back.", memory.trims);
    exposition_one_u64(text, "lode_memory_waits_total", "counter",
                       "Writes that had to wait for memory.", memory.waits);
    exposition_one_f64(text, "lode_memory_wait_seconds_total", "counter",
                       "How long they waited, together.", (double)memory.waited_ms * 1e-3);
    exposition_one_u64(text, "lode_memory_refusals_total", "counter",
                       "Writes refused for want of memory.", memory.refusals);
}

static void put_disk(const char *data, struct exposition *text)
{
    struct statvfs info;
    if (statvfs(data, &info) != 0)
        return;
    exposition_one_u64(text, "lode_disk_size_bytes", "gauge", "Size of the data's file system.",
                       (uint64_t)info.f_blocks * info.f_frsize);
    exposition_one_u64(text, "lode_disk_free_bytes", "gauge",
                       "What is free on the data's file system for this process.",
                       (uint64_t)info.f_bavail * info.f_frsize);
}

/* Entries of /proc/self/fd, but for the one that reading it takes. */
static int count_files(uint64_t *ret_count)
{
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    uint64_t count = 0;
    for (struct dirent *entry; (entry = readdir(dir));)
        count += entry->d_name[0] != '.';
    closedir(dir);
    *ret_count = count ? count - 1 : 0;
    return 1;
}

static void put_files(struct exposition *text)
{
    uint64_t count;
    struct rlimit limit;
    if (count_files(&count))
        exposition_one_u64(text, "process_open_fds", "gauge", "File descriptors that are open.",
                           count);
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
        exposition_one_u64(text, "process_max_fds", "gauge", "File descriptors allowed.",
                           limit.rlim_cur);
}

static void put_pages(struct exposition *text)
{
    FILE *file = fopen("/proc/self/statm", "re");
    unsigned long long size, resident;
    int found = file ? fscanf(file, "%llu %llu", &size, &resident) : 0;
    if (file)
        fclose(file);
    if (found != 2)
        return;
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    exposition_one_u64(text, "process_virtual_memory_bytes", "gauge", "Address space.",
                       size * page);
    exposition_one_u64(text, "process_resident_memory_bytes", "gauge", "Memory in use.",
                       resident * page);
}

static double seconds(const struct timeval *time)
{
    return (double)time->tv_sec + (double)time->tv_usec * 1e-6;
}

void metrics_text_process(const struct metrics *metrics, const char *data, struct exposition *text)
{
    struct rusage usage;
    if (data)
        put_disk(data, text);
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        exposition_one_f64(text, "process_cpu_seconds_total", "counter",
                           "Time of processors, by user and system.",
                           seconds(&usage.ru_utime) + seconds(&usage.ru_stime));
    put_pages(text);
    put_files(text);
    exposition_one_f64(text, "process_start_time_seconds", "gauge",
                       "When the server began, in seconds since 1970.",
                       (double)metrics->started_wall_us * 1e-6);
}
