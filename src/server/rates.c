/* rates.c: see rates.h. */
#include "server/rates.h"

#include "base/bucket.h"
#include "base/hash.h"
#include "os/entropy.h"
#include "os/thread.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PLACES 4096u

struct place {
    struct bucket bucket;
    /* The one name of the place that is known, by its whole hash. */
    uint64_t known_hash, known_until_us;
};

struct rates {
    struct mutex mutex;
    uint64_t key;
    struct bucket all;
    struct place places[PLACES];
};

lode_status rates_new(struct rate each, struct rate all, struct rates **ret_rates,
                      lode_error *error)
{
    struct rates *rates = calloc(1, sizeof *rates);
    if (!rates)
        return error_nomem(error, "a table of rates", sizeof *rates);
    mutex_init(&rates->mutex);
    rates->key = entropy_u64();
    bucket_init(&rates->all, all.per_s, all.burst, 0);
    for (size_t i = 0; i < PLACES; i++)
        bucket_init(&rates->places[i].bucket, each.per_s, each.burst, 0);
    *ret_rates = rates;
    return LODE_OK;
}

void rates_free(struct rates *rates)
{
    if (!rates)
        return;
    mutex_release(&rates->mutex);
    free(rates);
}

static uint64_t hash_of(const struct rates *rates, const char *name)
{
    return hash64(name, strlen(name), rates->key);
}

static int is_known(const struct place *place, uint64_t hash, uint64_t now_us)
{
    return place->known_hash == hash && now_us < place->known_until_us;
}

int rates_may(struct rates *rates, const char *name, uint64_t now_us)
{
    uint64_t hash = hash_of(rates, name);
    struct place *place = &rates->places[hash % PLACES];
    mutex_lock(&rates->mutex);
    int may = bucket_wait_us(&place->bucket, 1, now_us) == 0 &&
              (is_known(place, hash, now_us) || bucket_wait_us(&rates->all, 1, now_us) == 0);
    mutex_unlock(&rates->mutex);
    return may;
}

void rates_take(struct rates *rates, const char *name, unsigned count, uint64_t now_us)
{
    uint64_t hash = hash_of(rates, name);
    struct place *place = &rates->places[hash % PLACES];
    mutex_lock(&rates->mutex);
    bucket_take(&place->bucket, count, now_us);
    if (!is_known(place, hash, now_us))
        bucket_take(&rates->all, count, now_us);
    mutex_unlock(&rates->mutex);
}

void rates_know(struct rates *rates, const char *name, uint64_t until_us)
{
    uint64_t hash = hash_of(rates, name);
    struct place *place = &rates->places[hash % PLACES];
    mutex_lock(&rates->mutex);
    place->known_hash = hash;
    place->known_until_us = until_us;
    mutex_unlock(&rates->mutex);
}

/* --- Addresses ----------------------------------------------------------------------------------- */

/* "[...]" without its brackets as an address; 0: it is none. */
static int parse6(const char *host, struct in6_addr *ret_address)
{
    char text[INET6_ADDRSTRLEN];
    size_t size = strcspn(host, "]");
    if (size >= sizeof text)
        return 0;
    memcpy(text, host, size);
    text[size] = '\0';
    return inet_pton(AF_INET6, text, ret_address) == 1;
}

const char *rates_peer(const char *peer, char name[RATES_PEER_SIZE])
{
    struct in6_addr six;
    const char *text = peer ? peer : "", *end = strrchr(text, ':');
    if (*text != '[' || !parse6(text + 1, &six))
        snprintf(name, RATES_PEER_SIZE, "%.*s", (int)(end ? end - text : (long)strlen(text)), text);
    else if (IN6_IS_ADDR_V4MAPPED(&six))
        (void)inet_ntop(AF_INET, &six.s6_addr[12], name, RATES_PEER_SIZE);
    else
        snprintf(name, RATES_PEER_SIZE, "%02x%02x:%02x%02x:%02x%02x:%02x%02x::", six.s6_addr[0],
                 six.s6_addr[1], six.s6_addr[2], six.s6_addr[3], six.s6_addr[4], six.s6_addr[5],
                 six.s6_addr[6], six.s6_addr[7]);
    return name;
}
