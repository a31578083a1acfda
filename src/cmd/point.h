/* point.h: a point or hit as JSON, and single members of its metadata. */
#ifndef CMD_POINT_H
#define CMD_POINT_H

#include "base/json.h"

/* The members "id", "score" (unless NULL) and "vector", of which the hit has some. */
void point_write_head(struct json_writer *json, const lode_hit *hit, uint32_t dim,
                      const float *score);
/* {"id", "score" (unless NULL), "vector", "metadata", "text"}: what the hit has. */
void point_write_json(struct json_writer *json, const lode_hit *hit, uint32_t dim,
                      const float *score);

/* The value of a top-level metadata member as text for people: strings unescaped, anything else as
 * JSON, nothing when it is absent or null. Appends to out. */
NODISCARD lode_status point_member(const lode_hit *hit, const char *name, struct buf *out,
                                   lode_error *error);

#endif
