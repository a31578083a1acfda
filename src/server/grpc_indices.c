/* grpc_indices.c: indices and aliases of lode.v1.Indices. */
#include "server/grpc_methods.h"
#include "server/grpc_points.h"
#include "server/schema_json.h"

#include <string.h>

static bool has_name(struct call *call, const char *field, const char *name)
{
    if (*name)
        return true;
    grpc_invalid(call, field, "%s: it is missing", field);
    return false;
}

/* May do that to the index as a whole; it is what the call is about. */
static bool may(struct call *call, const char *name)
{
    if (!has_name(call, "name", name))
        return false;
    call->collection = call_copy(call, name, strlen(name));
    return call->collection && api_may(call, call->route->role, name, NULL);
}

/* --- Schemas ------------------------------------------------------------------------------------- */

/* Enums have the numbers of lode.h. */
static bool read_schema(struct call *call, const Lode__V1__Schema *from, lode_schema *to)
{
    lode_field *fields;
    lode_error error;
    if (!from) {
        grpc_invalid(call, "schema", "schema: it is missing");
        return false;
    }
    *to = (lode_schema){.dim = from->dim,
                        .metric = (lode_metric)from->metric,
                        .scalar = (lode_scalar)from->scalar,
                        .index = (lode_index)from->kind,
                        .m = from->m,
                        .ef_construction = from->ef_construction,
                        .seed = from->seed,
                        .layout = (lode_layout)from->layout,
                        .field_count = from->n_fields};
    if (!grpc_at_most(call, "schema.fields", from->n_fields, LODE_FIELDS_MAX))
        return false;
    fields = arena_alloc(&call->memory, (from->n_fields + 1) * sizeof *fields);
    if (!fields) {
        (void)error_nomem(&error, "fields", from->n_fields * sizeof *fields);
        call_fail(call, &error, NULL, -1);
        return false;
    }
    for (size_t i = 0; i < from->n_fields; i++)
        fields[i] = (lode_field){.name = from->fields[i]->name,
                                 .type = (lode_field_type)from->fields[i]->type};
    to->fields = fields;
    return true;
}

static Lode__V1__Field **make_fields(struct call *call, const lode_schema *schema)
{
    size_t count = schema->field_count;
    Lode__V1__Field *fields = arena_alloc(&call->memory, (count + 1) * sizeof *fields);
    Lode__V1__Field **pointers = arena_alloc(&call->memory, (count + 1) * sizeof(void *));
    lode_error error;
    if (!fields || !pointers) {
        (void)error_nomem(&error, "fields", count * sizeof *fields);
        call_fail(call, &error, NULL, -1);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        lode__v1__field__init(&fields[i]);
        fields[i].name = call_copy(call, schema->fields[i].name, strlen(schema->fields[i].name));
        fields[i].type = (Lode__V1__FieldType)schema->fields[i].type;
        pointers[i] = &fields[i];
        if (!fields[i].name)
            return NULL;
    }
    return pointers;
}

static void reply_index(struct call *call, const char *name, const lode_schema *schema)
{
    Lode__V1__Index index = LODE__V1__INDEX__INIT;
    Lode__V1__Schema to = LODE__V1__SCHEMA__INIT;
    to.dim = schema->dim;
    to.metric = (Lode__V1__Metric)schema->metric;
    to.scalar = (Lode__V1__Scalar)schema->scalar;
    to.kind = (Lode__V1__IndexKind)schema->index;
    to.m = schema->m;
    to.ef_construction = schema->ef_construction;
    to.seed = schema->seed;
    to.layout = (Lode__V1__Layout)schema->layout;
    to.n_fields = schema->field_count;
    to.fields = make_fields(call, schema);
    index.name = call_copy(call, name, strlen(name));
    index.schema = &to;
    if (to.fields && index.name)
        grpc_reply(call, &index.base);
}

/* --- Indices ------------------------------------------------------------------------------------- */

void grpc_indices_create(struct call *call, const void *message)
{
    const Lode__V1__CreateIndexRequest *request = message;
    struct handles *handles = server_handles(call->server);
    const struct handle *handle = NULL;
    lode_schema schema;
    lode_error error;
    if (!may(call, request->name) || !read_schema(call, request->schema, &schema))
        return;
    if (handles_create(handles, request->name, &schema, &error) ||
        handles_take(handles, request->name, NULL, NULL, &handle, &error))
        call_fail(call, &error, NULL, -1);
    else
        reply_index(call, request->name, handle->schema);
    api_give(call, handle);
}

/* Answer with what put_one makes of the entries that whoever asks may see, and the fields of `rest`. */
static void reply_catalog(struct call *call,
                          void (*put_one)(struct put *put, const lode_catalog_entry *entry),
                          const ProtobufCMessage *rest)
{
    lode_catalog *catalog;
    struct put put;
    lode_error error;
    if (lode_catalog_list(server_db(call->server), &catalog, &error)) {
        call_fail(call, &error, NULL, -1);
        return;
    }
    put_init(&put, &call->out, &error);
    for (size_t i = 0; i < catalog->entry_count; i++)
        if (principal_sees(call->who, catalog->entries[i].name))
            put_one(&put, &catalog->entries[i]);
    put_fields(&put, rest);
    lode_catalog_free(catalog);
    if (put.status)
        call_fail(call, &error, NULL, -1);
}

static void put_index_name(struct put *put, const lode_catalog_entry *entry)
{
    if (!entry->target)
        put_bytes(put, 1, entry->name, strlen(entry->name));
}

void grpc_indices_list(struct call *call, const void *message)
{
    Lode__V1__ListIndicesResponse rest = LODE__V1__LIST_INDICES_RESPONSE__INIT;
    (void)message;
    reply_catalog(call, put_index_name, &rest.base);
}

/* The index as such, for whoever sees anything of it; NULL, and the call has failed. */
static const struct handle *take_schema(struct call *call, const char *name)
{
    if (!has_name(call, "name", name))
        return NULL;
    call->parameters[0] = call_copy(call, name, strlen(name));
    return call->parameters[0] ? api_take_name(call) : NULL;
}

void grpc_indices_get(struct call *call, const void *message)
{
    const Lode__V1__GetIndexRequest *request = message;
    const struct handle *handle = take_schema(call, request->name);
    if (handle)
        reply_index(call, request->name, handle->schema);
    api_give(call, handle);
}

/* The name of what would be changed; NULL: nothing would. */
static const char *difference(const lode_schema *have, const lode_schema *want)
{
    if (want->dim && want->dim != have->dim)
        return "dim";
    if (want->metric && want->metric != have->metric)
        return "metric";
    if (want->scalar && want->scalar != have->scalar)
        return "scalar";
    if (want->index && want->index != have->index)
        return "kind";
    if (want->m && want->m != have->m)
        return "m";
    if (want->ef_construction && want->ef_construction != have->ef_construction)
        return "ef_construction";
    if (want->seed && want->seed != have->seed)
        return "seed";
    if (want->layout && want->layout != have->layout)
        return "layout";
    bool has_others =
        want->field_count && !schema_has_fields(have, want->fields, want->field_count);
    return has_others ? "fields" : NULL;
}

void grpc_indices_update(struct call *call, const void *message)
{
    const Lode__V1__UpdateIndexRequest *request = message;
    lode_schema want = {.dim = 0};
    if (!may(call, request->name) ||
        (request->schema && !read_schema(call, request->schema, &want)))
        return;
    const struct handle *handle = take_schema(call, request->name);
    const char *name = handle ? difference(handle->schema, &want) : NULL;
    if (name)
        call_refuse(
            call, 422, "immutable", name,
            "%s cannot be changed: points are stored by it. Create another index, import the "
            "export of this one, and let an alias point to it",
            name);
    else if (handle)
        reply_index(call, request->name, handle->schema);
    api_give(call, handle);
}

void grpc_indices_delete(struct call *call, const void *message)
{
    const Lode__V1__DeleteIndexRequest *request = message;
    Lode__V1__DeleteIndexResponse response = LODE__V1__DELETE_INDEX_RESPONSE__INIT;
    lode_error error;
    if (!may(call, request->name))
        return;
    if (handles_drop(server_handles(call->server), request->name, HANDLES_DROP_WAIT_MS, &error))
        call_fail(call, &error, "name", -1);
    else
        grpc_reply(call, &response.base);
}

/* --- Aliases ------------------------------------------------------------------------------------- */

static void put_alias(struct put *put, const lode_catalog_entry *entry)
{
    if (!entry->target)
        return;
    size_t begin = put_begin(put);
    put_bytes(put, 1, entry->name, strlen(entry->name));
    put_bytes(put, 2, entry->target, strlen(entry->target));
    put_end(put, 1, begin);
}

void grpc_aliases_list(struct call *call, const void *message)
{
    Lode__V1__ListAliasesResponse rest = LODE__V1__LIST_ALIASES_RESPONSE__INIT;
    (void)message;
    reply_catalog(call, put_alias, &rest.base);
}

void grpc_aliases_set(struct call *call, const void *message)
{
    const Lode__V1__Alias *alias = message;
    lode_error error;
    if (!has_name(call, "target", alias->target) || !may(call, alias->name) ||
        !api_may(call, call->route->role, alias->target, NULL))
        return;
    if (handles_alias(server_handles(call->server), alias->name, alias->target, &error))
        call_fail(call, &error, NULL, -1);
    else
        grpc_reply(call, &alias->base);
}

void grpc_aliases_delete(struct call *call, const void *message)
{
    const Lode__V1__DeleteAliasRequest *request = message;
    Lode__V1__DeleteAliasResponse response = LODE__V1__DELETE_ALIAS_RESPONSE__INIT;
    lode_error error;
    if (!may(call, request->name))
        return;
    if (handles_alias(server_handles(call->server), request->name, NULL, &error))
        call_fail(call, &error, "name", -1);
    else
        grpc_reply(call, &response.base);
}
