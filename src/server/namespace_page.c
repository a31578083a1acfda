/* namespace_page.c: see namespace_page.h. */
#include "server/namespace_page.h"

#include <string.h>

bool namespace_page_init(struct namespace_page *page, struct call *call, const char *after,
                         size_t limit)
{
    size_t size = after ? strlen(after) : 0;
    *page = (struct namespace_page){.limit = limit};
    if (size > LODE_NAMESPACE_SIZE_MAX) {
        call_refuse(call, 400, "limit", "after", "after has %zu bytes; at most %d", size,
                    LODE_NAMESPACE_SIZE_MAX);
        return false;
    }
    if (size)
        memcpy(page->after, after, size + 1);
    return true;
}

static bool sees(const struct call *call, const char *name)
{
    return principal_may(call->who, ROLE_READ, call->collection, name, NULL) == ACCESS_OK;
}

lode_status namespace_page_read(struct namespace_page *page, const struct call *call,
                                lode_collection *collection,
                                void (*tell)(void *context, const lode_namespace_entry *entry),
                                void *context, lode_error *error)
{
    size_t wanted = call->who->namespaces.count ? NAMESPACES_MAX : page->limit;
    while (!page->is_last && page->count < page->limit) {
        lode_namespace_list *list = NULL;
        lode_status status = lode_namespace_list_get(collection, *page->after ? page->after : NULL,
                                                     wanted, &list, error);
        if (status)
            return status;
        for (size_t i = 0; i < list->entry_count && page->count < page->limit; i++) {
            const lode_namespace_entry *entry = &list->entries[i];
            memcpy(page->after, entry->name, strlen(entry->name) + 1);
            if (!sees(call, entry->name))
                continue;
            page->count++;
            tell(context, entry);
        }
        page->is_last = list->entry_count < wanted && page->count < page->limit;
        lode_namespace_list_free(list);
    }
    return LODE_OK;
}
