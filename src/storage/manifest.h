/* manifest.h: a generation written down: manifest-<generation>, immutable. The highest number counts.
 *
 * A commit writes and syncs a temporary file, then links it to the next number, which fails when that
 * exists: a second owner can never overwrite the first one's. Older manifests are removed after. */
#ifndef STORAGE_MANIFEST_H
#define STORAGE_MANIFEST_H

#include "base/buf.h"
#include "storage/sealed.h"

#define MANIFEST_REQUESTS_SIZE_MAX ((size_t)2 << 20) /* REQUEST_IDS_MAX of the longest ids */

struct manifest {
    uint64_t collection_uid;
    uint64_t generation;
    uint64_t flushed_sequence; /* every batch up to here is in the segments and their live sets */
    /* Deaths of batches up to here may be in live sets and merged segments: the logs lead at
     * least to it, or have lost what was acknowledged */
    uint64_t seen_sequence;
    uint64_t wal_first;           /* log files below this number are dead */
    uint64_t next_number;         /* of segments and log files */
    uint32_t text_model_version;  /* 0: none; else file text-model-<version> */
    lode_schema schema;           /* strings owned by the manifest */
    struct sealed_entry *entries; /* by number */
    size_t entry_count;
    struct buf requests; /* of batches up to flushed_sequence, encoded (requests.h) */
};

void manifest_release(struct manifest *manifest);
NODISCARD lode_status manifest_copy(const struct manifest *from, struct manifest *ret_manifest,
                                    lode_error *error);
/* Write manifest->generation; durable on return, with every name made in `dir` before the call. Then
 * removes older manifests, and live sets that only they knew. LODE_EXISTS: another owner was faster.
 * After any error nothing changed, but for one: after LODE_IO the manifest may or may not count at the
 * next open, so the files that it and its forerunner speak of must all be kept. */
NODISCARD lode_status manifest_commit(struct vfs *vfs, const char *dir,
                                      const struct manifest *manifest, lode_error *error);
/* The highest generation there is. LODE_NOT_FOUND: none. */
NODISCARD lode_status manifest_find(struct vfs *vfs, const char *dir, uint64_t *ret_generation,
                                    lode_error *error);
/* The highest one. LODE_NOT_FOUND: there is none. A damaged one is LODE_CORRUPT, never passed over. */
NODISCARD lode_status manifest_load(struct vfs *vfs, const char *dir, struct manifest *ret_manifest,
                                    lode_error *error);
/* Make the manifest's name durable, then remove what a crash left: files of no manifest entry, older
 * manifests, temporary files. What is pinned stays, and so do logs, and names that are not Lode's. At open,
 * before anything else writes. pins NULL: segments and text models all stay, it being unknown which of them
 * are needed. */
NODISCARD lode_status manifest_sweep(struct vfs *vfs, const char *dir,
                                     const struct manifest *manifest, struct pins *pins,
                                     lode_error *error);

#endif
