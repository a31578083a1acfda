/* schema_json.h: what an index is, as JSON:
 *     {"dim": 768, "metric": "cosine", "scalar": "f32",
 *      "index": {"type": "hnsw", "m": 16, "ef_construction": 200, "layout": "fast"}, "fields": {"year": "integer"}}
 * and the names of everything that statistics speak of. */
#ifndef SERVER_SCHEMA_JSON_H
#define SERVER_SCHEMA_JSON_H

#include "server/json_input.h"

/* What was read; fields are in the arena of the input. */
struct schema_body {
    lode_schema schema;
    lode_field *fields;
    size_t field_count;
    /* What was said at all: bits of enum schema_member. */
    uint64_t given, index_given;
};

enum schema_member { SCHEMA_DIM, SCHEMA_METRIC, SCHEMA_SCALAR, SCHEMA_INDEX, SCHEMA_FIELDS };
enum index_member { INDEX_TYPE, INDEX_M, INDEX_EF_CONSTRUCTION, INDEX_LAYOUT, INDEX_SEED };

extern const struct json_members schema_members; /* into a struct schema_body */

/* The members of an object that has been begun. */
void schema_write(struct json_writer *json, const lode_schema *schema);
/* Name of the first member that the body says and that is another in the schema; NULL: none is. */
const char *schema_difference(const struct schema_body *body, const lode_schema *schema);

/* Whether the schema declares just these fields, in whatever order. */
bool schema_has_fields(const lode_schema *schema, const lode_field *fields, size_t count);

void json_write_count(struct json_writer *json, const char *key, uint64_t value);

#endif
