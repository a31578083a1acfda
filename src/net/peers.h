/* peers.h: how many connections each address has. A table of counts, found by a hash whose seed nobody knows: it takes no lock
 * and no memory, and two addresses rarely share a count (one in 16,384). The addresses of one client are one: of IPv6 the
 * first 64 bits. Loopback, private and link-local addresses are not counted: there are proxies, whose connections are those
 * of many. */
#ifndef NET_PEERS_H
#define NET_PEERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define PEERS_COUNT      16384u /* of counts */
#define PEERS_NOT_LISTED PEERS_COUNT

struct peers {
    unsigned max;
    uint64_t seed;
    atomic_uint counts[PEERS_COUNT];
};

void peers_init(struct peers *peers, unsigned max);
/* Count a connection of this address; false: it has `max` already. *ret_place is for peers_leave. */
bool peers_enter(struct peers *peers, const struct sockaddr_storage *address, unsigned *ret_place);
void peers_leave(struct peers *peers, unsigned place); /* any thread */

#endif
