/* fuzz_catalog.c: any sections, read as a catalog: what is accepted makes sense, and comes back the same when it is
 * saved and loaded again. */
#include "fuzz/fuzz_storage.h"

#include "engine/catalog.h"
#include "support/vfs_memory.h"

static void put(struct vfs *vfs, const struct frame *frame)
{
    struct frame_writer *writer;
    INVARIANT(!frame_create(vfs, "catalog", (struct frame_id){FRAME_CATALOG, 0, 0}, &writer, NULL));
    for (size_t i = 0; i < frame->section_count; i++) {
        INVARIANT(!frame_section(writer, (uint32_t)i + 1, NULL));
        INVARIANT(!frame_write(writer, frame->sections[i].data, frame->sections[i].size, NULL));
    }
    INVARIANT(!frame_finish(writer, NULL));
}

static void check(const struct catalog *catalog)
{
    for (size_t i = 0; i < catalog->count; i++) {
        const struct catalog_name *name = &catalog->names[i];
        INVARIANT(!catalog_check_name("name", name->name, NULL));
        INVARIANT(i == 0 || strcmp(name[-1].name, name->name) < 0);
        INVARIANT((name->target == NULL) == (name->uid != 0));
        INVARIANT(catalog_resolve(catalog, name->name) != NULL);
    }
}

static void check_same(const struct catalog *a, const struct catalog *b)
{
    INVARIANT(a->count == b->count && a->history == b->history);
    INVARIANT(a->log_keep_bytes == b->log_keep_bytes);
    for (size_t i = 0; i < a->count; i++) {
        INVARIANT(strcmp(a->names[i].name, b->names[i].name) == 0);
        INVARIANT(a->names[i].uid == b->names[i].uid);
    }
}

/* A count of names and settings of the right size, or random bytes would never get further. */
static void fit(struct frame *frame)
{
    if (frame->sections[0].size < 4)
        section_cut(frame, 0, 4);
    uint8_t *names = (uint8_t *)(uintptr_t)frame->sections[0].data;
    memset(names + 1, 0, 3);
    section_cut(frame, 1, 16);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame frame = sections_new(data, size, 2);
    struct catalog catalog, again;
    int unknown;
    lode_error error;
    if (size % 4)
        fit(&frame);
    struct vfs *vfs = vfs_memory_new();
    put(vfs, &frame);
    if (catalog_load(vfs, ".", &catalog, &error) == LODE_OK) {
        check(&catalog);
        INVARIANT(!catalog_save(vfs, ".", &catalog, &unknown, &error));
        INVARIANT(!catalog_load(vfs, ".", &again, &error));
        check_same(&catalog, &again);
        catalog_release(&again);
        catalog_release(&catalog);
    }
    vfs_memory_free(vfs);
    sections_free(&frame);
    return 0;
}
