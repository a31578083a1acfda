/* mixed_kit.h: a collection of points with metadata of all types, and what it should hold, through writes, flushes,
 * merges, crashes and damaged columns: for tests of what filters points and reads them in order, by groups and at random. */
#ifndef TESTS_SUPPORT_MIXED_KIT_H
#define TESTS_SUPPORT_MIXED_KIT_H

#include "engine/collection.h"
#include "support/engine_kit.h"
#include "support/filter_kit.h"

enum { MIXED_DIM = 2, MIXED_IDS = 400, MIXED_VALUES_MAX = 16 };

struct mixed {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *collection;
    struct rng rng;
    char *documents[MIXED_IDS]; /* NULL: no such point; never empty: {} */
    size_t sizes[MIXED_IDS];
    int values[MIXED_IDS]; /* of engine_vector */
    unsigned step; /* mixed_upsert and mixed_delete touch ids that are multiples of it; 0: all */
};

/* Documents are those of kit_document and, besides: n (integers, mostly different), exact (floats: integers that no
 * double is, doubles beside them), long (strings alike in more bytes than columns keep, and short ones), escaped
 * (strings written with backslashes, in arrays). */
extern const char *const mixed_fields[]; /* that have an order; ends with NULL */

void mixed_begin(struct mixed *mixed, uint64_t seed);
void mixed_end(struct mixed *mixed);
void mixed_reopen(struct mixed *mixed);
void mixed_crash(struct mixed *mixed); /* and open it again */
/* The halves of mixed_reopen, without the point that has all fields. */
void mixed_close(struct mixed *mixed);
void mixed_open(struct mixed *mixed);

void mixed_upsert(struct mixed *mixed, unsigned count); /* so many, of random ids */
void mixed_delete(struct mixed *mixed, unsigned count);
/* What point i should be from now on; document NULL: there is none. The collection is left as it is. */
void mixed_put(struct mixed *mixed, unsigned i, const char *document, size_t size, int value);
/* One of: upserts, deletes, flush, compaction, reopening, a crash. */
void mixed_step(struct mixed *mixed);
/* Flip a bit of the columns of each sealed segment, while the database is closed. */
void mixed_damage_columns(struct mixed *mixed, uint64_t seed);

/* MIXED_MANY points in two sealed segments whose columns are of several blocks: point i has the id i, the name
 * "name <i, five digits>" and 50 bytes more, and few: i % 7. Then engine_close and so on. */
enum { MIXED_MANY = 6000 };
lode_collection *mixed_many(struct vfs *vfs, lode_db **ret_db);
/* Flip a bit in that block of the columns of its first segment, or in the last but one: the directory, in the last,
 * stays sound. Closed. 0: there is no such block. */
int mixed_many_damage(struct vfs *vfs, const char *dir, unsigned block);

/* The number of an id that was written. */
unsigned mixed_number(const lode_id *id);
/* Whether a filter matches what point i should be. */
int mixed_matches(const struct mixed *mixed, const struct filter *bound, unsigned i);
/* Read and bound to what the collection knows of fields, in the arena; NULL: none. */
const struct filter *mixed_filter(const struct mixed *mixed, struct arena *arena, const char *text);
/* The values that point i should have of a field, found by splitting the path at its dots; strings are in the
 * arena. Returns how many. */
size_t mixed_values(const struct mixed *mixed, unsigned i, const char *field, struct arena *arena,
                    struct value values[MIXED_VALUES_MAX]);

#endif
