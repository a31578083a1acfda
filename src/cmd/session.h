/* session.h: what nearly every command begins with: an open database and one of its collections. */
#ifndef CMD_SESSION_H
#define CMD_SESSION_H

#include "cmd/args.h"
#include "cmd/progress.h"

#include <lode/lode.h>

struct session {
    lode_db *db;
    lode_collection *collection; /* or one of its namespaces */
    lode_collection *whole;      /* the collection itself then; else NULL */
    lode_snapshot *snapshot;     /* to read from */
};

/* Open the database that must exist in `dir` and, unless NULL, a collection. Commands that only look
 * pass LODE_MAINTAIN_ON_REQUEST, so that no background work begins that their end would cut off.
 * Returns EXIT_OK, or the exit code after reporting; then there is nothing to close. */
int session_open(struct session *session, const char *dir, const char *collection,
                 lode_maintenance maintenance);
/* The same for reading alone: beside other processes that read, and where nothing can be written. */
int session_read(struct session *session, const char *dir, const char *collection);
/* What to do when `dir` does not open for that reason; NULL: what output.h says. Static. */
const char *session_open_hint(const char *dir, lode_status status);
/* Whether a restore into `dir` was begun and not finished: neither repair nor a second copy of files helps. */
int session_is_unfinished_restore(const char *dir);
/* Go on with the namespace of that name; NULL: with the collection. On failure the session is closed. */
int session_namespace(struct session *session, const char *name);
/* Pin what is to be read: the snapshot of that name, or, name NULL, the newest state. On failure the session
 * is closed. */
int session_snapshot(struct session *session, const char *name);
/* For reading: of the operands DIR and COLLECTION, that namespace and snapshot. */
int session_read_state(struct session *session, const struct args *args, const char *space,
                       const char *snapshot);
void session_close(struct session *session); /* may be called twice */

/* Wait until indexes are built and merges done, showing how far they are; or (compact) have all of it
 * done now. LODE_CANCELLED when interrupted: it goes on when the database is opened again. */
lode_status session_wait_idle(struct session *session, struct progress *progress,
                              lode_error *error);
lode_status session_compact(struct session *session, struct progress *progress, lode_error *error);

#endif
