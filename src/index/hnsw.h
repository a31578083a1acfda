/* hnsw.h: what the files of the graph index share. See README.md for the whole picture.
 *
 * Graph memory. Layer 0 is one array of 2m links a row; rows that live on higher layers own one slot
 * of m links for each of them in a second array. A list ends at the first HNSW_NONE or at its full
 * length. The same bytes are used in memory and in files, so that open() copies nothing.
 *
 * Links are the only shared mutable words. Writers hold the row's stripe lock and store with release;
 * readers hold nothing and load with acquire, so that whoever reads a link also sees the linked row's
 * own list. A reader may meet a mix of an old and a new list: each link in it is a valid row. */
#ifndef INDEX_HNSW_H
#define INDEX_HNSW_H

#include "index/idle.h"
#include "index/index.h"
#include "index/plan.h"

#include "os/thread.h"

#define HNSW_NONE      0xffffffffu /* no row: the end of a list; the entry of an empty graph */
#define HNSW_LAYER_MAX 15u         /* of a row; m^-15 is below one in 2^31 for every m >= 5 */
#define HNSW_STRIPES   1024u       /* locks that writers share; a power of two */

struct hnsw_scratch;

/* 8-bit codes of all rows: hnsw_codes.c. */
struct hnsw_codes {
    struct space space; /* int8, l2; of unit vectors, under cosine, the order is the same */
    struct rows rows;   /* a row's code is written before anything links to it, and stays */
    float *mean;        /* dim; NULL: no codes */
    uint8_t *memory;
    size_t size;
};

struct hnsw {
    struct index index;
    struct rows rows;
    struct hnsw_codes codes; /* what is walked by, if there are any */
    uint32_t m;
    uint32_t ef_construction;
    uint64_t seed;
    uint32_t capacity;     /* every valid link is below it */
    const char *spill_dir; /* where links lie while it is built; NULL: in memory */
    int mapped;            /* the arrays below are borrowed and read-only */
    struct guard *guard;   /* of mapped ones, touched before they are read; else NULL */
    uint32_t *links;       /* capacity x 2m */
    uint32_t *upper_slot;  /* capacity: a row's first slot; meaningless for rows of level 0 */
    uint32_t *upper; /* slot_capacity x m; layer l of a row is at slot upper_slot[row] + l - 1 */
    uint32_t slot_capacity;
    _Atomic uint32_t slot_count; /* given out */
    _Atomic uint32_t entry;      /* a row of the highest level, where searches start; set last */
    _Atomic uint32_t inserted;   /* rows in the graph */
    _Atomic uint32_t row_end;    /* highest of them + 1 */
    struct mutex entry_lock;     /* held while a row above all others is inserted; before stripes */
    struct mutex *stripes;       /* HNSW_STRIPES; one at a time; NULL when mapped */
    _Atomic size_t scratch_size; /* bytes of all scratch objects, idle or not */
    struct idle idle;            /* struct hnsw_scratch each */
};

/* --- hnsw_graph.c: memory, levels, lists --- */

/* The highest layer of a row: a pure function, geometric with ratio 1/m. */
uint32_t hnsw_level(uint64_t seed, uint32_t m, uint32_t row);
NODISCARD lode_status hnsw_graph_init(struct hnsw *hnsw, lode_error *error);
void hnsw_graph_release(struct hnsw *hnsw);
/* Give the row its slots and empty all its lists. Nobody may know the row yet. */
void hnsw_graph_add(struct hnsw *hnsw, uint32_t row, uint32_t level);
struct mutex *hnsw_stripe(struct hnsw *hnsw, uint32_t row);

static inline uint32_t hnsw_degree(const struct hnsw *hnsw, uint32_t layer)
{
    return layer ? hnsw->m : 2 * hnsw->m;
}

/* The list of a row on a layer, or NULL when the row has none there: only in damaged files. */
static inline uint32_t *hnsw_list(const struct hnsw *hnsw, uint32_t row, uint32_t layer)
{
    if (layer == 0)
        return hnsw->links + (size_t)row * 2 * hnsw->m;
    uint64_t slot = (uint64_t)hnsw->upper_slot[row] + layer - 1;
    return slot < hnsw->slot_capacity ? hnsw->upper + slot * hnsw->m : NULL;
}

/* Before the list of a row on a layer is asked for and read. */
NODISCARD static inline lode_status hnsw_touch_list(const struct hnsw *hnsw, uint32_t row,
                                                    uint32_t layer, lode_error *error)
{
    if (!hnsw->guard)
        return LODE_OK;
    if (layer) {
        lode_status status =
            guard_touch(hnsw->guard, &hnsw->upper_slot[row], sizeof(uint32_t), error);
        if (status)
            return status;
    }
    const uint32_t *list = hnsw_list(hnsw, row, layer);
    return list ? guard_touch(hnsw->guard, list, hnsw_degree(hnsw, layer) * sizeof *list, error)
                : LODE_OK;
}

/* Before any list of layer 0 is read. */
NODISCARD lode_status hnsw_touch_bottom(const struct hnsw *hnsw, lode_error *error);

static inline uint32_t hnsw_link(const uint32_t *list, uint32_t i)
{
    return __atomic_load_n(&list[i], __ATOMIC_ACQUIRE);
}

static inline void hnsw_link_set(uint32_t *list, uint32_t i, uint32_t link)
{
    __atomic_store_n(&list[i], link, __ATOMIC_RELEASE);
}

/* Of a row that is in memory, or was touched. */
static inline float hnsw_distance(const struct rows *rows, const void *target, uint32_t row)
{
    return rows->space->distance(rows->space, target, rows_at(rows, row));
}

/* Ask for the list of a row that will be expanded soon. */
static inline void hnsw_prefetch_list(const struct hnsw *hnsw, uint32_t row, uint32_t layer)
{
    const uint32_t *list = hnsw_list(hnsw, row, layer);
    for (uint32_t i = 0; list && i < hnsw_degree(hnsw, layer); i += 16)
        __builtin_prefetch(list + i);
}

/* --- hnsw_scratch.c: what one search or insert works in --- */

#define HNSW_MET_MAX 16384u /* rows met whose bits are cleared one by one; after more, all are */

/* Rows met in this search: one bit each, and which they are, so that clearing is as cheap as setting. */
struct hnsw_visited {
    uint64_t *bits;
    size_t bits_size;
    uint32_t *met; /* the first HNSW_MET_MAX of them, and room for one degree more */
    uint32_t met_count;
    int overflowed;
};

/* The best rows met so far, nearest first, each marked once its links have been followed. */
struct hnsw_beam {
    uint64_t *items; /* see hnsw_item */
    uint32_t count;
    uint32_t limit;    /* ef */
    uint32_t capacity; /* allocated */
    uint32_t next;     /* all before it are expanded */
    size_t copies_max; /* of one vector */
    const struct rows *rows;
};

/* Rows met and not yet expanded: a heap, the nearest on top. */
struct hnsw_frontier {
    uint64_t *items; /* see hnsw_item */
    size_t count, capacity;
};

struct hnsw_scratch {
    size_t size;             /* bytes, as made; what searches add later is small */
    size_t counted;          /* of them, in the budget */
    const struct rows *rows; /* what is compared: the rows, or their codes; */
    const void *target;      /* with this one of that kind */
    float *decoded;          /* dim; of a row that is coded */
    uint8_t *code;           /* of a query */
    struct hnsw_visited visited;
    struct hnsw_beam beam;
    struct hnsw_frontier frontier; /* of a filtered walk */
    struct neighbor *chosen;       /* insert: 2m neighbours for each layer */
    struct neighbor *closest;      /* insert: candidates, ef_construction or 2m+1 of them */
    const lode_stop *stop;         /* of a search; NULL: never */
    lode_error failure; /* of touching what a search reads, or its stop; status LODE_OK: none */
};

#define HNSW_HOPS_BETWEEN_LOOKS 64u /* at the caller's wish */
#define HNSW_ROWS_BETWEEN_LOOKS 256u

/* The distance of the row and the target. Not a number, which has no place in a beam, when the row cannot be
 * read: see scratch->failure. */
static inline float hnsw_measure(struct hnsw_scratch *scratch, uint32_t row)
{
    if (rows_touch(scratch->rows, row, 1, &scratch->failure))
        return __builtin_nanf("");
    return hnsw_distance(scratch->rows, scratch->target, row);
}

/* Take an idle scratch or make one. NULL: out of memory. */
struct hnsw_scratch *hnsw_scratch_take(struct hnsw *hnsw);
void hnsw_scratch_give(struct hnsw *hnsw, struct hnsw_scratch *scratch);
void hnsw_scratch_free_all(struct hnsw *hnsw);
/* Nothing met, an empty frontier, an empty beam with room for ef rows but for no more than about
 * copies_max with the same vector. 0, or -1: out of memory. */
int hnsw_scratch_begin(struct hnsw_scratch *scratch, uint32_t ef, size_t copies_max);
int hnsw_frontier_push(struct hnsw_frontier *frontier, uint64_t item); /* 0, or -1: out of memory */
uint64_t hnsw_frontier_pop(struct hnsw_frontier *frontier);
/* Keep an item that is among the best; 1 when it is now the next to be expanded. */
int hnsw_beam_push(struct hnsw_beam *beam, uint64_t item);
/* The nearest row that was not expanded yet, or HNSW_NONE. beam_take marks it. */
uint32_t hnsw_beam_peek(struct hnsw_beam *beam);
uint32_t hnsw_beam_take(struct hnsw_beam *beam);
void hnsw_visited_entry(struct hnsw_visited *visited, uint32_t row);

/* The `count` rows that follow in visited->met are met now; their bits are set. */
static inline void hnsw_visited_add(struct hnsw_visited *visited, uint32_t count)
{
    visited->met_count += count;
    if (visited->met_count > HNSW_MET_MAX) {
        visited->met_count = HNSW_MET_MAX;
        visited->overflowed = 1;
    }
}

#define HNSW_ITEM_NONE                                                                             \
    UINT64_MAX /* after all items; what is not a number has no place among them */

/* Items: unsigned order is the order of results, distance then row. */
static inline uint64_t hnsw_item(float distance, uint32_t row)
{
    if (distance != distance)
        return HNSW_ITEM_NONE;
    float positive_zero = distance + 0.0f;
    uint32_t bits;
    __builtin_memcpy(&bits, &positive_zero, sizeof bits);
    bits ^= (bits >> 31) ? 0xffffffffu : 0x80000000u;
    return (uint64_t)bits << 32 | row << 1;
}

static inline uint32_t hnsw_item_row(uint64_t item)
{
    return (uint32_t)item >> 1;
}

static inline float hnsw_item_distance(uint64_t item)
{
    uint32_t bits = (uint32_t)(item >> 32);
    bits ^= (bits >> 31) ? 0x80000000u : 0xffffffffu;
    float distance;
    __builtin_memcpy(&distance, &bits, sizeof distance);
    return distance;
}

/* Items from here on are not among the best. Among equals the row decides, or a graph of duplicates would
 * be walked to its end. */
static inline uint64_t hnsw_beam_bound(const struct hnsw_beam *beam)
{
    return beam->count == beam->limit ? beam->items[beam->count - 1] : HNSW_ITEM_NONE;
}

/* --- hnsw_codes.c --- */

/* Centred at the mean of rows [0, rows), which are there; none where rows is 0 or codes are of no use. */
NODISCARD lode_status hnsw_codes_init(struct hnsw *hnsw, uint32_t rows, lode_error *error);
void hnsw_codes_release(struct hnsw *hnsw);
/* The code of a row, or of a query. room: dim */
void hnsw_code(const struct hnsw *hnsw, const void *row, float *room, uint8_t *code);
uint8_t *hnsw_code_of(const struct hnsw *hnsw, uint32_t row); /* its place; NULL: no codes */
/* Compare rows with `target`, by their codes if it has one. */
void hnsw_aim(const struct hnsw *hnsw, struct hnsw_scratch *scratch, const void *target,
              const uint8_t *code);
/* Whether the beam was found by codes, and its nearest rows are too near to `target` for those. */
int hnsw_is_blurred(const struct hnsw *hnsw, const struct hnsw_scratch *scratch,
                    const void *target);

/* --- hnsw_walk.c --- */

/* From the entry of the graph down to `layer`, keeping the one nearest row. This and all below end early when
 * something cannot be read: scratch->failure. */
struct neighbor hnsw_descend(const struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t entry,
                             uint32_t layer, struct index_counts *counts);
/* Links of the row that are met for the first time, what they are compared by on the way to the cache. Valid
 * until the next call. */
const uint32_t *hnsw_meet_links(const struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t row,
                                uint32_t layer, uint32_t *ret_count);
/* Fill scratch->beam, just begun, with the nearest rows of a layer that a walk from `entry` finds. */
void hnsw_walk(const struct hnsw *hnsw, struct hnsw_scratch *scratch, struct neighbor entry,
               uint32_t layer, struct index_counts *counts);

/* --- hnsw_filtered.c --- */

enum hnsw_walk_end {
    HNSW_WALK_ENDED,
    HNSW_WALK_FAR,
    HNSW_WALK_TOO_LONG,
    HNSW_WALK_NOMEM,
    HNSW_WALK_GOES_ON
};

/* What plans of a search with this query cost, when these rows are compared: its vectors, or codes of them. */
struct plan_graph hnsw_filtered_costs(const struct hnsw *hnsw, const struct rows *rows,
                                      const struct index_query *query, uint32_t ef);
/* What the beam has room for before such a walk. */
uint32_t hnsw_filtered_ef(enum index_plan plan, uint32_t ef);
/* The same on layer 0, with the query's allowed rows below its row_limit, by choice->plan. */
enum hnsw_walk_end hnsw_walk_filtered(const struct hnsw *hnsw, struct hnsw_scratch *scratch,
                                      const struct index_query *query, struct index_choice *choice,
                                      struct neighbor entry);

/* --- hnsw_search.c --- */

void hnsw_choose(const struct index *index, const struct index_query *query,
                 struct index_choice *ret_choice);
NODISCARD lode_status hnsw_search(const struct index *index, const struct index_query *query,
                                  lode_error *error);

/* --- hnsw_insert.c, hnsw_repair.c, hnsw_origin.c, hnsw_build.c --- */

NODISCARD lode_status hnsw_insert(struct index *index, uint32_t row, lode_error *error);
/* Of candidates, nearest first, at most `degree` diverse ones, then the nearest others up to three quarters of
 * that. Returns how many. */
uint32_t hnsw_choose_links(const struct rows *rows, const struct neighbor *candidates,
                           uint32_t count, uint32_t degree, struct neighbor *ret_chosen);
/* The row has its list on layer 0, and empty ones above: fill those, and count it. One at a time. */
NODISCARD lode_status hnsw_raise(struct hnsw *hnsw, struct hnsw_scratch *scratch, uint32_t row,
                                 lode_error *error);
/* Fill scratch->beam with the rows nearest to scratch->target on a layer. */
NODISCARD lode_status hnsw_find_near(struct hnsw *hnsw, struct hnsw_scratch *scratch,
                                     struct neighbor entry, uint32_t layer, lode_error *error);
/* Link from the first row of the beam that has room on layer 0; 0 when none has. */
int hnsw_adopt(struct hnsw *hnsw, const struct hnsw_beam *beam, uint32_t row);
int hnsw_append(struct hnsw *hnsw, uint32_t base, uint32_t row); /* one of them; 0: no room */
/* Make every row reachable from the entry on layer 0. Nobody else may insert meanwhile. */
NODISCARD lode_status hnsw_repair(struct hnsw *hnsw, lode_error *error);
/* Take over layer 0 of an earlier graph, rows that are gone left out, into an empty one. ret_known: which rows
 * are in it now, a bitset to be freed; NULL when there was nothing to take over. */
NODISCARD lode_status hnsw_take_over(struct hnsw *hnsw, uint32_t count,
                                     const struct index_work *work, uint64_t **ret_known,
                                     lode_error *error);
NODISCARD lode_status hnsw_build(const struct index_params *params, const struct rows *rows,
                                 uint32_t count, const struct index_work *work,
                                 struct index **ret_index, lode_error *error);

/* --- hnsw_file.c --- */

NODISCARD lode_status hnsw_serialize(const struct index *index, const struct index_sink *sink,
                                     lode_error *error);
NODISCARD lode_status hnsw_open(const struct index_file *file, struct index **ret_index,
                                lode_error *error);
NODISCARD lode_status hnsw_check(const struct index *index, lode_error *error);

/* --- hnsw.c --- */

NODISCARD lode_status hnsw_create(const struct index_params *params, const struct rows *rows,
                                  uint32_t capacity, struct index **ret_index, lode_error *error);
void hnsw_close(struct index *index);

#endif
