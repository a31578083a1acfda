#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "engine/verify.h"
#include "support/damage.h"

enum {
    LARGE = 5000,
    SMALL = 700,
    LOGGED = 20,
    LOGGED_BATCH = 5,
    DEAD = 40,
    K = 10,
    SEARCHES = 3,
    GET_STEP = 41
};

#define EXPIRES 4000000000000u /* 2096 */

static lode_error error;

/* --- Making it --------------------------------------------------------------------------------- */

static void vector_of(unsigned id, int round, float *vector)
{
    for (size_t i = 0; i < DAMAGE_DIM; i++)
        vector[i] = (float)(int)(random_mix(id * 64ull + i + (unsigned)round * 7919) % 201) - 100;
}

static size_t metadata_of(unsigned id, int round, char text[64])
{
    return (size_t)snprintf(text, 64, "{\"id\":%u,\"round\":%d,\"more\":\"%08u\"}", id, round, id);
}

static uint64_t expiry_of(unsigned id)
{
    return id >= LARGE && id % 3 == 0 ? EXPIRES + id : 0;
}

static lode_status put(struct damage_image *image, lode_collection *collection, unsigned first,
                       unsigned count)
{
    lode_point *points = calloc(count, sizeof *points);
    float *vectors = malloc(count * DAMAGE_DIM * sizeof *vectors);
    char(*metadata)[64] = malloc(count * sizeof *metadata);
    assert_true(points && vectors && metadata);
    for (unsigned i = 0; i < count; i++) {
        unsigned id = first + i;
        int round = image->rounds[id] + 1;
        vector_of(id, round, vectors + i * (size_t)DAMAGE_DIM);
        points[i] = (lode_point){.id = lode_id_number(id),
                                 .vector = vectors + i * (size_t)DAMAGE_DIM,
                                 .metadata = metadata[i],
                                 .metadata_size = metadata_of(id, round, metadata[i]),
                                 .expires_at_ms = expiry_of(id)};
    }
    lode_status status = lode_upsert(collection, points, count, NULL, &error);
    for (unsigned i = 0; !status && i < count; i++)
        image->rounds[first + i]++;
    free(points);
    free(vectors);
    free(metadata);
    return status;
}

static void take_file(struct damage_image *image, struct vfs *vfs, const char *dir,
                      const char *name)
{
    struct damage_file *file = &image->files[image->file_count++];
    assert_true(image->file_count <= DAMAGE_FILES_MAX);
    snprintf(file->path, sizeof file->path, "%s/%s", dir, name);
    file->bytes = kit_read(vfs, file->path, &file->size);
}

struct taking {
    char names[DAMAGE_FILES_MAX][64];
    size_t count;
};

static void take_name(void *context, const char *name)
{
    struct taking *taking = context;
    assert_true(taking->count < DAMAGE_FILES_MAX);
    snprintf(taking->names[taking->count++], sizeof taking->names[0], "%s", name);
}

static void take_files(struct damage_image *image, struct vfs *vfs)
{
    struct taking top = {.count = 0}, below = {.count = 0};
    assert_ok(vfs_list(vfs, "db", take_name, &top, &error));
    for (size_t i = 0; i < top.count; i++) {
        char dir[80];
        if (strcmp(top.names[i], "LOCK") == 0)
            continue;
        if (strncmp(top.names[i], "c-", 2) != 0) {
            take_file(image, vfs, "db", top.names[i]);
            continue;
        }
        snprintf(dir, sizeof dir, "db/%s", top.names[i]);
        assert_ok(vfs_list(vfs, dir, take_name, &below, &error));
        for (size_t n = 0; n < below.count; n++)
            take_file(image, vfs, dir, below.names[n]);
    }
}

static void fill(struct damage_image *image, lode_collection *collection)
{
    lode_id dead[DEAD];
    for (unsigned first = 0; first < LARGE; first += 1000)
        assert_ok(put(image, collection, first, 1000));
    assert_ok(lode_compact(collection, NULL, &error));
    assert_ok(put(image, collection, LARGE, SMALL));
    assert_ok(put(image, collection, 100, 50)); /* written again */
    for (unsigned i = 0; i < DEAD; i++) {
        dead[i] = lode_id_number(200 + 3 * i);
        image->rounds[200 + 3 * i] = 0;
    }
    assert_ok(lode_delete(collection, dead, DEAD, NULL, &error));
    assert_ok(lode_flush(collection, NULL, &error));
    assert_ok(lode_snapshot_create(collection, "kept", &error));
    for (unsigned i = 0; i < LOGGED; i += LOGGED_BATCH)
        assert_ok(put(image, collection, LARGE + SMALL + i, LOGGED_BATCH));
}

void damage_image_make(struct damage_image *image)
{
    struct vfs *vfs = vfs_memory_new();
    lode_db_options options = {.maintenance = LODE_MAINTAIN_ON_REQUEST};
    memset(image, 0, sizeof *image);
    lode_db *db = engine_open(vfs, "db", &options, 0);
    lode_schema schema = {.dim = DAMAGE_DIM, .metric = LODE_METRIC_L2, .ef_construction = 40};
    lode_collection *collection = engine_create(db, "points", schema);
    fill(image, collection);
    take_files(image, vfs); /* as it is, open: with a log */
    lode_collection_close(collection);
    engine_close(db);
    vfs_memory_free(vfs);
}

void damage_image_release(struct damage_image *image)
{
    for (size_t i = 0; i < image->file_count; i++)
        free(image->files[i].bytes);
}

size_t damage_step(size_t step)
{
    const char *sanitizer = getenv("LODE_SANITIZE");
    size_t slower = sanitizer && *sanitizer ? 7 : 1;
    return key_kit_default() ? 3 * slower * step : slower * step;
}

struct vfs *damage_vfs(const struct damage_image *image)
{
    struct vfs *vfs = vfs_memory_new();
    assert_ok(vfs_make_dir(vfs, "db", &error));
    for (size_t i = 0; i < image->file_count; i++) {
        const struct damage_file *file = &image->files[i];
        char dir[96];
        vfs_parent(file->path, dir);
        if (!kit_exists(vfs, dir))
            assert_ok(vfs_make_dir(vfs, dir, &error));
        kit_write(vfs, file->path, file->bytes, file->size);
        assert_ok(vfs_dir_sync(vfs, dir, &error));
    }
    assert_ok(vfs_dir_sync(vfs, "db", &error));
    assert_ok(vfs_dir_sync(vfs, ".", &error));
    return vfs;
}

/* --- Using it ---------------------------------------------------------------------------------- */

struct use {
    const struct damage_image *image;
    lode_collection *collection;
    const lode_snapshot *snapshot;
    const char *file;
    unsigned failed;
};

/* 1: it succeeded; otherwise it says which file is to blame. */
static int went_well(struct use *use, lode_status status)
{
    if (status == LODE_OK)
        return 1;
    use->failed++;
    if (!use->file || !strstr(error.message, use->file) || !status_is_damage(status))
        fail_msg("status %d with %s damaged: %s", status, use->file ? use->file : "nothing",
                 error.message);
    return 0;
}

static unsigned check_hit(const struct use *use, const lode_hit *hit)
{
    float vector[DAMAGE_DIM];
    char metadata[64];
    assert_int_equal(hit->id.kind, LODE_ID_NUMBER);
    unsigned id = (unsigned)hit->id.number;
    assert_true(hit->id.number < DAMAGE_IDS);
    int round = use->image->rounds[id];
    assert_true(round > 0);
    vector_of(id, round, vector);
    assert_memory_equal(hit->vector, vector, sizeof vector);
    assert_int_equal(hit->metadata_size, metadata_of(id, round, metadata));
    assert_memory_equal(hit->metadata, metadata, hit->metadata_size);
    assert_int_equal(hit->expires_at_ms, expiry_of(id));
    assert_true(hit->version > 0);
    return id;
}

#define ALL (LODE_WITH_VECTOR | LODE_WITH_METADATA | LODE_WITH_VERSION | LODE_WITH_EXPIRY)

static void use_get(struct use *use, unsigned id)
{
    lode_result *result;
    lode_id wanted = lode_id_number(id);
    if (!went_well(use, lode_get(use->collection, use->snapshot, &wanted, 1, ALL, &result, &error)))
        return;
    assert_int_equal(result->hit_count, use->image->rounds[id] > 0);
    if (result->hit_count)
        assert_int_equal(check_hit(use, result->hits), id);
    lode_result_free(result);
}

static float distance_to(const float *query, const float *vector)
{
    float sum = 0;
    for (size_t i = 0; i < DAMAGE_DIM; i++)
        sum += (query[i] - vector[i]) * (query[i] - vector[i]);
    return sum;
}

/* How many living points are nearer: integers, so that distances are exact. */
static size_t count_nearer(const struct use *use, const float *query, float distance)
{
    size_t count = 0;
    for (unsigned id = 0; id < DAMAGE_IDS; id++) {
        float vector[DAMAGE_DIM];
        if (use->image->rounds[id] == 0)
            continue;
        vector_of(id, use->image->rounds[id], vector);
        count += distance_to(query, vector) < distance;
    }
    return count;
}

static void use_search(struct use *use, unsigned n, int exact, int allow_damaged)
{
    float query[DAMAGE_DIM];
    lode_result *result;
    vector_of(n * 977, 1, query);
    lode_search_request request = {.vector = query,
                                   .k = K,
                                   .exact = exact,
                                   .allow_damaged = allow_damaged,
                                   .with = ALL,
                                   .snapshot = use->snapshot};
    lode_status status = lode_search(use->collection, &request, &result, &error);
    assert_true(!allow_damaged || status == LODE_OK);
    if (!went_well(use, status))
        return;
    int whole = result->info.segments_damaged == 0;
    assert_true(whole || allow_damaged);
    if (whole)
        assert_int_equal(result->hit_count, K);
    for (size_t i = 0; i < result->hit_count; i++) {
        const lode_hit *hit = &result->hits[i];
        check_hit(use, hit);
        assert_true(hit->score == distance_to(query, hit->vector));
        assert_true(i == 0 || hit->score >= hit[-1].score);
        if (exact && whole)
            assert_true(count_nearer(use, query, hit->score) <= i);
    }
    lode_result_free(result);
}

static void use_walk(struct use *use)
{
    lode_iterator *iterator;
    const lode_hit *hit;
    size_t seen = 0, there = 0;
    unsigned failed = use->failed, failures = 0;
    if (!went_well(use, lode_iterator_open(use->collection, use->snapshot, ALL, &iterator, &error)))
        return;
    for (;;) {
        if (!went_well(use, lode_iterator_next(iterator, &hit, &error))) {
            if (++failures == 20) /* of thousands: each is a row */
                break;
            continue;
        }
        if (!hit)
            break;
        check_hit(use, hit);
        seen++;
    }
    lode_iterator_close(iterator);
    for (unsigned id = 0; id < DAMAGE_IDS; id++)
        there += use->image->rounds[id] > 0;
    if (use->failed == failed)
        assert_int_equal(seen, there);
}

static void use_reads(struct use *use)
{
    for (unsigned id = 0; id < DAMAGE_IDS; id += GET_STEP)
        use_get(use, id);
    for (unsigned id = 90; id < 160; id += 7)
        use_get(use, id);
    for (unsigned n = 0; n < SEARCHES; n++) {
        use_search(use, n, 0, 0);
        use_search(use, n, 1, 0);
        use_search(use, n, 0, 1);
        use_search(use, n, 1, 1);
    }
    use_walk(use);
}

/* A write is done, or is refused by name. What was written is there. */
static void use_writes(struct use *use)
{
    static const unsigned ids[] = {3, 130, LARGE + 5, DAMAGE_IDS - 1};
    struct damage_image *changed = malloc(sizeof *changed);
    const struct damage_image *before = use->image;
    *changed = *before;
    use->image = changed;
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        lode_status status = put(changed, use->collection, ids[i], 1);
        /* Where a log is kept for repair, nothing is written. */
        if (status == LODE_READONLY)
            assert_non_null(strstr(error.message, use->file));
        else
            (void)went_well(use, status);
        if (status == LODE_OK)
            use_get(use, ids[i]);
    }
    use->image = before;
    free(changed);
}

static unsigned use_database(const struct damage_image *image, struct vfs *vfs, const char *file)
{
    struct use use = {.image = image, .file = file};
    lode_db_options options = {
        .maintenance = LODE_MAINTAIN_ON_REQUEST, .must_exist = 1, .key = key_kit_default()};
    struct db_env env = {.vfs = vfs};
    lode_db *db;
    assert_ok(executor_inline_new(&env.executor, &error));
    if (went_well(&use, db_open("db", &options, &env, &db, &error))) {
        if (went_well(&use, lode_collection_open(db, "points", &use.collection, &error))) {
            use_reads(&use);
            use_writes(&use);
            lode_collection_close(use.collection);
        }
        lode_db_close(db);
    }
    executor_free(env.executor);
    return use.failed;
}

unsigned damage_use(const struct damage_image *image, struct vfs *vfs, const char *file)
{
    return use_database(image, vfs, file);
}

void damage_check_whole(const struct damage_image *image, struct vfs *vfs)
{
    assert_int_equal(use_database(image, vfs, NULL), 0);
}

void damage_collect(const struct damage_image *image, struct vfs *vfs, const char *name,
                    uint8_t *ret_present)
{
    struct use use = {.image = image};
    lode_db_options options = {.maintenance = LODE_MAINTAIN_ON_REQUEST, .must_exist = 1};
    lode_db *db = engine_open(vfs, "db", &options, 0);
    lode_id *ids = calloc(DAMAGE_IDS, sizeof *ids);
    lode_result *result;
    assert_non_null(ids);
    memset(ret_present, 0, DAMAGE_IDS);
    use.collection = engine_collection(db, name);
    for (unsigned id = 0; id < DAMAGE_IDS; id++)
        ids[id] = lode_id_number(id);
    assert_ok(lode_get(use.collection, NULL, ids, DAMAGE_IDS, ALL, &result, &error));
    for (size_t i = 0; i < result->hit_count; i++) {
        unsigned id = (unsigned)result->hits[i].id.number;
        if (image->rounds[id] > 0)
            assert_int_equal(check_hit(&use, &result->hits[i]), id);
        ret_present[id] = 1;
    }
    lode_result_free(result);
    free(ids);
    lode_collection_close(use.collection);
    engine_close(db);
}

struct findings {
    const char *file;
    unsigned count;
};

static void find(void *context, const lode_verify_finding *finding)
{
    struct findings *findings = context;
    findings->count += strstr(finding->file, findings->file) != NULL;
    if (!strstr(finding->problem, "lost"))
        fail_msg("%s: %s", finding->file, finding->problem);
}

unsigned damage_verify(struct vfs *vfs, const char *file)
{
    struct findings findings = {.file = file};
    lode_verify_options options = {.report = find, .context = &findings, .key = key_kit_default()};
    lode_status status = verify_database(vfs, "db", &options, &error);
    assert_true(status == LODE_CORRUPT || status == LODE_OK);
    return findings.count;
}
