/* fields.c: an array of fields with a hash table of their numbers beside it. Changes since fields_begin are
 * kept as they were before, so that they can be taken back. */
#include "filter/fields.h"

#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "base/hash.h"
#include "filter/geo.h"

struct undo {
    uint32_t at;
    struct field field; /* as it was */
};

struct fields {
    struct arena arena; /* paths, those of dropped fields too */
    struct field *items;
    uint32_t count;
    uint32_t capacity;
    uint32_t *table; /* table_size of them, a power of two: number + 1, 0 for none */
    uint32_t table_size;
    uint32_t begin; /* count at fields_begin */
    struct undo *undo;
    uint32_t undo_count;
    size_t undo_capacity;
};

/* --- Table -------------------------------------------------------------------------------------- */

static uint32_t *find_slot(const struct fields *fields, const char *path, size_t size)
{
    uint32_t at = (uint32_t)hash64(path, size, 0);
    for (;; at++) {
        uint32_t *slot = &fields->table[at & (fields->table_size - 1)];
        const struct field *field = &fields->items[*slot - 1];
        if (*slot == 0 || (field->path_size == size && memcmp(field->path, path, size) == 0))
            return slot;
    }
}

static void fill_table(struct fields *fields)
{
    memset(fields->table, 0, fields->table_size * sizeof *fields->table);
    for (uint32_t i = 0; i < fields->count; i++)
        *find_slot(fields, fields->items[i].path, fields->items[i].path_size) = i + 1;
}

/* Room for one more, the table at most half full. */
static lode_status make_room(struct fields *fields, lode_error *error)
{
    if (fields->count < fields->capacity)
        return LODE_OK;
    uint32_t capacity = fields->capacity ? fields->capacity * 2 : 16;
    struct field *items = realloc(fields->items, capacity * sizeof *items);
    if (items)
        fields->items = items;
    uint32_t *table = malloc((size_t)capacity * 2 * sizeof *table);
    if (!items || !table) {
        free(table);
        return error_nomem(error, "fields", capacity * sizeof *items);
    }
    free(fields->table);
    fields->table = table;
    fields->table_size = capacity * 2;
    fields->capacity = capacity;
    fill_table(fields);
    return LODE_OK;
}

static lode_status add(struct fields *fields, const struct field *field, lode_error *error)
{
    if (fields->count == FIELDS_MAX)
        return error_set(error, LODE_LIMIT, "field '%.*s' would be one more than %d",
                         (int)field->path_size, field->path, FIELDS_MAX);
    lode_status status = make_room(fields, error);
    if (status)
        return status;
    char *path = arena_copy(&fields->arena, field->path, field->path_size);
    if (!path)
        return error_nomem(error, "a field", field->path_size);
    struct field *item = &fields->items[fields->count];
    *item = *field;
    item->path = path;
    *find_slot(fields, path, item->path_size) = ++fields->count;
    return LODE_OK;
}

lode_status fields_new(struct fields **ret_fields, lode_error *error)
{
    struct fields *fields = calloc(1, sizeof *fields);
    if (!fields)
        return error_nomem(error, "fields", sizeof *fields);
    arena_init(&fields->arena);
    lode_status status = make_room(fields, error);
    if (status)
        fields_free(fields);
    else
        *ret_fields = fields;
    return status;
}

void fields_free(struct fields *fields)
{
    if (!fields)
        return;
    arena_release(&fields->arena);
    free(fields->items);
    free(fields->table);
    free(fields->undo);
    free(fields);
}

lode_status fields_copy(const struct fields *from, struct fields **ret_fields, lode_error *error)
{
    struct fields *fields = NULL;
    lode_status status = fields_new(&fields, error);
    for (uint32_t i = 0; !status && i < from->count; i++)
        status = add(fields, &from->items[i], error);
    if (status)
        fields_free(fields);
    else
        *ret_fields = fields;
    return status;
}

size_t fields_count(const struct fields *fields)
{
    return fields->count;
}

const struct field *fields_at(const struct fields *fields, size_t i)
{
    return &fields->items[i];
}

const struct field *fields_find(const struct fields *fields, const char *path, size_t size)
{
    uint32_t number = *find_slot(fields, path, size);
    return number ? &fields->items[number - 1] : NULL;
}

/* --- Nearest ------------------------------------------------------------------------------------ */

#define NEAREST_SIZE_MAX 64
#define NEAREST_AWAY_MAX 3u

/* Levenshtein's distance of two texts of at most NEAREST_SIZE_MAX bytes. */
static unsigned distance(const char *a, size_t a_size, const char *b, size_t b_size)
{
    unsigned row[NEAREST_SIZE_MAX + 1];
    for (unsigned j = 0; j <= b_size; j++)
        row[j] = j;
    for (unsigned i = 1; i <= a_size; i++) {
        unsigned corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b_size; j++) {
            unsigned changed = corner + (a[i - 1] != b[j - 1]);
            unsigned shifted = (row[j] < row[j - 1] ? row[j] : row[j - 1]) + 1;
            corner = row[j];
            row[j] = changed < shifted ? changed : shifted;
        }
    }
    return row[b_size];
}

const struct field *fields_nearest(const struct fields *fields, const char *path, size_t size)
{
    const struct field *nearest = NULL;
    unsigned away = NEAREST_AWAY_MAX + 1;
    if (size > NEAREST_SIZE_MAX)
        return NULL;
    if (size / 2 < away)
        away = (unsigned)(size / 2) + 1;
    for (uint32_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->items[i];
        if (field->path_size > NEAREST_SIZE_MAX)
            continue;
        unsigned d = distance(path, size, field->path, field->path_size);
        if (d < away) {
            nearest = field;
            away = d;
        }
    }
    return nearest;
}

/* --- Changes ------------------------------------------------------------------------------------ */

void fields_begin(struct fields *fields)
{
    fields->begin = fields->count;
    fields->undo_count = 0;
}

/* Take back what came after these counts. */
static void undo_to(struct fields *fields, uint32_t count, uint32_t undo_count)
{
    while (fields->undo_count > undo_count) {
        struct undo *undo = &fields->undo[--fields->undo_count];
        fields->items[undo->at] = undo->field;
    }
    if (count < fields->count) {
        fields->count = count;
        fill_table(fields);
    }
}

void fields_undo(struct fields *fields)
{
    undo_to(fields, fields->begin, 0);
}

int fields_changed(const struct fields *fields)
{
    return fields->count > fields->begin || fields->undo_count > 0;
}

/* Remember a field before it is changed. */
static lode_status remember(struct fields *fields, const struct field *field, lode_error *error)
{
    struct undo *undo = array_grow(fields->undo, fields->undo_count, &fields->undo_capacity,
                                   sizeof *undo, "fields", error);
    if (!undo)
        return LODE_NOMEM;
    fields->undo = undo;
    fields->undo[fields->undo_count++] = (struct undo){(uint32_t)(field - fields->items), *field};
    return LODE_OK;
}

/* What was learnt as `from` may have been meant as `to`. */
static int may_become(enum field_type from, enum field_type to)
{
    switch (from) {
    case FIELD_UNKNOWN: return 1;
    case FIELD_KEYWORD: return to == FIELD_TEXT || to == FIELD_DATETIME || to == FIELD_UUID;
    case FIELD_INTEGER: return to == FIELD_FLOAT;
    case FIELD_OBJECT: return to == FIELD_GEO;
    default: return 0;
    }
}

static lode_status declare(struct fields *fields, const struct path *path, enum field_type type,
                           lode_error *error)
{
    struct field *field = (struct field *)(uintptr_t)fields_find(fields, path->text, path->size);
    if (!field) {
        struct field added = {path->text, path->size, type, 1, 1, 0};
        return add(fields, &added, error);
    }
    if (field->type != type && (field->declared || !may_become(field->type, type)))
        return error_set(error, field->declared ? LODE_EXISTS : LODE_CONFLICT,
                         "field '%.100s' is %s already: it cannot be declared as %s", path->text,
                         field_type_name(field->type), field_type_name(type));
    field->type = type;
    field->declared = 1;
    return LODE_OK;
}

lode_status fields_declare(struct fields *fields, const char *path, size_t size,
                           enum field_type type, lode_error *error)
{
    if (type <= FIELD_UNKNOWN || type >= FIELD_OBJECT)
        return error_set(error, LODE_INVALID, "field '%.*s': type %d cannot be declared",
                         (int)(size < 100 ? size : 100), path, (int)type);
    struct arena arena;
    const struct path *parsed;
    arena_init(&arena);
    lode_status status = path_parse(&arena, path, size, &parsed, error);
    if (!status)
        status = declare(fields, parsed, type, error);
    arena_release(&arena);
    return status;
}

static lode_status unknown(const char *path, size_t size, lode_error *error)
{
    return error_set(error, LODE_NOT_FOUND, "no field '%.*s'", (int)(size < 100 ? size : 100),
                     path);
}

lode_status fields_drop(struct fields *fields, const char *path, size_t size, lode_error *error)
{
    if (!fields_find(fields, path, size))
        return unknown(path, size, error);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < fields->count; i++) {
        const struct field *field = &fields->items[i];
        int begins = field->path_size >= size && memcmp(field->path, path, size) == 0;
        if (!begins || (field->path_size > size && field->path[size] != '.'))
            fields->items[kept++] = *field;
    }
    fields->count = kept;
    fields_begin(fields);
    fill_table(fields);
    return LODE_OK;
}

lode_status fields_set_indexed(struct fields *fields, const char *path, size_t size, int indexed,
                               lode_error *error)
{
    uint32_t number = *find_slot(fields, path, size);
    if (!number)
        return unknown(path, size, error);
    struct field *field = &fields->items[number - 1];
    if (field->type == FIELD_OBJECT)
        return error_set(error, LODE_INVALID, "field '%.100s' is an object: index its members",
                         field->path);
    field->indexed = indexed != 0;
    return LODE_OK;
}

/* --- Learning ----------------------------------------------------------------------------------- */

struct learner {
    struct fields *fields;
    const char *point;
    struct buf path;    /* of the value at hand */
    struct buf scratch; /* an unescaped name or string */
    int lenient;        /* values that clash, and fields beyond the limits, are passed over */
    lode_error *error;
};

static lode_status learn_value(struct learner *learner, const char *text, size_t size, int many);

/* Say which point an error is about, where the caller does not. */
static void blame(const struct learner *learner)
{
    if (learner->point)
        error_prefix(learner->error, "point %.60s: ", learner->point);
}

/* The value at learner->path is not what a field of this type holds. */
static lode_status clash(const struct learner *learner, enum field_type type, enum field_type found,
                         const char *text, size_t size)
{
    if (learner->lenient)
        return LODE_OK;
    int cut = size > 40;
    const char *meant = found == type || type >= FIELD_DATETIME ? ", which is none" : "";
    lode_status status =
        error_set(learner->error, LODE_SCHEMA, "field '%.*s' is %s, found %s %.*s%s%s",
                  (int)(learner->path.size < 60 ? learner->path.size : 60),
                  (const char *)learner->path.data, field_type_name(type), field_type_name(found),
                  cut ? 40 : (int)size, text, cut ? "..." : "", meant);
    blame(learner);
    return status;
}

/* The field at learner->path, changed to what it becomes. */
static lode_status settle(struct learner *learner, enum field_type type, int many)
{
    const char *path = (const char *)learner->path.data;
    uint32_t number = *find_slot(learner->fields, path, learner->path.size);
    if (!number) {
        struct field added = {path, learner->path.size, type, 0, 1, (uint8_t)many};
        if (learner->lenient && learner->fields->count == FIELDS_MAX)
            return LODE_OK;
        return add(learner->fields, &added, learner->error);
    }
    struct field *field = &learner->fields->items[number - 1];
    many |= field->many;
    if (field->type == type && field->many == many)
        return LODE_OK;
    lode_status status = remember(learner->fields, field, learner->error);
    if (!status) {
        field->type = type;
        field->many = (uint8_t)many;
    }
    return status;
}

/* What a field of type `known` becomes by a value that by itself is of type `found`. */
static enum field_type joined(enum field_type known, enum field_type found)
{
    if (found == FIELD_UNKNOWN || (known == FIELD_FLOAT && found == FIELD_INTEGER))
        return known;
    if (known == FIELD_UNKNOWN || (known == FIELD_INTEGER && found == FIELD_FLOAT))
        return found;
    return known;
}

static enum field_type type_of(enum json_token token, const char *text, size_t size)
{
    struct value value;
    switch (token) {
    case JSON_STRING: return FIELD_KEYWORD;
    case JSON_TRUE:
    case JSON_FALSE: return FIELD_BOOLEAN;
    case JSON_OBJECT: return FIELD_OBJECT;
    case JSON_NUMBER:
        return value_parse_number(text, size, &value) && value.kind == VALUE_INTEGER ? FIELD_INTEGER
                                                                                     : FIELD_FLOAT;
    default: return FIELD_UNKNOWN;
    }
}

/* Whether a scalar is a value of the type. */
static lode_status fits(struct learner *learner, enum field_type type, const char *text,
                        size_t size, int *ret_fits)
{
    struct json json;
    struct value value;
    json_init(&json, text, size);
    enum json_token token = json_next(&json);
    return value_of_json(&json, token, type, &learner->scratch, &value, ret_fits, learner->error);
}

static lode_status learn_member(struct learner *learner, struct json *json, int many)
{
    const char *text;
    size_t size, path_size = learner->path.size;
    buf_clear(&learner->scratch);
    lode_status status = json_unescape(json, &learner->scratch, learner->error);
    (void)json_raw(json, &text, &size);
    if (!status && path_size > 0)
        status = buf_append_u8(&learner->path, '.', learner->error);
    if (!status)
        status = path_append_part(&learner->path, (const char *)learner->scratch.data,
                                  learner->scratch.size, 0, learner->error);
    if (status == LODE_LIMIT && learner->lenient) {
        learner->path.size = path_size;
        return LODE_OK; /* nor can it be asked for */
    }
    if (status == LODE_LIMIT) {
        status =
            error_set(learner->error, LODE_LIMIT, "a field's path of more than %d bytes: '%.*s...'",
                      FIELD_PATH_SIZE_MAX, (int)(learner->path.size < 60 ? learner->path.size : 60),
                      (const char *)learner->path.data);
        blame(learner);
    }
    if (!status)
        status = learn_value(learner, text, size, many);
    learner->path.size = path_size;
    return status;
}

static lode_status learn_members(struct learner *learner, const char *text, size_t size, int many)
{
    struct json json;
    lode_status status = LODE_OK;
    json_init(&json, text, size);
    (void)json_next(&json);
    while (!status && json_next(&json) == JSON_KEY)
        status = learn_member(learner, &json, many);
    return status;
}

static lode_status learn_elements(struct learner *learner, const char *text, size_t size)
{
    struct json json;
    lode_status status = LODE_OK;
    json_init(&json, text, size);
    (void)json_next(&json);
    for (;;) {
        const char *item;
        size_t item_size;
        enum json_token token = json_raw(&json, &item, &item_size);
        if (status || token == JSON_ARRAY_END || token == JSON_ERROR)
            return status;
        status = learn_value(learner, item, item_size, 1);
    }
}

static enum field_type known_type(const struct learner *learner)
{
    const struct field *field =
        fields_find(learner->fields, (const char *)learner->path.data, learner->path.size);
    return field ? field->type : FIELD_UNKNOWN;
}

static lode_status learn_scalar(struct learner *learner, const char *text, size_t size, int many)
{
    struct json json;
    json_init(&json, text, size);
    enum field_type known = known_type(learner);
    enum field_type found = type_of(json_next(&json), text, size);
    enum field_type type = joined(known, found);
    int fit = found == FIELD_UNKNOWN;
    lode_status status = fit ? LODE_OK : fits(learner, type, text, size, &fit);
    if (!status && !fit)
        status = clash(learner, type, found, text, size);
    return status ? status : settle(learner, type, many);
}

/* A value that is not a geo point, and not within one. */
static lode_status learn_other(struct learner *learner, enum json_token token, const char *text,
                               size_t size, int many)
{
    enum field_type known = known_type(learner);
    lode_status status = LODE_OK;
    if (token == JSON_ARRAY) {
        status = settle(learner, known, 1);
        return status ? status : learn_elements(learner, text, size);
    }
    if (token != JSON_OBJECT)
        return learn_scalar(learner, text, size, many);
    int clashes = known != FIELD_UNKNOWN && known != FIELD_OBJECT;
    if (clashes)
        status = clash(learner, known, FIELD_OBJECT, text, size);
    if (!status)
        status = settle(learner, clashes ? known : FIELD_OBJECT, many);
    return status ? status : learn_members(learner, text, size, many);
}

static lode_status learn_value(struct learner *learner, const char *text, size_t size, int many)
{
    struct json json;
    struct geo_point point;
    json_init(&json, text, size);
    if (known_type(learner) == FIELD_GEO && geo_of_json(text, size, &point))
        return settle(learner, FIELD_GEO, many);
    return learn_other(learner, json_next(&json), text, size, many);
}

static lode_status learn(struct learner learner, const char *metadata, size_t size)
{
    struct fields *fields = learner.fields;
    uint32_t count = fields->count, undo_count = fields->undo_count;
    if (size == 0)
        return LODE_OK;
    buf_init(&learner.path, FIELD_PATH_SIZE_MAX);
    buf_init(&learner.scratch, LODE_METADATA_SIZE_MAX);
    lode_status status = learn_members(&learner, metadata, size, 0);
    if (status)
        undo_to(fields, count, undo_count);
    buf_release(&learner.path);
    buf_release(&learner.scratch);
    return status;
}

lode_status fields_learn(struct fields *fields, const char *metadata, size_t size,
                         const char *point, lode_error *error)
{
    struct learner learner = {.fields = fields, .point = point, .error = error};
    return learn(learner, metadata, size);
}

lode_status fields_learn_any(struct fields *fields, const char *metadata, size_t size,
                             lode_error *error)
{
    struct learner learner = {.fields = fields, .lenient = 1, .error = error};
    return learn(learner, metadata, size);
}

lode_status fields_merge(struct fields *fields, const struct field *other, lode_error *error)
{
    const struct field *known = fields_find(fields, other->path, other->path_size);
    if (!known)
        return fields->count == FIELDS_MAX ? LODE_OK : add(fields, other, error);
    struct field joint = *known;
    joint.type = joined(known->type, other->type);
    joint.many |= other->many;
    joint.declared |= other->declared;
    if (joint.type == known->type && joint.many == known->many && joint.declared == known->declared)
        return LODE_OK;
    lode_status status = remember(fields, known, error);
    if (!status)
        fields->items[known - fields->items] = joint;
    return status;
}
