/* config_strings.h: lists of texts that settings hold. */
#ifndef SERVER_CONFIG_STRINGS_H
#define SERVER_CONFIG_STRINGS_H

#include "server/config.h"

/* Append a copy. */
NODISCARD lode_status config_strings_add(struct config_strings *strings, const char *text,
                                         lode_error *error);
/* Append what stands between commas, without blanks around it; nothing for "". */
NODISCARD lode_status config_strings_cut(struct config_strings *strings, const char *text,
                                         lode_error *error);
void config_strings_release(struct config_strings *strings); /* empty afterwards */

#endif
