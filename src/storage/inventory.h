/* inventory.h: what one backup holds (docs/format/backup.md): the files of a database as it is to be restored,
 * each known by the SHA-256 of its content; the logs behind it; and the collections' figures.
 *
 * The hashes form a tree that anybody can compute with sha256sum: a collection's is the hash of the lines
 * "<hash>  <name>\n" of its files by name, the root that of the same lines of its directories. */
#ifndef STORAGE_INVENTORY_H
#define STORAGE_INVENTORY_H

#include "base/buf.h"
#include "base/sha256.h"
#include "crypt/header.h"
#include "storage/names.h"

#define INVENTORY_FILES_MAX (1u << 24)
#define INVENTORY_SIZE_MAX  ((size_t)4 << 30)

struct inventory_file {
    uint64_t uid; /* of the collection; 0: the file `catalog`, or `keys`, the only ones without */
    struct name name; /* in the collection's directory. Logs are not restored as they are */
    uint64_t size;
    uint64_t sum;    /* frame_sum; 0 of logs and keys */
    uint64_t offset; /* in a backup that is one file: where it is; 0: in the base */
    uint64_t first_sequence, last_sequence; /* of a log's batches */
    uint8_t hash[SHA256_SIZE];
};

struct inventory_collection {
    uint64_t uid;
    uint64_t sequence; /* of the state */
    uint64_t point_count;
    char name[LODE_NAME_SIZE_MAX + 1]; /* "" while it is hidden */
    size_t hidden_size;                /* bytes of: */
    uint8_t hidden[LODE_NAME_SIZE_MAX + CIPHER_TAG_SIZE];
};

struct inventory {
    uint64_t made_us; /* since 1970 UTC */
    uint64_t history; /* of the database; 0: it was made before there were any */
    uint8_t root[SHA256_SIZE];
    /* Root of the backup that has what this file leaves out; zeros: none */
    uint8_t base[SHA256_SIZE];
    int is_encrypted; /* of an encrypted database: it has `keys`, and its names are hidden */
    int is_hidden;    /* and have not been decrypted */
    uint8_t header[CRYPT_HEADER_SIZE];
    uint8_t tag[CIPHER_TAG_SIZE]; /* of the hash of all of it, as it was encoded: */
    uint8_t digest[SHA256_SIZE];
    struct inventory_collection *collections; /* by uid */
    size_t collection_count;
    struct inventory_file *files; /* by uid, kind, number, generation */
    size_t file_count;
};

void inventory_release(struct inventory *inventory);
NODISCARD lode_status inventory_add_collection(struct inventory *inventory,
                                               const struct inventory_collection *collection,
                                               lode_error *error);
NODISCARD lode_status inventory_add_file(struct inventory *inventory,
                                         const struct inventory_file *file, lode_error *error);
/* Once all is added: put it in order and compute the root. */
NODISCARD lode_status inventory_seal(struct inventory *inventory, lode_error *error);

/* keyring: of what is encrypted, which hides the names and authenticates all; else NULL. */
NODISCARD lode_status inventory_encode(const struct inventory *inventory,
                                       const struct keyring *keyring, struct buf *out,
                                       lode_error *error);
/* Everything is checked, the root too: what comes out is what inventory_encode could have written. */
NODISCARD lode_status inventory_decode(const void *data, size_t size,
                                       struct inventory *ret_inventory, lode_error *error);

/* Of an encrypted one: the names become known, and it is authenticated. LODE_CORRUPT. */
NODISCARD lode_status inventory_decrypt(struct inventory *inventory, const struct keyring *keyring,
                                        lode_error *error);

/* NULL when there is none. */
const struct inventory_file *inventory_find(const struct inventory *inventory, uint64_t uid,
                                            struct name name);
const struct inventory_collection *inventory_collection(const struct inventory *inventory,
                                                        uint64_t uid);
/* "c-<uid>/seg-3.ids", "log-<uid>/wal-3.log" or "catalog", into text[INVENTORY_TEXT_MAX]; returns text. */
#define INVENTORY_TEXT_MAX (NAME_TEXT_MAX + 32)
const char *inventory_file_text(const struct inventory_file *file, char text[INVENTORY_TEXT_MAX]);
/* What goes when it does. */
const char *inventory_loss(const struct inventory_file *file);

#endif
