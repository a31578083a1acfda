/* otlp.h: spans as OTLP/JSON (opentelemetry-proto 1.x, ExportTraceServiceRequest): ids in lower-case hexadecimal digits,
 * times and 64-bit numbers as strings, enumerations as numbers. */
#ifndef SERVER_OTLP_H
#define SERVER_OTLP_H

#include "base/buf.h"
#include "server/trace.h"

/* Append the spans, one JSON object each, with commas between. */
NODISCARD lode_status otlp_spans(const struct trace_context *context,
                                 const struct trace_span *spans, size_t span_count, struct buf *out,
                                 lode_error *error);
/* What stands before the spans of a request to the collector, and behind them. */
NODISCARD lode_status otlp_begin(struct buf *out, lode_error *error);
NODISCARD lode_status otlp_end(struct buf *out, lode_error *error);

#endif
