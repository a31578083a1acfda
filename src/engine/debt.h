/* debt.h: writers keep to the pace of merges: without that segments pile up, each of which every search walks, and
 * dead rows with them. See docs/decisions/0105. */
#ifndef ENGINE_DEBT_H
#define ENGINE_DEBT_H

#include <stddef.h>
#include <stdint.h>

struct collection;

/* Whether merges are so far behind that they give way to nobody. */
int debt_is_high(const struct collection *collection);
/* How long a batch of so many rows waits, at so much a row of a merge (0: unknown): a pure function. */
uint64_t debt_us(size_t debt, size_t rows, double merge_us_a_row);
/* Before a batch of so many rows: sleep, the longer the farther merges are behind. Hold no lock. */
void debt_wait(struct collection *collection, size_t rows);

#endif
