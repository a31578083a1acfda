/* bucket.c: see bucket.h. */
#include "base/bucket.h"

#define UNIT      1000000         /* of a level */
#define LEVEL_MIN (INT64_MIN / 4) /* debts end somewhere: levels stay far from what 64 bits hold */

static uint64_t bounded(uint64_t amount)
{
    return amount < BUCKET_MAX ? amount : BUCKET_MAX;
}

static int64_t full_level(const struct bucket *bucket)
{
    return (int64_t)bucket->size * UNIT;
}

static void fill(struct bucket *bucket, uint64_t now_us)
{
    if (now_us <= bucket->filled_us)
        return;
    uint64_t passed_us = now_us - bucket->filled_us;
    bucket->filled_us = now_us;
    if (!bucket->rate)
        return;
    uint64_t lacking = (uint64_t)(full_level(bucket) - bucket->level);
    if (passed_us > lacking / bucket->rate)
        bucket->level = full_level(bucket);
    else
        bucket->level += (int64_t)(passed_us * bucket->rate);
}

void bucket_init(struct bucket *bucket, uint64_t rate, uint64_t size, uint64_t now_us)
{
    *bucket = (struct bucket){.rate = bounded(rate), .size = bounded(size), .filled_us = now_us};
    bucket->level = full_level(bucket);
}

void bucket_change(struct bucket *bucket, uint64_t rate, uint64_t size, uint64_t now_us)
{
    fill(bucket, now_us);
    bucket->rate = bounded(rate);
    bucket->size = bounded(size);
    if (bucket->level > full_level(bucket))
        bucket->level = full_level(bucket);
}

uint64_t bucket_wait_us(struct bucket *bucket, uint64_t amount, uint64_t now_us)
{
    fill(bucket, now_us);
    if (!bucket->rate)
        return 0;
    int64_t needed = amount < bucket->size ? (int64_t)amount * UNIT : full_level(bucket);
    if (bucket->level >= needed)
        return 0;
    return ((uint64_t)(needed - bucket->level) + bucket->rate - 1) / bucket->rate;
}

void bucket_take(struct bucket *bucket, uint64_t amount, uint64_t now_us)
{
    fill(bucket, now_us);
    if (!bucket->rate)
        return;
    int64_t left = bucket->level - (int64_t)bounded(amount) * UNIT;
    bucket->level = left > LEVEL_MIN ? left : LEVEL_MIN;
}

/* What has flowed in meanwhile can wait: it comes to the same. */
void bucket_give(struct bucket *bucket, uint64_t amount)
{
    int64_t level = bucket->level + (int64_t)bounded(amount) * UNIT;
    bucket->level = level < full_level(bucket) ? level : full_level(bucket);
}

bool bucket_is_full(struct bucket *bucket, uint64_t now_us)
{
    fill(bucket, now_us);
    return !bucket->rate || bucket->level >= full_level(bucket);
}
