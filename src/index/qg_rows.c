/* qg_rows.c: graph rows, made from links and coordinates when they are written, or first searched. */
#include "index/qg.h"

#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "os/memory.h"

struct qg_encoder {
    float *from, *to, *room;        /* coordinates: dim, dim, 2 dim */
    float *raw_from, *raw_to, *own; /* as stored, and centred: padded dim of the space */
    uint8_t *levels;                /* dim */
};

struct qg_encoder *qg_encoder_new(const struct qg *qg)
{
    struct qg_encoder *encoder = calloc(1, sizeof *encoder);
    if (!encoder)
        return NULL;
    size_t padded = projection_padded(qg->projection.dim);
    encoder->from = memory_aligned(64, (qg->dim * 4 + padded * 3) * sizeof(float) + qg->dim);
    if (!encoder->from) {
        free(encoder);
        return NULL;
    }
    encoder->to = encoder->from + qg->dim;
    encoder->room = encoder->to + qg->dim;
    encoder->raw_from = encoder->room + 2 * qg->dim;
    encoder->raw_to = encoder->raw_from + padded;
    encoder->own = encoder->raw_to + padded;
    encoder->levels = (uint8_t *)(encoder->own + padded);
    return encoder;
}

void qg_encoder_free(struct qg_encoder *encoder)
{
    if (encoder)
        free(encoder->from);
    free(encoder);
}

static const half *coordinates_of(const struct qg *qg, uint32_t row)
{
    return qg->coordinates + (size_t)row * qg->dim;
}

/* An unused place: its estimate is infinite, below no bound. */
static void put_none(const struct qg *qg, uint8_t *block, unsigned i)
{
    uint8_t *factors = block + hop_codes_size(qg->dim, qg->bits);
    le_store_u16(factors + i * sizeof(half), 0x7c00);
    le_store_u16(factors + (HOP_LINKS + i) * sizeof(half), 0);
}

/* The squared length of a difference, in the scale of coordinates, where these are not all of it. */
static float norm2_of(const struct qg *qg, struct qg_encoder *encoder, uint32_t link)
{
    const struct projection *projection = &qg->projection;
    if (!projection_is_reduced(projection))
        return -1;
    space_decode(qg->rows.space, rows_at(&qg->rows, link), encoder->raw_to);
    return simd()->l2_f32(encoder->raw_from, encoder->raw_to, projection->dim) * projection->scale *
           projection->scale;
}

static void put_link(const struct qg *qg, struct qg_encoder *encoder, uint32_t row, uint32_t link,
                     uint8_t *block, unsigned i)
{
    uint8_t *links = block + hop_block_size(qg->dim, qg->bits) - HOP_LINKS * sizeof link;
    le_store_u32(links + i * sizeof link, link);
    if (link == QG_NONE) {
        put_none(qg, block, i);
        return;
    }
    simd()->f16_to_f32(coordinates_of(qg, link), encoder->to, qg->dim);
    struct edge_code code =
        edge_encode_l2(encoder->from, encoder->to, qg->dim, qg->bits, norm2_of(qg, encoder, link),
                       encoder->room, encoder->levels);
    if (qg_is_lifted(qg))
        code.add += qg_lift_of(qg, link) - qg_lift_of(qg, row);
    edge_put(block, qg->dim, qg->bits, i, code, encoder->levels);
}

/* Links and code: see qg_row_links. */
static void encode_compact(const struct qg *qg, struct qg_encoder *encoder, uint32_t row,
                           uint8_t *to)
{
    const uint32_t *list = qg_list(qg, row);
    for (uint32_t i = 0; i < qg_places(qg); i++, to += sizeof *list)
        le_store_u32(to, qg_link(list, i));
    simd()->f16_to_f32(coordinates_of(qg, row), encoder->from, qg->dim);
    projection_code(&qg->projection, encoder->from, to);
}

static void encode_fast(const struct qg *qg, struct qg_encoder *encoder, uint32_t row, uint8_t *to)
{
    size_t block_size = hop_block_size(qg->dim, qg->bits);
    const uint32_t *list = qg_list(qg, row);
    simd()->f16_to_f32(coordinates_of(qg, row), encoder->from, qg->dim);
    projection_centre(&qg->projection, qg->rows.space, rows_at(&qg->rows, row), encoder->raw_from,
                      encoder->own);
    for (uint32_t i = 0; i < qg_places(qg); i++)
        put_link(qg, encoder, row, qg_link(list, i), to + i / HOP_LINKS * block_size,
                 i % HOP_LINKS);
    uint8_t *own = to + qg->blocks * block_size;
    le_store_f32(own + qg->own_size,
                 projection_round_i8(encoder->own, qg->own_size, (int8_t *)own));
    if (qg_is_lifted(qg))
        le_store_f32(own + qg->own_size + sizeof(float), qg_lift_of(qg, row));
}

void qg_encode_row(const struct qg *qg, struct qg_encoder *encoder, uint32_t row, uint8_t *to)
{
    memset(to, 0, qg->stride);
    if (qg_is_compact(qg))
        encode_compact(qg, encoder, row, to);
    else
        encode_fast(qg, encoder, row, to);
}

lode_status qg_graph_make(struct qg *qg, lode_error *error)
{
    size_t size = qg->count * qg->stride;
    lode_status status = LODE_OK;
    mutex_lock(&qg->graph_lock);
    if (!qg->graph) {
        struct qg_encoder *encoder = qg_encoder_new(qg);
        qg->owned_graph = memory_reserve(size);
        if (encoder && qg->owned_graph) {
            memory_huge(qg->owned_graph, size);
            for (uint32_t row = 0; row < qg->count; row++)
                qg_encode_row(qg, encoder, row, qg->owned_graph + row * qg->stride);
            __atomic_store_n(&qg->graph, qg->owned_graph, __ATOMIC_RELEASE);
        } else {
            memory_unreserve(qg->owned_graph, size);
            qg->owned_graph = NULL;
            status = error_nomem(error, "graph rows", size);
        }
        qg_encoder_free(encoder);
    }
    mutex_unlock(&qg->graph_lock);
    return status;
}
