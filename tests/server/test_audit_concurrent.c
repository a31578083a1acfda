/* Many threads append, across rotations, while others look at it; not a line is lost, and the chain holds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "os/thread.h"
#include "server/audit.h"
#include "server/test_access_kit.h"

#define THREADS 6
#define ENTRIES 3000

static struct audit *audit;

static void run(void *context)
{
    char head[65];
    for (int i = 0; i < ENTRIES; i++) {
        audit_append(audit, &(struct audit_entry){.operation = "vectors.delete",
                                                  .outcome = "ok",
                                                  .status = 200,
                                                  .who = context,
                                                  .points = 1});
        if (i % 100 == 0)
            audit_head(audit, head);
        if (audit_error(audit, NULL))
            abort();
    }
}

static void the_chain_holds(void **state)
{
    struct thread threads[THREADS];
    static char names[THREADS][2];
    struct config config = {.data = *state};
    struct audit_report report;
    lode_error error = {.message = ""};
    char dir[PATH_SIZE_MAX];
    config.audit.is_on = true;
    config.audit.file_bytes_max = 100000;
    assert_int_equal(audit_open(&config, &audit, &error), LODE_OK);
    for (size_t i = 0; i < THREADS; i++) {
        names[i][0] = (char)('a' + i);
        assert_int_equal(thread_start(&threads[i], "append", run, names[i]), 0);
    }
    thread_sleep_us(1200000); /* a sync falls into it, or follows */
    for (size_t i = 0; i < THREADS; i++)
        thread_join(&threads[i]);
    audit_close(audit);
    snprintf(dir, sizeof dir, "%s/server/audit", (char *)*state);
    if (audit_verify(dir, NULL, &report, &error))
        fail_msg("%s", error.message);
    assert_int_equal(report.lines, THREADS * ENTRIES);
    assert_true(report.files > 10 && report.lost == 0 && report.torn == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_chain_holds, dir_setup, dir_teardown)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
