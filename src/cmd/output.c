/* output.c: results, errors and advice; amounts for people; clocks. */
#include "cmd/output.h"

#include "cmd/ids.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define DOCUMENT_SIZE_MAX ((size_t)4 << 30)

static int json_mode;
static int quiet_mode;

void output_set_json(int json)
{
    json_mode = json;
}

void output_set_quiet(int quiet)
{
    quiet_mode = quiet;
}

int output_json(void)
{
    return json_mode;
}

int output_quiet(void)
{
    return quiet_mode;
}

void output_note(const char *format, ...)
{
    if (quiet_mode)
        return;
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* --- Errors --------------------------------------------------------------------------------------- */

struct report {
    const char *status;
    int exit_code;
    const char *message;
    const char *hint;
    const struct output_failure *where; /* or NULL */
};

static void report_json(const struct report *report)
{
    struct document document;
    document_init(&document);
    struct json_writer *json = &document.json;
    json_write_object(json);
    json_write_key(json, "error");
    json_write_object(json);
    document_key_text(&document, "status", report->status);
    document_key_u64(&document, "exit", (uint64_t)report->exit_code);
    document_key_text(&document, "message", report->message);
    if (report->hint)
        document_key_text(&document, "hint", report->hint);
    const struct output_failure *where = report->where;
    if (where && where->error->os_errno)
        document_key_u64(&document, "os_errno", (uint64_t)where->error->os_errno);
    if (where && where->file)
        document_key_text(&document, "file", where->file);
    if (where && where->unit)
        document_key_u64(&document, where->unit, where->position);
    if (where && where->has_imported) {
        document_key_u64(&document, "imported", where->imported);
        document_key_u64(&document, "skip", where->skip);
    }
    json_write_object_end(json);
    json_write_object_end(json);
    (void)document_finish(&document);
}

static void report_text(const struct report *report)
{
    fflush(stdout);
    const struct output_failure *where = report->where;
    fputs("lode: ", stderr);
    if (where && where->file)
        fprintf(stderr, "%s: ", strcmp(where->file, "-") == 0 ? "standard input" : where->file);
    fprintf(stderr, "%s\n", report->message);
    if (report->hint)
        fprintf(stderr, "      %s\n", report->hint);
}

static int report(const struct report *report)
{
    if (json_mode)
        report_json(report);
    else
        report_text(report);
    return report->exit_code;
}

int output_usage(const char *command, const char *format, ...)
{
    char message[1024], hint[128];
    int used = command ? snprintf(message, sizeof message, "%s: ", command) : 0;
    va_list args;
    va_start(args, format);
    vsnprintf(message + used, sizeof message - (size_t)used, format, args);
    va_end(args);
    snprintf(hint, sizeof hint, "lode %s%s--help tells more, with examples", command ? command : "",
             command ? " " : "");
    return report(&(struct report){
        .status = "USAGE", .exit_code = EXIT_USAGE, .message = message, .hint = hint});
}

static int exit_code(lode_status status, enum output_cause cause)
{
    switch (status) {
    case LODE_OK: return EXIT_OK;
    case LODE_INVALID:
    case LODE_SCHEMA:
    case LODE_LIMIT: return cause == CAUSE_DATA ? EXIT_BAD_DATA : EXIT_USAGE;
    case LODE_NOT_FOUND: return EXIT_NOT_FOUND;
    case LODE_BUSY: return EXIT_BUSY;
    case LODE_CORRUPT: return EXIT_CORRUPT;
    case LODE_EXISTS:
    case LODE_NOMEM:
    case LODE_IO:
    case LODE_FULL:
    case LODE_VERSION:
    case LODE_PARTIAL:
    case LODE_CANCELLED:
    case LODE_UNSUPPORTED:
    case LODE_READONLY:
    case LODE_CONFLICT:
    case LODE_KEY:
    case LODE_TIMEOUT: break;
    }
    return EXIT_FAILED;
}

static const char *advice(lode_status status)
{
    switch (status) {
    case LODE_EXISTS: return "choose another name, or 'lode drop' it first";
    case LODE_BUSY: return "stop the other process, or wait for it to end";
    case LODE_FULL: return "make room on the disk and run it again; what was acknowledged is kept";
    case LODE_CORRUPT:
        return "'lode verify DIR' lists all that is damaged; restore a copy, or 'lode repair DIR'";
    case LODE_VERSION:
        return "use the lode that wrote these files; what it exports, another one can import";
    case LODE_KEY:
        return "--key-file FILE or --key-command COMMAND gives a key; 'lode encryption show DIR' "
               "tells which is needed";
    case LODE_NOMEM: return "free memory, or use a smaller --batch";
    default: return NULL;
    }
}

int output_fail(const struct output_failure *failure)
{
    lode_status status = failure->error->status;
    return report(&(struct report){
        .status = lode_status_name(status),
        .exit_code = exit_code(status, failure->cause),
        .message = failure->error->message[0] ? failure->error->message : lode_status_name(status),
        .hint = failure->hint ? failure->hint : advice(status),
        .where = failure,
    });
}

int output_error(const lode_error *error, enum output_cause cause)
{
    return output_fail(&(struct output_failure){.error = error, .cause = cause});
}

int output_flush(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return code;
    fprintf(stderr, "lode: standard output: %s\n", strerror(errno));
    return code == EXIT_OK ? EXIT_FAILED : code;
}

/* --- Documents ------------------------------------------------------------------------------------ */

void document_init(struct document *document)
{
    *document = (struct document){.text = {0}};
    buf_init(&document->text, DOCUMENT_SIZE_MAX);
    json_writer_init(&document->json, &document->text, &document->error);
}

void document_release(struct document *document)
{
    buf_release(&document->text);
}

int document_finish(struct document *document)
{
    int code = EXIT_OK;
    if (document->json.status) {
        fprintf(stderr, "lode: the JSON document: %s\n", document->error.message);
        code = EXIT_FAILED;
    } else {
        fwrite(document->text.data, 1, document->text.size, stdout);
        putchar('\n');
    }
    document_release(document);
    return code;
}

void document_begin(struct document *document)
{
    document_init(document);
    json_write_object(&document->json);
}

int document_end(struct document *document)
{
    json_write_object_end(&document->json);
    return document_finish(document);
}

void document_key_u64(struct document *document, const char *key, uint64_t value)
{
    json_write_key(&document->json, key);
    json_write_u64(&document->json, value);
}

void document_key_f64(struct document *document, const char *key, double value)
{
    json_write_key(&document->json, key);
    json_write_f64(&document->json, value);
}

void document_key_text(struct document *document, const char *key, const char *value)
{
    json_write_key(&document->json, key);
    if (value)
        json_write_string(&document->json, value, strlen(value));
    else
        json_write_null(&document->json);
}

void document_key_bool(struct document *document, const char *key, int value)
{
    json_write_key(&document->json, key);
    json_write_bool(&document->json, value);
}

void document_id(struct document *document, const lode_id *id)
{
    id_write_json(&document->json, id);
}

/* --- Amounts and clocks --------------------------------------------------------------------------- */

const char *amount_count(uint64_t count, char text[AMOUNT_TEXT_MAX])
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%llu", (unsigned long long)count);
    char *out = text;
    for (int i = 0; i < size; i++) {
        if (i > 0 && (size - i) % 3 == 0)
            *out++ = ',';
        *out++ = digits[i];
    }
    *out = '\0';
    return text;
}

const char *amount_bytes(uint64_t bytes, char text[AMOUNT_TEXT_MAX])
{
    static const char *const units[] = {"bytes", "kB", "MB", "GB", "TB", "PB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        value /= 1000;
        unit++;
    }
    snprintf(text, AMOUNT_TEXT_MAX, unit && value < 9.995 ? "%.2f %s" : "%.0f %s", value,
             units[unit]);
    return text;
}

const char *amount_time(uint64_t us, char text[AMOUNT_TEXT_MAX])
{
    time_t seconds = (time_t)(us / 1000000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm) || strftime(text, AMOUNT_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
        snprintf(text, AMOUNT_TEXT_MAX, "?");
    return text;
}

const char *amount_seconds(double seconds, char text[AMOUNT_TEXT_MAX])
{
    unsigned long whole = seconds > 0 ? (unsigned long)llround(seconds) : 0;
    if (seconds < 0.9995)
        snprintf(text, AMOUNT_TEXT_MAX, "%.0f ms", seconds * 1e3);
    else if (seconds < 9.95)
        snprintf(text, AMOUNT_TEXT_MAX, "%.1f s", seconds);
    else if (whole < 120)
        snprintf(text, AMOUNT_TEXT_MAX, "%lu s", whole);
    else if (whole < 7200)
        snprintf(text, AMOUNT_TEXT_MAX, "%lu min %02lu s", whole / 60, whole % 60);
    else
        snprintf(text, AMOUNT_TEXT_MAX, "%lu h %02lu min", whole / 3600, whole / 60 % 60);
    return text;
}

static double clock_seconds(clockid_t clock)
{
    struct timespec now = {0};
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

double clock_wall(void)
{
    return clock_seconds(CLOCK_MONOTONIC);
}

double clock_thread(void)
{
    return clock_seconds(CLOCK_THREAD_CPUTIME_ID);
}

double clock_process(void)
{
    return clock_seconds(CLOCK_PROCESS_CPUTIME_ID);
}
