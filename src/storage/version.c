/* version.c: live sets and versions: immutable once shown, counted, freed by the last reader. */
#include "storage/version.h"

#include "storage/id.h"

#include <stdlib.h>
#include <string.h>

/* Bits beyond bit_count, up to the end of the last word, are 1 too: rows that are not yet are alive. */
static struct liveset *liveset_alloc(uint32_t bit_count)
{
    size_t words = bitset_words(bit_count);
    struct liveset *live = malloc(sizeof *live + words * sizeof live->words[0]);
    if (!live)
        return NULL;
    atomic_init(&live->refs, 1);
    live->bit_count = bit_count;
    return live;
}

struct liveset *liveset_new(uint32_t bit_count)
{
    struct liveset *live = liveset_alloc(bit_count);
    if (live)
        memset(live->words, 0xff, bitset_words(bit_count) * sizeof live->words[0]);
    return live;
}

/* Fewer bits than `from` has cut it off. */
struct liveset *liveset_copy(const struct liveset *from, uint32_t bit_count)
{
    if (!from)
        return liveset_new(bit_count);
    struct liveset *live = liveset_alloc(bit_count);
    if (!live)
        return NULL;
    size_t words = bitset_words(bit_count), old_words = bitset_words(from->bit_count);
    size_t common = words < old_words ? words : old_words;
    memcpy(live->words, from->words, common * sizeof live->words[0]);
    memset(live->words + common, 0xff, (words - common) * sizeof live->words[0]);
    uint32_t last = from->bit_count % 64;
    if (last && common == old_words)
        live->words[common - 1] |= ~(uint64_t)0 << last;
    return live;
}

struct liveset *liveset_ref(struct liveset *live)
{
    if (live)
        atomic_fetch_add_explicit(&live->refs, 1, memory_order_relaxed);
    return live;
}

void liveset_unref(struct liveset *live)
{
    if (live && atomic_fetch_sub_explicit(&live->refs, 1, memory_order_acq_rel) == 1)
        free(live);
}

struct version *version_new(size_t view_count)
{
    struct version *version = calloc(1, sizeof *version + view_count * sizeof version->views[0]);
    if (!version)
        return NULL;
    atomic_init(&version->refs, 1);
    version->view_count = view_count;
    return version;
}

struct version *version_ref(struct version *version)
{
    atomic_fetch_add_explicit(&version->refs, 1, memory_order_relaxed);
    return version;
}

void version_unref(struct version *version)
{
    if (!version || atomic_fetch_sub_explicit(&version->refs, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < version->view_count; i++) {
        segment_unref(version->views[i].segment);
        liveset_unref(version->views[i].live);
    }
    free(version);
}

const struct segment_view *version_find(const struct version *version, const uint8_t *id,
                                        size_t id_size, uint32_t *ret_row)
{
    uint64_t hash = id_hash(id, id_size);
    /* Newest first: what is written again was often written a short time ago. */
    for (size_t i = version->view_count; i-- > 0;) {
        const struct segment_view *view = &version->views[i];
        uint32_t row = view->segment->ops->find(view, id, id_size, hash);
        if (row != ROW_NONE) {
            *ret_row = row;
            return view;
        }
    }
    return NULL;
}
