/* remembered.h: the rows that filters matched in a segment's columns, kept for the next query that asks the same. Columns
 * never change, and what lives is asked anew each time, so that what is remembered stays right as long as the columns
 * are there.
 *
 * A filter that is asked for the second time is remembered; of those asked once a part of their keys is. At most REMEMBERED_SETS
 * sets, one byte a row in all; the one that was not asked for the longest goes first. Thread-safe. */
#ifndef COLUMN_REMEMBERED_H
#define COLUMN_REMEMBERED_H

#include <stdatomic.h>

#include "base/sha256.h"
#include "os/thread.h"

#define REMEMBERED_SETS 8u
#define REMEMBERED_ONCE 32u

struct
    filter_key { /* what a filter is: nobody finds two that have the same, so that it need not be kept itself */
    uint8_t digest[SHA256_SIZE];
};

struct remembered_set { /* immutable, counted */
    _Atomic uint32_t refs;
    struct filter_key key;
    uint32_t row_count;
    uint32_t count; /* of rows that match */
    uint64_t words[];
};

struct remembered {
    struct mutex mutex;                           /* guards the rest */
    struct remembered_set *sets[REMEMBERED_SETS]; /* asked last first; then NULL */
    uint64_t once[REMEMBERED_ONCE];               /* the first bytes of keys, a ring; 0: none */
    uint32_t once_next;
};

void remembered_init(struct remembered *remembered);
void remembered_release(struct remembered *remembered);
/* The rows of that filter: remembered_unref; or NULL. */
struct remembered_set *remembered_find(struct remembered *remembered, const struct filter_key *key);
void remembered_unref(struct remembered_set *set); /* NULL is allowed */
/* Whether it is worth keeping: it was asked before. Notes that it is asked now. */
int remembered_wants(struct remembered *remembered, const struct filter_key *key);
/* It matched these of the rows [0, row_count). Copies words. */
void remembered_keep(struct remembered *remembered, const struct filter_key *key,
                     const uint64_t *words, uint32_t row_count);
size_t remembered_memory(struct remembered *remembered);

#endif
