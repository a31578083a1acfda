/* One suite over both file systems, the real one and the one in memory; then what only the one in
 * memory can show: what a crash leaves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/random.h"
#include "os/vfs.h"
#include "support/temp_dir.h"
#include "support/vfs_memory.h"

struct fixture {
    struct vfs *vfs;
    char dir[PATH_SIZE_MAX];
    char path[2][PATH_SIZE_MAX];
};

static int posix_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->vfs = vfs_posix();
    temp_dir_make(fixture->dir);
    *state = fixture;
    return 0;
}

static int posix_teardown(void **state)
{
    struct fixture *fixture = *state;
    temp_dir_remove(fixture->dir);
    free(fixture);
    return 0;
}

static int memory_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);
    fixture->vfs = vfs_memory_new();
    strcpy(fixture->dir, "/somewhere");
    *state = fixture;
    return vfs_make_dir(fixture->vfs, fixture->dir, NULL) == LODE_OK ? 0 : -1;
}

static int memory_teardown(void **state)
{
    struct fixture *fixture = *state;
    vfs_memory_free(fixture->vfs);
    free(fixture);
    return 0;
}

/* dir/name; the last two results stay valid. */
static const char *in_dir(struct fixture *fixture, const char *name)
{
    memmove(fixture->path[1], fixture->path[0], PATH_SIZE_MAX);
    assert_int_equal(vfs_join(fixture->path[0], fixture->dir, name, NULL), LODE_OK);
    return fixture->path[0];
}

static struct vfs_file *open_file(struct fixture *fixture, const char *name, unsigned flags)
{
    struct vfs_file *file = NULL;
    lode_error error = {0};
    if (vfs_open(fixture->vfs, in_dir(fixture, name), flags, &file, &error) != LODE_OK)
        fail_msg("%s", error.message);
    return file;
}

static lode_status try_open(struct fixture *fixture, const char *name, unsigned flags,
                            lode_error *error)
{
    struct vfs_file *file;
    lode_status status = vfs_open(fixture->vfs, in_dir(fixture, name), flags, &file, error);
    if (!status)
        vfs_close(file);
    return status;
}

static void put_file(struct fixture *fixture, const char *name, const char *text)
{
    struct vfs_file *file = open_file(fixture, name, VFS_WRITE | VFS_CREATE | VFS_TRUNCATE);
    assert_int_equal(vfs_write(file, 0, text, strlen(text), NULL), LODE_OK);
    assert_int_equal(vfs_sync(file, NULL), LODE_OK);
    vfs_close(file);
}

static uint64_t size_of(struct vfs_file *file)
{
    uint64_t size = UINT64_MAX;
    assert_int_equal(vfs_size(file, &size, NULL), LODE_OK);
    return size;
}

static void expect_file(struct fixture *fixture, const char *name, const char *text)
{
    char data[100] = {0};
    struct vfs_file *file = open_file(fixture, name, VFS_READ);
    assert_int_equal(size_of(file), strlen(text));
    assert_int_equal(vfs_read(file, 0, data, strlen(text), NULL), LODE_OK);
    assert_string_equal(data, text);
    vfs_close(file);
}

static int exists(struct fixture *fixture, const char *name)
{
    int result = -1;
    assert_int_equal(vfs_exists(fixture->vfs, in_dir(fixture, name), &result, NULL), LODE_OK);
    return result;
}

/* --- Both -------------------------------------------------------------------------------------- */

static void writes_and_reads(void **state)
{
    struct fixture *fixture = *state;
    struct vfs_file *file = open_file(fixture, "a", VFS_WRITE | VFS_CREATE);
    assert_int_equal(size_of(file), 0);
    assert_int_equal(vfs_write(file, 10, "world", 5, NULL), LODE_OK); /* leaves a hole */
    assert_int_equal(vfs_write(file, 0, "hello", 5, NULL), LODE_OK);
    assert_int_equal(size_of(file), 15);
    char data[15];
    assert_int_equal(vfs_read(file, 0, data, 15, NULL), LODE_OK);
    assert_memory_equal(data, "hello\0\0\0\0\0world", 15);
    assert_int_equal(vfs_read(file, 12, data, 3, NULL), LODE_OK);
    assert_memory_equal(data, "rld", 3);
    assert_int_equal(vfs_write(file, 100, NULL, 0, NULL), LODE_OK);
    assert_int_equal(size_of(file), 15);
    vfs_close(file);
}

static void reading_beyond_the_end(void **state)
{
    struct fixture *fixture = *state;
    put_file(fixture, "short", "0123456789");
    struct vfs_file *file = open_file(fixture, "short", VFS_READ);
    char data[20];
    lode_error error = {0};
    assert_int_equal(vfs_read(file, 4, data, 7, &error), LODE_CORRUPT);
    assert_non_null(strstr(error.message, "/short ends at 10, wanted 7 bytes at 4"));
    assert_int_equal(vfs_read(file, 10, data, 1, &error), LODE_CORRUPT);
    assert_int_equal(vfs_read(file, 11, data, 1, &error), LODE_CORRUPT);
    assert_int_equal(vfs_read(file, INT64_MAX, data, 1, &error), LODE_CORRUPT);
    assert_int_equal(vfs_read(file, UINT64_MAX, data, 1, &error), LODE_CORRUPT);
    assert_int_equal(vfs_read(file, 10, data, 0, &error), LODE_OK);
    assert_int_equal(vfs_read(file, 0, data, 10, &error), LODE_OK);
    vfs_close(file);
}

static void impossible_writes(void **state)
{
    struct fixture *fixture = *state;
    put_file(fixture, "a", "text");
    struct vfs_file *file = open_file(fixture, "a", VFS_WRITE);
    lode_error error = {0};
    assert_int_equal(vfs_write(file, UINT64_MAX, "x", 1, &error), LODE_IO);
    assert_int_equal(error.os_errno, EFBIG);
    assert_int_equal(vfs_truncate(file, UINT64_MAX, &error), LODE_IO);
    vfs_close(file);
    file = open_file(fixture, "a", VFS_READ);
    assert_int_equal(vfs_write(file, 0, "x", 1, &error), LODE_IO);
    assert_int_equal(vfs_truncate(file, 0, &error), LODE_IO);
    vfs_close(file);
    expect_file(fixture, "a", "text");
}

static void open_flags(void **state)
{
    struct fixture *fixture = *state;
    lode_error error = {0};
    assert_int_equal(try_open(fixture, "a", VFS_READ, &error), LODE_NOT_FOUND);
    assert_non_null(strstr(error.message, "/a"));
    assert_int_equal(try_open(fixture, "a", VFS_WRITE, &error), LODE_NOT_FOUND);
    assert_int_equal(try_open(fixture, "no/a", VFS_WRITE | VFS_CREATE, &error), LODE_NOT_FOUND);
    unsigned create = VFS_WRITE | VFS_CREATE;
    assert_int_equal(try_open(fixture, "a", create | VFS_EXCLUSIVE, &error), LODE_OK);
    assert_int_equal(try_open(fixture, "a", create | VFS_EXCLUSIVE, &error), LODE_EXISTS);
    assert_int_equal(try_open(fixture, "a", create, &error), LODE_OK);
    put_file(fixture, "a", "text");
    assert_int_equal(try_open(fixture, "a", create, &error), LODE_OK);
    expect_file(fixture, "a", "text");
    assert_int_equal(try_open(fixture, "a", VFS_WRITE | VFS_TRUNCATE, &error), LODE_OK);
    expect_file(fixture, "a", "");
    assert_int_equal(try_open(fixture, "a/b", create, &error), LODE_IO); /* a is no directory */
    assert_int_equal(try_open(fixture, ".", VFS_WRITE, &error), LODE_IO);
}

/* What is neither a file nor a directory is refused at once. */
static void pipes_are_no_files(void **state)
{
    struct fixture *fixture = *state;
    lode_error error = {0};
    char path[PATH_SIZE_MAX];
    assert_int_equal(vfs_join(path, fixture->dir, "pipe", &error), LODE_OK);
    assert_int_equal(mkfifo(path, 0666), 0);
    alarm(20);
    assert_int_equal(try_open(fixture, "pipe", VFS_READ, &error), LODE_IO);
    assert_non_null(strstr(error.message, "pipe: it is not a regular file"));
    assert_int_equal(try_open(fixture, "pipe", VFS_WRITE | VFS_CREATE, &error), LODE_IO);
    alarm(0);
    assert_int_equal(try_open(fixture, ".", VFS_READ, &error), LODE_IO);
    assert_int_equal(error.os_errno,
                     EISDIR); /* by which a directory of backups is told from a file */
}

static void truncating(void **state)
{
    struct fixture *fixture = *state;
    put_file(fixture, "a", "0123456789");
    struct vfs_file *file = open_file(fixture, "a", VFS_WRITE);
    assert_int_equal(vfs_truncate(file, 4, NULL), LODE_OK);
    assert_int_equal(size_of(file), 4);
    assert_int_equal(vfs_truncate(file, 6, NULL), LODE_OK);
    char data[6];
    assert_int_equal(vfs_read(file, 0, data, 6, NULL), LODE_OK);
    assert_memory_equal(data, "0123\0\0", 6); /* what was cut off does not come back */
    vfs_preallocate(file, 100000);
    assert_int_equal(size_of(file), 6);
    vfs_close(file);
}

static void mapping(void **state)
{
    struct fixture *fixture = *state;
    put_file(fixture, "a", "0123456789");
    struct vfs_file *file = open_file(fixture, "a", VFS_READ);
    const uint8_t *data = NULL;
    lode_error error = {0};
    assert_int_equal(vfs_size_at(fixture->vfs, in_dir(fixture, "a")), 10);
    assert_int_equal(vfs_size_at(fixture->vfs, in_dir(fixture, "nothing")), 0);
    assert_int_equal(vfs_map(file, 10, &data, &error), LODE_OK);
    assert_memory_equal(data, "0123456789", 10);
    vfs_forget(file, data, 10); /* what is forgotten is read again */
    assert_memory_equal(data, "0123456789", 10);
    vfs_unmap(file, data, 10);
    assert_int_equal(vfs_map(file, 0, &data, &error), LODE_OK);
    assert_non_null(data);
    vfs_forget(file, data, 0);
    vfs_unmap(file, data, 0);
    assert_int_equal(vfs_map(file, 11, &data, &error), LODE_CORRUPT);
    assert_non_null(strstr(error.message, "/a ends at 10"));
    vfs_close(file);
    put_file(fixture, "empty", "");
    file = open_file(fixture, "empty", VFS_READ);
    assert_int_equal(vfs_map(file, 0, &data, &error), LODE_OK);
    assert_non_null(data);
    vfs_unmap(file, data, 0);
    vfs_close(file);
}

static void removing(void **state)
{
    struct fixture *fixture = *state;
    lode_error error = {0};
    assert_int_equal(vfs_remove(fixture->vfs, in_dir(fixture, "a"), &error), LODE_NOT_FOUND);
    put_file(fixture, "a", "text");
    struct vfs_file *file = open_file(fixture, "a", VFS_READ);
    assert_int_equal(vfs_remove(fixture->vfs, in_dir(fixture, "a"), &error), LODE_OK);
    assert_false(exists(fixture, "a"));
    char data[4];
    assert_int_equal(vfs_read(file, 0, data, 4, &error), LODE_OK); /* open files outlive names */
    vfs_close(file);
    assert_int_equal(vfs_make_dir(fixture->vfs, in_dir(fixture, "d"), &error), LODE_OK);
    assert_int_equal(vfs_remove(fixture->vfs, in_dir(fixture, "d"), &error), LODE_IO);
}

static lode_status rename_to(struct fixture *fixture, const char *from, const char *to)
{
    const char *from_path = in_dir(fixture, from), *to_path = in_dir(fixture, to);
    (void)from_path; /* has moved to the second place */
    return vfs_rename(fixture->vfs, fixture->path[1], to_path, NULL);
}

static lode_status link_to(struct fixture *fixture, const char *from, const char *to,
                           lode_error *error)
{
    (void)in_dir(fixture, from);
    const char *to_path = in_dir(fixture, to);
    return vfs_link(fixture->vfs, fixture->path[1], to_path, error);
}

static void renaming(void **state)
{
    struct fixture *fixture = *state;
    assert_int_equal(rename_to(fixture, "a", "b"), LODE_NOT_FOUND);
    put_file(fixture, "a", "new");
    put_file(fixture, "b", "old");
    assert_int_equal(rename_to(fixture, "a", "b"), LODE_OK);
    assert_false(exists(fixture, "a"));
    expect_file(fixture, "b", "new");
    assert_int_equal(rename_to(fixture, "b", "no/b"), LODE_NOT_FOUND);
    assert_int_equal(vfs_make_dir(fixture->vfs, in_dir(fixture, "d"), NULL), LODE_OK);
    assert_int_equal(rename_to(fixture, "b", "d"), LODE_IO);
    assert_int_equal(rename_to(fixture, "b", "d/c"), LODE_OK);
    assert_int_equal(rename_to(fixture, "d", "e"), LODE_OK);
    expect_file(fixture, "e/c", "new");
}

static void linking(void **state)
{
    struct fixture *fixture = *state;
    lode_error error = {0};
    assert_int_equal(link_to(fixture, "a", "b", &error), LODE_NOT_FOUND);
    put_file(fixture, "a", "one");
    put_file(fixture, "b", "two");
    assert_int_equal(link_to(fixture, "a", "b", &error), LODE_EXISTS);
    assert_non_null(strstr(error.message, "/b"));
    expect_file(fixture, "b", "two");
    assert_int_equal(link_to(fixture, "a", "c", &error), LODE_OK);
    expect_file(fixture, "c", "one");
    assert_int_equal(rename_to(fixture, "a", "c"), LODE_OK); /* one file: nothing happens */
    assert_true(exists(fixture, "a"));
    put_file(fixture, "a", "changed");
    expect_file(fixture, "c", "changed");
    assert_int_equal(vfs_remove(fixture->vfs, in_dir(fixture, "a"), &error), LODE_OK);
    expect_file(fixture, "c", "changed");
}

static void directories(void **state)
{
    struct fixture *fixture = *state;
    struct vfs *vfs = fixture->vfs;
    lode_error error = {0};
    assert_int_equal(vfs_make_dir(vfs, in_dir(fixture, "d"), &error), LODE_OK);
    assert_int_equal(vfs_make_dir(vfs, in_dir(fixture, "d"), &error), LODE_EXISTS);
    assert_int_equal(vfs_make_dir(vfs, in_dir(fixture, "x/y"), &error), LODE_NOT_FOUND);
    assert_true(exists(fixture, "d"));
    assert_false(exists(fixture, "d/f"));
    put_file(fixture, "d/f", "text");
    assert_false(exists(fixture, "d/f/g")); /* f is no directory; nothing can be in it */
    assert_int_equal(vfs_remove_dir(vfs, in_dir(fixture, "d"), &error), LODE_IO);
    assert_int_equal(error.os_errno, ENOTEMPTY);
    assert_int_equal(vfs_remove_dir(vfs, in_dir(fixture, "d/f"), &error), LODE_IO);
    assert_int_equal(vfs_dir_sync(vfs, in_dir(fixture, "d"), &error), LODE_OK);
    assert_int_equal(vfs_dir_sync(vfs, in_dir(fixture, "d/f"), &error), LODE_IO);
    assert_int_equal(vfs_dir_sync(vfs, in_dir(fixture, "x"), &error), LODE_NOT_FOUND);
    assert_int_equal(vfs_remove(vfs, in_dir(fixture, "d/f"), &error), LODE_OK);
    assert_int_equal(vfs_remove_dir(vfs, in_dir(fixture, "d"), &error), LODE_OK);
    assert_int_equal(vfs_remove_dir(vfs, in_dir(fixture, "d"), &error), LODE_NOT_FOUND);
    assert_false(exists(fixture, "d"));
}

struct listing {
    struct fixture *fixture;
    int count;
    int seen[300];
};

static void see(void *context, const char *name)
{
    struct listing *listing = context;
    int number = atoi(name + 1);
    assert_true(name[0] == 'f' && number >= 0 && number < 300);
    listing->seen[number]++;
    listing->count++;
    assert_true(exists(listing->fixture, name)); /* the vfs may be used from here */
}

static void listing(void **state)
{
    struct fixture *fixture = *state;
    struct listing listing = {.fixture = fixture};
    assert_int_equal(vfs_list(fixture->vfs, fixture->dir, see, &listing, NULL), LODE_OK);
    assert_int_equal(listing.count, 0);
    for (int i = 0; i < 300; i++) {
        char name[16];
        sprintf(name, "f%d", i);
        put_file(fixture, name, "");
    }
    assert_int_equal(vfs_list(fixture->vfs, fixture->dir, see, &listing, NULL), LODE_OK);
    assert_int_equal(listing.count, 300);
    for (int i = 0; i < 300; i++)
        assert_int_equal(listing.seen[i], 1);
    const char *missing = in_dir(fixture, "x");
    assert_int_equal(vfs_list(fixture->vfs, missing, see, &listing, NULL), LODE_NOT_FOUND);
    assert_int_equal(vfs_list(fixture->vfs, in_dir(fixture, "f1"), see, &listing, NULL), LODE_IO);
}

static void locking(void **state)
{
    struct fixture *fixture = *state;
    struct vfs_file *lock, *second;
    lode_error error = {0};
    const char *path = in_dir(fixture, "LOCK");
    for (int round = 0; round < 3; round++) {
        assert_int_equal(vfs_lock(fixture->vfs, path, &lock, &error), LODE_OK);
        assert_int_equal(vfs_lock(fixture->vfs, path, &second, &error), LODE_BUSY);
        assert_non_null(strstr(error.message, "this process"));
        assert_int_equal(vfs_lock(fixture->vfs, path, &second, NULL), LODE_BUSY);
        vfs_unlock(lock);
    }
    assert_int_equal(vfs_lock(fixture->vfs, in_dir(fixture, "x/L"), &lock, &error), LODE_NOT_FOUND);
}

/* Random operations on one file against an array. */
static void same_as_an_array(void **state)
{
    enum { MAX = 20000 };
    struct fixture *fixture = *state;
    static uint8_t expected[MAX], data[MAX];
    memset(expected, 0, MAX);
    uint64_t size = 0;
    struct rng rng;
    rng_init(&rng, 17);
    struct vfs_file *file = open_file(fixture, "a", VFS_WRITE | VFS_CREATE);
    for (int round = 0; round < 2000; round++) {
        uint64_t offset = rng_below(&rng, MAX / 2), count = rng_below(&rng, MAX / 2);
        if (round % 7 == 0) {
            assert_int_equal(vfs_truncate(file, offset, NULL), LODE_OK);
            if (offset < size)
                memset(expected + offset, 0, size - offset);
            size = offset;
        } else if (round % 2) {
            for (uint64_t i = 0; i < count; i++)
                expected[offset + i] = (uint8_t)rng_u64(&rng);
            assert_int_equal(vfs_write(file, offset, expected + offset, count, NULL), LODE_OK);
            if (count > 0 && offset + count > size)
                size = offset + count;
        } else {
            lode_status wanted = offset + count <= size || count == 0 ? LODE_OK : LODE_CORRUPT;
            assert_int_equal(vfs_read(file, offset, data, count, NULL), wanted);
            if (!wanted && memcmp(data, expected + offset, count) != 0)
                fail_msg("round %d", round);
        }
        assert_int_equal(size_of(file), size);
    }
    vfs_close(file);
}

static void long_paths(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_SIZE_MAX], name[PATH_SIZE_MAX];
    memset(name, 'n', sizeof name);
    name[200] = '\0';
    lode_error error = {0};
    assert_int_equal(try_open(fixture, name, VFS_READ, &error), LODE_NOT_FOUND);
    assert_non_null(strstr(error.message, "nnn: not found")); /* the reason is not cut off */
    name[200] = 'n';
    name[PATH_SIZE_MAX - 3] = '\0';
    assert_int_equal(vfs_join(path, "d", name, &error), LODE_OK);
    assert_int_equal(strlen(path), PATH_SIZE_MAX - 1);
    assert_int_equal(vfs_join(path, "dd", name, &error), LODE_LIMIT);
    assert_int_equal(vfs_join(path, name, name, &error), LODE_LIMIT);
    assert_int_equal(vfs_join(path, "d/", "n", &error), LODE_OK);
    assert_string_equal(path, "d/n");
    assert_int_equal(vfs_join(path, "", "n", &error), LODE_OK);
    assert_string_equal(path, "n");
}

/* --- In memory only: crashes and faults -------------------------------------------------------- */

static void crash(struct fixture *fixture)
{
    vfs_memory_crash(fixture->vfs);
}

/* The directory of the tests itself must be durable first. */
static void sync_root(struct fixture *fixture)
{
    assert_int_equal(vfs_dir_sync(fixture->vfs, "/", NULL), LODE_OK);
}

static void sync_dir(struct fixture *fixture)
{
    assert_int_equal(vfs_dir_sync(fixture->vfs, fixture->dir, NULL), LODE_OK);
}

static void unsynced_bytes_are_lost(void **state)
{
    struct fixture *fixture = *state;
    sync_root(fixture);
    put_file(fixture, "a", "0123456789"); /* syncs */
    sync_dir(fixture);
    struct vfs_file *file = open_file(fixture, "a", VFS_WRITE);
    assert_int_equal(vfs_write(file, 2, "xx", 2, NULL), LODE_OK);
    assert_int_equal(vfs_sync(file, NULL), LODE_OK);
    assert_int_equal(vfs_write(file, 0, "yyyyyyyyyyyyyyyy", 16, NULL), LODE_OK);
    vfs_close(file);
    crash(fixture);
    expect_file(fixture, "a", "01xx456789");
    file = open_file(fixture, "a", VFS_WRITE | VFS_TRUNCATE);
    vfs_close(file);
    crash(fixture);
    expect_file(fixture, "a", "01xx456789");
    file = open_file(fixture, "a", VFS_WRITE);
    assert_int_equal(vfs_truncate(file, 3, NULL), LODE_OK);
    assert_int_equal(vfs_sync(file, NULL), LODE_OK);
    assert_int_equal(vfs_truncate(file, 8, NULL), LODE_OK);
    vfs_close(file);
    crash(fixture);
    expect_file(fixture, "a", "01x");
}

static void unsynced_names_are_lost(void **state)
{
    struct fixture *fixture = *state;
    sync_root(fixture);
    put_file(fixture, "kept", "kept");
    put_file(fixture, "removed", "removed");
    put_file(fixture, "old", "renamed");
    sync_dir(fixture);
    put_file(fixture, "added", "added");
    assert_int_equal(vfs_remove(fixture->vfs, in_dir(fixture, "removed"), NULL), LODE_OK);
    assert_int_equal(rename_to(fixture, "old", "new"), LODE_OK);
    assert_int_equal(link_to(fixture, "kept", "second", NULL), LODE_OK);
    crash(fixture);
    expect_file(fixture, "kept", "kept");
    expect_file(fixture, "removed", "removed");
    expect_file(fixture, "old", "renamed");
    assert_false(exists(fixture, "added") || exists(fixture, "new") || exists(fixture, "second"));
}

static void synced_names_are_kept(void **state)
{
    struct fixture *fixture = *state;
    sync_root(fixture);
    put_file(fixture, "removed", "removed");
    put_file(fixture, "old", "renamed");
    sync_dir(fixture);
    assert_int_equal(vfs_remove(fixture->vfs, in_dir(fixture, "removed"), NULL), LODE_OK);
    assert_int_equal(rename_to(fixture, "old", "new"), LODE_OK);
    assert_int_equal(link_to(fixture, "new", "second", NULL), LODE_OK);
    sync_dir(fixture);
    crash(fixture);
    assert_false(exists(fixture, "removed") || exists(fixture, "old"));
    expect_file(fixture, "new", "renamed");
    expect_file(fixture, "second", "renamed");
}

/* A durable name of a file that was never synced: it is there, and empty. */
static void names_without_bytes(void **state)
{
    struct fixture *fixture = *state;
    sync_root(fixture);
    struct vfs_file *file = open_file(fixture, "a", VFS_WRITE | VFS_CREATE);
    assert_int_equal(vfs_write(file, 0, "text", 4, NULL), LODE_OK);
    vfs_close(file);
    sync_dir(fixture);
    crash(fixture);
    expect_file(fixture, "a", "");
}

/* Neither a file's name nor what is below a directory outlives the directory's own name. */
static void directories_are_names_too(void **state)
{
    struct fixture *fixture = *state;
    sync_root(fixture);
    for (int synced = 0; synced < 2; synced++) {
        assert_int_equal(vfs_make_dir(fixture->vfs, in_dir(fixture, "d"), NULL), LODE_OK);
        put_file(fixture, "d/a", "text");
        assert_int_equal(vfs_dir_sync(fixture->vfs, in_dir(fixture, "d"), NULL), LODE_OK);
        if (synced)
            sync_dir(fixture);
        crash(fixture);
        assert_int_equal(exists(fixture, "d/a"), synced);
    }
    expect_file(fixture, "d/a", "text");
}

static void open_files_end_with_the_crash(void **state)
{
    struct fixture *fixture = *state;
    sync_root(fixture);
    put_file(fixture, "a", "text");
    sync_dir(fixture);
    struct vfs_file *file = open_file(fixture, "a", VFS_WRITE), *lock, *second;
    const char *lock_path = in_dir(fixture, "LOCK");
    assert_int_equal(vfs_lock(fixture->vfs, lock_path, &lock, NULL), LODE_OK);
    sync_dir(fixture);
    crash(fixture);
    char data[4];
    assert_int_equal(vfs_read(file, 0, data, 4, NULL), LODE_IO);
    assert_int_equal(vfs_write(file, 0, "xxxx", 4, NULL), LODE_IO);
    assert_int_equal(vfs_sync(file, NULL), LODE_IO);
    vfs_close(file);
    assert_int_equal(vfs_lock(fixture->vfs, lock_path, &second, NULL), LODE_OK);
    vfs_unlock(lock); /* of before the crash: must not open the new one */
    assert_int_equal(vfs_lock(fixture->vfs, lock_path, &lock, NULL), LODE_BUSY);
    vfs_unlock(second);
    expect_file(fixture, "a", "text");
}

static int fault_on_sync(void *context, const char *operation, const char *path)
{
    (void)path;
    int *countdown = context;
    return strcmp(operation, "sync") == 0 && (*countdown)-- == 0 ? ENOSPC : 0;
}

static void faults(void **state)
{
    struct fixture *fixture = *state;
    int countdown = 1;
    struct vfs_file *file = open_file(fixture, "a", VFS_WRITE | VFS_CREATE);
    vfs_memory_set_fault(fixture->vfs, fault_on_sync, &countdown);
    lode_error error = {0};
    assert_int_equal(vfs_sync(file, &error), LODE_OK);
    assert_int_equal(vfs_sync(file, &error), LODE_FULL);
    assert_int_equal(error.os_errno, ENOSPC);
    assert_int_equal(vfs_sync(file, &error), LODE_OK);
    vfs_memory_set_fault(fixture->vfs, NULL, NULL);
    vfs_close(file);
}

/* Whether what is left of a file of `size` bytes 'x', written and not synced, shows each way to lose it. */
struct losses {
    int whole, empty, at_sector, at_byte, garbage, holes;
};

static void judge_losses(struct fixture *fixture, size_t size, struct losses *losses)
{
    uint8_t data[4096];
    uint64_t found = 0;
    size_t kept = 0, first_lost = 0, strange = 0;
    struct vfs_file *file = open_file(fixture, "a", VFS_READ);
    assert_int_equal(vfs_size(file, &found, NULL), LODE_OK);
    assert_true(found <= size);
    assert_int_equal(vfs_read(file, 0, data, (size_t)found, NULL), LODE_OK);
    vfs_close(file);
    while (first_lost < found && data[first_lost] == 'x')
        first_lost++;
    for (size_t i = 0; i < found; i++) {
        kept += data[i] == 'x';
        strange += data[i] != 'x' && data[i] != 0;
    }
    losses->whole |= kept == size;
    losses->empty |= found == 0;
    losses->at_sector |= kept > 0 && kept < size && first_lost > 0 && first_lost % 512 == 0;
    losses->at_byte |= first_lost > 0 && first_lost < size && first_lost % 512 != 0;
    losses->garbage |= strange > 0;
    losses->holes |= kept > first_lost;
}

static void writes_are_torn_in_every_way(void **state)
{
    struct fixture *fixture = *state;
    static uint8_t data[3000];
    struct losses losses = {0};
    memset(data, 'x', sizeof data);
    sync_root(fixture);
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct vfs_file *file = open_file(fixture, "a", VFS_WRITE | VFS_CREATE | VFS_TRUNCATE);
        assert_int_equal(vfs_sync(file, NULL), LODE_OK);
        sync_dir(fixture);
        assert_int_equal(vfs_write(file, 0, data, sizeof data, NULL), LODE_OK);
        vfs_close(file);
        vfs_memory_crash_random(fixture->vfs, seed);
        judge_losses(fixture, sizeof data, &losses);
    }
    assert_true(losses.whole && losses.empty && losses.at_sector && losses.at_byte);
    assert_true(losses.garbage && losses.holes);
}

/* The second of two writes, or of two names, is there and the first is not. */
static void order_is_not_kept(void **state)
{
    struct fixture *fixture = *state;
    int reordered = 0, names_reordered = 0;
    sync_root(fixture);
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct vfs_file *file = open_file(fixture, "a", VFS_WRITE | VFS_CREATE | VFS_TRUNCATE);
        assert_int_equal(vfs_write(file, 0, "00", 2, NULL), LODE_OK);
        assert_int_equal(vfs_sync(file, NULL), LODE_OK);
        (void)!vfs_remove(fixture->vfs, in_dir(fixture, "b"), NULL);
        (void)!vfs_remove(fixture->vfs, in_dir(fixture, "c"), NULL);
        sync_dir(fixture);
        assert_int_equal(vfs_write(file, 0, "1", 1, NULL), LODE_OK);
        assert_int_equal(vfs_write(file, 1, "1", 1, NULL), LODE_OK);
        vfs_close(file);
        put_file(fixture, "b", "x");
        put_file(fixture, "c", "x");
        vfs_memory_crash_random(fixture->vfs, seed);
        char found[3] = {0};
        file = open_file(fixture, "a", VFS_READ);
        assert_int_equal(vfs_read(file, 0, found, 2, NULL), LODE_OK);
        vfs_close(file);
        reordered |= strcmp(found, "01") == 0;
        names_reordered |= !exists(fixture, "b") && exists(fixture, "c");
    }
    assert_true(reordered && names_reordered);
}

static int lie_on_sync(void *context, const char *operation, const char *path)
{
    (void)path;
    return strcmp(operation, context) == 0 ? VFS_MEMORY_LIE : 0;
}

static void syncs_that_lie(void **state)
{
    struct fixture *fixture = *state;
    static char sync[] = "sync";
    sync_root(fixture);
    put_file(fixture, "a", "old!");
    sync_dir(fixture);
    struct vfs_file *file = open_file(fixture, "a", VFS_WRITE);
    assert_int_equal(vfs_sync(file, NULL), LODE_OK);
    assert_int_equal(vfs_write(file, 0, "new!", 4, NULL), LODE_OK);
    vfs_memory_set_fault(fixture->vfs, lie_on_sync, sync);
    assert_int_equal(vfs_sync(file, NULL), LODE_OK);
    vfs_memory_set_fault(fixture->vfs, NULL, NULL);
    vfs_close(file);
    expect_file(fixture, "a", "new!");
    crash(fixture);
    expect_file(fixture, "a", "old!");
}

static void bits_turn_over(void **state)
{
    struct fixture *fixture = *state;
    char path[PATH_SIZE_MAX], found[5] = {0};
    uint64_t offset = 0;
    sync_root(fixture);
    assert_int_equal(vfs_memory_flip(fixture->vfs, fixture->dir, 1, path, &offset), 0);
    put_file(fixture, "a", "text");
    assert_int_equal(vfs_memory_flip(fixture->vfs, fixture->dir, 1, path, &offset), 1);
    assert_string_equal(path, in_dir(fixture, "a"));
    struct vfs_file *file = open_file(fixture, "a", VFS_READ);
    assert_int_equal(vfs_read(file, 0, found, 4, NULL), LODE_OK);
    vfs_close(file);
    unsigned changed = (unsigned)(found[offset] ^ "text"[offset]);
    assert_true(changed && (changed & (changed - 1)) == 0);
    found[offset] = "text"[offset];
    assert_string_equal(found, "text");
}

#define ON(f, where) cmocka_unit_test_setup_teardown(f, where##_setup, where##_teardown)
#define BOTH(f)      ON(f, posix), ON(f, memory)

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(writes_and_reads),
        BOTH(reading_beyond_the_end),
        BOTH(impossible_writes),
        BOTH(open_flags),
        ON(pipes_are_no_files, posix),
        BOTH(truncating),
        BOTH(mapping),
        BOTH(removing),
        BOTH(renaming),
        BOTH(linking),
        BOTH(directories),
        BOTH(listing),
        BOTH(locking),
        BOTH(same_as_an_array),
        BOTH(long_paths),
        ON(unsynced_bytes_are_lost, memory),
        ON(unsynced_names_are_lost, memory),
        ON(synced_names_are_kept, memory),
        ON(names_without_bytes, memory),
        ON(directories_are_names_too, memory),
        ON(open_files_end_with_the_crash, memory),
        ON(faults, memory),
        ON(writes_are_torn_in_every_way, memory),
        ON(order_is_not_kept, memory),
        ON(syncs_that_lie, memory),
        ON(bits_turn_over, memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
