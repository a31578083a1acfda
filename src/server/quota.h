/* quota.h: how much somebody may ask for: two buckets, of requests and of bytes, each of which fills at its rate and holds
 * what flows in within a second. A body that is larger than that passes when its bucket is full, and is paid off
 * afterwards. One quota for each key or subject, whatever number of connections and tokens it comes by. Thread-safe. */
#ifndef SERVER_QUOTA_H
#define SERVER_QUOTA_H

#include "base/error.h"

struct quotas; /* all of a server */
struct quota;

#define QUOTAS_MAX 65536 /* in use lately: those that have been full for long are forgotten first */

struct quota_rates {
    uint64_t requests_per_s, bytes_per_s; /* 0: not bounded */
};

NODISCARD lode_status quotas_new(struct quotas **ret_quotas, lode_error *error);
/* All must have been given back. */
void quotas_free(struct quotas *quotas);

/* The quota of that name, with these rates from now on; a new one is full. Give it back with quota_give. LODE_NOMEM. */
NODISCARD lode_status quotas_take(struct quotas *quotas, const char *name, struct quota_rates rates,
                                  uint64_t now_us, struct quota **ret_quota, lode_error *error);
void quota_give(struct quotas *quotas, struct quota *quota); /* NULL is allowed */
size_t quotas_count(struct quotas *quotas);

/* Take a request with so many bytes; 0, or after how many milliseconds (at least 1) it could be: then nothing is
 * taken. */
uint64_t quota_request(struct quota *quota, uint64_t bytes, uint64_t now_us);
/* The same of the body of a request that was taken with no bytes: it was not known yet how many they would be. */
uint64_t quota_body(struct quota *quota, uint64_t bytes, uint64_t now_us);
/* Take bytes of a body whose size was not known, and return how many milliseconds to wait until they are paid off. */
uint64_t quota_bytes(struct quota *quota, uint64_t bytes, uint64_t now_us);
/* Take requests that one which passed has turned out to be: they are paid off afterwards. */
void quota_more(struct quota *quota, uint64_t requests, uint64_t now_us);

#endif
