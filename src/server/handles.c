/* handles.c: see handles.h.
 *
 * A table of entries by collection, namespace and filter, under one lock that is held for a look-up alone: whatever the
 * engine is asked for happens outside of it. Two calls that open the same at the same time both open it, and the second
 * closes its own again.
 *
 * Aliases are resolved by a copy of the catalog, so that an alias and its target share handles. Whoever changes the catalog
 * holds `changing` while he does so and then puts a new copy in place; so does who opens a collection by its name.
 *
 * Locks: `changing` before `lock`. */
#include "server/handles.h"

#include "base/hash.h"
#include "os/clock.h"
#include "os/thread.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKET_COUNT = 16384 };

struct entry {
    struct handle handle; /* first: what is given out */
    /* Constant. "" is the default namespace, and no filter. */
    char *collection, *namespace_, *filter;
    uint64_t hash;
    atomic_bool is_unwanted; /* relaxed: a hint */
    /* Under the lock: */
    unsigned uses;
    struct entry *next;          /* in its bucket */
    struct entry *older, *newer; /* among those of parts that nobody uses */
};

/* A collection that is being dropped; on the stack of whoever does so. */
struct dropping {
    const char *collection;
    struct dropping *next;
};

struct handles {
    lode_db *db;
    struct mutex changing; /* held by whoever changes the catalog */
    struct mutex lock;     /* guards what follows */
    struct cond given;     /* an entry is not used any more, and something is being dropped */
    struct entry *buckets[BUCKET_COUNT];
    struct entry *oldest, *newest; /* of those of parts that nobody uses */
    size_t idle_count;
    struct dropping *dropping;
    lode_catalog *catalog;
    uint64_t hits, misses; /* of take: it was open; it had to be opened */
};

/* What an entry is found by. */
struct key {
    const char *collection, *namespace_, *filter;
    uint64_t hash;
};

static struct key make_key(const char *collection, const char *namespace_, const char *filter)
{
    struct key key = {collection, namespace_ ? namespace_ : "", filter ? filter : "", 0};
    key.hash = hash64(collection, strlen(collection), 0);
    key.hash = hash64(key.namespace_, strlen(key.namespace_), key.hash);
    key.hash = hash64(key.filter, strlen(key.filter), key.hash);
    return key;
}

static bool is_part(const struct entry *entry)
{
    return *entry->namespace_ || *entry->filter;
}

/* --- Entries ------------------------------------------------------------------------------------- */

static void entry_free(struct entry *entry)
{
    if (!entry)
        return;
    lode_collection_close(entry->handle.collection);
    free(entry->collection);
    free(entry->namespace_);
    free(entry->filter);
    free(entry);
}

static struct entry *entry_new(const struct key *key, lode_error *error)
{
    struct entry *entry = calloc(1, sizeof *entry);
    if (entry) {
        entry->hash = key->hash;
        entry->collection = strdup(key->collection);
        entry->namespace_ = strdup(key->namespace_);
        entry->filter = strdup(key->filter);
    }
    if (entry && entry->collection && entry->namespace_ && entry->filter) {
        entry->handle.name = entry->collection;
        return entry;
    }
    entry_free(entry);
    (void)error_nomem(error, "a handle", sizeof *entry);
    return NULL;
}

static void entry_set(struct entry *entry, lode_collection *collection)
{
    entry->handle.collection = collection;
    entry->handle.schema = lode_collection_schema(collection);
}

static struct entry **bucket_of(struct handles *handles, uint64_t hash)
{
    return &handles->buckets[hash % BUCKET_COUNT];
}

static struct entry *find(struct handles *handles, const struct key *key)
{
    struct entry *entry = *bucket_of(handles, key->hash);
    while (entry && (entry->hash != key->hash || strcmp(entry->collection, key->collection) != 0 ||
                     strcmp(entry->namespace_, key->namespace_) != 0 ||
                     strcmp(entry->filter, key->filter) != 0))
        entry = entry->next;
    return entry;
}

static void insert(struct handles *handles, struct entry *entry)
{
    struct entry **bucket = bucket_of(handles, entry->hash);
    entry->next = *bucket;
    *bucket = entry;
}

static void remove_entry(struct handles *handles, struct entry *entry)
{
    struct entry **at = bucket_of(handles, entry->hash);
    while (*at != entry)
        at = &(*at)->next;
    *at = entry->next;
}

/* --- Those that nobody uses ---------------------------------------------------------------------- */

static void idle_add(struct handles *handles, struct entry *entry)
{
    entry->older = handles->newest;
    entry->newer = NULL;
    if (handles->newest)
        handles->newest->newer = entry;
    else
        handles->oldest = entry;
    handles->newest = entry;
    handles->idle_count++;
}

static void idle_remove(struct handles *handles, struct entry *entry)
{
    if (entry->older)
        entry->older->newer = entry->newer;
    else
        handles->oldest = entry->newer;
    if (entry->newer)
        entry->newer->older = entry->older;
    else
        handles->newest = entry->older;
    handles->idle_count--;
}

static void use(struct handles *handles, struct entry *entry)
{
    if (entry->uses++ == 0 && is_part(entry))
        idle_remove(handles, entry);
}

/* --- Names --------------------------------------------------------------------------------------- */

static int compare_names(const void *name, const void *entry)
{
    return strcmp(name, ((const lode_catalog_entry *)entry)->name);
}

/* What the name stands for; borrows from the catalog or from name. */
static const char *resolve(const struct handles *handles, const char *name)
{
    const lode_catalog *catalog = handles->catalog;
    const lode_catalog_entry *found = catalog->entry_count
                                          ? bsearch(name, catalog->entries, catalog->entry_count,
                                                    sizeof *catalog->entries, compare_names)
                                          : NULL;
    return found && found->target ? found->target : name;
}

static void copy_name(char ret_name[HANDLES_NAME_SIZE], const char *name)
{
    size_t size = strnlen(name, LODE_NAME_SIZE_MAX);
    memcpy(ret_name, name, size);
    ret_name[size] = '\0';
}

void handles_resolve(struct handles *handles, const char *name, char ret_name[HANDLES_NAME_SIZE])
{
    mutex_lock(&handles->lock);
    copy_name(ret_name, resolve(handles, name));
    mutex_unlock(&handles->lock);
}

static bool is_dropping(const struct handles *handles, const char *collection)
{
    const struct dropping *dropping = handles->dropping;
    while (dropping && strcmp(dropping->collection, collection) != 0)
        dropping = dropping->next;
    return dropping != NULL;
}

/* A new copy of the catalog; `changing` is held. */
static lode_status read_catalog(struct handles *handles, lode_error *error)
{
    lode_catalog *catalog = NULL;
    lode_status status = lode_catalog_list(handles->db, &catalog, error);
    if (status)
        return status;
    mutex_lock(&handles->lock);
    lode_catalog *before = handles->catalog;
    handles->catalog = catalog;
    mutex_unlock(&handles->lock);
    lode_catalog_free(before);
    return LODE_OK;
}

/* --- Taking -------------------------------------------------------------------------------------- */

static lode_status no_collection(const char *name, lode_error *error)
{
    return error_set(error, LODE_NOT_FOUND, "there is no index '%.128s'", name);
}

static lode_status take(struct handles *handles, const struct key *key, struct entry **ret_entry,
                        lode_error *error);

/* The filter is the key's own, not the client's: what is wrong with it is none of his business to mend, and must not let
 * him see more. */
static lode_status restrict_to(lode_collection *collection, const char *filter,
                               lode_collection **ret_collection, lode_error *error)
{
    lode_status status =
        lode_collection_restrict(collection, lode_filter_text(filter), ret_collection, error);
    if (status != LODE_INVALID && status != LODE_SCHEMA && status != LODE_LIMIT)
        return status;
    return error_set(error, LODE_UNSUPPORTED,
                     "the filter of the key cannot be applied to this index");
}

/* A handle of a part: the collection's own, then its namespace, then the filter. */
static lode_status open_part(struct handles *handles, const struct key *key,
                             lode_collection **ret_collection, lode_error *error)
{
    struct key whole = make_key(key->collection, NULL, NULL);
    struct entry *own = NULL;
    lode_collection *part = NULL, *collection = NULL;
    lode_status status = take(handles, &whole, &own, error);
    if (status)
        return status;
    collection = own->handle.collection;
    if (*key->namespace_) {
        status = lode_namespace_open(collection, key->namespace_, &part, error);
        collection = part;
    }
    if (status == LODE_OK && *key->filter) {
        status = restrict_to(collection, key->filter, ret_collection, error);
        lode_collection_close(part);
    } else if (status == LODE_OK) {
        *ret_collection = part;
    }
    handles_give(handles, &own->handle);
    return status;
}

/* The collection's own. The engine opens by alias too: what has become one since the name was resolved must not be entered
 * under that name, or it would keep its target open. No alias is made meanwhile. */
static lode_status open_own(struct handles *handles, const char *name,
                            lode_collection **ret_collection, lode_error *error)
{
    mutex_lock(&handles->changing);
    mutex_lock(&handles->lock);
    bool is_alias = resolve(handles, name) != name;
    mutex_unlock(&handles->lock);
    lode_status status =
        is_alias ? LODE_NOT_FOUND : lode_collection_open(handles->db, name, ret_collection, error);
    mutex_unlock(&handles->changing);
    return status;
}

static lode_status open_entry(struct handles *handles, const struct key *key,
                              struct entry **ret_entry, lode_error *error)
{
    lode_collection *collection = NULL;
    lode_status status = LODE_OK;
    if (*key->namespace_ || *key->filter)
        status = open_part(handles, key, &collection, error);
    else
        status = open_own(handles, key->collection, &collection, error);
    if (status)
        return status == LODE_NOT_FOUND ? no_collection(key->collection, error) : status;
    struct entry *entry = entry_new(key, error);
    if (!entry) {
        lode_collection_close(collection);
        return LODE_NOMEM;
    }
    entry_set(entry, collection);
    *ret_entry = entry;
    return LODE_OK;
}

/* Put one that was just opened into the table, unless another was there first, which is then the one to use; NULL: the
 * collection is being dropped. What is not needed is closed. */
static struct entry *keep(struct handles *handles, struct entry *opened)
{
    struct entry *unused = NULL, *entry = opened;
    struct key key = {opened->collection, opened->namespace_, opened->filter, opened->hash};
    mutex_lock(&handles->lock);
    if (is_dropping(handles, opened->collection)) {
        entry = NULL;
        unused = opened;
    } else if ((entry = find(handles, &key))) {
        use(handles, entry);
        unused = opened;
    } else {
        entry = opened;
        entry->uses = 1;
        insert(handles, entry);
    }
    mutex_unlock(&handles->lock);
    entry_free(unused);
    return entry;
}

static lode_status take(struct handles *handles, const struct key *key, struct entry **ret_entry,
                        lode_error *error)
{
    mutex_lock(&handles->lock);
    bool is_gone = is_dropping(handles, key->collection);
    struct entry *entry = is_gone ? NULL : find(handles, key);
    if (entry)
        use(handles, entry);
    handles->hits += entry != NULL;
    handles->misses += !entry && !is_gone;
    mutex_unlock(&handles->lock);
    if (is_gone)
        return no_collection(key->collection, error);
    if (!entry) {
        lode_status status = open_entry(handles, key, &entry, error);
        if (status)
            return status;
        entry = keep(handles, entry);
    }
    if (!entry)
        return no_collection(key->collection, error);
    *ret_entry = entry;
    return LODE_OK;
}

lode_status handles_take(struct handles *handles, const char *collection, const char *namespace_,
                         const struct principal *who, const struct handle **ret_handle,
                         lode_error *error)
{
    char name[HANDLES_NAME_SIZE];
    struct entry *entry = NULL;
    if (strlen(collection) > LODE_NAME_SIZE_MAX)
        return no_collection(collection, error);
    handles_resolve(handles, collection, name);
    struct key key = make_key(name, namespace_, who ? who->filter : NULL);
    lode_status status = take(handles, &key, &entry, error);
    if (status == LODE_OK)
        *ret_handle = &entry->handle;
    return status;
}

void handles_give(struct handles *handles, const struct handle *handle)
{
    struct entry *entry = (struct entry *)handle, *surplus = NULL;
    if (!handle)
        return;
    mutex_lock(&handles->lock);
    if (--entry->uses == 0) {
        if (is_part(entry))
            idle_add(handles, entry);
        if (handles->dropping)
            cond_broadcast(&handles->given);
        if (handles->idle_count > HANDLES_MAX) {
            surplus = handles->oldest;
            idle_remove(handles, surplus);
            remove_entry(handles, surplus);
        }
    }
    mutex_unlock(&handles->lock);
    entry_free(surplus);
}

bool handle_is_unwanted(const struct handle *handle)
{
    const struct entry *entry = (const struct entry *)handle;
    return atomic_load_explicit(&entry->is_unwanted, memory_order_relaxed);
}

lode_status handle_check_wanted(const struct handle *handle, lode_error *error)
{
    return handle_is_unwanted(handle) ? error_set(error, LODE_BUSY, "the index is being deleted")
                                      : LODE_OK;
}

void handles_counts(struct handles *handles, uint64_t *ret_hits, uint64_t *ret_misses)
{
    mutex_lock(&handles->lock);
    *ret_hits = handles->hits;
    *ret_misses = handles->misses;
    mutex_unlock(&handles->lock);
}

/* --- The catalog --------------------------------------------------------------------------------- */

lode_status handles_create(struct handles *handles, const char *collection,
                           const lode_schema *schema, lode_error *error)
{
    lode_collection *created = NULL;
    struct key key = make_key(collection, NULL, NULL);
    struct entry *entry = entry_new(&key, error);
    if (!entry)
        return LODE_NOMEM;
    mutex_lock(&handles->changing);
    lode_status status = lode_collection_create(handles->db, collection, schema, &created, error);
    mutex_unlock(&handles->changing);
    if (status) {
        entry_free(entry);
        return status;
    }
    entry_set(entry, created);
    entry = keep(handles, entry);
    if (entry) /* else it is being dropped already, which has closed it */
        handles_give(handles, &entry->handle);
    return LODE_OK;
}

lode_status handles_alias(struct handles *handles, const char *alias, const char *target,
                          lode_error *error)
{
    mutex_lock(&handles->changing);
    lode_status status = lode_alias_set(handles->db, alias, target, error);
    if (status == LODE_OK)
        status = read_catalog(handles, error);
    mutex_unlock(&handles->changing);
    return status;
}

/* Say to all of a collection's entries whether they should end; how many are in use. */
static size_t mark(struct handles *handles, const char *collection, bool is_unwanted)
{
    size_t used = 0;
    for (size_t i = 0; i < BUCKET_COUNT; i++)
        for (struct entry *entry = handles->buckets[i]; entry; entry = entry->next)
            if (strcmp(entry->collection, collection) == 0) {
                atomic_store_explicit(&entry->is_unwanted, is_unwanted, memory_order_relaxed);
                used += entry->uses > 0;
            }
    return used;
}

/* Take a collection's entries, which nobody uses, out of the table; a list by `next`. */
static struct entry *take_out(struct handles *handles, const char *collection)
{
    struct entry *list = NULL;
    for (size_t i = 0; i < BUCKET_COUNT; i++) {
        struct entry **at = &handles->buckets[i];
        while (*at) {
            struct entry *entry = *at;
            if (strcmp(entry->collection, collection) != 0) {
                at = &entry->next;
                continue;
            }
            *at = entry->next;
            if (is_part(entry))
                idle_remove(handles, entry);
            entry->next = list;
            list = entry;
        }
    }
    return list;
}

static void free_list(struct entry *list)
{
    while (list) {
        struct entry *next = list->next;
        entry_free(list);
        list = next;
    }
}

/* Wait until nobody uses the collection and close it; false: until_us has come before. */
static bool close_all(struct handles *handles, const char *collection, uint64_t until_us)
{
    mutex_lock(&handles->lock);
    uint64_t now_us = clock_us();
    while (mark(handles, collection, true) > 0 && now_us < until_us) {
        (void)cond_wait_us(&handles->given, &handles->lock, until_us - now_us);
        now_us = clock_us();
    }
    bool is_free = mark(handles, collection, true) == 0;
    struct entry *list = is_free ? take_out(handles, collection) : NULL;
    mutex_unlock(&handles->lock);
    free_list(list);
    return is_free;
}

/* Somebody may be opening it at this moment, who will find that it is being dropped and close it. */
static lode_status drop_closed(struct handles *handles, const char *collection, uint64_t until_us,
                               lode_error *error)
{
    lode_status status = LODE_OK;
    for (;;) {
        mutex_lock(&handles->changing);
        status = lode_collection_drop(handles->db, collection, error);
        if (status == LODE_OK && read_catalog(handles, NULL))
            status = LODE_OK; /* an alias of it that is still known leads to nothing */
        mutex_unlock(&handles->changing);
        if (status != LODE_BUSY || clock_us() >= until_us)
            return status;
        thread_sleep_us(10000);
    }
}

static bool dropping_begin(struct handles *handles, struct dropping *dropping)
{
    mutex_lock(&handles->lock);
    bool is_first = !is_dropping(handles, dropping->collection);
    if (is_first) {
        dropping->next = handles->dropping;
        handles->dropping = dropping;
    }
    mutex_unlock(&handles->lock);
    return is_first;
}

static void dropping_end(struct handles *handles, struct dropping *dropping)
{
    mutex_lock(&handles->lock);
    struct dropping **at = &handles->dropping;
    while (*at != dropping)
        at = &(*at)->next;
    *at = dropping->next;
    (void)mark(handles, dropping->collection, false);
    mutex_unlock(&handles->lock);
}

lode_status handles_drop(struct handles *handles, const char *collection, unsigned wait_ms,
                         lode_error *error)
{
    struct dropping dropping = {.collection = collection};
    uint64_t until_us = clock_us() + (uint64_t)wait_ms * 1000;
    if (!dropping_begin(handles, &dropping))
        return no_collection(collection, error);
    lode_status status =
        close_all(handles, collection, until_us)
            ? drop_closed(handles, collection, until_us, error)
            : error_set(error, LODE_BUSY, "index '%.128s' has been in use for %u ms", collection,
                        wait_ms);
    dropping_end(handles, &dropping);
    return status;
}

/* --- Life ---------------------------------------------------------------------------------------- */

lode_status handles_open_all(struct handles *handles, const struct handles_watch *watch,
                             lode_error *error)
{
    lode_catalog *catalog = NULL;
    lode_status status = lode_catalog_list(handles->db, &catalog, error);
    for (size_t i = 0; status == LODE_OK && i < catalog->entry_count; i++) {
        const struct handle *handle = NULL;
        lode_error why = {.status = LODE_OK};
        watch->progress(watch->context, i, catalog->entry_count);
        if (catalog->entries[i].target)
            continue;
        if (handles_take(handles, catalog->entries[i].name, NULL, NULL, &handle, &why))
            watch->failed(watch->context, catalog->entries[i].name, &why);
        else
            handles_give(handles, handle);
    }
    lode_catalog_free(catalog);
    return status;
}

lode_status handles_open(lode_db *db, struct handles **ret_handles, lode_error *error)
{
    struct handles *handles = calloc(1, sizeof *handles);
    if (!handles)
        return error_nomem(error, "the table of handles", sizeof *handles);
    handles->db = db;
    mutex_init(&handles->changing);
    mutex_init(&handles->lock);
    cond_init(&handles->given);
    lode_status status = read_catalog(handles, error);
    if (status) {
        handles_close(handles);
        return status;
    }
    *ret_handles = handles;
    return LODE_OK;
}

void handles_close(struct handles *handles)
{
    if (!handles)
        return;
    for (size_t i = 0; i < BUCKET_COUNT; i++)
        free_list(handles->buckets[i]);
    lode_catalog_free(handles->catalog);
    cond_release(&handles->given);
    mutex_release(&handles->lock);
    mutex_release(&handles->changing);
    free(handles);
}
