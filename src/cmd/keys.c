/* keys.c: see keys.h. What the command line names comes before what the environment does. */
#include "cmd/keys.h"

#include "cmd/output.h"

#include <stdlib.h>
#include <unistd.h>

#define FILE_VARIABLE    "LODE_KEY_FILE"
#define COMMAND_VARIABLE "LODE_KEY_COMMAND"

const char *keys_file, *keys_command;

static const char *environment(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

const lode_key_source *keys_given(void)
{
    static lode_key_source source;
    source = (lode_key_source){.file = keys_file, .command = keys_command};
    if (!source.file && !source.command)
        source = (lode_key_source){.file = environment(FILE_VARIABLE),
                                   .command = environment(COMMAND_VARIABLE)};
    return source.file || source.command ? &source : NULL;
}

int keys_file_missing(void)
{
    const lode_key_source *source = keys_given();
    return source && source->file && access(source->file, F_OK) != 0;
}

int keys_check(const char *command)
{
    const lode_key_source *source = keys_given();
    if (!source || !source->file || !source->command)
        return EXIT_OK;
    if (keys_file)
        return output_usage(command, "--key-file and --key-command exclude one another");
    return output_usage(command, FILE_VARIABLE " and " COMMAND_VARIABLE
                                               " are both set: unset one, or say --key-file");
}
