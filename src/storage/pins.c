/* pins.c: a list; there are a few hundred pins at most, and they change rarely. */
#include "storage/pins.h"

#include <stdlib.h>

#include "storage/sealed_parts.h"

struct pin {
    struct pin_key key;
    unsigned count;
    int retired; /* no manifest speaks of it */
};

void pins_init(struct pins *pins)
{
    mutex_init(&pins->mutex);
}

void pins_release(struct pins *pins)
{
    free(pins->items);
    mutex_release(&pins->mutex);
}

void pins_lock(struct pins *pins)
{
    mutex_lock(&pins->mutex);
}

void pins_unlock(struct pins *pins)
{
    mutex_unlock(&pins->mutex);
}

static struct pin *find(const struct pins *pins, struct pin_key key)
{
    for (size_t i = 0; i < pins->count; i++)
        if (pins->items[i].key.kind == key.kind && pins->items[i].key.number == key.number)
            return &pins->items[i];
    return NULL;
}

static lode_status reserve(struct pins *pins, size_t count, lode_error *error)
{
    size_t capacity = pins->count + count;
    if (capacity <= pins->capacity)
        return LODE_OK;
    struct pin *items = realloc(pins->items, capacity * sizeof *items);
    if (!items)
        return error_nomem(error, "pins of files", capacity * sizeof *items);
    pins->items = items;
    pins->capacity = capacity;
    return LODE_OK;
}

lode_status pins_add(struct pins *pins, const struct pin_key *keys, size_t count, lode_error *error)
{
    lode_status status = reserve(pins, count, error);
    for (size_t i = 0; !status && i < count; i++) {
        struct pin *pin = find(pins, keys[i]);
        if (pin)
            pin->count++;
        else
            pins->items[pins->count++] = (struct pin){.key = keys[i], .count = 1};
    }
    return status;
}

/* What cannot be removed now is swept away at the next open. */
static void remove_files(const struct store *store, struct pin_key key)
{
    if (key.kind == NAME_VECTORS) {
        sealed_remove(store, key.number);
        return;
    }
    char path[PATH_SIZE_MAX];
    struct name name = {.kind = key.kind, .number = key.number};
    lode_status ignored = name_path(path, store->dir, name, NULL);
    if (!ignored)
        ignored = vfs_remove(store->vfs, path, NULL);
    (void)ignored;
}

/* Returns whether its files are to go. */
static int drop_one(struct pins *pins, struct pin_key key)
{
    pins_lock(pins);
    struct pin *pin = find(pins, key);
    INVARIANT(pin && pin->count > 0);
    int last = --pin->count == 0;
    int gone = last && pin->retired;
    if (last)
        *pin = pins->items[--pins->count];
    pins_unlock(pins);
    return gone;
}

void pins_drop(const struct store *store, const struct pin_key *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (drop_one(store->pins, keys[i]))
            remove_files(store, keys[i]);
}

int pins_retire(struct pins *pins, struct pin_key key)
{
    pins_lock(pins);
    struct pin *pin = find(pins, key);
    if (pin)
        pin->retired = 1;
    pins_unlock(pins);
    return pin != NULL;
}

int pins_has(struct pins *pins, struct name name)
{
    struct pin_key key = {.kind = name.kind, .number = name.number};
    if (name.kind == NAME_IDS || name.kind == NAME_DOCS || name.kind == NAME_GRAPH ||
        name.kind == NAME_COLUMNS)
        key.kind = NAME_VECTORS;
    pins_lock(pins);
    int found = find(pins, key) != NULL;
    pins_unlock(pins);
    return found;
}

int pins_is_retired(struct pins *pins, struct pin_key key)
{
    pins_lock(pins);
    const struct pin *pin = find(pins, key);
    int retired = pin && pin->retired;
    pins_unlock(pins);
    return retired;
}
