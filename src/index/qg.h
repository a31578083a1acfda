/* qg.h: what the files of the quantised graph share. See qg.md for the whole picture.
 *
 * A graph of one layer. Each row of it is one contiguous piece of memory with all that a step of a walk
 * needs: for each 32 neighbours a block of codes, factors and links (simd/hop.h), then the row's own
 * vector in i8. Expanding a row gives its distance (to 8 bits) and estimates for all its
 * neighbours; nothing else is read until the end, when the nearest are compared as stored.
 *
 * While it is built, a graph has links, 7-bit codes and f16 coordinates in arrays of their own. Links are
 * the only shared mutable words then: writers hold the row's stripe lock, readers hold nothing. A reader
 * may meet a mix of an old and a new list: each link in it is a valid row. */
#ifndef INDEX_QG_H
#define INDEX_QG_H

#include "index/idle.h"
#include "index/index.h"

#include "os/thread.h"
#include "quant/edge_code.h"
#include "quant/projection.h"
#include "simd/hop.h"

#define QG_BITS_OWN       7u
#define QG_NONE           0xffffffffu /* no row: the end of a list */
#define QG_STRIPES        1024u
#define QG_LEADERS        64u   /* first level of pivots */
#define QG_ENTRIES_MAX    16u   /* of one walk, at most */
#define QG_PIVOTS_MAX     4096u /* sampled rows, where walks may begin */
#define QG_DIM_MIN        16u   /* the same: so short vectors are no dearer to read than codes */
#define QG_BITS_2_DIM_MAX 256u  /* wider vectors have enough coordinates for codes of one bit */
#define QG_ROWS_MIN       256u  /* below, build makes a plain graph */

/* By how much of a near row's distance its estimate errs, times sqrt(dim): 2 sqrt(1/cos^2 - 1), cos being
 * the cosine between a difference and its code, 0.80 for one bit, 0.94 for two. */
#define QG_ERROR_1 1.51f
#define QG_ERROR_2 0.73f

/* Sampled rows in groups around leaders; all codes are 7-bit ones. */
struct qg_pivots {
    uint32_t count;
    const uint8_t *leaders;          /* QG_LEADERS codes */
    const uint8_t *codes;            /* count codes, group by group */
    const uint32_t *rows;            /* count rows, in the same order */
    uint32_t begins[QG_LEADERS + 1]; /* group g is [begins[g], begins[g+1]) */
};

/* Inner products as distances (qg_lift.c); all zero for other metrics. */
struct qg_lift {
    float radius;      /* M, in the scale of the projection */
    float longest;     /* of all rows; only while it is built */
    float near;        /* the squared distance of typical near rows */
    float *squares;    /* count: |x|^2; only in a built graph */
    uint16_t *heights; /* count, in the scale of codes; only while it is built */
};

struct qg_scratch;

struct qg {
    struct index index;
    struct rows rows;
    uint32_t m, ef_construction;
    uint64_t seed;
    uint32_t count;
    uint32_t blocks; /* of 32 links */
    lode_layout layout;
    /* Of a code, for each coordinate: 1 or 2 of a neighbour's; QG_BITS_OWN of a row's own in the
     * compact layout; 0: not chosen yet */
    unsigned bits;
    size_t dim; /* of projected vectors */
    size_t code_size;
    size_t own_size; /* of the row's own vector, i8 */
    size_t stride;   /* of a graph row, a multiple of 64. Fast: the blocks, its vector and scale;
                        compact: the links, its code */
    struct projection projection;
    struct qg_lift lift;
    struct qg_pivots pivots;
    /* Count x stride; mapped, or NULL until a built graph is first searched */
    const uint8_t *graph;
    struct guard *guard;  /* of a mapped graph, touched before a row of it is read; else NULL */
    uint8_t *owned_graph; /* the same, when it is ours */
    /* Where codes, coordinates and links lie while it is built; NULL: in memory */
    const char *spill_dir;
    struct mutex graph_lock;
    /* Of a built graph; NULL in a mapped one. */
    uint8_t *codes;    /* count x code_size; only while it is built */
    half *coordinates; /* count x dim */
    uint32_t *links;   /* count x 32 blocks */
    void *pivot_memory;
    struct mutex *stripes;
    struct idle idle; /* struct qg_scratch each */
};

/* Links of a row, at most; and the places for them, which come in blocks. */
static inline uint32_t qg_degree(const struct qg *qg)
{
    return 2 * qg->m;
}

static inline uint32_t qg_places(const struct qg *qg)
{
    return qg->blocks * HOP_LINKS;
}

static inline uint32_t *qg_list(const struct qg *qg, uint32_t row)
{
    return qg->links + (size_t)row * qg_places(qg);
}

static inline uint32_t qg_link(const uint32_t *list, uint32_t i)
{
    return __atomic_load_n(&list[i], __ATOMIC_RELAXED);
}

static inline void qg_link_set(uint32_t *list, uint32_t i, uint32_t link)
{
    __atomic_store_n(&list[i], link, __ATOMIC_RELAXED);
}

static inline int qg_is_compact(const struct qg *qg)
{
    return qg->layout == LODE_LAYOUT_COMPACT;
}

/* Links of block `block`, u32[HOP_LINKS], in a graph row. */
static inline const uint8_t *qg_row_links(const struct qg *qg, const uint8_t *row, uint32_t block)
{
    size_t size = HOP_LINKS * sizeof(uint32_t);
    if (qg_is_compact(qg))
        return row + block * size;
    return row + (block + 1) * hop_block_size(qg->dim, qg->bits) - size;
}

/* The row's own code, in a graph row of the compact layout. */
static inline const uint8_t *qg_row_code(const struct qg *qg, const uint8_t *row)
{
    return row + (size_t)qg->blocks * HOP_LINKS * sizeof(uint32_t);
}

static inline const uint8_t *qg_code(const struct qg *qg, uint32_t row)
{
    return qg->codes + (size_t)row * qg->code_size;
}

static inline int qg_is_lifted(const struct qg *qg)
{
    return qg->rows.space->metric == LODE_METRIC_IP;
}

/* The squared distance of two rows as links see it, while they are made. */
static inline uint32_t qg_distance(const struct qg *qg, uint32_t a, uint32_t b)
{
    uint32_t distance = hop()->l2_u7(qg_code(qg, a), qg_code(qg, b), qg->code_size);
    if (!qg->lift.heights)
        return distance;
    int32_t rise = (int32_t)qg->lift.heights[a] - (int32_t)qg->lift.heights[b];
    return distance + (uint32_t)(rise * rise);
}

/* --- qg_pool.c: rows met, nearest first, each marked once it was expanded --- */

struct qg_pool {
    uint64_t *items; /* key, then row << 1 | expanded in the lower half: sorts as it is */
    uint32_t count;
    uint32_t limit;
    uint32_t next; /* all before it are expanded */
};

void qg_pool_push(struct qg_pool *pool, uint64_t item);

static inline uint64_t qg_item(uint32_t key, uint32_t row)
{
    return (uint64_t)key << 32 | row << 1;
}

static inline uint32_t qg_item_row(uint64_t item)
{
    return (uint32_t)item >> 1;
}

/* Unsigned order of keys is the order of distances. */
static inline uint32_t qg_key(float distance)
{
    float positive_zero = distance + 0.0f;
    uint32_t bits;
    __builtin_memcpy(&bits, &positive_zero, sizeof bits);
    return bits ^ ((bits >> 31) ? 0xffffffffu : 0x80000000u);
}

static inline float qg_key_distance(uint32_t key)
{
    uint32_t bits = key ^ ((key >> 31) ? 0x80000000u : 0xffffffffu);
    float distance;
    __builtin_memcpy(&distance, &bits, sizeof distance);
    return distance;
}

/* The nearest item that was not expanded yet, now marked; 0 when there is none. */
static inline int qg_pool_take(struct qg_pool *pool, uint32_t *ret_row)
{
    while (pool->next < pool->count && (pool->items[pool->next] & 1))
        pool->next++;
    if (pool->next == pool->count)
        return 0;
    *ret_row = qg_item_row(pool->items[pool->next]);
    pool->items[pool->next++] |= 1;
    return 1;
}

/* --- qg_scratch.c: what one search or one building thread works in --- */

struct qg_scratch {
    uint64_t *visited; /* bitset of all rows, empty between searches */
    uint32_t *log;     /* words of it to empty, log_count of them; beyond its end, empty all */
    uint32_t log_count, log_capacity;
    size_t words;
    struct qg_pool pool;
    uint32_t pool_capacity;
    struct neighbor *near; /* search: the nearest rows expanded so far, sorted */
    uint32_t near_capacity;
    float *decoded, *centred; /* dim of the space, padded */
    float *query;             /* projected */
    int8_t *rounded;          /* padded dim of the space */
    uint8_t *tables;          /* 4 dim */
    uint8_t *code;            /* code_size */
    void *memory;
    size_t size; /* bytes of all of it, as counted in the budget */
};

/* Memory of a graph that is built. */
void *qg_reserve(const struct qg *qg, size_t size); /* NULL: refused */
void qg_unreserve(const struct qg *qg, void *memory, size_t size);

struct qg_scratch *qg_scratch_new(const struct qg *qg);
void qg_scratch_free(struct qg_scratch *scratch);
struct qg_scratch *qg_scratch_take(struct qg *qg);
void qg_scratch_give(struct qg *qg, struct qg_scratch *scratch);
void qg_scratch_free_all(struct qg *qg);
/* Empty visited set and pool, room for so many. 0, or -1: out of memory. */
int qg_scratch_begin(struct qg_scratch *scratch, uint32_t pool_limit, uint32_t near_count);

/* 1 the first time. */
static inline int qg_visit(struct qg_scratch *scratch, uint32_t row)
{
    uint64_t *word = &scratch->visited[row >> 6], bit = (uint64_t)1 << (row & 63);
    if (*word & bit)
        return 0;
    if (*word == 0) {
        if (scratch->log_count < scratch->log_capacity)
            scratch->log[scratch->log_count] = row >> 6;
        scratch->log_count++;
    }
    *word |= bit;
    return 1;
}

/* --- qg_pivots.c --- */

NODISCARD lode_status qg_pivots_make(struct qg *qg, lode_error *error);
/* The pivot nearest to a code. */
uint32_t qg_pivots_nearest(const struct qg *qg, const uint8_t *code);
/* Of those that the query allows the `limit` nearest, or fewer, in no order. Returns how many. */
uint32_t qg_pivots_allowed(const struct qg *qg, const uint8_t *code,
                           const struct index_query *query, uint32_t *ret_rows, uint32_t limit);

/* --- qg_lift.c --- */

NODISCARD lode_status qg_lift_room(struct qg *qg, lode_error *error);
/* While rows are coded: the square of one. */
void qg_lift_row(struct qg *qg, uint32_t row, const float *decoded);
/* Radius and heights, when the squares of all rows are known. */
NODISCARD lode_status qg_lift_all(struct qg *qg, lode_error *error);
/* centred: projection_padded(dim) floats. */
void qg_lift_query(const struct qg *qg, const float *decoded, float *centred);
/* What the distance of a query and the centred row lacks. */
float qg_lift_of(const struct qg *qg, uint32_t row);
void qg_lift_release(struct qg *qg);

/* --- qg_build.c, qg_link.c --- */

NODISCARD lode_status qg_build(const struct index_params *params, const struct rows *rows,
                               uint32_t count, const struct index_work *work,
                               struct index **ret_index, lode_error *error);

struct qg_linker; /* one thread's room for linking rows */
struct qg_origin;

struct qg_linker *qg_linker_new(const struct qg *qg);
void qg_linker_free(struct qg_linker *linker);
/* Find neighbours of the row by a walk from `entry`, link it with them and them with it. `again`: the
 * row has links already, from an earlier pass. */
void qg_link_row(struct qg *qg, struct qg_linker *linker, uint32_t row, uint32_t entry, int again);

/* The links that the row, one of the origin's, had there; where some led to rows that are gone, the best of
 * those and of what the gone ones linked to. Changes no other list. */
void qg_link_again(struct qg *qg, struct qg_linker *linker, const struct qg_origin *origin,
                   uint32_t row);

/* Around a linked row: how far the 10th neighbour is, squared; by how much of that the 100th is further;
 * and whether the nearest, other than twins, lie closer than 7-bit codes can tell. */
struct qg_spread {
    float near, spread;
    int is_blurred;
};

struct qg_spread qg_spread(const struct qg *qg, struct qg_linker *linker, uint32_t row);

/* --- qg_origin.c: an earlier graph of some of the rows --- */

/* *ret_origin is NULL when there is none, or none that serves. Borrows `given`. */
NODISCARD lode_status qg_origin_new(const struct qg *qg, const struct index_origin *given,
                                    struct qg_origin **ret_origin, lode_error *error);
void qg_origin_free(struct qg_origin *origin); /* NULL is allowed */
/* The row it was there, or QG_NONE. */
uint32_t qg_origin_row(const struct qg_origin *origin, uint32_t row);
/* Link i of a row of the origin, as that row was numbered there; QG_NONE at the end, and for damage. */
uint32_t qg_origin_link(const struct qg_origin *origin, uint32_t old_row, uint32_t i);
/* What one of its rows is now, or QG_NONE. */
uint32_t qg_origin_now(const struct qg_origin *origin, uint32_t old_row);
/* Whether its links are as good as those of a whole build; else they stand for a first pass. */
int qg_origin_is_finished(const struct qg_origin *origin);
/* How many rows were there. */
uint32_t qg_origin_kept(const struct qg_origin *origin);

/* --- qg_rows.c: graph rows from links and coordinates --- */

struct qg_encoder;

struct qg_encoder *qg_encoder_new(const struct qg *qg);
void qg_encoder_free(struct qg_encoder *encoder);
/* to: stride bytes. */
void qg_encode_row(const struct qg *qg, struct qg_encoder *encoder, uint32_t row, uint8_t *to);
/* Make qg->graph, if it is not there. */
NODISCARD lode_status qg_graph_make(struct qg *qg, lode_error *error);

/* --- qg_search.c, qg_file.c, qg.c --- */

void qg_choose(const struct index *index, const struct index_query *query,
               struct index_choice *ret_choice);
NODISCARD lode_status qg_search(const struct index *index, const struct index_query *query,
                                lode_error *error);
NODISCARD lode_status qg_serialize(const struct index *index, const struct index_sink *sink,
                                   lode_error *error);
NODISCARD lode_status qg_open(const struct index_file *file, struct index **ret_index,
                              lode_error *error);
NODISCARD lode_status qg_check(const struct index *index, lode_error *error);
/* Link i of a row of a graph that is built or mapped. Not checked. */
uint32_t qg_stored_link(const struct qg *qg, uint32_t row, uint32_t i);

/* An empty graph of these parameters. NULL: out of memory. */
struct qg *qg_new(const struct index_params *params, const struct rows *rows, uint32_t count);
/* Sizes that follow from dimension, m and bits. */
void qg_measure(struct qg *qg);
void qg_close(struct index *index);

#endif
