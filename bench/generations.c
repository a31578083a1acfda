/* generations.c: what a graph is worth whose links were taken over from an earlier one, again and again.
 *
 *     generations --base FILE --query FILE --truth FILE.ivecs [--metric l2|cosine|ip]
 *                 [--layout fast|compact|plain] [--share 10] [--rounds 20] [--first 0] [--renew no|yes]
 *                 [--threads 1] [--count 0]
 *
 * The bare index. Each round takes `share` percent of the rows away and appends them as new ones: the vectors
 * stay, and so do their true neighbours. The graph of the round before is the origin of the next. With
 * `first`, there is one round: a graph of the first so many percent is the origin of all. With `renew`, one
 * round too: the origin is the plain graph that a growing segment would have been flushed with. Fresh
 * builds of the same rows are measured beside the first and the last round. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "common/bench.h"
#include "index/index.h"
#include "os/memory.h"

enum { K = 10, M = 16, EF_CONSTRUCTION = 200 };

struct state {
    struct space space;
    struct rows rows;
    uint8_t *bytes, *other; /* rows now; of the next round */
    uint32_t *ids;          /* of each row: its place in the file */
    uint32_t count;
    uint8_t *queries;
    size_t query_count;
    struct bench_truth truth;
    struct index_params params;
    struct executor *executor;
    const struct index_ops *ops;
};

static lode_error error;

static uint8_t *encode(const struct space *space, const struct bench_vecs *vecs)
{
    uint8_t *bytes = memory_reserve(vecs->count * space->row_size);
    if (!bytes)
        bench_fail("no memory");
    for (size_t i = 0; i < vecs->count; i++)
        space_encode(space, bench_row(vecs, i), bytes + i * space->row_size);
    return bytes;
}

static void show(const struct state *state, const struct index *index, const char *what, double cpu)
{
    static const uint32_t efs[] = {10, 32, 64, 128};
    printf("%-12s %6.2f s CPU", what, cpu);
    for (size_t e = 0; e < sizeof efs / sizeof *efs; e++) {
        struct index_counts counts = {0, 0};
        size_t right = 0;
        for (size_t q = 0; q < state->query_count; q++) {
            struct neighbor items[K];
            struct topk topk;
            topk_init(&topk, items, K);
            struct index_query query = {.query = state->queries + q * state->space.row_size,
                                        .ef = efs[e],
                                        .row_limit = index->ops->count(index),
                                        .topk = &topk,
                                        .counts = &counts};
            bench_must(index->ops->search(index, &query, &error), &error);
            for (size_t i = 0; i < topk.count; i++)
                for (size_t j = 0; j < K; j++)
                    right += state->ids[items[i].row] == state->truth.ids[q * K + j];
        }
        double queries = (double)state->query_count;
        printf(" | ef %u: %.4f %5.1f hops %6.0f d", efs[e], (double)right / (K * queries),
               (double)counts.hops / queries, (double)counts.distances / queries);
    }
    putchar('\n');
    fflush(stdout);
}

static struct index *build(const struct state *state, uint32_t count,
                           const struct index_origin *origin, double *ret_cpu)
{
    struct index *index;
    struct index_work work = {.executor = state->executor, .origin = origin};
    double cpu = bench_cpu();
    bench_must(state->ops->build(&state->params, &state->rows, count, &work, &index, &error),
               &error);
    *ret_cpu = bench_cpu() - cpu;
    return index;
}

/* Take `gone` random rows away and append them; row_map: room for all. */
static void turn_over(struct state *state, uint32_t gone, struct rng *rng, uint32_t *row_map)
{
    size_t size = state->space.row_size;
    uint32_t *ids = malloc(state->count * sizeof *ids), next = 0;
    for (uint32_t row = 0; row < state->count; row++)
        row_map[row] = 0;
    for (uint32_t i = 0; i < gone;) {
        uint32_t row = rng_below(rng, state->count);
        i += row_map[row] == 0;
        row_map[row] = INDEX_ROW_NONE;
    }
    for (uint32_t row = 0; row < state->count; row++)
        if (row_map[row] == 0) {
            memcpy(state->other + next * size, state->bytes + row * size, size);
            ids[next] = state->ids[row];
            row_map[row] = next++;
        }
    for (uint32_t row = 0; row < state->count; row++)
        if (row_map[row] == INDEX_ROW_NONE) {
            memcpy(state->other + next * size, state->bytes + row * size, size);
            ids[next++] = state->ids[row];
        }
    uint8_t *bytes = state->bytes;
    state->bytes = state->other;
    state->other = bytes;
    state->rows.base = state->bytes;
    free(state->ids);
    state->ids = ids;
}

static void show_fresh(const struct state *state)
{
    double cpu;
    struct index *fresh = build(state, state->count, NULL, &cpu);
    show(state, fresh, "fresh", cpu);
    fresh->ops->close(fresh);
}

static void join_one(struct state *state, struct index *index, uint32_t count, uint32_t *row_map)
{
    double cpu;
    for (uint32_t row = 0; row < count; row++)
        row_map[row] = row;
    struct index *all = build(state, state->count, &(struct index_origin){index, row_map}, &cpu);
    show(state, all, "joined", cpu);
    all->ops->close(all);
    index->ops->close(index);
}

static void run_first(struct state *state, uint32_t percent, uint32_t *row_map)
{
    double cpu;
    uint32_t count = (uint32_t)((uint64_t)state->count * percent / 100);
    struct index *index = build(state, count, NULL, &cpu);
    join_one(state, index, count, row_map);
}

static void run_renew(struct state *state, uint32_t *row_map)
{
    struct index *index;
    struct index_params params = state->params;
    params.ef_construction /= 2;
    params.coded_from = 4096;
    bench_must(index_hnsw.create(&params, &state->rows, state->count, &index, &error), &error);
    for (uint32_t row = 0; row < state->count; row++)
        bench_must(index->ops->insert(index, row, &error), &error);
    join_one(state, index, state->count, row_map);
}

static void run_rounds(struct state *state, uint64_t rounds, uint32_t gone, uint32_t *row_map)
{
    struct rng rng;
    double cpu;
    rng_init(&rng, 7);
    struct index *index = build(state, state->count, NULL, &cpu);
    show(state, index, "round 0", cpu);
    for (uint64_t round = 1; round <= rounds; round++) {
        char what[32];
        turn_over(state, gone, &rng, row_map);
        struct index *next =
            build(state, state->count, &(struct index_origin){index, row_map}, &cpu);
        index->ops->close(index);
        index = next;
        snprintf(what, sizeof what, "round %u", (unsigned)round);
        show(state, index, what, cpu);
    }
    index->ops->close(index);
}

static void load(struct state *state, int argc, char **argv)
{
    const char *metric = bench_option(argc, argv, "metric", "l2");
    struct bench_vecs base =
        bench_read(bench_option(argc, argv, "base", NULL), bench_number(argc, argv, "count", 0));
    struct bench_vecs queries = bench_read(bench_option(argc, argv, "query", NULL), 1000);
    space_init(&state->space,
               !strcmp(metric, "cosine") ? LODE_METRIC_COSINE
               : !strcmp(metric, "ip")   ? LODE_METRIC_IP
                                         : LODE_METRIC_L2,
               LODE_SCALAR_F32, base.dim);
    state->bytes = encode(&state->space, &base);
    state->other = memory_reserve(base.count * state->space.row_size);
    state->queries = encode(&state->space, &queries);
    state->query_count = queries.count;
    state->count = (uint32_t)base.count;
    state->ids = malloc(base.count * sizeof *state->ids);
    if (!state->ids || !state->other)
        bench_fail("no memory");
    for (uint32_t row = 0; row < state->count; row++)
        state->ids[row] = row;
    state->rows = (struct rows){
        .space = &state->space, .base = state->bytes, .stride = state->space.row_size};
    state->truth = bench_truth_read(bench_option(argc, argv, "truth", NULL), K);
    free(base.values);
    free(queries.values);
}

int main(int argc, char **argv)
{
    const char *layout = bench_option(argc, argv, "layout", "fast");
    uint64_t threads = bench_number(argc, argv, "threads", 1);
    uint32_t first = (uint32_t)bench_number(argc, argv, "first", 0);
    struct state state = {.params = {.m = M, .ef_construction = EF_CONSTRUCTION, .seed = 1}};
    load(&state, argc, argv);
    state.ops = strcmp(layout, "plain") ? &index_qg : &index_hnsw;
    state.params.layout = strcmp(layout, "compact") ? LODE_LAYOUT_FAST : LODE_LAYOUT_COMPACT;
    if (threads > 1)
        bench_must(executor_threads_new((unsigned)threads, &state.executor, &error), &error);
    uint32_t *row_map = malloc(state.count * sizeof *row_map);
    uint64_t share = bench_number(argc, argv, "share", 10);
    if (!row_map || share > 90 || first > 100)
        bench_fail("--share is at most 90, --first 100");
    if (first)
        run_first(&state, first, row_map);
    else if (strcmp(bench_option(argc, argv, "renew", "no"), "no"))
        run_renew(&state, row_map);
    else
        run_rounds(&state, bench_number(argc, argv, "rounds", 20),
                   (uint32_t)(state.count * share / 100), row_map);
    show_fresh(&state);
    executor_free(state.executor);
    free(row_map);
    return 0;
}
