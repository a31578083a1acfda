/* Settings from YAML files and the environment, and printed so that they can be read again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/json.h"
#include "server/config_keys.h"
#include "support/temp_dir.h"

static struct config config;
static lode_error error;
static char dir[PATH_SIZE_MAX];
static char path[PATH_SIZE_MAX + 16];

static int setup(void **state)
{
    (void)state;
    memset(&error, 0, sizeof error);
    temp_dir_make(dir);
    snprintf(path, sizeof path, "%s/lode.yaml", dir);
    config_init(&config);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    config_release(&config);
    temp_dir_remove(dir);
    return 0;
}

static void write_bytes(const void *text, size_t size)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(path, 0644), 0);
}

static void reads(const char *text)
{
    write_bytes(text, strlen(text));
    if (config_read(&config, path, &error))
        fail_msg("%s", error.message);
}

/* message is what follows the path. */
static void refuses(const char *text, const char *message)
{
    write_bytes(text, strlen(text));
    assert_int_equal(config_read(&config, path, &error), LODE_INVALID);
    const char *behind = strstr(error.message, "lode.yaml");
    assert_non_null(behind);
    assert_string_equal(behind + strlen("lode.yaml"), message);
}

static void a_file_is_read(void **state)
{
    (void)state;
    reads("# a comment\n"
          "data: /var/lib/lode\n"
          "listen: [127.0.0.1:1, '[::1]:2']\n"
          "tls:\n"
          "  certificate: \"c.pem\"\n"
          "  key: k.pem\n"
          "auth:\n"
          "  enabled: no\n"
          "  jwt:\n"
          "    algorithms:\n"
          "      - RS256\n"
          "      - ES256\n"
          "    leeway: 1m\n"
          "http: {read-threads: 4, body-size: 16MiB, queue-time: 100ms}\n"
          "traces:\n"
          "  share: 0.25\n");
    assert_string_equal(config.data, "/var/lib/lode");
    assert_int_equal(config.listen.count, 2);
    assert_string_equal(config.listen.items[1], "[::1]:2");
    assert_string_equal(config.tls.certificate, "c.pem");
    assert_true(config.auth.is_off);
    assert_int_equal(config.auth.jwt.algorithms.count, 2);
    assert_int_equal(config.auth.jwt.leeway_s, 60);
    assert_int_equal(config.http.read_threads, 4);
    assert_int_equal(config.http.body_bytes_max, 16 << 20);
    assert_int_equal(config.http.queue_ms_max, 100);
    assert_true(config.traces.share > 0.2 && config.traces.share < 0.3);
    assert_int_equal(config_key_origin(&config, "http.body-size"), CONFIG_FILE);
    assert_int_equal(config_key_origin(&config, "http.streams"), CONFIG_DEFAULT);
}

static void what_is_not_said_keeps_its_default(void **state)
{
    (void)state;
    reads("");
    reads("# nothing\n");
    reads("log:\n  level:\n  slow-query: ~\nauth:\n  jwt:\n    role-claim: null\n");
    assert_string_equal(config.log.level, "info");
    assert_int_equal(config.log.slow_query_ms, 1000);
    assert_string_equal(config.auth.jwt.role_claim, "role");
    assert_int_equal(config_key_origin(&config, "log.level"), CONFIG_DEFAULT);
}

static void unknown_keys_are_refused_with_their_line(void **state)
{
    (void)state;
    refuses("data: x\ndta: y\n", ":2: there is no setting 'dta'; did you mean 'data'?");
    refuses("data: x\n\nhttp:\n  read-threads: 1\n  read-treads: 4\n",
            ":5: there is no setting 'http.read-treads'; did you mean 'http.read-threads'?");
    refuses("auth:\n  jwt:\n    isuer: x\n",
            ":3: there is no setting 'auth.jwt.isuer'; did you mean 'auth.jwt.issuer'?");
    refuses("data: x\n# c\nauth:\n  keys-file: k\n  jwt: {enabled: no}\n  jwtt:\ntls: {}\n",
            ":6: there is no setting 'auth.jwtt'; did you mean 'auth.jwt'?");
    refuses("<<: {data: x}\n", ":1: there is no setting '<<'");
    refuses("http.read-threads: 4\n", ":1: there is no setting 'http.read-threads'");
}

static void wrong_values_are_refused_with_their_line(void **state)
{
    (void)state;
    refuses("data: x\nhttp:\n  streams: 7\n  read-threads: 300\n",
            ":4: http.read-threads is '300', and takes a whole number from 0 to 256");
    refuses("data: x\n\nlog: {level: loud}\n",
            ":3: log.level is 'loud', and takes one of error, warning, info, debug");
    refuses("auth:\n  jwt:\n    algorithms:\n      - none\n",
            ":4: auth.jwt.algorithms is 'none', and takes some of HS256, RS256, ES256, PS256");
    refuses("data: \"a\\nb\"\n", ":1: data has a control character (byte 1)");
    refuses("data: |\n  a\n  b\nhttp: {}\n", ":1: data has a control character (byte 1)");
}

static void wrong_shapes_are_refused(void **state)
{
    (void)state;
    refuses("listen: 127.0.0.1:7700\n", ":1: 'listen' takes a list, as [one, two]");
    refuses("data: x\nlisten:\n  - [a]\n", ":3: 'listen' takes one value, no list and no section");
    refuses("data: [x]\n", ":1: 'data' takes one value, no list and no section");
    refuses("http: 4\n", ":1: 'http' is a section: keys belong below it, indented, or its line is "
                         "left out");
    refuses("http:\n", ":1: 'http' is a section: keys belong below it, indented, or its line is "
                       "left out");
    refuses("- data\n", ": settings are wanted, as 'data: DIRECTORY'");
    refuses("listen: [a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a]\n",
            ":1: 'listen' has too many values; at most 16");
}

static void what_is_ambiguous_is_refused(void **state)
{
    (void)state;
    refuses("data: x\ndata: y\n", ":1: 'data' is given once more after this line");
    refuses("http:\n  streams: 1\ndata: x\nhttp:\n  read-threads: 2\n",
            ":3: 'http' is given once more after this line");
    refuses("data: x\n---\ndata: y\n", ": Ignoring documents after first in stream");
    refuses("data: &a x\ntls: {key: *a}\n", ":2: YAML alias unsupported, at tls.key");
    refuses("data: x\n\tlog: y\n",
            ":1: behind this line, no YAML: found a tab character that violates indentation");
}

static void files_that_are_none_are_refused(void **state)
{
    (void)state;
    static char large[1048577];
    write_bytes("data: x\0y\n", 10);
    assert_int_equal(config_read(&config, path, &error), LODE_INVALID);
    memset(large, '#', sizeof large);
    write_bytes(large, sizeof large);
    assert_int_equal(config_read(&config, path, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "longer than 1048576 bytes"));
    assert_int_equal(config_read(&config, dir, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "is not a file"));
    assert_int_equal(config_read(&config, "/nowhere/lode.yaml", &error), LODE_NOT_FOUND);
    assert_null(config.data);
}

static void files_that_others_may_write_are_refused(void **state)
{
    (void)state;
    static const unsigned modes[] = {0664, 0646};
    for (size_t i = 0; i < 2; i++) {
        write_bytes("data: x\n", 8);
        assert_int_equal(chmod(path, modes[i]), 0);
        assert_int_equal(config_read(&config, path, &error), LODE_INVALID);
        assert_non_null(strstr(error.message, "chmod go-w"));
    }
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(config_read(&config, path, &error), LODE_OK);
}

static void the_environment_wins_over_files(void **state)
{
    (void)state;
    setenv("LODE_HTTP_READ_THREADS", "7", 1);
    setenv("LODE_LISTEN", "127.0.0.1:1,127.0.0.1:2", 1);
    setenv("LODE_LOG_LEVEL", "", 1);
    setenv("LODE_MEMORY", "1GiB", 1);
    reads("http: {read-threads: 3, write-threads: 5}\nlog: {level: debug}\n");
    assert_int_equal(config_read_environment(&config, &error), LODE_OK);
    assert_int_equal(config.http.read_threads, 7);
    assert_int_equal(config.http.write_threads, 5);
    assert_int_equal(config.listen.count, 2);
    assert_string_equal(config.log.level, "debug");
    assert_int_equal(config.engine.memory_bytes, 1 << 30);
    assert_int_equal(config_key_origin(&config, "http.read-threads"), CONFIG_ENVIRONMENT);
    setenv("LODE_ENGINE_MEMORY", "2GiB", 1); /* the exact name wins */
    assert_int_equal(config_read_environment(&config, &error), LODE_OK);
    assert_int_equal(config.engine.memory_bytes, 2ull << 30);
    setenv("LODE_HTTP_READ_THREADS", "many", 1);
    assert_int_equal(config_read_environment(&config, &error), LODE_INVALID);
    assert_string_equal(error.message,
                        "in the environment, LODE_HTTP_READ_THREADS: http.read-threads is 'many', "
                        "and takes a whole number from 0 to 256");
    unsetenv("LODE_HTTP_READ_THREADS");
    unsetenv("LODE_LISTEN");
    unsetenv("LODE_LOG_LEVEL");
    unsetenv("LODE_MEMORY");
    unsetenv("LODE_ENGINE_MEMORY");
}

static void misspelt_variables_are_refused(void **state)
{
    (void)state;
    setenv("LODE_SIMD", "scalar", 1); /* another's: no section begins so */
    assert_int_equal(config_read_environment(&config, &error), LODE_OK);
    setenv("LODE_AUTH_ENABELD", "no", 1);
    assert_int_equal(config_read_environment(&config, &error), LODE_INVALID);
    assert_string_equal(error.message,
                        "in the environment, LODE_AUTH_ENABELD: there is no such setting; "
                        "did you mean 'LODE_AUTH_ENABLED'?");
    unsetenv("LODE_AUTH_ENABELD");
    unsetenv("LODE_SIMD");
}

static void print(const struct config *from, bool as_json, struct buf *out)
{
    buf_init(out, 1 << 20);
    if (config_print(from, as_json, out, &error) || buf_terminate(out, &error))
        fail_msg("%s", error.message);
}

/* Every key at a value that is not its default. */
static void set_all(void)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        const char *text = keys[i].kind == CONFIG_CHOICE    ? keys[i].choices[0]
                           : keys[i].kind == CONFIG_CHOICES ? "PS256,HS256"
                           : keys[i].kind == CONFIG_TEXT    ? "a \"b\" # c: é"
                           : keys[i].kind == CONFIG_TEXTS   ? "a:1,[b]:2"
                           : keys[i].kind == CONFIG_SHARE   ? "0.125"
                           : keys[i].kind == CONFIG_MS      ? "1001ms"
                           : keys[i].kind == CONFIG_S       ? "61s"
                           : keys[i].kind == CONFIG_BYTES   ? "1000001"
                           : keys[i].kind == CONFIG_NO      ? "no"
                           : keys[i].kind == CONFIG_YES     ? "yes"
                                                            : "77";
        assert_int_equal(config_put(&config, i, text, CONFIG_FLAG, &error), LODE_OK);
    }
}

static void what_is_printed_is_read_again(void **state)
{
    (void)state;
    for (int round = 0; round < 2; round++) {
        struct buf first, second;
        struct config again;
        if (round)
            set_all();
        print(&config, true, &first);
        struct buf yaml;
        print(&config, false, &yaml);
        write_bytes(yaml.data, yaml.size);
        config_init(&again);
        if (config_read(&again, path, &error))
            fail_msg("%s in\n%s", error.message, (const char *)yaml.data);
        memcpy(again.origins, config.origins, sizeof again.origins);
        print(&again, true, &second);
        assert_string_equal((const char *)second.data, (const char *)first.data);
        config_release(&again);
        buf_release(&first);
        buf_release(&second);
        buf_release(&yaml);
    }
}

static void printing_tells_where_values_came_from(void **state)
{
    (void)state;
    struct buf out;
    reads("http: {read-threads: 3}\n");
    assert_int_equal(config_set(&config, "log.level", "debug", &error), LODE_OK);
    print(&config, false, &out);
    const char *text = (const char *)out.data;
    assert_non_null(strstr(text, "\nhttp:\n  read-threads: 3                       # file; "
                                 "default: 0\n  write-threads: 0"));
    assert_non_null(
        strstr(text, "\n  level: debug                          # flag; default: info\n"));
    assert_non_null(strstr(text, "\n  streams: 128                          # default\n"));
    assert_non_null(strstr(text, "\n  jwt:\n    enabled: no "));
    assert_non_null(strstr(text, "# default: DATA/server/keys\n"));
    buf_release(&out);
    print(&config, true, &out);
    assert_int_equal(json_validate((const char *)out.data, out.size, JSON_OBJECT, &error), LODE_OK);
    assert_non_null(strstr((const char *)out.data,
                           "{\"key\":\"http.read-threads\",\"value\":\"3\",\"default\":\"0\","
                           "\"origin\":\"file\",\"environment\":\"LODE_HTTP_READ_THREADS\","));
    buf_release(&out);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_file_is_read),
        TEST(what_is_not_said_keeps_its_default),
        TEST(unknown_keys_are_refused_with_their_line),
        TEST(wrong_values_are_refused_with_their_line),
        TEST(wrong_shapes_are_refused),
        TEST(what_is_ambiguous_is_refused),
        TEST(files_that_are_none_are_refused),
        TEST(files_that_others_may_write_are_refused),
        TEST(the_environment_wins_over_files),
        TEST(misspelt_variables_are_refused),
        TEST(what_is_printed_is_read_again),
        TEST(printing_tells_where_values_came_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
