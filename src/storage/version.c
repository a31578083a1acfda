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

lode_status version_find(const struct version *version, const uint8_t *id, size_t id_size,
                         const struct segment_view **ret_view, uint32_t *ret_row, lode_error *error)
{
    struct id_key key = {.bytes = id, .size = id_size, .hash = id_hash(id, id_size)};
    *ret_view = NULL;
    /* Newest first: what is written again was often written a short time ago. */
    for (size_t i = version->view_count; i-- > 0;) {
        const struct segment_view *view = &version->views[i];
        lode_status status = view->segment->ops->find(view, &key, ret_row, error);
        if (status)
            return status;
        if (*ret_row != ROW_NONE) {
            *ret_view = view;
            return LODE_OK;
        }
    }
    return LODE_OK;
}

uint64_t view_live_word(const struct segment_view *view, size_t w)
{
    uint64_t word = view->live ? view->live->words[w] : ~(uint64_t)0;
    uint32_t rest = view->row_count % 64;
    return rest && w == view->row_count / 64 ? word & (((uint64_t)1 << rest) - 1) : word;
}

int version_has_namespaces(const struct version *version)
{
    for (size_t i = 0; i < version->view_count; i++)
        if (version->views[i].segment->ops->has_namespaces(version->views[i].segment))
            return 1;
    return 0;
}

struct version *version_extend(const struct version *from, size_t extra)
{
    struct version *version = version_new(from->view_count + extra);
    if (!version)
        return NULL;
    version->sequence = from->sequence;
    version->generation = from->generation;
    version->point_count = from->point_count;
    for (size_t i = 0; i < from->view_count; i++) {
        version->views[i] = from->views[i];
        segment_ref(version->views[i].segment);
        liveset_ref(version->views[i].live);
    }
    return version;
}

const struct segment_view *version_view(const struct version *version, uint64_t number)
{
    for (size_t i = 0; i < version->view_count; i++)
        if (version->views[i].segment->number == number)
            return &version->views[i];
    return NULL;
}

struct version *version_part(const struct version *from, const uint64_t *numbers, size_t count)
{
    struct version *version = version_new(count);
    if (!version)
        return NULL;
    version->sequence = from->sequence;
    version->generation = from->generation;
    version->point_count = from->point_count;
    for (size_t i = 0; i < count; i++) {
        version->views[i] = *version_view(from, numbers[i]);
        segment_ref(version->views[i].segment);
        liveset_ref(version->views[i].live);
    }
    return version;
}

/* --- Expiry ------------------------------------------------------------------------------------ */

void version_settle(struct version *version)
{
    version->expires_next_ms = EXPIRES_NONE;
    for (size_t i = 0; i < version->view_count; i++) {
        struct segment_view *view = &version->views[i];
        struct expiry_range nothing = {.row_count = view->row_count, .from_ms = 1};
        if (view->expires_next_ms == 0 &&
            view->segment->ops->expire(view->segment, &nothing, &view->expires_next_ms, NULL))
            view->expires_next_ms = 1;
        if (view->expires_next_ms < version->expires_next_ms)
            version->expires_next_ms = view->expires_next_ms;
    }
}

static lode_status expire_view(struct segment_view *view, uint64_t now_ms, lode_error *error)
{
    uint32_t bits = view->live ? view->live->bit_count : view->row_count;
    struct liveset *live = liveset_copy(view->live, bits);
    if (!live)
        return error_nomem(error, "a live set", bits / 8);
    struct expiry_range range = {.row_count = view->row_count,
                                 .from_ms = view->expires_next_ms,
                                 .to_ms = now_ms,
                                 .words = live->words};
    lode_status status =
        view->segment->ops->expire(view->segment, &range, &view->expires_next_ms, error);
    if (status) {
        liveset_unref(live);
        return status;
    }
    uint32_t live_count = (uint32_t)bitset_count(live->words, view->row_count);
    if (live_count == view->live_count) {
        liveset_unref(live); /* all of them were dead */
        return LODE_OK;
    }
    liveset_unref(view->live);
    view->live = live;
    view->live_count = live_count;
    return LODE_OK;
}

lode_status version_expire(const struct version *from, uint64_t now_ms,
                           struct version **ret_version, lode_error *error)
{
    struct version *version = version_extend(from, 0);
    if (!version)
        return error_nomem(error, "a version", from->view_count * sizeof from->views[0]);
    lode_status status = LODE_OK;
    version->point_count = 0;
    for (size_t i = 0; !status && i < version->view_count; i++) {
        struct segment_view *view = &version->views[i];
        if (view->expires_next_ms <= now_ms)
            status = expire_view(view, now_ms, error);
        version->point_count += view->live_count;
    }
    if (status) {
        version_unref(version);
        return status;
    }
    version_settle(version);
    *ret_version = version;
    return LODE_OK;
}
