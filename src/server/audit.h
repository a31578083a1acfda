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
    const char *outcome;   /* "ok", "denied", "failed", "begun" */
    unsigned status;
    const char *who, *key_id, *token_id; /* principal; NULL: none */
    const char *peer;
    const char *collection, *namespace_; /* NULL: none */
    const char *reason;                  /* of a denial or failure: its code; NULL */
    uint64_t points;                     /* that were written or deleted */
    uint64_t sequence;                   /* of the batch; 0: none */
    const char *trace_id;                /* NULL: none */
};

/* Goes on where the log in the directory ends, whose newest file is verified: LODE_CORRUPT when a line of it does not follow
 * from the one before. What a crash left of a last line is cut off, and a line says so. LODE_BUSY: another process
 * writes there. audit.is_on false: *ret_audit is NULL. */
NODISCARD lode_status audit_open(const struct config *config, struct audit **ret_audit,
                                 lode_error *error);
/* Written before it returns. A failure is remembered: audit_error; requests that must be audited are then refused. Each
 * second it is tried again; the first line that succeeds says how many are missing. */
void audit_append(struct audit *audit, const struct audit_entry *entry); /* audit NULL: nothing */
/* An entry that is left out since there are too many like it: each second a line says how many were. */
void audit_skip(struct audit *audit);                            /* audit NULL: nothing */
lode_status audit_error(struct audit *audit, lode_error *error); /* audit NULL: LODE_OK */
uint64_t audit_failures(
    struct audit *audit); /* entries that could not be written, since it was opened */
/* Hash of the last line: to be kept where whoever writes to this disk cannot; 64 zeros: there is none. */
void audit_head(struct audit *audit, char ret_hash[65]);
void audit_close(struct audit *audit); /* NULL is allowed */

struct audit_report {
    uint64_t files, lines;
    uint64_t first_line; /* its number; above 1: older files were deleted, as lines after it say */
    /* As lines say: last lines that crashes tore; entries that could not be written, and that were left out. */
    uint64_t torn, lost, skipped;
    uint64_t
        open_bytes; /* behind the last line: one being written, or torn by a crash and not yet cut off */
    char last_hash[65];
};
/* Whether every line of the directory follows from the one before, and no file is missing; LODE_CORRUPT names file and line.
 * known_hash: of a line that must be among them, as audit_head once told (it is what shows that lines at the end are gone), or
 * NULL. LODE_NOT_FOUND: there is no log. */
NODISCARD lode_status audit_verify(const char *dir, const char *known_hash,
                                   struct audit_report *ret_report, lode_error *error);

#endif
