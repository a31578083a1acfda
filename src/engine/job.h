/* job.h: one piece of background work as lode_stats_get shows it: what for, how far, how long still; and the
 * last ones that ended.
 *
 * The thread that works writes a job's counters, others read them: relaxed, only shown. All else of a job is
 * set before job_begin, which makes it visible under jobs.mutex. */
#ifndef ENGINE_JOB_H
#define ENGINE_JOB_H

#include <stdatomic.h>

#include "base/error.h"

struct collection;

enum job_phase {
    JOB_ROWS,       /* rows, ids and documents are written */
    JOB_GRAPH,      /* the graph is built in memory */
    JOB_GRAPH_FILE, /* and written */
    JOB_PHASES
};

#define JOB_HISTORY_MAX 8u

struct job {
    lode_job_kind kind;
    lode_job_reason reason;
    uint32_t segments; /* taken */
    uint64_t rows_in, bytes_in;
    uint64_t rows_out, bytes_out;                              /* when it has ended well */
    _Atomic uint64_t done[JOB_PHASES], total[JOB_PHASES];      /* rows */
    _Atomic uint64_t begin_us[JOB_PHASES], end_us[JOB_PHASES]; /* 0: not yet */
    uint64_t started_us;
    uint64_t held;         /* of the memory budget, beside the memory of a graph */
    _Atomic int is_denied; /* waits for the memory of a graph */
    struct job *next;
};

/* What jobs.mutex guards of all jobs. */
struct job_list {
    struct job *running;
    struct lode_job_record history[JOB_HISTORY_MAX]; /* a ring */
    size_t ended;                                    /* so far */
    double us_a_row[JOB_PHASES];                     /* of the last job that had it; 0: none had */
    double merge_us_a_row;                   /* of the last merge, all in all; 0: there was none */
    uint64_t flushed_bytes, rewritten_bytes; /* since it was opened */
};

/* It is seen from here to job_end. A phase's total is set before it begins, best before job_begin. */
void job_begin(struct collection *collection, struct job *job);
/* End the phase under way, if there is one, and begin this. */
void job_enter(struct collection *collection, struct job *job, enum job_phase phase);
/* error: why it failed, or NULL. A job that did nothing (all counters 0) and was cancelled leaves no record. */
void job_end(struct collection *collection, struct job *job, lode_status status,
             const lode_error *error);

/* One phase at a moment. */
struct job_pace {
    uint64_t done, total; /* rows */
    uint64_t elapsed_us;  /* 0: not begun */
    double us_a_row;      /* as known from earlier jobs; 0: not known */
};
#define JOB_ETA_UNKNOWN UINT64_MAX
/* Microseconds to the end of all phases: a pure function. */
uint64_t job_eta_us(const struct job_pace *phases, size_t count);

/* jobs.mutex is held. */
void job_describe(const struct job_list *list, const struct job *job, uint64_t now_us,
                  lode_job_stats *ret_stats);
/* Oldest first; returns how many, at most JOB_HISTORY_MAX. */
size_t job_history(const struct job_list *list, lode_job_record *ret_records);

#endif
