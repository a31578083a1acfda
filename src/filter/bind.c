/* bind.c: fields looked up, values brought to their types. */
#include "filter/bind.h"

#include "base/hex.h"
#include "base/datetime.h"
#include "filter/regex.h"

struct binder {
    const struct fields *fields;
    const struct filter_source *source;
    struct arena *arena;
    const struct path *outer; /* of the nested filter at hand; NULL at the top */
    lode_error *error;
};

static lode_status bind(struct binder *binder, const struct filter *filter,
                        const struct filter **ret_filter);

static lode_status placed(const struct binder *binder, const struct filter *filter,
                          lode_status status)
{
    if (status && binder->source && filter->offset != FILTER_NO_OFFSET)
        fault_prefix(binder->error, binder->source, filter->offset);
    return status;
}

static struct filter *copy_node(const struct binder *binder, const struct filter *filter)
{
    struct filter *copy =
        (struct filter *)(void *)arena_copy(binder->arena, filter, sizeof *filter);
    if (!copy)
        (void)error_nomem(binder->error, "a filter", sizeof *filter);
    return copy;
}

/* --- Fields ------------------------------------------------------------------------------------- */

static lode_status no_field(const struct binder *binder, const struct path *path)
{
    const struct field *nearest = NULL;
    if (!binder->source || !binder->source->hides_fields)
        nearest = fields_nearest(binder->fields, path->text, path->size);
    if (nearest)
        return error_set(binder->error, LODE_SCHEMA,
                         "there is no field '%.80s'; the nearest is '%.60s'", path->text,
                         nearest->path);
    return error_set(binder->error, LODE_SCHEMA, "there is no field '%.80s'", path->text);
}

static lode_status find_field(struct binder *binder, const struct path *path,
                              const struct path **ret_full, const struct field **ret_field)
{
    lode_status status = LODE_OK;
    *ret_full = path;
    if (binder->outer)
        status = path_join(binder->arena, binder->outer, path, ret_full, binder->error);
    if (status)
        return status;
    *ret_field = fields_find(binder->fields, (*ret_full)->text, (*ret_full)->size);
    return *ret_field ? LODE_OK : no_field(binder, *ret_full);
}

/* What each kind of condition may be asked of: a bit for each type. */
static unsigned types_for(enum filter_kind kind)
{
    const unsigned strings = 1u << FIELD_KEYWORD | 1u << FIELD_TEXT;
    const unsigned ordered = 1u << FIELD_INTEGER | 1u << FIELD_FLOAT | 1u << FIELD_DATETIME;
    switch (kind) {
    case FILTER_EXISTS:
    case FILTER_NULL: return ~0u;
    case FILTER_IN:
    case FILTER_ALL: return strings | ordered | 1u << FIELD_BOOLEAN | 1u << FIELD_UUID;
    case FILTER_RANGE: return strings | ordered | 1u << FIELD_UUID;
    case FILTER_NESTED: return 1u << FIELD_OBJECT;
    case FILTER_CIRCLE:
    case FILTER_BOX:
    case FILTER_POLYGON: return 1u << FIELD_GEO;
    default: return strings;
    }
}

static lode_status check_kind(const struct binder *binder, const struct filter *filter,
                              const struct field *field)
{
    const char *hint = "";
    if (field->type == FIELD_UNKNOWN || types_for(filter->kind) & 1u << field->type)
        return LODE_OK;
    if (filter->kind >= FILTER_CIRCLE && filter->kind <= FILTER_POLYGON)
        hint = " (declare it as geo)";
    return error_set(binder->error, LODE_SCHEMA, "field '%.80s' is %s: it cannot be asked for %s%s",
                     field->path, field_type_name(field->type), filter_kind_name(filter->kind),
                     hint);
}

/* --- Values ------------------------------------------------------------------------------------- */

static const char *const value_names[] = {
    [VALUE_STRING] = "a string",   [VALUE_INTEGER] = "an integer",  [VALUE_FLOAT] = "a float",
    [VALUE_BOOLEAN] = "a boolean", [VALUE_DATETIME] = "a datetime", [VALUE_UUID] = "a uuid",
};

static lode_status clash(const struct binder *binder, const struct field *field,
                         const struct value *value)
{
    if (value->text)
        return error_set(
            binder->error, LODE_SCHEMA, "field '%.60s' is %s, the value is %s: \"%.*s\"%s",
            field->path, field_type_name(field->type), value_names[value->kind],
            value->size < 40 ? (int)value->size : 40, value->text,
            field->type == FIELD_DATETIME || field->type == FIELD_UUID ? ", which is none" : "");
    return error_set(binder->error, LODE_SCHEMA, "field '%.60s' is %s, the value is %s",
                     field->path, field_type_name(field->type), value_names[value->kind]);
}

static int read_datetime(struct value *value)
{
    value->kind = VALUE_DATETIME;
    return datetime_parse(value->text, value->size, &value->integer) ||
           datetime_parse_date(value->text, value->size, &value->integer);
}

static int read_uuid(struct value *value)
{
    value->kind = VALUE_UUID;
    return hex_parse_uuid(value->text, value->size, value->uuid);
}

/* Bring a value to a type; 0 when it has no meaning there. */
static int convert(enum field_type type, struct value *value)
{
    int string = value->kind == VALUE_STRING;
    switch (type) {
    case FIELD_KEYWORD:
    case FIELD_TEXT: return string;
    case FIELD_INTEGER:
    case FIELD_FLOAT: return value->kind == VALUE_INTEGER || value->kind == VALUE_FLOAT;
    case FIELD_BOOLEAN: return value->kind == VALUE_BOOLEAN;
    case FIELD_DATETIME: return value->kind == VALUE_DATETIME || (string && read_datetime(value));
    case FIELD_UUID: return value->kind == VALUE_UUID || (string && read_uuid(value));
    default: return 0;
    }
}

static lode_status bind_value(const struct binder *binder, const struct field *field,
                              struct value *value)
{
    struct value converted = *value;
    if (!convert(field->type, &converted))
        return clash(binder, field, value);
    *value = converted;
    return LODE_OK;
}

static lode_status bind_list(const struct binder *binder, const struct field *field,
                             struct filter *filter)
{
    size_t count = filter->list.count;
    struct value *values = (struct value *)(void *)arena_copy(binder->arena, filter->list.values,
                                                              count * sizeof *values);
    if (!values)
        return error_nomem(binder->error, "a filter", count * sizeof *values);
    for (size_t i = 0; i < count; i++) {
        lode_status status = bind_value(binder, field, &values[i]);
        if (status)
            return status;
    }
    filter->list.values = values;
    filter->list.count = values_sort(values, count);
    return LODE_OK;
}

static lode_status bind_range(const struct binder *binder, const struct field *field,
                              struct filter *filter)
{
    lode_status status = LODE_OK;
    if (filter->range.has_low)
        status = bind_value(binder, field, &filter->range.low);
    if (!status && filter->range.has_high)
        status = bind_value(binder, field, &filter->range.high);
    return status;
}

static lode_status bind_ids(const struct binder *binder, struct filter *filter)
{
    size_t count = filter->id.count;
    lode_id *ids =
        (lode_id *)(void *)arena_copy(binder->arena, filter->id.ids, count * sizeof *ids);
    if (!ids)
        return error_nomem(binder->error, "a filter", count * sizeof *ids);
    filter->id.ids = ids;
    filter->id.count = ids_sort(ids, count);
    return LODE_OK;
}

/* --- Nodes -------------------------------------------------------------------------------------- */

/* A field that has had nulls alone has no value that any condition asks for. */
static void make_false(struct filter *filter)
{
    filter->kind = FILTER_FALSE;
    filter->path = NULL;
}

static lode_status bind_items(struct binder *binder, struct filter *filter)
{
    const struct filter **items = (const struct filter **)(void *)arena_copy(
        binder->arena, filter->group.items, filter->group.count * sizeof(const struct filter *));
    if (!items)
        return error_nomem(binder->error, "a filter",
                           filter->group.count * sizeof(const struct filter *));
    for (uint32_t i = 0; i < filter->group.count; i++) {
        lode_status status = bind(binder, filter->group.items[i], &items[i]);
        if (status)
            return status;
    }
    filter->group.items = items;
    return LODE_OK;
}

static lode_status bind_nested(struct binder *binder, const struct path *full,
                               struct filter *filter)
{
    const struct path *outer = binder->outer;
    binder->outer = full;
    lode_status status = bind_items(binder, filter);
    binder->outer = outer;
    return status;
}

static lode_status bind_condition(struct binder *binder, const struct filter *from,
                                  struct filter *filter)
{
    const struct path *full = NULL;
    const struct field *field = NULL;
    lode_status status = find_field(binder, filter->path, &full, &field);
    if (!status)
        status = check_kind(binder, filter, field);
    if (status)
        return placed(binder, from, status);
    filter->type = field->type;
    filter->many = field->many;
    switch (filter->kind) {
    case FILTER_EXISTS:
    case FILTER_NULL: return LODE_OK;
    case FILTER_ALL:
        if (filter->list.count == 0)
            return LODE_OK;
        break;
    default: break;
    }
    if (field->type == FIELD_UNKNOWN) {
        make_false(filter);
        return LODE_OK;
    }
    switch (filter->kind) {
    case FILTER_IN:
    case FILTER_ALL: status = bind_list(binder, field, filter); break;
    case FILTER_RANGE: status = bind_range(binder, field, filter); break;
    case FILTER_REGEX:
        status = regex_compile(binder->arena, filter->pattern.text, filter->pattern.size,
                               &filter->pattern.regex, binder->error);
        break;
    case FILTER_NESTED: return bind_nested(binder, full, filter);
    default: break;
    }
    return placed(binder, from, status);
}

static lode_status bind(struct binder *binder, const struct filter *filter,
                        const struct filter **ret_filter)
{
    struct filter *copy = copy_node(binder, filter);
    lode_status status = copy ? LODE_OK : LODE_NOMEM;
    if (status)
        return status;
    switch (filter->kind) {
    case FILTER_TRUE:
    case FILTER_FALSE: break;
    case FILTER_AND:
    case FILTER_OR:
    case FILTER_NOT:
    case FILTER_AT_LEAST: status = bind_items(binder, copy); break;
    case FILTER_ID: status = bind_ids(binder, copy); break;
    default: status = bind_condition(binder, filter, copy); break;
    }
    if (!status)
        *ret_filter = copy;
    return status;
}

lode_status filter_bind(const struct filter *filter, const struct fields *fields,
                        const struct filter_source *source, struct arena *arena,
                        const struct filter **ret_filter, lode_error *error)
{
    struct binder binder = {.fields = fields, .source = source, .arena = arena, .error = error};
    return bind(&binder, filter, ret_filter);
}
