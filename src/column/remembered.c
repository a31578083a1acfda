/* remembered.c: see remembered.h. */
#include "column/remembered.h"

#include <stdlib.h>
#include <string.h>

#include "base/bitset.h"
#include "base/le.h"
#include "os/budget.h"

/* --- Sets --------------------------------------------------------------------------------------- */

static size_t size_of(const struct remembered_set *set, uint32_t row_count)
{
    return sizeof *set + bitset_words(row_count) * sizeof *set->words;
}

static struct remembered_set *make(const struct filter_key *key, const uint64_t *words,
                                   uint32_t row_count)
{
    size_t words_size = bitset_words(row_count) * sizeof *words;
    struct remembered_set *set = malloc(sizeof *set + words_size);
    if (!set)
        return NULL;
    atomic_init(&set->refs, 1);
    set->key = *key;
    set->row_count = row_count;
    set->count = (uint32_t)bitset_count(words, row_count);
    memcpy(set->words, words, words_size);
    budget_take(BUDGET_SCRATCH, size_of(set, row_count));
    return set;
}

void remembered_unref(struct remembered_set *set)
{
    /* Acquire, so that all uses are over when it is freed; release, for whoever frees. */
    if (!set || atomic_fetch_sub_explicit(&set->refs, 1, memory_order_acq_rel) != 1)
        return;
    budget_give(BUDGET_SCRATCH, size_of(set, set->row_count));
    free(set);
}

static int is_of(const struct remembered_set *set, const struct filter_key *key)
{
    return memcmp(set->key.digest, key->digest, sizeof key->digest) == 0;
}

/* --- Remembering -------------------------------------------------------------------------------- */

void remembered_init(struct remembered *remembered)
{
    memset(remembered, 0, sizeof *remembered);
    mutex_init(&remembered->mutex);
}

void remembered_release(struct remembered *remembered)
{
    for (size_t i = 0; i < REMEMBERED_SETS; i++)
        remembered_unref(remembered->sets[i]);
    mutex_release(&remembered->mutex);
}

/* The place of that filter; REMEMBERED_SETS: it has none. */
static size_t place_of(const struct remembered *remembered, const struct filter_key *key)
{
    size_t i = 0;
    while (i < REMEMBERED_SETS && remembered->sets[i] && !is_of(remembered->sets[i], key))
        i++;
    return i < REMEMBERED_SETS && remembered->sets[i] ? i : REMEMBERED_SETS;
}

/* `set` to the front; what stood at `place` gives way. */
static void to_front(struct remembered *remembered, size_t place, struct remembered_set *set)
{
    memmove(remembered->sets + 1, remembered->sets, place * sizeof(struct remembered_set *));
    remembered->sets[0] = set;
}

struct remembered_set *remembered_find(struct remembered *remembered, const struct filter_key *key)
{
    struct remembered_set *set = NULL;
    mutex_lock(&remembered->mutex);
    size_t place = place_of(remembered, key);
    if (place < REMEMBERED_SETS) {
        set = remembered->sets[place];
        atomic_fetch_add_explicit(&set->refs, 1, memory_order_relaxed);
        to_front(remembered, place, set);
    }
    mutex_unlock(&remembered->mutex);
    return set;
}

int remembered_wants(struct remembered *remembered, const struct filter_key *key)
{
    uint64_t part = le_load_u64(key->digest);
    int was_asked = 0;
    mutex_lock(&remembered->mutex);
    for (size_t i = 0; i < REMEMBERED_ONCE; i++)
        was_asked |= remembered->once[i] == part;
    if (!was_asked)
        remembered->once[remembered->once_next++ % REMEMBERED_ONCE] = part;
    mutex_unlock(&remembered->mutex);
    return was_asked;
}

void remembered_keep(struct remembered *remembered, const struct filter_key *key,
                     const uint64_t *words, uint32_t row_count)
{
    struct remembered_set *set = make(key, words, row_count), *old = set;
    if (!set)
        return;
    mutex_lock(&remembered->mutex);
    if (place_of(remembered, key) == REMEMBERED_SETS) { /* nobody was quicker */
        old = remembered->sets[REMEMBERED_SETS - 1];
        to_front(remembered, REMEMBERED_SETS - 1, set);
    }
    mutex_unlock(&remembered->mutex);
    remembered_unref(old);
}

size_t remembered_memory(struct remembered *remembered)
{
    size_t sum = 0;
    mutex_lock(&remembered->mutex);
    for (size_t i = 0; i < REMEMBERED_SETS && remembered->sets[i]; i++)
        sum += size_of(remembered->sets[i], remembered->sets[i]->row_count);
    mutex_unlock(&remembered->mutex);
    return sum;
}
