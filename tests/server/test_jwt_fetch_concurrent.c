/* Key sets from a URL: a server of our own answers well, badly, slowly or not at all; what was known stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "os/clock.h"
#include "os/thread.h"
#include "server/jwks.h"
#include "server/test_access_kit.h"

enum mode { GOOD, OTHER, FAILING, REDIRECT, GARBAGE, EMPTY, HUGE_BODY, SLOW, CLOSING };

static struct {
    EVP_PKEY *first, *second;
    char good[2048], other[2048];
    int listener;
    unsigned port;
    atomic_int mode, requests, is_stopped;
    struct thread thread;
} http;

static void send_all(int fd, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t put = send(fd, data, size, MSG_NOSIGNAL);
        if (put <= 0)
            return;
        data += put;
        size -= (size_t)put;
    }
}

static void answer(int fd, const char *status, const char *body)
{
    char head[512];
    int size = snprintf(
        head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n%s\r\n",
        status, strlen(body), status[0] == '3' ? "Location: http://127.0.0.1:1/keys\r\n" : "");
    send_all(fd, head, (size_t)size);
    send_all(fd, body, strlen(body));
}

static void answer_endlessly(int fd)
{
    static char filler[65536];
    memset(filler, ' ', sizeof filler);
    send_all(fd, "HTTP/1.1 200 OK\r\n\r\n", 19);
    for (int i = 0; i < 64; i++)
        send_all(fd, filler, sizeof filler);
}

static void serve_one(int fd)
{
    char request[4096];
    if (recv(fd, request, sizeof request, 0) <= 0)
        return;
    atomic_fetch_add(&http.requests, 1);
    switch ((enum mode)atomic_load(&http.mode)) {
    case GOOD: answer(fd, "200 OK", http.good); break;
    case OTHER: answer(fd, "200 OK", http.other); break;
    case FAILING: answer(fd, "500 Oh", http.other); break;
    case REDIRECT: answer(fd, "302 Found", http.other); break;
    case GARBAGE: answer(fd, "200 OK", "{\"keys\":[{\"kty\":\"RSA\"}]}"); break;
    case EMPTY: answer(fd, "200 OK", ""); break;
    case HUGE_BODY: answer_endlessly(fd); break;
    case SLOW:
        send_all(fd, "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", 41);
        while (atomic_load(&http.mode) == SLOW && !atomic_load(&http.is_stopped))
            usleep(1000);
        break;
    case CLOSING: break;
    }
}

static void serve(void *context)
{
    (void)context;
    for (;;) {
        int fd = accept(http.listener, NULL, NULL);
        if (atomic_load(&http.is_stopped) || fd < 0)
            break;
        serve_one(fd);
        close(fd);
    }
}

static int begin(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    http.first = ec_new("P-256");
    http.second = ec_new("P-256");
    strcpy(http.good, "{\"keys\":[");
    append_jwk(http.good, sizeof http.good, http.first, "first", NULL);
    strcat(http.good, "]}");
    strcpy(http.other, "{\"keys\":[");
    append_jwk(http.other, sizeof http.other, http.second, "second", NULL);
    strcat(http.other, "]}");
    http.listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(http.listener, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(http.listener, 16), 0);
    assert_int_equal(getsockname(http.listener, (struct sockaddr *)&address, &size), 0);
    http.port = ntohs(address.sin_port);
    assert_int_equal(thread_start(&http.thread, "http", serve, NULL), 0);
    return 0;
}

static int end(void **state)
{
    (void)state;
    atomic_store(&http.is_stopped, 1);
    shutdown(http.listener, SHUT_RDWR);
    thread_join(&http.thread);
    close(http.listener);
    EVP_PKEY_free(http.first);
    EVP_PKEY_free(http.second);
    return 0;
}

static struct jwks *open_jwks(enum mode mode, uint64_t refresh_s, uint64_t early_s)
{
    char url[100];
    struct jwks *jwks;
    lode_error error;
    atomic_store(&http.mode, (int)mode);
    atomic_store(&http.requests, 0);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/keys", http.port);
    const struct jwks_options options = {.url = url, .refresh_s = refresh_s, .early_s = early_s};
    if (jwks_new(&options, &jwks, &error))
        fail_msg("%s", error.message);
    return jwks;
}

static int has_kid(struct jwks *jwks, const char *kid)
{
    int found = 0;
    struct jwt_keys *keys = jwks_keys(jwks);
    for (size_t i = 0; i < keys->count; i++)
        found |= strcmp(keys->items[i].kid, kid) == 0;
    jwt_keys_unref(keys);
    return found;
}

static void wait_requests(int count)
{
    for (int i = 0; i < 4000 && atomic_load(&http.requests) < count; i++)
        usleep(5000);
    assert_true(atomic_load(&http.requests) >= count);
}

static void wait_kid(struct jwks *jwks, const char *kid)
{
    for (int i = 0; i < 4000 && !has_kid(jwks, kid); i++)
        usleep(5000);
    assert_true(has_kid(jwks, kid));
}

static void sets_are_fetched_and_refreshed(void **state)
{
    (void)state;
    struct jwks *jwks = open_jwks(GOOD, 1, 3600);
    assert_true(has_kid(jwks, "first")); /* at once */
    assert_int_equal(jwks_fault(jwks, NULL), LODE_OK);
    atomic_store(&http.mode, OTHER);
    wait_kid(jwks, "second");
    assert_false(has_kid(jwks, "first"));
    jwks_free(jwks);
}

static void what_was_known_stays(void **state)
{
    (void)state;
    static const struct {
        enum mode mode;
        const char *said;
    } cases[] = {{FAILING, "answered 500"},        {REDIRECT, "answered 302"},
                 {GARBAGE, "n: missing"},          {EMPTY, "nothing is there"},
                 {HUGE_BODY, "more than 256 KiB"}, {CLOSING, "127.0.0.1"}};
    struct jwks *jwks = open_jwks(GOOD, 3600, 3600);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lode_error error = {.message = ""};
        int before = atomic_load(&http.requests);
        uint64_t fetches = jwks_fetches(jwks);
        atomic_store(&http.mode, (int)cases[i].mode);
        assert_int_equal(jwks_reload(jwks, &error), LODE_OK);
        wait_requests(before + 1);
        for (int j = 0; j < 4000 && !strstr(error.message, cases[i].said); j++) {
            usleep(5000);
            (void)jwks_fault(jwks, &error);
        }
        if (!strstr(error.message, cases[i].said))
            fail_msg("'%s', not '%s'", error.message, cases[i].said);
        assert_true(jwks_fetches(jwks) > fetches);
        assert_true(has_kid(jwks, "first"));
    }
    atomic_store(&http.mode, OTHER);
    assert_int_equal(jwks_reload(jwks, NULL), LODE_OK);
    wait_kid(jwks, "second");
    jwks_free(jwks);
}

/* One that takes the place of another, as after a reload, has what that one knew until the URL answers; of another URL nothing. */
static void a_successor_knows_what_was_known(void **state)
{
    (void)state;
    char url[100];
    struct jwks *jwks = open_jwks(GOOD, 3600, 3600), *next = NULL, *other = NULL;
    snprintf(url, sizeof url, "http://127.0.0.1:%u/keys", http.port);
    atomic_store(&http.mode, FAILING);
    assert_int_equal(jwks_new(&(struct jwks_options){.url = url, .before = jwks, .refresh_s = 3600},
                              &next, NULL),
                     LODE_OK);
    assert_true(has_kid(next, "first"));
    assert_int_equal(jwks_fault(next, NULL), LODE_IO);
    snprintf(url, sizeof url, "http://127.0.0.1:%u/others", http.port);
    assert_int_equal(jwks_new(&(struct jwks_options){.url = url, .before = next, .refresh_s = 3600},
                              &other, NULL),
                     LODE_OK);
    assert_false(has_kid(other, "first"));
    jwks_free(jwks);
    jwks_free(next);
    jwks_free(other);
}

/* A provider that is down when the server begins is no reason not to begin. */
static void it_begins_without(void **state)
{
    (void)state;
    struct jwks *jwks = open_jwks(FAILING, 1, 3600);
    assert_int_equal(jwks_fault(jwks, NULL), LODE_IO);
    assert_false(has_kid(jwks, "first"));
    atomic_store(&http.mode, GOOD);
    wait_kid(jwks, "first");
    assert_int_equal(jwks_fault(jwks, NULL), LODE_OK);
    jwks_free(jwks);
}

static void unknown_kids_ask_early_but_rarely(void **state)
{
    (void)state;
    struct jwks *jwks = open_jwks(GOOD, 3600, 1);
    for (int i = 0; i < 1000; i++)
        jwks_want_new(jwks); /* too soon after the first fetch */
    usleep(100000);
    assert_int_equal(atomic_load(&http.requests), 1);
    atomic_store(&http.mode, OTHER);
    usleep(1000000);
    for (int i = 0; i < 1000; i++)
        jwks_want_new(jwks);
    wait_kid(jwks, "second");
    for (int i = 0; i < 1000; i++)
        jwks_want_new(jwks);
    usleep(100000);
    assert_int_equal(atomic_load(&http.requests), 2);
    jwks_free(jwks);
}

/* Neither reading nor ending waits for a server that does not answer. */
static void slow_servers_hold_nobody_up(void **state)
{
    (void)state;
    struct jwks *jwks = open_jwks(GOOD, 3600, 3600);
    atomic_store(&http.mode, SLOW);
    assert_int_equal(jwks_reload(jwks, NULL), LODE_OK);
    wait_requests(2);
    uint64_t begun = clock_now_us(&clock_system);
    assert_true(has_kid(jwks, "first"));
    jwks_want_new(jwks);
    assert_int_equal(jwks_reload(jwks, NULL), LODE_OK);
    assert_true(clock_now_us(&clock_system) - begun < 1000000);
    jwks_free(jwks);
    assert_true(clock_now_us(&clock_system) - begun < 4000000);
    atomic_store(&http.mode, GOOD);
}

/* Whoever writes to the file signs tokens. */
static void files_that_others_may_write_are_refused(void **state)
{
    char path[PATH_SIZE_MAX];
    struct jwks *jwks;
    lode_error error = {.message = ""};
    snprintf(path, sizeof path, "%s/keys.json", (char *)*state);
    write_file(path, http.good, strlen(http.good));
    const struct jwks_options options = {.file = path};
    assert_int_equal(chmod(path, 0646), 0);
    assert_int_equal(jwks_new(&options, &jwks, &error), LODE_INVALID);
    assert_non_null(strstr(error.message, "chmod go-w"));
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(jwks_new(&options, &jwks, &error), LODE_OK);
    assert_true(has_kid(jwks, "first"));
    assert_int_equal(chmod(path, 0664), 0);
    assert_int_equal(jwks_reload(jwks, &error), LODE_INVALID);
    assert_true(has_kid(jwks, "first"));
    jwks_free(jwks);
}

static void only_safe_urls(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        int good;
    } cases[] = {
        {"https://login.example.com/keys", 1},
        {"http://127.0.0.1:8080/keys", 1},
        {"http://localhost/keys", 1},
        {"http://[::1]:80/keys", 1},
        {"http://login.example.com/keys", 0},
        {"http://127.0.0.1.example.com/keys", 0},
        {"http://localhost.example.com/k", 0},
        {"http://127.0.0.1@example.com/", 0},
        {"https://user:secret@example.com/", 0},
        {"file:///etc/passwd", 0},
        {"ftp://example.com/keys", 0},
        {"/etc/keys", 0},
        {"", 0},
        {"https://", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lode_error error = {.message = ""};
        lode_status status = jwks_check_url(cases[i].url, &error);
        if ((status == LODE_OK) != cases[i].good)
            fail_msg("%s: %s", cases[i].url, error.message);
        assert_null(strstr(error.message, "secret"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_are_fetched_and_refreshed),
        cmocka_unit_test(what_was_known_stays),
        cmocka_unit_test(a_successor_knows_what_was_known),
        cmocka_unit_test(it_begins_without),
        cmocka_unit_test(unknown_kids_ask_early_but_rarely),
        cmocka_unit_test(slow_servers_hold_nobody_up),
        cmocka_unit_test_setup_teardown(files_that_others_may_write_are_refused, dir_setup,
                                        dir_teardown),
        cmocka_unit_test(only_safe_urls),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
