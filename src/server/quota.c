/* quota.c: see quota.h.
 *
 * A quota that nobody holds and that is full says nothing: it can be forgotten, and made anew when its name comes again.
 * So the table is bounded without giving anybody a full bucket for coming back: where all are in use or in debt, the
 * newest comer gets the next one of them that nobody holds.
 *
 * Locks: quotas.mutex guards the table and what names, references and links say; quota.mutex guards levels and rates, and is taken
 * second. */
#include "server/quota.h"

#include "base/bucket.h"
#include "base/hash.h"
#include "os/thread.h"

#include <stdlib.h>
#include <string.h>

#define SLOT_COUNT  4096u
#define SWEEP_COUNT 8u /* slots that are looked at when one is added */

struct quota {
    struct mutex mutex;
    struct bucket requests, bytes; /* each holds what flows in within a second */
    struct quota *next;            /* in its slot */
    size_t references;
    char name[];
};

struct quotas {
    struct mutex mutex;
    struct quota *slots[SLOT_COUNT];
    size_t count, sweep;
};

/* --- One quota ---------------------------------------------------------------------------------- */

static uint64_t in_ms(uint64_t us)
{
    return (us + 999) / 1000;
}

/* Both are taken, or neither. */
uint64_t quota_request(struct quota *quota, uint64_t bytes, uint64_t now_us)
{
    mutex_lock(&quota->mutex);
    uint64_t wait = bucket_wait_us(&quota->requests, 1, now_us);
    uint64_t other = bucket_wait_us(&quota->bytes, bytes, now_us);
    if (other > wait)
        wait = other;
    if (!wait) {
        bucket_take(&quota->requests, 1, now_us);
        bucket_take(&quota->bytes, bytes, now_us);
    }
    mutex_unlock(&quota->mutex);
    return in_ms(wait);
}

uint64_t quota_body(struct quota *quota, uint64_t bytes, uint64_t now_us)
{
    mutex_lock(&quota->mutex);
    uint64_t wait = bucket_wait_us(&quota->bytes, bytes, now_us);
    if (!wait)
        bucket_take(&quota->bytes, bytes, now_us);
    mutex_unlock(&quota->mutex);
    return in_ms(wait);
}

uint64_t quota_bytes(struct quota *quota, uint64_t bytes, uint64_t now_us)
{
    mutex_lock(&quota->mutex);
    bucket_take(&quota->bytes, bytes, now_us);
    uint64_t wait = bucket_wait_us(&quota->bytes, 0, now_us);
    mutex_unlock(&quota->mutex);
    return in_ms(wait);
}

void quota_more(struct quota *quota, uint64_t requests, uint64_t now_us)
{
    mutex_lock(&quota->mutex);
    bucket_take(&quota->requests, requests, now_us);
    mutex_unlock(&quota->mutex);
}

static int is_full(struct quota *quota, uint64_t now_us)
{
    mutex_lock(&quota->mutex);
    int full = bucket_is_full(&quota->requests, now_us) && bucket_is_full(&quota->bytes, now_us);
    mutex_unlock(&quota->mutex);
    return full;
}

static void set_rates(struct quota *quota, struct quota_rates rates, uint64_t now_us)
{
    mutex_lock(&quota->mutex);
    bucket_change(&quota->requests, rates.requests_per_s, rates.requests_per_s, now_us);
    bucket_change(&quota->bytes, rates.bytes_per_s, rates.bytes_per_s, now_us);
    mutex_unlock(&quota->mutex);
}

static struct quota *quota_new(const char *name, struct quota_rates rates, uint64_t now_us)
{
    size_t size = strlen(name) + 1;
    struct quota *quota = malloc(sizeof *quota + size);
    if (!quota)
        return NULL;
    *quota = (struct quota){.references = 0};
    memcpy(quota->name, name, size);
    mutex_init(&quota->mutex);
    bucket_init(&quota->requests, rates.requests_per_s, rates.requests_per_s, now_us);
    bucket_init(&quota->bytes, rates.bytes_per_s, rates.bytes_per_s, now_us);
    return quota;
}

/* --- All of them -------------------------------------------------------------------------------- */

lode_status quotas_new(struct quotas **ret_quotas, lode_error *error)
{
    struct quotas *quotas = calloc(1, sizeof *quotas);
    if (!quotas)
        return error_nomem(error, "the table of quotas", sizeof *quotas);
    mutex_init(&quotas->mutex);
    *ret_quotas = quotas;
    return LODE_OK;
}

static void forget(struct quotas *quotas, struct quota **link)
{
    struct quota *quota = *link;
    INVARIANT(quota->references == 0);
    *link = quota->next;
    mutex_release(&quota->mutex);
    free(quota);
    quotas->count--;
}

void quotas_free(struct quotas *quotas)
{
    if (!quotas)
        return;
    for (size_t i = 0; i < SLOT_COUNT; i++)
        while (quotas->slots[i])
            forget(quotas, &quotas->slots[i]);
    mutex_release(&quotas->mutex);
    free(quotas);
}

/* Of the next slots, forget what nobody holds and is full; at least one that nobody holds, if `must`. */
static void sweep(struct quotas *quotas, uint64_t now_us, int must)
{
    for (size_t i = 0; i < SLOT_COUNT && (i < SWEEP_COUNT || must); i++) {
        struct quota **link = &quotas->slots[quotas->sweep++ % SLOT_COUNT];
        while (*link) {
            if ((*link)->references == 0 && (must || is_full(*link, now_us))) {
                forget(quotas, link);
                must = 0;
            } else {
                link = &(*link)->next;
            }
        }
    }
}

static struct quota *find(struct quotas *quotas, const char *name, struct quota ***ret_slot)
{
    *ret_slot = &quotas->slots[hash64(name, strlen(name), 0) % SLOT_COUNT];
    for (struct quota *quota = **ret_slot; quota; quota = quota->next)
        if (strcmp(quota->name, name) == 0)
            return quota;
    return NULL;
}

lode_status quotas_take(struct quotas *quotas, const char *name, struct quota_rates rates,
                        uint64_t now_us, struct quota **ret_quota, lode_error *error)
{
    struct quota **slot;
    mutex_lock(&quotas->mutex);
    struct quota *quota = find(quotas, name, &slot);
    if (quota) {
        set_rates(quota, rates, now_us);
    } else {
        sweep(quotas, now_us, quotas->count >= QUOTAS_MAX);
        quota = quota_new(name, rates, now_us);
        if (quota) {
            quota->next = *slot;
            *slot = quota;
            quotas->count++;
        }
    }
    if (quota)
        quota->references++;
    mutex_unlock(&quotas->mutex);
    if (!quota)
        return error_nomem(error, "a quota", sizeof *quota);
    *ret_quota = quota;
    return LODE_OK;
}

void quota_give(struct quotas *quotas, struct quota *quota)
{
    if (!quota)
        return;
    mutex_lock(&quotas->mutex);
    INVARIANT(quota->references > 0);
    quota->references--;
    mutex_unlock(&quotas->mutex);
}

size_t quotas_count(struct quotas *quotas)
{
    mutex_lock(&quotas->mutex);
    size_t count = quotas->count;
    mutex_unlock(&quotas->mutex);
    return count;
}
