/* verify_parts.h: what verify.c and verify_segment.c share. */
#ifndef STORAGE_VERIFY_PARTS_H
#define STORAGE_VERIFY_PARTS_H

#include "storage/names.h"
#include "storage/sealed.h"
#include "storage/verify.h"

struct verifying {
    const struct verify *verify;
    uint64_t findings;
    lode_error error; /* of the last check that failed: its message is the finding */
};

void verifying_report(struct verifying *run, const char *file, uint64_t offset,
                      const char *problem);
/* Whether a check's outcome ends the run: LODE_CORRUPT is a finding, reported with the message in run->error;
 * anything else that is not LODE_OK stops it. */
NODISCARD lode_status verifying_judge(struct verifying *run, const char *file, uint64_t offset,
                                      lode_status status);
/* Open a frame of dir and check all its blocks. *ret_sound is 1 when nothing was found, and then the
 * frame is open. */
NODISCARD lode_status verifying_frame(struct verifying *run, struct name name, enum frame_kind kind,
                                      struct frame *ret_frame, int *ret_sound);
/* All files of a segment, whose rows are of batches up to sequence_max; *ret_sound as above. */
NODISCARD lode_status verifying_segment(struct verifying *run, const struct store *store,
                                        const struct sealed_entry *entry, uint64_t sequence_max,
                                        int *ret_sound);
/* Named snapshots, and what only they need; the manifest's own files have been checked. */
struct manifest;
NODISCARD lode_status verifying_snapshots(struct verifying *run, const struct store *store,
                                          const struct manifest *manifest);
/* That no id lives in two of these. */
NODISCARD lode_status verifying_ids_once(struct verifying *run, const struct store *store,
                                         const struct sealed_entry *entries, size_t entry_count);

#endif
