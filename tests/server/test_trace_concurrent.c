/* Threads that trace at once. Without arguments: nobody listens, and every span is counted as dropped. With a URL, a number of
 * threads, and of requests of each: they are sent there (test_trace_collector.py); prints how many spans were sent and dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/clock.h"
#include "os/thread.h"
#include "server/trace.h"

struct tracing {
    struct tracer *tracer;
    unsigned requests;
};

/* A request with a caller, and two spans within it. */
static void trace_one(struct tracer *tracer, unsigned number)
{
    struct trace_context context;
    struct trace_attribute attributes[] = {{.name = "db.collection.name", .text = "films"},
                                           {.name = "lode.k", .number = number}};
    trace_begin(tracer, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", &context);
    context.state = "rojo=00f067aa0ba902b7";
    uint64_t now_us = clock_wall_us(&clock_system);
    struct trace_span spans[3] = {
        {.name = "query",
         .start_us = now_us,
         .end_us = now_us + 500,
         .attributes = attributes,
         .attribute_count = 2,
         .error = number % 10 ? NULL : "LODE_IO"},
        {.name = "plan", .start_us = now_us + 1, .end_us = now_us + 9},
        {.name = "segment", .start_us = now_us + 9, .end_us = now_us + 400}};
    memcpy(spans[0].span_id, context.span_id, 8);
    memcpy(spans[0].parent_id, context.parent_id, 8);
    for (int i = 1; i < 3; i++) {
        trace_new_span_id(tracer, spans[i].span_id);
        memcpy(spans[i].parent_id, context.span_id, 8);
    }
    trace_spans(tracer, &context, spans, 3);
}

static void trace_many(void *context)
{
    const struct tracing *tracing = context;
    for (unsigned i = 0; i < tracing->requests; i++)
        trace_one(tracing->tracer, i);
}

static struct tracer *make(const char *endpoint)
{
    struct config config = {0};
    struct tracer *tracer = NULL;
    config.traces.endpoint = (char *)(uintptr_t)endpoint;
    lode_error error = {0};
    if (tracer_new(&config, &tracer, &error)) {
        fprintf(stderr, "%s\n", error.message);
        exit(1);
    }
    return tracer;
}

static void trace_all(struct tracer *tracer, unsigned thread_count, unsigned requests)
{
    struct thread threads[16];
    struct tracing tracing = {tracer, requests};
    for (unsigned i = 0; i < thread_count; i++)
        if (thread_start(&threads[i], "trace", trace_many, &tracing))
            exit(1);
    for (unsigned i = 0; i < thread_count; i++)
        thread_join(&threads[i]);
}

static void every_span_is_counted(void **state)
{
    (void)state;
    struct tracer *tracer = make("http://127.0.0.1:9");
    trace_all(tracer, 4, 512); /* 6,144 spans: twelve batches, the last one full too */
    for (int i = 0; i < 30000 && tracer_dropped(tracer) < 6144; i++)
        thread_sleep_us(1000);
    assert_int_equal(tracer_dropped(tracer), 6144);
    trace_one(tracer, 1); /* still there when it is freed */
    tracer_free(tracer);
}

/* Sends, and waits for what is to come; "stop" as a fourth argument: frees at once. */
static int send_to(int argc, char **argv)
{
    unsigned threads = (unsigned)strtoul(argv[2], NULL, 10) % 17;
    unsigned requests = (unsigned)strtoul(argv[3], NULL, 10);
    struct tracer *tracer = make(argv[1]);
    uint64_t all = (uint64_t)threads * requests * 3;
    trace_all(tracer, threads, requests);
    for (int i = 0; argc == 4 && i < 30000 && tracer_sent(tracer) + tracer_dropped(tracer) < all;
         i++)
        thread_sleep_us(1000);
    printf("%llu %llu\n", (unsigned long long)tracer_sent(tracer),
           (unsigned long long)tracer_dropped(tracer));
    tracer_free(tracer);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_span_is_counted)};
    return argc >= 4 ? send_to(argc, argv) : cmocka_run_group_tests(tests, NULL, NULL);
}
