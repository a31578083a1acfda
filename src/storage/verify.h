/* verify.h: is a collection's directory what was written, and does it make sense? For a directory that
 * nobody else uses. */
#ifndef STORAGE_VERIFY_H
#define STORAGE_VERIFY_H

#include "storage/frame.h"

struct verify {
    struct vfs *vfs;
    const char *dir;
    uint64_t collection_uid;
    /* Something is wrong: file is a name in dir, offset a place in it (0: the file as a whole). */
    void (*report)(void *context, const char *file, uint64_t offset, const char *problem);
    /* So many bytes more were read. May be NULL. */
    void (*progress)(void *context, uint64_t bytes);
    void *context;
};

/* Check the newest manifest, every file it speaks of, and the log: each block's checksum, sizes, ids and their
 * table, documents, graphs, live sets and their counts, that no id lives twice, that no batch is missing.
 * LODE_OK when nothing was reported, LODE_CORRUPT when something was, else why the check stopped: LODE_VERSION
 * at a file of another format, which is no damage. */
NODISCARD lode_status verify_collection(const struct verify *verify, lode_error *error);

/* Check the frame of one file in dir, all blocks. Same results; a missing file is reported. */
NODISCARD lode_status verify_frame(const struct verify *verify, const char *name,
                                   enum frame_kind kind, uint64_t number, lode_error *error);

/* Sum of the sizes of the files in a directory: what progress will add up to, about. */
NODISCARD lode_status verify_bytes(struct vfs *vfs, const char *dir, uint64_t *ret_bytes,
                                   lode_error *error);

#endif
