/* fuzz_ids.c: any sections, opened as the ids part of a segment: nothing outside of them is touched, and
 * what the check passes is found. */
#include "fuzz/fuzz_storage.h"

#include "base/le.h"
#include "storage/id.h"
#include "storage/id_table.h"

/* Make sizes agree, or random bytes would hardly ever get beyond opening: as many rows as there are offsets,
 * as many buckets as fit. */
static void fit(struct frame *frame)
{
    struct frame_section_view *info = &frame->sections[0], *offsets = &frame->sections[2],
                              *table = &frame->sections[3];
    if (info->size < 32 || offsets->size < 8 || table->size < 64)
        return;
    section_cut(frame, 0, 32);
    uint8_t *bytes = (uint8_t *)(uintptr_t)info->data;
    section_cut(frame, 2, offsets->size / 8 * 8);
    section_cut(frame, 3, table->size / 64 * 64);
    uint32_t offset_size = bytes[8] % 2 ? 4 : 8;
    le_store_u32(bytes, (uint32_t)(frame->sections[2].size / offset_size) - 1);
    le_store_u32(bytes + 4, (uint32_t)(frame->sections[3].size / 64));
    le_store_u32(bytes + 8, offset_size);
    le_store_u32(bytes + 12, 0);
}

static void find(const struct id_table *table, const struct id_key *id)
{
    uint32_t found = 0;
    lode_status status = id_table_find(table, id, &found, NULL);
    INVARIANT(status == LODE_OK || status == LODE_CORRUPT);
    INVARIANT(status || found == ROW_NONE || found < table->row_count);
}

static void use(const struct id_table *table, const uint8_t *data, size_t size)
{
    for (uint32_t row = 0; row < table->row_count; row++) {
        struct id_key id;
        if (id_table_id(table, row, &id.bytes, &id.size, NULL))
            continue;
        touch(id.bytes, id.size);
        id.hash = id_hash(id.bytes, id.size);
        find(table, &id);
    }
    if (size > 8)
        find(table,
             &(struct id_key){.bytes = data + 8, .size = size - 8, .hash = le_load_u64(data)});
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame frame = sections_new(data, size, 4);
    if (size % 4)
        fit(&frame);
    struct id_table table;
    lode_error error;
    uint64_t offset;
    uint32_t rows = frame.sections[0].size >= 4 ? le_load_u32(frame.sections[0].data) : 0;
    if (rows <= 100000 && id_table_open(&frame, rows, &table, &error) == LODE_OK) {
        use(&table, data, size);
        if (id_table_check(&table, &frame, &offset, &error) == LODE_OK)
            for (uint32_t row = 0; row < rows; row++) {
                struct id_key id;
                uint32_t found = 0;
                INVARIANT(id_table_id(&table, row, &id.bytes, &id.size, NULL) == LODE_OK);
                id.hash = id_hash(id.bytes, id.size);
                INVARIANT(id_table_find(&table, &id, &found, NULL) == LODE_OK && found == row);
            }
    }
    sections_free(&frame);
    return 0;
}
