/* builder.c: walks each document once, in the way of filter/matches.c: what a condition would see of a field is what
 * its column gets. */
#include "column/builder_parts.h"
#include "column/columns.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "os/budget.h"

#define HOLD_PIECE ((uint64_t)1 << 20)

/* --- Memory ------------------------------------------------------------------------------------- */

void gathered_release(struct gathered *gathered)
{
    free(gathered->exists.runs);
    free(gathered->nulls.runs);
    free(gathered->unknown.runs);
    free(gathered->pairs);
    free(gathered->points);
    free(gathered->ends);
    free(gathered->slots);
    buf_release(&gathered->text);
    gathered->exists = gathered->nulls = gathered->unknown = (struct run_list){0};
    gathered->pairs = NULL;
    gathered->points = NULL;
    gathered->ends = NULL;
    gathered->slots = NULL;
    gathered->pair_count = gathered->pair_capacity = 0;
    gathered->string_count = gathered->string_capacity = gathered->slot_count = 0;
    gathered->bytes = 0;
}

/* The largest column has to wait; the last one goes without its values. */
static void put_off_largest(struct column_builder *builder)
{
    struct gathered *largest = NULL;
    size_t count = 0;
    for (size_t i = 0; i < builder->count; i++) {
        struct gathered *item = &builder->items[i];
        if (item->state != GATHERING || item->bytes == 0)
            continue;
        count++;
        if (!largest || item->bytes > largest->bytes)
            largest = item;
    }
    if (!largest)
        return;
    builder->bytes -= largest->bytes;
    gathered_release(largest);
    largest->state = count > 1 ? PUT_OFF : GIVEN_UP;
}

/* Count what is taken, in pieces. */
static void hold(struct column_builder *builder)
{
    uint64_t wanted = (builder->bytes + HOLD_PIECE - 1) / HOLD_PIECE * HOLD_PIECE;
    if (wanted > builder->held)
        budget_take(BUDGET_BUILD, wanted - builder->held);
    else
        budget_give(BUDGET_BUILD, builder->held - wanted);
    builder->held = wanted;
}

int column_builder_again(struct column_builder *builder)
{
    int again = 0;
    for (size_t i = 0; i < builder->count; i++) {
        struct gathered *item = &builder->items[i];
        if (item->state != PUT_OFF)
            continue;
        item->state = GATHERING;
        again = 1;
    }
    builder->bytes = 0;
    hold(builder);
    return again;
}

/* Room for one more of `count` things of a size. */
static lode_status grow(struct column_builder *builder, struct gathered *gathered, void **items,
                        size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return LODE_OK;
    size_t more = *capacity ? *capacity * 2 : 64;
    void *grown = realloc(*items, more * size);
    if (!grown)
        return error_nomem(builder->error, "columns", more * size);
    *items = grown;
    builder->bytes += (more - *capacity) * size;
    gathered->bytes += (more - *capacity) * size;
    *capacity = more;
    return LODE_OK;
}

static lode_status add_row(struct column_builder *builder, struct gathered *gathered,
                           struct run_list *list)
{
    struct row_run *last = list->run_count ? &list->runs[list->run_count - 1] : NULL;
    if (last && last->end == builder->row + 1)
        return LODE_OK;
    if (last && last->end == builder->row) {
        last->end++;
        list->count++;
        return LODE_OK;
    }
    lode_status status = grow(builder, gathered, (void **)&list->runs, list->run_count,
                              &list->capacity, sizeof *list->runs);
    if (status || !list->runs)
        return status;
    list->runs[list->run_count++] = (struct row_run){builder->row, builder->row + 1};
    list->count++;
    return LODE_OK;
}

/* --- Values ------------------------------------------------------------------------------------- */

static lode_status add_pair(struct column_builder *builder, struct gathered *gathered, uint64_t key)
{
    lode_status status = grow(builder, gathered, (void **)&gathered->pairs, gathered->pair_count,
                              &gathered->pair_capacity, sizeof *gathered->pairs);
    if (!status)
        gathered->pairs[gathered->pair_count++] = (struct pair){.key = key, .row = builder->row};
    return status;
}

static lode_status add_point(struct column_builder *builder, struct gathered *gathered,
                             const struct geo_point *point)
{
    size_t capacity = gathered->pair_capacity;
    if (!gathered->has_values)
        return LODE_OK;
    lode_status status = grow(builder, gathered, (void **)&gathered->points, gathered->pair_count,
                              &capacity, sizeof *gathered->points);
    if (!status)
        status = add_pair(builder, gathered, 0);
    if (!status)
        gathered->points[gathered->pair_count - 1] = *point;
    return status;
}

const uint8_t *gathered_string(const struct gathered *gathered, uint32_t number, size_t *ret_size)
{
    uint64_t begin = number ? gathered->ends[number - 1] : 0;
    *ret_size = (size_t)(gathered->ends[number] - begin);
    return *ret_size ? gathered->text.data + begin : NULL;
}

static uint32_t *find_slot(const struct gathered *gathered, const void *text, size_t size)
{
    uint32_t at = (uint32_t)hash64(text, size, 0);
    for (;; at++) {
        uint32_t *slot = &gathered->slots[at & (gathered->slot_count - 1)];
        size_t other_size;
        if (*slot == 0)
            return slot;
        const uint8_t *other = gathered_string(gathered, *slot - 1, &other_size);
        if (other_size == size && (size == 0 || memcmp(other, text, size) == 0))
            return slot;
    }
}

/* A table at most half full. */
static lode_status grow_slots(struct column_builder *builder, struct gathered *gathered)
{
    if (gathered->string_count * 2 < gathered->slot_count)
        return LODE_OK;
    uint32_t count = gathered->slot_count ? gathered->slot_count * 2 : 64;
    uint32_t *slots = calloc(count, sizeof *slots);
    if (!slots)
        return error_nomem(builder->error, "columns", count * sizeof *slots);
    builder->bytes += (count - gathered->slot_count) * sizeof *slots;
    gathered->bytes += (count - gathered->slot_count) * sizeof *slots;
    free(gathered->slots);
    gathered->slots = slots;
    gathered->slot_count = count;
    for (uint32_t i = 0; i < gathered->string_count; i++) {
        size_t size;
        const uint8_t *text = gathered_string(gathered, i, &size);
        *find_slot(gathered, text, size) = i + 1;
    }
    return LODE_OK;
}

static lode_status add_new_string(struct column_builder *builder, struct gathered *gathered,
                                  const void *text, size_t size)
{
    size_t capacity = gathered->string_capacity, before = gathered->text.capacity;
    lode_status status = grow(builder, gathered, (void **)&gathered->ends, gathered->string_count,
                              &capacity, sizeof *gathered->ends);
    gathered->string_capacity = (uint32_t)capacity;
    if (!status)
        status = buf_append(&gathered->text, text, size, builder->error);
    if (status)
        return status;
    builder->bytes += gathered->text.capacity - before;
    gathered->bytes += gathered->text.capacity - before;
    gathered->ends[gathered->string_count++] = gathered->text.size;
    return LODE_OK;
}

static lode_status add_string(struct column_builder *builder, struct gathered *gathered,
                              const void *text, size_t size)
{
    if (size > COLUMN_TEXT_MAX)
        return add_row(builder, gathered, &gathered->unknown);
    lode_status status = grow_slots(builder, gathered);
    if (status)
        return status;
    uint32_t *slot = find_slot(gathered, text, size);
    if (*slot == 0) {
        status = add_new_string(builder, gathered, text, size);
        if (!status)
            *slot = gathered->string_count;
    }
    return status ? status : add_pair(builder, gathered, *slot - 1);
}

uint64_t key_of_double(double value)
{
    uint64_t bits;
    if (value == 0)
        value = 0; /* -0.0 is 0 */
    memcpy(&bits, &value, sizeof bits);
    return bits >> 63 ? ~bits : bits | (uint64_t)1 << 63;
}

double double_of_key(uint64_t key)
{
    uint64_t bits = key >> 63 ? key & ~((uint64_t)1 << 63) : ~key;
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Numbers are compared exactly: an integer that no double is may not become one. */
static lode_status add_double(struct column_builder *builder, struct gathered *gathered,
                              const struct value *value)
{
    struct value nearest = *value;
    if (value->kind == VALUE_INTEGER) {
        nearest = value_float((double)value->integer);
        if (value_compare(value, &nearest) != 0)
            return add_row(builder, gathered, &gathered->unknown);
    }
    return add_pair(builder, gathered, key_of_double(nearest.number));
}

static lode_status add_value(struct column_builder *builder, struct gathered *gathered,
                             const struct value *value)
{
    if (!gathered->has_values)
        return LODE_OK;
    switch (gathered->kind) {
    case COLUMN_BYTES:
        return value->kind == VALUE_UUID
                   ? add_string(builder, gathered, value->uuid, sizeof value->uuid)
                   : add_string(builder, gathered, value->text, value->size);
    case COLUMN_INTEGERS: return add_pair(builder, gathered, key_of_integer(value->integer));
    case COLUMN_DOUBLES: return add_double(builder, gathered, value);
    default: return LODE_OK;
    }
}

/* --- Walking ------------------------------------------------------------------------------------ */

static lode_status walk(struct column_builder *builder, const char *text, size_t size);

/* json: behind a key. */
static lode_status walk_member(struct column_builder *builder, struct json *json)
{
    const char *text;
    size_t size, path_size = builder->path.size;
    buf_clear(&builder->scratch);
    lode_status status = json_unescape(json, &builder->scratch, builder->error);
    (void)json_raw(json, &text, &size);
    if (!status && path_size > 0)
        status = buf_append_u8(&builder->path, '.', builder->error);
    if (!status)
        status = path_append_part(&builder->path, (const char *)builder->scratch.data,
                                  builder->scratch.size, 0, builder->error);
    if (status == LODE_LIMIT) { /* a path that is too long for a filter */
        builder->incomplete = 1;
        status = LODE_OK;
    } else if (!status) {
        status = walk(builder, text, size);
    }
    builder->path.size = path_size;
    return status;
}

static lode_status walk_members(struct column_builder *builder, const char *text, size_t size)
{
    struct json json;
    lode_status status = LODE_OK;
    json_init(&json, text, size);
    (void)json_next(&json);
    while (!status && json_next(&json) == JSON_KEY)
        status = walk_member(builder, &json);
    return status;
}

static lode_status walk_elements(struct column_builder *builder, const char *text, size_t size)
{
    struct json json;
    lode_status status = LODE_OK;
    json_init(&json, text, size);
    (void)json_next(&json);
    while (!status) {
        const char *item;
        size_t item_size;
        enum json_token token = json_raw(&json, &item, &item_size);
        if (token == JSON_ARRAY_END || token == JSON_ERROR)
            break;
        status = walk(builder, item, item_size);
    }
    return status;
}

static lode_status walk_scalar(struct column_builder *builder, struct gathered *gathered,
                               const struct json *json, enum json_token token)
{
    struct value value;
    int fits = 0;
    if (!gathered)
        return LODE_OK;
    if (token == JSON_NULL)
        return add_row(builder, gathered, &gathered->nulls);
    lode_status status = value_of_json(json, token, gathered->field->type, &builder->scratch,
                                       &value, &fits, builder->error);
    return !status && fits ? add_value(builder, gathered, &value) : status;
}

/* What a field is gathered in; NULL: nothing, in this pass. */
static struct gathered *gathered_of(struct column_builder *builder, const struct field *field)
{
    struct gathered *gathered = &builder->items[field - fields_at(builder->fields, 0)];
    return gathered->state == GATHERING ? gathered : NULL;
}

static lode_status walk(struct column_builder *builder, const char *text, size_t size)
{
    const struct field *field =
        fields_find(builder->fields, (const char *)builder->path.data, builder->path.size);
    struct gathered *gathered = field ? gathered_of(builder, field) : NULL;
    struct geo_point point;
    struct json json;
    lode_status status = gathered ? add_row(builder, gathered, &gathered->exists) : LODE_OK;
    builder->incomplete |= !field;
    if (status)
        return status;
    if (field && field->type == FIELD_GEO && geo_of_json(text, size, &point))
        return gathered ? add_point(builder, gathered, &point) : LODE_OK;
    json_init(&json, text, size);
    enum json_token token = json_next(&json);
    if (token == JSON_ARRAY)
        return walk_elements(builder, text, size);
    if (token == JSON_OBJECT)
        return walk_members(builder, text, size);
    return walk_scalar(builder, gathered, &json, token);
}

/* --- Life --------------------------------------------------------------------------------------- */

static void item_init(struct gathered *item, const struct field *field)
{
    item->field = field;
    item->kind = column_kind_of(field->type);
    item->has_values = field->indexed;
    buf_init(&item->text, SIZE_MAX / 2);
}

lode_status column_builder_new(const struct fields *fields, uint64_t bytes_max,
                               struct column_builder **ret_builder, lode_error *error)
{
    static const struct field namespaces = {.path = COLUMN_NAMESPACE,
                                            .path_size = sizeof COLUMN_NAMESPACE - 1,
                                            .type = FIELD_KEYWORD,
                                            .indexed = 1};
    size_t count = fields_count(fields);
    struct column_builder *builder = calloc(1, sizeof *builder);
    if (!builder)
        return error_nomem(error, "columns", sizeof *builder);
    builder->fields = fields;
    builder->bytes_max = bytes_max ? bytes_max : COLUMN_BUILDER_BYTES_MAX;
    buf_init(&builder->path, FIELD_PATH_SIZE_MAX);
    buf_init(&builder->scratch, LODE_METADATA_SIZE_MAX);
    builder->items = calloc(count + 1, sizeof *builder->items);
    if (!builder->items) {
        column_builder_free(builder);
        return error_nomem(error, "columns", count * sizeof *builder->items);
    }
    builder->count = count;
    for (size_t i = 0; i < count; i++)
        item_init(&builder->items[i], fields_at(fields, i));
    item_init(&builder->items[count], &namespaces);
    *ret_builder = builder;
    return LODE_OK;
}

void column_builder_free(struct column_builder *builder)
{
    if (!builder)
        return;
    budget_give(BUDGET_BUILD, builder->held);
    for (size_t i = 0; builder->items && i < builder->count; i++)
        gathered_release(&builder->items[i]);
    free(builder->items);
    buf_release(&builder->path);
    buf_release(&builder->scratch);
    free(builder);
}

/* After a row. */
static void settle(struct column_builder *builder, lode_status status)
{
    if (!status && builder->bytes > builder->bytes_max)
        put_off_largest(builder);
    hold(builder);
}

lode_status column_builder_add(struct column_builder *builder, uint32_t row, const char *metadata,
                               size_t size, lode_error *error)
{
    if (size == 0)
        return LODE_OK;
    builder->row = row;
    builder->error = error;
    lode_status status = walk_members(builder, metadata, size);
    settle(builder, status);
    return status;
}

lode_status column_builder_namespace(struct column_builder *builder, uint32_t row, const char *name,
                                     size_t size, lode_error *error)
{
    struct gathered *item = &builder->items[fields_count(builder->fields)];
    builder->count += !builder->has_namespaces;
    builder->has_namespaces = 1;
    builder->row = row;
    builder->error = error;
    if (item->state != GATHERING)
        return LODE_OK;
    lode_status status = add_row(builder, item, &item->exists);
    if (!status)
        status = add_string(builder, item, name, size);
    settle(builder, status);
    return status;
}
