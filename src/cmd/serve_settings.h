/* serve_settings.h: the settings of `lode serve`, from its command line, a file and the environment. */
#ifndef CMD_SERVE_SETTINGS_H
#define CMD_SERVE_SETTINGS_H

#include "cmd/args.h"
#include "server/config.h"

/* What the command line said. */
struct serve_words {
    const char *file; /* --config; NULL: none */
    int check_config, print_config;
    const char *texts[CONFIG_KEYS_MAX];      /* by key; NULL: not said */
    struct arg_texts lists[CONFIG_KEYS_MAX]; /* of keys that may be said several times */
};

/* 1 to go on; else it has been reported and *ret_exit is the exit code. */
int serve_parse(struct serve_words *words, int argc, char **argv, int *ret_exit);
/* Read the file and the environment (anew, for a reload) and put the command line on top. has_sockets: some were passed on,
 * so that nothing listens elsewhere unless that was said. config is to be released on an error too. */
NODISCARD lode_status serve_load(const struct serve_words *words, bool has_sockets,
                                 struct config *config, lode_error *error);

#endif
