/* sample_database.c: see sample_database.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "engine/backup.h"
#include "support/engine_kit.h"
#include "support/key_kit.h"
#include "support/sample_database.h"

#define BEGIN_US ((uint64_t)1700000000000000)
#define LATER_MS ((uint64_t)32503680000000) /* the year 3000 */

const char *const sample_collections[] = {"compact", "fast", "films", "flat", "links", NULL};

enum { COMPACT, FAST, FILMS, FLAT, LINKS };

enum { QUANTISED_ROWS = 280 }; /* of these a graph is a quantised one */

static lode_error error;

static const lode_field fields[] = {{"genre", LODE_FIELD_KEYWORD}, {"year", LODE_FIELD_INTEGER}};

/* Every stored type, every metric, both indexes, both layouts and both kinds of graph. */
static const lode_schema schemas[] = {
    [COMPACT] = {.dim = 20,
                 .metric = LODE_METRIC_L2,
                 .scalar = LODE_SCALAR_INT8,
                 .layout = LODE_LAYOUT_COMPACT,
                 .m = 4,
                 .ef_construction = 100,
                 .seed = 7},
    [FAST] = {.dim = 20, .m = 4, .ef_construction = 100, .scalar = LODE_SCALAR_F16},
    [FLAT] = {.dim = 3,
              .metric = LODE_METRIC_IP,
              .scalar = LODE_SCALAR_BF16,
              .index = LODE_INDEX_FLAT},
    [FILMS] = {.dim = 4,
               .metric = LODE_METRIC_COSINE,
               .m = 4,
               .ef_construction = 16,
               .fields = fields,
               .field_count = 2},
    [LINKS] = {.dim = 5,
               .metric = LODE_METRIC_IP,
               .scalar = LODE_SCALAR_F16,
               .layout = LODE_LAYOUT_COMPACT,
               .m = 2,
               .ef_construction = 10,
               .seed = 3},
};

static uint64_t tell_time(void *context)
{
    return *(uint64_t *)context += 1000;
}

/* --- Points ------------------------------------------------------------------------------------ */

struct made {
    struct engine_id id;
    float vector[32];
    char metadata[64];
    char text[64];
};

/* Of many different ones, since a graph is quantised only where codes tell neighbours apart. */
static void spread_vector(unsigned value, uint32_t dim, float *vector)
{
    struct rng rng;
    rng_init(&rng, value);
    for (uint32_t i = 0; i < dim; i++)
        vector[i] = (float)(int)(64 * rng_normal(&rng)) / 64.0f;
}

static lode_write_op make_upsert(unsigned id, int value, uint32_t dim, struct made *made)
{
    static const char *const words[] = {"ship", "sea", "forest", "deer", "captain", "hunter"};
    static const char *const genres[] = {"war", "love", "\xc3\xa9t\xc3\xa9"};
    unsigned v = (unsigned)value;
    lode_write_op op = {.kind = LODE_WRITE_UPSERT, .point = {.id = *engine_id(id, &made->id)}};
    if (dim == 20)
        spread_vector(v, dim, made->vector);
    else
        engine_vector(v, dim, made->vector);
    op.point.vector = made->vector;
    if (v % 4) {
        op.point.metadata = made->metadata;
        op.point.metadata_size =
            (size_t)snprintf(made->metadata, sizeof made->metadata,
                             "{\"genre\":\"%s\",\"year\":%d}", genres[v % 3], 1900 + value);
    }
    if (v % 3) {
        op.point.text = made->text;
        op.point.text_size = (size_t)snprintf(made->text, sizeof made->text, "the %s of the %s",
                                              words[v % 6], words[v / 6 % 6]);
    }
    if (v % 5 == 0)
        op.point.expires_at_ms = LATER_MS + v;
    return op;
}

/* Points first, first + step, ... of values from `value` on, as one batch. */
static void write_points(lode_collection *collection, unsigned first, unsigned count, int value,
                         const char *request_id)
{
    lode_write_op ops[64];
    static struct made made[64];
    uint32_t dim = lode_collection_schema(collection)->dim;
    lode_write_options options = {.request_id = request_id,
                                  .request_id_size = request_id ? strlen(request_id) : 0};
    for (unsigned i = 0; i < count; i++)
        ops[i] = make_upsert(first + i, value + (int)i, dim, &made[i]);
    assert_ok(lode_write(collection, ops, count, &options, NULL, &error));
}

static void delete_points(lode_collection *collection, unsigned first, unsigned count)
{
    lode_id ids[64];
    struct engine_id made[64];
    for (unsigned i = 0; i < count; i++)
        ids[i] = *engine_id(first + i, &made[i]);
    assert_ok(lode_delete(collection, ids, count, NULL, &error));
}

static void patch_point(lode_collection *collection, unsigned id)
{
    struct engine_id made;
    static const char metadata[] = "{\"year\":2001}";
    lode_write_op op = {.kind = LODE_WRITE_PATCH,
                        .point = {.id = *engine_id(id, &made),
                                  .metadata = metadata,
                                  .metadata_size = sizeof metadata - 1,
                                  .expires_at_ms = LATER_MS}};
    assert_ok(lode_write(collection, &op, 1, NULL, NULL, &error));
}

static void train(lode_collection *collection)
{
    static const char *const texts[] = {
        "a ship sails on the sea",      "the sea is deep and blue",  "a captain commands the ship",
        "the forest is deep and green", "a deer runs in the forest", "the hunter follows the deer",
        "a captain follows the sea",    "the ship is blue",          "the deer is in the green"};
    lode_text given[sizeof texts / sizeof texts[0]];
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        given[i] = (lode_text){texts[i], strlen(texts[i])};
    assert_ok(lode_text_model_train(collection, given, sizeof texts / sizeof texts[0], NULL, NULL,
                                    &error));
}

/* --- The database ------------------------------------------------------------------------------ */

/* Two segments, the first with a graph and dead rows; a named snapshot with a segment of its own; a log. */
static void fill(lode_collection *collection, unsigned rows)
{
    write_points(collection, 0, 40, 1, "first");
    for (unsigned i = 100; i < 60 + rows; i += 40)
        write_points(collection, i, 40, (int)i, NULL);
    assert_ok(lode_compact(collection, NULL, &error));
    delete_points(collection, 3, 5);
    write_points(collection, 10, 6, 100, NULL);
    assert_ok(lode_flush(collection, NULL, &error));
    write_points(collection, 60, 3, 200, "second");
    patch_point(collection, 20);
    assert_ok(lode_snapshot_create(collection, "monday", &error));
    write_points(collection, 0, 2, 300, NULL);
    delete_points(collection, 61, 1);
}

static lode_status open_at(struct vfs *vfs, const char *path, const lode_db_options *options,
                           struct executor **ret_executor, lode_db **ret_db, lode_error *ret_error)
{
    static uint64_t time_us;
    static struct clock clock = {tell_time, tell_time, &time_us};
    struct db_env env = {.vfs = vfs, .clock = &clock};
    time_us = BEGIN_US;
    assert_ok(executor_inline_new(&env.executor, &error));
    lode_status status = db_open(path, options, &env, ret_db, ret_error);
    if (status) {
        executor_free(env.executor);
        return status;
    }
    (*ret_db)->index_rows_min = (*ret_db)->overlay_rows_min = 16;
    *ret_executor = env.executor;
    return LODE_OK;
}

lode_status sample_secret_open(struct vfs *vfs, const char *path, const lode_key_source *key,
                               struct executor **ret_executor, lode_db **ret_db,
                               lode_error *ret_error)
{
    lode_db_options options = {.key = key};
    return open_at(vfs, path, &options, ret_executor, ret_db, ret_error);
}

lode_status sample_database_open(struct vfs *vfs, const char *path, struct executor **ret_executor,
                                 lode_db **ret_db, lode_error *ret_error)
{
    return open_at(vfs, path, NULL, ret_executor, ret_db, ret_error);
}

/* Copy what is there now: the database as it is while it is open, but for its lock and reserve. */
struct copying {
    struct vfs *vfs;
    const char *from, *to;
};

static void copy_file(void *context, const char *name)
{
    const struct copying *copying = context;
    char from[PATH_SIZE_MAX], to[PATH_SIZE_MAX];
    struct vfs_file *file;
    uint64_t size = 0;
    if (strcmp(name, "LOCK") == 0 || strcmp(name, "reserve") == 0)
        return;
    assert_ok(vfs_join(from, copying->from, name, &error));
    assert_ok(vfs_join(to, copying->to, name, &error));
    if (strncmp(name, "c-", 2) == 0) {
        struct copying below = {copying->vfs, from, to};
        assert_ok(vfs_make_dir(copying->vfs, to, &error));
        assert_ok(vfs_list(copying->vfs, from, copy_file, &below, &error));
        return;
    }
    assert_ok(vfs_open(copying->vfs, from, VFS_READ, &file, &error));
    assert_ok(vfs_size(file, &size, &error));
    uint8_t *data = malloc(size ? size : 1);
    assert_ok(vfs_read(file, 0, data, size, &error));
    vfs_close(file);
    assert_ok(vfs_open(copying->vfs, to, VFS_WRITE | VFS_CREATE, &file, &error));
    assert_ok(vfs_write(file, 0, data, size, &error));
    vfs_close(file);
    free(data);
}

void sample_secret_make(struct vfs *vfs, const char *path,
                        void (*describe)(void *context, lode_db *db), void *context)
{
    lode_db *db;
    struct executor *executor = NULL;
    lode_db_options options = {.maintenance = LODE_MAINTAIN_ON_REQUEST, .key = key_kit(1)};
    char live[PATH_SIZE_MAX];
    snprintf(live, sizeof live, "%s.live", path);
    assert_ok(open_at(vfs, live, &options, &executor, &db, &error));
    lode_collection *collection = engine_create(db, "links", schemas[LINKS]);
    fill(collection, 40);
    assert_ok(vfs_make_dir(vfs, path, &error));
    struct copying copying = {vfs, live, path};
    assert_ok(vfs_list(vfs, live, copy_file, &copying, &error));
    if (describe)
        describe(context, db);
    lode_collection_close(collection);
    lode_db_close(db);
    executor_free(executor);
}

void sample_database_make(struct vfs *vfs, const char *path, const char *backups, const char *file,
                          void (*describe)(void *context, lode_db *db), void *context)
{
    lode_db *db;
    struct executor *executor = NULL;
    lode_db_options options = {.maintenance = LODE_MAINTAIN_ON_REQUEST, .log_keep_bytes = 4000};
    lode_backup_options one_file = {.one_file = 1};
    char live[PATH_SIZE_MAX];
    snprintf(live, sizeof live, "%s.live", path);
    assert_ok(open_at(vfs, live, &options, &executor, &db, &error));
    lode_collection *collections[LINKS + 1];
    for (unsigned i = 0; i <= LINKS; i++)
        collections[i] = engine_create(db, sample_collections[i], schemas[i]);
    train(collections[FILMS]);
    for (unsigned i = 0; i <= LINKS; i++)
        fill(collections[i], i <= FAST ? QUANTISED_ROWS : 40);
    assert_ok(lode_alias_set(db, "movies", "films", &error));
    assert_ok(backup_database(db, backups, NULL, NULL, &error));
    write_points(collections[FILMS], 80, 1, 400, NULL);
    assert_ok(backup_database(db, file, &one_file, NULL, &error));
    assert_ok(vfs_make_dir(vfs, path, &error));
    struct copying copying = {vfs, live, path};
    assert_ok(vfs_list(vfs, live, copy_file, &copying, &error));
    if (describe)
        describe(context, db);
    for (unsigned i = 0; i <= LINKS; i++)
        lode_collection_close(collections[i]);
    lode_db_close(db);
    executor_free(executor);
}
