/* job.c: bookkeeping of background work. */
#include "engine/job.h"

#include "engine/collection.h"

#define PACE_SHARE_MIN 20u /* of a phase's rows, one in so many says how fast it goes; */
#define PACE_US_MIN    ((uint64_t)500000) /* or so much time */

static uint64_t load(const _Atomic uint64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void store(_Atomic uint64_t *value, uint64_t to)
{
    atomic_store_explicit(value, to, memory_order_relaxed);
}

/* --- Beginning and ending ---------------------------------------------------------------------- */

void job_begin(struct collection *collection, struct job *job)
{
    struct jobs *jobs = &collection->jobs;
    job->started_us = clock_now_us(collection->db->clock);
    mutex_lock(&jobs->mutex);
    job->next = jobs->list.running;
    jobs->list.running = job;
    mutex_unlock(&jobs->mutex);
}

static void leave_phases(struct job *job, uint64_t now)
{
    for (int i = 0; i < JOB_PHASES; i++)
        if (load(&job->begin_us[i]) && !load(&job->end_us[i]))
            store(&job->end_us[i], now);
}

void job_enter(struct collection *collection, struct job *job, enum job_phase phase)
{
    uint64_t now = clock_now_us(collection->db->clock);
    leave_phases(job, now);
    store(&job->begin_us[phase], now);
}

static void learn_pace(struct job_list *list, const struct job *job)
{
    for (int i = 0; i < JOB_PHASES; i++) {
        uint64_t rows = load(&job->done[i]), begin = load(&job->begin_us[i]);
        if (rows > 0 && rows == load(&job->total[i]) && begin)
            list->us_a_row[i] = (double)(load(&job->end_us[i]) - begin) / (double)rows;
    }
}

static void count_bytes(struct job_list *list, const struct job *job)
{
    if (job->kind == LODE_JOB_FLUSH)
        list->flushed_bytes += job->bytes_out;
    else
        list->rewritten_bytes += job->bytes_out;
}

static void remember(struct job_list *list, const struct job *job, lode_status status,
                     const lode_error *error)
{
    lode_job_record *record = &list->history[list->ended++ % JOB_HISTORY_MAX];
    *record = (lode_job_record){
        .kind = job->kind,
        .reason = job->reason,
        .segments = job->segments,
        .rows_in = job->rows_in,
        .rows_out = job->rows_out,
        .bytes_in = job->bytes_in,
        .bytes_out = job->bytes_out,
    };
    if (status && error)
        record->error = *error;
    record->error.status = status;
}

/* Builds that are stopped for a compaction or for closing. */
static int is_worth_telling(const struct job *job, lode_status status)
{
    return status != LODE_CANCELLED || load(&job->done[JOB_ROWS]) || load(&job->done[JOB_GRAPH]);
}

void job_end(struct collection *collection, struct job *job, lode_status status,
             const lode_error *error)
{
    struct jobs *jobs = &collection->jobs;
    struct job_list *list = &jobs->list;
    uint64_t now = clock_now_us(collection->db->clock), now_ms = collection_now_ms(collection);
    leave_phases(job, now);
    mutex_lock(&jobs->mutex);
    struct job **link = &list->running;
    while (*link != job)
        link = &(*link)->next;
    *link = job->next;
    if (!status) {
        learn_pace(list, job);
        if (job->kind == LODE_JOB_MERGE && job->rows_in > 0)
            list->merge_us_a_row = (double)(now - job->started_us) / (double)job->rows_in;
        count_bytes(list, job);
    }
    if (is_worth_telling(job, status)) {
        remember(list, job, status, error);
        lode_job_record *record = &list->history[(list->ended - 1) % JOB_HISTORY_MAX];
        record->duration_ms = (now - job->started_us) / 1000;
        record->ended_ms = now_ms;
    }
    mutex_unlock(&jobs->mutex);
}

/* --- Time left --------------------------------------------------------------------------------- */

/* What the phase itself shows counts, once it has shown enough. */
static double pace_of(const struct job_pace *phase)
{
    int is_telling = phase->done > 0 && phase->elapsed_us > 0 &&
                     (phase->done >= phase->total / PACE_SHARE_MIN ||
                      phase->elapsed_us >= PACE_US_MIN || phase->us_a_row <= 0);
    return is_telling ? (double)phase->elapsed_us / (double)phase->done : phase->us_a_row;
}

uint64_t job_eta_us(const struct job_pace *phases, size_t count)
{
    double left = 0;
    for (size_t i = 0; i < count; i++) {
        if (phases[i].done >= phases[i].total)
            continue;
        double pace = pace_of(&phases[i]);
        if (!(pace > 0))
            return JOB_ETA_UNKNOWN;
        left += pace * (double)(phases[i].total - phases[i].done);
    }
    return left < 1e18 ? (uint64_t)left : JOB_ETA_UNKNOWN;
}

/* --- Showing ----------------------------------------------------------------------------------- */

static struct job_pace pace_at(const struct job_list *list, const struct job *job, int phase,
                               uint64_t now_us)
{
    uint64_t begin = load(&job->begin_us[phase]), end = load(&job->end_us[phase]);
    struct job_pace pace = {.done = load(&job->done[phase]),
                            .total = load(&job->total[phase]),
                            .us_a_row = list->us_a_row[phase]};
    if (begin)
        pace.elapsed_us = (end ? end : now_us > begin ? now_us : begin + 1) - begin;
    if (end) /* whatever it did not need */
        pace.total = pace.done;
    return pace;
}

/* Rows a second in the phase that began last. */
static double rate_of(const struct job_pace *phases)
{
    double rate = 0;
    for (int i = 0; i < JOB_PHASES; i++)
        if (phases[i].elapsed_us)
            rate = 1e6 * (double)phases[i].done / (double)phases[i].elapsed_us;
    return rate;
}

void job_describe(const struct job_list *list, const struct job *job, uint64_t now_us,
                  lode_job_stats *ret_stats)
{
    struct job_pace phases[JOB_PHASES];
    *ret_stats = (lode_job_stats){.kind = job->kind,
                                  .reason = job->reason,
                                  .segments = job->segments,
                                  .rows_in = job->rows_in,
                                  .bytes_in = job->bytes_in,
                                  .elapsed_ms = (now_us - job->started_us) / 1000};
    for (int i = 0; i < JOB_PHASES; i++) {
        phases[i] = pace_at(list, job, i, now_us);
        ret_stats->done += phases[i].done;
        ret_stats->total += phases[i].total;
    }
    uint64_t eta = job_eta_us(phases, JOB_PHASES);
    if (atomic_load_explicit(&job->is_denied, memory_order_relaxed))
        ret_stats->waiting = LODE_WAIT_MEMORY;
    ret_stats->rate = rate_of(phases);
    ret_stats->eta_ms = eta == JOB_ETA_UNKNOWN ? LODE_ETA_UNKNOWN : eta / 1000;
}

size_t job_history(const struct job_list *list, lode_job_record *ret_records)
{
    size_t count = list->ended < JOB_HISTORY_MAX ? list->ended : JOB_HISTORY_MAX;
    for (size_t i = 0; i < count; i++)
        ret_records[i] = list->history[(list->ended - count + i) % JOB_HISTORY_MAX];
    return count;
}
