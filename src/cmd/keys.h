/* keys.h: the key that a command is to use: --key-file, --key-command, or the environment. */
#ifndef CMD_KEYS_H
#define CMD_KEYS_H

#include <lode/lode.h>

extern const char *keys_file, *keys_command; /* as given; set by args_parse */

/* Where the key comes from, or NULL when there is none. Valid until the next args_parse. */
const lode_key_source *keys_given(void);
/* Whether it names a key file that is not there. */
int keys_file_missing(void);
/* After parsing: EXIT_OK, or the exit code of wrong use when two places are named. */
int keys_check(const char *command);

#endif
