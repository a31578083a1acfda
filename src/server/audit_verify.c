/* audit_verify.c: a log from its first line to its last. */
#include "server/audit_parts.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct verification {
    const char *dir;
    struct audit_files files;
    struct audit_chain chain;
    struct audit_walk walk;
    struct audit_report report;
};

static lode_status corrupt(lode_error *error, uint64_t number, uint64_t line, const char *why)
{
    char name[AUDIT_NAME_SIZE];
    audit_file_name(number, name);
    return error_set(error, LODE_CORRUPT, "%s, line %" PRIu64 ": %s", name, line, why);
}

static lode_status verify_file(struct verification *it, size_t i, lode_error *error)
{
    uint64_t number = it->files.numbers[i], size = 0;
    int is_last = i + 1 == it->files.count;
    it->walk.lines = it->walk.end = 0;
    if (i > 0 && number != it->files.numbers[i - 1] + 1)
        return corrupt(error, number, 1, "the file before it is missing");
    lode_status status = audit_walk_file(it->dir, number, &it->chain, &it->walk, &size, error);
    if (status)
        return status;
    if (it->walk.fault)
        return corrupt(error, number, it->walk.lines + 1, it->walk.fault);
    if (size > it->walk.end && !is_last)
        return corrupt(error, number, it->walk.lines + 1, "it does not end");
    if (!it->report.first_line && it->walk.lines > 0)
        it->report.first_line = it->chain.line - it->walk.lines + 1;
    it->report.lines += it->walk.lines;
    it->report.open_bytes = size - it->walk.end;
    return LODE_OK;
}

static lode_status verify_beginning(const struct verification *it, lode_error *error)
{
    uint64_t first = it->files.numbers[0];
    char name[AUDIT_NAME_SIZE];
    if (first - 1 <= it->chain.deleted_to)
        return LODE_OK;
    audit_file_name(first - 1, name);
    return error_set(error, LODE_CORRUPT,
                     "%s is missing, and no line says that it was deleted when its time had come",
                     name);
}

static lode_status verify_all(struct verification *it, lode_error *error)
{
    lode_status status = LODE_OK;
    if (it->files.count == 0)
        return error_set(error, LODE_NOT_FOUND, "there is no audit log in '%s'", it->dir);
    audit_chain_init(&it->chain);
    it->chain.is_open = it->files.numbers[0] > 1;
    for (size_t i = 0; !status && i < it->files.count; i++)
        status = verify_file(it, i, error);
    if (!status)
        status = verify_beginning(it, error);
    if (!status && it->walk.known && !it->walk.is_known)
        status =
            error_set(error, LODE_CORRUPT,
                      "no line has the hash %.16s...: it was cut off or changed, or its file was "
                      "deleted when its time had come",
                      it->walk.known);
    return status;
}

lode_status audit_verify(const char *dir, const char *known_hash, struct audit_report *ret_report,
                         lode_error *error)
{
    struct verification it = {.dir = dir, .walk.known = known_hash};
    if (known_hash && (strlen(known_hash) != SHA256_TEXT_SIZE - 1 ||
                       strspn(known_hash, "0123456789abcdef") != SHA256_TEXT_SIZE - 1))
        return error_set(error, LODE_INVALID, "'%.80s' is no hash of a line: 64 hexadecimal digits",
                         known_hash);
    lode_status status = audit_files_list(dir, &it.files, error);
    if (!status)
        status = verify_all(&it, error);
    free(it.files.numbers);
    if (status)
        return status;
    it.report.files = it.files.count;
    it.report.torn = it.chain.torn;
    it.report.lost = it.chain.lost;
    it.report.skipped = it.chain.skipped;
    memcpy(it.report.last_hash, it.chain.last, sizeof it.report.last_hash);
    *ret_report = it.report;
    return LODE_OK;
}
