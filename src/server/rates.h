/* rates.h: how much each of many names may have, and all of them together: so much a second, and so much at once. In a table
 * of fixed size, found by a hash with a key of this process: names that share a place share what it holds, and nobody gets a
 * full one by coming under many names for a while. Thread-safe. */
#ifndef SERVER_RATES_H
#define SERVER_RATES_H

#include "base/error.h"

struct rate {
    unsigned per_s, burst; /* at least 1 */
};

struct rates;

NODISCARD lode_status rates_new(struct rate each, struct rate all, struct rates **ret_rates,
                                lode_error *error);
void rates_free(struct rates *rates); /* NULL is allowed */
/* Whether the name may have something now. Times are monotonic. */
int rates_may(struct rates *rates, const char *name, uint64_t now_us);
/* It has had so much. */
void rates_take(struct rates *rates, const char *name, unsigned count, uint64_t now_us);
/* The name is known to be somebody's who is welcome: until then what all others have together does not bound it. */
void rates_know(struct rates *rates, const char *name, uint64_t until_us);

#define RATES_PEER_SIZE 64

/* The name of an address ("192.0.2.7:51234", "[2001:db8::1]:80"; NULL: unknown): without its port, and of IPv6 its first 64
 * bits, since whoever has one has them all. */
const char *rates_peer(const char *peer, char name[RATES_PEER_SIZE]);

#endif
