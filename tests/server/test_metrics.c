/* Counters, histograms and their text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "server/histogram.h"
#include "server/metrics.h"

static const char *const operations[] = {"query", "vectors.upsert", "odd\"\\\nname"};

static struct metrics *make(void)
{
    struct metrics *metrics = NULL;
    assert_int_equal(metrics_new(operations, 3, &metrics, NULL), LODE_OK);
    return metrics;
}

/* The text, ending with NUL; freed by the caller. */
static char *text_of(struct metrics *metrics, const struct metrics_sources *sources)
{
    struct buf out;
    buf_init(&out, 64u << 20);
    assert_int_equal(metrics_text(metrics, sources, &out, NULL), LODE_OK);
    assert_int_equal(buf_terminate(&out, NULL), LODE_OK);
    return (char *)out.data;
}

/* The value of a sample, as it is written with its labels; NULL: there is none. Borrowed from the text. */
static const char *find(const char *text, const char *sample)
{
    size_t size = strlen(sample);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        if (strncmp(line, sample, size) == 0 && line[size] == ' ')
            return line + size + 1;
    }
    return NULL;
}

static void check(const char *text, const char *sample, double expected)
{
    const char *value = find(text, sample);
    if (!value)
        fail_msg("there is no sample %s", sample);
    if (strtod(value, NULL) < expected - 1e-9 || strtod(value, NULL) > expected + 1e-9)
        fail_msg("%s is %.20s, not %g", sample, value, expected);
}

/* --- Histograms ---------------------------------------------------------------------------------- */

static int compare_u64(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Against the sorted values themselves: an eighth is what a bucket is wide. */
static void quantiles_are_near(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    uint64_t *values = malloc(COUNT * sizeof *values);
    struct histogram *histogram = calloc(1, sizeof *histogram);
    struct histogram_counts counts = {0};
    struct rng rng;
    rng_init(&rng, 7);
    for (int i = 0; i < COUNT; i++) {
        values[i] = rng_u64(&rng) >> (34 + rng_below(&rng, 28)); /* of all magnitudes to 2^30 */
        histogram_add(histogram, values[i]);
    }
    qsort(values, COUNT, sizeof *values, compare_u64);
    histogram_merge(histogram, &counts);
    assert_int_equal(histogram_count(&counts), COUNT);
    for (double share = 0.01; share < 1; share += 0.01) {
        double exact = (double)values[(size_t)(share * COUNT)];
        double found = histogram_quantile(&counts, share);
        assert_true(found >= exact * 0.87 - 1 && found <= exact * 1.13 + 1);
    }
    free(values);
    free(histogram);
}

static void bounds_belong_to_their_bucket(void **state)
{
    (void)state;
    struct histogram *histogram = calloc(1, sizeof *histogram);
    struct histogram_counts counts = {0};
    for (size_t i = 0; i + 1 < HISTOGRAM_CLASSIC; i++) {
        histogram_add(histogram, histogram_bound_us(i));
        histogram_add(histogram, histogram_bound_us(i) + 1);
    }
    histogram_add(histogram, UINT64_MAX); /* does not overrun */
    histogram_merge(histogram, &counts);
    assert_int_equal(counts.classic[0], 1);
    for (size_t i = 1; i + 1 < HISTOGRAM_CLASSIC; i++)
        assert_int_equal(counts.classic[i], 2);
    assert_int_equal(counts.classic[HISTOGRAM_CLASSIC - 1], 2);
    assert_int_equal(counts.fine[HISTOGRAM_FINE - 1], 1);
    free(histogram);
}

static void nothing_has_no_quantile(void **state)
{
    (void)state;
    struct metrics *metrics = make();
    struct metrics_latency latency;
    struct metrics_index *films = metrics_index(metrics, "films");
    metrics_latency_get(films, 0, &latency);
    assert_int_equal(latency.count, 0);
    assert_true(latency.p99_us == 0);
    for (int i = 0; i < 100; i++)
        metrics_index_request(films, 0, 1000);
    metrics_latency_get(films, 0, &latency);
    assert_int_equal(latency.count, 100);
    assert_true(latency.p50_us >= 960 && latency.p99_us <= 1024 && latency.p50_us < latency.p99_us);
    metrics_free(metrics);
}

/* Each has its own; those beyond the bound have none, and cost nothing. */
static void latencies_are_of_one_index(void **state)
{
    (void)state;
    struct metrics *metrics = make();
    struct metrics_latency latency;
    char name[LODE_NAME_SIZE_MAX + 1];
    for (int i = 0; i < METRICS_COLLECTIONS_MAX; i++) {
        (void)snprintf(name, sizeof name, "index-%d", i);
        assert_non_null(metrics_index(metrics, name));
        assert_ptr_equal(metrics_index(metrics, name), metrics_index(metrics, name));
        metrics_index_request(metrics_index(metrics, name), 1, (uint64_t)i);
    }
    assert_null(metrics_index(metrics, "one more"));
    metrics_index_request(NULL, 0, 1);
    metrics_index_request(metrics_index(metrics, "index-0"), SIZE_MAX, 1);
    metrics_latency_get(metrics_index(metrics, "index-999"), 1, &latency);
    assert_int_equal(latency.count, 1);
    assert_true(latency.p50_us > 900);
    metrics_latency_get(metrics_index(metrics, "index-1"), 0, &latency);
    assert_int_equal(latency.count, 0);
    metrics_latency_get(NULL, 0, &latency);
    assert_int_equal(latency.count, 0);
    metrics_free(metrics);
}

/* --- Requests ------------------------------------------------------------------------------------- */

static void requests_are_told(void **state)
{
    (void)state;
    struct metrics *metrics = make();
    struct net_outcome outcome = {.status = 200,
                                  .bytes_in = 10,
                                  .bytes_out = 20,
                                  .waited_us = 70,
                                  .ran_us = 300,
                                  .total_us = 400};
    metrics_request(metrics, 0, &outcome);
    outcome.total_us = 20000000;
    metrics_request(metrics, 0, &outcome);
    outcome = (struct net_outcome){.status = 429, .total_us = 50};
    metrics_request(metrics, 1, &outcome);
    outcome.status = 299;
    metrics_request(metrics, SIZE_MAX, &outcome);
    outcome.status = 0;
    metrics_request(metrics, 2, &outcome);
    struct metrics_sources sources = {0};
    char *text = text_of(metrics, &sources);
    check(text, "lode_http_requests_total{operation=\"query\",status=\"200\"}", 2);
    check(text, "lode_http_requests_total{operation=\"vectors.upsert\",status=\"429\"}", 1);
    check(text, "lode_http_requests_total{operation=\"unmatched\",status=\"other\"}", 1);
    check(text, "lode_http_requests_total{operation=\"odd\\\"\\\\\\nname\",status=\"none\"}", 1);
    check(text, "lode_http_request_seconds_bucket{operation=\"query\",le=\"0.00025\"}", 0);
    check(text, "lode_http_request_seconds_bucket{operation=\"query\",le=\"0.0005\"}", 1);
    check(text, "lode_http_request_seconds_bucket{operation=\"query\",le=\"10\"}", 1);
    check(text, "lode_http_request_seconds_bucket{operation=\"query\",le=\"+Inf\"}", 2);
    check(text, "lode_http_request_seconds_count{operation=\"query\"}", 2);
    check(text, "lode_http_request_seconds_sum{operation=\"query\"}", 20.0004);
    check(text, "lode_http_request_seconds_bucket{operation=\"vectors.upsert\",le=\"5e-05\"}", 1);
    check(text, "lode_http_request_bytes_total{operation=\"query\"}", 20);
    check(text, "lode_http_response_bytes_total{operation=\"query\"}", 40);
    check(text, "lode_queue_wait_seconds_count", 2); /* refused ones did not wait for anything */
    check(text, "lode_queue_wait_seconds_bucket{le=\"0.0001\"}", 2);
    free(text);
    metrics_free(metrics);
}

static void faults_are_told(void **state)
{
    (void)state;
    struct metrics *metrics = make();
    static char reasons[40][16];
    metrics_denied(metrics, "expired");
    metrics_denied(metrics, strcpy(reasons[0], "expired")); /* told apart by what they say */
    for (int i = 1; i < 40; i++) {
        snprintf(reasons[i], sizeof reasons[i], "reason%d", i);
        metrics_denied(metrics, reasons[i]);
    }
    metrics_refused(metrics, NET_REFUSED_QUEUE);
    metrics_refused(metrics, NET_REFUSED_DRAINING);
    metrics_malformed(metrics, 400);
    metrics_queries(metrics, 3, 500, 60);
    metrics_points(metrics, 9, 2);
    metrics_slow(metrics);
    struct metrics_sources sources = {
        .is_ready = true, .is_audit_failing = true, .audit_failures = 4, .log_suppressed = 5};
    char *text = text_of(metrics, &sources);
    check(text, "lode_http_denied_total{reason=\"expired\"}", 2);
    check(text, "lode_http_denied_total{reason=\"reason30\"}", 1);
    check(text, "lode_http_denied_total{reason=\"other\"}", 9);
    check(text, "lode_http_refused_total{reason=\"queue\"}", 1);
    check(text, "lode_http_refused_total{reason=\"size\"}", 0);
    check(text, "lode_http_refused_total{reason=\"draining\"}", 1);
    check(text, "lode_http_malformed_total{status=\"400\"}", 1);
    check(text, "lode_queries_total", 3);
    check(text, "lode_query_distances_total", 500);
    check(text, "lode_query_hops_total", 60);
    check(text, "lode_points_written_total", 9);
    check(text, "lode_points_deleted_total", 2);
    check(text, "lode_slow_queries_total", 1);
    check(text, "lode_ready", 1);
    check(text, "lode_audit_failing", 1);
    check(text, "lode_audit_failures_total", 4);
    check(text, "lode_log_lines_suppressed_total", 5);
    free(text);
    metrics_free(metrics);
}

static void net_is_told(void **state)
{
    (void)state;
    struct metrics *metrics = make();
    struct net_stats net = {
        .connections = 5, .accepted = 17, .turned_away = 2, .gathered_bytes = 99};
    net.lanes[NET_LANE_SLOW] = (struct net_lane_stats){
        .running = 1, .queued = 2, .admitted = 30, .refused = 4, .expected_wait_us = 1500000};
    struct metrics_cache cache = {"tokens", 7, 8};
    struct metrics_sources sources = {.net = &net, .caches = &cache, .cache_count = 1, .data = "/"};
    char *text = text_of(metrics, &sources);
    check(text, "lode_http_connections", 5);
    check(text, "lode_http_connections_accepted_total", 17);
    check(text, "lode_http_connections_refused_total", 2);
    check(text, "lode_http_gathered_bytes", 99);
    check(text, "lode_lane_running{lane=\"slow\"}", 1);
    check(text, "lode_lane_queued{lane=\"slow\"}", 2);
    check(text, "lode_lane_admitted_total{lane=\"slow\"}", 30);
    check(text, "lode_lane_refused_total{lane=\"slow\"}", 4);
    check(text, "lode_lane_expected_wait_seconds{lane=\"slow\"}", 1.5);
    check(text, "lode_lane_queued{lane=\"read\"}", 0);
    check(text, "lode_cache_requests_total{cache=\"tokens\",result=\"hit\"}", 7);
    check(text, "lode_cache_requests_total{cache=\"tokens\",result=\"miss\"}", 8);
    assert_true(strtod(find(text, "lode_disk_size_bytes"), NULL) > 0);
    assert_true(strtod(find(text, "process_resident_memory_bytes"), NULL) > 1e6);
    assert_true(strtod(find(text, "process_open_fds"), NULL) >= 3);
    assert_true(strtod(find(text, "process_start_time_seconds"), NULL) > 1.6e9);
    free(text);
    metrics_free(metrics);
}

/* --- Collections ---------------------------------------------------------------------------------- */

static void collections_are_told(void **state)
{
    (void)state;
    struct metrics *metrics = make();
    lode_segment_stats segments[] = {
        {.state = LODE_SEGMENT_GROWING, .rows = 10, .dead_rows = 4},
        {.state = LODE_SEGMENT_INDEXED, .rows = 100, .dead_rows = 10, .graph_rows = 100},
        {.state = LODE_SEGMENT_INDEXED, .rows = 50, .graph_rows = 50}};
    lode_job_stats jobs[] = {{.kind = LODE_JOB_MERGE, .done = 30, .total = 120},
                             {.kind = LODE_JOB_MERGE, .done = 80, .total = 80}};
    lode_stats stats = {.points = 146,
                        .wal_bytes = 7,
                        .disk_bytes = 8,
                        .memory_bytes = 9,
                        .mapped_bytes = 10,
                        .segments = segments,
                        .segment_count = 3,
                        .jobs = jobs,
                        .job_count = 2,
                        .job_error = {.status = LODE_FULL},
                        .merge_debt = 12,
                        .delays = 3,
                        .delayed_ms = 1500};
    struct metrics_collection collection = {"films", &stats};
    struct metrics_sources sources = {.collections = &collection, .collection_count = 1};
    char *text = text_of(metrics, &sources);
    check(text, "lode_collections", 1);
    check(text, "lode_collection_points{collection=\"films\"}", 146);
    check(text, "lode_collection_wal_bytes{collection=\"films\"}", 7);
    check(text, "lode_collection_disk_bytes{collection=\"films\"}", 8);
    check(text, "lode_collection_memory_bytes{collection=\"films\",part=\"owned\"}", 9);
    check(text, "lode_collection_memory_bytes{collection=\"films\",part=\"mapped\"}", 10);
    check(text, "lode_collection_rows{collection=\"films\",state=\"living\"}", 146);
    check(text, "lode_collection_rows{collection=\"films\",state=\"in_graph\"}", 150);
    check(text, "lode_collection_rows{collection=\"films\",state=\"dead\"}", 14);
    check(text, "lode_collection_segments{collection=\"films\",state=\"indexed\"}", 2);
    check(text, "lode_collection_segments{collection=\"films\",state=\"damaged\"}", 0);
    check(text, "lode_job_running{collection=\"films\",kind=\"merge\"}", 2);
    check(text, "lode_job_running{collection=\"films\",kind=\"flush\"}", 0);
    check(text, "lode_job_progress_ratio{collection=\"films\",kind=\"merge\"}", 0.55);
    assert_null(find(text, "lode_job_progress_ratio{collection=\"films\",kind=\"flush\"}"));
    check(text, "lode_job_failing{collection=\"films\"}", 1);
    check(text, "lode_merge_debt{collection=\"films\"}", 12);
    check(text, "lode_write_delays_total{collection=\"films\"}", 3);
    check(text, "lode_write_delay_seconds_total{collection=\"films\"}", 1.5);
    free(text);
    metrics_free(metrics);
}

static void many_collections_are_summed(void **state)
{
    (void)state;
    enum { COUNT = METRICS_COLLECTIONS_MAX + 5 };
    struct metrics *metrics = make();
    struct metrics_collection *collections = calloc(COUNT, sizeof *collections);
    char(*names)[16] = calloc(COUNT, sizeof *names);
    lode_stats stats = {.points = 3};
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(names[i], sizeof names[i], "c%04zu", i);
        collections[i] = (struct metrics_collection){names[i], &stats};
        metrics_recall(metrics, names[i], 1, 2);
    }
    struct metrics_sources sources = {.collections = collections, .collection_count = COUNT};
    char *text = text_of(metrics, &sources);
    check(text, "lode_collections", COUNT);
    check(text, "lode_collection_points{collection=\"c0999\"}", 3);
    check(text, "lode_collection_points{collection=\"(other)\"}", 15);
    assert_null(find(text, "lode_collection_points{collection=\"c1000\"}"));
    check(text, "lode_recall_queries_total{collection=\"c0999\"}", 1);
    check(text, "lode_recall_queries_total{collection=\"(other)\"}", 5);
    assert_null(find(text, "lode_recall_queries_total{collection=\"c1000\"}"));
    free(text);
    free(names);
    free(collections);
    metrics_free(metrics);
}

/* The engine tells the last jobs again and again; each counts once, also those that end in the same millisecond. */
static void ended_jobs_count_once(void **state)
{
    (void)state;
    struct metrics *metrics = make();
    lode_job_record history[] = {
        {.kind = LODE_JOB_FLUSH, .ended_ms = 100},
        {.kind = LODE_JOB_FLUSH, .ended_ms = 200},
        {.kind = LODE_JOB_MERGE, .ended_ms = 200, .error = {.status = LODE_FULL}},
        {.kind = LODE_JOB_FLUSH, .ended_ms = 200},
        {.kind = LODE_JOB_INDEX, .ended_ms = 300}};
    lode_stats stats = {.history = history, .history_count = 2};
    struct metrics_collection collections[] = {{"a", &stats}, {"b", &stats}};
    struct metrics_sources sources = {.collections = collections, .collection_count = 1};
    free(text_of(metrics, &sources));
    char *text = text_of(metrics, &sources);
    check(text, "lode_jobs_done_total{kind=\"flush\"}", 2);
    free(text);
    stats.history_count = 5;
    free(text_of(metrics, &sources));
    text = text_of(metrics, &sources);
    check(text, "lode_jobs_done_total{kind=\"flush\"}", 3);
    check(text, "lode_jobs_failed_total{kind=\"merge\"}", 1);
    check(text, "lode_jobs_done_total{kind=\"index\"}", 1);
    free(text);
    sources.collection_count = 2; /* the jobs of another are others */
    text = text_of(metrics, &sources);
    check(text, "lode_jobs_done_total{kind=\"flush\"}", 6);
    check(text, "lode_jobs_failed_total{kind=\"merge\"}", 2);
    check(text, "lode_jobs_failed_total{kind=\"flush\"}", 0);
    free(text);
    metrics_free(metrics);
}

static void recall_follows(void **state)
{
    (void)state;
    struct metrics *metrics = make();
    lode_stats stats = {0};
    struct metrics_collection collection = {"films", &stats};
    struct metrics_sources sources = {.collections = &collection, .collection_count = 1};
    metrics_recall(metrics, "films", 0, 0); /* an empty answer says nothing */
    for (int i = 0; i < 10; i++)
        metrics_recall(metrics, "films", i % 2 ? 10 : 9, 10);
    char *text = text_of(metrics, &sources);
    check(text, "lode_recall_queries_total{collection=\"films\"}", 10);
    check(text, "lode_recall_hits_total{collection=\"films\"}", 100);
    check(text, "lode_recall_hits_found_total{collection=\"films\"}", 95);
    check(text, "lode_recall_ratio{collection=\"films\"}", 0.95); /* the mean of few */
    free(text);
    for (int i = 0; i < 2000; i++)
        metrics_recall(metrics, "films", 5, 10);
    text = text_of(metrics, &sources);
    assert_true(strtod(find(text, "lode_recall_ratio{collection=\"films\"}"), NULL) < 0.5001);
    free(text);
    collection.name = "songs"; /* who may not see films is not told of them */
    text = text_of(metrics, &sources);
    assert_null(find(text, "lode_recall_ratio{collection=\"films\"}"));
    free(text);
    metrics_free(metrics);
}

static void text_keeps_to_its_room(void **state)
{
    (void)state;
    struct metrics *metrics = make();
    struct metrics_sources sources = {0};
    struct buf out;
    lode_error error = {0};
    buf_init(&out, 1000);
    assert_int_equal(metrics_text(metrics, &sources, &out, &error), LODE_LIMIT);
    assert_true(out.size <= 1000);
    buf_release(&out);
    metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_are_near),
        cmocka_unit_test(bounds_belong_to_their_bucket),
        cmocka_unit_test(nothing_has_no_quantile),
        cmocka_unit_test(latencies_are_of_one_index),
        cmocka_unit_test(requests_are_told),
        cmocka_unit_test(faults_are_told),
        cmocka_unit_test(net_is_told),
        cmocka_unit_test(collections_are_told),
        cmocka_unit_test(many_collections_are_summed),
        cmocka_unit_test(ended_jobs_count_once),
        cmocka_unit_test(recall_follows),
        cmocka_unit_test(text_keeps_to_its_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
