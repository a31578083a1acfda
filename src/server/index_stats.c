/* index_stats.c: see index_stats.h. */
#include "server/index_stats.h"

struct index_stats index_stats_of(const lode_stats *stats)
{
    struct index_stats sum = {0};
    for (size_t i = 0; i < stats->segment_count; i++) {
        const lode_segment_stats *segment = &stats->segments[i];
        sum.segment_bytes += segment->disk_bytes;
        sum.unindexed_rows +=
            segment->rows > segment->graph_rows ? segment->rows - segment->graph_rows : 0;
        if (segment->state == LODE_SEGMENT_GROWING || segment->state == LODE_SEGMENT_FLUSHING)
            sum.growing_rows += segment->rows;
    }
    uint64_t known = sum.segment_bytes + stats->wal_bytes + stats->kept_log_bytes;
    sum.other_bytes = stats->disk_bytes > known ? stats->disk_bytes - known : 0;
    return sum;
}
