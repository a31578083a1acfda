/* path.h: which member of a document: "genre", "studio.name", "cast.name".
 *
 * A path is names joined by dots. A name that holds a dot or a backtick, or is empty, stands in
 * backticks, a backtick in it doubled: `a.b`.c is the member c of the member whose name is a.b.
 * Arrays on the way are passed through: cast.name is the name of each element of cast. */
#ifndef FILTER_PATH_H
#define FILTER_PATH_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/limits.h"

#define PATH_PARTS_MAX      JSON_DEPTH_MAX /* names of one path: documents nest no deeper */
#define FIELD_PATH_SIZE_MAX 1024           /* bytes of a path, written out */

struct path_part {
    const char *text;
    size_t size;
};

struct path {
    const struct path_part *parts;
    size_t part_count;
    const char *text; /* canonical: in backticks only what must be; NUL-terminated */
    size_t size;
};

/* Copies the names. LODE_LIMIT, LODE_INVALID (no names), LODE_NOMEM. */
NODISCARD lode_status path_make(struct arena *arena, const struct path_part *parts, size_t count,
                                const struct path **ret_path, lode_error *error);
/* Read a path as it is written in JSON filters and schemas. UTF-8 is the caller's to check. */
NODISCARD lode_status path_parse(struct arena *arena, const char *text, size_t size,
                                 const struct path **ret_path, lode_error *error);
/* a.b and c.d give a.b.c.d. */
NODISCARD lode_status path_join(struct arena *arena, const struct path *outer,
                                const struct path *inner, const struct path **ret_path,
                                lode_error *error);

/* Append one name, in backticks when `quoted` or when it must be. */
NODISCARD lode_status path_append_part(struct buf *out, const char *text, size_t size, int quoted,
                                       lode_error *error);

#endif
