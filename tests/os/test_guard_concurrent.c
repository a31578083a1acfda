/* test_guard_concurrent.c: a block is filled once, before anyone reads it, whoever comes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "os/guard.h"

enum { BLOCKS = 200, THREADS = 8, LAST = 123 /* bytes of the last block */ };

#define SIZE ((size_t)(BLOCKS - 1) * GUARD_BLOCK_SIZE + LAST)

struct file {
    struct guard guard;
    uint8_t *bytes;
    unsigned fills[BLOCKS];
    uint64_t bad; /* this block fails as long as it is below BLOCKS */
    lode_status how;
};

/* Without atomics: that one thread at a time is here for a block, and that readers come after, is for the
 * thread sanitizer to see. */
static lode_status fill(void *context, uint64_t block, lode_error *error)
{
    struct file *file = context;
    file->fills[block]++;
    if (block == file->bad)
        return error_set(error, file->how, "block %u is bad", (unsigned)block);
    size_t size = block == BLOCKS - 1 ? LAST : GUARD_BLOCK_SIZE;
    memset(file->bytes + block * GUARD_BLOCK_SIZE, (int)(block + 1) & 0xff, size);
    return LODE_OK;
}

static void file_init(struct file *file)
{
    lode_error error = {0};
    *file = (struct file){.bytes = malloc(SIZE), .bad = BLOCKS, .how = LODE_CORRUPT};
    assert_non_null(file->bytes);
    assert_int_equal(guard_init(&file->guard, file->bytes, SIZE, fill, file, &error), LODE_OK);
}

static void file_release(struct file *file)
{
    guard_release(&file->guard);
    free(file->bytes);
}

static unsigned filled(const struct file *file)
{
    unsigned count = 0;
    for (size_t i = 0; i < BLOCKS; i++)
        count += file->fills[i];
    return count;
}

static void what_is_touched_is_filled(void **state)
{
    (void)state;
    struct file file;
    lode_error error = {0};
    file_init(&file);
    assert_int_equal(guard_touch(NULL, &file, 10, &error), LODE_OK);
    assert_int_equal(guard_touch(&file.guard, file.bytes + 5, 0, &error), LODE_OK);
    assert_int_equal(guard_touch(&file.guard, file.bytes + SIZE, 0, &error), LODE_OK);
    assert_int_equal(filled(&file), 0);
    assert_int_equal(guard_touch(&file.guard, file.bytes + 3 * GUARD_BLOCK_SIZE, 1, &error), 0);
    assert_int_equal(guard_touch(&file.guard, file.bytes + 4 * GUARD_BLOCK_SIZE - 1, 1, &error), 0);
    assert_int_equal(filled(&file), 1);
    assert_int_equal(file.fills[3], 1);
    /* Over a border, and over many. */
    assert_int_equal(guard_touch(&file.guard, file.bytes + 4 * GUARD_BLOCK_SIZE - 1, 2, &error), 0);
    assert_int_equal(filled(&file), 2);
    assert_int_equal(file.fills[4], 1);
    assert_int_equal(guard_touch(&file.guard, file.bytes, SIZE, &error), LODE_OK);
    for (size_t i = 0; i < BLOCKS; i++)
        assert_int_equal(file.fills[i], 1);
    assert_int_equal(file.bytes[SIZE - 1], BLOCKS);
    assert_int_equal(guard_touch(&file.guard, file.bytes + SIZE - 1, 1, &error), LODE_OK);
    assert_int_equal(filled(&file), BLOCKS);
    assert_false(guard_has_failed(&file.guard));
    file_release(&file);
}

static void a_bad_block_is_named_and_tried_again(void **state)
{
    (void)state;
    struct file file;
    lode_error error = {0}, first = {0};
    file_init(&file);
    file.bad = 70;
    assert_int_equal(guard_touch(&file.guard, file.bytes, SIZE, &error), LODE_CORRUPT);
    assert_string_equal(error.message, "block 70 is bad");
    assert_int_equal(filled(&file), 71); /* nothing behind it */
    assert_int_equal(guard_touch(&file.guard, file.bytes + 70 * GUARD_BLOCK_SIZE, 1, NULL), 9);
    assert_int_equal(file.fills[70], 2);
    /* Its neighbours serve. */
    assert_int_equal(guard_touch(&file.guard, file.bytes + 69 * GUARD_BLOCK_SIZE, 1, &error), 0);
    assert_int_equal(guard_touch(&file.guard, file.bytes + 71 * GUARD_BLOCK_SIZE, 1, &error), 0);
    file.bad = BLOCKS;
    assert_int_equal(guard_touch(&file.guard, file.bytes + 70 * GUARD_BLOCK_SIZE, 1, &error), 0);
    assert_true(guard_has_failed(&file.guard));
    guard_failure(&file.guard, &first);
    assert_int_equal(first.status, LODE_CORRUPT);
    assert_string_equal(first.message, "block 70 is bad");
    file_release(&file);
}

static void memory_refused_is_no_damage(void **state)
{
    (void)state;
    struct file file;
    lode_error error = {0};
    file_init(&file);
    file.bad = 0;
    file.how = LODE_NOMEM;
    assert_int_equal(guard_touch(&file.guard, file.bytes, 1, &error), LODE_NOMEM);
    assert_false(guard_has_failed(&file.guard));
    file.bad = BLOCKS;
    assert_int_equal(guard_touch(&file.guard, file.bytes, 1, &error), LODE_OK);
    file_release(&file);
}

static void what_is_poisoned_is_refused(void **state)
{
    (void)state;
    struct file file;
    lode_error error = {0}, reason = {.status = LODE_IO, .message = "gone"};
    file_init(&file);
    assert_int_equal(guard_touch(&file.guard, file.bytes, SIZE, &error), LODE_OK);
    guard_poison(&file.guard, &reason);
    for (size_t i = 0; i < BLOCKS; i++) {
        error = (lode_error){0};
        assert_int_equal(guard_touch(&file.guard, file.bytes + i * GUARD_BLOCK_SIZE, 1, &error),
                         LODE_IO);
        assert_string_equal(error.message, "gone");
    }
    assert_int_equal(filled(&file), BLOCKS);
    assert_true(guard_has_failed(&file.guard));
    file_release(&file);
}

struct reader {
    struct file *file;
    uint64_t step;
    unsigned wrong;
};

static void read_all(void *context)
{
    struct reader *reader = context;
    struct file *file = reader->file;
    uint64_t block = 0;
    for (size_t i = 0; i < BLOCKS; i++, block = (block + reader->step) % BLOCKS) {
        const uint8_t *at = file->bytes + block * GUARD_BLOCK_SIZE;
        lode_status status = guard_touch(&file->guard, at, 8, NULL);
        if (block == file->bad)
            reader->wrong += status != LODE_CORRUPT;
        else
            reader->wrong += status != LODE_OK || at[7] != ((block + 1) & 0xff);
    }
}

static void threads_fill_each_block_once(void **state)
{
    (void)state;
    static const uint64_t steps[] = {1, 3, 7, 9, 11, 13, 17, 199};
    struct file file;
    struct reader readers[THREADS];
    struct thread threads[THREADS];
    file_init(&file);
    file.bad = 77;
    for (size_t i = 0; i < THREADS; i++) {
        readers[i] = (struct reader){.file = &file, .step = steps[i]};
        assert_int_equal(thread_start(&threads[i], "reader", read_all, &readers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        thread_join(&threads[i]);
        assert_int_equal(readers[i].wrong, 0);
    }
    for (size_t i = 0; i < BLOCKS; i++)
        assert_int_equal(file.fills[i], i == 77 ? THREADS : 1);
    file_release(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_touched_is_filled),
        cmocka_unit_test(a_bad_block_is_named_and_tried_again),
        cmocka_unit_test(memory_refused_is_no_damage),
        cmocka_unit_test(what_is_poisoned_is_refused),
        cmocka_unit_test(threads_fill_each_block_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
