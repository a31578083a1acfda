/* regex_parse.c: from an expression's text to its tree, by recursive descent; only groups recur. */
#include "filter/regex_program.h"

#include <string.h>

#include "base/hex.h"
#include "base/utf8.h"

#define CHARACTER_MAX 0x10ffffu
#define RANGES_MAX    256 /* of one set */

struct parser {
    struct arena *arena;
    const char *text;
    const char *p;
    const char *end;
    int dot_is_all; /* (?s) */
    unsigned depth;
    lode_status status;
    lode_error *error;
};

/* Ranges being gathered. */
struct ranges {
    struct regex_range items[RANGES_MAX];
    size_t count;
};

static const struct regex_node *parse_alternatives(struct parser *parser);

static const struct regex_node *fault_at(struct parser *parser, const char *at, const char *what)
{
    if (!parser->status)
        parser->status = error_set(parser->error, LODE_INVALID, "regex, at its byte %zu: %s",
                                   (size_t)(at - parser->text), what);
    return NULL;
}

static struct regex_node *node_new(struct parser *parser, enum regex_kind kind)
{
    struct regex_node *node = arena_alloc_zero(parser->arena, sizeof *node);
    if (!node && !parser->status)
        parser->status = error_nomem(parser->error, "a regex", sizeof *node);
    if (node)
        node->kind = kind;
    return node;
}

static const struct regex_node *pair_new(struct parser *parser, enum regex_kind kind,
                                         const struct regex_node *left,
                                         const struct regex_node *right)
{
    struct regex_node *node = left && right ? node_new(parser, kind) : NULL;
    if (node) {
        node->left = left;
        node->right = right;
    }
    return node;
}

/* --- Sets --------------------------------------------------------------------------------------- */

static void ranges_add(struct parser *parser, struct ranges *ranges, uint32_t low, uint32_t high)
{
    if (ranges->count == RANGES_MAX)
        fault_at(parser, parser->p, "a set of more than 256 ranges");
    else
        ranges->items[ranges->count++] = (struct regex_range){low, high};
}

/* What \d, \w and \s mean; their complements for the upper-case letters. 0: c is none of them. */
static int add_class(struct parser *parser, struct ranges *ranges, char c)
{
    static const struct regex_range digits[] = {{'0', '9'}};
    static const struct regex_range words[] = {{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}};
    static const struct regex_range spaces[] = {{'\t', '\r'}, {' ', ' '}};
    char lower = (char)(c | 0x20);
    const struct regex_range *from = lower == 'd' ? digits : lower == 'w' ? words : spaces;
    size_t count = lower == 'd' ? 1 : lower == 'w' ? 4 : 2;
    if (lower != 'd' && lower != 'w' && lower != 's')
        return 0;
    uint32_t next = 0;
    for (size_t i = 0; i < count; i++) {
        if (c == lower)
            ranges_add(parser, ranges, from[i].low, from[i].high);
        else if (from[i].low > next)
            ranges_add(parser, ranges, next, from[i].low - 1);
        next = from[i].high + 1;
    }
    if (c != lower)
        ranges_add(parser, ranges, next, CHARACTER_MAX);
    return 1;
}

static const struct regex_node *set_new(struct parser *parser, const struct ranges *ranges,
                                        int negated)
{
    struct regex_node *node = parser->status ? NULL : node_new(parser, REGEX_SET);
    size_t size = ranges->count * sizeof *ranges->items;
    char *copy = node ? arena_copy(parser->arena, ranges->items, size) : NULL;
    if (!copy) {
        if (!parser->status)
            parser->status = error_nomem(parser->error, "a regex", size);
        return NULL;
    }
    node->set.ranges = (const struct regex_range *)(const void *)copy;
    node->set.count = ranges->count;
    node->set.negated = negated;
    return node;
}

static const struct regex_node *character_new(struct parser *parser, uint32_t c)
{
    struct ranges ranges = {.count = 1, .items[0] = {c, c}};
    return set_new(parser, &ranges, 0);
}

/* Behind \x: two digits, or any number of them in braces. */
static uint32_t parse_hex(struct parser *parser)
{
    const char *begin = parser->p;
    int braces = parser->p < parser->end && *parser->p == '{';
    uint32_t value = 0;
    size_t count = 0;
    parser->p += braces;
    for (; parser->p < parser->end && (braces || count < 2); parser->p++, count++) {
        int digit = hex_value(*parser->p);
        if (digit < 0)
            break;
        value = value * 16 + (uint32_t)digit;
        if (value > CHARACTER_MAX)
            break;
    }
    int closed = !braces || (parser->p < parser->end && *parser->p == '}');
    if (!closed || count == 0 || (!braces && count < 2) || value > CHARACTER_MAX)
        fault_at(parser, begin, "expected two hexadecimal digits, or some in braces");
    parser->p += braces && closed;
    return value;
}

/* Behind a backslash: the character that an escape stands for. */
static uint32_t parse_escaped_character(struct parser *parser)
{
    static const char letters[] = "t\tn\nr\rf\fv\v";
    const char *begin = parser->p;
    if (parser->p == parser->end) {
        fault_at(parser, begin, "a backslash at the end");
        return 0;
    }
    uint32_t c;
    parser->p += utf8_step(parser->p, parser->end, &c);
    if (c == 'x')
        return parse_hex(parser);
    for (const char *pair = letters; *pair; pair += 2)
        if (c == (unsigned char)pair[0])
            return (unsigned char)pair[1];
    if (c >= '1' && c <= '9')
        fault_at(parser, begin,
                 "back references are not supported: they cannot be matched in linear time");
    else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '0')
        fault_at(parser, begin, "unknown escape");
    return c;
}

/* One character of a set. */
static uint32_t parse_set_character(struct parser *parser)
{
    if (*parser->p == '\\') {
        parser->p++;
        return parse_escaped_character(parser);
    }
    uint32_t c;
    parser->p += utf8_step(parser->p, parser->end, &c);
    return c;
}

static void parse_set_item(struct parser *parser, struct ranges *ranges)
{
    const char *begin = parser->p;
    if (*begin == '\\' && parser->end - begin >= 2 && add_class(parser, ranges, begin[1])) {
        parser->p += 2;
        return;
    }
    if (*begin == '[' && parser->end - begin >= 2 && begin[1] == ':') {
        fault_at(parser, begin, "[:classes:] are not supported");
        return;
    }
    uint32_t low = parse_set_character(parser), high = low;
    if (parser->end - parser->p >= 2 && *parser->p == '-' && parser->p[1] != ']') {
        parser->p++;
        high = parse_set_character(parser);
    }
    if (high < low)
        fault_at(parser, begin, "a range that ends before it begins");
    ranges_add(parser, ranges, low, high);
}

/* Behind '['. */
static const struct regex_node *parse_set(struct parser *parser)
{
    const char *begin = parser->p - 1;
    struct ranges ranges = {.count = 0};
    int negated = parser->p < parser->end && *parser->p == '^';
    parser->p += negated;
    for (int first = 1; !parser->status && parser->p < parser->end; first = 0) {
        if (*parser->p == ']' && !first) {
            parser->p++;
            return set_new(parser, &ranges, negated);
        }
        parse_set_item(parser, &ranges);
    }
    return fault_at(parser, begin, "a set without its ']'");
}

/* --- Expressions -------------------------------------------------------------------------------- */

/* Behind '('. */
static const struct regex_node *parse_group(struct parser *parser)
{
    const char *begin = parser->p - 1;
    if (parser->depth == REGEX_DEPTH_MAX)
        return fault_at(parser, begin, "groups nested more than 50 deep");
    if (parser->p < parser->end && *parser->p == '?') {
        if (parser->end - parser->p < 2 || parser->p[1] != ':')
            return fault_at(parser, begin,
                            "of groups with '?' only (?:...) is supported, and (?i) and (?s) at "
                            "the beginning");
        parser->p += 2;
    }
    parser->depth++;
    const struct regex_node *node = parse_alternatives(parser);
    parser->depth--;
    if (!parser->status && (parser->p == parser->end || *parser->p != ')'))
        return fault_at(parser, begin, "a group without its ')'");
    parser->p++;
    return node;
}

/* Behind a backslash, outside sets. */
static const struct regex_node *parse_escape(struct parser *parser)
{
    struct ranges ranges = {.count = 0};
    char c = parser->p < parser->end ? *parser->p : 0;
    if (c == 'b' || c == 'B') {
        parser->p++;
        return node_new(parser, c == 'b' ? REGEX_WORD : REGEX_NOT_WORD);
    }
    if (add_class(parser, &ranges, c)) {
        parser->p++;
        return set_new(parser, &ranges, 0);
    }
    uint32_t character = parse_escaped_character(parser);
    return character_new(parser, character);
}

static const struct regex_node *parse_dot(struct parser *parser)
{
    struct ranges ranges = {.count = 1, .items[0] = {'\n', '\n'}};
    if (parser->dot_is_all)
        ranges.count = 0;
    return set_new(parser, &ranges, 1);
}

static const struct regex_node *parse_atom(struct parser *parser)
{
    const char *begin = parser->p;
    uint32_t c;
    parser->p += utf8_step(parser->p, parser->end, &c);
    switch (c) {
    case '(': return parse_group(parser);
    case '[': return parse_set(parser);
    case '.': return parse_dot(parser);
    case '^': return node_new(parser, REGEX_BEGIN);
    case '$': return node_new(parser, REGEX_END);
    case '\\': return parse_escape(parser);
    case '*':
    case '+':
    case '?':
    case '{': return fault_at(parser, begin, "nothing to repeat (escape it with a backslash)");
    default: return character_new(parser, c);
    }
}

/* Digits at p, or REGEX_NO_END when there are none. */
static uint32_t parse_count(struct parser *parser)
{
    const char *begin = parser->p;
    uint32_t value = 0;
    while (parser->p < parser->end && *parser->p >= '0' && *parser->p <= '9') {
        value = value * 10 + (uint32_t)(*parser->p++ - '0');
        if (value > REGEX_REPEAT_MAX) {
            fault_at(parser, begin, "a repeat of more than 1000");
            break;
        }
    }
    return parser->p == begin ? REGEX_NO_END : value;
}

/* Behind '{'. */
static void parse_braces(struct parser *parser, uint32_t *least, uint32_t *most)
{
    const char *begin = parser->p - 1;
    *least = *most = parse_count(parser);
    if (parser->p < parser->end && *parser->p == ',') {
        parser->p++;
        *most = parse_count(parser);
    }
    if (*least == REGEX_NO_END || parser->p == parser->end || *parser->p != '}')
        fault_at(parser, begin, "a repeat is {m}, {m,} or {m,n}");
    else if (*most < *least)
        fault_at(parser, begin, "a repeat that ends before it begins");
    parser->p++;
}

/* Reads the repeats behind an atom, if any. */
static const struct regex_node *parse_repeats(struct parser *parser, const struct regex_node *node)
{
    for (unsigned count = 0; node && !parser->status && parser->p < parser->end; count++) {
        uint32_t least = 0, most = REGEX_NO_END;
        char c = *parser->p;
        if (c != '*' && c != '+' && c != '?' && c != '{')
            break;
        if (count == REGEX_DEPTH_MAX)
            return fault_at(parser, parser->p, "more than 50 repeats of repeats");
        parser->p++;
        if (c == '+')
            least = 1;
        else if (c == '?')
            most = 1;
        else if (c == '{')
            parse_braces(parser, &least, &most);
        if (parser->p < parser->end && *parser->p == '?') /* lazy: the same answer */
            parser->p++;
        struct regex_node *repeat = parser->status ? NULL : node_new(parser, REGEX_REPEAT);
        if (repeat) {
            repeat->left = node;
            repeat->least = least;
            repeat->most = most;
        }
        node = repeat;
    }
    return node;
}

static const struct regex_node *parse_sequence(struct parser *parser)
{
    const struct regex_node *all = NULL;
    while (!parser->status && parser->p < parser->end && *parser->p != '|' && *parser->p != ')') {
        const struct regex_node *next = parse_repeats(parser, parse_atom(parser));
        all = all ? pair_new(parser, REGEX_CAT, all, next) : next;
    }
    return all || parser->status ? all : node_new(parser, REGEX_EMPTY);
}

static const struct regex_node *parse_alternatives(struct parser *parser)
{
    const struct regex_node *all = parse_sequence(parser);
    while (!parser->status && parser->p < parser->end && *parser->p == '|') {
        parser->p++;
        all = pair_new(parser, REGEX_ALT, all, parse_sequence(parser));
    }
    return all;
}

/* (?i), (?s), (?is) at the beginning. */
static void parse_flags(struct parser *parser, int *ret_fold)
{
    const char *p = parser->p;
    int fold = 0, all = 0;
    if (parser->end - p < 4 || memcmp(p, "(?", 2) != 0)
        return;
    for (p += 2; p < parser->end && (*p == 'i' || *p == 's'); p++) {
        fold |= *p == 'i';
        all |= *p == 's';
    }
    if (p == parser->end || *p != ')' || !(fold || all))
        return;
    parser->p = p + 1;
    parser->dot_is_all = all;
    *ret_fold = fold;
}

lode_status regex_parse(struct arena *arena, const char *text, size_t size,
                        struct regex_tree *ret_tree, lode_error *error)
{
    if (size > REGEX_SIZE_MAX)
        return error_set(error, LODE_LIMIT, "regex of %zu bytes: at most %d", size, REGEX_SIZE_MAX);
    struct parser parser = {
        .arena = arena, .text = text, .p = text, .end = text + size, .error = error};
    struct regex_tree tree = {NULL, 0};
    parse_flags(&parser, &tree.fold);
    tree.root = parse_alternatives(&parser);
    if (!parser.status && parser.p < parser.end)
        fault_at(&parser, parser.p, "a ')' without its '('");
    if (!parser.status)
        *ret_tree = tree;
    return parser.status;
}
