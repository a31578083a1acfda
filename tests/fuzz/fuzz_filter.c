/* fuzz_filter.c: a filter and, behind the size of the first, a document. Whatever the bytes: reading either form
 * ends in a tree or an error that says where; a tree printed and read again is the same; bound to what the
 * document teaches, plain and normalised evaluation agree. */
#include "fuzz/fuzz_storage.h"

#include "base/json.h"
#include "filter/bind.h"
#include "filter/syntax.h"
#include "filter/matches.h"

#define ROOM ((size_t)1 << 24)

static lode_status read_form(struct arena *arena, int json, const char *text, size_t size,
                             const struct filter **ret_filter, lode_error *error)
{
    return json ? filter_parse_json(arena, text, size, ret_filter, error)
                : filter_parse_text(arena, text, size, ret_filter, error);
}

static void check_printing(const struct filter *filter, struct arena *arena)
{
    for (int json = 0; json < 2; json++) {
        struct buf out;
        const struct filter *again = NULL;
        buf_init(&out, ROOM);
        lode_status status =
            json ? filter_print_json(filter, &out, NULL) : filter_print_text(filter, &out, NULL);
        INVARIANT(status == LODE_OK);
        INVARIANT(read_form(arena, json, (const char *)out.data, out.size, &again, NULL) ==
                  LODE_OK);
        INVARIANT(filter_compare(filter, again) == 0);
        buf_release(&out);
    }
}

/* A bound tree has values of its fields' types, which reading and binding again bring back. */
static void check_binding(const struct filter *bound, const struct fields *fields,
                          struct arena *arena)
{
    struct buf out;
    const struct filter *again = NULL;
    buf_init(&out, ROOM);
    INVARIANT(filter_print_text(bound, &out, NULL) == LODE_OK);
    INVARIANT(filter_parse_text(arena, (const char *)out.data, out.size, &again, NULL) == LODE_OK);
    INVARIANT(filter_bind(again, fields, NULL, arena, &again, NULL) == LODE_OK);
    INVARIANT(filter_compare(bound, again) == 0);
    buf_release(&out);
}

static int evaluate(const struct filter *bound, const char *document, size_t size)
{
    struct matcher *matcher = NULL;
    int matches = -1;
    const lode_id id = lode_id_number(7);
    INVARIANT(matcher_new(bound, &matcher, NULL) == LODE_OK);
    INVARIANT(matcher_matches(matcher, document, size, &id, &matches, NULL) == LODE_OK);
    matcher_free(matcher);
    return matches;
}

static struct fields *learn(const char *document, size_t size)
{
    static const struct {
        const char *path;
        enum field_type type;
    } declared[] = {{"t", FIELD_TEXT}, {"d", FIELD_DATETIME}, {"g", FIELD_GEO}, {"u", FIELD_UUID}};
    static const char known[] =
        "{\"a\":1,\"b\":\"x\",\"c\":[1.5],\"e\":true,\"o\":[{\"a\":1,\"b\":\"x\"}]}";
    struct fields *fields = NULL;
    INVARIANT(fields_new(&fields, NULL) == LODE_OK);
    for (size_t i = 0; i < 4; i++)
        INVARIANT(fields_declare(fields, declared[i].path, 1, declared[i].type, NULL) == LODE_OK);
    INVARIANT(fields_learn(fields, known, sizeof known - 1, "0", NULL) == LODE_OK);
    size_t count = fields_count(fields);
    if (json_validate(document, size, JSON_OBJECT, NULL) == LODE_OK &&
        fields_learn(fields, document, size, "1", NULL))
        INVARIANT(fields_count(fields) == count);
    return fields;
}

static void check_evaluation(const struct filter *filter, struct arena *arena, const char *document,
                             size_t size)
{
    const struct filter *bound = NULL, *normal = NULL;
    lode_error error = {0};
    struct fields *fields = learn(document, size);
    if (filter_bind(filter, fields, NULL, arena, &bound, &error)) {
        INVARIANT(error.message[0]);
    } else {
        INVARIANT(filter_normalise(bound, arena, &normal, NULL) == LODE_OK);
        check_binding(bound, fields, arena);
        check_binding(normal, fields, arena);
        if (json_validate(document, size, JSON_OBJECT, NULL) == LODE_OK &&
            fields_learn(fields, document, size, "1", NULL) == LODE_OK)
            INVARIANT(evaluate(bound, document, size) == evaluate(normal, document, size));
    }
    fields_free(fields);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame halves = sections_new(data, size, 2);
    for (int json = 0; json < 2; json++) {
        struct arena arena;
        const struct filter *filter = NULL;
        lode_error error = {0};
        arena_init(&arena);
        if (read_form(&arena, json, (const char *)halves.sections[0].data,
                      (size_t)halves.sections[0].size, &filter, &error)) {
            INVARIANT(error.status != LODE_OK && error.message[0]);
        } else {
            check_printing(filter, &arena);
            check_evaluation(filter, &arena, (const char *)halves.sections[1].data,
                             (size_t)halves.sections[1].size);
        }
        arena_release(&arena);
    }
    sections_free(&halves);
    return 0;
}
