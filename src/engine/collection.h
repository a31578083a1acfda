/* collection.h: an open collection, and a handle of one.
 *
 * Locks, in the order in which they may be taken (README.md says why):
 *     named.mutex    the named snapshots: one is made, opened or dropped at a time
 *     change_mutex   one structural change (flush, index, merge, text model) commits at a time
 *     lane           one writer, or the last step of a structural change
 *     db->mutex      the list of collections and their state
 *     jobs.mutex     what runs and what waits
 *     queue.mutex    batches waiting for a leader
 *     pins.mutex     whose files stay
 *     pin_mutex      two pointers and a list; nothing is taken while it is held */
#ifndef ENGINE_COLLECTION_H
#define ENGINE_COLLECTION_H

#include "embed/embed.h"
#include "engine/db.h"
#include "engine/jobs.h"
#include "engine/lane.h"
#include "engine/named.h"
#include "engine/scope.h"
#include "engine/writer.h"
#include "storage/growing.h"
#include "storage/known_fields.h"
#include "storage/manifest.h"
#include "storage/requests.h"
#include "storage/wal.h"

enum collection_state { COLLECTION_OPENING, COLLECTION_OPEN };

/* A text model, shared between the collection and those who embed with it. */
struct text_model {
    _Atomic uint32_t refs;
    uint32_t version;
    struct embedder *embedder; /* NULL: its file is damaged */
    lode_error damage;         /* how; else status LODE_OK */
    uint64_t held;             /* of the memory budget */
};

struct collection {
    /* Constant while open. */
    lode_db *db;
    uint64_t uid;
    char *name;
    char *dir;
    lode_schema schema;
    struct store store;

    struct known_fields fields; /* has a lock of its own; put by who holds the lane */

    /* db->mutex */
    enum collection_state state;
    struct collection *next;

    _Atomic unsigned handles; /* 0: being closed, and never more again */

    /* pin_mutex; `version` is written by who holds the lane, which may also read it without. */
    struct mutex pin_mutex;
    struct version *version;
    /* `version` without what has expired since; NULL: as far as is known */
    struct version *expired;
    struct text_model *model;     /* NULL: none */
    struct lode_collection *held; /* handles, which go with the database if nobody closes them */

    /* lane */
    struct lane lane;
    struct segment *growing;      /* the last view's, or NULL: the next write begins one */
    struct wal *wal;              /* its log; NULL with it */
    uint64_t growing_sequence;    /* of the version in which it was begun */
    struct requests requests;     /* of the batches that `version` shows */
    int unsynced;                 /* `version` shows batches that the log may lose */
    lode_error broken;            /* why writes are refused; status LODE_OK: they are not */
    _Atomic uint64_t wal_bytes;   /* of `wal`; relaxed, only shown */
    _Atomic uint64_t next_number; /* of segments and logs; taken with fetch_add by lane and jobs */

    /* change_mutex */
    struct mutex change_mutex;
    struct manifest manifest;   /* the newest on disk */
    struct liveset **saved;     /* of each entry: the live set that its del file holds */
    _Atomic unsigned logs_held; /* logs_hold: none is removed meanwhile */
    _Atomic int parted; /* disk and memory may have: no more changes. Set under change_mutex, once;
                                 relaxed: change_commit looks again under it */

    _Atomic int searched; /* since the last group of writes: see overlay.h */
    uint64_t searched_us; /* when that was last so; of the leader of a group */

    struct write_queue queue;
    struct jobs jobs;
    struct named named;
    struct pins pins;
    _Atomic uint32_t snapshots; /* relaxed, only shown */
};

/* What callers hold. */
struct lode_collection {
    struct collection *shared;              /* by all handles of the collection, counted */
    struct lode_collection *before, *after; /* handles of the same one; its pin_mutex */
    struct scope scope;                     /* what it sees */
    struct arena arena;                     /* holds the texts of that */
};

/* Make a collection of this schema in directory `dir`, which must not exist; durable but for its own
 * name in the parent directory. */
NODISCARD lode_status collection_make(lode_db *db, const char *dir, uint64_t uid,
                                      const lode_schema *schema, lode_error *error);
/* Fill in a zeroed collection (db, uid, name and dir are set) from its directory, and begin the
 * background work. On failure collection_free is still to be called. */
NODISCARD lode_status collection_load(struct collection *collection, lode_error *error);
/* Stop, and write out what is in memory so that the next open has no log to replay. */
void collection_stop(struct collection *collection);
void collection_free(struct collection *collection);

/* The newest version, referenced: release with version_unref. Points that have expired since the last write
 * may live in it: for background work. */
struct version *collection_pin(struct collection *collection);
/* The newest version as it is to be read now, without what has expired, referenced; and the text model that
 * the texts of its points were embedded with, referenced, or NULL. ret_model may be NULL. LODE_NOMEM. */
NODISCARD lode_status collection_pin_now(struct collection *collection,
                                         struct version **ret_version,
                                         struct text_model **ret_model, lode_error *error);
/* The newest version as it was written, whatever has expired since, referenced; and the text model, likewise. */
struct version *collection_pin_model(struct collection *collection, struct text_model **ret_model);
/* Milliseconds since 1970. */
uint64_t collection_now_ms(const struct collection *collection);
/* Let what has expired at that time be dead in the newest version too. The lane is held. */
NODISCARD lode_status collection_expire(struct collection *collection, uint64_t now_ms,
                                        lode_error *error);
/* Make it the newest. The lane is held. */
void collection_publish(struct collection *collection, struct version *own_version);
/* The text model, referenced, or NULL. */
struct text_model *collection_model(struct collection *collection);
struct text_model *text_model_ref(struct text_model *model); /* NULL gives NULL */
void text_model_unref(struct text_model *model);             /* NULL is allowed */

/* Make durable what the version shows. The lane is held. A failed sync leaves unknown what the disk holds:
 * the collection is broken then. */
NODISCARD lode_status collection_sync_log(struct collection *collection, lode_error *error);
/* The same if there is need: before anything that outlives the process and speaks of the version. */
NODISCARD lode_status collection_sync_shown(struct collection *collection, lode_error *error);
/* The same, taking the lane: lode_sync. */
NODISCARD lode_status collection_sync(struct collection *collection, lode_error *error);

/* How to begin growing segment `number`. */
struct growing_options collection_growing_options(const struct collection *collection,
                                                  uint64_t number);
/* Begin a growing segment and its log. The lane is held, and there is none. */
NODISCARD lode_status collection_grow(struct collection *collection, lode_error *error);
/* End the growing segment, if there is one that has taken a batch. The lane is held. */
NODISCARD lode_status collection_freeze(struct collection *collection, lode_error *error);

#endif
