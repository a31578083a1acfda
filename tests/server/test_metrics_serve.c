/* Metrics as a real scraper gets them. With --serve: answers every connection with them as HTTP, at a port of the system's
 * choice, which it prints, until stdin ends; each answer counts something more. Without: prints them once, to be looked at. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/metrics.h"

static const char *const operations[] = {"query", "vectors.upsert", "indices.list"};

#define CHECK(condition)                                                                           \
    ((condition) ? (void)0 : (fprintf(stderr, "%s failed\n", #condition), exit(1)))

/* Something of everything that can be counted. */
static void count(struct metrics *metrics)
{
    struct net_outcome outcome = {.status = 200,
                                  .bytes_in = 3000,
                                  .bytes_out = 900,
                                  .waited_us = 40,
                                  .ran_us = 700,
                                  .total_us = 800};
    for (size_t i = 0; i < 3; i++, outcome.total_us *= 20)
        metrics_request(metrics, i, &outcome);
    outcome = (struct net_outcome){.status = 429, .total_us = 90};
    metrics_request(metrics, 0, &outcome);
    outcome.status = 404;
    metrics_request(metrics, SIZE_MAX, &outcome);
    metrics_refused(metrics, NET_REFUSED_QUEUE);
    metrics_denied(metrics, "expired");
    metrics_malformed(metrics, 400);
    metrics_queries(metrics, 1, 300, 40);
    metrics_points(metrics, 100, 2);
    metrics_recall(metrics, "films", 9, 10);
    metrics_slow(metrics);
}

static lode_status write_text(struct metrics *metrics, struct buf *out)
{
    static const lode_segment_stats segments[] = {
        {.state = LODE_SEGMENT_GROWING, .rows = 5},
        {.state = LODE_SEGMENT_INDEXED, .rows = 1000, .dead_rows = 10, .graph_rows = 1000}};
    static const lode_job_stats jobs[] = {{.kind = LODE_JOB_MERGE, .done = 10, .total = 100}};
    static const lode_stats stats = {
        .points = 995, .segments = segments, .segment_count = 2, .jobs = jobs, .job_count = 1};
    const struct metrics_collection collections[] = {{"films", &stats}, {"songs", &stats}};
    const struct metrics_cache cache = {"tokens", 5, 1};
    struct net_stats net = {.connections = 1, .tls_expires_s = 1700000000};
    struct metrics_sources sources = {.net = &net,
                                      .collections = collections,
                                      .collection_count = 2,
                                      .caches = &cache,
                                      .cache_count = 1,
                                      .data = ".",
                                      .is_ready = true};
    return metrics_text(metrics, &sources, out, NULL);
}

/* --- HTTP, as little of it as a scraper needs ----------------------------------------------------- */

static int listen_somewhere(unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0 && bind(fd, (struct sockaddr *)&address, size) == 0 && listen(fd, 16) == 0);
    CHECK(getsockname(fd, (struct sockaddr *)&address, &size) == 0);
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void write_all(int fd, const void *data, size_t size)
{
    const char *bytes = data;
    for (ssize_t written; size > 0 && (written = send(fd, bytes, size, MSG_NOSIGNAL)) > 0;) {
        bytes += written;
        size -= (size_t)written;
    }
}

static void answer(int fd, struct metrics *metrics)
{
    char head[4096] = "", answer_head[256];
    size_t size = 0;
    ssize_t got;
    while (size < sizeof head - 1 && !strstr(head, "\r\n\r\n") &&
           (got = read(fd, head + size, sizeof head - 1 - size)) > 0)
        size += (size_t)got;
    struct buf out;
    buf_init(&out, 1 << 20);
    count(metrics);
    CHECK(write_text(metrics, &out) == LODE_OK);
    int head_size = snprintf(answer_head, sizeof answer_head,
                             "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                             "Connection: close\r\n\r\n",
                             METRICS_CONTENT_TYPE, out.size);
    write_all(fd, answer_head, (size_t)head_size);
    write_all(fd, out.data, out.size);
    buf_release(&out);
    close(fd);
}

static void serve(struct metrics *metrics)
{
    unsigned port;
    int fd = listen_somewhere(&port);
    printf("%u\n", port);
    fflush(stdout);
    for (;;) {
        struct pollfd polled[] = {{.fd = fd, .events = POLLIN},
                                  {.fd = STDIN_FILENO, .events = POLLIN}};
        if (poll(polled, 2, -1) < 0 || polled[1].revents)
            break;
        int connection = accept(fd, NULL, NULL);
        if (connection >= 0)
            answer(connection, metrics);
    }
    close(fd);
}

int main(int argc, char **argv)
{
    struct metrics *metrics = NULL;
    struct buf out;
    CHECK(metrics_new(operations, 3, &metrics, NULL) == LODE_OK);
    if (argc > 1 && strcmp(argv[1], "--serve") == 0) {
        serve(metrics);
    } else {
        buf_init(&out, 1 << 20);
        count(metrics);
        CHECK(write_text(metrics, &out) == LODE_OK);
        CHECK(fwrite(out.data, 1, out.size, stdout) == out.size);
        buf_release(&out);
    }
    metrics_free(metrics);
    return 0;
}
