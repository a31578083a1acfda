/* Groups of batches that ask for more than rows: what they find of each other, what is refused, what is
 * left for the next segment, and what the log is given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "support/storage_kit.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static lode_error error;

static struct space l2_space(void)
{
    struct space space;
    space_init(&space, LODE_METRIC_L2, LODE_SCALAR_F32, 2);
    return space;
}

static struct op upsert_of(unsigned id, const char *metadata)
{
    static const float row[2] = {3, 4};
    static uint8_t bytes[16][ID_BYTES_MAX];
    struct op op = {.kind = LODE_WRITE_UPSERT, .row = (const uint8_t *)row};
    op.id = bytes[id];
    op.id_size = kit_id(id, bytes[id]);
    op.metadata = metadata;
    op.metadata_size = metadata ? strlen(metadata) : 0;
    return op;
}

static struct op patch_of(unsigned id, const char *metadata)
{
    struct op op = upsert_of(id, metadata);
    op.kind = LODE_WRITE_PATCH;
    op.patch_mode = LODE_PATCH_MERGE;
    op.given = PATCH_METADATA;
    return op;
}

static struct buf batch_of(const struct op *ops, size_t count)
{
    struct buf batch;
    buf_init(&batch, LODE_BATCH_SIZE_MAX);
    assert_ok(batch_begin(&batch, NULL, 0, &error));
    for (size_t i = 0; i < count; i++)
        assert_ok(batch_op(&batch, &ops[i], 8, &error));
    batch_end(&batch, (uint32_t)count);
    return batch;
}

static void check_metadata(const struct version *version, unsigned id, const char *wanted)
{
    uint8_t bytes[ID_BYTES_MAX];
    uint32_t row = 0;
    struct document document;
    const struct segment_view *view;
    size_t size = kit_id(id, bytes);
    assert_ok(version_find(version, bytes, size, &view, &row, &error));
    assert_int_equal(view != NULL, wanted != NULL);
    if (!view)
        return;
    assert_ok(view->segment->ops->document(view->segment, row, &document, &error));
    assert_int_equal(document.metadata_size, strlen(wanted));
    assert_memory_equal(document.metadata, wanted, document.metadata_size);
}

/* Three batches; the second cannot be. */
struct three {
    struct buf bytes[3];
    struct apply_batch batches[3];
    struct apply_group group;
};

static char *large; /* one byte short of the limit, with {"l":...} */

static void make_three(struct three *three)
{
    struct op first[] = {upsert_of(1, "{\"a\":1}"), upsert_of(2, large), patch_of(1, "{\"b\":2}")},
              second[] = {patch_of(1, "{\"b\":3}"),
                          upsert_of(3, "{}"),
                          {.kind = LODE_WRITE_DELETE,
                           .id = first[0].id,
                           .id_size = first[0].id_size},
                          patch_of(2, "{\"too\":\"much\"}")},
              third[] = {patch_of(1, "{\"c\":4}"), patch_of(3, "{}")};
    three->bytes[0] = batch_of(first, COUNT(first));
    three->bytes[1] = batch_of(second, COUNT(second));
    three->bytes[2] = batch_of(third, COUNT(third));
    for (size_t i = 0; i < 3; i++)
        three->batches[i] = (struct apply_batch){.bytes = &three->bytes[i], .asks = 1};
    three->group =
        (struct apply_group){.batches = three->batches, .count = 3, .bytes_max = UINT64_MAX};
}

static void free_three(struct three *three)
{
    for (size_t i = 0; i < 3; i++)
        buf_release(&three->bytes[i]);
}

/* Of five batches the first group is those before the drop, the second the drop, the third those behind it. */
static void a_drop_makes_a_group_of_its_own(void **state)
{
    (void)state;
    const struct id_namespace space = {"s", 1};
    const lode_id number = lode_id_number(1);
    struct space l2 = l2_space();
    struct version *version = kit_version(&l2, 1, 8u << 20);
    struct op in = upsert_of(1, "{}"), out = upsert_of(1, "{}");
    struct requests requests = {0};
    uint8_t id[ID_BYTES_MAX];
    in.id = id;
    in.id_size = id_encode_in(&space, &number, id);
    struct buf bytes[4] = {batch_of(&in, 1), batch_of(&out, 1), {0}, batch_of(&out, 1)};
    buf_init(&bytes[2], 4096);
    assert_ok(batch_drop(&bytes[2], &space, &error));
    struct apply_batch batches[4];
    const size_t groups[] = {2, 1, 1};
    const uint64_t points[] = {2, 1, 1};
    for (size_t i = 0, first = 0; i < 3; first += groups[i++]) {
        struct apply *apply;
        for (size_t j = first; j < 4; j++)
            batches[j] = (struct apply_batch){.bytes = &bytes[j]};
        struct apply_group group = {.batches = batches + first,
                                    .count = 4 - first,
                                    .requests = &requests,
                                    .bytes_max = UINT64_MAX};
        assert_ok(apply_prepare(version, kit_growing(version), &group, &apply, &error));
        assert_int_equal(group.count, groups[i]);
        assert_int_equal(group.applied, groups[i]);
        struct version *next = apply_commit(apply);
        version_unref(version);
        version = next;
        assert_int_equal(version->point_count, points[i]);
    }
    assert_int_equal(batches[2].counts.deleted, 1);
    assert_int_equal(batches[2].sequence, 3);
    assert_int_equal(batches[3].sequence, 4);
    for (size_t i = 0; i < 4; i++)
        buf_release(&bytes[i]);
    version_unref(version);
}

static void a_refused_batch_leaves_its_group_alone(void **state)
{
    (void)state;
    struct space space = l2_space();
    struct version *version = kit_version(&space, 1, 8u << 20), *replayed;
    struct three three;
    struct apply *apply;
    make_three(&three);
    assert_ok(apply_prepare(version, kit_growing(version), &three.group, &apply, &error));
    assert_int_equal(three.group.count, 3);
    assert_int_equal(three.group.applied, 2);
    assert_int_equal(three.batches[0].status, LODE_OK);
    assert_int_equal(three.batches[1].status, LODE_LIMIT);
    assert_non_null(strstr(three.batches[1].error.message, "ops[3] (id 2): its metadata"));
    assert_int_equal(three.batches[2].status, LODE_OK);
    assert_int_equal(three.batches[0].counts.upserted, 2);
    assert_int_equal(three.batches[0].counts.patched, 1);
    assert_int_equal(three.batches[2].counts.patched, 1);
    assert_int_equal(three.batches[2].counts.missing, 1);
    /* What the log is given, a log's reader takes, and it comes to the same. */
    struct buf logged[2];
    for (size_t i = 0; i < 2; i++) {
        buf_init(&logged[i], LODE_BATCH_SIZE_MAX);
        assert_ok(buf_append(&logged[i], three.batches[2 * i].logged,
                             three.batches[2 * i].logged_size, &error));
    }
    struct version *next = apply_commit(apply);
    assert_int_equal(next->sequence, version->sequence + 2);
    replayed = kit_version(&space, 1, 8u << 20);
    kit_apply_group(&replayed, logged, 2, NULL);
    assert_int_equal(growing_row_count(kit_growing(next)),
                     growing_row_count(kit_growing(replayed)));
    assert_int_equal(growing_bytes(kit_growing(next)), growing_bytes(kit_growing(replayed)));
    for (int i = 0; i < 2; i++) {
        const struct version *which = i ? replayed : next;
        assert_int_equal(which->point_count, 2);
        check_metadata(which, 1, "{\"a\":1,\"b\":2,\"c\":4}");
        check_metadata(which, 2, large);
        check_metadata(which, 3, NULL);
        buf_release(&logged[i]);
    }
    version_unref(version);
    version_unref(next);
    version_unref(replayed);
    free_three(&three);
}

static void what_does_not_fit_is_left(void **state)
{
    (void)state;
    struct space space = l2_space();
    struct version *version = kit_version(&space, 1, 8u << 20);
    struct three three;
    struct apply *apply;
    make_three(&three);
    three.group.bytes_max = 1000; /* of the log */
    assert_ok(apply_prepare(version, kit_growing(version), &three.group, &apply, &error));
    assert_int_equal(three.group.count, 0);
    assert_int_equal(three.group.applied, 0);
    apply_abort(apply);
    assert_int_equal(growing_row_count(kit_growing(version)), 0);
    three.group.count = 3;
    three.group.first_fits = 1;
    assert_ok(apply_prepare(version, kit_growing(version), &three.group, &apply, &error));
    assert_int_equal(three.group.count, 2); /* the second is refused: it needs no room */
    assert_int_equal(three.group.applied, 1);
    struct version *next = apply_commit(apply);
    assert_int_equal(next->sequence, version->sequence + 1);
    check_metadata(next, 1, "{\"a\":1,\"b\":2}");
    check_metadata(next, 3, NULL);
    version_unref(version);
    version_unref(next);
    free_three(&three);
}

static void a_log_holds_no_patches(void **state)
{
    (void)state;
    struct space space = l2_space();
    struct version *version = kit_version(&space, 1, 1u << 20);
    struct apply *apply;
    struct op patch = patch_of(1, "{}");
    struct buf batch = batch_of(&patch, 1);
    assert_status(kit_prepare(version, &batch, &apply, &error), LODE_CORRUPT);
    buf_release(&batch);
    version_unref(version);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_drop_makes_a_group_of_its_own),
        cmocka_unit_test(a_refused_batch_leaves_its_group_alone),
        cmocka_unit_test(what_does_not_fit_is_left),
        cmocka_unit_test(a_log_holds_no_patches),
    };
    large = malloc(LODE_METADATA_SIZE_MAX + 1);
    memset(large, 'x', LODE_METADATA_SIZE_MAX);
    memcpy(large, "{\"l\":\"", 6);
    strcpy(large + LODE_METADATA_SIZE_MAX - 3, "\"}");
    int failed = cmocka_run_group_tests_name("storage/apply", tests, NULL, NULL);
    free(large);
    return failed;
}
