/* bucket.h: how much of something there may be: a bucket that fills at a rate and holds so much. What is taken may be more
 * than is in it, and is owed then. Levels are in millionths: what flows in within microseconds is exact, at any rate.
 * Times are monotonic, in microseconds; one that lies before the last one gives nothing. Not thread-safe. */
#ifndef BASE_BUCKET_H
#define BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

/* More, of each of these and of what is taken or given at once, counts as so much. */
#define BUCKET_MAX ((uint64_t)1000000000000)

struct bucket {
    uint64_t rate; /* a second; 0: there may be any amount */
    uint64_t size; /* what it holds when it is full */
    int64_t level; /* in millionths, at filled_us; below 0: owed */
    uint64_t filled_us;
};

/* It is full. */
void bucket_init(struct bucket *bucket, uint64_t rate, uint64_t size, uint64_t now_us);
/* From now on; what it holds stays, but what is more than it can hold. */
void bucket_change(struct bucket *bucket, uint64_t rate, uint64_t size, uint64_t now_us);
/* Microseconds until so much is in it, 0: it is now; what is more than it holds counts as all it holds. */
uint64_t bucket_wait_us(struct bucket *bucket, uint64_t amount, uint64_t now_us);
/* Whether it is there or not. */
void bucket_take(struct bucket *bucket, uint64_t amount, uint64_t now_us);
void bucket_give(struct bucket *bucket, uint64_t amount);
bool bucket_is_full(struct bucket *bucket, uint64_t now_us);

#endif
