/* format_page.c: see format_page.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/format_page.h"

enum { DUMP_SIZE_MAX = 4096 };

/* Append the bytes of a line of hexdump -C: offset, two spaces, up to 16 bytes, "|text|". */
static void take_line(const char *line, uint8_t *bytes, size_t *size)
{
    const char *at = line + 8, *end = strchr(line, '|');
    unsigned byte;
    int used;
    while (at < end && sscanf(at, " %2x%n", &byte, &used) == 1 && at + used < end) {
        bytes[(*size)++] = (uint8_t)byte;
        at += used;
    }
}

/* The first dump of a page: lines that begin with eight hexadecimal digits; "*" repeats the line before up
 * to the offset of the next one. */
static size_t read_dump(const char *page, uint8_t bytes[DUMP_SIZE_MAX])
{
    char path[512], line[256];
    const char *source = getenv("LODE_SOURCE");
    snprintf(path, sizeof path, "%s/docs/format/%s", source ? source : ".", page);
    FILE *file = fopen(path, "r");
    if (!file)
        fail_msg("cannot read %s", path);
    size_t size = 0;
    while (fgets(line, sizeof line, file)) {
        unsigned offset;
        int used = 0;
        if (sscanf(line, "%8x%n", &offset, &used) != 1 || used != 8)
            continue;
        assert_true(offset < DUMP_SIZE_MAX);
        assert_true(size == offset || size >= 16);
        for (; size < offset && size >= 16; size++)
            bytes[size] = bytes[size - 16];
        take_line(line, bytes, &size);
    }
    fclose(file);
    return size;
}

static void write_example(const char *dir, const char *name, const uint8_t *data, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
}

void format_page_compare(const char *page, const char *name, const uint8_t *data, size_t size)
{
    uint8_t bytes[DUMP_SIZE_MAX];
    const char *dir = getenv("LODE_EXAMPLES");
    if (dir) {
        write_example(dir, name, data, size);
        return;
    }
    assert_int_equal(read_dump(page, bytes), size);
    assert_memory_equal(bytes, data, size);
}
