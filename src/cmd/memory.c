/* memory.c: see memory.h. */
#include "cmd/memory.h"

#include "cmd/output.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

const char *memory_given;

/* What a unit multiplies by; 0: it is none. Takes what follows the number, whole. */
static uint64_t unit_of(const char *text)
{
    static const char units[] = "KMGT";
    const char *unit = *text ? strchr(units, toupper((unsigned char)*text)) : NULL;
    if (!unit)
        return *text == '\0' || strcmp(text, "B") == 0 ? 1 : 0;
    int is_binary = text[1] == 'i';
    const char *rest = text + 1 + is_binary;
    if (*rest != '\0' && strcmp(rest, "B") != 0)
        return 0;
    uint64_t factor = 1;
    for (const char *u = units; u <= unit; u++)
        factor *= is_binary ? 1024 : 1000;
    return factor;
}

int memory_parse(const char *text, uint64_t *ret_bytes)
{
    char *end;
    if (!isdigit((unsigned char)*text) || strspn(text, "0123456789") > 19)
        return 0;
    uint64_t number = strtoull(text, &end, 10), factor = unit_of(end);
    if (factor == 0 || number > UINT64_MAX / factor)
        return 0;
    *ret_bytes = number * factor;
    return 1;
}

int memory_apply(const char *command, const char *given)
{
    const char *name = given ? "--memory" : "LODE_MEMORY";
    const char *text = given ? given : getenv("LODE_MEMORY");
    lode_error error = {0};
    uint64_t bytes = 0;
    if (!text || (!given && *text == '\0'))
        return 0;
    if (!memory_parse(text, &bytes))
        return output_usage(command, "%s is '%s': it must be bytes, as 1500000000 or 2GiB", name,
                            text);
    if (lode_memory_budget_set(bytes, &error))
        return output_error(&error, CAUSE_ARGUMENTS);
    return 0;
}
