/* W3C traceparent, ids, sampling, and what is dropped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "os/thread.h"
#include "server/otlp.h"
#include "server/trace_context.h"

#define TRACE  "0af7651916cd43dd8448eb211c80319c"
#define PARENT "b7ad6b7169203331"

static struct tracer *make(const char *endpoint, double share)
{
    struct config config = {0};
    struct tracer *tracer = NULL;
    config.traces.endpoint = (char *)(uintptr_t)endpoint;
    config.traces.share = share;
    assert_int_equal(tracer_new(&config, &tracer, NULL), LODE_OK);
    return tracer;
}

static void right_ones(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_sampled;
    } cases[] = {
        {"00-" TRACE "-" PARENT "-01", true},
        {"00-" TRACE "-" PARENT "-00", false},
        {"00-" TRACE "-" PARENT "-fe", false},
        {"00-" TRACE "-" PARENT "-ff", true},
        {"01-" TRACE "-" PARENT "-01", true},
        {"cc-" TRACE "-" PARENT "-01-what the future brings", true},
        {"cc-" TRACE "-" PARENT "-01-", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct traceparent parent = {0};
        char digits[33];
        assert_true(traceparent_parse(cases[i].text, &parent));
        assert_int_equal(parent.is_sampled, cases[i].is_sampled);
        trace_hex(parent.trace_id, 16, digits);
        assert_string_equal(digits, TRACE);
        trace_hex(parent.parent_id, 8, digits);
        assert_string_equal(digits, PARENT);
    }
}

static void wrong_ones(void **state)
{
    (void)state;
    static const char *const cases[] = {
        "",
        "00",
        "00-",
        "ff-" TRACE "-" PARENT "-01",
        "00-" TRACE "-" PARENT "-01-more",
        "00-" TRACE "-" PARENT "-01-",
        "00-" TRACE "-" PARENT "-01 ",
        " 00-" TRACE "-" PARENT "-01",
        "00-" TRACE "-" PARENT "-1",
        "00-" TRACE "-" PARENT "-",
        "00-" TRACE "-" PARENT,
        "00_" TRACE "-" PARENT "-01",
        "0-" TRACE "-" PARENT "-01",
        "00-00000000000000000000000000000000-" PARENT "-01",
        "00-" TRACE "-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-" PARENT "-01",
        "00-" TRACE "-" PARENT "-0A",
        "00-0af7651916cd43dd8448eb211c80319-" PARENT "-01",
        "00-0af7651916cd43dd8448eb211c80319cc-" PARENT "-01",
        "00-0af7651916cd43dd8448eb211c80319g-" PARENT "-01",
        "cc-" TRACE "-" PARENT "-01.more",
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct traceparent parent;
        char *exact = strdup(cases[i]); /* so that a sanitizer sees what goes beyond */
        if (traceparent_parse(exact, &parent))
            fail_msg("'%s' is taken", cases[i]);
        free(exact);
    }
}

static void states(void **state)
{
    (void)state;
    char longer[600];
    memset(longer, 'a', sizeof longer);
    longer[513] = '\0';
    assert_false(tracestate_is_sound(longer));
    longer[512] = '\0';
    assert_true(tracestate_is_sound(longer));
    assert_true(tracestate_is_sound("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"));
    assert_false(tracestate_is_sound(""));
    assert_false(tracestate_is_sound("a=b\r\nx"));
    assert_false(tracestate_is_sound("a=\xc3\xa9"));
}

static void goes_on(void **state)
{
    (void)state;
    struct tracer *tracer = make("http://127.0.0.1:9", 0);
    struct trace_context context, another;
    char text[TRACEPARENT_SIZE], id[TRACE_ID_TEXT_SIZE];
    trace_begin(tracer, "00-" TRACE "-" PARENT "-01", &context);
    assert_true(context.is_sampled && trace_has_parent(&context));
    trace_parent_text(&context, text);
    assert_int_equal(strlen(text), TRACEPARENT_SIZE - 1);
    assert_memory_equal(text, "00-" TRACE "-", 36);
    assert_memory_not_equal(text + 36, PARENT, 16); /* our own span */
    assert_string_equal(text + 52, "-01");
    struct traceparent again;
    assert_true(traceparent_parse(text, &again));
    assert_memory_equal(again.parent_id, context.span_id, 8);
    trace_id_text(&context, id);
    assert_string_equal(id, TRACE);
    trace_begin(tracer, "00-" TRACE "-" PARENT "-00", &context);
    assert_false(context.is_sampled);
    trace_begin(tracer, "malformed", &context);
    trace_begin(tracer, NULL, &another);
    assert_false(trace_has_parent(&context));
    assert_memory_not_equal(context.trace_id, another.trace_id, 16);
    assert_memory_not_equal(context.span_id, another.span_id, 8);
    tracer_free(tracer);
}

static unsigned sampled_of_1000(double share)
{
    struct tracer *tracer = make("http://127.0.0.1:9", share);
    unsigned count = 0;
    for (int i = 0; i < 1000; i++) {
        struct trace_context context;
        trace_begin(tracer, NULL, &context);
        count += context.is_sampled;
    }
    tracer_free(tracer);
    return count;
}

static void shares(void **state)
{
    (void)state;
    assert_int_equal(sampled_of_1000(0), 0);
    assert_int_equal(sampled_of_1000(1), 1000);
    unsigned half = sampled_of_1000(0.5);
    assert_true(half > 300 && half < 700); /* 12 standard deviations */
}

static void without_endpoint(void **state)
{
    (void)state;
    struct tracer *tracer = make(NULL, 1);
    struct trace_context context;
    struct trace_span span = {.name = "x"};
    trace_begin(tracer, "00-" TRACE "-" PARENT "-01", &context);
    assert_false(context.is_sampled);
    trace_spans(tracer, &context, &span, 1);
    assert_int_equal(tracer_dropped(tracer), 0);
    tracer_free(tracer);
    tracer_free(NULL);
}

static void wrong_settings(void **state)
{
    (void)state;
    struct config config = {0};
    struct tracer *tracer = NULL;
    lode_error error = {0};
    char file[] = "file:///etc/passwd";
    config.traces.endpoint = file;
    assert_int_equal(tracer_new(&config, &tracer, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "traces.endpoint: 'file:///etc/passwd'"));
    char good[] = "http://127.0.0.1:9/";
    config.traces.endpoint = good;
    config.traces.share = 1.5;
    assert_int_equal(tracer_new(&config, &tracer, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "traces.share: 1.5"));
    assert_null(tracer);
}

/* Nobody listens at the port: all is dropped, counted, and freeing does not wait for long. */
static void nobody_listens(void **state)
{
    (void)state;
    struct tracer *tracer = make("http://127.0.0.1:9", 1);
    struct trace_context context;
    struct trace_span spans[3] = {{.name = "a"}, {.name = "b"}, {.name = "c"}};
    trace_begin(tracer, NULL, &context);
    for (int i = 0; i < 400; i++)
        trace_spans(tracer, &context, spans, 3);
    for (int waited = 0; waited < 10000 && tracer_dropped(tracer) < 512; waited++)
        thread_sleep_us(1000);
    assert_true(tracer_dropped(tracer) >= 512);
    assert_int_equal(tracer_sent(tracer), 0);
    tracer_free(tracer);
}

/* More than the queue holds is dropped at once. */
static void the_queue_is_bounded(void **state)
{
    (void)state;
    struct tracer *tracer = make("http://127.0.0.1:9", 1);
    struct trace_context context;
    char *text = malloc(1001);
    memset(text, 'x', 1000);
    text[1000] = '\0';
    struct trace_attribute attributes[100];
    for (int i = 0; i < 100; i++)
        attributes[i] = (struct trace_attribute){.name = "n", .text = text};
    struct trace_span span = {.name = "a", .attributes = attributes, .attribute_count = 100};
    struct trace_span spans[4] = {span, span, span, span};
    trace_begin(tracer, NULL, &context);
    trace_spans(tracer, &context, spans, 4); /* more than one request may send */
    assert_int_equal(tracer_dropped(tracer), 4);
    for (int i = 0; i < 400; i++) /* 40 MB, in less time than the first batch is tried twice */
        trace_spans(tracer, &context, &span, 1);
    assert_true(tracer_dropped(tracer) > 100);
    tracer_free(tracer);
    free(text);
}

static void as_json(void **state)
{
    (void)state;
    struct trace_context context = {.is_sampled = true, .state = "a=b"};
    memset(context.trace_id, 0xab, 16);
    memset(context.span_id, 0x01, 8);
    memset(context.parent_id, 0xcd, 8);
    struct trace_attribute attributes[] = {{.name = "db.collection.name", .text = "\"q\"\xff"},
                                           {.name = "n", .number = INT64_MIN}};
    struct trace_span spans[] = {
        {.name = "query",
         .start_us = 1700000000000001,
         .end_us = 1700000000000500,
         .attributes = attributes,
         .attribute_count = 2,
         .error = "it broke"},
        {.name = "plan"},
    };
    memcpy(spans[0].span_id, context.span_id, 8);
    memcpy(spans[0].parent_id, context.parent_id, 8);
    memset(spans[1].span_id, 0x02, 8);
    struct buf out;
    buf_init(&out, 1 << 16);
    assert_int_equal(otlp_spans(&context, spans, 2, &out, NULL), LODE_OK);
    assert_int_equal(buf_terminate(&out, NULL), LODE_OK);
    assert_string_equal(
        (const char *)out.data,
        "{\"traceId\":\"abababababababababababababababab\",\"spanId\":\"0101010101010101\","
        "\"traceState\":\"a=b\",\"parentSpanId\":\"cdcdcdcdcdcdcdcd\",\"flags\":769,"
        "\"name\":\"query\",\"kind\":2,\"startTimeUnixNano\":\"1700000000000001000\","
        "\"endTimeUnixNano\":\"1700000000000500000\",\"attributes\":["
        "{\"key\":\"db.collection.name\",\"value\":{\"stringValue\":\"\\\"q\\\"\xef\xbf\xbd\"}},"
        "{\"key\":\"n\",\"value\":{\"intValue\":\"-9223372036854775808\"}}],"
        "\"status\":{\"message\":\"it broke\",\"code\":2}},"
        "{\"traceId\":\"abababababababababababababababab\",\"spanId\":\"0202020202020202\","
        "\"traceState\":\"a=b\",\"flags\":257,\"name\":\"plan\",\"kind\":1,"
        "\"startTimeUnixNano\":\"0000\",\"endTimeUnixNano\":\"0000\",\"attributes\":[]}");
    buf_release(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_ones),
        cmocka_unit_test(wrong_ones),
        cmocka_unit_test(states),
        cmocka_unit_test(goes_on),
        cmocka_unit_test(shares),
        cmocka_unit_test(without_endpoint),
        cmocka_unit_test(wrong_settings),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(the_queue_is_bounded),
        cmocka_unit_test(as_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
