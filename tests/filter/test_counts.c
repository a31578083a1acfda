/* test_counts.c: how many of some documents each filter matches. By itself it checks a handful; as a tool it serves
 * test_counts.py, which counts independently:
 *
 *     test_counts FIELDS DOCUMENTS FILTERS
 *
 * FIELDS: lines "path type", declared before learning. DOCUMENTS: lines of metadata, whose ids are their
 * numbers from 0. FILTERS: one a line, in either form. Prints for each its count and its canonical JSON, or
 * "error" and the message; plain and normalised evaluation must agree. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/filter_kit.h"

struct lines {
    char **items;
    size_t count;
};

static void die(const char *what, const char *message)
{
    fprintf(stderr, "test_counts: %s: %s\n", what, message);
    exit(2);
}

static struct lines read_lines(const char *path)
{
    struct lines lines = {NULL, 0};
    FILE *file = fopen(path, "r");
    if (!file)
        die(path, "cannot be opened");
    char *line = NULL;
    size_t room = 0;
    for (ssize_t size; (size = getline(&line, &room, file)) >= 0;) {
        if (size > 0 && line[size - 1] == '\n')
            line[size - 1] = 0;
        lines.items = realloc(lines.items, (lines.count + 1) * sizeof *lines.items);
        lines.items[lines.count++] = strdup(line);
    }
    free(line);
    fclose(file);
    return lines;
}

static void lines_release(struct lines *lines)
{
    for (size_t i = 0; i < lines->count; i++)
        free(lines->items[i]);
    free(lines->items);
}

static struct fields *learn_all(const struct lines *declared, const struct lines *documents)
{
    struct fields *fields = NULL;
    lode_error error = {0};
    if (fields_new(&fields, &error))
        die("fields", error.message);
    for (size_t i = 0; i < declared->count; i++) {
        const char *space = strrchr(declared->items[i], ' ');
        enum field_type type = space ? field_type_named(space + 1, strlen(space + 1)) : 0;
        size_t size = space ? (size_t)(space - declared->items[i]) : 0;
        if (fields_declare(fields, declared->items[i], size, type, &error))
            die(declared->items[i], error.message);
    }
    for (size_t i = 0; i < documents->count; i++) {
        char point[24];
        const char *text = documents->items[i];
        snprintf(point, sizeof point, "%zu", i);
        if (json_validate(text, strlen(text), JSON_OBJECT, &error) ||
            fields_learn(fields, text, strlen(text), point, &error))
            die("documents", error.message);
    }
    return fields;
}

static size_t count_matches(const struct filter *bound, const struct lines *documents)
{
    struct matcher *matcher;
    size_t count = 0;
    if (matcher_new(bound, &matcher, NULL))
        die("matcher", "out of memory");
    for (size_t i = 0; i < documents->count; i++) {
        int matches = 0;
        const lode_id id = lode_id_number(i);
        if (matcher_matches(matcher, documents->items[i], strlen(documents->items[i]), &id,
                            &matches, NULL))
            die("matcher", "out of memory");
        count += matches != 0;
    }
    matcher_free(matcher);
    return count;
}

static lode_status read_and_bind(struct arena *arena, const char *text, const struct fields *fields,
                                 const struct filter **ret_filter, const struct filter **ret_bound,
                                 lode_error *error)
{
    const struct filter_source source = {.text = text, .size = strlen(text)};
    lode_status status = *text == '{'
                             ? filter_parse_json(arena, text, strlen(text), ret_filter, error)
                             : filter_parse_text(arena, text, strlen(text), ret_filter, error);
    return status ? status : filter_bind(*ret_filter, fields, &source, arena, ret_bound, error);
}

static void count_one(const char *text, const struct fields *fields, const struct lines *documents)
{
    struct arena arena;
    struct buf json;
    lode_error error = {0};
    const struct filter *filter = NULL, *bound = NULL, *normal = NULL;
    arena_init(&arena);
    buf_init(&json, 1u << 26);
    if (read_and_bind(&arena, text, fields, &filter, &bound, &error)) {
        printf("error\t%s\n", error.message);
    } else {
        if (filter_normalise(bound, &arena, &normal, &error) ||
            filter_print_json(filter, &json, &error))
            die(text, error.message);
        size_t count = count_matches(bound, documents);
        if (count_matches(normal, documents) != count)
            die(text, "matches otherwise when normalised");
        printf("%zu\t%.*s\n", count, (int)json.size, (const char *)json.data);
    }
    buf_release(&json);
    arena_release(&arena);
}

static int run_tool(char **paths)
{
    struct lines declared = read_lines(paths[0]), documents = read_lines(paths[1]);
    struct lines filters = read_lines(paths[2]);
    struct fields *fields = learn_all(&declared, &documents);
    for (size_t i = 0; i < filters.count; i++)
        count_one(filters.items[i], fields, &documents);
    fields_free(fields);
    lines_release(&declared);
    lines_release(&documents);
    lines_release(&filters);
    return 0;
}

static void a_handful(void **state)
{
    (void)state;
    char *texts[] = {(char[]){"{\"a\":1}"}, (char[]){"{\"a\":[2,1]}"}, (char[]){"{}"}};
    const struct lines documents = {texts, 3}, declared = {NULL, 0};
    static const struct {
        const char *filter;
        size_t count;
    } rows[] = {{"a = 1", 2}, {"a != 1", 1}, {"a = 2", 1}, {"{}", 3}, {"@id IN (0, 2)", 2}};
    struct fields *fields = learn_all(&declared, &documents);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct arena arena;
        arena_init(&arena);
        const struct filter *bound = kit_bind(&arena, fields, kit_parse(&arena, rows[i].filter));
        assert_int_equal(count_matches(bound, &documents), rows[i].count);
        arena_release(&arena);
    }
    fields_free(fields);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_handful)};
    if (argc == 4)
        return run_tool(argv + 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
