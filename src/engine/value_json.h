/* value_json.h: a value of a field as JSON: a string in quotes, 1990, true, a moment in UTC. */
#ifndef ENGINE_VALUE_JSON_H
#define ENGINE_VALUE_JSON_H

#include "filter/value.h"

void value_json_write(struct json_writer *json, const struct value *value);

#endif
