/* Address space, alignment and what the process is said to hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "os/memory.h"

#define MIB ((size_t)1 << 20)

static void reserved_space_is_zero_and_free(void **state)
{
    (void)state;
    size_t size = 64 * 1024 * MIB; /* more than the machine need have */
    size_t before = memory_resident();
    unsigned char *memory = memory_reserve(size);
    assert_non_null(memory);
    assert_int_equal((uintptr_t)memory % 4096, 0);
    memory_huge(memory + 100, 10 * MIB); /* any address will do */
    for (size_t at = 0; at < size; at += size / 16) {
        assert_int_equal(memory[at], 0);
        memory[at] = 1;
    }
    memory[size - 1] = 1;
    assert_true(memory_resident() < before + 100 * MIB);
    memory_unreserve(memory, size);
}

static void odd_sizes(void **state)
{
    (void)state;
    for (size_t size = 0; size < 10000; size += 999) {
        char *memory = memory_reserve(size);
        assert_non_null(memory);
        memset(memory, 1, size);
        memory_unreserve(memory, size);
    }
    memory_unreserve(NULL, 10);
    memory_huge(NULL, 0);
    assert_null(memory_reserve(SIZE_MAX / 2));
}

static void alignments(void **state)
{
    (void)state;
    for (size_t alignment = 8; alignment <= 1 << 16; alignment *= 2) {
        for (size_t size = 0; size < 1000; size += 333) {
            void *memory = memory_aligned(alignment, size);
            assert_non_null(memory);
            assert_int_equal((uintptr_t)memory % alignment, 0);
            memset(memory, 1, size);
            free(memory);
        }
    }
}

static void resident_follows_use(void **state)
{
    (void)state;
    size_t before = memory_resident();
    if (before == 0)
        skip(); /* no /proc here */
    char *memory = memory_reserve(50 * MIB);
    assert_non_null(memory);
    memset(memory, 1, 50 * MIB);
    size_t during = memory_resident();
    assert_true(during >= before + 45 * MIB);
    assert_true(memory_resident_peak() >= during - MIB);
    memory_unreserve(memory, 50 * MIB);
    assert_true(memory_resident() < during - 40 * MIB);
    assert_true(memory_resident_peak() >= during - MIB); /* the peak stays */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reserved_space_is_zero_and_free),
        cmocka_unit_test(odd_sizes),
        cmocka_unit_test(alignments),
        cmocka_unit_test(resident_follows_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
