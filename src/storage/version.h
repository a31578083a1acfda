/* version.h: an immutable state of a collection: which segments, and which of their rows live.
 *
 * Every applied group of writes and every background change makes a new version; readers hold a
 * reference to one and see nothing else. Live sets are immutable and shared between versions; a change
 * copies the bitset it touches (125 kB for a million rows, once a group: far below one fdatasync). */
#ifndef STORAGE_VERSION_H
#define STORAGE_VERSION_H

#include "base/bitset.h"
#include "storage/segment.h"

/* An immutable bitset of a segment's rows, 1 = alive. */
struct liveset {
    _Atomic uint32_t refs;
    uint32_t bit_count; /* rows it speaks of; later rows (of a growing segment) are alive */
    uint64_t words[];
};

struct liveset *liveset_new(uint32_t bit_count); /* all alive; NULL: out of memory */
/* from NULL: all alive. */
struct liveset *liveset_copy(const struct liveset *from, uint32_t bit_count);
struct liveset *liveset_ref(struct liveset *live); /* NULL gives NULL */
void liveset_unref(struct liveset *live);

struct segment_view {
    struct segment *segment; /* a reference */
    struct liveset *live;    /* a reference; NULL: every row is alive. bit_count >= row_count */
    uint32_t row_count;      /* rows that exist for this version */
    uint32_t live_count;
    uint64_t expires_next_ms; /* no living row expires before; EXPIRES_NONE; 0: not known yet */
};

static inline int view_alive(const struct segment_view *view, uint32_t row)
{
    return row < view->row_count && (!view->live || bitset_test(view->live->words, row));
}

/* Rows [64 w, 64 w + 64) that exist and live. */
uint64_t view_live_word(const struct segment_view *view, size_t w);

struct version {
    _Atomic uint32_t refs;
    uint64_t sequence;        /* of the last applied batch */
    uint64_t generation;      /* of the manifest it stands on */
    uint64_t point_count;     /* sum of live_count */
    uint64_t expires_next_ms; /* the least of its views', as of version_settle */
    size_t view_count;        /* sealed by number, then frozen growing ones, then the growing one */
    struct segment_view views[];
};

/* A new version with room for view_count zeroed views; refs 1. NULL: out of memory. The caller fills
 * it before anyone else sees it. */
struct version *version_new(size_t view_count);
struct version *version_ref(struct version *version);
void version_unref(struct version *version); /* releases segments and live sets; NULL is allowed */
/* Whether an id in it is in a namespace, or may be: 0 is for sure. */
int version_has_namespaces(const struct version *version);
/* Find out expires_next_ms of views where it is not known, and of the version. Before anyone else sees
 * it. Of a view that cannot tell, something is due at once: then version_expire says why. */
void version_settle(struct version *version);
/* A version of the same rows, but that those which have expired at now_ms are dead. `from` is settled.
 * LODE_NOMEM, LODE_CORRUPT, LODE_IO. */
NODISCARD lode_status version_expire(const struct version *from, uint64_t now_ms,
                                     struct version **ret_version, lode_error *error);
/* A version with the views of `from` and room for `extra` more behind them. NULL: out of memory. */
struct version *version_extend(const struct version *from, size_t extra);
/* A version with the views of these segments of `from`, in that order, which holds no other: whoever works long on a
 * few segments must not keep the memory of rows that were growing when it began. For its views, sequence and
 * point_count are those of `from`. NULL: out of memory. Every number must be there. */
struct version *version_part(const struct version *from, const uint64_t *numbers, size_t count);
/* The view of segment `number`, or NULL. */
const struct segment_view *version_view(const struct version *version, uint64_t number);
/* The live row of an id: its view, or NULL when there is none. LODE_CORRUPT, LODE_IO. */
NODISCARD lode_status version_find(const struct version *version, const uint8_t *id, size_t id_size,
                                   const struct segment_view **ret_view, uint32_t *ret_row,
                                   lode_error *error);

#endif
