/* set.c: see set.h. */
#include "column/set.h"

#include <roaring/roaring.h>
#include <string.h>

#include "base/bitset.h"

#define COOKIE          12346u /* no container of runs */
#define COOKIE_RUNS     12347u
#define ARRAY_MAX       4096u /* a container of more is a bitmap */
#define OFFSETS_MIN     4u    /* with runs: fewer containers have no offsets */
#define CONTAINER_BITS  65536u
#define CONTAINER_WORDS (CONTAINER_BITS / 64)

/* --- Writing ------------------------------------------------------------------------------------ */

/* Takes the bitmap. */
static lode_status append(struct buf *out, roaring_bitmap_t *bitmap, lode_error *error)
{
    if (!bitmap)
        return error_nomem(error, "a set of rows", 0);
    roaring_bitmap_run_optimize(bitmap);
    size_t size = roaring_bitmap_portable_size_in_bytes(bitmap);
    lode_status status = buf_reserve(out, size, error);
    if (!status)
        out->size += roaring_bitmap_portable_serialize(bitmap, (char *)out->data + out->size);
    roaring_bitmap_free(bitmap);
    return status;
}

lode_status set_append(struct buf *out, const uint32_t *rows, size_t count, lode_error *error)
{
    return append(out, roaring_bitmap_of_ptr(count, rows), error);
}

lode_status set_append_runs(struct buf *out, const struct row_run *runs, size_t count,
                            lode_error *error)
{
    roaring_bitmap_t *bitmap = roaring_bitmap_create();
    for (size_t i = 0; bitmap && i < count; i++)
        roaring_bitmap_add_range(bitmap, runs[i].begin, runs[i].end);
    return append(out, bitmap, error);
}

/* --- Reading ------------------------------------------------------------------------------------ */

void words_fill(uint64_t *words, uint32_t begin, uint32_t end)
{
    if (begin >= end)
        return;
    uint32_t first = begin / 64, last = (end - 1) / 64;
    uint64_t head = ~(uint64_t)0 << (begin % 64), tail = ~(uint64_t)0 >> (63 - (end - 1) % 64);
    if (first == last) {
        words[first] |= head & tail;
        return;
    }
    words[first] |= head;
    memset(words + first + 1, 0xff, (last - first - 1) * sizeof *words);
    words[last] |= tail;
}

struct container {
    uint64_t base; /* its first row */
    uint32_t count;
    int has_runs;
};

struct target {
    uint64_t *words;
    uint32_t row_count;
    struct reader reader;
};

/* Whether rows up to base + last are the set's. */
static int fits(const struct target *target, const struct container *container, uint32_t last)
{
    return container->base + last < target->row_count;
}

static int read_runs(struct target *target, const struct container *container)
{
    uint32_t count = reader_u16(&target->reader);
    for (uint32_t i = 0; i < count; i++) {
        uint32_t begin = reader_u16(&target->reader), more = reader_u16(&target->reader);
        if (target->reader.failed || begin + more >= CONTAINER_BITS ||
            !fits(target, container, begin + more))
            return 0;
        words_fill(target->words, (uint32_t)container->base + begin,
                   (uint32_t)container->base + begin + more + 1);
    }
    return 1;
}

static int read_array(struct target *target, const struct container *container)
{
    const uint8_t *at = reader_bytes(&target->reader, (size_t)container->count * 2);
    if (!at)
        return 0;
    uint64_t *words = target->words + container->base / 64;
    uint64_t room = target->row_count - container->base;
    for (uint32_t i = 0; i < container->count; i++) {
        uint32_t low = (uint32_t)at[(size_t)2 * i] | (uint32_t)at[(size_t)2 * i + 1] << 8;
        if (low >= room)
            return 0;
        bitset_set(words, low);
    }
    return 1;
}

static int read_bitmap(struct target *target, const struct container *container)
{
    const uint8_t *at = reader_bytes(&target->reader, (size_t)CONTAINER_WORDS * 8);
    if (!at)
        return 0;
    uint64_t *words = target->words + container->base / 64;
    uint64_t room = target->row_count - container->base;
    size_t whole = room >= CONTAINER_BITS ? CONTAINER_WORDS : (size_t)(room / 64);
    for (size_t i = 0; i < whole; i++) {
        uint64_t word;
        memcpy(&word, at + 8 * i, sizeof word); /* little-endian, as all that Lode runs on */
        words[i] |= word;
    }
    if (room >= CONTAINER_BITS)
        return 1;
    uint64_t last;
    memcpy(&last, at + 8 * whole, sizeof last);
    if (room % 64)
        words[whole] |= last & (((uint64_t)1 << (room % 64)) - 1);
    return room % 64 ? !(last >> (room % 64)) : !last;
}

static int read_container(struct target *target, const struct container *container)
{
    if (container->base >= target->row_count)
        return 0;
    if (container->has_runs)
        return read_runs(target, container);
    return container->count <= ARRAY_MAX ? read_array(target, container)
                                         : read_bitmap(target, container);
}

static int read_all(struct target *target)
{
    struct reader *reader = &target->reader;
    uint32_t cookie = reader_u32(reader), count;
    const uint8_t *runs = NULL;
    if ((cookie & 0xffff) == COOKIE_RUNS) {
        count = (cookie >> 16) + 1;
        runs = reader_bytes(reader, (count + 7) / 8);
    } else {
        count = cookie == COOKIE ? reader_u32(reader) : CONTAINER_BITS + 1;
    }
    if (reader->failed || count > CONTAINER_BITS)
        return 0;
    const uint8_t *heads = reader_bytes(reader, (size_t)count * 4);
    if (!runs || count >= OFFSETS_MIN)
        (void)reader_bytes(reader, (size_t)count * 4); /* containers follow one another */
    if (reader->failed)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t *head = heads + 4 * (size_t)i;
        struct container container = {
            .base = ((uint64_t)head[0] | (uint64_t)head[1] << 8) * CONTAINER_BITS,
            .count = ((uint32_t)head[2] | (uint32_t)head[3] << 8) + 1,
            .has_runs = runs && runs[i / 8] >> (i % 8) & 1,
        };
        if (!read_container(target, &container))
            return 0;
    }
    return !reader->failed && reader_left(reader) == 0;
}

lode_status set_read(const uint8_t *bytes, size_t size, uint32_t row_count, uint64_t *words,
                     lode_error *error)
{
    struct target target = {.words = words, .row_count = row_count};
    reader_init(&target.reader, bytes, size);
    return read_all(&target) ? LODE_OK : error_set(error, LODE_CORRUPT, "a set of rows is none");
}
