/* write.c: from what was gathered of a field to the bytes of its column. */
#include "column/builder_parts.h"

#include <stdlib.h>
#include <string.h>

#include "base/le.h"
#include "column/set.h"

struct place {
    uint64_t offset, size;
};

struct writing {
    const struct column_sink *sink;
    uint64_t offset; /* in the sink */
    uint32_t row_count;
    /* The column at hand: */
    struct gathered *gathered;
    struct place blobs[COLUMN_BLOBS];
    uint32_t value_count, dense_count;
    uint8_t ord_width;
    struct buf bytes; /* of one blob */
    lode_error *error;
};

/* --- Blobs -------------------------------------------------------------------------------------- */

/* Write `bytes` as a blob, the next one aligned, and empty it. */
static lode_status put_blob(struct writing *writing, enum column_blob blob)
{
    static const uint8_t zeros[8];
    size_t size = writing->bytes.size, padding = (8 - size % 8) % 8;
    if (size == 0)
        return LODE_OK;
    writing->blobs[blob] = (struct place){writing->offset, size};
    lode_status status =
        writing->sink->write(writing->sink->context, writing->bytes.data, size, writing->error);
    if (!status && padding)
        status = writing->sink->write(writing->sink->context, zeros, padding, writing->error);
    writing->offset += size + padding;
    buf_clear(&writing->bytes);
    return status;
}

/* None and all need no bytes. */
static lode_status put_set(struct writing *writing, enum column_blob blob,
                           const struct run_list *list)
{
    if (list->count == 0 || list->count == writing->row_count)
        return LODE_OK;
    lode_status status =
        set_append_runs(&writing->bytes, list->runs, list->run_count, writing->error);
    return status ? status : put_blob(writing, blob);
}

static lode_status put_u32(struct writing *writing, uint32_t value)
{
    return buf_append_u32(&writing->bytes, value, writing->error);
}

static lode_status put_u64(struct writing *writing, uint64_t value)
{
    return buf_append_u64(&writing->bytes, value, writing->error);
}

static lode_status put_double(struct writing *writing, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return put_u64(writing, bits);
}

/* --- Order -------------------------------------------------------------------------------------- */

static int by_text(const void *a, const void *b, void *context)
{
    const struct gathered *gathered = context;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    size_t x_size, y_size;
    const uint8_t *x_text = gathered_string(gathered, x, &x_size),
                  *y_text = gathered_string(gathered, y, &y_size);
    size_t common = x_size < y_size ? x_size : y_size;
    int order = common ? memcmp(x_text, y_text, common) : 0;
    return order ? order : (x_size > y_size) - (x_size < y_size);
}

/* Strings by their bytes: order[place] is the number of one; keys become places. */
static lode_status sort_strings(struct writing *writing, uint32_t **ret_order)
{
    struct gathered *gathered = writing->gathered;
    size_t count = gathered->string_count, size = count * sizeof(uint32_t);
    uint32_t *order = malloc(size ? size : 1), *places = malloc(size ? size : 1);
    if (!order || !places) {
        free(order);
        free(places);
        return error_nomem(writing->error, "columns", size);
    }
    for (uint32_t i = 0; i < count; i++)
        order[i] = i;
    qsort_r(order, count, sizeof *order, by_text, gathered);
    for (uint32_t i = 0; i < count; i++)
        places[order[i]] = i;
    for (size_t i = 0; i < gathered->pair_count; i++)
        gathered->pairs[i].key = places[gathered->pairs[i].key];
    free(places);
    *ret_order = order;
    return LODE_OK;
}

/* One byte of the key; stable. Nothing when all have the same. */
static int sort_byte(const struct pair *from, struct pair *to, size_t count, unsigned shift)
{
    size_t starts[257] = {0};
    for (size_t i = 0; i < count; i++)
        starts[(from[i].key >> shift & 0xff) + 1]++;
    for (unsigned i = 0; i < 256; i++)
        if (starts[i + 1] == count)
            return 0;
    for (unsigned i = 0; i < 256; i++)
        starts[i + 1] += starts[i];
    for (size_t i = 0; i < count; i++)
        to[starts[from[i].key >> shift & 0xff]++] = from[i];
    return 1;
}

/* By key, then row, each pair once. They come by row. */
static lode_status sort_pairs(struct writing *writing)
{
    struct gathered *gathered = writing->gathered;
    size_t count = gathered->pair_count, kept = 0;
    struct pair *other = malloc(count ? count * sizeof *other : 1);
    if (!other)
        return error_nomem(writing->error, "columns", count * sizeof *other);
    for (unsigned shift = 0; shift < 64; shift += 8)
        if (sort_byte(gathered->pairs, other, count, shift)) {
            struct pair *sorted = other;
            other = gathered->pairs;
            gathered->pairs = sorted;
        }
    free(other);
    struct pair *pairs = gathered->pairs;
    for (size_t i = 0; i < count; i++)
        if (kept == 0 || pairs[i].key != pairs[kept - 1].key || pairs[i].row != pairs[kept - 1].row)
            pairs[kept++] = pairs[i];
    gathered->pair_count = kept;
    gathered->pair_capacity = kept;
    return LODE_OK;
}

/* --- Values ------------------------------------------------------------------------------------- */

static lode_status put_strings(struct writing *writing, const uint32_t *order)
{
    const struct gathered *gathered = writing->gathered;
    uint64_t at = 0;
    lode_status status = put_u64(writing, 0);
    for (uint32_t i = 0; !status && i < gathered->string_count; i++) {
        uint32_t number = order[i];
        at += gathered->ends[number] - (number ? gathered->ends[number - 1] : 0);
        status = put_u64(writing, at);
    }
    if (!status)
        status = put_blob(writing, COLUMN_VALUES);
    for (uint32_t i = 0; !status && i < gathered->string_count; i++) {
        size_t size;
        const uint8_t *text = gathered_string(gathered, order[i], &size);
        if (size > 0)
            status = buf_append(&writing->bytes, text, size, writing->error);
    }
    return status ? status : put_blob(writing, COLUMN_TEXT);
}

static lode_status put_numbers(struct writing *writing)
{
    const struct gathered *gathered = writing->gathered;
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < gathered->pair_count; i++) {
        uint64_t key = gathered->pairs[i].key, bits;
        if (i > 0 && key == gathered->pairs[i - 1].key)
            continue;
        double number = double_of_key(key);
        memcpy(&bits, &number, sizeof bits);
        status = put_u64(writing,
                         gathered->kind == COLUMN_DOUBLES ? bits : (uint64_t)integer_of_key(key));
    }
    return status ? status : put_blob(writing, COLUMN_VALUES);
}

/* Keys become the places of the values, which are 0, 1, ... of strings already. */
static lode_status number_values(struct writing *writing)
{
    struct gathered *gathered = writing->gathered;
    uint64_t before = 0;
    writing->value_count = 0;
    lode_status status = put_u32(writing, 0);
    for (size_t i = 0; !status && i < gathered->pair_count; i++) {
        struct pair *pair = &gathered->pairs[i];
        if (i > 0 && pair->key != before)
            status = put_u32(writing, (uint32_t)i);
        writing->value_count += i == 0 || pair->key != before;
        before = pair->key;
        pair->key = writing->value_count - 1;
    }
    if (!status && gathered->pair_count > 0)
        status = put_u32(writing, (uint32_t)gathered->pair_count);
    return status ? status : put_blob(writing, COLUMN_STARTS);
}

/* --- Rows --------------------------------------------------------------------------------------- */

/* The pairs of the value at `first`. */
static size_t run_end(const struct gathered *gathered, size_t first)
{
    size_t end = first + 1;
    while (end < gathered->pair_count && gathered->pairs[end].key == gathered->pairs[first].key)
        end++;
    return end;
}

static lode_status put_sparse(struct writing *writing)
{
    const struct gathered *gathered = writing->gathered;
    lode_status status = LODE_OK;
    for (size_t first = 0, end; !status && first < gathered->pair_count; first = end) {
        end = run_end(gathered, first);
        for (size_t i = first; !status && end - first < DENSE_ROWS && i < end; i++)
            status = put_u32(writing, gathered->pairs[i].row);
    }
    return status ? status : put_blob(writing, COLUMN_ROWS);
}

static lode_status append_dense(struct writing *writing, struct buf *sets, size_t first, size_t end)
{
    const struct gathered *gathered = writing->gathered;
    uint32_t *rows = malloc((end - first) * sizeof *rows);
    if (!rows)
        return error_nomem(writing->error, "columns", (end - first) * sizeof *rows);
    for (size_t i = first; i < end; i++)
        rows[i - first] = gathered->pairs[i].row;
    lode_status status = set_append(sets, rows, end - first, writing->error);
    free(rows);
    return status;
}

static lode_status put_dense(struct writing *writing)
{
    const struct gathered *gathered = writing->gathered;
    struct buf sets;
    uint64_t dense = 0;
    lode_status status = LODE_OK;
    buf_init(&sets, SIZE_MAX / 2);
    for (size_t first = 0, end; !status && first < gathered->pair_count; first = end) {
        end = run_end(gathered, first);
        if (end - first < DENSE_ROWS)
            continue;
        uint64_t begin = sets.size;
        status = append_dense(writing, &sets, first, end);
        if (!status)
            status = put_u32(writing, (uint32_t)gathered->pairs[first].key);
        if (!status)
            status = put_u32(writing, (uint32_t)dense);
        if (!status)
            status = put_u64(writing, begin);
        if (!status)
            status = put_u64(writing, sets.size);
        dense += end - first;
        writing->dense_count++;
    }
    if (!status)
        status = put_blob(writing, COLUMN_DENSE_TABLE);
    if (!status)
        status =
            sets.size ? buf_append(&writing->bytes, sets.data, sets.size, writing->error) : LODE_OK;
    buf_release(&sets);
    return status ? status : put_blob(writing, COLUMN_DENSE);
}

/* --- By row ------------------------------------------------------------------------------------- */

/* The value of each row, or value_count. 0: some row has two. */
static int spread(const struct writing *writing, uint32_t *ords)
{
    const struct gathered *gathered = writing->gathered;
    for (uint32_t row = 0; row < writing->row_count; row++)
        ords[row] = writing->value_count;
    for (size_t i = 0; i < gathered->pair_count; i++) {
        uint32_t *ord = &ords[gathered->pairs[i].row];
        if (*ord != writing->value_count)
            return 0;
        *ord = (uint32_t)gathered->pairs[i].key;
    }
    return 1;
}

static lode_status put_zones(struct writing *writing, const uint32_t *ords)
{
    lode_status status = LODE_OK;
    for (uint32_t row = 0; !status && row < writing->row_count;) {
        uint32_t least = writing->value_count, greatest = 0, left = writing->row_count - row;
        uint32_t end = row + (left < ZONE_ROWS ? left : ZONE_ROWS);
        for (; row < end; row++) {
            if (ords[row] < least)
                least = ords[row];
            if (ords[row] > greatest)
                greatest = ords[row];
        }
        status = put_u32(writing, least);
        if (!status)
            status = put_u32(writing, greatest);
    }
    return status ? status : put_blob(writing, COLUMN_ZONES);
}

static lode_status put_ords(struct writing *writing)
{
    size_t size = writing->row_count * sizeof(uint32_t);
    uint32_t *ords = calloc(1, size ? size : 1);
    if (!ords)
        return error_nomem(writing->error, "columns", size);
    lode_status status = LODE_OK;
    if (writing->value_count > 0 && spread(writing, ords)) {
        writing->ord_width = writing->value_count < 0x100     ? 1
                             : writing->value_count < 0x10000 ? 2
                                                              : 4;
        status = buf_reserve(&writing->bytes, size, writing->error);
        for (uint32_t row = 0; !status && row < writing->row_count; row++) {
            uint8_t bytes[4];
            le_store_u32(bytes, ords[row]);
            status = buf_append(&writing->bytes, bytes, writing->ord_width, writing->error);
        }
        if (!status)
            status = put_blob(writing, COLUMN_ORDS);
        if (!status)
            status = put_zones(writing, ords);
    }
    free(ords);
    return status;
}

/* --- Columns ------------------------------------------------------------------------------------ */

static lode_status put_points(struct writing *writing)
{
    const struct gathered *gathered = writing->gathered;
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < gathered->pair_count; i++) {
        status = put_double(writing, gathered->points[i].lat);
        if (!status)
            status = put_double(writing, gathered->points[i].lon);
    }
    if (!status)
        status = put_blob(writing, COLUMN_VALUES);
    for (size_t i = 0; !status && i < gathered->pair_count; i++)
        status = put_u32(writing, gathered->pairs[i].row);
    return status ? status : put_blob(writing, COLUMN_ROWS);
}

static lode_status put_values(struct writing *writing)
{
    struct gathered *gathered = writing->gathered;
    uint32_t *order = NULL;
    lode_status status = LODE_OK;
    if (gathered->kind == COLUMN_POINTS)
        return put_points(writing);
    if (gathered->kind == COLUMN_BYTES)
        status = sort_strings(writing, &order);
    if (!status)
        status = sort_pairs(writing);
    if (!status)
        status =
            gathered->kind == COLUMN_BYTES ? put_strings(writing, order) : put_numbers(writing);
    free(order);
    if (!status)
        status = number_values(writing);
    if (!status)
        status = put_sparse(writing);
    if (!status)
        status = put_dense(writing);
    return status ? status : put_ords(writing);
}

static void make_entry(const struct writing *writing)
{
    struct gathered *gathered = writing->gathered;
    const struct field *field = gathered->field;
    uint8_t *entry = gathered->entry;
    entry[6] = (uint8_t)field->type;
    entry[7] = (uint8_t)((field->declared ? COLUMN_DECLARED : 0) | (field->many ? COLUMN_MANY : 0) |
                         (field->indexed ? 0 : COLUMN_UNINDEXED) |
                         (gathered->state == GIVEN_UP ? COLUMN_GIVEN_UP : 0));
    entry[8] = (uint8_t)(gathered->pair_count ? gathered->kind : COLUMN_NONE);
    entry[9] = writing->ord_width;
    le_store_u32(entry + 12, writing->value_count);
    le_store_u32(entry + 16, (uint32_t)gathered->pair_count);
    le_store_u32(entry + 20, writing->dense_count);
    le_store_u32(entry + 24, gathered->exists.count);
    le_store_u32(entry + 28, gathered->nulls.count);
    le_store_u32(entry + 32, gathered->unknown.count);
    for (size_t i = 0; i < COLUMN_BLOBS; i++) {
        le_store_u64(entry + 40 + 16 * i, writing->blobs[i].offset);
        le_store_u64(entry + 48 + 16 * i, writing->blobs[i].size);
    }
}

static lode_status put_column(struct writing *writing)
{
    struct gathered *gathered = writing->gathered;
    lode_status status = LODE_OK;
    if (gathered->state == GIVEN_UP || !gathered->has_values)
        gathered->unknown.count = writing->row_count;
    status = put_set(writing, COLUMN_EXISTS, &gathered->exists);
    if (!status)
        status = put_set(writing, COLUMN_NULLS, &gathered->nulls);
    if (!status)
        status = put_set(writing, COLUMN_UNKNOWN, &gathered->unknown);
    if (!status && gathered->pair_count > 0)
        status = put_values(writing);
    if (!status)
        make_entry(writing);
    return status;
}

lode_status column_builder_put(struct column_builder *builder, uint32_t row_count,
                               const struct column_sink *sink, lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < builder->count; i++) {
        struct gathered *item = &builder->items[i];
        if (item->state != GATHERING && item->state != GIVEN_UP)
            continue;
        struct writing writing = {.sink = sink,
                                  .offset = builder->offset,
                                  .row_count = row_count,
                                  .gathered = item,
                                  .error = error};
        buf_init(&writing.bytes, SIZE_MAX / 2);
        status = put_column(&writing);
        builder->offset = writing.offset;
        buf_release(&writing.bytes);
        gathered_release(item);
        item->state = WRITTEN;
    }
    return status;
}

/* --- Directory ---------------------------------------------------------------------------------- */

static int by_path(const void *a, const void *b)
{
    const struct field *x = (*(struct gathered *const *)a)->field,
                       *y = (*(struct gathered *const *)b)->field;
    size_t common = x->path_size < y->path_size ? x->path_size : y->path_size;
    int order = memcmp(x->path, y->path, common);
    return order ? order : (x->path_size > y->path_size) - (x->path_size < y->path_size);
}

static lode_status put_head(const struct column_builder *builder, uint32_t row_count,
                            struct buf *directory, lode_error *error)
{
    uint8_t head[COLUMNS_HEAD_SIZE] = {0};
    le_store_u32(head, row_count);
    le_store_u32(head + 4, (uint32_t)builder->count);
    le_store_u32(head + 8, builder->incomplete ? COLUMNS_INCOMPLETE : 0);
    return buf_append(directory, head, sizeof head, error);
}

static lode_status put_entries(struct gathered **order, size_t count, struct buf *directory,
                               lode_error *error)
{
    uint32_t path_offset = 0;
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < count; i++) {
        const struct field *field = order[i]->field;
        le_store_u32(order[i]->entry, path_offset);
        order[i]->entry[4] = (uint8_t)field->path_size;
        order[i]->entry[5] = (uint8_t)(field->path_size >> 8);
        path_offset += (uint32_t)field->path_size;
        status = buf_append(directory, order[i]->entry, COLUMN_ENTRY_SIZE, error);
    }
    for (size_t i = 0; !status && i < count; i++)
        status = buf_append(directory, order[i]->field->path, order[i]->field->path_size, error);
    return status;
}

lode_status column_builder_directory(const struct column_builder *builder, uint32_t row_count,
                                     struct buf *directory, lode_error *error)
{
    struct gathered **order = malloc((builder->count + 1) * sizeof(struct gathered *));
    if (!order)
        return error_nomem(error, "columns", builder->count * sizeof(struct gathered *));
    for (size_t i = 0; i < builder->count; i++)
        order[i] = &builder->items[i];
    qsort(order, builder->count, sizeof(struct gathered *), by_path);
    lode_status status = put_head(builder, row_count, directory, error);
    if (!status)
        status = put_entries(order, builder->count, directory, error);
    free(order);
    return status;
}
