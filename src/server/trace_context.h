/* trace_context.h: the W3C Trace Context (Recommendation of 2021) as text: traceparent, tracestate. */
#ifndef SERVER_TRACE_CONTEXT_H
#define SERVER_TRACE_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct traceparent {
    uint8_t trace_id[16], parent_id[8];
    bool is_sampled;
};

/* "00-<32 hex>-<16 hex>-<2 hex>", lower case. Of a version after 00, what follows behind another - is passed over, as the
 * recommendation asks. 0: malformed, version ff, or an id of zeros; ret_parent may have been written to. */
int traceparent_parse(const char *text, struct traceparent *ret_parent);

/* Whether a tracestate may be passed on: at most 512 printable ASCII characters. Its list is not looked into. */
int tracestate_is_sound(const char *text);

/* Lower-case digits of bytes[0, size) and a NUL. */
void trace_hex(const uint8_t *bytes, size_t size, char *text);

#endif
