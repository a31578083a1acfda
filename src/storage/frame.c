/* frame.c: writing and opening of framed files; the layout is docs/format/frame.md.
 *
 * A writer gathers bytes in a buffer of whole blocks and computes a block's checksum when the buffer is
 * written out, so that a file of any size costs one buffer and 8 bytes a block. */
#include "storage/frame.h"

#include "base/hash.h"
#include "base/le.h"

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
    unsigned flags = VFS_READ | VFS_WRITE | VFS_CREATE | VFS_EXCLUSIVE;
    lode_status status = vfs_open(vfs, path, flags, ret_file, error);
    if (status != LODE_EXISTS)
        return status;
    status = vfs_remove(vfs, path, error);
    return status ? status : vfs_open(vfs, path, flags, ret_file, error);
}

static uint32_t version_of(enum frame_kind kind)
{
    switch (kind) {
    case FRAME_CATALOG: return CATALOG_VERSION;
    case FRAME_MANIFEST: return MANIFEST_VERSION;
    default: return FRAME_VERSION;
    }
}

static void put_header(uint8_t header[HEADER_SIZE], enum frame_kind kind, uint64_t collection_uid,
                       uint64_t number)
{
    memset(header, 0, HEADER_SIZE);
    memcpy(header, header_magic, sizeof header_magic);
    le_store_u32(header + 8, version_of(kind));
    le_store_u32(header + 12, (uint32_t)kind);
    le_store_u64(header + 16, collection_uid);
    le_store_u64(header + 24, number);
    le_store_u64(header + HEADER_CHECKSUM_AT, checksum64(header, HEADER_CHECKSUM_AT));
}

lode_status frame_create(struct vfs *vfs, const char *path, enum frame_kind kind,
                         uint64_t collection_uid, uint64_t number, struct frame_writer **ret_writer,
                         lode_error *error)
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
    put_header(writer->buffer, kind, collection_uid, number);
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

static lode_status check_header(const struct opening *open, enum frame_kind kind,
                                uint64_t collection_uid, uint64_t number)
{
    const uint8_t *header = open->frame->data;
    if (memcmp(header, header_magic, sizeof header_magic) != 0)
        return damaged(open, 0, "it does not begin as Lode's files do");
    if (le_load_u64(header + HEADER_CHECKSUM_AT) != checksum64(header, HEADER_CHECKSUM_AT))
        return damaged(open, 0, "its header's checksum is wrong");
    open->frame->version = le_load_u32(header + 8);
    if (open->frame->version > version_of(kind))
        return error_set(open->error, LODE_VERSION, "%s has format %u; this Lode knows 1 to %u",
                         vfs_path_tail(open->path), open->frame->version, version_of(kind));
    if (open->frame->version == 0)
        return damaged(open, 8, "its format is 0");
    if (le_load_u32(header + 12) != (uint32_t)kind)
        return damaged(open, 12, "it is a file of another kind");
    open->frame->collection_uid = le_load_u64(header + 16);
    if (collection_uid && open->frame->collection_uid != collection_uid)
        return damaged(open, 16, "it belongs to another collection");
    if (le_load_u64(header + 24) != number)
        return damaged(open, 24, "it has another number than its name");
    return LODE_OK;
}

static lode_status read_sections(const struct opening *open, uint64_t footer_offset)
{
    struct frame *frame = open->frame;
    uint64_t end = HEADER_SIZE;
    for (size_t i = 0; i < frame->section_count; i++) {
        uint64_t at = footer_offset + i * SECTION_ENTRY_SIZE;
        const uint8_t *entry = frame->data + at;
        uint64_t offset = le_load_u64(entry + 8), size = le_load_u64(entry + 16);
        if (offset % SECTION_ALIGNMENT || offset < end || offset > footer_offset ||
            size > footer_offset - offset)
            return damaged(open, at, "a section lies outside of its file");
        frame->sections[i] = (struct frame_section_view){
            .type = le_load_u32(entry), .data = frame->data + offset, .size = size};
        end = offset + size;
    }
    return LODE_OK;
}

static lode_status read_footer(const struct opening *open)
{
    struct frame *frame = open->frame;
    uint64_t trailer_offset = frame->size - TRAILER_SIZE;
    const uint8_t *trailer = frame->data + trailer_offset;
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
    uint64_t sum =
        checksum64(frame->data + footer_offset, frame->size - footer_offset - sizeof(uint64_t));
    if (le_load_u64(trailer + TRAILER_CHECKSUM_AT) != sum)
        return damaged(open, footer_offset, "its footer's checksum is wrong");
    return read_sections(open, footer_offset);
}

static lode_status map_frame(struct vfs *vfs, const struct opening *open)
{
    struct frame *frame = open->frame;
    lode_status status = vfs_open(vfs, open->path, VFS_READ, &frame->file, open->error);
    if (!status)
        status = vfs_size(frame->file, &frame->size, open->error);
    if (!status && frame->size < HEADER_SIZE + TRAILER_SIZE)
        status = damaged(open, frame->size, "it ends before its header and footer do");
    if (!status)
        status = vfs_map(frame->file, frame->size, &frame->data, open->error);
    return status;
}

lode_status frame_open_where(struct vfs *vfs, const char *path, enum frame_kind kind,
                             uint64_t collection_uid, uint64_t number, struct frame *ret_frame,
                             uint64_t *ret_offset, lode_error *error)
{
    struct frame frame = {0};
    struct opening open = {.path = path, .frame = &frame, .bad_offset = ret_offset, .error = error};
    lode_status status = map_frame(vfs, &open);
    if (!status)
        status = check_header(&open, kind, collection_uid, number);
    if (!status)
        status = read_footer(&open);
    if (status)
        frame_close(&frame);
    else
        *ret_frame = frame;
    return status;
}

lode_status frame_open(struct vfs *vfs, const char *path, enum frame_kind kind,
                       uint64_t collection_uid, uint64_t number, struct frame *ret_frame,
                       lode_error *error)
{
    uint64_t offset;
    return frame_open_where(vfs, path, kind, collection_uid, number, ret_frame, &offset, error);
}

const struct frame_section_view *frame_find(const struct frame *frame, uint32_t type)
{
    for (size_t i = 0; i < frame->section_count; i++)
        if (frame->sections[i].type == type)
            return &frame->sections[i];
    return NULL;
}

uint64_t frame_sum(const struct frame *frame)
{
    return le_load_u64(frame->data + frame->size - sizeof(uint64_t));
}

int frame_block_matches(const struct frame *frame, uint64_t offset, const uint8_t *data,
                        size_t size)
{
    uint64_t footer_offset = le_load_u64(frame->data + frame->size - TRAILER_SIZE);
    const uint8_t *sums = frame->data + footer_offset + frame->section_count * SECTION_ENTRY_SIZE;
    if (offset >= footer_offset)
        return 1;
    uint64_t left = footer_offset - offset;
    size_t block = left < BLOCK_SIZE ? (size_t)left : BLOCK_SIZE;
    return size >= block &&
           checksum64(data, block) == le_load_u64(sums + offset / BLOCK_SIZE * sizeof(uint64_t));
}

/* The first bad block of those that begin in [*offset, end), and before the footer. */
static int bad_block_before(const struct frame *frame, uint64_t *offset, uint64_t end)
{
    uint64_t footer_offset = le_load_u64(frame->data + frame->size - TRAILER_SIZE);
    const uint8_t *sums = frame->data + footer_offset + frame->section_count * SECTION_ENTRY_SIZE;
    for (uint64_t at = *offset; at < footer_offset && at < end; at += BLOCK_SIZE) {
        uint64_t left = footer_offset - at;
        uint64_t sum = checksum64(frame->data + at, left < BLOCK_SIZE ? left : BLOCK_SIZE);
        if (sum == le_load_u64(sums + at / BLOCK_SIZE * sizeof sum))
            continue;
        *offset = at;
        return 1;
    }
    return 0;
}

int frame_bad_block(const struct frame *frame, uint64_t *offset)
{
    return bad_block_before(frame, offset, UINT64_MAX);
}

static lode_status is_damaged(uint64_t offset, lode_error *error)
{
    return error_set(error, LODE_CORRUPT, "the block at offset %" PRIu64 " is damaged", offset);
}

lode_status frame_check(const struct frame *frame, uint64_t *ret_offset, lode_error *error)
{
    uint64_t offset = 0;
    if (!frame_bad_block(frame, &offset))
        return LODE_OK;
    *ret_offset = offset;
    return is_damaged(offset, error);
}

lode_status frame_check_range(const struct frame *frame, const void *data, size_t size,
                              lode_error *error)
{
    uint64_t begin = (uint64_t)((const uint8_t *)data - frame->data);
    uint64_t offset = begin / BLOCK_SIZE * BLOCK_SIZE;
    if (!bad_block_before(frame, &offset, begin + size))
        return LODE_OK;
    return is_damaged(offset, error);
}

void frame_forget(const struct frame *frame)
{
    vfs_forget(frame->file, frame->data, frame->size);
}

void frame_close(struct frame *frame)
{
    if (frame->data)
        vfs_unmap(frame->file, frame->data, frame->size);
    if (frame->file)
        vfs_close(frame->file);
    *frame = (struct frame){0};
}
