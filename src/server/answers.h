/* answers.h: points in answers, as objects or, compactly, by columns:
 *     {"hits": [{"id": 7, "score": 0.93, "metadata": {...}}, ...]}
 *     {"ids": [7, ...], "scores": [0.93, ...], "metadata": [{...}, ...], "vectors": "base64 of all of them"}
 * Written straight into the answer. */
#ifndef SERVER_ANSWERS_H
#define SERVER_ANSWERS_H

#include "server/json_asked.h"
#include "server/json_hits.h"

#define ANSWER_FLOATS_MAX (16u << 20)  /* of vectors in one answer: 64 MiB of them in memory */
#define ANSWER_POINTS_MAX (256u << 10) /* of all queries of one call */

struct answer_form {
    unsigned with;
    struct json_names fields; /* items NULL: all of the metadata */
    uint32_t dim;
    int has_score;
    int is_compact;
};

/* Whether so many points may be asked for in this form; else the call has failed. */
bool answer_fits(struct call *call, uint64_t points, const struct answer_form *form);
/* Members of an object that has been begun: `name` with the points or, compactly, the columns. */
void answer_points(struct json_writer *json, const char *name, const lode_hit *hits,
                   size_t hit_count, const struct answer_form *form);
/* One point. */
void answer_point(struct json_writer *json, const lode_hit *hit, const struct answer_form *form);
/* Have the call remember, for audit and metrics, what a write has done. */
void answer_write_done(struct call *call, const lode_write_info *info);
/* That, and the whole answer. */
void answer_write(struct call *call, const lode_write_info *info);

#endif
