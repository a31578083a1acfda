/* errors_kit.c: see errors_kit.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/files.h"
#include "support/errors_kit.h"

lode_error error;
struct errors_fixture fixture;
const float errors_good[ERRORS_DIM] = {1, 2, 3, 4};
struct errors_outputs out;

/* Outputs, which no refused call may touch. */
static char sentinel;
static struct errors_outputs untouched;

static void make_sentinels(void)
{
    void *mark = &sentinel;
    memset(&untouched, 0, sizeof untouched);
    untouched.db = mark;
    untouched.collection = mark;
    untouched.catalog = mark;
    untouched.snapshot = mark;
    untouched.snapshots = mark;
    untouched.result = mark;
    untouched.iterator = mark;
    untouched.hit = mark;
    untouched.stats = mark;
    untouched.backups = mark;
    untouched.page = mark;
    untouched.facets = mark;
    untouched.groups = mark;
    untouched.explanation = mark;
    untouched.count = 77;
    untouched.info.sequence = 77;
    untouched.known = 77;
    memcpy(&out, &untouched, sizeof out);
}

/* --- What there is, to see that it stays -------------------------------------------------------- */

static uint64_t count_entries(const char *path)
{
    struct file_names names;
    if (file_names_list(vfs_posix(), path, &names, NULL))
        return 0;
    uint64_t count = names.count;
    for (size_t i = 0; i < names.count; i++) {
        char below[PATH_SIZE_MAX];
        if (strncmp(names.names[i], "c-", 2) == 0 && !vfs_join(below, path, names.names[i], NULL))
            count += count_entries(below);
    }
    file_names_release(&names);
    return count;
}

static uint64_t sum_of_sequences(void)
{
    lode_collection *all[] = {fixture.l2, fixture.cosine, fixture.f16, fixture.int8};
    uint64_t sum = 0;
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        lode_snapshot *snapshot;
        assert_ok(lode_snapshot_open(all[i], &snapshot, &error));
        sum += lode_snapshot_sequence(snapshot) * 1000 + lode_snapshot_point_count(snapshot);
        lode_snapshot_close(snapshot);
    }
    return sum;
}

/* --- The table ---------------------------------------------------------------------------------- */

static void put(const char *text, size_t size)
{
    assert_ok(buf_append(&fixture.table, text, size, NULL));
}

static void put_text(const char *text)
{
    put(text, strlen(text));
}

/* Where the database of the test lies, and which process it is, is nobody's business, and | would end the cell. */
static void put_cell(const char *text)
{
    size_t path_size = strlen(fixture.path);
    while (*text) {
        if (strncmp(text, fixture.path, path_size) == 0) {
            put_text("DB");
            text += path_size;
        } else if (strncmp(text, "pid ", 4) == 0) {
            put_text("pid N");
            text += 4 + strspn(text + 4, "0123456789");
        } else if (*text == '|') {
            put_text("\\|");
            text++;
        } else {
            put(text++, 1);
        }
    }
}

/* Of a copy: putting asserts, and that clears `error`. */
static void put_row(const char *function, const char *what, const lode_error *got)
{
    static const char *last = "";
    put_text("| ");
    if (strcmp(function, last) != 0) {
        put_text("`");
        put_text(function);
        put_text("`");
    }
    last = function;
    put_text(" | ");
    put_text(what);
    put_text(" | ");
    put_text(lode_status_name(got->status));
    put_text(" | ");
    put_cell(got->message);
    put_text(" |\n");
}

void errors_note(const char *function, const char *what, lode_status status)
{
    if (status == LODE_OK)
        fail_msg("%s takes this: %s", function, what);
    assert_int_equal(error.status, status);
    if (strlen(error.message) < 8)
        fail_msg("%s, %s: no reason: '%s'", function, what, error.message);
    lode_error got = error;
    put_row(function, what, &got);
    /* Padding too: it was copied. */
    if (memcmp((const void *)&out, (const void *)&untouched, sizeof out) != 0)
        fail_msg("%s, %s: an output was written", function, what);
    if (sum_of_sequences() != fixture.sequence || count_entries(fixture.path) != fixture.files)
        fail_msg("%s, %s: something has changed", function, what);
    memset(&error, 0, sizeof error);
}

/* --- Set-up ------------------------------------------------------------------------------------- */

static void write_first(lode_collection *collection)
{
    lode_point point = {.id = lode_id_number(1),
                        .vector = errors_good,
                        .metadata = "{\"count\":1}",
                        .metadata_size = 11};
    assert_ok(lode_upsert(collection, &point, 1, NULL, &error));
}

int errors_set_up(void **state)
{
    (void)state;
    temp_dir_make(fixture.path);
    fixture.db = engine_open(NULL, fixture.path, NULL, 0);
    static const lode_field fields[] = {
        {"count", LODE_FIELD_INTEGER}, {"share", LODE_FIELD_FLOAT},  {"kind", LODE_FIELD_KEYWORD},
        {"when", LODE_FIELD_DATETIME}, {"done", LODE_FIELD_BOOLEAN},
    };
    fixture.l2 = engine_create(
        fixture.db, "l2", (lode_schema){.dim = ERRORS_DIM, .fields = fields, .field_count = 5});
    fixture.cosine = engine_create(fixture.db, "cosine",
                                   (lode_schema){.dim = ERRORS_DIM, .metric = LODE_METRIC_COSINE});
    fixture.f16 = engine_create(fixture.db, "f16",
                                (lode_schema){.dim = ERRORS_DIM, .scalar = LODE_SCALAR_F16});
    fixture.int8 = engine_create(fixture.db, "int8",
                                 (lode_schema){.dim = ERRORS_DIM, .scalar = LODE_SCALAR_INT8});
    write_first(fixture.l2);
    write_first(fixture.cosine);
    write_first(fixture.f16);
    write_first(fixture.int8);
    assert_ok(lode_alias_set(fixture.db, "alias", "l2", &error));
    assert_ok(lode_snapshot_create(fixture.l2, "monday", &error));
    assert_ok(lode_snapshot_open(fixture.cosine, &fixture.other_snapshot, &error));
    assert_ok(lode_wait_idle(fixture.l2, 0, &error));
    buf_init(&fixture.table, 1 << 20);
    put_text("| function | argument | status | message |\n|---|---|---|---|\n");
    make_sentinels();
    fixture.sequence = sum_of_sequences();
    fixture.files = count_entries(fixture.path);
    return 0;
}

int errors_tear_down(void **state)
{
    (void)state;
    lode_snapshot_close(fixture.other_snapshot);
    lode_collection_close(fixture.l2);
    lode_collection_close(fixture.cosine);
    lode_collection_close(fixture.f16);
    lode_collection_close(fixture.int8);
    engine_close(fixture.db);
    temp_dir_remove(fixture.path);
    buf_release(&fixture.table);
    return 0;
}

char *errors_repeat(char c, size_t size)
{
    char *text = malloc(size + 1);
    assert_non_null(text);
    memset(text, c, size);
    text[size] = '\0';
    return text;
}

/* --- The page ----------------------------------------------------------------------------------- */

static char *read_page(char path[PATH_SIZE_MAX])
{
    const char *source = getenv("LODE_SOURCE");
    if (!source)
        return NULL;
    snprintf(path, PATH_SIZE_MAX, "%s/docs/errors.md", source);
    FILE *file = fopen(path, "r");
    char *text = calloc(1, 1 << 20);
    assert_non_null(text);
    if (file) {
        size_t size = fread(text, 1, (1 << 20) - 1, file);
        text[size] = '\0';
        fclose(file);
    }
    return text;
}

/* The table that the program has made: *ret_end, a blank line or the end of the page. NULL: there is none. */
static const char *find_table(const char *page, const char *program, const char **ret_end)
{
    char mark[128];
    snprintf(mark, sizeof mark, "<!-- table: made by tests/engine/%s -->\n", program);
    const char *begin = strstr(page, mark);
    if (!begin)
        return NULL;
    begin += strlen(mark);
    const char *blank = strstr(begin, "\n\n");
    *ret_end = blank ? blank + 1 : begin + strlen(begin);
    return begin;
}

static void write_page(const char *path, const char *page, const char *begin, const char *end)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fwrite(page, 1, (size_t)(begin - page), file);
    fwrite(fixture.table.data, 1, fixture.table.size, file);
    fwrite(end, 1, strlen(end), file);
    fclose(file);
}

void errors_compare(const char *program)
{
    char path[PATH_SIZE_MAX];
    char *page = read_page(path);
    if (!page)
        return; /* run by hand: the calls are checked all the same */
    const char *end = NULL, *begin = find_table(page, program, &end);
    if (!begin)
        fail_msg("docs/errors.md has no table made by %s", program);
    else if (getenv("LODE_WRITE_ERRORS"))
        write_page(path, page, begin, end);
    else if ((size_t)(end - begin) != fixture.table.size ||
             memcmp(begin, fixture.table.data, fixture.table.size) != 0)
        fail_msg("docs/errors.md is not what the functions say: LODE_WRITE_ERRORS=1 writes it");
    free(page);
}
