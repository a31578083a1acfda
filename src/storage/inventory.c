/* inventory.c: see inventory.h. */
#include "storage/inventory.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/le.h"

#define MAGIC           "lodeinv\n"
#define FORMAT          3u
#define FLAG_ENCRYPTED  1u
#define HEAD_SIZE       104
#define COLLECTION_SIZE 32 /* before the name */
#define FILE_SIZE       104
#define CHECKSUM_SIZE   8
#define MARK_NAME       0u /* in nonces, beside a collection's index */
#define MARK_WHOLE      1u /* beside the number of collections */
#define ALIGNMENT       64 /* of contents in one file */

/* The numbers in the format are those of enum name_kind. */
_Static_assert(NAME_OTHER == 0 && NAME_MANIFEST == 1 && NAME_LOG == 2 && NAME_VECTORS == 3 &&
                   NAME_IDS == 4 && NAME_DOCS == 5 && NAME_GRAPH == 6 && NAME_LIVE == 7 &&
                   NAME_TEXT_MODEL == 8 && NAME_KEYS == 11 && NAME_COLUMNS == 12,
               "kinds of files are stored");

void inventory_release(struct inventory *inventory)
{
    free(inventory->collections);
    free(inventory->files);
    *inventory = (struct inventory){0};
}

/* Room for one more; counts double at powers of two. */
static lode_status grow(void **items, size_t count, size_t item_size, lode_error *error)
{
    if (count & (count - 1) || (count > 0 && count < 8))
        return LODE_OK;
    size_t capacity = count ? count * 2 : 8;
    void *grown = realloc(*items, capacity * item_size);
    if (!grown)
        return error_nomem(error, "an inventory", capacity * item_size);
    *items = grown;
    return LODE_OK;
}

lode_status inventory_add_collection(struct inventory *inventory,
                                     const struct inventory_collection *collection,
                                     lode_error *error)
{
    void *items = inventory->collections;
    lode_status status = grow(&items, inventory->collection_count, sizeof *collection, error);
    if (status)
        return status;
    inventory->collections = items;
    inventory->collections[inventory->collection_count++] = *collection;
    return LODE_OK;
}

lode_status inventory_add_file(struct inventory *inventory, const struct inventory_file *file,
                               lode_error *error)
{
    void *items = inventory->files;
    lode_status status = grow(&items, inventory->file_count, sizeof *file, error);
    if (status)
        return status;
    inventory->files = items;
    inventory->files[inventory->file_count++] = *file;
    return LODE_OK;
}

/* --- Order ------------------------------------------------------------------------------------- */

static int compare_numbers(uint64_t a, uint64_t b)
{
    return (a > b) - (a < b);
}

static int compare_files(const void *a, const void *b)
{
    const struct inventory_file *one = a, *two = b;
    int order = compare_numbers(one->uid, two->uid);
    if (!order)
        order = compare_numbers(one->name.kind, two->name.kind);
    if (!order)
        order = compare_numbers(one->name.number, two->name.number);
    return order ? order : compare_numbers(one->name.generation, two->name.generation);
}

static int compare_collections(const void *a, const void *b)
{
    const struct inventory_collection *one = a, *two = b;
    return compare_numbers(one->uid, two->uid);
}

const struct inventory_file *inventory_find(const struct inventory *inventory, uint64_t uid,
                                            struct name name)
{
    struct inventory_file wanted = {.uid = uid, .name = name};
    if (inventory->file_count == 0)
        return NULL;
    return bsearch(&wanted, inventory->files, inventory->file_count, sizeof wanted, compare_files);
}

const struct inventory_collection *inventory_collection(const struct inventory *inventory,
                                                        uint64_t uid)
{
    struct inventory_collection wanted = {.uid = uid};
    if (inventory->collection_count == 0)
        return NULL;
    return bsearch(&wanted, inventory->collections, inventory->collection_count, sizeof wanted,
                   compare_collections);
}

/* --- Names ------------------------------------------------------------------------------------- */

static const char *root_file_name(const struct inventory_file *file)
{
    return file->name.kind == NAME_KEYS ? KEYRING_FILE_NAME : "catalog";
}

static const char *directory_text(const struct inventory_file *file, char text[32])
{
    snprintf(text, 32, "%s-%016" PRIx64, file->name.kind == NAME_LOG ? "log" : "c", file->uid);
    return text;
}

const char *inventory_file_text(const struct inventory_file *file, char text[INVENTORY_TEXT_MAX])
{
    char directory[32], name[NAME_TEXT_MAX];
    if (file->uid == 0)
        snprintf(text, INVENTORY_TEXT_MAX, "%s", root_file_name(file));
    else
        snprintf(text, INVENTORY_TEXT_MAX, "%s/%s", directory_text(file, directory),
                 name_format(file->name, name));
    return text;
}

const char *inventory_loss(const struct inventory_file *file)
{
    switch (file->name.kind) {
    case NAME_MANIFEST: return "which segments the collection has: the collection";
    case NAME_LOG: return "restoring to the batches in it, and beyond them from before it";
    case NAME_VECTORS: return "vectors";
    case NAME_IDS: return "ids";
    case NAME_DOCS: return "metadata and texts";
    case NAME_GRAPH: return "links of the graph (it can be built again)";
    case NAME_COLUMNS: return "columns of the metadata (documents answer in their place)";
    case NAME_LIVE: return "which rows are deleted";
    case NAME_TEXT_MODEL: return "the text model";
    case NAME_KEYS: return "the keys: nothing of the backup can be decrypted";
    default: return "the names of collections and aliases";
    }
}

/* --- The tree ---------------------------------------------------------------------------------- */

struct line {
    char name[NAME_TEXT_MAX];
    const uint8_t *hash;
};

static int compare_lines(const void *a, const void *b)
{
    const struct line *one = a, *two = b;
    return strcmp(one->name, two->name);
}

/* The hash of these lines, which are put in order. */
static lode_status hash_lines(struct line *lines, size_t count, uint8_t hash[SHA256_SIZE],
                              lode_error *error)
{
    struct sha256 sha;
    char text[SHA256_TEXT_SIZE + NAME_TEXT_MAX + 4];
    qsort(lines, count, sizeof *lines, compare_lines);
    lode_status status = sha256_init(&sha, error);
    if (!status) {
        for (size_t i = 0; i < count; i++) {
            char hex[SHA256_TEXT_SIZE];
            int size = snprintf(text, sizeof text, "%s  %s\n", sha256_text(lines[i].hash, hex),
                                lines[i].name);
            sha256_update(&sha, text, (size_t)size);
        }
        sha256_digest(&sha, hash);
    }
    sha256_release(&sha);
    return status;
}

/* The files from `first` on that lie in one directory: their number, and the hash of the directory. */
static lode_status hash_directory(const struct inventory *inventory, size_t first,
                                  struct line *lines, size_t *ret_count, uint8_t hash[SHA256_SIZE],
                                  lode_error *error)
{
    const struct inventory_file *files = inventory->files;
    int logs = files[first].name.kind == NAME_LOG;
    size_t count = 0, at = first;
    for (; at < inventory->file_count && files[at].uid == files[first].uid; at++) {
        if ((files[at].name.kind == NAME_LOG) != logs)
            continue;
        name_format(files[at].name, lines[count].name);
        lines[count++].hash = files[at].hash;
    }
    *ret_count = count;
    return hash_lines(lines, count, hash, error);
}

struct tree {
    const struct inventory *inventory;
    struct line *lines;       /* room for every file's */
    struct line *directories; /* two a collection, the catalog, the keys */
    uint8_t (*hashes)[SHA256_SIZE];
    size_t count;
};

static lode_status add_directory(struct tree *tree, size_t first, lode_error *error)
{
    const struct inventory_file *file = &tree->inventory->files[first];
    struct line *line = &tree->directories[tree->count];
    size_t count;
    lode_status status = LODE_OK;
    if (file->uid == 0) {
        snprintf(line->name, sizeof line->name, "%s", root_file_name(file));
        memcpy(tree->hashes[tree->count], file->hash, SHA256_SIZE);
    } else {
        char text[32];
        snprintf(line->name, sizeof line->name, "%s", directory_text(file, text));
        status = hash_directory(tree->inventory, first, tree->lines, &count,
                                tree->hashes[tree->count], error);
    }
    line->hash = tree->hashes[tree->count++];
    return status;
}

/* A directory begins with a collection's first file, its logs with the first log. */
static int begins_directory(const struct inventory_file *files, size_t i)
{
    if (i == 0 || files[i].uid == 0 || files[i].uid != files[i - 1].uid)
        return 1;
    if (files[i].name.kind == NAME_LOG)
        return files[i - 1].name.kind != NAME_LOG;
    return 0;
}

static lode_status compute_root(const struct inventory *inventory, uint8_t root[SHA256_SIZE],
                                lode_error *error)
{
    size_t room = 2 * inventory->collection_count + 2;
    struct tree tree = {.inventory = inventory};
    tree.lines = calloc(inventory->file_count + 1, sizeof *tree.lines);
    tree.directories = calloc(room, sizeof *tree.directories);
    tree.hashes = calloc(room, sizeof *tree.hashes);
    lode_status status = LODE_OK;
    if (!tree.lines || !tree.directories || !tree.hashes)
        status = error_nomem(error, "a tree of hashes", inventory->file_count * sizeof *tree.lines);
    for (size_t i = 0; !status && i < inventory->file_count; i++)
        if (begins_directory(inventory->files, i))
            status = add_directory(&tree, i, error);
    if (!status)
        status = hash_lines(tree.directories, tree.count, root, error);
    free(tree.lines);
    free(tree.directories);
    free(tree.hashes);
    return status;
}

/* --- Validity ---------------------------------------------------------------------------------- */

static int is_zero(const uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i])
            return 0;
    return 1;
}

static const char *log_fault(const struct inventory *inventory, const struct inventory_file *file)
{
    const struct inventory_collection *collection = inventory_collection(inventory, file->uid);
    if (file->first_sequence == 0 || file->last_sequence < file->first_sequence)
        return "a log's batches make no sense";
    if (!collection || file->last_sequence > collection->sequence)
        return "a log goes beyond its collection";
    return file->sum ? "a log has a sum" : NULL;
}

static const char *content_fault(const struct inventory_file *file)
{
    if (file->size == 0)
        return "a file is empty";
    if (file->offset % ALIGNMENT)
        return "a file is not where one can be";
    if (is_zero(file->hash, SHA256_SIZE))
        return "a file has no hash";
    return NULL;
}

/* The catalog comes first, then the keys of what is encrypted; they have no collection, and no others. */
static const char *place_fault(const struct inventory *inventory, size_t i)
{
    const struct inventory_file *file = &inventory->files[i];
    if ((i == 0) != (file->name.kind == NAME_OTHER))
        return "it has not just one catalog";
    if ((i == 1 && inventory->is_encrypted) != (file->name.kind == NAME_KEYS))
        return "it has keys and is not encrypted, or the other way round";
    if ((file->uid == 0) != (i == 0 || file->name.kind == NAME_KEYS))
        return "a file is of no collection";
    return NULL;
}

static const char *file_fault(const struct inventory *inventory, size_t i)
{
    const struct inventory_file *file = &inventory->files[i];
    int is_log = file->name.kind == NAME_LOG;
    if (i > 0 && compare_files(file - 1, file) >= 0)
        return "its files are not in order";
    const char *misplaced = place_fault(inventory, i);
    if (misplaced)
        return misplaced;
    if (file->name.kind > NAME_TEXT_MODEL && file->name.kind != NAME_KEYS &&
        file->name.kind != NAME_COLUMNS)
        return "a file's kind is unknown";
    if (file->uid == 0 && (file->name.number || file->name.generation))
        return "the catalog has a number";
    if (file->name.generation != (file->name.kind == NAME_LIVE))
        return "a live set is not of generation 1, or something else is";
    if (file->name.kind == NAME_MANIFEST && file->name.number != 1)
        return "a manifest is not of generation 1";
    if (file->uid && !inventory_collection(inventory, file->uid))
        return "a file is of no collection";
    if (!is_log && (file->first_sequence || file->last_sequence))
        return "what is no log has batches";
    const char *fault = is_log ? log_fault(inventory, file) : NULL;
    return fault ? fault : content_fault(file);
}

static const char *collection_fault(const struct inventory *inventory, size_t i)
{
    const struct inventory_collection *collection = &inventory->collections[i];
    struct name manifest = {.kind = NAME_MANIFEST, .number = 1};
    if (collection->uid == 0 || (i > 0 && collection->uid <= collection[-1].uid))
        return "its collections are not in order";
    if (!inventory_find(inventory, collection->uid, manifest))
        return "a collection has no manifest";
    return NULL;
}

static const char *find_fault(const struct inventory *inventory)
{
    const char *fault = inventory->file_count == 0 ? "it has no catalog"
                        : inventory->is_encrypted && inventory->file_count == 1 ? "it has no keys"
                                                                                : NULL;
    for (size_t i = 0; !fault && i < inventory->collection_count; i++)
        if (i > 0 && inventory->collections[i].uid <= inventory->collections[i - 1].uid)
            fault = "its collections are not in order";
    for (size_t i = 0; !fault && i < inventory->file_count; i++)
        fault = file_fault(inventory, i);
    for (size_t i = 0; !fault && i < inventory->collection_count; i++)
        fault = collection_fault(inventory, i);
    return fault;
}

lode_status inventory_seal(struct inventory *inventory, lode_error *error)
{
    if (inventory->file_count > INVENTORY_FILES_MAX)
        return error_set(error, LODE_LIMIT, "a backup of %zu files: at most %u",
                         inventory->file_count, INVENTORY_FILES_MAX);
    qsort(inventory->files, inventory->file_count, sizeof *inventory->files, compare_files);
    if (inventory->collection_count)
        qsort(inventory->collections, inventory->collection_count, sizeof *inventory->collections,
              compare_collections);
    INVARIANT(!find_fault(inventory));
    return compute_root(inventory, inventory->root, error);
}

/* --- Encoding ---------------------------------------------------------------------------------- */

static lode_status encode_head(const struct inventory *inventory, struct buf *out,
                               lode_error *error)
{
    uint8_t head[HEAD_SIZE] = {0};
    memcpy(head, MAGIC, 8);
    le_store_u32(head + 8, FORMAT);
    le_store_u32(head + 12, inventory->is_encrypted ? FLAG_ENCRYPTED : 0);
    le_store_u64(head + 16, inventory->made_us);
    memcpy(head + 24, inventory->root, SHA256_SIZE);
    memcpy(head + 56, inventory->base, SHA256_SIZE);
    le_store_u32(head + 88, (uint32_t)inventory->collection_count);
    le_store_u32(head + 92, (uint32_t)inventory->file_count);
    le_store_u64(head + 96, inventory->history);
    return buf_append(out, head, sizeof head, error);
}

#define ADDITIONAL_SIZE 24 /* authenticated with a name: uid, sequence, points */

static struct cipher_message name_message(const uint8_t *bytes, uint64_t index, const uint8_t *from,
                                          uint8_t *to, size_t size)
{
    struct cipher_message message = {.additional = bytes,
                                     .additional_size = ADDITIONAL_SIZE,
                                     .from = from,
                                     .to = to,
                                     .size = size};
    cipher_nonce(message.nonce, index, MARK_NAME);
    return message;
}

/* index: of the collection. bytes: what stands before the name. */
static lode_status encode_name(const char *name, const uint8_t *bytes, uint64_t index,
                               struct cipher *cipher, struct buf *out, lode_error *error)
{
    uint8_t hidden[LODE_NAME_SIZE_MAX + CIPHER_TAG_SIZE];
    size_t size = strlen(name);
    if (!cipher->state)
        return buf_append(out, name, size, error);
    struct cipher_message message = name_message(bytes, index, (const uint8_t *)name, hidden, size);
    cipher_seal(cipher, &message, hidden + size);
    return buf_append(out, hidden, size + CIPHER_TAG_SIZE, error);
}

static lode_status encode_collection(const struct inventory *inventory, size_t i,
                                     struct cipher *cipher, struct buf *out, lode_error *error)
{
    const struct inventory_collection *collection = &inventory->collections[i];
    uint8_t bytes[COLLECTION_SIZE] = {0};
    size_t name_size = strlen(collection->name);
    le_store_u64(bytes, collection->uid);
    le_store_u64(bytes + 8, collection->sequence);
    le_store_u64(bytes + 16, collection->point_count);
    le_store_u32(bytes + 24, (uint32_t)name_size);
    lode_status status = buf_append(out, bytes, sizeof bytes, error);
    return status ? status : encode_name(collection->name, bytes, i, cipher, out, error);
}

/* The encryption header, behind the head. */
static lode_status encode_header(const struct keyring *keyring, struct cipher *cipher,
                                 struct buf *out, lode_error *error)
{
    uint8_t header[CRYPT_HEADER_SIZE];
    lode_status status = crypt_header_make(keyring, CRYPT_INVENTORY, header, cipher, error);
    return status ? status : buf_append(out, header, sizeof header, error);
}

static struct cipher_message whole_message(const uint8_t digest[SHA256_SIZE], uint64_t collections)
{
    struct cipher_message message = {.additional = digest, .additional_size = SHA256_SIZE};
    cipher_nonce(message.nonce, collections, MARK_WHOLE);
    return message;
}

/* Of all that stands in `out` from `begin` on. */
static lode_status encode_tag(const struct inventory *inventory, struct cipher *cipher,
                              size_t begin, struct buf *out, lode_error *error)
{
    uint8_t digest[SHA256_SIZE], tag[CIPHER_TAG_SIZE];
    lode_status status = sha256_of(out->data + begin, out->size - begin, digest, error);
    if (status)
        return status;
    struct cipher_message message = whole_message(digest, inventory->collection_count);
    cipher_seal(cipher, &message, tag);
    return buf_append(out, tag, sizeof tag, error);
}

static lode_status encode_file(const struct inventory_file *file, struct buf *out,
                               lode_error *error)
{
    uint8_t bytes[FILE_SIZE] = {0};
    le_store_u64(bytes, file->uid);
    le_store_u32(bytes + 8, (uint32_t)file->name.kind);
    le_store_u64(bytes + 16, file->name.number);
    le_store_u64(bytes + 24, file->name.generation);
    le_store_u64(bytes + 32, file->size);
    le_store_u64(bytes + 40, file->sum);
    le_store_u64(bytes + 48, file->offset);
    le_store_u64(bytes + 56, file->first_sequence);
    le_store_u64(bytes + 64, file->last_sequence);
    memcpy(bytes + 72, file->hash, SHA256_SIZE);
    return buf_append(out, bytes, sizeof bytes, error);
}

lode_status inventory_encode(const struct inventory *inventory, const struct keyring *keyring,
                             struct buf *out, lode_error *error)
{
    size_t begin = out->size;
    struct cipher cipher = {0};
    INVARIANT(inventory->is_encrypted == (keyring != NULL));
    lode_status status = encode_head(inventory, out, error);
    if (!status && keyring)
        status = encode_header(keyring, &cipher, out, error);
    for (size_t i = 0; !status && i < inventory->collection_count; i++)
        status = encode_collection(inventory, i, &cipher, out, error);
    for (size_t i = 0; !status && i < inventory->file_count; i++)
        status = encode_file(&inventory->files[i], out, error);
    if (!status && keyring)
        status = encode_tag(inventory, &cipher, begin, out, error);
    cipher_release(&cipher);
    if (!status)
        status = buf_append_u64(out, checksum64(out->data + begin, out->size - begin), error);
    return status;
}

/* --- Decoding ---------------------------------------------------------------------------------- */

static lode_status bad(lode_error *error, const char *what)
{
    return error_set(error, LODE_CORRUPT, "%s", what);
}

struct counts {
    uint32_t collections, files;
};

static lode_status decode_head(struct reader *reader, struct inventory *inventory,
                               struct counts *ret_counts, lode_error *error)
{
    const uint8_t *head = reader_bytes(reader, HEAD_SIZE);
    if (!head || memcmp(head, MAGIC, 8) != 0)
        return bad(error, "it is no inventory of a backup");
    uint32_t format = le_load_u32(head + 8);
    if (format > FORMAT)
        return error_set(error, LODE_VERSION, "the backup has format %u; this Lode knows 1 to %u",
                         format, FORMAT);
    uint32_t flags = le_load_u32(head + 12);
    inventory->is_encrypted = inventory->is_hidden = flags == FLAG_ENCRYPTED;
    if (format == 0 || (flags && (flags != FLAG_ENCRYPTED || format < 3)) ||
        (format == 1 && !is_zero(head + 96, 8)))
        return bad(error, "its head makes no sense");
    inventory->made_us = le_load_u64(head + 16);
    inventory->history = le_load_u64(head + 96);
    memcpy(inventory->root, head + 24, SHA256_SIZE);
    memcpy(inventory->base, head + 56, SHA256_SIZE);
    ret_counts->collections = le_load_u32(head + 88);
    ret_counts->files = le_load_u32(head + 92);
    if (ret_counts->files > INVENTORY_FILES_MAX || ret_counts->collections > COLLECTIONS_MAX)
        return bad(error, "it counts too many files or collections");
    return LODE_OK;
}

static lode_status decode_collection(struct reader *reader, struct inventory *inventory,
                                     lode_error *error)
{
    struct inventory_collection collection = {.uid = reader_u64(reader)};
    collection.sequence = reader_u64(reader);
    collection.point_count = reader_u64(reader);
    size_t name_size = reader_u32(reader);
    uint32_t zero = reader_u32(reader);
    if (reader->failed || zero || name_size == 0 || name_size > LODE_NAME_SIZE_MAX)
        return bad(error, "a collection's name is not of the right size");
    size_t size = name_size + (inventory->is_encrypted ? CIPHER_TAG_SIZE : 0);
    const uint8_t *name = reader_bytes(reader, size);
    if (!name || (!inventory->is_encrypted && memchr(name, 0, name_size)))
        return bad(error, "a collection's name is no name");
    collection.hidden_size = inventory->is_encrypted ? size : 0;
    memcpy(inventory->is_encrypted ? collection.hidden : (uint8_t *)collection.name, name, size);
    return inventory_add_collection(inventory, &collection, error);
}

static lode_status decode_file(struct reader *reader, struct inventory *inventory,
                               lode_error *error)
{
    const uint8_t *bytes = reader_bytes(reader, FILE_SIZE);
    if (!bytes || !is_zero(bytes + 12, 4))
        return bad(error, "its list of files is cut off");
    struct inventory_file file = {.uid = le_load_u64(bytes), .size = le_load_u64(bytes + 32)};
    file.name.kind = (enum name_kind)le_load_u32(bytes + 8);
    file.name.number = le_load_u64(bytes + 16);
    file.name.generation = le_load_u64(bytes + 24);
    file.sum = le_load_u64(bytes + 40);
    file.offset = le_load_u64(bytes + 48);
    file.first_sequence = le_load_u64(bytes + 56);
    file.last_sequence = le_load_u64(bytes + 64);
    memcpy(file.hash, bytes + 72, SHA256_SIZE);
    return inventory_add_file(inventory, &file, error);
}

static lode_status decode_header(struct reader *reader, struct inventory *inventory,
                                 lode_error *error)
{
    const uint8_t *header = reader_bytes(reader, CRYPT_HEADER_SIZE);
    if (!header || !crypt_header_is_whole(header))
        return bad(error, "its encryption header is damaged");
    memcpy(inventory->header, header, CRYPT_HEADER_SIZE);
    return LODE_OK;
}

static lode_status decode_tag(struct reader *reader, struct inventory *inventory, lode_error *error)
{
    size_t before = reader->offset;
    const uint8_t *tag = reader_bytes(reader, CIPHER_TAG_SIZE);
    if (!tag)
        return bad(error, "its tag is cut off");
    memcpy(inventory->tag, tag, CIPHER_TAG_SIZE);
    return sha256_of(reader->data, before, inventory->digest, error);
}

static lode_status check_root(const struct inventory *inventory, lode_error *error)
{
    uint8_t root[SHA256_SIZE];
    lode_status status = compute_root(inventory, root, error);
    if (!status && memcmp(root, inventory->root, SHA256_SIZE) != 0)
        status = bad(error, "its root hash is not that of its files");
    return status;
}

static lode_status decode_all(struct reader *reader, struct inventory *inventory, lode_error *error)
{
    struct counts counts = {0};
    lode_status status = decode_head(reader, inventory, &counts, error);
    if (!status && inventory->is_encrypted)
        status = decode_header(reader, inventory, error);
    for (uint32_t i = 0; !status && i < counts.collections; i++)
        status = decode_collection(reader, inventory, error);
    for (uint32_t i = 0; !status && i < counts.files; i++)
        status = decode_file(reader, inventory, error);
    if (!status && inventory->is_encrypted)
        status = decode_tag(reader, inventory, error);
    if (!status && reader_left(reader) > 0)
        status = bad(error, "it goes on behind its last file");
    const char *fault = status ? NULL : find_fault(inventory);
    if (fault)
        status = bad(error, fault);
    return status ? status : check_root(inventory, error);
}

lode_status inventory_decode(const void *data, size_t size, struct inventory *ret_inventory,
                             lode_error *error)
{
    struct inventory inventory = {0};
    struct reader reader;
    if (size < HEAD_SIZE + CHECKSUM_SIZE)
        return bad(error, "it is too short to be an inventory of a backup");
    size_t body = size - CHECKSUM_SIZE;
    if (memcmp(data, MAGIC, 8) == 0 &&
        checksum64(data, body) != le_load_u64((const uint8_t *)data + body))
        return bad(error, "the inventory's checksum is wrong");
    reader_init(&reader, data, body);
    lode_status status = decode_all(&reader, &inventory, error);
    if (status)
        inventory_release(&inventory);
    else
        *ret_inventory = inventory;
    return status;
}

/* --- Decrypting --------------------------------------------------------------------------------- */

static lode_status decrypt_name(struct inventory_collection *collection, uint64_t index,
                                struct cipher *cipher, lode_error *error)
{
    uint8_t bytes[ADDITIONAL_SIZE], name[LODE_NAME_SIZE_MAX];
    size_t size = collection->hidden_size - CIPHER_TAG_SIZE;
    le_store_u64(bytes, collection->uid);
    le_store_u64(bytes + 8, collection->sequence);
    le_store_u64(bytes + 16, collection->point_count);
    struct cipher_message message = name_message(bytes, index, collection->hidden, name, size);
    if (!cipher_open(cipher, &message, collection->hidden + size) || memchr(name, 0, size))
        return bad(error, "the name of a collection does not authenticate");
    memcpy(collection->name, name, size);
    collection->name[size] = '\0';
    return LODE_OK;
}

lode_status inventory_decrypt(struct inventory *inventory, const struct keyring *keyring,
                              lode_error *error)
{
    struct cipher cipher = {0};
    if (!inventory->is_hidden)
        return LODE_OK;
    lode_status status = crypt_header_open(keyring, CRYPT_INVENTORY, inventory->header,
                                           "the inventory", &cipher, error);
    if (status)
        return status;
    struct cipher_message message = whole_message(inventory->digest, inventory->collection_count);
    if (!cipher_open(&cipher, &message, inventory->tag))
        status = bad(error, "the inventory does not authenticate: it was changed by somebody "
                            "without the key");
    for (size_t i = 0; !status && i < inventory->collection_count; i++)
        status = decrypt_name(&inventory->collections[i], i, &cipher, error);
    cipher_release(&cipher);
    inventory->is_hidden = status != LODE_OK;
    return status;
}
