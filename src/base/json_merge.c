/* json_merge.c: the patch's members are sorted by name, the target is read once and each of its members
 * looked up among them. An object inside an object is merged by recursion, at most JSON_DEPTH_MAX deep. */
#include "base/json_merge.h"

#include "base/array.h"
#include "base/json.h"
#include "base/json_escape.h"

#include <stdlib.h>
#include <string.h>

struct member { /* raw: the name between its quotes, the value whole */
    const char *name;
    size_t name_size;
    const char *value;
    size_t value_size;
    enum json_token kind; /* of the value */
    int taken;            /* a member of the target had this name */
};

struct members {
    struct member *items; /* in their order */
    struct member **sorted;
    size_t count;
    size_t capacity;
};

struct merge {
    struct buf *out;
    enum json_merge_depth depth;
    lode_error *error;
};

/* --- Members ----------------------------------------------------------------------------------- */

static int by_name(const void *a_void, const void *b_void)
{
    const struct member *a = *(struct member *const *)a_void, *b = *(struct member *const *)b_void;
    return json_escape_compare(a->name, a->name_size, b->name, b->name_size);
}

/* After JSON_KEY. */
static void read_member(struct json *json, struct member *member)
{
    *member = (struct member){.name = json->text, .name_size = json->text_size};
    member->kind = json_raw(json, &member->value, &member->value_size);
    INVARIANT(member->kind != JSON_ERROR); /* json_validate has read it */
}

static lode_status members_add(struct members *members, struct json *json, lode_error *error)
{
    struct member *items = array_grow(members->items, members->count, &members->capacity,
                                      sizeof *items, "the members of a JSON object", error);
    if (!items)
        return LODE_NOMEM;
    members->items = items;
    read_member(json, &members->items[members->count++]);
    return LODE_OK;
}

static lode_status members_sort(struct members *members, lode_error *error)
{
    size_t size = members->count * sizeof(struct member *);
    members->sorted = malloc(size ? size : 1);
    if (!members->sorted)
        return error_nomem(error, "the members of a JSON object", size);
    for (size_t i = 0; i < members->count; i++)
        members->sorted[i] = &members->items[i];
    qsort(members->sorted, members->count, sizeof(struct member *), by_name);
    return LODE_OK;
}

static lode_status members_read(struct members *members, const char *text, size_t size,
                                lode_error *error)
{
    struct json json;
    lode_status status = LODE_OK;
    json_init(&json, text, size);
    (void)json_next(&json); /* '{' */
    while (!status && json_next(&json) == JSON_KEY)
        status = members_add(members, &json, error);
    return status ? status : members_sort(members, error);
}

static void members_release(struct members *members)
{
    free(members->items);
    free(members->sorted);
}

static struct member *members_find(const struct members *members, struct member *wanted)
{
    struct member **found =
        bsearch(&wanted, members->sorted, members->count, sizeof(struct member *), by_name);
    return found ? *found : NULL;
}

/* --- Writing ----------------------------------------------------------------------------------- */

static lode_status put(struct merge *merge, const char *text, size_t size)
{
    return buf_append(merge->out, text, size, merge->error);
}

/* The comma, the name, the colon. */
static lode_status put_name(struct merge *merge, const struct member *member)
{
    int first = merge->out->data[merge->out->size - 1] == '{';
    lode_status status = first ? LODE_OK : put(merge, ",", 1);
    if (!status)
        status = put(merge, member->name - 1, member->name_size + 2); /* with its quotes */
    return status ? status : put(merge, ":", 1);
}

static lode_status merge_objects(struct merge *merge, const char *target, size_t target_size,
                                 const char *patch, size_t patch_size);

/* What a member of the patch puts in the place of `old`, which may be NULL. */
static lode_status put_changed(struct merge *merge, const struct member *old,
                               const struct member *new)
{
    if (new->kind == JSON_NULL)
        return LODE_OK;
    lode_status status = put_name(merge, old ? old : new);
    if (status)
        return status;
    if (merge->depth == JSON_MERGE_TOP || new->kind != JSON_OBJECT)
        return put(merge, new->value, new->value_size);
    int merged = old && old->kind == JSON_OBJECT;
    return merge_objects(merge, merged ? old->value : NULL, merged ? old->value_size : 0,
                         new->value, new->value_size);
}

static lode_status put_target(struct merge *merge, const char *target, size_t size,
                              const struct members *changes)
{
    struct json json;
    lode_status status = LODE_OK;
    json_init(&json, target, size);
    (void)json_next(&json); /* '{' */
    while (!status && json_next(&json) == JSON_KEY) {
        struct member old;
        read_member(&json, &old);
        struct member *change = members_find(changes, &old);
        if (change) {
            change->taken = 1;
            status = put_changed(merge, &old, change);
        } else {
            status = put_name(merge, &old);
            if (!status)
                status = put(merge, old.value, old.value_size);
        }
    }
    return status;
}

static lode_status merge_objects(struct merge *merge, const char *target, size_t target_size,
                                 const char *patch, size_t patch_size)
{
    struct members changes = {0};
    lode_status status = members_read(&changes, patch, patch_size, merge->error);
    if (!status)
        status = put(merge, "{", 1);
    if (!status && target_size)
        status = put_target(merge, target, target_size, &changes);
    for (size_t i = 0; !status && i < changes.count; i++)
        if (!changes.items[i].taken)
            status = put_changed(merge, NULL, &changes.items[i]);
    members_release(&changes);
    return status ? status : put(merge, "}", 1);
}

lode_status json_merge(const char *target, size_t target_size, const char *patch, size_t patch_size,
                       enum json_merge_depth depth, struct buf *out, lode_error *error)
{
    struct merge merge = {.out = out, .depth = depth, .error = error};
    return merge_objects(&merge, target, target_size, patch, patch_size);
}
