/* filter.h: the tree that a filter is, whichever way it was written: built from C (below), read from text
 * or from JSON (syntax.h).
 *
 * What the nodes mean is in docs/filters.md, and in matches.c, plainly. Logic has two values: a condition on
 * a field that a document does not have is false, and NOT makes it true.
 *
 * A tree is immutable and lives in the arena it was made in, with all it refers to. Its strings are UTF-8. */
#ifndef FILTER_FILTER_H
#define FILTER_FILTER_H

#include "filter/geo.h"
#include "filter/path.h"
#include "filter/value.h"

#define FILTER_SIZE_MAX   16777216 /* bytes of a filter as text or JSON */
#define FILTER_DEPTH_MAX  20 /* levels of a tree: as JSON it nests at most JSON_DEPTH_MAX deep */
#define FILTER_NODES_MAX  100000  /* bounds what a document's test costs */
#define FILTER_VALUES_MAX 1000000 /* of one list */
#define FILTER_WORDS_SIZE_MAX                                                                      \
    1024 /* bytes of a match or phrase: each word is sought in each value */

enum filter_kind {
    FILTER_TRUE,
    FILTER_FALSE,
    FILTER_AND,      /* group: two or more */
    FILTER_OR,       /* group: two or more */
    FILTER_NOT,      /* group: one */
    FILTER_AT_LEAST, /* group: group.least of them */
    FILTER_NESTED, /* path, group: one element of the path alone satisfies the one filter, whose paths
                        begin there */
    FILTER_IN,     /* path, list: some value is in the list; = when it has one */
    FILTER_ALL,    /* path, list: each of the list is among the values */
    FILTER_RANGE,   /* path, range: some value is within */
    FILTER_EXISTS,  /* path: the document has it, if only as null or [] */
    FILTER_NULL,    /* path: some value is null */
    FILTER_PREFIX,  /* path, pattern: some string begins with it */
    FILTER_GLOB,    /* path, pattern: some string matches it, whole (glob.h) */
    FILTER_REGEX,   /* path, pattern: some part of some string matches it (regex.h) */
    FILTER_MATCH,   /* path, pattern: some string has all its words (base/words.h) */
    FILTER_PHRASE,  /* path, pattern: some string has its words, one behind the other */
    FILTER_CIRCLE,  /* path, circle: some point is within */
    FILTER_BOX,     /* path, box */
    FILTER_POLYGON, /* path, polygon */
    FILTER_ID,      /* ids: the point's id is one of them */
};

#define FILTER_NO_OFFSET UINT32_MAX

struct regex;

struct filter {
    enum filter_kind kind;
    uint32_t offset;     /* of its first byte where it was read from; FILTER_NO_OFFSET */
    uint32_t node_count; /* itself included */
    uint32_t depth;      /* 1 for a leaf */
    const struct path *path;
    enum field_type type; /* of the path, once bound (bind.h); FIELD_UNKNOWN before */
    int many;             /* bound: a document may have several values */
    union {
        struct {
            const struct filter *const *items;
            uint32_t count;
            uint32_t least; /* FILTER_AT_LEAST: 1 to count */
        } group;
        struct {
            const struct value *values; /* bound: ascending, no two equal */
            size_t count;
        } list;
        struct {
            struct value low, high;
            uint8_t has_low, has_high;   /* one at least */
            uint8_t low_open, high_open; /* 1: the bound itself is outside */
        } range;
        struct {
            const char *text;
            size_t size;
            const struct regex *regex; /* bound FILTER_REGEX */
        } pattern;
        struct geo_circle circle;
        struct geo_box box;
        struct geo_polygon polygon;
        struct {
            const lode_id *ids; /* bound: ascending, no two equal */
            size_t count;
        } id;
    };
};

/* What every function below takes: where the tree lives, and the offset to note in the node. */
struct filter_maker {
    struct arena *arena;
    uint32_t offset; /* FILTER_NO_OFFSET */
    lode_error *error;
};

/* Each makes one node. Paths and filters are shared; values, ids, texts and points are copied. Errors:
 * LODE_INVALID (values that mean nothing, named), LODE_LIMIT, LODE_NOMEM. */
NODISCARD lode_status filter_constant(const struct filter_maker *maker, int truth,
                                      const struct filter **ret_filter);
/* Of none: true for FILTER_AND, false for FILTER_OR. Of one: that one itself. */
NODISCARD lode_status filter_group(const struct filter_maker *maker, enum filter_kind and_or_or,
                                   const struct filter *const *items, size_t count,
                                   const struct filter **ret_filter);
NODISCARD lode_status filter_not(const struct filter_maker *maker, const struct filter *item,
                                 const struct filter **ret_filter);
/* least: 1 to count. */
NODISCARD lode_status filter_at_least(const struct filter_maker *maker, size_t least,
                                      const struct filter *const *items, size_t count,
                                      const struct filter **ret_filter);
NODISCARD lode_status filter_nested(const struct filter_maker *maker, const struct path *path,
                                    const struct filter *item, const struct filter **ret_filter);
/* kind: FILTER_IN or FILTER_ALL. */
NODISCARD lode_status filter_list(const struct filter_maker *maker, enum filter_kind kind,
                                  const struct path *path, const struct value *values, size_t count,
                                  const struct filter **ret_filter);
/* low, high: NULL for none; one at least. */
struct filter_bounds {
    const struct value *low, *high;
    int low_open, high_open;
};
NODISCARD lode_status filter_range(const struct filter_maker *maker, const struct path *path,
                                   const struct filter_bounds *bounds,
                                   const struct filter **ret_filter);
/* kind: FILTER_EXISTS or FILTER_NULL. */
NODISCARD lode_status filter_presence(const struct filter_maker *maker, enum filter_kind kind,
                                      const struct path *path, const struct filter **ret_filter);
/* kind: FILTER_PREFIX, _GLOB, _REGEX, _MATCH or _PHRASE. */
NODISCARD lode_status filter_pattern(const struct filter_maker *maker, enum filter_kind kind,
                                     const struct path *path, const char *text, size_t size,
                                     const struct filter **ret_filter);
NODISCARD lode_status filter_circle(const struct filter_maker *maker, const struct path *path,
                                    const struct geo_circle *circle,
                                    const struct filter **ret_filter);
NODISCARD lode_status filter_box(const struct filter_maker *maker, const struct path *path,
                                 const struct geo_box *box, const struct filter **ret_filter);
/* rings: made by geo_ring_make in the same arena; the outer one first. */
NODISCARD lode_status filter_polygon(const struct filter_maker *maker, const struct path *path,
                                     const struct geo_ring *rings, size_t count,
                                     const struct filter **ret_filter);
NODISCARD lode_status filter_id(const struct filter_maker *maker, const lode_id *ids, size_t count,
                                const struct filter **ret_filter);

/* <0, 0, >0: an order by path, kind and content. 0: they say the same in the same way, wherever they were
 * read from. */
int filter_compare(const struct filter *a, const struct filter *b);

/* Append an item to a list being gathered, whose size_max is a limit of its count; LODE_LIMIT says more than how
 * many of what. */
NODISCARD lode_status filter_push(struct buf *list, const void *item, size_t item_size,
                                  const char *what, lode_error *error);

/* Ascending, no two equal; where 1 and 1.0 are, one of them stays. Returns how many are left. */
size_t values_sort(struct value *values, size_t count);
size_t ids_sort(lode_id *ids, size_t count);

/* For error messages: "=", "in", "prefix" and so on. Static. */
const char *filter_kind_name(enum filter_kind kind);

#endif
