/* idempotency.c: see idempotency.h. */
#include "server/idempotency.h"

#include <string.h>

/* With its NUL, so that no two parts run together. */
static void add(struct sha256 *sha, const char *text)
{
    sha256_update(sha, text, strlen(text) + 1);
}

static lode_status make_id(const struct call *call, const char *key, uint8_t ret_id[SHA256_SIZE],
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

bool idempotency_set(struct call *call, const char *field, const char *key, struct write_head *head)
{
    lode_error error;
    size_t size = strlen(key);
    if (size == 0 || size > IDEMPOTENCY_KEY_MAX) {
        call_refuse(call, 400, "limit", field, "%s of %zu bytes: from 1 to %d", field, size,
                    IDEMPOTENCY_KEY_MAX);
        return false;
    }
    if (make_id(call, key, head->request_id, &error)) {
        call_fail(call, &error, NULL, -1);
        return false;
    }
    head->options.request_id = head->request_id;
    head->options.request_id_size = sizeof head->request_id;
    return true;
}
