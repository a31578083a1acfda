/* fuzz_docs.c: any sections, opened as the documents part of a segment: every document lies within them. */
#include "fuzz/fuzz_storage.h"

#include "base/le.h"
#include "storage/docs.h"

/* Make sizes agree: as many rows as there are offsets. */
static void fit(struct frame *frame)
{
    struct frame_section_view *info = &frame->sections[0], *offsets = &frame->sections[2];
    if (info->size < 32 || offsets->size < 8 || frame->sections[1].size == 0)
        return;
    section_cut(frame, 0, 32);
    section_cut(frame, 2, offsets->size / 8 * 8);
    le_store_u32((uint8_t *)(uintptr_t)info->data, (uint32_t)(offsets->size / 8) - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame frame = sections_new(data, size, 3);
    if (size % 4)
        fit(&frame);
    struct docs docs;
    lode_error error;
    uint64_t offset;
    uint32_t rows = frame.sections[0].size >= 4 ? le_load_u32(frame.sections[0].data) : 0;
    if (docs_open(&frame, rows, &docs, &error) == LODE_OK) {
        int sound = 1;
        for (uint32_t row = 0; docs.offsets && row < rows; row++) {
            struct document document;
            if (docs_get(&docs, row, &document, &error)) {
                sound = 0;
                continue;
            }
            touch(document.metadata, document.metadata_size);
            touch(document.text, document.text_size);
        }
        lode_status status = docs_check(&docs, &frame, &offset, &error);
        INVARIANT(sound || status == LODE_CORRUPT);
    }
    sections_free(&frame);
    return 0;
}
