/* peers.c: counts of connections by address. */
#include "net/peers.h"

#include "base/hash.h"
#include "os/entropy.h"

#include <netinet/in.h>

void peers_init(struct peers *peers, unsigned max)
{
    peers->max = max;
    peers->seed = entropy_u64();
    for (unsigned i = 0; i < PEERS_COUNT; i++)
        atomic_init(&peers->counts[i], 0);
}

static bool is_near4(uint32_t host)
{
    return host >> 24 == 127 || host >> 24 == 10 || host >> 20 == 0xac1 || host >> 16 == 0xc0a8 ||
           host >> 16 == 0xa9fe;
}

static bool is_near6(const struct in6_addr *host)
{
    return IN6_IS_ADDR_LOOPBACK(host) || IN6_IS_ADDR_LINKLOCAL(host) ||
           (host->s6_addr[0] & 0xfe) == 0xfc;
}

/* What is counted of an address, as a number; false: it is not counted. */
static bool count_by(const struct sockaddr_storage *address, uint64_t *ret_key)
{
    const struct sockaddr_in *in = (const void *)address;
    const struct sockaddr_in6 *in6 = (const void *)address;
    uint32_t host = 0;
    if (address->ss_family == AF_INET) {
        host = ntohl(in->sin_addr.s_addr);
    } else if (address->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
        for (int i = 12; i < 16; i++)
            host = host << 8 | in6->sin6_addr.s6_addr[i];
    } else if (address->ss_family == AF_INET6) {
        uint64_t net = 0;
        for (int i = 0; i < 8; i++)
            net = net << 8 | in6->sin6_addr.s6_addr[i];
        *ret_key = net;
        return !is_near6(&in6->sin6_addr);
    } else {
        return false;
    }
    *ret_key = host;
    return !is_near4(host);
}

bool peers_enter(struct peers *peers, const struct sockaddr_storage *address, unsigned *ret_place)
{
    uint64_t key = 0;
    *ret_place = PEERS_NOT_LISTED;
    if (!count_by(address, &key))
        return true;
    unsigned place = (unsigned)(hash64(&key, sizeof key, peers->seed) % PEERS_COUNT);
    if (atomic_fetch_add_explicit(&peers->counts[place], 1, memory_order_relaxed) < peers->max) {
        *ret_place = place;
        return true;
    }
    peers_leave(peers, place);
    return false;
}

void peers_leave(struct peers *peers, unsigned place)
{
    if (place != PEERS_NOT_LISTED)
        atomic_fetch_sub_explicit(&peers->counts[place], 1, memory_order_relaxed);
}
