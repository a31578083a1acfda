/* regex_program.h: what regex_parse.c and regex.c have between them: the tree of an expression, and the
 * program it becomes. */
#ifndef FILTER_REGEX_PROGRAM_H
#define FILTER_REGEX_PROGRAM_H

#include "filter/regex.h"

struct regex_range {
    uint32_t low, high;
};

struct regex_set {
    const struct regex_range *ranges;
    size_t count;
    int negated;
};

enum regex_kind {
    REGEX_EMPTY,
    REGEX_SET,
    REGEX_BEGIN,
    REGEX_END,
    REGEX_WORD,     /* \b */
    REGEX_NOT_WORD, /* \B */
    REGEX_CAT,
    REGEX_ALT,
    REGEX_REPEAT,
};

#define REGEX_NO_END UINT32_MAX /* of a repeat */

struct regex_node {
    enum regex_kind kind;
    struct regex_set set;           /* REGEX_SET */
    const struct regex_node *left;  /* REGEX_CAT, _ALT, _REPEAT */
    const struct regex_node *right; /* REGEX_CAT, _ALT */
    uint32_t least, most;           /* REGEX_REPEAT */
};

struct regex_tree {
    const struct regex_node *root;
    int fold; /* (?i) */
};

NODISCARD lode_status regex_parse(struct arena *arena, const char *text, size_t size,
                                  struct regex_tree *ret_tree, lode_error *error);

#endif
