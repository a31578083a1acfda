/* growing.c: the segment that takes writes. What readers may look at, and when, stands in
 * growing_rows.h; the two steps of a write are apply.c's. */
#include "storage/growing_rows.h"

#include "base/limits.h"
#include "os/budget.h"
#include "os/memory.h"
#include "storage/id.h"

#include <stdlib.h>
#include <string.h>

#define CHUNK_SIZE GROWING_CHUNK_SIZE
#define HUGE_FROM  ((uint64_t)4 << 20)

#define OVERLAY_EF_LEAST 64u

/* --- Ids --------------------------------------------------------------------------------------- */

static int same_id(const struct growing_row *info, const uint8_t *id, size_t id_size)
{
    return info->id_size == id_size && memcmp(info->bytes, id, id_size) == 0;
}

/* The slot of an id, or the empty one where it would be put. There is always an empty one: the table
 * has more slots than the segment may have rows. */
static _Atomic uint64_t *find_slot(const struct growing *growing, const uint8_t *id, size_t id_size,
                                   uint64_t id_hash, uint64_t *ret_value)
{
    for (uint64_t at = id_hash & growing->table_mask;; at = (at + 1) & growing->table_mask) {
        /* Acquire: pairs with growing_show, so that the row's info is there. */
        uint64_t value = atomic_load_explicit(&growing->table[at], memory_order_acquire);
        if (value == 0 || (value >> 32 == id_hash >> 32 &&
                           same_id(&growing->infos[(uint32_t)value - 1], id, id_size))) {
            *ret_value = value;
            return &growing->table[at];
        }
    }
}

uint32_t growing_latest(const struct growing *growing, const uint8_t *id, size_t id_size,
                        uint64_t id_hash)
{
    uint64_t value;
    find_slot(growing, id, id_size, id_hash, &value);
    return value ? (uint32_t)value - 1 : ROW_NONE;
}

void growing_show(struct growing *growing, uint32_t row, uint64_t id_hash)
{
    const struct growing_row *info = &growing->infos[row];
    uint64_t value;
    _Atomic uint64_t *slot = find_slot(growing, info->bytes, info->id_size, id_hash, &value);
    value = (id_hash >> 32) << 32 | (row + 1);
    growing_show_space(growing, row);
    atomic_store_explicit(slot, value, memory_order_release);
}

static lode_status growing_find(const struct segment_view *view, const struct id_key *id,
                                uint32_t *ret_row, lode_error *error)
{
    (void)error;
    const struct growing *growing = growing_of(view->segment);
    uint32_t row = growing_latest(growing, id->bytes, id->size, id->hash);
    while (row != ROW_NONE && row >= view->row_count)
        row = growing->infos[row].prev;
    *ret_row = row != ROW_NONE && view_alive(view, row) ? row : ROW_NONE;
    return LODE_OK;
}

static void growing_expect(const struct segment *segment, uint64_t id_hash)
{
    const struct growing *growing = growing_of(segment);
    __builtin_prefetch(&growing->table[id_hash & growing->table_mask]);
}

static int growing_has_namespaces(const struct segment *segment)
{
    return atomic_load_explicit(&growing_of(segment)->has_namespaces, memory_order_relaxed);
}

static lode_status growing_id(const struct segment *segment, uint32_t row, const uint8_t **ret_id,
                              size_t *ret_size, lode_error *error)
{
    (void)error;
    const struct growing_row *info = &growing_of(segment)->infos[row];
    *ret_id = info->bytes;
    *ret_size = info->id_size;
    return LODE_OK;
}

/* --- Rows -------------------------------------------------------------------------------------- */

static uint8_t *take(struct growing *growing, size_t size)
{
    struct growing_chunk *chunk = growing->chunks;
    if (!chunk || chunk->size - chunk->used < size) {
        size_t chunk_size = size > CHUNK_SIZE ? size : CHUNK_SIZE;
        chunk = malloc(sizeof *chunk + chunk_size);
        if (!chunk)
            return NULL;
        *chunk = (struct growing_chunk){.older = growing->chunks, .size = chunk_size};
        growing->chunks = chunk;
    }
    uint8_t *data = chunk->data + chunk->used;
    chunk->used += size;
    return data;
}

struct growing_mark growing_mark(const struct growing *growing)
{
    struct growing_chunk *chunk = growing->chunks;
    return (struct growing_mark){.chunk = chunk, .used = chunk ? chunk->used : 0};
}

void growing_take_back(struct growing *growing, struct growing_mark mark)
{
    while (growing->chunks != mark.chunk) {
        struct growing_chunk *chunk = growing->chunks;
        growing->chunks = chunk->older;
        free(chunk);
    }
    if (mark.chunk)
        mark.chunk->used = mark.used;
}

static void put(uint8_t **at, const void *data, size_t size)
{
    if (size)
        memcpy(*at, data, size);
    *at += size;
}

lode_status growing_fill(struct growing *growing, uint32_t row, const struct op *op,
                         struct stamp stamp, uint32_t prev, lode_error *error)
{
    size_t size = op->id_size + op->metadata_size + op->text_size;
    uint8_t *bytes = take(growing, size), *at = bytes;
    if (!bytes)
        return error_nomem(error, "an id and its document", size);
    put(&at, op->id, op->id_size);
    put(&at, op->metadata, op->metadata_size);
    put(&at, op->text, op->text_size);
    growing->infos[row] = (struct growing_row){.bytes = bytes,
                                               .stamp = stamp,
                                               .prev = prev,
                                               .metadata_size = (uint32_t)op->metadata_size,
                                               .text_size = (uint32_t)op->text_size,
                                               .id_size = (uint16_t)op->id_size};
    if (op->id[0] == ID_IN_NAMESPACE)
        atomic_store_explicit(&growing->has_namespaces, 1, memory_order_relaxed);
    const struct rows *rows = &growing->base.rows;
    memcpy(growing->vectors + row * rows->stride, op->row, rows->space->row_size);
    return LODE_OK;
}

/* A segment that has become large is searched all over: huge pages spare the processor's page tables. Not
 * from the start: a collection of few points would then take megabytes for them. */
static void maybe_huge(struct growing *growing, uint64_t bytes)
{
    size_t stride = growing->base.rows.stride;
    if (growing->bytes < HUGE_FROM && growing->bytes + bytes >= HUGE_FROM)
        memory_huge(growing->vectors + growing->row_count * stride,
                    (growing->capacity - growing->row_count) * stride);
}

void growing_advance(struct growing *growing, uint32_t rows, uint64_t bytes)
{
    maybe_huge(growing, bytes);
    growing->row_count += rows;
    growing->bytes += bytes;
    uint64_t memory = growing->bytes + growing->row_count * sizeof *growing->infos;
    atomic_store_explicit(&growing->memory, memory, memory_order_relaxed); /* a figure, no more */
}

static lode_status growing_document(const struct segment *segment, uint32_t row,
                                    struct document *ret_document, lode_error *error)
{
    (void)error;
    const struct growing_row *info = &growing_of(segment)->infos[row];
    const char *metadata = (const char *)info->bytes + info->id_size;
    *ret_document = (struct document){
        .metadata = info->metadata_size ? metadata : NULL,
        .metadata_size = info->metadata_size,
        .text = info->text_size ? metadata + info->metadata_size : NULL,
        .text_size = info->text_size,
    };
    return LODE_OK;
}

static lode_status growing_stamp(const struct segment *segment, uint32_t row,
                                 struct stamp *ret_stamp, lode_error *error)
{
    (void)error;
    *ret_stamp = growing_of(segment)->infos[row].stamp;
    return LODE_OK;
}

/* Row after row: 131,072 of them, as many as 64 MiB hold at 128 dimensions, in 0.2 ms. */
static lode_status growing_expire(const struct segment *segment, const struct expiry_range *range,
                                  uint64_t *ret_next, lode_error *error)
{
    (void)error;
    const struct growing *growing = growing_of(segment);
    uint64_t next = EXPIRES_NONE;
    for (uint32_t row = 0; row < range->row_count; row++) {
        uint64_t expires = growing->infos[row].stamp.expires_ms;
        if (expires < range->from_ms)
            continue;
        if (expires <= range->to_ms)
            bitset_unset(range->words, row);
        else if (expires < next)
            next = expires;
    }
    *ret_next = next;
    return LODE_OK;
}

uint64_t growing_room(const struct segment *segment, uint64_t bytes)
{
    const struct growing *growing = growing_of(segment);
    uint64_t used = growing->bytes, max = growing->options.bytes_max;
    uint64_t left = growing->row_count == 0 ? UINT64_MAX : used < max ? max - used : 0;
    return bytes < left ? bytes : left;
}

int growing_fits(const struct segment *segment, size_t rows, size_t bytes)
{
    const struct growing *growing = growing_of(segment);
    return rows <= growing->capacity - growing->row_count && growing_room(segment, bytes) == bytes;
}

uint32_t growing_row_count(const struct segment *segment)
{
    return growing_of(segment)->row_count;
}

uint64_t growing_bytes(const struct segment *segment)
{
    return growing_of(segment)->bytes;
}

uint64_t growing_bytes_max(const struct segment *segment)
{
    return growing_of(segment)->options.bytes_max;
}

/* --- The overlay graph ------------------------------------------------------------------------- */

static const struct index *growing_index(const struct segment *segment, uint32_t *ret_covered)
{
    struct growing *growing = growing_of(segment);
    /* Acquire: the graph holds the rows that `covered` counts. */
    *ret_covered = atomic_load_explicit(&growing->covered, memory_order_acquire);
    return *ret_covered ? atomic_load_explicit(&growing->index, memory_order_relaxed) : NULL;
}

/* The graph must keep up with writers, and lives until its segment is indexed or merged; that it was made
 * with less effort than was asked for is how it is known: docs/decisions/0062. */
static struct index_params overlay_params(const struct index_params *params)
{
    struct index_params overlay = *params;
    uint32_t asked = params->ef_construction, least = OVERLAY_EF_LEAST;
    overlay.coded_from = OVERLAY_ROWS_MIN;
    overlay.ef_construction = asked / 2;
    if (overlay.ef_construction < least)
        overlay.ef_construction = asked <= least ? asked - 1 : least;
    return overlay;
}

static lode_status need_index(struct growing *growing, struct index **ret_index, lode_error *error)
{
    struct index *index = atomic_load_explicit(&growing->index, memory_order_relaxed);
    lode_status status = LODE_OK;
    if (!index) {
        struct index_params params = overlay_params(&growing->options.params);
        status = index_hnsw.create(&params, &growing->base.rows, growing->capacity, &index, error);
        if (status)
            return status;
        /* Release: sizes() looks at it without `covered`. */
        atomic_store_explicit(&growing->index, index, memory_order_release);
    }
    *ret_index = index;
    return status;
}

static lode_status index_some(struct growing *growing, uint32_t row_limit, uint32_t rows_max,
                              lode_error *error)
{
    struct index *index;
    lode_status status = need_index(growing, &index, error);
    uint32_t row = atomic_load_explicit(&growing->covered, memory_order_relaxed);
    for (uint32_t done = 0; !status && row < row_limit && done < rows_max; done++, row++) {
        status = index->ops->insert(index, row, error);
        if (!status)
            atomic_store_explicit(&growing->covered, row + 1, memory_order_release);
    }
    return status;
}

lode_status growing_index_some(struct segment *segment, uint32_t row_limit, uint32_t rows_max,
                               lode_error *error)
{
    struct growing *growing = growing_of(segment);
    uint32_t rows_min = growing->options.overlay_rows_min;
    if (!growing->options.use_graph || row_limit < (rows_min ? rows_min : OVERLAY_ROWS_MIN))
        return LODE_OK;
    mutex_lock(&growing->index_mutex);
    lode_status status = index_some(growing, row_limit, rows_max, error);
    mutex_unlock(&growing->index_mutex);
    return status;
}

/* --- Columns ----------------------------------------------------------------------------------- */

static struct columns *growing_columns(const struct segment *segment, uint32_t *ret_covered)
{
    struct growing *growing = growing_of(segment);
    mutex_lock(&growing->columns_mutex);
    struct columns *columns = columns_ref(growing->columns);
    *ret_covered = growing->columns_covered;
    mutex_unlock(&growing->columns_mutex);
    return columns;
}

static void growing_keep_columns(const struct segment *segment, struct columns *own_columns,
                                 uint32_t covered)
{
    struct growing *growing = growing_of(segment);
    mutex_lock(&growing->columns_mutex);
    if (covered > growing->columns_covered) {
        struct columns *old = growing->columns;
        growing->columns = own_columns;
        growing->columns_covered = covered;
        own_columns = old;
    }
    mutex_unlock(&growing->columns_mutex);
    columns_unref(own_columns);
}

/* --- Life -------------------------------------------------------------------------------------- */

static size_t vectors_size(const struct growing *growing)
{
    return growing->capacity * growing->base.rows.stride;
}

static size_t infos_size(const struct growing *growing)
{
    return growing->capacity * sizeof *growing->infos;
}

static size_t table_size(const struct growing *growing)
{
    return (growing->table_mask + 1) * sizeof growing->table[0];
}

static void growing_sizes(const struct segment *segment, uint64_t *ret_disk, uint64_t *ret_memory,
                          uint64_t *ret_mapped)
{
    struct growing *growing = growing_of(segment);
    const struct index *index = atomic_load_explicit(&growing->index, memory_order_acquire);
    *ret_disk = 0;
    *ret_mapped = 0;
    *ret_memory = sizeof *growing +
                  table_size(growing) * (growing_has_namespaces(segment) ? 2 : 1) +
                  atomic_load_explicit(&growing->memory, memory_order_relaxed) +
                  (index ? index->ops->memory(index) : 0);
}

static void growing_free(struct segment *segment)
{
    struct growing *growing = growing_of(segment);
    struct index *index = atomic_load_explicit(&growing->index, memory_order_relaxed);
    if (index)
        index->ops->close(index);
    growing_take_back(growing, (struct growing_mark){0});
    memory_unreserve(growing->vectors, vectors_size(growing));
    memory_unreserve(growing->infos, infos_size(growing));
    memory_unreserve((void *)growing->table, table_size(growing));
    memory_unreserve((void *)growing->spaces, table_size(growing));
    mutex_release(&growing->index_mutex);
    mutex_release(&growing->columns_mutex);
    columns_unref(growing->columns);
    budget_give(BUDGET_GROWING, atomic_load_explicit(&growing->held, memory_order_relaxed));
    free(growing);
}

void growing_announce(struct segment *segment, uint64_t bytes)
{
    struct growing *growing = growing_of(segment);
    if (bytes < HUGE_FROM)
        return;
    memory_huge(growing->vectors, vectors_size(growing));
    memory_huge(growing->infos, infos_size(growing));
    memory_huge((void *)growing->table, table_size(growing));
}

static const struct segment_ops growing_ops = {
    .id = growing_id,
    .find = growing_find,
    .has_namespaces = growing_has_namespaces,
    .space_rows = growing_space_rows,
    .expect = growing_expect,
    .document = growing_document,
    .stamp = growing_stamp,
    .expire = growing_expire,
    .index = growing_index,
    .columns = growing_columns,
    .keep_columns = growing_keep_columns,
    .sizes = growing_sizes,
    .free = growing_free,
};

/* As many rows as bytes_max holds, but never fewer than one batch may bring. */
static uint32_t capacity_of(const struct growing_options *options)
{
    size_t row_size = options->space->row_size;
    size_t batch = LODE_BATCH_SIZE_MAX / row_size;
    if (batch > LODE_BATCH_MAX)
        batch = LODE_BATCH_MAX;
    uint64_t rows = options->bytes_max / row_size;
    if (rows < batch)
        rows = batch;
    return rows < GROWING_ROWS_MAX ? (uint32_t)rows : GROWING_ROWS_MAX;
}

static uint64_t slots_for(uint32_t capacity)
{
    uint64_t slots = 64;
    while (slots * 3 / 4 < capacity)
        slots *= 2;
    return slots;
}

static lode_status reserve(struct growing *growing, lode_error *error)
{
    growing->vectors = memory_reserve(vectors_size(growing));
    growing->infos = memory_reserve(infos_size(growing));
    growing->table = memory_reserve(table_size(growing));
    growing->spaces = memory_reserve(table_size(growing));
    if (!growing->vectors || !growing->infos || !growing->table || !growing->spaces)
        return error_nomem(error, "a growing segment",
                           vectors_size(growing) + infos_size(growing) + 2 * table_size(growing));
    return LODE_OK;
}

lode_status growing_new(const struct growing_options *options, struct segment **ret_segment,
                        lode_error *error)
{
    struct growing *growing = calloc(1, sizeof *growing);
    if (!growing)
        return error_nomem(error, "a growing segment", sizeof *growing);
    growing->options = *options;
    growing->capacity = capacity_of(options);
    growing->table_mask = slots_for(growing->capacity) - 1;
    growing->base = (struct segment){.ops = &growing_ops, .number = options->number};
    atomic_init(&growing->base.refs, 1);
    mutex_init(&growing->index_mutex);
    mutex_init(&growing->columns_mutex);
    growing->base.rows = (struct rows){.space = options->space, .stride = options->space->row_size};
    lode_status status = reserve(growing, error);
    if (status) {
        growing_free(&growing->base);
        return status;
    }
    growing->base.rows.base = growing->vectors;
    *ret_segment = &growing->base;
    return LODE_OK;
}
