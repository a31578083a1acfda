/* backup_writer_parts.h: what the files of a backup's writer share. */
#ifndef STORAGE_BACKUP_WRITER_PARTS_H
#define STORAGE_BACKUP_WRITER_PARTS_H

#include "storage/backup_reader.h"
#include "storage/backup_writer.h"

#define BACKUP_PIECE_SIZE ((size_t)1 << 20) /* a multiple of FRAME_BLOCK_SIZE */

struct backup_writer {
    struct vfs *vfs;
    const struct keyring *keyring; /* of an encrypted database, copied as it lies; else NULL */
    char *path;
    char *staging;
    int one_file;
    int verify; /* read what is known already, and take what is damaged for missing */
    int staging_is_made;
    struct vfs_file *lock;
    struct vfs_file *file; /* one file: staging/data, being written */
    uint64_t end;          /* of what is in it */
    uint64_t number;       /* of this backup */
    struct inventory inventory;
    struct backup *known;    /* the directory, or the base of one file; NULL: nothing is known */
    struct inventory before; /* the newest backup in it; nothing when there is none */
    const struct inventory_file **before_by_hash;
    struct backup_written written;
    uint8_t *piece;
    backup_progress *progress;
    void *context;
    uint64_t done_bytes, total_bytes;
};

/* So many bytes more are done; LODE_CANCELLED when the caller has had enough. */
NODISCARD lode_status backup_writer_tell(struct backup_writer *writer, uint64_t bytes,
                                         lode_error *error);

/* backup_place.c: the directory or file: made and locked, named when all is written, left tidy. */
NODISCARD lode_status backup_place_begin(struct backup_writer *writer, lode_error *error);
/* `inventory` is the last that is written; durable on return. */
NODISCARD lode_status backup_place_finish(struct backup_writer *writer, const struct buf *inventory,
                                          lode_error *error);
void backup_place_close(struct backup_writer *writer);

/* backup_known.c: what is there already, in the backup at `path`. */
NODISCARD lode_status backup_known_begin(struct backup_writer *writer, const char *path,
                                         lode_error *error);
void backup_known_close(struct backup_writer *writer);
enum backup_known {
    BACKUP_MISSING,
    BACKUP_DAMAGED, /* not to be opened, of another size, or, with `verify`, of another hash */
    BACKUP_KNOWN,
};
/* Whether a content of the file's hash must be written. */
NODISCARD lode_status backup_known_look(struct backup_writer *writer,
                                        const struct inventory_file *file,
                                        enum backup_known *ret_known, lode_error *error);
/* The same by name, size and sum, without reading the file: its hash is found if it is known. */
NODISCARD lode_status backup_known_unread(struct backup_writer *writer, struct inventory_file *file,
                                          enum backup_known *ret_known, lode_error *error);

/* backup_copy.c: a file of the database becomes a content, checked and hashed on the way. */
struct backup_copying {
    struct backup_writer *writer;
    struct vfs_file *from;
    const struct frame *frame; /* to check blocks with; NULL of logs, keys, and what is encrypted */
    struct crypt_check *check; /* of what is encrypted, but for logs; else NULL */
    struct vfs_file *to;       /* used inside, like all below */
    uint64_t to_offset;
    struct sha256 sha;
};
NODISCARD lode_status backup_copy(struct backup_copying *copying, struct inventory_file *file,
                                  lode_error *error);

#endif
