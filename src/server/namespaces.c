/* namespaces.c: see namespaces.h. */
#include "server/namespaces.h"

#include <string.h>

static bool sees(const struct call *call, const char *name)
{
    return principal_may(call->who, ROLE_READ, call->collection, name, NULL) == ACCESS_OK;
}

static void put_seen(const struct call *call, const lode_namespace_list *list,
                     struct namespace_page *page)
{
    for (size_t i = 0; i < list->entry_count && page->count < page->limit; i++) {
        const lode_namespace_entry *entry = &list->entries[i];
        memcpy(page->after, entry->name, strlen(entry->name) + 1);
        if (!sees(call, entry->name))
            continue;
        page->count++;
        page->put(page->context, entry);
    }
}

lode_status namespaces_read(const struct call *call, lode_collection *collection,
                            struct namespace_page *page, lode_error *error)
{
    size_t wanted = call->who->namespaces.count ? NAMESPACES_LIMIT_MAX : page->limit;
    while (!page->is_last && page->count < page->limit) {
        lode_namespace_list *list = NULL;
        lode_status status = lode_namespace_list_get(collection, *page->after ? page->after : NULL,
                                                     wanted, &list, error);
        if (status)
            return status;
        put_seen(call, list, page);
        page->is_last = list->entry_count < wanted && page->count < page->limit;
        lode_namespace_list_free(list);
    }
    return LODE_OK;
}
