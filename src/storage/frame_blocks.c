/* frame_blocks.c: a block is read through the file and not through the map: a sector that cannot be read, or a
 * file that has become shorter, is then an error that names it, and not a signal. What was read stays in the
 * kernel's memory, where the map finds it. */
#include "storage/frame_blocks.h"

#include "base/hash.h"
#include "base/le.h"
#include "os/mapped.h"
#include "crypt/crypt_file.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define SECTION_ENTRY_SIZE 24
#define LOST_SIZE          160 /* bytes of a text that says what is lost */

static size_t block_size(const struct frame_blocks *blocks, uint64_t offset)
{
    uint64_t left = blocks->end - offset;
    return left < FRAME_BLOCK_SIZE ? (size_t)left : FRAME_BLOCK_SIZE;
}

static int matches(const struct frame_blocks *blocks, uint64_t offset, const uint8_t *data)
{
    const uint8_t *sum = blocks->sums + offset / FRAME_BLOCK_SIZE * sizeof(uint64_t);
    return checksum64(data, block_size(blocks, offset)) == le_load_u64(sum);
}

/* What could not be read, or is not what was written. */
static lode_status lost(const struct frame_blocks *blocks, uint64_t offset, lode_status status,
                        lode_error *error)
{
    char text[LOST_SIZE];
    frame_lost(blocks, offset, offset + block_size(blocks, offset), text, sizeof text);
    if (status == LODE_OK)
        return error_set(error, LODE_CORRUPT, "%s is damaged at offset %" PRIu64 ": lost %s",
                         vfs_path_tail(blocks->path), offset, text);
    int os_errno = error ? error->os_errno : 0;
    error_set(error, status, "%s cannot be read at offset %" PRIu64 " (%s): lost %s",
              vfs_path_tail(blocks->path), offset,
              status == LODE_IO ? strerror(os_errno) : "it ends before", text);
    if (error)
        error->os_errno = os_errno;
    return status;
}

static lode_status check_block(struct frame_blocks *blocks, uint64_t offset, lode_error *error)
{
    size_t size = block_size(blocks, offset);
    uint8_t *data = malloc(size);
    if (!data)
        return error_nomem(error, "a block", size);
    lode_status status = vfs_read(blocks->file, offset, data, size, error);
    int is_other = status == LODE_CORRUPT && crypt_file_is(blocks->file); /* not authentic */
    if (!status)
        is_other = !matches(blocks, offset, data);
    free(data);
    if (!is_other && status != LODE_IO && status != LODE_CORRUPT)
        return status;
    return lost(blocks, offset, is_other ? LODE_OK : status, error);
}

/* Of an encrypted file what is mapped is memory in which the block is put: nobody reads it before. */
static lode_status decrypt_block(struct frame_blocks *blocks, uint64_t offset, lode_error *error)
{
    const uint8_t *data;
    lode_status status = crypt_file_fill(blocks->file, offset, &data, error);
    if (status == LODE_CORRUPT || (!status && !matches(blocks, offset, data)))
        return lost(blocks, offset, LODE_OK, error);
    return status == LODE_IO ? lost(blocks, offset, status, error) : status;
}

static lode_status fill(void *context, uint64_t block, lode_error *error)
{
    struct frame_blocks *blocks = context;
    uint64_t offset = block * FRAME_BLOCK_SIZE;
    return crypt_file_is(blocks->file) ? decrypt_block(blocks, offset, error)
                                       : check_block(blocks, offset, error);
}

lode_status frame_blocks_new(struct frame *frame, const char *path, enum frame_kind kind,
                             uint8_t *own_footer, uint64_t footer_offset, lode_error *error)
{
    size_t path_size = strlen(path) + 1;
    struct frame_blocks *blocks = calloc(1, sizeof *blocks + path_size);
    if (!blocks) {
        free(own_footer);
        return error_nomem(error, "an open file", sizeof *blocks + path_size);
    }
    blocks->file = frame->file;
    blocks->footer = own_footer;
    blocks->sums = own_footer + frame->section_count * SECTION_ENTRY_SIZE;
    blocks->end = footer_offset;
    blocks->footer_size = frame->size - footer_offset;
    blocks->kind = kind;
    memcpy(blocks->path, path, path_size);
    lode_status status =
        guard_init(&blocks->guard, frame->data, footer_offset, fill, blocks, error);
    frame->blocks = blocks;
    frame->guard = &blocks->guard;
    return status;
}

void frame_blocks_sections(struct frame_blocks *blocks, const struct frame *frame)
{
    memcpy(blocks->sections, frame->sections, sizeof blocks->sections);
    blocks->section_count = frame->section_count;
}

void frame_blocks_free(struct frame_blocks *blocks)
{
    if (!blocks)
        return;
    guard_release(&blocks->guard);
    free(blocks->footer);
    free(blocks);
}

/* --- For whoever has a frame ------------------------------------------------------------------- */

uint64_t frame_sum(const struct frame *frame)
{
    const struct frame_blocks *blocks = frame->blocks;
    if (frame->is_encrypted)
        return crypt_file_sum(frame->file);
    return le_load_u64(blocks->footer + blocks->footer_size - sizeof(uint64_t));
}

int frame_block_matches(const struct frame *frame, uint64_t offset, const uint8_t *data,
                        size_t size)
{
    const struct frame_blocks *blocks = frame->blocks;
    if (offset >= blocks->end)
        return 1;
    return size >= block_size(blocks, offset) && matches(blocks, offset, data);
}

lode_status frame_bad_block(const struct frame *frame, uint64_t *offset, lode_error *error)
{
    struct frame_blocks *blocks = frame->blocks;
    for (uint64_t at = *offset; at < blocks->end; at += FRAME_BLOCK_SIZE) {
        if (at % MAPPED_STEP == 0)
            mapped_look();
        lode_status status =
            guard_is_ready(frame->guard, at / FRAME_BLOCK_SIZE)
                ? check_block(blocks, at, error)
                : guard_touch(frame->guard, frame->data + at, block_size(blocks, at), error);
        if (status) {
            *offset = at;
            return status;
        }
    }
    return LODE_OK;
}

lode_status frame_check(const struct frame *frame, lode_error *error)
{
    uint64_t offset = 0;
    return frame_bad_block(frame, &offset, error);
}

void frame_set_rows(struct frame *frame, uint32_t row_count)
{
    struct frame_blocks *blocks = frame->blocks;
    blocks->row_count = row_count;
}

size_t frame_memory(const struct frame *frame)
{
    const struct frame_blocks *blocks = frame->blocks;
    if (!blocks)
        return 0;
    size_t decrypted = frame->is_encrypted ? (size_t)crypt_file_memory(frame->file) : 0;
    return sizeof *blocks + (size_t)blocks->footer_size + guard_memory(&blocks->guard) + decrypted;
}
