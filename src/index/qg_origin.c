/* qg_origin.c: an earlier graph of some of the rows, from which a build takes over links. A quantised graph
 * of at least this width is as good as what is being built: its rows keep their links. The plain one that a
 * growing segment was flushed with was made in haste, and stands for the first pass of a build.
 *
 * Nothing here trusts the origin's bytes: it may be a mapped file. All that is read of it is touched before; one with
 * a damaged block is none. */
#include "index/qg.h"

#include <stdlib.h>

#include "index/hnsw.h"

#define KEPT_SHARE_MIN 8u /* of the rows, one in so many; below, nothing is gained */

struct qg_origin {
    const struct index *index;
    const uint32_t *row_map;
    uint32_t *was;  /* of each row: which it was, or QG_NONE */
    uint32_t count; /* of the origin's rows */
    uint32_t now_count;
    uint32_t kept;
};

static int is_quantised(const struct index *index)
{
    return index->ops == &index_qg;
}

static int has_links_like(const struct qg *qg, const struct index *index)
{
    if (index->ops->count(index) == 0)
        return 0;
    if (is_quantised(index)) {
        const struct qg *other = (const struct qg *)index;
        return other->m == qg->m && other->ef_construction >= qg->ef_construction;
    }
    return index->ops == &index_hnsw && ((const struct hnsw *)index)->m == qg->m;
}

/* Before its links are read, at random and by several threads. */
static lode_status touch_links(const struct index *index, lode_error *error)
{
    const struct qg *qg = (const struct qg *)index;
    if (!is_quantised(index))
        return hnsw_touch_bottom((const struct hnsw *)index, error);
    return qg->guard ? guard_touch(qg->guard, qg->graph, qg->count * qg->stride, error) : LODE_OK;
}

static void fill_rows(struct qg_origin *origin)
{
    for (uint32_t row = 0; row < origin->now_count; row++)
        origin->was[row] = QG_NONE;
    for (uint32_t old = 0; old < origin->count; old++) {
        uint32_t row = qg_origin_now(origin, old);
        if (row == QG_NONE)
            continue;
        origin->kept += origin->was[row] == QG_NONE;
        origin->was[row] = old;
    }
}

lode_status qg_origin_new(const struct qg *qg, const struct index_origin *given,
                          struct qg_origin **ret_origin, lode_error *error)
{
    *ret_origin = NULL;
    if (!given || !has_links_like(qg, given->index))
        return LODE_OK;
    lode_status status = touch_links(given->index, error);
    if (status == LODE_CORRUPT || status == LODE_IO)
        return LODE_OK;
    if (status)
        return status;
    struct qg_origin *origin = calloc(1, sizeof *origin);
    uint32_t *was = malloc(qg->count * sizeof *was);
    if (!origin || !was) {
        free(origin);
        free(was);
        return error_nomem(error, "graph", qg->count * sizeof *was);
    }
    *origin = (struct qg_origin){.index = given->index,
                                 .row_map = given->row_map,
                                 .was = was,
                                 .count = given->index->ops->count(given->index),
                                 .now_count = qg->count};
    fill_rows(origin);
    if (origin->kept >= qg->count / KEPT_SHARE_MIN)
        *ret_origin = origin;
    else
        qg_origin_free(origin);
    return LODE_OK;
}

void qg_origin_free(struct qg_origin *origin)
{
    if (origin)
        free(origin->was);
    free(origin);
}

uint32_t qg_origin_row(const struct qg_origin *origin, uint32_t row)
{
    return origin->was[row];
}

uint32_t qg_origin_now(const struct qg_origin *origin, uint32_t old_row)
{
    uint32_t row = old_row < origin->count ? origin->row_map[old_row] : QG_NONE;
    return row < origin->now_count ? row : QG_NONE;
}

uint32_t qg_origin_link(const struct qg_origin *origin, uint32_t old_row, uint32_t i)
{
    const struct index *index = origin->index;
    uint32_t link = is_quantised(index)
                        ? qg_stored_link((const struct qg *)index, old_row, i)
                        : hnsw_link(hnsw_list((const struct hnsw *)index, old_row, 0), i);
    return link < origin->count && link != old_row ? link : QG_NONE;
}

int qg_origin_is_finished(const struct qg_origin *origin)
{
    return is_quantised(origin->index);
}

uint32_t qg_origin_kept(const struct qg_origin *origin)
{
    return origin->kept;
}
