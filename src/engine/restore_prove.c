/* restore_prove.c: a restored database is opened and asked: are all points there, and does the index find what a
 * scan of everything finds? */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "engine/read.h"
#include "engine/restore.h"

#define SAMPLE_DEFAULT 100u
#define SAMPLE_K       10u

struct sample {
    lode_collection handle; /* which sees all namespaces */
    struct lode_snapshot snapshot;
    size_t wanted;
    float *vectors; /* of `count` points */
    size_t count;
    uint64_t searches;
    uint64_t found, there; /* hits of the index as near as those of the scan; hits of the scan */
};

/* --- Choosing ---------------------------------------------------------------------------------- */

static lode_status take_row(struct sample *sample, const struct segment_view *view, uint32_t row,
                            lode_error *error)
{
    const struct rows *rows = &view->segment->rows;
    size_t dim = sample->handle.shared->schema.dim;
    lode_status status = rows_touch(rows, row, 1, error);
    if (!status)
        space_decode(rows->space, rows_at(rows, row), sample->vectors + sample->count++ * dim);
    return status;
}

/* Living rows at even distances over all views. */
static lode_status choose_points(struct sample *sample, lode_error *error)
{
    const struct version *version = sample->snapshot.version;
    uint64_t points = version->point_count, seen = 0, next = 0;
    size_t wanted = points < sample->wanted ? (size_t)points : sample->wanted;
    lode_status status = LODE_OK;
    size_t size = sample->handle.shared->schema.dim * sizeof(float);
    sample->vectors = calloc(wanted + 1, size);
    if (!sample->vectors)
        return error_nomem(error, "a sample of vectors", wanted * size);
    for (size_t i = 0; !status && i < version->view_count; i++) {
        const struct segment_view *view = &version->views[i];
        for (uint32_t row = 0; !status && row < view->row_count && sample->count < wanted; row++) {
            if (!view_alive(view, row) || seen++ < next)
                continue;
            status = take_row(sample, view, row, error);
            next = sample->count * points / wanted;
        }
    }
    return status;
}

/* --- Searching --------------------------------------------------------------------------------- */

/* The index's hits that are no worse than the last of the scan's; both are ordered. */
static uint64_t count_found(const struct sample *sample, const lode_result *fast,
                            const lode_result *exact)
{
    uint64_t count = 0;
    int smaller_is_better = sample->handle.shared->schema.metric == LODE_METRIC_L2;
    if (exact->hit_count == 0)
        return 0;
    float worst = exact->hits[exact->hit_count - 1].score;
    for (size_t i = 0; i < fast->hit_count; i++)
        count += smaller_is_better ? fast->hits[i].score <= worst : fast->hits[i].score >= worst;
    return count < exact->hit_count ? count : exact->hit_count;
}

static lode_status search(struct sample *sample, lode_search_request *requests, int exact,
                          lode_result **results, lode_error *error)
{
    for (size_t i = 0; i < sample->count; i++)
        requests[i] =
            (lode_search_request){.snapshot = &sample->snapshot,
                                  .vector = sample->vectors + i * sample->handle.shared->schema.dim,
                                  .k = SAMPLE_K,
                                  .exact = exact};
    return collection_search_batch(&sample->handle, requests, sample->count, results, error);
}

/* All at once, so that the scan reads everything once. */
static lode_status search_sample(struct sample *sample, lode_error *error)
{
    size_t count = sample->count;
    lode_search_request *requests = calloc(count + 1, sizeof *requests);
    lode_result **results = calloc(2 * count + 1, sizeof(lode_result *));
    lode_status status = LODE_OK;
    if (!requests || !results)
        status = error_nomem(error, "searches", count * sizeof *requests);
    if (!status)
        status = search(sample, requests, 0, results, error);
    if (!status)
        status = search(sample, requests, 1, results + count, error);
    for (size_t i = 0; !status && i < count; i++) {
        sample->searches++;
        sample->found += count_found(sample, results[i], results[count + i]);
        sample->there += results[count + i]->hit_count;
    }
    for (size_t i = 0; results && i < 2 * count; i++)
        lode_result_free(results[i]);
    free(results);
    free(requests);
    return status;
}

/* --- Comparing --------------------------------------------------------------------------------- */

static lode_status compare_figures(const struct restoring *restoring, const struct version *version,
                                   const struct inventory_collection *wanted, lode_error *error)
{
    uint64_t sequence = restoring->to_sequence ? restoring->to_sequence : wanted->sequence;
    if (version->sequence != sequence)
        return error_set(error, LODE_CORRUPT,
                         "it is at batch %" PRIu64 ", and should be at %" PRIu64, version->sequence,
                         sequence);
    if (!restoring->to_sequence && version->point_count != wanted->point_count)
        return error_set(error, LODE_CORRUPT, "it has %" PRIu64 " points, and should have %" PRIu64,
                         version->point_count, wanted->point_count);
    return LODE_OK;
}

static lode_status prove_open(struct restoring *restoring, struct collection *collection,
                              const struct inventory_collection *wanted, struct sample *sample,
                              lode_error *error)
{
    sample->handle = (lode_collection){.shared = collection, .scope = {.everything = 1}};
    snapshot_begin(collection, &sample->snapshot);
    /* What has expired since the backup still counts. */
    sample->snapshot.version = collection_pin_model(collection, &sample->snapshot.model);
    lode_status status = compare_figures(restoring, sample->snapshot.version, wanted, error);
    if (!status)
        status = choose_points(sample, error);
    if (!status)
        status = search_sample(sample, error);
    free(sample->vectors);
    restoring->info.points += sample->snapshot.version->point_count;
    snapshot_end(&sample->snapshot);
    return status;
}

static lode_status prove_collection(struct restoring *restoring, lode_db *db,
                                    const struct inventory_collection *wanted,
                                    struct sample *totals, lode_error *error)
{
    struct sample sample = {.wanted = restoring->options->sample ? restoring->options->sample
                                                                 : SAMPLE_DEFAULT};
    struct collection *collection;
    lode_status status = db_acquire(db, wanted->name, &collection, error);
    if (!status) {
        status = prove_open(restoring, collection, wanted, &sample, error);
        db_release(collection);
    }
    if (status)
        error_prefix(error, "restored collection '%s': ", wanted->name);
    restoring->info.collections++;
    totals->searches += sample.searches;
    totals->found += sample.found;
    totals->there += sample.there;
    return status;
}

lode_status restoring_prove(struct restoring *restoring, lode_error *error)
{
    const lode_db_options options = {
        .must_exist = 1, .maintenance = LODE_MAINTAIN_ON_REQUEST, .key = restoring->options->key};
    const struct inventory *inventory = &restoring->inventory;
    struct db_env env = *restoring->env;
    struct sample totals = {0};
    lode_db *db;
    env.restoring = 1;
    restoring_stage(restoring, "proving", 0);
    lode_status status = db_open(restoring->path, &options, &env, &db, error);
    if (status)
        return status;
    for (size_t i = 0; !status && i < inventory->collection_count; i++) {
        if (!restoring->uid || inventory->collections[i].uid == restoring->uid)
            status = prove_collection(restoring, db, &inventory->collections[i], &totals, error);
        if (!status)
            status = restoring_tell(restoring, 0, error);
    }
    db_close(db);
    restoring->info.searches = totals.searches;
    restoring->info.recall = totals.there ? (double)totals.found / (double)totals.there : 1;
    return status;
}
