/* access_tries.c: how many signatures of tokens that are none have been checked: for each address, and in all. */
#include "server/access_parts.h"

lode_status token_tries_new(struct rates **ret_tries, lode_error *error)
{
    return rates_new((struct rate){TOKEN_TRIES_PER_S, TOKEN_TRIES_BURST},
                     (struct rate){TOKEN_TRIES_ALL_PER_S, TOKEN_TRIES_ALL_BURST}, ret_tries, error);
}

int token_tries_may(struct rates *tries, const char *peer, uint64_t now_us)
{
    char name[RATES_PEER_SIZE];
    return rates_may(tries, rates_peer(peer, name), now_us);
}

void token_tries_end(struct rates *tries, const struct token_tried *tried, uint64_t now_us)
{
    char name[RATES_PEER_SIZE];
    rates_peer(tried->peer, name);
    if (tried->is_good)
        rates_know(tries, name, now_us + TOKEN_TRIES_KNOWN_US);
    else
        rates_take(tries, name, tried->count, now_us);
}
