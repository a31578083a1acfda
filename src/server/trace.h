/* trace.h: spans of requests, sent as OTLP/HTTP JSON (libcurl) by a thread of its own; W3C traceparent in, and out in the
 * answer's head. What does not fit into the queue is dropped and counted. Spans: the request, its wait (report.c), its
 * search, its plan and each segment (query_seen.c). Thread-safe.
 * docs/tracing.md. */
#ifndef SERVER_TRACE_H
#define SERVER_TRACE_H

#include "base/error.h"
#include "server/config.h"

#include <stdbool.h>
#include <stdint.h>

struct tracer;

struct trace_context {
    uint8_t trace_id[16];
    uint8_t parent_id[8]; /* of the caller's span; zeros: none */
    uint8_t span_id[8];   /* of our own */
    bool is_sampled;
    /* The caller's tracestate, for whoever reads the spans: to be set after trace_begin when there was a traceparent that
     * was taken (trace_has_parent), and valid until trace_spans has returned. NULL: none. */
    const char *state;
};

struct trace_attribute {
    const char *name;
    const char *text; /* NULL: number; the first 1,024 bytes are sent */
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

/* traces.endpoint NULL: a tracer that samples nothing. Else LODE_INVALID when it is no http:// or https:// URL, or the
 * share is not within 0 to 1. */
NODISCARD lode_status tracer_new(const struct config *config, struct tracer **ret_tracer,
                                 lode_error *error);
/* Sends what is queued, for a second; a collector that does not answer then is given up within another. NULL is allowed. */
void tracer_free(struct tracer *tracer);
/* Go on with the caller's trace (traceparent NULL or malformed: begin one), and decide whether it is sampled: as the
 * caller says, else by traces.share. */
void trace_begin(struct tracer *tracer, const char *traceparent, struct trace_context *ret_context);
bool trace_has_parent(const struct trace_context *context);
#define TRACEPARENT_SIZE 56
void trace_parent_text(const struct trace_context *context, char text[TRACEPARENT_SIZE]);
#define TRACE_ID_TEXT_SIZE 33
/* As logs and the audit log name the trace. */
void trace_id_text(const struct trace_context *context, char text[TRACE_ID_TEXT_SIZE]);
void trace_new_span_id(struct tracer *tracer, uint8_t span_id[8]);
/* Copied; sent later. Nothing unless the context is sampled. The span of context->span_id is the request's. */
void trace_spans(struct tracer *tracer, const struct trace_context *context,
                 const struct trace_span *spans, size_t span_count);
uint64_t tracer_dropped(const struct tracer *tracer); /* spans */
uint64_t tracer_sent(const struct tracer *tracer);    /* spans that the collector has taken */

#endif
