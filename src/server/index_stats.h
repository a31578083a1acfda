/* index_stats.h: what the statistics of an index say beyond the engine's own, alike over JSON and gRPC. */
#ifndef SERVER_INDEX_STATS_H
#define SERVER_INDEX_STATS_H

#include "base/error.h"

struct index_stats {
    /* Of the disk, beside logs: what is in segments, and the rest (manifests, text models, snapshots). */
    uint64_t segment_bytes, other_bytes;
    /* Freshness. A write is seen by every read that begins after it was acknowledged; what is in growing segments is in the
     * log too, and what is not in a graph yet is scanned. */
    uint64_t growing_rows, unindexed_rows;
};

struct index_stats index_stats_of(const lode_stats *stats);

#endif
