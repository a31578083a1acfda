/* fuzz_storage.h: what the harnesses of storage share. To build and run them: tests/fuzz/run.sh. */
#ifndef TESTS_FUZZ_STORAGE_H
#define TESTS_FUZZ_STORAGE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "storage/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Touch every byte, so that AddressSanitizer judges it. */
static inline void touch(const void *data, size_t size)
{
    static volatile uint8_t sum;
    const uint8_t *bytes = data;
    for (size_t i = 0; i < size; i++)
        sum = (uint8_t)(sum + bytes[i]);
}

/* Cut data into `count` sections of types 1, 2, ..., each in memory of its own size; two bytes before each
 * say how long it is. What is left over belongs to the last. Free with sections_free. */
static inline struct frame sections_new(const uint8_t *data, size_t size, size_t count)
{
    struct frame frame = {.section_count = count, .data = data, .size = size};
    for (size_t i = 0; i < count; i++) {
        size_t part = size;
        if (i + 1 < count) {
            part = size < 2 ? 0 : (size_t)data[0] | (size_t)data[1] << 8;
            size_t skip = size < 2 ? size : 2;
            data += skip;
            size -= skip;
            part = part < size ? part : size;
        }
        uint8_t *copy = malloc(part ? part : 1);
        if (!copy)
            abort();
        if (part)
            memcpy(copy, data, part);
        frame.sections[i] =
            (struct frame_section_view){.type = (uint32_t)i + 1, .data = copy, .size = part};
        data += part;
        size -= part;
    }
    return frame;
}

/* Cut a section, or fill it up with zeros, in memory of just that size. */
static inline void section_cut(struct frame *frame, size_t i, size_t size)
{
    uint8_t *cut = calloc(size ? size : 1, 1);
    if (!cut)
        abort();
    memcpy(cut, frame->sections[i].data,
           size < frame->sections[i].size ? size : frame->sections[i].size);
    free((void *)(uintptr_t)frame->sections[i].data);
    frame->sections[i].data = cut;
    frame->sections[i].size = size;
}

static inline void sections_free(struct frame *frame)
{
    for (size_t i = 0; i < frame->section_count; i++)
        free((void *)(uintptr_t)frame->sections[i].data);
}

#endif
