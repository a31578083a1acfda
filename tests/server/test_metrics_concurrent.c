/* Threads that count while others read: nothing is lost, and what is read never goes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/thread.h"
#include "server/metrics.h"

enum { THREADS = 6, ROUNDS = 40000 };

static const char *const operations[] = {"query"};
static const char *const reasons[] = {"missing", "expired", "forged", "role"};

struct counting {
    struct metrics *metrics;
    atomic_uint *running;
};

static void count(void *context)
{
    const struct counting *counting = context;
    struct net_outcome outcome = {.status = 200, .ran_us = 1, .total_us = 100};
    for (unsigned i = 0; i < ROUNDS; i++) {
        metrics_request(counting->metrics, 0, &outcome);
        metrics_denied(counting->metrics, reasons[i % 4]);
        metrics_recall(counting->metrics, i % 2 ? "a" : "b", 1, 1);
        metrics_queries(counting->metrics, 1, 2, 3);
    }
    atomic_fetch_sub(counting->running, 1);
}

static unsigned long long value(const char *text, const char *sample)
{
    const char *found = strstr(text, sample);
    return found ? strtoull(found + strlen(sample), NULL, 10) : 0;
}

static char *text_of(struct metrics *metrics)
{
    static const lode_job_record history = {.kind = LODE_JOB_FLUSH, .ended_ms = 5};
    static const lode_stats stats = {.history = &history, .history_count = 1};
    const struct metrics_collection collections[] = {{"a", &stats}, {"b", &stats}};
    struct metrics_sources sources = {.collections = collections, .collection_count = 2};
    struct buf out;
    buf_init(&out, 1u << 20);
    assert_int_equal(metrics_text(metrics, &sources, &out, NULL), LODE_OK);
    assert_int_equal(buf_terminate(&out, NULL), LODE_OK);
    return (char *)out.data;
}

static void nothing_is_lost(void **state)
{
    (void)state;
    struct metrics *metrics = NULL;
    struct thread threads[THREADS];
    atomic_uint running = THREADS;
    assert_int_equal(metrics_new(operations, 1, &metrics, NULL), LODE_OK);
    struct counting counting = {metrics, &running};
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(thread_start(&threads[i], "count", count, &counting), 0);
    unsigned long long before = 0;
    while (atomic_load(&running)) {
        char *text = text_of(metrics);
        unsigned long long now = value(text, "\nlode_queries_total ");
        assert_true(now >= before);
        before = now;
        free(text);
    }
    for (int i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    char *text = text_of(metrics);
    assert_int_equal(value(text, "\nlode_queries_total "), THREADS * ROUNDS);
    assert_int_equal(value(text, "{operation=\"query\",status=\"200\"} "), THREADS * ROUNDS);
    assert_int_equal(value(text, "_seconds_count{operation=\"query\"} "), THREADS * ROUNDS);
    assert_int_equal(value(text, "_denied_total{reason=\"forged\"} "), THREADS * ROUNDS / 4);
    assert_int_equal(value(text, "_recall_queries_total{collection=\"b\"} "), THREADS * ROUNDS / 2);
    assert_int_equal(value(text, "_jobs_done_total{kind=\"flush\"} "), 2);
    free(text);
    metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nothing_is_lost)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
