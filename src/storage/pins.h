/* pins.h: which segments and text models must keep their files although no manifest speaks of them any
 * more: those of named snapshots, of snapshots opened by name, and of a backup in progress.
 *
 * A file goes when the last of its users does: whoever retires it asks pins_retire first, and when it is
 * pinned leaves the removal to the last pins_drop. Numbers are never given out twice, so that a pin of a
 * number is a pin of bytes. Thread-safe; nothing but collection_pin_model is called with the lock held. */
#ifndef STORAGE_PINS_H
#define STORAGE_PINS_H

#include "os/thread.h"
#include "storage/names.h"

struct store;

struct pin_key {
    enum name_kind kind; /* NAME_VECTORS: all parts of a segment; NAME_TEXT_MODEL */
    uint64_t number;
};

struct pin;
struct pins {
    struct mutex mutex;
    struct pin *items;
    size_t count;
    size_t capacity;
};

void pins_init(struct pins *pins);
void pins_release(struct pins *pins);

/* Between the two, what a version shows can be pinned before anything of it is removed. */
void pins_lock(struct pins *pins);
void pins_unlock(struct pins *pins);
/* Pin all of these, or on failure none. The lock is held. */
NODISCARD lode_status pins_add(struct pins *pins, const struct pin_key *keys, size_t count,
                               lode_error *error);
/* Take the pins back, and remove the files that nothing holds any more. */
void pins_drop(const struct store *store, const struct pin_key *keys, size_t count);

/* No manifest speaks of it any more. 1: it is pinned, and its files are not the caller's to remove. */
int pins_retire(struct pins *pins, struct pin_key key);
/* Whether it is pinned; a part of a segment counts as the segment. */
int pins_has(struct pins *pins, struct name name);
/* Whether it is kept by pins alone. */
int pins_is_retired(struct pins *pins, struct pin_key key);

#endif
