/* config_keys.h: the one table of what can be set. Files, environment, flags, defaults, --print-config and the tables of
 * docs/server-config.md are all made from it, or checked against it. */
#ifndef SERVER_CONFIG_KEYS_H
#define SERVER_CONFIG_KEYS_H

#include "server/config.h"

#define CONFIG_ITEMS_MAX 16u /* values of one key */

enum config_kind {
    CONFIG_TEXT,    /* char *; "" is NULL                                         */
    CONFIG_TEXTS,   /* struct config_strings                                      */
    CONFIG_CHOICE,  /* char *, one of `choices`                                   */
    CONFIG_CHOICES, /* struct config_strings, each one of `choices`               */
    CONFIG_YES,     /* bool                                                       */
    CONFIG_NO,      /* bool that is true when the key says no                     */
    CONFIG_UNSIGNED,
    CONFIG_COUNT, /* uint64_t                                                   */
    CONFIG_BYTES, /* uint64_t; "16MiB"                                          */
    CONFIG_MS,    /* uint64_t milliseconds; "250ms"                             */
    CONFIG_S,     /* uint64_t seconds; "5m"                                     */
    CONFIG_SHARE, /* double within [0, 1]                                       */
};

struct config_key {
    const char *path; /* "http.read-threads" */
    enum config_kind kind;
    size_t offset;        /* of its field in struct config */
    const char *fallback; /* the default, as a flag would give it; "": none */
    const char *help;     /* one or two sentences */
    uint64_t min, max;    /* of numbers, sizes and times, in the unit of the field */
    const char *const *choices;
    const char *flag;     /* a short name of the flag, without dashes; or NULL */
    const char *variable; /* another name in the environment, that all commands share; or NULL */
    const char *computed; /* what the default is, in words, when other keys decide it; or NULL */
};

/* In the order of files and documentation; keys of a section stand together. */
const struct config_key *config_keys(size_t *ret_count);
/* Its place in the table; SIZE_MAX: there is no such key. */
size_t config_key_find(const char *path);
enum config_origin config_key_origin(const struct config *config, const char *path);

#define CONFIG_VARIABLE_MAX 96
/* "LODE_HTTP_READ_THREADS" */
void config_key_variable(const struct config_key *key, char name[CONFIG_VARIABLE_MAX]);

/* For a message about a name that no key, or no variable, has: "; did you mean 'http'?", or "" when none is like it. */
#define CONFIG_HINT_MAX (CONFIG_VARIABLE_MAX + 24)
void config_hint(const char *name, bool is_variable, char hint[CONFIG_HINT_MAX]);

/* Set key number `i` to what a text says: several values, separated by commas, where the key takes several. */
NODISCARD lode_status config_put(struct config *config, size_t i, const char *text,
                                 enum config_origin origin, lode_error *error);
/* The same from values that stand apart already; count 1 where the key takes one. */
NODISCARD lode_status config_put_all(struct config *config, size_t i, const char *const *texts,
                                     size_t count, enum config_origin origin, lode_error *error);
/* Check that the number of key `i` lies within its range; others are always right. */
NODISCARD lode_status config_check_range(const struct config *config, size_t i, lode_error *error);
/* Append the value of key `i` as config_put takes it. */
NODISCARD lode_status config_format(const struct config *config, size_t i, struct buf *out,
                                    lode_error *error);
/* What a key takes, in words: "a whole number from 1 to 256". */
#define CONFIG_WANTED_MAX 160
void config_wanted(const struct config_key *key, char text[CONFIG_WANTED_MAX]);

/* Texts to numbers and back. 1: read; 0: malformed or too large. */
int config_parse_ms(const char *text, uint64_t *ret_ms);
int config_parse_bytes(const char *text, uint64_t *ret_bytes);
#define CONFIG_AMOUNT_MAX 32
void config_ms_text(uint64_t ms, char text[CONFIG_AMOUNT_MAX]);
void config_bytes_text(uint64_t bytes, char text[CONFIG_AMOUNT_MAX]);

#endif
