/* access_tries.c: how many signatures of tokens that are none each address has had checked: buckets that fill at
 * TOKEN_TRIES_PER_S, found by a hash of the address with a key of this process. Addresses that share one share what it
 * holds; so the table needs no names, is of fixed size, and nobody gets a full bucket by coming from elsewhere for a while. */
#include "server/access_parts.h"

#include "base/hash.h"
#include "os/entropy.h"

#include <stdlib.h>
#include <string.h>

#define BUCKETS 4096u
#define TRY_US  (UINT64_C(1000000) / TOKEN_TRIES_PER_S)

struct token_tries {
    struct mutex mutex;
    uint64_t key;
    uint64_t paid_until_us[BUCKETS]; /* when it will be full again; monotonic */
};

lode_status token_tries_new(struct token_tries **ret_tries, lode_error *error)
{
    struct token_tries *tries = calloc(1, sizeof *tries);
    if (!tries)
        return error_nomem(error, "the table of tries", sizeof *tries);
    mutex_init(&tries->mutex);
    tries->key = entropy_u64();
    *ret_tries = tries;
    return LODE_OK;
}

void token_tries_free(struct token_tries *tries)
{
    if (!tries)
        return;
    mutex_release(&tries->mutex);
    free(tries);
}

/* How much of "[2001:db8:1:2:3:4:5:6]:80" stands for whoever can choose the rest. Shortened addresses ("::") may be cut
 * elsewhere, always at the same place. */
static size_t network_size(const char *peer)
{
    const char *end = strrchr(peer, ':');
    size_t size = end ? (size_t)(end - peer) : strlen(peer);
    unsigned groups = 0;
    for (size_t i = 0; *peer == '[' && i < size; i++)
        if (peer[i] == ':' && ++groups == 4)
            return i;
    return size;
}

static uint64_t *bucket_of(struct token_tries *tries, const char *peer)
{
    peer = peer ? peer : "";
    return &tries->paid_until_us[hash64(peer, network_size(peer), tries->key) % BUCKETS];
}

int token_tries_may(struct token_tries *tries, const char *peer, uint64_t now_us)
{
    mutex_lock(&tries->mutex);
    uint64_t until_us = *bucket_of(tries, peer);
    mutex_unlock(&tries->mutex);
    return until_us < now_us + TOKEN_TRIES_BURST * TRY_US;
}

void token_tries_take(struct token_tries *tries, const char *peer, unsigned count, uint64_t now_us)
{
    mutex_lock(&tries->mutex);
    uint64_t *until_us = bucket_of(tries, peer);
    *until_us = (*until_us > now_us ? *until_us : now_us) + count * TRY_US;
    mutex_unlock(&tries->mutex);
}
