/* audit_parts.h: what writing and verifying an audit log share: names of files, and the chain of lines. */
#ifndef SERVER_AUDIT_PARTS_H
#define SERVER_AUDIT_PARTS_H

#include "base/sha256.h"
#include "server/audit.h"

#define AUDIT_LINE_MAX  65536 /* bytes; our own have less than 20,000 */
#define AUDIT_NAME_SIZE 40    /* of a file, with NUL */

#define AUDIT_TORN    "audit.torn" /* operations of lines about the log itself */
#define AUDIT_LOST    "audit.lost"
#define AUDIT_DELETED "audit.deleted"
#define AUDIT_SKIPPED "audit.skipped"
#define AUDIT_GONE    "audit.gone"

/* "audit-00000001.jsonl", and back; 0: it is none. */
void audit_file_name(uint64_t number, char name[AUDIT_NAME_SIZE]);
uint64_t audit_file_number(const char *name);

struct audit_files {
    uint64_t *numbers; /* ascending */
    size_t count, capacity;
    lode_error error;
};

/* What there is in the directory. LODE_NOT_FOUND: there is none. Release by free(numbers). */
NODISCARD lode_status audit_files_list(const char *dir, struct audit_files *ret_files,
                                       lode_error *error);

/* How far a chain of lines has led. */
struct audit_chain {
    uint64_t line;               /* number of the last; 0: none yet */
    char last[SHA256_TEXT_SIZE]; /* its hash; 64 zeros */
    int is_open;                 /* the next line may be of any number, and follow from anything */
    uint64_t torn, lost, skipped;
    uint64_t deleted_to; /* the newest file that was deleted */
};

void audit_chain_init(struct audit_chain *chain);
/* Go on with the line text[0, size), without its newline. NULL, or why it does not follow: then the chain stays as it was. */
const char *audit_chain_step(struct audit_chain *chain, const char *text, size_t size);

struct audit_walk {
    uint64_t lines;    /* of the file */
    uint64_t end;      /* offset behind the last whole line */
    const char *fault; /* why line `lines` + 1 does not follow; NULL: all do */
    int is_known;      /* known was met */
    const char *known; /* hash to look for; NULL */
};

/* Go on with all whole lines of a file. */
NODISCARD lode_status audit_walk_file(const char *dir, uint64_t number, struct audit_chain *chain,
                                      struct audit_walk *walk, uint64_t *ret_size,
                                      lode_error *error);

#endif
