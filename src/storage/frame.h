/* frame.h: the one frame around every file but the log (docs/format/frame.md): a header with magic, kind,
 * format version, collection and number; sections aligned to 64 bytes so that they can be used in
 * place; a footer with the section table and a checksum for every block and for itself.
 *
 * Writing streams: open, then for each section begin / write..., then finish (which syncs). */
#ifndef STORAGE_FRAME_H
#define STORAGE_FRAME_H

#include "base/buf.h"
#include "os/guard.h"
#include "os/vfs.h"

enum frame_kind {
    FRAME_VECTORS = 1,
    FRAME_IDS = 2,
    FRAME_DOCS = 3,
    FRAME_GRAPH = 4,
    FRAME_LIVE = 5,
    FRAME_MANIFEST = 6,
    FRAME_TEXT_MODEL = 7,
    FRAME_CATALOG = 8,
    FRAME_SNAPSHOT = 9,
    FRAME_COLUMNS = 10,
};

#define FRAME_SECTIONS_MAX 8

/* What a file is, as its header says and its name does. */
struct frame_id {
    enum frame_kind kind;
    uint64_t collection_uid; /* 0: of the database; to open: whichever it is */
    uint64_t number;
};

struct frame_writer;
/* A file of that name is replaced by a new one; links to it and maps of it keep its old bytes. */
NODISCARD lode_status frame_create(struct vfs *vfs, const char *path, struct frame_id id,
                                   struct frame_writer **ret_writer, lode_error *error);
NODISCARD lode_status frame_section(struct frame_writer *writer, uint32_t type, lode_error *error);
NODISCARD lode_status frame_write(struct frame_writer *writer, const void *data, size_t size,
                                  lode_error *error);
/* Footer, sync, close. Takes the writer, whatever it returns. Syncing the directory is the caller's. */
NODISCARD lode_status frame_finish(struct frame_writer *own_writer, lode_error *error);
/* The one section of a file, and finish. */
NODISCARD lode_status frame_finish_with(struct frame_writer *own_writer, uint32_t type,
                                        const struct buf *bytes, lode_error *error);
void frame_abandon(struct frame_writer *own_writer); /* close and remove; NULL is allowed */

struct frame_section_view {
    uint32_t type;
    const uint8_t *data; /* 64-byte aligned, mapped; touch it before it is read */
    uint64_t size;
};

struct frame_blocks;

struct frame {
    struct vfs_file *file;
    const uint8_t *data;         /* mapped: touch it (guard) before it is read */
    struct guard *guard;         /* of everything before the footer */
    struct frame_blocks *blocks; /* frame_blocks.c; owned */
    uint64_t size;
    int is_encrypted; /* the file is; data and sizes are those of its content */
    uint32_t version;
    uint64_t collection_uid;
    size_t section_count;
    struct frame_section_view sections[FRAME_SECTIONS_MAX];
};

/* Map the file, read and check header and footer (it must be that one; see frame.collection_uid); blocks are
 * checked when they are first touched: see frame.guard. LODE_CORRUPT names path and offset, LODE_VERSION a newer format. */
NODISCARD lode_status frame_open(struct vfs *vfs, const char *path, struct frame_id id,
                                 struct frame *ret_frame, lode_error *error);
/* The same; on LODE_CORRUPT *ret_offset is where the file is not what it should be. */
NODISCARD lode_status frame_open_where(struct vfs *vfs, const char *path, struct frame_id id,
                                       struct frame *ret_frame, uint64_t *ret_offset,
                                       lode_error *error);
/* The section of that type, or NULL. */
const struct frame_section_view *frame_find(const struct frame *frame, uint32_t type);
#define FRAME_BLOCK_SIZE GUARD_BLOCK_SIZE
/* From *offset on, a multiple of FRAME_BLOCK_SIZE, the first block that cannot be read or whose checksum is
 * wrong: LODE_CORRUPT or LODE_IO, saying what is lost, and its offset; LODE_OK: none. Each block is read
 * from the disk, also those that have been touched before, and is then touched. */
NODISCARD lode_status frame_bad_block(const struct frame *frame, uint64_t *offset,
                                      lode_error *error);
/* Check every block like that. */
NODISCARD lode_status frame_check(const struct frame *frame, lode_error *error);
/* What is lost with a whole file of that kind, for messages. */
const char *frame_lost_all(enum frame_kind kind);
/* How many rows the file is about, for messages that say what is lost; 0: not known. */
void frame_set_rows(struct frame *frame, uint32_t row_count);
size_t frame_memory(const struct frame *frame); /* bytes owned: beside the map, or decrypted */
/* Files of one size and sum are the same, but for chance: the footer's checksum, which covers those of all
 * blocks; of an encrypted file a part of its salt, which tells nothing of the content. */
uint64_t frame_sum(const struct frame *frame);
/* Whether data[0, size), read from offset, a multiple of FRAME_BLOCK_SIZE, is the block that was written
 * there. What is read may go on behind the last block. */
int frame_block_matches(const struct frame *frame, uint64_t offset, const uint8_t *data,
                        size_t size);
/* A hint: the frame is not read for a while, its pages need not stay in memory. */
void frame_forget(const struct frame *frame);
void frame_close(struct frame *frame);

#endif
