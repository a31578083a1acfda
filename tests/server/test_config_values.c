/* Settings: their table, their defaults, what texts mean, and what the network is told. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "os/thread.h"
#include "server/config_keys.h"

static struct config config;
static lode_error error;

static int setup(void **state)
{
    (void)state;
    memset(&error, 0, sizeof error);
    config_init(&config);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    config_release(&config);
    return 0;
}

static void sets(const char *key, const char *value)
{
    if (config_set(&config, key, value, &error))
        fail_msg("%s", error.message);
}

static void refuses(const char *key, const char *value, const char *message)
{
    assert_int_equal(config_set(&config, key, value, &error), LODE_INVALID);
    assert_string_equal(error.message, message);
}

static void defaults_are_those_of_the_table(void **state)
{
    (void)state;
    size_t count;
    const struct config_key *keys = config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        struct buf text;
        buf_init(&text, 4096);
        assert_int_equal(config_format(&config, i, &text, &error), LODE_OK);
        assert_int_equal(buf_terminate(&text, &error), LODE_OK);
        if (*keys[i].fallback)
            assert_string_equal((const char *)text.data, keys[i].fallback);
        assert_int_equal(config.origins[i], CONFIG_DEFAULT);
        assert_int_equal(config_check_range(&config, i, &error), LODE_OK);
        buf_release(&text);
    }
    assert_int_equal(config.listen.count, 1);
    assert_string_equal(config.listen.items[0], "127.0.0.1:7700");
    assert_null(config.data);
    assert_false(config.auth.is_off);
    assert_int_equal(config.http.queue_ms_max, 250);
    assert_int_equal(config.http.body_bytes_max, 128 << 20);
    assert_int_equal(config.auth.jwt.refresh_s, 300);
}

/* No two keys share a field, a name or a variable; those of a section stand together. */
static void keys_are_apart(void **state)
{
    (void)state;
    size_t count;
    const struct config_key *keys = config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(config_key_find(keys[i].path), i);
        assert_true(strlen(keys[i].help) > 15);
        for (size_t j = 0; j < i; j++) {
            char a[CONFIG_VARIABLE_MAX], b[CONFIG_VARIABLE_MAX];
            config_key_variable(&keys[i], a);
            config_key_variable(&keys[j], b);
            assert_string_not_equal(a, b);
            assert_int_not_equal(keys[i].offset, keys[j].offset);
            size_t section = strcspn(keys[i].path, ".");
            if (keys[i].path[section] && strncmp(keys[i].path, keys[j].path, section + 1) == 0)
                assert_memory_equal(keys[i].path, keys[i - 1].path, section + 1);
        }
    }
    assert_int_equal(config_key_find("http"), SIZE_MAX);
}

static void times_are_read(void **state)
{
    (void)state;
    uint64_t ms;
    static const struct {
        const char *text;
        uint64_t ms;
    } good[] = {{"250ms", 250},   {"30s", 30000}, {"5m", 300000}, {"2h", 7200000},
                {"1d", 86400000}, {"0", 0},       {"0s", 0}};
    static const char *const bad[] = {"",    "5",   "s",   "1.5s", "-1s",
                                      "+1s", "1 s", "1S",  "1sm",  "99999999999999999999s",
                                      "ms",  "01s", "1s ", " 1s",  "213503982335d"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char text[CONFIG_AMOUNT_MAX];
        assert_int_equal(config_parse_ms(good[i].text, &ms), 1);
        assert_int_equal(ms, good[i].ms);
        config_ms_text(ms, text);
        assert_string_equal(text, ms ? good[i].text : "0");
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (config_parse_ms(bad[i], &ms))
            fail_msg("'%s' is read", bad[i]);
}

static void sizes_are_read(void **state)
{
    (void)state;
    uint64_t bytes;
    static const struct {
        const char *text;
        uint64_t bytes;
        const char *back;
    } good[] = {{"16MiB", 16 << 20, "16MiB"},
                {"1024", 1024, "1KiB"},
                {"2G", 2000000000, NULL},
                {"3kB", 3000, "3000"},
                {"1Ki", 1024, "1KiB"},
                {"0", 0, "0"},
                {"7B", 7, "7"},
                {"1TiB", 1ull << 40, "1TiB"}};
    static const char *const bad[] = {"",
                                      "MiB",
                                      "1.5GiB",
                                      "-1",
                                      "1 MiB",
                                      "16mib",
                                      "16MiBs",
                                      "1X",
                                      "99999999999TiB",
                                      "18446744073709551616"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        char text[CONFIG_AMOUNT_MAX];
        assert_int_equal(config_parse_bytes(good[i].text, &bytes), 1);
        assert_int_equal(bytes, good[i].bytes);
        config_bytes_text(bytes, text);
        if (good[i].back)
            assert_string_equal(text, good[i].back);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (config_parse_bytes(bad[i], &bytes))
            fail_msg("'%s' is read", bad[i]);
}

static void values_reach_their_fields(void **state)
{
    (void)state;
    sets("data", "/var/lib/lode");
    sets("listen", "127.0.0.1:1, [::1]:2");
    sets("auth.enabled", "off");
    sets("tls.allow-tls12", "true");
    sets("http.read-threads", "4");
    sets("limits.k", "16384");
    sets("log.level", "debug");
    sets("traces.share", "0.5");
    sets("auth.jwt.leeway", "2m");
    sets("auth.jwt.algorithms", "RS256,HS256");
    assert_string_equal(config.data, "/var/lib/lode");
    assert_int_equal(config.listen.count, 2);
    assert_string_equal(config.listen.items[1], "[::1]:2");
    assert_true(config.auth.is_off);
    assert_true(config.tls.allow_tls12);
    assert_int_equal(config.http.read_threads, 4);
    assert_int_equal(config.limits.k, 16384);
    assert_string_equal(config.log.level, "debug");
    assert_true(config.traces.share > 0.49 && config.traces.share < 0.51);
    assert_int_equal(config.auth.jwt.leeway_s, 120);
    assert_int_equal(config.auth.jwt.algorithms.count, 2);
    assert_int_equal(config_key_origin(&config, "data"), CONFIG_FLAG);
    assert_int_equal(config_key_origin(&config, "audit.files"), CONFIG_DEFAULT);
    sets("data", "");
    assert_null(config.data);
}

static void wrong_values_are_refused_in_words(void **state)
{
    (void)state;
    refuses("http.read-threads", "257",
            "http.read-threads is '257', and takes a whole number from 0 to 256");
    refuses("http.read-threads", "four",
            "http.read-threads is 'four', and takes a whole number from 0 to 256");
    refuses("http.queue-time", "250",
            "http.queue-time is '250', and takes a time in ms, s, m, h or d from 1ms to 1h");
    refuses("auth.jwt.leeway", "500ms",
            "auth.jwt.leeway is '500ms', and takes a time in s, m, h or d from 0 to 10m");
    refuses("audit.file-size", "1KiB",
            "audit.file-size is '1KiB', and takes a size from 64KiB to 16GiB");
    refuses("auth.enabled", "of", "auth.enabled is 'of', and takes yes or no");
    refuses("log.level", "verbose",
            "log.level is 'verbose', and takes one of error, warning, info, debug");
    refuses("auth.jwt.algorithms", "RS256,none",
            "auth.jwt.algorithms is 'none', and takes some of HS256, RS256, ES256, PS256");
    refuses("traces.share", "1.01", "traces.share is '1.01', and takes a number from 0 to 1");
    refuses("traces.share", "nan", "traces.share is 'nan', and takes a number from 0 to 1");
    refuses("listen", "a,,b", "listen is '', and takes a list of texts");
    refuses("data", "a\nb", "data has a control character (byte 1)");
    refuses("http", "1", "there is no setting 'http'");
    refuses("http.treads", "1", "there is no setting 'http.treads'; did you mean 'http.streams'?");
    assert_int_equal(config.http.read_threads, 0);
    assert_int_equal(config.auth.jwt.algorithms.count, 0);
    assert_int_equal(config_key_origin(&config, "log.level"), CONFIG_DEFAULT);
}

static void long_values_are_refused(void **state)
{
    (void)state;
    char path[4098], many[64] = "a";
    memset(path, 'x', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    refuses("data", path, "data has 4097 bytes; at most 4096");
    for (size_t i = 0; i < 16; i++)
        strcat(many, ",a");
    refuses("listen", many, "listen has 17 values; at most 16");
}

static void audit_follows_authentication(void **state)
{
    (void)state;
    config_complete(&config);
    assert_true(config.audit.is_on);
    sets("auth.enabled", "no");
    config_complete(&config);
    assert_false(config.audit.is_on);
    sets("audit.enabled", "yes");
    config_complete(&config);
    assert_true(config.audit.is_on);
}

static void the_network_is_told(void **state)
{
    (void)state;
    struct net_options options;
    struct net_tls_options tls;
    config_net_options(&config, &options, &tls);
    assert_null(options.tls);
    assert_int_equal(options.address_count, 1);
    assert_int_equal(options.lanes[NET_LANE_READ].threads, thread_cores());
    assert_true(options.lanes[NET_LANE_WRITE].threads >= 8);
    assert_true(options.lanes[NET_LANE_SLOW].threads >= 4);
    assert_true(options.loop_threads >= 1);
    assert_int_equal(options.lanes[NET_LANE_READ].wait_ms_max, 250);
    assert_int_equal(options.lanes[NET_LANE_WRITE].wait_ms_max, 1000);
    assert_int_equal(options.lanes[NET_LANE_SLOW].wait_ms_max, 10000);
    sets("tls.certificate", "c.pem");
    sets("tls.key", "k.pem");
    sets("http.write-threads", "3");
    sets("http.streams", "7");
    sets("http.stall-timeout", "2s");
    config_net_options(&config, &options, &tls);
    assert_ptr_equal(options.tls, &tls);
    assert_string_equal(tls.key_file, "k.pem");
    assert_null(tls.client_ca_file);
    assert_int_equal(options.lanes[NET_LANE_WRITE].threads, 3);
    assert_int_equal(options.connection_streams_max, 7);
    assert_int_equal(options.stall_ms_max, 2000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(defaults_are_those_of_the_table),
        TEST(keys_are_apart),
        TEST(times_are_read),
        TEST(sizes_are_read),
        TEST(values_reach_their_fields),
        TEST(wrong_values_are_refused_in_words),
        TEST(long_values_are_refused),
        TEST(audit_follows_authentication),
        TEST(the_network_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
