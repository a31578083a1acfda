/* output.h: what a command says. Results go to stdout; progress and advice to stderr.
 *
 * Human mode: errors go to stderr. With --json: stdout holds exactly one JSON document, the result or
 * {"error": {"status", "exit", "message", "hint", ...}}, so that a caller always parses one thing. */
#ifndef CMD_OUTPUT_H
#define CMD_OUTPUT_H

#include "base/json.h"

/* Exit codes of every command; documented in --help. */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2,
    EXIT_NOT_FOUND = 3,
    EXIT_BAD_DATA = 4,
    EXIT_BUSY = 5,
    EXIT_CORRUPT = 6,
};
#define EXIT_CODES_TEXT                                                                            \
    "0 ok, 1 the operation failed, 2 wrong use, 3 not found, 4 bad input data,\n"                  \
    "             5 busy, 6 corrupt"

/* Set by args_parse from --json and --quiet. */
void output_set_json(int json);
void output_set_quiet(int quiet);
int output_json(void);
int output_quiet(void);

/* Wrong use: says what, and where to read on. Returns EXIT_USAGE. */
int output_usage(const char *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What a failed call was about: decides the exit code of LODE_INVALID and LODE_LIMIT. */
enum output_cause {
    CAUSE_ARGUMENTS, /* the command line: EXIT_USAGE */
    CAUSE_DATA,      /* the contents of a file: EXIT_BAD_DATA */
};

struct output_failure {
    const lode_error *error;
    enum output_cause cause;
    const char *file;  /* the input at fault, or NULL; "-" is called standard input */
    const char *unit;  /* "line" or "row": a member of the JSON error; or NULL */
    uint64_t position; /* its value (the message says it in words)    */
    const char *hint;  /* what to do; NULL: advice by status */
    int has_imported;  /* import: members "imported" and "skip" of the JSON error */
    uint64_t imported, skip;
};
/* Report and return the exit code. */
int output_fail(const struct output_failure *failure);
/* The same in short. */
int output_error(const lode_error *error, enum output_cause cause);

/* Advice in human mode, on stderr; nothing with --quiet. */
void output_note(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A JSON document being written to stdout. */
struct document {
    struct buf text;
    struct json_writer json;
    lode_error error;
};
void document_init(struct document *document);
/* Print what there is, a newline, and release. Returns EXIT_OK, or EXIT_FAILED when it could not. */
int document_finish(struct document *document);
/* The same for a document that is one object. */
void document_begin(struct document *document);
int document_end(struct document *document);
void document_release(struct document *document); /* unprinted: an error takes its place */
void document_key_u64(struct document *document, const char *key, uint64_t value);
void document_key_f64(struct document *document, const char *key, double value);
void document_key_text(struct document *document, const char *key, const char *value);
void document_key_bool(struct document *document, const char *key, int value);
void document_id(struct document *document, const lode_id *id);

/* Flush stdout; EXIT_FAILED with a message when something could not be written, else `code`. */
int output_flush(int code);

/* "12,345" and "1.2 GB"; text of at least 32 bytes, returned. */
#define AMOUNT_TEXT_MAX 32
const char *amount_count(uint64_t count, char text[AMOUNT_TEXT_MAX]);
const char *amount_bytes(uint64_t bytes, char text[AMOUNT_TEXT_MAX]);
const char *amount_seconds(double seconds, char text[AMOUNT_TEXT_MAX]);
/* Of microseconds since 1970: "2026-02-28T12:00:00Z". */
const char *amount_time(uint64_t us, char text[AMOUNT_TEXT_MAX]);

/* Monotonic seconds, and the processor seconds of this thread or of the whole process. */
double clock_wall(void);
double clock_thread(void);
double clock_process(void);

#endif
