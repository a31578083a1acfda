/* engine_kit.h: what tests of the engine need again and again: databases on a file system in memory or on
 * disk, points made from numbers, and a naive collection to compare with. */
#ifndef TESTS_SUPPORT_ENGINE_KIT_H
#define TESTS_SUPPORT_ENGINE_KIT_H

#include "engine/db.h"
#include "support/key_kit.h"
#include "support/storage_kit.h"
#include "support/temp_dir.h"
#include "support/vfs_memory.h"

/* A database. vfs NULL: real files and threads; otherwise jobs run at once, on the caller's thread.
 * growing_bytes: below what the public options allow, so that small tests have several segments; 0: the
 * default. */
lode_db *engine_open(struct vfs *vfs, const char *path, const lode_db_options *options,
                     uint64_t growing_bytes);
/* The same with a clock. */
lode_db *engine_open_at(struct vfs *vfs, const char *path, const lode_db_options *options,
                        uint64_t growing_bytes, const struct clock *clock);
void engine_close(lode_db *db); /* and its executor */
/* As vfs_memory_crash and _kill; but what is open may still be closed and writes nothing any more, as is right for the
 * dead: not even to files that it makes. Until engine_live, after closing. Takes the place of a fault. */
void engine_crash(struct vfs *vfs);
void engine_kill(struct vfs *vfs);
void engine_live(struct vfs *vfs);
/* Verify a database that is closed; fails the test at the first finding. */
void engine_verify(struct vfs *vfs, const char *path);

lode_collection *engine_create(lode_db *db, const char *name, lode_schema schema);
lode_collection *engine_collection(lode_db *db, const char *name); /* open by name */

/* The id of point n: numbers, texts and UUIDs in turn. */
struct engine_id {
    lode_id id;
    char text[24];
};
const lode_id *engine_id(unsigned n, struct engine_id *ret_id);

/* The vector of a value: small integers, never all zero; of few different ones there are many. */
void engine_vector(unsigned value, size_t dim, float *vector);

/* A naive collection: the value of each id, or ENGINE_NONE. A point of value v has engine_vector(v) and the
 * document of v: the metadata {"v":v,"group":v%7} (none when v%11 is 0) and, when v is even, the text
 * "text v". A patch leaves it the vector of one value and gives it the document of another. */
#define ENGINE_NONE (-1)
#define ENGINE_IDS  512
struct model {
    lode_metric metric;
    size_t dim;
    int values[ENGINE_IDS];
    int documents[ENGINE_IDS];
    uint64_t versions[ENGINE_IDS];
    uint64_t expiries[ENGINE_IDS]; /* 0: never */
    uint64_t sequence;             /* batches so far */
    int any_version;               /* versions are not compared: others wrote in between */
};
void model_init(struct model *model, const lode_schema *schema);
size_t model_count(const struct model *model);

struct model_op {
    unsigned id;
    int value; /* ENGINE_NONE: delete */
    int patch; /* 1: the document of `value`, if there is such a point, in one of the modes */
    uint64_t expires_at_ms; /* as in lode_point */
    int condition;          /* 1: one of the conditions that hold; 2: one of those that do not */
};
/* Write the operations as one batch, to both when it succeeds. LODE_CONFLICT, to neither, is expected
 * when one has a condition that does not hold, and is then returned as LODE_OK. */
lode_status model_write(struct model *model, lode_collection *collection,
                        const struct model_op *ops, size_t count, lode_error *error);
/* A batch for each id from `first` on: value + id, or ENGINE_NONE; fails the test. */
void model_write_range(struct model *model, lode_collection *collection, unsigned first,
                       unsigned count, int value);
/* model_write with a level of acknowledgement. */
lode_status model_write_ack(struct model *model, lode_collection *collection,
                            const struct model_op *ops, size_t count, lode_ack ack,
                            lode_error *error);
/* The same with options, of a request id that is new. */
lode_status model_write_with(struct model *model, lode_collection *collection,
                             const struct model_op *ops, size_t count,
                             const lode_write_options *options, lode_error *error);
void model_apply(struct model *model, const struct model_op *ops, size_t count);

/* What has expired by then is gone. */
void model_expire(struct model *model, uint64_t now_ms);

/* Compare everything that can be read with the model; fails the test. snapshot may be NULL. */
void model_check_points(const struct model *model, lode_collection *collection,
                        const lode_snapshot *snapshot);
/* One exact search; `strict`: distances are exact integers, so that the hits must be the very same. */
void model_check_search(const struct model *model, lode_collection *collection,
                        const lode_snapshot *snapshot, unsigned value, size_t k, int strict);

#endif
