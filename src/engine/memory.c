/* memory.c: the memory budget as callers see it. What keeps it: os/budget.h, os/mapped.h, pressure.h. */
#include <lode/lode.h>

#include "base/error.h"
#include "os/budget.h"
#include "os/mapped.h"
#include "os/memory.h"

lode_status lode_memory_budget_set(uint64_t bytes, lode_error *error)
{
    if (bytes != 0 && bytes < LODE_MEMORY_BUDGET_MIN)
        return error_set(error, LODE_LIMIT,
                         "a memory budget of %llu bytes: it must be at least %d, or 0 for none",
                         (unsigned long long)bytes, LODE_MEMORY_BUDGET_MIN);
    budget_set(bytes);
    return LODE_OK;
}

void lode_memory_stats_get(lode_memory_stats *ret_stats)
{
    struct budget_figures budget;
    struct mapped_figures mapped;
    if (!ret_stats)
        return;
    size_t file_bytes = 0;
    uint64_t share = budget_share(BUDGET_WRITE);
    budget_figures(&budget);
    mapped_figures(&mapped);
    *ret_stats = (lode_memory_stats){
        .budget_bytes = budget.bytes,
        .used_bytes = budget.used_sum,
        .growing_bytes = budget.used[BUDGET_GROWING],
        .build_bytes = budget.used[BUDGET_BUILD],
        .write_bytes = budget.used[BUDGET_WRITE],
        .scratch_bytes = budget.used[BUDGET_SCRATCH],
        .decrypted_bytes = budget.used[BUDGET_DECRYPTED],
        .other_bytes = budget.used[BUDGET_OTHER],
        .peak_bytes = budget.peak,
        .mapped_bytes = mapped.bytes,
        .resident_bytes = memory_resident_parts(&file_bytes),
        .trims = mapped.trims,
        .waits = budget.waits,
        .waited_ms = budget.waited_us / 1000,
        .refusals = budget.refusals,
        .batch_bytes_max = share == UINT64_MAX ? 0 : share,
    };
    ret_stats->resident_file_bytes = file_bytes;
}
