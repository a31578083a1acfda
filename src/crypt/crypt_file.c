/* crypt_file.c: see crypt_file.h and crypt_vfs.h. */
#include "crypt/crypt_file.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "crypt/crypt_format.h"
#include "crypt/crypt_vfs.h"
#include "os/budget.h"
#include "os/memory.h"
#include "os/thread.h"

#define BLOCK_SIZE  CRYPT_BLOCK_SIZE
#define SEALED_SIZE CRYPT_SEALED_SIZE
#define HEADER_SIZE CRYPT_HEADER_SIZE
#define OUT_BLOCKS  16u /* written at once */
#define FILL_LOCKS  16u

struct crypt_vfs {
    struct vfs vfs;
    struct vfs *below;
    struct keyring *keyring;
};

/* Writing. */
struct pending {
    uint8_t *block; /* BLOCK_SIZE bytes: not sealed yet, since it may be the last */
    size_t size;
    uint8_t *out; /* OUT_BLOCKS sealed blocks */
    size_t out_size;
    uint64_t out_offset; /* in the file */
    uint64_t sealed;     /* blocks so far */
    uint64_t end;        /* bytes of content so far */
    int finished;
    int failed; /* and nothing more is written: a block must not be sealed twice */
};

struct crypt_file {
    struct vfs_file base;
    struct vfs_file *raw;
    struct cipher cipher;
    uint8_t header[HEADER_SIZE];
    uint64_t size;        /* of the content; reading */
    uint64_t block_count; /* reading */
    struct mutex mutex;   /* guards cipher while it is read with */
    struct pending pending;
    uint8_t *mapped;         /* memory for the content; NULL: it is not mapped */
    _Atomic uint64_t filled; /* bytes of it; relaxed: a count of its own */
    char path[];
};

static struct crypt_file *crypt_file_of(struct vfs_file *file)
{
    return (struct crypt_file *)file;
}

static struct crypt_vfs *crypt_vfs_of(struct vfs *vfs)
{
    return (struct crypt_vfs *)vfs;
}

/* --- Blocks ------------------------------------------------------------------------------------ */

static uint64_t block_offset(uint64_t block)
{
    return HEADER_SIZE + block * SEALED_SIZE;
}

/* Bytes of content in a block. */
static size_t block_size(const struct crypt_file *file, uint64_t block)
{
    uint64_t left = file->size - block * BLOCK_SIZE;
    return left < BLOCK_SIZE ? (size_t)left : BLOCK_SIZE;
}

/* sealed: the block and its tag. */
static int open_block(struct cipher *cipher, uint64_t block, uint32_t mark, const uint8_t *sealed,
                      uint8_t *to, size_t size)
{
    struct cipher_message message = {.from = sealed, .to = to, .size = size};
    cipher_nonce(message.nonce, block, mark);
    return cipher_open(cipher, &message, sealed + size);
}

static uint32_t mark_of(const struct crypt_file *file, uint64_t block)
{
    return block + 1 == file->block_count ? CRYPT_MARK_LAST : CRYPT_MARK_NOT_LAST;
}

static lode_status damaged(const struct crypt_file *file, uint64_t offset, const char *what,
                           lode_error *error)
{
    return error_set(error, LODE_CORRUPT, "%s is damaged at offset %" PRIu64 ": %s",
                     vfs_path_tail(file->path), offset, what);
}

/* Read and open one block with a cipher of the caller's; sealed has room for SEALED_SIZE bytes. */
static lode_status read_block(struct crypt_file *file, struct cipher *cipher, uint64_t block,
                              uint8_t *sealed, uint8_t *to, lode_error *error)
{
    size_t size = block_size(file, block);
    lode_status status =
        vfs_read(file->raw, block_offset(block), sealed, size + CIPHER_TAG_SIZE, error);
    if (status || open_block(cipher, block, mark_of(file, block), sealed, to, size))
        return status;
    if (mark_of(file, block) == CRYPT_MARK_LAST &&
        open_block(cipher, block, CRYPT_MARK_NOT_LAST, sealed, to, size)) {
        cipher_wipe(to, size);
        return damaged(file, block_offset(block), "what followed was cut off", error);
    }
    return damaged(file, block_offset(block),
                   "a block is not what was encrypted: it does not authenticate", error);
}

/* --- Opening ----------------------------------------------------------------------------------- */

static void file_free(struct crypt_file *file)
{
    if (file->raw)
        vfs_close(file->raw);
    cipher_release(&file->cipher);
    mutex_release(&file->mutex);
    if (file->pending.block)
        cipher_wipe(file->pending.block, BLOCK_SIZE);
    free(file->pending.block);
    free(file->pending.out);
    free(file);
}

static void crypt_close(struct vfs_file *base)
{
    file_free(crypt_file_of(base));
}

/* NULL, and own_raw closed: out of memory. */
static struct crypt_file *file_new(struct vfs *vfs, const char *path, struct vfs_file *own_raw,
                                   lode_error *error)
{
    size_t path_size = strlen(path) + 1;
    struct crypt_file *file = calloc(1, sizeof *file + path_size);
    if (!file) {
        vfs_close(own_raw);
        (void)error_nomem(error, "an encrypted file", sizeof *file + path_size);
        return NULL;
    }
    file->base.vfs = vfs;
    file->raw = own_raw;
    mutex_init(&file->mutex);
    memcpy(file->path, path, path_size);
    return file;
}

static lode_status begin_writing(struct crypt_file *file, const struct keyring *keyring,
                                 lode_error *error)
{
    struct pending *pending = &file->pending;
    pending->block = malloc(BLOCK_SIZE);
    pending->out = malloc((size_t)OUT_BLOCKS * SEALED_SIZE);
    if (!pending->block || !pending->out)
        return error_nomem(error, "a write buffer", (size_t)OUT_BLOCKS * SEALED_SIZE);
    pending->out_offset = HEADER_SIZE;
    lode_status status = crypt_header_make(keyring, CRYPT_FILE, file->header, &file->cipher, error);
    return status ? status : vfs_write(file->raw, 0, file->header, HEADER_SIZE, error);
}

static lode_status measure(struct crypt_file *file, uint64_t raw_size, lode_error *error)
{
    uint64_t body = raw_size - HEADER_SIZE;
    file->block_count = (body + SEALED_SIZE - 1) / SEALED_SIZE;
    uint64_t tags = file->block_count * CIPHER_TAG_SIZE;
    if (body == 0 || body - (file->block_count - 1) * SEALED_SIZE <= CIPHER_TAG_SIZE)
        return damaged(file, raw_size, "it was cut off", error);
    file->size = body - tags;
    return LODE_OK;
}

static lode_status begin_reading(struct crypt_file *file, const struct keyring *keyring,
                                 uint64_t raw_size, lode_error *error)
{
    lode_status status = crypt_header_open(keyring, CRYPT_FILE, file->header,
                                           vfs_path_tail(file->path), &file->cipher, error);
    return status ? status : measure(file, raw_size, error);
}

static lode_status not_encrypted(const char *path, lode_error *error)
{
    return error_set(error, LODE_CORRUPT,
                     "%s is damaged at offset 0: it is not encrypted, and the database is",
                     vfs_path_tail(path));
}

/* What is not encrypted comes as it is, where that is allowed. */
static lode_status open_to_read(struct vfs *vfs, const char *path, struct vfs_file *own_raw,
                                struct vfs_file **ret_file, lode_error *error)
{
    const struct keyring *keyring = crypt_vfs_of(vfs)->keyring;
    struct crypt_file *file = file_new(vfs, path, own_raw, error);
    uint64_t raw_size = 0;
    if (!file)
        return LODE_NOMEM;
    lode_status status = vfs_size(file->raw, &raw_size, error);
    if (!status && raw_size < HEADER_SIZE)
        status = damaged(file, raw_size, "it ends before its header does", error);
    if (!status)
        status = vfs_read(file->raw, 0, file->header, HEADER_SIZE, error);
    if (!status && !crypt_is_header(file->header)) {
        if (keyring_accepts_plain(keyring)) {
            *ret_file = file->raw;
            file->raw = NULL;
            file_free(file);
            return LODE_OK;
        }
        status = not_encrypted(path, error);
    }
    if (!status)
        status = begin_reading(file, keyring, raw_size, error);
    if (status)
        file_free(file);
    else
        *ret_file = &file->base;
    return status;
}

static lode_status open_to_write(struct vfs *vfs, const char *path, struct vfs_file *own_raw,
                                 struct vfs_file **ret_file, lode_error *error)
{
    struct crypt_file *file = file_new(vfs, path, own_raw, error);
    if (!file)
        return LODE_NOMEM;
    lode_status status = begin_writing(file, crypt_vfs_of(vfs)->keyring, error);
    if (status)
        file_free(file);
    else
        *ret_file = &file->base;
    return status;
}

static lode_status crypt_open(struct vfs *vfs, const char *path, unsigned flags,
                              struct vfs_file **ret_file, lode_error *error)
{
    struct vfs_file *raw;
    lode_status status =
        vfs_open(crypt_vfs_of(vfs)->below, path, flags & ~(unsigned)VFS_ENCRYPTED, &raw, error);
    if (status)
        return status;
    if (!(flags & VFS_ENCRYPTED)) {
        *ret_file = raw;
        return LODE_OK;
    }
    return flags & VFS_WRITE ? open_to_write(vfs, path, raw, ret_file, error)
                             : open_to_read(vfs, path, raw, ret_file, error);
}

/* --- Writing ----------------------------------------------------------------------------------- */

static lode_status flush_out(struct crypt_file *file, lode_error *error)
{
    struct pending *pending = &file->pending;
    if (pending->out_size == 0)
        return LODE_OK;
    lode_status status =
        vfs_write(file->raw, pending->out_offset, pending->out, pending->out_size, error);
    pending->failed |= status != LODE_OK;
    pending->out_offset += pending->out_size;
    pending->out_size = 0;
    return status;
}

static lode_status seal_pending(struct crypt_file *file, uint32_t mark, lode_error *error)
{
    struct pending *pending = &file->pending;
    uint8_t *to = pending->out + pending->out_size;
    struct cipher_message message = {.from = pending->block, .to = to, .size = pending->size};
    cipher_nonce(message.nonce, pending->sealed++, mark);
    cipher_seal(&file->cipher, &message, to + pending->size);
    pending->out_size += pending->size + CIPHER_TAG_SIZE;
    pending->size = 0;
    return pending->out_size == (size_t)OUT_BLOCKS * SEALED_SIZE ? flush_out(file, error) : LODE_OK;
}

static lode_status check_usable(const struct crypt_file *file, lode_error *error)
{
    if (!file->pending.failed)
        return LODE_OK;
    return error_set(error, LODE_IO, "%s takes no more after a write to it failed",
                     vfs_path_tail(file->path));
}

static lode_status crypt_write(struct vfs_file *base, uint64_t offset, const void *data,
                               size_t size, lode_error *error)
{
    struct crypt_file *file = crypt_file_of(base);
    struct pending *pending = &file->pending;
    const uint8_t *at = data;
    INVARIANT(pending->block && !pending->finished && offset == pending->end);
    lode_status status = check_usable(file, error);
    pending->end += size;
    while (!status && size > 0) {
        if (pending->size == BLOCK_SIZE)
            status = seal_pending(file, CRYPT_MARK_NOT_LAST, error);
        size_t room = BLOCK_SIZE - pending->size, take = size < room ? size : room;
        memcpy(pending->block + pending->size, at, take);
        pending->size += take;
        at += take;
        size -= take;
    }
    return status;
}

/* The end: what is pending is the last block. */
static lode_status crypt_sync(struct vfs_file *base, lode_error *error)
{
    struct crypt_file *file = crypt_file_of(base);
    struct pending *pending = &file->pending;
    lode_status status = check_usable(file, error);
    if (!status && pending->block && !pending->finished) {
        INVARIANT(pending->size > 0);
        pending->finished = 1;
        status = seal_pending(file, CRYPT_MARK_LAST, error);
        if (!status)
            status = flush_out(file, error);
    }
    return status ? status : vfs_sync(file->raw, error);
}

static lode_status crypt_truncate(struct vfs_file *base, uint64_t size, lode_error *error)
{
    (void)size;
    return error_set(error, LODE_UNSUPPORTED, "%s: an encrypted file is written once",
                     vfs_path_tail(crypt_file_of(base)->path));
}

static void crypt_preallocate(struct vfs_file *base, uint64_t size)
{
    (void)base;
    (void)size;
}

/* --- Reading ----------------------------------------------------------------------------------- */

static lode_status crypt_size(struct vfs_file *base, uint64_t *ret_size, lode_error *error)
{
    struct crypt_file *file = crypt_file_of(base);
    (void)error;
    *ret_size = file->pending.block ? file->pending.end : file->size;
    return LODE_OK;
}

struct piece {
    uint8_t *sealed; /* SEALED_SIZE bytes */
    uint8_t *block;  /* BLOCK_SIZE bytes */
};

static lode_status read_pieces(struct crypt_file *file, const struct piece *piece, uint64_t offset,
                               uint8_t *data, size_t size, lode_error *error)
{
    lode_status status = LODE_OK;
    while (!status && size > 0) {
        uint64_t block = offset / BLOCK_SIZE;
        size_t skip = (size_t)(offset % BLOCK_SIZE), left = block_size(file, block) - skip;
        size_t take = size < left ? size : left;
        status = read_block(file, &file->cipher, block, piece->sealed, piece->block, error);
        if (!status)
            memcpy(data, piece->block + skip, take);
        offset += take;
        data += take;
        size -= take;
    }
    return status;
}

static lode_status crypt_read(struct vfs_file *base, uint64_t offset, void *data, size_t size,
                              lode_error *error)
{
    struct crypt_file *file = crypt_file_of(base);
    if (offset > file->size || size > file->size - offset)
        return error_set(error, LODE_CORRUPT,
                         "%s ends at %" PRIu64 ", wanted %zu bytes at %" PRIu64,
                         vfs_path_tail(file->path), file->size, size, offset);
    struct piece piece = {.sealed = malloc(SEALED_SIZE + BLOCK_SIZE)};
    if (!piece.sealed)
        return error_nomem(error, "a block", SEALED_SIZE + BLOCK_SIZE);
    piece.block = piece.sealed + SEALED_SIZE;
    mutex_lock(&file->mutex);
    lode_status status = read_pieces(file, &piece, offset, data, size, error);
    mutex_unlock(&file->mutex);
    cipher_wipe(piece.block, BLOCK_SIZE);
    free(piece.sealed);
    return status;
}

/* --- Mapping ----------------------------------------------------------------------------------- */

static lode_status crypt_map(struct vfs_file *base, uint64_t size, const uint8_t **ret_data,
                             lode_error *error)
{
    struct crypt_file *file = crypt_file_of(base);
    INVARIANT(!file->mapped && size == file->size);
    file->mapped = memory_reserve((size_t)size);
    if (!file->mapped)
        return error_nomem(error, "a decrypted file", (size_t)size);
    memory_keep_from_dumps(file->mapped, (size_t)size);
    *ret_data = file->mapped;
    return LODE_OK;
}

static void crypt_unmap(struct vfs_file *base, const uint8_t *data, uint64_t size)
{
    struct crypt_file *file = crypt_file_of(base);
    INVARIANT(data == file->mapped && size == file->size);
    memory_unreserve(file->mapped, (size_t)size);
    budget_give(BUDGET_DECRYPTED, atomic_exchange_explicit(&file->filled, 0, memory_order_relaxed));
    file->mapped = NULL;
}

static void crypt_forget(struct vfs_file *base, const uint8_t *data, uint64_t size)
{
    (void)base; /* what is decrypted must stay: readers have pointers to it */
    (void)data;
    (void)size;
}

/* Reads are not refused. A block is filled once: whoever reads it again finds it there. */
static void count_filled(struct crypt_file *file, size_t size)
{
    atomic_fetch_add_explicit(&file->filled, size, memory_order_relaxed);
    budget_take(BUDGET_DECRYPTED, size);
}

uint64_t crypt_file_memory(const struct vfs_file *base)
{
    const struct crypt_file *file = (const struct crypt_file *)base;
    return atomic_load_explicit(&file->filled, memory_order_relaxed);
}

lode_status crypt_file_fill(struct vfs_file *base, uint64_t offset, const uint8_t **ret_data,
                            lode_error *error)
{
    struct crypt_file *file = crypt_file_of(base);
    struct cipher cipher = {0};
    INVARIANT(file->mapped && offset % BLOCK_SIZE == 0 && offset < file->size);
    uint8_t *sealed = malloc(SEALED_SIZE);
    if (!sealed)
        return error_nomem(error, "a block", SEALED_SIZE);
    mutex_lock(&file->mutex); /* others may be reading with it */
    lode_status status = cipher_copy(&cipher, &file->cipher, error);
    mutex_unlock(&file->mutex);
    if (!status)
        status =
            read_block(file, &cipher, offset / BLOCK_SIZE, sealed, file->mapped + offset, error);
    cipher_release(&cipher);
    free(sealed);
    *ret_data = file->mapped + offset;
    if (!status)
        count_filled(file, block_size(file, offset / BLOCK_SIZE));
    return status;
}

/* --- As it lies on the disk -------------------------------------------------------------------- */

struct vfs_file *crypt_file_raw(struct vfs_file *file)
{
    return crypt_file_of(file)->raw;
}

uint64_t crypt_file_sum(const struct vfs_file *file)
{
    return crypt_header_sum(((const struct crypt_file *)file)->header);
}

uint64_t crypt_file_key_id(const struct vfs_file *file)
{
    return crypt_header_key_id(((const struct crypt_file *)file)->header);
}

/* --- The vfs ----------------------------------------------------------------------------------- */

static struct vfs *below(struct vfs *vfs)
{
    return crypt_vfs_of(vfs)->below;
}

static lode_status crypt_exists(struct vfs *vfs, const char *path, int *ret_exists,
                                lode_error *error)
{
    return vfs_exists(below(vfs), path, ret_exists, error);
}

static lode_status crypt_remove(struct vfs *vfs, const char *path, lode_error *error)
{
    return vfs_remove(below(vfs), path, error);
}

static lode_status crypt_rename(struct vfs *vfs, const char *from, const char *to,
                                lode_error *error)
{
    return vfs_rename(below(vfs), from, to, error);
}

static lode_status crypt_link(struct vfs *vfs, const char *from, const char *to, lode_error *error)
{
    return vfs_link(below(vfs), from, to, error);
}

static lode_status crypt_make_dir(struct vfs *vfs, const char *path, lode_error *error)
{
    return vfs_make_dir(below(vfs), path, error);
}

static lode_status crypt_remove_dir(struct vfs *vfs, const char *path, lode_error *error)
{
    return vfs_remove_dir(below(vfs), path, error);
}

static lode_status crypt_list(struct vfs *vfs, const char *path,
                              void (*entry)(void *context, const char *name), void *context,
                              lode_error *error)
{
    return vfs_list(below(vfs), path, entry, context, error);
}

static lode_status crypt_dir_sync(struct vfs *vfs, const char *path, lode_error *error)
{
    return vfs_dir_sync(below(vfs), path, error);
}

static uint64_t crypt_room(struct vfs *vfs, const char *path)
{
    return vfs_room(below(vfs), path);
}

static lode_status crypt_lock(struct vfs *vfs, const char *path, struct vfs_file **ret_lock,
                              lode_error *error)
{
    return vfs_lock(below(vfs), path, ret_lock, error);
}

static lode_status crypt_lock_shared(struct vfs *vfs, const char *path, struct vfs_file **ret_lock,
                                     lode_error *error)
{
    return vfs_lock_shared(below(vfs), path, ret_lock, error);
}

static const struct vfs_ops crypt_ops = {
    .open = crypt_open,
    .close = crypt_close,
    .read = crypt_read,
    .write = crypt_write,
    .size = crypt_size,
    .truncate = crypt_truncate,
    .preallocate = crypt_preallocate,
    .sync = crypt_sync,
    .map = crypt_map,
    .unmap = crypt_unmap,
    .forget = crypt_forget,
    .exists = crypt_exists,
    .remove = crypt_remove,
    .rename = crypt_rename,
    .link = crypt_link,
    .make_dir = crypt_make_dir,
    .remove_dir = crypt_remove_dir,
    .list = crypt_list,
    .dir_sync = crypt_dir_sync,
    .room = crypt_room,
    .lock = crypt_lock,
    .lock_shared = crypt_lock_shared,
    .unlock = NULL, /* a lock is a file of the vfs below */
};

int crypt_file_is(const struct vfs_file *file)
{
    return file->vfs->ops == &crypt_ops;
}

lode_status crypt_vfs_new(struct vfs *below_vfs, struct keyring *own_keyring, struct vfs **ret_vfs,
                          lode_error *error)
{
    struct crypt_vfs *vfs = calloc(1, sizeof *vfs);
    if (!vfs) {
        keyring_free(own_keyring);
        return error_nomem(error, "the keys of a database", sizeof *vfs);
    }
    *vfs = (struct crypt_vfs){.vfs.ops = &crypt_ops, .below = below_vfs, .keyring = own_keyring};
    *ret_vfs = &vfs->vfs;
    return LODE_OK;
}

void crypt_vfs_free(struct vfs *vfs)
{
    if (!vfs)
        return;
    keyring_free(crypt_vfs_of(vfs)->keyring);
    free(crypt_vfs_of(vfs));
}

struct keyring *crypt_vfs_keyring(const struct vfs *vfs)
{
    return vfs->ops == &crypt_ops ? ((const struct crypt_vfs *)vfs)->keyring : NULL;
}

struct vfs *crypt_vfs_below(struct vfs *vfs)
{
    return vfs->ops == &crypt_ops ? crypt_vfs_of(vfs)->below : vfs;
}
