/* Messages: cut where they must be, mapped from errno, prefixed, and never required. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"

static void set_fills_everything(void **state)
{
    (void)state;
    lode_error error = {.os_errno = 5};
    assert_int_equal(error_set(&error, LODE_LIMIT, "k is %d, at most %d", 20, 10), LODE_LIMIT);
    assert_int_equal(error.status, LODE_LIMIT);
    assert_int_equal(error.os_errno, 0);
    assert_string_equal(error.message, "k is 20, at most 10");
}

static void no_error_wanted(void **state)
{
    (void)state;
    assert_int_equal(error_set(NULL, LODE_INVALID, "%d", 1), LODE_INVALID);
    assert_int_equal(error_os(NULL, ENOSPC, "write"), LODE_FULL);
    assert_int_equal(error_nomem(NULL, "a thing", 1), LODE_NOMEM);
    error_prefix(NULL, "here: ");
}

static void errno_decides_the_status(void **state)
{
    (void)state;
    static const struct {
        int os_errno;
        lode_status status;
    } cases[] = {
        {ENOSPC, LODE_FULL}, {EDQUOT, LODE_FULL}, {ENOMEM, LODE_NOMEM},
        {EIO, LODE_IO},      {EACCES, LODE_IO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lode_error error = {0};
        assert_int_equal(error_os(&error, cases[i].os_errno, "cannot %s", "do"), cases[i].status);
        assert_int_equal(error.status, cases[i].status);
        assert_int_equal(error.os_errno, cases[i].os_errno);
    }
    lode_error error = {0};
    assert_int_equal(error_os(&error, EACCES, "cannot open %s", "a"), LODE_IO);
    assert_string_equal(error.message, "cannot open a: Permission denied");
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    lode_error error = {0};
    assert_int_equal(error_set(&error, LODE_INVALID, "%s", text), LODE_INVALID);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    assert_int_equal(error_os(&error, EIO, "%s", text), LODE_IO);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
    error_prefix(&error, "%s", text);
    assert_int_equal(strlen(error.message), sizeof error.message - 1);
}

static void check_cut(const char *message, size_t offset, size_t width)
{
    size_t size = strlen(message);
    assert_true(size < sizeof((lode_error *)NULL)->message);
    assert_true(size + width >= sizeof((lode_error *)NULL)->message);
    assert_int_equal((size - offset) % width, 0);
}

/* A message full of two-, three- and four-byte characters, at every alignment. */
static void characters_are_not_cut(void **state)
{
    (void)state;
    static const char *const characters[] = {"\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
    for (size_t c = 0; c < 3; c++) {
        size_t width = strlen(characters[c]);
        for (size_t offset = 0; offset < 4; offset++) {
            char text[600] = "abc";
            text[offset] = '\0';
            while (strlen(text) + width < sizeof text)
                strcat(text, characters[c]);
            lode_error error = {0};
            assert_int_equal(error_set(&error, LODE_INVALID, "%s", text), LODE_INVALID);
            check_cut(error.message, offset, width);
            error_prefix(&error, "1234567: ");
            check_cut(error.message, offset + 9, width);
        }
    }
}

static void prefix_goes_before(void **state)
{
    (void)state;
    lode_error error = {0};
    assert_int_equal(error_set(&error, LODE_INVALID, "vector has %d dimensions", 3), LODE_INVALID);
    error_prefix(&error, "points[%d]: ", 7);
    assert_string_equal(error.message, "points[7]: vector has 3 dimensions");
    assert_int_equal(error.status, LODE_INVALID);
}

static void arguments_may_be_the_message(void **state)
{
    (void)state;
    lode_error error = {0};
    assert_int_equal(error_set(&error, LODE_IO, "inner"), LODE_IO);
    assert_int_equal(error_set(&error, LODE_CORRUPT, "outer: %s", error.message), LODE_CORRUPT);
    assert_string_equal(error.message, "outer: inner");
}

static void broken_invariants_abort(void **state)
{
    (void)state;
    INVARIANT(1 + 1 == 2);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(STDERR_FILENO);
        signal(SIGABRT, SIG_DFL);
        INVARIANT(getpid() == 0);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(set_fills_everything),         cmocka_unit_test(no_error_wanted),
        cmocka_unit_test(errno_decides_the_status),     cmocka_unit_test(long_messages_are_cut),
        cmocka_unit_test(characters_are_not_cut),       cmocka_unit_test(prefix_goes_before),
        cmocka_unit_test(arguments_may_be_the_message), cmocka_unit_test(broken_invariants_abort),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
