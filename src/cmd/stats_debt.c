/* stats_debt.c: see stats_debt.h. */
#include "cmd/stats_debt.h"

#include "cmd/output.h"

void stats_print_debt(FILE *to, const lode_stats *stats)
{
    char time[AMOUNT_TEXT_MAX], batches[AMOUNT_TEXT_MAX];
    if (stats->merge_debt)
        fprintf(to, "  merging    %llu segment%s wait%s for a merge\n",
                (unsigned long long)stats->merge_debt, stats->merge_debt == 1 ? "" : "s",
                stats->merge_debt == 1 ? "s" : "");
    if (stats->delays)
        fprintf(to, "  slowed     %s batch%s, by %s together, so that merges keep up\n",
                amount_count(stats->delays, batches), stats->delays == 1 ? "" : "es",
                amount_seconds((double)stats->delayed_ms / 1e3, time));
}
