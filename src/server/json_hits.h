/* json_hits.h: points of answers and exports as JSON:
 *     {"id": 7, "score": 0.93, "vector": [...], "metadata": {...}, "text": "...", "expires": 1790000000000, "version": 12}
 * Only what the hit has is written. */
#ifndef SERVER_JSON_HITS_H
#define SERVER_JSON_HITS_H

#include "base/json.h"

struct json_hit_options {
    uint32_t dim;
    int has_score;
    int is_base64;             /* vectors as base64 strings */
    const char *const *fields; /* of the metadata only these members; NULL: all of it */
    size_t field_count;
};

void json_hit_write(struct json_writer *json, const lode_hit *hit,
                    const struct json_hit_options *options);
/* The metadata alone: an object, or null. */
void json_hit_write_metadata(struct json_writer *json, const lode_hit *hit,
                             const struct json_hit_options *options);
/* Floats, little-endian, as one base64 string (RFC 4648, section 4, padded), in any number of pieces. */
struct json_base64 {
    uint8_t rest[3]; /* bytes that do not make four characters yet */
    size_t rest_size;
};
void json_write_base64_begin(struct json_writer *json);
void json_write_base64_more(struct json_writer *json, struct json_base64 *base64,
                            const float *values, size_t count);
void json_write_base64_end(struct json_writer *json, struct json_base64 *base64);

#endif
