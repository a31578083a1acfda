/* fuzz_json_merge.c: two objects, one behind the other after the size of the first: merged they are an
 * object again, merging once more changes nothing, and an empty patch neither. */
#include "fuzz/fuzz_storage.h"

#include "base/json.h"
#include "base/json_merge.h"

#define ROOM ((size_t)1 << 20)

static struct buf merged(const char *target, size_t target_size, const char *patch,
                         size_t patch_size, enum json_merge_depth depth)
{
    struct buf out;
    buf_init(&out, ROOM);
    INVARIANT(json_merge(target, target_size, patch, patch_size, depth, &out, NULL) == LODE_OK);
    INVARIANT(json_validate((const char *)out.data, out.size, JSON_OBJECT, NULL) == LODE_OK);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct frame halves = sections_new(data, size, 2);
    const char *target = (const char *)halves.sections[0].data;
    const char *patch = (const char *)halves.sections[1].data;
    size_t target_size = (size_t)halves.sections[0].size;
    size_t patch_size = (size_t)halves.sections[1].size;
    int valid = json_validate(target, target_size, JSON_OBJECT, NULL) == LODE_OK &&
                json_validate(patch, patch_size, JSON_OBJECT, NULL) == LODE_OK;
    for (int deep = 0; valid && deep < 2; deep++) {
        enum json_merge_depth depth = deep ? JSON_MERGE_DEEP : JSON_MERGE_TOP;
        struct buf once = merged(target, target_size, patch, patch_size, depth);
        struct buf twice = merged((char *)once.data, once.size, patch, patch_size, depth);
        struct buf same = merged((char *)once.data, once.size, "{}", 2, depth);
        INVARIANT(twice.size == once.size && memcmp(twice.data, once.data, once.size) == 0);
        INVARIANT(same.size == once.size && memcmp(same.data, once.data, once.size) == 0);
        buf_release(&once);
        buf_release(&twice);
        buf_release(&same);
    }
    sections_free(&halves);
    return 0;
}
