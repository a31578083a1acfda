/* Merging JSON objects: the examples of RFC 7386, what stays byte for byte, names with escapes, and
 * random objects against a naive merge. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/json_merge.h"
#include "base/random.h"

static void check(const char *target, const char *patch, enum json_merge_depth depth,
                  const char *wanted)
{
    lode_error error = {0};
    struct buf out;
    buf_init(&out, 1u << 20);
    if (json_merge(target, strlen(target), patch, strlen(patch), depth, &out, &error))
        fail_msg("%s", error.message);
    if (out.size != strlen(wanted) || memcmp(out.data, wanted, out.size) != 0)
        fail_msg("%s by %s is %.*s, not %s", target, patch, (int)out.size, (char *)out.data,
                 wanted);
    buf_release(&out);
}

/* RFC 7386, appendix A: those whose both sides are objects. */
static void as_the_rfc_has_it(void **state)
{
    (void)state;
    static const char *const cases[][3] = {
        {"{\"a\":\"b\"}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"b\":\"c\"}", "{\"a\":\"b\",\"b\":\"c\"}"},
        {"{\"a\":\"b\"}", "{\"a\":null}", "{}"},
        {"{\"a\":\"b\",\"b\":\"c\"}", "{\"a\":null}", "{\"b\":\"c\"}"},
        {"{\"a\":[\"b\"]}", "{\"a\":\"c\"}", "{\"a\":\"c\"}"},
        {"{\"a\":\"c\"}", "{\"a\":[\"b\"]}", "{\"a\":[\"b\"]}"},
        {"{\"a\":{\"b\":\"c\"}}", "{\"a\":{\"b\":\"d\",\"c\":null}}", "{\"a\":{\"b\":\"d\"}}"},
        {"{\"a\":[{\"b\":\"c\"}]}", "{\"a\":[1]}", "{\"a\":[1]}"},
        {"{\"e\":null}", "{\"a\":1}", "{\"e\":null,\"a\":1}"},
        {"{}", "{\"a\":{\"bb\":{\"ccc\":null}}}", "{\"a\":{\"bb\":{}}}"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check(cases[i][0], cases[i][1], JSON_MERGE_DEEP, cases[i][2]);
}

static void at_the_top_members_are_replaced_whole(void **state)
{
    (void)state;
    check("{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"b\":3}}", JSON_MERGE_TOP, "{\"a\":{\"b\":3}}");
    check("{\"a\":1}", "{\"a\":{\"b\":null}}", JSON_MERGE_TOP, "{\"a\":{\"b\":null}}");
    check("{\"a\":1,\"b\":2}", "{\"a\":null,\"c\":null}", JSON_MERGE_TOP, "{\"b\":2}");
    check("", "{\"a\":1,\"b\":null}", JSON_MERGE_TOP, "{\"a\":1}");
    check("", "{}", JSON_MERGE_DEEP, "{}");
}

static void what_is_not_named_stays_as_it_is(void **state)
{
    (void)state;
    check(" { \"z\" : [ 1.50 , 2e0 ] , \"a\" :\t{ \"x\" : 1 } , \"k\":true}",
          "{\"k\":false,\"n\":0}", JSON_MERGE_TOP,
          "{\"z\":[ 1.50 , 2e0 ],\"a\":{ \"x\" : 1 },\"k\":false,\"n\":0}");
    check("{\"s\":\"{\"}", "{\"t\":\"{\"}", JSON_MERGE_TOP, "{\"s\":\"{\",\"t\":\"{\"}");
}

static void names_are_compared_unescaped(void **state)
{
    (void)state;
    check("{\"\\u0061\":1,\"b\":2}", "{\"a\":3}", JSON_MERGE_TOP, "{\"\\u0061\":3,\"b\":2}");
    check("{\"a\":1}", "{\"\\u0061\":null}", JSON_MERGE_TOP, "{}");
    check("{\"a\":1}", "{\"A\":2}", JSON_MERGE_TOP, "{\"a\":1,\"A\":2}");
    check("{\"\":1,\"\\\"\":2}", "{\"\\u0022\":3,\"\":4}", JSON_MERGE_TOP, "{\"\":4,\"\\\"\":3}");
}

static void nulls_may_come_twice(void **state)
{
    (void)state;
    check("{\"a\":1,\"b\":2}", "{\"a\":null,\"a\":null,\"c\":null,\"c\":null}", JSON_MERGE_TOP,
          "{\"b\":2}");
}

static void the_room_is_kept_to(void **state)
{
    (void)state;
    lode_error error = {0};
    struct buf out;
    buf_init(&out, 12);
    assert_int_equal(json_merge("{\"a\":1}", 7, "{\"b\":2}", 7, JSON_MERGE_TOP, &out, &error),
                     LODE_LIMIT);
    buf_release(&out);
}

static void many_members_take_no_time(void **state)
{
    (void)state;
    enum { MEMBERS = 60000 };
    lode_error error = {0};
    struct buf target, patch, out;
    buf_init(&target, 1u << 22);
    buf_init(&patch, 1u << 22);
    buf_init(&out, 1u << 22);
    for (int i = 0; i < MEMBERS; i++) {
        assert_int_equal(buf_printf(&target, &error, "%s\"k%d\":1", i ? "," : "{", i), 0);
        assert_int_equal(buf_printf(&patch, &error, "%s\"k%d\":2", i ? "," : "{", MEMBERS - i), 0);
    }
    assert_int_equal(buf_append_u8(&target, '}', &error), 0);
    assert_int_equal(buf_append_u8(&patch, '}', &error), 0);
    assert_int_equal(json_merge((char *)target.data, target.size, (char *)patch.data, patch.size,
                                JSON_MERGE_TOP, &out, &error),
                     0);
    assert_int_equal(json_validate((char *)out.data, out.size, JSON_OBJECT, &error), 0);
    assert_int_equal(out.size, target.size + strlen(",\"k60000\":2"));
    buf_release(&target);
    buf_release(&patch);
    buf_release(&out);
}

/* --- Random objects ---------------------------------------------------------------------------- */

/* A tree of members 'a' to 'd', each absent, null, a number or such a tree again. */
enum { NODES = 4, DEPTH = 3 };
enum { ABSENT, NONE, NUMBER, OBJECT };
struct node {
    int kind;
    int number;
    struct node *members; /* NODES of them */
};

static void grow(struct rng *rng, struct node *node, int depth)
{
    node->kind = OBJECT;
    node->members = calloc(NODES, sizeof *node->members);
    for (int i = 0; i < NODES; i++) {
        struct node *member = &node->members[i];
        member->kind = (int)rng_below(rng, depth < DEPTH ? 4 : 3);
        member->number = (int)rng_below(rng, 10);
        if (member->kind == OBJECT)
            grow(rng, member, depth + 1);
    }
}

static void fell(struct node *node)
{
    for (int i = 0; node->members && i < NODES; i++)
        fell(&node->members[i]);
    free(node->members);
}

static void copy(const struct node *from, struct node *to)
{
    *to = *from;
    if (!from->members)
        return;
    to->members = calloc(NODES, sizeof *to->members);
    for (int i = 0; i < NODES; i++)
        copy(&from->members[i], &to->members[i]);
}

/* RFC 7386, section 2; at the top alone when not deep. */
static void naive(struct node *target, const struct node *patch, int deep)
{
    if (target->kind != OBJECT) {
        *target = (struct node){.kind = OBJECT};
        target->members = calloc(NODES, sizeof *target->members);
    }
    for (int i = 0; i < NODES; i++) {
        const struct node *change = &patch->members[i];
        struct node *old = &target->members[i];
        if (change->kind == ABSENT)
            continue;
        if (change->kind == OBJECT && deep) {
            naive(old, change, 1);
            continue;
        }
        fell(old);
        *old = (struct node){0};
        if (change->kind != NONE)
            copy(change, old);
    }
}

static void write_node(struct json_writer *writer, const struct node *node)
{
    char name[2] = "a";
    if (node->kind == NONE)
        json_write_null(writer);
    if (node->kind == NUMBER)
        json_write_i64(writer, node->number);
    if (node->kind != OBJECT)
        return;
    json_write_object(writer);
    for (int i = 0; i < NODES; i++)
        if (node->members[i].kind != ABSENT) {
            name[0] = (char)('a' + i);
            json_write_key(writer, name);
            write_node(writer, &node->members[i]);
        }
    json_write_object_end(writer);
}

static struct buf text_of(const struct node *node)
{
    struct buf out;
    struct json_writer writer;
    buf_init(&out, 1u << 20);
    json_writer_init(&writer, &out, NULL);
    write_node(&writer, node);
    assert_int_equal(writer.status, LODE_OK);
    return out;
}

/* Read a text back, whatever the order of its members. */
static void parse(struct json *json, struct node *node)
{
    *node = (struct node){.kind = OBJECT};
    node->members = calloc(NODES, sizeof *node->members);
    while (json_next(json) == JSON_KEY) {
        struct node *member = &node->members[json->text[0] - 'a'];
        struct json peek = *json;
        switch (json_next(&peek)) {
        case JSON_OBJECT:
            (void)json_next(json);
            parse(json, member);
            continue;
        case JSON_NUMBER: *member = (struct node){.kind = NUMBER, .number = atoi(peek.text)}; break;
        default: member->kind = NONE;
        }
        (void)json_next(json);
    }
}

static void as_a_naive_merge_has_it(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 7);
    for (int round = 0; round < 3000; round++) {
        struct node target = {0}, patch = {0}, found;
        int deep = round % 2;
        grow(&rng, &target, 0);
        grow(&rng, &patch, 0);
        struct buf target_text = text_of(&target), patch_text = text_of(&patch), out;
        buf_init(&out, 1u << 20);
        assert_int_equal(json_merge((char *)target_text.data, target_text.size,
                                    (char *)patch_text.data, patch_text.size,
                                    deep ? JSON_MERGE_DEEP : JSON_MERGE_TOP, &out, NULL),
                         LODE_OK);
        assert_int_equal(json_validate((char *)out.data, out.size, JSON_OBJECT, NULL), LODE_OK);
        struct json json;
        json_init(&json, (char *)out.data, out.size);
        (void)json_next(&json);
        parse(&json, &found);
        naive(&target, &patch, deep);
        struct buf wanted = text_of(&target), got = text_of(&found);
        assert_int_equal(wanted.size, got.size);
        assert_memory_equal(wanted.data, got.data, got.size);
        buf_release(&target_text);
        buf_release(&patch_text);
        buf_release(&out);
        buf_release(&wanted);
        buf_release(&got);
        fell(&target);
        fell(&patch);
        fell(&found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_the_rfc_has_it),
        cmocka_unit_test(at_the_top_members_are_replaced_whole),
        cmocka_unit_test(what_is_not_named_stays_as_it_is),
        cmocka_unit_test(names_are_compared_unescaped),
        cmocka_unit_test(nulls_may_come_twice),
        cmocka_unit_test(the_room_is_kept_to),
        cmocka_unit_test(many_members_take_no_time),
        cmocka_unit_test(as_a_naive_merge_has_it),
    };
    return cmocka_run_group_tests_name("base/json_merge", tests, NULL, NULL);
}
