/* catalog.h: which collections and aliases a database has: the file `catalog` (docs/format/catalog.md).
 *
 * A catalog is a value: changes are made to a copy, which is saved and then takes the place of the
 * old one, so that a failed save changes nothing. The caller serialises (the database's mutex). */
#ifndef ENGINE_CATALOG_H
#define ENGINE_CATALOG_H

#include "os/vfs.h"

struct catalog_name {
    char *name;
    char *target; /* of an alias; NULL for a collection */
    uint64_t uid; /* of a collection: its directory is c-<uid, 16 hex digits>; 0 for an alias */
};

struct catalog {
    struct catalog_name *names; /* ordered by name (bytes) */
    size_t count;
    size_t capacity;         /* of names */
    uint64_t history;        /* whose numbers of batches these are; 0: given when it is opened */
    uint64_t log_keep_bytes; /* of logs whose batches are in segments, kept of each collection */
};

#define CATALOG_DIR_NAME_SIZE sizeof("c-0123456789abcdef")

void catalog_release(struct catalog *catalog);
NODISCARD lode_status catalog_copy(const struct catalog *from, struct catalog *ret_catalog,
                                   lode_error *error);
/* LODE_NOT_FOUND when there is no such file; LODE_CORRUPT, LODE_VERSION. */
NODISCARD lode_status catalog_load(struct vfs *vfs, const char *dir, struct catalog *ret_catalog,
                                   lode_error *error);
/* Replace the file; durable on return. On failure *ret_unknown is not 0 when the new file may have taken the
 * place of the old one: CATALOG_UNSYNCED, when it has and that could not be made durable. */
enum { CATALOG_UNKNOWN = 1, CATALOG_UNSYNCED = 2 };
NODISCARD lode_status catalog_save(struct vfs *vfs, const char *dir, const struct catalog *catalog,
                                   int *ret_unknown, lode_error *error);

/* NULL when there is none. */
const struct catalog_name *catalog_find(const struct catalog *catalog, const char *name);
/* The collection of that name or alias, or NULL. */
const struct catalog_name *catalog_resolve(const struct catalog *catalog, const char *name);
/* Add, or replace the entry of that name. target NULL: a collection. */
NODISCARD lode_status catalog_put(struct catalog *catalog, const char *name, const char *target,
                                  uint64_t uid, lode_error *error);
void catalog_remove(struct catalog *catalog, const char *name);
void catalog_remove_aliases(struct catalog *catalog, const char *target);

void catalog_dir_name(uint64_t uid, char name[CATALOG_DIR_NAME_SIZE]);
/* Whether a name is that of a collection's directory; *ret_uid then. */
int catalog_parse_dir_name(const char *name, uint64_t *ret_uid);
/* Check a name a caller gave for `what` ("name", "alias"). LODE_INVALID, LODE_LIMIT. */
NODISCARD lode_status catalog_check_name(const char *what, const char *name, lode_error *error);

/* A copy in the form of the public interface; free with free(). */
NODISCARD lode_status catalog_publish(const struct catalog *catalog, lode_catalog **ret_catalog,
                                      lode_error *error);

#endif
