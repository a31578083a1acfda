/* What settings mean together: addresses and authentication, TLS, tokens, files that hold secrets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "server/config_keys.h"
#include "support/temp_dir.h"

static struct config config;
static lode_error error;
static char dir[PATH_SIZE_MAX];

static void sets(const char *key, const char *value)
{
    if (config_set(&config, key, value, &error))
        fail_msg("%s", error.message);
}

/* A file of so many bytes; its path is valid until the next but one. */
static const char *file(const char *name, size_t size, unsigned mode)
{
    static char paths[2][PATH_SIZE_MAX + 32];
    static unsigned turn;
    char *path = paths[turn++ % 2];
    snprintf(path, sizeof paths[0], "%s/%s", dir, name);
    FILE *to = fopen(path, "w");
    assert_non_null(to);
    for (size_t i = 0; i < size; i++)
        fputc('x', to);
    assert_int_equal(fclose(to), 0);
    assert_int_equal(chmod(path, mode), 0);
    return path;
}

static int setup(void **state)
{
    (void)state;
    memset(&error, 0, sizeof error);
    temp_dir_make(dir);
    config_init(&config);
    sets("data", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    config_release(&config);
    temp_dir_remove(dir);
    return 0;
}

static void passes(void)
{
    config_complete(&config);
    if (config_check(&config, &error))
        fail_msg("%s", error.message);
}

static void fails(const char *part)
{
    config_complete(&config);
    lode_status status = config_check(&config, &error);
    if (!status || !strstr(error.message, part))
        fail_msg("'%s' is not in '%s'", part, status ? error.message : "");
}

static void defaults_and_a_directory_suffice(void **state)
{
    (void)state;
    passes();
    sets("data", "");
    fails("data is not set");
}

static void loopback_is_what_only_this_machine_reaches(void **state)
{
    (void)state;
    static const char *const own[] = {"127.0.0.1:7700", "127.255.0.3:1", "[::1]:7700",
                                      "localhost:0", "[::ffff:127.0.0.1]:1"};
    static const char *const others[] = {"0.0.0.0:7700",    "[::]:7700",
                                         "10.0.0.1:7700",   "example.org:1",
                                         "128.0.0.1:1",     "[::ffff:10.0.0.1]:1",
                                         "localhost.x:1",   "127.0.0.1.example.org:1",
                                         "127.0.0.1",       ":7700",
                                         "127.0.0.1:7700x", "0x7f000001:1"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (!config_is_loopback(own[i]))
            fail_msg("%s", own[i]);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (config_is_loopback(others[i]))
            fail_msg("%s", others[i]);
}

static void addresses_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "7700",         "127.0.0.1",  ":7700", "::1:7700", "127.0.0.1:65536",
        "127.0.0.1:-1", "127.0.0.1:", "[]:1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sets("listen", bad[i]);
        fails("and takes HOST:PORT");
    }
    sets("listen", "[::1]:0,127.0.0.1:65535");
    passes();
}

static void without_authentication_it_stays_on_this_machine(void **state)
{
    (void)state;
    sets("listen", "127.0.0.1:1,0.0.0.0:7700");
    passes();
    sets("auth.enabled", "no");
    fails("listen is '0.0.0.0:7700', which others can reach, and auth.enabled is no");
    sets("auth.allow-anonymous-on-public-address", "yes");
    passes();
    sets("auth.allow-anonymous-on-public-address", "no");
    sets("listen", "127.0.0.1:1,[::1]:2");
    passes();
}

static int listening(int family, const void *address, socklen_t size)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(bind(fd, address, size), 0);
    return fd;
}

static void sockets_are_checked_like_addresses(void **state)
{
    (void)state;
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_un local = {.sun_family = AF_UNIX};
    int sockets[3];
    sockets[0] = listening(AF_INET, &four, sizeof four);
    four.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    sockets[1] = listening(AF_INET, &four, sizeof four);
    assert_int_equal(chdir(dir), 0);
    strcpy(local.sun_path, "socket");
    sockets[2] = listening(AF_UNIX, &local, sizeof local);
    assert_int_equal(config_check_sockets(&config, sockets, 3, &error), LODE_OK);
    sets("auth.enabled", "no");
    assert_int_equal(config_check_sockets(&config, sockets + 1, 2, &error), LODE_OK);
    assert_int_equal(config_check_sockets(&config, sockets, 3, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "others can reach the socket"));
    sets("auth.allow-anonymous-on-public-address", "yes");
    assert_int_equal(config_check_sockets(&config, sockets, 3, &error), LODE_OK);
    for (size_t i = 0; i < 3; i++)
        close(sockets[i]);
}

static void tls_is_whole_or_absent(void **state)
{
    (void)state;
    sets("tls.certificate", file("c.pem", 9, 0644));
    fails("tls.certificate is set without tls.key");
    sets("tls.key", file("k.pem", 9, 0640));
    passes();
    sets("tls.allow-tls12", "yes");
    sets("tls.client-ca", file("ca.pem", 9, 0644));
    passes();
    sets("tls.certificate", "");
    fails("tls.key is set without tls.certificate");
    sets("tls.key", "");
    fails("tls.client-ca asks for certificates of clients, which needs TLS");
    sets("tls.client-ca", "");
    fails("tls.allow-tls12 is yes without TLS");
}

static void files_must_be_there_and_secrets_secret(void **state)
{
    (void)state;
    sets("tls.certificate", file("c.pem", 9, 0644));
    sets("tls.key", "/nowhere/key.pem");
    fails("tls.key: ");
    sets("tls.key", file("k.pem", 9, 0604));
    fails("used by everybody, and holds a secret (mode 0604): chmod o=");
    sets("tls.key", file("k.pem", 0, 0600));
    fails("has 0 bytes; at least 1");
    sets("tls.key", dir);
    fails("is not a file");
    sets("tls.key", file("k.pem", 9, 0600));
    passes();
    sets("auth.keys-file", "/nowhere/keys");
    fails("auth.keys-file: cannot open /nowhere/keys");
    sets("auth.keys-file", file("keys", 9, 0644));
    fails("may be used by others than its owner (mode 0644): chmod 600");
    sets("auth.keys-file", file("keys", 9, 0640)); /* as it is read: not by a group either */
    fails("auth.keys-file: ");
    sets("auth.enabled", "no");
    passes();
    sets("engine.key-file", file("e", 32, 0640));
    fails("engine.key-file: ");
    sets("engine.key-file", file("e", 32, 0600));
    passes();
    sets("tls.key", file("k.pem", 9, 0644)); /* a group may, everybody may not */
    fails("chmod o=");
    sets("tls.key", file("k.pem", 9, 0640));
    passes();
}

static void tokens_need_their_settings(void **state)
{
    (void)state;
    sets("auth.jwt.enabled", "yes");
    fails("needs auth.jwt.issuer");
    sets("auth.jwt.issuer", "https://issuer.example");
    fails("needs auth.jwt.audience");
    sets("auth.jwt.audience", "lode");
    fails("its algorithms need auth.jwt.jwks-file or auth.jwt.jwks-url");
    sets("auth.jwt.jwks-file", file("jwks", 9, 0664)); /* whoever writes to it signs tokens */
    fails("may be written by others than its owner (mode 0664): chmod go-w");
    sets("auth.jwt.jwks-file", file("jwks", 9, 0644));
    passes();
    sets("auth.jwt.jwks-url", "https://issuer.example/keys");
    fails("exclude one another");
    sets("auth.jwt.jwks-file", "");
    passes();
    sets("auth.enabled", "no");
    fails("auth.jwt.enabled is yes, and auth.enabled no");
}

static void keys_come_by_https(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "http://issuer.example/keys", "ftp://x", "https://", "http://127.0.0.1@evil.example/",
        "http://localhost.evil/",     "http:///"};
    static const char *const good[] = {"https://issuer.example/keys", "http://127.0.0.1:81/keys",
                                       "http://localhost/keys", "http://[::1]:80/"};
    sets("auth.jwt.enabled", "yes");
    sets("auth.jwt.issuer", "i");
    sets("auth.jwt.audience", "a");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        sets("auth.jwt.jwks-url", bad[i]);
        fails("auth.jwt.jwks-url: ");
    }
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        sets("auth.jwt.jwks-url", good[i]);
        passes();
    }
}

static void hs256_and_its_secret_go_together(void **state)
{
    (void)state;
    sets("auth.jwt.enabled", "yes");
    sets("auth.jwt.issuer", "i");
    sets("auth.jwt.audience", "a");
    sets("auth.jwt.secret-file", file("secret", 32, 0600));
    fails("go together");
    sets("auth.jwt.algorithms", "HS256");
    passes();
    sets("auth.jwt.secret-file", file("secret", 31, 0600));
    fails("has 31 bytes; at least 32");
    sets("auth.jwt.secret-file", file("secret", 32, 0640));
    fails("(mode 0640): chmod 600");
    sets("auth.jwt.secret-file", file("secret", 32, 0600));
    sets("auth.jwt.jwks-url", "https://issuer.example/keys");
    fails("has nothing but HS256");
    sets("auth.jwt.algorithms", "HS256,RS256");
    passes();
    sets("auth.jwt.secret-file", "");
    fails("auth.jwt.algorithms: HS256");
}

static void amounts_fit_together(void **state)
{
    (void)state;
    sets("http.body-size", "1GiB");
    fails("http.body-size is 1GiB; at most http.gather-size, 512MiB");
    sets("http.gather-size", "1GiB");
    passes();
    sets("engine.memory", "1MiB");
    fails("engine.memory is 1MiB; 0, or at least 64MiB");
    sets("engine.memory", "64MiB");
    passes();
    sets("traces.endpoint", "localhost:4318");
    fails("traces.endpoint is 'localhost:4318'");
    sets("traces.endpoint", "http://localhost:4318");
    passes();
    sets("engine.key-command", "pass lode");
    passes();
    sets("engine.key-file", file("e", 32, 0600));
    fails("exclude one another");
}

static void ranges_hold_for_whoever_set_them(void **state)
{
    (void)state;
    config.http.read_threads = 1000;
    fails("http.read-threads is '1000', and takes a whole number from 0 to 256");
    config.http.read_threads = 1;
    config.limits.points = 0;
    fails("limits.points is '0', and takes a whole number from 1 to 10000");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(defaults_and_a_directory_suffice),
        TEST(loopback_is_what_only_this_machine_reaches),
        TEST(addresses_are_checked),
        TEST(without_authentication_it_stays_on_this_machine),
        TEST(sockets_are_checked_like_addresses),
        TEST(tls_is_whole_or_absent),
        TEST(files_must_be_there_and_secrets_secret),
        TEST(tokens_need_their_settings),
        TEST(keys_come_by_https),
        TEST(hs256_and_its_secret_go_together),
        TEST(amounts_fit_together),
        TEST(ranges_hold_for_whoever_set_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
