/* lode.h: the public interface of Lode, an embedded vector search engine.
 *
 * A database is a directory. It holds collections; a collection holds points (an id, a vector,
 * metadata, perhaps a text) of one dimension and metric. Everything the library does is in this
 * header and the five that it includes at its end: filter.h, scope.h, scroll.h, backup.h and repair.h; the command `lode`
 * uses nothing else.
 *
 *     lode_db *db;  lode_collection *films;  lode_result *found;
 *     lode_db_open("films.lode", NULL, &db, &error);
 *     lode_collection_create(db, "films", &(lode_schema){.dim = 384}, &films, &error);
 *     lode_upsert(films, points, point_count, NULL, &error);
 *     lode_search(films, &(lode_search_request){.vector = query, .k = 10}, &found, &error);
 *
 * Conventions, true everywhere below unless a function says otherwise:
 *   - Zero-initialise every struct you pass; a zero field means its documented default.
 *   - Pointers you pass are borrowed for the call and never freed by the library.
 *   - Outputs are named ret_x, are written only on LODE_OK and are yours to
 *     release with the function their comment names.
 *   - `error` may be NULL. Otherwise it is filled whenever the returned status is not LODE_OK.
 *   - Every function may be called from any thread at any time, except that nothing may use a
 *     handle while it is being closed, nor after.
 *   - Sizes are bytes, counts are things, texts are UTF-8.
 *   - The library never prints, never exits and installs no signal handler.
 */
#ifndef LODE_H
#define LODE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define LODE_API       __attribute__((visibility("default")))
#define LODE_NODISCARD __attribute__((warn_unused_result))
#else
#define LODE_API
#define LODE_NODISCARD
#endif

#define LODE_VERSION_MAJOR 0
#define LODE_VERSION_MINOR 1
#define LODE_VERSION_PATCH 0

/* --- Limits that callers meet (the rest: docs/limits.md) --------------------------------------- */

#define LODE_DIM_MAX             65536        /* dimensions of a vector */
#define LODE_ID_SIZE_MAX         512          /* bytes of a string id */
#define LODE_NAME_SIZE_MAX       128          /* bytes of a collection's, alias's or field's name */
#define LODE_NAMESPACE_SIZE_MAX  128          /* bytes of a namespace's name */
#define LODE_FIELDS_MAX          256          /* declared metadata fields of a collection */
#define LODE_METADATA_SIZE_MAX   1048576      /* bytes of one point's metadata, as JSON */
#define LODE_TEXT_SIZE_MAX       1048576      /* bytes of one point's text */
#define LODE_BATCH_MAX           10000        /* operations of one atomic write */
#define LODE_BATCH_SIZE_MAX      268435456    /* bytes of one atomic write, encoded */
#define LODE_REQUEST_ID_SIZE_MAX 64           /* bytes of a request id */
#define LODE_EXPIRES_AT_MIN      100000000000 /* 1973: what is less was meant as seconds */
#define LODE_EXPIRES_AT_MAX      253402300799999 /* the end of the year 9999 */
#define LODE_EXPIRES_NEVER       UINT64_MAX
#define LODE_K_MAX               16384 /* hits of one search */
#define LODE_SEARCH_BATCH_MAX    10000 /* requests of one lode_search_batch */
#define LODE_EF_MAX              65536 /* ef_search and ef_construction */
#define LODE_M_MAX               256   /* m of hnsw */
#define LODE_SNAPSHOTS_MAX       1024  /* named snapshots of a collection */

/* --- Errors ------------------------------------------------------------------------------------ */

/* What the caller can do about it. Values are stable. */
typedef enum lode_status {
    LODE_OK = 0,
    LODE_INVALID = 1,   /* an argument or input is wrong: mend it; nothing was changed */
    LODE_NOT_FOUND = 2, /* no such directory, collection, alias, point or text model */
    LODE_EXISTS = 3,    /* the name is taken */
    LODE_BUSY = 4,      /* another process has the directory open, or the thing is in use */
    LODE_LIMIT = 5,     /* over a documented limit */
    LODE_NOMEM = 6,     /* memory refused */
    LODE_IO = 7,        /* the operating system refused; see os_errno */
    LODE_FULL = 8,      /* no space on the disk: reads and deletes go on, other writes are refused
                              until there is */
    LODE_CORRUPT = 9,   /* a file is not what was written; the message names file and offset */
    LODE_VERSION = 10,  /* the files are of a format that this Lode does not know, newer or older */
    LODE_PARTIAL = 11,  /* lode_wait_idle alone: its time ran out, the work goes on */
    LODE_CANCELLED = 12,   /* stopped by the caller or by closing */
    LODE_UNSUPPORTED = 13, /* not in this build, or not through this handle */
    LODE_READONLY =
        14, /* writes are refused after an earlier I/O error, until it is reopened; or it is open read-only */
    LODE_CONFLICT = 15, /* a condition of a write does not hold: read again, and decide anew */
    LODE_KEY =
        16, /* encrypted, and no key or another one was given; or not encrypted, and one was */
    LODE_TIMEOUT = 17, /* the deadline of a lode_stop has passed */
    LODE_SCHEMA =
        18, /* well formed, and not what this collection takes: a field that it has not, a value of
                           another type, a vector that its metric or its scalars cannot hold */
} lode_status;

typedef struct lode_error { /* caller-owned; zero-initialise; nothing to free */
    lode_status status;     /* branch on this; never parse the message */
    int os_errno;           /* 0 when the operating system was not involved */
    char message[240];      /* names the object, the value and the limit */
} lode_error;

/* "LODE_INVALID" and so on; never NULL. Static. */
LODE_API const char *lode_status_name(lode_status status);

/* "0.1.0". Static. */
LODE_API const char *lode_version(void);

/* The instruction set chosen for distance kernels ("scalar", "avx2", "avx512", "neon").
 * LODE_SIMD=scalar|avx2|avx512|neon in the environment forces a level the machine has. Static. */
LODE_API const char *lode_simd_level(void);

/* --- Stopping ---------------------------------------------------------------------------------- */

/* A caller's wish that a call end early, since nobody waits for its answer any more: then it is LODE_CANCELLED or
 * LODE_TIMEOUT, and leaves nothing behind. The thread of the call looks at it about once in a millisecond of work; not
 * while a filter is read or a text embedded, nor while something is made that later calls use too (columns of rows in
 * memory, the rows of a graph that keeps links alone). A call that is done by then answers all the same. Borrowed for
 * the call. */
typedef struct lode_stop {
    uint64_t deadline_us; /* of CLOCK_MONOTONIC, in microseconds; 0: none */
    /* Not 0: stop. Must return at once and call nothing of this library; NULL: not asked. */
    int (*is_wanted)(void *context);
    void *context;
} lode_stop;

/* --- Ids --------------------------------------------------------------------------------------- */

typedef enum lode_id_kind {
    LODE_ID_NUMBER = 1, /* unsigned 64-bit */
    LODE_ID_UUID = 2,   /* 16 bytes, in the order they are printed */
    LODE_ID_STRING = 3, /* 1 to LODE_ID_SIZE_MAX bytes of UTF-8, no NUL */
} lode_id_kind;

/* Kinds live side by side in one collection: 7, "7" and a UUID are three different points.
 * Order: numbers by value, then UUIDs by bytes, then strings by bytes. */
typedef struct lode_id {
    lode_id_kind kind;
    uint64_t number;    /* LODE_ID_NUMBER */
    uint8_t uuid[16];   /* LODE_ID_UUID */
    const char *string; /* LODE_ID_STRING; need not end with NUL */
    size_t string_size;
} lode_id;

/* Make an id. lode_id_text borrows `text`, which must outlive the id. */
LODE_API lode_id lode_id_number(uint64_t number);
LODE_API lode_id lode_id_uuid(const uint8_t bytes[16]);
LODE_API lode_id lode_id_text(const char *text);

/* <0, 0, >0 in the order above. */
LODE_API int lode_id_compare(const lode_id *a, const lode_id *b);

/* --- Keys -------------------------------------------------------------------------------------- */

/* A database is encrypted at rest when it was created with a key (docs/encryption.md): 32 random bytes, which
 * Lode never stores. A key is known by its id, 16 hexadecimal digits that tell nothing about it. */
#define LODE_KEY_SIZE         32
#define LODE_KEY_ID_TEXT_SIZE 17 /* with NUL */

/* Where a key comes from: just one of the three. It is fetched when it is needed and not kept longer than what
 * it opens. */
typedef struct lode_key_source {
    const char *file;    /* holds it: 32 bytes as they are, 64 hexadecimal digits, or base64 (44
                            characters); a line end may follow text. LODE_INVALID when others than
                            its owner may read it */
    const char *command; /* prints it, in one of these forms. It is run without a shell: the line is
                            cut at blanks, quotes and $ mean nothing; 60 seconds at most */
    /* Writes the key of that id to `key`. key_id is NULL for a new database, and where any will do. Anything
     * but LODE_OK is returned to the caller, with the error if that was filled. */
    lode_status (*fetch)(void *context, const char *key_id, uint8_t key[LODE_KEY_SIZE],
                         lode_error *error);
    void *context;
} lode_key_source;

/* Make a new key and write it, as hexadecimal digits, to a new file that only its owner may read; durable on
 * return. ret_id, of LODE_KEY_ID_TEXT_SIZE bytes, may be NULL. LODE_EXISTS, LODE_IO. */
LODE_NODISCARD LODE_API lode_status lode_key_new(const char *path, char *ret_id, lode_error *error);

/* Fetch a key for its id, into ret_id, of LODE_KEY_ID_TEXT_SIZE bytes. */
LODE_NODISCARD LODE_API lode_status lode_key_id(const lode_key_source *key, char *ret_id,
                                                lode_error *error);

/* --- Memory ------------------------------------------------------------------------------------ */

#define LODE_MEMORY_BUDGET_MIN 67108864 /* bytes: below it the largest point has no way in */

/* How much memory the process may hold for all its databases together, in bytes; 0: no limit, as in the
 * beginning. Rows that are not written out yet, batches, builds of graphs have shares of it (docs/memory.md).
 * Writers wait when theirs is used up, and are refused with LODE_NOMEM when nothing is given back for five
 * seconds, or with LODE_LIMIT when a batch is larger than it could ever have; reads are never refused. Pages
 * of mapped files, which the kernel can drop, are given back too, so that all of what the process has in
 * memory stays within the budget, as long as the program around it takes less than that leaves (3/16). To be set
 * before databases are opened: what is held is not given back, and segments already made with more memory
 * stay as they are.
 * Errors: LODE_LIMIT below LODE_MEMORY_BUDGET_MIN. */
LODE_NODISCARD LODE_API lode_status lode_memory_budget_set(uint64_t bytes, lode_error *error);

typedef struct lode_memory_stats {
    uint64_t budget_bytes;        /* 0: no limit */
    uint64_t used_bytes;          /* counted, now: the sum of the next six */
    uint64_t growing_bytes;       /* rows not written out yet, and their graphs */
    uint64_t build_bytes;         /* flushes, merges, graphs being built */
    uint64_t write_bytes;         /* batches on their way */
    uint64_t scratch_bytes;       /* of queries, and of what was kept for the next ones */
    uint64_t decrypted_bytes;     /* blocks of encrypted files that have been read */
    uint64_t other_bytes;         /* text models, request ids, logs being replayed */
    uint64_t peak_bytes;          /* of used_bytes */
    uint64_t mapped_bytes;        /* of mapped files, in memory or not */
    uint64_t resident_bytes;      /* of the whole process, as the system counts; 0: unknown */
    uint64_t resident_file_bytes; /* of them, pages of mapped files: the kernel can drop them */
    uint64_t trims;               /* how often such pages were given back */
    uint64_t waits;               /* writes that had to wait for memory */
    uint64_t waited_ms;           /* they, together */
    uint64_t refusals;            /* writes that were refused for want of it */
    uint64_t batch_bytes_max; /* a write of more is LODE_LIMIT: about twice the bytes of its points
                                     count, and what other writers have; 0: no limit */
} lode_memory_stats;

/* Of the process, at this moment; the figures need not be of the very same one. NULL: nothing. */
LODE_API void lode_memory_stats_get(lode_memory_stats *ret_stats);

/* --- Database ---------------------------------------------------------------------------------- */

typedef struct lode_db lode_db;

typedef enum lode_maintenance {
    LODE_MAINTAIN_AUTO = 0,       /* flush, index and merge in the background as needed */
    LODE_MAINTAIN_ON_REQUEST = 1, /* only flush in the background; index and merge in
                                     lode_compact(): best while loading in bulk */
} lode_maintenance;

typedef struct lode_db_options {
    int must_exist;        /* 1: LODE_NOT_FOUND instead of creating the directory */
    unsigned thread_count; /* background threads; 0: one per core */
    lode_maintenance maintenance;
    uint64_t growing_bytes_max; /* a growing segment is flushed at this size; 0: 64 MiB */
    int read_only; /* 1: nothing on the disk is changed, not even what a killed process left; several
                      processes may read at once, but none writes meanwhile. It must exist */
    uint64_t log_keep_bytes;    /* of each collection's logs whose batches are in segments, keep the
                                   newest that fit into this: backups take them along, for restoring
                                   to any batch in them. Remembered by the database; 0: as it
                                   remembers, nothing at first; LODE_LOG_KEEP_NONE: nothing again */
    const lode_key_source *key; /* of an encrypted database: LODE_KEY without it, or with another.
                                   A new database is encrypted with it. NULL: none; LODE_KEY when
                                   there is one and the database is not encrypted */
} lode_db_options;

#define LODE_LOG_KEEP_NONE UINT64_MAX

/* Open, or create, the database in directory `path`. options may be NULL.
 * One process at a time: a second one gets LODE_BUSY with the owner's process id in the message. Or any number
 * of them with read_only: then whatever would write is LODE_READONLY (writing, creating, dropping, naming,
 * training, flushing, compacting, backing up), there is no background work but for graphs in memory, and what
 * is in logs is replayed into memory by each of them.
 * Errors: LODE_BUSY, LODE_NOT_FOUND, LODE_IO, LODE_CORRUPT, LODE_VERSION, LODE_NOMEM, LODE_KEY. */
LODE_NODISCARD LODE_API lode_status lode_db_open(const char *path, const lode_db_options *options,
                                                 lode_db **ret_db, lode_error *error);

/* What lode_db_options.log_keep_bytes is remembered as; 0: nothing is kept. */
LODE_API uint64_t lode_db_log_keep_bytes(const lode_db *db);

/* Stop background work and free the database. Writes acknowledged as durable are that already: for them
 * closing only makes the next open quicker. Others become so, if the disk takes them. All snapshots and
 * iterators must have been closed before. Handles of collections still open are closed with it and must not
 * be used, nor closed, afterwards. NULL is allowed. */
LODE_API void lode_db_close(lode_db *db);

/* --- Encryption of a database ------------------------------------------------------------------ */

typedef struct lode_encryption {
    int encrypted;
    int unfinished; /* 1: lode_encrypt was interrupted, and files are left that are not encrypted */
    char key_id[LODE_KEY_ID_TEXT_SIZE]; /* "" when it is not encrypted */
    uint32_t data_keys;                 /* of this or earlier rotations, that files may be under */
} lode_encryption;

LODE_API void lode_db_encryption(lode_db *db, lode_encryption *ret_encryption);

/* The id of the key that the database, or the newest backup, at `path` needs; "" when it needs none. Nothing is
 * decrypted, and the database may be open elsewhere. ret_id has LODE_KEY_ID_TEXT_SIZE bytes. LODE_NOT_FOUND. */
LODE_NODISCARD LODE_API lode_status lode_key_needed(const char *path, char *ret_id,
                                                    lode_error *error);

typedef struct lode_rotate_options {
    const lode_key_source *key; /* that opens the database from now on: a new one, or the same */
    int new_data_key;           /* 1: files written from now on are under a new data key */
    int rewrite; /* 1: so are all others on return, and older data keys are gone. No collection may
                    be open meanwhile. Otherwise compaction does so for the segments it writes */
    /* How far the rewriting is; not 0 stops it with LODE_CANCELLED: what is rewritten stays so. */
    int (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
    void *context;
} lode_rotate_options;

/* Change the key of an encrypted database. Its data keys are wrapped anew, at once: the old key opens it no more
 * on return. Whoever had the old key may have had the data keys too: against that, new_data_key and rewrite.
 * After a crash or an error amid the change either key may be the one; nothing is lost.
 * Errors: LODE_INVALID (it is not encrypted), LODE_BUSY (rewrite, and a collection is open), LODE_LIMIT (64
 * data keys), LODE_CORRUPT (rewrite, and a file is damaged), LODE_CANCELLED, LODE_FULL, LODE_IO. */
LODE_NODISCARD LODE_API lode_status lode_db_rotate_key(lode_db *db,
                                                       const lode_rotate_options *options,
                                                       lode_error *error);

typedef struct lode_encrypt_options {
    const lode_key_source *key; /* required */
    int (*progress)(void *context, uint64_t done_bytes, uint64_t total_bytes);
    void *context;
} lode_encrypt_options;

/* Encrypt a database that no process has open and that is not encrypted: each of its files is replaced. After a
 * crash, an error or LODE_CANCELLED it needs the key and works, and the same call goes on where it ended. The
 * blocks of the disk that held the old files are free, not wiped. Errors: as lode_db_rotate_key; LODE_INVALID (it
 * is encrypted), LODE_NOT_FOUND. */
LODE_NODISCARD LODE_API lode_status lode_encrypt(const char *path,
                                                 const lode_encrypt_options *options,
                                                 lode_error *error);

/* --- Collections ------------------------------------------------------------------------------- */

typedef struct lode_collection lode_collection;

/* What a score means. Hits are always ordered best first, ties by id ascending.
 * Under l2 and ip, vectors longer than 2^62 (4.6e18) are refused: no score of accepted vectors
 * overflows. Under cosine, any finite vector but zero is accepted. */
typedef enum lode_metric {
    LODE_METRIC_L2 = 0,     /* score = squared Euclidean distance; smaller is better */
    LODE_METRIC_IP = 1,     /* score = inner product; larger is better */
    LODE_METRIC_COSINE = 2, /* score = cosine similarity in [-1, 1]; larger is better. Vectors are
                               normalised when written and returned normalised; the zero vector
                               has no direction and is refused with LODE_SCHEMA */
} lode_metric;

/* How components are stored. Queries are converted to the same type, so that a score is a function
 * of stored values alone; it is computed from them exactly up to float rounding. */
typedef enum lode_scalar {
    LODE_SCALAR_F32 = 0,
    LODE_SCALAR_F16 = 1,  /* IEEE 754 half: 11 bits; values beyond 65,504 are refused */
    LODE_SCALAR_BF16 = 2, /* upper half of a float: 8 bits, the range of f32 */
    LODE_SCALAR_INT8 = 3, /* one scale a vector (largest magnitude / 127); integers from -127 to
                             127 are kept exactly */
} lode_scalar;

typedef enum lode_index {
    LODE_INDEX_HNSW = 0, /* graph search */
    LODE_INDEX_FLAT = 1, /* exact scan, always */
} lode_index;

/* What a sealed segment's hnsw graph keeps for each point, beside the vectors file. */
typedef enum lode_layout {
    LODE_LAYOUT_FAST = 0, /* codes of all neighbours beside the links: a step reads one run of
                                memory. About 1,000 bytes a point at 128 dimensions, 1,600 to 2,100 at
                                768 (m 16), where vectors vary in few directions; else up to twice that */
    LODE_LAYOUT_COMPACT =
        1, /* one code a point: about 200 to 260 bytes at either, m 16; where vectors
                                vary in all directions, 128 and one byte a dimension. The
                                nearest are read from the vectors file to be compared exactly. Under
                                inner product the links alone, 132 bytes, and slower */
} lode_layout;

typedef enum lode_field_type {
    LODE_FIELD_KEYWORD = 1,  /* a JSON string */
    LODE_FIELD_TEXT = 2,     /* a JSON string */
    LODE_FIELD_INTEGER = 3,  /* a JSON number without fraction, within int64 */
    LODE_FIELD_FLOAT = 4,    /* a JSON number */
    LODE_FIELD_BOOLEAN = 5,  /* true or false */
    LODE_FIELD_DATETIME = 6, /* a JSON string, RFC 3339 */
    LODE_FIELD_GEO = 7,      /* {"lat": 48.85, "lon": 2.35}, or [2.35, 48.85]: longitude first */
    LODE_FIELD_UUID = 8,     /* a JSON string, 8-4-4-4-12 hexadecimal digits */
} lode_field_type;

/* A declared field is a member of the metadata itself. Its values are checked on every write: of this type, an
 * array of it, or null. The types of all other fields, nested ones too, are learnt from the first value that is
 * not null (docs/filters.md): a value of another type is refused with LODE_SCHEMA, naming both types. */
typedef struct lode_field {
    const char *name;
    lode_field_type type;
} lode_field;

typedef struct lode_schema {
    uint32_t dim; /* 1 to LODE_DIM_MAX; required */
    lode_metric metric;
    lode_scalar scalar;
    lode_index index;
    uint32_t m;               /* hnsw: links a node above layer 0, twice that on it; 0: 16 */
    uint32_t ef_construction; /* hnsw: beam width while building; 0: 200 */
    uint64_t seed;            /* of the index's random levels; 0: a fixed default */
    lode_layout layout;       /* hnsw: memory against speed */
    const lode_field *fields;
    size_t field_count;
} lode_schema;

/* Create a collection; it is durable on return. Names: 1 to LODE_NAME_SIZE_MAX bytes of
 * [A-Za-z0-9._-], not beginning with '.'. Release with lode_collection_close.
 * Errors: LODE_EXISTS (collection or alias of that name), LODE_INVALID, LODE_LIMIT, LODE_IO. */
LODE_NODISCARD LODE_API lode_status lode_collection_create(lode_db *db, const char *name,
                                                           const lode_schema *schema,
                                                           lode_collection **ret_collection,
                                                           lode_error *error);

/* Open by name or alias. Handles are counted: opening twice gives two handles to one collection.
 * Release with lode_collection_close. Errors: LODE_NOT_FOUND, LODE_CORRUPT, LODE_IO. */
LODE_NODISCARD LODE_API lode_status lode_collection_open(lode_db *db, const char *name,
                                                         lode_collection **ret_collection,
                                                         lode_error *error);
LODE_API void lode_collection_close(lode_collection *collection); /* NULL is allowed */

/* Drop a collection, its data and its aliases. LODE_BUSY while a handle to it is open. */
LODE_NODISCARD LODE_API lode_status lode_collection_drop(lode_db *db, const char *name,
                                                         lode_error *error);

/* Point `alias` at collection `target`, atomically replacing what it pointed at before;
 * target NULL removes the alias. LODE_EXISTS when a collection has that name. */
LODE_NODISCARD LODE_API lode_status lode_alias_set(lode_db *db, const char *alias,
                                                   const char *target, lode_error *error);

typedef struct lode_catalog_entry {
    const char *name;
    const char *target; /* NULL for a collection; for an alias, the collection it points at */
} lode_catalog_entry;

typedef struct lode_catalog {
    const lode_catalog_entry *entries; /* ordered by name */
    size_t entry_count;
} lode_catalog;

/* List collections and aliases. Free with lode_catalog_free. */
LODE_NODISCARD LODE_API lode_status lode_catalog_list(lode_db *db, lode_catalog **ret_catalog,
                                                      lode_error *error);
LODE_API void lode_catalog_free(lode_catalog *catalog);

/* The schema, with defaults filled in. Valid until the handle is closed. */
LODE_API const lode_schema *lode_collection_schema(const lode_collection *collection);

/* --- Writing ----------------------------------------------------------------------------------- */

typedef struct lode_point {
    lode_id id;
    const float *vector;  /* dim finite floats, or NULL: embed `text` (see "Texts" below) */
    const char *metadata; /* a JSON object, or NULL for none */
    size_t metadata_size;
    const char *text; /* stored with the point, or NULL for none */
    size_t text_size;
    /* Milliseconds since 1970 UTC, from LODE_EXPIRES_AT_MIN to _MAX: from that moment on no read
     * that begins finds the point, and no write either. Upsert: 0 or LODE_EXPIRES_NEVER for
     * none. Patch: 0 keeps what there is, LODE_EXPIRES_NEVER takes it away */
    uint64_t expires_at_ms;
} lode_point;

typedef enum lode_write_kind {
    LODE_WRITE_UPSERT = 1, /* insert, or replace the whole point of that id */
    LODE_WRITE_DELETE = 2, /* remove the point of that id; no error when there is none */
    LODE_WRITE_PATCH =
        3, /* change metadata, text or expiry of the point of that id, which keeps its
                              vector and whatever is not given; no error when there is none */
} lode_write_kind;

/* What a patch does to the metadata of a point. The result must be within LODE_METADATA_SIZE_MAX. */
typedef enum lode_patch_mode {
    LODE_PATCH_MERGE = 0,      /* each member of point.metadata replaces the one of its name, whole;
                                  null removes it. point.metadata NULL: metadata stays */
    LODE_PATCH_MERGE_DEEP = 1, /* JSON Merge Patch (RFC 7386): the same, and objects are merged
                                  member by member, at every depth */
    LODE_PATCH_SET = 2,    /* point.metadata takes its place; NULL: there is none from then on */
    LODE_PATCH_REMOVE = 3, /* the members named in `fields` go; point.metadata must be NULL */
} lode_patch_mode;

/* What must hold of the point of an operation's id, as operations before it in its batch left it; else
 * the whole batch is refused with LODE_CONFLICT. The message says which operation, what it expected
 * and what it found. */
typedef enum lode_condition {
    LODE_IF_ANY = 0,     /* nothing */
    LODE_IF_ABSENT = 1,  /* there is none: insert only. Of an upsert alone */
    LODE_IF_PRESENT = 2, /* there is one: update only */
    LODE_IF_VERSION = 3, /* there is one, of version if_version */
} lode_condition;

typedef struct lode_write_op {
    lode_write_kind kind;
    /* A delete uses the id alone. In a patch vector must be NULL, text NULL keeps the text, and a
     * text of 0 bytes takes it away. The vector stays what it is, also where a text model made
     * it of the text before */
    lode_point point;
    lode_patch_mode patch;
    const char *const *fields; /* of LODE_PATCH_REMOVE: names of members, ending with NUL */
    size_t field_count;
    lode_condition condition;
    uint64_t if_version; /* of LODE_IF_VERSION: a lode_hit.version, which is never 0 */
} lode_write_op;

typedef struct lode_write_info {
    uint64_t sequence; /* the batch's number; grows by one each batch of the collection */
    size_t upserted;   /* operations of each kind that had an effect; upserts always have */
    size_t deleted;
    size_t patched;
    size_t missing; /* patches of points that there are not */
    int repeated; /* 1: not applied again: the result is that of an earlier batch of the request id */
} lode_write_info;

/* What an acknowledged write survives. Levels mix freely in one collection. Writes are kept in order:
 * where one survives, all before it do; a durable write makes those before it durable too. */
typedef enum lode_ack {
    LODE_ACK_DURABLE = 0, /* everything that the disk survives: it was synced */
    LODE_ACK_LOGGED = 1,  /* the end of the process, kill -9 too: the operating system has it. Power
                             loss may take the last of them */
    LODE_ACK_APPLIED = 2, /* nothing but an orderly close: it is visible, and in memory. Up to 1 MiB
                             of the last of them go with the process */
} lode_ack;

typedef struct lode_write_options {
    lode_ack ack;
    const void *request_id; /* any bytes of the caller's choice, up to LODE_REQUEST_ID_SIZE_MAX: a
                               batch of an id that the collection remembers is not applied again,
                               whatever it holds; the call returns the result of the first, as
                               durable as this call asks. The last 16,384 ids of batches that were
                               applied are remembered, across crashes as the batches themselves.
                               A batch that was refused is not: it may succeed the next time */
    size_t request_id_size; /* 0: none */
} lode_write_options;

/* Apply up to LODE_BATCH_MAX operations as one: all are visible on return, and as durable as options say,
 * or none is ever seen, across crashes too. Each operation finds what earlier ones of its batch left behind.
 * Concurrent callers share one fdatasync. options NULL: durable. ret_info may be NULL.
 * Errors: LODE_INVALID and LODE_SCHEMA name the operation's position, its id and the reason; LODE_LIMIT, also when a
 * batch would be over LODE_BATCH_SIZE_MAX with what its patches leave of their points; LODE_CONFLICT;
 * LODE_CORRUPT when a point that an operation asks for is damaged on the disk, or when a damaged segment cannot
 * tell whether it has the id; LODE_FULL, LODE_IO,
 * LODE_READONLY. On any error nothing of the batch was applied. */
LODE_NODISCARD LODE_API lode_status lode_write(lode_collection *collection,
                                               const lode_write_op *ops, size_t op_count,
                                               const lode_write_options *options,
                                               lode_write_info *ret_info, lode_error *error);

/* Make every write that has been acknowledged durable.
 * Errors: LODE_FULL; LODE_IO, after which writes not yet durable are visible until the collection is
 * reopened, and then gone; LODE_READONLY. */
LODE_NODISCARD LODE_API lode_status lode_sync(lode_collection *collection, lode_error *error);

/* lode_write of upserts only, and of deletes only; durable. */
LODE_NODISCARD LODE_API lode_status lode_upsert(lode_collection *collection,
                                                const lode_point *points, size_t point_count,
                                                lode_write_info *ret_info, lode_error *error);
LODE_NODISCARD LODE_API lode_status lode_delete(lode_collection *collection, const lode_id *ids,
                                                size_t id_count, lode_write_info *ret_info,
                                                lode_error *error);

/* --- Snapshots --------------------------------------------------------------------------------- */

/* A pinned, unchanging state of one collection. Reads that are given none pin the newest state
 * for their own duration. What has expired is decided when it is pinned: a snapshot goes on showing
 * what was not due then. */
typedef struct lode_snapshot lode_snapshot;

/* Pin the newest state. Cheap; the files it reads are kept until it is closed. */
LODE_NODISCARD LODE_API lode_status lode_snapshot_open(lode_collection *collection,
                                                       lode_snapshot **ret_snapshot,
                                                       lode_error *error);
LODE_API void lode_snapshot_close(lode_snapshot *snapshot); /* NULL is allowed */
LODE_API uint64_t lode_snapshot_sequence(const lode_snapshot *snapshot);
LODE_API uint64_t lode_snapshot_point_count(const lode_snapshot *snapshot);

/* Keep the newest state under a name, over close, reopen and crash, until it is dropped; durable on return,
 * and so are all writes in it, whatever their acknowledgement. Points that have expired are not in it.
 * Sealed segments are shared with the collection and stay on disk as long as a snapshot needs them; what is
 * in memory yet (64 MiB by default) is written out as one more segment, while writers go on.
 * Names: as of collections, but not beginning with "snapshot-".
 * Errors: LODE_EXISTS, LODE_INVALID, LODE_LIMIT (LODE_SNAPSHOTS_MAX), LODE_FULL; after LODE_IO it is not
 * there, or to be dropped again after the next open; LODE_READONLY (writes in it cannot be synced any more). */
LODE_NODISCARD LODE_API lode_status lode_snapshot_create(lode_collection *collection,
                                                         const char *name, lode_error *error);
/* Pin the state kept under that name, for reading as with lode_snapshot_open. */
LODE_NODISCARD LODE_API lode_status lode_snapshot_open_named(lode_collection *collection,
                                                             const char *name,
                                                             lode_snapshot **ret_snapshot,
                                                             lode_error *error);
/* Give up the name. Files that only it needs are removed at once, or when the last one closes who has it
 * open. After LODE_IO it is gone in this process, and may be there again after the next open. */
LODE_NODISCARD LODE_API lode_status lode_snapshot_drop(lode_collection *collection,
                                                       const char *name, lode_error *error);

typedef struct lode_snapshot_info {
    const char *name;
    uint64_t sequence;   /* of the last batch it shows */
    uint64_t generation; /* of the manifest it stood on */
    uint64_t points;
    uint64_t created_us; /* microseconds since 1970 UTC */
    uint64_t own_bytes;  /* of files that the collection itself needs no more */
    int damaged; /* 1: its file cannot be read; `name` is that of the file, and can be dropped */
} lode_snapshot_info;

typedef struct lode_snapshot_list {
    const lode_snapshot_info *snapshots; /* the oldest state first */
    size_t count;
} lode_snapshot_list;

/* The named snapshots. Free with lode_snapshot_list_free. */
LODE_NODISCARD LODE_API lode_status lode_snapshot_list_get(lode_collection *collection,
                                                           lode_snapshot_list **ret_list,
                                                           lode_error *error);
LODE_API void lode_snapshot_list_free(lode_snapshot_list *list); /* NULL is allowed */

/* --- Reading ----------------------------------------------------------------------------------- */

/* What to return beside id and score. */
enum {
    LODE_WITH_VECTOR = 1, /* as stored, converted to float */
    LODE_WITH_METADATA = 2,
    LODE_WITH_TEXT = 4,
    LODE_WITH_VERSION = 8,
    LODE_WITH_EXPIRY = 16,
};

typedef struct lode_hit {
    lode_id id;           /* its string belongs to the result or iterator */
    float score;          /* see lode_metric; 0 where nothing was scored */
    const float *vector;  /* dim floats, or NULL when not asked for */
    const char *metadata; /* JSON object, ends with NUL; NULL when not asked for or absent */
    size_t metadata_size;
    const char *text; /* ends with NUL; NULL when not asked for or absent */
    size_t text_size;
    uint64_t version;       /* the sequence of the write that last changed the point, as in
                         lode_write_info; 0 when not asked for */
    uint64_t expires_at_ms; /* 0: never, or not asked for */
} lode_hit;

typedef struct lode_search_info {
    uint64_t distances; /* vectors compared with the query */
    uint64_t hops;      /* graph nodes expanded */
    uint32_t segments_scanned;
    uint32_t segments_walked;
    uint32_t segments_damaged; /* left out, with allow_damaged: not 0: the result is partial */
    uint64_t sequence;         /* of the state that was read */
} lode_search_info;

typedef struct lode_result {
    const lode_hit *hits; /* best first */
    size_t hit_count;
    lode_search_info info;
} lode_result;

LODE_API void lode_result_free(lode_result *result); /* NULL is allowed */

typedef struct lode_search_request {
    const lode_snapshot *snapshot; /* NULL: the newest state */
    const float *vector;           /* dim finite floats; or NULL, then one of the next two */
    const char *text;              /* embedded by the text model that the state's points have */
    size_t text_size;
    const lode_id *like; /* near the stored vector of this point, which is itself left out;
                             LODE_NOT_FOUND when there is no such point */
    size_t k;            /* 0: 10 */
    uint32_t ef_search;  /* hnsw: beam width, raised to k when smaller; 0: 64 */
    int exact;           /* 1: scan everything */
    const char *one_per; /* name of a metadata field: return only the best hit of each of its
                             values; points without it, or with null, count as one value each.
                             With like, the value of that point counts as taken */
    unsigned with;       /* LODE_WITH_... or-ed */
    const char
        *filter; /* only points that it matches (filter.h, docs/filters.md): as text, or as JSON
                            when it begins with {. NULL: all */
    size_t filter_size;    /* bytes */
    int allow_damaged;     /* 1: leave segments out of which something is lost, and say how many:
                             info.segments_damaged. 0: what cannot be read and is needed is an error,
                             so that no result lacks points silently */
    const lode_stop *stop; /* NULL: never */
} lode_search_request;

/* The k nearest points. k hits whenever k points exist that the filter matches (with one_per: whenever k values are found
 * among the nearest LODE_K_MAX). A text in which no word is known to the model has no vector: the
 * result is then empty. Errors: LODE_INVALID (non-finite value, none or several of vector, text and
 * like, a filter that is none), LODE_SCHEMA (zero vector under cosine, a field that there is not), LODE_LIMIT, LODE_NOT_FOUND; LODE_CANCELLED and
 * LODE_TIMEOUT by its stop; LODE_CORRUPT and LODE_IO name the file, the offset and what is lost: other searches may still succeed. A damaged graph is no error. */
LODE_NODISCARD LODE_API lode_status lode_search(lode_collection *collection,
                                                const lode_search_request *request,
                                                lode_result **ret_result, lode_error *error);

/* Many searches of one state at once, in this thread. ret_results has room for request_count results;
 * ret_results[i] belongs to requests[i], is what lode_search would give for it, to the last bit of a
 * score (only info.distances may differ), and is to be released with lode_result_free. On any error
 * there are none.
 * Whatever is scanned rather than walked (exact requests, flat and small collections, segments without
 * a graph) is read once for all requests: six or more of them take far less time than one after
 * another. Walks and requests with one_per gain nothing.
 * requests[i].snapshot must be the same in all: NULL in all is the newest state, pinned once. So must
 * requests[i].stop, which is of all of them.
 * Errors: as lode_search, naming the request's position; LODE_INVALID when snapshots or stops differ; LODE_LIMIT
 * above LODE_SEARCH_BATCH_MAX requests; LODE_NOMEM. No request at all is no error. */
LODE_NODISCARD LODE_API lode_status lode_search_batch(lode_collection *collection,
                                                      const lode_search_request *requests,
                                                      size_t request_count,
                                                      lode_result **ret_results, lode_error *error);

/* The points of these ids that exist, in the order asked. snapshot NULL: the newest state. */
LODE_NODISCARD LODE_API lode_status lode_get(lode_collection *collection,
                                             const lode_snapshot *snapshot, const lode_id *ids,
                                             size_t id_count, unsigned with,
                                             lode_result **ret_result, lode_error *error);

/* Walk over every point of one state, in no particular but a repeatable order. */
typedef struct lode_iterator lode_iterator;
LODE_NODISCARD LODE_API lode_status lode_iterator_open(lode_collection *collection,
                                                       const lode_snapshot *snapshot, unsigned with,
                                                       lode_iterator **ret_iterator,
                                                       lode_error *error);
/* ret_hit: the next point, valid until the next call; NULL at the end. One thread at a time. */
LODE_NODISCARD LODE_API lode_status lode_iterator_next(lode_iterator *iterator,
                                                       const lode_hit **ret_hit, lode_error *error);
LODE_API void lode_iterator_close(lode_iterator *iterator); /* NULL is allowed */

/* --- Texts ------------------------------------------------------------------------------------- */

/* A collection may own a text model that turns texts into vectors of its dimension, so that points
 * and queries can be given as text. The built-in model learns from the caller's own texts
 * (latent semantic analysis with normalised words; docs/text-model.md). It is saved with the
 * collection and numbered; training again is allowed only while the collection holds no points,
 * since vectors of two models do not compare. */
typedef struct lode_text {
    const char *data;
    size_t size;
} lode_text;

typedef struct lode_train_options {
    const char *language; /* of stemmer and stop words, as "english"; NULL: "english" */
    float word_exponent;  /* word vectors e become e/|e|^word_exponent; 0: 0.75; catalogues 0.85 */
    uint32_t document_frequency_min; /* words in fewer texts are left out; 0: none is */
    uint64_t seed;
    void (*progress)(void *context, const char *stage, uint64_t done, uint64_t total);
    void *context;
} lode_train_options;

typedef struct lode_train_info {
    uint32_t model_version; /* 1 for the first */
    uint64_t texts;         /* used: distinct and not empty */
    uint64_t words;         /* in the vocabulary */
} lode_train_info;

/* Train the collection's model from these texts. Needs about 3 kB of memory a text. The collection's
 * metric must be cosine. options and ret_info may be NULL.
 * Errors: LODE_INVALID (too few texts for dim, unknown language), LODE_SCHEMA (metric), LODE_BUSY (has points). */
LODE_NODISCARD LODE_API lode_status lode_text_model_train(lode_collection *collection,
                                                          const lode_text *texts, size_t text_count,
                                                          const lode_train_options *options,
                                                          lode_train_info *ret_info,
                                                          lode_error *error);

/* Write the dim floats of `text`, by the newest model, to vector. *ret_known is 0, and vector untouched, when
 * no word of it is known. LODE_NOT_FOUND when the collection has no model. */
LODE_NODISCARD LODE_API lode_status lode_text_embed(lode_collection *collection, const char *text,
                                                    size_t text_size, float *vector, int *ret_known,
                                                    lode_error *error);

/* --- Upkeep ------------------------------------------------------------------------------------ */

/* Write every growing segment out as sealed segments and drop the log behind them. stop NULL: never; what it stops is
 * the wait, and the background goes on writing. */
LODE_NODISCARD LODE_API lode_status lode_flush(lode_collection *collection, const lode_stop *stop,
                                               lode_error *error);

/* Flush, merge everything into as few segments as the format allows (one, up to 2^31 points), drop
 * dead rows, and return when their indexes are ready. The living points are written once more before the old
 * files go: LODE_FULL, with the figures, when the disk has no room for that. LODE_CANCELLED when the database
 * is closing. stop NULL: never; else all threads that build ask it. What was stopped is as if it had not been begun, but
 * for segments that were merged before. */
LODE_NODISCARD LODE_API lode_status lode_compact(lode_collection *collection, const lode_stop *stop,
                                                 lode_error *error);

/* Wait until no background work of the collection is due or running, at most timeout_ms
 * (0: no limit). LODE_PARTIAL when it ran out. */
LODE_NODISCARD LODE_API lode_status lode_wait_idle(lode_collection *collection, uint64_t timeout_ms,
                                                   lode_error *error);

typedef enum lode_segment_state {
    LODE_SEGMENT_GROWING = 1,  /* takes writes */
    LODE_SEGMENT_FLUSHING = 2, /* full, on its way to disk */
    LODE_SEGMENT_SEALED = 3,   /* on disk, searched by scan */
    LODE_SEGMENT_INDEXED = 4,  /* on disk, searched through its index */
    LODE_SEGMENT_DAMAGED = 5,  /* something of it is lost, or cannot be read: reads that need that
                                  fail, merges leave it alone, lode_repair saves the rest */
} lode_segment_state;

typedef struct lode_segment_stats {
    uint64_t number;
    lode_segment_state state;
    uint64_t rows;
    uint64_t dead_rows;  /* expired ones too */
    uint64_t graph_rows; /* rows reachable through a graph, in memory or on disk */
    uint64_t disk_bytes;
    uint64_t memory_bytes; /* owned, not mapped */
    char damage[240];      /* why it is damaged, or why its graph is not used: file, offset, what
                              is lost; "": as far as is known, nothing is */
} lode_segment_stats;

typedef enum lode_job_kind {
    LODE_JOB_FLUSH = 1,
    LODE_JOB_INDEX = 2,
    LODE_JOB_MERGE = 3
} lode_job_kind;

typedef enum lode_job_reason {
    LODE_REASON_FULL = 1,     /* flush: a growing segment is full; or lode_flush, or closing */
    LODE_REASON_NO_GRAPH = 2, /* index: a segment is large enough for a graph and has none */
    LODE_REASON_SIZE = 3,     /* merge: several segments are of about one size */
    LODE_REASON_DEAD = 4,     /* merge: many rows of one segment are dead */
    LODE_REASON_EXPIRED = 5,  /* the same, and most of these have expired */
    LODE_REASON_HASTY =
        6, /* merge: one segment has the graph it grew with, and gets a better one */
    LODE_REASON_REQUEST = 7 /* lode_compact */
} lode_job_reason;

typedef enum lode_job_wait {
    LODE_WAIT_NOTHING = 0,
    LODE_WAIT_READERS = 1, /* it leaves a core to searches, which are being answered now */
    LODE_WAIT_MEMORY = 2   /* for other builds to give back what it needs of the memory budget */
} lode_job_wait;

#define LODE_ETA_UNKNOWN UINT64_MAX

/* Rows are counted once for each phase: written, put into a graph, and the graph written. */
typedef struct lode_job_stats {
    lode_job_kind kind;
    lode_job_reason reason;
    uint32_t segments; /* it takes */
    uint64_t rows_in;  /* living ones, in these */
    uint64_t bytes_in; /* of these */
    uint64_t done;     /* rows, over all phases */
    uint64_t total;
    uint64_t elapsed_ms;
    /* To the end, by the pace of this job and of earlier ones; or LODE_ETA_UNKNOWN */
    uint64_t eta_ms;
    double rate; /* rows a second, in the phase under way */
    lode_job_wait waiting;
} lode_job_stats;

typedef struct lode_job_record { /* a job that has ended */
    lode_job_kind kind;
    lode_job_reason reason;
    uint32_t segments;
    uint64_t rows_in, rows_out;
    uint64_t bytes_in, bytes_out; /* of files; out: what it wrote */
    uint64_t duration_ms;
    uint64_t ended_ms; /* milliseconds since 1970 */
    lode_error error;  /* status LODE_OK: it did what it was for */
} lode_job_record;

typedef struct lode_stats {
    uint64_t points;
    uint64_t sequence;
    uint64_t generation;
    uint64_t wal_bytes;
    uint64_t kept_log_bytes;    /* of logs kept for restoring to a point in time alone */
    uint64_t kept_log_sequence; /* the first batch in them; 0: there are none */
    uint64_t disk_bytes;        /* all files of the collection */
    uint64_t memory_bytes;
    uint64_t mapped_bytes;
    uint32_t text_model_version; /* 0: none */
    uint32_t snapshots;          /* pinned by the caller */
    uint32_t named_snapshots;
    const lode_segment_stats *segments;
    size_t segment_count;
    const lode_job_stats *jobs; /* running now */
    size_t job_count;
    lode_error job_error; /* the last failure of background work that stands. It is tried again by
                             itself: after a second, then after twice as long each time, a minute at
                             most, 4 seconds when the disk is full. status LODE_OK: none */
    const lode_job_record *history; /* the last jobs that ended, oldest first */
    size_t history_count;
    /* Since the collection was opened: of segments written from memory, and of those written by merges
     * and indexing, the price of keeping it in order. */
    uint64_t flushed_bytes;
    uint64_t rewritten_bytes;
    /* Segments that wait for a merge. Above 8 batches with rows are slowed, and merges do not give way to
     * searches. Then: batches slowed so since the collection was opened, and for how long together. */
    uint64_t merge_debt;
    uint64_t delays;
    uint64_t delayed_ms;
} lode_stats;

/* Free with lode_stats_free. */
LODE_NODISCARD LODE_API lode_status lode_stats_get(lode_collection *collection,
                                                   lode_stats **ret_stats, lode_error *error);
LODE_API void lode_stats_free(lode_stats *stats);

#ifdef __cplusplus
}
#endif

#include "lode/filter.h" /* the rest of the interface; includes scope.h */
#include "lode/scroll.h"
#include "lode/backup.h"
#include "lode/repair.h"

#endif /* LODE_H */
