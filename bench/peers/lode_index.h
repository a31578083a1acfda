/* lode_index.h: the index of a database's one segment, for C++: the engine without the engine around it.
 *
 * The database must have been compacted, hold one collection of points whose ids are numbers, and be at
 * rest. Its lock is not taken: another handle, in this process too, may have it open. */
#ifndef BENCH_LODE_INDEX_H
#define BENCH_LODE_INDEX_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct lode_index_file;

/* NULL, and why in `message`, when it cannot be. */
struct lode_index_file *lode_index_open(const char *database, char *message, size_t message_size);
void lode_index_close(struct lode_index_file *file); /* NULL is allowed */
/* ids: room for k; -1 where there are fewer. k at most 100. Any failure ends the program. */
void lode_index_search(const struct lode_index_file *file, const float *query, size_t k,
                       uint32_t ef, int64_t *ids);

/* The number of each row, and how many rows there are. */
const uint64_t *lode_index_numbers(const struct lode_index_file *file, uint32_t *ret_count);

struct lode_index_found {
    size_t hits;
    uint64_t distances, hops;
    int plan, first, reason; /* enum index_plan, enum index_reason */
};

/* Among the rows of a bitset alone, `allowed_count` of them. `plan`: an enum index_plan to begin with. */
struct lode_index_found lode_index_search_allowed(const struct lode_index_file *file,
                                                  const float *query, size_t k, uint32_t ef,
                                                  const uint64_t *allowed, uint32_t allowed_count,
                                                  int plan, int64_t *ids);
size_t lode_index_memory(const struct lode_index_file *file); /* owned, mapped bytes not counted */

#ifdef __cplusplus
}
#endif

#endif
