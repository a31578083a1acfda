/* Patches: what each mode does to a point wherever it is, what a batch of them reports, and that one which
 * cannot be is refused whole, beside others that are not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/engine_kit.h"

static lode_error error;

static const lode_field fields[] = {{"count", LODE_FIELD_INTEGER}};
static const lode_schema schema = {.dim = 4, .fields = fields, .field_count = 1};
static const float vector[4] = {1, 2, 3, 4};

struct world {
    struct vfs *vfs;
    lode_db *db;
    lode_collection *collection;
};

static void begin_world(struct world *world)
{
    world->vfs = vfs_memory_new();
    world->db = engine_open(world->vfs, "db", NULL, 1u << 20);
    world->collection = engine_create(world->db, "points", schema);
}

static void reopen(struct world *world, int power_cut)
{
    if (power_cut)
        engine_crash(world->vfs);
    lode_collection_close(world->collection);
    engine_close(world->db);
    engine_live(world->vfs);
    engine_verify(world->vfs, "db");
    world->db = engine_open(world->vfs, "db", NULL, 1u << 20);
    world->collection = engine_collection(world->db, "points");
}

static void end_world(struct world *world)
{
    lode_collection_close(world->collection);
    engine_close(world->db);
    engine_verify(world->vfs, "db");
    vfs_memory_free(world->vfs);
}

static lode_point point_of(uint64_t id, const char *metadata, const char *text)
{
    return (lode_point){.id = lode_id_number(id),
                        .metadata = metadata,
                        .metadata_size = metadata ? strlen(metadata) : 0,
                        .text = text,
                        .text_size = text ? strlen(text) : 0};
}

static void put(struct world *world, uint64_t id, const char *metadata, const char *text)
{
    lode_point point = point_of(id, metadata, text);
    point.vector = vector;
    assert_ok(lode_upsert(world->collection, &point, 1, NULL, &error));
}

static lode_write_op patch_of(uint64_t id, lode_patch_mode mode, const char *metadata,
                              const char *text)
{
    return (lode_write_op){
        .kind = LODE_WRITE_PATCH, .point = point_of(id, metadata, text), .patch = mode};
}

static void patch(struct world *world, lode_write_op op)
{
    lode_write_info info;
    assert_ok(lode_write(world->collection, &op, 1, NULL, &info, &error));
    assert_int_equal(info.patched, 1);
    assert_int_equal(info.upserted + info.deleted + info.missing, 0);
}

/* What is there: metadata and text, NULL for none; its vector is `vector`. */
static void check(struct world *world, uint64_t id, const char *metadata, const char *text)
{
    lode_id wanted = lode_id_number(id);
    lode_result *result;
    assert_ok(lode_get(world->collection, NULL, &wanted, 1, 7, &result, &error));
    assert_int_equal(result->hit_count, 1);
    const lode_hit *hit = result->hits;
    assert_memory_equal(hit->vector, vector, sizeof vector);
    assert_int_equal(hit->metadata != NULL, metadata != NULL);
    assert_int_equal(hit->text != NULL, text != NULL);
    if (metadata)
        assert_string_equal(hit->metadata, metadata);
    if (text)
        assert_string_equal(hit->text, text);
    lode_result_free(result);
}

static void each_mode(struct world *world, uint64_t id)
{
    static const char *const names[] = {"a", "none", "q\"\\\xc3\xa9"};
    patch(world, patch_of(id, LODE_PATCH_MERGE, "{\"b\":{\"y\":2},\"n\":1}", NULL));
    check(world, id, "{\"a\":1,\"b\":{\"y\":2},\"n\":1}", "old");
    patch(world, patch_of(id, LODE_PATCH_MERGE_DEEP, "{\"b\":{\"z\":3},\"n\":null}", NULL));
    check(world, id, "{\"a\":1,\"b\":{\"y\":2,\"z\":3}}", "old");
    patch(world, patch_of(id, LODE_PATCH_MERGE, NULL, "new"));
    check(world, id, "{\"a\":1,\"b\":{\"y\":2,\"z\":3}}", "new");
    patch(world, patch_of(id, LODE_PATCH_MERGE, "{\"q\\\"\\\\\\u00e9\":[]}", ""));
    check(world, id, "{\"a\":1,\"b\":{\"y\":2,\"z\":3},\"q\\\"\\\\\\u00e9\":[]}", NULL);
    lode_write_op removal = patch_of(id, LODE_PATCH_REMOVE, NULL, NULL);
    removal.fields = names;
    removal.field_count = 3;
    patch(world, removal);
    check(world, id, "{\"b\":{\"y\":2,\"z\":3}}", NULL);
    patch(world, patch_of(id, LODE_PATCH_SET, NULL, NULL));
    check(world, id, NULL, NULL);
    patch(world, removal); /* from nothing */
    check(world, id, NULL, NULL);
    patch(world, patch_of(id, LODE_PATCH_SET, "{ \"count\" : 7 }", "t"));
    check(world, id, "{ \"count\" : 7 }", "t");
}

static void put_old(struct world *world, uint64_t id)
{
    put(world, id, "{\"a\":1,\"b\":{\"x\":1}}", "old");
}

static void a_point_is_patched_wherever_it_is(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    put_old(&world, 1);
    put_old(&world, 2);
    put_old(&world, 3);
    each_mode(&world, 1); /* growing */
    assert_ok(lode_flush(world.collection, NULL, &error));
    each_mode(&world, 2); /* sealed */
    assert_ok(lode_compact(world.collection, NULL, &error));
    reopen(&world, 0);
    each_mode(&world, 3); /* merged */
    reopen(&world, 1);
    for (uint64_t id = 1; id <= 3; id++)
        check(&world, id, "{ \"count\" : 7 }", "t");
    end_world(&world);
}

/* A merge after the patch has dropped the row that it was made from: the log must do without. */
static void a_replay_needs_no_older_row(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    put_old(&world, 1);
    assert_ok(lode_flush(world.collection, NULL, &error));
    put_old(&world, 2);
    assert_ok(lode_flush(world.collection, NULL, &error));
    patch(&world, patch_of(1, LODE_PATCH_MERGE, "{\"a\":2}", NULL));
    lode_id two = lode_id_number(2);
    assert_ok(lode_delete(world.collection, &two, 1, NULL, &error));
    world.db->maintenance = LODE_MAINTAIN_AUTO;
    assert_ok(lode_wait_idle(world.collection, 0, &error));
    reopen(&world, 1);
    check(&world, 1, "{\"a\":2,\"b\":{\"x\":1}}", "old");
    end_world(&world);
}

static void later_operations_find_earlier_ones(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    put_old(&world, 1);
    lode_write_op ops[] = {
        {.kind = LODE_WRITE_UPSERT, .point = point_of(2, "{\"n\":0}", NULL)},
        patch_of(2, LODE_PATCH_MERGE, "{\"m\":1}", "two"),
        patch_of(2, LODE_PATCH_MERGE, "{\"n\":null}", NULL),
        {.kind = LODE_WRITE_DELETE, .point = point_of(1, NULL, NULL)},
        patch_of(1, LODE_PATCH_MERGE, "{\"m\":1}", NULL), /* gone */
        patch_of(9, LODE_PATCH_SET, NULL, NULL),          /* never there */
    };
    ops[0].point.vector = vector;
    lode_write_info info;
    assert_ok(lode_write(world.collection, ops, 6, NULL, &info, &error));
    assert_int_equal(info.sequence, 2);
    assert_int_equal(info.upserted, 1);
    assert_int_equal(info.patched, 2);
    assert_int_equal(info.deleted, 1);
    assert_int_equal(info.missing, 2);
    check(&world, 2, "{\"m\":1}", "two");
    reopen(&world, 1);
    check(&world, 2, "{\"m\":1}", "two");
    assert_ok(
        lode_write(world.collection, ops + 4, 1, NULL, &info, &error)); /* a batch of nothing */
    assert_int_equal(info.sequence, 3);
    assert_int_equal(info.missing, 1);
    reopen(&world, 1);
    end_world(&world);
}

#define REFUSED(op, wanted, text)                                                                  \
    do {                                                                                           \
        lode_write_op refused_op = (op);                                                           \
        assert_status(lode_write(world.collection, &refused_op, 1, NULL, NULL, &error), wanted);   \
        if (!strstr(error.message, text))                                                          \
            fail_msg("\"%s\" does not say \"%s\"", error.message, text);                           \
    } while (0)

static void what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    put_old(&world, 1);
    static const char *const names[] = {"a", NULL}, *const bad[] = {"\xff"};
    lode_write_op op = patch_of(1, LODE_PATCH_MERGE, "{\"a\":2}", NULL);
    op.point.vector = vector;
    REFUSED(op, LODE_INVALID, "ops[0] (id 1): a patch keeps the vector");
    REFUSED(patch_of(1, (lode_patch_mode)4, "{}", NULL), LODE_INVALID, "unknown patch mode 4");
    REFUSED(patch_of(1, LODE_PATCH_MERGE, NULL, NULL), LODE_INVALID, "changes nothing");
    REFUSED(patch_of(1, LODE_PATCH_MERGE, "[1]", NULL), LODE_INVALID, "expected an object");
    REFUSED(patch_of(1, LODE_PATCH_MERGE, "{\"count\":\"x\"}", NULL), LODE_SCHEMA,
            "metadata field 'count' must be an integer");
    REFUSED(patch_of(1, LODE_PATCH_MERGE_DEEP, "{\"count\":{}}", NULL), LODE_SCHEMA, "'count'");
    REFUSED(patch_of(1, LODE_PATCH_SET, NULL, "\xff"), LODE_INVALID, "text is not UTF-8");
    REFUSED(patch_of(1, LODE_PATCH_REMOVE, NULL, NULL), LODE_INVALID, "has no fields");
    REFUSED(patch_of(1, LODE_PATCH_REMOVE, "{}", NULL), LODE_INVALID, "takes fields");
    op = patch_of(1, LODE_PATCH_REMOVE, NULL, NULL);
    op.fields = names;
    op.field_count = 2;
    REFUSED(op, LODE_INVALID, "fields[1] is NULL");
    op.fields = bad;
    op.field_count = 1;
    REFUSED(op, LODE_INVALID, "fields[0] is not UTF-8");
    op.patch = LODE_PATCH_MERGE;
    REFUSED(op, LODE_INVALID, "fields are for LODE_PATCH_REMOVE");
    check(&world, 1, "{\"a\":1,\"b\":{\"x\":1}}", "old");
    end_world(&world);
}

/* {"<name>":"xxx..."} of `size` bytes. */
static char *large_metadata(const char *name, size_t size)
{
    char *text = malloc(size + 1);
    memset(text, 'x', size);
    text[size] = '\0';
    size_t begin = (size_t)sprintf(text, "{\"%s\":\"", name);
    text[begin] = 'x';
    memcpy(text + size - 2, "\"}", 2);
    return text;
}

static void metadata_that_grows_too_large_refuses_the_batch(void **state)
{
    (void)state;
    struct world world;
    begin_world(&world);
    char *half = large_metadata("p", LODE_METADATA_SIZE_MAX / 2 + 10),
         *other = large_metadata("q", LODE_METADATA_SIZE_MAX / 2 + 10);
    put(&world, 1, half, NULL);
    lode_write_op ops[] = {{.kind = LODE_WRITE_DELETE, .point = point_of(1, NULL, NULL)},
                           {.kind = LODE_WRITE_UPSERT, .point = point_of(1, half, NULL)},
                           patch_of(1, LODE_PATCH_MERGE, other, NULL)};
    ops[1].point.vector = vector;
    assert_status(lode_write(world.collection, ops, 3, NULL, NULL, &error), LODE_LIMIT);
    assert_non_null(strstr(error.message, "ops[2] (id 1): its metadata would be over 1048576"));
    check(&world, 1, half, NULL);
    lode_write_info info;
    assert_ok(lode_write(world.collection, ops, 2, NULL, &info, &error));
    assert_int_equal(info.sequence, 2); /* a refused batch takes no number */
    reopen(&world, 1);
    check(&world, 1, half, NULL);
    free(half);
    free(other);
    end_world(&world);
}

/* 300 patches of a few bytes, each of which leaves almost a megabyte. */
static void a_batch_that_grows_too_large_is_refused(void **state)
{
    (void)state;
    enum { PATCHES = 300 };
    struct world world;
    begin_world(&world);
    char *large = large_metadata("p", LODE_METADATA_SIZE_MAX - 100);
    static lode_write_op ops[PATCHES];
    put(&world, 1, large, NULL);
    for (size_t i = 0; i < PATCHES; i++)
        ops[i] = patch_of(1, LODE_PATCH_MERGE, "{\"n\":1}", NULL);
    assert_status(lode_write(world.collection, ops, PATCHES, NULL, NULL, &error), LODE_LIMIT);
    assert_non_null(strstr(error.message, "is over 268435456 bytes"));
    check(&world, 1, large, NULL);
    /* Fewer are more than the growing segment has room for, and go into one of their own. */
    assert_ok(lode_write(world.collection, ops, 4, NULL, NULL, &error));
    large[strlen(large) - 1] = '\0';
    char *wanted = malloc(strlen(large) + 20);
    sprintf(wanted, "%s,\"n\":1}", large);
    check(&world, 1, wanted, NULL);
    reopen(&world, 1);
    check(&world, 1, wanted, NULL);
    free(large);
    free(wanted);
    end_world(&world);
}

static void keep_dir(void *context, const char *name)
{
    if (strncmp(name, "c-", 2) == 0)
        snprintf(context, 64, "db/%s", name);
}

static void damage_is_not_copied(void **state)
{
    (void)state;
    struct world world;
    size_t size;
    begin_world(&world);
    put_old(&world, 1);
    assert_ok(lode_flush(world.collection, NULL, &error));
    lode_collection_close(world.collection);
    engine_close(world.db);
    char dir[64] = "";
    assert_ok(vfs_list(world.vfs, "db", keep_dir, dir, &error));
    for (int part = 0; part < 2; part++) {
        char path[96];
        const uint8_t *sought = part ? (const uint8_t *)"{\"x\":1}}old" : (const uint8_t *)vector;
        snprintf(path, sizeof path, "%s/seg-1.%s", dir, part ? "docs" : "vectors");
        uint8_t *bytes = kit_read(world.vfs, path, &size);
        const uint8_t *found = memmem(bytes, size, sought, part ? 11 : sizeof vector);
        assert_non_null(found);
        uint64_t bit = (uint64_t)(found - bytes) * 8;
        free(bytes);
        kit_flip(world.vfs, path, bit);
        world.db = engine_open(world.vfs, "db", NULL, 1u << 20);
        world.collection = engine_collection(world.db, "points");
        REFUSED(patch_of(1, LODE_PATCH_MERGE, "{\"a\":2}", NULL), LODE_CORRUPT,
                part ? "seg-1.docs" : "seg-1.vectors");
        lode_collection_close(world.collection);
        engine_close(world.db);
        kit_flip(world.vfs, path, bit);
    }
    engine_verify(world.vfs, "db");
    vfs_memory_free(world.vfs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_point_is_patched_wherever_it_is),
        cmocka_unit_test(a_replay_needs_no_older_row),
        cmocka_unit_test(later_operations_find_earlier_ones),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(metadata_that_grows_too_large_refuses_the_batch),
        cmocka_unit_test(a_batch_that_grows_too_large_is_refused),
        cmocka_unit_test(damage_is_not_copied),
    };
    return cmocka_run_group_tests_name("engine/patch", tests, NULL, NULL);
}
