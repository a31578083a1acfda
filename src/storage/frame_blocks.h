/* frame_blocks.h: the blocks of an open frame and what they are checked against. */
#ifndef STORAGE_FRAME_BLOCKS_H
#define STORAGE_FRAME_BLOCKS_H

#include "storage/frame.h"

struct frame_blocks {
    struct guard guard;
    struct vfs_file *file; /* the frame's */
    uint8_t *footer;       /* a copy, checked: section table, sums, trailer; owned */
    const uint8_t *sums;   /* u64 each, within the footer */
    uint64_t end;          /* of the last block: where the footer begins */
    uint64_t footer_size;  /* bytes */
    enum frame_kind kind;
    uint32_t row_count; /* see frame_set_rows */
    size_t section_count;
    struct frame_section_view sections[FRAME_SECTIONS_MAX]; /* see frame_lost */
    char path[];
};

/* Fill in frame->blocks and frame->guard. The frame has file, data, size and section_count. Takes
 * `own_footer`, whatever it returns. */
NODISCARD lode_status frame_blocks_new(struct frame *frame, const char *path, enum frame_kind kind,
                                       uint8_t *own_footer, uint64_t footer_offset,
                                       lode_error *error);
/* Copy the frame's sections, once they are known. */
void frame_blocks_sections(struct frame_blocks *blocks, const struct frame *frame);
void frame_blocks_free(struct frame_blocks *blocks); /* NULL is allowed */

/* What is lost with bytes [begin, end) of the file, into text[0, size): "the vectors of rows 128 to 255". Reads
 * nothing of the file. */
void frame_lost(const struct frame_blocks *blocks, uint64_t begin, uint64_t end, char *text,
                size_t size);

#endif
