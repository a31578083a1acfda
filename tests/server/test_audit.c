/* The audit log: what it says, how it goes on after restarts, crashes and full disks, and that no change of it passes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "server/audit_parts.h"
#include "server/test_access_kit.h"

struct kit {
    char dir[PATH_SIZE_MAX];
    struct config config;
    struct audit *audit;
    lode_error error;
};

static void begin(struct kit *kit, void **state, uint64_t file_bytes_max, uint64_t files_max)
{
    *kit = (struct kit){.audit = NULL};
    snprintf(kit->dir, sizeof kit->dir, "%s/server/audit", (char *)*state);
    kit->config.data = *state;
    kit->config.audit.is_on = true;
    kit->config.audit.file_bytes_max = file_bytes_max;
    kit->config.audit.files_max = files_max;
}

static void start(struct kit *kit)
{
    if (audit_open(&kit->config, &kit->audit, &kit->error))
        fail_msg("%s", kit->error.message);
}

static void stop(struct kit *kit)
{
    audit_close(kit->audit);
    kit->audit = NULL;
}

static void add(struct kit *kit, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        audit_append(kit->audit, &(struct audit_entry){.operation = "vectors.upsert",
                                                       .outcome = "ok",
                                                       .status = 200,
                                                       .who = "loader",
                                                       .key_id = "0123456789ab",
                                                       .peer = "192.0.2.7:51234",
                                                       .collection = "films",
                                                       .namespace_ = "anna",
                                                       .points = 10,
                                                       .sequence = i + 1});
}

static struct audit_report verify(const struct kit *kit, const char *known)
{
    struct audit_report report;
    lode_error error = {.message = ""};
    if (audit_verify(kit->dir, known, &report, &error))
        fail_msg("%s", error.message);
    return report;
}

static lode_status verify_status(struct kit *kit, const char *known)
{
    struct audit_report report;
    kit->error.message[0] = '\0';
    return audit_verify(kit->dir, known, &report, &kit->error);
}

static void file_path(const struct kit *kit, uint64_t number, char path[PATH_SIZE_MAX])
{
    char name[AUDIT_NAME_SIZE];
    audit_file_name(number, name);
    if (snprintf(path, PATH_SIZE_MAX, "%s/%s", kit->dir, name) >= PATH_SIZE_MAX)
        abort();
}

static char *file_text(const struct kit *kit, uint64_t number, size_t *ret_size)
{
    char path[PATH_SIZE_MAX];
    file_path(kit, number, path);
    return read_file(path, ret_size);
}

static void put_file(const struct kit *kit, uint64_t number, const char *text, size_t size)
{
    char path[PATH_SIZE_MAX];
    file_path(kit, number, path);
    write_file(path, text, size);
}

/* --- Lines -------------------------------------------------------------------------------------- */

static void lines_say_what_happened(void **state)
{
    struct kit kit;
    struct stat info;
    char path[PATH_SIZE_MAX], head[65], digest_text[SHA256_TEXT_SIZE];
    uint8_t digest[SHA256_SIZE];
    size_t size;
    begin(&kit, state, 0, 0);
    start(&kit);
    audit_head(kit.audit, head);
    assert_int_equal(strspn(head, "0"), 64);
    audit_append(kit.audit, &(struct audit_entry){.operation = "indices.drop",
                                                  .outcome = "denied",
                                                  .status = 403,
                                                  .who = "a\"b\n\xff",
                                                  .token_id = "0f",
                                                  .peer = "[::1]:1",
                                                  .collection = "films",
                                                  .namespace_ = "",
                                                  .reason = "role",
                                                  .trace_id = "4bf9"});
    audit_head(kit.audit, head);
    stop(&kit);
    char *text = file_text(&kit, 1, &size);
    static const char begins[] =
        "{\"line\":1,\"previous\":"
        "\"0000000000000000000000000000000000000000000000000000000000000000"
        "\",\"time\":\"20";
    assert_memory_equal(text, begins, strlen(begins));
    assert_non_null(strstr(
        text,
        "Z\",\"operation\":\"indices.drop\",\"outcome\":\"denied\",\"status\":403,"
        "\"who\":\"a\\\"b\\n\xef\xbf\xbd\",\"token\":\"0f\",\"peer\":\"[::1]:1\",\"collection\":"
        "\"films\",\"namespace\":\"\",\"reason\":\"role\",\"trace\":\"4bf9\"}\n"));
    assert_int_equal(sha256_of(text, size - 1, digest, NULL), LODE_OK);
    assert_string_equal(sha256_text(digest, digest_text), head);
    file_path(&kit, 1, path);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0600);
    assert_int_equal(stat(kit.dir, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0700);
    free(text);
}

static void nothing_is_written_where_it_is_off(void **state)
{
    struct kit kit;
    begin(&kit, state, 0, 0);
    kit.config.audit.is_on = false;
    start(&kit);
    assert_null(kit.audit);
    add(&kit, 1);
    assert_int_equal(audit_error(kit.audit, NULL), LODE_OK);
    assert_int_equal(audit_failures(kit.audit), 0);
    stop(&kit);
    assert_int_not_equal(access(kit.dir, F_OK), 0);
}

/* Names from the network may be of any size and bytes. */
static void hostile_names_are_bounded(void **state)
{
    struct kit kit;
    begin(&kit, state, 0, 0);
    start(&kit);
    char *name = malloc(1 << 20);
    for (int byte = 1; byte < 256; byte++) {
        memset(name, byte, (1 << 20) - 1);
        name[(1 << 20) - 1] = '\0';
        audit_append(kit.audit, &(struct audit_entry){.operation = name,
                                                      .outcome = name,
                                                      .who = name,
                                                      .key_id = name,
                                                      .peer = name,
                                                      .collection = name,
                                                      .namespace_ = name,
                                                      .reason = name,
                                                      .trace_id = name});
    }
    free(name);
    assert_int_equal(audit_error(kit.audit, NULL), LODE_OK);
    stop(&kit);
    assert_int_equal(verify(&kit, NULL).lines, 255);
}

/* --- Going on ----------------------------------------------------------------------------------- */

static void it_goes_on_after_restarts(void **state)
{
    struct kit kit;
    struct audit *second;
    char head[65];
    begin(&kit, state, 0, 0);
    for (unsigned i = 1; i <= 5; i++) {
        start(&kit);
        assert_int_equal(audit_open(&kit.config, &second, &kit.error), LODE_BUSY);
        add(&kit, 3);
        audit_head(kit.audit, head);
        stop(&kit);
        struct audit_report report = verify(&kit, NULL);
        assert_int_equal(report.lines, 3 * i);
        assert_int_equal(report.files, 1);
        assert_string_equal(report.last_hash, head);
    }
}

static void files_are_rotated_and_deleted(void **state)
{
    struct kit kit;
    char path[PATH_SIZE_MAX], first_head[65];
    begin(&kit, state, 2000, 0);
    start(&kit);
    add(&kit, 1);
    audit_head(kit.audit, first_head);
    add(&kit, 99);
    stop(&kit);
    struct audit_report report = verify(&kit, first_head);
    assert_int_equal(report.lines, 100);
    assert_int_equal(report.first_line, 1);
    assert_true(report.files > 10);
    uint64_t files = report.files;

    kit.config.audit.files_max = 3;
    start(&kit);
    add(&kit, 50);
    stop(&kit);
    report = verify(&kit, NULL);
    assert_int_equal(report.files, 3);
    assert_true(report.first_line > 100);
    file_path(&kit, files, path);
    assert_int_not_equal(access(path, F_OK), 0);
    assert_int_equal(verify_status(&kit, first_head), LODE_CORRUPT); /* it is gone */
    start(&kit);
    add(&kit, 2);
    stop(&kit);
    assert_int_equal(verify(&kit, report.last_hash).files, 3);
}

/* --- Changes ------------------------------------------------------------------------------------ */

/* One bit, anywhere but in the last line, which only a hash that was kept can vouch for. */
static void each_bit_matters(void **state)
{
    struct kit kit;
    size_t size;
    begin(&kit, state, 0, 0);
    start(&kit);
    add(&kit, 5);
    stop(&kit);
    struct audit_report report = verify(&kit, NULL);
    char *text = file_text(&kit, 1, &size);
    size_t last = size - 1;
    while (text[last - 1] != '\n')
        last--;
    for (size_t i = 0; i < size; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            text[i] = (char)(text[i] ^ (1 << bit));
            put_file(&kit, 1, text, size);
            if (i < last && !verify_status(&kit, NULL))
                fail_msg("bit %u of byte %zu", bit, i);
            if (!verify_status(&kit, report.last_hash))
                fail_msg("bit %u of byte %zu, with the last hash", bit, i);
            text[i] = (char)(text[i] ^ (1 << bit));
        }
    put_file(&kit, 1, text, size);
    assert_int_equal(verify_status(&kit, report.last_hash), LODE_OK);
    free(text);
}

/* Of lines text[0, size): which begins where; the last entry is the end. */
static size_t find_lines(const char *text, size_t size, size_t starts[16])
{
    size_t count = 0;
    starts[0] = 0;
    for (size_t i = 0; i < size; i++)
        if (text[i] == '\n')
            starts[++count] = i + 1;
    return count;
}

static void lines_are_not_taken_moved_or_added(void **state)
{
    struct kit kit;
    size_t size, starts[16];
    begin(&kit, state, 0, 0);
    start(&kit);
    add(&kit, 6);
    stop(&kit);
    char *text = file_text(&kit, 1, &size), *changed = malloc(2 * size);
    struct audit_report report = verify(&kit, NULL);
    size_t count = find_lines(text, size, starts);
    assert_int_equal(count, 6);
    for (size_t i = 0; i < count; i++) {
        size_t line = starts[i + 1] - starts[i], rest = size - starts[i + 1];
        /* Taken. */
        memcpy(changed, text, starts[i]);
        memcpy(changed + starts[i], text + starts[i + 1], rest);
        put_file(&kit, 1, changed, size - line);
        assert_int_equal(verify_status(&kit, NULL), i + 1 < count ? LODE_CORRUPT : LODE_OK);
        assert_int_equal(verify_status(&kit, report.last_hash), LODE_CORRUPT);
        /* Twice. */
        memcpy(changed, text, starts[i + 1]);
        memcpy(changed + starts[i + 1], text + starts[i], size - starts[i]);
        put_file(&kit, 1, changed, size + line);
        assert_int_equal(verify_status(&kit, NULL), LODE_CORRUPT);
        /* Moved to the beginning. */
        if (i > 0) {
            memcpy(changed, text + starts[i], line);
            memcpy(changed + line, text, starts[i]);
            memcpy(changed + line + starts[i], text + starts[i + 1], rest);
            put_file(&kit, 1, changed, size);
            assert_int_equal(verify_status(&kit, NULL), LODE_CORRUPT);
            assert_non_null(strstr(kit.error.message, "audit-00000001.jsonl, line 1: "));
        }
    }
    free(changed);
    free(text);
}

static void truncation_shows_with_a_kept_hash(void **state)
{
    struct kit kit;
    size_t size, starts[16];
    char head[65], path[PATH_SIZE_MAX];
    begin(&kit, state, 0, 0);
    start(&kit);
    add(&kit, 4);
    audit_head(kit.audit, head);
    add(&kit, 2);
    stop(&kit);
    char *text = file_text(&kit, 1, &size);
    (void)find_lines(text, size, starts);
    for (size_t cut = 0; cut <= size; cut++) {
        put_file(&kit, 1, text, cut);
        assert_int_equal(verify_status(&kit, head), cut >= starts[4] ? LODE_OK : LODE_CORRUPT);
        assert_int_equal(verify_status(&kit, NULL), LODE_OK);
    }
    free(text);
    static const char *const bad[] = {
        "", "0", "x123456789012345678901234567890123456789012345678901234567890123"};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(verify_status(&kit, bad[i]), LODE_INVALID);
    file_path(&kit, 1, path);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(verify_status(&kit, NULL), LODE_NOT_FOUND);
}

static void missing_files_show(void **state)
{
    struct kit kit;
    char path[PATH_SIZE_MAX], other[PATH_SIZE_MAX];
    begin(&kit, state, 1500, 0);
    start(&kit);
    add(&kit, 30);
    stop(&kit);
    struct audit_report report = verify(&kit, NULL);
    assert_true(report.files > 4);
    file_path(&kit, 99, other);
    for (uint64_t i = 1; i <= report.files; i++) {
        file_path(&kit, i, path);
        assert_int_equal(rename(path, other), 0);
        assert_int_equal(verify_status(&kit, NULL), LODE_CORRUPT);
        char aside[PATH_SIZE_MAX + 8];
        snprintf(aside, sizeof aside, "%s.aside", path);
        assert_int_equal(rename(other, aside), 0);
        assert_int_equal(verify_status(&kit, NULL), i < report.files ? LODE_CORRUPT : LODE_OK);
        assert_int_equal(verify_status(&kit, report.last_hash), LODE_CORRUPT);
        assert_int_equal(rename(aside, path), 0);
    }
    assert_int_equal(verify_status(&kit, report.last_hash), LODE_OK);
}

/* --- Crashes ------------------------------------------------------------------------------------ */

/* kill -9 amid a line: wherever it was cut, what is whole stays, and a line says that one was torn. */
static void torn_lines_are_told(void **state)
{
    struct kit kit;
    size_t size, starts[16];
    begin(&kit, state, 0, 0);
    start(&kit);
    add(&kit, 3);
    stop(&kit);
    char *text = file_text(&kit, 1, &size);
    (void)find_lines(text, size, starts);
    for (size_t cut = 0; cut < size; cut += 7) {
        size_t whole = cut >= starts[2] ? 2 : cut >= starts[1] ? 1 : 0;
        int is_torn = cut != starts[whole];
        put_file(&kit, 1, text, cut);
        struct audit_report report = verify(&kit, NULL);
        assert_int_equal(report.lines, whole);
        assert_int_equal(report.open_bytes, cut - starts[whole]);
        start(&kit);
        add(&kit, 1);
        stop(&kit);
        report = verify(&kit, NULL);
        assert_int_equal(report.torn, is_torn);
        assert_int_equal(report.lines, whole + 1 + (size_t)is_torn);
        assert_int_equal(report.open_bytes, 0);
    }
    free(text);
}

/* A crash between a new file and its first line; and one before the first line of all. */
static void empty_files_are_gone_on_with(void **state)
{
    struct kit kit;
    begin(&kit, state, 0, 0);
    start(&kit);
    stop(&kit);
    assert_int_equal(verify(&kit, NULL).lines, 0);
    start(&kit);
    add(&kit, 2);
    stop(&kit);
    put_file(&kit, 2, "", 0);
    put_file(&kit, 3, "", 0);
    start(&kit);
    add(&kit, 2);
    stop(&kit);
    struct audit_report report = verify(&kit, NULL);
    assert_int_equal(report.lines, 4);
    assert_int_equal(report.files, 3);
    put_file(&kit, 4, "{\"line\":5,\"prev", 15);
    start(&kit);
    stop(&kit);
    report = verify(&kit, NULL);
    assert_int_equal(report.lines, 5);
    assert_int_equal(report.torn, 1);
}

/* What was changed is not gone on with: the log that follows would vouch for it. */
static void a_changed_log_is_not_opened(void **state)
{
    struct kit kit;
    size_t size;
    begin(&kit, state, 0, 0);
    start(&kit);
    add(&kit, 4);
    stop(&kit);
    char *text = file_text(&kit, 1, &size);
    *strstr(text, "\"points\":10") = 'x';
    put_file(&kit, 1, text, size);
    assert_int_equal(audit_open(&kit.config, &kit.audit, &kit.error), LODE_CORRUPT);
    assert_non_null(strstr(kit.error.message, "audit-00000001.jsonl, line 1"));
    free(text);
}

/* --- Failures ----------------------------------------------------------------------------------- */

static void a_full_disk_is_told_and_recovered_from(void **state)
{
    struct kit kit;
    struct rlimit before, small;
    begin(&kit, state, 0, 0);
    start(&kit);
    add(&kit, 2);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    small = before;
    small.rlim_cur = 1000; /* the fourth line or so is cut amid */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    add(&kit, 5);
    lode_status status = audit_error(kit.audit, &kit.error);
    uint64_t failures = audit_failures(kit.audit);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, LODE_IO);
    assert_non_null(strstr(kit.error.message, "audit log"));
    assert_true(failures >= 3);
    for (int i = 0; i < 1000 && audit_error(kit.audit, NULL); i++)
        usleep(10000);
    assert_int_equal(audit_error(kit.audit, NULL), LODE_OK);
    add(&kit, 1);
    assert_true(audit_failures(kit.audit) == failures);
    stop(&kit);
    struct audit_report report = verify(&kit, NULL);
    assert_true(report.lost == failures && report.torn == 0 && report.open_bytes == 0);
    assert_int_equal(report.lines, 7 - failures + 2);
}

/* What is left out is counted, within a second and at the end. */
static void what_is_left_out_is_counted(void **state)
{
    struct kit kit;
    begin(&kit, state, 0, 0);
    start(&kit);
    add(&kit, 1);
    for (int i = 0; i < 1000; i++)
        audit_skip(kit.audit);
    for (int i = 0; i < 1000 && verify(&kit, NULL).skipped == 0; i++)
        usleep(10000);
    assert_int_equal(verify(&kit, NULL).lines, 2);
    for (int i = 0; i < 7; i++)
        audit_skip(kit.audit);
    stop(&kit);
    struct audit_report report = verify(&kit, NULL);
    assert_int_equal(report.skipped, 1007);
    assert_int_equal(report.lines, 3);
    audit_skip(NULL);
}

/* Nobody finds what is written to a file that is no longer there: the next one is begun, and the log is not sound. */
static void a_removed_file_is_noticed(void **state)
{
    static const char *const moved_to[] = {NULL, "elsewhere"};
    for (size_t i = 0; i < 2; i++) {
        struct kit kit;
        char path[PATH_SIZE_MAX], to[PATH_SIZE_MAX];
        size_t size = 0;
        begin(&kit, state, 0, 0);
        start(&kit);
        add(&kit, 3);
        file_path(&kit, 2 * i + 1, path);
        snprintf(to, sizeof to, "%s/%s", (char *)*state, moved_to[1]);
        assert_int_equal(moved_to[i] ? rename(path, to) : unlink(path), 0);
        file_path(&kit, 2 * i + 2, path);
        for (int j = 0; j < 1000 && (access(path, F_OK) != 0 || audit_error(kit.audit, NULL)); j++)
            usleep(10000);
        assert_int_equal(audit_error(kit.audit, NULL), LODE_OK);
        add(&kit, 1);
        stop(&kit);
        char *text = file_text(&kit, 2 * i + 2, &size);
        assert_non_null(strstr(text, "\"operation\":\"audit.gone\",\"file\":\"audit-0000000"));
        free(text);
        assert_int_equal(audit_verify(kit.dir, NULL, &(struct audit_report){0}, &kit.error),
                         LODE_CORRUPT);
        assert_non_null(strstr(kit.error.message, i ? "the file before it is missing"
                                                    : "audit-00000001.jsonl is missing"));
        /* For the second one: the log goes on in file 3. */
        if (i == 0)
            put_file(&kit, 3, "", 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_say_what_happened, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(nothing_is_written_where_it_is_off, dir_setup,
                                        dir_teardown),
        cmocka_unit_test_setup_teardown(hostile_names_are_bounded, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(it_goes_on_after_restarts, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(files_are_rotated_and_deleted, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(each_bit_matters, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(lines_are_not_taken_moved_or_added, dir_setup,
                                        dir_teardown),
        cmocka_unit_test_setup_teardown(truncation_shows_with_a_kept_hash, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(missing_files_show, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(torn_lines_are_told, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(empty_files_are_gone_on_with, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(a_changed_log_is_not_opened, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(what_is_left_out_is_counted, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(a_removed_file_is_noticed, dir_setup, dir_teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_is_told_and_recovered_from, dir_setup,
                                        dir_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
