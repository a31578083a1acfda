/* fuzz_snapshot.c: any sections, read as a named snapshot: what is accepted makes sense. */
#include "fuzz/fuzz_storage.h"

#include "base/bitset.h"
#include "storage/snapshot_file.h"

static void check(const struct saved_snapshot *saved, struct liveset **live)
{
    uint64_t points = 0;
    INVARIANT(strlen(saved->name) >= 1 && strlen(saved->name) <= LODE_NAME_SIZE_MAX);
    for (size_t i = 0; i < saved->entry_count; i++) {
        const struct sealed_entry *entry = &saved->entries[i];
        INVARIANT(entry->live_count <= entry->row_count && entry->row_count > 0);
        INVARIANT(entry->number <= saved->number);
        INVARIANT(i == 0 || entry->number > entry[-1].number);
        INVARIANT((live[i] != NULL) == (entry->live_count < entry->row_count));
        if (live[i])
            INVARIANT(bitset_count(live[i]->words, entry->row_count) == entry->live_count);
        points += entry->live_count;
        liveset_unref(live[i]);
    }
    INVARIANT(points == saved->point_count);
}

/* Sizes and numbers that nearly make sense, or random bytes would hardly ever get beyond the first check. */
static void fit(struct frame *frame)
{
    if (frame->sections[0].size <= 48)
        section_cut(frame, 0, 49);
    uint8_t *state = (uint8_t *)(uintptr_t)frame->sections[0].data;
    size_t name_size = frame->sections[0].size - 48, count = state[36] % 4;
    memset(state + 16, 0, 8);
    memset(state + 36, 0, 12);
    state[36] = (uint8_t)count;
    state[40] = (uint8_t)(name_size < 128 ? name_size : 128);
    section_cut(frame, 0, 48u + state[40]);
    section_cut(frame, 1, count * 24);
    uint8_t *entries = (uint8_t *)(uintptr_t)frame->sections[1].data;
    uint8_t *points = (uint8_t *)(uintptr_t)frame->sections[0].data + 16;
    for (size_t i = 0; i < count; i++) {
        memset(entries + 24 * i + 1, 0, 7);
        memset(entries + 24 * i + 9, 0, 3);
        memset(entries + 24 * i + 13, 0, 3);
        entries[24 * i + 16] %= 2;
        points[1] = (uint8_t)(points[1] + (points[0] + entries[24 * i + 12]) / 256);
        points[0] = (uint8_t)(points[0] + entries[24 * i + 12]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame frame = sections_new(data, size, 3);
    struct saved_snapshot saved;
    struct liveset **live;
    lode_error error;
    if (size % 4)
        fit(&frame);
    if (snapshot_decode(&frame, 300, &saved, &live, &error) == LODE_OK) {
        check(&saved, live);
        free(live);
        saved_snapshot_release(&saved);
    }
    if (snapshot_decode(&frame, 300, &saved, NULL, &error) == LODE_OK)
        saved_snapshot_release(&saved);
    sections_free(&frame);
    return 0;
}
