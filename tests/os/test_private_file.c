/* Files and programs that keys come from: what is open to others is refused, and nothing hangs or says too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "os/private_file.h"
#include "os/program.h"
#include "support/storage_kit.h"
#include "support/temp_dir.h"

static lode_error error;

static void only_its_owner_may_read_it(void **state)
{
    (void)state;
    char dir[PATH_SIZE_MAX], path[PATH_SIZE_MAX], data[16];
    size_t size = 0;
    temp_dir_make(dir);
    if (snprintf(path, sizeof path, "%s/key", dir) >= (int)sizeof path)
        fail();
    assert_status(private_file_read(path, data, sizeof data, &size, &error), LODE_NOT_FOUND);
    assert_ok(private_file_write(path, "0123456789", 10, &error));
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_status(private_file_write(path, "x", 1, &error), LODE_EXISTS);
    assert_ok(private_file_read(path, data, sizeof data, &size, &error));
    assert_int_equal(size, 10);
    assert_memory_equal(data, "0123456789", 10);
    assert_ok(private_file_read(path, data, 10, &size, &error));
    assert_status(private_file_read(path, data, 9, &size, &error), LODE_INVALID);
    for (unsigned bit = 1; bit < 0100; bit <<= 1) {
        assert_int_equal(chmod(path, 0600 | bit), 0);
        assert_status(private_file_read(path, data, sizeof data, &size, &error), LODE_INVALID);
        assert_non_null(strstr(error.message, "chmod 600"));
    }
    assert_status(private_file_read(dir, data, sizeof data, &size, &error), LODE_INVALID);
    temp_dir_remove(dir);
}

/* Root trusts whoever could replace the file, and nobody else. */
static void root_reads_what_belongs_to_the_owner_of_the_directory(void **state)
{
    (void)state;
    char dir[PATH_SIZE_MAX], path[PATH_SIZE_MAX], data[16];
    size_t size = 0;
    if (geteuid() != 0)
        skip();
    temp_dir_make(dir);
    if (snprintf(path, sizeof path, "%s/key", dir) >= (int)sizeof path)
        fail();
    assert_ok(private_file_write(path, "0123456789", 10, &error));
    assert_int_equal(chown(path, 12345, 12345), 0);
    assert_status(private_file_read(path, data, sizeof data, &size, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "belongs to user 12345, and this is user 0"));
    assert_int_equal(chown(dir, 12345, 12345), 0);
    assert_ok(private_file_read(path, data, sizeof data, &size, &error));
    assert_int_equal(chown(path, 12346, 12345), 0);
    assert_status(private_file_read(path, data, sizeof data, &size, &error), LODE_INVALID);
    temp_dir_remove(dir);
}

static lode_status output_of(const char *command, unsigned timeout_ms, char *data, size_t size_max,
                             size_t *ret_size)
{
    error = (lode_error){0};
    return program_output(command, timeout_ms, data, size_max, ret_size, &error);
}

static void a_program_is_run_without_a_shell(void **state)
{
    (void)state;
    char data[64];
    size_t size = 0;
    assert_ok(output_of("echo  $HOME\t'a b' | cat", 10000, data, sizeof data, &size));
    assert_int_equal(size, strlen("$HOME 'a b' | cat\n"));
    assert_memory_equal(data, "$HOME 'a b' | cat\n", size);
    assert_ok(output_of("cat", 10000, data, sizeof data, &size)); /* its input is empty */
    assert_int_equal(size, 0);
    assert_int_equal(output_of("", 10000, data, sizeof data, &size), LODE_INVALID);
    assert_int_equal(output_of("  ", 10000, data, sizeof data, &size), LODE_INVALID);
    assert_int_equal(output_of("/nonexistent/program", 10000, data, sizeof data, &size), LODE_IO);
    assert_int_equal(output_of("false", 10000, data, sizeof data, &size), LODE_IO);
    assert_non_null(strstr(error.message, "exit code 1"));
    assert_int_equal(output_of("echo 0123456789", 10000, data, 10, &size), LODE_INVALID);
    assert_null(strstr(error.message, "0123456789"));
    assert_int_equal(output_of("yes", 10000, data, sizeof data, &size), LODE_INVALID);
}

static void one_that_does_not_end_is_killed(void **state)
{
    (void)state;
    char data[64];
    size_t size = 0;
    assert_int_equal(output_of("sleep 100", 200, data, sizeof data, &size), LODE_IO);
    assert_non_null(strstr(error.message, "200 ms"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_its_owner_may_read_it),
        cmocka_unit_test(root_reads_what_belongs_to_the_owner_of_the_directory),
        cmocka_unit_test(a_program_is_run_without_a_shell),
        cmocka_unit_test(one_that_does_not_end_is_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
