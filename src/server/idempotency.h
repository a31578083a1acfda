/* idempotency.h: the ids that the engine remembers writes by, made of the keys that clients choose. */
#ifndef SERVER_IDEMPOTENCY_H
#define SERVER_IDEMPOTENCY_H

#include "base/sha256.h"
#include "server/call.h"

/* Of the caller, the operation and his key: two callers who chose the same key never meet, over JSON or gRPC. */
NODISCARD lode_status idempotency_id(const struct call *call, const char *key,
                                     uint8_t ret_id[SHA256_SIZE], lode_error *error);

#endif
