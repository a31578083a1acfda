/* idempotency.c: see idempotency.h. */
#include "server/idempotency.h"

#include <string.h>

/* With its NUL, so that no two parts run together. */
static void add(struct sha256 *sha, const char *text)
{
    sha256_update(sha, text, strlen(text) + 1);
}

lode_status idempotency_id(const struct call *call, const char *key, uint8_t ret_id[SHA256_SIZE],
                           lode_error *error)
{
    struct sha256 sha;
    lode_status status = sha256_init(&sha, error);
    if (status == LODE_OK) {
        add(&sha, call->who ? call->who->caller : "");
        add(&sha, call->route->operation);
        add(&sha, key);
        sha256_digest(&sha, ret_id);
    }
    sha256_release(&sha);
    return status;
}
