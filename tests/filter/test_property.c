/* test_property.c: of random trees: reading what was printed gives the tree again, in both forms; bound and
 * normalised, it matches the same documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "support/filter_kit.h"

#define TREES     4000
#define DOCUMENTS 60

static void print(const struct filter *filter, int json, struct buf *out)
{
    lode_error error = {0};
    buf_clear(out);
    if (json ? filter_print_json(filter, out, &error) : filter_print_text(filter, out, &error))
        fail_msg("%s", error.message);
    assert_int_equal(buf_terminate(out, NULL), LODE_OK);
}

static void check_reading(const struct filter *filter, struct arena *arena, struct buf *out)
{
    for (int json = 0; json < 2; json++) {
        print(filter, json, out);
        const struct filter *again = kit_parse(arena, (const char *)out->data);
        if (filter_compare(filter, again) != 0)
            fail_msg("read back as another tree: %s", (const char *)out->data);
    }
}

static void printed_trees_are_read_back(void **state)
{
    (void)state;
    struct rng rng;
    struct buf out;
    rng_init(&rng, 1);
    buf_init(&out, 1u << 20);
    for (int i = 0; i < TREES; i++) {
        struct arena arena;
        arena_init(&arena);
        check_reading(kit_tree(&rng, &arena, 1 + rng_below(&rng, 5)), &arena, &out);
        arena_release(&arena);
    }
    buf_release(&out);
}

struct documents {
    struct buf text;
    size_t begin[DOCUMENTS + 1];
};

static void draw_documents(struct rng *rng, struct fields *fields, struct documents *documents)
{
    lode_error error = {0};
    buf_init(&documents->text, 1u << 20);
    for (int i = 0; i < DOCUMENTS; i++) {
        documents->begin[i] = documents->text.size;
        kit_document(rng, &documents->text);
        if (fields_learn(fields, (const char *)documents->text.data + documents->begin[i],
                         documents->text.size - documents->begin[i], "x", &error))
            fail_msg("%s", error.message);
    }
    documents->begin[DOCUMENTS] = documents->text.size;
}

static int matches(const struct filter *bound, const struct documents *documents, int i)
{
    char text[24];
    lode_id id = kit_point_id((unsigned)i, text);
    return kit_matches(bound, (const char *)documents->text.data + documents->begin[i],
                       documents->begin[i + 1] - documents->begin[i], &id);
}

/* No NOT but above a condition, no constant below the top, no group in one of its kind. */
static int is_normal(const struct filter *filter, int top)
{
    switch (filter->kind) {
    case FILTER_TRUE:
    case FILTER_FALSE: return top;
    case FILTER_NOT:
        return filter->group.items[0]->kind >= FILTER_NESTED &&
               is_normal(filter->group.items[0], 0);
    case FILTER_NESTED: return is_normal(filter->group.items[0], 1);
    case FILTER_AND:
    case FILTER_OR:
    case FILTER_AT_LEAST:
        for (uint32_t i = 0; i < filter->group.count; i++)
            if ((filter->kind != FILTER_AT_LEAST && filter->group.items[i]->kind == filter->kind) ||
                !is_normal(filter->group.items[i], 0))
                return 0;
        return 1;
    default: return 1;
    }
}

static void check_normalising(const struct filter *filter, const struct fields *fields,
                              const struct documents *documents, struct arena *arena, int counts[2])
{
    const struct filter *bound = kit_bind(arena, fields, filter), *normal = NULL;
    struct buf out;
    buf_init(&out, 1u << 20);
    assert_int_equal(filter_normalise(bound, arena, &normal, NULL), LODE_OK);
    for (int i = 0; i < DOCUMENTS; i++) {
        int naive = matches(bound, documents, i);
        counts[naive]++;
        if (naive == matches(normal, documents, i))
            continue;
        print(normal, 0, &out);
        print_message("normalised: %s\n", (const char *)out.data);
        print(filter, 0, &out);
        fail_msg("%s differs on %.*s", (const char *)out.data,
                 (int)(documents->begin[i + 1] - documents->begin[i]),
                 (const char *)documents->text.data + documents->begin[i]);
    }
    if (!is_normal(normal, 1)) {
        print(normal, 0, &out);
        fail_msg("not normal: %s", (const char *)out.data);
    }
    buf_release(&out);
}

/* A bound tree, printed, read and bound again, is the same bound tree. */
static void check_rebinding(const struct filter *filter, const struct fields *fields,
                            struct arena *arena)
{
    const struct filter *bound = kit_bind(arena, fields, filter);
    struct buf out;
    buf_init(&out, 1u << 20);
    print(bound, 1, &out);
    const struct filter *again = kit_bind(arena, fields, kit_parse(arena, (const char *)out.data));
    if (filter_compare(bound, again) != 0)
        fail_msg("bound again: %s", (const char *)out.data);
    buf_release(&out);
}

static void normalised_trees_match_the_same(void **state)
{
    (void)state;
    int counts[2] = {0, 0};
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rng rng;
        struct documents documents;
        struct fields *fields = kit_fields();
        rng_init(&rng, seed);
        draw_documents(&rng, fields, &documents);
        for (int i = 0; i < TREES / 40; i++) {
            struct arena arena;
            arena_init(&arena);
            const struct filter *filter = kit_tree(&rng, &arena, 1 + rng_below(&rng, 5));
            check_normalising(filter, fields, &documents, &arena, counts);
            check_rebinding(filter, fields, &arena);
            arena_release(&arena);
        }
        buf_release(&documents.text);
        fields_free(fields);
    }
    /* Filters that match nothing or all would test little. */
    assert_in_range(counts[1], TREES * DOCUMENTS / 5, TREES * DOCUMENTS * 4 / 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(printed_trees_are_read_back),
        cmocka_unit_test(normalised_trees_match_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
