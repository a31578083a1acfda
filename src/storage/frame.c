/* frame.c: writing and opening of framed files; the layout is docs/format/frame.md.
 *
 * A writer gathers bytes in a buffer of whole blocks and computes a block's checksum when the buffer is
 * written out, so that a file of any size costs one buffer and 8 bytes a block. */
#include "storage/frame.h"

#include "base/hash.h"
#include "base/le.h"
#include "crypt/crypt_file.h"
#include "storage/frame_blocks.h"
#include "os/mapped.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_VERSION       1
#define CATALOG_VERSION     2 /* with a history */
#define MANIFEST_VERSION    2 /* with the sequence it has seen */
#define HEADER_SIZE         64
#define HEADER_CHECKSUM_AT  56
#define SECTION_ALIGNMENT   64
#define SECTION_ENTRY_SIZE  24
#define TRAILER_SIZE        40
#define TRAILER_CHECKSUM_AT 32
#define BLOCK_SIZE          FRAME_BLOCK_SIZE
#define BUFFER_SIZE         ((size_t)16 * BLOCK_SIZE)

static const uint8_t header_magic[8] = {'l', 'o', 'd', 'e', 'f', 'r', 'm', '\n'};
static const uint8_t trailer_magic[8] = {'l', 'o', 'd', 'e', 'e', 'n', 'd', '\n'};

struct section {
    uint32_t type;
    uint64_t offset;
    uint64_t size;
};

struct frame_writer {
    struct vfs *vfs;
    struct vfs_file *file;
    uint8_t *buffer;  /* BUFFER_SIZE bytes */
    size_t buffered;  /* of them in use */
    uint64_t written; /* file offset of buffer[0]; a multiple of BLOCK_SIZE */
    struct buf sums;  /* of the blocks written so far */
    struct section sections[FRAME_SECTIONS_MAX];
    size_t section_count;
    char path[];
};

static void writer_free(struct frame_writer *writer)
{
    if (writer->file)
        vfs_close(writer->file);
    buf_release(&writer->sums);
    free(writer->buffer);
    free(writer);
}

/* A file of that name may be left from a crash, and may be one link of two to the same bytes, or
 * mapped: the name is given to a new file; the old bytes are never touched. */
static lode_status create_anew(struct vfs *vfs, const char *path, struct vfs_file **ret_file,
                               lode_error *error)
{
    unsigned flags = VFS_READ | VFS_WRITE | VFS_CREATE | VFS_EXCLUSIVE | VFS_ENCRYPTED;
    lode_status status = vfs_open(vfs, path, flags, ret_file, error);
    if (status != LODE_EXISTS)
        return status;
    status = vfs_remove(vfs, path, error);
    return status ? status : vfs_open(vfs, path, flags, ret_file, error);
}

static uint32_t version_of(enum frame_kind kind)
{
    if (kind == FRAME_CATALOG)
        return CATALOG_VERSION;
    if (kind == FRAME_MANIFEST)
        return MANIFEST_VERSION;
    return FRAME_VERSION;
}

/* Format 1 of both was never written by a release, and lacks what format 2 tells. */
static uint32_t oldest_version_of(enum frame_kind kind)
{
    return kind == FRAME_CATALOG || kind == FRAME_MANIFEST ? 2 : 1;
}

static void put_header(uint8_t header[HEADER_SIZE], struct frame_id id)
{
    memset(header, 0, HEADER_SIZE);
    memcpy(header, header_magic, sizeof header_magic);
    le_store_u32(header + 8, version_of(id.kind));
    le_store_u32(header + 12, (uint32_t)id.kind);
    le_store_u64(header + 16, id.collection_uid);
    le_store_u64(header + 24, id.number);
    le_store_u64(header + HEADER_CHECKSUM_AT, checksum64(header, HEADER_CHECKSUM_AT));
}

lode_status frame_create(struct vfs *vfs, const char *path, struct frame_id id,
                         struct frame_writer **ret_writer, lode_error *error)
{
    size_t path_size = strlen(path) + 1;
    struct frame_writer *writer = calloc(1, sizeof *writer + path_size);
    if (!writer)
        return error_nomem(error, "a file being written", sizeof *writer + path_size);
    writer->vfs = vfs;
    memcpy(writer->path, path, path_size);
    buf_init(&writer->sums, SIZE_MAX / 2);
    writer->buffer = malloc(BUFFER_SIZE);
    lode_status status = writer->buffer ? create_anew(vfs, path, &writer->file, error)
                                        : error_nomem(error, "a write buffer", BUFFER_SIZE);
    if (status) {
        writer_free(writer);
        return status;
    }
    put_header(writer->buffer, id);
    writer->buffered = HEADER_SIZE;
    *ret_writer = writer;
    return LODE_OK;
}

static uint64_t position(const struct frame_writer *writer)
{
    return writer->written + writer->buffered;
}

static lode_status flush_buffer(struct frame_writer *writer, lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t at = 0; !status && at < writer->buffered; at += BLOCK_SIZE) {
        size_t left = writer->buffered - at;
        uint64_t sum = checksum64(writer->buffer + at, left < BLOCK_SIZE ? left : BLOCK_SIZE);
        status = buf_append_u64(&writer->sums, sum, error);
    }
    if (!status)
        status = vfs_write(writer->file, writer->written, writer->buffer, writer->buffered, error);
    writer->written += writer->buffered;
    writer->buffered = 0;
    return status;
}

static lode_status write_bytes(struct frame_writer *writer, const uint8_t *data, size_t size,
                               lode_error *error)
{
    lode_status status = LODE_OK;
    while (!status && size) {
        size_t room = BUFFER_SIZE - writer->buffered;
        size_t take = size < room ? size : room;
        memcpy(writer->buffer + writer->buffered, data, take);
        writer->buffered += take;
        data += take;
        size -= take;
        if (writer->buffered == BUFFER_SIZE)
            status = flush_buffer(writer, error);
    }
    return status;
}

static lode_status pad(struct frame_writer *writer, lode_error *error)
{
    static const uint8_t zeros[SECTION_ALIGNMENT];
    size_t over = position(writer) % SECTION_ALIGNMENT;
    return over ? write_bytes(writer, zeros, SECTION_ALIGNMENT - over, error) : LODE_OK;
}

lode_status frame_section(struct frame_writer *writer, uint32_t type, lode_error *error)
{
    INVARIANT(writer->section_count < FRAME_SECTIONS_MAX);
    lode_status status = pad(writer, error);
    if (!status)
        writer->sections[writer->section_count++] =
            (struct section){.type = type, .offset = position(writer)};
    return status;
}

lode_status frame_write(struct frame_writer *writer, const void *data, size_t size,
                        lode_error *error)
{
    INVARIANT(writer->section_count > 0);
    writer->sections[writer->section_count - 1].size += size;
    return write_bytes(writer, data, size, error);
}

static lode_status put_section_table(const struct frame_writer *writer, struct buf *footer,
                                     lode_error *error)
{
    lode_status status = LODE_OK;
    for (size_t i = 0; !status && i < writer->section_count; i++) {
        uint8_t entry[SECTION_ENTRY_SIZE] = {0};
        le_store_u32(entry, writer->sections[i].type);
        le_store_u64(entry + 8, writer->sections[i].offset);
        le_store_u64(entry + 16, writer->sections[i].size);
        status = buf_append(footer, entry, sizeof entry, error);
    }
    return status;
}

/* The trailer, whose checksum covers all of the footer before it. */
static lode_status put_trailer(const struct frame_writer *writer, struct buf *footer,
                               lode_error *error)
{
    uint8_t trailer[TRAILER_SIZE] = {0};
    le_store_u64(trailer, writer->written);
    le_store_u64(trailer + 8, (writer->written + BLOCK_SIZE - 1) / BLOCK_SIZE);
    le_store_u32(trailer + 16, (uint32_t)writer->section_count);
    memcpy(trailer + 24, trailer_magic, sizeof trailer_magic);
    lode_status status = buf_append(footer, trailer, TRAILER_CHECKSUM_AT, error);
    return status ? status : buf_append_u64(footer, checksum64(footer->data, footer->size), error);
}

static lode_status write_footer(struct frame_writer *writer, lode_error *error)
{
    struct buf footer;
    buf_init(&footer, SIZE_MAX / 2);
    lode_status status = put_section_table(writer, &footer, error);
    if (!status)
        status = buf_append(&footer, writer->sums.data, writer->sums.size, error);
    if (!status)
        status = put_trailer(writer, &footer, error);
    if (!status)
        status = vfs_write(writer->file, writer->written, footer.data, footer.size, error);
    buf_release(&footer);
    return status;
}

lode_status frame_finish(struct frame_writer *own_writer, lode_error *error)
{
    lode_status status = pad(own_writer, error);
    if (!status && own_writer->buffered)
        status = flush_buffer(own_writer, error);
    if (!status)
        status = write_footer(own_writer, error);
    if (!status)
        status = vfs_sync(own_writer->file, error);
    if (status)
        frame_abandon(own_writer);
    else
        writer_free(own_writer);
    return status;
}

lode_status frame_finish_with(struct frame_writer *own_writer, uint32_t type,
                              const struct buf *bytes, lode_error *error)
{
    lode_status status = frame_section(own_writer, type, error);
    if (!status)
        status = frame_write(own_writer, bytes->data, bytes->size, error);
    if (!status)
        return frame_finish(own_writer, error);
    frame_abandon(own_writer);
    return status;
}

void frame_abandon(struct frame_writer *own_writer)
{
    if (!own_writer)
        return;
    vfs_close(own_writer->file);
    own_writer->file = NULL;
    lode_status status = vfs_remove(own_writer->vfs, own_writer->path, NULL);
    (void)status; /* what stays is swept away at the next open */
    writer_free(own_writer);
}

/* --- Opening ----------------------------------------------------------------------------------- */

struct opening {
    const char *path;
    struct frame *frame;
    uint64_t *bad_offset; /* set when damage is found */
    lode_error *error;
};

static lode_status damaged(const struct opening *open, uint64_t offset, const char *what)
{
    *open->bad_offset = offset;
    return error_set(open->error, LODE_CORRUPT, "%s is damaged at offset %" PRIu64 ": %s",
                     vfs_path_tail(open->path), offset, what);
}

static lode_status check_header(const struct opening *open, struct frame_id id)
{
    uint8_t header[HEADER_SIZE];
    lode_status status = vfs_read(open->frame->file, 0, header, sizeof header, open->error);
    if (status)
        return status;
    if (crypt_is_header(header))
        return damaged(open, 0,
                       "it is encrypted, and the database has no keys: its file '" KEYRING_FILE_NAME
                       "' is missing");
    if (memcmp(header, header_magic, sizeof header_magic) != 0)
        return damaged(open, 0, "it does not begin as Lode's files do");
    if (le_load_u64(header + HEADER_CHECKSUM_AT) != checksum64(header, HEADER_CHECKSUM_AT))
        return damaged(open, 0, "its header's checksum is wrong");
    if (le_load_u32(header + 12) != (uint32_t)id.kind)
        return damaged(open, 12, "it is a file of another kind");
    open->frame->version = le_load_u32(header + 8);
    if (open->frame->version == 0)
        return damaged(open, 8, "its format is 0");
    if (open->frame->version > version_of(id.kind) ||
        open->frame->version < oldest_version_of(id.kind))
        return error_set(open->error, LODE_VERSION, "%s has format %u; this Lode knows %u to %u",
                         vfs_path_tail(open->path), open->frame->version,
                         oldest_version_of(id.kind), version_of(id.kind));
    open->frame->collection_uid = le_load_u64(header + 16);
    if (id.collection_uid && open->frame->collection_uid != id.collection_uid)
        return damaged(open, 16, "it belongs to another collection");
    if (le_load_u64(header + 24) != id.number)
        return damaged(open, 24, "it has another number than its name");
    return LODE_OK;
}

static lode_status read_sections(const struct opening *open)
{
    struct frame *frame = open->frame;
    struct frame_blocks *blocks = frame->blocks;
    uint64_t end = HEADER_SIZE;
    for (size_t i = 0; i < frame->section_count; i++) {
        const uint8_t *entry = blocks->footer + i * SECTION_ENTRY_SIZE;
        uint64_t offset = le_load_u64(entry + 8), size = le_load_u64(entry + 16);
        if (offset % SECTION_ALIGNMENT || offset < end || offset > blocks->end ||
            size > blocks->end - offset)
            return damaged(open, blocks->end + i * SECTION_ENTRY_SIZE,
                           "a section lies outside of its file");
        frame->sections[i] = (struct frame_section_view){
            .type = le_load_u32(entry), .data = frame->data + offset, .size = size};
        end = offset + size;
    }
    frame_blocks_sections(blocks, frame);
    return LODE_OK;
}

/* Where the footer begins, from the trailer. */
static lode_status find_footer(const struct opening *open, uint64_t *ret_offset)
{
    struct frame *frame = open->frame;
    uint64_t trailer_offset = frame->size - TRAILER_SIZE;
    uint8_t trailer[TRAILER_SIZE];
    lode_status status =
        vfs_read(frame->file, trailer_offset, trailer, sizeof trailer, open->error);
    if (status)
        return status;
    if (memcmp(trailer + 24, trailer_magic, sizeof trailer_magic) != 0)
        return damaged(open, trailer_offset, "it does not end as it should: it was cut off");
    uint64_t footer_offset = le_load_u64(trailer), block_count = le_load_u64(trailer + 8);
    frame->section_count = le_load_u32(trailer + 16);
    if (footer_offset < HEADER_SIZE || footer_offset > trailer_offset ||
        block_count != (footer_offset + BLOCK_SIZE - 1) / BLOCK_SIZE ||
        frame->section_count > FRAME_SECTIONS_MAX ||
        trailer_offset - footer_offset !=
            frame->section_count * SECTION_ENTRY_SIZE + block_count * sizeof(uint64_t))
        return damaged(open, trailer_offset, "its footer does not fit its size");
    *ret_offset = footer_offset;
    return LODE_OK;
}

/* A copy of the footer, checked: it is what blocks are compared with as long as the file is open. */
static lode_status read_footer(const struct opening *open, uint64_t offset, uint8_t **ret_footer)
{
    size_t size = (size_t)(open->frame->size - offset), summed = size - sizeof(uint64_t);
    uint8_t *footer = malloc(size);
    if (!footer)
        return error_nomem(open->error, "a footer", size);
    lode_status status = vfs_read(open->frame->file, offset, footer, size, open->error);
    if (!status && le_load_u64(footer + summed) != checksum64(footer, summed))
        status = damaged(open, offset, "its footer's checksum is wrong");
    if (status)
        free(footer);
    else
        *ret_footer = footer;
    return status;
}

static lode_status open_file(struct vfs *vfs, const struct opening *open)
{
    struct frame *frame = open->frame;
    *open->bad_offset = 0;
    lode_status status =
        vfs_open(vfs, open->path, VFS_READ | VFS_ENCRYPTED, &frame->file, open->error);
    if (!status)
        frame->is_encrypted = crypt_file_is(frame->file);
    if (!status)
        status = vfs_size(frame->file, &frame->size, open->error);
    if (!status && frame->size < HEADER_SIZE + TRAILER_SIZE)
        status = damaged(open, frame->size, "it ends before its header and footer do");
    return status;
}

/* With the header checked. */
static lode_status map_frame(const struct opening *open, enum frame_kind kind)
{
    struct frame *frame = open->frame;
    uint64_t footer_offset = 0;
    uint8_t *footer = NULL;
    lode_status status = find_footer(open, &footer_offset);
    if (!status)
        status = read_footer(open, footer_offset, &footer);
    if (!status)
        status = vfs_map(frame->file, frame->size, &frame->data, open->error);
    if (status) {
        free(footer);
        return status;
    }
    status = frame_blocks_new(frame, open->path, kind, footer, footer_offset, open->error);
    return status ? status : read_sections(open);
}

lode_status frame_open_where(struct vfs *vfs, const char *path, struct frame_id id,
                             struct frame *ret_frame, uint64_t *ret_offset, lode_error *error)
{
    struct frame frame = {0};
    struct opening open = {.path = path, .frame = &frame, .bad_offset = ret_offset, .error = error};
    lode_status status = open_file(vfs, &open);
    if (!status)
        status = check_header(&open, id);
    if (!status)
        status = map_frame(&open, id.kind);
    if (status)
        frame_close(&frame);
    else
        *ret_frame = frame;
    return status;
}

lode_status frame_open(struct vfs *vfs, const char *path, struct frame_id id,
                       struct frame *ret_frame, lode_error *error)
{
    uint64_t offset;
    return frame_open_where(vfs, path, id, ret_frame, &offset, error);
}

const struct frame_section_view *frame_find(const struct frame *frame, uint32_t type)
{
    for (size_t i = 0; i < frame->section_count; i++)
        if (frame->sections[i].type == type)
            return &frame->sections[i];
    return NULL;
}

void frame_forget(const struct frame *frame)
{
    vfs_forget(frame->file, frame->data, frame->size);
}

void frame_close(struct frame *frame)
{
    frame_blocks_free(frame->blocks);
    if (frame->data)
        vfs_unmap(frame->file, frame->data, frame->size);
    if (frame->file)
        vfs_close(frame->file);
    *frame = (struct frame){0};
}
