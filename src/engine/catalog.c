/* catalog.c: the names in memory. */
#include "engine/catalog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

static void name_release(struct catalog_name *name)
{
    free(name->name);
    free(name->target);
}

void catalog_release(struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->count; i++)
        name_release(&catalog->names[i]);
    free(catalog->names);
    *catalog = (struct catalog){0};
}

/* Where `name` is, or where it would go. */
static size_t position(const struct catalog *catalog, const char *name)
{
    size_t low = 0, high = catalog->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (strcmp(catalog->names[middle].name, name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int is_at(const struct catalog *catalog, size_t at, const char *name)
{
    return at < catalog->count && strcmp(catalog->names[at].name, name) == 0;
}

const struct catalog_name *catalog_find(const struct catalog *catalog, const char *name)
{
    size_t at = position(catalog, name);
    return is_at(catalog, at, name) ? &catalog->names[at] : NULL;
}

const struct catalog_name *catalog_resolve(const struct catalog *catalog, const char *name)
{
    const struct catalog_name *found = catalog_find(catalog, name);
    return found && found->target ? catalog_find(catalog, found->target) : found;
}

static lode_status name_make(const char *name, const char *target, uint64_t uid,
                             struct catalog_name *ret_name, lode_error *error)
{
    struct catalog_name made = {.name = strdup(name), .uid = uid};
    if (target)
        made.target = strdup(target);
    if (!made.name || (target && !made.target)) {
        name_release(&made);
        return error_nomem(error, "a name of the catalog", strlen(name));
    }
    *ret_name = made;
    return LODE_OK;
}

/* Doubling, or filling a catalog name by name would copy it as often. */
static lode_status make_room(struct catalog *catalog, lode_error *error)
{
    if (catalog->count < catalog->capacity)
        return LODE_OK;
    size_t capacity = 2 * catalog->capacity + 1;
    struct catalog_name *names = realloc(catalog->names, capacity * sizeof *names);
    if (!names)
        return error_nomem(error, "the catalog", capacity * sizeof *names);
    catalog->names = names;
    catalog->capacity = capacity;
    return LODE_OK;
}

/* Make a gap for one more name at `at`. */
static lode_status open_gap(struct catalog *catalog, size_t at, lode_error *error)
{
    if (catalog->count >= COLLECTIONS_MAX)
        return error_set(error, LODE_LIMIT, "%zu collections and aliases: at most %d",
                         catalog->count + 1, COLLECTIONS_MAX);
    lode_status status = make_room(catalog, error);
    if (status)
        return status;
    struct catalog_name *names = catalog->names;
    memmove(names + at + 1, names + at, (catalog->count - at) * sizeof *names);
    catalog->count++;
    return LODE_OK;
}

lode_status catalog_put(struct catalog *catalog, const char *name, const char *target, uint64_t uid,
                        lode_error *error)
{
    struct catalog_name made;
    lode_status status = name_make(name, target, uid, &made, error);
    if (status)
        return status;
    size_t at = position(catalog, name);
    if (is_at(catalog, at, name))
        name_release(&catalog->names[at]);
    else
        status = open_gap(catalog, at, error);
    if (status)
        name_release(&made);
    else
        catalog->names[at] = made;
    return status;
}

static void remove_at(struct catalog *catalog, size_t at)
{
    name_release(&catalog->names[at]);
    catalog->count--;
    memmove(catalog->names + at, catalog->names + at + 1,
            (catalog->count - at) * sizeof *catalog->names);
}

void catalog_remove(struct catalog *catalog, const char *name)
{
    size_t at = position(catalog, name);
    if (is_at(catalog, at, name))
        remove_at(catalog, at);
}

void catalog_remove_aliases(struct catalog *catalog, const char *target)
{
    for (size_t i = catalog->count; i-- > 0;)
        if (catalog->names[i].target && strcmp(catalog->names[i].target, target) == 0)
            remove_at(catalog, i);
}

lode_status catalog_copy(const struct catalog *from, struct catalog *ret_catalog, lode_error *error)
{
    struct catalog copy = {.names = calloc(from->count + 1, sizeof *from->names),
                           .capacity = from->count + 1,
                           .history = from->history,
                           .log_keep_bytes = from->log_keep_bytes};
    if (!copy.names)
        return error_nomem(error, "the catalog", (from->count + 1) * sizeof *from->names);
    for (; copy.count < from->count; copy.count++) {
        const struct catalog_name *name = &from->names[copy.count];
        lode_status status =
            name_make(name->name, name->target, name->uid, &copy.names[copy.count], error);
        if (status) {
            catalog_release(&copy);
            return status;
        }
    }
    *ret_catalog = copy;
    return LODE_OK;
}

void catalog_dir_name(uint64_t uid, char name[CATALOG_DIR_NAME_SIZE])
{
    snprintf(name, CATALOG_DIR_NAME_SIZE, "c-%016llx", (unsigned long long)uid);
}

int catalog_parse_dir_name(const char *name, uint64_t *ret_uid)
{
    if (strlen(name) != CATALOG_DIR_NAME_SIZE - 1 || strncmp(name, "c-", 2) != 0)
        return 0;
    if (strspn(name + 2, "0123456789abcdef") != CATALOG_DIR_NAME_SIZE - 3)
        return 0;
    *ret_uid = strtoull(name + 2, NULL, 16);
    return 1;
}

lode_status catalog_check_name(const char *what, const char *name, lode_error *error)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                  "0123456789._-";
    size_t size = strlen(name);
    if (size == 0)
        return error_set(error, LODE_INVALID, "%s is empty", what);
    if (size > LODE_NAME_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "%s of %zu bytes: at most %d", what, size,
                         LODE_NAME_SIZE_MAX);
    if (name[0] == '.')
        return error_set(error, LODE_INVALID, "%s '%s' begins with '.'", what, name);
    size_t good = strspn(name, allowed);
    if (good < size)
        return error_set(error, LODE_INVALID,
                         "%s: byte %zu is 0x%02x; allowed are A-Z a-z 0-9 . _ -", what, good,
                         (unsigned)(unsigned char)name[good]);
    return LODE_OK;
}

static size_t text_size(const char *text)
{
    return text ? strlen(text) + 1 : 0;
}

/* Copy text to *end, which moves behind it. */
static const char *publish_text(const char *text, char **end)
{
    if (!text)
        return NULL;
    char *copy = memcpy(*end, text, text_size(text));
    *end += text_size(text);
    return copy;
}

lode_status catalog_publish(const struct catalog *catalog, lode_catalog **ret_catalog,
                            lode_error *error)
{
    size_t size = sizeof(lode_catalog) + catalog->count * sizeof(lode_catalog_entry);
    for (size_t i = 0; i < catalog->count; i++)
        size += text_size(catalog->names[i].name) + text_size(catalog->names[i].target);
    lode_catalog *published = malloc(size);
    if (!published)
        return error_nomem(error, "a list of collections", size);
    lode_catalog_entry *entries = (lode_catalog_entry *)(published + 1);
    char *end = (char *)(entries + catalog->count);
    for (size_t i = 0; i < catalog->count; i++) {
        entries[i].name = publish_text(catalog->names[i].name, &end);
        entries[i].target = publish_text(catalog->names[i].target, &end);
    }
    *published = (lode_catalog){.entries = entries, .entry_count = catalog->count};
    *ret_catalog = published;
    return LODE_OK;
}
