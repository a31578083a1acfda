/* names.c: file names to and from numbers. Parsing formats again and compares, so that only names this
 * code could have written are taken for its own. */
#include "storage/names.h"

#include "os/vfs.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const struct {
    enum name_kind kind;
    const char *before;
    const char *after; /* of the number */
} patterns[] = {
    {NAME_MANIFEST, "manifest-", ""},   {NAME_LOG, "wal-", ".log"},
    {NAME_VECTORS, "seg-", ".vectors"}, {NAME_IDS, "seg-", ".ids"},
    {NAME_DOCS, "seg-", ".docs"},       {NAME_GRAPH, "seg-", ".graph"},
    {NAME_LIVE, "seg-", ".del-"},       {NAME_TEXT_MODEL, "text-model-", ""},
    {NAME_SNAPSHOT, "snapshot-", ""},   {NAME_COLUMNS, "seg-", ".columns"},
};

#define PATTERN_COUNT (sizeof patterns / sizeof patterns[0])

const char *name_format(struct name name, char *text)
{
    text[0] = '\0';
    for (size_t i = 0; i < PATTERN_COUNT; i++) {
        if (patterns[i].kind != name.kind)
            continue;
        int size = snprintf(text, NAME_TEXT_MAX, "%s%" PRIu64 "%s", patterns[i].before, name.number,
                            patterns[i].after);
        if (name.kind == NAME_LIVE)
            snprintf(text + size, NAME_TEXT_MAX - (size_t)size, "%" PRIu64, name.generation);
    }
    return text;
}

/* The digits that *text begins with; moves *text behind them. Overflow wraps: comparing finds it. */
static uint64_t take_number(const char **text)
{
    uint64_t number = 0;
    for (; **text >= '0' && **text <= '9'; ++*text)
        number = number * 10 + (uint64_t)(**text - '0');
    return number;
}

static int ends_with(const char *text, const char *end)
{
    size_t size = strlen(text), end_size = strlen(end);
    return size > end_size && strcmp(text + size - end_size, end) == 0;
}

struct name name_parse(const char *text)
{
    char again[NAME_TEXT_MAX];
    for (size_t i = 0; i < PATTERN_COUNT; i++) {
        size_t before = strlen(patterns[i].before), after = strlen(patterns[i].after);
        if (strncmp(text, patterns[i].before, before) != 0)
            continue;
        const char *rest = text + before;
        struct name name = {.kind = patterns[i].kind, .number = take_number(&rest)};
        if (strncmp(rest, patterns[i].after, after) != 0)
            continue;
        rest += after;
        if (name.kind == NAME_LIVE)
            name.generation = take_number(&rest);
        if (strcmp(name_format(name, again), text) == 0)
            return name;
    }
    return (struct name){.kind = ends_with(text, ".tmp") ? NAME_TEMPORARY : NAME_OTHER};
}

lode_status name_path(char path[], const char *dir, struct name name, lode_error *error)
{
    char text[NAME_TEXT_MAX];
    return vfs_join(path, dir, name_format(name, text), error);
}
