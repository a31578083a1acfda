/* Lines of the log: their two forms, what is in them, limits of repeats, reopening. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/datetime.h"
#include "base/json.h"
#include "server/log.h"
#include "server/log_limit.h"
#include "support/temp_dir.h"

static char dir[PATH_SIZE_MAX];
static char path[PATH_SIZE_MAX + 16];

static int set_up(void **state)
{
    (void)state;
    temp_dir_make(dir);
    snprintf(path, sizeof path, "%s/log", dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    return 0;
}

static struct log *open_log(const char *format, const char *level)
{
    struct config config = {0};
    struct log *log = NULL;
    config.log.file = path;
    config.log.format = (char *)(uintptr_t)format;
    config.log.level = (char *)(uintptr_t)level;
    assert_int_equal(log_open(&config, &log, NULL), LODE_OK);
    return log;
}

/* The file's content; freed by the caller. */
static char *content(const char *of)
{
    FILE *file = fopen(of, "r");
    assert_non_null(file);
    char *text = calloc(1, 1u << 20);
    assert_true(fread(text, 1, (1u << 20) - 1, file) < (1u << 20) - 1);
    fclose(file);
    return text;
}

static unsigned lines(const char *text)
{
    unsigned count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

static const struct log_field fields[] = {
    {.name = "text", .kind = LOG_TEXT, .text = "two\nlines \"quoted\" \xff"},
    {.name = "none", .kind = LOG_TEXT, .text = NULL},
    {.name = "number", .kind = LOG_NUMBER, .number = -7},
    {.name = "real", .kind = LOG_REAL, .real = 1.5},
    {.name = "json", .kind = LOG_JSON, .text = "{\"a\":[1]}"},
};

static void json_lines(void **state)
{
    (void)state;
    struct log *log = open_log("json", "info");
    log_write(log, LOG_INFO, "hello", fields, 5);
    log_write(log, LOG_DEBUG, "not on", NULL, 0);
    log_close(log);
    char *text = content(path);
    assert_int_equal(lines(text), 1);
    text[strlen(text) - 1] = '\0';
    assert_int_equal(json_validate(text, strlen(text), JSON_OBJECT, NULL), LODE_OK);
    int64_t us;
    assert_memory_equal(text, "{\"time\":\"", 9);
    assert_int_equal(text[9 + 23], 'Z'); /* milliseconds */
    assert_true(datetime_parse(text + 9, 24, &us));
    assert_string_equal(text + 9 + 24,
                        "\",\"level\":\"info\",\"message\":\"hello\",\"text\":\"two\\nlines "
                        "\\\"quoted\\\" \xef\xbf\xbd\",\"number\":-7,\"real\":1.5,"
                        "\"json\":{\"a\":[1]}}");
    free(text);
}

static void text_lines(void **state)
{
    (void)state;
    struct log *log = open_log("text", NULL);
    const struct log_field more[] = {{.name = "bare", .kind = LOG_TEXT, .text = "10.0.0.1:80"},
                                     {.name = "empty", .kind = LOG_TEXT, .text = ""},
                                     {.name = "forged", .kind = LOG_TEXT, .text = "x level=info"}};
    log_write(log, LOG_WARNING, "hello", fields, 5);
    log_write(log, LOG_ERROR, "more", more, 3);
    log_close(log);
    char *text = content(path);
    assert_int_equal(lines(text), 2);
    assert_non_null(strstr(text, "Z warning hello text=\"two\\nlines \\\"quoted\\\" \xef\xbf\xbd\" "
                                 "number=-7 real=1.5 json={\"a\":[1]}\n"));
    assert_non_null(strstr(text, "Z error   more bare=10.0.0.1:80 empty=\"\" "
                                 "forged=\"x level=info\"\n"));
    free(text);
}

/* 4,096 bytes of a text, without half of a character; JSON whole or not at all. */
static void long_fields_are_bounded(void **state)
{
    (void)state;
    char *longer = malloc(70000);
    memset(longer, 'a', 69999);
    longer[69999] = '\0';
    memcpy(longer + 4094, "\xe2\x82\xac", 3);
    struct log *log = open_log("json", "info");
    const struct log_field big[] = {{.name = "text", .kind = LOG_TEXT, .text = longer},
                                    {.name = "json", .kind = LOG_JSON, .text = longer}};
    log_write(log, LOG_INFO, "big", big, 2);
    log_close(log);
    char *text = content(path);
    char *begin = strstr(text, "\"text\":\"");
    assert_non_null(begin);
    assert_int_equal(strspn(begin + 8, "a"), 4094);
    assert_string_equal(begin + 8 + 4094, "\"}\n");
    free(text);
    free(longer);
}

static void repeats_are_limited(void **state)
{
    (void)state;
    struct log *log = open_log("text", "info");
    for (int i = 0; i < 100; i++) {
        log_write(log, LOG_WARNING, "again", NULL, 0);
        log_write(log, LOG_INFO, "info", NULL, 0);
    }
    log_write(log, LOG_WARNING, "another", NULL, 0);
    log_write(log, LOG_ERROR, "again", NULL, 0); /* of another level: another message */
    assert_int_equal(log_suppressed(log), 90);
    log_close(log);
    char *text = content(path);
    assert_int_equal(lines(text), 10 + 100 + 1 + 1 + 1);
    assert_non_null(strstr(text, "warning again suppressed=90\n")); /* told when it closes */
    free(text);
}

static void windows_end(void **state)
{
    (void)state;
    struct log_limit *limit = calloc(1, sizeof *limit);
    uint64_t suppressed;
    uint64_t now = 5;
    for (unsigned i = 0; i < 25; i++)
        assert_int_equal(log_limit_take(limit, 1, "m", now, &suppressed), i < LOG_LIMIT_LINES);
    assert_null(log_limit_untold(limit, now, 0));
    now += LOG_LIMIT_WINDOW_US;
    const struct log_limit_entry *untold = log_limit_untold(limit, now, 0);
    assert_non_null(untold);
    assert_int_equal(untold->suppressed, 15);
    assert_true(log_limit_take(limit, 1, "m", now, &suppressed));
    assert_int_equal(suppressed, 15);
    assert_null(log_limit_untold(limit, now, 1));
    /* More messages than are remembered: all are written, and the newest are still limited. */
    char message[16];
    for (unsigned i = 0; i < 3 * LOG_LIMIT_MESSAGES; i++) {
        snprintf(message, sizeof message, "m%u", i);
        assert_true(log_limit_take(limit, 1, message, now + i, &suppressed));
    }
    for (unsigned i = 1; i < LOG_LIMIT_LINES; i++)
        assert_true(log_limit_take(limit, 1, message, now + 1000, &suppressed));
    assert_false(log_limit_take(limit, 1, message, now + 1000, &suppressed));
    free(limit);
}

static void reopens(void **state)
{
    (void)state;
    char moved[PATH_SIZE_MAX + 32];
    snprintf(moved, sizeof moved, "%s.1", path);
    struct log *log = open_log("text", "error");
    log_write(log, LOG_ERROR, "first", NULL, 0);
    assert_false(log_is_on(log, LOG_INFO));
    assert_int_equal(rename(path, moved), 0);
    log_write(log, LOG_ERROR, "second", NULL, 0);
    lode_error error = {0};
    assert_int_equal(log_reopen(log, "loud", &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "'loud'"));
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(log_reopen(log, "debug", &error), LODE_OK);
    assert_true(log_is_on(log, LOG_DEBUG));
    log_write(log, LOG_DEBUG, "third", NULL, 0);
    log_close(log);
    char *old = content(moved), *new = content(path);
    assert_int_equal(lines(old), 2);
    assert_int_equal(lines(new), 1);
    assert_non_null(strstr(new, "third"));
    free(old);
    free(new);
}

/* What cannot be opened again leaves the log as it was. */
static void reopening_may_fail(void **state)
{
    (void)state;
    char other[PATH_SIZE_MAX + 32];
    snprintf(other, sizeof other, "%s.d", dir);
    struct log *log = open_log("text", "info");
    assert_int_equal(rename(dir, other), 0);
    lode_error error = {0};
    assert_int_not_equal(log_reopen(log, "debug", &error), LODE_OK);
    assert_int_equal(error.os_errno, 2);
    assert_false(log_is_on(log, LOG_DEBUG));
    log_write(log, LOG_INFO, "goes on", NULL, 0);
    log_close(log);
    assert_int_equal(rename(other, dir), 0);
    char *text = content(path);
    assert_non_null(strstr(text, "goes on"));
    free(text);
}

static void wrong_settings(void **state)
{
    (void)state;
    struct config config = {0};
    struct log *log = NULL;
    lode_error error = {0};
    char bad[] = "xml";
    config.log.format = bad;
    assert_int_equal(log_open(&config, &log, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "log.format: 'xml'"));
    config.log.format = NULL;
    config.log.level = bad;
    assert_int_equal(log_open(&config, &log, &error), LODE_INVALID);
    config.log.level = NULL;
    config.log.file = dir;
    assert_int_equal(log_open(&config, &log, &error), LODE_IO);
    assert_null(log);
    log_write(NULL, LOG_ERROR, "nobody", NULL, 0);
    log_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(json_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(text_lines, set_up, tear_down),
        cmocka_unit_test_setup_teardown(long_fields_are_bounded, set_up, tear_down),
        cmocka_unit_test_setup_teardown(repeats_are_limited, set_up, tear_down),
        cmocka_unit_test(windows_end),
        cmocka_unit_test_setup_teardown(reopens, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reopening_may_fail, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_settings, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
