/* The parser of HTTP/1: what it accepts and what it refuses, by tables; each message is fed whole, split at every byte and
 * byte by byte, and must give the same. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "net/http1.h"

#define POST    "POST /u HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static void add_text(struct buf *log, const char *text)
{
    assert_int_equal(buf_append(log, text, strlen(text), NULL), LODE_OK);
}

static void log_head(struct buf *log, const struct http1_head *head)
{
    char line[256];
    (void)snprintf(line, sizeof line, "%.40s|%.60s|%.40s|%.40s|%lld%s%s%s", head->method,
                   head->target.path, head->target.query, head->authority,
                   (long long)head->content_size, head->is_http10 ? "|1.0" : "",
                   head->closes ? "|closes" : "", head->expects_continue ? "|expects" : "");
    add_text(log, line);
    for (size_t i = 0; i < head->fields.count; i++) {
        const struct field *field = &head->fields.items[i];
        assert_int_equal(strlen(fields_at(&head->fields, field->name)), field->name_size);
        assert_int_equal(strlen(fields_at(&head->fields, field->value)), field->value_size);
    }
    (void)snprintf(line, sizeof line, "|%zu\n", head->fields.count);
    add_text(log, line);
}

/* Feed one piece; false: it failed, and *total bytes were taken in all. */
static int feed(struct http1 *http1, const uint8_t *data, size_t size, struct buf *log,
                size_t *total)
{
    for (size_t offset = 0;;) {
        struct http1_piece piece = {0};
        size_t used = 0;
        /* A copy of its own size: the sanitizer sees reads beyond it. */
        uint8_t *copy = malloc(size - offset + 1);
        memcpy(copy, data + offset, size - offset);
        enum http1_event event = http1_next(http1, copy, size - offset, &used, &piece);
        offset += used;
        *total += used;
        if (event == HTTP1_HEAD) {
            struct http1_head head;
            http1_take_head(http1, &head);
            log_head(log, &head);
            fields_release(&head.fields);
        } else if (event == HTTP1_BODY) {
            assert_int_equal(buf_append(log, piece.data, piece.size, NULL), LODE_OK);
        } else if (event == HTTP1_END) {
            add_text(log, "<end>\n");
        }
        free(copy);
        if (event == HTTP1_MORE)
            assert_int_equal(offset, size);
        if (event == HTTP1_MORE || event == HTTP1_ERROR)
            return event == HTTP1_MORE;
    }
}

/* Feed a message in pieces that `cut` chooses; the log ends with how it failed, or that it goes on. */
static void parse(const char *text, size_t size, size_t (*cut)(void *context, size_t left),
                  void *context, struct buf *log)
{
    struct http1 http1;
    size_t offset = 0, total = 0;
    int goes_on = 1;
    http1_init(&http1);
    buf_clear(log);
    while (goes_on && offset < size) {
        size_t count = cut(context, size - offset);
        goes_on = feed(&http1, (const uint8_t *)text + offset, count, log, &total);
        offset += count;
    }
    char line[200] = "";
    if (!goes_on)
        (void)snprintf(line, sizeof line, "!%u %s", http1.fault.status, http1.fault.why);
    else if (!http1_is_between(&http1))
        (void)snprintf(line, sizeof line, "...");
    add_text(log, line);
    assert_int_equal(buf_terminate(log, NULL), LODE_OK);
    http1_release(&http1);
}

static size_t cut_nothing(void *context, size_t left)
{
    (void)context;
    return left;
}

static size_t cut_all(void *context, size_t left)
{
    (void)context;
    return left ? 1 : 0;
}

static size_t cut_once(void *context, size_t left)
{
    size_t *at = context;
    size_t count = *at && *at < left ? *at : left;
    *at = 0;
    return count;
}

static size_t cut_anywhere(void *context, size_t left)
{
    size_t count = 1 + rng_below(context, 40);
    return count < left ? count : left;
}

static void check_splits(const char *text, size_t size, const struct buf *whole)
{
    struct buf log;
    buf_init(&log, SIZE_MAX);
    parse(text, size, cut_all, NULL, &log);
    assert_string_equal((char *)log.data, (char *)whole->data);
    for (size_t i = 1; i < size && size < 4000; i++) {
        size_t at = i;
        parse(text, size, cut_once, &at, &log);
        assert_string_equal((char *)log.data, (char *)whole->data);
    }
    struct rng rng;
    rng_init(&rng, size);
    for (int i = 0; i < 20; i++) {
        parse(text, size, cut_anywhere, &rng, &log);
        assert_string_equal((char *)log.data, (char *)whole->data);
    }
    buf_release(&log);
}

static void check(const char *text, size_t size, const char *expected)
{
    struct buf log;
    buf_init(&log, SIZE_MAX);
    parse(text, size, cut_nothing, NULL, &log);
    assert_string_equal((char *)log.data, expected);
    check_splits(text, size, &log);
    buf_release(&log);
}

/* --- Tables ------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *text, *expected;
} accepted[] = {
    {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET|/||x|0|1\n<end>\n"},
    {"GET /a?b=c?d HTTP/1.1\r\nhOST:\tx:80 \t\r\nA:\r\n\r\n", "GET|/a|b=c?d|x:80|0|2\n<end>\n"},
    {"\r\nGET / HTTP/1.1\r\nHost: [::1]:7\r\n\r\n", "GET|/||[::1]:7|0|1\n<end>\n"},
    {"GET http://h.org:8/p?q HTTP/1.1\r\nHost: x\r\n\r\n", "GET|/p|q|h.org:8|0|1\n<end>\n"},
    {"GET HTTPS://h HTTP/1.1\r\nHost: x\r\n\r\n", "GET|/||h|0|1\n<end>\n"},
    {"GET http://h?q HTTP/1.1\r\nHost: x\r\n\r\n", "GET|/|q|h|0|1\n<end>\n"},
    {"GET / HTTP/1.0\r\n\r\n", "GET|/|||0|1.0|closes|0\n<end>\n"},
    {"GET / HTTP/1.1\r\nHost: x\r\nConnection: te, Close\r\n\r\n", "GET|/||x|0|closes|2\n<end>\n"},
    {"GET / HTTP/1.1\r\nHost: x\r\nConnection: closed\r\n\r\n", "GET|/||x|0|2\n<end>\n"},
    {POST "Content-Length: 3\r\n\r\nabc", "POST|/u||x|3|2\nabc<end>\n"},
    {POST "Content-Length: 003\r\n\r\nabc", "POST|/u||x|3|2\nabc<end>\n"},
    {POST "Content-Length: 3\r\nExpect: 100-Continue\r\n\r\nab", "POST|/u||x|3|expects|3\nab..."},
    {POST "Content-Length: 3\r\n\r\nabc" POST "Content-Length: 1\r\n\r\nd" POST,
     "POST|/u||x|3|2\nabc<end>\nPOST|/u||x|1|2\nd<end>\n..."},
    {CHUNKED "3\r\nabc\r\n00A;x=\"y\"\r\n0123456789\r\n0\r\n\r\n",
     "POST|/u||x|-1|2\nabc0123456789<end>\n"},
    {CHUNKED "1\r\na\r\n0;last\r\nA: b\r\nC:\r\n\r\nGET", "POST|/u||x|-1|2\na<end>\n..."},
    {POST "Transfer-Encoding:ChunKed\r\n\r\n0\r\n\r\n", "POST|/u||x|-1|2\n<end>\n"},
    {"GET / HTTP/1.1\r\nHost:\r\nX: \x80\xff\r\n\r\n", "GET|/|||0|2\n<end>\n"},
};

static const struct {
    const char *text;
    unsigned status;
} refused[] = {
    {POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {POST "Content-Length: 3\r\nContent-Length: 5\r\n\r\n", 400},
    {POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n", 400},
    {POST "Content-Length: 3, 3\r\n\r\n", 400},
    {POST "Content-Length: +3\r\n\r\n", 400},
    {POST "Content-Length: -3\r\n\r\n", 400},
    {POST "Content-Length: 0x3\r\n\r\n", 400},
    {POST "Content-Length: 3 3\r\n\r\n", 400},
    {POST "Content-Length:\r\n\r\n", 400},
    {POST "Content-Length: 99999999999999999999\r\n\r\n", 413},
    {POST "Content-Length : 3\r\n\r\n", 400},
    {POST "Content-Length\t: 3\r\n\r\n", 400},
    {POST "Transfer-Encoding: xchunked\r\n\r\n", 501},
    {POST "Transfer-Encoding: chunked, identity\r\n\r\n", 501},
    {POST "Transfer-Encoding: identity, chunked\r\n\r\n", 501},
    {POST "Transfer-Encoding: gzip\r\n\r\n", 501},
    {POST "Transfer-Encoding: \"chunked\"\r\n\r\n", 501},
    {POST "Transfer-Encoding: chunked;q=1\r\n\r\n", 501},
    {POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {POST "Transfer-Encoding:\r\n\r\n", 501},
    {"POST /u HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
    {"GET / HTTP/1.1\nHost: x\n\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\r\n\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\r\rA: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\r\nA: b\rc\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n\tc: d\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n Host: x\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: x y\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: x/y\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: a@b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\r\nA\x01: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\r\nA: b\x7f\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\r\nA: b\x1b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\r\n: b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\r\nA b\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\r\nA b: c\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\r\n\xc3\xa4: c\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\r\nA(: c\r\n\r\n", 400},
    {"GET / HTTP/1.1\r\nHost: x\r\nExpect: 200-ok\r\n\r\n", 417},
    {"GET / HTTP/1.2\r\nHost: x\r\n\r\n", 505},
    {"GET / HTTP/2.0\r\nHost: x\r\n\r\n", 505},
    {"GET / http/1.1\r\nHost: x\r\n\r\n", 400},
    {"GET / HTTP/1.10\r\nHost: x\r\n\r\n", 400},
    {"GET / HTTP/1.1 \r\nHost: x\r\n\r\n", 400},
    {"GET /  HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"GET  / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"GET\t/ HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"GET /\r\n\r\n", 400},
    {"GET\r\n\r\n", 400},
    {"GET / a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"G(T / HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"GET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"GET /\xc3\xa4 HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"GET a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"GET * HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", 501},
    {"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n", 501},
    {"GET http:///a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"GET http://u@h/a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"GET ftp://h/a HTTP/1.1\r\nHost: x\r\n\r\n", 400},
    {"GET http://h/a HTTP/1.1\r\n\r\n", 400},
    {"AVERYLONGMETHODTHATISLONGERTHANANY / HTTP/1.1\r\nHost: x\r\n\r\n", 501},
    {"\x16\x03\x01", 400},
    {" GET / HTTP/1.1\r\n", 400},
    {"\nGET / HTTP/1.1\r\n", 400},
    {"\r\n\r\nGET / HTTP/1.1\r\n", 400},
    {"\rGET / HTTP/1.1\r\n", 400},
    {CHUNKED "-1\r\n", 400},
    {CHUNKED "+1\r\n", 400},
    {CHUNKED "0x1\r\n", 400},
    {CHUNKED " 1\r\n", 400},
    {CHUNKED "1 \r\n", 400},
    {CHUNKED "\r\n", 400},
    {CHUNKED ";a\r\n", 400},
    {CHUNKED "g\r\n", 400},
    {CHUNKED "1\na", 400},
    {CHUNKED "1\r\nab", 400},
    {CHUNKED "1\r\na\n", 400},
    {CHUNKED "1\r\na\rb", 400},
    {CHUNKED "1;\x01\r\n", 400},
    {CHUNKED "1;a\n", 400},
    {CHUNKED "1;a\rb", 400},
    {CHUNKED "1000000000000000\r\n", 413},
    {CHUNKED "0\r\nA : b\r\n", 400},
    {CHUNKED "0\r\n b: c\r\n", 400},
    {CHUNKED "0\r\nA\r\n", 400},
    {CHUNKED "0\r\nA: b\n", 400},
    {CHUNKED "0\r\nA: \x01", 400},
    {CHUNKED "0\r\n\n", 400},
};

static void test_accepted(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof accepted / sizeof *accepted; i++)
        check(accepted[i].text, strlen(accepted[i].text), accepted[i].expected);
}

static unsigned status_of(const char *text, size_t size)
{
    struct buf log;
    buf_init(&log, SIZE_MAX);
    parse(text, size, cut_nothing, NULL, &log);
    const char *mark = strrchr((char *)log.data, '!');
    unsigned status = mark ? (unsigned)strtoul(mark + 1, NULL, 10) : 0;
    check_splits(text, size, &log);
    buf_release(&log);
    return status;
}

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        unsigned status = status_of(refused[i].text, strlen(refused[i].text));
        if (status != refused[i].status)
            print_error("%s\n", refused[i].text);
        assert_int_equal(status, refused[i].status);
    }
    static const char nul[] = "GET / HTTP/1.1\r\nHost: x\r\nA: b\0c\r\n\r\n";
    assert_int_equal(status_of(nul, sizeof nul - 1), 400);
    static const char nul_target[] = "GET /\0 HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_int_equal(status_of(nul_target, sizeof nul_target - 1), 400);
}

/* A failure is for good. */
static void test_stays_refused(void **state)
{
    struct http1 http1;
    struct http1_piece piece;
    size_t used = 0;
    (void)state;
    http1_init(&http1);
    assert_int_equal(http1_next(&http1, (const uint8_t *)"(", 1, &used, &piece), HTTP1_ERROR);
    assert_int_equal(http1_next(&http1, (const uint8_t *)"GET ", 4, &used, &piece), HTTP1_ERROR);
    assert_int_equal(used, 0);
    http1_release(&http1);
}

/* --- Bounds ----------------------------------------------------------------------------------------------------------- */

/* before, `count` times `part`, after */
static unsigned status_of_parts(const char *before, const char *part, size_t count,
                                const char *after)
{
    struct buf text;
    buf_init(&text, SIZE_MAX);
    add_text(&text, before);
    for (size_t i = 0; i < count; i++)
        add_text(&text, part);
    add_text(&text, after);
    unsigned status = status_of((const char *)text.data, text.size);
    buf_release(&text);
    return status;
}

static void test_bounds(void **state)
{
    static const char line[] = "GET / HTTP/1.1\r\nHost: x\r\n";
    size_t room = HEAD_SIZE_MAX - sizeof line + 1 - strlen("A: \r\n\r\n");
    (void)state;
    assert_int_equal(status_of_parts("GET / HTTP/1.1\r\nHost: x\r\nA: ", "a", room, "\r\n\r\n"), 0);
    assert_int_equal(status_of_parts("GET / HTTP/1.1\r\nHost: x\r\nA: ", "a", room + 1, "\r\n\r\n"),
                     431);
    assert_int_equal(status_of_parts(line, "A: b\r\n", FIELDS_MAX - 1, "\r\n"), 0);
    assert_int_equal(status_of_parts(line, "A: b\r\n", FIELDS_MAX, "\r\n"), 431);
    assert_int_equal(
        status_of_parts("GET /", "a", TARGET_SIZE_MAX - 1, " HTTP/1.1\r\nHost: x\r\n\r\n"), 0);
    assert_int_equal(status_of_parts("GET /", "a", TARGET_SIZE_MAX, " HTTP/1.1\r\nHost: x\r\n\r\n"),
                     414);
    assert_int_equal(status_of_parts("GET /", "a", HEAD_SIZE_MAX, ""), 414);
    assert_int_equal(status_of_parts("G", "E", HEAD_SIZE_MAX, ""), 414);
    assert_int_equal(status_of_parts(CHUNKED "1;", "a", EXTENSIONS_SIZE_MAX - 1, "\r\na\r\n"), 0);
    assert_int_equal(status_of_parts(CHUNKED "1;", "a", EXTENSIONS_SIZE_MAX, "\r\na\r\n"), 400);
    assert_int_equal(status_of_parts(CHUNKED, "1;aaa\r\na\r\n", EXTENSIONS_SIZE_MAX / 4, ""), 0);
    assert_int_equal(status_of_parts(CHUNKED, "1;aaa\r\na\r\n", EXTENSIONS_SIZE_MAX / 4 + 1, ""),
                     400);
    assert_int_equal(status_of_parts(CHUNKED "0\r\n", "A: b\r\n", TRAILERS_SIZE_MAX / 6, ""), 0);
    assert_int_equal(status_of_parts(CHUNKED "0\r\n", "A: b\r\n", TRAILERS_SIZE_MAX / 6 + 1, ""),
                     431);
}

/* --- Nonsense ------------------------------------------------------------------------------------------------------------ */

/* Messages of the tables with bytes changed, left out, doubled: any split gives the same. */
static void test_mutations(void **state)
{
    static const char bytes[] = "\r\n :;,\t0aZ\x7f";
    struct rng rng;
    struct buf whole;
    (void)state;
    rng_init(&rng, 1);
    buf_init(&whole, SIZE_MAX);
    for (int round = 0; round < 3000; round++) {
        char text[512];
        size_t count = sizeof accepted / sizeof *accepted;
        const char *from = accepted[rng_below(&rng, (uint32_t)count)].text;
        size_t size = strlen(from);
        memcpy(text, from, size);
        for (int i = 0; i < 2; i++)
            text[rng_below(&rng, (uint32_t)size)] = bytes[rng_below(&rng, sizeof bytes)];
        parse(text, size, cut_nothing, NULL, &whole);
        struct buf log;
        buf_init(&log, SIZE_MAX);
        parse(text, size, cut_all, NULL, &log);
        assert_string_equal((char *)log.data, (char *)whole.data);
        parse(text, size, cut_anywhere, &rng, &log);
        assert_string_equal((char *)log.data, (char *)whole.data);
        buf_release(&log);
    }
    buf_release(&whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_accepted),      cmocka_unit_test(test_refused),
        cmocka_unit_test(test_stays_refused), cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_mutations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
