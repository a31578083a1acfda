/* schema.c: names and fields live in one allocation: the array first, its strings behind it. */
#include "engine/schema.h"

#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

/* A value above max is answered with `above`. */
struct range {
    const char *name;
    uint64_t value, min, max;
    lode_status above;
};

static lode_status check_range(const struct range *range, lode_error *error)
{
    if (range->value >= range->min && range->value <= range->max)
        return LODE_OK;
    return error_set(error, range->value > range->max ? range->above : LODE_INVALID,
                     "schema.%s is %llu: it must be from %llu to %llu", range->name,
                     (unsigned long long)range->value, (unsigned long long)range->min,
                     (unsigned long long)range->max);
}

static lode_status check_field(const lode_schema *schema, size_t i, lode_error *error)
{
    const lode_field *field = &schema->fields[i];
    size_t size = field->name ? strlen(field->name) : 0;
    if (size == 0)
        return error_set(error, LODE_INVALID, "schema.fields[%zu] has no name", i);
    if (size > LODE_NAME_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "schema.fields[%zu]: name of %zu bytes: at most %d", i,
                         size, LODE_NAME_SIZE_MAX);
    if (utf8_valid_prefix(field->name, size) != size)
        return error_set(error, LODE_INVALID, "schema.fields[%zu]: its name is not UTF-8", i);
    if (field->type < LODE_FIELD_KEYWORD || field->type > LODE_FIELD_UUID)
        return error_set(error, LODE_INVALID, "schema.fields[%zu] ('%s'): unknown type %d", i,
                         field->name, (int)field->type);
    for (size_t j = 0; j < i; j++)
        if (strcmp(schema->fields[j].name, field->name) == 0)
            return error_set(error, LODE_INVALID, "schema.fields[%zu]: '%s' is declared twice", i,
                             field->name);
    return LODE_OK;
}

static lode_status check_fields(const lode_schema *schema, lode_error *error)
{
    if (schema->field_count > LODE_FIELDS_MAX)
        return error_set(error, LODE_LIMIT, "schema.field_count is %zu: at most %d",
                         schema->field_count, LODE_FIELDS_MAX);
    if (schema->field_count > 0 && !schema->fields)
        return error_set(error, LODE_INVALID, "schema.fields is NULL, field_count is %zu",
                         schema->field_count);
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < schema->field_count; i++)
        status = check_field(schema, i, error);
    return status;
}

static lode_status schema_check(const lode_schema *schema, lode_error *error)
{
    /* 0 stands for the default, which is in range. */
    uint64_t m = schema->m ? schema->m : SCHEMA_M_DEFAULT;
    uint64_t ef_construction =
        schema->ef_construction ? schema->ef_construction : SCHEMA_EF_CONSTRUCTION_DEFAULT;
    const struct range ranges[] = {
        {"dim", schema->dim, 1, LODE_DIM_MAX, LODE_LIMIT},
        {"metric", schema->metric, 0, LODE_METRIC_COSINE, LODE_INVALID},
        {"scalar", schema->scalar, 0, LODE_SCALAR_INT8, LODE_INVALID},
        {"index", schema->index, 0, LODE_INDEX_FLAT, LODE_INVALID},
        {"layout", schema->layout, 0, LODE_LAYOUT_COMPACT, LODE_INVALID},
        {"m", m, 2, LODE_M_MAX, LODE_LIMIT},
        {"ef_construction", ef_construction, 1, LODE_EF_MAX, LODE_LIMIT},
    };
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < sizeof ranges / sizeof *ranges; i++)
        status = check_range(&ranges[i], error);
    return status ? status : check_fields(schema, error);
}

lode_status schema_copy(const lode_schema *from, lode_schema *ret_schema, lode_error *error)
{
    size_t size = from->field_count * sizeof *from->fields;
    for (size_t i = 0; i < from->field_count; i++)
        size += strlen(from->fields[i].name) + 1;
    lode_field *fields = malloc(size + 1);
    if (!fields)
        return error_nomem(error, "a schema", size);
    char *text = (char *)(fields + from->field_count);
    for (size_t i = 0; i < from->field_count; i++) {
        size_t name_size = strlen(from->fields[i].name) + 1;
        memcpy(text, from->fields[i].name, name_size);
        fields[i] = (lode_field){.name = text, .type = from->fields[i].type};
        text += name_size;
    }
    *ret_schema = *from;
    ret_schema->fields = fields;
    return LODE_OK;
}

lode_status schema_make(const lode_schema *given, lode_schema *ret_schema, lode_error *error)
{
    lode_status status = schema_check(given, error);
    if (!status)
        status = schema_copy(given, ret_schema, error);
    if (status)
        return status;
    if (ret_schema->m == 0)
        ret_schema->m = SCHEMA_M_DEFAULT;
    if (ret_schema->ef_construction == 0)
        ret_schema->ef_construction = SCHEMA_EF_CONSTRUCTION_DEFAULT;
    if (ret_schema->seed == 0)
        ret_schema->seed = SCHEMA_SEED_DEFAULT;
    return LODE_OK;
}

void schema_release(lode_schema *schema)
{
    free((void *)(uintptr_t)schema->fields);
    *schema = (lode_schema){0};
}
