/* audit.h: what was changed and what was denied, one JSON line each, each with the SHA-256 of the line before: a line that
 * is changed, left out or added shows (lode audit verify). Append-only; synced each second and at the end. Never holds a
 * vector, metadata, a text or a secret. Thread-safe. docs/format/audit.md. */
#ifndef SERVER_AUDIT_H
#define SERVER_AUDIT_H

#include "base/error.h"
#include "server/config.h"

struct audit;

struct audit_entry {
    const char *operation; /* "vectors.upsert" */
    const char *outcome;   /* "ok", "denied", "failed" */
    unsigned status;
    const char *who, *key_id; /* principal */
    const char *peer;
    const char *collection, *namespace_; /* NULL: none */
    const char *reason;                  /* of a denial or failure: its code; NULL */
    uint64_t points;                     /* that were written or deleted */
    uint64_t sequence;                   /* of the batch; 0: none */
    const char *trace_id;                /* NULL: none */
};

NODISCARD lode_status audit_open(const struct config *config, struct audit **ret_audit,
                                 lode_error *error);
/* Written before it returns. A failure is remembered: audit_error; requests that must be audited are then refused. */
void audit_append(struct audit *audit, const struct audit_entry *entry); /* audit NULL: nothing */
lode_status audit_error(struct audit *audit, lode_error *error);
void audit_close(struct audit *audit);

struct audit_report {
    uint64_t files, lines;
    char last_hash[65];
};
/* Whether every line of the directory follows from the one before; LODE_CORRUPT names file and line. */
NODISCARD lode_status audit_verify(const char *dir, struct audit_report *ret_report,
                                   lode_error *error);

#endif
