/* api_scope.c: the public functions of scope.h: arguments are checked here. */
#include <stdlib.h>
#include <string.h>

#include "engine/api_check.h"
#include "engine/namespaces.h"

#define LIST_DEFAULT 1000u

static struct id_namespace space_of(const char *name)
{
    return (struct id_namespace){.name = name, .size = name ? strlen(name) : 0};
}

/* Of work on one namespace through the collection's own handle. */
static lode_status check_one(const lode_collection *collection, const char *name, const char *what,
                             lode_error *error)
{
    struct id_namespace space = space_of(name);
    if (!collection)
        return is_null("collection", error);
    if (!name)
        return is_null("name", error);
    lode_status status = scope_check_whole(collection, what, error);
    return status ? status : id_namespace_check(&space, error);
}

lode_status lode_namespace_open(lode_collection *collection, const char *name,
                                lode_collection **ret_collection, lode_error *error)
{
    struct id_namespace space = space_of(name);
    lode_status status = check_one(collection, name, "lode_namespace_open", error);
    if (!status && !ret_collection)
        status = is_null("ret_collection", error);
    return status ? status : scope_open_namespace(collection, &space, ret_collection, error);
}

lode_status lode_collection_restrict(lode_collection *collection, lode_filter filter,
                                     lode_collection **ret_collection, lode_error *error)
{
    if (!collection)
        return is_null("collection", error);
    if (!filter.text)
        return is_null("filter.text", error);
    if (!ret_collection)
        return is_null("ret_collection", error);
    return scope_restrict(collection, &filter, ret_collection, error);
}

lode_status lode_namespace_list_get(lode_collection *collection, const char *after, size_t limit,
                                    lode_namespace_list **ret_list, lode_error *error)
{
    struct id_namespace space = space_of(after);
    if (!collection)
        return is_null("collection", error);
    if (!ret_list)
        return is_null("ret_list", error);
    lode_status status = scope_check_whole(collection, "lode_namespace_list_get", error);
    return status ? status
                  : namespaces_list(collection->shared, &space, limit ? limit : LIST_DEFAULT,
                                    ret_list, error);
}

void lode_namespace_list_free(lode_namespace_list *list)
{
    namespaces_list_free(list);
}

lode_status lode_namespace_stats_get(lode_collection *collection, const char *name,
                                     lode_namespace_stats *ret_stats, lode_error *error)
{
    struct id_namespace space = space_of(name);
    lode_status status = check_one(collection, name, "lode_namespace_stats_get", error);
    if (!status && !ret_stats)
        status = is_null("ret_stats", error);
    return status ? status : namespaces_stats(collection->shared, &space, ret_stats, error);
}

lode_status lode_namespace_drop(lode_collection *collection, const char *name,
                                lode_write_info *ret_info, lode_error *error)
{
    struct id_namespace space = space_of(name);
    lode_status status = check_one(collection, name, "lode_namespace_drop", error);
    if (!status)
        status = db_check_writable(collection->shared->db, error);
    return status ? status : collection_drop_namespace(collection->shared, &space, ret_info, error);
}
