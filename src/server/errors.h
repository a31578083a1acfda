/* errors.h: statuses of the engine as those of HTTP, and the codes that clients branch on (docs/api.md#errors). A code is
 * stable; a message is for people. */
#ifndef SERVER_ERRORS_H
#define SERVER_ERRORS_H

#include "base/buf.h"
#include "net/net.h"
#include "server/access.h"

struct fault {
    unsigned status;
    const char *code;
    unsigned retry_s; /* 0: none is advised */
};

/* What an error of the engine is to a client. is_write: its limits are those of a body that is too large (413), else those
 * of what was asked for (400). */
struct fault fault_of_status(lode_status status, bool is_write);
struct fault fault_of_access(enum access_fault why);
struct fault fault_of_refusal(enum net_refusal why);
/* The code of a status that has no better one: of what is answered without a call. */
const char *fault_code_of_http(unsigned status);

struct fault_text {
    const char *code;
    const char *message;                    /* UTF-8, or what was meant to be */
    const char *field;                      /* NULL: none */
    long position;                          /* -1: none */
    uint64_t line;                          /* of a body in lines, from 1; 0: it is none */
    uint64_t applied_lines, applied_points; /* then: before it */
};

/* Append {"error":{"code","message","field","position","line","applied_lines","applied_points"}}, without what there is
 * not. */
NODISCARD lode_status fault_write(struct buf *out, const struct fault_text *text,
                                  lode_error *error);

#endif
