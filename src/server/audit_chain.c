/* audit_chain.c: the files of a log, and whether its lines follow from one another. */
#include "base/array.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/number.h"
#include "os/vfs.h"
#include "server/audit_parts.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAME_PREFIX "audit-"
#define NAME_SUFFIX ".jsonl"

/* --- Files -------------------------------------------------------------------------------------- */

void audit_file_name(uint64_t number, char name[AUDIT_NAME_SIZE])
{
    snprintf(name, AUDIT_NAME_SIZE, NAME_PREFIX "%08" PRIu64 NAME_SUFFIX, number);
}

uint64_t audit_file_number(const char *name)
{
    char again[AUDIT_NAME_SIZE];
    size_t prefix = sizeof NAME_PREFIX - 1;
    if (strncmp(name, NAME_PREFIX, prefix) != 0)
        return 0;
    const char *digits = name + prefix + strspn(name + prefix, "0");
    uint64_t number = 0;
    if (!number_parse_u64(digits, strspn(digits, "0123456789"), &number))
        return 0;
    audit_file_name(number, again);
    return strcmp(name, again) == 0 ? number : 0;
}

static void add_name(void *context, const char *name)
{
    struct audit_files *files = context;
    uint64_t number = audit_file_number(name);
    if (!number || files->error.status)
        return;
    uint64_t *numbers = array_grow(files->numbers, files->count, &files->capacity, sizeof *numbers,
                                   "names of files", &files->error);
    if (!numbers)
        return;
    files->numbers = numbers;
    numbers[files->count++] = number;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

lode_status audit_files_list(const char *dir, struct audit_files *ret_files, lode_error *error)
{
    struct audit_files files = {.numbers = NULL};
    lode_status status = vfs_list(vfs_posix(), dir, add_name, &files, error);
    if (!status && files.error.status) {
        status = files.error.status;
        if (error)
            *error = files.error;
    }
    if (status) {
        free(files.numbers);
        return status;
    }
    if (files.count > 0)
        qsort(files.numbers, files.count, sizeof *files.numbers, by_number);
    *ret_files = files;
    return LODE_OK;
}

/* --- Lines -------------------------------------------------------------------------------------- */

struct line {
    uint64_t number, entries;
    const char *previous, *operation, *file; /* raw; NULL: none */
    size_t previous_size, operation_size, file_size;
};

static int read_number(struct json *json, uint64_t *ret_value)
{
    return json_next(json) == JSON_NUMBER &&
           number_parse_u64(json->text, json->text_size, ret_value);
}

static int read_text(struct json *json, const char **ret_text, size_t *ret_size)
{
    if (json_next(json) != JSON_STRING)
        return 0;
    *ret_text = json->text;
    *ret_size = json->text_size;
    return 1;
}

static int read_member(struct json *json, struct line *line)
{
    if (json_key_is(json, "line"))
        return read_number(json, &line->number);
    if (json_key_is(json, "entries"))
        return read_number(json, &line->entries);
    if (json_key_is(json, "previous"))
        return read_text(json, &line->previous, &line->previous_size);
    if (json_key_is(json, "operation"))
        return read_text(json, &line->operation, &line->operation_size);
    if (json_key_is(json, "file"))
        return read_text(json, &line->file, &line->file_size);
    return json_skip(json) != JSON_ERROR;
}

static int parse(const char *text, size_t size, struct line *ret_line)
{
    struct json json;
    *ret_line = (struct line){.number = 0};
    if (size > AUDIT_LINE_MAX || json_validate(text, size, JSON_OBJECT, NULL))
        return 0;
    json_init(&json, text, size);
    int good = json_next(&json) == JSON_OBJECT;
    while (good && json_next(&json) == JSON_KEY)
        good = read_member(&json, ret_line);
    return good && ret_line->number && ret_line->operation &&
           ret_line->previous_size == SHA256_TEXT_SIZE - 1;
}

void audit_chain_init(struct audit_chain *chain)
{
    *chain = (struct audit_chain){.line = 0};
    memset(chain->last, '0', SHA256_TEXT_SIZE - 1);
}

static int is_operation(const struct line *line, const char *name)
{
    return line->operation_size == strlen(name) &&
           memcmp(line->operation, name, line->operation_size) == 0;
}

/* What lines about the log itself say. */
static void note(struct audit_chain *chain, const struct line *line)
{
    char name[AUDIT_NAME_SIZE];
    if (is_operation(line, AUDIT_TORN))
        chain->torn++;
    else if (is_operation(line, AUDIT_LOST))
        chain->lost += line->entries;
    else if (is_operation(line, AUDIT_SKIPPED))
        chain->skipped += line->entries;
    if (!is_operation(line, AUDIT_DELETED) || !line->file || line->file_size >= sizeof name)
        return;
    snprintf(name, sizeof name, "%.*s", (int)line->file_size, line->file);
    uint64_t number = audit_file_number(name);
    if (number > chain->deleted_to)
        chain->deleted_to = number;
}

const char *audit_chain_step(struct audit_chain *chain, const char *text, size_t size)
{
    struct line line;
    uint8_t digest[SHA256_SIZE];
    if (!parse(text, size, &line))
        return "it is not a line of an audit log";
    if (!chain->is_open && line.number != chain->line + 1)
        return "its number does not follow";
    if (!chain->is_open && memcmp(line.previous, chain->last, SHA256_TEXT_SIZE - 1) != 0)
        return "the line before it is not the one that it was written after";
    if (sha256_of(text, size, digest, NULL))
        return "there is no memory to check it";
    chain->is_open = 0;
    chain->line = line.number;
    (void)sha256_text(digest, chain->last);
    note(chain, &line);
    return NULL;
}

/* --- A file ------------------------------------------------------------------------------------- */

static void walk_lines(const char *text, size_t size, struct audit_chain *chain,
                       struct audit_walk *walk)
{
    while (walk->end < size && !walk->fault) {
        const char *begin = text + walk->end;
        const char *end = memchr(begin, '\n', size - walk->end);
        if (!end)
            return;
        walk->fault = audit_chain_step(chain, begin, (size_t)(end - begin));
        if (walk->fault)
            return;
        walk->lines++;
        walk->end += (size_t)(end - begin) + 1;
        if (walk->known && strcmp(walk->known, chain->last) == 0)
            walk->is_known = 1;
    }
}

lode_status audit_walk_file(const char *dir, uint64_t number, struct audit_chain *chain,
                            struct audit_walk *walk, uint64_t *ret_size, lode_error *error)
{
    char name[AUDIT_NAME_SIZE], path[PATH_SIZE_MAX];
    struct vfs_file *file = NULL;
    const uint8_t *data = NULL;
    uint64_t size = 0;
    audit_file_name(number, name);
    lode_status status = vfs_join(path, dir, name, error);
    if (!status)
        status = vfs_open(vfs_posix(), path, VFS_READ, &file, error);
    if (!status)
        status = vfs_size(file, &size, error);
    if (!status && size > 0)
        status = vfs_map(file, size, &data, error);
    if (!status && size > 0) {
        walk_lines((const char *)data, (size_t)size, chain, walk);
        vfs_unmap(file, data, size);
    }
    if (file)
        vfs_close(file);
    if (!status)
        *ret_size = size;
    return status;
}
