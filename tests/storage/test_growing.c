/* The growing segment and apply: against a model, in versions new and old, with every allocation and log
 * failure in between. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/random.h"
#include "support/storage_kit.h"

enum { DIM = 4, MIB = 1 << 20 };

static struct space l2_space(void)
{
    struct space space;
    space_init(&space, LODE_METRIC_L2, LODE_SCALAR_F32, DIM);
    return space;
}

#define APPLY(version, ...)                                                                        \
    kit_apply(version, (const struct kit_op[]){__VA_ARGS__},                                       \
              sizeof((const struct kit_op[]){__VA_ARGS__}) / sizeof(struct kit_op))

static void upserts_replace_and_deletes_remove(void **state)
{
    (void)state;
    struct space space = l2_space();
    struct version *version = kit_version(&space, 1, MIB);
    APPLY(&version, {1, 10}, {1001, 11}, {2001, 12});
    assert_int_equal(version->point_count, 3);
    assert_int_equal(kit_value(version, 1), 10);
    assert_int_equal(kit_value(version, 1001), 11);
    assert_int_equal(kit_value(version, 2001), 12);
    assert_int_equal(kit_value(version, 2), KIT_DELETE);
    APPLY(&version, {1, 20}, {1001, KIT_DELETE}, {9, KIT_DELETE});
    assert_int_equal(version->point_count, 2);
    assert_int_equal(kit_value(version, 1), 20);
    assert_int_equal(kit_value(version, 1001), KIT_DELETE);
    APPLY(&version, {1001, 31});
    assert_int_equal(kit_value(version, 1001), 31);
    assert_int_equal(version->point_count, 3);
    assert_int_equal(version->views[0].row_count, 5);
    version_unref(version);
}

static void later_ops_of_a_batch_win(void **state)
{
    (void)state;
    struct space space = l2_space();
    struct version *version = kit_version(&space, 1, MIB);
    APPLY(&version, {1, 1}, {1, 2}, {1, 3}, {2, 4}, {2, KIT_DELETE}, {3, KIT_DELETE}, {3, 5});
    assert_int_equal(kit_value(version, 1), 3);
    assert_int_equal(kit_value(version, 2), KIT_DELETE);
    assert_int_equal(kit_value(version, 3), 5);
    assert_int_equal(version->point_count, 2);
    APPLY(&version, {3, KIT_DELETE}, {3, 6}, {3, KIT_DELETE}, {3, 7}, {1, KIT_DELETE});
    assert_int_equal(kit_value(version, 3), 7);
    assert_int_equal(kit_value(version, 1), KIT_DELETE);
    assert_int_equal(version->point_count, 1);
    version_unref(version);
}

static void counts_are_those_of_each_batch(void **state)
{
    (void)state;
    struct space space = l2_space();
    struct version *version = kit_version(&space, 1, MIB);
    static const struct kit_op first[] = {{1, 1}, {2, 2}, {2, 3}, {9, KIT_DELETE}},
                               second[] = {{1, KIT_DELETE}, {1, KIT_DELETE}, {2, KIT_DELETE}},
                               third[] = {{1, 4}, {2, KIT_DELETE}};
    struct buf batches[] = {kit_batch(&space, first, 4), kit_batch(&space, second, 3),
                            kit_batch(&space, third, 2)};
    struct batch_counts counts[3];
    kit_apply_group(&version, batches, 3, counts);
    assert_int_equal(counts[0].upserted, 3);
    assert_int_equal(counts[0].deleted, 0);
    assert_int_equal(counts[1].upserted, 0);
    assert_int_equal(counts[1].deleted, 2);
    assert_int_equal(counts[2].upserted, 1);
    assert_int_equal(counts[2].deleted, 0);
    assert_int_equal(version->point_count, 1);
    assert_int_equal(kit_value(version, 1), 4);
    for (int i = 0; i < 3; i++)
        buf_release(&batches[i]);
    version_unref(version);
}

static void old_versions_see_what_they_saw(void **state)
{
    (void)state;
    enum { VERSIONS = 20 };
    struct space space = l2_space();
    struct version *version = kit_version(&space, 1, MIB);
    struct version *held[VERSIONS];
    for (int i = 0; i < VERSIONS; i++) {
        APPLY(&version, {1, 100 + i}, {2, i % 2 ? i : KIT_DELETE}, {(unsigned)(10 + i), i});
        held[i] = version_ref(version);
    }
    for (int i = 0; i < VERSIONS; i++) {
        assert_int_equal(kit_value(held[i], 1), 100 + i);
        assert_int_equal(kit_value(held[i], 2), i % 2 ? i : KIT_DELETE);
        for (int j = 0; j < VERSIONS; j++)
            assert_int_equal(kit_value(held[i], (unsigned)(10 + j)), j <= i ? j : KIT_DELETE);
        version_unref(held[i]);
    }
    version_unref(version);
}

/* --- Against a model --------------------------------------------------------------------------- */

enum { IDS = 40 };

static unsigned nth_id(uint32_t n)
{
    return n % 3 * 1000 + n;
}

static struct buf random_batch(struct rng *rng, const struct space *space, int *model)
{
    struct kit_op ops[12];
    size_t count = 1 + rng_below(rng, 12);
    for (size_t i = 0; i < count; i++) {
        uint32_t n = rng_below(rng, IDS);
        int value = rng_below(rng, 3) ? (int)rng_below(rng, 1000) : KIT_DELETE;
        ops[i] = (struct kit_op){nth_id(n), value};
        model[n] = value;
    }
    return kit_batch(space, ops, count);
}

static void check_model(const struct version *version, const int *model)
{
    uint64_t alive = 0;
    for (uint32_t n = 0; n < IDS; n++) {
        assert_int_equal(kit_value(version, nth_id(n)), model[n]);
        alive += model[n] != KIT_DELETE;
    }
    assert_int_equal(version->point_count, alive);
    uint64_t live = 0;
    for (size_t i = 0; i < version->view_count; i++) {
        const struct segment_view *view = &version->views[i];
        uint32_t count = 0;
        for (uint32_t row = 0; row < view->row_count; row++)
            count += (uint32_t)view_alive(view, row);
        assert_int_equal(count, view->live_count);
        live += count;
    }
    assert_int_equal(live, alive);
}

/* Freeze the growing segment: the next version has one more. */
static void add_growing(struct version **version, const struct space *space)
{
    lode_error error;
    struct growing_options options = {.space = space, .number = 9, .bytes_max = MIB};
    struct version *old = *version, *next = version_new(old->view_count + 1);
    next->sequence = old->sequence;
    next->point_count = old->point_count;
    for (size_t i = 0; i < old->view_count; i++) {
        next->views[i] = old->views[i];
        segment_ref(next->views[i].segment);
        liveset_ref(next->views[i].live);
    }
    assert_ok(growing_new(&options, &next->views[old->view_count].segment, &error));
    version_unref(old);
    *version = next;
}

/* The same batches in groups and one by one give the same rows: what a replay relies on. */
static void groups_are_batches_one_by_one(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 3);
    struct space space = l2_space();
    int model[IDS];
    for (int i = 0; i < IDS; i++)
        model[i] = KIT_DELETE;
    struct version *grouped = kit_version(&space, 1, MIB), *single = kit_version(&space, 1, MIB);
    for (int round = 0; round < 300; round++) {
        struct buf batches[8];
        struct batch_counts counts[8], count;
        size_t n = 1 + rng_below(&rng, 8);
        for (size_t i = 0; i < n; i++)
            batches[i] = random_batch(&rng, &space, model);
        kit_apply_group(&grouped, batches, n, counts);
        for (size_t i = 0; i < n; i++) {
            kit_apply_group(&single, &batches[i], 1, &count);
            assert_memory_equal(&count, &counts[i], sizeof count);
            buf_release(&batches[i]);
        }
        check_model(grouped, model);
        check_model(single, model);
        assert_int_equal(grouped->sequence, single->sequence);
        for (size_t v = 0; v < grouped->view_count; v++) {
            const struct segment_view *a = &grouped->views[v], *b = &single->views[v];
            assert_int_equal(a->row_count, b->row_count);
            assert_int_equal(growing_bytes(a->segment), growing_bytes(b->segment));
            for (uint32_t row = 0; row < a->row_count; row++) {
                assert_int_equal(view_alive(a, row), view_alive(b, row));
                if (view_alive(a, row))
                    assert_memory_equal(rows_at(&a->segment->rows, row),
                                        rows_at(&b->segment->rows, row), space.row_size);
            }
        }
        if (round % 60 == 59) {
            add_growing(&grouped, &space);
            add_growing(&single, &space);
        }
    }
    version_unref(grouped);
    version_unref(single);
}

static void an_aborted_group_leaves_no_trace(void **state)
{
    (void)state;
    lode_error error;
    struct rng rng;
    rng_init(&rng, 4);
    struct space space = l2_space();
    struct version *version = kit_version(&space, 1, MIB);
    int model[IDS], scratch[IDS];
    for (int i = 0; i < IDS; i++)
        model[i] = KIT_DELETE;
    for (int round = 0; round < 200; round++) {
        struct buf lost = random_batch(&rng, &space, scratch);
        struct apply *apply;
        uint64_t bytes = growing_bytes(kit_growing(version));
        assert_ok(kit_prepare(version, &lost, &apply, &error));
        check_model(version, model);
        apply_abort(apply);
        assert_int_equal(growing_bytes(kit_growing(version)), bytes);
        buf_release(&lost);
        check_model(version, model);
        struct buf kept = random_batch(&rng, &space, model);
        kit_apply_group(&version, &kept, 1, NULL);
        buf_release(&kept);
        check_model(version, model);
    }
    apply_abort(NULL);
    version_unref(version);
}

static void damaged_batches_change_nothing(void **state)
{
    (void)state;
    lode_error error;
    struct space space = l2_space();
    struct version *version = kit_version(&space, 1, MIB);
    APPLY(&version, {1, 1});
    static const struct kit_op ops[] = {{1, 2}, {2, 3}};
    struct buf batch = kit_batch(&space, ops, 2);
    batch.size--;
    struct apply *apply;
    assert_status(kit_prepare(version, &batch, &apply, &error), LODE_CORRUPT);
    assert_int_equal(growing_row_count(kit_growing(version)), 1);
    assert_int_equal(kit_value(version, 1), 1);
    buf_release(&batch);
    version_unref(version);
}

/* --- Room -------------------------------------------------------------------------------------- */

static void it_is_full_at_its_bytes(void **state)
{
    (void)state;
    lode_error error;
    struct space space = l2_space();
    struct version *version = kit_version(&space, 1, 1000);
    struct segment *growing = kit_growing(version);
    assert_true(growing_fits(growing, LODE_BATCH_MAX, LODE_BATCH_SIZE_MAX)); /* when empty */
    assert_false(growing_fits(growing, LODE_BATCH_MAX + 1, 0));
    APPLY(&version, {1, 2}); /* 16 of vector, 9 of id */
    assert_int_equal(growing_bytes(growing), 25);
    assert_true(growing_fits(growing, 1, 975));
    assert_false(growing_fits(growing, 1, 976));
    assert_true(growing_fits(growing, LODE_BATCH_MAX - 1, 975));
    assert_false(growing_fits(growing, LODE_BATCH_MAX, 975));

    struct kit_op *ops = calloc(LODE_BATCH_MAX, sizeof *ops);
    for (unsigned i = 0; i < LODE_BATCH_MAX; i++)
        ops[i] = (struct kit_op){2000 + i, (int)i};
    struct buf batch = kit_batch(&space, ops, LODE_BATCH_MAX);
    struct apply *apply;
    assert_status(kit_prepare(version, &batch, &apply, &error), LODE_LIMIT);
    assert_int_equal(growing_row_count(growing), 1);
    version_unref(version);
    version = kit_version(&space, 1, 1000); /* one batch always fits an empty segment */
    kit_apply_group(&version, &batch, 1, NULL);
    assert_int_equal(version->point_count, LODE_BATCH_MAX);
    buf_release(&batch);
    free(ops);
    version_unref(version);
}

/* What the log of a segment holds always suffices for the segment: a replay into one of that many bytes. */
static void bytes_are_at_most_those_of_the_batches(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 6);
    struct space space = l2_space();
    struct version *version = kit_version(&space, 1, MIB);
    int model[IDS];
    uint64_t encoded = 0;
    for (int round = 0; round < 500; round++) {
        struct buf batch = random_batch(&rng, &space, model);
        encoded += batch.size;
        kit_apply_group(&version, &batch, 1, NULL);
        buf_release(&batch);
        assert_true(growing_bytes(kit_growing(version)) <= encoded);
    }
    version_unref(version);
}

/* --- The overlay graph ------------------------------------------------------------------------- */

static void fill(struct version **version, const struct space *space, unsigned count)
{
    struct kit_op *ops = calloc(count, sizeof *ops);
    for (unsigned i = 0; i < count; i++)
        ops[i] = (struct kit_op){2000 + i, (int)i};
    for (unsigned at = 0; at < count; at += 1000)
        kit_apply(version, ops + at, count - at < 1000 ? count - at : 1000);
    free(ops);
    (void)space;
}

static void the_overlay_covers_more_and_more(void **state)
{
    (void)state;
    lode_error error;
    struct space space = l2_space();
    struct version *version = kit_version(&space, 1, MIB);
    struct segment *growing = kit_growing(version);
    uint32_t covered;
    fill(&version, &space, OVERLAY_ROWS_MIN - 1);
    assert_ok(growing_index_some(growing, version->views[0].row_count, 1000, &error));
    assert_null(growing->ops->index(growing, &covered));
    fill(&version, &space, 1001); /* replaces rows: dead ones are in the graph too */
    uint32_t rows = version->views[0].row_count;
    assert_int_equal(rows, OVERLAY_ROWS_MIN + 1000);
    for (uint32_t done = 0; done < rows; done += 1000) {
        assert_ok(growing_index_some(growing, rows, 1000, &error));
        uint32_t wanted = done + 1000 < rows ? done + 1000 : rows;
        const struct index *index = growing->ops->index(growing, &covered);
        assert_non_null(index);
        assert_int_equal(covered, wanted);
        assert_int_equal(index->ops->count(index), wanted);
    }
    uint64_t disk, memory, mapped;
    growing->ops->sizes(growing, &disk, &memory, &mapped);
    assert_int_equal(disk, 0);
    assert_int_equal(mapped, 0);
    assert_true(memory > growing_bytes(growing));
    version_unref(version);
}

static void a_flat_collection_has_no_overlay(void **state)
{
    (void)state;
    lode_error error;
    struct space space = l2_space();
    struct version *version = kit_version(&space, 1, MIB);
    add_growing(&version, &space); /* without use_graph */
    struct segment *growing = kit_growing(version);
    fill(&version, &space, OVERLAY_ROWS_MIN);
    uint32_t covered;
    assert_ok(growing_index_some(growing, OVERLAY_ROWS_MIN, 1000, &error));
    assert_null(growing->ops->index(growing, &covered));
    assert_int_equal(covered, 0);
    version_unref(version);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(upserts_replace_and_deletes_remove),
        cmocka_unit_test(later_ops_of_a_batch_win),
        cmocka_unit_test(counts_are_those_of_each_batch),
        cmocka_unit_test(old_versions_see_what_they_saw),
        cmocka_unit_test(groups_are_batches_one_by_one),
        cmocka_unit_test(an_aborted_group_leaves_no_trace),
        cmocka_unit_test(damaged_batches_change_nothing),
        cmocka_unit_test(it_is_full_at_its_bytes),
        cmocka_unit_test(bytes_are_at_most_those_of_the_batches),
        cmocka_unit_test(the_overlay_covers_more_and_more),
        cmocka_unit_test(a_flat_collection_has_no_overlay),
    };
    return cmocka_run_group_tests_name("storage/growing", tests, NULL, NULL);
}
