/* grpc_status.h: gRPC's statuses, and what of Lode's errors belongs to which; texts in gRPC's headers. */
#ifndef SERVER_GRPC_STATUS_H
#define SERVER_GRPC_STATUS_H

#include "base/error.h"

enum grpc_status {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16,
};

/* Of a failed call: the status that HTTP would have, told apart further by what the engine said (LODE_OK: nothing). */
enum grpc_status grpc_status_of(unsigned http_status, lode_status status);

/* Percent-encoded as grpc-message wants it: bytes outside of ' ' to '~', and '%', as %XX. Ends with NUL; a text that does
 * not fit is cut between characters. */
void grpc_percent(const char *text, char *ret_text, size_t size);

/* The value of grpc-timeout: 1 to 8 digits and a unit of H, M, S, m, u, n; in microseconds, rounded up. 1 when it is one. */
int grpc_parse_timeout(const char *text, uint64_t *ret_timeout_us);

#endif
