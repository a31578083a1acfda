/* fetch.h: turning rows into what the caller gets: ids, vectors, metadata and texts, copied. */
#ifndef QUERY_FETCH_H
#define QUERY_FETCH_H

#include "base/arena.h"
#include "query/execute.h"

/* Fill *ret_hit from one row; everything it points at is in the arena. score is set to 0.
 * with: LODE_WITH_... LODE_CORRUPT when the segment's files are damaged, LODE_NOMEM. */
NODISCARD lode_status fetch_hit(const struct segment_view *view, uint32_t row, unsigned with,
                                struct arena *arena, lode_hit *ret_hit, lode_error *error);

/* An empty result with room for so many hits; fill result_hits() and set hit_count. */
NODISCARD lode_status result_new(size_t hits_max, lode_result **ret_result, lode_error *error);
lode_hit *result_hits(lode_result *result);
struct arena *result_arena(lode_result *result);
void result_free(lode_result *result); /* NULL is allowed */

/* A result of these hits, in their order, scored. stop: may be NULL. */
NODISCARD lode_status fetch_result(const struct query_hit *hits, size_t hit_count, unsigned with,
                                   const lode_stop *stop, lode_result **ret_result,
                                   lode_error *error);

#define FETCHES_BETWEEN_LOOKS 32u /* at the caller's wish */

#endif
