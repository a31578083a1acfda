/* config_hint.c: the setting that was meant by a name that no setting has. */
#include "base/nearest.h"
#include "server/config_keys.h"

#include <stdio.h>
#include <string.h>

#define NAMES_MAX (2 * CONFIG_KEYS_MAX) /* keys, and the sections that they are in */

struct names {
    char texts[NAMES_MAX][CONFIG_VARIABLE_MAX];
    const char *list[NAMES_MAX + 1];
    size_t count;
};

static char *add(struct names *names)
{
    char *text = names->texts[names->count];
    names->list[names->count++] = text;
    names->list[names->count] = NULL;
    return text;
}

static void add_paths(struct names *names)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    const char *section = "";
    for (size_t i = 0; i < count; i++) {
        const char *path = keys[i].path, *dot = strrchr(path, '.');
        snprintf(add(names), CONFIG_VARIABLE_MAX, "%s", path);
        size_t size = dot ? (size_t)(dot - path) : 0;
        if (size && (strncmp(section, path, size) != 0 || section[size]))
            section = strncpy(add(names), path, size);
    }
}

static void add_variables(struct names *names)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    for (size_t i = 0; i < count; i++)
        config_key_variable(&keys[i], add(names));
}

void config_hint(const char *name, bool is_variable, char hint[CONFIG_HINT_MAX])
{
    struct names names = {.count = 0};
    if (is_variable)
        add_variables(&names);
    else
        add_paths(&names);
    const char *nearest = nearest_word(name, names.list);
    hint[0] = '\0';
    if (nearest &&
        strcmp(nearest, name) != 0) /* of a key in the wrong place there is nothing to correct */
        snprintf(hint, CONFIG_HINT_MAX, "; did you mean '%s'?", nearest);
}
