/* names.h: the files of a collection's directory, by name. Decimal numbers without leading zeros. */
#ifndef STORAGE_NAMES_H
#define STORAGE_NAMES_H

#include "base/error.h"
#include "base/limits.h"

enum name_kind {
    NAME_OTHER = 0, /* not ours: never touched */
    NAME_MANIFEST,  /* manifest-<number> */
    NAME_LOG,       /* wal-<number>.log */
    NAME_VECTORS,   /* seg-<number>.vectors */
    NAME_IDS,
    NAME_DOCS,
    NAME_GRAPH,
    NAME_LIVE,       /* seg-<number>.del-<generation> */
    NAME_TEXT_MODEL, /* text-model-<number> */
    NAME_SNAPSHOT,   /* snapshot-<number> */
    NAME_TEMPORARY,  /* <anything>.tmp */
    NAME_KEYS,       /* keys: of the database; in inventories alone */
    NAME_COLUMNS,    /* seg-<number>.columns */
};

struct name {
    enum name_kind kind;
    uint64_t number;
    uint64_t generation;
};

#define NAME_TEXT_MAX 64

struct name name_parse(const char *text);
/* Writes text[NAME_TEXT_MAX]; not for NAME_OTHER and NAME_TEMPORARY. Returns text. */
const char *name_format(struct name name, char *text);
/* The same below a directory, into path[PATH_SIZE_MAX]. */
NODISCARD lode_status name_path(char path[], const char *dir, struct name name, lode_error *error);

#endif
