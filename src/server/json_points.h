/* json_points.h: points read from JSON, for writes of one call and for imports line by line:
 *     {"id": 7, "vector": [0.1, 0.2], "metadata": {...}, "text": "...", "expires": 1790000000000, "if": "absent"}
 * They gather as operations for lode_write. */
#ifndef SERVER_JSON_POINTS_H
#define SERVER_JSON_POINTS_H

#include "server/json_input.h"

enum json_points_mode {
    JSON_POINTS_OF_BODY, /* points borrow from the text, which must stay as long as they */
    JSON_POINTS_OF_LINES, /* they borrow nothing; and as in files of `lode export`, "expires_at" is "expires", and
                             "version" and "score" are passed over */
};

struct json_points {
    enum json_points_mode mode;
    uint32_t dim;       /* of all vectors; 0 until one tells */
    lode_write_op *ops; /* of kind LODE_WRITE_UPSERT */
    size_t count, capacity;
    size_t count_max;    /* points; 0: LODE_BATCH_MAX */
    struct arena *arena; /* of what they hold; the caller's */
};

/* dim 0: that of the first vector. */
void json_points_init(struct json_points *points, enum json_points_mode mode, uint32_t dim,
                      struct arena *arena);
void json_points_release(struct json_points *points);
/* No points any more; what they held stays in the arena. */
void json_points_clear(struct json_points *points);

/* The point that is all of text[0, size), appended. On an error nothing is, and ret_fault is filled. A point has an
 * id, and a vector or a text. LODE_INVALID, LODE_LIMIT, LODE_NOMEM. */
NODISCARD lode_status json_point_read(struct json_points *points, const char *text, size_t size,
                                      struct json_fault *ret_fault);
/* The point that comes next in input, whose arena is that of points; for json_input_array. */
NODISCARD lode_status json_points_read_next(struct json_input *input, void *points);
/* One more operation, zeroed, which counts from then on; NULL: no memory, or too many, and input has failed. */
lode_write_op *json_points_add(struct json_points *points, struct json_input *input);

#endif
