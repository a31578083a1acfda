/* ids.h: point ids as people and files write them.
 *
 *   in text (command line, CSV, --ids files): digits only → number; the 36-character form of a UUID
 *   → UUID; everything else → string.
 *   in JSON: an integer → number; a string in UUID form → UUID; any other string → string.
 *   ID_RULE_NUMBER, _UUID and _STRING force a kind. */
#ifndef CMD_IDS_H
#define CMD_IDS_H

#include "base/json.h"

enum id_rule { ID_RULE_AUTO = 0, ID_RULE_NUMBER, ID_RULE_UUID, ID_RULE_STRING };
extern const char *const id_rule_names[]; /* for --id-kind; ends with NULL */

/* What text[0, size) means. A string id borrows `text`. LODE_INVALID, LODE_LIMIT. */
NODISCARD lode_status id_parse(const char *text, size_t size, enum id_rule rule, lode_id *ret_id,
                               lode_error *error);
/* The id that json's last token (JSON_NUMBER or JSON_STRING, unescaped as text[0, size)) means. */
NODISCARD lode_status id_from_json(enum json_token token, const char *text, size_t size,
                                   enum id_rule rule, lode_id *ret_id, lode_error *error);

#define ID_UUID_TEXT_SIZE 36
void id_uuid_text(const uint8_t bytes[16], char text[ID_UUID_TEXT_SIZE]); /* no NUL */

/* Write as in text: what id_parse reads. Room for LODE_ID_SIZE_MAX + 1; returns the size. */
size_t id_write_text(const lode_id *id, char text[LODE_ID_SIZE_MAX + 1]);
void id_write_json(struct json_writer *json, const lode_id *id);

#endif
