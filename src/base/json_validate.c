/* json_validate.c: checking a whole document, duplicate keys included.
 *
 * Keys of all open objects lie in one stack; an object that closes takes its own off it and looks for
 * duplicates among them: pair by pair when there are few, by sorting when there are many, so that no
 * document takes quadratic time. Memory: 24 bytes for each key of an object that is still open. */
#include "base/json.h"

#include "base/json_escape.h"

#include <stdlib.h>
#include <string.h>

#define PAIRWISE_MAX 12
#define ON_STACK     64 /* keys; enough for nearly every document */

struct key {
    const char *text;
    size_t size;
    int escaped;
};

struct keys {
    struct key *items; /* on_stack, or from malloc */
    size_t count;
    size_t capacity;
    size_t begin[JSON_DEPTH_MAX]; /* at each depth, where the enclosing object's keys begin */
    struct key on_stack[ON_STACK];
};

static lode_status keys_grow(struct keys *keys, lode_error *error)
{
    size_t size = keys->capacity * 2 * sizeof *keys->items;
    int was_on_stack = keys->items == keys->on_stack;
    struct key *items = realloc(was_on_stack ? NULL : keys->items, size);
    if (!items)
        return error_nomem(error, "the keys of a JSON object", size);
    if (was_on_stack)
        memcpy(items, keys->on_stack, sizeof keys->on_stack);
    keys->items = items;
    keys->capacity *= 2;
    return LODE_OK;
}

static lode_status keys_push(struct keys *keys, const struct json *json, lode_error *error)
{
    lode_status status = LODE_OK;
    if (keys->count == keys->capacity)
        status = keys_grow(keys, error);
    if (!status)
        keys->items[keys->count++] = (struct key){json->text, json->text_size, json->escaped};
    return status;
}

/* Order by unescaped bytes; equal keys by place, so that the later one is found to be at fault. */
static int key_compare(const struct key *a, const struct key *b)
{
    if (a->escaped || b->escaped)
        return json_escape_compare(a->text, a->size, b->text, b->size);
    int order = memcmp(a->text, b->text, a->size < b->size ? a->size : b->size);
    return order ? order : (a->size > b->size) - (a->size < b->size);
}

static int sort_compare(const void *a_void, const void *b_void)
{
    const struct key *a = a_void, *b = b_void;
    int order = key_compare(a, b);
    return order ? order : (a->text > b->text) - (a->text < b->text);
}

/* The later one of two equal keys, or NULL. May change the order of items. */
static const struct key *find_duplicate(struct key *items, size_t count)
{
    if (count <= PAIRWISE_MAX) {
        for (size_t i = 1; i < count; i++)
            for (size_t j = 0; j < i; j++)
                if (key_compare(&items[i], &items[j]) == 0)
                    return &items[i];
        return NULL;
    }
    qsort(items, count, sizeof *items, sort_compare);
    for (size_t i = 1; i < count; i++)
        if (key_compare(&items[i - 1], &items[i]) == 0)
            return &items[i];
    return NULL;
}

static lode_status invalid(size_t offset, const char *what, lode_error *error)
{
    return error_set(error, LODE_INVALID, "JSON, at byte %zu: %s", offset, what);
}

/* The object at depth json->depth has just been closed. */
static lode_status close_object(struct keys *keys, const struct json *json, lode_error *error)
{
    size_t begin = keys->begin[json->depth];
    const struct key *found = find_duplicate(keys->items + begin, keys->count - begin);
    keys->count = begin;
    if (!found)
        return LODE_OK;
    int shown = found->size < 100 ? (int)found->size : 100;
    return error_set(error, LODE_INVALID, "JSON, at byte %zu: duplicate key \"%.*s\"",
                     (size_t)(found->text - json->data) - 1, shown, found->text);
}

static lode_status validate(struct json *json, struct keys *keys, lode_error *error)
{
    for (;;) {
        lode_status status = LODE_OK;
        switch (json_next(json)) {
        case JSON_ERROR: return invalid(json->offset, json->error, error);
        case JSON_END: return LODE_OK;
        case JSON_OBJECT: keys->begin[json->depth - 1] = keys->count; break;
        case JSON_KEY: status = keys_push(keys, json, error); break;
        case JSON_OBJECT_END: status = close_object(keys, json, error); break;
        default: break;
        }
        if (status)
            return status;
    }
}

/* Look at the first token alone: LODE_OK also when there is none, which validate reports. */
static lode_status check_kind(const char *text, size_t size, enum json_token want,
                              lode_error *error)
{
    struct json json;
    json_init(&json, text, size);
    enum json_token first = json_next(&json);
    if (want == JSON_END || first == want || first == JSON_ERROR)
        return LODE_OK;
    size_t offset = (size_t)(json.text - json.data) - (first == JSON_STRING);
    return invalid(offset, want == JSON_OBJECT ? "expected an object" : "expected an array", error);
}

lode_status json_validate(const char *text, size_t size, enum json_token want, lode_error *error)
{
    lode_status status = check_kind(text, size, want, error);
    if (status)
        return status;
    struct json json;
    json_init(&json, text, size);
    struct keys keys;
    keys.items = keys.on_stack;
    keys.count = 0;
    keys.capacity = ON_STACK;
    status = validate(&json, &keys, error);
    if (keys.items != keys.on_stack)
        free(keys.items);
    return status;
}
