/* The lock between processes: a second one is refused with the owner's id, and a dead one's lock is
 * free again at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "os/vfs.h"
#include "support/temp_dir.h"

static char dir[PATH_SIZE_MAX], path[PATH_SIZE_MAX];

static int setup(void **state)
{
    (void)state;
    temp_dir_make(dir);
    return vfs_join(path, dir, "LOCK", NULL) == LODE_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    temp_dir_remove(dir);
    return 0;
}

/* A child that takes the lock, says so, and holds it until it is told or killed. */
struct holder {
    pid_t pid;
    int said; /* read end: a byte when the lock is held */
    int tell; /* write end: closing it lets the child unlock and end */
};

static void hold(int said, int tell)
{
    struct vfs_file *lock;
    char byte = 1;
    if (vfs_lock(vfs_posix(), path, &lock, NULL) != LODE_OK)
        _exit(1);
    if (write(said, &byte, 1) != 1)
        _exit(2);
    while (read(tell, &byte, 1) > 0) {
    }
    vfs_unlock(lock);
    _exit(0);
}

static struct holder start_holder(void)
{
    int said[2], tell[2];
    assert_int_equal(pipe(said), 0);
    assert_int_equal(pipe(tell), 0);
    struct holder holder = {fork(), said[0], tell[1]};
    assert_true(holder.pid >= 0);
    if (holder.pid == 0) {
        close(said[0]);
        close(tell[1]);
        hold(said[1], tell[0]);
    }
    close(said[1]);
    close(tell[0]);
    char byte;
    assert_int_equal(read(holder.said, &byte, 1), 1);
    return holder;
}

static int end_holder(struct holder *holder, int signal_number)
{
    if (signal_number)
        assert_int_equal(kill(holder->pid, signal_number), 0);
    close(holder->tell);
    close(holder->said);
    int status;
    assert_int_equal(waitpid(holder->pid, &status, 0), holder->pid);
    return status;
}

static void expect_busy(pid_t owner)
{
    struct vfs_file *lock;
    lode_error error = {0};
    char number[32];
    sprintf(number, "process %ld", (long)owner);
    assert_int_equal(vfs_lock(vfs_posix(), path, &lock, &error), LODE_BUSY);
    assert_non_null(strstr(error.message, number));
    assert_non_null(strstr(error.message, "LOCK"));
}

static void expect_free(void)
{
    struct vfs_file *lock;
    assert_int_equal(vfs_lock(vfs_posix(), path, &lock, NULL), LODE_OK);
    vfs_unlock(lock);
}

static void second_process_is_refused(void **state)
{
    (void)state;
    struct holder holder = start_holder();
    expect_busy(holder.pid);
    expect_busy(holder.pid); /* being refused does not disturb the owner */
    assert_int_equal(end_holder(&holder, 0), 0);
    expect_free();
}

static void killed_owner_leaves_no_lock(void **state)
{
    (void)state;
    struct holder holder = start_holder();
    assert_true(WIFSIGNALED(end_holder(&holder, SIGKILL)));
    expect_free();
}

/* The id of an owner that was killed, longer than the new one's, must not shine through. */
static void stale_id_is_replaced(void **state)
{
    (void)state;
    FILE *file = fopen(path, "w");
    fputs("99999999999999\n", file);
    fclose(file);
    struct holder holder = start_holder();
    expect_busy(holder.pid);
    end_holder(&holder, 0);
}

/* fcntl's locks would be lost by this. */
static void opening_the_file_does_not_unlock(void **state)
{
    (void)state;
    struct vfs_file *lock;
    assert_int_equal(vfs_lock(vfs_posix(), path, &lock, NULL), LODE_OK);
    FILE *file = fopen(path, "r");
    fclose(file);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct vfs_file *second;
        _exit(vfs_lock(vfs_posix(), path, &second, NULL) == LODE_BUSY ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    vfs_unlock(lock);
}

/* A child that was forked while we held the lock, and lives on, does not keep it. */
static void unlocking_with_a_child_alive(void **state)
{
    (void)state;
    struct vfs_file *lock;
    assert_int_equal(vfs_lock(vfs_posix(), path, &lock, NULL), LODE_OK);
    int tell[2];
    assert_int_equal(pipe(tell), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        char byte;
        close(tell[1]);
        while (read(tell[0], &byte, 1) > 0) {
        }
        _exit(0);
    }
    close(tell[0]);
    vfs_unlock(lock);
    expect_free();
    close(tell[1]);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
}

/* A database from an archive may have a link in place of its LOCK: what it leads to is not touched. */
static void symbolic_link_is_refused(void **state)
{
    (void)state;
    char target[PATH_SIZE_MAX], text[32] = "";
    struct vfs_file *file;
    assert_int_equal(vfs_join(target, dir, "precious", NULL), LODE_OK);
    assert_int_equal(vfs_open(vfs_posix(), target, VFS_WRITE | VFS_CREATE, &file, NULL), LODE_OK);
    assert_int_equal(vfs_write(file, 0, "do not touch", 12, NULL), LODE_OK);
    assert_int_equal(symlink(target, path), 0);
    struct vfs_file *lock;
    lode_error error = {0};
    assert_int_equal(vfs_lock(vfs_posix(), path, &lock, &error), LODE_IO);
    assert_non_null(strstr(error.message, "LOCK"));
    assert_int_equal(vfs_open(vfs_posix(), path, VFS_WRITE, &lock, NULL), LODE_IO);
    assert_int_equal(vfs_read(file, 0, text, 12, NULL), LODE_OK);
    assert_string_equal(text, "do not touch");
    vfs_close(file);
    assert_int_equal(unlink(target), 0);
    assert_int_equal(vfs_lock(vfs_posix(), path, &lock, NULL), LODE_IO);
    int exists = 1;
    assert_int_equal(vfs_exists(vfs_posix(), target, &exists, NULL), LODE_OK);
    assert_false(exists);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(second_process_is_refused),    TEST(killed_owner_leaves_no_lock),
        TEST(stale_id_is_replaced),         TEST(opening_the_file_does_not_unlock),
        TEST(unlocking_with_a_child_alive), TEST(symbolic_link_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
