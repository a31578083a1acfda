/* docs/server-config.md has a row for every setting, as the table of settings says it, and no other; docs/limits.md has every
 * limit among them, and what cannot be set. Run with --rows, it prints them all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/http1.h"
#include "server/answers.h"
#include "server/config_keys.h"
#include "server/grpc_call.h"
#include "server/grpc_health.h"
#include "server/import_batch.h"
#include "server/metrics.h"
#include "server/stream.h"

#define PAGE_SIZE_MAX 262144
#define ROW_SIZE_MAX  1024

static char page[PAGE_SIZE_MAX];

static const char *default_of(const struct config_key *key)
{
    return key->computed ? key->computed : *key->fallback ? key->fallback : "none";
}

/* | `http.streams` | `128` | a whole number from 1 to 65535 | Requests at a time ... | */
static void row_of(const struct config_key *key, char row[ROW_SIZE_MAX])
{
    char wanted[CONFIG_WANTED_MAX], flag[64] = "", variable[96] = "";
    config_wanted(key, wanted);
    if (key->flag)
        snprintf(flag, sizeof flag, " Also `--%s`.", key->flag);
    if (key->variable)
        snprintf(variable, sizeof variable, " Also `%s`.", key->variable);
    snprintf(row, ROW_SIZE_MAX, "| `%s` | %s | %s | %s%s%s |\n", key->path, default_of(key), wanted,
             key->help, flag, variable);
}

static void read_page(const char *name)
{
    char path[4096];
    const char *source = getenv("LODE_SOURCE");
    snprintf(path, sizeof path, "%s/docs/%s", source ? source : ".", name);
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("%s cannot be read", path);
    size_t size = fread(page, 1, sizeof page - 1, file);
    page[size] = '\0';
    fclose(file);
}

static void every_setting_has_its_row(void **state)
{
    (void)state;
    size_t count;
    const struct config_key *keys = config_keys(&count);
    char row[ROW_SIZE_MAX];
    for (size_t i = 0; i < count; i++) {
        row_of(&keys[i], row);
        if (!strstr(page, row))
            fail_msg("docs/server-config.md lacks\n%s", row);
    }
}

static void every_row_has_its_setting(void **state)
{
    (void)state;
    size_t rows = 0, count;
    char path[128];
    (void)config_keys(&count);
    for (const char *row = page; (row = strstr(row, "\n| `")); rows++) {
        row += 4;
        snprintf(path, sizeof path, "%.*s", (int)strcspn(row, "`"), row);
        if (config_key_find(path) == SIZE_MAX)
            fail_msg("docs/server-config.md has '%s', which is no setting", path);
    }
    assert_int_equal(rows, count);
}

/* --- docs/limits.md ------------------------------------------------------------------------------- */

static int is_limit(const char *path)
{
    return strncmp(path, "limits.", 7) == 0 ||
           (strncmp(path, "http.", 5) == 0 && !strstr(path, "-threads"));
}

static void every_limit_is_on_one_page(void **state)
{
    (void)state;
    size_t count;
    char row[ROW_SIZE_MAX];
    const struct config_key *keys = config_keys(&count);
    read_page("limits.md");
    for (size_t i = 0; i < count; i++) {
        snprintf(row, sizeof row, "\n| `%s` | %s | ", keys[i].path, default_of(&keys[i]));
        if (is_limit(keys[i].path) && !strstr(page, row))
            fail_msg("docs/limits.md lacks %s", row);
    }
}

/* 262144: "262,144" */
static void with_commas(size_t value, char text[32])
{
    char digits[32];
    size_t size = (size_t)snprintf(digits, sizeof digits, "%zu", value), used = 0;
    for (size_t i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            text[used++] = ',';
        text[used++] = digits[i];
    }
    text[used] = '\0';
}

static void what_cannot_be_set_is_as_it_is(void **state)
{
    (void)state;
    static const struct {
        const char *limit;
        size_t value;
        const char *unit;
    } rows[] = {{"head of a request", HEAD_SIZE_MAX >> 10, " KiB"},
                {"points of one answer, of all its queries", ANSWER_POINTS_MAX, ""},
                {"numbers of vectors in one answer", ANSWER_FLOATS_MAX, ""},
                {"batch of an import", IMPORT_POINTS_MAX, " points"},
                {"rate of an import or export while others wait for its thread",
                 STREAM_BYTES_MIN >> 10, " KiB"},
                {"Idempotency-Key", 1, " – 255 bytes"},
                {"message of a gRPC client", GRPC_MESSAGE_SIZE_MAX >> 20, " MiB"},
                {"calls to Watch at a time", HEALTH_WATCHERS_MAX, ""},
                {"indices of which metrics and latencies are told one by one",
                 METRICS_COLLECTIONS_MAX, ""}};
    char row[ROW_SIZE_MAX], value[32];
    assert_int_equal(IDEMPOTENCY_KEY_MAX, 255);
    read_page("limits.md");
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        with_commas(rows[i].value, value);
        snprintf(row, sizeof row, "\n| %s | %s%s", rows[i].limit, value, rows[i].unit);
        if (!strstr(page, row))
            fail_msg("docs/limits.md lacks %s", row);
    }
}

static void print_rows(void)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    char row[ROW_SIZE_MAX];
    for (size_t i = 0; i < count; i++) {
        row_of(&keys[i], row);
        fputs(row, stdout);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_setting_has_its_row),
        cmocka_unit_test(every_row_has_its_setting),
        cmocka_unit_test(every_limit_is_on_one_page),
        cmocka_unit_test(what_cannot_be_set_is_as_it_is),
    };
    if (argc > 1 && strcmp(argv[1], "--rows") == 0) {
        print_rows();
        return 0;
    }
    read_page("server-config.md");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
