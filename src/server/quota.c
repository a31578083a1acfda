/* quota.c: token buckets in millionths, so that what flows in within microseconds is exact, at any rate.
 *
 * A quota that nobody holds and that is full says nothing: it can be forgotten, and made anew when its name comes again.
 * So the table is bounded without giving anybody a full bucket for coming back: where all are in use or in debt, the
 * newest comer gets the next one of them that nobody holds.
 *
 * Locks: quotas.mutex guards the table and what names, references and links say; quota.mutex guards levels and rates, and is taken
 * second. */
#include "server/quota.h"

#include "base/hash.h"
#include "os/thread.h"

#include <stdlib.h>
#include <string.h>

#define UNIT        1000000 /* levels count millionths of a request, or of a byte */
#define SLOT_COUNT  4096u
#define SWEEP_COUNT 8u /* slots that are looked at when one is added */
#define RATE_MAX    ((uint64_t)1000000000000)
#define CHARGE_MAX  ((uint64_t)1 << 40) /* bytes taken at once that count */

struct bucket {
    uint64_t rate; /* a second; 0: not bounded */
    int64_t level; /* below 0: debt */
};

struct quota {
    struct mutex mutex;
    struct bucket requests, bytes;
    uint64_t filled_us;
    struct quota *next; /* in its slot */
    size_t references;
    char name[];
};

struct quotas {
    struct mutex mutex;
    struct quota *slots[SLOT_COUNT];
    size_t count, sweep;
};

/* --- Buckets ------------------------------------------------------------------------------------ */

static int64_t bucket_full(const struct bucket *bucket)
{
    return (int64_t)bucket->rate * UNIT;
}

static void bucket_fill(struct bucket *bucket, uint64_t passed_us)
{
    if (!bucket->rate)
        return;
    uint64_t lacking = (uint64_t)(bucket_full(bucket) - bucket->level);
    if (passed_us > lacking / bucket->rate)
        bucket->level = bucket_full(bucket);
    else
        bucket->level += (int64_t)(passed_us * bucket->rate);
}

/* Microseconds until `amount` is in it; what is more than it holds counts as all it holds. */
static uint64_t bucket_wait(const struct bucket *bucket, uint64_t amount)
{
    if (!bucket->rate)
        return 0;
    int64_t needed = amount < bucket->rate ? (int64_t)amount * UNIT : bucket_full(bucket);
    if (bucket->level >= needed)
        return 0;
    return ((uint64_t)(needed - bucket->level) + bucket->rate - 1) / bucket->rate;
}

/* Debts end somewhere: levels stay far from what 64 bits hold. */
static void bucket_take(struct bucket *bucket, uint64_t amount)
{
    if (!bucket->rate)
        return;
    int64_t least = INT64_MIN / 4,
            taken = (int64_t)(amount < CHARGE_MAX ? amount : CHARGE_MAX) * UNIT;
    bucket->level = bucket->level - taken < least ? least : bucket->level - taken;
}

static void bucket_set_rate(struct bucket *bucket, uint64_t rate)
{
    rate = rate < RATE_MAX ? rate : RATE_MAX;
    if (rate == bucket->rate)
        return;
    bucket->rate = rate;
    if (bucket->level > bucket_full(bucket))
        bucket->level = bucket_full(bucket);
}

/* --- One quota ---------------------------------------------------------------------------------- */

static void fill(struct quota *quota, uint64_t now_us)
{
    if (now_us <= quota->filled_us)
        return;
    bucket_fill(&quota->requests, now_us - quota->filled_us);
    bucket_fill(&quota->bytes, now_us - quota->filled_us);
    quota->filled_us = now_us;
}

static uint64_t in_ms(uint64_t us)
{
    return (us + 999) / 1000;
}

uint64_t quota_request(struct quota *quota, uint64_t bytes, uint64_t now_us)
{
    mutex_lock(&quota->mutex);
    fill(quota, now_us);
    uint64_t wait = bucket_wait(&quota->requests, 1), other = bucket_wait(&quota->bytes, bytes);
    if (other > wait)
        wait = other;
    if (!wait) {
        bucket_take(&quota->requests, 1);
        bucket_take(&quota->bytes, bytes);
    }
    mutex_unlock(&quota->mutex);
    return in_ms(wait);
}

uint64_t quota_bytes(struct quota *quota, uint64_t bytes, uint64_t now_us)
{
    mutex_lock(&quota->mutex);
    fill(quota, now_us);
    bucket_take(&quota->bytes, bytes);
    uint64_t wait = bucket_wait(&quota->bytes, 0);
    mutex_unlock(&quota->mutex);
    return in_ms(wait);
}

void quota_more(struct quota *quota, uint64_t requests, uint64_t now_us)
{
    mutex_lock(&quota->mutex);
    fill(quota, now_us);
    bucket_take(&quota->requests, requests);
    mutex_unlock(&quota->mutex);
}

static int is_full(struct quota *quota, uint64_t now_us)
{
    mutex_lock(&quota->mutex);
    fill(quota, now_us);
    int full = quota->requests.level >= bucket_full(&quota->requests) &&
               quota->bytes.level >= bucket_full(&quota->bytes);
    mutex_unlock(&quota->mutex);
    return full;
}

static void set_rates(struct quota *quota, struct quota_rates rates, uint64_t now_us)
{
    mutex_lock(&quota->mutex);
    fill(quota, now_us);
    bucket_set_rate(&quota->requests, rates.requests_per_s);
    bucket_set_rate(&quota->bytes, rates.bytes_per_s);
    mutex_unlock(&quota->mutex);
}

static struct quota *quota_new(const char *name, struct quota_rates rates, uint64_t now_us)
{
    size_t size = strlen(name) + 1;
    struct quota *quota = malloc(sizeof *quota + size);
    if (!quota)
        return NULL;
    *quota = (struct quota){.filled_us = now_us};
    memcpy(quota->name, name, size);
    mutex_init(&quota->mutex);
    bucket_set_rate(&quota->requests, rates.requests_per_s);
    bucket_set_rate(&quota->bytes, rates.bytes_per_s);
    quota->requests.level = bucket_full(&quota->requests);
    quota->bytes.level = bucket_full(&quota->bytes);
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
