/* memory.c: see memory.h. */
#include "cmd/memory.h"

#include "cmd/output.h"
#include "server/config_keys.h"

#include <stdlib.h>

const char *memory_given;

int memory_apply(const char *command, const char *given)
{
    const char *name = given ? "--memory" : "LODE_MEMORY";
    const char *text = given ? given : getenv("LODE_MEMORY");
    lode_error error = {0};
    uint64_t bytes = 0;
    if (!text || (!given && *text == '\0'))
        return 0;
    if (!config_parse_bytes(text, &bytes))
        return output_usage(command, "%s is '%s': it must be bytes, as 1500000000 or 2GiB", name,
                            text);
    if (lode_memory_budget_set(bytes, &error))
        return output_error(&error, CAUSE_ARGUMENTS);
    return 0;
}
