/* access_cache.c: tokens that were verified, by their hash, so that each costs one signature as long as it is used. A table of
 * sets of a few places; in a full set the one that expires first gives way. */
#include "server/access_parts.h"

#include <stdlib.h>
#include <string.h>

#define WAYS 4
#define SETS (TOKEN_CACHE_MAX / WAYS)

struct place {
    struct token_mark mark;
    uint64_t expires_us;
    struct principal *principal; /* NULL: empty */
};

struct token_cache {
    struct mutex mutex;
    struct quotas *quotas;
    uint64_t hits, misses; /* under the mutex too */
    struct place sets[SETS][WAYS];
};

lode_status token_cache_new(struct quotas *quotas, struct token_cache **ret_cache,
                            lode_error *error)
{
    struct token_cache *cache = calloc(1, sizeof *cache);
    if (!cache)
        return error_nomem(error, "the cache of tokens", sizeof *cache);
    mutex_init(&cache->mutex);
    cache->quotas = quotas;
    *ret_cache = cache;
    return LODE_OK;
}

void token_cache_free(struct token_cache *cache)
{
    if (!cache)
        return;
    for (size_t i = 0; i < SETS; i++)
        for (size_t j = 0; j < WAYS; j++)
            principal_give(cache->quotas, cache->sets[i][j].principal);
    mutex_release(&cache->mutex);
    free(cache);
}

static struct place *set_of(struct token_cache *cache, const struct token_mark *mark)
{
    size_t number = (size_t)mark->hash[0] | (size_t)mark->hash[1] << 8;
    return cache->sets[number % SETS];
}

static int is_there(const struct place *place, const struct token_mark *mark)
{
    return place->principal && memcmp(place->mark.hash, mark->hash, sizeof mark->hash) == 0;
}

struct principal *token_cache_get(struct token_cache *cache, const struct token_mark *mark,
                                  uint64_t wall_us)
{
    struct principal *found = NULL;
    struct place *set = set_of(cache, mark);
    mutex_lock(&cache->mutex);
    for (size_t i = 0; !found && i < WAYS; i++)
        if (is_there(&set[i], mark) && set[i].mark.generation == mark->generation &&
            wall_us < set[i].expires_us)
            found = principal_ref(set[i].principal);
    cache->hits += found != NULL;
    cache->misses += !found;
    mutex_unlock(&cache->mutex);
    return found;
}

void token_cache_counts(struct token_cache *cache, uint64_t *ret_hits, uint64_t *ret_misses)
{
    mutex_lock(&cache->mutex);
    *ret_hits = cache->hits;
    *ret_misses = cache->misses;
    mutex_unlock(&cache->mutex);
}

/* The place of the same token, else an empty one, else that which expires first. */
static struct place *choose(struct place *set, const struct token_mark *mark)
{
    struct place *chosen = &set[0];
    for (size_t i = 0; i < WAYS; i++)
        if (is_there(&set[i], mark))
            return &set[i];
    for (size_t i = 0; i < WAYS; i++) {
        if (!set[i].principal)
            return &set[i];
        if (set[i].expires_us < chosen->expires_us)
            chosen = &set[i];
    }
    return chosen;
}

void token_cache_put(struct token_cache *cache, const struct token_mark *mark, uint64_t expires_us,
                     struct principal *principal)
{
    mutex_lock(&cache->mutex);
    struct place *place = choose(set_of(cache, mark), mark);
    struct principal *before = place->principal;
    *place = (struct place){*mark, expires_us, principal_ref(principal)};
    mutex_unlock(&cache->mutex);
    principal_give(cache->quotas, before);
}
