/* manifest_format.h: a manifest as the sections of its frame, and back (docs/format/manifest.md). */
#ifndef STORAGE_MANIFEST_FORMAT_H
#define STORAGE_MANIFEST_FORMAT_H

#include "storage/frame.h"
#include "storage/manifest.h"

NODISCARD lode_status manifest_write(struct frame_writer *writer, const struct manifest *manifest,
                                     lode_error *error);
/* Everything is checked: what comes out is what manifest_write could have written. `generation` is the
 * file's number. */
NODISCARD lode_status manifest_read(const struct frame *frame, uint64_t generation,
                                    struct manifest *ret_manifest, lode_error *error);

#endif
