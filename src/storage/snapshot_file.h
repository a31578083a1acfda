/* snapshot_file.h: a named snapshot written down: snapshot-<number> (docs/format/snapshot.md). It lists
 * sealed segments and holds which of their rows live, so that of all other files only the segments' parts
 * and the text model have to stay. What was in growing segments is in a segment of its own, seg-<number>. */
#ifndef STORAGE_SNAPSHOT_FILE_H
#define STORAGE_SNAPSHOT_FILE_H

#include "storage/frame.h"
#include "storage/sealed.h"

#define SNAPSHOT_SEGMENTS_MAX (1u << 20)

struct saved_snapshot {
    uint64_t number; /* of the file, given out like those of segments */
    char name[LODE_NAME_SIZE_MAX + 1];
    uint64_t generation; /* of the manifest it stood on */
    uint64_t sequence;
    uint64_t point_count;
    uint64_t created_us;         /* since 1970 UTC */
    uint32_t text_model_version; /* 0: none */
    /* By number; del_generation is 0: the live sets are in the file */
    struct sealed_entry *entries;
    size_t entry_count;
};

void saved_snapshot_release(struct saved_snapshot *saved);
/* live[i] of entries[i]; NULL: every row lives. Durable on return, with all names made in the directory before.
 * On failure *ret_unknown is 1 when the file may be there at the next open, else nothing has changed. */
NODISCARD lode_status snapshot_file_write(const struct store *store,
                                          const struct saved_snapshot *saved,
                                          struct liveset *const *live, int *ret_unknown,
                                          lode_error *error);
/* Every byte is checked. ret_live NULL: not asked for; else *ret_live has entry_count references, to be
 * released one by one and freed. LODE_NOT_FOUND, LODE_CORRUPT, LODE_VERSION. */
NODISCARD lode_status snapshot_file_read(const struct store *store, uint64_t number,
                                         struct saved_snapshot *ret_saved,
                                         struct liveset ***ret_live, lode_error *error);
/* The sections of an open frame, for whoever has one. */
NODISCARD lode_status snapshot_decode(const struct frame *frame, uint64_t number,
                                      struct saved_snapshot *ret_saved, struct liveset ***ret_live,
                                      lode_error *error);
/* Take the name away, for good. That it is gone already is no error. */
NODISCARD lode_status snapshot_file_remove(const struct store *store, uint64_t number,
                                           lode_error *error);

#endif
