/* trace.h: spans of requests, sent as OTLP/HTTP JSON (libcurl) by a thread of its own; W3C traceparent in, and out in the
 * answer's head. What does not fit into the queue is dropped and counted. Spans: the request; its wait and its plan; each
 * segment that was searched (from lode_explanation, when the request was explained or sampled). Thread-safe. */
#ifndef SERVER_TRACE_H
#define SERVER_TRACE_H

#include "base/error.h"
#include "server/config.h"

struct tracer;

struct trace_context {
    uint8_t trace_id[16];
    uint8_t parent_id[8]; /* of the caller's span; zeros: none */
    uint8_t span_id[8];   /* of our own */
    bool is_sampled;
};

struct trace_attribute {
    const char *name;
    const char *text; /* NULL: number */
    int64_t number;
};

struct trace_span {
    const char *name;
    uint8_t span_id[8], parent_id[8];
    uint64_t start_us, end_us; /* wall clock, since 1970 */
    const struct trace_attribute *attributes;
    size_t attribute_count;
    const char *error; /* NULL: it went well */
};

/* traces.endpoint NULL: a tracer that samples nothing. */
NODISCARD lode_status tracer_new(const struct config *config, struct tracer **ret_tracer,
                                 lode_error *error);
void tracer_free(struct tracer *tracer); /* sends what is queued, for a second at most */
/* Go on with the caller's trace (traceparent NULL or malformed: begin one), and decide whether it is sampled. */
void trace_begin(struct tracer *tracer, const char *traceparent, struct trace_context *ret_context);
#define TRACEPARENT_SIZE 56
void trace_parent_text(const struct trace_context *context, char text[TRACEPARENT_SIZE]);
void trace_new_span_id(struct tracer *tracer, uint8_t span_id[8]);
/* Copied; sent later. */
void trace_spans(struct tracer *tracer, const struct trace_context *context,
                 const struct trace_span *spans, size_t span_count);
uint64_t tracer_dropped(const struct tracer *tracer);

#endif
