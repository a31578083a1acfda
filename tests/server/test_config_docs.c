/* docs/server-config.md has a row for every setting, as the table of settings says it, and no other. Run with --rows, it
 * prints them all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/config_keys.h"

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

static void read_page(void)
{
    char path[4096];
    const char *source = getenv("LODE_SOURCE");
    snprintf(path, sizeof path, "%s/docs/server-config.md", source ? source : ".");
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
    };
    if (argc > 1 && strcmp(argv[1], "--rows") == 0) {
        print_rows();
        return 0;
    }
    read_page();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
