/* api_indices.c: indices and their aliases. The engine calls an index a collection.
 *
 * What has no body and nothing to say answers 204. Creating one that is there already, and is what was asked for, is no
 * error: a client that did not get the answer may ask again. */
#include "server/api.h"
#include "server/json_asked.h"
#include "server/schema_json.h"

#include <string.h>

static const char *const no_names[] = {NULL};

static void answer_nothing(struct call *call)
{
    call->status = 204;
    call->content_type = NULL;
}

/* --- One index ----------------------------------------------------------------------------------- */

static uint64_t count_points(const struct handle *handle)
{
    lode_snapshot *snapshot = NULL;
    if (lode_snapshot_open(handle->collection, &snapshot, NULL))
        return 0;
    uint64_t points = lode_snapshot_point_count(snapshot);
    lode_snapshot_close(snapshot);
    return points;
}

/* {"name", schema, "points"}; whoever sees a part of it is not told how many there are. */
static void write_index(struct json_writer *json, const char *name, const struct handle *handle,
                        const struct principal *who)
{
    json_write_object(json);
    json_write_text(json, "name", name);
    schema_write(json, handle->schema);
    if (who->namespaces.count == 0 && !who->filter)
        json_write_count(json, "points", count_points(handle));
    json_write_object_end(json);
}

static void answer_index(struct call *call, const char *name, const struct handle *handle)
{
    struct json_writer json;
    call_json(call, &json);
    write_index(&json, name, handle, call->who);
    call_json_end(call, &json);
}

void api_indices_get(struct call *call)
{
    const struct handle *handle = call_query_only(call, no_names) ? api_take_name(call) : NULL;
    if (handle)
        answer_index(call, handle->name, handle);
    api_give(call, handle);
}

/* It is there already: is it what was asked for? */
static void create_again(struct call *call, const struct schema_body *body,
                         const lode_error *exists)
{
    char name[HANDLES_NAME_SIZE];
    const struct handle *handle = NULL;
    struct handles *handles = server_handles(call->server);
    handles_resolve(handles, call->parameters[0], name);
    const char *difference = "name";
    if (strcmp(name, call->parameters[0]) == 0)
        handle = api_take_whole(call);
    if (handle)
        difference = schema_difference(body, handle->schema);
    if (difference)
        call_fail(call, exists, difference, -1);
    else
        answer_index(call, name, handle);
    api_give(call, handle);
}

void api_indices_create(struct call *call)
{
    struct schema_body body = {.given = 0};
    lode_error error = {.status = LODE_OK};
    if (!call_query_only(call, no_names) || !asked_read(call, &schema_members, &body, &body.given))
        return;
    if (body.schema.dim == 0) {
        call_refuse(call, 400, "invalid", "dim",
                    "\"dim\" is missing: how many numbers a vector has");
        return;
    }
    lode_status status =
        handles_create(server_handles(call->server), call->parameters[0], &body.schema, &error);
    if (status == LODE_EXISTS) {
        create_again(call, &body, &error);
        return;
    }
    if (status) {
        call_fail(call, &error, NULL, -1);
        return;
    }
    call->status = 201;
    const struct handle *handle = api_take_whole(call);
    if (handle)
        answer_index(call, call->parameters[0], handle);
    api_give(call, handle);
}

/* Nothing of what an index is can be changed once it has been made; saying what it is already changes nothing. */
void api_indices_update(struct call *call)
{
    struct schema_body body = {.given = 0};
    if (!call_query_only(call, no_names) || !asked_read(call, &schema_members, &body, &body.given))
        return;
    const struct handle *handle = api_take_whole(call);
    if (!handle)
        return;
    const char *difference = schema_difference(&body, handle->schema);
    if (difference)
        call_refuse(
            call, 422, "immutable", difference,
            "%s cannot be changed: points are stored by it. Create another index, import the "
            "export of this one, and let an alias point to it",
            difference);
    else
        answer_index(call, call->parameters[0], handle);
    api_give(call, handle);
}

void api_indices_delete(struct call *call)
{
    lode_error error = {.status = LODE_OK};
    if (!call_query_only(call, no_names))
        return;
    if (handles_drop(server_handles(call->server), call->parameters[0], HANDLES_DROP_WAIT_MS,
                     &error))
        call_fail(call, &error, NULL, -1);
    else
        answer_nothing(call);
}

/* --- All of them --------------------------------------------------------------------------------- */

static lode_catalog *read_catalog(struct call *call)
{
    lode_catalog *catalog = NULL;
    lode_error error = {.status = LODE_OK};
    if (!lode_catalog_list(server_db(call->server), &catalog, &error))
        return catalog;
    call_fail(call, &error, NULL, -1);
    return NULL;
}

/* One that is gone by now, or cannot be opened, is left out. */
static void list_one(struct call *call, struct json_writer *json, const char *name)
{
    const struct handle *handle = NULL;
    struct handles *handles = server_handles(call->server);
    if (!principal_sees(call->who, name) || handles_take(handles, name, NULL, NULL, &handle, NULL))
        return;
    write_index(json, name, handle, call->who);
    handles_give(handles, handle);
}

void api_indices_list(struct call *call)
{
    struct json_writer json;
    lode_catalog *catalog = call_query_only(call, no_names) ? read_catalog(call) : NULL;
    if (!catalog)
        return;
    call_json(call, &json);
    json_write_object(&json);
    json_write_key(&json, "indices");
    json_write_array(&json);
    for (size_t i = 0; i < catalog->entry_count; i++)
        if (!catalog->entries[i].target)
            list_one(call, &json, catalog->entries[i].name);
    json_write_array_end(&json);
    json_write_object_end(&json);
    call_json_end(call, &json);
    lode_catalog_free(catalog);
}

/* --- Aliases ------------------------------------------------------------------------------------- */

static void write_alias(struct json_writer *json, const char *name, const char *target)
{
    json_write_object(json);
    json_write_text(json, "name", name);
    json_write_text(json, "target", target);
    json_write_object_end(json);
}

void api_aliases_list(struct call *call)
{
    struct json_writer json;
    lode_catalog *catalog = call_query_only(call, no_names) ? read_catalog(call) : NULL;
    if (!catalog)
        return;
    call_json(call, &json);
    json_write_object(&json);
    json_write_key(&json, "aliases");
    json_write_array(&json);
    for (size_t i = 0; i < catalog->entry_count; i++) {
        const lode_catalog_entry *entry = &catalog->entries[i];
        if (entry->target && principal_sees(call->who, entry->name))
            write_alias(&json, entry->name, entry->target);
    }
    json_write_array_end(&json);
    json_write_object_end(&json);
    call_json_end(call, &json);
    lode_catalog_free(catalog);
}

struct alias_body {
    const char *target;
};

static lode_status read_target(struct json_input *input, void *target)
{
    return json_input_name(input, LODE_NAME_SIZE_MAX, &((struct alias_body *)target)->target);
}

static const struct json_member alias_items[] = {{"target", read_target, false}};
static const struct json_members alias_members = {alias_items, 1, "an alias"};

/* Who makes an alias gives its readers the target: he must be allowed both. */
void api_aliases_set(struct call *call)
{
    struct alias_body body = {.target = NULL};
    struct json_writer json;
    lode_error error = {.status = LODE_OK};
    if (!call_query_only(call, no_names) || !asked_read(call, &alias_members, &body, NULL))
        return;
    if (!body.target) {
        call_refuse(call, 400, "invalid", "target", "\"target\" is missing: the name of an index");
        return;
    }
    if (!api_may(call, ROLE_ADMIN, body.target, NULL))
        return;
    if (handles_alias(server_handles(call->server), call->parameters[0], body.target, &error)) {
        call_fail(call, &error, NULL, -1);
        return;
    }
    call_json(call, &json);
    write_alias(&json, call->parameters[0], body.target);
    call_json_end(call, &json);
}

void api_aliases_delete(struct call *call)
{
    lode_error error = {.status = LODE_OK};
    if (!call_query_only(call, no_names))
        return;
    if (handles_alias(server_handles(call->server), call->parameters[0], NULL, &error))
        call_fail(call, &error, NULL, -1);
    else
        answer_nothing(call);
}
