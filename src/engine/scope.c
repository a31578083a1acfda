/* scope.c: handles that see a part of a collection. */
#include "engine/scope.h"

#include <stdlib.h>

#include "engine/filtering.h"

const struct id_namespace *scope_space(const struct scope *scope, const struct version *version)
{
    int is_all = scope->everything || (!scope->space.size && !version_has_namespaces(version));
    return is_all ? NULL : &scope->space;
}

/* --- Handles ----------------------------------------------------------------------------------- */

static lode_status copy_space(struct arena *arena, const struct id_namespace *space,
                              struct id_namespace *ret_space, lode_error *error)
{
    *ret_space = (struct id_namespace){0};
    if (space->size == 0)
        return LODE_OK;
    ret_space->name = arena_copy(arena, space->name, space->size);
    ret_space->size = space->size;
    return ret_space->name ? LODE_OK : error_nomem(error, "a namespace's name", space->size);
}

/* Those of `from`, and one more unless it is NULL. */
static lode_status copy_bounds(struct arena *arena, const struct scope *from,
                               const lode_filter *filter, struct scope *scope, lode_error *error)
{
    size_t count = from->bound_count + (filter != NULL);
    lode_filter *bounds = arena_alloc_zero(arena, (count + 1) * sizeof *bounds);
    if (!bounds)
        return error_nomem(error, "filters", count * sizeof *bounds);
    for (size_t i = 0; i < count; i++) {
        const lode_filter *bound = i < from->bound_count ? &from->bounds[i] : filter;
        bounds[i].text = arena_copy(arena, bound->text, bound->size);
        bounds[i].size = bound->size;
        if (!bounds[i].text)
            return error_nomem(error, "a filter", bound->size);
    }
    scope->bounds = bounds;
    scope->bound_count = count;
    return LODE_OK;
}

static lode_status open_part(const lode_collection *from, const struct id_namespace *space,
                             const lode_filter *filter, lode_collection **ret_handle,
                             lode_error *error)
{
    lode_collection *handle;
    db_retain(from->shared);
    lode_status status = handle_new(from->shared, &handle, error);
    if (status) {
        db_release(from->shared);
        return status;
    }
    status = copy_space(&handle->arena, space, &handle->scope.space, error);
    if (!status)
        status = copy_bounds(&handle->arena, &from->scope, filter, &handle->scope, error);
    if (status)
        handle_close(handle);
    else
        *ret_handle = handle;
    return status;
}

lode_status scope_open_namespace(const lode_collection *from, const struct id_namespace *space,
                                 lode_collection **ret_handle, lode_error *error)
{
    lode_status status = scope_check_whole(from, "lode_namespace_open", error);
    if (!status)
        status = id_namespace_check(space, error);
    return status ? status : open_part(from, space, NULL, ret_handle, error);
}

lode_status scope_restrict(const lode_collection *from, const lode_filter *filter,
                           lode_collection **ret_handle, lode_error *error)
{
    struct filtering filtering;
    lode_collection *handle;
    lode_status status = open_part(from, &from->scope.space, filter, &handle, error);
    if (status)
        return status;
    status = filtering_read(handle, NULL, 0, &filtering, error);
    if (status) {
        handle_close(handle);
        return status;
    }
    filtering_release(&filtering);
    *ret_handle = handle;
    return LODE_OK;
}

/* --- Checks ------------------------------------------------------------------------------------ */

int scope_sees_all(const lode_collection *handle)
{
    return handle->scope.space.size == 0 && handle->scope.bound_count == 0;
}

lode_status scope_check_whole(const lode_collection *handle, const char *what, lode_error *error)
{
    const struct scope *scope = &handle->scope;
    if (scope_sees_all(handle))
        return LODE_OK;
    return error_set(
        error, LODE_INVALID,
        "%s is about all of collection '%s': use the collection's own handle, not one %s", what,
        handle->shared->name, scope->bound_count ? "that a filter is bound to" : "of a namespace");
}

lode_status scope_check_write(const lode_collection *handle, lode_error *error)
{
    if (handle->scope.bound_count == 0)
        return LODE_OK;
    return error_set(
        error, LODE_UNSUPPORTED,
        "points cannot be written by id through a handle that a filter is bound to: use "
        "the own handle of collection '%s', or of its namespace",
        handle->shared->name);
}
