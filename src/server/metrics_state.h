/* metrics_state.h: what metrics.c counts and metrics_text.c tells; for files named metrics_* alone. */
#ifndef SERVER_METRICS_STATE_H
#define SERVER_METRICS_STATE_H

#include "os/thread.h"
#include "server/exposition.h"
#include "server/histogram.h"
#include "server/metrics.h"

#define METRICS_STATUSES    36u /* those of status_texts; others are the last, "other" */
#define METRICS_REASONS_MAX 32u
#define METRICS_REFUSALS    6u        /* enum net_refusal begins at 1 */
#define METRICS_OTHER       "(other)" /* no collection can be called so */
#define METRICS_LINE        64        /* bytes of a cache line */

extern const char *const metrics_status_texts[METRICS_STATUSES];

/* One operation in one shard. */
struct metrics_row {
    _Alignas(METRICS_LINE) _Atomic uint64_t statuses[METRICS_STATUSES];
    _Atomic uint64_t bytes_in, bytes_out;
    struct histogram time;
};

struct metrics_shard {
    _Alignas(METRICS_LINE) struct metrics_row *rows; /* operation_count + 1: the last of no route */
    struct histogram wait;
    _Atomic uint64_t refused[METRICS_REFUSALS];
    _Atomic uint64_t denied[METRICS_REASONS_MAX];
    _Atomic uint64_t malformed[METRICS_STATUSES];
    _Atomic uint64_t queries, distances, hops, slow, written, deleted;
};

/* Of one collection. */
struct metrics_recall_entry {
    char name[LODE_NAME_SIZE_MAX + 1];
    uint64_t queries, shared, hits;
    double ratio; /* of the last queries, the later the more */
};

/* Which ended jobs of a collection were counted already. */
struct metrics_jobs_entry {
    uint64_t name_hash;
    uint64_t ended_ms;  /* of the newest of them */
    uint64_t same_time; /* of them, those that ended at that very moment */
};

#define METRICS_INDEX_SLOTS 2048u /* of a hash table for METRICS_COLLECTIONS_MAX */

#define METRICS_JOB_KINDS (LODE_JOB_MERGE + 1) /* they begin at 1 */

struct metrics {
    char **operations;
    size_t operation_count;
    struct metrics_shard *shards;
    size_t shard_count; /* a power of two */
    uint64_t started_wall_us;
    /* Slots are filled from the first on and never change again: release and acquire. */
    _Atomic(const char *) reasons[METRICS_REASONS_MAX - 1];
    _Atomic(struct metrics_index *) indices[METRICS_INDEX_SLOTS]; /* as reasons */
    _Atomic unsigned index_count;
    struct mutex lock; /* guards what follows */
    struct metrics_recall_entry *recall;
    size_t recall_count;
    struct metrics_jobs_entry *jobs;
    size_t job_count;
    uint64_t ended[METRICS_JOB_KINDS][2]; /* well; failed */
};

uint64_t metrics_sum(const struct metrics *metrics, size_t offset); /* of a counter of shards */
/* Of an operation, over all shards: adds to what counts holds. */
void metrics_time_merge(const struct metrics *metrics, size_t operation,
                        struct histogram_counts *counts);

void metrics_indices_free(struct metrics *metrics);

/* The parts of the text. */
void metrics_text_requests(const struct metrics *metrics, struct exposition *text);
void metrics_text_net(const struct net_stats *net, struct exposition *text);
void metrics_text_recall(struct metrics *metrics, const struct metrics_sources *sources,
                         struct exposition *text);
void metrics_text_jobs(struct metrics *metrics, const struct metrics_sources *sources,
                       struct exposition *text);
void metrics_text_collections(const struct metrics_sources *sources, struct exposition *text);
void metrics_text_memory(struct exposition *text);
void metrics_text_process(const struct metrics *metrics, const char *data, struct exposition *text);

#endif
