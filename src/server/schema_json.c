/* schema_json.c: see schema_json.h. */
#include "server/schema_json.h"

#include <string.h>

static const char *const metric_names[] = {"l2", "ip", "cosine", NULL};
static const char *const scalar_names[] = {"f32", "f16", "bf16", "int8", NULL};
static const char *const index_names[] = {"hnsw", "flat", NULL};
static const char *const layout_names[] = {"fast", "compact", NULL};
static const char *const field_types[] = {"keyword",  "text", "integer", "float", "boolean",
                                          "datetime", "geo",  "uuid",    NULL};

void json_write_count(struct json_writer *json, const char *key, uint64_t value)
{
    json_write_key(json, key);
    json_write_u64(json, value);
}

/* --- Reading ------------------------------------------------------------------------------------- */

static lode_status no_such_name(struct json_input *input, const char *text, size_t size,
                                const char *const *names)
{
    char all[128];
    size_t used = 0;
    for (size_t i = 0; names[i]; i++) {
        size_t name_size = strlen(names[i]);
        if (used + name_size + 3 > sizeof all)
            break;
        memcpy(all + used, ", ", 2);
        memcpy(all + used + 2, names[i], name_size);
        used += name_size + 2;
    }
    all[used] = '\0';
    return json_input_fail(input, LODE_INVALID, "'%.*s' is not one of %s",
                           (int)(size < 40 ? size : 40), text, all + 2);
}

/* One of the names: its number, from 0 on. */
static lode_status read_name(struct json_input *input, const char *const *names, int *ret_index)
{
    const char *text = NULL;
    size_t size = 0;
    lode_status status = json_input_string(input, 64, &text, &size);
    if (status)
        return status;
    for (int i = 0; names[i]; i++)
        if (strlen(names[i]) == size && memcmp(names[i], text, size) == 0) {
            *ret_index = i;
            return LODE_OK;
        }
    return no_such_name(input, text, size, names);
}

static lode_status read_u32(struct json_input *input, uint64_t min, uint64_t max,
                            uint32_t *ret_value)
{
    uint64_t value = 0;
    lode_status status = json_input_u64(input, min, max, &value);
    if (status == LODE_OK)
        *ret_value = (uint32_t)value;
    return status;
}

static lode_status read_dim(struct json_input *input, void *target)
{
    return read_u32(input, 1, LODE_DIM_MAX, &((struct schema_body *)target)->schema.dim);
}

static lode_status read_metric(struct json_input *input, void *target)
{
    int index = 0;
    lode_status status = read_name(input, metric_names, &index);
    ((struct schema_body *)target)->schema.metric = (lode_metric)index;
    return status;
}

static lode_status read_scalar(struct json_input *input, void *target)
{
    int index = 0;
    lode_status status = read_name(input, scalar_names, &index);
    ((struct schema_body *)target)->schema.scalar = (lode_scalar)index;
    return status;
}

static lode_status read_type(struct json_input *input, void *target)
{
    int index = 0;
    lode_status status = read_name(input, index_names, &index);
    ((struct schema_body *)target)->schema.index = (lode_index)index;
    return status;
}

static lode_status read_m(struct json_input *input, void *target)
{
    return read_u32(input, 2, LODE_M_MAX, &((struct schema_body *)target)->schema.m);
}

static lode_status read_ef_construction(struct json_input *input, void *target)
{
    return read_u32(input, 1, LODE_EF_MAX, &((struct schema_body *)target)->schema.ef_construction);
}

static lode_status read_layout(struct json_input *input, void *target)
{
    int index = 0;
    lode_status status = read_name(input, layout_names, &index);
    ((struct schema_body *)target)->schema.layout = (lode_layout)index;
    return status;
}

static lode_status read_seed(struct json_input *input, void *target)
{
    return json_input_u64(input, 0, UINT64_MAX, &((struct schema_body *)target)->schema.seed);
}

static const struct json_member index_items[] = {
    [INDEX_TYPE] = {"type", read_type, false},
    [INDEX_M] = {"m", read_m, false},
    [INDEX_EF_CONSTRUCTION] = {"ef_construction", read_ef_construction, false},
    [INDEX_LAYOUT] = {"layout", read_layout, false},
    [INDEX_SEED] = {"seed", read_seed, false}};
static const struct json_members index_members = {
    .items = index_items, .count = sizeof index_items / sizeof *index_items, .what = "\"index\""};

static lode_status read_index(struct json_input *input, void *target)
{
    return json_input_object(input, &index_members, target,
                             &((struct schema_body *)target)->index_given);
}

/* A name and a type; names are whatever the caller's metadata has. */
static lode_status read_field(struct json_input *input, struct schema_body *body)
{
    const char *name = NULL;
    size_t size = 0;
    int type = 0;
    if (body->field_count == LODE_FIELDS_MAX)
        return json_input_fail(input, LODE_LIMIT, "more than %d fields", LODE_FIELDS_MAX);
    lode_status status = json_input_unescaped(input, &name, &size);
    char *copy = status ? NULL : arena_copy(input->arena, name, size);
    if (!copy)
        return status ? status : json_input_nomem(input, "a field's name", size);
    if (memchr(copy, '\0', size))
        return json_input_fail(input, LODE_INVALID, "a field's name holds a NUL byte");
    status = read_name(input, field_types, &type);
    body->fields[body->field_count++] =
        (lode_field){.name = copy, .type = (lode_field_type)(type + LODE_FIELD_KEYWORD)};
    return status;
}

static lode_status read_fields(struct json_input *input, void *target)
{
    struct schema_body *body = target;
    enum json_token token = json_next(&input->json);
    if (token != JSON_OBJECT)
        return json_input_wrong(input, token, "an object of names and types");
    body->fields = arena_alloc(input->arena, LODE_FIELDS_MAX * sizeof *body->fields);
    if (!body->fields)
        return json_input_nomem(input, "fields", LODE_FIELDS_MAX * sizeof *body->fields);
    lode_status status = LODE_OK;
    while (status == LODE_OK && (token = json_next(&input->json)) == JSON_KEY)
        status = read_field(input, body);
    if (status == LODE_OK && token == JSON_ERROR)
        status = json_input_malformed(input);
    body->schema.fields = body->fields;
    body->schema.field_count = body->field_count;
    return status;
}

static const struct json_member schema_items[] = {[SCHEMA_DIM] = {"dim", read_dim, false},
                                                  [SCHEMA_METRIC] = {"metric", read_metric, false},
                                                  [SCHEMA_SCALAR] = {"scalar", read_scalar, false},
                                                  [SCHEMA_INDEX] = {"index", read_index, false},
                                                  [SCHEMA_FIELDS] = {"fields", read_fields, false}};
const struct json_members schema_members = {
    .items = schema_items, .count = sizeof schema_items / sizeof *schema_items, .what = "an index"};

/* --- Writing ------------------------------------------------------------------------------------- */

void schema_write(struct json_writer *json, const lode_schema *schema)
{
    json_write_count(json, "dim", schema->dim);
    json_write_text(json, "metric", metric_names[schema->metric]);
    json_write_text(json, "scalar", scalar_names[schema->scalar]);
    json_write_key(json, "index");
    json_write_object(json);
    json_write_text(json, "type", index_names[schema->index]);
    if (schema->index == LODE_INDEX_HNSW) {
        json_write_count(json, "m", schema->m);
        json_write_count(json, "ef_construction", schema->ef_construction);
        json_write_text(json, "layout", layout_names[schema->layout]);
    }
    json_write_object_end(json);
    json_write_key(json, "fields");
    json_write_object(json);
    for (size_t i = 0; i < schema->field_count; i++)
        json_write_text(json, schema->fields[i].name,
                        field_types[schema->fields[i].type - LODE_FIELD_KEYWORD]);
    json_write_object_end(json);
}

/* --- Comparing ----------------------------------------------------------------------------------- */

static bool has_field(const lode_schema *schema, const lode_field *wanted)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (strcmp(schema->fields[i].name, wanted->name) == 0)
            return schema->fields[i].type == wanted->type;
    return false;
}

bool schema_has_fields(const lode_schema *schema, const lode_field *fields, size_t count)
{
    if (count != schema->field_count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!has_field(schema, &fields[i]))
            return false;
    return true;
}

const char *schema_difference(const struct schema_body *body, const lode_schema *schema)
{
    const lode_schema *said = &body->schema;
    const struct {
        const char *name;
        bool is_given, is_same;
    } members[] = {
        {"dim", body->given >> SCHEMA_DIM & 1, said->dim == schema->dim},
        {"metric", body->given >> SCHEMA_METRIC & 1, said->metric == schema->metric},
        {"scalar", body->given >> SCHEMA_SCALAR & 1, said->scalar == schema->scalar},
        {"fields", body->given >> SCHEMA_FIELDS & 1,
         schema_has_fields(schema, body->fields, body->field_count)},
        {"index.type", body->index_given >> INDEX_TYPE & 1, said->index == schema->index},
        {"index.m", body->index_given >> INDEX_M & 1, said->m == schema->m},
        {"index.ef_construction", body->index_given >> INDEX_EF_CONSTRUCTION & 1,
         said->ef_construction == schema->ef_construction},
        {"index.layout", body->index_given >> INDEX_LAYOUT & 1, said->layout == schema->layout},
        {"index.seed", body->index_given >> INDEX_SEED & 1, said->seed == schema->seed},
    };
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (members[i].is_given && !members[i].is_same)
            return members[i].name;
    return NULL;
}
