/* fuzz_manifest.c: any sections, read as a manifest: what is accepted makes sense. */
#include "fuzz/fuzz_storage.h"

#include "storage/manifest_format.h"

static void check(const struct manifest *manifest)
{
    const lode_schema *schema = &manifest->schema;
    INVARIANT(schema->dim >= 1 && schema->dim <= LODE_DIM_MAX);
    INVARIANT(schema->field_count <= LODE_FIELDS_MAX);
    for (size_t i = 0; i < schema->field_count; i++)
        touch(schema->fields[i].name, strlen(schema->fields[i].name) + 1);
    for (size_t i = 0; i < manifest->entry_count; i++) {
        const struct sealed_entry *entry = &manifest->entries[i];
        INVARIANT(entry->live_count <= entry->row_count && entry->row_count > 0);
        INVARIANT(entry->number < manifest->next_number);
        INVARIANT(i == 0 || entry->number > entry[-1].number);
    }
}

/* Sizes and numbers that nearly make sense, or random bytes would hardly ever get beyond the first check. */
static void fit(struct frame *frame)
{
    section_cut(frame, 0, 40);
    section_cut(frame, 2, frame->sections[2].size / 32 * 32);
    section_cut(frame, 3, frame->sections[3].size % 3 ? 0 : frame->sections[3].size);
    uint8_t *state = (uint8_t *)(uintptr_t)frame->sections[0].data;
    uint8_t *schema = (uint8_t *)(uintptr_t)frame->sections[1].data;
    memset(state + 36, 0, 4);
    state[7] = 0;     /* flushed_sequence */
    state[15] = 0xff; /* seen_sequence */
    state[23] = 0;    /* wal_first */
    state[31] = 0xff; /* next_number */
    if (frame->sections[1].size < 28)
        return;
    for (size_t i = 4; i < 7; i++)
        schema[i] %= 4;
    memset(schema + 1, 0, 3); /* dim */
    memset(schema + 7, 0, 1);
    memset(schema + 9, 0, 3);  /* m */
    memset(schema + 14, 0, 2); /* ef_construction */
    memset(schema + 25, 0, 3); /* field_count */
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame frame = sections_new(data, size, 4);
    if (size % 4)
        fit(&frame);
    struct manifest manifest, copy;
    lode_error error;
    if (manifest_read(&frame, 9, &manifest, &error) == LODE_OK) {
        check(&manifest);
        INVARIANT(manifest_copy(&manifest, &copy, &error) == LODE_OK);
        manifest_release(&manifest);
        check(&copy);
        manifest_release(&copy);
    }
    sections_free(&frame);
    return 0;
}
