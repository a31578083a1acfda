/* idempotency.h: the ids that the engine remembers writes by, made of the keys that clients choose. */
#ifndef SERVER_IDEMPOTENCY_H
#define SERVER_IDEMPOTENCY_H

#include "base/sha256.h"
#include "server/call.h"

#define IDEMPOTENCY_KEY_MAX 255 /* bytes */

/* What stands in the head of any write. */
struct write_head {
    lode_write_options options; /* request_id: NULL, or points to what follows */
    uint8_t request_id[SHA256_SIZE];
};

/* Put into the head the id of the caller, the operation and his key: two callers who chose the same key never meet, over
 * JSON or gRPC. field: what the key is called. The head must stay where it is. False: the call has failed. */
bool idempotency_set(struct call *call, const char *field, const char *key,
                     struct write_head *head);

#endif
