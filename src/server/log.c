/* log.c: see log.h. Lines are made and written under one lock: they come seldom, and so they stand in the order of their
 * times. A line goes to the file by one write(), which O_APPEND puts behind what others have written. */
#include "server/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/json.h"
#include "os/clock.h"
#include "os/thread.h"
#include "server/log_limit.h"

#define TEXT_SIZE_MAX 4096u /* of one field */
#define JSON_SIZE_MAX (64u << 10)
#define LINE_SIZE_MAX (1u << 20) /* longer ones are not written */

static const char *const level_names[] = {"error", "warning", "info", "debug"};
#define LEVELS (sizeof level_names / sizeof *level_names)

struct log {
    atomic_int level;            /* read without the lock; relaxed: it orders nothing */
    _Atomic uint64_t suppressed; /* the same */
    char *file;                  /* NULL: stderr */
    struct mutex lock;           /* guards what follows */
    int fd;
    bool is_text;
    struct log_limit limit;
    struct buf line; /* kept for the next one */
};

/* --- Opening ------------------------------------------------------------------------------------ */

static lode_status parse_level(const char *name, int *ret_level, lode_error *error)
{
    for (size_t i = 0; i < LEVELS; i++)
        if (strcmp(name, level_names[i]) == 0) {
            *ret_level = (int)i;
            return LODE_OK;
        }
    return error_set(error, LODE_INVALID,
                     "log.level: '%.40s' is none of error, warning, info, debug", name);
}

static lode_status parse_format(const char *format, int fd, bool *ret_is_text, lode_error *error)
{
    if (!format)
        *ret_is_text = isatty(fd);
    else if (strcmp(format, "text") == 0 || strcmp(format, "json") == 0)
        *ret_is_text = *format == 't';
    else
        return error_set(error, LODE_INVALID, "log.format: '%.40s' is none of json, text", format);
    return LODE_OK;
}

static lode_status open_file(const char *path, int *ret_fd, lode_error *error)
{
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640) : STDERR_FILENO;
    if (fd < 0)
        return error_os(error, errno, "cannot open log.file %.100s", path);
    *ret_fd = fd;
    return LODE_OK;
}

static void close_file(const struct log *log, int fd)
{
    if (log->file && fd >= 0)
        close(fd);
}

static lode_status set_up(struct log *log, const struct config *config, lode_error *error)
{
    int level = LOG_INFO;
    lode_status status = LODE_OK;
    if (config->log.level)
        status = parse_level(config->log.level, &level, error);
    atomic_init(&log->level, level);
    if (!status && config->log.file) {
        log->file = strdup(config->log.file);
        if (!log->file)
            return error_nomem(error, "log.file", strlen(config->log.file));
    }
    if (!status)
        status = open_file(log->file, &log->fd, error);
    if (!status)
        status = parse_format(config->log.format, log->fd, &log->is_text, error);
    return status;
}

lode_status log_open(const struct config *config, struct log **ret_log, lode_error *error)
{
    struct log *log = calloc(1, sizeof *log);
    if (!log)
        return error_nomem(error, "log", sizeof *log);
    log->fd = -1;
    mutex_init(&log->lock);
    buf_init(&log->line, LINE_SIZE_MAX);
    lode_status status = set_up(log, config, error);
    if (status) {
        log_close(log);
        return status;
    }
    *ret_log = log;
    return LODE_OK;
}

lode_status log_reopen(struct log *log, const char *level, lode_error *error)
{
    int fd = -1;
    int parsed = atomic_load_explicit(&log->level, memory_order_relaxed);
    lode_status status = level ? parse_level(level, &parsed, error) : LODE_OK;
    if (!status)
        status = open_file(log->file, &fd, error);
    if (status)
        return status;
    mutex_lock(&log->lock);
    int before = log->fd;
    log->fd = fd;
    mutex_unlock(&log->lock);
    close_file(log, before);
    atomic_store_explicit(&log->level, parsed, memory_order_relaxed);
    return LODE_OK;
}

/* --- Lines as JSON ------------------------------------------------------------------------------- */

#define TIME_SIZE 32

/* "2026-01-31T23:59:59.007Z" */
static void format_time(uint64_t wall_us, char text[TIME_SIZE])
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t size = strftime(text, TIME_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + size, TIME_SIZE - size, ".%03uZ", (unsigned)(wall_us / 1000 % 1000));
}

/* No more of it than a field may have, and no half of a character. */
static size_t text_size(const char *text)
{
    size_t size = strnlen(text, TEXT_SIZE_MAX);
    while (size > 0 && ((uint8_t)text[size] & 0xc0) == 0x80) /* it was cut there */
        size--;
    return size;
}

static int is_left_out(const struct log_field *field)
{
    if (field->kind == LOG_TEXT)
        return !field->text;
    return field->kind == LOG_JSON &&
           (!field->text || strnlen(field->text, JSON_SIZE_MAX + 1) > JSON_SIZE_MAX);
}

static void write_value(struct json_writer *json, const struct log_field *field)
{
    if (field->kind == LOG_TEXT)
        json_write_string(json, field->text, text_size(field->text));
    else if (field->kind == LOG_JSON)
        json_write_raw(json, field->text, strlen(field->text));
    else if (field->kind == LOG_NUMBER)
        json_write_i64(json, field->number);
    else
        json_write_f64(json, field->real);
}

struct line {
    enum log_level level;
    const char *message;
    const struct log_field *fields;
    size_t field_count;
    uint64_t suppressed;
};

static lode_status make_json(struct buf *out, const char *time, const struct line *line)
{
    struct json_writer json;
    json_writer_init(&json, out, NULL);
    json_write_object(&json);
    json_write_text(&json, "time", time);
    json_write_text(&json, "level", level_names[line->level]);
    json_write_text(&json, "message", line->message);
    for (size_t i = 0; i < line->field_count; i++) {
        if (is_left_out(&line->fields[i]))
            continue;
        json_write_key(&json, line->fields[i].name);
        write_value(&json, &line->fields[i]);
    }
    if (line->suppressed) {
        json_write_key(&json, "suppressed");
        json_write_u64(&json, line->suppressed);
    }
    json_write_object_end(&json);
    return json.status ? json.status : buf_append(out, "\n", 1, NULL);
}

/* --- Lines as text ------------------------------------------------------------------------------- */

/* Whether a value needs no quotes: nothing in it could be taken for another field or another line. */
static int is_bare(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= ' ' || c == '"' || c == '=' || c == '\\' || c >= 0x7f)
            return 0;
    }
    return size > 0;
}

/* Values are JSON; texts without blanks and the like stand without quotes. */
static lode_status put_field(struct buf *out, const struct log_field *field)
{
    struct json_writer json;
    lode_status status = buf_printf(out, NULL, " %s=", field->name);
    if (status)
        return status;
    if (field->kind == LOG_TEXT && is_bare(field->text, text_size(field->text)))
        return buf_append(out, field->text, text_size(field->text), NULL);
    json_writer_init(&json, out, NULL);
    write_value(&json, field);
    return json.status;
}

static lode_status make_text(struct buf *out, const char *time, const struct line *line)
{
    lode_status status =
        buf_printf(out, NULL, "%s %-7s %s", time, level_names[line->level], line->message);
    for (size_t i = 0; i < line->field_count && !status; i++)
        if (!is_left_out(&line->fields[i]))
            status = put_field(out, &line->fields[i]);
    struct log_field suppressed = {.name = "suppressed", .kind = LOG_NUMBER};
    suppressed.number = (int64_t)line->suppressed;
    if (line->suppressed && !status)
        status = put_field(out, &suppressed);
    return status ? status : buf_append(out, "\n", 1, NULL);
}

/* --- Writing ------------------------------------------------------------------------------------- */

/* What the system does not take is lost: there is nobody to tell. */
static void write_whole(int fd, const uint8_t *data, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, data, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        data += written;
        size -= (size_t)written;
    }
}

static void put_line(struct log *log, const struct line *line)
{
    char time[TIME_SIZE];
    format_time(clock_wall_us(&clock_system), time);
    buf_clear(&log->line);
    lode_status status =
        log->is_text ? make_text(&log->line, time, line) : make_json(&log->line, time, line);
    if (!status)
        write_whole(log->fd, log->line.data, log->line.size);
}

/* Lines that were left out, and of which no later line tells. */
static void put_untold(struct log *log, uint64_t now_us, int all)
{
    const struct log_limit_entry *entry;
    while ((entry = log_limit_untold(&log->limit, now_us, all))) {
        struct line line = {.level = (enum log_level)entry->level,
                            .message = entry->message,
                            .suppressed = entry->suppressed};
        put_line(log, &line);
        log_limit_told(&log->limit, entry);
    }
}

int log_is_on(const struct log *log, enum log_level level)
{
    return log && (int)level <= atomic_load_explicit(&log->level, memory_order_relaxed);
}

void log_write(struct log *log, enum log_level level, const char *message,
               const struct log_field *fields, size_t field_count)
{
    if (!log_is_on(log, level))
        return;
    struct line line = {level, message, fields, field_count, 0};
    uint64_t now_us = clock_us();
    mutex_lock(&log->lock);
    if (level > LOG_WARNING ||
        log_limit_take(&log->limit, (int)level, message, now_us, &line.suppressed))
        put_line(log, &line);
    else
        atomic_fetch_add_explicit(&log->suppressed, 1, memory_order_relaxed);
    put_untold(log, now_us, 0);
    mutex_unlock(&log->lock);
}

uint64_t log_suppressed(const struct log *log)
{
    return log ? atomic_load_explicit(&log->suppressed, memory_order_relaxed) : 0;
}

void log_close(struct log *log)
{
    if (!log)
        return;
    if (log->fd >= 0)
        put_untold(log, 0, 1);
    close_file(log, log->fd);
    buf_release(&log->line);
    mutex_release(&log->lock);
    free(log->file);
    free(log);
}
