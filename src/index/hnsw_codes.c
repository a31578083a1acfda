/* hnsw_codes.c: 8-bit codes of rows, which inserts and searches walk by: a quarter of the bytes of f32, and
 * distances that differ by less than one in a hundred (docs/decisions/0062).
 *
 * A row is coded once, when it is inserted, centred at the mean of the first rows and with a scale of its
 * own: whatever comes later, no row is out of range. Where neighbours lie so close that codes cannot tell
 * them apart, the walk is repeated on the vectors. */
#include "index/hnsw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "os/memory.h"

#define MEAN_ROWS 1024u /* of which the mean is taken, at most */
#define TINY                                                                                       \
    1e-30f /* magnitudes below it are coded as 0: they have no scale that is a normal number */

#define BLUR_NEAR 10u /* neighbours looked at */
#define BLUR                                                                                       \
    0.5f /* squared distance, in squares of a code's step and coordinate; rounding makes 1/6 */

static void add_row(const struct hnsw *hnsw, uint32_t row, float *decoded)
{
    const struct space *space = hnsw->rows.space;
    space_decode(space, rows_at(&hnsw->rows, row), decoded);
    for (size_t i = 0; i < space->dim; i++)
        hnsw->codes.mean[i] += decoded[i];
}

static void find_mean(struct hnsw *hnsw, uint32_t rows, float *room)
{
    uint32_t count = rows < MEAN_ROWS ? rows : MEAN_ROWS;
    for (uint32_t i = 0; i < count; i++)
        add_row(hnsw, (uint32_t)((uint64_t)i * rows / count), room);
    for (size_t i = 0; i < hnsw->codes.space.dim; i++)
        hnsw->codes.mean[i] /= (float)count;
}

static int are_of_use(const struct hnsw *hnsw, uint32_t rows)
{
    const struct space *space = hnsw->rows.space;
    return rows > 0 && space->scalar != LODE_SCALAR_INT8 && space->metric != LODE_METRIC_IP;
}

lode_status hnsw_codes_init(struct hnsw *hnsw, uint32_t rows, lode_error *error)
{
    struct hnsw_codes *codes = &hnsw->codes;
    if (!are_of_use(hnsw, rows))
        return LODE_OK;
    size_t dim = hnsw->rows.space->dim;
    space_init(&codes->space, LODE_METRIC_L2, LODE_SCALAR_INT8, dim);
    codes->size = hnsw->capacity * codes->space.row_size;
    codes->memory = memory_reserve(codes->size);
    codes->mean = calloc(dim, sizeof *codes->mean);
    float *room = malloc(dim * sizeof *room);
    codes->rows = (struct rows){
        .space = &codes->space, .base = codes->memory, .stride = codes->space.row_size};
    lode_status status = LODE_OK;
    if (codes->memory && codes->mean && room) {
        memory_huge(codes->memory, codes->size);
        find_mean(hnsw, rows, room);
    } else {
        status = error_nomem(error, "hnsw codes", codes->size);
    }
    free(room);
    return status;
}

void hnsw_codes_release(struct hnsw *hnsw)
{
    memory_unreserve(hnsw->codes.memory, hnsw->codes.size);
    free(hnsw->codes.mean);
}

uint8_t *hnsw_code_of(const struct hnsw *hnsw, uint32_t row)
{
    return hnsw->codes.mean ? hnsw->codes.memory + row * hnsw->codes.rows.stride : NULL;
}

void hnsw_code(const struct hnsw *hnsw, const void *row, float *room, uint8_t *code)
{
    const struct hnsw_codes *codes = &hnsw->codes;
    float most = 0;
    space_decode(hnsw->rows.space, row, room);
    for (size_t i = 0; i < codes->space.dim; i++) {
        room[i] -= codes->mean[i];
        most = fabsf(room[i]) > most ? fabsf(room[i]) : most;
    }
    if (most < TINY)
        memset(room, 0, codes->space.dim * sizeof *room);
    space_encode(&codes->space, room, code);
}

void hnsw_aim(const struct hnsw *hnsw, struct hnsw_scratch *scratch, const void *target,
              const uint8_t *code)
{
    scratch->rows = code ? &hnsw->codes.rows : &hnsw->rows;
    scratch->target = code ? code : target;
}

int hnsw_is_blurred(const struct hnsw *hnsw, const struct hnsw_scratch *scratch, const void *target)
{
    const struct hnsw_beam *beam = &scratch->beam;
    uint32_t near = beam->count < BLUR_NEAR ? beam->count : BLUR_NEAR;
    if (near == 0 || scratch->rows == &hnsw->rows)
        return 0;
    const struct space *space = &hnsw->codes.space;
    float step = space_scale(space, scratch->target);
    int alike = 1;
    for (uint32_t i = 0; i < near; i++) {
        uint32_t row = hnsw_item_row(beam->items[i]);
        step = fmaxf(step, space_scale(space, rows_at(&hnsw->codes.rows, row)));
        alike = alike && memcmp(target, rows_at(&hnsw->rows, row), hnsw->rows.space->row_size) == 0;
    }
    float worst = hnsw_item_distance(beam->items[near - 1]);
    return !alike && worst <= BLUR * step * step * (float)space->dim;
}
